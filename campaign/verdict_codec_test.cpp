#include "campaign/verdict_codec.h"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include "campaign/isolation/shared_state.h"

namespace gradproof {
namespace {

RC_GTEST_PROP(VerdictCodec, NumbersAndTextsComeBack, (std::uint64_t number, const std::string& text, double real)) {
  std::string bytes;
  append_number(bytes, number);
  append_text(bytes, text);
  append_real(bytes, real);
  ByteReader reader(bytes);
  RC_ASSERT(reader.number() == number);
  RC_ASSERT(reader.text() == text);
  RC_ASSERT(reader.real() == real);
  RC_ASSERT(reader.at_end());
}

TEST(VerdictCodec, AFailureComesBackWhole) {
  Verdict verdict;
  verdict.outcome = Outcome::fail;
  verdict.severity = Severity::wrong;
  verdict.reason = "outside";
  verdict.entries = 1000;
  verdict.entries_outside = 3;
  verdict.planted = 7;
  verdict.planted_caught = 6;
  verdict.resolution_u = 2.5;
  verdict.error_radii = 0.25;
  verdict.worst_error_radii = 0.75;
  verdict.evidence = {4, "x.grad[2]", "1 ± 2", "3", 0.5, 1e300};
  std::string bytes;
  append_verdict(bytes, verdict);
  ByteReader reader(bytes);
  const Verdict back = read_verdict(reader);
  EXPECT_TRUE(reader.at_end());
  EXPECT_EQ(back.outcome, verdict.outcome);
  EXPECT_EQ(back.severity, verdict.severity);
  EXPECT_EQ(back.reason, verdict.reason);
  EXPECT_EQ(back.entries, 1000U);
  EXPECT_EQ(back.entries_outside, 3U);
  EXPECT_EQ(back.planted, 7U);
  EXPECT_EQ(back.planted_caught, 6U);
  EXPECT_EQ(back.resolution_u, 2.5);
  EXPECT_EQ(back.error_radii, 0.25);
  EXPECT_EQ(back.worst_error_radii, 0.75);
  EXPECT_EQ(back.evidence.step, 4U);
  EXPECT_EQ(back.evidence.what, "x.grad[2]");
  EXPECT_EQ(back.evidence.expected, "1 ± 2");
  EXPECT_EQ(back.evidence.got, "3");
  EXPECT_EQ(back.evidence.excess_radii, 0.5);
  EXPECT_EQ(back.evidence.excess_u, 1e300);
}

TEST(VerdictCodec, ClassesComeBack) {
  Met met;
  met.note(Axis::shape, ShapeClass::wide);
  met.note(Axis::values, ValueClass::huge);
  met.note(Axis::values, ValueClass::ties);
  met.note(Axis::optional, OptionalClass::all_left_out);
  std::string bytes;
  append_met(bytes, met);
  ByteReader reader(bytes);
  EXPECT_EQ(read_met(reader).classes, met.classes);
  EXPECT_TRUE(reader.at_end());
}

TEST(VerdictCodec, AClassThatThereIsNotIsRefused) {
  Met met;
  met.classes[static_cast<std::size_t>(Axis::seed)] = static_cast<std::uint16_t>(1U << class_count(Axis::seed));
  std::string bytes;
  append_met(bytes, met);
  ByteReader reader(bytes);
  EXPECT_THROW(read_met(reader), BadRecord);
}

TEST(VerdictCodec, EveryPrefixIsRefused) {
  Verdict verdict;
  verdict.outcome = Outcome::crash;
  verdict.reason = "SIGSEGV";
  std::string bytes;
  append_verdict(bytes, verdict);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ByteReader reader(std::string_view(bytes).substr(0, size));
    EXPECT_THROW(read_verdict(reader), std::runtime_error) << size;
  }
  bytes[0] = 99;
  ByteReader reader(bytes);
  EXPECT_THROW(read_verdict(reader), std::runtime_error);
}

}  // namespace
}  // namespace gradproof
