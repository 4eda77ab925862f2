// Padding by numbers, reflections, copies of the edge or of the other side; windows as columns and back.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/placement.h"
#include "engine/operators/sources.h"

namespace gradproof {

namespace {

// --- padding: (before, after) of the last dim, then of the one before it, … ---

// Where element `at` of a padded dim comes from, in a dim of `size` elements.
using Beyond = Index (*)(Index at, Index before, Index size);

Index none_beyond(Index at, Index before, Index size) {
  const Index from = at - before;
  return from < 0 || from >= size ? nowhere : from;
}
Index reflected(Index at, Index before, Index size) {
  const Index from = at - before;
  return from < 0 ? -from : from >= size ? 2 * (size - 1) - from : from;
}
Index replicated(Index at, Index before, Index size) { return std::clamp<Index>(at - before, 0, size - 1); }
Index from_other_side(Index at, Index before, Index size) { return ((at - before) % size + size) % size; }

// What is added to sizes does not overflow.
void need_possible(Sizes pad) {
  constexpr Index most = Index{1} << 40U;
  for (const Index by : pad) {
    if (by > most || by < -most) {
      throw EngineError(GP_OUT_OF_MEMORY, "padding " + to_text(pad) + " beyond 2^40 elements");
    }
  }
}

Rearrangement padded(Sizes sizes, Sizes pad, Beyond beyond) {
  if (pad.size() % 2 != 0 || pad.size() > 2 * sizes.size()) {
    throw EngineError(GP_ARGUMENT, "padding " + to_text(pad) + " for a tensor of shape " + to_text(sizes));
  }
  need_possible(pad);
  Shape out(sizes);
  Shape before = filled_shape(sizes.size(), 0);
  for (std::size_t i = 0; i < pad.size(); i += 2) {
    const std::size_t d = sizes.size() - 1 - i / 2;
    before[d] = pad[i];
    out[d] = sizes[d] + pad[i] + pad[i + 1];
    if (out[d] < 0) throw EngineError(GP_ARGUMENT, "padding " + to_text(pad) + " leaves nothing of " + to_text(sizes));
  }
  return by_index(out, [&](const Shape& at) {
    Index position = 0;
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      const Index from = beyond(at[d], before[d], sizes[d]);
      if (from == nowhere) return nowhere;
      position = position * sizes[d] + from;
    }
    return position;
  });
}

struct ConstantPad {
  static constexpr std::size_t fill = 1;
  static Rearrangement plan(Sizes sizes, PlainArgs args) { return padded(sizes, list(args[0]), none_beyond); }
};

// The last `dims` dims, of one example or of a batch of them, whose size alone may be 0.
void need_examples(Sizes sizes, Sizes pad, std::size_t dims) {
  const bool fits = sizes.size() == dims + 1 || sizes.size() == dims + 2;
  if (!fits || count_elements(sizes.last(std::min(sizes.size(), dims + 1))) == 0) {
    throw EngineError(GP_SHAPE, "padding of " + std::to_string(dims) + " dims of a tensor of shape " + to_text(sizes));
  }
  if (pad.size() != 2 * dims) throw EngineError(GP_ARGUMENT, "padding " + to_text(pad) + " has another length");
  need_possible(pad);
  for (std::size_t i = 0; i < pad.size(); ++i) {
    const Index size = sizes[sizes.size() - 1 - i / 2];
    if (pad[i] <= -size || size + pad[i - i % 2] + pad[i - i % 2 + 1] < 1) {
      throw EngineError(GP_SHAPE, "padding " + to_text(pad) + " leaves nothing of shape " + to_text(sizes));
    }
  }
}

template <std::size_t Dims>
struct ReflectionPad {
  static Rearrangement plan(Sizes sizes, PlainArgs args) {
    const Sizes pad = list(args[0]);
    need_examples(sizes, pad, Dims);
    for (std::size_t i = 0; i < pad.size(); ++i) {
      if (pad[i] >= sizes[sizes.size() - 1 - i / 2]) {
        throw EngineError(GP_SHAPE, "padding " + to_text(pad) + " reflects more than there is in " + to_text(sizes));
      }
    }
    return padded(sizes, pad, reflected);
  }
};

template <std::size_t Dims>
struct ReplicationPad {
  static Rearrangement plan(Sizes sizes, PlainArgs args) {
    need_examples(sizes, list(args[0]), Dims);
    return padded(sizes, list(args[0]), replicated);
  }
};

Rearrangement wrapped(Sizes sizes, Sizes pad) {
  need_examples(sizes, pad, pad.size() / 2);
  for (std::size_t i = 0; i < pad.size(); ++i) {
    if (pad[i] > sizes[sizes.size() - 1 - i / 2]) {
      throw EngineError(GP_ARGUMENT, "padding " + to_text(pad) + " wraps around more than once in " + to_text(sizes));
    }
  }
  return padded(sizes, pad, from_other_side);
}
struct CircularPad {
  static Rearrangement plan(Sizes sizes, PlainArgs args) { return wrapped(sizes, list(args[0])); }
};

// --- windows of images as columns: [.., c, h, w] as [.., c·kh·kw, windows] ---

struct Windows {
  std::array<Index, 2> kernel;
  std::array<Index, 2> dilation;
  std::array<Index, 2> padding;
  std::array<Index, 2> stride;

  explicit Windows(PlainArgs args)
      : kernel(pair(args[0])), dilation(pair(args[1])), padding(pair(args[2])), stride(pair(args[3])) {
    for (std::size_t k = 0; k < 2; ++k) {
      if (std::min({kernel[k], dilation[k], stride[k]}) <= 0 || padding[k] < 0) {
        throw EngineError(GP_ARGUMENT, "kernel, dilation and stride must be positive, the padding not negative");
      }
      constexpr Index most = Index{1} << 30U;
      if (std::max({kernel[k], dilation[k], stride[k], padding[k]}) > most) {
        throw EngineError(GP_ARGUMENT, "windows beyond 2^30 elements");
      }
    }
  }
  static std::array<Index, 2> pair(const Arg<double>& arg) {
    const Sizes both = list(arg);
    if (both.size() != 2) throw EngineError(GP_ARGUMENT, "two numbers are needed, not " + to_text(both));
    return {both[0], both[1]};
  }

  // Of images of shape [.., c, h, w].
  Rearrangement columns_of(Sizes sizes) const {
    const bool fits = (sizes.size() == 3 || sizes.size() == 4) && count_elements(sizes.last(3)) > 0;
    if (!fits) throw EngineError(GP_SHAPE, "images of shape [c, h, w] are needed, not " + to_text(sizes));
    const std::size_t c = sizes.size() - 3;
    std::array<Index, 2> steps{};
    for (std::size_t k = 0; k < 2; ++k) {
      const Index room = sizes[c + 1 + k] + 2 * padding[k] - dilation[k] * (kernel[k] - 1) - 1;
      if (room < 0) throw EngineError(GP_SHAPE, "no window fits into images of shape " + to_text(sizes));
      steps[k] = room / stride[k] + 1;
    }
    Shape out;
    if (c == 1) out.push(sizes[0]);
    out.push(sizes[c] * kernel[0] * kernel[1]);
    out.push(steps[0] * steps[1]);
    return by_index(out, [&](const Shape& at) {
      const Index column = at[c];
      const Index window = at[c + 1];
      const Index i = window / steps[1] * stride[0] - padding[0] + column / kernel[1] % kernel[0] * dilation[0];
      const Index j = window % steps[1] * stride[1] - padding[1] + column % kernel[1] * dilation[1];
      if (i < 0 || i >= sizes[c + 1] || j < 0 || j >= sizes[c + 2]) return nowhere;
      const Index example = c == 1 ? at[0] : 0;
      return ((example * sizes[c] + column / (kernel[0] * kernel[1])) * sizes[c + 1] + i) * sizes[c + 2] + j;
    });
  }
};

struct Im2col {
  static Rearrangement plan(Sizes sizes, PlainArgs args) { return Windows(args).columns_of(sizes); }
};

// Columns added into images of a size.
struct Col2im : LinearRules {
  struct Images {
    Shape sizes;
    Table to;
  };
  static Images images(Sizes columns, PlainArgs args) {
    const Windows windows(args + 1);
    const std::array<Index, 2> size = Windows::pair(args[0]);
    const Index each = windows.kernel[0] * windows.kernel[1];
    const bool fits = (columns.size() == 2 || columns.size() == 3) && columns[columns.size() - 2] % each == 0;
    if (!fits) throw EngineError(GP_SHAPE, "columns of shape " + to_text(columns) + " are no windows");
    Shape sizes;
    if (columns.size() == 3) sizes.push(columns[0]);
    sizes.push(columns[columns.size() - 2] / each);
    sizes.push(size[0]);
    sizes.push(size[1]);
    const Rearrangement plan = windows.columns_of(sizes);
    if (!same_sizes(plan.sizes, columns)) {
      throw EngineError(GP_SHAPE, "columns of shape " + to_text(columns) + " are not the windows of images of shape " +
                                      to_text(sizes));
    }
    return {sizes, plan.from};
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Images images = Col2im::images(real_input(node, 0).sizes(), plain_args(tape, node));
    const Tensor<T> x = tape.contiguous(node.in(0));
    const Tensor<T> out = tape.allocate(Kind::real, images.sizes);
    add_into(x.real(), images.to, out);
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = picked(grads[0], images(node.in(0).sizes(), plain_args(tape, node)).to, node.in(0).sizes());
  }
};

// --- drawing ---

std::vector<Index> draw_padding(Draw& draw, const std::vector<Index>& shape, std::size_t dims, Index least,
                                Index (*most)(Index size)) {
  std::vector<Index> pad;
  for (std::size_t i = 0; i < dims; ++i) {
    const Index size = shape[shape.size() - 1 - i];
    for (int side = 0; side < 2; ++side) pad.push_back(draw.integer(size > 2 ? least : 0, most(size)));
  }
  return pad;
}

Index up_to_two(Index) { return 2; }
Index below_size(Index size) { return std::min<Index>(size - 1, 2); }
Index up_to_size(Index size) { return std::min<Index>(size, 2); }

void sample_constant_pad(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 4);
  draw.tensor("self", shape);
  const auto dims = static_cast<std::size_t>(draw.integer(1, std::min<Index>(std::ssize(shape), 3)));
  draw.set_ints("pad", draw_padding(draw, shape, dims, -1, up_to_two));
  constexpr std::array values{1.0, -0.5, 0.1, 0.0};
  if (draw.coin()) draw.set_real("value", draw.pick(values));
}

std::vector<Index> examples(Draw& draw, std::size_t dims) {
  std::vector<Index> shape;
  if (draw.coin()) shape.push_back(draw.one_in(8) ? 0 : draw.integer(1, 2));
  shape.push_back(draw.integer(1, 2));
  for (std::size_t d = 0; d < dims; ++d) shape.push_back(draw.integer(1, dims == 3 ? 3 : 4));
  draw.tensor("self", shape);
  return shape;
}
template <std::size_t Dims>
void sample_reflection(Draw& draw) {
  draw.set_ints("padding", draw_padding(draw, examples(draw, Dims), Dims, -1, below_size));
}
template <std::size_t Dims>
void sample_replication(Draw& draw) {
  draw.set_ints("padding", draw_padding(draw, examples(draw, Dims), Dims, -1, up_to_two));
}

void sample_pad(Draw& draw) {
  constexpr std::array<std::string_view, 4> modes{"constant", "reflect", "replicate", "circular"};
  const std::string_view mode = draw.pick(modes);
  if (mode == "constant") {
    const std::vector<Index> shape = draw.nonempty_shape(1, 4);
    draw.tensor("self", shape);
    draw.set_ints("pad", draw_padding(draw, shape, 1, -1, up_to_two));
    if (draw.coin()) draw.set_text("mode", mode);
    if (draw.coin()) draw.set_real("value", draw.coin() ? 0.5 : -1);
    return;
  }
  const auto dims = static_cast<std::size_t>(draw.integer(1, 3));
  const std::vector<Index> shape = examples(draw, dims);
  draw.set_text("mode", mode);
  draw.set_ints("pad", draw_padding(draw, shape, dims, 0,
                                    mode == "reflect"    ? below_size
                                    : mode == "circular" ? up_to_size
                                                         : up_to_two));
}

void draw_windows(Draw& draw, Index& rows, Index& columns, Index& each, std::array<Index, 2>& image) {
  std::array<std::array<Index, 2>, 4> numbers{};
  std::array<Index, 2> steps{};
  for (std::size_t k = 0; k < 2; ++k) {
    const Index kernel = draw.integer(1, 3);
    const Index dilation = draw.integer(1, 2);
    const Index padding = draw.integer(0, 1);
    const Index stride = draw.integer(1, 2);
    const Index span = dilation * (kernel - 1) + 1;
    image[k] = std::max<Index>(span - 2 * padding + draw.integer(0, 3), 1);
    steps[k] = (image[k] + 2 * padding - span) / stride + 1;
    numbers[0][k] = kernel;
    numbers[1][k] = dilation;
    numbers[2][k] = padding;
    numbers[3][k] = stride;
  }
  constexpr std::array<std::string_view, 4> names{"kernel_size", "dilation", "padding", "stride"};
  for (std::size_t i = 0; i < 4; ++i) draw.set_ints(names[i], numbers[i]);
  each = numbers[0][0] * numbers[0][1];
  rows = draw.integer(1, 2);
  columns = steps[0] * steps[1];
}
void sample_im2col(Draw& draw) {
  Index channels = 0;
  Index columns = 0;
  Index each = 0;
  std::array<Index, 2> image{};
  draw_windows(draw, channels, columns, each, image);
  std::vector<Index> shape{channels, image[0], image[1]};
  if (draw.coin()) shape.insert(shape.begin(), draw.integer(1, 2));
  draw.tensor("self", shape);
}
void sample_col2im(Draw& draw) {
  Index channels = 0;
  Index columns = 0;
  Index each = 0;
  std::array<Index, 2> image{};
  draw_windows(draw, channels, columns, each, image);
  std::vector<Index> shape{channels * each, columns};
  if (draw.coin()) shape.insert(shape.begin(), draw.integer(1, 2));
  draw.tensor("self", shape);
  draw.set_ints("output_size", image);
}

template <class Plan>
void add(Registry& registry, std::string_view schema, void (*sample)(Draw&)) {
  registry.structural<Rearranged<Plan>>({.schema = schema, .source = sources::copies, .sample = sample});
}

void add_pad(Registry& registry) {
  registry.composite(
      {.schema = "pad(Tensor self, SymInt[] pad, str mode=\"constant\", float? value=None) -> Tensor",
       .source = sources::copies,
       .sample = sample_pad},
      [](const auto& call) {
        const std::string_view mode = call.text(1);
        const std::size_t dims = call.list(0).size() / 2;
        if (mode == "constant") {
          return call("constant_pad_nd", call[0], {call.arg(0), call.none(2) ? call.of(0.0) : call.arg(2)});
        }
        if (!call.none(2) && call.arg(2).number != 0) {
          throw EngineError(GP_ARGUMENT, "a value to pad with, in mode " + std::string(mode));
        }
        if (mode == "circular") {
          const Rearrangement plan = wrapped(call[0].sizes(), call.list(0));
          return picked(call[0], plan.from, plan.sizes);
        }
        constexpr std::array<std::string_view, 3> reflections{"reflection_pad1d", "reflection_pad2d",
                                                              "reflection_pad3d"};
        constexpr std::array<std::string_view, 3> replications{"replication_pad1d", "replication_pad2d",
                                                               "replication_pad3d"};
        if (dims < 1 || dims > 3 || (mode != "reflect" && mode != "replicate")) {
          throw EngineError(GP_UNSUPPORTED,
                            "padding of " + std::to_string(dims) + " dims in mode " + std::string(mode));
        }
        return call((mode == "reflect" ? reflections : replications)[dims - 1], call[0], {call.arg(0)});
      });
}

}  // namespace

void add_padding(Registry& registry) {
  add<ConstantPad>(registry, "constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor",
                   sample_constant_pad);
  add<ReflectionPad<1>>(registry, "reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor", sample_reflection<1>);
  add<ReflectionPad<2>>(registry, "reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor", sample_reflection<2>);
  add<ReflectionPad<3>>(registry, "reflection_pad3d(Tensor self, SymInt[6] padding) -> Tensor", sample_reflection<3>);
  add<ReplicationPad<1>>(registry, "replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor",
                         sample_replication<1>);
  add<ReplicationPad<2>>(registry, "replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor",
                         sample_replication<2>);
  add<ReplicationPad<3>>(registry, "replication_pad3d(Tensor self, SymInt[6] padding) -> Tensor",
                         sample_replication<3>);
  add<CircularPad>(registry, "_pad_circular(Tensor self, SymInt[] pad) -> Tensor", nullptr);
  add_pad(registry);
  add<Im2col>(registry,
              "im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor",
              sample_im2col);
  registry.structural<Col2im>({.schema = "col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] "
                                         "dilation, int[2] padding, int[2] stride) -> Tensor",
                               .source = sources::sums,
                               .sample = sample_col2im});
}

}  // namespace gradproof
