// Shapes, sets of dims, and the lanes of elements along them.
#pragma once

#include <array>
#include <string>

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
// 0, 1, …: every dim in its place.
inline Shape in_order(std::size_t ndim) {
  Shape dims;
  for (std::size_t d = 0; d < ndim; ++d) dims.push(static_cast<Index>(d));
  return dims;
}
inline Shape broadcast(Sizes a, Sizes b) {
  Shape common;
  common.ndim = static_cast<std::size_t>(broadcast_sizes(a, b, common.at.data()));
  return common;
}
// Steps through a tensor that is broadcast to `ndim` dims.
template <class T>
std::array<Index, GP_MAX_DIMS> broadcast_steps(const Tensor<T>& x, std::size_t ndim) {
  std::array<Index, GP_MAX_DIMS> strides{};
  const std::size_t lead = ndim - x.ndim;
  for (std::size_t d = 0; d < x.ndim; ++d) strides[lead + d] = x.sizes_begin[d] == 1 ? 0 : x.strides_begin[d];
  return strides;
}
// All dims but those of the matrices.
inline Sizes leading(Sizes sizes) { return sizes.first(sizes.size() < 2 ? 0 : sizes.size() - 2); }

// f(index) for every place of a tensor of shape `sizes`, row-major.
template <class F>
void for_each_place(const Shape& sizes, F&& f) {
  Shape at = filled_shape(sizes.ndim, 0);
  for (Index left = count_elements(sizes); left > 0; --left) {
    f(at);
    for (std::size_t d = sizes.ndim; d-- > 0;) {
      if (++at[d] < sizes[d]) break;
      at[d] = 0;
    }
  }
}

inline void need_shapes(bool fit, const char* what) {
  if (!fit) throw EngineError(GP_SHAPE, what);
}
[[noreturn]] inline void mismatch(const char* what, Sizes a, Sizes b) {
  throw EngineError(GP_SHAPE, std::string(what) + " of shapes " + to_text(a) + " and " + to_text(b));
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
inline Shape dims_of(DimSet set, int ndim) {
  Shape dims;
  for (int d = 0; d < ndim; ++d) {
    if (has(set, static_cast<std::size_t>(d))) dims.push(d);
  }
  return dims;
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

}  // namespace gradproof
