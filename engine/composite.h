// Operators that are programs over others:
//   registry.composite({.schema = "trace(Tensor self) -> Tensor", .sample = sample_matrix},
//                      [](const auto& call) { return call("sum", call("diagonal", call[0])); });
// What is recorded are the program's steps. Derivatives, and what is saved for them, are those of the steps: a
// composite operator says nothing of its own about them.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/registry.h"

namespace gradproof {

// One call of a composite operator, as its program sees it.
template <class T>
class CompositeCall {
 public:
  CompositeCall(Tape<T>& tape, const Node<T>& node) : tape(tape), node_(node) {}

  // --- tensors, in the schema's order, those of lists one by one ---
  std::size_t tensors() const { return node_.input_count; }
  bool has(std::size_t tensor) const { return tensor < node_.input_count && node_.inputs[tensor] != nullptr; }
  Var<T> operator[](std::size_t tensor) const { return {&tape, node_.inputs[tensor]}; }  // none where left out

  // --- the other arguments, in the schema's order ---
  const Arg<T>& arg(std::size_t i) const { return node_.args[i]; }
  bool none(std::size_t i) const { return arg(i).is_none(); }
  Index integer(std::size_t i) const { return arg(i).integer; }
  bool flag(std::size_t i) const { return arg(i).integer != 0; }
  std::string_view text(std::size_t i) const { return arg(i).text; }
  // A list; a single number stands for a list of one.
  Sizes list(std::size_t i) const {
    return arg(i).kind == Arg<T>::Kind::integer ? Sizes{&arg(i).integer, 1} : arg(i).integers;
  }
  // As a 0-d tensor.
  Var<T> number(std::size_t i) const { return tape.number(arg(i).real); }

  // --- steps: an operator by the name of its record, "sum.dim_IntList", "gelu[tanh]" ---
  Var<T> operator()(std::string_view op, std::initializer_list<Var<T>> inputs,
                    std::initializer_list<Arg<T>> args = {}) const {
    return {&tape, run(op, {inputs.begin(), inputs.size()}, args).outputs[0]};
  }
  Var<T> operator()(std::string_view op, const Var<T>& input, std::initializer_list<Arg<T>> args = {}) const {
    return (*this)(op, {input}, args);
  }
  Var<T> operator()(std::string_view op, std::span<const Var<T>> inputs, std::initializer_list<Arg<T>> args) const {
    return {&tape, run(op, inputs, args).outputs[0]};
  }
  // All results.
  std::vector<Var<T>> all(std::string_view op, std::initializer_list<Var<T>> inputs,
                          std::initializer_list<Arg<T>> args = {}) const {
    const Node<T>& node = run(op, {inputs.begin(), inputs.size()}, args);
    std::vector<Var<T>> results;
    for (std::size_t i = 0; i < node.output_count; ++i) results.emplace_back(&tape, node.outputs[i]);
    return results;
  }

  // --- arguments of steps ---
  static Arg<T> none() { return {}; }
  static Arg<T> of(Index value) {
    Arg<T> arg;
    arg.kind = Arg<T>::Kind::integer;
    arg.integer = value;
    arg.number = static_cast<double>(value);
    arg.real = Scalar<T>::argument(arg.number);
    return arg;
  }
  static Arg<T> of(bool value) {
    Arg<T> arg;
    arg.kind = Arg<T>::Kind::boolean;
    arg.integer = value ? 1 : 0;
    return arg;
  }
  static Arg<T> of(double value) {
    Arg<T> arg;
    arg.kind = Arg<T>::Kind::real;
    arg.number = value;
    arg.real = Scalar<T>::argument(value);
    return arg;
  }
  Arg<T> of(Sizes values) const {
    Arg<T> arg;
    arg.kind = Arg<T>::Kind::integers;
    arg.integers = {copy_sizes(tape.arena(), values), values.size()};
    return arg;
  }

  Tape<T>& tape;

 private:
  const Node<T>& run(std::string_view op, std::span<const Var<T>> inputs, std::initializer_list<Arg<T>> args) const {
    std::vector<VarImpl<T>*> impls;
    impls.reserve(inputs.size());
    for (const Var<T>& input : inputs) impls.push_back(input.impl());
    Arg<T>* kept = tape.arena().template array<Arg<T>>(args.size());
    std::copy(args.begin(), args.end(), kept);
    return tape.run(tape.catalogue().named(op), impls, {kept, args.size()});
  }

  const Node<T>& node_;
};

namespace detail {

// Results are never the arguments themselves: a handle of its own that shares the memory, as an engine returns it.
template <class T>
VarImpl<T>* result_of(Tape<T>& tape, const Node<T>& node, const Var<T>& var) {
  for (std::size_t i = 0; i < node.input_count; ++i) {
    if (var.impl() == node.inputs[i]) return tape.call(Basic::expand, {var}, tape.integers(var.sizes())).impl();
  }
  return var.impl();
}
template <class T>
std::span<const Var<T>> list_of(const Var<T>& one) {
  return {&one, 1};
}
template <class T, class Many>
std::span<const Var<T>> list_of(const Many& many) {
  return {std::data(many), std::size(many)};
}

template <class T, class Program>
OperatorImpl<T> composite_impl(const Record& record) {
  OperatorImpl<T> impl;
  impl.record = &record;
  impl.composite = true;
  impl.is_view = record.view;
  impl.forward = [](Tape<T>& tape, Node<T>& node) {
    const BetweenSteps between;
    const auto results = Program{}(CompositeCall<T>(tape, node));
    const std::span<const Var<T>> list = list_of<T>(results);
    node.output_count = static_cast<std::uint32_t>(list.size());
    node.outputs = tape.arena().template array<VarImpl<T>*>(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) node.outputs[i] = result_of(tape, node, list[i]);
  };
  return impl;
}

}  // namespace detail

template <class Program>
void Registry::composite(const Record& record, Program) {
  const Entry& entry = enter(record);
#define GRADPROOF_ADD(T) std::get<Catalogue<T>>(catalogues_).add(detail::composite_impl<T, Program>(entry.record));
  GRADPROOF_FOR_EACH_SCALAR(GRADPROOF_ADD)
#undef GRADPROOF_ADD
}

}  // namespace gradproof
