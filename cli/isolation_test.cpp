// gradproof check: kept apart in several ways, killed, and gone on with.
#include "cli/shell.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;

class IsolationTest : public ShellTest {
 protected:
  nlohmann::json report(const std::string& name) const {
    auto report = json(name);
    report.erase("timing");
    return report;
  }
  const std::string command_ =
      "gradproof check mutant:tanh-factor --operators 'tanh,exp,add' --seed 7 --out w --fail-on none ";
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
