#include "script/bind.h"

#include <gtest/gtest.h>

#include "script/arbitrary.h"
#include "script/parse.h"

namespace gradproof {
namespace {

// The last call of "x = leaf ...; y = leaf ...; CALL".
struct Bound {
  Script script;
  std::string op;
  std::vector<Literal> args;
};

Bound bound(const std::string& call) {
  Bound b{parse("x = leaf f32[2] 1 2\ny = leaf f32[2] 3 4\n" + call + "\n", schemas_for_tests()), {}, {}};
  const gp_step& step = b.script.steps.back();
  const gp_op& op = b.script.ops[step.op];
  b.op = std::string(b.script.op_name(op)) + "." + std::string(b.script.op_overload(op));
  for (const gp_arg& arg : b.script.args_of(step)) b.args.push_back(literal_of(b.script, arg));
  return b;
}

std::vector<std::uint32_t> kinds(const Bound& b) {
  std::vector<std::uint32_t> list;
  for (const gp_arg& arg : b.script.args_of(b.script.steps.back())) list.push_back(arg.kind);
  return list;
}
using Kinds = std::vector<std::uint32_t>;

TEST(Bind, TheFirstOverloadThatFitsByKind) {
  EXPECT_EQ(bound("add(x, y)").op, "add.Tensor");
  EXPECT_EQ(bound("add(x, 3)").op, "add.Scalar");
  EXPECT_EQ(bound("add(x, true)").op, "add.Scalar");
  EXPECT_EQ(bound("add.Tensor(x, 3)").op, "add.Tensor");
  EXPECT_EQ(bound("aten::add(x, y)").op, "add.Tensor");
  EXPECT_EQ(bound("max(x)").op, "max.");
  EXPECT_EQ(bound("max.default(x)").op, "max.");
  EXPECT_EQ(bound("max(x, dim=1)").op, "max.dim");
  EXPECT_EQ(bound("clamp(x, 0)").op, "clamp.");
  EXPECT_EQ(bound("clamp(x, y)").op, "clamp.Tensor");
  EXPECT_EQ(bound("sum(x, none)").op, "sum.dim_IntList");
  EXPECT_EQ(bound("mylib::twice(x)").op, "mylib::twice.");
}

TEST(Bind, FullyPositionalWithDefaultsMarked) {
  EXPECT_EQ(kinds(bound("add(x, y)")), (Kinds{GP_ARG_VALUE, GP_ARG_VALUE, GP_ARG_DEFAULT}));
  EXPECT_EQ(kinds(bound("add(other=y, self=x, alpha=2)")), (Kinds{GP_ARG_VALUE, GP_ARG_VALUE, GP_ARG_INT}));
  EXPECT_EQ(bound("add(other=y, self=x, alpha=2)").args[1].integer, 1);
  EXPECT_EQ(kinds(bound("sum(x, [0], dtype=f64)")), (Kinds{GP_ARG_VALUE, GP_ARG_INTS, GP_ARG_DEFAULT, GP_ARG_DTYPE}));
  EXPECT_EQ(kinds(bound("add.Tensor(x, y, _)")), (Kinds{GP_ARG_VALUE, GP_ARG_VALUE, GP_ARG_DEFAULT}));
  EXPECT_EQ(kinds(bound("clamp(x, max=1.5)")), (Kinds{GP_ARG_VALUE, GP_ARG_DEFAULT, GP_ARG_REAL}));
  EXPECT_EQ(kinds(bound("gelu(x, approximate='tanh')")), (Kinds{GP_ARG_VALUE, GP_ARG_STRING}));
  EXPECT_EQ(bound("gelu(x, approximate='ta\\'\\x00h')").args[1].text, std::string("ta'\0h", 5));
}

TEST(Bind, ListsAndNumbersTakeTheSchemasKind) {
  const Bound pool = bound("avg_pool2d(x, 3, stride=[1, 2])");
  EXPECT_EQ(kinds(pool), (Kinds{GP_ARG_VALUE, GP_ARG_INTS, GP_ARG_INTS, GP_ARG_DEFAULT, GP_ARG_DEFAULT}));
  ASSERT_EQ(pool.args[1].items.size(), 2u);
  EXPECT_EQ(pool.args[1].items[1].integer, 3);
  const Bound mixed = bound("resize_all(x, [1, 2.5], [true, false, true], eps=1, pair=2)");
  EXPECT_EQ(kinds(mixed), (Kinds{GP_ARG_VALUE, GP_ARG_REALS, GP_ARG_BOOLS, GP_ARG_REAL, GP_ARG_REALS}));
  EXPECT_EQ(mixed.args[1].items[0].real, 1.0);
  EXPECT_EQ(mixed.args[4].items.size(), 2u);
  EXPECT_EQ(kinds(bound("piecewise(x, [1, 2])"))[1], GP_ARG_INTS);
  EXPECT_EQ(kinds(bound("piecewise(x, [1, 2.0])"))[1], GP_ARG_REALS);
  const Bound index = bound("index(x, [none, y])");
  EXPECT_EQ(index.args[1].items[0].kind, Literal::Kind::none);
  EXPECT_EQ(index.args[1].items[1].integer, 1);
  EXPECT_EQ(kinds(bound("cat([])")), (Kinds{GP_ARG_VALUES, GP_ARG_DEFAULT}));
  EXPECT_EQ(kinds(bound("maximum(x, 2)")), (Kinds{GP_ARG_VALUE, GP_ARG_INT}));
}

TEST(Bind, RefusesWhatDoesNotFitAndSaysWhatThereIs) {
  for (const char* call : {"log()",
                           "log(1, 2)",
                           "log(x, x)",
                           "log(x, self=x)",
                           "log(input=x)",
                           "add(x)",
                           "add(x, y, 2)",
                           "add(x, 'y')",
                           "cat([x, none])",
                           "cat(x)",
                           "max(x, dim=1.5)",
                           "max(x, dim=true)",
                           "clamp(x, [1])",
                           "sum(x, dtype=1)",
                           "add.Tenser(x, y)",
                           "add(x, other=y, y)",
                           "avg_pool2d(x, [1.5])",
                           "piecewise(x, [1], generator=1)",
                           "v = max(x, dim=1)",
                           "v, w = log(x)",
                           "log(max(x, dim=1))",
                           "resize_all(x, none, [true], eps=true)",
                           "add(x, [[1]])"}) {
    EXPECT_THROW(bound(call), ParseError) << call;
  }
  try {
    bound("add(x, 'y')");
  } catch (const ParseError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("expected arguments that fit an overload of 'add', not (a tensor, a string); there are:"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("\n    aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"),
              std::string::npos)
        << text;
  }
}

TEST(Bind, ListsOfResultsAreAsManyAsNamed) {
  EXPECT_EQ(bound("a, b, c = split(x, 1)").script.steps.back().result_count, 3u);
  EXPECT_EQ(bound("a = split(x, 1)").script.steps.back().result_count, 1u);
  EXPECT_EQ(bound("touch_([x], 2)").script.steps.back().result_count, 0u);
  EXPECT_EQ(bound("max(x, dim=0)").script.steps.back().result_count, 2u);
}

}  // namespace
}  // namespace gradproof
