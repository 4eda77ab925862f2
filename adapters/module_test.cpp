#include "adapters/module.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "script/script.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;

const fs::path fake = fs::path(GRADPROOF_BUILD_DIR) / "tests" / "fake.so";

// The one thing the fake module does wrong, for as long as this lives.
class Fault {
 public:
  explicit Fault(const std::string& what) { setenv("GRADPROOF_FAKE", what.c_str(), 1); }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
  ~Fault() { unsetenv("GRADPROOF_FAKE"); }
};

ValueId pair_in(Script& script) {
  TensorSpec spec;
  spec.shape = {2};
  return script.tensor(spec);
}

Script two_reads() {
  Script script;
  const ValueId a = pair_in(script);
  script.read(a);
  script.read(a);
  return script;
}

template <class Body>
std::string failure_of(Body body) {
  try {
    body();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

std::string failure_to_load(const fs::path& path) {
  return failure_of([&] { load_module(path); });
}

std::string failure_to_run() {
  const auto engine = load_module(fake);
  const Script script = two_reads();
  return failure_of([&] {
    Observations seen;
    engine->prepare(script.view())->run(script.data.data(), seen);
  });
}

bool tells(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Module, RunsAProgramAndTellsWhatItIs) {
  const auto engine = load_module(fake);
  EXPECT_EQ(engine->info().name, "fake");
  EXPECT_EQ(engine->info().version, "1.0.0");
  EXPECT_EQ(engine->info().second_sweep, SecondSweep::overwrite);
  EXPECT_EQ(engine->info().budget_multiplier, 2);
  EXPECT_NE(engine->schemas().find("two", "Tensor"), nullptr);
  EXPECT_EQ(engine->schemas().find("three", ""), nullptr);

  const Script script = two_reads();
  const auto prepared = engine->prepare(script.view());
  Observations seen;
  for (int round = 0; round < 2; ++round) {
    prepared->run(script.data.data(), seen);
    ASSERT_EQ(seen.items.size(), 2U);
    EXPECT_EQ(seen.at(0), nullptr);
    const gp_observation* last = seen.at(2);
    ASSERT_NE(last, nullptr);
    EXPECT_EQ(seen.element(*last, 0), 1);
    EXPECT_EQ(seen.element(*last, 1), 2);
    EXPECT_EQ(seen.bytes_of(*last).size(), 8U);
  }
}

TEST(Module, TellsOfMemoryWhereItsLayoutHasThat) {
  const auto engine = load_module(fake);
  EXPECT_TRUE(engine->set_fill(0xff));
  EXPECT_TRUE(engine->set_fill(-1));
  EXPECT_FALSE(engine->set_fill(256));
  EXPECT_EQ(engine->memory_fault(), "a write gone astray");

  const Fault planted("yesterday");
  const auto older = load_module(fake);
  EXPECT_FALSE(older->set_fill(0xff));
  EXPECT_EQ(older->memory_fault(), "");
  EXPECT_EQ(older->info().name, "fake");
}

TEST(Module, MakesRoomForMoreThanItBeganWith) {
  const auto engine = load_module(fake);
  Script script;
  const ValueId a = pair_in(script);
  for (int i = 0; i < 50'000; ++i) script.read(a);
  Observations seen;
  engine->prepare(script.view())->run(script.data.data(), seen);
  ASSERT_EQ(seen.items.size(), 50'000U);
  EXPECT_EQ(seen.element(seen.items.back(), 1), 2);
}

TEST(Module, SaysWhatIsWrongWithAFile) {
  EXPECT_TRUE(tells(failure_to_load("no/such/engine.so"), "no/such/engine.so: no such file"));
  EXPECT_TRUE(tells(failure_to_load(fs::path(GRADPROOF_BUILD_DIR) / "tests" / "no_module.so"), "gp_engine_module"));
  EXPECT_TRUE(tells(failure_to_load(GRADPROOF_BUILD_DIR), "no such file"));

  const fs::path garbage = fs::path(testing::TempDir()) / "garbage.so";
  std::ofstream(garbage) << "not a library";
  EXPECT_TRUE(tells(failure_to_load(garbage), "cannot be loaded"));
  fs::remove(garbage);
}

TEST(Module, SaysWhatIsWrongWithAModule) {
  const std::pair<const char*, const char*> cases[] = {
      {"refuses", "does not serve version 1"},
      {"abi", "serves version 99"},
      {"hollow", "leaves a part"},
      {"start", "the fake is out of order"},
      {"unknown key", "\"colour\""},
      {"not json", "description of itself is not valid"},
  };
  for (const auto& [fault, told] : cases) {
    const Fault planted(fault);
    const std::string text = failure_to_load(fake);
    EXPECT_TRUE(tells(text, told)) << fault << ": " << text;
    EXPECT_TRUE(tells(text, "fake.so")) << fault << ": " << text;
  }
}

TEST(Module, RefusesASchemaThatCannotBeRead) {
  const auto engine = load_module(fake);
  const Fault planted("schema");
  EXPECT_TRUE(tells(failure_of([&] { (void)engine->schemas(); }), "schema"));
}

TEST(Module, BelievesNoObservationOutOfBounds) {
  EXPECT_EQ(failure_to_run(), "");
  const std::pair<const char*, const char*> cases[] = {
      {"prepare", "no program for me"},
      {"run", "a run failed"},
      {"insatiable", "more room than it said"},
      {"greedy", "16 GiB"},
      {"count", "more observations than there was room"},
      {"silent", "0 of 2 values read"},
      {"step", "the program has 3"},
      {"order", "out of order, or told twice"},
      {"not a read", "neither reads nor fails"},
      {"status", "unknown status, 77"},
      {"dtype", "unknown dtype, 6"},
      {"ndim", "9 dimensions"},
      {"elements", "3 elements for a shape of 2"},
      {"negative", "negative size"},
      {"huge", "shape too large"},
      {"data", "outside its data"},
      {"error", "unknown kind of error, 99"},
      {"text", "outside its texts"},
  };
  for (const auto& [fault, told] : cases) {
    const Fault planted(fault);
    const std::string text = failure_to_run();
    EXPECT_TRUE(tells(text, told)) << fault << ": " << text;
    EXPECT_TRUE(tells(text, "fake.so")) << fault << ": " << text;
  }
}

TEST(Modules, AreListedFromTheNewest) {
  const fs::path folder = fs::path(testing::TempDir()) / "gradproof_modules";
  fs::create_directories(folder);
  for (const char* name :
       {"libtorch-1.13.1.so", "libtorch-2.11.0.so", "libtorch-2.9.1.so", "adolc-2.7.so", "libc.so", "x-1.a"}) {
    std::ofstream(folder / name) << "";
  }
  const fs::path folders[] = {"no/such/folder", folder, folder};
  std::string listed;
  for (const ModuleFile& file : find_modules(folders)) listed += file.name + "@" + file.version + " ";
  EXPECT_EQ(listed, "adolc@2.7 libtorch@2.11.0 libtorch@2.9.1 libtorch@1.13.1 ");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace gradproof
