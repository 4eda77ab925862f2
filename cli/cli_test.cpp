// The built executable, as a user or a pipeline runs it.
#include "cli/shell.h"

#include <algorithm>
#include <set>

namespace gradproof {
namespace {

namespace fs = std::filesystem;

using CliTest = ShellTest;

TEST_F(CliTest, HelpAndVersionEverywhere) {
  expect("gradproof --version", 0, "gradproof 0.");
  expect("gradproof --help", 0, "Exit codes:");
  for (const char* command : {"check", "fuzz", "run", "reproduce", "engines", "operators", "properties", "mutants"}) {
    expect(std::string("gradproof ") + command + " --help", 0, "Example");
  }
}

TEST_F(CliTest, ExitCodesSayWhatWasFound) {
  expect("gradproof check reference --operators sin,exp --cases 6 --seed 1", 0, "0 failures");
  expect("gradproof check mutant:tanh-factor --operators tanh --properties vjp --cases 6 --seed 1", 1, "vjp of tanh");
  expect("gradproof check mutant:tanh-factor --operators tanh --properties vjp --cases 6 --seed 1 --fail-on none", 0);
  expect("gradproof check reference --operators sin --dtype f16 --cases 2 --seed 1", 3, "unsupported");
  const fs::path fake = fs::path(GRADPROOF_BUILD_DIR) / "tests" / "fake.so";
  if (!fs::exists(fake)) return;
  // A machine without the device is no bad usage, and nothing decided is no pass.
  expect("gradproof check module:" + fake.string() + " --device cuda --operators sin,exp --cases 2 --seed 1", 3,
         "unsupported: no CUDA device");
}

// A driver that has a device and does nothing else: what runs is LibTorch's own judgement of it.
TEST_F(CliTest, ADriverOfNoUseIsNoDevice) {
  const fs::path driver = fs::path(GRADPROOF_BUILD_DIR) / "tests" / "fake_driver.so";
  if (!fs::exists(driver)) GTEST_SKIP() << "this build has no LibTorch";
  fs::copy_file(driver, folder_ / "libcuda.so.1");
  for (const char* order : {"d1", "d0", "e100", "k11"}) {
    expect(std::string("FAKE_DRIVER=") + order + " LD_LIBRARY_PATH=. gradproof check libtorch --device cuda" +
               " --operators sin --properties value --cases 1 --seed 1",
           3, "unsupported: no CUDA device");
  }
}

TEST_F(CliTest, BadUsageIsExitCode2WithTheNearNames) {
  expect("gradproof", 2);
  expect("gradproof chekc reference", 2, "near: check");
  expect("gradproof check", 2, "engine");
  expect("gradproof check referense", 2, "near: reference");
  expect("gradproof check mutant:tanh-facto", 2, "mutant:tanh-factor");
  expect("gradproof check module:missing.so", 2, "no such file");
  expect("gradproof check reference --operators sinn", 2, "sin");
  expect("gradproof check reference --operators 'qqqq*'", 2, "no operator matches");
  expect("gradproof check reference --properties vjpp", 2, "vjp");
  expect("gradproof check reference --dtype f33", 2, "f32");
  expect("gradproof check reference --device tpu", 2, "cpu and cuda");
  expect("gradproof check reference --device cuda", 2, "cpu");
  expect("gradproof check reference --seed 12x", 2, "--seed");
  expect("gradproof check reference --seed 99999999999999999999", 2, "--seed");
  expect("gradproof check reference --time soon", 2, "60s");
  expect("gradproof check reference --cases 0", 2);
  expect("gradproof check reference --cases -3", 2);
  expect("gradproof check reference --fail-on wrnog", 2, "near: wrong");
  expect("gradproof check reference --frobnicate", 2, "frobnicate");
}

TEST_F(CliTest, AModuleThatIsNoneIsToldAndNothingCrashes) {
  write("text.so", "not a library");
  expect("gradproof check module:text.so", 2, "cannot be loaded");
  const fs::path no_engine = fs::path(GRADPROOF_BUILD_DIR) / "tests" / "no_module.so";
  if (fs::exists(no_engine)) expect("gradproof check module:" + no_engine.string(), 2, "is no engine");
  expect("gradproof run . --engine module:text.so", 2);
}

TEST_F(CliTest, EqualSeedsGiveEqualReportsToTheBitTimesAside) {
  const std::string command =
      "gradproof check mutant:tanh-factor --operators 'tanh,add*,softmax*' --cases 8 --out w --seed ";
  expect(command + "0x2a --json a.json", 1, "seed 0x2a");
  expect(command + "42 --json b.json", 1, "seed 0x2a");
  expect(command + "43 --json c.json", 1);
  const auto without_times = [&](const char* name) {
    auto report = json(name);
    report.erase("timing");
    return report.dump(1);
  };
  EXPECT_EQ(without_times("a.json"), without_times("b.json"));
  EXPECT_NE(without_times("a.json"), without_times("c.json"));
}

TEST_F(CliTest, TheReportsHoldWhatTheIssuePromises) {
  expect(
      "gradproof check mutant:tanh-factor --operators tanh,exp --cases 8 --seed 1 --json r.json --junit r.xml --out w",
      1);
  const auto report = json("r.json");
  const auto& summary = report["summary"];
  for (const char* key : {"pass", "fail", "inconclusive", "unsupported", "crash", "timeout", "waived", "entries",
                          "entries_outside", "planted", "planted_caught", "inaccurate"}) {
    EXPECT_TRUE(summary.contains(key)) << key;
  }
  EXPECT_GT(summary["fail"], 0);
  EXPECT_EQ(summary["planted"], summary["planted_caught"]);
  std::uint64_t cases = 0;
  for (const auto& row : report["rows"]) {
    cases += row["cases"].get<std::uint64_t>();
    EXPECT_TRUE(row.contains("median_resolution_u") && row.contains("worst_resolution_u"));
    EXPECT_LE(row["median_error_radii"], row["p99_error_radii"]);
    EXPECT_LE(row["p99_error_radii"], 1.03);  // a bin is 4.4 % wide
  }
  EXPECT_EQ(cases, summary["cases"].get<std::uint64_t>());
  const std::string xml = text_of(folder_ / "r.xml");
  EXPECT_TRUE(xml.starts_with("<?xml"));
  EXPECT_NE(xml.find("<failure type=\"wrong\""), std::string::npos);
}

TEST_F(CliTest, AFailureIsWrittenAsAScriptThatReplays) {
  expect("gradproof check mutant:tanh-factor --operators tanh --properties vjp --cases 4 --seed 1 --dtype f32", 1,
         "replay");
  expect("gradproof run out/tanh-vjp-f32.tape --engine mutant:tanh-factor", 1, "vjp is wrong");
  expect("gradproof run out/tanh-vjp-f32.tape", 0, "1 pass");
  expect("gradproof run out", 0);
}

TEST_F(CliTest, FuzzRunsProgramsAndLifeCycles) {
  const Ended ended = shell("cd '" + folder_.string() +
                            "' && gradproof fuzz reference --operators sin --cases 3 --seed 1 --json r.json");
  EXPECT_EQ(ended.code, 0) << ended.text;
  std::set<std::string> properties;
  const nlohmann::json report = nlohmann::json::parse(text_of(folder_ / "r.json"));
  for (const auto& row : report["rows"]) properties.insert(row["property"].get<std::string>());
  EXPECT_TRUE(properties.contains("program"));
  EXPECT_TRUE(properties.contains("lifecycle"));
  EXPECT_TRUE(properties.contains("lifecycle-views"));
  EXPECT_FALSE(properties.contains("vjp"));
  expect("gradproof fuzz reference --operators sin --properties program --cases 3 --seed 1", 0, "3");
  expect("gradproof fuzz reference --operators sin --time 1s --seed 1", 0, "0 failures");
}

// A fault of tanh, met in programs around another operator: the call at fault is named, and little else is left.
TEST_F(CliTest, AFaultDeepInAProgramIsNamedAndCutOut) {
  expect("gradproof fuzz mutant:tanh-factor --operators exp --properties program --dtype f32 --cases 60 --seed 1", 1,
         "first the gradient from tanh");
  std::istringstream script(text_of(folder_ / "out" / "exp-program-f32.tape"));
  int steps = 0;
  bool blamed = false;
  for (std::string line; std::getline(script, line);) {
    steps +=
        line.find('(') != std::string::npos || line.starts_with("backward") || line.find("= grad ") != std::string::npos
            ? 1
            : 0;
    blamed = blamed || line.find("tanh(") != std::string::npos;
  }
  EXPECT_TRUE(blamed);
  EXPECT_LE(steps, 3);
}

TEST_F(CliTest, WaiversAreCountedApartAndBrokenOnesTold) {
  const std::string command =
      "gradproof check mutant:tanh-factor --operators tanh --properties vjp --cases 4 --seed 1 --json r.json "
      "--waivers ";
  write("w.json", R"([{"operator": "tanh", "property": "vjp", "reason": "known", "source": "me"},
 {"operator": "sin", "property": "*", "reason": "known", "source": "me"}])");
  expect(command + "w.json", 3, "unused waiver: sin × * (w.json:2)");
  EXPECT_EQ(json("r.json")["summary"]["waived"], 4);
  write("broken.json", "[\n{\"operator\": \"tanh\",}]");
  expect(command + "broken.json", 2, "broken.json:2: ");
  expect(command + "missing.json", 2, "missing.json");
}

TEST_F(CliTest, ReportsThatCannotBeWrittenAreToldInTime) {
  const std::string command = "gradproof check reference --operators sin --cases 2 --seed 1 ";
  expect(command + "--json /no/such/folder/r.json", 2, "/no/such/folder/r.json");
  expect(command + "--junit .", 2, "is a folder");
  expect(command + "--json /dev/full", 4, "No space left");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  write("old.json", "old");
  expect(command + "--json old.json", 0);
  EXPECT_NE(text_of(folder_ / "old.json"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);  // no temporary file is left
}

TEST_F(CliTest, ScriptsFromOutsideAreReadOrRefusedWithTheirPlace) {
  write("good.tape", "x = leaf f32[] 3\ny = mul(x, x)\nbackward y\nexpect x.grad = 6\n");
  write("bad.tape", "x = leaf f32[] 3\ny = mul(x, x)\nbackward y\nexpect x.grad = 7\nexpect y enclosed\n");
  expect("gradproof run good.tape", 0, "1 pass");
  expect("gradproof run bad.tape", 1, "bad.tape:4: x.grad: expected 7, got 6");
  expect("gradproof run missing.tape", 2, "missing.tape");
  write("empty.tape", "");
  write("binary.tape", std::string("\x7f\x45\x4c\x46\0\0\1\2", 8));
  write("cut.tape", "x = leaf f32[2] [1");
  write("twice.tape", "x = leaf f32[] 1\nx = leaf f32[] 1\n");
  write("unknown.tape", "x = leaf f32[] 1\ny = sni(x)\n");
  write("property.tape", "# property: vpj\nx = leaf f32[] 1\nread x\n");
  expect("gradproof run binary.tape", 2, "binary.tape");
  expect("gradproof run cut.tape", 2, "cut.tape:1:");
  expect("gradproof run twice.tape", 2, "twice.tape:2:");
  expect("gradproof run unknown.tape", 2, "unknown.tape:2:");
  expect("gradproof run property.tape", 2, "near: vjp");
  expect("truncate -s 1G huge.tape && gradproof run huge.tape", 2, "huge.tape");
  fs::remove(folder_ / "huge.tape");
  expect("gradproof run empty.tape", 2, "nothing to check");
  // One bad script does not hide the others.
  expect("gradproof run . ", 2, "✓ ./good.tape");
}

TEST_F(CliTest, CtrlCGivesTheSummarySoFarAndTheReports) {
  // sin alone: what else is found does not matter here, only that it ends at once.
  expect(
      "timeout --preserve-status -s INT 2 gradproof check reference --operators sin --time 60s --seed 1 --json r.json "
      "--junit r.xml",
      130, "interrupted");
  EXPECT_TRUE(json("r.json")["interrupted"]);
  EXPECT_GT(json("r.json")["summary"]["pass"], 0);
  EXPECT_TRUE(fs::exists(folder_ / "r.xml"));
}

TEST_F(CliTest, AReaderThatGoesAwayOrNoStdoutAtAllIsNoCrash) {
  expect("gradproof operators --json | head -n 1 > /dev/null; exit ${PIPESTATUS[0]}", 0);
  expect("gradproof check reference --operators sin --cases 2 --seed 1 | true; exit ${PIPESTATUS[0]}", 0);
  expect("gradproof check reference --operators sin --cases 2 --seed 1 --json r.json >&-", 0);
  EXPECT_EQ(json("r.json")["exit_code"], 0);
}

TEST_F(CliTest, ListsAreForPeopleAndForMachines) {
  expect("gradproof engines", 0, "reference\n");
  expect("gradproof operators", 0, "tanh");
  expect("gradproof properties", 0, "vjp");
  const auto operators = nlohmann::json::parse(shell("gradproof operators 'log1*' --json").text);
  ASSERT_FALSE(operators.empty());
  for (const auto& one : operators) {
    for (const char* key : {"id", "schema", "domain", "kinks", "properties"}) EXPECT_TRUE(one.contains(key)) << key;
  }
}

TEST_F(CliTest, NoColourWhereItIsNoTerminal) {
  const Ended ended = shell("gradproof check reference --operators sin --cases 2 --seed 1");
  EXPECT_EQ(ended.text.find('\x1b'), std::string::npos);
}

TEST_F(CliTest, TheKillMatrixOfOneProperty) {
  const Ended ended = shell("gradproof mutants --properties accumulation --cases 10 --seed 1");
  EXPECT_NE(ended.text.find("zero-ignored"), std::string::npos) << ended.text;
  EXPECT_NE(ended.text.find("caught by: accumulation"), std::string::npos) << ended.text;
}

TEST_F(CliTest, DerivedMutantsAreKilledAreEquivalentOrSurvive) {
  expect("gradproof mutants --rules vjp-sign,jvp-sign --operators tanh,sign --cases 10 --seed 1 --json k.json", 0,
         "4 mutants · 2 killed · 2 equivalent on every case · 0 survived");
  const auto found = json("k.json");
  ASSERT_EQ(found["rules"].size(), 2U);
  EXPECT_EQ(found["rules"][0]["rule"], "vjp-sign");
  EXPECT_EQ(found["rules"][0]["killed"], 1);
  EXPECT_EQ(found["rules"][0]["killed_by"]["vjp"], 1);
  EXPECT_EQ(found["rules"][0]["equivalent"], nlohmann::json::array({"vjp-sign/sign"}));
  expect("gradproof mutants --rules value-16u --operators exp --properties definedness --cases 10 --seed 1", 1,
         "survived value-16u/exp");
  expect("gradproof mutants --rules vjp-kink --operators relu,sin --list", 0, "vjp-kink/relu\n1 mutant");
  expect("gradproof check mutant:vjp-sign/tanh --operators tanh --properties vjp --cases 6 --seed 1", 1, "vjp of tanh");
  expect("gradproof mutants --rules vjp-sing", 2, "near: vjp-sign");
  expect("gradproof mutants --rules vjp-kink --operators sin", 2, "none of these rules applies");
  expect("gradproof mutants --json k.json", 2, "--derived");
  expect("gradproof check mutant:vjp-sign/tanhh", 2, "mutant:vjp-sign/tanh");
}

}  // namespace
}  // namespace gradproof
