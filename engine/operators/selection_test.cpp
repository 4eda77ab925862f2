#include <gtest/gtest.h>

#include <limits>

#include "engine/operators/elementwise_probe.h"
#include "engine/structural.h"

namespace gradproof {

namespace {

template <class T>
Var<T> row(Tape<T>& tape, std::initializer_list<double> values) {
  const std::array<Index, 1> size{static_cast<Index>(values.size())};
  const Tensor<T> made = tape.allocate(Kind::real, size);
  std::transform(values.begin(), values.end(), made.real(), [](double v) { return Scalar<T>::leaf(v); });
  return tape.constant(made);
}

std::size_t entry_of(std::string_view name, std::string_view overload) {
  return Registry::standard().find(name, overload).at(0);
}

template <class T>
Var<T> call(Tape<T>& tape, std::string_view name, std::string_view overload, std::initializer_list<Var<T>> inputs) {
  const auto& op = Registry::standard().catalogue<T>().at(entry_of(name, overload));
  return tape.call(op, std::span<const Var<T>>(inputs.begin(), inputs.size()));
}

std::vector<double> numbers(const Var<double>& x) { return {x.value().real(), x.value().real() + x.numel()}; }

TEST(Comparisons, KeepIeeeOrderAndBroadcast) {
  Tape<double> tape(Registry::standard().catalogue<double>());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto a = row(tape, {1, 2, 3, nan});
  const auto b = row(tape, {2});
  const std::vector<std::pair<const char*, std::array<bool, 4>>> cases{
      {"lt", {true, false, false, false}}, {"le", {true, true, false, false}},  {"gt", {false, false, true, false}},
      {"ge", {false, true, true, false}},  {"eq", {false, true, false, false}}, {"ne", {true, false, true, true}}};
  for (const auto& [name, expected] : cases) {
    const Var<double> mask = call(tape, name, "Tensor", {a, b});
    ASSERT_EQ(mask.value().kind, Kind::boolean);
    ASSERT_EQ(mask.numel(), 4);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(mask.value().booleans()[i], truth(expected[i])) << name << i;
  }
}

TEST(Comparisons, LeaveOpenWhatBallsLeaveOpen) {
  using B = Ball<float>;
  Tape<B> tape(Registry::standard().catalogue<B>());
  const auto straddles = tape.number(B{0, 0.5});
  const auto zero = tape.number(B{0, 0});
  for (const char* name : {"lt", "le", "gt", "ge", "eq", "ne"}) {
    EXPECT_EQ(*call(tape, name, "Tensor", {straddles, zero}).value().booleans(), Truth::unknown) << name;
  }
  EXPECT_EQ(*call(tape, "lt", "Tensor", {zero, zero}).value().booleans(), Truth::no);
  EXPECT_EQ(*call(tape, "le", "Tensor", {zero, zero}).value().booleans(), Truth::yes);
}

TEST(Where, PicksAndSendsGradientsOneWay) {
  Tape<double> tape(Registry::standard().catalogue<double>());
  const auto a = row(tape, {10, 20, 30});
  const auto b = tape.number(7);
  a.impl()->requires_grad = true;
  b.impl()->requires_grad = true;
  const auto mask = call(tape, "lt", "Tensor", {row(tape, {0, 5, 0}), tape.number(1)});
  const auto y = call(tape, "where", "self", {mask, a, b});
  EXPECT_EQ(numbers(y), (std::vector<double>{10, 7, 30}));
  const auto seed = row(tape, {1, 2, 4});
  const std::array inputs{a, b};
  SweepRequest<double> request{{&y, 1}, {&seed, 1}};
  request.inputs = inputs;
  const auto grads = tape.grad(request);
  EXPECT_EQ(numbers(grads[0]), (std::vector<double>{1, 0, 4}));
  EXPECT_EQ(numbers(grads[1]), (std::vector<double>{2}));
}

TEST(Where, TangentOfOneSideHasTheResultsShape) {
  Tape<double> tape(Registry::standard().catalogue<double>());
  const auto b = tape.make_dual(tape.number(7), tape.number(3));
  const auto mask = call(tape, "lt", "Tensor", {row(tape, {0, 5, 0}), tape.number(1)});
  const auto y = call(tape, "where", "self", {mask, row(tape, {10, 20, 30}), b});
  EXPECT_EQ(numbers(tape.tangent_of(y)), (std::vector<double>{0, 3, 0}));
}

TEST(Where, RefusesANumberAsCondition) {
  Tape<double> tape(Registry::standard().catalogue<double>());
  const auto x = tape.number(1);
  EXPECT_THROW(call(tape, "where", "self", {x, x, x}), EngineError);
  EXPECT_THROW(call(tape, "lt", "Tensor", {call(tape, "lt", "Tensor", {x, x}), x}), EngineError);
}

TEST(Where, OpenConditionGivesTheHullAndOneSidesGradient) {
  using B = Ball<float>;
  Tape<B> tape(Registry::standard().catalogue<B>());
  for (const std::uint8_t side : {std::uint8_t{0}, std::uint8_t{1}}) {
    tape.reset();
    tape.plan.assign(1, side);
    const auto a = tape.number(B{2, 0});
    const auto b = tape.number(B{5, 0});
    a.impl()->requires_grad = true;
    b.impl()->requires_grad = true;
    const auto mask = call(tape, "lt", "Tensor", {tape.number(B{0, 0.5}), tape.number(B{0, 0})});
    const auto y = call(tape, "where", "self", {mask, a, b});
    EXPECT_TRUE(contains(*y.value().real(), 2) && contains(*y.value().real(), 5));
    const auto seed = tape.number(B{1, 0});
    const std::array inputs{a, b};
    SweepRequest<B> request{{&y, 1}, {&seed, 1}};
    request.inputs = inputs;
    const auto grads = tape.grad(request);
    EXPECT_TRUE(grads[0].value().real()->is_exactly(side == 0 ? 1 : 0));
    EXPECT_TRUE(grads[1].value().real()->is_exactly(side == 0 ? 0 : 1));
  }
}

// (g, 0), (0, g) and (g/2, g/2), never (g, g): fused and through a graph.
TEST(Extremes, PassTheWholeGradientOnAtATie) {
  using B = Ball<double>;
  for (const char* name : {"maximum", "minimum"}) {
    ElementwiseProbe<B> probe(entry_of(name, ""));
    const std::vector<B> x = probe.use({1.5, 1.5}, {});
    for (const bool create_graph : {false, true}) {
      for (std::uint8_t taken = 0; taken < 3; ++taken) {
        probe.tape.plan.assign(1, taken);
        const std::vector<B> slopes = probe.slopes(x, create_graph);
        EXPECT_EQ(probe.tape.choices.size(), 1U);
        EXPECT_TRUE((slopes[0] + slopes[1]).is_exactly(1)) << name << create_graph << int{taken};
        EXPECT_TRUE(slopes[0].is_exactly(taken == 2 ? 0.5 : static_cast<double>(taken)));
      }
    }
  }
}

}  // namespace

}  // namespace gradproof
