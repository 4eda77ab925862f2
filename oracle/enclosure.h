// The enclosure of one dtype: runs a program on balls, tries the branches it left open, plants wrong
// values, and decides.
#pragma once

#include <memory>
#include <span>

#include "oracle/compare.h"

namespace gradproof {

// A fast ball's run can leave choices (a kink straddled, a tie, a formula): each assignment is one
// possible engine, and one assignment must contain everything. Up to this many are tried.
inline constexpr std::size_t most_plans = 16;

template <class D>
class Enclosure {
 public:
  Enclosure(const Registry& registry, const EngineInfo& modelled);

  Verdict judge(const Script& script, const Observations& seen);
  // Of the run that accepted the script judged last, or came nearest.
  Wide at(std::uint32_t step, std::uint64_t element);

 private:
  using Fast = Interpreter<Ball<D>>;

  // Runs one plan and compares; the interpreter keeps the run.
  template <class I>
  Comparison attempt(I& interpreter, const std::vector<std::uint8_t>& plan, bool admitted, const Observations& seen);
  // Tries plans until one accepts; the last comparison otherwise. `others` collects the runs that did not.
  template <class I>
  Comparison search(I& interpreter, bool admitted, const Observations& seen, bool& exhausted);
  Verdict accepted(const Script& script, const Comparison& run, const Observations& seen);
  Verdict refused(const Script& script, const Comparison& run, const Observations& seen, bool exhausted);
  void plant(const Comparison& run, bool paths_met, Verdict& verdict);
  bool refuses(const Entry64& entry, double planted) const;
  void other_plans(const Observations& seen);
  void self_test(const Comparison& run, const Observations& seen, Verdict& verdict);
  void grade(const Script& script, const Comparison& run, const Observations& seen, Verdict& verdict);
  double resolution(const Comparison& run);
  void errors(const Comparison& run, Verdict& verdict);

  const Registry* registry_;
  EngineInfo modelled_;
  gp_program program_{};
  Fast fast_;
  Interpreter<D> native_;
  std::unique_ptr<Interpreter<ArbBall<D>>> auditor_;
  std::vector<std::uint8_t> plan_;        // of the accepting run
  std::vector<Comparison> alternatives_;  // runs of other plans, for planting
  std::vector<long double> widths_;
  bool stale_ = true;  // fast_ has run something else since
};

extern template class Enclosure<float>;
extern template class Enclosure<double>;

}  // namespace gradproof
