#include "properties/lifecycle/facts.h"

#include <algorithm>
#include <array>

namespace gradproof::lifecycle {

namespace {

constexpr std::array<Facts, 14> known{{
    {"add", "Tensor", Form::elementwise, false, false, false},
    {"sub", "Tensor", Form::elementwise, false, false, false},
    {"mul", "Tensor", Form::elementwise, true, false, true},
    {"mul", "Scalar", Form::elementwise, false, false, false},
    {"neg", "", Form::elementwise, false, false, false},
    {"sin", "", Form::elementwise, true, true, false},
    {"cos", "", Form::elementwise, true, true, false},
    {"tanh", "", Form::elementwise, true, true, false},
    {"exp", "", Form::elementwise, true, true, false},
    {"clone", "", Form::elementwise, false, false, false},
    {"sum", "", Form::sum, false, false, false},
    {"select", "int", Form::select, false, false, false},
    {"slice", "Tensor", Form::slice, false, false, false},
    {"transpose", "int", Form::transpose, false, false, false},
}};

std::vector<Index> row_major(std::span<const Index> shape) {
  std::vector<Index> strides(shape.size());
  Index step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= shape[d];
  }
  return strides;
}

std::vector<Index> walk(std::span<const Index> shape, std::span<const Index> strides, Index offset) {
  std::vector<Index> found;
  const Index count = count_of(shape);
  found.reserve(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) {
    Index rest = i;
    Index at = offset;
    for (std::size_t d = shape.size(); d-- > 0;) {
      at += rest % shape[d] * strides[d];
      rest /= shape[d];
    }
    found.push_back(at);
  }
  return found;
}

std::optional<Index> integer(std::span<const gp_arg> args, std::size_t at, Index otherwise) {
  if (at >= args.size() || args[at].kind == GP_ARG_DEFAULT || args[at].kind == GP_ARG_NONE) return otherwise;
  if (args[at].kind != GP_ARG_INT) return std::nullopt;
  return args[at].u.integer;
}

std::optional<std::size_t> dim(std::optional<Index> given, std::size_t ndim) {
  const auto dims = static_cast<Index>(ndim);
  if (!given || *given < -dims || *given >= dims) return std::nullopt;
  return static_cast<std::size_t>(*given < 0 ? *given + dims : *given);
}

}  // namespace

const Facts* facts_of(std::string_view name, std::string_view overload) {
  const auto* const found = std::find_if(
      known.begin(), known.end(), [&](const Facts& facts) { return facts.name == name && facts.overload == overload; });
  return found == known.end() ? nullptr : found;
}

std::optional<Part> part_of(const Facts& facts, std::span<const Index> parent, std::span<const gp_arg> args) {
  std::vector<Index> strides = row_major(parent);
  Part part{{parent.begin(), parent.end()}, {}};
  Index offset = 0;
  if (facts.form == Form::transpose && parent.empty()) {
    // A tensor of no dimension may be transposed along the one that it has not.
    if (!dim(integer(args, 1, 0), 1) || !dim(integer(args, 2, 0), 1)) return std::nullopt;
    part.from = {0};
    return part;
  }
  const auto first = dim(integer(args, 1, 0), parent.size());
  if (!first) return std::nullopt;
  const auto at = static_cast<std::ptrdiff_t>(*first);
  const Index size = parent[*first];
  if (facts.form == Form::select) {
    const auto index = integer(args, 2, 0);
    if (!index || *index < -size || *index >= size) return std::nullopt;
    offset = (*index < 0 ? *index + size : *index) * strides[*first];
    part.shape.erase(part.shape.begin() + at);
    strides.erase(strides.begin() + at);
  } else if (facts.form == Form::slice) {
    const auto start = integer(args, 2, 0);
    const auto end = integer(args, 3, size);
    const auto step = integer(args, 4, 1);
    if (!start || !end || !step || *step < 1) return std::nullopt;
    const Index from = std::clamp<Index>(*start < 0 ? *start + size : *start, 0, size);
    const Index to = std::clamp<Index>(*end < 0 ? *end + size : *end, from, size);
    part.shape[*first] = (to - from + *step - 1) / *step;
    offset = from * strides[*first];
    strides[*first] *= *step;
  } else {
    const auto second = dim(integer(args, 2, 0), parent.size());
    if (!second) return std::nullopt;
    std::swap(part.shape[*first], part.shape[*second]);
    std::swap(strides[*first], strides[*second]);
  }
  part.from = walk(part.shape, strides, offset);
  return part;
}

std::optional<std::vector<Index>> broadcast(std::span<const Index> a, std::span<const Index> b) {
  std::vector<Index> joined(std::max(a.size(), b.size()), 1);
  for (std::size_t d = 0; d < joined.size(); ++d) {
    const Index left = d < a.size() ? a[a.size() - 1 - d] : 1;
    const Index right = d < b.size() ? b[b.size() - 1 - d] : 1;
    if (left != right && left != 1 && right != 1) return std::nullopt;
    joined[joined.size() - 1 - d] = left == 1 ? right : left;
  }
  return joined;
}

Index count_of(std::span<const Index> shape) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  return count;
}

}  // namespace gradproof::lifecycle
