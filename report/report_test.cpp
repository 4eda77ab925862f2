#include "report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "report/progress.h"

namespace gradproof {
namespace {

class ReportTest : public testing::Test {
 protected:
  ReportTest() {
    plan.registry = &Registry::standard();
    plan.engine = "fake@1.0";
    plan.dtypes = {GP_F32};
    const auto entries = select_operators(Registry::standard(), {"sin", "tanh"});
    for (const Entry* entry : entries) {
      for (const char* property : {"value", "vjp"}) plan.pairs.push_back({entry, find_property(property), {GP_F32}});
    }
    plan.skipped.push_back({entries[0], find_property("jvp"), GP_F32, "no forward mode"});
    results = std::make_unique<Results>(plan, waivers);
  }
  static Verdict failure(Severity severity, const std::string& reason) {
    Verdict verdict;
    verdict.outcome = Outcome::fail;
    verdict.severity = severity;
    verdict.reason = reason;
    verdict.entries = 2;
    verdict.entries_outside = 1;
    verdict.evidence = {3, "x.grad <&>\"\x01", "1 ± 0.5", "3", 4, std::numeric_limits<double>::infinity()};
    return verdict;
  }
  CheckReport report() {
    CheckReport made;
    made.plan = &plan;
    made.results = results.get();
    made.waivers = &waivers;
    made.seed = 0x7c41;
    return made;
  }
  Plan plan;
  Waivers waivers{"1.0"};
  std::unique_ptr<Results> results;
};

TEST_F(ReportTest, TheTableHasAMarkForEachOutcome) {
  results->add(0, {});  // sin or tanh, value
  results->add(1, failure(Severity::wrong, "outside"));
  results->add(2, failure(Severity::inaccurate, "outside"));
  Verdict wide;
  wide.outcome = Outcome::inconclusive;
  wide.reason = "too wide";
  results->add(3, wide);
  const std::string table = table_text(report(), {});
  const std::string body = table.substr(0, table.find("✓ pass"));
  for (const char* mark : {"✓", "✗", "~", "?", "–"})
    EXPECT_NE(body.find(mark), std::string::npos) << mark << "\n" << table;
  EXPECT_EQ(table.find('\x1b'), std::string::npos);
  TextStyle colored;
  colored.color = true;
  EXPECT_NE(table_text(report(), colored).find("\x1b[31;1m✗"), std::string::npos);
}

TEST_F(ReportTest, ANarrowTerminalGetsANarrowTable) {
  TextStyle narrow;
  narrow.terminal = true;
  narrow.width = 60;
  results->add(0, {});
  const std::string table = table_text(report(), narrow);
  EXPECT_LE(columns_of(table.substr(0, table.find('\n'))), 60U) << table;
}

TEST_F(ReportTest, JsonCountsAndSurvivesEveryNumberAndByte) {
  results->add(0, {});
  Verdict odd = failure(Severity::wrong, "bytes \xff\xfe");
  odd.evidence.excess_radii = std::nan("");
  results->add(1, odd);
  const auto json = nlohmann::json::parse(json_text(report()));
  EXPECT_EQ(json["summary"]["pass"], 1);
  EXPECT_EQ(json["summary"]["fail"], 1);
  EXPECT_EQ(json["summary"]["unsupported"], 1);
  EXPECT_EQ(json["summary"]["entries_outside"], 1);
  EXPECT_EQ(json["seed"], "0x7c41");
  EXPECT_EQ(json["rows"].size(), 5U);
  EXPECT_EQ(json["failures"][0]["evidence"]["excess_u"], "inf");
  EXPECT_EQ(json["failures"][0]["evidence"]["excess_radii"], "nan");
}

TEST_F(ReportTest, JUnitEscapesAndCounts) {
  results->add(1, failure(Severity::wrong, "a < b & \"c\""));
  const std::string xml = junit_text(report());
  EXPECT_NE(xml.find("message=\"a &lt; b &amp; &quot;c&quot;\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("failures=\"1\""), std::string::npos);
  EXPECT_NE(xml.find("no forward mode"), std::string::npos);
  EXPECT_EQ(xml.find('\x01'), std::string::npos);
}

TEST_F(ReportTest, FailuresOfOneCauseAreToldOnceByTheSmallestScript) {
  results->add(0, failure(Severity::wrong, "3 of 17 outside"));
  results->add(1, failure(Severity::wrong, "5 of 9 outside"));
  results->add(2, failure(Severity::wrong, "1 of 1 outside"));
  auto failures = results->failures();
  ASSERT_EQ(failures.size(), 3U);
  failures[0]->script = "a long script\n";
  failures[1]->script = "short\n";
  const auto causes = causes_of(*results);
  ASSERT_EQ(causes.size(), 2U);  // by operator
  EXPECT_EQ(causes[0].front()->script, "short\n");
  const std::string text = failures_text(report(), {});
  EXPECT_NE(text.find("short"), std::string::npos);
  EXPECT_EQ(text.find("long"), std::string::npos);
  EXPECT_NE(text.find("same cause: value"), std::string::npos) << text;
}

TEST_F(ReportTest, MisbehaviourIsOneCauseWhateverTheOperator) {
  results->add(1, failure(Severity::misbehaving, "an input changed"));
  results->add(3, failure(Severity::misbehaving, "an input changed"));
  EXPECT_EQ(causes_of(*results).size(), 1U);
}

TEST(Histogram, QuantilesWithinABinAndWorstExactly) {
  Histogram numbers;
  for (int i = 1; i <= 101; ++i) numbers.add(i);
  numbers.add(-1);
  numbers.add(std::nan(""));
  EXPECT_NEAR(numbers.median(), 51, 51 * 0.03);
  EXPECT_NEAR(numbers.quantile(0.99), 100, 100 * 0.03);
  EXPECT_EQ(numbers.worst(), 101);
  EXPECT_EQ(Histogram().median(), 0);
  for (int i = 0; i < 200; ++i) numbers.add(0);
  EXPECT_EQ(numbers.median(), 0);
}

TEST(Text, Numbers) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(36600), "36,600");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(percent(4, 1000), "0.4 %");
  EXPECT_EQ(percent(0, 0), "0.0 %");
  EXPECT_EQ(duration_text(58), "58 s");
  EXPECT_EQ(duration_text(125), "2 min 5 s");
  EXPECT_EQ(short_number(4), "4");
  EXPECT_EQ(short_number(1.8e6), "1.8e+06");
  EXPECT_EQ(padded("✓", 3), "✓  ");
}

TEST(Progress, RateAndTimeLeft) {
  CampaignProgress progress;
  progress.done = 1000;
  progress.total = 3000;
  progress.elapsed = std::chrono::milliseconds(2000);
  progress.failures = 2;
  EXPECT_EQ(progress_text(progress), "1,000 of 3,000 cases · 2 failures · 500/s · 4.0 s left");
  progress.total = 0;
  progress.time = std::chrono::milliseconds(60'000);
  EXPECT_EQ(progress_text(progress), "1,000 cases · 2 failures · 500/s · 58 s left");
}

}  // namespace
}  // namespace gradproof
