#include "campaign/waivers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "campaign/usage_error.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;

class WaiversTest : public testing::Test {
 public:
  ~WaiversTest() override { fs::remove(file_); }
  std::string error_of(const std::string& text) {
    std::ofstream(file_) << text;
    try {
      read_waivers(file_);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  }
  fs::path file_ = fs::temp_directory_path() / ("waivers-" + std::to_string(getpid()) + ".json");
};

constexpr const char* good = R"([
  {"operator": "tanh", "property": "vjp", "reason": "as documented", "source": "the manual"},

  {"operator": "*", "property": "purity", "versions": ["2.*"], "severity": "misbehaving",
   "match": "shares", "reason": "r", "source": "s"}
])";

TEST_F(WaiversTest, ReadWithTheirPlaces) {
  std::ofstream(file_) << good;
  const auto waivers = read_waivers(file_);
  ASSERT_EQ(waivers.size(), 2U);
  EXPECT_EQ(waivers[0].operators, "tanh");
  EXPECT_EQ(waivers[0].place, file_.string() + ":2");
  EXPECT_EQ(waivers[1].place, file_.string() + ":4");
  EXPECT_EQ(waivers[1].versions, std::vector<std::string>{"2.*"});
}

TEST_F(WaiversTest, WhatIsBrokenIsToldWithItsLine) {
  const std::string place = file_.string() + ":";
  EXPECT_TRUE(error_of("[\n{\"operator\": }\n]").starts_with(place + "2: "));
  EXPECT_TRUE(error_of("{}").starts_with(place + "1: "));
  EXPECT_TRUE(error_of("").starts_with(place + "1: "));
  EXPECT_TRUE(error_of("\n[\n\n{\"operator\": \"x\", \"property\": \"y\"}]").starts_with(place + "4: waiver 1: "));
  const std::string unknown = error_of(R"([{"operator": "x", "property": "y", "reason": "r", "sorce": "s"}])");
  EXPECT_NE(unknown.find("near: source"), std::string::npos) << unknown;
  EXPECT_NE(error_of(R"([{"operator": 3}])").find("is no text"), std::string::npos);
  EXPECT_NE(error_of(R"([{"operator": "x", "property": "y", "reason": "r", "source": "s", "severity": "bad"}])")
                .find("known: wrong"),
            std::string::npos);
  EXPECT_NE(error_of(R"([3])").find("object"), std::string::npos);
}

TEST_F(WaiversTest, AMissingFileOrAFolderIsToldToo) {
  EXPECT_THROW(read_waivers("/no/such/file"), UsageError);
  EXPECT_THROW(read_waivers(fs::temp_directory_path()), UsageError);
}

TEST_F(WaiversTest, EveryFieldMustMatch) {
  std::ofstream(file_) << good;
  Verdict verdict;
  verdict.outcome = Outcome::fail;
  verdict.severity = Severity::misbehaving;
  verdict.reason = "a gradient shares memory";
  Waivers waivers("2.11.0");
  waivers.add(read_waivers(file_));
  EXPECT_NE(waivers.waive("add.Tensor", "purity", verdict), nullptr);
  EXPECT_EQ(waivers.waive("add.Tensor", "vjp", verdict), nullptr);
  EXPECT_NE(waivers.waive("tanh", "vjp", verdict), nullptr);
  Verdict other = verdict;
  other.reason = "an input changed";
  EXPECT_EQ(waivers.waive("add.Tensor", "purity", other), nullptr);
  other = verdict;
  other.severity = Severity::wrong;
  EXPECT_EQ(waivers.waive("add.Tensor", "purity", other), nullptr);
  Waivers older("1.13.1");
  older.add(read_waivers(file_));
  EXPECT_EQ(older.waive("add.Tensor", "purity", verdict), nullptr);
  EXPECT_EQ(waivers.all()[1].used, 1U);
}

TEST(ShippedWaivers, EveryFileThatIsShippedIsInOrder) {
  for (const auto& entry : fs::directory_iterator(fs::path(GRADPROOF_SOURCE_DIR) / "fixtures" / "waivers")) {
    EXPECT_NO_THROW(read_waivers(entry.path())) << entry.path();
  }
}

}  // namespace
}  // namespace gradproof
