// What sweeps leave behind: gradients, graphs let go.
#include <algorithm>

#include "properties/lifecycle/sweep.h"

namespace gradproof::lifecycle {

void Model::let_go(const Reach& reach) {
  if (!info_->frees_graph) return;
  for (std::size_t o = 0; o < reach.executed.size(); ++o) {
    operations_[o].freed = either(operations_[o].freed, reach.executed[o]);
  }
}

// A sweep that stops on its way: what it had delivered and let go by then is the engine's own business, unless it
// promises that a refused sweep changes nothing.
void Model::late_failure(const Sweep& sweep, const Reach& reach) {
  if (!sweep.retain && info_->frees_graph) {
    for (std::size_t o = 0; o < operations_.size(); ++o) {
      if (reach.executed[o] != Tri::no) operations_[o].freed = either(operations_[o].freed, Tri::maybe);
    }
  }
  if (strict_) return;
  for (Id h = 0; h < histories_.size(); ++h) {
    if (reach.reached[h] == Tri::no) continue;
    if (!sweep.backward) {
      if (histories_[h].retained_by != nobody) blur_gradient(histories_[h].retained_by);
      continue;
    }
    if (is_target(sweep, h) || was_leaf(h)) blur_gradient(histories_[h].owner);
    if (histories_[h].retained_by != nobody) blur_gradient(histories_[h].retained_by);
  }
}

void Model::blur_gradient(Id owner) {
  if (objects_[owner].grad == nobody || objects_[owner].has_grad == Tri::no) {
    const Id id = make_object(objects_[owner].shape, objects_[owner].dtype, objects_[owner].pure);
    objects_[id].anywhere = true;
    objects_[id].handles = 1;
    objects_[owner].grad = id;
    objects_[owner].has_grad = Tri::maybe;
  }
  const Id old = objects_[owner].grad;
  replace_gradient(owner, objects_[old].pure, objects_[old].requires_grad, objects_[old].history);
  objects_[objects_[owner].grad].zeroed = false;
  blur(objects_[owner].grad);
}

// A backward: every leaf it is for, and what is retained.
void Model::want_deliveries(const Sweep& sweep, const Reach& reach, Wanted& wanted) {
  for (Id h = 0; h < histories_.size(); ++h) {
    if (reach.reached[h] == Tri::no) continue;
    if (is_target(sweep, h)) wanted.add(h, histories_[h].owner);
    if (was_leaf(h)) blur_gradient(histories_[h].owner);
    const Id keeper = histories_[h].retained_by;
    if (keeper == nobody) continue;
    if (sweep.with_inputs || histories_[h].fuzzy) {
      blur_gradient(keeper);
    } else {
      wanted.add(h, keeper);
    }
  }
  for (const Id input : sweep.inputs) {
    // From now on it may keep its gradient for good.
    if (objects_[input].leaf || objects_[input].history == nobody) continue;
    History& history = histories_[objects_[input].history];
    history.fuzzy = true;
    history.retained_by = input;
    if (reach.reached[objects_[input].history] != Tri::no || objects_[input].rewritten) blur_gradient(input);
  }
}

// grad: one result for each input.
void Model::want_results(const Sweep& sweep, const Reach& reach, Wanted& wanted) {
  // Whether what is retained sees a sweep for others is told differently.
  for (Id h = 0; h < histories_.size(); ++h) {
    if (reach.reached[h] != Tri::no && histories_[h].retained_by != nobody) blur_gradient(histories_[h].retained_by);
  }
  for (const Id input : sweep.inputs) {
    wanted.receivers.push_back(input);
    for (Id h = 0; h < reach.reached.size(); ++h) {
      const bool mine = objects_[input].leaf ? histories_[h].owner == input : objects_[input].history == h;
      if (mine && reach.reached[h] != Tri::no) wanted.parts.emplace_back(h, wanted.receivers.size() - 1);
    }
  }
}

// The sweep in the pure program: the first of the gradients of all that is wanted.
ValueId Model::pure_sweep(const Sweep& sweep, const Reach& reach, const Wanted& wanted) {
  std::vector<ValueId> roots;
  std::vector<ValueId> seeds;
  for (std::size_t i = 0; i < sweep.roots.size(); ++i) {
    roots.push_back(objects_[sweep.roots[i]].pure);
    seeds.push_back(sweep.seeds[i] == nobody ? GP_NO_VALUE : objects_[sweep.seeds[i]].pure);
  }
  std::vector<ValueId> wrt;
  for (const auto& [history, receiver] : wanted.parts) {
    wrt.push_back(histories_[history].pure);
    if (reach.reached[history] == Tri::yes) continue;
    // It may get nothing: a root of its own with a seed of zeros makes that zeros.
    const Object& object = objects_[wanted.receivers[receiver]];
    roots.push_back(histories_[history].pure);
    seeds.push_back(object.shape ? pure_.zeros(*object.shape, object.dtype)
                                 : pure_.scaled(pure_.detach(histories_[history].pure), 0, false));
  }
  return wrt.empty() ? 0 : pure_.gradients(roots, seeds, wrt, sweep.create_graph);
}

// What one receiver gets, of all its parts.
Model::Gradient Model::gathered(const Sweep& sweep, const Reach& reach, const Wanted& wanted, std::size_t receiver,
                                ValueId first, bool blurred) {
  const Object& object = objects_[wanted.receivers[receiver]];
  const bool captured = !sweep.backward;
  Gradient gradient;
  gradient.blurred = blurred;
  for (std::size_t p = 0; p < wanted.parts.size(); ++p) {
    const auto [history, whose] = wanted.parts[p];
    if (whose != receiver) continue;
    // Where nothing is known of it, something of its shape stands for the gradient.
    const ValueId part = blurred ? pure_.detach(object.pure) : first + static_cast<ValueId>(p);
    // What meets at a leaf that was written to between two uses is summed in an order of the engine's own.
    if (gradient.pure != GP_NO_VALUE) gradient.blurred = true;
    gradient.pure = gradient.pure == GP_NO_VALUE ? part : pure_.add(gradient.pure, part, sweep.create_graph);
    gradient.reached = either(gradient.reached, reach.reached[history]);
    gradient.bends = either(gradient.bends, reach.bends[history]);
    if (histories_[history].fuzzy || (captured && histories_[history].hooked)) gradient.blurred = true;
  }
  if (captured && object.rewritten) {
    gradient.blurred = true;
    if (gradient.pure == GP_NO_VALUE) gradient = {pure_.detach(object.pure), true, Tri::maybe, Tri::maybe};
  }
  if (captured && object.leaf && object.hooked) gradient.blurred = true;
  if (!captured && object.leaf && object.hook != 1 && gradient.pure != GP_NO_VALUE) {
    gradient.pure = pure_.scaled(gradient.pure, object.hook, sweep.create_graph);
  }
  return gradient;
}

void Model::succeed(const gp_step& step, const Sweep& sweep, const Reach& reach) {
  Wanted wanted;
  if (sweep.backward) {
    want_deliveries(sweep, reach, wanted);
  } else {
    want_results(sweep, reach, wanted);
  }
  const bool blurred = sweep.blurred || reach.blurred || requires_otherwise(sweep, reach) ||
                       std::any_of(sweep.seeds.begin(), sweep.seeds.end(),
                                   [&](Id seed) { return seed != nobody && objects_[seed].blurred; });
  const ValueId first = blurred ? 0 : pure_sweep(sweep, reach, wanted);
  bool all_require = true;
  for (Id h = 0; h < reach.reached.size(); ++h) {
    const Id owner = histories_[h].owner;
    if (reach.reached[h] == Tri::no || owner == nobody) continue;
    all_require = all_require && objects_[owner].leaf && objects_[owner].requires_grad == Tri::yes;
  }
  for (std::size_t r = 0; r < wanted.receivers.size(); ++r) {
    Gradient gradient = gathered(sweep, reach, wanted, r, first, blurred);
    if (!all_require) gradient.bends = both(gradient.bends, Tri::maybe);
    if (blurred) gradient.bends = Tri::maybe;
    if (!sweep.create_graph) gradient.bends = Tri::no;
    if (sweep.backward) {
      deliver(wanted.receivers[r], gradient, sweep, reach);
    } else {
      give(step.first_result + static_cast<ValueId>(r), wanted.receivers[r], gradient, sweep, reach);
    }
  }
  if (sweep.blurred && sweep.backward) {
    for (Id object = 0; object < objects_.size(); ++object) {
      if (objects_[object].leaf && objects_[object].requires_grad != Tri::no) blur_gradient(object);
    }
  }
  if (!sweep.retain) let_go(reach);
}

// A gradient that can be differentiated leads to what the graph kept; some of that may have begun to require one since,
// or have ceased to.
bool Model::requires_otherwise(const Sweep& sweep, const Reach& reach) const {
  if (!sweep.create_graph) return false;
  for (Id h = 0; h < reach.reached.size(); ++h) {
    const Id owner = histories_[h].owner;
    if (reach.reached[h] == Tri::no || owner == nobody) continue;
    if (objects_[owner].leaf && objects_[owner].requires_grad != Tri::yes) return true;
  }
  for (std::size_t o = 0; o < reach.executed.size(); ++o) {
    if (reach.executed[o] == Tri::no) continue;
    for (const auto& [storage, writes] : operations_[o].kept) {
      for (const Id member : stores_[storage].members) {
        const Object& object = objects_[member];
        if (object.requires_grad == Tri::no || object.history == nobody) continue;
        if (object.history >= reach.reached.size() || reach.reached[object.history] == Tri::no) return true;
      }
    }
  }
  return false;
}

// The graph of a gradient that can be differentiated: it may lead to everything the sweep came by.
Id Model::gradient_operation(const Sweep& sweep, const Reach& reach) {
  const Id operation = make_operation();
  operations_[operation].keeps = Tri::maybe;
  operations_[operation].unknown = true;
  for (Id h = 0; h < reach.reached.size(); ++h) {
    if (reach.reached[h] != Tri::no) operations_[operation].edges.push_back({h, Tri::maybe, Tri::maybe});
  }
  for (std::size_t o = 0; o < reach.executed.size(); ++o) {
    if (reach.executed[o] == Tri::no) continue;
    const auto kept = operations_[o].kept;
    operations_[operation].kept.insert(operations_[operation].kept.end(), kept.begin(), kept.end());
  }
  for (const auto& [storage, writes] : operations_[operation].kept) {
    for (const Id member : stores_[storage].members) add_edge(operation, member, Tri::maybe, Tri::maybe);
  }
  for (const Id seed : sweep.seeds) {
    if (seed == nobody) continue;
    add_edge(operation, seed, Tri::maybe, Tri::maybe);
    keep(operation, seed);
  }
  return operation;
}

bool Model::passes_unknown(const Reach& reach) const {
  for (std::size_t o = 0; o < reach.executed.size(); ++o) {
    if (reach.executed[o] != Tri::no && operations_[o].unknown) return true;
  }
  return false;
}

// Makes `object` what a sweep computed.
void Model::set_graph(Id object, const Gradient& gradient, Id beside, const Sweep& sweep, const Reach& reach) {
  Tri required = gradient.bends;
  if (beside != nobody) required = either(required, objects_[beside].requires_grad);
  objects_[object].requires_grad = required;
  objects_[object].history = nobody;
  objects_[object].leaf = true;
  if (required == Tri::no) return;
  const Id operation = gradient_operation(sweep, reach);
  if (beside != nobody) add_edge(operation, beside, Tri::yes, Tri::no);
  record(object, operation, objects_[object].blurred);
}

void Model::give(ValueId result, Id input, const Gradient& gradient, const Sweep& sweep, const Reach& reach) {
  if (gradient.pure == GP_NO_VALUE) {
    handles_[result] = {Handle::State::undefined, nobody};
    return;
  }
  const Id id = make_object(objects_[input].shape, objects_[input].dtype, gradient.pure);
  // It may be the seed itself, or another's gradient: it is the caller's, who asked for it.
  objects_[id].anywhere = true;
  objects_[id].blurred = gradient.blurred;
  for (const Id seed : sweep.seeds) {
    if (seed != nobody) link(objects_[id].storage, objects_[seed].storage);
  }
  set_graph(id, gradient, nobody, sweep, reach);
  bind(result, id, gradient.reached == Tri::yes ? Handle::State::defined : Handle::State::maybe);
}

void Model::deliver(Id owner, const Gradient& gradient, const Sweep& sweep, const Reach& reach) {
  if (gradient.pure == GP_NO_VALUE) return;
  const Id old = objects_[owner].has_grad == Tri::no ? nobody : objects_[owner].grad;
  const bool leaf = objects_[owner].leaf;
  const SecondSweep policy = leaf ? info_->second_sweep : SecondSweep::accumulate;
  bool blurred = gradient.blurred;
  if (old == nobody) {
    const Id id = make_object(objects_[owner].shape, objects_[owner].dtype, gradient.pure);
    objects_[id].handles = 1;
    objects_[id].blurred = blurred;
    // An engine may keep the seed for the gradient; a rule of its own says what is thought of that.
    for (const Id seed : sweep.seeds) {
      if (seed != nobody && !strict_) link(objects_[id].storage, objects_[seed].storage);
    }
    const bool seeded = std::any_of(sweep.seeds.begin(), sweep.seeds.end(), [](Id seed) { return seed != nobody; });
    // Nor is it told how an operator that the model does not know cuts gradients from one piece of memory.
    objects_[id].loose = !strict_ && (seeded || passes_unknown(reach));
    set_graph(id, gradient, nobody, sweep, reach);
    objects_[owner].grad = id;
    objects_[owner].has_grad = gradient.reached;
    return;
  }
  const bool overwrites = policy == SecondSweep::overwrite;
  blurred = blurred || objects_[old].blurred;
  blurred = blurred || objects_[owner].has_grad == Tri::maybe;
  if (overwrites) blurred = gradient.blurred || gradient.reached != Tri::yes;
  if (policy == SecondSweep::needs_zero && !objects_[old].zeroed) blurred = true;
  const ValueId total = overwrites ? gradient.pure : pure_.add(objects_[old].pure, gradient.pure);
  const Gradient summed{total, blurred, gradient.reached, gradient.bends};
  replace_gradient(owner, total, Tri::no, nobody);
  const Id now = objects_[owner].grad;
  objects_[now].blurred = blurred;
  objects_[now].zeroed = false;
  objects_[owner].has_grad = either(objects_[owner].has_grad, gradient.reached);
  set_graph(now, summed, overwrites ? nobody : old, sweep, reach);
}

}  // namespace gradproof::lifecycle
