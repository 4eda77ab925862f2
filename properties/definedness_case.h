// Cases of the property definedness: a call of any operator with memory that is given, not written, or written in part.
#pragma once

#include <optional>

#include "properties/steps.h"

namespace gradproof {

class DefinednessCase {
 public:
  DefinednessCase(const Subject& subject, RandomDraw& draw, Script& script) : build_(subject, draw, script) {}
  void generate();

 private:
  // A tensor of the call as the call uses it, and the leaf its gradient goes to.
  struct Input {
    ValueId used = 0;
    std::optional<ValueId> leaf{};
    std::vector<Index> shape{};       // of `used`
    std::vector<Index> leaf_shape{};  // of `leaf`
  };

  void draw_memory();
  // In the place of a given tensor: the same shape, or a window on more, of a buffer that is written in part.
  Input partly_written(const Input& given, std::string_view name);
  void write(ValueId part, ValueId contents, std::span<const Index> shape);
  void use(std::size_t input, const Input& instead);
  ValueId narrowed(ValueId tensor, Index start, Index length, std::string_view name = {});
  // At times in unwritten memory.
  std::vector<ValueId> seeds(std::string_view name, std::span<const std::vector<Index>> shapes);
  std::vector<std::vector<Index>> root_shapes() const;
  std::vector<std::vector<Index>> leaf_shapes() const;
  std::vector<ValueId> leaves() const;

  void backward();
  void prefilled_backward();
  void forward_mode();
  void second_order();

  Build build_;
  std::vector<Input> inputs_{};
  bool unwritten_ = false;        // the case has memory nobody wrote
  bool unwritten_seeds_ = false;  // seeds may be such memory
};

}  // namespace gradproof
