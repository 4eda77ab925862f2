// Copies of some elements in another order: tril, roll, rot90, repeat, diag_embed, pixel_shuffle, …
#include "engine/operators/families.h"
#include "engine/operators/placement.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sources.h"

namespace gradproof {

namespace {

// --- triangles ---

template <bool Lower>
struct Triangle {
  static Rearrangement plan(Sizes sizes, PlainArgs args) { return triangle(sizes, args[0].integer); }
  static Rearrangement triangle(Sizes sizes, Index diagonal) {
    if (sizes.size() < 2) throw EngineError(GP_SHAPE, "triangles are of matrices, not of shape " + to_text(sizes));
    const std::size_t col = sizes.size() - 1;
    return by_index(Shape(sizes), [&](const Shape& at) {
      // col - row <= diagonal without a sum that may overflow: both sides are small on the left.
      const Index right = at[col] - at[col - 1];
      return (Lower ? right <= diagonal : right >= diagonal) ? position_of(at, sizes) : nowhere;
    });
  }
};

// --- diagonals ---

struct DiagEmbed {
  static Rearrangement plan(Sizes sizes, PlainArgs args) {
    return embedded_diagonal(sizes, args[0].integer, args[1].integer, args[2].integer);
  }
  static Rearrangement embedded_diagonal(Sizes sizes, Index offset, Index dim1, Index dim2) {
    const int ndim = static_cast<int>(sizes.size()) + 1;
    const auto a = static_cast<std::size_t>(wrap_dim(dim1, ndim));
    const auto b = static_cast<std::size_t>(wrap_dim(dim2, ndim));
    if (a == b) throw EngineError(GP_SHAPE, "the two dimensions of a diagonal are the same");
    if (sizes.empty()) throw EngineError(GP_INDEX, "a 0-d tensor has no last dim to make a diagonal of");
    constexpr Index most = Index{1} << 40U;
    if (offset > most || offset < -most) throw EngineError(GP_OUT_OF_MEMORY, "a diagonal beyond 2^40 elements");
    const Index length = sizes.back() + (offset < 0 ? -offset : offset);
    Shape whole;
    for (std::size_t d = 0, own = 0; d < static_cast<std::size_t>(ndim); ++d) {
      whole.push(d == a || d == b ? length : sizes[own++]);
    }
    Rearrangement result{whole, Table(static_cast<std::size_t>(plannable(whole)), nowhere)};
    const ViewLayout layout = diagonal_layout(whole, row_major(whole), offset, dim1, dim2);
    Index k = 0;
    for (const Index at : strided(layout.sizes, layout.strides, layout.offset).from) {
      result.from[static_cast<std::size_t>(at)] = k++;
    }
    return result;
  }
};

// A matrix of a vector, or the diagonal of a matrix.
struct Diag {
  static Rearrangement plan(Sizes sizes, PlainArgs args) {
    if (sizes.size() == 1) return DiagEmbed::embedded_diagonal(sizes, args[0].integer, 0, 1);
    if (sizes.size() != 2) throw EngineError(GP_ARGUMENT, "diag takes 1 or 2 dims, not shape " + to_text(sizes));
    const ViewLayout layout = diagonal_layout(sizes, row_major(sizes), args[0].integer, 0, 1);
    return strided(layout.sizes, layout.strides, layout.offset);
  }
};

// --- turns ---

// i modulo n, never negative.
Index modulo(Index i, Index n) { return (i % n + n) % n; }

struct Roll {
  static Rearrangement plan(Sizes sizes, PlainArgs args) { return rolled(sizes, list(args[0]), list(args[1])); }
  static Rearrangement rolled(Sizes sizes, Sizes shifts, Sizes dims) {
    if (shifts.empty()) throw EngineError(GP_ARGUMENT, "roll takes at least one shift");
    if (dims.empty() && shifts.size() == 1) {
      const Index numel = count_elements(sizes);
      return by_index(Shape(sizes),
                      [&](const Shape& at) { return modulo(position_of(at, sizes) - shifts[0] % numel, numel); });
    }
    if (shifts.size() != dims.size()) {
      throw EngineError(GP_SHAPE,
                        std::to_string(shifts.size()) + " shifts for " + std::to_string(dims.size()) + " dimensions");
    }
    Shape by = filled_shape(sizes.size(), 0);
    for (std::size_t i = 0; i < dims.size(); ++i) {
      const int dim = wrap_dim(dims[i], static_cast<int>(sizes.size()));
      if (sizes.empty()) continue;
      const auto d = static_cast<std::size_t>(dim);
      if (sizes[d] > 0) by[d] += shifts[i] % sizes[d];
    }
    return by_index(Shape(sizes), [&](const Shape& at) {
      Shape from = at;
      for (std::size_t d = 0; d < sizes.size(); ++d) from[d] = modulo(at[d] - by[d], sizes[d]);
      return position_of(from, sizes);
    });
  }
};

struct Rot90 {
  static Rearrangement plan(Sizes sizes, PlainArgs args) { return turned(sizes, args[0].integer, list(args[1])); }
  // k quarter turns from the first dim of the plane towards the second.
  static Rearrangement turned(Sizes sizes, Index k, Sizes plane) {
    const int ndim = static_cast<int>(sizes.size());
    if (plane.size() != 2) throw EngineError(GP_ARGUMENT, "rot90 turns a plane of two dims");
    if (ndim < 2) throw EngineError(GP_ARGUMENT, "rot90 takes at least 2 dims, not shape " + to_text(sizes));
    const auto a = static_cast<std::size_t>(wrap_dim(plane[0], ndim));
    const auto b = static_cast<std::size_t>(wrap_dim(plane[1], ndim));
    if (a == b) throw EngineError(GP_ARGUMENT, "the two dims of rot90's plane are the same");
    const Index quarters = modulo(k, 4);
    Shape out(sizes);
    if (quarters % 2 == 1) std::swap(out[a], out[b]);
    return by_index(out, [&](const Shape& at) {
      Shape from = at;
      const Index i = at[a];
      const Index j = at[b];
      from[a] = quarters == 0 ? i : quarters == 1 ? j : quarters == 2 ? sizes[a] - 1 - i : sizes[a] - 1 - j;
      from[b] = quarters == 0 ? j : quarters == 1 ? sizes[b] - 1 - i : quarters == 2 ? sizes[b] - 1 - j : i;
      return position_of(from, sizes);
    });
  }
};

// One dim backward: fliplr, flipud.
template <int Dim, int LeastDims>
struct Flipped {
  static Rearrangement plan(Sizes sizes, PlainArgs) {
    if (sizes.size() < LeastDims) throw EngineError(GP_SHAPE, "too few dimensions to flip: shape " + to_text(sizes));
    return by_index(Shape(sizes), [&](Shape at) {
      at[Dim] = sizes[Dim] - 1 - at[Dim];
      return position_of(at, sizes);
    });
  }
};

// --- repeat; tile, which takes fewer numbers than dims too ---

template <bool Tile>
struct Repeat {
  static Rearrangement plan(Sizes sizes, PlainArgs args) { return repeated(sizes, list(args[0])); }
  static Rearrangement repeated(Sizes sizes, Sizes repeats) {
    if (!Tile && repeats.size() < sizes.size()) {
      throw EngineError(GP_SHAPE, std::to_string(repeats.size()) + " repeats for a tensor of shape " + to_text(sizes));
    }
    const std::size_t ndim = std::max(repeats.size(), sizes.size());
    const std::size_t lead = ndim - sizes.size();
    const std::size_t ones = ndim - repeats.size();
    Shape out;
    for (std::size_t d = 0; d < ndim; ++d) {
      const Index times = d < ones ? 1 : repeats[d - ones];
      const Index size = d < lead ? 1 : sizes[d - lead];
      constexpr Index most = Index{1} << 40U;
      if (times < 0) throw EngineError(GP_SHAPE, "a negative number of repeats in " + to_text(repeats));
      if (size > 0 && times > most / size) throw EngineError(GP_OUT_OF_MEMORY, "more than 2^40 repeated elements");
      out.push(size == 0 ? 0 : times * size);
    }
    return by_index(out, [&](const Shape& at) {
      Shape from;
      for (std::size_t d = lead; d < ndim; ++d) from.push(at[d] % sizes[d - lead]);
      return position_of(from, sizes);
    });
  }
};

// Each element several times, beside each other; all dims as one where none is given.
struct RepeatInterleave {
  static Rearrangement plan(Sizes sizes, PlainArgs args) {
    const Index times = args[0].integer;
    const Index numel = count_elements(sizes);
    const bool flat = args[1].is_none();
    const Sizes own = flat ? Sizes{&numel, 1} : sizes;
    if (times < 0) throw EngineError(GP_ARGUMENT, "a negative number of repeats");
    const auto dim = static_cast<std::size_t>(flat ? 0 : wrap_dim(args[1].integer, static_cast<int>(sizes.size())));
    Shape out = own.empty() ? filled_shape(1, 1) : Shape(own);
    constexpr Index most = Index{1} << 40U;
    if (out[dim] > 0 && times > most / out[dim]) {
      throw EngineError(GP_OUT_OF_MEMORY, "more than 2^40 repeated elements");
    }
    out[dim] *= times;
    if (!args[2].is_none() && args[2].integer != out[dim]) {
      throw EngineError(GP_ARGUMENT,
                        "output_size must be " + std::to_string(out[dim]) + ", not " + std::to_string(args[2].integer));
    }
    return by_index(out, [&](Shape at) {
      at[dim] /= times;
      return own.empty() ? 0 : position_of(at, own);
    });
  }
};

// Channels, in groups, as the transpose of [groups, channels of each].
struct ChannelShuffle {
  static Rearrangement plan(Sizes sizes, PlainArgs args) {
    const Index groups = args[0].integer;
    if (sizes.size() < 3) throw EngineError(GP_SHAPE, "channels are in at least 3 dims, not shape " + to_text(sizes));
    if (groups <= 0) throw EngineError(GP_ARGUMENT, "the number of groups must be positive");
    if (sizes[1] % groups != 0) {
      throw EngineError(GP_SHAPE, std::to_string(groups) + " groups of channels in shape " + to_text(sizes));
    }
    const Index each = sizes[1] / groups;
    return by_index(Shape(sizes), [&](Shape at) {
      at[1] = at[1] % groups * each + at[1] / groups;
      return position_of(at, sizes);
    });
  }
};

// --- pixels: [.., c·r², h, w] and [.., c, h·r, w·r] ---

template <bool Inverse>
struct PixelShuffle {
  static Rearrangement plan(Sizes sizes, PlainArgs args) { return shuffled(sizes, args[0].integer); }
  static Rearrangement shuffled(Sizes sizes, Index r) {
    if (sizes.size() < 3) throw EngineError(GP_SHAPE, "pixels are in at least 3 dims, not shape " + to_text(sizes));
    if (r <= 0) throw EngineError(GP_ARGUMENT, "the factor between pixels must be positive, not " + std::to_string(r));
    const std::size_t c = sizes.size() - 3;
    const std::array<Index, 3> last{sizes[c], sizes[c + 1], sizes[c + 2]};
    constexpr Index most = Index{1} << 20U;
    const bool divides = r <= most && (Inverse ? last[1] % r == 0 && last[2] % r == 0 : last[0] % (r * r) == 0);
    if (!divides) {
      throw EngineError(GP_SHAPE, "shape " + to_text(sizes) + " is not divisible by the factor " + std::to_string(r));
    }
    Shape out(sizes);
    out[c] = Inverse ? last[0] * r * r : last[0] / (r * r);
    out[c + 1] = Inverse ? last[1] / r : last[1] * r;
    out[c + 2] = Inverse ? last[2] / r : last[2] * r;
    return by_index(out, [&](Shape at) {
      if (Inverse) {
        const Index within = at[c] % (r * r);
        at[c] /= r * r;
        at[c + 1] = at[c + 1] * r + within / r;
        at[c + 2] = at[c + 2] * r + within % r;
      } else {
        at[c] = at[c] * r * r + at[c + 1] % r * r + at[c + 2] % r;
        at[c + 1] /= r;
        at[c + 2] /= r;
      }
      return position_of(at, sizes);
    });
  }
};

// --- drawing ---

void sample_triangle(Draw& draw) {
  draw.tensor("self", draw.shape(2, 4));
  if (draw.coin()) draw.set_int("diagonal", draw.integer(-4, 4));
}

void sample_diag(Draw& draw) {
  draw.tensor("self", draw.shape(1, 2));
  if (draw.coin()) draw.set_int("diagonal", draw.integer(-3, 3));
}

void sample_diag_embed(Draw& draw) {
  const std::vector<Index> shape = draw.shape(1, 3);
  draw.tensor("self", shape);
  if (draw.coin()) draw.set_int("offset", draw.integer(-2, 2));
  if (!draw.coin()) draw_matrix_dims(draw, std::ssize(shape) + 1);
}

void sample_roll(Draw& draw) {
  const std::vector<Index> shape = draw.shape(1, 4);
  draw.tensor("self", shape);
  if (draw.one_in(4)) return draw.set_ints("shifts", std::array{draw.integer(-5, 5)});
  const std::vector<Index> dims = draw.dims(std::ssize(shape), 1);
  std::vector<Index> shifts(dims.size());
  for (Index& shift : shifts) shift = draw.integer(-5, 5);
  draw.set_ints("shifts", shifts);
  draw.set_ints("dims", dims);
}

void sample_rot90(Draw& draw) {
  const std::vector<Index> shape = draw.shape(2, 4);
  draw.tensor("self", shape);
  if (!draw.one_in(4)) draw.set_int("k", draw.integer(-5, 5));
  if (draw.coin()) return;
  const Index ndim = std::ssize(shape);
  const Index a = draw.integer(0, ndim - 1);
  draw.set_ints("dims", std::array{draw.maybe_negative(a, ndim), (a + draw.integer(1, ndim - 1)) % ndim});
}

void sample_flipud(Draw& draw) { draw.tensor("self", draw.shape(1, 4)); }

std::vector<Index> draw_repeats(Draw& draw, Index count) {
  std::vector<Index> repeats(static_cast<std::size_t>(count));
  for (Index& times : repeats) times = draw.one_in(16) ? 0 : draw.integer(1, 3);
  return repeats;
}
void sample_repeat(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 3);
  draw.tensor("self", shape);
  draw.set_ints("repeats", draw_repeats(draw, std::ssize(shape) + (draw.one_in(3) ? 1 : 0)));
}
void sample_tile(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 3);
  draw.tensor("self", shape);
  draw.set_ints("dims", draw_repeats(draw, draw.integer(0, std::ssize(shape) + 1)));
}

void sample_interleave(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 3);
  draw.tensor("self", shape);
  const Index times = draw.one_in(12) ? 0 : draw.integer(1, 3);
  draw.set_int("repeats", times);
  const bool flat = shape.empty() || draw.one_in(3);
  const Index dim = flat ? 0 : draw.integer(0, std::ssize(shape) - 1);
  if (!flat) draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
  const Index length = flat ? count_elements(shape) : shape[static_cast<std::size_t>(dim)];
  if (draw.one_in(4)) draw.set_int("output_size", length * times);
}

void sample_channels(Draw& draw) {
  const Index groups = draw.integer(1, 3);
  std::vector<Index> shape{draw.integer(1, 2), groups * draw.integer(1, 2), draw.integer(1, 3)};
  if (draw.coin()) shape.push_back(draw.integer(1, 2));
  draw.tensor("self", shape);
  draw.set_int("groups", groups);
}

template <bool Inverse>
void sample_pixels(Draw& draw) {
  const Index r = draw.integer(1, 2);
  std::vector<Index> shape = draw.nonempty_shape(0, 1);
  const Index channels = draw.integer(1, 2);
  const Index height = draw.integer(1, 2);
  const Index width = draw.integer(1, 3);
  shape.push_back(Inverse ? channels : channels * r * r);
  shape.push_back(Inverse ? height * r : height);
  shape.push_back(Inverse ? width * r : width);
  draw.tensor("self", shape);
  draw.set_int(Inverse ? "downscale_factor" : "upscale_factor", r);
}

template <class Plan>
void add(Registry& registry, std::string_view schema, void (*sample)(Draw&)) {
  registry.structural<Rearranged<Plan>>({.schema = schema, .source = sources::copies, .sample = sample});
}

}  // namespace

void add_rearrangements(Registry& registry) {
  add<Triangle<true>>(registry, "tril(Tensor self, SymInt diagonal=0) -> Tensor", sample_triangle);
  add<Triangle<false>>(registry, "triu(Tensor self, SymInt diagonal=0) -> Tensor", sample_triangle);
  add<Diag>(registry, "diag(Tensor self, int diagonal=0) -> Tensor", sample_diag);
  add<DiagEmbed>(registry, "diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
                 sample_diag_embed);
  add<Roll>(registry, "roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor", sample_roll);
  add<Rot90>(registry, "rot90(Tensor self, int k=1, int[] dims=[0,1]) -> Tensor", sample_rot90);
  add<Flipped<1, 2>>(registry, "fliplr(Tensor self) -> Tensor", sample_matrices);
  add<Flipped<0, 1>>(registry, "flipud(Tensor self) -> Tensor", sample_flipud);
  add<Repeat<false>>(registry, "repeat(Tensor self, SymInt[] repeats) -> Tensor", sample_repeat);
  add<Repeat<true>>(registry, "tile(Tensor self, SymInt[] dims) -> Tensor", sample_tile);
  add<RepeatInterleave>(registry,
                        "repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, "
                        "SymInt? output_size=None) -> Tensor",
                        sample_interleave);
  add<ChannelShuffle>(registry, "channel_shuffle(Tensor self, SymInt groups) -> Tensor", sample_channels);
  add<ChannelShuffle>(registry, "native_channel_shuffle(Tensor self, SymInt groups) -> Tensor", sample_channels);
  add<PixelShuffle<false>>(registry, "pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", sample_pixels<false>);
  add<PixelShuffle<true>>(registry, "pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor",
                          sample_pixels<true>);
}

}  // namespace gradproof
