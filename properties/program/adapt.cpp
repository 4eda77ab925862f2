// Calls that bring a value where another call takes it: into a shape, into a domain.
#include <algorithm>
#include <array>
#include <cmath>

#include "properties/program/grow.h"

namespace gradproof::program {

namespace {

Index count_of(const std::vector<Index>& shape) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  return count;
}

bool expands(const std::vector<Index>& from, const std::vector<Index>& to) {
  if (from.size() > to.size()) return false;
  const std::size_t lead = to.size() - from.size();
  for (std::size_t d = 0; d < from.size(); ++d) {
    if (from[d] != 1 && from[d] != to[lead + d]) return false;
  }
  return true;
}

ValueId call(Script& script, std::string_view op, std::string_view overload, std::span<const gp_arg> args) {
  const ValueId made = script.call(script.op(op, overload), args);
  script.names.resize(script.value_count);
  script.names[made] = "s" + std::to_string(made);
  return made;
}
ValueId reshaped(Script& script, ValueId value, const std::vector<Index>& shape) {
  return call(script, "reshape", "", std::array{script.arg(value), script.arg_ints(shape)});
}
ValueId scaled(Script& script, ValueId value, double by) {
  return call(script, "mul", "Scalar", std::array{script.arg(value), script.arg_real(by)});
}
ValueId shifted(Script& script, ValueId value, double by) {
  if (by == 0) return value;
  return call(script, "add", "Scalar", std::array{script.arg(value), script.arg_real(by), script.arg_default()});
}
ValueId unary(Script& script, std::string_view op, ValueId value) {
  return call(script, op, "", std::array{script.arg(value)});
}

}  // namespace

std::optional<ValueId> in_shape(Script& script, const Value& of, const std::vector<Index>& shape) {
  if (of.shape == shape) return of.id;
  const Index have = count_of(of.shape);
  const Index want = count_of(shape);
  if (have == 0 || want == 0) return std::nullopt;
  if (have == want && of.shape.size() == 2 && shape.size() == 2 && of.shape[0] == shape[1]) {
    return call(script, "transpose", "int", std::array{script.arg(of.id), script.arg_int(0), script.arg_int(1)});
  }
  if (have == want) return reshaped(script, of.id, shape);
  if (expands(of.shape, shape)) {
    return call(script, "expand", "", std::array{script.arg(of.id), script.arg_ints(shape), script.arg_default()});
  }
  if (have > want) {
    ValueId made = of.shape.size() == 1 ? of.id : reshaped(script, of.id, {-1});
    made = call(script, "slice", "Tensor",
                std::array{script.arg(made), script.arg_int(0), script.arg_int(have - want), script.arg_int(have),
                           script.arg_int(1)});
    return shape.size() == 1 ? made : reshaped(script, made, shape);
  }
  const ValueId sum = call(script, "sum", "", std::array{script.arg(of.id), script.arg_default()});
  const ValueId mean = have > 4 ? scaled(script, sum, 0.25) : sum;
  return call(script, "expand", "", std::array{script.arg(mean), script.arg_ints(shape), script.arg_default()});
}

ValueId in_domain(Script& script, ValueId value, std::span<const double> elements, const Domain& domain) {
  constexpr double margin = 0x1p-4;  // kinks and poles are at the ends of domains
  constexpr double large = 8;
  const bool below = std::isfinite(domain.high);
  const bool above = std::isfinite(domain.low);
  double size = 0;
  bool inside = true;
  for (const double x : elements) {
    size = std::max(size, std::fabs(x));
    inside = inside && (!above || x >= domain.low + margin) && (!below || x <= domain.high - margin);
  }
  if (inside && size <= large) return value;
  if (above && below) {
    const double width = domain.high - domain.low;
    const ValueId unit = unary(script, "sigmoid", value);
    return shifted(script, width == 1 ? unit : scaled(script, unit, width), domain.low);
  }
  if (above) return shifted(script, unary(script, "sigmoid", value), domain.low + 0.25);
  if (below) return shifted(script, unary(script, "neg", unary(script, "sigmoid", value)), domain.high - 0.25);
  return unary(script, "tanh", value);
}

ValueId beside(Script& script, ValueId center, ValueId value) {
  return call(script, "add", "Tensor",
              std::array{script.arg(center), script.arg(unary(script, "tanh", value)), script.arg_real(0x1p-5)});
}

}  // namespace gradproof::program
