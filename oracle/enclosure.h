// The enclosure of one dtype: runs a program on balls, tries the branches it left open, plants wrong
// values, and decides.
#pragma once

#include <memory>
#include <span>

#include "oracle/compare.h"

namespace gradproof {

// B: the balls it runs on. f32 and f64 have fast ones; f16 and bf16 have Arb's alone.
template <class B>
class Enclosure {
 public:
  Enclosure(const Registry& registry, const EngineInfo& modelled, const NumberFormat& format);

  Verdict judge(const Script& script, const Observations& seen);
  void use_forms(bool on) { uses_forms_ = on; }
  void run(const Script& script);
  // Of the run that accepted the script judged last, or came nearest; or of run().
  Wide at(std::uint32_t step, std::uint64_t element);
  gp_error_kind error_at(std::uint32_t step) {
    const Seen<B>* seen = seen_at(step);
    return seen == nullptr || seen->status != GP_ERROR ? GP_OK : seen->error;
  }
  bool any_open(std::uint32_t step);

 private:
  static constexpr bool is_fast = !std::is_same_v<B, ArbBall<UnderTest>>;
  using Native = std::conditional_t<std::is_same_v<B, Ball<double>>, double, float>;

  // Runs one plan and compares; the interpreter keeps the run.
  template <class I>
  Comparison attempt(I& interpreter, const std::vector<std::uint8_t>& plan, bool admitted, const Observations& seen);
  // Tries plans until one accepts; the nearest comparison otherwise.
  template <class I>
  Comparison search(I& interpreter, bool admitted, const Observations& seen, bool& exhausted);
  // The whole verdict, by one arithmetic.
  template <class I>
  Verdict judged_on(I& interpreter, const Script& script, const Observations& seen);
  template <class I>
  Verdict accepted(I& interpreter, const Comparison& run, const Observations& seen);
  Verdict refused(const Script& script, const Comparison& run, const Observations& seen, bool exhausted, bool audit);
  // Affine forms, where balls were too wide to decide.
  Verdict by_forms(const Script& script, const Observations& seen, const Verdict& by_balls);
  bool forms_may_help(const Verdict& verdict) const;
  // Tells how many entries are undecided for their width.
  std::uint64_t plant(const Comparison& run, bool paths_met, Verdict& verdict);
  bool refuses(const Entry64& entry, double planted) const;
  template <class I>
  void other_plans(I& interpreter, const Observations& seen);
  template <class I>
  void self_test(I& interpreter, const Comparison& run, const Observations& seen, Verdict& verdict);
  void grade(const Script& script, const Comparison& run, Comparison& tight, const Observations& seen,
             Verdict& verdict) const;
  double resolution(const Comparison& run);
  long double rounding_of(const Wide& ball) const { return static_cast<long double>(format_->u) * std::fabs(ball.mid); }
  Evidence evidence_of(const Script& script, const Observations& seen, const Comparison& run) const;
  bool worst_beyond_rounding(Comparison& run) const;
  Interpreter<ArbBall<UnderTest>>& auditor();
  Comparison audited(const Observations& seen);
  const Seen<B>* seen_at(std::uint32_t step);
  void errors(const Comparison& run, Verdict& verdict);

  const Registry* registry_;
  EngineInfo modelled_;
  gp_program program_{};
  const NumberFormat* format_;
  Interpreter<B> balls_;
  Interpreter<Native> native_;
  std::unique_ptr<Interpreter<ArbBall<UnderTest>>> auditor_;
  std::vector<std::uint8_t> plan_;        // of the accepting run
  bool admitted_ = true;                  // whether it took all formulas in use, or the defining ones
  std::vector<Comparison> alternatives_;  // runs of other plans, for planting
  std::vector<long double> widths_;
  std::uint64_t too_wide_ = 0;  // entries of the run judged last
  bool open_ = false;           // it left too many branches open
  bool uses_forms_ = true;
  bool stale_ = true;  // balls_ has run something else since
};

extern template class Enclosure<Ball<float>>;
extern template class Enclosure<Ball<double>>;
extern template class Enclosure<ArbBall<UnderTest>>;

}  // namespace gradproof
