#include "properties/classes.h"

#include <algorithm>

namespace gradproof {

namespace {

using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, axis_count> axis_names{
    "shape", "broadcast",   "values",    "other values",       "layout", "other layout",
    "seed",  "seed layout", "gradients", "optional arguments", "matrix"};

template <class Class>
constexpr std::size_t size_of_class = static_cast<std::size_t>(Class::count_);

constexpr std::array<std::string_view, size_of_class<ShapeClass>> shape_names{
    "number", "one", "vector", "wide", "tall", "square", "cube", "hyper", "empty first", "empty later"};
constexpr std::array<std::string_view, size_of_class<BroadcastClass>> broadcast_names{
    "same", "first fewer dims", "second fewer dims", "first ones", "second ones", "both ways"};
constexpr std::array<std::string_view, size_of_class<ValueClass>> value_names{
    "generic",     "integers",      "units", "one zero", "some zeros", "all zeros", "ties",
    "on landmark", "near landmark", "tail",  "tiny",     "subnormal",  "huge"};
constexpr std::array<std::string_view, size_of_class<LayoutClass>> layout_names{
    "contiguous", "offset", "transposed", "sliced", "channels last", "expanded", "overlapping"};
constexpr std::array<std::string_view, static_cast<std::size_t>(SeedKind::dyadic)> seed_names{"zero", "one hot", "ones",
                                                                                              "weights", "random"};
constexpr std::array<std::string_view, size_of_class<GradientClass>> gradient_names{"all", "first alone", "last alone",
                                                                                    "not first"};
constexpr std::array<std::string_view, size_of_class<OptionalClass>> optional_names{"all given", "some left out",
                                                                                    "all left out"};

constexpr std::array<std::string_view, size_of_class<MatrixClass>> matrix_names{
    "generic",   "singular",   "low rank",        "repeated values", "clustered values",
    "defective", "orthogonal", "ill-conditioned", "graded"};

Names names_of(Axis axis) {
  switch (axis) {
    case Axis::shape: return shape_names;
    case Axis::broadcast: return broadcast_names;
    case Axis::values:
    case Axis::other_values: return value_names;
    case Axis::layout:
    case Axis::other_layout:
    case Axis::seed_layout: return layout_names;
    case Axis::seed: return seed_names;
    case Axis::gradients: return gradient_names;
    case Axis::optional: return optional_names;
    case Axis::matrix: return matrix_names;
    case Axis::count_: break;
  }
  return {};
}

bool is_any(std::size_t which, std::initializer_list<std::size_t> of) {
  return std::find(of.begin(), of.end(), which) != of.end();
}
template <class Class>
constexpr std::size_t at(Class which) {
  return static_cast<std::size_t>(which);
}

// --- what cannot meet, by what the classes say ---

bool is_empty(std::size_t shape) { return is_any(shape, {at(ShapeClass::empty_first), at(ShapeClass::empty_later)}); }
bool is_single(std::size_t shape) { return is_any(shape, {at(ShapeClass::number), at(ShapeClass::one)}); }

bool shape_meets_values(std::size_t shape, std::size_t values) {
  const bool several = is_any(values, {at(ValueClass::one_zero), at(ValueClass::some_zeros), at(ValueClass::ties)});
  return !is_empty(shape) && !(is_single(shape) && several);
}
bool shape_meets_layout(std::size_t shape, std::size_t layout) {
  switch (static_cast<LayoutClass>(layout)) {
    case LayoutClass::contiguous: return true;
    case LayoutClass::offset: return !is_empty(shape);
    case LayoutClass::sliced:
    case LayoutClass::expanded: return !is_empty(shape) && !is_single(shape);
    case LayoutClass::channels_last: return shape == at(ShapeClass::hyper);
    default: return !is_empty(shape) && !is_single(shape) && shape != at(ShapeClass::vector);
  }
}
// Others have a dim more at most.
bool shape_meets_other_layout(std::size_t shape, std::size_t layout) {
  if (layout == at(LayoutClass::channels_last)) return shape == at(ShapeClass::hyper);
  return !is_empty(shape) && !(is_single(shape) && layout == at(LayoutClass::overlapping));
}
bool shape_meets_broadcast(std::size_t shape, std::size_t broadcast) {
  const auto how = static_cast<BroadcastClass>(broadcast);
  switch (static_cast<ShapeClass>(shape)) {
    case ShapeClass::number: return how == BroadcastClass::same || how == BroadcastClass::first_fewer;
    case ShapeClass::one: return how != BroadcastClass::second_ones && how != BroadcastClass::both_ways;
    case ShapeClass::vector:
    case ShapeClass::square: return how != BroadcastClass::first_ones;
    default: return true;
  }
}
// A repeated element is no only one.
bool layout_meets(std::size_t layout, std::size_t which, std::size_t only_one) {
  return layout != at(LayoutClass::expanded) || which != only_one;
}

// a before b in the order of axes.
bool meets(Axis a, std::size_t of_a, Axis b, std::size_t of_b) {
  if (a == Axis::shape) {
    switch (b) {
      case Axis::values: return shape_meets_values(of_a, of_b);
      case Axis::layout: return shape_meets_layout(of_a, of_b);
      case Axis::seed_layout: return !is_empty(of_a) && shape_meets_layout(of_a, of_b);
      case Axis::other_layout: return shape_meets_other_layout(of_a, of_b);
      case Axis::broadcast: return shape_meets_broadcast(of_a, of_b);
      case Axis::other_values:
      case Axis::seed: return !is_empty(of_a);
      default: return true;
    }
  }
  if (a == Axis::broadcast && b == Axis::other_layout)
    return of_a != at(BroadcastClass::second_fewer) || of_b != at(LayoutClass::channels_last);
  if ((a == Axis::values && b == Axis::layout) || (a == Axis::other_values && b == Axis::other_layout))
    return layout_meets(of_b, of_a, at(ValueClass::one_zero));
  if (a == Axis::seed && b == Axis::seed_layout) return layout_meets(of_b, of_a, at(SeedKind::one_hot));
  return true;
}

// --- the orthogonal array ---

// Symbols 0 to 12, more than one for what should come more often.
constexpr std::size_t symbols = 13;
static_assert(symbols * symbols == rows_of_pairs);
using Row = std::array<std::uint8_t, symbols>;

template <class Class, std::size_t N>
constexpr Row spread(const std::array<Class, N>& classes) {
  Row row{};
  for (std::size_t i = 0; i < symbols; ++i) row.at(i) = static_cast<std::uint8_t>(classes.at(i % N));
  return row;
}
template <class Class>
constexpr Row spread() {
  Row row{};
  for (std::size_t i = 0; i < symbols; ++i) row.at(i) = static_cast<std::uint8_t>(i % size_of_class<Class>);
  return row;
}

constexpr Row layout_row = spread(std::array{
    LayoutClass::contiguous, LayoutClass::transposed, LayoutClass::sliced, LayoutClass::offset, LayoutClass::expanded,
    LayoutClass::contiguous, LayoutClass::channels_last, LayoutClass::overlapping, LayoutClass::transposed,
    LayoutClass::sliced, LayoutClass::contiguous, LayoutClass::expanded, LayoutClass::contiguous});
constexpr Row seed_row = spread(std::array{SeedKind::random, SeedKind::one_hot, SeedKind::weights, SeedKind::zero,
                                           SeedKind::ones, SeedKind::random, SeedKind::weights, SeedKind::random});
constexpr Row gradient_row = spread(
    std::array{GradientClass::all, GradientClass::first_alone, GradientClass::last_alone, GradientClass::not_first});

const Row& symbols_of(Axis axis) {
  static constexpr Row shapes = spread<ShapeClass>();
  static constexpr Row broadcasts = spread<BroadcastClass>();
  static constexpr Row values = spread<ValueClass>();
  static constexpr Row optionals = spread<OptionalClass>();
  static constexpr Row matrices = spread<MatrixClass>();
  switch (axis) {
    case Axis::shape: return shapes;
    case Axis::broadcast: return broadcasts;
    case Axis::layout:
    case Axis::other_layout:
    case Axis::seed_layout: return layout_row;
    case Axis::seed: return seed_row;
    case Axis::gradients: return gradient_row;
    case Axis::optional: return optionals;
    case Axis::matrix: return matrices;
    default: return values;
  }
}

}  // namespace

std::size_t class_count(Axis axis) { return names_of(axis).size(); }
std::string_view name_of(Axis axis) { return axis_names.at(static_cast<std::size_t>(axis)); }
std::string_view class_name(Axis axis, std::size_t which) { return names_of(axis)[which]; }

// Bush 1952: u + v x + w x² over the field of 13 elements, x the axis' own, is an orthogonal array of strength 3, and
// of strength 2 for each w.
Wanted row_of_classes(std::uint64_t row, std::uint64_t salt) {
  const std::uint64_t w = row / rows_of_pairs;
  const std::uint64_t u = row / symbols;
  const std::uint64_t v = row;
  Wanted wanted;
  for (std::size_t axis = 0; axis < axis_count; ++axis) {
    const std::uint64_t renamed = salt >> (4 * axis);
    const std::uint64_t symbol = (u + v * axis + w * axis * axis + renamed) % symbols;
    wanted.set(static_cast<Axis>(axis), symbols_of(static_cast<Axis>(axis)).at(symbol));
  }
  return wanted;
}

namespace {

// The next class of `axis` that goes with all that is wanted of the axes named.
void give_way(Wanted& wanted, Axis axis, std::initializer_list<Axis> to) {
  const std::size_t count = class_count(axis);
  const std::size_t first = *wanted.get<std::size_t>(axis);
  for (std::size_t step = 0; step < count; ++step) {
    const std::size_t which = (first + step) % count;
    const bool goes = std::all_of(to.begin(), to.end(), [&](Axis other) {
      const std::size_t of_other = *wanted.get<std::size_t>(other);
      return axis < other ? meets(axis, which, other, of_other) : meets(other, of_other, axis, which);
    });
    if (goes) return wanted.set(axis, which);
  }
}

}  // namespace

Wanted wanted_of_row(std::uint64_t row, std::uint64_t salt) {
  Wanted wanted = row_of_classes(row, salt);
  // Where classes exclude each other one gives way: the shape in every second block, so that each has its turn.
  if ((row / rows_of_pairs) % 2 == 1) give_way(wanted, Axis::shape, {Axis::values, Axis::layout, Axis::other_layout});
  give_way(wanted, Axis::broadcast, {Axis::shape});
  give_way(wanted, Axis::values, {Axis::shape});
  give_way(wanted, Axis::layout, {Axis::shape, Axis::values});
  give_way(wanted, Axis::other_layout, {Axis::shape, Axis::broadcast, Axis::other_values});
  give_way(wanted, Axis::seed_layout, {Axis::shape, Axis::seed});
  return wanted;
}

ShapeClass class_of_shape(std::span<const Index> shape) {
  if (shape.empty()) return ShapeClass::number;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return d == 0 ? ShapeClass::empty_first : ShapeClass::empty_later;
  }
  if (std::all_of(shape.begin(), shape.end(), [](Index size) { return size == 1; })) return ShapeClass::one;
  if (shape.size() == 1) return ShapeClass::vector;
  if (shape.size() == 3) return ShapeClass::cube;
  if (shape.size() > 3) return ShapeClass::hyper;
  return shape[0] < shape[1] ? ShapeClass::wide : shape[0] > shape[1] ? ShapeClass::tall : ShapeClass::square;
}

void note_broadcast(std::span<const Index> first, std::span<const Index> second, Met& met) {
  const std::size_t shared = std::min(first.size(), second.size());
  const auto one_beside_more = [shared](std::span<const Index> ones, std::span<const Index> more) {
    for (std::size_t d = 1; d <= shared; ++d) {
      if (ones[ones.size() - d] == 1 && more[more.size() - d] != 1) return true;
    }
    return false;
  };
  const bool first_ones = one_beside_more(first, second);
  const bool second_ones = one_beside_more(second, first);
  const bool first_fewer = first.size() < second.size();
  const bool second_fewer = second.size() < first.size();
  const auto note = [&](bool holds, BroadcastClass which) {
    if (holds) met.note(Axis::broadcast, which);
  };
  note(std::equal(first.begin(), first.end(), second.begin(), second.end()), BroadcastClass::same);
  note(first_fewer, BroadcastClass::first_fewer);
  note(second_fewer, BroadcastClass::second_fewer);
  note(first_ones, BroadcastClass::first_ones);
  note(second_ones, BroadcastClass::second_ones);
  note((first_ones || first_fewer) && (second_ones || second_fewer), BroadcastClass::both_ways);
}

namespace {

// Calls f(axis, class, number of both) for every class that met.
template <class F>
void for_each_class(const Met& met, F f) {
  for (std::size_t axis = 0; axis < axis_count; ++axis) {
    const std::uint16_t classes = met.classes.at(axis);
    for (std::size_t which = 0; classes >> which != 0; ++which) {
      if ((classes >> which & 1U) != 0) f(axis, which);
    }
  }
}

}  // namespace

void Coverage::add(const Met& met) {
  std::bitset<all> classes;
  for_each_class(met, [&](std::size_t axis, std::size_t which) { classes.set(axis * most + which); });
  for_each_class(met, [&](std::size_t axis, std::size_t which) { pairs_.at(axis * most + which) |= classes; });
}

template <class F>
void Coverage::for_each_pair(F f) const {
  for (std::size_t i = 0; i < all; ++i) {
    if (!pairs_.at(i)[i]) continue;
    for (std::size_t j = 0; j < i / most * most; ++j) {
      if (!pairs_.at(j)[j]) continue;
      if (meets(static_cast<Axis>(j / most), j % most, static_cast<Axis>(i / most), i % most)) f(j, i, pairs_.at(i)[j]);
    }
  }
}

Coverage::Counts Coverage::counts() const {
  Counts counts;
  for (std::size_t i = 0; i < all; ++i) counts.classes += pairs_.at(i)[i] ? 1 : 0;
  for_each_pair([&](std::size_t, std::size_t, bool met) {
    ++counts.pairs_possible;
    counts.pairs += met ? 1 : 0;
  });
  return counts;
}

std::vector<std::string> Coverage::missing(std::size_t most_named) const {
  const auto text = [](std::size_t i) {
    const auto axis = static_cast<Axis>(i / most);
    return std::string(name_of(axis)) + " " + std::string(class_name(axis, i % most));
  };
  std::vector<std::string> named;
  for_each_pair([&](std::size_t i, std::size_t j, bool met) {
    if (!met && named.size() < most_named) named.push_back(text(i) + " × " + text(j));
  });
  return named;
}

}  // namespace gradproof
