#include "properties/lifecycle/model.h"

#include <algorithm>

#include "oracle/twin.h"
#include "properties/draw.h"

namespace gradproof::lifecycle {

void Model::start(const Script& script, bool builds_pure, bool strict) {
  script_ = &script;
  strict_ = strict;
  recording_ = true;
  pure_.start(script, builds_pure);
  handles_.clear();
  dropped_at_.clear();
  objects_.clear();
  histories_.clear();
  operations_.clear();
  stores_.clear();
  readings_.clear();
  doubtful_.clear();
  shapes_.clear();
}

Forecast Model::step(std::uint32_t index, const Answer* answer) {
  handles_.resize(script_->value_count);
  dropped_at_.resize(script_->value_count, UINT32_MAX);
  const gp_step& step = script_->steps[index];
  Forecast forecast;
  if (!inputs_made(step)) {
    forecast.runs = false;
    if (step.kind == GP_READ) readings_.push_back({.step = index, .value = value(step, 0)});
    return forecast;
  }
  switch (step.kind) {
    case GP_TENSOR: tensor(step); break;
    case GP_CALL: call(index, step, forecast, answer); break;
    case GP_BACKWARD:
    case GP_GRAD: sweep(step, forecast, answer); break;
    case GP_READ: read(index, step); break;
    case GP_DROP:
      for (const ValueId dropped : list(step, 0)) {
        if (handles_[dropped].object != nobody) let_go_of(handles_[dropped].object);
        handles_[dropped].state = Handle::State::dropped;
        dropped_at_[dropped] = index;
      }
      break;
    default: simple(step, forecast, answer);
  }
  return forecast;
}

std::span<const ValueId> Model::list(const gp_step& step, std::size_t i) const {
  const gp_arg& values = arg(step, i);
  if (values.kind == GP_ARG_VALUE) return {};
  if (values.kind != GP_ARG_VALUES || values.count == 0) return {};
  return {script_->ids.data() + values.u.index, values.count};
}

bool Model::inputs_made(const gp_step& step) const {
  const auto made = [&](ValueId id) {
    return id == GP_NO_VALUE ||
           (handles_[id].state != Handle::State::missing && handles_[id].state != Handle::State::dropped);
  };
  for (std::size_t i = 0; i < step.arg_count; ++i) {
    if (arg(step, i).kind == GP_ARG_VALUE && !made(value(step, i))) return false;
    const std::span<const ValueId> values = list(step, i);
    if (!std::all_of(values.begin(), values.end(), made)) return false;
  }
  return true;
}

void Model::need_defined(ValueId value, Forecast& forecast) const {
  if (handles_[value].state == Handle::State::undefined) forecast.must |= kind_bit(GP_UNDEFINED);
  if (handles_[value].state == Handle::State::maybe) forecast.may |= kind_bit(GP_UNDEFINED);
}

Id Model::make_storage() {
  stores_.emplace_back();
  return static_cast<Id>(stores_.size() - 1);
}

void Model::join(Id object, Id storage) {
  objects_[object].storage = storage;
  stores_[storage].members.push_back(object);
}

Id Model::make_object(std::optional<std::vector<Index>> shape, gp_dtype dtype, ValueId pure) {
  const auto id = static_cast<Id>(objects_.size());
  Object& made = objects_.emplace_back();
  made.shape = std::move(shape);
  made.dtype = dtype;
  made.pure = pure;
  made.family = id;
  if (made.shape) {
    made.places.resize(static_cast<std::size_t>(count_of(*made.shape)));
    for (std::size_t i = 0; i < made.places.size(); ++i) made.places[i] = static_cast<Index>(i);
  }
  join(id, make_storage());
  return id;
}

void Model::bind(ValueId value, Id object, Handle::State state) {
  handles_[value] = {state, object};
  ++objects_[object].handles;
}

void Model::let_go_of(Id object) {
  if (objects_[object].handles > 0) --objects_[object].handles;
}

void Model::link(Id a, Id b) {
  stores_[a].linked.push_back(b);
  stores_[b].linked.push_back(a);
}

void Model::blur(Id object) {
  objects_[object].blurred = true;
  if (objects_[object].history != nobody) histories_[objects_[object].history].blurred = true;
}

// Every tensor that lies there, or may, but this one.
void Model::blur_storage(Id storage, Id but) {
  for (const Id member : stores_[storage].members) {
    if (member != but) blur(member);
  }
  for (const Id other : stores_[storage].linked) {
    ++stores_[other].writes;
    stores_[other].counted = false;
    for (const Id member : stores_[other].members) {
      if (member != but) blur(member);
    }
  }
}

// A view that was not recorded, or whose base began to require a gradient after it, or ceased to: some engines ask the
// base when they ask the view.
void Model::estrange(Id view) {
  const Id base = objects_[view].family;
  objects_[view].estranged = true;
  const Id operation = make_operation();
  operations_[operation].keeps = Tri::maybe;
  operations_[operation].unknown = true;
  add_edge(operation, base, Tri::maybe, Tri::maybe);
  if (objects_[view].history != nobody) add_edge(operation, view, Tri::maybe, Tri::maybe);
  objects_[view].requires_grad = Tri::maybe;
  objects_[view].pure = pure_.leaf(objects_[view].pure);
  record(view, operation, true);
}

// Whether a gradient of one view passes the others after a write is how an engine is built.
void Model::blur_family(Id object) {
  for (const Id member : stores_[objects_[object].storage].members) {
    if (objects_[member].family == objects_[object].family) blur(member);
  }
}

Id Model::make_operation() {
  operations_.emplace_back();
  return static_cast<Id>(operations_.size() - 1);
}

void Model::add_edge(Id operation, Id object, Tri sure, Tri bends) {
  const Object& input = objects_[object];
  if (input.requires_grad == Tri::no || input.history == nobody) return;
  operations_[operation].edges.push_back({input.history, both(sure, input.requires_grad), bends});
}

void Model::keep(Id operation, Id object) {
  const Id storage = objects_[object].storage;
  operations_[operation].kept.emplace_back(storage, stores_[storage].writes);
}

// The object is what the operation made; its pure value is set.
void Model::record(Id object, Id operation, bool blurred) {
  History history;
  history.operation = operation;
  history.pure = objects_[object].pure;
  history.blurred = blurred;
  histories_.push_back(history);
  objects_[object].history = static_cast<Id>(histories_.size() - 1);
  objects_[object].leaf = false;
}

Id Model::make_leaf_history(Id object) {
  History history;
  history.owner = object;
  history.pure = objects_[object].pure;
  history.blurred = objects_[object].blurred;
  histories_.push_back(history);
  return static_cast<Id>(histories_.size() - 1);
}

void Model::tensor(const gp_step& step) {
  const gp_tensor& spec = script_->tensors[step.op];
  const std::vector<Index> shape(script_->ints.begin() + spec.shape, script_->ints.begin() + spec.shape + spec.ndim);
  const Id id = make_object(shape, static_cast<gp_dtype>(spec.dtype), pure_.tensor(step.op));
  Object& made = objects_[id];
  if (spec.strides != GP_CONTIGUOUS || spec.offset != 0) {
    made.places.clear();
    for (const std::size_t place : elements_of_view(*script_, spec)) made.places.push_back(static_cast<Index>(place));
  }
  made.blurred = spec.memory == GP_EMPTY;
  if ((spec.flags & GP_REQUIRES_GRAD) != 0) {
    made.requires_grad = Tri::yes;
    made.history = make_leaf_history(id);
  }
  bind(step.first_result, id);
}

void Model::read(std::uint32_t index, const gp_step& step) {
  const ValueId read = value(step, 0);
  const Handle& handle = handles_[read];
  Reading reading{.step = index, .state = handle.state, .value = read};
  if (handle.object != nobody && handle.state != Handle::State::undefined) {
    const Object& object = objects_[handle.object];
    reading.storage = object.storage;
    reading.writes = stores_[object.storage].writes;
    reading.located = !object.anywhere && !object.loose;
    reading.counted = reading.located && stores_[object.storage].counted;
    reading.places = object.places;
    reading.valued = !object.blurred;
    if (reading.valued) reading.pure_step = pure_.read(object.pure);
  }
  readings_.push_back(std::move(reading));
}

}  // namespace gradproof::lifecycle
