#include "script/schema.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "script/near.h"

namespace gradproof {
namespace {

TEST(Schema, ReadsNamesTypesAndDefaults) {
  const Schema s = parse_schema("aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor");
  EXPECT_EQ(s.name, "add");
  EXPECT_EQ(s.overload, "Tensor");
  EXPECT_EQ(s.full_name(), "add.Tensor");
  ASSERT_EQ(s.args.size(), 3u);
  EXPECT_FALSE(s.args[1].keyword_only);
  EXPECT_TRUE(s.args[2].keyword_only);
  EXPECT_EQ(s.args[2].default_text, "1");
  EXPECT_EQ(s.args[2].type, ArgType::scalar);
  ASSERT_EQ(s.results.size(), 1u);
  EXPECT_EQ(s.results[0].type, ArgType::tensor);
}

TEST(Schema, ReadsEveryTypeATenHas) {
  struct Case {
    const char* text;
    ArgType type;
    bool optional;
    int list_size;
  };
  for (const Case& c : {Case{"Tensor", ArgType::tensor, false, 0},
                        {"Tensor?", ArgType::tensor, true, 0},
                        {"Tensor(a!)", ArgType::tensor, false, 0},
                        {"Tensor(a -> *)?", ArgType::tensor, true, 0},
                        {"Tensor[]", ArgType::tensor_list, false, 0},
                        {"Tensor(a)[]", ArgType::tensor_list, false, 0},
                        {"Tensor(a!)[](b)", ArgType::tensor_list, false, 0},
                        {"Tensor?[]", ArgType::tensor_list, false, 0},
                        {"Tensor[]?", ArgType::tensor_list, true, 0},
                        {"Scalar?", ArgType::scalar, true, 0},
                        {"Scalar[]", ArgType::scalar_list, false, 0},
                        {"float", ArgType::scalar, false, 0},
                        {"float[]?", ArgType::scalar_list, true, 0},
                        {"SymInt", ArgType::integer, false, 0},
                        {"int[2]?", ArgType::integer_list, true, 2},
                        {"SymInt[]", ArgType::integer_list, false, 0},
                        {"bool[3]", ArgType::boolean_list, false, 3},
                        {"bool?", ArgType::boolean, true, 0},
                        {"str?", ArgType::text, true, 0},
                        {"ScalarType?", ArgType::dtype, true, 0},
                        {"Device?", ArgType::text, true, 0},
                        {"Layout", ArgType::other, false, 0},
                        {"MemoryFormat?", ArgType::other, true, 0},
                        {"Generator?", ArgType::other, true, 0},
                        {"int[][]", ArgType::other, false, 0},
                        {"str[]", ArgType::other, false, 0},
                        {"Dict(str, Tensor)", ArgType::other, false, 0},
                        {"(int, Tensor)[]", ArgType::other, false, 0},
                        {"__torch__.torch.classes.x.Y", ArgType::other, false, 0}}) {
    const Schema s = parse_schema("f(" + std::string(c.text) + " self) -> ()");
    ASSERT_EQ(s.args.size(), 1u) << c.text;
    EXPECT_EQ(s.args[0].type, c.type) << c.text;
    EXPECT_EQ(s.args[0].optional, c.optional) << c.text;
    EXPECT_EQ(s.args[0].list_size, c.list_size) << c.text;
    EXPECT_EQ(s.args[0].name, "self") << c.text;
    EXPECT_TRUE(s.results.empty());
  }
  EXPECT_TRUE(parse_schema("f(Tensor(a!) self) -> Tensor(a!)").args[0].written);
  EXPECT_FALSE(parse_schema("f(Tensor(a) self) -> Tensor(a)").args[0].written);
  EXPECT_TRUE(parse_schema("f(Tensor(a) self) -> Tensor(a)").results[0].aliased);
  EXPECT_TRUE(parse_schema("f(Tensor?[] i) -> Tensor").args[0].optional_elements);
  EXPECT_TRUE(parse_schema("f(float x) -> Tensor").args[0].real);
}

TEST(Schema, ReadsResultsAndHardDefaults) {
  const Schema max =
      parse_schema("max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)");
  ASSERT_EQ(max.results.size(), 2u);
  EXPECT_EQ(max.results[1].name, "indices");
  EXPECT_EQ(parse_schema("f() -> Tensor[]").results[0].type, ArgType::tensor_list);
  EXPECT_EQ(parse_schema("f() -> (Tensor, Tensor)[]").results.size(), 1u);
  const Schema odd = parse_schema("f(int[2] a=[0, 1], str b=\"x, (y)\", str? c='it\\'s', float d=1e-05) -> ()");
  ASSERT_EQ(odd.args.size(), 4u);
  EXPECT_EQ(odd.args[0].default_text, "[0, 1]");
  EXPECT_EQ(odd.args[1].default_text, "\"x, (y)\"");
  EXPECT_EQ(odd.args[2].default_text, "'it\\'s'");
  EXPECT_EQ(odd.args[3].default_text, "1e-05");
}

TEST(Schema, RefusesEverythingElseWithItsPlace) {
  const std::string whole =
      "aten::max.dim(Tensor(a!) self, int[2]? dim=[0, 1], *, str s='x') -> (Tensor values, Tensor indices)";
  parse_schema(whole);
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
    EXPECT_THROW(parse_schema(whole.substr(0, size)), std::invalid_argument) << whole.substr(0, size);
  }
  try {
    parse_schema("add(Tensor self Tensor other) -> Tensor");
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("schema, column 17: expected ',' or ')', found 'Tensor other"))
        << error.what();
  }
}

TEST(Schemas, FindsOverloadsAndNearNames) {
  Schemas all;
  for (const char* text : {"add.Tensor(Tensor self) -> Tensor", "add.Scalar(Tensor self) -> Tensor",
                           "addmm(Tensor self) -> Tensor", "tanh(Tensor self) -> Tensor"}) {
    all.add(parse_schema(text));
  }
  EXPECT_EQ(all.overloads("add").size(), 2u);
  EXPECT_EQ(all.overloads("add")[1].overload, "Scalar");
  EXPECT_TRUE(all.overloads("sub").empty());
  EXPECT_NE(all.find("addmm", ""), nullptr);
  EXPECT_EQ(all.find("add", ""), nullptr);
  EXPECT_EQ(all.near("tahn"), std::vector<std::string>{"tanh"});
  EXPECT_EQ(all.near("ad"), std::vector<std::string>{"add"});
  EXPECT_TRUE(all.near("convolution").empty());
  EXPECT_EQ(edit_distance("kitten", "sitting", 9), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 2), 3u);
}

}  // namespace
}  // namespace gradproof
