#include "oracle/judge.h"

#include <cmath>
#include <optional>

#include "engine/scalars/environment.h"
#include "oracle/definedness.h"
#include "oracle/enclosure.h"

namespace gradproof {

struct Judge::Impl {
  Impl(const Registry& registry_in, const EngineInfo& modelled_in)
      : registry(&registry_in), modelled(modelled_in), f32(registry_in, modelled_in), f64(registry_in, modelled_in) {}

  const Registry* registry;
  EngineInfo modelled;
  Enclosure<float> f32;
  Enclosure<double> f64;
  std::optional<gp_dtype> last{};
};

Judge::Judge(const Registry& registry, const EngineInfo& modelled) : impl_(std::make_unique<Impl>(registry, modelled)) {
  const FloatEnvironment environment;
  if (!fast_balls_sound()) {
    throw std::runtime_error(
        "this processor's floating-point mode (x87 precision, flush-to-zero) does not carry the fast balls");
  }
}
Judge::~Judge() = default;

Verdict Judge::judge(const Script& script, const Observations& seen) {
  impl_->last = dtype_of(script.view());
  if (impl_->last == GP_F32) return impl_->f32.judge(script, seen);
  if (impl_->last == GP_F64) return impl_->f64.judge(script, seen);
  Verdict verdict;
  verdict.outcome = Outcome::unsupported;
  verdict.reason = impl_->last ? std::string("not in the reference: ") + name_of(*impl_->last)
                               : "not in the reference: several floating dtypes in one script";
  return verdict;
}

Judge::Ball64 Judge::enclosure(std::uint32_t step, std::uint64_t element) {
  if (impl_->last == GP_F32) return impl_->f32.at(step, element);
  if (impl_->last == GP_F64) return impl_->f64.at(step, element);
  return {0, HUGE_VALL};
}

bool Judge::unwritten(const Script& script, std::uint32_t step) {
  Definedness definedness(*impl_->registry, impl_->modelled);
  definedness.run(script);
  return definedness.any_unwritten(step);
}

}  // namespace gradproof
