// Plans of writes into a tensor: which element of the source goes to which element of self. Nothing here depends on
// the scalar but for the last programs.
#pragma once

#include <algorithm>
#include <numeric>

#include "engine/composite.h"
#include "engine/operators/placement.h"
#include "engine/undecided.h"

namespace gradproof {

// The elements of an index tensor. GP_DTYPE for another kind.
template <class T>
Table index_values(Tape<T>& tape, const Var<T>& index) {
  if (index.value().kind != Kind::integer) throw EngineError(GP_DTYPE, "the index must be an i64 tensor");
  const Tensor<T> flat = tape.contiguous(index.value());
  Table values(flat.integers(), flat.integers() + flat.numel);
  if (std::find(values.begin(), values.end(), undecided) != values.end()) {
    throw EngineError(GP_UNSUPPORTED, "an index that ties leave open");
  }
  return values;
}

// The elements of a mask. GP_UNSUPPORTED where balls leave one open.
template <class T>
std::vector<bool> mask_values(Tape<T>& tape, const Var<T>& mask) {
  if (mask.value().kind != Kind::boolean) throw EngineError(GP_DTYPE, "the mask must be a bool tensor");
  const Tensor<T> flat = tape.contiguous(mask.value());
  std::vector<bool> values;
  for (Index i = 0; i < flat.numel; ++i) {
    const Truth truth = flat.booleans()[i];
    if (truth != Truth::yes && truth != Truth::no) {
      throw EngineError(GP_UNSUPPORTED, "a mask that the values leave open");
    }
    values.push_back(truth == Truth::yes);
  }
  return values;
}

inline Index checked_index(Index index, Index size, bool from_end) {
  if (index >= size || index < (from_end ? -size : 0)) {
    throw EngineError(GP_INDEX,
                      "index " + std::to_string(index) + " is out of bounds for size " + std::to_string(size));
  }
  return index < 0 ? index + size : index;
}

// --- plans ---

// For each element of a source of shape `sizes`, but index's length along the dim: where index[k] puts it.
inline Table along_dim(Sizes sizes, std::size_t dim, const Table& index, bool from_end = false) {
  const Around around(sizes, static_cast<int>(dim));
  Table to;
  to.reserve(index.size() * static_cast<std::size_t>(around.outer * around.inner));
  for (const Index k : index) checked_index(k, around.length, from_end);
  for (Index o = 0; o < around.outer; ++o) {
    for (const Index k : index) {
      const Index at = (o * around.length + checked_index(k, around.length, from_end)) * around.inner;
      for (Index i = 0; i < around.inner; ++i) to.push_back(at + i);
    }
  }
  return to;
}

// A 0-d tensor as one of a single element.
inline Shape at_least_1d(Sizes sizes) { return sizes.empty() ? filled_shape(1, 1) : Shape(sizes); }

// For each element of an index of shape `index_sizes`: its position in a tensor of shape `sizes`, with the index along
// the dim instead of its own place.
inline Table through_index(Sizes own, std::size_t dim, Sizes index_sizes, const Table& index) {
  const Shape sizes = at_least_1d(own);
  const Shape shape = at_least_1d(index_sizes);
  if (index.empty()) return {};
  bool fits = sizes.ndim == shape.ndim;
  for (std::size_t d = 0; fits && d < sizes.ndim; ++d) fits = d == dim || shape[d] <= sizes[d];
  if (!fits) {
    throw EngineError(GP_SHAPE, "an index of shape " + to_text(index_sizes) + " for a tensor of shape " + to_text(own) +
                                    " along dim " + std::to_string(dim));
  }
  std::size_t k = 0;
  return by_index(shape,
                  [&](Shape at) {
                    at[dim] = checked_index(index[k++], sizes[dim], false);
                    return position_of(at, sizes);
                  })
      .from;
}

// The corner of a tensor of shape `own` that has the shape `corner`.
inline Table corner_of(Sizes own, Sizes corner) {
  const Shape sizes = at_least_1d(own);
  const Shape shape = at_least_1d(corner);
  bool fits = sizes.ndim == shape.ndim;
  for (std::size_t d = 0; fits && d < sizes.ndim; ++d) fits = shape[d] <= sizes[d];
  if (!fits && count_elements(shape) > 0) {
    throw EngineError(GP_SHAPE, "an index of shape " + to_text(corner) + " for a source of shape " + to_text(own));
  }
  return by_index(shape, [&](const Shape& at) { return position_of(at, sizes); }).from;
}

inline Table every_element(Index count, Index first = 0) {
  Table table(static_cast<std::size_t>(count));
  std::iota(table.begin(), table.end(), first);
  return table;
}

// Elements of self and, after them, of the source, as they lie after the write: which of two writes to one element
// comes last is nobody's promise, so that is refused.
inline Table overwritten(Index self_count, const Table& to) {
  Table table = every_element(self_count);
  for (std::size_t k = 0; k < to.size(); ++k) {
    Index& from = table[static_cast<std::size_t>(to[k])];
    if (from >= self_count) throw EngineError(GP_UNSUPPORTED, "two writes to one element: the last one is not defined");
    from = self_count + static_cast<Index>(k);
  }
  return table;
}

// The same, where every write brings one and the same number.
inline Table filled_at(Index self_count, const Table& to) {
  Table table = every_element(self_count);
  for (const Index at : to) table[static_cast<std::size_t>(at)] = self_count;
  return table;
}

// Where self's elements, and the source's after them, are added to.
inline Table added_at(Index self_count, const Table& to) {
  Table table = every_element(self_count);
  table.insert(table.end(), to.begin(), to.end());
  return table;
}

// --- programs ---

// The dim that the first argument names.
template <class C>
std::size_t dim_of(const C& call) {
  return static_cast<std::size_t>(wrap_dim(call.integer(0), call[0].ndim()));
}

template <class T>
Var<T> flat(const Var<T>& x) {
  return reshape_to(x, std::array<Index, 1>{x.numel()});
}

// The elements of all tensors, one after the other.
struct Joined : LinearListRules {
  static constexpr const char* schema = "_joined(Tensor[] tensors) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    Index count = 0;
    for (std::size_t i = 0; i < node.input_count; ++i) count += real_input(node, i).numel;
    const Tensor<T> out = tape.allocate(Kind::real, std::array{count});
    T* to = out.real();
    for (std::size_t i = 0; i < node.input_count; ++i)
      to = std::copy_n(tape.contiguous(node.in(i)).real(), node.in(i).numel, to);
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    Index start = 0;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      const Tensor<T>& x = node.in(i);
      if (wants[i]) into[i] = picked(grads[0], every_element(x.numel, start), x.sizes());
      start += x.numel;
    }
  }
};

template <class T>
Var<T> joined(const Var<T>& a, const Var<T>& b) {
  return call_rule<Joined>(a.tape(), {a, b}, {});
}
template <class T>
Var<T> write_over(const Var<T>& self, const Var<T>& source, const Table& to) {
  return picked(joined(self, source), overwritten(self.numel(), to), self.sizes());
}
template <class T>
Var<T> fill_at(const Var<T>& self, const Var<T>& value, const Table& to) {
  if (value.ndim() != 0) throw EngineError(GP_ARGUMENT, "the value to fill with must be a 0-d tensor");
  return picked(joined(self, value), filled_at(self.numel(), to), self.sizes());
}
template <class T>
Var<T> add_at(const Var<T>& self, const Var<T>& source, const Table& to) {
  return placed(joined(self, source), added_at(self.numel(), to), self.sizes());
}

// A copy of self with the source, tensor 1, written to a view of it: view(positions) of a tensor that holds its own.
template <class T, class View>
Var<T> written_through(const CompositeCall<T>& call, View&& view) {
  const Var<T> self = call[0];
  const Tensor<T> positions = call.tape.allocate(Kind::integer, self.sizes());
  std::iota(positions.integers(), positions.integers() + positions.numel, Index{0});
  const Var<T> part = view(call.tape.constant(positions));
  if (!same_sizes(part.sizes(), call[1].sizes())) {
    throw EngineError(
        GP_SHAPE, "a source of shape " + to_text(call[1].sizes()) + " for a part of shape " + to_text(part.sizes()));
  }
  return write_over(self, call[1], index_values(call.tape, part));
}

// --- drawing ---

// Different numbers below `size`.
inline std::vector<Index> draw_different(Draw& draw, Index count, Index size) {
  std::vector<Index> all = every_element(size);
  for (std::size_t i = all.size(); i > 1; --i) {
    std::swap(all[i - 1], all[static_cast<std::size_t>(draw.integer(0, static_cast<Index>(i) - 1))]);
  }
  all.resize(static_cast<std::size_t>(count));
  return all;
}

// An index as long as `sizes` say, without a number twice in any of its lanes along the dim.
inline std::vector<Index> draw_different_along(Draw& draw, Sizes sizes, std::size_t dim, Index length) {
  const Shape shape = at_least_1d(sizes);
  std::vector<Index> values(static_cast<std::size_t>(count_elements(shape)));
  const Around around(shape, static_cast<int>(dim));
  around.for_each([&](Index first) {
    const std::vector<Index> lane = draw_different(draw, around.length, length);
    for (Index k = 0; k < around.length; ++k) {
      values[static_cast<std::size_t>(first + k * around.inner)] = lane[static_cast<std::size_t>(k)];
    }
  });
  return values;
}

// The shape of self and one of its dims, drawn and named; a 0-d tensor has the dim 0.
struct DrawnDim {
  std::vector<Index> shape;
  std::size_t dim = 0;

  DrawnDim(Draw& draw, Index least_dims) : shape(draw.nonempty_shape(least_dims, 3)) {
    dim = static_cast<std::size_t>(draw.integer(0, std::max<Index>(std::ssize(shape), 1) - 1));
    draw.tensor("self", shape);
    draw.set_int("dim", draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape)));
  }
  Index length() const { return shape.empty() ? 1 : shape[dim]; }
  // The shape with another length along the dim.
  std::vector<Index> with_length(Index length) const {
    std::vector<Index> other = shape;
    if (!other.empty()) other[dim] = length;
    return other;
  }
};

}  // namespace gradproof
