#include "campaign/results.h"

#include <gtest/gtest.h>

namespace gradproof {
namespace {

TEST(Results, ReasonsThatDifferInNumbersAreOne) {
  EXPECT_EQ(without_numbers("3 of 17 entries"), without_numbers("5 of 9 entries"));
  EXPECT_EQ(without_numbers("a view of [2, 3]"), without_numbers("a view of [18, 1, 2]"));
  EXPECT_EQ(without_numbers("off by 1.5e-7 u"), without_numbers("off by 3 u"));
  EXPECT_NE(without_numbers("too wide"), without_numbers("too narrow"));
  EXPECT_EQ(without_numbers("e.g. nothing"), "e.g. nothing");
}

TEST(Results, CountsAddUp) {
  Counts counts;
  counts.pass = 1;
  counts.wrong = 2;
  counts.misbehaving = 3;
  counts.inaccurate = 4;
  counts.inconclusive = 5;
  counts.unsupported = 6;
  counts.crash = 7;
  counts.timeout = 8;
  counts.waived = 9;
  counts.internal_error = 10;
  EXPECT_EQ(counts.cases(), 55U);
  EXPECT_EQ(counts.fail(), 9U);
  EXPECT_EQ(counts.decided(), 25U);
  counts += counts;
  EXPECT_EQ(counts.cases(), 110U);
}

}  // namespace
}  // namespace gradproof
