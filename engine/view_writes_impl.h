// Definitions of engine/view_writes.h; included by tape.cpp alone.
#pragma once

#include <algorithm>
#include <unordered_map>

#include "engine/structural.h"
#include "engine/view_writes.h"

namespace gradproof {

namespace detail {

// The numbers, in the base's row-major order, of the elements that a view of it sees.
template <class T>
Sizes elements_in(Tape<T>& tape, const Tensor<T>& base, const Tensor<T>& view) {
  Index* found = tape.arena().template array<Index>(static_cast<std::size_t>(view.numel));
  const Index shift = view.real() - base.real();
  Index next = 0;
  if (base.contiguous) {
    for_each_offset<1>(view.sizes(), {view.strides_begin}, [&](const auto& at) { found[next++] = shift + at[0]; });
    return {found, static_cast<std::size_t>(view.numel)};
  }
  std::unordered_map<Index, Index> number;
  for_each_offset<1>(base.sizes(), {base.strides_begin}, [&](const auto& at) { number.emplace(at[0], next++); });
  next = 0;
  for_each_offset<1>(view.sizes(), {view.strides_begin},
                     [&](const auto& at) { found[next++] = number.at(shift + at[0]); });
  return {found, static_cast<std::size_t>(view.numel)};
}

template <class T>
const OperatorImpl<T>& view_reader();
template <class T>
const OperatorImpl<T>& view_writer();
template <class T>
const OperatorImpl<T>& view_summer();

template <class T>
std::span<const Arg<T>> places(Tape<T>& tape, Sizes elements, Sizes sizes) {
  Arg<T>* args = tape.arena().template array<Arg<T>>(2);
  args[0].kind = Arg<T>::Kind::integers;
  args[0].integers = elements;
  args[1].kind = Arg<T>::Kind::integers;
  args[1].integers = {copy_sizes(tape.arena(), sizes), sizes.size()};
  return {args, 2};
}

template <class T>
Tensor<T> copy_of(Tape<T>& tape, const Tensor<T>& x) {
  const Tensor<T> from = tape.contiguous(x);
  Tensor<T> copy = tape.allocate(Kind::real, from.sizes());
  std::copy_n(from.real(), from.numel, copy.real());
  return copy;
}

template <class T>
Var<T> read_at(const Var<T>& from, const Node<T>& node, Sizes sizes) {
  Tape<T>& tape = from.tape();
  return tape.call(view_reader<T>(), {&from, 1}, places(tape, node.args[0].integers, sizes));
}
template <class T>
Var<T> written_at(const Var<T>& into, const Var<T>& by, const Node<T>& node) {
  Tape<T>& tape = into.tape();
  const std::array<Var<T>, 2> inputs{into, by};
  return tape.call(view_writer<T>(), inputs, places(tape, node.args[0].integers, into.sizes()));
}
template <class T>
Var<T> summed_at(const Var<T>& parts, const Node<T>& node, Sizes sizes) {
  Tape<T>& tape = parts.tape();
  return tape.call(view_summer<T>(), {&parts, 1}, places(tape, node.args[0].integers, sizes));
}
template <class T>
Var<T> zeros(Tape<T>& tape, Sizes sizes) {
  return tape.filled(sizes, Scalar<T>::leaf(0));
}

// out[i] = base[elements[i]], of the shape args[1]
struct ReadView {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> base = tape.contiguous(real_input(node, 0));
    Tensor<T> out = tape.allocate(Kind::real, node.args[1].integers);
    for (Index i = 0; i < out.numel; ++i) {
      out.real()[i] = base.real()[node.args[0].integers[static_cast<std::size_t>(i)]];
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = summed_at(grads[0], node, node.in(0).sizes());
  }
  template <class T>
  static void jvp(Tape<T>&, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = read_at(tangents[0], node, node.out().sizes());
  }
};

// out = base, out[elements[i]] = by[i]
struct WriteView {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    Tensor<T> out = copy_of(tape, real_input(node, 0));
    const Tensor<T> by = tape.contiguous(real_input(node, 1));
    for (Index i = 0; i < by.numel; ++i) {
      out.real()[node.args[0].integers[static_cast<std::size_t>(i)]] = by.real()[i];
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    if (wants[0]) into[0] = written_at(grads[0], zeros(tape, node.in(1).sizes()), node);
    if (wants[1]) into[1] = read_at(grads[0], node, node.in(1).sizes());
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> base = tangents[0] ? tangents[0] : zeros(tape, node.in(0).sizes());
    const Var<T> by = tangents[1] ? tangents[1] : zeros(tape, node.in(1).sizes());
    into[0] = written_at(base, by, node);
  }
};

// out[elements[i]] += parts[i], from zeros of the shape args[1]
struct SumView {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> parts = tape.contiguous(real_input(node, 0));
    Tensor<T> out = tape.allocate(Kind::real, node.args[1].integers);
    std::fill_n(out.real(), out.numel, Scalar<T>::leaf(0));
    std::vector<bool> met(static_cast<std::size_t>(out.numel), false);
    for (Index i = 0; i < parts.numel; ++i) {
      const auto at = static_cast<std::size_t>(node.args[0].integers[static_cast<std::size_t>(i)]);
      T& sum = out.real()[at];
      sum = met[at] ? Scalar<T>::materialize(sum + parts.real()[i]) : parts.real()[i];
      met[at] = true;
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = read_at(grads[0], node, node.in(0).sizes());
  }
  template <class T>
  static void jvp(Tape<T>&, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = summed_at(tangents[0], node, node.out().sizes());
  }
};

template <class Op, class T>
const OperatorImpl<T>& view_operator() {
  static const OperatorImpl<T> impl = [] {
    OperatorImpl<T> made;
    made.forward = &Op::template forward<T>;
    made.vjp = &Op::template vjp<T>;
    made.jvp = &Op::template jvp<T>;
    made.saves = [](const Node<T>&, const bool*) -> std::uint64_t { return saves_nothing; };
    return made;
  }();
  return impl;
}
template <class T>
const OperatorImpl<T>& view_reader() {
  return view_operator<ReadView, T>();
}
template <class T>
const OperatorImpl<T>& view_writer() {
  return view_operator<WriteView, T>();
}
template <class T>
const OperatorImpl<T>& view_summer() {
  return view_operator<SumView, T>();
}

}  // namespace detail

template <class T>
void refresh_view(Tape<T>& tape, VarImpl<T>& var) {
  VarImpl<T>* base = var.base;
  if (base == nullptr || base->producer == nullptr) return;
  if (var.producer != nullptr && var.producer->position > base->producer->position) return;
  const bool enabled = tape.grad_enabled;
  tape.grad_enabled = true;
  const Sizes elements = detail::elements_in(tape, base->value, var.value);
  const Node<T>& node =
      tape.run(detail::view_reader<T>(), {&base, 1}, detail::places(tape, elements, var.value.sizes()));
  tape.grad_enabled = enabled;
  var.producer = node.outputs[0]->producer;
  var.output = 0;
  var.requires_grad = true;
  var.tangents = node.outputs[0]->tangents;
}

template <class T>
void write_through_view(Tape<T>& tape, VarImpl<T>& self, VarImpl<T>& result) {
  VarImpl<T>& base = *self.base;
  // The base as it was in the graph; its memory holds what was written already.
  VarImpl<T>* before = tape.arena().template make<VarImpl<T>>(base);
  const Sizes elements = detail::elements_in(tape, base.value, self.value);
  const std::array<VarImpl<T>*, 2> inputs{before, &result};
  const Node<T>& node = tape.run(detail::view_writer<T>(), inputs, detail::places(tape, elements, base.value.sizes()));
  base.producer = node.outputs[0]->producer;
  base.output = 0;
  base.requires_grad = true;
  base.tangents = node.outputs[0]->tangents;
  refresh_view(tape, self);
}

}  // namespace gradproof
