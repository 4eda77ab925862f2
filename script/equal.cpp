#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "script/script.h"

namespace gradproof {
namespace {

bool same_real(double x, double y) {
  return std::isnan(x) ? std::isnan(y) : x == y && std::signbit(x) == std::signbit(y);
}

template <class T>
bool same_range(const std::vector<T>& a, std::uint64_t first_a, const std::vector<T>& b, std::uint64_t first_b,
                std::size_t count) {
  const auto from_a = a.begin() + static_cast<std::ptrdiff_t>(first_a);
  return std::equal(from_a, from_a + static_cast<std::ptrdiff_t>(count),
                    b.begin() + static_cast<std::ptrdiff_t>(first_b));
}

bool same_arg(const Script& a, const gp_arg& x, const Script& b, const gp_arg& y) {
  if (x.kind != y.kind) return false;
  switch (x.kind) {
    case GP_ARG_DEFAULT:
    case GP_ARG_NONE: return true;
    case GP_ARG_VALUE: return x.u.index == y.u.index;
    case GP_ARG_REAL: return same_real(x.u.real, y.u.real);
    case GP_ARG_INT:
    case GP_ARG_BOOL:
    case GP_ARG_DTYPE: return x.u.integer == y.u.integer;
    default: break;
  }
  if (x.count != y.count) return false;
  switch (x.kind) {
    case GP_ARG_VALUES: return same_range(a.ids, x.u.index, b.ids, y.u.index, x.count);
    case GP_ARG_STRING: return same_range(a.text, x.u.index, b.text, y.u.index, x.count);
    case GP_ARG_REALS:
      for (std::uint64_t i = 0; i < x.count; ++i) {
        if (!same_real(a.reals[x.u.index + i], b.reals[y.u.index + i])) return false;
      }
      return true;
    default: return same_range(a.ints, x.u.index, b.ints, y.u.index, x.count);
  }
}

std::vector<Index> strides_of(const Script& script, const gp_tensor& tensor) {
  std::vector<Index> strides(tensor.ndim, 1);
  for (std::size_t i = tensor.ndim; i-- > 0;) {
    if (tensor.strides != GP_CONTIGUOUS) {
      strides[i] = script.ints[tensor.strides + i];
    } else if (i + 1 < tensor.ndim) {
      strides[i] = strides[i + 1] * std::max<Index>(1, script.ints[tensor.shape + i + 1]);
    }
  }
  return strides;
}

bool same_tensor(const Script& a, const gp_tensor& x, const Script& b, const gp_tensor& y) {
  if (x.dtype != y.dtype || x.memory != y.memory || x.device != y.device || x.flags != y.flags || x.ndim != y.ndim)
    return false;
  if (x.offset != y.offset || x.buffer_elements != y.buffer_elements) return false;
  if (!same_range(a.ints, x.shape, b.ints, y.shape, x.ndim) || strides_of(a, x) != strides_of(b, y)) return false;
  if (x.memory != GP_GIVEN) return true;
  const std::size_t size = size_of(static_cast<gp_dtype>(x.dtype));
  const bool floating = is_floating(static_cast<gp_dtype>(x.dtype));
  for (std::uint64_t i = 0; i < x.buffer_elements; ++i) {
    if (std::memcmp(a.data.data() + x.data + i * size, b.data.data() + y.data + i * size, size) == 0) continue;
    if (!floating || !std::isnan(a.element(x, i)) || !std::isnan(b.element(y, i))) return false;
  }
  return true;
}

bool same_step(const Script& a, const gp_step& x, const Script& b, const gp_step& y) {
  if (x.kind != y.kind || x.flags != y.flags || x.first_result != y.first_result || x.result_count != y.result_count ||
      x.arg_count != y.arg_count) {
    return false;
  }
  if (x.kind == GP_TENSOR && !same_tensor(a, a.tensors[x.op], b, b.tensors[y.op])) return false;
  if (x.kind == GP_CALL &&
      (a.op_name(a.ops[x.op]) != b.op_name(b.ops[y.op]) || a.op_overload(a.ops[x.op]) != b.op_overload(b.ops[y.op]))) {
    return false;
  }
  for (std::uint32_t i = 0; i < x.arg_count; ++i) {
    if (!same_arg(a, a.args[x.first_arg + i], b, b.args[y.first_arg + i])) return false;
  }
  return true;
}

bool same_expectation(const Expectation& x, const Expectation& y) {
  return x.kind == y.kind && x.step == y.step && x.other_step == y.other_step && x.error == y.error &&
         x.dtype == y.dtype && x.shaped == y.shaped && x.shape == y.shape && x.numbers == y.numbers;
}

// Text groups expectations by the step they are about.
std::vector<std::size_t> by_step(const std::vector<Expectation>& expectations) {
  std::vector<std::size_t> order(expectations.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return expectations[i].step < expectations[j].step; });
  return order;
}

}  // namespace

bool operator==(const Script& a, const Script& b) {
  if (a.steps.size() != b.steps.size() || a.value_count != b.value_count ||
      a.expectations.size() != b.expectations.size())
    return false;
  for (std::size_t i = 0; i < a.steps.size(); ++i) {
    if (!same_step(a, a.steps[i], b, b.steps[i])) return false;
  }
  static const std::string nameless;
  for (ValueId id = 0; id < a.value_count; ++id) {
    const std::string& name_a = id < a.names.size() ? a.names[id] : nameless;
    const std::string& name_b = id < b.names.size() ? b.names[id] : nameless;
    if (name_a != name_b) return false;
  }
  const auto order_a = by_step(a.expectations);
  const auto order_b = by_step(b.expectations);
  for (std::size_t i = 0; i < order_a.size(); ++i) {
    if (!same_expectation(a.expectations[order_a[i]], b.expectations[order_b[i]])) return false;
  }
  return true;
}

}  // namespace gradproof
