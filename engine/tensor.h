// Tensors of the reference engine: strided views on storages that live in an arena.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/scalars/scalar.h"
#include "script/program.h"

namespace gradproof {

using Index = std::int64_t;
using Sizes = std::span<const Index>;

enum class Kind : std::uint8_t { real, integer, boolean };

struct Storage {
  void* data;
  Index elements;
  std::uint32_t id;
  std::uint32_t version;  // in-place writes so far
};

// Booleans are stored as Truth: a mask computed from balls may be open.
template <class T>
struct Tensor {
  Storage* storage = nullptr;
  void* data = nullptr;  // the first element, offset applied
  const Index* sizes_begin = nullptr;
  const Index* strides_begin = nullptr;
  Index numel = 1;
  std::uint8_t ndim = 0;
  Kind kind = Kind::real;
  bool contiguous = true;

  Sizes sizes() const { return {sizes_begin, ndim}; }
  Sizes strides() const { return {strides_begin, ndim}; }
  T* real() const { return static_cast<T*>(data); }
  Index* integers() const { return static_cast<Index*>(data); }
  Truth* booleans() const { return static_cast<Truth*>(data); }
};

inline bool same_sizes(Sizes a, Sizes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

std::string to_text(Sizes sizes);  // "[2, 3]"

// Number of elements; throws GP_SHAPE for a negative size, GP_OUT_OF_MEMORY beyond 2^33 elements.
Index count_elements(Sizes sizes);

// The common shape of two, or GP_SHAPE naming both. `out` has room for GP_MAX_DIMS; the number of dims is returned.
int broadcast_sizes(Sizes a, Sizes b, Index* out);

// A dim counted from the end where negative; GP_INDEX beyond the dims (a 0-d tensor has dims -1 and 0).
int wrap_dim(Index dim, int ndim);

inline void contiguous_strides(Sizes sizes, Index* strides) {
  Index step = 1;
  for (std::size_t d = sizes.size(); d-- > 0;) {
    strides[d] = step;
    step *= sizes[d] > 1 ? sizes[d] : 1;
  }
}

bool is_contiguous(Sizes sizes, Sizes strides);

inline const Index* copy_sizes(Arena& arena, Sizes sizes) {
  if (sizes.empty()) return nullptr;
  Index* copy = arena.array<Index>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), copy);
  return copy;
}

// Calls f(element offsets...) for each position in row-major order: the general walk, for kernels
// that are not worth a faster one. `Strides` are of tensors seen through the same sizes.
template <std::size_t N, class F>
void for_each_offset(Sizes sizes, const std::array<const Index*, N>& strides, F&& f) {
  std::array<Index, N> offset{};
  std::array<Index, GP_MAX_DIMS> position{};
  const int ndim = static_cast<int>(sizes.size());
  for (const Index size : sizes) {
    if (size == 0) return;
  }
  for (;;) {
    f(offset);
    int d = ndim - 1;
    for (; d >= 0; --d) {
      const auto at = static_cast<std::size_t>(d);
      for (std::size_t k = 0; k < N; ++k) offset[k] += strides[k][at];
      if (++position[at] < sizes[at]) break;
      for (std::size_t k = 0; k < N; ++k) offset[k] -= strides[k][at] * sizes[at];
      position[at] = 0;
    }
    if (d < 0) return;
  }
}

}  // namespace gradproof
