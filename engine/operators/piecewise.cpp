// Activations made of lines, their bounds, and other choices between two numbers.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/rounding.h"
#include "engine/operators/samplers.h"
#include "engine/operators/stable.h"
#include "engine/structural.h"

namespace gradproof {

namespace {

void add_bounded(Registry& registry) {
  registry.elementwise({.schema = "hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor",
                        .kinks = {{0, -1}, {0, 0}, {0, 0.5}, {0, 1}},
                        .scalars = {-1, 1, 0, 0.5},
                        .source = "LibTorch 2.11, hardtanh",
                        .note = "max_val wins where min_val > max_val"},
                       value([](auto x, auto low, auto high) { return minimum(maximum(x, low), high); }),
                       partial([](auto x, auto low, auto high, auto) {
                         return select(less(low, x), select(less(x, high), number(x, 1), 0), 0);
                       }));
  registry.elementwise(
      {.schema = "relu6(Tensor self) -> Tensor", .kinks = {{0, 0}, {0, 6}}, .source = "Krizhevsky 2010"},
      value([](auto x) { return minimum(maximum(x, number(x, 0)), number(x, 6)); }),
      partial([](auto x, auto) { return select(less(0, x), select(less(x, 6), number(x, 1), 0), 0); }));
  registry.elementwise(
      {.schema = "hardsigmoid(Tensor self) -> Tensor",
       .kinks = {{0, -3}, {0, 3}},
       .source = "LibTorch 2.11, hardsigmoid"},
      value([](auto x) { return minimum(maximum(x + 3, number(x, 0)), number(x, 6)) / 6; },
            [](auto x) { return minimum(maximum(x + 3, number(x, 0)), number(x, 6)) * (number(x, 1) / 6); }),
      partial([](auto x, auto) { return select(less(-3, x), select(less(x, 3), number(x, 1) / 6, 0), 0); }));
  // x (x + 3)/6 from -3 to 3: slope (2x + 3)/6. Engines take the outer slope on a kink, the inner one, or that from
  // the right.
  registry.elementwise(
      {.schema = "hardswish(Tensor self) -> Tensor",
       .kinks = {{0, -3}, {0, 3}},
       .special = {{0, -1.5}},
       .source = "Howard et al. 2019"},
      value([](auto x) { return stored(x * minimum(maximum(x + 3, number(x, 0)), number(x, 6))) / 6; },
            [](auto x) { return x * (minimum(maximum(x + 3, number(x, 0)), number(x, 6)) / 6); }),
      partial([](auto x, auto) { return select(less(-3, x), select(less(x, 3), (2 * x + 3) / 6, 1), 0); },
              [](auto x, auto) { return select(less(-3, x), select(less(x, 3), x / 3 + literal(x, "0.5"), 1), 0); }));
}

void add_shrinking(Registry& registry) {
  registry.elementwise({.schema = "hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
                        .jumps = {{0, 0.5}, {0, -0.5}},
                        .special = {{0, 1}, {0, -0.25}},
                        .scalars = {0.5, 1, 0.25, 0},
                        .source = "LibTorch 2.11, hardshrink"},
                       value([](auto x, auto l) { return select(less(l, abs(x)), x, unless_nan(x, number(x, 0))); }),
                       partial([](auto x, auto l, auto) { return select(less(l, abs(x)), number(x, 1), 0); }));
  registry.elementwise({.schema = "softshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
                        .kinks = {{0, 0.5}, {0, -0.5}, {0, 1}},
                        .scalars = {0.5, 1, 0.25, 0},
                        .source = "LibTorch 2.11, softshrink"},
                       value([](auto x, auto l) {
                         return select(less(l, x), x - l, select(less(x, -l), x + l, unless_nan(x, number(x, 0))));
                       }),
                       partial([](auto x, auto l, auto) { return select(less(l, abs(x)), number(x, 1), 0); }));
  registry.elementwise({.schema = "threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor",
                        .jumps = {{0, 0.5}, {0, -0.5}, {0, 0}},
                        .scalars = {0.5, 0, -0.5, 20},
                        .source = "LibTorch 2.11, threshold"},
                       value([](auto x, auto t, auto v) { return select(less(t, x), x, unless_nan(x, v)); }),
                       partial([](auto x, auto t, auto, auto) { return select(less(t, x), number(x, 1), 0); }));
}

// α (e^(x/α) - 1) where x <= 0; slope e^(x/α), or of the result alone, which is all that remains of a call in place.
// The slope of the slope at 0 may be either side's (activations.cpp, elu).
void add_exponential_units(Registry& registry) {
  registry.elementwise(
      {.schema = "celu(Tensor self, Scalar alpha=1.0) -> Tensor",
       .special = {{0, 0}, {0, -17}, {0, -88}},
       .scalars = {1, 0.5, 2, 1.3},
       .source = "Barron 2017"},
      value([](auto x, auto a) { return select(less(0, x), x, a * expm1(x / a)); },
            [](auto x, auto a) { return select(less(0, x), x, a * expm1(x * (1 / a))); },
            [](auto x, auto a) { return select(less(0, x), x, a * (exp(x * (1 / a)) - 1)); }),
      partial([](auto x, auto a, auto) { return select(less(0, x), 1, exp(minimum(x, number(x, 0)) / a)); },
              [](auto x, auto a, auto) {
                return select(less(0, x), 1, a * (1 / a) * exp(minimum(x, number(x, 0)) * (1 / a)));
              },
              [](auto x, auto a, auto y) { return select(less(0, x), 1, 1 / a * (y + a)); }));
  registry.elementwise(
      {.schema = "selu(Tensor self) -> Tensor",
       .kinks = {{0, 0}},
       .special = {{0, -17}, {0, -88}},
       .source = "Klambauer et al. 2017"},
      value(
          [](auto x) {
            const auto scale = literal(x, "1.050700987355480493");
            return select(less(0, x), scale * x, literal(x, "1.673263242354377285") * scale * expm1(x));
          },
          [](auto x) {
            const auto scale = literal(x, "1.050700987355480493");
            return select(less(0, x), scale * x, literal(x, "1.673263242354377285") * scale * (exp(x) - 1));
          }),
      partial(
          [](auto x, auto) {
            const auto scale = literal(x, "1.050700987355480493");
            const auto left = literal(x, "1.673263242354377285") * scale * exp(minimum(x, number(x, 0)));
            return select(less(0, x), scale, left);
          },
          [](auto x, auto y) {
            const auto scale = literal(x, "1.050700987355480493");
            return select(less(0, x), scale, y + literal(x, "1.673263242354377285") * scale);
          }));
}

// The weight of a channel, dim 1, as a tensor that broadcasts to x.
template <class Call>
auto channel_weight(const Call& call) {
  const auto x = call[0];
  const auto weight = call[1];
  const auto dims = x.sizes().size();
  if (weight.ndim() > 1) throw EngineError(GP_SHAPE, "prelu: weight needs at most one dim");
  if (weight.numel() != 1) {
    if (dims == 0) throw EngineError(GP_SHAPE, "prelu: a 0-d input has no channels");
    if (weight.numel() != (dims > 1 ? x.sizes()[1] : 1)) {
      throw EngineError(GP_SHAPE, "prelu: weight has " + std::to_string(weight.numel()) + " channels");
    }
  }
  std::array<Index, GP_MAX_DIMS> sizes{};
  sizes.fill(1);
  if (dims > 1) sizes[1] = weight.numel();
  return reshape_to(weight, {sizes.data(), dims});
}

void sample_prelu(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  if (draw.coin()) return draw.tensor("weight", std::vector<Index>(draw.coin() ? 0 : 1, 1));
  draw.tensor("weight", std::vector<Index>{shape.size() > 1 ? shape[1] : 1});
}
void sample_rrelu(Draw& draw) {
  constexpr std::array slopes{0.125, 0.25, 1.0, 0.1, 0.0};
  draw.tensor("self", draw.shape(0, 4));
  if (draw.coin()) return;
  const double lower = draw.pick(slopes);
  draw.set_real("lower", lower);
  draw.set_real("upper", lower + draw.pick(slopes));
}

void add_leaking(Registry& registry) {
  registry.elementwise(
      {.schema = "_prelu_kernel(Tensor self, Tensor weight) -> Tensor", .kinks = {{0, 0}}, .source = "He et al. 2015"},
      value([](auto x, auto w) { return select(less(0, x), x, w * x); }),
      partial([](auto x, auto w, auto) { return select(less(0, x), 1, w); }),
      partial([](auto x, auto, auto) { return select(less(0, x), 0, x); }));
  registry.composite(
      {.schema = "prelu(Tensor self, Tensor weight) -> Tensor", .source = "He et al. 2015", .sample = sample_prelu},
      [](const auto& call) {
        return call("_prelu_kernel", {call[0], channel_weight(call)});
      });
  registry.composite(
      {.schema = "rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, "
                 "Generator? generator=None) -> Tensor",
       .source = "Xu et al. 2015",
       .note = "without training: its slope is the mean of both bounds",
       .sample = sample_rrelu},
      [](const auto& call) {
        if (call.flag(2)) throw EngineError(GP_UNSUPPORTED, "rrelu draws its slopes when it trains");
        auto slope = call.arg(0);
        slope.number = (call.arg(0).number + call.arg(1).number) / 2;
        slope.real = (call.arg(0).real + call.arg(1).real) / 2;
        return call("leaky_relu", call[0], {slope});
      });
}

// fmax and fmin pass over a NaN. Ties as for maximum (selection.cpp).
template <class T>
requires std::is_floating_point_v<T> T fmax_of(const T& x, const T& y) { return std::fmax(x, y); }
inline Defined fmax_of(Defined x, Defined y) { return {std::fmax(x.value, y.value), x.written && y.written}; }
inline Probe fmax_of(Probe x, Probe y) { return {x.parameters | y.parameters}; }
template <detail::EnclosingNumber T>
T fmax_of(const T& x, const T& y) {
  return x.is_nan() ? y : y.is_nan() ? x : maximum(x, y);
}

void add_nan_avoiding(Registry& registry) {
  registry.elementwise(
      {.schema = "fmax(Tensor self, Tensor other) -> Tensor", .ties_matter = true, .source = "IEEE 754-2008 5.3.1"},
      // derivatives.yaml: other_t + (self_p > other_p or other_p is NaN) (self_t - other_t)
      tangent([](auto x, auto y, auto v, auto w, auto) {
        return w + select(is_nan(y), 1, select(less(x, y), number(x, 0), 1)) * (v - w);
      }),
      value([](auto x, auto y) { return fmax_of(x, y); }), partial([](auto x, auto y, auto) {
        return select(is_nan(y), 1, select(is_nan(x), 0, select(less(x, y), number(x, 0), 1)));
      }),
      partial([](auto x, auto y, auto) {
        return select(is_nan(y), 0, select(is_nan(x), 1, select(less(x, y), number(x, 1), 0)));
      }));
  registry.elementwise(
      {.schema = "fmin(Tensor self, Tensor other) -> Tensor", .ties_matter = true, .source = "IEEE 754-2008 5.3.1"},
      tangent([](auto x, auto y, auto v, auto w, auto) {
        return w + select(is_nan(y), 1, select(less(y, x), number(x, 0), 1)) * (v - w);
      }),
      value([](auto x, auto y) { return -fmax_of(-x, -y); }), partial([](auto x, auto y, auto) {
        return select(is_nan(y), 1, select(is_nan(x), 0, select(less(y, x), number(x, 0), 1)));
      }),
      partial([](auto x, auto y, auto) {
        return select(is_nan(y), 0, select(is_nan(x), 1, select(less(y, x), number(x, 1), 0)));
      }));
}

template <class V>
V copysign_slope(const V& x, const V& y) {
  const V right = select(sign_bit(y), number(x, -1), 1);
  return select(less(x, 0), -right, right);
}

void add_signs(Registry& registry) {
  registry.elementwise({.schema = "sgn(Tensor self) -> Tensor",
                        .jumps = {{0, 0}},
                        .source = "LibTorch 2.11, sgn",
                        .note = "its vanishing slope reads the input"},
                       value([](auto x) { return select(less(0, x), 1, select(less(x, 0), number(x, -1), 0)); }),
                       partial([](auto x, auto) { return select(less(0, x), number(x, 0), 0); }));
  // |x| with y's sign: slope ±1, a kink at 0
  registry.elementwise({.schema = "copysign.Tensor(Tensor self, Tensor other) -> Tensor",
                        .kinks = {{0, 0}},
                        .jumps = {{1, 0}},
                        .source = "IEEE 754-2019 5.5.1"},
                       value([](auto x, auto y) { return select(sign_bit(y), -abs(x), abs(x)); }),
                       partial([](auto x, auto y, auto) { return copysign_slope(x, y); }), vanishes);
  registry.elementwise({.schema = "copysign.Scalar(Tensor self, Scalar other) -> Tensor",
                        .kinks = {{0, 0}},
                        .scalars = {1, -2, 0, -0.5},
                        .source = "IEEE 754-2019 5.5.1"},
                       value([](auto x, auto y) { return select(sign_bit(y), -abs(x), abs(x)); }),
                       partial([](auto x, auto y, auto) { return copysign_slope(x, y); }));
}

void sample_nan_to_num(Draw& draw) {
  constexpr std::array numbers{0.0, 1.0, -0.5, 2.0};
  draw.tensor("self", draw.shape(0, 4));
  for (const std::string_view arg : {"nan", "posinf", "neginf"}) {
    if (draw.coin()) draw.set_real(arg, draw.pick(numbers));
  }
}
// Slope 1 where x is finite, elsewhere 0.
void add_nan_to_num(Registry& registry) {
  registry.composite(
      {.schema = "nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor",
       .source = "LibTorch 2.11, nan_to_num",
       .note = "an infinity becomes the dtype's largest number where none is given",
       .sample = sample_nan_to_num},
      []<class T>(const CompositeCall<T>& call) {
        const auto otherwise = [&](std::size_t arg, double missing) {
          return call.none(arg) ? call.tape.number(Scalar<T>::leaf(missing)) : call.number(arg);
        };
        const auto where = [&](std::string_view question, const Var<T>& yes, const Var<T>& no) {
          return call.tape.call(Basic::where, {call(question, call[0]), yes, no});
        };
        const double largest = format_of<typename Scalar<T>::Dtype>().max;
        const Var<T> infinite = where("isposinf", otherwise(1, largest), otherwise(2, -largest));
        return where("isfinite", call[0], where("isnan", otherwise(0, 0), infinite));
      });
}

}  // namespace

void add_piecewise(Registry& registry) {
  add_bounded(registry);
  add_shrinking(registry);
  add_exponential_units(registry);
  add_leaking(registry);
  add_nan_avoiding(registry);
  add_signs(registry);
  add_nan_to_num(registry);
}

}  // namespace gradproof
