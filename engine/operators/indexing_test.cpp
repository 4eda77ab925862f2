// Indexing where something special happens: ties, NaN, padding rows, writes to one element, bad indices, absurd sizes.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/operators/drawn_call.h"
#include "engine/undecided.h"

namespace gradproof {
namespace {

// The results of a call, and the gradient of the first one's sum weighted by 1, 2, 3, …
template <class T>
struct Seen {
  Tape<T> tape{Registry::standard().catalogue<T>()};
  std::vector<T> value;
  std::vector<Index> indices;
  std::vector<T> gradient;

  Seen(std::string_view id, const DrawnCall& call, const std::vector<std::uint8_t>& plan = {}) {
    tape.plan = plan;
    const MadeCall<T> made = make_call(tape, id, call);
    for (const Var<T>& leaf : made.leaves) leaf.impl()->requires_grad = true;
    std::vector<VarImpl<T>*> inputs;
    for (const Var<T>& input : made.inputs) inputs.push_back(input.impl());
    const Node<T>& node = tape.run(*made.op, inputs, made.args);
    const Var<T> y(&tape, node.outputs[0]);
    value = elements(y);
    if (node.output_count > 1) {
      const Tensor<T> positions = tape.contiguous(node.outputs[1]->value);
      indices.assign(positions.integers(), positions.integers() + positions.numel);
    }
    const Tensor<T> seed = tape.allocate(Kind::real, y.sizes());
    for (Index i = 0; i < seed.numel; ++i) seed.real()[i] = Scalar<T>::leaf(static_cast<double>(i + 1));
    gradient = one_after_the_other(gradients_of(tape, made, y, tape.constant(seed)));
  }
};

using B = Ball<double>;

TEST(Ordering, AStableOrderIsDecidedAtTies) {
  const DrawnCall call{{"self", reals({4}, {2, 1, 2, 0})}, {"stable", true}};
  const Seen<B> seen("sort.stable", call);
  EXPECT_EQ(seen.indices, (std::vector<Index>{3, 1, 0, 2}));
  const Numbers expected{3, 2, 4, 1};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(is_exact(seen.gradient[i]));
    EXPECT_TRUE(contains(seen.gradient[i], expected[i]));
  }
}

TEST(Ordering, EachOrderOfTiesIsAdmitted) {
  const DrawnCall call{{"self", reals({4}, {2, 1, 2, 0})}};
  for (std::uint8_t choice = 0; choice < 2; ++choice) {
    const Seen<B> seen("sort", call, {choice});
    EXPECT_EQ(seen.indices, (std::vector<Index>{3, 1, undecided, undecided}));
    EXPECT_TRUE(contains(seen.value[2], 2));
    EXPECT_TRUE(contains(seen.gradient[0], choice == 0 ? 3 : 4));
    EXPECT_TRUE(contains(seen.gradient[2], choice == 0 ? 4 : 3));
    EXPECT_FALSE(contains(seen.gradient[2], choice == 0 ? 3 : 4));
    EXPECT_TRUE(is_exact(seen.gradient[1]));
  }
  EXPECT_EQ(Seen<double>("sort", call).gradient, (Numbers{3, 2, 4, 1}));
}

TEST(Ordering, OfManyTiesNothingIsKnownButTheirValues) {
  const Seen<B> seen("topk", {{"self", reals({5}, {1, 1, 1, 1, 3})}, {"k", Index{2}}});
  EXPECT_EQ(seen.indices, (std::vector<Index>{4, undecided}));
  EXPECT_TRUE(contains(seen.value[1], 1));
  EXPECT_TRUE(contains(seen.gradient[4], 1) && is_exact(seen.gradient[4]));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(contains(seen.gradient[i], 0) && contains(seen.gradient[i], 2));
}

TEST(Ordering, NanIsTheGreatest) {
  const double nan = std::nan("");
  const Seen<double> up("sort", {{"self", reals({3}, {nan, 2, 1})}});
  EXPECT_EQ(up.indices, (std::vector<Index>{2, 1, 0}));
  const Seen<double> down("sort", {{"self", reals({3}, {1, nan, 2})}, {"descending", true}});
  EXPECT_EQ(down.indices, (std::vector<Index>{1, 2, 0}));
  const Seen<B> ball("sort", {{"self", reals({3}, {nan, 2, 1})}});
  EXPECT_EQ(ball.indices, (std::vector<Index>{2, 1, 0}));
}

TEST(Embedding, PaddingRowsHaveNoGradient) {
  const DrawnCall call{
      {"weight", reals({3, 2}, {1, 2, 3, 4, 5, 6})}, {"indices", integers({3}, {0, 1, 0})}, {"padding_idx", Index{1}}};
  const Seen<double> seen("embedding", call);
  EXPECT_EQ(seen.value, (Numbers{1, 2, 3, 4, 1, 2}));
  EXPECT_EQ(seen.gradient, (Numbers{6, 8, 0, 0, 0, 0}));
}

TEST(Writes, TwoToOneElementAreRefusedUnlessTheyAdd) {
  const DrawnArg self = reals({3}, {1, 2, 3});
  const DrawnArg index = integers({2}, {1, 1});
  const DrawnArg two = reals({2}, {10, 20});
  EXPECT_EQ(error_of("index_copy", {{"self", self}, {"dim", Index{0}}, {"index", index}, {"source", two}}),
            GP_UNSUPPORTED);
  EXPECT_EQ(error_of("scatter.src", {{"self", self}, {"dim", Index{0}}, {"index", index}, {"src", two}}),
            GP_UNSUPPORTED);
  const Seen<double> added("index_add", {{"self", self}, {"dim", Index{0}}, {"index", index}, {"source", two}});
  EXPECT_EQ(added.value, (Numbers{1, 32, 3}));
  EXPECT_EQ(added.gradient, (Numbers{1, 2, 3, 2, 2}));
  const Seen<double> filled("index_fill.int_Scalar",
                            {{"self", self}, {"dim", Index{0}}, {"index", index}, {"value", 7.0}});
  EXPECT_EQ(filled.value, (Numbers{1, 7, 3}));
}

TEST(Writes, ReductionsThatLeaveSelfOut) {
  for (const auto& [by, value] :
       std::vector<std::pair<std::string, double>>{{"sum", 7}, {"mean", 3.5}, {"prod", 12}, {"amax", 4}, {"amin", 3}}) {
    const Seen<double> seen("scatter_reduce.two", {{"self", reals({2}, {100, 5})},
                                                   {"dim", Index{0}},
                                                   {"index", integers({2}, {0, 0})},
                                                   {"src", reals({2}, {3, 4})},
                                                   {"reduce", by},
                                                   {"include_self", false}});
    EXPECT_EQ(seen.value, (Numbers{value, 5})) << by;
    EXPECT_EQ(seen.gradient[0], 0) << by;
    EXPECT_EQ(seen.gradient[1], 2) << by;
  }
}

TEST(IndexingErrors, AreOfTheirKind) {
  const DrawnArg matrix = reals({2, 3}, {1, 2, 3, 4, 5, 6});
  const DrawnArg vector = reals({3}, {1, 2, 3});
  EXPECT_EQ(error_of("take", {{"self", vector}, {"index", integers({1}, {3})}}), GP_INDEX);
  EXPECT_EQ(error_of("take", {{"self", vector}, {"index", integers({1}, {-4})}}), GP_INDEX);
  EXPECT_EQ(error_of("take", {{"self", vector}, {"index", vector}}), GP_DTYPE);
  EXPECT_EQ(error_of("tril", {{"self", vector}}), GP_SHAPE);
  EXPECT_EQ(error_of("index_add",
                     {{"self", vector}, {"dim", Index{0}}, {"index", integers({2}, {0, 1})}, {"source", vector}}),
            GP_SHAPE);
  EXPECT_EQ(error_of("topk", {{"self", vector}, {"k", Index{4}}}), GP_ARGUMENT);
  EXPECT_EQ(error_of("reflection_pad1d", {{"self", matrix}, {"padding", std::vector<Index>{3, 0}}}), GP_SHAPE);
  EXPECT_EQ(error_of("split.Tensor", {{"self", vector}, {"split_size", Index{-1}}}), GP_ARGUMENT);
  EXPECT_EQ(
      error_of("as_strided", {{"self", vector}, {"size", std::vector<Index>{4}}, {"stride", std::vector<Index>{1}}}),
      GP_ARGUMENT);
}

TEST(IndexingErrors, AbsurdSizesAreRefusedBeforeAllocation) {
  const DrawnArg vector = reals({3}, {1, 2, 3});
  constexpr Index huge = Index{1} << 50U;
  EXPECT_EQ(error_of("repeat", {{"self", vector}, {"repeats", std::vector<Index>{huge}}}), GP_OUT_OF_MEMORY);
  EXPECT_EQ(error_of("constant_pad_nd", {{"self", vector}, {"pad", std::vector<Index>{huge, 0}}}), GP_OUT_OF_MEMORY);
  EXPECT_EQ(error_of("diag_embed", {{"self", vector}, {"offset", huge}}), GP_OUT_OF_MEMORY);
  EXPECT_EQ(error_of("repeat_interleave.self_int", {{"self", vector}, {"repeats", huge}}), GP_OUT_OF_MEMORY);
  EXPECT_EQ(error_of("chunk", {{"self", reals({0}, {})}, {"chunks", huge}}), GP_OUT_OF_MEMORY);
}

}  // namespace
}  // namespace gradproof
