// Steps that are neither calls nor sweeps: gradients set and zeroed, flags switched, hooks, tangents.
#include "properties/lifecycle/model.h"

namespace gradproof::lifecycle {

void Model::simple(const gp_step& step, Forecast& forecast, const Answer* answer) {
  if (step.kind == GP_NO_GRAD) {
    recording_ = arg(step, 0).u.integer == 0;
    return;
  }
  if (step.kind == GP_PARALLEL || step.kind == GP_STREAM) return;
  const ValueId subject = value(step, 0);
  need_defined(subject, forecast);
  if (forecast.refused()) return;
  Object& owner = at(subject);
  const Id owner_id = handles_[subject].object;
  switch (step.kind) {
    case GP_GRAD_OF: {
      if (!happens(forecast, answer)) return;
      if (owner.has_grad == Tri::no || owner.grad == nobody) {
        handles_[step.first_result] = {Handle::State::undefined, nobody};
        return;
      }
      return bind(step.first_result, owner.grad,
                  owner.has_grad == Tri::yes ? Handle::State::defined : Handle::State::maybe);
    }
    case GP_SET_GRAD: return set_grad(step, owner_id, forecast, answer);
    case GP_ZERO_GRAD: return zero_grad(owner_id, forecast, answer);
    case GP_DETACH: {
      if (!happens(forecast, answer)) return;
      const Id id = make_object(owner.shape, owner.dtype, pure_.detach(objects_[owner_id].pure));
      Object& made = objects_[id];
      const Object& of = objects_[owner_id];
      stores_[made.storage].members.clear();
      made.places = of.places;
      made.loose = of.loose;
      made.anywhere = of.anywhere;
      made.blurred = of.blurred;
      join(id, of.storage);
      return bind(step.first_result, id);
    }
    case GP_REQUIRE_GRAD: return require_grad(step, owner_id, forecast, answer);
    case GP_RETAIN_GRAD:
      if (owner.requires_grad == Tri::no) forecast.must |= kind_bit(GP_NO_GRAD_REQUIRED);
      if (owner.requires_grad == Tri::maybe) forecast.may |= kind_bit(GP_NO_GRAD_REQUIRED);
      if (!happens(forecast, answer) || owner.leaf || owner.history == nobody) return;
      histories_[owner.history].retained_by = owner_id;
      if (!owner.rewritten) return;
      histories_[owner.history].fuzzy = true;
      return blur_gradient(owner_id);
    case GP_HOOK: return hook(step, owner_id, forecast, answer);
    case GP_DUAL: return dual(step, owner_id, forecast, answer);
    case GP_JVP: {
      if (!happens(forecast, answer)) return;
      const Id id = make_object(owner.shape, owner.dtype, pure_.jvp(owner.pure));
      Object& made = objects_[id];
      made.anywhere = true;
      made.blurred = objects_[owner_id].blurred;
      made.requires_grad = objects_[owner_id].requires_grad == Tri::no ? Tri::no : Tri::maybe;
      return bind(step.first_result, id, Handle::State::maybe);
    }
    default: forecast.may = any_kind;
  }
}

void Model::set_grad(const gp_step& step, Id owner, Forecast& forecast, const Answer* answer) {
  const bool given = arg(step, 1).kind == GP_ARG_VALUE;
  if (given) {
    need_defined(value(step, 1), forecast);
    const Object* grad = object_of(value(step, 1));
    // Only some engines look.
    const bool fits = grad != nullptr && grad->shape && objects_[owner].shape && *grad->shape == *objects_[owner].shape;
    if (!fits) forecast.may |= bad_argument | kind_bit(GP_UNDEFINED);
  }
  if (!happens(forecast, answer)) return;
  if (objects_[owner].grad != nobody) let_go_of(objects_[owner].grad);
  objects_[owner].grad = nobody;
  objects_[owner].has_grad = Tri::no;
  if (!given || object_of(value(step, 1)) == nullptr) return;
  // The tensor itself, or a copy.
  const Id from = handles_[value(step, 1)].object;
  const Id id = static_cast<Id>(objects_.size());
  objects_.push_back(objects_[from]);
  Object& made = objects_.back();
  made.loose = true;
  made.handles = 1;
  made.grad = nobody;
  made.has_grad = Tri::no;
  made.zeroed = false;
  join(id, made.storage);
  objects_[owner].grad = id;
  objects_[owner].has_grad = handles_[value(step, 1)].state == Handle::State::maybe ? Tri::maybe : Tri::yes;
}

void Model::zero_grad(Id owner, Forecast& forecast, const Answer* answer) {
  if (!happens(forecast, answer) || objects_[owner].grad == nobody) return;
  const Id old = objects_[owner].grad;
  const std::optional<std::vector<Index>> shape = objects_[old].shape;
  if (!shape) {
    blur(old);
    return;
  }
  const ValueId zeros = pure_.zeros(*shape, objects_[old].dtype);
  replace_gradient(owner, zeros, objects_[old].requires_grad == Tri::no ? Tri::no : Tri::maybe, nobody);
  objects_[objects_[owner].grad].zeroed = true;
  objects_[objects_[owner].grad].blurred = false;
}

// The gradient is written in place, or takes another's place.
void Model::replace_gradient(Id owner, ValueId pure, Tri requires_grad, Id history) {
  const Id old = objects_[owner].grad;
  const Id storage = objects_[old].storage;
  const Id id = static_cast<Id>(objects_.size());
  objects_.push_back(objects_[old]);
  Object& made = objects_.back();
  made.pure = pure;
  made.loose = true;
  made.handles = 1;
  made.requires_grad = requires_grad;
  made.history = history;
  made.leaf = history == nobody;
  join(id, storage);
  ++stores_[storage].writes;
  stores_[storage].counted = false;
  blur_storage(storage, id);
  let_go_of(old);
  objects_[owner].grad = id;
}

void Model::require_grad(const gp_step& step, Id owner, Forecast& forecast, const Answer* answer) {
  Object& object = objects_[owner];
  const bool on = arg(step, 1).u.integer != 0;
  if (on && !is_floating(object.dtype)) forecast.must |= bad_argument;
  const bool inner = !object.leaf && object.requires_grad != Tri::no;
  // A view that another's write made part of a graph may not know it yet.
  const bool knows = object.requires_grad == Tri::yes && !(object.rewritten && object.family != owner);
  if (!on && inner) (knows ? forecast.must : forecast.may) |= bad_argument;
  if (!happens(forecast, answer) || inner) return;
  if (on == (object.requires_grad == Tri::yes)) return;
  object.requires_grad = on ? Tri::yes : Tri::no;
  object.leaf = true;
  object.pure = on ? pure_.leaf(object.pure) : pure_.detach(object.pure);
  object.history = on ? make_leaf_history(owner) : nobody;
  const std::vector<Id> members = stores_[object.storage].members;
  for (const Id member : members) {
    if (member != owner && objects_[member].family == owner) estrange(member);
  }
}

void Model::hook(const gp_step& step, Id owner, Forecast& forecast, const Answer* answer) {
  Object& object = objects_[owner];
  if (object.requires_grad == Tri::no) forecast.must |= kind_bit(GP_NO_GRAD_REQUIRED);
  if (object.requires_grad == Tri::maybe) forecast.may |= kind_bit(GP_NO_GRAD_REQUIRED);
  if (!happens(forecast, answer)) return;
  const double factor = arg(step, 1).u.real;
  object.hooked = true;
  if (object.rewritten) return blur_family(owner);
  if (object.leaf || object.history == nobody) {
    object.hook *= factor;
    return;
  }
  History& history = histories_[object.history];
  history.hooked = true;
  // What was to be retained before may be seen before the hook or behind it.
  history.fuzzy = history.fuzzy || history.retained_by != nobody;
  pure_.hook(history.pure, factor);
}

void Model::dual(const gp_step& step, Id owner, Forecast& forecast, const Answer* answer) {
  need_defined(value(step, 1), forecast);
  if (forecast.refused()) return;
  const Id tangent = handles_[value(step, 1)].object;
  const auto& shape = objects_[owner].shape;
  // Nor can every engine lay a tangent beside memory that is seen twice.
  if (!shape || !objects_[tangent].shape || objects_[owner].anywhere) forecast.may |= bad_argument;
  if (shape && objects_[tangent].shape && *shape != *objects_[tangent].shape) forecast.must |= bad_argument;
  if (!happens(forecast, answer)) return;
  const Id id = make_object(objects_[owner].shape, objects_[owner].dtype,
                            pure_.dual(objects_[owner].pure, objects_[tangent].pure, recording_));
  objects_[id].anywhere = true;
  objects_[id].dual = true;
  objects_[id].blurred = objects_[owner].blurred;
  link(objects_[id].storage, objects_[owner].storage);
  if (recording_ && objects_[owner].requires_grad != Tri::no) {
    const Id operation = make_operation();
    add_edge(operation, owner, Tri::yes, Tri::no);
    objects_[id].requires_grad = objects_[owner].requires_grad;
    record(id, operation, objects_[id].blurred);
  }
  bind(step.first_result, id);
}

}  // namespace gradproof::lifecycle
