#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "engine/reference.h"
#include "properties/all.h"
#include "properties/steps.h"

namespace gradproof {
namespace {

// The reference with noise in the last bit, and a mode in which it promises there is none.
class Noisy final : public Engine {
 public:
  enum class Mode { none, keeps, refuses, breaks };
  explicit Noisy(Mode mode) : mode_(mode) {
    schemas_ = inner_->schemas();
    if (mode != Mode::none) schemas_.add(parse_schema("gradproof::deterministic(bool on) -> Tensor"));
  }
  const EngineInfo& info() const override { return inner_->info(); }
  const Schemas& schemas() const override { return schemas_; }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    return std::make_unique<Program>(*this, program);
  }

 private:
  class Program final : public PreparedProgram {
   public:
    Program(Noisy& engine, const gp_program& program)
        : engine_(engine), steps_(program.steps, program.steps + program.step_count), program_(program) {
      for (gp_step& step : steps_) {
        const bool names_mode = step.kind == GP_CALL && std::string_view(program.text + program.ops[step.op].name) ==
                                                            "gradproof::deterministic";
        if (!names_mode) continue;
        promised_ = true;
        step.kind = GP_STREAM;  // nothing, to the reference
      }
      program_.steps = steps_.data();
      inner_ = engine.inner_->prepare(program_);
    }
    void run(const std::uint8_t* data, Observations& out) override {
      inner_->run(data, out);
      if (promised_ && engine_.mode_ == Mode::keeps) return;
      if (promised_ && engine_.mode_ == Mode::refuses) return refuse(out);
      engine_.noise_ = !engine_.noise_;
      if (!engine_.noise_ || out.data.empty()) return;
      for (const gp_observation& item : out.items) {
        if (item.status == GP_VALUE && item.elements > 0) out.data[item.data] ^= 1U;
      }
    }

   private:
    static void refuse(Observations& out) {
      constexpr std::string_view text = "tanh_backward_cuda does not have a deterministic implementation";
      for (gp_observation& item : out.items) {
        item.status = GP_ERROR;
        item.error = GP_UNSUPPORTED;
        item.text = static_cast<std::uint32_t>(out.text.size());
        item.text_size = static_cast<std::uint32_t>(text.size());
        out.text.insert(out.text.end(), text.begin(), text.end());
      }
    }

    Noisy& engine_;
    std::vector<gp_step> steps_;
    gp_program program_;
    bool promised_ = false;
    std::unique_ptr<PreparedProgram> inner_;
  };

  std::unique_ptr<Engine> inner_ = make_reference(Registry::standard());
  Schemas schemas_;
  Mode mode_;
  bool noise_ = false;
};

Verdict judged(Noisy::Mode mode) {
  Noisy engine(mode);
  Session session(Registry::standard(), engine);
  const auto& entries = Registry::standard().entries();
  const auto tanh =
      std::find_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.id() == "tanh"; });
  const Subject subject{&Registry::standard(), &*tanh, GP_F64, GP_CPU, &engine.info()};
  Script script;
  generate_case({1, "noisy", "tanh", "determinism", GP_F64, 3}, determinism_property(), subject, script);
  return determinism_property().judge(session, script);
}

TEST(Determinism, OtherBitsAreAFaultWhereNothingIsSaidOfThem) {
  EXPECT_EQ(judged(Noisy::Mode::none).severity, Severity::misbehaving);
}

TEST(Determinism, AModeThatKeepsItsPromiseDocumentsThem) {
  EXPECT_NE(judged(Noisy::Mode::keeps).outcome, Outcome::fail);
  EXPECT_NE(judged(Noisy::Mode::refuses).outcome, Outcome::fail);
}

TEST(Determinism, AModeThatBreaksItDoesNot) { EXPECT_EQ(judged(Noisy::Mode::breaks).severity, Severity::misbehaving); }

}  // namespace
}  // namespace gradproof
