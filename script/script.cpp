#include "script/script.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "script/extent.h"
#include "script/half.h"
#include "script/number.h"

namespace gradproof {
namespace {

template <class Pool, class T>
std::uint64_t append(Pool& pool, std::span<const T> values) {
  const std::uint64_t first = pool.size();
  pool.insert(pool.end(), values.begin(), values.end());
  return first;
}

template <class T>
gp_arg ranged(gp_arg_kind kind, std::uint64_t first, std::span<const T> values) {
  gp_arg arg{static_cast<std::uint32_t>(kind), static_cast<std::uint32_t>(values.size()), {0}};
  arg.u.index = first;
  return arg;
}

}  // namespace

gp_program Script::view() const {
  gp_program program{};
  program.struct_size = sizeof(gp_program);
  program.value_count = value_count;
  program.steps = steps.data();
  program.step_count = steps.size();
  program.args = args.data();
  program.arg_count = args.size();
  program.ops = ops.data();
  program.op_count = ops.size();
  program.tensors = tensors.data();
  program.tensor_count = tensors.size();
  program.ids = ids.data();
  program.id_count = ids.size();
  program.ints = ints.data();
  program.int_count = ints.size();
  program.reals = reals.data();
  program.real_count = reals.size();
  program.text = text.data();
  program.text_size = text.size();
  program.data = data.data();
  program.data_size = data.size();
  return program;
}

void Script::clear() {
  steps.clear();
  args.clear();
  ops.clear();
  tensors.clear();
  ids.clear();
  ints.clear();
  reals.clear();
  text.clear();
  data.clear();
  value_count = 0;
  names.clear();
  expectations.clear();
  comments.clear();
}

gp_step& Script::push(gp_step_kind kind, std::span<const gp_arg> arguments, std::uint32_t results,
                      std::string_view name) {
  gp_step step{};
  step.kind = static_cast<std::uint16_t>(kind);
  step.first_arg = static_cast<std::uint32_t>(args.size());
  step.arg_count = static_cast<std::uint32_t>(arguments.size());
  step.first_result = value_count;
  step.result_count = results;
  args.insert(args.end(), arguments.begin(), arguments.end());
  value_count += results;
  if (!name.empty()) {
    names.resize(value_count);
    names[step.first_result] = std::string(name);
  }
  steps.push_back(step);
  return steps.back();
}

ValueId Script::tensor(const TensorSpec& spec, std::string_view name) {
  if (spec.shape.size() > GP_MAX_DIMS) throw std::invalid_argument("a tensor has at most 8 dimensions");
  if (!spec.strides.empty() && spec.strides.size() != spec.shape.size()) {
    throw std::invalid_argument("a tensor has as many strides as dimensions");
  }
  const auto extent = extent_of(spec.shape, spec.strides, spec.offset);
  if (!extent) throw std::invalid_argument("a tensor's shape, strides or offset are negative or beyond the limits");
  const std::uint64_t buffer = spec.buffer_elements != 0 ? spec.buffer_elements : extent->reach;
  if (buffer < extent->reach || buffer > Limits::elements) {
    throw std::invalid_argument("a tensor's view reaches beyond its buffer or its buffer beyond the limits");
  }
  gp_tensor tensor{};
  tensor.dtype = static_cast<std::uint8_t>(spec.dtype);
  tensor.memory = static_cast<std::uint8_t>(spec.memory);
  tensor.device = static_cast<std::uint8_t>(spec.device);
  tensor.flags = static_cast<std::uint8_t>((spec.requires_grad ? GP_REQUIRES_GRAD : 0) | (spec.pinned ? GP_PINNED : 0));
  tensor.ndim = static_cast<std::uint32_t>(spec.shape.size());
  tensor.shape = static_cast<std::uint32_t>(append(ints, std::span<const Index>(spec.shape)));
  tensor.strides = GP_CONTIGUOUS;
  if (!spec.strides.empty())
    tensor.strides = static_cast<std::uint32_t>(append(ints, std::span<const Index>(spec.strides)));
  tensor.offset = spec.offset;
  tensor.buffer_elements = buffer;
  if (spec.memory == GP_GIVEN) {
    data.resize((data.size() + 7) / 8 * 8);
    tensor.data = data.size();
    data.resize(data.size() + buffer * size_of(spec.dtype));
  }
  tensors.push_back(tensor);
  gp_step& step = push(GP_TENSOR, {}, 1, name);
  step.op = static_cast<std::uint32_t>(tensors.size() - 1);
  return step.first_result;
}

std::uint32_t Script::step_of(ValueId value) const {
  if (value >= value_count) throw std::out_of_range("no value %" + std::to_string(value));
  // Steps without results share first_result with the next maker, so the last step at or below is the maker.
  const auto after = std::upper_bound(steps.begin(), steps.end(), value,
                                      [](ValueId id, const gp_step& step) { return id < step.first_result; });
  return static_cast<std::uint32_t>(after - steps.begin() - 1);
}

gp_tensor& Script::tensor_of(ValueId value) {
  const gp_step& step = steps[step_of(value)];
  if (step.kind != GP_TENSOR) throw std::invalid_argument(name(value) + " is not made by a tensor step");
  return tensors[step.op];
}

void Script::set_element(const gp_tensor& spec, std::size_t index, double value) {
  const auto dtype = static_cast<gp_dtype>(spec.dtype);
  std::uint8_t* to = data.data() + spec.data + index * size_of(dtype);
  const auto put = [to](auto element) { std::memcpy(to, &element, sizeof element); };
  switch (dtype) {
    case GP_F16:
    case GP_BF16:
    case GP_F32:
    case GP_F64: store_real(dtype, value, to); break;
    case GP_I64: {
      // Beyond the range: the nearest end; NaN: zero.
      constexpr double end = 9223372036854775808.0;
      const double whole = std::nearbyint(value);
      if (std::isnan(whole)) {
        put(std::int64_t{0});
      } else if (whole >= end) {
        put(std::numeric_limits<std::int64_t>::max());
      } else {
        put(whole < -end ? std::numeric_limits<std::int64_t>::min() : static_cast<std::int64_t>(whole));
      }
      break;
    }
    case GP_BOOL: put(static_cast<std::uint8_t>(value != 0 ? 1 : 0)); break;
  }
}

double Script::element(const gp_tensor& spec, std::size_t index) const {
  const auto dtype = static_cast<gp_dtype>(spec.dtype);
  return load_number(dtype, data.data() + spec.data + index * size_of(dtype));
}

std::uint32_t Script::op(std::string_view name, std::string_view overload) {
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (op_name(ops[i]) == name && op_overload(ops[i]) == overload) return static_cast<std::uint32_t>(i);
  }
  const auto intern = [this](std::string_view word) {
    const auto first = static_cast<std::uint32_t>(append(text, std::span<const char>(word)));
    text.push_back('\0');
    return first;
  };
  gp_op op{};
  op.name = intern(name);
  op.overload = intern(overload);
  ops.push_back(op);
  return static_cast<std::uint32_t>(ops.size() - 1);
}

ValueId Script::call(std::uint32_t op, std::span<const gp_arg> arguments, std::uint32_t results,
                     std::string_view name) {
  gp_step& step = push(GP_CALL, arguments, results, name);
  step.op = op;
  return step.first_result;
}

gp_step& Script::sweep(gp_step_kind kind, std::span<const ValueId> roots, std::span<const ValueId> seeds,
                       std::optional<std::span<const ValueId>> inputs, std::uint32_t results, unsigned flags) {
  if (!seeds.empty() && seeds.size() != roots.size()) {
    throw std::invalid_argument("a sweep from " + std::to_string(roots.size()) +
                                " roots takes as many seeds, or none; not " + std::to_string(seeds.size()));
  }
  const gp_arg from = arg_values(roots);
  gp_arg with{GP_ARG_VALUES, from.count, {0}};
  with.u.index = ids.size();
  for (std::size_t i = 0; i < roots.size(); ++i) ids.push_back(seeds.empty() ? GP_NO_VALUE : seeds[i]);
  const std::array<gp_arg, 3> arguments{from, with, inputs ? arg_values(*inputs) : arg_none()};
  gp_step& step = push(kind, arguments, results, {});
  step.flags = static_cast<std::uint16_t>(flags);
  return step;
}

std::uint32_t Script::backward(std::span<const ValueId> roots, std::span<const ValueId> seeds,
                               std::optional<std::span<const ValueId>> inputs, unsigned flags) {
  sweep(GP_BACKWARD, roots, seeds, inputs, 0, flags);
  return static_cast<std::uint32_t>(steps.size() - 1);
}

ValueId Script::grad(std::span<const ValueId> roots, std::span<const ValueId> seeds, std::span<const ValueId> inputs,
                     unsigned flags) {
  return sweep(GP_GRAD, roots, seeds, inputs, static_cast<std::uint32_t>(inputs.size()), flags).first_result;
}

ValueId Script::grad_of(ValueId value, std::string_view name) {
  return push(GP_GRAD_OF, std::array{arg(value)}, 1, name).first_result;
}
void Script::set_grad(ValueId value, ValueId grad) {
  push(GP_SET_GRAD, std::array{arg(value), grad == GP_NO_VALUE ? arg_none() : arg(grad)}, 0, {});
}
void Script::zero_grad(ValueId value) { push(GP_ZERO_GRAD, std::array{arg(value)}, 0, {}); }
ValueId Script::dual(ValueId primal, ValueId tangent, std::string_view name) {
  return push(GP_DUAL, std::array{arg(primal), arg(tangent)}, 1, name).first_result;
}
ValueId Script::jvp(ValueId value, std::string_view name) {
  return push(GP_JVP, std::array{arg(value)}, 1, name).first_result;
}
ValueId Script::detach(ValueId value, std::string_view name) {
  return push(GP_DETACH, std::array{arg(value)}, 1, name).first_result;
}
void Script::require_grad(ValueId value, bool on) {
  push(GP_REQUIRE_GRAD, std::array{arg(value), arg_bool(on)}, 0, {});
}
void Script::retain_grad(ValueId value) { push(GP_RETAIN_GRAD, std::array{arg(value)}, 0, {}); }
void Script::no_grad(bool on) { push(GP_NO_GRAD, std::array{arg_bool(on)}, 0, {}); }
std::uint32_t Script::read(ValueId value) {
  push(GP_READ, std::array{arg(value)}, 0, {});
  return static_cast<std::uint32_t>(steps.size() - 1);
}

void Script::drop(std::span<const ValueId> values) { push(GP_DROP, std::array{arg_values(values)}, 0, {}); }
void Script::hook(ValueId value, double factor) { push(GP_HOOK, std::array{arg(value), arg_real(factor)}, 0, {}); }
void Script::parallel(gp_parallel where) { push(GP_PARALLEL, std::array{arg_int(where)}, 0, {}); }
void Script::stream(Index number) { push(GP_STREAM, std::array{arg_int(number)}, 0, {}); }

gp_arg Script::arg(ValueId value) const {
  gp_arg arg{GP_ARG_VALUE, 0, {0}};
  arg.u.index = value;
  return arg;
}
gp_arg Script::arg_values(std::span<const ValueId> values) {
  return ranged(GP_ARG_VALUES, append(ids, values), values);
}
gp_arg Script::arg_int(Index value) const { return {GP_ARG_INT, 0, {value}}; }
gp_arg Script::arg_ints(std::span<const Index> values) { return ranged(GP_ARG_INTS, append(ints, values), values); }
gp_arg Script::arg_real(double value) const {
  gp_arg arg{GP_ARG_REAL, 0, {0}};
  arg.u.real = value;
  return arg;
}
gp_arg Script::arg_reals(std::span<const double> values) { return ranged(GP_ARG_REALS, append(reals, values), values); }
gp_arg Script::arg_bool(bool value) const { return {GP_ARG_BOOL, 0, {value ? 1 : 0}}; }
gp_arg Script::arg_string(std::string_view value) {
  const std::span<const char> bytes(value);
  return ranged(GP_ARG_STRING, append(text, bytes), bytes);
}
gp_arg Script::arg_dtype(gp_dtype value) const { return {GP_ARG_DTYPE, 0, {value}}; }

std::string_view Script::op_name(const gp_op& op) const { return text.data() + op.name; }
std::string_view Script::op_overload(const gp_op& op) const { return text.data() + op.overload; }

std::string Script::name(ValueId value) const {
  if (value < names.size() && is_value_name(names[value])) return names[value];
  return "%" + std::to_string(value);
}

}  // namespace gradproof
