// Drawing sequences: the script under construction, and the model that says what is applicable.
#pragma once

#include <array>

#include "properties/lifecycle/model.h"
#include "properties/steps.h"

namespace gradproof::lifecycle {

// What every life cycle is drawn with: one call of the subject's operator to begin with, tensors of one shape, the
// steps that act on them. The model follows the script, step by step.
class Stage {
 public:
  Stage(const Subject& subject, RandomDraw& draw, Script& script);

  RandomDraw& draw() { return build_.draw; }
  Script& script() { return build_.script; }
  Build& build() { return build_; }
  // Follows what was added to the script since.
  Model& model();
  const EngineInfo& engine() const { return *build_.subject.engine; }

  // --- tensors; each has the shape of the stage, or none ---
  ValueId leaf(bool scalar = false);
  ValueId constant(bool scalar = false);
  ValueId tensor_like(ValueId value, std::string_view name, bool requires_grad = false);

  // --- forward steps ---
  // The subject's operator on its leaves, or on others in their places: the sum of its results.
  ValueId apply(std::span<const ValueId> instead = {});
  ValueId unary(std::string_view op, ValueId x);
  ValueId binary(std::string_view op, ValueId x, ValueId y);
  ValueId scaled(ValueId x, double by);
  ValueId sum(ValueId x);
  ValueId view(ValueId x);
  void in_place(std::string_view op, ValueId x, ValueId y);
  void scale_in_place(ValueId x, double by);
  double factor();  // short: exact in products

  // --- sweeps ---
  // A fresh seed for the root, or none where it needs none.
  ValueId seed_for(ValueId root);
  void backward(ValueId root, unsigned flags = 0, std::optional<std::span<const ValueId>> inputs = {});
  void read_gradients();
  void read(ValueId value) { script().read(value); }

  const std::vector<Index>& shape() const { return shape_; }
  void reshape();                                       // drawn anew
  std::vector<ValueId>& leaves() { return leaves_; }    // made here
  std::vector<ValueId>& tensors() { return tensors_; }  // leaves and results, that commands draw from
  const std::vector<ValueId>& own_leaves() const { return build_.call.leaves; }  // of the subject's call
  std::vector<ValueId> all_leaves() const;
  std::string next(std::string_view name);
  void call(ValueId value, std::string name);  // by this name

 private:
  ValueId call_binary(std::string_view op, std::string_view name, ValueId x, ValueId y, std::string_view result);
  ValueId note(ValueId value) {
    tensors_.push_back(value);
    return value;
  }

  Build build_;
  Model model_;
  std::uint32_t followed_ = 0;
  std::vector<Index> shape_;
  std::vector<ValueId> leaves_;
  std::vector<ValueId> tensors_;
  std::size_t names_ = 0;
};

}  // namespace gradproof::lifecycle
