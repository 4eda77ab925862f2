// What the files of structural operators share: arguments, dims, lanes, and operators made for rules alone.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <type_traits>

#include "engine/sampling.h"
#include "engine/structural.h"

namespace gradproof {

// A shape, or as many strides, without memory of its own.
struct Shape {
  std::array<Index, GP_MAX_DIMS> at{};
  std::size_t ndim = 0;

  Shape() = default;
  explicit Shape(Sizes sizes) {
    for (const Index size : sizes) push(size);
  }
  void push(Index size) {
    if (ndim == GP_MAX_DIMS) throw EngineError(GP_UNSUPPORTED, "more than 8 dims");
    at[ndim++] = size;
  }
  Index& operator[](std::size_t d) { return at[d]; }
  Index operator[](std::size_t d) const { return at[d]; }
  Sizes sizes() const { return {at.data(), ndim}; }
  operator Sizes() const { return sizes(); }  // NOLINT(google-explicit-constructor): it is one
};

inline Shape filled_shape(std::size_t ndim, Index value) {
  Shape shape;
  for (std::size_t d = 0; d < ndim; ++d) shape.push(value);
  return shape;
}

// --- arguments ---

template <class T>
void need_no_dtype(const Node<T>& node, std::size_t arg) {
  if (!node.args[arg].is_none()) throw EngineError(GP_UNSUPPORTED, "a dtype argument other than None");
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

// --- sets of dims ---

using DimSet = std::uint32_t;
inline bool has(DimSet dims, std::size_t d) { return (dims >> d & 1U) != 0; }

// Each dim once; GP_INDEX beyond the tensor's dims, GP_ARGUMENT for a repeated one. An empty list is the empty set.
inline DimSet dim_set(Sizes dims, int ndim) {
  DimSet set = 0;
  for (const Index dim : dims) {
    const auto d = static_cast<std::size_t>(wrap_dim(dim, ndim));
    if (has(set, d)) throw EngineError(GP_ARGUMENT, "dim " + std::to_string(d) + " appears more than once in the dims");
    set |= DimSet{1} << d;
  }
  return set;
}
inline DimSet all_dims(int ndim) { return (DimSet{1} << static_cast<unsigned>(ndim == 0 ? 1 : ndim)) - 1; }

// Sizes after a reduction: the reduced dims are 1 or gone.
inline Shape reduced_sizes(Sizes sizes, DimSet dims, bool keepdim) {
  Shape out;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (!has(dims, d)) {
      out.push(sizes[d]);
    } else if (keepdim) {
      out.push(1);
    }
  }
  return out;
}
inline Index count_reduced(Sizes sizes, DimSet dims) {
  Index count = 1;
  for (std::size_t d = 0; d < sizes.size(); ++d) count *= has(dims, d) ? sizes[d] : 1;
  return count;
}

// --- lanes: the elements that one element of a reduction's result comes from ---

template <class T>
struct Lane {
  T* first;
  Index length;
  Index step;
  const Index* offsets;  // of each element, where no single step leads from one to the next

  T& operator[](Index k) const { return first[offsets != nullptr ? offsets[k] : k * step]; }
};

// f(number of the result's element, lane) in the result's order; `x` stays as it is in memory.
template <class T, class F>
void for_each_lane(Arena& arena, const Tensor<T>& x, DimSet dims, F&& f) {
  Shape kept;
  Shape kept_strides;
  Shape inner;
  Shape inner_strides;
  for (std::size_t d = 0; d < x.ndim; ++d) {
    const Index size = x.sizes_begin[d];
    const Index stride = x.strides_begin[d];
    if (!has(dims, d)) {
      kept.push(size);
      kept_strides.push(stride);
    } else if (inner.ndim > 0 && inner_strides[inner.ndim - 1] == stride * size) {
      inner[inner.ndim - 1] *= size;
      inner_strides[inner.ndim - 1] = stride;
    } else if (size != 1) {
      inner.push(size);
      inner_strides.push(stride);
    }
  }
  Lane<T> lane{nullptr, count_elements(inner), inner.ndim == 1 ? inner_strides[0] : 1, nullptr};
  if (inner.ndim > 1) {
    auto* offsets = arena.array<Index>(static_cast<std::size_t>(lane.length));
    Index k = 0;
    for_each_offset<1>(inner, {inner_strides.at.data()}, [&](const auto& at) { offsets[k++] = at[0]; });
    lane.offsets = offsets;
  }
  Index out = 0;
  for_each_offset<1>(kept, {kept_strides.at.data()}, [&](const auto& at) {
    lane.first = x.real() + at[0];
    f(out++, lane);
  });
}

// A contiguous tensor as [outer, length, inner] around one dim; a 0-d tensor as [1, 1, 1].
struct Around {
  Index outer = 1;
  Index length = 1;
  Index inner = 1;

  Around(Sizes sizes, int dim) {
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      const auto at = static_cast<std::size_t>(dim);
      (d < at ? outer : d == at ? length : inner) *= sizes[d];
    }
  }
  // f(offset of the lane's first element); its elements are `inner` apart.
  template <class F>
  void for_each(F&& f) const {
    if (length == 0) return;
    for (Index o = 0; o < outer; ++o) {
      for (Index i = 0; i < inner; ++i) f(o * length * inner + i);
    }
  }
};

// --- tensors ---

// A tensor of its own, row-major.
template <class T>
Tensor<T> copied(Tape<T>& tape, const Tensor<T>& tensor) {
  Tensor<T> copy = tape.allocate(tensor.kind, tensor.sizes());
  const auto fill = [&](auto* to, const auto* from) {
    for_each_offset<1>(tensor.sizes(), {tensor.strides_begin}, [&](const auto& at) { *to++ = from[at[0]]; });
  };
  switch (tensor.kind) {
    case Kind::real: fill(copy.real(), tensor.real()); break;
    case Kind::integer: fill(copy.integers(), tensor.integers()); break;
    case Kind::boolean: fill(copy.booleans(), tensor.booleans()); break;
  }
  return copy;
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

// x, possibly off by up to the size of `by`.
template <class T>
T widened(const T& x, const T& by) {
  if constexpr (HasHull<T>) {
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

// --- rules ---

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

}  // namespace gradproof
