#include "oracle/describe.h"

#include <fmt/format.h>

#include <cmath>

namespace gradproof {

namespace {

const char* reason_of(long double code) {
  switch (static_cast<Unbounded>(static_cast<int>(std::fabs(code)))) {
    case Unbounded::domain: return "possibly outside the domain";
    case Unbounded::overflow: return "an intermediate may overflow";
    case Unbounded::jump: return "possibly across a jump";
    case Unbounded::unwritten: return "memory nobody wrote";
    default: return "unbounded";
  }
}

std::string describe_value(const Script& script, ValueId value) {
  const gp_step& maker = script.steps[script.step_of(value)];
  if (maker.kind == GP_GRAD_OF)
    return script.name(static_cast<ValueId>(script.args[maker.first_arg].u.index)) + ".grad";
  return script.name(value);
}

}  // namespace

std::string describe_step(const Script& script, std::uint32_t step) {
  const gp_step& what = script.steps.at(step);
  const auto first = [&] {
    const gp_arg& arg = script.args[what.first_arg];
    if (arg.kind == GP_ARG_VALUE) return describe_value(script, static_cast<ValueId>(arg.u.index));
    return arg.kind == GP_ARG_VALUES && arg.count > 0 ? describe_value(script, script.ids[arg.u.index]) : std::string();
  };
  switch (what.kind) {
    case GP_READ: return first();
    case GP_CALL: return std::string(script.op_name(script.ops[what.op]));
    case GP_BACKWARD: return "backward " + first();
    case GP_GRAD: return "grad " + first();
    default: return what.result_count > 0 ? script.name(what.first_result) : first();
  }
}

std::string describe_entry(const Script& script, const Observations& seen, std::uint32_t step, std::uint64_t element) {
  std::string text = describe_step(script, step);
  const gp_observation* item = seen.at(step);
  if (item == nullptr || item->ndim == 0) return text;
  std::string place;
  for (int d = item->ndim; d-- > 0;) {
    const auto size = static_cast<std::uint64_t>(item->shape[d] > 0 ? item->shape[d] : 1);
    if (!place.empty()) place.insert(0, ", ");
    place.insert(0, std::to_string(element % size));
    element /= size;
  }
  return text + "[" + place + "]";
}

std::string describe_ball(const Judge::Ball64& ball) {
  if (std::isinf(ball.rad)) return std::string("anything: ") + reason_of(ball.mid);
  if (ball.rad == 0) return fmt::format("{:.9g} exactly", static_cast<double>(ball.mid));
  return fmt::format("{:.9g} ± {:.1e}", static_cast<double>(ball.mid), static_cast<double>(ball.rad));
}

}  // namespace gradproof
