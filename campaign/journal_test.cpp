#include "campaign/journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "campaign/campaign.h"
#include "campaign/usage_error.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;

class JournalTest : public testing::Test {
 public:
  JournalTest() {
    std::string name = (fs::temp_directory_path() / "gradproof-journal-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    file_ = folder_ / "run.journal";
  }
  ~JournalTest() override { fs::remove_all(folder_); }

  std::string bytes() const {
    std::ifstream in(file_, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  void write(const std::string& text) const { std::ofstream(file_, std::ios::binary) << text; }
  std::string refusal(const RunIdentity& identity) const {
    try {
      Journal journal(file_, identity);
      return "";
    } catch (const UsageError& error) {
      return error.what();
    }
  }
  static Verdict crash(const std::string& reason) {
    Verdict verdict;
    verdict.outcome = Outcome::crash;
    verdict.reason = reason;
    return verdict;
  }
  static std::map<std::uint64_t, std::string> recorded(const Journal& journal) {
    std::map<std::uint64_t, std::string> all;
    journal.replay([&](std::uint64_t number, const Verdict& verdict, const std::string& words) {
      EXPECT_TRUE(all.emplace(number, verdict.reason + words).second);
    });
    return all;
  }

  const RunIdentity identity_{{"engine", "fake"}, {"seed", "0x1"}};
  fs::path folder_;
  fs::path file_;
};

TEST_F(JournalTest, WhatWasFlushedIsThereAgain) {
  {
    Journal journal(file_, identity_);
    EXPECT_FALSE(journal.decided(7));
    journal.add_verdict(7, crash("SIGSEGV"), " oh");
    journal.add_verdict(3, {}, "");
    journal.add_witness(7, "y = sin(x)\n", crash("SIGSEGV"));
    journal.add_elapsed(std::chrono::milliseconds(1234));
    journal.flush();
    journal.add_verdict(4, {}, "");  // lost: the run is killed before it is flushed
  }
  const Journal journal(file_, identity_);
  EXPECT_EQ(recorded(journal), (std::map<std::uint64_t, std::string>{{3, ""}, {7, "SIGSEGV oh"}}));
  EXPECT_TRUE(journal.decided(3) && journal.decided(7));
  EXPECT_FALSE(journal.decided(4) || journal.decided(1'000'000));
  ASSERT_NE(journal.witness(7), nullptr);
  EXPECT_EQ(journal.witness(7)->script, "y = sin(x)\n");
  EXPECT_EQ(journal.witness(3), nullptr);
  EXPECT_EQ(journal.elapsed().count(), 1234);
  EXPECT_EQ(Journal::recorded(file_, "seed"), "0x1");
  EXPECT_EQ(Journal::recorded(folder_ / "missing", "seed"), std::nullopt);
}

TEST_F(JournalTest, CutOffAnywhereItHoldsWhatWasWholeAndGoesOn) {
  {
    Journal journal(file_, identity_);
    for (std::uint64_t n = 0; n < 5; ++n) journal.add_verdict(n, crash("reason " + std::to_string(n)), "");
    journal.flush();
  }
  const std::string whole = bytes();
  std::size_t before = 0;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write(whole.substr(0, size));
    std::size_t held = 0;
    {
      Journal journal(file_, identity_);
      const auto all = recorded(journal);
      held = all.size();
      for (const auto& [number, reason] : all) EXPECT_EQ(reason, "reason " + std::to_string(number));
      journal.add_verdict(99, crash("new"), "");
      journal.flush();
    }
    EXPECT_GE(held, before);
    before = held;
    const Journal again(file_, identity_);
    EXPECT_EQ(recorded(again).size(), held + 1) << size;
    EXPECT_TRUE(again.decided(99));
  }
  EXPECT_EQ(before, 5U);
}

TEST_F(JournalTest, AnotherRunsOrNoJournalIsRefusedWithTheReason) {
  { Journal journal(file_, identity_); }
  EXPECT_EQ(refusal(identity_), "");
  EXPECT_NE(refusal({{"engine", "other"}, {"seed", "0x1"}}).find("engine is 'fake' there and 'other' here"),
            std::string::npos);
  write("x = leaf f32[] 1\n");
  EXPECT_NE(refusal(identity_).find("is no journal"), std::string::npos);
  EXPECT_EQ(bytes(), "x = leaf f32[] 1\n");
  EXPECT_THROW(Journal::recorded(file_, "seed"), UsageError);
  fs::remove(file_);
  const Journal first(file_, identity_);
  EXPECT_NE(refusal(identity_).find("in use"), std::string::npos);
  file_ = folder_ / "no" / "such";
  EXPECT_NE(refusal(identity_).find("cannot be written"), std::string::npos);
}

TEST_F(JournalTest, ARunInPiecesFindsWhatAWholeOneFindsAndRunsNothingTwice) {
  const EngineSource source = find_engine("mutant:tanh-factor", {});
  const Plan plan = make_plan(Registry::standard(), source.name, facts_of(source),
                              {{"tanh", "add", "exp"}, {"value", "vjp"}, {}, GP_CPU}, all_properties());
  CampaignOptions options;
  options.seed = 5;
  options.cases = 30;
  Waivers none("");
  const auto told = [&](const Results& results) {
    std::string text;
    for (const Row& row : results.rows()) {
      text += row.operator_id + " " + row.property + " " + std::to_string(row.counts.pass) + " " +
              std::to_string(row.counts.wrong) + " " + std::to_string(row.resolutions.median()) + "\n";
    }
    for (const Failure* failure : results.failures()) {
      text += std::to_string(failure->number) + failure->script + failure->verdict.evidence.got + "\n";
    }
    return text;
  };
  Results whole(plan, none);
  run_cases(plan, source, options, whole);
  make_witnesses(plan, source, options, whole);
  std::uint64_t done = 0;
  int pieces = 0;
  for (bool more = true; more; ++pieces) {
    Journal journal(file_, identity_);
    Results results(plan, none);
    std::uint64_t now = 0;
    options.journal = &journal;
    options.interrupted = [&] { return pieces < 4 && now > done + 20; };
    more = !run_cases(plan, source, options, results, [&](const CampaignProgress& progress) { now = progress.done; });
    if (!more) make_witnesses(plan, source, options, results);
    EXPECT_GE(results.total().cases(), done);
    done = results.total().cases();
    if (!more) {
      EXPECT_EQ(told(results), told(whole));
    }
  }
  const Journal journal(file_, identity_);
  EXPECT_EQ(recorded(journal).size(), 30 * plan.pairs.size());
  EXPECT_FALSE(whole.failures().empty());
  for (const Failure* failure : whole.failures()) EXPECT_NE(journal.witness(failure->number), nullptr);
}

}  // namespace
}  // namespace gradproof
