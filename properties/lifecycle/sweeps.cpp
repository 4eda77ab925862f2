// Reverse sweeps: what they refuse, what they reach.
#include <algorithm>
#include <array>

#include "properties/lifecycle/sweep.h"

namespace gradproof::lifecycle {

bool Model::gather(const gp_step& step, Sweep& sweep, Forecast& forecast) const {
  sweep.backward = step.kind == GP_BACKWARD;
  sweep.create_graph = (step.flags & GP_CREATE_GRAPH) != 0;
  sweep.retain = sweep.create_graph || (step.flags & GP_RETAIN_GRAPH) != 0;
  sweep.allow_unused = (step.flags & GP_ALLOW_UNUSED) != 0;
  sweep.with_inputs = arg(step, 2).kind == GP_ARG_VALUES;
  for (const ValueId root : list(step, 0)) need_defined(root, forecast);
  for (const ValueId input : list(step, 2)) need_defined(input, forecast);
  if (sweep.with_inputs && list(step, 2).empty()) forecast.must |= bad_argument;
  const std::span<const ValueId> seeds = list(step, 1);
  for (const ValueId seed : seeds) {
    // An undefined seed is none at all to some.
    if (seed != GP_NO_VALUE && object_of(seed) == nullptr) forecast.may |= any_kind;
  }
  if (forecast.refused()) return false;
  for (std::size_t i = 0; i < list(step, 0).size(); ++i) {
    const Id root = handles_[list(step, 0)[i]].object;
    const Id seed = i < seeds.size() && seeds[i] != GP_NO_VALUE ? handles_[seeds[i]].object : nobody;
    sweep.roots.push_back(root);
    sweep.seeds.push_back(seed);
    sweep.seed_requires.push_back(seed == nobody ? Tri::no : objects_[seed].requires_grad);
    sweep.root_histories.push_back(objects_[root].history);
    sweep.blurred = sweep.blurred || (objects_[root].history == nobody && objects_[root].requires_grad != Tri::no);
    check_seed(objects_[root], seed == nobody ? nullptr : &objects_[seed], forecast);
  }
  for (const ValueId value : list(step, 2)) {
    const Id input = handles_[value].object;
    sweep.inputs.push_back(input);
    const Tri required = objects_[input].requires_grad;
    if (required != Tri::yes) {
      (required == Tri::no && !sweep.backward ? forecast.must : forecast.may) |= kind_bit(GP_NO_GRAD_REQUIRED);
    }
  }
  return true;
}

void Model::check_seed(const Object& root, const Object* seed, Forecast& forecast) const {
  if (root.requires_grad == Tri::no) forecast.must |= kind_bit(GP_NO_GRAD_REQUIRED);
  if (root.requires_grad == Tri::maybe) forecast.may |= kind_bit(GP_NO_GRAD_REQUIRED);
  if (seed == nullptr) {
    const Kinds missing = kind_bit(GP_NO_SEED_FOR_NON_SCALAR);
    if (!root.shape) forecast.may |= missing;
    if (root.shape && count_of(*root.shape) != 1) forecast.must |= missing;
    return;
  }
  if (!root.shape || !seed->shape) {
    forecast.may |= kind_bit(GP_SEED_SHAPE);
    return;
  }
  if (*root.shape == *seed->shape) return;
  const auto joined = broadcast(*root.shape, *seed->shape);
  const bool expands = info_->expands_seeds && joined && *joined == *seed->shape;
  if (!expands) forecast.must |= kind_bit(GP_SEED_SHAPE);
}

// Edges lead to histories made earlier, so that one pass from the latest to the first sees every way.
Model::Reach Model::reach(std::span<const Id> roots, std::span<const Tri> seeds, const std::vector<Id>* inputs) const {
  Reach found;
  found.reached.assign(histories_.size(), Tri::no);
  found.bends.assign(histories_.size(), Tri::no);
  found.executed.assign(operations_.size(), Tri::no);
  for (std::size_t i = 0; i < roots.size(); ++i) {
    if (roots[i] == nobody) continue;
    found.reached[roots[i]] = Tri::yes;
    found.bends[roots[i]] = either(found.bends[roots[i]], seeds[i]);
  }
  for (std::size_t h = histories_.size(); h-- > 0;) {
    if (found.reached[h] == Tri::no) continue;
    found.blurred = found.blurred || histories_[h].blurred;
    if (histories_[h].operation == nobody) continue;
    Tri& executed = found.executed[histories_[h].operation];
    executed = either(executed, found.reached[h]);
    for (const Edge& edge : operations_[histories_[h].operation].edges) {
      const Tri reached = both(found.reached[h], edge.sure);
      found.reached[edge.to] = either(found.reached[edge.to], reached);
      found.bends[edge.to] = either(found.bends[edge.to], both(reached, either(found.bends[h], edge.bends)));
    }
  }
  if (inputs != nullptr) need(*inputs, found);
  return found;
}

// With inputs named, only what lies on a way to one of them runs.
void Model::need(const std::vector<Id>& inputs, Reach& reach) const {
  std::vector<Tri> needed(histories_.size(), Tri::no);
  std::vector<Tri> asked(histories_.size(), Tri::no);
  for (const Id input : inputs) {
    const Object& object = objects_[input];
    if (!object.leaf && object.history != nobody) asked[object.history] = Tri::yes;
    for (std::size_t h = 0; object.leaf && h < histories_.size(); ++h) {
      if (histories_[h].owner == input) asked[h] = Tri::yes;
    }
  }
  std::vector<Tri> runs(operations_.size(), Tri::no);
  for (std::size_t h = 0; h < histories_.size(); ++h) {
    const Id operation = histories_[h].operation;
    if (operation == nobody) continue;
    for (const Edge& edge : operations_[operation].edges) {
      needed[h] = either(needed[h], both(edge.sure, either(asked[edge.to], needed[edge.to])));
    }
    runs[operation] = either(runs[operation], needed[h]);
  }
  const bool anything = std::any_of(inputs.begin(), inputs.end(),
                                    [&](Id input) { return objects_[input].rewritten && !objects_[input].leaf; });
  for (std::size_t o = 0; o < runs.size(); ++o) {
    reach.executed[o] = both(reach.executed[o], anything ? either(runs[o], Tri::maybe) : runs[o]);
  }
}

void Model::check_graph(const Reach& reach, Forecast& forecast) const {
  for (std::size_t o = 0; o < operations_.size(); ++o) {
    const Operation& operation = operations_[o];
    if (reach.executed[o] == Tri::no) continue;
    if (operation.freed != Tri::no) {
      const bool must = reach.executed[o] == Tri::yes && operation.freed == Tri::yes && operation.keeps == Tri::yes;
      (must ? forecast.must : forecast.may) |= kind_bit(GP_GRAPH_FREED);
    }
    for (const auto& [storage, writes] : operation.kept) {
      if (stores_[storage].writes != writes) forecast.may |= kind_bit(GP_SAVED_MODIFIED);
    }
  }
}

bool Model::is_target(const Sweep& sweep, Id history) const {
  const Id owner = histories_[history].owner;
  if (owner == nobody || !objects_[owner].leaf || objects_[owner].requires_grad != Tri::yes) return false;
  return !sweep.with_inputs || std::find(sweep.inputs.begin(), sweep.inputs.end(), owner) != sweep.inputs.end();
}

void Model::check_policy(const Sweep& sweep, const Reach& reach, Forecast& forecast) const {
  if (!sweep.backward || info_->second_sweep != SecondSweep::refuse) return;
  constexpr Kinds refusals = bad_argument | kind_bit(GP_GRAPH_FREED);
  for (Id h = 0; h < histories_.size(); ++h) {
    if (reach.reached[h] == Tri::no || !is_target(sweep, h)) continue;
    const Object& owner = objects_[histories_[h].owner];
    if (owner.has_grad == Tri::no || (owner.grad != nobody && objects_[owner.grad].zeroed)) continue;
    const bool known = owner.grad != nobody && !objects_[owner.grad].blurred;
    const bool must = known && owner.has_grad == Tri::yes && reach.reached[h] == Tri::yes;
    (must ? forecast.must : forecast.may) |= refusals;
  }
}

void Model::sweep(const gp_step& step, Forecast& forecast, const Answer* answer) {
  Sweep sweep;
  if (!gather(step, sweep, forecast)) return;
  const Kinds early = forecast.must;
  const Reach found = reach(sweep.root_histories, sweep.seed_requires, sweep.with_inputs ? &sweep.inputs : nullptr);
  check_graph(found, forecast);
  check_policy(sweep, found, forecast);
  if (!sweep.backward && !sweep.allow_unused) {
    for (const Id input : sweep.inputs) {
      const Tri used = reached_input(input, found);
      if (used != Tri::yes) (used == Tri::no ? forecast.must : forecast.may) |= kind_bit(GP_UNUSED_INPUT);
    }
  }
  if (found.blurred) {
    // Of a graph that is not known, neither are the errors.
    forecast.may |= forecast.must | kind_bit(GP_GRAPH_FREED) | kind_bit(GP_SAVED_MODIFIED) | kind_bit(GP_UNUSED_INPUT) |
                    kind_bit(GP_NO_GRAD_REQUIRED);
    forecast.must = early;
  }
  if (sweep.create_graph && !info_->create_graph) forecast.may |= any_kind;
  if (happens(forecast, answer)) return succeed(step, sweep, found);
  const bool certainly_early = answer == nullptr ? early != 0 : (early & kind_bit(answer->kind)) != 0;
  if (!certainly_early) late_failure(sweep, found);
}

Tri Model::reached_input(Id input, const Reach& found) const {
  const Object& object = objects_[input];
  if (!object.leaf) {
    if (object.history == nobody || object.rewritten) return Tri::maybe;
    return found.reached[object.history];
  }
  Tri reached = Tri::no;
  for (std::size_t h = 0; h < histories_.size(); ++h) {
    if (histories_[h].owner == input) reached = either(reached, found.reached[h]);
  }
  return reached;
}

// --- what preconditions ask ---

Tri Model::reaches(ValueId root, ValueId leaf) const {
  const std::array<Id, 1> from{object_of(root)->history};
  const std::array<Tri, 1> seed{Tri::no};
  return reached_input(handles_[leaf].object, reach(from, seed, nullptr));
}

Model::Standing Model::standing(ValueId root) const {
  const std::array<Id, 1> from{object_of(root)->history};
  const std::array<Tri, 1> seed{Tri::no};
  const Reach found = reach(from, seed, nullptr);
  Forecast forecast;
  check_graph(found, forecast);
  if (forecast.refused()) return Standing::let_go;
  return forecast.may != 0 ? Standing::doubtful : Standing::sound;
}

}  // namespace gradproof::lifecycle
