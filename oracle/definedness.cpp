#include "oracle/definedness.h"

#include <algorithm>

#include "engine/undecided.h"

namespace gradproof {

namespace {

bool is_unwritten(const gp_tensor& tensor) { return tensor.memory == GP_EMPTY && tensor.buffer_elements > 0; }

// Every value an argument of the step names.
template <class F>
void for_each_value(const Script& script, const gp_step& step, F f) {
  for (const gp_arg& arg : script.args_of(step)) {
    if (arg.kind == GP_ARG_VALUE) f(static_cast<ValueId>(arg.u.index));
    if (arg.kind != GP_ARG_VALUES) continue;
    for (std::uint32_t i = 0; i < arg.count; ++i) {
      const std::uint32_t id = script.ids[arg.u.index + i];
      if (id != GP_NO_VALUE) f(id);
    }
  }
}

std::vector<Definedness::State> states_of(const Tensor<Defined>& value) {
  using State = Definedness::State;
  std::vector<State> states(static_cast<std::size_t>(value.numel), State::defined);
  for (std::size_t i = 0; i < states.size(); ++i) {
    const bool real = value.kind == Kind::real && !value.real()[i].written;
    const bool boolean = value.kind == Kind::boolean && value.booleans()[i] == Truth::unknown;
    const bool integer = value.kind == Kind::integer && value.integers()[i] == undecided;
    if (real || boolean || integer) states[i] = State::unwritten;
  }
  return states;
}

}  // namespace

Definedness::Definedness(const Registry& registry, const EngineInfo& modelled)
    : interpreter_(registry, registry.catalogue<Defined>(), modelled) {}

void Definedness::run(const Script& script) {
  script_ = script;
  sources_.clear();
  alone_.clear();
  bool beyond_us = false;
  for (const gp_step& step : script.steps) {
    if (step.kind != GP_TENSOR || !is_unwritten(script.tensors[step.op])) continue;
    sources_.push_back(step.first_result);
    // The scalar knows nothing of integers.
    beyond_us = beyond_us || script.tensors[step.op].dtype == GP_I64;
  }
  follow(script_);
  exact_ = run_exactly(script_, states_) && !beyond_us;
}

bool Definedness::run_exactly(const Script& script, States& states) {
  states.clear();
  const gp_program program = script.view();
  interpreter_.prepare(program);
  bool whole = true;
  for (const Seen<Defined>& seen : interpreter_.run(program.data)) {
    if (seen.status == GP_VALUE) states.emplace(seen.step, states_of(seen.value));
    whole = whole && !(seen.status == GP_ERROR && (seen.error == GP_UNKNOWN_OPERATOR || seen.error == GP_UNSUPPORTED));
  }
  return whole;
}

// Conservative: a write in place adds to what a value rests on and takes nothing away, every sweep adds to every
// gradient, and all that a call names may share memory with what it makes.
void Definedness::follow(const Script& script) {
  flow_.clear();
  if (sources_.empty()) return;
  std::vector<Values> rests_on(script.value_count);
  Values swept;
  for (std::uint32_t index = 0; index < script.steps.size(); ++index) {
    const gp_step& step = script.steps[index];
    Values all;
    for_each_value(script, step, [&](ValueId value) { all.insert(rests_on[value].begin(), rests_on[value].end()); });
    if (step.kind == GP_TENSOR && is_unwritten(script.tensors[step.op])) all.insert(step.first_result);
    if (step.kind == GP_BACKWARD || step.kind == GP_SET_GRAD) swept.insert(all.begin(), all.end());
    if (step.kind == GP_GRAD_OF) all.insert(swept.begin(), swept.end());
    if (step.kind == GP_READ) flow_.emplace(index, all);
    if (step.kind == GP_CALL && script.op_name(script.ops[step.op]).ends_with('_')) {
      for_each_value(script, step, [&](ValueId value) { rests_on[value].insert(all.begin(), all.end()); });
    }
    for (std::uint32_t i = 0; i < step.result_count; ++i) rests_on[step.first_result + i] = all;
  }
}

Definedness::State Definedness::at(std::uint32_t step, std::uint64_t element) const {
  if (!exact_) {
    const auto flow = flow_.find(step);
    return flow == flow_.end() || flow->second.empty() ? State::defined : State::unwritten;
  }
  const auto found = states_.find(step);
  if (found == states_.end() || element >= found->second.size()) return State::unknown;
  return found->second[element];
}

bool Definedness::any_unwritten(std::uint32_t step) const {
  if (!exact_) return at(step, 0) == State::unwritten;
  const auto found = states_.find(step);
  return found != states_.end() &&
         std::find(found->second.begin(), found->second.end(), State::unwritten) != found->second.end();
}

std::vector<ValueId> Definedness::sources_of(std::uint32_t step) {
  if (!any_unwritten(step)) return {};
  const auto flow = flow_.find(step);
  const Values possible = flow == flow_.end() ? Values{} : flow->second;
  if (!exact_ || possible.size() < 2) return {possible.begin(), possible.end()};
  std::vector<ValueId> found;
  for (const ValueId source : possible) {
    auto alone = alone_.find(source);
    if (alone == alone_.end()) {
      Script others = script_;
      for (const ValueId other : sources_) {
        if (other != source) others.tensor_of(other).memory = GP_ZEROS;
      }
      alone = alone_.emplace(source, States{}).first;
      run_exactly(others, alone->second);
    }
    const auto states = alone->second.find(step);
    const bool rests = states != alone->second.end() && std::find(states->second.begin(), states->second.end(),
                                                                  State::unwritten) != states->second.end();
    if (rests) found.push_back(source);
  }
  // Where only several of them together make it unwritten, all of them may.
  return found.empty() ? std::vector<ValueId>(possible.begin(), possible.end()) : found;
}

std::string describe_sources(const Script& script, const std::vector<ValueId>& sources) {
  std::string text;
  for (const ValueId source : sources) {
    const std::uint32_t line = script.steps[script.step_of(source)].line;
    text += (text.empty() ? "" : ", ") + script.name(source);
    if (line > 0) text += " (line " + std::to_string(line) + ")";
  }
  return text;
}

}  // namespace gradproof
