// What the rules of structural operators share: arguments, operators made for rules alone, rules that are the same.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "engine/operators/dims.h"
#include "engine/sampling.h"
#include "engine/structural.h"

namespace gradproof {

// --- arguments ---

template <class T>
void need_no_dtype(const Arg<T>& arg) {
  if (!arg.is_none()) throw EngineError(GP_UNSUPPORTED, "a dtype argument other than None");
}
template <class T>
bool flag(const Node<T>& node, std::size_t arg) {
  return node.args[arg].integer != 0;
}
// A list; a single number stands for a list of one.
template <class T>
Sizes list(const Arg<T>& arg) {
  if (arg.kind == Arg<T>::Kind::integer) return {&arg.integer, 1};
  return arg.integers;
}
template <class T>
std::span<const Arg<T>> arguments(const Node<T>& node) {
  return {node.args, node.arg_count};
}

template <class T>
Arg<T> integer_arg(Index value) {
  Arg<T> arg;
  arg.kind = Arg<T>::Kind::integer;
  arg.integer = value;
  arg.number = static_cast<double>(value);
  return arg;
}
template <class T>
Arg<T> flag_arg(bool value) {
  Arg<T> arg;
  arg.kind = Arg<T>::Kind::boolean;
  arg.integer = value ? 1 : 0;
  return arg;
}
template <class T>
Arg<T> list_arg(Tape<T>& tape, Sizes values) {
  Arg<T> arg;
  arg.kind = Arg<T>::Kind::integers;
  arg.integers = {copy_sizes(tape.arena(), values), values.size()};
  return arg;
}
template <class T>
std::span<const Arg<T>> kept_args(Tape<T>& tape, std::initializer_list<Arg<T>> args) {
  Arg<T>* kept = tape.arena().template array<Arg<T>>(args.size());
  std::copy(args.begin(), args.end(), kept);
  return {kept, args.size()};
}

// No list, and an empty one, mean all dims.
template <class T>
DimSet dims_or_all(const Arg<T>& arg, int ndim) {
  const DimSet set = arg.is_none() ? 0 : dim_set(list(arg), ndim);
  return set != 0 ? set : all_dims(ndim);
}

// --- tensors ---

// A tensor of its own, row-major.
template <class T>
Tensor<T> copied(Tape<T>& tape, Tensor<T> tensor) {
  tensor.contiguous = false;  // so that it is not handed back as it is
  return tape.contiguous(tensor);
}

// A number that nothing is known of.
template <class T>
T no_answer(Unbounded reason) {
  if constexpr (requires { T::anything(reason); }) {
    return T::anything(reason);
  } else {
    return Scalar<T>::leaf(std::numeric_limits<double>::quiet_NaN());
  }
}

// n, which an engine may round to its dtype.
template <class T>
T count_as_number(Index n) {
  return Scalar<T>::argument(static_cast<double>(n));
}

// The unit roundoff of the dtype under test as a number; 0 where nothing is rounded.
template <class T>
T unit_roundoff() {
  return Scalar<T>::leaf(format_of<typename Scalar<T>::Dtype>().u);
}

// x, possibly off by up to the size of `by`: a bound, which no engine computes, so that where it leaves the range it
// says nothing.
template <class T>
T widened(const T& x, const T& by) {
  if constexpr (HasHull<T>) {
    if (by.is_nan() || by.is_special()) return no_answer<T>(Unbounded::overflow);
    return x + hull(-by, by);
  } else {
    return x;
  }
}

// --- operators made for rules alone: no record, no name in a script ---

template <class T, class Op>
const OperatorImpl<T>& rule_operator() {
  static const Record record{.schema = Op::schema, .note = "within rules"};
  static const OperatorImpl<T> impl = structural_impl<Op, T>(record);
  return impl;
}
template <class Op, class T>
Var<T> call_rule(Tape<T>& tape, std::initializer_list<Var<T>> inputs, std::initializer_list<Arg<T>> args) {
  return tape.call(rule_operator<T, Op>(), std::span<const Var<T>>(inputs.begin(), inputs.size()),
                   kept_args(tape, args));
}
// The node's own operator on other inputs: the tangent of a linear operator.
template <class T>
Var<T> again(Tape<T>& tape, const Node<T>& node, std::initializer_list<Var<T>> inputs) {
  return tape.call(*node.op, std::span<const Var<T>>(inputs.begin(), inputs.size()), arguments(node));
}
// A record's operator, by its id.
template <class T>
Var<T> named(std::string_view op, std::initializer_list<Var<T>> inputs, std::initializer_list<Arg<T>> args) {
  Tape<T>& tape = inputs.begin()->tape();
  return tape.call(tape.catalogue().named(op), std::span<const Var<T>>(inputs.begin(), inputs.size()),
                   kept_args(tape, args));
}

// --- rules ---

// Of one of them where the other is none.
template <class T>
Var<T> sum_of_some(const Var<T>& a, const Var<T>& b) {
  return a && b ? a + b : a ? a : b;
}
// Of at least one.
template <class T>
Var<T> sum_of_all(const std::vector<Var<T>>& terms) {
  return terms.size() == 1 ? terms[0] : terms[0].tape().call(Basic::add_n, std::span<const Var<T>>(terms));
}
// With its last two dims swapped.
template <class T>
Var<T> matrix_transposed(const Var<T>& x) {
  Shape order = in_order(x.sizes().size());
  std::swap(order[order.ndim - 1], order[order.ndim - 2]);
  return permuted(x, order);
}

// A reduction's result, or its gradient, seen through the shape of what was reduced.
template <class T>
Var<T> spread(const Var<T>& reduced, Sizes sizes, DimSet dims) {
  return expand_to(reshape_to(reduced, reduced_sizes(sizes, dims, true)), sizes);
}

// Both are admitted. Values only: for where nothing is recorded.
template <class T>
Var<T> hull_of(Tape<T>& tape, const Var<T>& a, const Var<T>& b) {
  if constexpr (HasHull<T>) {
    const Tensor<T> left = tape.contiguous(a.value());
    const Tensor<T> right = tape.contiguous(b.value());
    const Tensor<T> both = tape.allocate(Kind::real, a.sizes());
    for (Index i = 0; i < both.numel; ++i) both.real()[i] = hull(left.real()[i], right.real()[i]);
    return tape.constant(both);
  } else {
    return a;
  }
}

// One of two formulas that engines compute the same by: the first, their hull, or the one a driver chose.
template <class T, class First, class Second>
Var<T> either(Tape<T>& tape, const Node<T>& node, bool plain, First first, Second second) {
  if (!tape.admitted || !HasHull<T>) return first();
  if (plain) return hull_of(tape, first(), second());
  return tape.choose(tape.key_of(node) | 0xfffffff0U, 2) == 0 ? first() : second();
}

template <class T>
Var<T> zeros(Tape<T>& tape, Sizes sizes) {
  return tape.filled(sizes, Scalar<T>::leaf(0));
}

// --- what operators of a kind have in common beside their values and gradients ---

// Linear in one tensor.
struct LinearRules {
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = again(tape, node, {tangents[0]});
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};
// Linear in a list of tensors, all together.
struct LinearListRules {
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    std::vector<Var<T>> all;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      all.push_back(tangents[i] ? tangents[i] : zeros(tape, node.in(i).sizes()));
    }
    into[0] = tape.call(*node.op, std::span<const Var<T>>(all), arguments(node));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};
// Linear in each of two tensors.
struct BilinearRules {
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    if (tangents[0]) into[0] = again(tape, node, {tangents[0], input(tape, node, 1)});
    if (tangents[1]) into[0] = sum_of_some(into[0], again(tape, node, {input(tape, node, 0), tangents[1]}));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return (wants[0] ? saved_input(1) : 0) | (wants[1] ? saved_input(0) : 0);
  }
};
// A copy of the first tensor: no other has a slope.
struct CopyRules {
  template <class T>
  static void vjp(Tape<T>&, const Node<T>&, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = grads[0];
  }
  template <class T>
  static void jvp(Tape<T>&, const Node<T>&, const Var<T>* tangents, Var<T>* into) {
    into[0] = tangents[0];
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

}  // namespace gradproof
