// Other names of softmax and logsumexp; dropout where nothing is random.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// --- dropout, where it drops nothing or all ---

// (input · mask/(1 - p), mask)
template <class T>
std::array<Var<T>, 2> native_dropout(const CompositeCall<T>& call) {
  const double p = call.arg(0).number;
  const bool active = call.none(1) || call.flag(1);
  if (!(p >= 0 && p <= 1)) throw EngineError(GP_ARGUMENT, "a probability to drop outside [0, 1]");
  if (active && p > 0 && p < 1) throw EngineError(GP_UNSUPPORTED, "a random mask");
  const bool keeps = !active || p == 0;
  const Tensor<T> mask = call.tape.allocate(Kind::boolean, call[0].sizes());
  std::fill_n(mask.booleans(), mask.numel, truth(keeps));
  return {call("mul.Scalar", call[0], {call.of(Index{keeps ? 1 : 0})}), call.tape.constant(mask)};
}

// --- drawing ---

void sample_same_dtype(Draw& draw) {
  sample_along_dim(draw);
  draw.set_bool("half_to_float", false);
}
void sample_native_dropout(Draw& draw) {
  constexpr std::array all_or_nothing{0.0, 1.0};
  draw.tensor("input", draw.nonempty_shape(0, 4));
  const bool train = draw.coin();
  draw.set_real("p", train ? draw.pick(all_or_nothing) : 0.5);
  if (train && draw.coin()) return draw.set_none("train");
  draw.set_bool("train", train);
}

void add_second_names(Registry& registry) {
  registry.composite({.schema = "special_logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
                      .source = "logsumexp",
                      .sample = sample_logsumexp},
                     [](const auto& call) {
                       return call("logsumexp", call[0], {call.arg(0), call.arg(1)});
                     });
  registry.composite({.schema = "special_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
                      .source = "softmax",
                      .sample = sample_along_dim},
                     [](const auto& call) {
                       return call("softmax.int", call[0], {call.arg(0), call.arg(1)});
                     });
  registry.composite({.schema = "special_log_softmax(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
                      .source = "log_softmax",
                      .sample = sample_along_dim},
                     [](const auto& call) {
                       return call("log_softmax.int", call[0], {call.arg(0), call.arg(1)});
                     });
  registry.composite({.schema = "_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
                      .source = "softmax",
                      .sample = sample_same_dtype},
                     [](const auto& call) {
                       return call("softmax.int", call[0], {call.arg(0), call.none()});
                     });
  registry.composite({.schema = "_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
                      .source = "log_softmax",
                      .sample = sample_same_dtype},
                     [](const auto& call) {
                       return call("log_softmax.int", call[0], {call.arg(0), call.none()});
                     });
}

}  // namespace

void add_other_names(Registry& registry) {
  add_second_names(registry);
  registry.composite(
      {.schema = "native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)",
       .source = "exact",
       .note = "drawn where nothing is random, and not of nothing: LibTorch's mask of that has another dtype",
       .sample = sample_native_dropout},
      [](const auto& call) { return native_dropout(call); });
}

}  // namespace gradproof
