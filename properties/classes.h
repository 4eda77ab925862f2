// The classes that cases are drawn from, along independent axes. Errors of gradients sit where classes meet: a tie in
// an expanded tensor, an empty one under a seed that is transposed. So a run goes through pairs of classes, not only
// through numbers (docs/search.md).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampling.h"
#include "script/script.h"

namespace gradproof {

enum class Axis : std::uint8_t {
  shape,         // of the first floating tensor
  broadcast,     // how the second's shape relates to the first's
  values,        // of the first
  other_values,  // of the others
  layout,
  other_layout,
  seed,         // of sweeps: cotangents and tangents
  seed_layout,  //
  gradients,    // which tensors require one
  optional,     // which arguments are left to their defaults
  matrix,       // what a matrix is like
  count_
};
inline constexpr std::size_t axis_count = static_cast<std::size_t>(Axis::count_);

enum class ShapeClass : std::uint8_t {
  number,  // 0-d
  one,     // one element in a dim or more
  vector,
  wide,
  tall,
  square,
  cube,         // three dims
  hyper,        // four and more
  empty_first,  // no elements, the first dim's size being 0
  empty_later,  // another's
  count_
};
enum class BroadcastClass : std::uint8_t {
  same,
  first_fewer,   // the first has fewer dims
  second_fewer,  //
  first_ones,    // of as many, sizes of 1 in the first
  second_ones,
  both_ways,
  count_
};
enum class ValueClass : std::uint8_t {
  generic,
  integers,  // all of them
  units,     // all ±1
  one_zero,
  some_zeros,
  all_zeros,
  ties,  // two elements other than 0 are equal
  on_landmark,
  near_landmark,
  tail,
  tiny,       // of the format's least normal numbers
  subnormal,  //
  huge,
  count_
};
enum class LayoutClass : std::uint8_t {
  contiguous,
  offset,  // in order, behind something else in memory
  transposed,
  sliced,         // with gaps
  channels_last,  // of four dims and more
  expanded,       // of stride 0
  overlapping,    // like windows of a sequence
  count_
};
// Dyadic ones are asked for by those who need exact sums, and are no class of their own.
enum class SeedKind : std::uint8_t { zero, one_hot, ones, weights, random, dyadic };
enum class GradientClass : std::uint8_t { all, first_alone, last_alone, not_first, count_ };
enum class OptionalClass : std::uint8_t { all_given, some_left_out, all_left_out, count_ };

std::size_t class_count(Axis axis);
std::string_view name_of(Axis axis);
std::string_view class_name(Axis axis, std::size_t which);

// What is wanted of a case: a class for each axis; none: whatever comes.
class Wanted {
 public:
  void set(Axis axis, std::size_t which) { of_[static_cast<std::size_t>(axis)] = static_cast<std::uint8_t>(which); }
  template <class Class>
  std::optional<Class> get(Axis axis) const {
    const std::uint8_t which = of_[static_cast<std::size_t>(axis)];
    if (which == any) return std::nullopt;
    return static_cast<Class>(which);
  }

 private:
  static constexpr std::uint8_t any = 0xff;
  std::array<std::uint8_t, axis_count> of_ = [] {
    std::array<std::uint8_t, axis_count> all{};
    all.fill(any);
    return all;
  }();
};

// What a case turned out to be: for each axis a set of classes, one bit each, for a tensor may be of several.
struct Met {
  std::array<std::uint16_t, axis_count> classes{};

  template <class Class>
  void note(Axis axis, Class which) {
    classes[static_cast<std::size_t>(axis)] |= static_cast<std::uint16_t>(1U << static_cast<unsigned>(which));
  }
  std::uint16_t of(Axis axis) const { return classes[static_cast<std::size_t>(axis)]; }
};

// The class of each axis in row `row` of an orthogonal array: in rows 169 k to 169 k + 168 every two classes of any two
// axes meet, in the first 2,197 every three of any three. `salt` renames the array's symbols.
inline constexpr std::uint64_t rows_of_pairs = 169;
Wanted row_of_classes(std::uint64_t row, std::uint64_t salt);
// That row as a case can be: of classes that exclude each other one gives way.
Wanted wanted_of_row(std::uint64_t row, std::uint64_t salt);

ShapeClass class_of_shape(std::span<const Index> shape);
// How the second's shape relates to the first's, where they broadcast together.
void note_broadcast(std::span<const Index> first, std::span<const Index> second, Met& met);

// Pairs of classes that the cases of one operator were of.
class Coverage {
 public:
  void add(const Met& met);
  struct Counts {
    std::uint64_t classes = 0;
    std::uint64_t pairs = 0;           // seen
    std::uint64_t pairs_possible = 0;  // of the classes seen, but for those that exclude each other
    bool all_pairs() const { return pairs == pairs_possible; }
  };
  Counts counts() const;
  // Pairs of classes seen that were not met together, so many at most: "shape wide × seed zero".
  std::vector<std::string> missing(std::size_t most_named) const;

 private:
  // Calls f(i, j, met) for every two classes that can meet, as far as they were seen: numbers of the bits.
  template <class F>
  void for_each_pair(F f) const;

  static constexpr std::size_t most = 13;  // classes of an axis
  static constexpr std::size_t all = axis_count * most;
  std::array<std::bitset<all>, all> pairs_{};  // the diagonal holds the classes themselves
};

}  // namespace gradproof
