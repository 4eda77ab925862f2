#include "properties/classes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/scalars/number_format.h"
#include "properties/all.h"
#include "properties/draw.h"

namespace gradproof {
namespace {

std::size_t class_of(const Wanted& wanted, std::size_t axis) {
  return *wanted.get<std::size_t>(static_cast<Axis>(axis));
}

TEST(Classes, EveryTwoMeetInABlockOfRows) {
  for (const std::uint64_t salt : {std::uint64_t{0}, std::uint64_t{0x123456789abcdef0}}) {
    for (const std::uint64_t block : {0U, 5U}) {
      for (std::size_t a = 0; a < axis_count; ++a) {
        for (std::size_t b = 0; b < a; ++b) {
          std::set<std::pair<std::size_t, std::size_t>> met;
          for (std::uint64_t row = block * rows_of_pairs; row < (block + 1) * rows_of_pairs; ++row) {
            const Wanted wanted = row_of_classes(row, salt);
            met.emplace(class_of(wanted, a), class_of(wanted, b));
          }
          EXPECT_EQ(met.size(), class_count(static_cast<Axis>(a)) * class_count(static_cast<Axis>(b))) << a << " " << b;
        }
      }
    }
  }
}

TEST(Classes, EveryThreeMeetInTheFirstRows) {
  std::vector<Wanted> rows;
  for (std::uint64_t row = 0; row < 13 * rows_of_pairs; ++row) rows.push_back(row_of_classes(row, 99));
  for (const std::array<std::size_t, 3> axes : {std::array<std::size_t, 3>{0, 2, 4}, {1, 3, 9}, {2, 3, 7}}) {
    std::set<std::array<std::size_t, 3>> met;
    std::size_t all = 1;
    for (const std::size_t axis : axes) all *= class_count(static_cast<Axis>(axis));
    for (const Wanted& row : rows) met.insert({class_of(row, axes[0]), class_of(row, axes[1]), class_of(row, axes[2])});
    EXPECT_EQ(met.size(), all);
  }
}

TEST(Classes, HaveNames) {
  std::set<std::string_view> names;
  for (std::size_t axis = 0; axis < axis_count; ++axis) {
    const auto which = static_cast<Axis>(axis);
    EXPECT_TRUE(names.insert(name_of(which)).second);
    std::set<std::string_view> of_axis;
    for (std::size_t i = 0; i < class_count(which); ++i) {
      EXPECT_FALSE(class_name(which, i).empty());
      EXPECT_TRUE(of_axis.insert(class_name(which, i)).second);
    }
  }
}

TEST(Classes, OfShapes) {
  using C = ShapeClass;
  const std::vector<std::pair<std::vector<Index>, C>> shapes{
      {{}, C::number},          {{1, 1}, C::one},        {{3}, C::vector},     {{2, 3}, C::wide},
      {{3, 1}, C::tall},        {{2, 2}, C::square},     {{1, 2, 1}, C::cube}, {{1, 1, 2, 1, 1}, C::hyper},
      {{0, 3}, C::empty_first}, {{2, 0}, C::empty_later}};
  for (const auto& [shape, expected] : shapes) EXPECT_EQ(class_of_shape(shape), expected);
}

TEST(Classes, OfBroadcasts) {
  using C = BroadcastClass;
  const auto classes = [](std::vector<Index> first, std::vector<Index> second) {
    Met met;
    note_broadcast(first, second, met);
    return met.of(Axis::broadcast);
  };
  const auto bits = [](std::initializer_list<C> all) {
    Met met;
    for (const C one : all) met.note(Axis::broadcast, one);
    return met.of(Axis::broadcast);
  };
  EXPECT_EQ(classes({2, 3}, {2, 3}), bits({C::same}));
  EXPECT_EQ(classes({3}, {2, 3}), bits({C::first_fewer}));
  EXPECT_EQ(classes({2, 3}, {}), bits({C::second_fewer}));
  EXPECT_EQ(classes({1, 3}, {2, 3}), bits({C::first_ones}));
  EXPECT_EQ(classes({2, 1}, {1, 3}), bits({C::first_ones, C::second_ones, C::both_ways}));
  EXPECT_EQ(classes({3}, {2, 1}), bits({C::first_fewer, C::second_ones, C::both_ways}));
}

TEST(Classes, CoverageCountsPairs) {
  Coverage coverage;
  Met wide;
  wide.note(Axis::shape, ShapeClass::wide);
  wide.note(Axis::values, ValueClass::ties);
  Met square;
  square.note(Axis::shape, ShapeClass::square);
  square.note(Axis::values, ValueClass::generic);
  coverage.add(wide);
  EXPECT_TRUE(coverage.counts().all_pairs());
  coverage.add(square);
  EXPECT_EQ(coverage.counts().classes, 4U);
  EXPECT_EQ(coverage.counts().pairs, 2U);
  EXPECT_EQ(coverage.counts().pairs_possible, 4U);
  EXPECT_EQ(coverage.missing(9),
            (std::vector<std::string>{"shape wide × values generic", "shape square × values ties"}));
  EXPECT_EQ(coverage.missing(1).size(), 1U);
}

TEST(Classes, ThatExcludeEachOtherAreNotMissed) {
  Coverage coverage;
  Met number;
  number.note(Axis::shape, ShapeClass::number);
  number.note(Axis::layout, LayoutClass::contiguous);
  Met tall;
  tall.note(Axis::shape, ShapeClass::tall);
  tall.note(Axis::layout, LayoutClass::transposed);
  coverage.add(number);
  coverage.add(tall);
  EXPECT_EQ(coverage.counts().pairs_possible, 3U);  // no number is transposed
}

// --- what is wanted is drawn ---

Met drawn(const Wanted& wanted, const Record& record, gp_dtype dtype, const std::vector<Index>& shape, bool overlaps) {
  RandomDraw draw(rc::Random(7), 50, wanted);
  draw.allow_overlaps(overlaps);
  Script script;
  TensorSpec spec;
  spec.dtype = dtype;
  spec.shape = shape;
  draw.tensor(script, spec, {all_reals, &record, 0}, "x");
  return draw.met();
}

TEST(Classes, OfValuesAreDrawn) {
  const Record record{.schema = "f(Tensor self) -> Tensor", .kinks = {{0, 1.5}}};
  for (const gp_dtype dtype : {GP_F16, GP_BF16, GP_F32, GP_F64}) {
    for (std::size_t which = 0; which < class_count(Axis::values); ++which) {
      Wanted wanted;
      wanted.set(Axis::values, which);
      const Met met = drawn(wanted, record, dtype, {3, 4}, false);
      EXPECT_TRUE((met.of(Axis::values) >> which & 1U) != 0)
          << name_of(dtype) << " " << class_name(Axis::values, which);
    }
  }
}

TEST(Classes, OfLayoutsAreDrawn) {
  const Record record{.schema = "f(Tensor self) -> Tensor"};
  for (std::size_t which = 0; which < class_count(Axis::layout); ++which) {
    Wanted wanted;
    wanted.set(Axis::layout, which);
    const Met met = drawn(wanted, record, GP_F32, {2, 3, 2, 3}, true);
    EXPECT_TRUE((met.of(Axis::layout) >> which & 1U) != 0) << class_name(Axis::layout, which);
  }
}

TEST(Classes, NoOverlapsWhereTheyAreNotAllowed) {
  const Record record{.schema = "f(Tensor self) -> Tensor"};
  for (const LayoutClass layout : {LayoutClass::expanded, LayoutClass::overlapping}) {
    Wanted wanted;
    wanted.set(Axis::layout, static_cast<std::size_t>(layout));
    const Met met = drawn(wanted, record, GP_F32, {2, 3, 2, 3}, false);
    EXPECT_EQ(met.of(Axis::layout) >> static_cast<unsigned>(layout) & 1U, 0U);
  }
}

TEST(Classes, OfShapesAreDrawn) {
  for (std::size_t which = 0; which < class_count(Axis::shape); ++which) {
    Wanted wanted;
    wanted.set(Axis::shape, which);
    RandomDraw draw(rc::Random(3), 50, wanted);
    EXPECT_EQ(class_of_shape(draw.shape()), static_cast<ShapeClass>(which)) << class_name(Axis::shape, which);
  }
}

// One property alone, with a few hundred cases, goes through all pairs of an operator's classes.
TEST(Classes, PairsOfAnOperatorMeet) {
  const Registry& registry = Registry::standard();
  EngineInfo info;
  info.name = "any";
  for (const auto& [name, overload] : {std::pair{"mul", "Tensor"}, {"relu", ""}, {"sum", ""}, {"addcmul", ""}}) {
    Subject subject{&registry, &registry.entries()[registry.find(name, overload).front()], GP_F32, GP_CPU, &info,
                    nullptr};
    Coverage coverage;
    Script script;
    for (std::uint64_t index = 0; index < 2 * 13 * rows_of_pairs; ++index) {
      const std::string id = subject.entry->id();
      coverage.add(generate_case({1, "any", id, "vjp", GP_F32, index}, vjp_property(), subject, script));
    }
    const Coverage::Counts counts = coverage.counts();
    EXPECT_GT(counts.classes, 30U) << name;
    EXPECT_EQ(coverage.missing(20), std::vector<std::string>{}) << name;
  }
}

}  // namespace
}  // namespace gradproof
