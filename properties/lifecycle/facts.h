// What the model knows of operators: how their results lie in memory, what their gradients need. Written from the
// operators' definitions alone; nothing of engine/ is asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "script/script.h"

namespace gradproof::lifecycle {

// no < maybe < yes: an engine may do the one or the other where it is maybe.
enum class Tri : std::uint8_t { no, maybe, yes };
constexpr Tri either(Tri a, Tri b) { return a > b ? a : b; }
constexpr Tri both(Tri a, Tri b) { return a < b ? a : b; }

enum class Form : std::uint8_t { elementwise, sum, select, slice, transpose };

struct Facts {
  std::string_view name;
  std::string_view overload;
  Form form;
  // Its gradient reads a tensor of the forward pass, which an engine has to keep. An engine may keep more.
  bool keeps;
  // The gradient of argument i depends on a tensor that requires one: on the arguments themselves (own), or on the
  // other one (other). Neither: linear.
  bool bends_own;
  bool bends_other;
  bool is_view() const { return form == Form::select || form == Form::slice || form == Form::transpose; }
};

// Nothing where the model knows no more than the operator's schema.
const Facts* facts_of(std::string_view name, std::string_view overload);

// A view's place in memory: for each of its elements, in row-major order, that of its parent's element.
struct Part {
  std::vector<Index> shape;
  std::vector<Index> from;
};
// Of a call of a view with these integer arguments; nothing where it is out of range.
std::optional<Part> part_of(const Facts& facts, std::span<const Index> parent, std::span<const gp_arg> args);

std::optional<std::vector<Index>> broadcast(std::span<const Index> a, std::span<const Index> b);
Index count_of(std::span<const Index> shape);

}  // namespace gradproof::lifecycle
