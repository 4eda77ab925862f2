// Drawing tensors that the state of the model admits, for commands.
#pragma once

#include "properties/lifecycle/draw.h"

namespace gradproof::lifecycle {

class Picker {
 public:
  explicit Picker(Stage& stage) : stage_(stage) {}

 protected:
  RandomDraw& draw() { return stage_.draw(); }
  Script& script() { return stage_.script(); }
  Model& model() { return stage_.model(); }

  // One of the tensors that `fits`, or nothing.
  template <class Fits>
  std::optional<ValueId> pick(const std::vector<ValueId>& among, Fits fits) {
    Model& state = model();
    if (among.empty()) return std::nullopt;
    const auto count = std::ssize(among);
    Index at = draw().integer(0, count - 1);
    for (Index i = 0; i < count; ++i, at = (at + 1) % count) {
      const ValueId value = among[static_cast<std::size_t>(at)];
      const Handle& handle = state.handle(value);
      if (handle.state != Handle::State::defined) continue;
      const Object& object = state.object(handle.object);
      if (!object.shape || object.blurred || object.dual || count_of(*object.shape) == 0) continue;
      if (fits(object)) return value;
    }
    return std::nullopt;
  }
  std::optional<ValueId> any() {
    return pick(stage_.tensors(), [](const Object&) { return true; });
  }
  std::optional<ValueId> differentiable() {
    return pick(stage_.tensors(), [](const Object& object) { return object.requires_grad == Tri::yes; });
  }
  // A root of a sweep that finds all it needs; sometimes one that may not.
  std::optional<ValueId> root() {
    const auto found = pick(stage_.tensors(), [](const Object& object) {
      return object.requires_grad == Tri::yes && !object.leaf &&
             static_cast<std::size_t>(count_of(*object.shape)) <= most_elements;
    });
    if (!found) return std::nullopt;
    const Model::Standing standing = model().standing(*found);
    if (standing == Model::Standing::let_go) return std::nullopt;
    if (standing == Model::Standing::doubtful && !draw().percent(40)) return std::nullopt;
    return found;
  }

  Stage& stage_;

 private:
  static constexpr std::size_t most_elements = 16;
};

// Something that must be refused, in one command; false where nothing drawn can be misused so. The engine goes on.
bool draw_misuse_command(Stage& stage);

}  // namespace gradproof::lifecycle
