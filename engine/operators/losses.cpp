// Losses that are an elementwise function of a prediction and a target, reduced.
#include "engine/operators/binary_slopes.h"
#include "engine/operators/families.h"
#include "engine/operators/loss_reduction.h"
#include "engine/operators/stable.h"
#include "engine/sampling.h"

namespace gradproof {

namespace {

void sample_loss(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.tensor("target", shape);
  draw_reduction(draw);
}

// --- losses whose slopes are operators ---

// The gradient before it was spread over the elements. An engine sums each argument's part of what comes back by
// itself, and n elements of two parts that cancel round differently from n sums.
template <class T>
Var<T> before_spread(const Var<T>& g) {
  const Node<T>* producer = g.impl()->producer;
  return producer != nullptr && producer->op == &g.tape().basic(Basic::expand) ? input(g.tape(), *producer, 0) : g;
}

// A loss of x and t, whose slopes times the gradient g are operators of x, t and g: linear in g, and with a derivative
// in each argument by itself, as engines have it. Names: `value`, `self_slope` and `target_slope` are records;
// `symmetric`: the target's slope is the other's with x and t exchanged.
template <class Names>
struct PairLoss {
  static constexpr const char* schema = "_pair_loss(Tensor self, Tensor target, ...) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const std::array<Var<T>, 2> in{tape.constant(node.in(0)), tape.constant(node.in(1))};
    set_outputs(tape, node, {tape.call(tape.catalogue().named(Names::value), in, arguments(node)).value()});
  }
  template <class T>
  static Var<T> slope(Tape<T>& tape, const Node<T>& node, std::size_t of, const Var<T>& g) {
    const bool exchanged = of == 1 && Names::symmetric;
    const std::array<Var<T>, 3> in{input(tape, node, exchanged ? 1 : 0), input(tape, node, exchanged ? 0 : 1), g};
    return tape.call(tape.catalogue().named(of == 0 ? Names::self_slope : Names::target_slope), in, arguments(node));
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    const Var<T> g = before_spread(grads[0]);
    for (std::size_t i = 0; i < 2; ++i) {
      if (wants[i]) into[i] = sum_to(slope(tape, node, i, g), node.in(i).sizes());
    }
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (!tangents[i]) continue;
      const Var<T> term = slope(tape, node, i, tangents[i]);
      into[0] = into[0] ? into[0] + term : term;
    }
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return saved_input(0) | (wants[0] || Names::symmetric ? saved_input(1) : saves_nothing);
  }
};

// --- distances: d = x - t ---

void sample_smooth_l1(Draw& draw) {
  constexpr std::array betas{1.0, 0.5, 2.0, 0.1, 0.0};
  sample_loss(draw);
  if (draw.coin()) draw.set_real("beta", draw.pick(betas));
}
void sample_huber(Draw& draw) {
  constexpr std::array deltas{1.0, 0.5, 2.0, 0.1};
  sample_loss(draw);
  if (draw.coin()) draw.set_real("delta", draw.pick(deltas));
}

struct Squares {
  static constexpr bool symmetric = true;
  static constexpr std::string_view value = "_mse_loss";
  static constexpr std::string_view self_slope = "_mse_slope";
  static constexpr std::string_view target_slope = "_mse_slope";
};

// d², slope 2d
void add_squares(Registry& registry) {
  registry.elementwise({.schema = "_mse_loss(Tensor self, Tensor target) -> Tensor", .note = "mse_loss of one element"},
                       value([](auto x, auto t) { return square(x - t); }),
                       partial([](auto x, auto t, auto) { return 2 * (x - t); }),
                       partial([](auto x, auto t, auto) { return 2 * (t - x); }));
  registry.elementwise({.schema = "_mse_slope(Tensor self, Tensor target, Tensor grad) -> Tensor",
                        .note = "mse_loss_backward of one element"},
                       value([](auto x, auto t, auto g) { return g * (2 * (x - t)); }),
                       partial([](auto, auto, auto g, auto) { return 2 * g; }),
                       partial([](auto, auto, auto g, auto) { return -2 * g; }),
                       partial([](auto x, auto t, auto, auto) { return 2 * (x - t); }));
  registry.composite({.schema = "mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
                      .source = "LibTorch 2.11, mse_loss",
                      .sample = sample_loss},
                     [](const auto& call) {
                       return reduced_loss(call, call_rule<PairLoss<Squares>>(call.tape, {call[0], call[1]}, {}), 0);
                     });
  registry.composite({.schema = "l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
                      .ties_matter = true,
                      .source = "LibTorch 2.11, l1_loss",
                      .sample = sample_loss},
                     [](const auto& call) { return reduced_loss(call, call("abs", call[0] - call[1]), 0); });
}

// -1 below -b, 1 above b, inside between
template <class V>
V clamped_slope(const V& d, const V& b, const V& inside, const V& outside) {
  return select(less(d, -b), -outside, select(less(b, d), outside, inside));
}

struct Smooth {
  static constexpr bool symmetric = true;
  static constexpr std::string_view value = "_smooth_l1_loss";
  static constexpr std::string_view self_slope = "_smooth_l1_slope";
  static constexpr std::string_view target_slope = "_smooth_l1_slope";
};
struct Huber {
  static constexpr bool symmetric = true;
  static constexpr std::string_view value = "_huber_loss";
  static constexpr std::string_view self_slope = "_huber_slope";
  static constexpr std::string_view target_slope = "_huber_slope";
};

// The slopes' own: 1 (or 1/b) within, 0 beyond.
template <class V>
V within(const V& d, const V& b, const V& inside) {
  return select(less(abs(d), b), inside, 0);
}
void add_smooth_slopes(Registry& registry) {
  registry.elementwise(
      {.schema = "_smooth_l1_slope(Tensor self, Tensor target, Tensor grad, float beta) -> Tensor",
       .scalars = {1, 0.5, 2, 0.1},
       .note = "smooth_l1_loss_backward of one element"},
      value([](auto x, auto t, auto g, auto b) { return clamped_slope(x - t, b, g * (x - t) / b, g); },
            [](auto x, auto t, auto g, auto b) { return clamped_slope(x - t, b, g * ((x - t) / b), g); }),
      partial([](auto x, auto t, auto g, auto b, auto) { return within(x - t, b, g / b); }),
      partial([](auto x, auto t, auto g, auto b, auto) { return within(x - t, b, -(g / b)); }),
      partial([](auto x, auto t, auto, auto b, auto) { return clamped_slope(x - t, b, (x - t) / b, number(x, 1)); }));
  registry.elementwise({.schema = "_huber_slope(Tensor self, Tensor target, Tensor grad, float delta) -> Tensor",
                        .scalars = {1, 0.5, 2, 0.1},
                        .note = "huber_loss_backward of one element"},
                       value([](auto x, auto t, auto g, auto b) { return g * clamped_slope(x - t, b, x - t, b); }),
                       partial([](auto x, auto t, auto g, auto b, auto) { return within(x - t, b, g); }),
                       partial([](auto x, auto t, auto g, auto b, auto) { return within(x - t, b, -g); }),
                       partial([](auto x, auto t, auto, auto b, auto) { return clamped_slope(x - t, b, x - t, b); }));
}

// d²/2b within b, |d| - b/2 beyond: slope d/b, ±1
void add_smooth(Registry& registry) {
  registry.elementwise(
      {.schema = "_smooth_l1_loss(Tensor self, Tensor target, float beta) -> Tensor",
       .scalars = {1, 0.5, 2, 0.1},
       .note = "smooth_l1_loss of one element"},
      value([](auto x, auto t, auto b) {
        const auto d = abs(x - t);
        return select(less(d, b), d * d / 2 / b, d - b / 2);
      }),
      partial(
          [](auto x, auto t, auto b, auto) { return clamped_slope(x - t, b, (x - t) / b, number(x, 1)); },
          weighted([](auto x, auto t, auto b, auto, auto g) { return clamped_slope(x - t, b, g * (x - t) / b, g); })),
      partial(
          [](auto x, auto t, auto b, auto) { return clamped_slope(t - x, b, (t - x) / b, number(x, 1)); },
          weighted([](auto x, auto t, auto b, auto, auto g) { return clamped_slope(t - x, b, g * (t - x) / b, g); })));
  registry.composite({.schema = "smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.0) -> Tensor",
                      .source = "LibTorch 2.11, smooth_l1_loss",
                      .note = "the l1 loss where beta is 0",
                      .sample = sample_smooth_l1},
                     [](const auto& call) {
                       const double beta = call.arg(1).number;
                       if (beta < 0) throw EngineError(GP_ARGUMENT, "smooth_l1_loss does not support a negative beta");
                       const auto loss =
                           beta == 0 ? call("abs", call[0] - call[1])
                                     : call_rule<PairLoss<Smooth>>(call.tape, {call[0], call[1]}, {call.arg(1)});
                       return reduced_loss(call, loss, 0);
                     });
  // δ times the above with b = δ
  registry.elementwise({.schema = "_huber_loss(Tensor self, Tensor target, float delta) -> Tensor",
                        .scalars = {1, 0.5, 2, 0.1},
                        .note = "huber_loss of one element"},
                       value([](auto x, auto t, auto b) {
                         const auto d = abs(x - t);
                         return select(less(d, b), d * d / 2, b * (d - b / 2));
                       }),
                       partial([](auto x, auto t, auto b, auto) { return clamped_slope(x - t, b, x - t, b); }),
                       partial([](auto x, auto t, auto b, auto) { return clamped_slope(t - x, b, t - x, b); }));
  registry.composite({.schema = "huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.0) -> Tensor",
                      .source = "LibTorch 2.11, huber_loss",
                      .sample = sample_huber},
                     [](const auto& call) {
                       if (!(call.arg(1).number > 0))
                         throw EngineError(GP_ARGUMENT, "huber_loss needs a positive delta");
                       const auto loss = call_rule<PairLoss<Huber>>(call.tape, {call[0], call[1]}, {call.arg(1)});
                       return reduced_loss(call, loss, 0);
                     });
}

// --- cross entropies of two classes ---

void sample_bce(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape, closed(0, 1));
  draw.tensor("target", shape, closed(0, 1));
  if (draw.one_in(4)) draw.constant("weight", narrower(draw, shape));
  draw_reduction(draw);
}
void sample_bce_with_logits(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.tensor("target", shape, closed(0, 1));
  if (draw.one_in(5)) draw.constant("weight", narrower(draw, shape));
  if (draw.one_in(5)) draw.constant("pos_weight", narrower(draw, shape), closed(0, infinity));
  draw_reduction(draw);
}

// -t log x - (1 - t) log(1 - x), each logarithm at least -100; the denominator of the slope in x is bounded below.
void add_binary(Registry& registry) {
  registry.elementwise(
      {.schema = "_binary_cross_entropy(Tensor self, Tensor target) -> Tensor",
       .domain = {closed(0, 1), closed(0, 1)},
       .special = {{0, 0}, {0, 1}, {0, 0.5}, {1, 0}, {1, 1}},
       .note = "binary_cross_entropy of one element"},
      value([](auto x, auto t) {
        return (t - 1) * maximum(log1p(-x), number(x, -100)) - t * maximum(log(x), number(x, -100));
      }),
      partial([](auto x, auto t, auto) { return (x - t) / maximum((1 - x) * x, least_denominator(x)); },
              weighted([](auto x, auto t, auto, auto g) {
                return g * (x - t) / maximum((1 - x) * x, least_denominator(x));
              })),
      partial([](auto x, auto, auto) { return maximum(log1p(-x), number(x, -100)) - maximum(log(x), number(x, -100)); },
              [](auto x, auto, auto) { return minimum(maximum(-log(x / (1 - x)), number(x, -100)), number(x, 100)); }));
  registry.composite(
      {.schema = "binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> "
                 "Tensor",
       .domain = {closed(0, 1), closed(0, 1)},
       .special = {{0, 0.5}, {1, 0}, {1, 1}},
       .source = "LibTorch 2.11, binary_cross_entropy",
       .sample = sample_bce},
      [](const auto& call) {
        if (!same_sizes(call[0].sizes(), call[1].sizes())) {
          throw EngineError(GP_SHAPE, "a target of another size than the input");
        }
        const auto loss = call_rule<PairLoss<Binary>>(call.tape, {call[0], call[1]}, {});
        return reduced_loss(call, weighted_loss(loss, call[2]), 0);
      });
}

template <class T>
requires requires { Scalar<T>::integer(0); }
T log_sigmoid_of(const T& x) { return minimum(x, number(x, 0)) - log1p(exp(-abs(x))); }
template <class T>
Var<T> log_sigmoid_of(const Var<T>& x) {
  return x.tape().call(x.tape().catalogue().named("log_sigmoid"), std::span<const Var<T>>(&x, 1));
}
inline Probe log_sigmoid_of(Probe x) { return x; }

// -log σ(x), as LibTorch 1.13 computes it: m + log(e^-m + e^(-x - m)) with m = max(-x, 0).
template <class X>
X shifted_softplus(const X& x) {
  const X m = maximum(-x, number(x, 0));
  return m + log(exp(-m) + exp(-x - m));
}

// (1 - t) x - (1 + (p - 1) t) log σ(x): slopes (1 - t) σ(x) - p t σ(-x), log σ(-x) - p log σ(x), -t log σ(x)
void add_logits(Registry& registry) {
  registry.elementwise({.schema = "_bce_with_logits(Tensor self, Tensor target) -> Tensor",
                        .special = {{0, 0}, {0, 17}, {0, -17}, {1, 0}, {1, 1}},
                        .note = "binary_cross_entropy_with_logits of one element"},
                       value([](auto x, auto t) { return (1 - t) * x - log_sigmoid_of(x); },
                             [](auto x, auto t) { return (1 - t) * x + shifted_softplus(x); }),
                       partial([](auto x, auto t, auto) { return (1 - t) * sigmoid(x) - t * sigmoid(-x); },
                               [](auto x, auto t, auto) { return plain_sigmoid(x) - t; }),
                       partial([](auto x, auto, auto) { return -x; }));
  registry.elementwise(
      {.schema = "_bce_with_logits_weighted(Tensor self, Tensor target, Tensor pos_weight) -> Tensor",
       .special = {{0, 0}, {0, 17}, {0, -17}, {1, 0}, {1, 1}},
       .note = "binary_cross_entropy_with_logits of one element"},
      value([](auto x, auto t, auto p) { return (1 - t) * x - ((p - 1) * t + 1) * log_sigmoid_of(x); },
            [](auto x, auto t, auto p) { return (1 - t) * x + ((p - 1) * t + 1) * shifted_softplus(x); }),
      partial([](auto x, auto t, auto p, auto) { return (1 - t) * sigmoid(x) - p * t * sigmoid(-x); },
              [](auto x, auto t, auto p, auto) { return (p * t + 1 - t) * plain_sigmoid(x) - p * t; }),
      partial([](auto x, auto, auto p, auto) { return log_sigmoid_of(-x) - p * log_sigmoid_of(x); }),
      partial([](auto x, auto t, auto, auto) { return -(t * log_sigmoid_of(x)); }));
  registry.composite(
      {.schema =
           "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, "
           "int reduction=1) -> Tensor",
       .special = {{0, 0}, {0, 17}, {0, -17}, {1, 0}, {1, 1}},
       .source = "LibTorch 2.11 and 1.13, binary_cross_entropy_with_logits",
       .sample = sample_bce_with_logits},
      [](const auto& call) {
        if (!same_sizes(call[0].sizes(), call[1].sizes())) {
          throw EngineError(GP_SHAPE, "a target of another size than the input");
        }
        const auto loss = call[3] ? call("_bce_with_logits_weighted", {call[0], call[1], call[3]})
                                  : call("_bce_with_logits", {call[0], call[1]});
        return reduced_loss(call, weighted_loss(loss, call[2]), 0);
      });
}

// log(1 + e^(-tx)): slope -t σ(-tx); no derivative in t
void sample_soft_margin(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.constant("target", shape);
  draw_reduction(draw);
}
void add_soft_margin(Registry& registry) {
  registry.elementwise({.schema = "_soft_margin_loss(Tensor self, Tensor target) -> Tensor",
                        .special = {{0, 0}, {0, 88}, {1, 1}, {1, -1}},
                        .note = "soft_margin_loss of one element"},
                       value([](auto x, auto t) { return maximum(-(t * x), number(x, 0)) + log1p(exp(-abs(t * x))); },
                             [](auto x, auto t) { return log1p(stored(exp(-(t * x)))); },
                             [](auto x, auto t) { return log(1 + stored(exp(-(t * x)))); }),
                       partial([](auto x, auto t, auto) { return -(t * sigmoid(-(t * x))); },
                               [](auto x, auto t, auto) {
                                 const auto z = stored(exp(-(t * x)));
                                 return -(t * z) / (1 + z);
                               }),
                       partial([](auto x, auto t, auto) { return -(x * sigmoid(-(t * x))); }));
  registry.composite({.schema = "soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
                      .special = {{0, 0}, {0, 17}, {1, 1}, {1, -1}},
                      .source = "LibTorch 2.11, soft_margin_loss",
                      .note = "LibTorch has no derivative with respect to target",
                      .sample = sample_soft_margin},
                     [](const auto& call) {
                       return reduced_loss(call, call("_soft_margin_loss", {call[0], call[1]}), 0);
                     });
}

}  // namespace

void add_losses(Registry& registry) {
  add_squares(registry);
  add_smooth_slopes(registry);
  add_smooth(registry);
  add_binary_slopes(registry);
  add_binary(registry);
  add_logits(registry);
  add_soft_margin(registry);
}

}  // namespace gradproof
