#include "campaign/glob.h"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

namespace gradproof {
namespace {

TEST(Glob, StarsMarksAndBrackets) {
  EXPECT_TRUE(glob_matches("log*", "log1p"));
  EXPECT_TRUE(glob_matches("*soft*", "log_softmax.int"));
  EXPECT_TRUE(glob_matches("gelu[tanh]", "gelu[tanh]"));
  EXPECT_FALSE(glob_matches("gelu[tanh]", "gelut"));
  EXPECT_TRUE(glob_matches("?in", "sin"));
  EXPECT_FALSE(glob_matches("?in", "in"));
  EXPECT_FALSE(glob_matches("sin", "asin"));
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_FALSE(glob_matches("", "x"));
  EXPECT_TRUE(glob_matches("a*b*c", "a--b-b--c"));
  EXPECT_FALSE(glob_matches("a*b*c", "a--c--b"));
}

RC_GTEST_PROP(Glob, StarsAroundAPieceOfTheTextMatchIt, (const std::string& text)) {
  const auto from = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
  const auto size = *rc::gen::inRange<std::size_t>(0, text.size() - from + 1);
  RC_ASSERT(glob_matches("*" + text.substr(from, size) + "*", text));
}

TEST(Glob, CommasAndRepeatedOptionsAreOneList) {
  EXPECT_EQ(split_globs({"sin,cos*", "tan", ",,"}), (std::vector<std::string>{"sin", "cos*", "tan"}));
}

}  // namespace
}  // namespace gradproof
