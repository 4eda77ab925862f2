// One call of an operator, drawn: its tensors as leaves of a script, its other arguments, and what it makes.
#pragma once

#include <optional>

#include "properties/draw.h"
#include "properties/property.h"

namespace gradproof {

struct Call {
  struct Result {
    std::vector<Index> shape;
    bool floating = true;
    bool differentiable = true;  // where an argument requires a gradient
  };
  // The operator takes x + xᵀ, x · mask or log_softmax(x) in the place of x.
  struct Prepared {
    enum class As { symmetric, triangular, log_softmax };
    ValueId tensor = GP_NO_VALUE;
    As as = As::symmetric;
    ValueId mask = GP_NO_VALUE;
  };

  std::uint32_t op = 0;
  std::vector<gp_arg> args;
  std::vector<ValueId> tensors;            // floating ones, "x", "x2", … in the order of the schema
  std::vector<std::vector<Index>> shapes;  // of these
  // Where elements of these may lie; none: not anywhere else, for together they are a positive definite matrix, say.
  std::vector<std::optional<Domain>> domains;
  std::vector<ValueId> leaves;     // those of them that require a gradient
  std::vector<Prepared> prepared;  // those that the operator takes otherwise
  std::vector<Result> results;

  std::vector<std::size_t> roots() const;  // results that can be differentiated
};

enum class Leaves { as_drawn, all, none };

// Tensors named x, x2, … Where the operator can be differentiated, at least one requires a gradient (not with `none`).
// The script holds nothing but comments before. std::logic_error where the record's sampler draws a call that the
// reference refuses.
Call draw_call(const Subject& subject, RandomDraw& draw, Script& script, Leaves leaves = Leaves::as_drawn);

// The call as a step, with other tensors in the place of its own where given; results are named `name`, `name`2, …
// Gives all result values.
std::vector<ValueId> apply(Script& script, const Call& call, std::string_view name,
                           std::span<const ValueId> instead = {});
// Those of them that can be differentiated.
std::vector<ValueId> apply_roots(Script& script, const Call& call, std::string_view name,
                                 std::span<const ValueId> instead = {});

// "y", "y2", "y3", …
std::string numbered(std::string_view name, std::size_t index);

// Whether calls of it can be drawn at all, whether it has derivatives, whether its result shares its input's memory.
bool can_draw(const Entry& entry);
bool is_differentiable(const Subject& subject);
bool is_view(const Subject& subject);
// Whether the engine knows f_(self, …), which writes its result into self's memory.
bool has_in_place_form(const Subject& subject);

}  // namespace gradproof
