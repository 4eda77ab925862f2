// Sweeps of a program, by the engine's declared policy.
#include <utility>

#include "engine/interpreter.h"
#include "engine/scalars/scalar_all.h"

namespace gradproof {

template <class T>
void Interpreter<T>::sweep(const gp_step& step) {
  const std::vector<Var<T>> roots = vars(arg(step, 0));
  const std::vector<Var<T>> seeds = vars(arg(step, 1));
  SweepRequest<T> request{.roots = roots, .seeds = seeds};
  std::vector<Var<T>> inputs;
  if (arg(step, 2).kind == GP_ARG_VALUES) {
    inputs = vars(arg(step, 2));
    request.inputs = inputs;
    if (inputs.empty()) throw EngineError(GP_ARGUMENT, "the list of inputs is empty");
  }
  request.retain_graph = (step.flags & GP_RETAIN_GRAPH) != 0 || !modelled_.frees_graph;
  request.create_graph = (step.flags & GP_CREATE_GRAPH) != 0;
  request.allow_unused = (step.flags & GP_ALLOW_UNUSED) != 0;
  if (step.kind == GP_BACKWARD) {
    return modelled_.second_sweep == SecondSweep::accumulate ? tape_.backward(request) : sweep_by_policy(request);
  }
  const std::vector<Var<T>> results = tape_.grad(request);
  for (std::uint32_t i = 0; i < results.size(); ++i) define(step.first_result + i, results[i].impl());
}

// A sweep of an engine that does not accumulate: it runs without the gradients there are, which are then dealt with.
template <class T>
void Interpreter<T>::sweep_by_policy(const SweepRequest<T>& request) {
  std::vector<std::pair<VarImpl<T>*, VarImpl<T>*>> before;
  for (const Slot& slot : slots_) {
    if (slot.var != nullptr && slot.var->is_leaf())
      before.emplace_back(slot.var, std::exchange(slot.var->grad, nullptr));
  }
  // A tensor of several handles comes first with its gradient, then without.
  const auto restore = [&] {
    for (auto it = before.rbegin(); it != before.rend(); ++it) it->first->grad = it->second;
  };
  try {
    tape_.backward(request);
  } catch (...) {
    restore();
    throw;
  }
  for (const auto& [leaf, old] : before) {
    if (old == nullptr) continue;
    if (leaf->grad == nullptr) {
      leaf->grad = old;
      continue;
    }
    const bool zeroed = std::find(zeroed_.begin(), zeroed_.end(), old) != zeroed_.end();
    if (modelled_.second_sweep == SecondSweep::overwrite || zeroed) continue;
    if (modelled_.second_sweep == SecondSweep::refuse) {
      restore();
      throw EngineError(GP_ARGUMENT, "a gradient is there already, of an earlier sweep");
    }
    // What was not zeroed spoils the next sweep.
    leaf->grad = tape_.call(Basic::add, {Var<T>(&tape_, leaf->grad), Var<T>(&tape_, old)}, tape_.one()).impl();
    leaf->grad = tape_.call(Basic::add, {Var<T>(&tape_, leaf->grad), Var<T>(&tape_, old)}, tape_.one()).impl();
  }
}

#define GRADPROOF_INSTANTIATE(T) template void Interpreter<T>::sweep(const gp_step&);
GRADPROOF_FOR_EACH_SCALAR(GRADPROOF_INSTANTIATE)
#undef GRADPROOF_INSTANTIATE

}  // namespace gradproof
