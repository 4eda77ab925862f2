// Calls of operators: what they make, where it lies, what of it a graph needs, and writes in place.
#include <algorithm>

#include "properties/lifecycle/model.h"

namespace gradproof::lifecycle {

namespace {

bool overlap(const std::vector<Index>& a, const std::vector<Index>& b) {
  return std::any_of(a.begin(), a.end(), [&](Index place) { return std::find(b.begin(), b.end(), place) != b.end(); });
}

bool repeats(const std::vector<Index>& places) {
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (std::find(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(i), places[i]) !=
        places.begin() + static_cast<std::ptrdiff_t>(i)) {
      return true;
    }
  }
  return false;
}

}  // namespace

void Model::call(std::uint32_t index, const gp_step& step, Forecast& forecast, const Answer* answer) {
  const gp_op& op = script_->ops[step.op];
  std::string_view name = script_->op_name(op);
  const std::string_view overload = script_->op_overload(op);
  const bool in_place = name.size() > 1 && name.back() == '_';
  if (in_place) name.remove_suffix(1);
  for (std::size_t i = 0; i < step.arg_count; ++i) {
    if (arg(step, i).kind == GP_ARG_VALUE) need_defined(value(step, i), forecast);
    for (const ValueId id : list(step, i)) {
      if (id != GP_NO_VALUE) need_defined(id, forecast);
    }
  }
  const Facts* facts = facts_of(name, overload);
  const bool first_tensor = step.arg_count > 0 && arg(step, 0).kind == GP_ARG_VALUE;
  if (forecast.refused()) return;
  if (facts == nullptr || !first_tensor) {
    if (in_place) return write_unknown(step, forecast, answer);
    return unknown_call(index, step, forecast, answer);
  }
  if (in_place) return write(step, *facts, forecast, answer);
  known_call(step, *facts, forecast, answer);
}

std::optional<std::vector<Index>> Model::result_shape(const gp_step& step, const Facts& facts,
                                                      Forecast& forecast) const {
  const Object& self = *object_of(value(step, 0));
  const Object* other = other_of(step, facts);
  if (!is_floating(self.dtype) || (other != nullptr && other->dtype != self.dtype)) forecast.may |= bad_argument;
  if (facts.form == Form::sum) return std::vector<Index>{};
  if (!self.shape || (other != nullptr && !other->shape)) {
    forecast.may |= bad_argument;
    return std::nullopt;
  }
  if (other == nullptr) return self.shape;
  auto joined = broadcast(*self.shape, *other->shape);
  if (!joined) forecast.must |= bad_argument;
  return joined;
}

const Object* Model::other_of(const gp_step& step, const Facts& facts) const {
  if (facts.overload != "Tensor" || facts.is_view() || step.arg_count < 2) return nullptr;
  return arg(step, 1).kind == GP_ARG_VALUE ? object_of(value(step, 1)) : nullptr;
}

// An operation over the step's tensors, or nobody where nothing is recorded. What the object requires is told.
Id Model::operation_of(const gp_step& step, const Facts& facts, Tri& requires_grad) {
  requires_grad = Tri::no;
  const Id self = handles_[value(step, 0)].object;
  const Object* other_object = other_of(step, facts);
  const Id other = other_object == nullptr ? nobody : handles_[value(step, 1)].object;
  if (!recording_) return nobody;
  const Tri own = objects_[self].requires_grad;
  const Tri others = other == nobody ? Tri::no : objects_[other].requires_grad;
  requires_grad = either(own, others);
  if (requires_grad == Tri::no) return nobody;
  const Id operation = make_operation();
  operations_[operation].keeps = facts.keeps ? Tri::yes : Tri::maybe;
  add_edge(operation, self, Tri::yes, either(facts.bends_own ? own : Tri::no, facts.bends_other ? others : Tri::no));
  keep(operation, self);
  if (other == nobody) return operation;
  add_edge(operation, other, Tri::yes, facts.bends_other ? own : Tri::no);
  keep(operation, other);
  return operation;
}

void Model::known_call(const gp_step& step, const Facts& facts, Forecast& forecast, const Answer* answer) {
  const Id self = handles_[value(step, 0)].object;
  std::optional<std::vector<Index>> shape;
  std::optional<Part> part;
  if (facts.is_view()) {
    if (objects_[self].shape) {
      part = part_of(facts, *objects_[self].shape, script_->args_of(step));
      if (!part) forecast.must |= bad_argument;
      if (part) shape = part->shape;
    } else {
      forecast.may |= bad_argument;
    }
  } else {
    shape = result_shape(step, facts, forecast);
  }
  if (!happens(forecast, answer)) return;
  const Object* other = other_of(step, facts);
  const bool blurred = objects_[self].blurred || (other != nullptr && other->blurred);
  const bool dual = objects_[self].dual || (other != nullptr && other->dual);
  Tri requires_grad = Tri::no;
  const Id operation = operation_of(step, facts, requires_grad);
  const ValueId pure = pure_.call(step.op, script_->args_of(step), 1, recording_,
                                  [&](ValueId id) { return objects_[handles_[id].object].pure; });
  const Id id = make_object(shape, objects_[self].dtype, pure);
  if (facts.is_view()) lie_within(id, self, part);
  objects_[id].estranged = facts.is_view() && objects_[self].estranged;
  objects_[id].blurred = blurred;
  objects_[id].dual = dual;
  objects_[id].requires_grad = requires_grad;
  if (operation != nobody) {
    keep(operation, id);
    record(id, operation, blurred);
  }
  const bool behind_its_back = facts.is_view() && !recording_ && objects_[objects_[id].family].requires_grad != Tri::no;
  if (behind_its_back) estrange(id);
  bind(step.first_result, id);
}

void Model::lie_within(Id view, Id parent, const std::optional<Part>& part) {
  const Object& of = objects_[parent];
  Object& made = objects_[view];
  stores_[made.storage].members.clear();
  made.places.clear();
  if (part && !of.places.empty()) {
    for (const Index from : part->from) made.places.push_back(of.places[static_cast<std::size_t>(from)]);
  }
  made.loose = of.loose;
  made.anywhere = of.anywhere;
  made.family = of.family;
  made.unrecorded_view = !recording_ || of.unrecorded_view;

  join(view, of.storage);
}

void Model::unknown_call(std::uint32_t index, const gp_step& step, Forecast& forecast, const Answer* answer) {
  // An operator that the model does not know: the oracle says whether it had to fail.
  if (answer != nullptr && answer->failed) {
    forecast.may = any_kind;
    pure_.call(step.op, script_->args_of(step), step.result_count, recording_,
               [&](ValueId id) { return objects_[handles_[id].object].pure; });
    doubtful_.emplace_back(index, static_cast<std::uint32_t>(pure_.script().steps.size() - 1));
    return;
  }
  std::vector<Id> inputs;
  for (std::size_t i = 0; i < step.arg_count; ++i) {
    if (arg(step, i).kind == GP_ARG_VALUE) inputs.push_back(handles_[value(step, i)].object);
    for (const ValueId id : list(step, i)) {
      if (id != GP_NO_VALUE) inputs.push_back(handles_[id].object);
    }
  }
  Id operation = nobody;
  Tri requires_grad = Tri::no;
  bool blurred = false;
  bool dual = false;
  for (const Id input : inputs) {
    if (recording_) requires_grad = either(requires_grad, both(Tri::maybe, objects_[input].requires_grad));
    blurred = blurred || objects_[input].blurred;
    dual = dual || objects_[input].dual;
  }
  if (requires_grad != Tri::no) {
    operation = make_operation();
    operations_[operation].keeps = Tri::maybe;
    operations_[operation].unknown = true;
    for (const Id input : inputs) {
      add_edge(operation, input, Tri::maybe, Tri::maybe);
      keep(operation, input);
    }
  }
  const ValueId first = pure_.call(step.op, script_->args_of(step), step.result_count, recording_,
                                   [&](ValueId id) { return objects_[handles_[id].object].pure; });
  gp_dtype dtype = GP_F32;
  for (const Id input : inputs) {
    if (is_floating(objects_[input].dtype)) dtype = objects_[input].dtype;
  }
  for (std::uint32_t i = 0; i < step.result_count; ++i) {
    const ValueId result = step.first_result + i;
    const Id id = make_object(result < shapes_.size() ? shapes_[result] : std::nullopt, dtype, first + i);
    Object& made = objects_[id];
    made.anywhere = true;
    made.places.clear();
    made.blurred = blurred;
    made.dual = dual;
    made.requires_grad = requires_grad;
    for (const Id input : inputs) link(made.storage, objects_[input].storage);
    if (operation != nobody) {
      keep(operation, id);
      record(id, operation, blurred);
    }
    bind(result, id);
  }
}

void Model::write_unknown(const gp_step& step, Forecast& forecast, const Answer* answer) {
  forecast.may = any_kind;
  if (!happens(forecast, answer) || arg(step, 0).kind != GP_ARG_VALUE) return;
  const Id self = handles_[value(step, 0)].object;
  ++stores_[objects_[self].storage].writes;
  stores_[objects_[self].storage].counted = false;
  blur_storage(objects_[self].storage, nobody);
  if (step.result_count > 0) bind(step.first_result, self);
}

void Model::write(const gp_step& step, const Facts& facts, Forecast& forecast, const Answer* answer) {
  const Id self = handles_[value(step, 0)].object;
  const auto shape = facts.is_view() ? std::nullopt : result_shape(step, facts, forecast);
  if (shape && objects_[self].shape && *shape != *objects_[self].shape) forecast.must |= bad_argument;
  check_writable(step, facts, self, forecast);
  const Object& target = objects_[self];
  // Memory that a tensor sees twice, or nobody knows where.
  const bool odd = facts.is_view() || facts.form == Form::sum || target.anywhere || target.loose || target.dual ||
                   target.estranged || target.places.empty() || repeats(target.places);
  if (odd) forecast.may = any_kind;
  if (!happens(forecast, answer)) return;
  if (odd || (target.unrecorded_view && recording_)) return write_unknown(step, forecast, answer);
  const Object* other = other_of(step, facts);
  const bool blurred = target.blurred || (other != nullptr && other->blurred);
  Tri requires_grad = Tri::no;
  const Id operation = operation_of(step, facts, requires_grad);
  // A write is a use of what was there before: a copy is kept, if anything.
  if (operation != nobody) {
    std::erase_if(operations_[operation].kept, [&](const auto& kept) {
      return kept.first == objects_[self].storage && (other == nullptr || other->storage != objects_[self].storage);
    });
  }
  const std::string functional = std::string(facts.name);
  const std::uint32_t op = pure_.kept() ? pure_.script().op(functional, facts.overload) : 0;
  const ValueId fresh = pure_.call(op, script_->args_of(step), 1, recording_,
                                   [&](ValueId id) { return objects_[handles_[id].object].pure; });
  if (objects_[self].history != nobody && operation != nobody) histories_[objects_[self].history].fuzzy = true;
  Store& store = stores_[objects_[self].storage];
  ++store.writes;
  for (const Id other_store : store.linked) blur_members(other_store);
  const Id written = operation == nobody ? nobody : static_cast<Id>(histories_.size());
  if (operation != nobody) {
    objects_[self].pure = fresh;
    objects_[self].requires_grad = requires_grad;
    record(self, operation, blurred);
    keep(operation, self);
    objects_[self].rewritten = true;
  }
  const std::vector<Id> members = stores_[objects_[self].storage].members;
  for (const Id alias : members) {
    if (alias != self && objects_[alias].handles > 0) rewrite_alias(alias, self, fresh, written, blurred);
  }
  if (operation == nobody) new_contents(self, fresh);
  if (blurred) blur(self);
  if (step.result_count > 0) bind(step.first_result, self);
}

void Model::check_writable(const gp_step& step, const Facts& facts, Id self, Forecast& forecast) const {
  if (!recording_) return;
  const Object& target = objects_[self];
  const Object* other = other_of(step, facts);
  const Object& base = objects_[target.family];
  const Tri own = target.leaf ? target.requires_grad : Tri::no;
  const Tri through_view = target.family != self && base.leaf ? base.requires_grad : Tri::no;
  const Tri leaf = either(own, through_view);
  if (leaf == Tri::yes) forecast.must |= kind_bit(GP_LEAF_MODIFIED);
  if (leaf == Tri::maybe) forecast.may |= kind_bit(GP_LEAF_MODIFIED);
  // A leaf that requires a gradient would become part of a graph through another's memory.
  const Tri records = either(target.requires_grad, other == nullptr ? Tri::no : other->requires_grad);
  if (target.unrecorded_view && records != Tri::no) forecast.may = any_kind;
}

void Model::blur_members(Id storage) {
  ++stores_[storage].writes;
  stores_[storage].counted = false;
  for (const Id member : stores_[storage].members) blur(member);
}

// What another tensor in the memory shows after `target` was given `fresh`. `written`: the history of the write.
void Model::rewrite_alias(Id alias, Id target, ValueId fresh, Id written, bool blurred) {
  const bool family = written != nobody && objects_[alias].family == objects_[target].family;
  const std::vector<Index>& to = objects_[alias].places;
  const std::vector<Index>& by = objects_[target].places;
  const bool known = !to.empty() && objects_[alias].shape && !objects_[alias].anywhere && !objects_[alias].loose;
  const bool odd = objects_[alias].unrecorded_view || objects_[alias].estranged || objects_[alias].dual;
  if (!known || odd) {
    if (!to.empty() && !overlap(to, by) && !family) return;
    return blur(alias);
  }
  const bool touched = overlap(to, by);
  if (!touched && !family) return;
  std::vector<Index> from(to.size());
  bool all = to.size() == by.size();
  bool any_left = false;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto found = std::find(by.begin(), by.end(), to[i]) - by.begin();
    const bool replaced = found != std::ssize(by);
    from[i] = replaced ? std::ssize(to) + found : static_cast<Index>(i);
    all = all && replaced && found == static_cast<Index>(i);
    any_left = any_left || !replaced;
  }
  all = all && objects_[alias].shape == objects_[target].shape;
  const ValueId contents =
      all ? fresh : pure_.assembled(objects_[alias].pure, fresh, from, *objects_[alias].shape, family);
  // Whether what the alias is now comes by what was hooked is how an engine is built.
  const bool bypassed = family && objects_[alias].hooked;
  const bool now_blurred = bypassed || (touched && blurred) || (objects_[alias].blurred && any_left);
  if (!family) {
    new_contents(alias, contents);
  } else {
    const Id operation = make_operation();
    operations_[operation].keeps = Tri::maybe;
    add_edge(operation, alias, any_left ? Tri::yes : Tri::maybe, Tri::no);
    operations_[operation].edges.push_back({written, touched ? Tri::yes : Tri::maybe, Tri::no});
    objects_[alias].pure = contents;
    objects_[alias].rewritten = true;
    objects_[alias].requires_grad = either(objects_[alias].requires_grad, objects_[target].requires_grad);
    record(alias, operation, now_blurred);
  }
  objects_[alias].blurred = now_blurred;
  if (objects_[alias].history != nobody && now_blurred) histories_[objects_[alias].history].blurred = true;
}

// Written to where nothing is recorded: a leaf starts anew, what has a graph keeps it.
void Model::new_contents(Id object, ValueId pure) {
  Object& of = objects_[object];
  if (of.requires_grad == Tri::no || of.history == nobody) {
    of.pure = pure_.detach(pure);
  } else if (of.leaf) {
    of.pure = pure_.leaf(pure);
    of.history = make_leaf_history(object);
  } else {
    // Its value is known. A sweep through it passes a graph of other values.
    of.pure = pure_.leaf(pure);
    histories_[of.history].blurred = true;
    // A view may look for its place in its base's graph anew.
    of.rewritten = of.rewritten || of.family != object;
  }
}

}  // namespace gradproof::lifecycle
