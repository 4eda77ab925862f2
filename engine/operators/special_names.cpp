// Special functions that are programs over others: the multivariate log gamma function, and names that ATen has twice.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/special.h"
#include "engine/operators/special_draws.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

constexpr std::array<Index, 1> last{-1};

// log Γₚ(x) = p(p - 1)/4 log π + Σ log Γ(x - j/2), j < p
constexpr auto multivariate = [](const auto& call) {
  const auto x = call[0];
  const Index p = call.integer(0);
  if (p < 1) throw EngineError(GP_ARGUMENT, "p has to be at least 1");
  if (p > 100) throw EngineError(GP_ARGUMENT, "p is larger than 100");
  std::vector<std::decay_t<decltype(x)>> terms;
  terms.reserve(static_cast<std::size_t>(p));
  for (int j = 0; j < p; ++j) terms.push_back(lgamma(x - number(x, j) / 2));
  const auto sum = call("sum.dim_IntList", call("stack", terms, {call.of(Index{-1})}),
                        {call.of(Sizes(last)), call.of(false), call.none()});
  const int pairs = static_cast<int>(p * (p - 1));
  return sum + number(x, pairs) / 4 * log(constant<pi>(x));
};
void sample_multivariate(Draw& draw) {
  const Index p = draw.integer(1, 4);
  draw.set_int("p", p);
  draw.tensor("self", draw.shape(0, 3), open(static_cast<double>(p - 1) / 2, infinity));
}

void draw_xlogy(Draw& draw) {
  const auto shapes = draw_two_shapes(draw);
  draw.tensor("self", shapes[0]);
  draw.tensor("other", shapes[1], open(0, infinity));
}
void draw_number_xlogy(Draw& draw) {
  draw.set_real("self", draw.pick(std::array{0.0, 1.0, 2.0, -0.5, 0.1}));
  draw.tensor("other", draw.shape(0, 3), open(0, infinity));
}
void draw_xlogy_number(Draw& draw) {
  draw.tensor("self", draw.shape(0, 3));
  draw.set_real("other", draw.pick(std::array{1.0, 2.0, 0.5, 0.1, 3.0}));
}

// An operator with the same arguments.
template <class Program>
void add_name(Registry& registry, const char* schema, void (*sample)(Draw&), Program program) {
  registry.composite({.schema = schema, .source = "LibTorch 2.11, torch.special", .sample = sample}, program);
}

}  // namespace

void add_special_names(Registry& registry) {
  registry.composite(
      {.schema = "mvlgamma(Tensor self, int p) -> Tensor", .source = "DLMF 35.3", .sample = sample_multivariate},
      multivariate);
  add_name(registry, "special_multigammaln(Tensor self, int p) -> Tensor", sample_multivariate, multivariate);
  add_name(registry, "special_gammaln(Tensor self) -> Tensor", draw_anything,
           [](const auto& call) { return call("lgamma", call[0]); });
  add_name(registry, "special_digamma(Tensor self) -> Tensor", draw_anything,
           [](const auto& call) { return call("digamma", call[0]); });
  add_name(registry, "special_psi(Tensor self) -> Tensor", draw_anything,
           [](const auto& call) { return call("digamma", call[0]); });
  add_name(registry, "special_polygamma(int n, Tensor self) -> Tensor", draw_order_and_number,
           [](const auto& call) { return call("polygamma", {call[0]}, {call.arg(0)}); });
  add_name(registry, "special_erfinv(Tensor self) -> Tensor", draw_within_one,
           [](const auto& call) { return call("erfinv", call[0]); });
  add_name(registry, "special_i0(Tensor self) -> Tensor", draw_anything,
           [](const auto& call) { return call("i0", call[0]); });
  add_name(registry, "special_gammainc(Tensor self, Tensor other) -> Tensor", draw_incomplete, [](const auto& call) {
    return call("igamma", {call[0], call[1]});
  });
  add_name(registry, "special_gammaincc(Tensor self, Tensor other) -> Tensor", draw_incomplete, [](const auto& call) {
    return call("igammac", {call[0], call[1]});
  });
  add_name(registry, "special_xlogy(Tensor self, Tensor other) -> Tensor", draw_xlogy, [](const auto& call) {
    return call("xlogy.Tensor", {call[0], call[1]});
  });
  add_name(registry, "special_xlogy.self_scalar(Scalar self, Tensor other) -> Tensor", draw_number_xlogy,
           [](const auto& call) { return call("xlogy.Scalar_Self", {call[0]}, {call.arg(0)}); });
  add_name(registry, "special_xlogy.other_scalar(Tensor self, Scalar other) -> Tensor", draw_xlogy_number,
           [](const auto& call) { return call("xlogy.Scalar_Other", {call[0]}, {call.arg(0)}); });
  add_name(registry, "special_zeta.self_scalar(Scalar self, Tensor other) -> Tensor", draw_zeta_of_scalar,
           [](const auto& call) {
             return call("special_zeta", {call.number(0), call[0]});
           });
}

}  // namespace gradproof
