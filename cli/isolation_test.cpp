// gradproof check: kept apart in several ways, killed, and gone on with.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace gradproof {
namespace {

namespace fs = std::filesystem;

class IsolationTest : public testing::Test {
 protected:
  IsolationTest() {
    std::string name = (fs::temp_directory_path() / "gradproof-isolation-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~IsolationTest() override { fs::remove_all(folder_); }

  void expect(const std::string& command, int code, const std::string& said = "") const {
    const std::string whole = "cd '" + folder_.string() + "' && PATH='" GRADPROOF_BUILD_DIR "':$PATH && " + command;
    std::FILE* pipe = popen(("exec 2>&1; " + whole).c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string text;
    std::array<char, 4096> buffer{};
    std::size_t got = 0;
    while ((got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) text.append(buffer.data(), got);
    const int status = pclose(pipe);
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), code) << command << "\n" << text;
    EXPECT_NE(text.find(said), std::string::npos) << command << "\n" << text;
  }
  nlohmann::json report(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    auto json = nlohmann::json::parse(text.str());
    json.erase("timing");
    return json;
  }
  const std::string command_ =
      "gradproof check mutant:tanh-factor --operators 'tanh,exp,add' --seed 7 --out w --fail-on none ";

  fs::path folder_;
};

TEST_F(IsolationTest, EveryModeFindsTheSame) {
  for (const char* mode : {"batch", "case", "off"}) {
    expect(command_ + "--properties vjp,value --cases 6 --isolate " + mode + " --json " + mode + ".json", 0);
  }
  EXPECT_GT(report("batch.json")["summary"]["wrong"], 0);
  EXPECT_EQ(report("batch.json"), report("case.json"));
  EXPECT_EQ(report("batch.json"), report("off.json"));
}

TEST_F(IsolationTest, ARunThatIsKilledGoesOnWhereItWas) {
  expect(command_ + "--cases 400 --json whole.json", 0);
  for (const char* seconds : {"0.1", "0.2", "0.3"}) {
    expect(std::string("timeout -s KILL ") + seconds + " " + command_ +
               "--cases 400 --resume run.journal --json pieces.json; true",
           0);
  }
  expect(command_ + "--cases 400 --resume run.journal --json pieces.json", 0);
  EXPECT_EQ(report("whole.json"), report("pieces.json"));
  // What is decided is not run again, the seed need not be told, and more cases may follow.
  expect(
      "gradproof check mutant:tanh-factor --operators 'tanh,exp,add' --out w --fail-on none --cases 500 "
      "--resume run.journal --json more.json",
      0, "seed 0x7");
  EXPECT_GT(report("more.json")["summary"]["cases"], report("whole.json")["summary"]["cases"]);
}

TEST_F(IsolationTest, WhatCannotGoOnIsToldWithTheReason) {
  expect(command_ + "--cases 2 --resume run.journal", 0);
  expect(command_ + "--cases 2 --resume run.journal --dtype f32", 2, "belongs to another run: dtypes");
  expect("gradproof check reference --operators tanh --cases 2 --resume run.journal", 2, "engine is");
  expect("echo nonsense > other && " + command_ + "--cases 2 --resume other", 2, "is no journal");
  expect(command_ + "--cases 2 --resume .", 2);
  expect(command_ + "--cases 2 --resume no/such/file", 2, "cannot be written");
  expect(command_ + "--cases 2 --isolate none", 2, "expected batch, case or off");
  expect(command_ + "--cases 2 --memory much", 2, "no size");
  expect(command_ + "--cases 2 --memory 64M --isolate case", 0);
}

// Limits must leave room for the engines that there are.
TEST_F(IsolationTest, EveryEngineOfTheBuildComputesUnderTheDefaultLimits) {
  std::error_code error;
  for (fs::directory_iterator at(GRADPROOF_ENGINE_DIR, error), end; !error && at != end; at.increment(error)) {
    const fs::path file = at->path().filename();  // NAME-VERSION.so; others are parts of engines
    if (file.extension() != ".so" || file.string().find('-') == std::string::npos) continue;
    const std::string check =
        "gradproof check module:" + at->path().string() + " --operators mul,matmul --seed 1 --out w ";
    expect(check + "--properties vjp --cases 20", 0, "0 failures");
    expect(check + "--properties vjp --cases 4 --isolate case --memory 512M", 0, "0 failures");
    expect(check + "--properties vjp --cases 4 --isolate off", 0, "0 failures");
  }
}

TEST_F(IsolationTest, ACrashIsShrunkAndReplayedAndFoundByADebuggersWay) {
  const fs::path faults = fs::path(GRADPROOF_BUILD_DIR) / "tests" / "faults.so";
  if (!fs::exists(faults)) GTEST_SKIP() << "no faults.so in this build";
  const std::string engine = "module:" + faults.string();
  const std::string check = "check " + engine + " --operators neg --properties value --cases 8 --seed 1 --dtype f32";
  expect("GRADPROOF_FAULTS=neg:abort gradproof " + check, 1, "SIGABRT");
  expect("grep -c . out/neg-value-f32.tape; GRADPROOF_FAULTS=neg:abort gradproof run out/neg-value-f32.tape --engine " +
             engine,
         1, "SIGABRT");
  expect("GRADPROOF_FAULTS=neg:abort gradproof " + check + " --isolate off; test $? = 134", 0);
  expect("GRADPROOF_FAULTS=neg:abort gradproof run out/neg-value-f32.tape --isolate off --engine " + engine +
             "; test $? = 134",
         0);
  std::ifstream in(folder_ / "out" / "neg-value-f32.tape");
  std::size_t steps = 0;
  for (std::string line; std::getline(in, line);) steps += !line.empty() && line[0] != '#' ? 1 : 0;
  EXPECT_LE(steps, 3U);
}

}  // namespace
}  // namespace gradproof
