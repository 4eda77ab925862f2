// How much memory a tensor's shape, strides and offset speak of.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace gradproof {

struct Extent {
  std::uint64_t elements;  // of the view
  std::uint64_t reach;     // of the buffer: 1 + the largest position in it, or the offset where there is no element
};

// All in elements; empty strides: row-major without gaps. Nothing where a number is negative or a result is beyond
// Limits::elements.
std::optional<Extent> extent_of(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
                                std::int64_t offset);

}  // namespace gradproof
