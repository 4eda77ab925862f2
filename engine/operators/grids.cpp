// affine_grid_generator; grid_sampler, grid_sampler_2d, grid_sampler_3d.
#include <algorithm>

#include "engine/composite.h"
#include "engine/operators/blend.h"
#include "engine/operators/families.h"
#include "engine/operators/spans.h"
#include "engine/operators/windows.h"

namespace gradproof {

namespace {

enum Interpolation : Index { linear, nearest, cubic };
enum Padding : Index { zeros_beyond, border, reflection };

// --- cells: ⌊u⌋, or the integer nearest to u, as integers ---
//
// On an edge between two cells engines agree in the value (linear, cubic), not in the slope: both are admitted, alike
// for every number of a call. Where a ball lies across an edge either cell may be an engine's.
struct Cells {
  static constexpr const char* schema = "_cells(Tensor self, bool nearest) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> u = tape.contiguous(real_input(node, 0));
    const bool nearest = flag(node, 0);
    const Tensor<T> out = tape.allocate(Kind::integer, u.sizes());
    if constexpr (std::is_same_v<T, Defined>) {
      const auto written = [](const Defined& x) { return x.written; };
      if (!std::all_of(u.real(), u.real() + u.numel, written)) {
        throw EngineError(GP_UNSUPPORTED, "a grid point in memory nobody wrote");
      }
    }
    for (Index k = 0; k < u.numel; ++k) out.integers()[k] = cell(tape, node, k, span_of(u.real()[k]), nearest);
    set_outputs(tape, node, {out});
  }

 private:
  template <class T>
  static Index cell(Tape<T>& tape, const Node<T>& node, Index k, const Span& span, bool nearest) {
    if (!span.bounded()) {
      // In numbers that is a NaN, which the weights hand on from any cell.
      if constexpr (!HasHull<T>) return 0;
      throw EngineError(GP_UNSUPPORTED, "a grid point that may lie anywhere");
    }
    const double half = nearest ? 0.5 : 0;
    const auto low = static_cast<Index>(std::floor(span.low + half));
    const auto high = static_cast<Index>(std::floor(span.high + half));
    const bool edge = span.low == span.high && span.low + half == static_cast<double>(low);
    if (!edge && low == high) return low;
    if (high > low + 1) throw EngineError(GP_UNSUPPORTED, "a grid point that may lie in many cells");
    const Index first = edge ? (nearest && low % 2 != 0 ? low - 1 : low) : high;  // halves go to the even one
    if constexpr (HasHull<T>) {
      const Index second = edge ? (first == low ? low - 1 : low) : low;
      const std::uint64_t slot = edge ? 0xffffffffU : static_cast<std::uint64_t>(k) & 0x00ffffffU;
      return tape.choose(tape.key_of(node) | slot, 2) == 0 ? first : second;
    }
    return first;
  }
};

template <class T>
Var<T> cells_of(const Var<T>& u, bool nearest) {
  return call_rule<Cells>(u.tape(), {u}, {flag_arg<T>(nearest)});
}

// Integers as numbers.
template <class T>
Var<T> as_numbers(const Var<T>& integers) {
  Tape<T>& tape = integers.tape();
  const Tensor<T> out = tape.allocate(Kind::real, integers.sizes());
  for (Index k = 0; k < out.numel; ++k) {
    out.real()[k] = real_number<T>(static_cast<double>(integers.value().integers()[k]));
  }
  return tape.constant(out);
}

template <class T>
Var<T> number_of(Tape<T>& tape, double value) {
  return tape.number(real_number<T>(value));
}

// --- coordinates ---

struct Settings {
  Interpolation interpolation;
  Padding padding;
  bool corners;
};

template <class T>
Var<T> clipped(const Var<T>& u, Index size) {
  const Var<T> low = number_of(u.tape(), 0);
  return minimum(maximum(u, low), number_of(u.tape(), static_cast<double>(size - 1)));
}

// Folded at both ends of [low, low + span].
template <class T>
Var<T> reflected(const Var<T>& u, double low, double span) {
  Tape<T>& tape = u.tape();
  if (span == 0) return u * number_of(tape, 0);
  const Var<T> away = abs(u - number_of(tape, low));
  const Var<T> flips = cells_of(away / number_of(tape, span), false);
  // Even: away - flips · span + low; odd: (flips + 1) · span - away + low.
  const Tensor<T> sign = tape.allocate(Kind::real, u.sizes());
  const Tensor<T> start = tape.allocate(Kind::real, u.sizes());
  for (Index k = 0; k < sign.numel; ++k) {
    const Index n = flips.value().integers()[k];
    const bool even = n % 2 == 0;
    sign.real()[k] = real_number<T>(even ? 1 : -1);
    start.real()[k] = real_number<T>(even ? -static_cast<double>(n) * span : static_cast<double>(n + 1) * span);
  }
  return tape.constant(start) + tape.constant(sign) * away + number_of(tape, low);
}

// Where a grid's number lies among the places 0, …, size - 1.
template <class T>
Var<T> coordinate(const Var<T>& g, Index size, const Settings& by) {
  Tape<T>& tape = g.tape();
  const double scale = static_cast<double>(by.corners ? size - 1 : size) / 2;
  Var<T> u = (g + 1) * number_of(tape, scale);
  if (!by.corners) u = u - number_of(tape, 0.5);
  if (by.interpolation == cubic) return u;
  if (by.padding == reflection) {
    u = by.corners ? reflected(u, 0, static_cast<double>(size - 1)) : reflected(u, -0.5, static_cast<double>(size));
  }
  return by.padding == zeros_beyond ? u : clipped(u, size);
}

// A place beyond the edge as the padding has it, or nowhere.
Index padded(Index at, Index size, const Settings& by) {
  if (at >= 0 && at < size) return at;
  if (by.padding == zeros_beyond) return nowhere;
  if (by.padding == reflection && by.interpolation == cubic) {
    const Index span = by.corners ? size - 1 : size;
    if (span == 0) return 0;
    const Index away = by.corners ? std::abs(at) : at < 0 ? -1 - at : at;
    const Index within = away % span;
    const bool even = away / span % 2 == 0;
    at = even ? within : by.corners ? span - within : span - 1 - within;
  }
  return std::clamp<Index>(at, 0, size - 1);
}

// --- weights along one dim: of the places from first(cell) on ---

template <class T>
std::vector<Var<T>> weights_along(const Var<T>& u, const Var<T>& cells, const Settings& by) {
  if (by.interpolation == nearest) return {u * 0 + 1};
  const Var<T> t = u - as_numbers(cells);
  if (by.interpolation == linear) return {1 - t, t};
  const Var<T> a = number_of(u.tape(), -0.75);
  const auto inner = [&](const Var<T>& x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto outer = [&](const Var<T>& x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {outer(t + 1), inner(t), inner(1 - t), outer(2 - t)};
}

template <class T>
struct Sampler {
  const CompositeCall<T>& call;
  Settings by;
  std::size_t dims;
  Index batch = 0, channels = 0, points = 1;
  Shape spatial{};
  Shape out{};

  Sampler(const CompositeCall<T>& call, std::size_t dims) : call(call), dims(dims) {
    const Sizes x = call[0].sizes();
    const Sizes g = call[1].sizes();
    if (x.size() != dims + 2 || g.size() != dims + 2 || g.back() != static_cast<Index>(dims) || x[0] != g[0]) {
      throw EngineError(GP_SHAPE, "an input of shape " + to_text(x) + " and a grid of shape " + to_text(g));
    }
    for (const Index i : {call.integer(0), call.integer(1)}) {
      if (i < 0 || i > 2) throw EngineError(GP_ARGUMENT, "an interpolation or padding mode that does not exist");
    }
    by = {static_cast<Interpolation>(call.integer(0)), static_cast<Padding>(call.integer(1)), call.flag(2)};
    if (by.interpolation == cubic && dims != 2) throw EngineError(GP_ARGUMENT, "bicubic sampling is of 4-d inputs");
    batch = x[0];
    channels = x[1];
    out.push(batch);
    out.push(channels);
    for (std::size_t d = 0; d < dims; ++d) {
      if (x[d + 2] == 0) throw EngineError(GP_SHAPE, "an input without places to sample");
      spatial.push(x[d + 2]);
      out.push(g[d + 1]);
      points *= g[d + 1];
    }
  }

  Var<T> sampled() const {
    const Var<T> grid = reshape_to(call[1], std::array{batch, points, static_cast<Index>(dims)});
    std::vector<std::vector<Var<T>>> weights;
    std::vector<Var<T>> cells;
    for (std::size_t d = 0; d < dims; ++d) {
      const Var<T> g = reshape_to(window_of(grid, 2, static_cast<Index>(dims - 1 - d), 1), std::array{batch, points});
      const Var<T> u = coordinate(g, spatial[d], by);
      cells.push_back(cells_of(u, by.interpolation == nearest));
      weights.push_back(weights_along(u, cells.back(), by));
    }
    const auto along = static_cast<Index>(weights[0].size());
    Index corners = 1;
    for (std::size_t d = 0; d < dims; ++d) corners *= along;
    std::vector<Var<T>> products;
    for (Index corner = 0; corner < corners; ++corner) {
      Var<T> product;
      Index rest = corner;
      for (std::size_t d = dims; d-- > 0; rest /= along) {
        const Var<T>& w = weights[d][static_cast<std::size_t>(rest % along)];
        product = product ? product * w : w;
      }
      products.push_back(product);
    }
    const Var<T> all = call("stack", std::span<const Var<T>>(products), {call.of(Index{2})});
    return Blend::call(call[0], all, entries(cells, along, corners), out);
  }

  Entries entries(const std::vector<Var<T>>& cells, Index along, Index corners) const {
    Index places = 1;
    for (const Index size : spatial.sizes()) places *= size;
    need_modest(batch * points, corners);
    Entries made{batch, channels, places, points, {}, {}, static_cast<Index>(dims)};
    const Index before = along == 4 ? 1 : 0;
    for (Index k = 0; k < batch * points; ++k) {
      for (Index corner = 0; corner < corners; ++corner) {
        Index at = 0;
        Index divisor = corners;
        for (std::size_t d = 0; d < dims && at != nowhere; ++d) {
          divisor /= along;
          const Index cell = cells[d].value().integers()[k] - before + corner / divisor % along;
          const Index place = padded(cell, spatial[d], by);
          at = place == nowhere ? nowhere : at * spatial[d] + place;
        }
        made.rows.push_back(k % points);
        made.cols.push_back(at);
      }
    }
    return made;
  }
};

// (interpolation_mode, padding_mode, align_corners)
template <std::size_t Dims>
struct GridSampler {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const std::size_t dims = Dims != 0 ? Dims : call[0].ndim() == 5 ? 3 : 2;
    return Sampler<T>(call, dims).sampled();
  }
};

// --- affine grids ---

// n numbers from -1 to 1, shrunk to the centres of n cells where the corners are not aligned.
template <class T>
std::vector<T> line(Index n, bool corners) {
  std::vector<T> points;
  const auto count = [](Index k) { return real_number<T>(static_cast<double>(k)); };
  for (Index k = 0; k < n; ++k) {
    if (n == 1) {
      points.push_back(real_number<T>(0));
      continue;
    }
    // -1 + k · step, or 1 - (n - 1 - k) · step; kernels add up to two products.
    const T step = count(2) / count(n - 1);
    T x = hull_where_balls(count(k) * step - 1, 1 - count(n - 1 - k) * step);
    x = widened(x, count(4) * unit_roundoff<T>());
    points.push_back(corners ? x : x * count(n - 1) / count(n));
  }
  return points;
}

// θ [n, d, d + 1] times the points (x, y, .., 1). (size, align_corners)
struct AffineGrid {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Sizes size = call.list(0);
    if (size.size() != 4 && size.size() != 5) throw EngineError(GP_ARGUMENT, "affine grids are of 4-d or 5-d sizes");
    const std::size_t dims = size.size() - 2;
    const Index d = static_cast<Index>(dims);
    for (const Index n : size) {
      if (n <= 0) throw EngineError(GP_ARGUMENT, "an affine grid of size " + to_text(size));
    }
    if (!same_sizes(call[0].sizes(), std::array{size[0], d, d + 1})) {
      throw EngineError(GP_SHAPE, "θ of shape " + to_text(call[0].sizes()) + " for size " + to_text(size));
    }
    Shape spatial(size.subspan(2));
    need_modest(count_elements(spatial), 1);
    std::vector<std::vector<T>> lines;
    for (const Index n : spatial.sizes()) lines.push_back(line<T>(n, call.flag(1)));
    const Index points = count_elements(spatial);
    // Every row of θ is a plane of d + 1 numbers, through weights that are the points.
    WeighedTaps<T> by{{d + 1, points, d + 1, {}}, {}};
    for (Index k = 0; k < points; ++k) {
      std::vector<T> point(dims + 1, real_number<T>(1));
      Index rest = k;
      for (std::size_t i = dims; i-- > 0; rest /= spatial[i]) {
        point[dims - 1 - i] = lines[i][static_cast<std::size_t>(rest % spatial[i])];
      }
      by.weights.insert(by.weights.end(), point.begin(), point.end());
      for (Index j = 0; j <= d; ++j) by.taps.at.push_back(j);
    }
    const Var<T> rows = blended(call[0], by, size[0] * d, std::array{size[0], d, points});
    Shape out;
    out.push(size[0]);
    for (const Index n : spatial.sizes()) out.push(n);
    out.push(d);
    return reshape_to(permuted(rows, std::array<Index, 3>{0, 2, 1}), out);
  }
};

// --- drawing ---

void draw_grid(Draw& draw, std::size_t dims) {
  const Index batch = draw.one_in(24) ? 0 : draw.integer(1, 2);
  std::vector<Index> x{batch, draw.integer(1, 2)};
  std::vector<Index> g{batch};
  for (std::size_t d = 0; d < dims; ++d) {
    x.push_back(draw.integer(1, dims == 3 ? 3 : 4));
    g.push_back(draw.integer(1, dims == 3 ? 2 : 3));
  }
  g.push_back(static_cast<Index>(dims));
  draw.tensor("input", x);
  // A little beyond the edges, so that every padding is met, or far.
  draw.tensor("grid", g, draw.one_in(4) ? all_reals : closed(-1.75, 1.75));
  draw.set_int("interpolation_mode", draw.integer(0, dims == 2 ? 2 : 1));
  draw.set_int("padding_mode", draw.integer(0, 2));
  draw.set_bool("align_corners", draw.coin());
}
void sample_any(Draw& draw) { draw_grid(draw, draw.coin() ? 2 : 3); }
template <std::size_t Dims>
void sample_grid(Draw& draw) {
  draw_grid(draw, Dims);
}
void sample_affine(Draw& draw) {
  const Index dims = draw.integer(2, 3);
  std::vector<Index> size{draw.integer(1, 2), draw.integer(1, 3)};
  for (Index d = 0; d < dims; ++d) size.push_back(draw.integer(1, 3));
  draw.tensor("theta", std::array{size[0], dims, dims + 1});
  draw.set_ints("size", size);
  draw.set_bool("align_corners", draw.coin());
}

}  // namespace

void add_grids(Registry& registry) {
  constexpr std::string_view source = "Jaderberg et al. 2015; ATen/native/GridSampler.h; sums in any order";
  constexpr std::string_view note = "slopes jump between cells; nearest has none";
  registry.composite(
      {.schema = "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool "
                 "align_corners) -> Tensor",
       .source = source,
       .note = note,
       .sample = sample_any},
      GridSampler<0>{});
  registry.composite({.schema = "grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, "
                                "bool align_corners) -> Tensor",
                      .source = source,
                      .note = note,
                      .sample = sample_grid<2>},
                     GridSampler<2>{});
  registry.composite({.schema = "grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, "
                                "bool align_corners) -> Tensor",
                      .source = source,
                      .note = note,
                      .sample = sample_grid<3>},
                     GridSampler<3>{});
  registry.composite({.schema = "affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor",
                      .source = source,
                      .sample = sample_affine},
                     AffineGrid{});
}

}  // namespace gradproof
