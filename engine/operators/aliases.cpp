// Second names, and overloads that are another operator's with a number in a tensor's place.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"

namespace gradproof {

namespace {

constexpr std::string_view source = "LibTorch 2.11: the same operator";

void sample_within_one(Draw& draw) { draw.tensor("self", draw.shape(0, 4), closed(-1, 1)); }
void sample_inside_one(Draw& draw) { draw.tensor("self", draw.shape(0, 4), open(-1, 1)); }
void sample_from_one(Draw& draw) { draw.tensor("self", draw.shape(0, 4), closed(1, infinity)); }
void sample_above_minus_one(Draw& draw) { draw.tensor("self", draw.shape(0, 4), open(-1, infinity)); }
void sample_with_alpha(Draw& draw) {
  constexpr std::array alphas{1.0, 2.0, -0.5, 0.1};
  sample_pair(draw);
  if (draw.coin()) draw.set_real("alpha", draw.pick(alphas));
}
void sample_number_with_alpha(Draw& draw) {
  constexpr std::array alphas{1.0, 2.0, -0.5, 0.1};
  sample_with_number(draw);
  if (draw.coin()) draw.set_real("alpha", draw.pick(alphas));
}

void add_functions(Registry& registry) {
  registry.composite(
      {.schema = "absolute(Tensor self) -> Tensor", .kinks = {{0, 0}}, .source = source, .sample = sample_one},
      [](const auto& call) { return call("abs", call[0]); });
  registry.composite({.schema = "negative(Tensor self) -> Tensor", .source = source, .sample = sample_one},
                     [](const auto& call) { return call("neg", call[0]); });
  registry.composite({.schema = "arccos(Tensor self) -> Tensor", .source = source, .sample = sample_within_one},
                     [](const auto& call) { return call("acos", call[0]); });
  registry.composite({.schema = "arccosh(Tensor self) -> Tensor", .source = source, .sample = sample_from_one},
                     [](const auto& call) { return call("acosh", call[0]); });
  registry.composite({.schema = "arcsin(Tensor self) -> Tensor", .source = source, .sample = sample_within_one},
                     [](const auto& call) { return call("asin", call[0]); });
  registry.composite({.schema = "arcsinh(Tensor self) -> Tensor", .source = source, .sample = sample_one},
                     [](const auto& call) { return call("asinh", call[0]); });
  registry.composite({.schema = "arctan(Tensor self) -> Tensor", .source = source, .sample = sample_one},
                     [](const auto& call) { return call("atan", call[0]); });
  registry.composite({.schema = "arctanh(Tensor self) -> Tensor", .source = source, .sample = sample_inside_one},
                     [](const auto& call) { return call("atanh", call[0]); });
  registry.composite(
      {.schema = "arctan2(Tensor self, Tensor other) -> Tensor", .source = source, .sample = sample_pair},
      [](const auto& call) {
        return call("atan2", {call[0], call[1]});
      });
}

void add_special(Registry& registry) {
  registry.composite({.schema = "special_expit(Tensor self) -> Tensor", .source = source, .sample = sample_one},
                     [](const auto& call) { return call("sigmoid", call[0]); });
  registry.composite({.schema = "special_erf(Tensor self) -> Tensor", .source = source, .sample = sample_one},
                     [](const auto& call) { return call("erf", call[0]); });
  registry.composite({.schema = "special_erfc(Tensor self) -> Tensor", .source = source, .sample = sample_one},
                     [](const auto& call) { return call("erfc", call[0]); });
  registry.composite({.schema = "special_exp2(Tensor self) -> Tensor", .source = source, .sample = sample_one},
                     [](const auto& call) { return call("exp2", call[0]); });
  registry.composite({.schema = "special_expm1(Tensor self) -> Tensor", .source = source, .sample = sample_one},
                     [](const auto& call) { return call("expm1", call[0]); });
  registry.composite(
      {.schema = "special_log1p(Tensor self) -> Tensor", .source = source, .sample = sample_above_minus_one},
      [](const auto& call) { return call("log1p", call[0]); });
}

void add_arithmetic_names(Registry& registry) {
  registry.composite(
      {.schema = "multiply.Tensor(Tensor self, Tensor other) -> Tensor", .source = source, .sample = sample_pair},
      [](const auto& call) {
        return call("mul.Tensor", {call[0], call[1]});
      });
  registry.composite({.schema = "multiply.Scalar(Tensor self, Scalar other) -> Tensor",
                      .source = source,
                      .sample = sample_with_number},
                     [](const auto& call) { return call("mul.Scalar", call[0], {call.arg(0)}); });
  for (const std::string_view schema : {"divide.Tensor(Tensor self, Tensor other) -> Tensor",
                                        "true_divide.Tensor(Tensor self, Tensor other) -> Tensor"}) {
    registry.composite({.schema = schema, .special = {{1, 0}}, .source = source, .sample = sample_pair},
                       [](const auto& call) {
                         return call("div.Tensor", {call[0], call[1]});
                       });
  }
  for (const std::string_view schema : {"divide.Scalar(Tensor self, Scalar other) -> Tensor",
                                        "true_divide.Scalar(Tensor self, Scalar other) -> Tensor"}) {
    registry.composite({.schema = schema, .source = source, .sample = sample_with_number},
                       [](const auto& call) { return call("div.Scalar", call[0], {call.arg(0)}); });
  }
  registry.composite({.schema = "subtract.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
                      .source = source,
                      .sample = sample_with_alpha},
                     [](const auto& call) {
                       return call("sub.Tensor", {call[0], call[1]}, {call.arg(0)});
                     });
  registry.composite({.schema = "subtract.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
                      .source = source,
                      .sample = sample_number_with_alpha},
                     [](const auto& call) {
                       return call("sub.Scalar", call[0], {call.arg(0), call.arg(1)});
                     });
}

// --- bounds ---

void sample_clip(Draw& draw) {
  constexpr std::array bounds{-1.0, 0.0, 0.5, 1.0};
  draw.tensor("self", draw.shape(0, 4));
  const Index which = draw.integer(0, 2);
  if (which != 0) draw.set_real("min", draw.pick(bounds));
  if (which != 1) draw.set_real("max", draw.pick(bounds));
}
void sample_clamp_tensors(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  const Index which = draw.integer(0, 2);
  if (which != 0) draw.tensor("min", draw.coin() ? narrower(draw, shape) : shape);
  if (which != 1) draw.tensor("max", draw.coin() ? narrower(draw, shape) : shape);
}
void sample_min(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.tensor("min", draw.coin() ? narrower(draw, shape) : shape);
}
void sample_max(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.tensor("max", draw.coin() ? narrower(draw, shape) : shape);
}

template <class Call>
auto clamped(const Call& call) {
  if (!call[1] && !call[2]) throw EngineError(GP_ARGUMENT, "clamp needs one of min and max");
  const auto above = call[1] ? call("maximum", {call[0], call[1]}) : call[0];
  return call[2] ? call("minimum", {above, call[2]}) : above;
}

void add_bounds(Registry& registry) {
  registry.composite({.schema = "clip(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
                      .kinks = {{0, -1}, {0, 0}, {0, 0.5}, {0, 1}},
                      .source = source,
                      .sample = sample_clip},
                     [](const auto& call) {
                       return call("clamp", call[0], {call.arg(0), call.arg(1)});
                     });
  for (const std::string_view schema : {"clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
                                        "clip.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor"}) {
    registry.composite({.schema = schema,
                        .ties_matter = true,
                        .source = "rounds nothing",
                        .note = "max wins where min > max",
                        .sample = sample_clamp_tensors},
                       [](const auto& call) { return clamped(call); });
  }
  registry.composite({.schema = "clamp_min.Tensor(Tensor self, Tensor min) -> Tensor",
                      .ties_matter = true,
                      .source = "rounds nothing",
                      .sample = sample_min},
                     [](const auto& call) {
                       return call("maximum", {call[0], call[1]});
                     });
  registry.composite({.schema = "clamp_max.Tensor(Tensor self, Tensor max) -> Tensor",
                      .ties_matter = true,
                      .source = "rounds nothing",
                      .sample = sample_max},
                     [](const auto& call) {
                       return call("minimum", {call[0], call[1]});
                     });
}

// --- glu: the first half times σ of the second ---

void sample_glu(Draw& draw) {
  std::vector<Index> shape = draw.shape(1, 4);
  const Index ndim = std::ssize(shape);
  const Index dim = draw.one_in(2) ? ndim - 1 : draw.integer(0, ndim - 1);
  shape[static_cast<std::size_t>(dim)] = 2 * draw.integer(1, 2);
  draw.tensor("self", shape);
  if (dim != ndim - 1 || draw.coin()) draw.set_int("dim", draw.maybe_negative(dim, ndim));
}

void add_glu(Registry& registry) {
  registry.composite(
      {.schema = "glu(Tensor self, int dim=-1) -> Tensor",
       .special = {{0, 0}, {0, 17}, {0, -17}},
       .source = "Dauphin et al. 2017",
       .sample = sample_glu},
      [](const auto& call) {
        const auto x = call[0];
        if (x.ndim() == 0) throw EngineError(GP_SHAPE, "glu does not support 0-d tensors");
        const auto dim = static_cast<std::size_t>(wrap_dim(call.integer(0), static_cast<int>(x.ndim())));
        const Index size = x.sizes()[dim];
        if (size % 2 != 0) throw EngineError(GP_SHAPE, "glu halves a dim of odd size");
        const auto at = call.of(static_cast<Index>(dim));
        const auto half = call.of(size / 2);
        return call("narrow", x, {at, call.of(Index{0}), half}) * call("sigmoid", call("narrow", x, {at, half, half}));
      });
}

// With e^-|x|, which the gradient of LibTorch's kernel reads.
void add_log_sigmoid_forward(Registry& registry) {
  registry.composite({.schema = "log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)",
                      .source = "as log_sigmoid",
                      .sample = sample_one},
                     [](const auto& call) {
                       const auto buffer = exp(-abs(call[0]));
                       return std::array{call("log_sigmoid", call[0]), call.tape.constant(buffer.value())};
                     });
}

}  // namespace

void add_aliases(Registry& registry) {
  add_functions(registry);
  add_special(registry);
  add_arithmetic_names(registry);
  add_bounds(registry);
  add_glu(registry);
  add_log_sigmoid_forward(registry);
}

}  // namespace gradproof
