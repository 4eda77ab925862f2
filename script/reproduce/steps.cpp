// The steps of a program, in the order of the script.
#include <algorithm>

#include "script/reproduce/program.h"

namespace gradproof {

// "read x.grad": the gradient has no name, no other use, and nothing happens between.
bool Program::reads_at_once(std::size_t i) const {
  if (i + 1 >= script_.steps.size()) return false;
  const gp_step& step = script_.steps[i];
  const gp_step& next = script_.steps[i + 1];
  return step.kind == GP_GRAD_OF && next.kind == GP_READ && args(next)[0].u.index == step.first_result &&
         uses_[step.first_result] == 1 && script_.name(step.first_result)[0] == '%' && !doubtful_[step.first_result] &&
         !compared_.contains(static_cast<std::uint32_t>(i + 1));
}

std::vector<std::string> Program::names_made(const gp_step& step) const {
  std::vector<std::string> names;
  for (std::uint32_t r = 0; r < step.result_count; ++r) names.push_back(names_[step.first_result + r]);
  return names;
}

std::string Program::what_of(const gp_step& step) const {
  const auto first_of_list = [&] { return name_of_value(values(args(step)[0]).front()); };
  switch (step.kind) {
    case GP_CALL: return std::string(script_.op_name(script_.ops[step.op]));
    case GP_BACKWARD: return "backward " + first_of_list();
    case GP_GRAD: return "grad " + first_of_list();
    default: return step.result_count > 0 ? names_[step.first_result] : "step";
  }
}

void Program::write_step(std::size_t& i) {
  const gp_step& step = script_.steps[i];
  switch (step.kind) {
    case GP_READ: {
      const auto id = static_cast<ValueId>(args(step)[0].u.index);
      const gp_step& maker = script_.steps[script_.step_of(id)];
      const bool nameless_grad = maker.kind == GP_GRAD_OF && script_.name(id)[0] == '%';
      return write_read(i, nameless_grad ? value(maker, 0) + ".grad" : names_[id], names_[id]);
    }
    case GP_PARALLEL: return write_lane_mark(i);
    case GP_STREAM: {
      const bool cuda = std::any_of(script_.tensors.begin(), script_.tensors.end(),
                                    [](const gp_tensor& tensor) { return tensor.device == GP_CUDA; });
      if (cuda) refuse(step, "CUDA streams of its own are not put into a program");
      return;
    }
    default: break;
  }
  if (reads_at_once(i)) {
    const std::string of = value(step, 0);
    return write_read(++i, of + ".grad", grad_of(of));
  }
  write_made(i, facts_.may_fail.contains(static_cast<std::uint32_t>(i)) || uses_doubtful(step));
}

void Program::write_made(std::size_t i, bool doubtful) {
  const gp_step& step = script_.steps[i];
  const bool makes = step.result_count > 0 && (step.kind != GP_CALL || is_needed(step) || doubtful);
  // Refusals come before anything is written.
  Expression made;
  if (step.result_count > 0) made = made_by(step);
  const std::string text = step.result_count > 0 ? made.text : statement(step);
  const bool in_lane = step.result_count > 0 && declared_.contains(step.first_result);
  if (doubtful) {
    if (makes && !in_lane) declare(names_made(step));
    begin_attempt();
  }
  if (makes) {
    bind(step, made, doubtful || in_lane);
  } else {
    perform(text);
  }
  if (step.kind == GP_NO_GRAD) recording_ = args(step)[0].u.integer == 0;
  if (!doubtful) return;
  const auto expected = facts_.expected.find(static_cast<std::uint32_t>(i));
  end_attempt(what_of(step), expected == facts_.expected.end() ? "no error" : expected->second);
}

void Program::write_read(std::size_t read, const std::string& what, const std::string& got) {
  const auto step = static_cast<std::uint32_t>(read);
  const auto expected = facts_.expected.find(step);
  show(what, expected == facts_.expected.end() ? "" : expected->second, got);
  for (const Expectation& expectation : script_.expectations) {
    const bool shares = expectation.kind == Expectation::Kind::shares;
    if (expectation.step != step || (!shares && expectation.kind != Expectation::Kind::separate)) continue;
    const std::string& other = names_[args(script_.steps[expectation.other_step])[0].u.index];
    show_memory(what, shares ? "the memory of " + other : "memory apart from that of " + other, got, other);
  }
}

void Program::write_lane_mark(std::size_t i) {
  const gp_step& step = script_.steps[i];
  const auto where = args(step)[0].u.integer;
  if (where == GP_PARALLEL_BEGIN) {
    begin_lanes();
    for (std::size_t at = i + 1; at < script_.steps.size(); ++at) {
      const gp_step& inner = script_.steps[at];
      if (inner.kind == GP_PARALLEL && args(inner)[0].u.integer == GP_PARALLEL_END) break;
      if (inner.result_count > 0) declare(names_made(inner));
    }
  } else {
    end_lane();
  }
  if (where == GP_PARALLEL_END) return end_lanes();
  std::vector<std::string> makes;
  for (std::size_t at = i + 1; at < script_.steps.size() && script_.steps[at].kind != GP_PARALLEL; ++at) {
    for (std::string& name : names_made(script_.steps[at])) makes.push_back(std::move(name));
  }
  begin_lane(makes, i + 1 < script_.steps.size() && script_.steps[i + 1].kind == GP_PARALLEL);
}

}  // namespace gradproof
