// Distances and angles between vectors, and the losses made of them.
#include "engine/operators/families.h"
#include "engine/operators/loss_reduction.h"
#include "engine/sampling.h"

namespace gradproof {

namespace {

template <class T>
Var<T> expanded_to(const CompositeCall<T>& call, const Var<T>& x, Sizes sizes) {
  return same_sizes(x.sizes(), sizes) ? x : call("expand", x, {call.of(sizes), call.of(false)});
}
template <class T>
Shape common_shape(const Var<T>& a, const Var<T>& b) {
  std::array<Index, GP_MAX_DIMS> sizes{};
  const int ndim = broadcast_sizes(a.sizes(), b.sizes(), sizes.data());
  return Shape(Sizes{sizes.data(), static_cast<std::size_t>(ndim)});
}

// --- cosine_similarity ---

// Σ (x/max(‖x‖, ε)) (y/max(‖y‖, ε))
template <class T>
Var<T> cosine_similarity(const CompositeCall<T>& call) {
  const Shape sizes = common_shape(call[0], call[1]);
  const Index dim = wrap_dim(call.integer(0), static_cast<int>(sizes.ndim));
  const auto direction = [&](const Var<T>& x) {
    const Var<T> norm =
        call("linalg_vector_norm", x, {call.of(Index{2}), call.of(Sizes{&dim, 1}), call.of(true), call.none()});
    return x / call("clamp_min", norm, {call.arg(1)});
  };
  const Var<T> product = direction(expanded_to(call, call[0], sizes)) * direction(expanded_to(call, call[1], sizes));
  return sum_over(product, DimSet{1} << static_cast<unsigned>(dim), false);
}

void sample_cosine_similarity(Draw& draw) {
  constexpr std::array epsilons{1e-8, 1e-3, 1e-6};
  const std::vector<Index> shape = draw.nonempty_shape(1, 4);
  const Index ndim = std::ssize(shape);
  std::vector<Index> other = shape;
  if (draw.one_in(4)) other[0] = 1;
  draw.tensor("x1", shape);
  draw.tensor("x2", other);
  const Index dim = ndim == 1 ? 0 : draw.integer(0, ndim - 1);
  if (dim != 1 || draw.coin()) draw.set_int("dim", draw.maybe_negative(dim, ndim));
  if (draw.coin()) draw.set_real("eps", draw.pick(epsilons));
}

// --- pairwise_distance: ‖x - y + ε‖ along the last dim ---

template <class T>
Var<T> distance(const CompositeCall<T>& call, const Var<T>& x, const Var<T>& y, const Arg<T>& p, const Arg<T>& eps,
                bool keepdim) {
  const Var<T> between = call("add.Scalar", x - y, {eps, call.of(Index{1})});
  if (between.ndim() == 0) throw EngineError(GP_INDEX, "a distance needs at least one dim");
  const Index last = static_cast<Index>(between.ndim()) - 1;
  return call("linalg_vector_norm", between, {p, call.of(Sizes{&last, 1}), call.of(keepdim), call.none()});
}

void draw_p(Draw& draw) {
  constexpr std::array norms{2.0, 1.0, 3.0, infinity};
  if (draw.coin()) draw.set_real("p", draw.pick(norms));
}
void sample_pairwise_distance(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  draw.tensor("x1", shape);
  draw.tensor("x2", draw.one_in(4) ? std::vector<Index>{shape.back()} : shape);
  draw_p(draw);
  if (draw.coin()) draw.set_real("eps", draw.coin() ? 1e-3 : 0.5);
  if (draw.coin()) draw.set_bool("keepdim", draw.coin());
}

// --- losses ---

template <class T>
Var<T> above_zero(const CompositeCall<T>& call, const Var<T>& x) {
  return call("clamp_min", x, {call.of(Index{0})});
}

// 1e-12, which LibTorch 2.11 has in f32, 1.13 in f64.
template <class T>
T tiny() {
  T exact = Scalar<T>::argument(1e-12);
  if constexpr (HasHull<T>) {
    if (format_of<typename Scalar<T>::Dtype>().rounds()) {
      return hull(exact, Scalar<T>::leaf(static_cast<double>(1e-12F)));
    }
  }
  return exact;
}
// 1 - cos where t is 1, max(0, cos - m) where it is -1
template <class T>
Var<T> cosine_embedding(const CompositeCall<T>& call) {
  const Var<T> x = call[0];
  const Var<T> y = call[1];
  const Var<T> t = call[2];
  if (t.ndim() > 1 || x.ndim() != t.ndim() + 1 || y.ndim() != t.ndim() + 1) {
    throw EngineError(GP_SHAPE, "cosine_embedding_loss needs vectors and a 0-d target, or matrices and a 1-d one");
  }
  const DimSet dims = DimSet{1} << static_cast<unsigned>(t.ndim());
  const auto square_sum = [&](const Var<T>& a) { return sum_over(a * a, dims, false) + call.tape.number(tiny<T>()); };
  const Var<T> cosine = sum_over(x * y, dims, false) / sqrt(square_sum(x) * square_sum(y));
  const Var<T> zero = call.tape.number(Scalar<T>::leaf(0));
  const Var<T> alike = call.tape.call(Basic::where, {call("eq.Scalar", t, {call.of(Index{1})}), 1 - cosine, zero});
  const Var<T> apart = call.tape.call(
      Basic::where, {call("eq.Scalar", t, {call.of(Index{-1})}), above_zero(call, cosine - call.number(0)), zero});
  return reduced_loss(call, alike + apart, 1);
}

// min(x, y). Nothing is known where they may be equal and are not known to be: an engine that finds them so takes the
// mean of both slopes.
template <class T>
Var<T> least_of(const Var<T>& x, const Var<T>& y) {
  const Var<T> least = minimum(x, y);
  if constexpr (HasHull<T>) {
    Tape<T>& tape = x.tape();
    const Tensor<T> left = tape.contiguous(x.value());
    const Tensor<T> right = tape.contiguous(y.value());
    const Tensor<T> known = tape.allocate(Kind::real, left.sizes());
    for (Index i = 0; i < known.numel; ++i) {
      const bool open = less(left.real()[i], right.real()[i]) == Truth::unknown;
      known.real()[i] = open ? no_answer<T>(Unbounded::jump) : Scalar<T>::leaf(1);
    }
    branch.met = false;
    return least * tape.constant(known);
  }
  return least;
}

// max(0, m + d(a, p) - d(a, n)); `swap` takes d(p, n) where that is less than d(a, n)
template <class T>
Var<T> triplet_margin(const CompositeCall<T>& call) {
  const auto between = [&](std::size_t i, std::size_t j) {
    return distance(call, call[i], call[j], call.arg(1), call.arg(2), false);
  };
  if (call[0].ndim() != call[1].ndim() || call[0].ndim() != call[2].ndim()) {
    throw EngineError(GP_SHAPE, "the anchor, positive and negative need as many dims");
  }
  const Var<T> near = between(0, 1);
  Var<T> far = between(0, 2);
  if (call.flag(3)) far = least_of(far, between(1, 2));
  return reduced_loss(call, above_zero(call, call.number(0) + near - far), 4);
}

void sample_cosine_embedding(Draw& draw) {
  constexpr std::array margins{0.0, 0.5, -0.5};
  const std::vector<Index> shape = draw.nonempty_shape(1, 2);
  draw.tensor("input1", shape);
  draw.tensor("input2", shape);
  constexpr std::array sides{closed(1, 1), closed(-1, -1), closed(-1, 1)};
  draw.constant("target", std::vector<Index>(shape.begin(), shape.end() - 1), draw.pick(sides));
  if (draw.coin()) draw.set_real("margin", draw.pick(margins));
  draw_reduction(draw);
}
void sample_triplet(Draw& draw) {
  constexpr std::array margins{1.0, 0.5, 2.0};
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  for (const std::string_view name : {"anchor", "positive", "negative"}) draw.tensor(name, shape);
  if (draw.coin()) draw.set_real("margin", draw.pick(margins));
  draw_p(draw);
  if (draw.coin()) draw.set_bool("swap", draw.coin());
  draw_reduction(draw);
}

}  // namespace

void add_distance_losses(Registry& registry) {
  registry.composite({.schema = "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor",
                      .source = "LibTorch 2.11, cosine_similarity",
                      .sample = sample_cosine_similarity},
                     [](const auto& call) { return cosine_similarity(call); });
  registry.composite(
      {.schema = "pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False) -> Tensor",
       .source = "LibTorch 2.11, pairwise_distance",
       .sample = sample_pairwise_distance},
      [](const auto& call) { return distance(call, call[0], call[1], call.arg(0), call.arg(1), call.flag(2)); });
  registry.composite(
      {.schema = "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int "
                 "reduction=1) -> Tensor",
       .special = {{2, 1}, {2, -1}},
       .source = "LibTorch 2.11, cosine_embedding_loss",
       .note = "0 where t is neither 1 nor -1",
       .sample = sample_cosine_embedding},
      [](const auto& call) { return cosine_embedding(call); });
  registry.composite(
      {.schema = "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, "
                 "float p=2, float eps=1e-06, bool swap=False, int reduction=1) -> Tensor",
       .source = "LibTorch 2.11, triplet_margin_loss",
       .sample = sample_triplet},
      [](const auto& call) { return triplet_margin(call); });
}

}  // namespace gradproof
