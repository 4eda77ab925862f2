// Losses that are programs over other operators: divergences, and margins between scores or distances.
#include "engine/operators/edges.h"
#include "engine/operators/families.h"
#include "engine/operators/loss_reduction.h"
#include "engine/sampling.h"

namespace gradproof {

namespace {

template <class T>
Var<T> zero_of(const CompositeCall<T>& call) {
  return call.tape.number(Scalar<T>::leaf(0));
}
template <class T>
Var<T> chosen(const CompositeCall<T>& call, const Var<T>& mask, const Var<T>& a, const Var<T>& b) {
  return call.tape.call(Basic::where, {mask, a, b});
}

// --- divergences ---

void sample_kl_div(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  const bool log_target = draw.coin();
  draw.tensor("self", shape);
  draw.tensor("target", shape, log_target ? all_reals : open(0, infinity));
  if (log_target) draw.set_bool("log_target", true);
  draw_reduction(draw);
}
void sample_poisson(Draw& draw) {
  constexpr std::array epsilons{1e-8, 0.5, 1e-3};
  const std::vector<Index> shape = draw.shape(0, 4);
  const bool log_input = draw.coin();
  draw.tensor("input", shape, log_input ? all_reals : closed(0, infinity));
  draw.tensor("target", shape, open(0, infinity));
  draw.set_bool("log_input", log_input);
  draw.set_bool("full", draw.coin());
  draw.set_real("eps", draw.pick(epsilons));
  draw.set_int("reduction", draw.integer(0, 2));
}

void add_divergences(Registry& registry) {
  // t log t - t x, or e^t (t - x) where the target is a logarithm itself
  registry.composite(
      {.schema = "kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor",
       .source = "LibTorch 2.11, kl_div",
       .sample = sample_kl_div},
      [](const auto& call) {
        const auto x = call[0];
        const auto t = call[1];
        if (call.flag(1)) return reduced_loss(call, exp(t) * (t - x), 0);
        const auto loss = [&](const auto& at) { return call("xlogy.Tensor", {at, at}) - at * x; };
        if (!t.impl()->requires_grad && t.impl()->tangents == nullptr) return reduced_loss(call, loss(t), 0);
        // Not where t may be 0: there the slope is -∞, and not the sum of xlogy's two.
        return reduced_loss(call, loss(t * known_off_zero(t)), 0);
      });
  // e^x - t x, or x - t log(x + ε); `full` adds Stirling's t log t - t + log(2πt)/2 where t > 1
  registry.composite({.schema = "poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, "
                                "int reduction) -> Tensor",
                      .source = "LibTorch 2.11, poisson_nll_loss",
                      .sample = sample_poisson},
                     [](const auto& call) {
                       const auto x = call[0];
                       const auto t = call[1];
                       auto loss = call.flag(0) ? exp(x) - t * x
                                                : x - t * log(call("add.Scalar", x, {call.arg(2), call.of(Index{1})}));
                       if (call.flag(1)) {
                         const auto circle = call("mul.Scalar", t, {call.of(2 * 3.14159265358979323846)});
                         const auto stirling = t * log(t) - t + call("mul.Scalar", log(circle), {call.of(0.5)});
                         const auto small = call("le.Scalar", t, {call.of(Index{1})});
                         loss = loss + chosen(call, small, zero_of(call), stirling);
                       }
                       return reduced_loss(call, loss, 3);
                     });
}

// --- margins of single scores; targets are 1 or -1 ---

void sample_hinge(Draw& draw) {
  constexpr std::array margins{1.0, 0.5, 2.0, 0.0};
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.constant("target", shape, closed(-1, 1));
  if (draw.coin()) draw.set_real("margin", draw.pick(margins));
  draw_reduction(draw);
}
void sample_ranking(Draw& draw) {
  constexpr std::array margins{0.0, 0.5, 1.0};
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("input1", shape);
  draw.tensor("input2", shape);
  draw.tensor("target", shape, closed(-1, 1));
  if (draw.coin()) draw.set_real("margin", draw.pick(margins));
  draw_reduction(draw);
}

void add_scores(Registry& registry) {
  // x where t is 1, max(0, m - x) where it is -1
  registry.composite(
      {.schema = "hinge_embedding_loss(Tensor self, Tensor target, float margin=1.0, int reduction=1) -> Tensor",
       .special = {{1, 1}, {1, -1}},
       .source = "LibTorch 2.11, hinge_embedding_loss",
       .note = "both where t is neither",
       .sample = sample_hinge},
      [](const auto& call) {
        const auto below = call("clamp_min", call.number(0) - call[0], {call.of(Index{0})});
        const auto far = chosen(call, call("ne.Scalar", call[1], {call.of(Index{1})}), below, zero_of(call));
        const auto near = chosen(call, call("ne.Scalar", call[1], {call.of(Index{-1})}), call[0], zero_of(call));
        return reduced_loss(call, far + near, 1);
      });
  // max(0, m - t (x - y))
  registry.composite(
      {.schema = "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int "
                 "reduction=1) -> Tensor",
       .special = {{2, 1}, {2, -1}},
       .source = "LibTorch 2.11, margin_ranking_loss",
       .sample = sample_ranking},
      [](const auto& call) {
        const auto behind = -call[2] * (call[0] - call[1]) + call.number(0);
        return reduced_loss(call, call("clamp_min", behind, {call.of(Index{0})}), 1);
      });
}

// --- margins of a class against the others ---

// [N, C] and N; a single sample is a batch of one.
template <class T>
struct Batch {
  Var<T> x;
  Index samples;
  Index classes;
};
template <class T>
Batch<T> batch_of(const Var<T>& x) {
  if (x.ndim() > 2) throw EngineError(GP_SHAPE, "an input of 0 to 2 dims is needed, not " + to_text(x.sizes()));
  const Index samples = x.ndim() < 2 ? 1 : x.sizes()[0];
  const Index classes = x.ndim() == 0 ? 1 : x.sizes().back();
  const std::array<Index, 2> sizes{samples, classes};
  return {reshape_to(x, sizes), samples, classes};
}
template <class T>
Tensor<T> integer_targets(const Var<T>& target, Sizes sizes) {
  if (target.value().kind != Kind::integer) throw EngineError(GP_DTYPE, "the target must be an i64 tensor");
  if (count_elements(sizes) != target.numel()) {
    throw EngineError(GP_SHAPE, "a target of shape " + to_text(target.sizes()) + " for " + to_text(sizes));
  }
  return target.tape().contiguous(target.value());
}
inline void need_class(Index t, Index classes) {
  if (t < 0 || t >= classes) throw EngineError(GP_INDEX, "target " + std::to_string(t) + " is out of range");
}

// Per sample Σ h/C, all of them where they are reduced: engines sum through.
template <class T>
Var<T> margins_reduced(const CompositeCall<T>& call, const Batch<T>& batch, const Var<T>& h,
                       std::size_t reduction_arg) {
  const Reduction reduction = reduction_of(call, reduction_arg);
  // Engines multiply every class by the seed, those that do not count by 0 times it: defined where the seed is.
  Var<T> unused;
  if constexpr (std::is_same_v<T, Defined>) unused = whole_sum(call[0]) * 0;
  const auto with_unused = [&](const Var<T>& loss) { return unused ? loss + unused : loss; };
  if (reduction == Reduction::none) {
    const Var<T> each = share(sum_over(h, DimSet{2}, false), batch.classes);
    return with_unused(call[0].ndim() < 2 ? reshape_to(each, Sizes{}) : each);
  }
  const Var<T> sum = share(whole_sum(h), batch.classes);
  return with_unused(reduction == Reduction::mean ? share(sum, batch.samples) : sum);
}

// Σ max(0, m - x[t] + x[j])^p w[t]/C over j ≠ t
template <class T>
Var<T> multi_margin(const CompositeCall<T>& call) {
  const Batch<T> batch = batch_of(call[0]);
  const double p = call.arg(0).number;
  if (p != 1 && p != 2) throw EngineError(GP_ARGUMENT, "multi_margin_loss needs p 1 or 2");
  const std::array<Index, 2> column{batch.samples, 1};
  const Tensor<T> from = integer_targets(call[1], Sizes{column.data(), 1});
  const Tensor<T> index = call.tape.allocate(Kind::integer, column);
  const Tensor<T> others = call.tape.allocate(Kind::boolean, batch.x.sizes());
  for (Index n = 0; n < batch.samples; ++n) {
    const Index t = from.integers()[n];
    need_class(t, batch.classes);
    index.integers()[n] = t;
    for (Index c = 0; c < batch.classes; ++c) others.booleans()[n * batch.classes + c] = truth(c != t);
  }
  const Var<T> at = call.tape.constant(index);
  const Var<T> right = call("gather", {batch.x, at}, {call.of(Index{1}), call.of(false)});
  Var<T> h = call("clamp_min", call.number(1) - right + batch.x, {call.of(Index{0})});
  if (p == 2) h = h * h;
  if (call[2]) {
    if (call[2].ndim() > 1 || call[2].numel() != batch.classes) {
      throw EngineError(GP_SHAPE, "weight needs one number for each class");
    }
    const Var<T> flat = reshape_to(at, Sizes{column.data(), 1});
    h = h * reshape_to(call("index_select", {call[2], flat}, {call.of(Index{0})}), column);
  }
  const Var<T> loss = margins_reduced(call, batch, chosen(call, call.tape.constant(others), h, zero_of(call)), 2);
  // Of one sample without a dim of its own, but with a target that has one.
  const bool listed = call[0].ndim() < 2 && call[1].ndim() == 1 && reduction_of(call, 2) == Reduction::none;
  return listed ? reshape_to(loss, std::array{Index{1}}) : loss;
}

// Pairs of a class that is right and one that is not, sample by sample, filled up to the longest list.
template <class T>
struct Pairs {
  std::vector<std::vector<std::array<Index, 2>>> of_sample;
  std::size_t most = 0;

  Pairs(const Tensor<T>& target, const Batch<T>& batch) : of_sample(static_cast<std::size_t>(batch.samples)) {
    for (Index n = 0; n < batch.samples; ++n) {
      const Index* row = target.integers() + n * batch.classes;
      std::vector<bool> right(static_cast<std::size_t>(batch.classes), false);
      Index count = 0;
      for (Index k = 0; k < batch.classes; ++k) {
        if (row[k] < -1 || row[k] >= batch.classes) need_class(row[k], batch.classes);
      }
      for (; count < batch.classes && row[count] >= 0; ++count) right[static_cast<std::size_t>(row[count])] = true;
      auto& pairs = of_sample[static_cast<std::size_t>(n)];
      for (Index k = 0; k < count; ++k) {
        for (Index d = 0; d < batch.classes; ++d) {
          if (!right[static_cast<std::size_t>(d)]) pairs.push_back({row[k], d});
        }
      }
      most = std::max(most, pairs.size());
    }
  }
};

// Σ max(0, 1 - x[t] + x[d])/C over the classes t before the first -1 and those d that are not among them
template <class T>
Var<T> multilabel_margin(const CompositeCall<T>& call) {
  const Batch<T> batch = batch_of(call[0]);
  const Pairs<T> pairs(integer_targets(call[1], batch.x.sizes()), batch);
  const std::array<Index, 2> sizes{batch.samples, static_cast<Index>(pairs.most)};
  const Tensor<T> right = call.tape.allocate(Kind::integer, sizes);
  const Tensor<T> wrong = call.tape.allocate(Kind::integer, sizes);
  const Tensor<T> counts = call.tape.allocate(Kind::boolean, sizes);
  std::size_t i = 0;
  for (const auto& list : pairs.of_sample) {
    for (std::size_t k = 0; k < pairs.most; ++k, ++i) {
      const bool one = k < list.size();
      right.integers()[i] = one ? list[k][0] : 0;
      wrong.integers()[i] = one ? list[k][1] : 0;
      counts.booleans()[i] = truth(one);
    }
  }
  const auto at = [&](const Tensor<T>& index) {
    return call("gather", {batch.x, call.tape.constant(index)}, {call.of(Index{1}), call.of(false)});
  };
  const Var<T> h = call("clamp_min", 1 - at(right) + at(wrong), {call.of(Index{0})});
  return margins_reduced(call, batch, chosen(call, call.tape.constant(counts), h, zero_of(call)), 0);
}

// 1 for each class before the first -1, 0 for the others.
template <class T>
Var<T> is_target(const CompositeCall<T>& call) {
  const Batch<T> batch = batch_of(call[0]);
  const Tensor<T> target = integer_targets(call[1], batch.x.sizes());
  const Tensor<T> marks = call.tape.allocate(Kind::real, call[1].sizes());
  std::fill_n(marks.real(), marks.numel, Scalar<T>::leaf(0));
  for (Index first = 0; first < marks.numel; first += batch.classes) {
    for (Index k = 0; k < batch.classes && target.integers()[first + k] >= 0; ++k) {
      marks.real()[first + target.integers()[first + k]] = Scalar<T>::leaf(1);
    }
  }
  return call.tape.constant(marks);
}

void sample_multi_margin(Draw& draw) {
  constexpr std::array margins{1.0, 0.5, 2.0, 0.0};
  const std::vector<Index> shape = draw.nonempty_shape(1, 2);
  const Index classes = shape.back();
  draw.tensor("self", shape);
  draw.indices("target", std::vector<Index>(shape.begin(), shape.end() - 1), 0, classes - 1);
  if (draw.coin()) draw.set_int("p", draw.integer(1, 2));
  if (draw.coin()) draw.set_real("margin", draw.pick(margins));
  if (draw.one_in(4)) draw.constant("weight", std::vector<Index>{classes}, closed(0, infinity));
  draw_reduction(draw);
}
void sample_multilabel_forward(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 2);
  draw.tensor("self", shape);
  draw.indices("target", shape, -1, shape.back() - 1);
  draw.set_int("reduction", draw.integer(0, 2));
}
void sample_multilabel_margin(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 2);
  draw.tensor("self", shape);
  draw.indices("target", shape, -1, shape.back() - 1);
  draw_reduction(draw);
}

void add_classes(Registry& registry) {
  registry.composite({.schema = "multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? "
                                "weight=None, int reduction=1) -> Tensor",
                      .source = "LibTorch 2.11, MultiMarginLoss",
                      .note = "LibTorch has no derivative with respect to weight",
                      .sample = sample_multi_margin},
                     [](const auto& call) { return multi_margin(call); });
  registry.composite({.schema = "multilabel_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
                      .source = "LibTorch 2.11, MultiLabelMarginLoss",
                      .sample = sample_multilabel_margin},
                     [](const auto& call) { return multilabel_margin(call); });
  registry.composite({.schema = "multilabel_margin_loss_forward(Tensor self, Tensor target, int reduction) -> (Tensor "
                                "output, Tensor is_target)",
                      .source = "LibTorch 2.11, MultiLabelMarginLoss",
                      .sample = sample_multilabel_forward},
                     [](const auto& call) {
                       return std::array{multilabel_margin(call), is_target(call)};
                     });
}

}  // namespace

void add_margin_losses(Registry& registry) {
  add_divergences(registry);
  add_scores(registry);
  add_classes(registry);
}

}  // namespace gradproof
