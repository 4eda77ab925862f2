// Arguments of a script turned into what a schema asks for. Included by module.cpp alone.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "adapters/libtorch/tensors.h"

namespace gradproof::libtorch {

// The kinds of argument a schema can ask for.
enum class Wanted {
  tensor,
  tensors,
  optional_tensors,
  scalar,
  scalars,
  integer,
  integers,
  real,
  reals,
  boolean,
  booleans,
  text,
  device,
  other
};

struct Parameter {
  std::string name;
  Wanted wanted = Wanted::other;
  bool optional = false;
  std::size_t list_size = 0;  // int[2]: one number stands for all
  bool has_default = false;
  c10::IValue default_value;
};

inline Wanted wanted_item(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType: return Wanted::tensor;
    case c10::TypeKind::NumberType: return Wanted::scalar;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Wanted::integer;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType: return Wanted::real;
    case c10::TypeKind::BoolType: return Wanted::boolean;
    case c10::TypeKind::StringType: return Wanted::text;
    case c10::TypeKind::DeviceObjType: return Wanted::device;
    default: return Wanted::other;
  }
}

inline Wanted wanted_list(const c10::Type& item) {
  if (const auto* optional = item.castRaw<c10::OptionalType>()) {
    const bool tensors = optional->getElementType()->kind() == c10::TypeKind::TensorType;
    return tensors ? Wanted::optional_tensors : Wanted::other;
  }
  switch (wanted_item(item)) {
    case Wanted::tensor: return Wanted::tensors;
    case Wanted::scalar: return Wanted::scalars;
    case Wanted::integer: return Wanted::integers;
    case Wanted::real: return Wanted::reals;
    case Wanted::boolean: return Wanted::booleans;
    default: return Wanted::other;
  }
}

inline Parameter parameter_of(const c10::Argument& argument) {
  Parameter parameter;
  parameter.name = argument.name();
  c10::TypePtr type = argument.type();
  if (const auto* optional = type->castRaw<c10::OptionalType>()) {
    parameter.optional = true;
    type = optional->getElementType();
  }
  if (const auto* list = type->castRaw<c10::ListType>()) {
    parameter.wanted = wanted_list(*list->getElementType());
    parameter.list_size = static_cast<std::size_t>(argument.N().value_or(0));
  } else {
    parameter.wanted = wanted_item(*type);
  }
  if (argument.default_value()) {
    parameter.has_default = true;
    parameter.default_value = *argument.default_value();
  }
  return parameter;
}

// One argument of a call: a constant, or tensors known only when run.
struct Argument {
  enum class Source { constant, tensor, tensors, optional_tensors };
  Source source = Source::constant;
  c10::IValue constant;
  std::vector<std::uint32_t> ids;
};

// Turns the arguments of one call into the schema's types. Throws Fault with GP_ARGUMENT.
class ArgumentReader {
 public:
  ArgumentReader(const gp_program& program, const Parameter& parameter, const gp_arg& argument)
      : program_(program), parameter_(parameter), argument_(argument) {}

  Argument read() const {
    if (argument_.kind == GP_ARG_DEFAULT) return constant(default_value());
    if (argument_.kind == GP_ARG_NONE) {
      if (!parameter_.optional) mismatch();
      return constant({});
    }
    switch (parameter_.wanted) {
      case Wanted::tensor: return one_tensor();
      case Wanted::tensors: return many_tensors(Argument::Source::tensors);
      case Wanted::optional_tensors: return many_tensors(Argument::Source::optional_tensors);
      case Wanted::scalar: return constant(scalar());
      case Wanted::scalars: return constant(scalars());
      case Wanted::integer: return constant(integer());
      case Wanted::integers: return constant(list<std::int64_t>());
      case Wanted::real: return constant(real());
      case Wanted::reals: return constant(list<double>());
      case Wanted::boolean: return constant(boolean());
      case Wanted::booleans: return constant(list<bool>());
      case Wanted::text: return constant(text());
      case Wanted::device: return constant(device());
      case Wanted::other: break;
    }
    throw Fault(GP_ARGUMENT, "argument '" + parameter_.name + "' has a type that a script cannot give; leave it out");
  }

 private:
  static Argument constant(c10::IValue value) { return {Argument::Source::constant, std::move(value), {}}; }

  [[noreturn]] void mismatch() const {
    static constexpr const char* wanted[] = {"a tensor",
                                             "a list of tensors",
                                             "a list of tensors",
                                             "a number",
                                             "a list of numbers",
                                             "an integer",
                                             "a list of integers",
                                             "a real number",
                                             "a list of real numbers",
                                             "a bool",
                                             "a list of bools",
                                             "a string",
                                             "a device's name",
                                             "something else"};
    throw Fault(GP_ARGUMENT,
                "argument '" + parameter_.name + "' must be " + wanted[static_cast<std::size_t>(parameter_.wanted)]);
  }

  c10::IValue default_value() const {
    if (parameter_.has_default) return parameter_.default_value;
    if (parameter_.optional) return {};
    throw Fault(GP_ARGUMENT, "argument '" + parameter_.name + "' is missing and has no default");
  }

  Argument one_tensor() const {
    if (argument_.kind != GP_ARG_VALUE) mismatch();
    return {Argument::Source::tensor, {}, {static_cast<std::uint32_t>(argument_.u.index)}};
  }

  Argument many_tensors(Argument::Source source) const {
    if (argument_.kind == GP_ARG_VALUE) return {source, {}, {static_cast<std::uint32_t>(argument_.u.index)}};
    if (argument_.kind != GP_ARG_VALUES && !empty_list()) mismatch();
    const std::uint32_t* first = argument_.count == 0 ? nullptr : program_.ids + argument_.u.index;
    return {source, {}, {first, first + argument_.count}};
  }

  // An empty list looks the same whatever its elements would be.
  bool empty_list() const {
    const bool is_list = argument_.kind == GP_ARG_VALUES || argument_.kind == GP_ARG_INTS ||
                         argument_.kind == GP_ARG_REALS || argument_.kind == GP_ARG_BOOLS;
    return is_list && argument_.count == 0;
  }

  c10::IValue scalar() const {
    switch (argument_.kind) {
      case GP_ARG_INT: return argument_.u.integer;
      case GP_ARG_REAL: return argument_.u.real;
      case GP_ARG_BOOL: return argument_.u.integer != 0;
      default: mismatch();
    }
  }

  std::int64_t integer() const {
    if (argument_.kind == GP_ARG_INT) return argument_.u.integer;
    if (argument_.kind == GP_ARG_DTYPE) {
      return static_cast<std::int64_t>(scalar_type_of(static_cast<std::uint64_t>(argument_.u.integer)));
    }
    mismatch();
  }

  double real() const {
    if (argument_.kind == GP_ARG_REAL) return argument_.u.real;
    if (argument_.kind == GP_ARG_INT) return static_cast<double>(argument_.u.integer);
    mismatch();
  }

  bool boolean() const {
    if (argument_.kind == GP_ARG_BOOL) return argument_.u.integer != 0;
    mismatch();
  }

  std::string text() const {
    if (argument_.kind != GP_ARG_STRING) mismatch();
    return {program_.text + argument_.u.index, argument_.count};
  }

  c10::Device device() const {
    const std::string name = text();
    try {
      const c10::Device device(name);
      if (device.is_cuda()) Cuda::instance().use();
      return device;
    } catch (const c10::Error&) {
      throw Fault(GP_ARGUMENT, "argument '" + parameter_.name + "': there is no device '" + name + "'");
    }
  }

  template <class T>
  T element(std::size_t index) const {
    const std::size_t at = static_cast<std::size_t>(argument_.u.index) + index;
    if constexpr (std::is_same_v<T, double>) {
      if (argument_.kind == GP_ARG_REALS) return program_.reals[at];
      if (argument_.kind == GP_ARG_INTS) return static_cast<double>(program_.ints[at]);
    } else if constexpr (std::is_same_v<T, bool>) {
      if (argument_.kind == GP_ARG_BOOLS) return program_.ints[at] != 0;
    } else {
      if (argument_.kind == GP_ARG_INTS) return program_.ints[at];
    }
    mismatch();
  }

  template <class T>
  T single() const {
    if constexpr (std::is_same_v<T, double>) {
      return real();
    } else if constexpr (std::is_same_v<T, bool>) {
      return boolean();
    } else {
      return integer();
    }
  }

  bool is_single() const {
    return argument_.kind == GP_ARG_INT || argument_.kind == GP_ARG_REAL || argument_.kind == GP_ARG_BOOL;
  }

  template <class T>
  c10::IValue list() const {
    c10::List<T> values;
    if (is_single()) {
      const std::size_t count = std::max<std::size_t>(parameter_.list_size, 1);
      for (std::size_t i = 0; i < count; ++i) values.push_back(single<T>());
    } else if (!empty_list()) {
      if (argument_.count == 0) mismatch();
      for (std::size_t i = 0; i < argument_.count; ++i) values.push_back(element<T>(i));
    }
    return values;
  }

  c10::IValue scalars() const {
    c10::impl::GenericList values(c10::NumberType::get());
    for (std::size_t i = 0; i < argument_.count; ++i) {
      const std::size_t at = static_cast<std::size_t>(argument_.u.index) + i;
      switch (argument_.kind) {
        case GP_ARG_INTS: values.push_back(program_.ints[at]); break;
        case GP_ARG_REALS: values.push_back(program_.reals[at]); break;
        case GP_ARG_BOOLS: values.push_back(program_.ints[at] != 0); break;
        default: mismatch();
      }
    }
    if (argument_.count == 0 && !empty_list()) mismatch();
    return values;
  }

  const gp_program& program_;
  const Parameter& parameter_;
  const gp_arg& argument_;
};

}  // namespace gradproof::libtorch
