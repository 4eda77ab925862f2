// Small helpers for structural operators: those whose rules are programs over tensors.
//
// An operator is a struct with static templates
//   template <class T> static void forward(Tape<T>&, Node<T>&);
//   template <class T> static void vjp(Tape<T>&, const Node<T>&, const Var<T>* grads, const bool* wants, Var<T>* into);
//   template <class T> static void jvp(Tape<T>&, const Node<T>&, const Var<T>* tangents, Var<T>* into);
//   template <class T> static std::uint64_t saves(const Node<T>&, const bool* wants);
// and, where its result shares its input's memory, `static constexpr bool is_view = true;`. forward sets the
// outputs by set_outputs(). vjp and jvp work on Var<T>, so that they can be differentiated again; they are
// written independently of each other. Without vjp the operator is not differentiable.
#pragma once

#include "engine/registry.h"

namespace gradproof {

template <class T>
void set_outputs(Tape<T>& tape, Node<T>& node, std::initializer_list<Tensor<T>> values) {
  node.output_count = static_cast<std::uint32_t>(values.size());
  node.outputs = tape.arena().template array<VarImpl<T>*>(values.size());
  std::size_t i = 0;
  for (const Tensor<T>& value : values) node.outputs[i++] = tape.constant(value).impl();
}

template <class T>
Var<T> input(Tape<T>& tape, const Node<T>& node, std::size_t i) {
  return {&tape, node.inputs[i]};
}
template <class T>
Var<T> output(Tape<T>& tape, const Node<T>& node, std::size_t i = 0) {
  return {&tape, node.outputs[i]};
}

template <class T>
const Tensor<T>& real_input(const Node<T>& node, std::size_t i) {
  if (node.in(i).kind != Kind::real) throw EngineError(GP_DTYPE, "a floating tensor is needed");
  return node.in(i);
}

inline constexpr std::uint64_t saves_nothing = 0;

// --- operators as functions of variables, for rules ---

template <class T>
Var<T> sum_to(const Var<T>& x, Sizes sizes) {
  return same_sizes(x.sizes(), sizes) ? x : x.tape().call(Basic::sum_to, {x}, x.tape().integers(sizes));
}
template <class T>
Var<T> expand_to(const Var<T>& x, Sizes sizes) {
  return same_sizes(x.sizes(), sizes) ? x : x.tape().call(Basic::expand, {x}, x.tape().integers(sizes));
}
template <class T>
Var<T> reshape_to(const Var<T>& x, Sizes sizes) {
  return same_sizes(x.sizes(), sizes) ? x : x.tape().call(Basic::reshape, {x}, x.tape().integers(sizes));
}
template <class T>
Var<T> permuted(const Var<T>& x, Sizes dims) {
  return x.tape().call(Basic::permute, {x}, x.tape().integers(dims));
}
template <class T>
Var<T> matmul_of(const Var<T>& a, const Var<T>& b) {
  return a.tape().call(Basic::matmul, {a, b});
}

}  // namespace gradproof
