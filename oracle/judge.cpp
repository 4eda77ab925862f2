#include "oracle/judge.h"

#include <cmath>
#include <optional>

#include "engine/scalars/environment.h"
#include "oracle/definedness.h"
#include "oracle/enclosure.h"

namespace gradproof {

struct Judge::Impl {
  using Arb = ArbBall<UnderTest>;

  Impl(const Registry& registry_in, const EngineInfo& modelled_in)
      : registry(&registry_in),
        modelled(modelled_in),
        f32(registry_in, modelled_in, formats::f32),
        f64(registry_in, modelled_in, formats::f64) {}

  // Of f16 and bf16, made when one is met.
  Enclosure<Arb>& narrow(gp_dtype dtype) {
    std::optional<Enclosure<Arb>>& one = dtype == GP_F16 ? f16 : bf16;
    if (!one) one.emplace(*registry, modelled, dtype == GP_F16 ? formats::f16 : formats::bf16);
    return *one;
  }
  template <class Use>
  auto with_enclosure(gp_dtype dtype, Use use) {
    if (dtype == GP_F32) return use(f32);
    return dtype == GP_F64 ? use(f64) : use(narrow(dtype));
  }

  const Registry* registry;
  EngineInfo modelled;
  Enclosure<Ball<float>> f32;
  Enclosure<Ball<double>> f64;
  std::optional<Enclosure<Arb>> f16{};
  std::optional<Enclosure<Arb>> bf16{};
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

void Judge::use_forms(bool on) {
  for (const gp_dtype dtype : {GP_F16, GP_BF16, GP_F32, GP_F64}) {
    impl_->with_enclosure(dtype, [on](auto& enclosure) { enclosure.use_forms(on); });
  }
}

Verdict Judge::judge(const Script& script, const Observations& seen) {
  impl_->last = dtype_of(script.view());
  if (impl_->last) {
    return impl_->with_enclosure(*impl_->last, [&](auto& enclosure) { return enclosure.judge(script, seen); });
  }
  Verdict verdict;
  verdict.outcome = Outcome::unsupported;
  verdict.reason = "not in the reference: several floating dtypes in one script";
  return verdict;
}

void Judge::run(const Script& script) {
  impl_->last = dtype_of(script.view());
  if (impl_->last) impl_->with_enclosure(*impl_->last, [&](auto& enclosure) { enclosure.run(script); });
}

gp_error_kind Judge::error_at(std::uint32_t step) {
  if (!impl_->last) return GP_UNSUPPORTED;
  return impl_->with_enclosure(*impl_->last, [&](auto& enclosure) { return enclosure.error_at(step); });
}

bool Judge::any_open(std::uint32_t step) {
  if (!impl_->last) return true;
  return impl_->with_enclosure(*impl_->last, [&](auto& enclosure) { return enclosure.any_open(step); });
}

Judge::Ball64 Judge::enclosure(std::uint32_t step, std::uint64_t element) {
  if (!impl_->last) return {0, HUGE_VALL};
  return impl_->with_enclosure(*impl_->last, [&](auto& enclosure) { return enclosure.at(step, element); });
}

bool Judge::unwritten(const Script& script, std::uint32_t step) {
  Definedness definedness(*impl_->registry, impl_->modelled);
  definedness.run(script);
  return definedness.any_unwritten(step);
}

}  // namespace gradproof
