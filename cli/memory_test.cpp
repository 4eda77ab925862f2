// gradproof run, where memory nobody wrote is at stake.
#include <vector>

#include "cli/shell.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;

Ended run(const std::string& arguments) { return shell("gradproof " + arguments); }

bool tells(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Every LibTorch of this build, with the test operators for it.
std::vector<std::string> versions() {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator at(GRADPROOF_ENGINE_DIR, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().stem().string();
    if (name.starts_with("libtorch-")) found.push_back(name.substr(9));
  }
  return found;
}

// Leaves of shape [1] by torch.empty: what rests on them is told with their names and lines, and what does not is not.
void expect_the_hazards_of_the_recorded_example(const std::string& engine) {
  const std::string file = "fixtures/examples/3-unwritten-memory.tape";
  const Ended ended = run("run " + file + " --engine " + engine);
  EXPECT_EQ(ended.code, 0) << ended.text;
  EXPECT_TRUE(tells(ended.text, "y rests on memory nobody wrote: a (line 2), b (line 3), c (line 4); its bits differ"))
      << ended.text;
  EXPECT_TRUE(tells(ended.text, "b.grad rests on memory nobody wrote: b (line 3); its bits differ")) << ended.text;
  EXPECT_TRUE(tells(ended.text, "c.grad rests on memory nobody wrote: c (line 4); its bits differ")) << ended.text;
  EXPECT_FALSE(tells(ended.text, "a.grad rests")) << ended.text;
  const Ended zeroed = run("run fixtures/examples/3-zeroed-memory.tape --engine " + engine);
  EXPECT_EQ(zeroed.code, 0) << zeroed.text;
  EXPECT_FALSE(tells(zeroed.text, "rests on memory")) << zeroed.text;
}

TEST(Memory, HazardsAreToldByTheReference) { expect_the_hazards_of_the_recorded_example("reference"); }

TEST(Memory, HazardsAreToldByLibTorch) {
  if (versions().empty()) GTEST_SKIP() << "no LibTorch in this build";
  for (const std::string& version : versions()) expect_the_hazards_of_the_recorded_example("libtorch@" + version);
}

#ifdef __SANITIZE_ADDRESS__
// AddressSanitizer ends the process before it is seen.
constexpr const char* read_past_the_end = "exit status 1";
constexpr const char* read_after_free = "exit status 1";
#else
constexpr const char* read_past_the_end = "first at 'planted::reads_past_the_end' (line 2)";
constexpr const char* read_after_free = "first at 'backward y' (line 3)";
#endif

TEST(Memory, FaultsOfLoadedOperatorsAreFoundAndTheirTwinsPass) {
  if (versions().empty()) GTEST_SKIP() << "no LibTorch in this build";
  struct Row {
    const char* operation;
    const char* told;
  };
  constexpr Row rows[] = {{"reads-output", "first at 'planted::reads_output' (line 2)"},
                          {"reads-past-the-end", read_past_the_end},
                          {"writes-past-the-end", "4 bytes past its end"},
                          {"writes-freed", "written to after it was freed"},
                          {"skips-slice", "first at 'backward y' (line 3)"},
                          {"writes-half", "first at 'backward y' (line 3)"},
                          {"frees-early", read_after_free}};
  std::string faulty;
  std::string twins;
  for (const Row& row : rows) {
    const std::string file = std::string(" adapters/libtorch/testdata/planted/") + row.operation;
    faulty += file + ".tape";
    twins += file + "-twin.tape";
  }
  const auto run_planted = [](const std::string& scripts, const std::string& version) {
    const std::string library = GRADPROOF_BUILD_DIR "/tests/planted-" + version + ".so";
    return run("run" + scripts + " --engine libtorch@" + version + " --load " + library);
  };
  for (const std::string& version : versions()) {
    const Ended found = run_planted(faulty, version);
    EXPECT_EQ(found.code, 1) << found.text;
    EXPECT_TRUE(tells(found.text, "0 pass · 7 fail")) << found.text;
    for (const Row& row : rows) {
      const std::size_t at = found.text.find(std::string(row.operation) + ".tape: ");
      ASSERT_NE(at, std::string::npos) << row.operation << "\n" << found.text;
      EXPECT_TRUE(tells(found.text.substr(at, found.text.find('\n', at) - at), row.told)) << found.text;
    }
    const Ended passed = run_planted(twins, version);
    EXPECT_EQ(passed.code, 0) << passed.text;
    EXPECT_TRUE(tells(passed.text, "7 pass")) << passed.text;
  }
}

TEST(Memory, ALibraryThatIsNotThereIsBadUsage) {
  const Ended ended = run("run fixtures/examples --load no/such.so");
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(tells(ended.text, "--load 'no/such.so': no such file")) << ended.text;
}

}  // namespace
}  // namespace gradproof
