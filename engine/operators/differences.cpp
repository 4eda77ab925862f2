// Differences of neighbours, and sums of trapezoids.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/norms.h"
#include "engine/operators/sources.h"

namespace gradproof {

namespace {

template <class T>
Var<T> part_of(const Var<T>& x, Index dim, Index start, Index length) {
  return named("narrow", {x}, {integer_arg<T>(dim), integer_arg<T>(start), integer_arg<T>(length)});
}
// x_i+1 op x_i
template <class T, class F>
Var<T> neighbours(const Var<T>& x, Index dim, F&& op) {
  if (x.ndim() == 0) throw EngineError(GP_INDEX, "a number has no neighbours");
  const auto at = static_cast<std::size_t>(wrap_dim(dim, x.ndim()));
  const Index pairs = std::max<Index>(x.sizes()[at] - 1, 0);
  return op(part_of(x, dim, std::min<Index>(x.sizes()[at], 1), pairs), part_of(x, dim, 0, pairs));
}
template <class T>
Var<T> differences(const Var<T>& x, Index dim) {
  return neighbours(x, dim, [](const auto& right, const auto& left) { return right - left; });
}
template <class T>
Var<T> pair_sums(const Var<T>& x, Index dim) {
  return neighbours(x, dim, [](const auto& right, const auto& left) { return left + right; });
}

// diff(self, n, dim, prepend, append); LibTorch joins nothing where n is 0.
template <class T>
Var<T> diff(const CompositeCall<T>& call) {
  Var<T> x = call[0];
  const Index dim = call.integer(1);
  if (x.ndim() == 0) throw EngineError(GP_SHAPE, "diff needs at least one dim");
  if (call.integer(0) < 0) throw EngineError(GP_ARGUMENT, "diff of a negative order");
  if (call.integer(0) == 0) return call("clone", x, {call.none()});
  if (call.has(1) || call.has(2)) {
    std::vector<Var<T>> joined;
    if (call.has(1)) joined.push_back(call[1]);
    joined.push_back(x);
    if (call.has(2)) joined.push_back(call[2]);
    x = call("cat", std::span<const Var<T>>(joined), {call.of(dim)});
  }
  if (x.ndim() == 0) throw EngineError(GP_SHAPE, "a 0-d tensor has no differences");
  const Index length = x.sizes()[static_cast<std::size_t>(wrap_dim(dim, x.ndim()))];
  for (Index k = std::min(call.integer(0), length); k > 0; --k) x = differences(x, dim);
  return x;
}

// Spacings of the points x along dim, to be multiplied with y's: one-dimensional ones lie along that dim, and in front
// of others there are dims of size 1, as many as y has more.
template <class T>
Var<T> spacings(const Var<T>& x, const Var<T>& y, Index dim) {
  if (x.ndim() > y.ndim()) throw EngineError(GP_SHAPE, "points of more dims than the values at them");
  if (x.ndim() != 1) {
    Shape padded = filled_shape(static_cast<std::size_t>(y.ndim() - x.ndim()), 1);
    for (const Index size : x.sizes()) padded.push(size);
    return differences(reshape_to(x, padded), dim);
  }
  const auto along_y = y.sizes()[static_cast<std::size_t>(wrap_dim(dim, y.ndim()))];
  if (x.numel() != along_y) throw EngineError(GP_SHAPE, "as many points are needed as there are values along the dim");
  Shape sizes = filled_shape(static_cast<std::size_t>(y.ndim()), 1);
  sizes[static_cast<std::size_t>(wrap_dim(dim, y.ndim()))] = std::max<Index>(x.numel() - 1, 0);
  return reshape_to(differences(x, 0), sizes);
}

template <class T>
Var<T> along(const CompositeCall<T>& call, std::string_view op, const Var<T>& x, Index dim) {
  const std::array<Index, 1> dims{dim};
  if (op == "cumsum") return call(op, x, {call.of(dim), call.none()});
  return call(op, x, {call.of(Sizes(dims)), call.of(false), call.none()});
}
// Σ (x_i+1 - x_i)(y_i+1 + y_i)/2
template <class T>
Var<T> trapezoids(const CompositeCall<T>& call, std::string_view sum) {
  const Index dim = call.integer(0);
  return call("div.Scalar", along(call, sum, spacings(call[1], call[0], dim) * pair_sums(call[0], dim), dim),
              {call.of(Index{2})});
}
// (dx/2) Σ (y_i+1 + y_i), or dx (Σ y - (first + last)/2)
template <class T>
Var<T> even_trapezoids(const CompositeCall<T>& call) {
  const Var<T> y = call[0];
  const Index dim = call.integer(1);
  const auto at = static_cast<std::size_t>(wrap_dim(dim, y.ndim()));
  if (y.sizes().empty() || y.sizes()[at] == 0) throw EngineError(GP_UNSUPPORTED, "trapezoids of no points");
  const auto end = [&](Index i) { return call("select.int", y, {call.of(dim), call.of(i)}); };
  const Var<T> ends = call("div.Scalar", end(0) + end(-1), {call.of(Index{2})});
  return call("mul.Scalar", along(call, "sum.dim_IntList", y, dim) - ends, {call.arg(0)});
}

// --- drawing ---

void sample_diff(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  const auto dim = static_cast<std::size_t>(draw.integer(0, std::ssize(shape) - 1));
  draw.tensor("self", shape);
  draw.set_int("dim", draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape)));
  if (draw.coin()) draw.set_int("n", draw.integer(0, 3));
  std::vector<Index> more = shape;
  for (const std::string_view name : {"prepend", "append"}) {
    more[dim] = draw.integer(1, 2);
    if (draw.one_in(3)) draw.tensor(name, more);
  }
}
std::vector<Index> draw_points(Draw& draw, std::size_t& dim) {
  std::vector<Index> shape = draw.nonempty_shape(1, 3);
  dim = static_cast<std::size_t>(draw.integer(0, std::ssize(shape) - 1));
  draw.tensor("y", shape);
  draw.set_int("dim", draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape)));
  return shape;
}
void sample_even(Draw& draw) {
  constexpr std::array steps{1.0, 0.5, 2.0, -1.0, 0.1};
  std::size_t dim = 0;
  draw_points(draw, dim);
  if (draw.coin()) draw.set_real("dx", draw.pick(steps));
}
void sample_uneven(Draw& draw) {
  std::size_t dim = 0;
  const std::vector<Index> shape = draw_points(draw, dim);
  if (draw.coin()) return draw.tensor("x", shape);
  const std::vector<Index> one{shape[dim]};
  draw.tensor("x", one);
}

void add_trapezoids(Registry& registry) {
  const auto record = [&](std::string_view schema, void (*sample)(Draw&)) {
    return Record{.schema = schema, .source = sources::sums, .sample = sample};
  };
  const auto uneven = [](const auto& call) { return trapezoids(call, "sum.dim_IntList"); };
  const auto even = [](const auto& call) { return even_trapezoids(call); };
  registry.composite(record("trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", sample_uneven), uneven);
  registry.composite(record("trapz.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", sample_uneven), uneven);
  registry.composite(record("trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor", sample_even), even);
  registry.composite(record("trapz.dx(Tensor y, *, float dx=1, int dim=-1) -> Tensor", sample_even), even);
  registry.composite(record("cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", sample_uneven),
                     [](const auto& call) { return trapezoids(call, "cumsum"); });
  registry.composite(record("cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor", sample_even),
                     [](const auto& call) {
                       const auto half = call("div.Scalar", pair_sums(call[0], call.integer(1)), {call.of(Index{2})});
                       return along(call, "cumsum", call("mul.Scalar", half, {call.arg(0)}), call.integer(1));
                     });
}

}  // namespace

void add_differences(Registry& registry) {
  registry.composite({.schema = "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) "
                                "-> Tensor",
                      .source = "IEEE 754",
                      .sample = sample_diff},
                     [](const auto& call) { return diff(call); });
  add_trapezoids(registry);
}

}  // namespace gradproof
