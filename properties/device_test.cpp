// Without a device: the reference takes CUDA's tensors for its own, so that the scripts, the judge and what they catch
// are tested here as they are on CUDA.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/reference.h"
#include "properties/all.h"
#include "properties/steps.h"
#include "script/parse.h"
#include "script/print.h"

namespace gradproof {
namespace {

// The reference, which says it has CUDA. Spoils what is read of values of one name.
class OnCuda final : public Engine {
 public:
  explicit OnCuda(std::string spoiled = {}, double factor = 1) : spoiled_(std::move(spoiled)), factor_(factor) {
    info_ = inner_->info();
    info_.devices = {GP_CPU, GP_CUDA};
  }
  const EngineInfo& info() const override { return info_; }
  const Schemas& schemas() const override { return inner_->schemas(); }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    return std::make_unique<Program>(inner_->prepare(program), *this);
  }
  void knows(const Script& script) { script_ = &script; }

 private:
  class Program final : public PreparedProgram {
   public:
    Program(std::unique_ptr<PreparedProgram> inner, const OnCuda& engine) : inner_(std::move(inner)), engine_(engine) {}
    void run(const std::uint8_t* data, Observations& out) override {
      inner_->run(data, out);
      for (const gp_observation& item : out.items) engine_.spoil(item, out);
    }

   private:
    std::unique_ptr<PreparedProgram> inner_;
    const OnCuda& engine_;
  };

  void spoil(const gp_observation& item, Observations& out) const {
    if (spoiled_.empty() || item.status != GP_VALUE || item.dtype != GP_F64) return;
    if (script_->name(value_read(*script_, item.step)) != spoiled_) return;
    for (std::uint64_t i = 0; i < item.elements; ++i) {
      double value = 0;
      std::uint8_t* at = out.data.data() + item.data + i * sizeof value;
      std::memcpy(&value, at, sizeof value);
      value *= factor_;
      std::memcpy(at, &value, sizeof value);
    }
  }

  std::unique_ptr<Engine> inner_ = make_reference(Registry::standard());
  EngineInfo info_;
  std::string spoiled_;
  double factor_;
  const Script* script_ = nullptr;
};

const Entry& entry_of(std::string_view id) {
  const auto& entries = Registry::standard().entries();
  return *std::find_if(entries.begin(), entries.end(), [id](const Entry& entry) { return entry.id() == id; });
}

Subject on_cuda(const Entry& entry, const EngineInfo& info, gp_dtype dtype = GP_F64) {
  return {&Registry::standard(), &entry, dtype, GP_CUDA, &info};
}

Script case_of(const Subject& subject, std::uint64_t index) {
  Script script;
  generate_case({1, "reference", subject.entry->id(), "device", subject.dtype, index}, device_property(), subject,
                script);
  return script;
}

TEST(Device, AppliesWhereThereIsCudaAndItIsAskedFor) {
  const Entry& tanh = entry_of("tanh");
  const OnCuda engine;
  const EngineInfo plain = reference_info();
  Subject subject = on_cuda(tanh, engine.info());
  EXPECT_EQ(device_property().not_applicable(subject), "");
  subject.device = GP_CPU;
  EXPECT_EQ(device_property().not_applicable(subject), "asked for with --device cuda");
  EXPECT_EQ(device_property().not_applicable(on_cuda(tanh, plain)), "no CUDA device");
}

TEST(Device, EveryOtherPropertyPutsAllItsTensorsThere) {
  const OnCuda engine;
  for (const Property* property : all_properties()) {
    if (property == &device_property()) continue;
    for (const Entry& entry : Registry::standard().entries()) {
      const Subject subject = on_cuda(entry, engine.info());
      if (!property->not_applicable(subject).empty()) continue;
      Script script;
      generate_case({1, "reference", entry.id(), property->id(), GP_F64, 2}, *property, subject, script);
      for (const gp_tensor& tensor : script.tensors) ASSERT_EQ(tensor.device, GP_CUDA) << print(script);
    }
  }
}

TEST(Device, CasesOfEveryOperatorAreWellFormedAndPass) {
  OnCuda engine;
  Session session(Registry::standard(), engine);
  int cases = 0;
  int passed = 0;
  bool streams = false;
  bool pinned = false;
  for (const Entry& entry : Registry::standard().entries()) {
    for (const gp_dtype dtype : {GP_F32, GP_F64}) {
      const Subject subject = on_cuda(entry, engine.info(), dtype);
      if (!device_property().not_applicable(subject).empty()) continue;
      for (std::uint64_t index = 0; index < 4; ++index) {
        const Script script = case_of(subject, index * 5);
        ASSERT_EQ(fault_in(script.view()), std::nullopt) << print(script);
        const std::string text = print(script, &Registry::standard().schemas());
        EXPECT_EQ(print(parse(text, Registry::standard().schemas()), &Registry::standard().schemas()), text);
        streams = streams || std::any_of(script.steps.begin(), script.steps.end(),
                                         [](const gp_step& step) { return step.kind == GP_STREAM; });
        pinned = pinned || std::any_of(script.tensors.begin(), script.tensors.end(),
                                       [](const gp_tensor& tensor) { return (tensor.flags & GP_PINNED) != 0; });
        const Verdict verdict = device_property().judge(session, script);
        ++cases;
        passed += verdict.outcome == Outcome::pass ? 1 : 0;
        EXPECT_NE(verdict.outcome, Outcome::fail) << verdict.reason << "\n" << text;
        EXPECT_NE(verdict.outcome, Outcome::internal_error) << verdict.reason << "\n" << text;
        // Where a grid's coordinates are so large that their rounding spans the image.
        const bool anywhere = verdict.reason.find("a grid point that may lie anywhere") != std::string::npos;
        EXPECT_TRUE(verdict.outcome != Outcome::unsupported || anywhere) << verdict.reason << "\n" << text;
      }
    }
  }
  EXPECT_GE(passed * 10, cases * 8) << passed << " of " << cases;
  EXPECT_TRUE(streams && pinned);
}

// Seeded faults: the result there, the gradient that comes back from there, the copy back; and on the CPU's side.
TEST(Device, AWrongNumberOnEitherSideIsCaught) {
  for (const char* spoiled : {"z", "gz", "back", "y", "gy"}) {
    OnCuda engine(spoiled, 1.001);
    Session session(Registry::standard(), engine);
    int caught = 0;
    for (std::uint64_t index = 0; index < 10; ++index) {
      const Script script = case_of(on_cuda(entry_of("tanh"), engine.info()), index);
      engine.knows(script);
      const Verdict verdict = device_property().judge(session, script);
      caught += verdict.outcome == Outcome::fail && verdict.severity == Severity::wrong ? 1 : 0;
    }
    EXPECT_GE(caught, 5) << spoiled;
  }
}

// An equivalent change: bits that differ by less than a rounding of the function are right on both.
TEST(Device, OtherBitsWithinTheEnclosureAreNot) {
  OnCuda engine("z", 1 + 0x1p-52);
  Session session(Registry::standard(), engine);
  for (std::uint64_t index = 0; index < 10; ++index) {
    const Script script = case_of(on_cuda(entry_of("tanh"), engine.info()), index);
    engine.knows(script);
    EXPECT_NE(device_property().judge(session, script).outcome, Outcome::fail) << print(script);
  }
}

}  // namespace
}  // namespace gradproof
