// Operators called by their schemas, through the dispatcher. Included by module.cpp alone.
#pragma once

#include <ATen/ScalarOps.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/enum_tag.h>
#include <ATen/core/stack.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapters/libtorch/arguments.h"

namespace gradproof::libtorch {

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  bool draws_random_numbers = false;
};

// Every operator asked for so far, by name and overload. One for the module's life.
class OperatorTable {
 public:
  // nullptr where the dispatcher does not know it. A name without "::" is one of ATen's.
  const Operator* find(const char* name, const char* overload) {
    key_.assign(name).append(1, '.').append(overload);
    const auto known = operators_.find(key_);
    if (known != operators_.end()) return known->second.get();
    return operators_.emplace(key_, resolve(name, overload)).first->second.get();
  }

 private:
  static std::unique_ptr<Operator> resolve(const std::string& name, const char* overload) {
    const std::string full = name.find("::") == std::string::npos ? "aten::" + name : name;
    const auto handle = c10::Dispatcher::singleton().findSchema({full, overload});
    if (!handle) return nullptr;
    auto found = std::make_unique<Operator>(Operator{*handle, {}, handle->hasTag(at::Tag::nondeterministic_seeded)});
    for (const c10::Argument& argument : handle->schema().arguments()) {
      found->parameters.push_back(parameter_of(argument));
    }
    return found;
  }

  std::unordered_map<std::string, std::unique_ptr<Operator>> operators_;
  std::string key_;
};

struct Call {
  const Operator* target = nullptr;
  std::vector<Argument> arguments;
};

// Throws Fault: GP_UNKNOWN_OPERATOR, GP_ARGUMENT.
inline Call make_call(OperatorTable& table, const gp_program& program, const gp_step& step) {
  const gp_op& op = program.ops[step.op];
  const char* name = program.text + op.name;
  const char* overload = program.text + op.overload;
  Call call;
  call.target = table.find(name, overload);
  if (call.target == nullptr) {
    const std::string full = *overload == '\0' ? name : std::string(name) + "." + overload;
    throw Fault(GP_UNKNOWN_OPERATOR, "operator '" + full + "' is not known to this LibTorch");
  }
  const auto& parameters = call.target->parameters;
  // Another version's schema may end earlier; what is left out is no argument of this one either.
  for (std::size_t i = parameters.size(); i < step.arg_count; ++i) {
    if (program.args[step.first_arg + i].kind == GP_ARG_DEFAULT) continue;
    throw Fault(GP_UNSUPPORTED, "operator '" + std::string(name) + "' of this LibTorch takes " +
                                    std::to_string(parameters.size()) + " arguments, not " +
                                    std::to_string(step.arg_count));
  }
  call.arguments.reserve(parameters.size());
  constexpr gp_arg left_out{GP_ARG_DEFAULT, 0, {0}};
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const gp_arg& argument = i < step.arg_count ? program.args[step.first_arg + i] : left_out;
    call.arguments.push_back(ArgumentReader(program, parameters[i], argument).read());
  }
  return call;
}

inline const at::Tensor& defined(const at::Tensor& tensor) {
  if (!tensor.defined()) throw Fault(GP_UNDEFINED, "an undefined tensor is used");
  return tensor;
}

inline c10::IValue tensor_list(const Argument& argument, const std::vector<at::Tensor>& values) {
  c10::List<at::Tensor> list;
  list.reserve(argument.ids.size());
  for (const std::uint32_t id : argument.ids) {
    if (id == GP_NO_VALUE) throw Fault(GP_UNDEFINED, "a list of tensors holds none");
    list.push_back(defined(values[id]));
  }
  return list;
}

inline c10::IValue optional_tensor_list(const Argument& argument, const std::vector<at::Tensor>& values) {
  c10::impl::GenericList list(c10::OptionalType::create(c10::TensorType::get()));
  list.reserve(argument.ids.size());
  for (const std::uint32_t id : argument.ids) {
    const bool none = id == GP_NO_VALUE || !values[id].defined();
    list.push_back(none ? c10::IValue() : c10::IValue(values[id]));
  }
  return list;
}

// Leaves the results on the stack.
inline void perform(const Call& call, const std::vector<at::Tensor>& values, torch::jit::Stack& stack) {
  stack.clear();
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    const Argument& argument = call.arguments[i];
    switch (argument.source) {
      case Argument::Source::constant: stack.push_back(argument.constant); break;
      case Argument::Source::tensors: stack.push_back(tensor_list(argument, values)); break;
      case Argument::Source::optional_tensors: stack.push_back(optional_tensor_list(argument, values)); break;
      case Argument::Source::tensor: {
        const at::Tensor& tensor = values[argument.ids.front()];
        if (tensor.defined()) {
          stack.emplace_back(tensor);
        } else {
          if (!call.target->parameters[i].optional) defined(tensor);
          stack.emplace_back();
        }
        break;
      }
    }
  }
  call.target->handle.callBoxed(stack);
}

// Appends the tensors a result holds; numbers become tensors of no dimension.
inline void flatten_result(const c10::IValue& result, std::vector<at::Tensor>& out) {
  if (result.isTensor()) {
    out.push_back(result.toTensor());
  } else if (result.isTensorList()) {
    for (const auto& tensor : result.toTensorVector()) out.push_back(tensor);
  } else if (result.isScalar()) {
    out.push_back(c10::scalar_to_tensor(result.toScalar()));
  } else if (result.isNone()) {
    out.emplace_back();
  } else {
    throw Fault(GP_UNSUPPORTED, "a result of type " + result.tagKind() + " cannot be told");
  }
}

}  // namespace gradproof::libtorch
