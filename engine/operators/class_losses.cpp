// Losses of a choice among classes.
#include "engine/operators/families.h"
#include "engine/operators/loss_reduction.h"
#include "engine/sampling.h"

namespace gradproof {

namespace {

// --- negative log-likelihood ---

// The classes that were right, as a prediction of shape [N, C, d1, …], or [C], is asked for them.
template <class T>
struct Targets {
  Var<T> index;  // of the target's shape; 0 where the element is ignored
  Var<T> kept;   // false where it is
  Index count;   // of those kept
};

template <class T>
std::size_t class_dim(const Var<T>& x) {
  return x.ndim() == 1 ? 0 : 1;
}

template <class T>
void need_target_shape(const Var<T>& x, const Var<T>& target) {
  if (target.value().kind != Kind::integer) throw EngineError(GP_DTYPE, "the target must be an i64 tensor");
  if (x.ndim() == 0) throw EngineError(GP_SHAPE, "a 0-d input has no classes");
  Shape expected;
  for (std::size_t d = 0; d < x.sizes().size(); ++d) {
    if (d != class_dim(x)) expected.push(x.sizes()[d]);
  }
  if (!same_sizes(expected, target.sizes())) {
    throw EngineError(GP_SHAPE,
                      "a target of shape " + to_text(target.sizes()) + " for an input of shape " + to_text(x.sizes()));
  }
}

template <class T>
Targets<T> targets_of(const Var<T>& x, const Var<T>& target, Index ignored) {
  need_target_shape(x, target);
  Tape<T>& tape = x.tape();
  const Index classes = x.sizes()[class_dim(x)];
  const Tensor<T> from = tape.contiguous(target.value());
  const Tensor<T> index = tape.allocate(Kind::integer, from.sizes());
  const Tensor<T> kept = tape.allocate(Kind::boolean, from.sizes());
  Index count = 0;
  for (Index i = 0; i < from.numel; ++i) {
    const Index t = from.integers()[i];
    const bool skipped = t == ignored;
    if ((t < 0 || t >= classes) && !(skipped && classes > 0)) {
      throw EngineError(
          GP_INDEX, "target " + std::to_string(t) + " is out of bounds for " + std::to_string(classes) + " classes");
    }
    index.integers()[i] = skipped ? 0 : t;
    kept.booleans()[i] = truth(!skipped);
    count += skipped ? 0 : 1;
  }
  return {tape.constant(index), tape.constant(kept), count};
}

template <class T>
void need_class_weights(const Var<T>& x, const Var<T>& weight) {
  if (weight && (weight.ndim() != 1 || weight.numel() != x.sizes()[class_dim(x)])) {
    throw EngineError(GP_SHAPE, "weight needs one number for each class");
  }
}

// The elements of x, or of a weight for each class, that belong to the targets.
template <class T>
Var<T> picked(const CompositeCall<T>& call, const Var<T>& x, const Var<T>& index) {
  const auto dim = static_cast<Index>(class_dim(x));
  Shape sizes(x.sizes());
  sizes[static_cast<std::size_t>(dim)] = 1;
  return reshape_to(call("gather", {x, reshape_to(index, sizes)}, {call.of(dim), call.of(false)}), index.sizes());
}
template <class T>
Var<T> picked_weights(const CompositeCall<T>& call, const Var<T>& weight, const Var<T>& index) {
  const Index all = index.numel();
  const Var<T> flat = reshape_to(index, Sizes{&all, 1});
  return reshape_to(call("index_select", {weight, flat}, {call.of(Index{0})}), index.sizes());
}

// -w x[target], of which ignored elements are 0; the mean is Σ / Σ w.
template <class T>
Var<T> nll(const CompositeCall<T>& call, const Var<T>& x, const Var<T>& target, const Var<T>& weight,
           Reduction reduction, Index ignored) {
  const Targets<T> targets = targets_of(x, target, ignored);
  need_class_weights(x, weight);
  const Var<T> zero = call.tape.number(Scalar<T>::leaf(0));
  Var<T> loss = -picked(call, x, targets.index);
  Var<T> weights;
  if (weight) {
    weights = picked_weights(call, weight, targets.index);
    loss = loss * weights;
  }
  loss = call.tape.call(Basic::where, {targets.kept, loss, zero});
  if (reduction == Reduction::none) return loss;
  const Var<T> sum = whole_sum(loss);
  if (reduction == Reduction::sum) return sum;
  if (!weight) return sum / call.tape.number(count_as_number<T>(targets.count));
  return sum / whole_sum(call.tape.call(Basic::where, {targets.kept, weights, zero}));
}

template <class T>
Var<T> nll_of_dims(const CompositeCall<T>& call, std::size_t least, std::size_t most) {
  const std::size_t dims = call[0].sizes().size();
  if (dims < least || dims > most) throw EngineError(GP_SHAPE, "an input of shape " + to_text(call[0].sizes()));
  return nll(call, call[0], call[1], call[2], reduction_of(call, 0), call.integer(1));
}

// With it the weight of all that was kept, which an engine does not sum over a batch that it does not reduce.
template <class T>
std::array<Var<T>, 2> nll_forward(const CompositeCall<T>& call, std::size_t least, std::size_t most) {
  const Var<T> loss = nll_of_dims(call, least, most);
  Tape<T>& tape = call.tape;
  if (reduction_of(call, 0) == Reduction::none && call[0].ndim() > 1) return {loss, tape.number(Scalar<T>::leaf(0))};
  const Targets<T> targets = targets_of(call[0], call[1], call.integer(1));
  Var<T> total = tape.number(count_as_number<T>(targets.count));
  if (call[2]) {
    const Var<T> weights = picked_weights(call, call[2], targets.index);
    total = whole_sum(tape.call(Basic::where, {targets.kept, weights, tape.number(Scalar<T>::leaf(0))}));
  }
  return {loss, tape.constant(total.value())};
}

// --- cross entropy ---

// Σ -t log softmax(x) over the classes, t a probability for each.
template <class T>
Var<T> of_probabilities(const CompositeCall<T>& call, const Var<T>& log_p, double smoothing) {
  const std::size_t dim = class_dim(log_p);
  const Index classes = log_p.sizes()[dim];
  Var<T> target = call[1];
  if (smoothing > 0) {
    target = call("add.Scalar", call("mul.Scalar", target, {call.of(1 - smoothing)}),
                  {call.of(smoothing / static_cast<double>(classes)), call.of(Index{1})});
  }
  need_class_weights(log_p, call[2]);
  Var<T> terms = log_p * target;
  if (call[2]) {
    Shape sizes = filled_shape(log_p.sizes().size(), 1);
    sizes[dim] = classes;
    terms = terms * reshape_to(call[2], sizes);
  }
  switch (reduction_of(call, 0)) {
    case Reduction::none: return -sum_over(terms, DimSet{1} << dim, false);
    case Reduction::sum: return -whole_sum(terms);
    default: return share(-whole_sum(terms), classes == 0 ? 0 : terms.numel() / classes);
  }
}

// (1 - s) nll + s/C Σ -log softmax(x)
template <class T>
Var<T> smoothed(const CompositeCall<T>& call, const Var<T>& log_p, double smoothing) {
  const std::size_t dim = class_dim(log_p);
  const Index classes = log_p.sizes()[dim];
  const Reduction reduction = reduction_of(call, 0);
  const Var<T> loss = nll(call, log_p, call[1], call[2], reduction, call.integer(1));
  const Targets<T> targets = targets_of(log_p, call[1], call.integer(1));
  const Var<T> zero = call.tape.number(Scalar<T>::leaf(0));
  Var<T> terms = log_p;
  if (call[2]) {
    Shape sizes = filled_shape(log_p.sizes().size(), 1);
    sizes[dim] = classes;
    terms = terms * reshape_to(call[2], sizes);
  }
  Var<T> even = -sum_over(terms, DimSet{1} << dim, false);
  even = call.tape.call(Basic::where, {targets.kept, even, zero});
  if (reduction != Reduction::none) even = whole_sum(even);
  if (reduction == Reduction::mean && !call[2]) even = even / call.tape.number(count_as_number<T>(targets.count));
  if (reduction == Reduction::mean && call[2]) {
    const Var<T> weights = picked_weights(call, call[2], targets.index);
    even = even / whole_sum(call.tape.call(Basic::where, {targets.kept, weights, zero}));
  }
  return call("mul.Scalar", loss, {call.of(1 - smoothing)}) +
         call("mul.Scalar", even, {call.of(smoothing / static_cast<double>(classes))});
}

template <class T>
Var<T> cross_entropy(const CompositeCall<T>& call) {
  const Var<T> x = call[0];
  const double smoothing = call.arg(2).number;
  if (!(smoothing >= 0 && smoothing <= 1)) throw EngineError(GP_ARGUMENT, "label_smoothing must lie in [0, 1]");
  if (x.ndim() == 0) throw EngineError(GP_SHAPE, "a 0-d input has no classes");
  const Var<T> log_p = call("log_softmax.int", x, {call.of(static_cast<Index>(class_dim(x))), call.none()});
  if (same_sizes(x.sizes(), call[1].sizes())) {
    if (call[1].value().kind != Kind::real) throw EngineError(GP_DTYPE, "probabilities must be floating");
    if (call.integer(1) >= 0) throw EngineError(GP_ARGUMENT, "ignore_index is not for floating targets");
    return of_probabilities(call, log_p, smoothing);
  }
  if (smoothing > 0) return smoothed(call, log_p, smoothing);
  return nll(call, log_p, call[1], call[2], reduction_of(call, 0), call.integer(1));
}

// --- drawing ---

// A prediction of `dims` dims, its target, at times with elements to ignore, and weights. A mean is taken of something.
void draw_classes(Draw& draw, Index dims, bool all_arguments = false) {
  const bool mean = draw.coin();
  std::vector<Index> shape = mean ? draw.nonempty_shape(dims, dims) : draw.shape(dims, dims);
  Index& classes = shape[dims == 1 ? 0 : 1];
  classes = std::max<Index>(classes, 1);
  draw.tensor("self", shape);
  std::vector<Index> target = shape;
  target.erase(target.begin() + (dims == 1 ? 0 : 1));
  draw.indices("target", target, 0, classes - 1);
  if (!mean && draw.coin()) {
    draw.set_int("ignore_index", draw.integer(0, classes - 1));
  } else if (all_arguments) {
    draw.set_int("ignore_index", -100);
  }
  if (draw.one_in(4)) {
    draw.constant("weight", std::vector<Index>{classes}, closed(0, infinity));
  } else if (all_arguments) {
    draw.set_none("weight");
  }
  if (!mean) draw.set_int("reduction", draw.coin() ? 0 : 2);
  if (mean && all_arguments) draw.set_int("reduction", 1);
}
void sample_nll(Draw& draw) { draw_classes(draw, draw.integer(1, 2)); }
void sample_nll2d(Draw& draw) { draw_classes(draw, 4); }
void sample_nll_forward(Draw& draw) { draw_classes(draw, draw.integer(1, 2), true); }
void sample_nll2d_forward(Draw& draw) { draw_classes(draw, 4, true); }
void sample_nll_nd(Draw& draw) { draw_classes(draw, draw.integer(1, 4)); }

void sample_cross_entropy(Draw& draw) {
  constexpr std::array smoothings{0.1, 0.25, 0.5, 1.0};
  if (draw.one_in(3)) {
    const std::vector<Index> shape = draw.nonempty_shape(1, 4);
    draw.tensor("self", shape);
    draw.tensor("target", shape, closed(0, 1));
    if (draw.one_in(4))
      draw.tensor("weight", std::vector<Index>{shape[shape.size() == 1 ? 0 : 1]}, closed(0, infinity));
    draw_reduction(draw);
  } else {
    draw_classes(draw, draw.integer(1, 4));
  }
  if (draw.coin()) draw.set_real("label_smoothing", draw.pick(smoothings));
}

void add_likelihoods(Registry& registry) {
  constexpr std::string_view source = "LibTorch 2.11, LossNLL";
  constexpr std::string_view note = "LibTorch has no derivative with respect to weight";
  registry.composite({.schema = "nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt "
                                "ignore_index=-100) -> Tensor",
                      .source = source,
                      .note = note,
                      .sample = sample_nll},
                     [](const auto& call) { return nll_of_dims(call, 1, 2); });
  registry.composite({.schema = "nll_loss2d(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt "
                                "ignore_index=-100) -> Tensor",
                      .source = source,
                      .note = note,
                      .sample = sample_nll2d},
                     [](const auto& call) { return nll_of_dims(call, 4, 4); });
  registry.composite({.schema = "nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt "
                                "ignore_index) -> (Tensor output, Tensor total_weight)",
                      .source = source,
                      .note = note,
                      .sample = sample_nll_forward},
                     [](const auto& call) { return nll_forward(call, 1, 2); });
  registry.composite({.schema = "nll_loss2d_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt "
                                "ignore_index) -> (Tensor output, Tensor total_weight)",
                      .source = source,
                      .note = note,
                      .sample = sample_nll2d_forward},
                     [](const auto& call) { return nll_forward(call, 4, 4); });
  registry.composite({.schema = "nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt "
                                "ignore_index=-100) -> Tensor",
                      .source = source,
                      .note = note,
                      .sample = sample_nll_nd},
                     [](const auto& call) { return nll_of_dims(call, 1, GP_MAX_DIMS); });
  registry.composite(
      {.schema = "cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt "
                 "ignore_index=-100, float label_smoothing=0.0) -> Tensor",
       .domain = {all_reals, closed(0, 1), closed(0, infinity)},
       .source = "LibTorch 2.11, LossNLL",
       .note = "LibTorch has no derivative with respect to weight where targets are classes",
       .sample = sample_cross_entropy},
      [](const auto& call) { return cross_entropy(call); });
}

}  // namespace

void add_class_losses(Registry& registry) { add_likelihoods(registry); }

}  // namespace gradproof
