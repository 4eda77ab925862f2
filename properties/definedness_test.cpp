// The prediction of what rests on memory nobody wrote, operator by operator, against the reference run with one fill
// and another.
#include "oracle/definedness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "engine/reference.h"
#include "properties/call.h"
#include "properties/definedness.h"
#include "script/parse.h"
#include "script/print.h"

namespace gradproof {
namespace {

constexpr std::uint64_t cases_each = 60;

struct Tally {
  std::uint64_t defined = 0;
  std::uint64_t defined_differ = 0;
  std::uint64_t unwritten = 0;
  std::uint64_t unwritten_differ = 0;
  bool differentiable = false;
};

class EveryOperator : public testing::Test {
 protected:
  const Registry& registry_ = Registry::standard();
  std::unique_ptr<Engine> engine_ = make_reference(registry_);
  Definedness definedness_{registry_, engine_->info()};
  const Property& property_ = *find_property("definedness");

  // The same program under fills the judge does not use, and under one it does.
  void compare(const Script& script, Tally& tally) {
    const gp_program program = script.view();
    const auto prepared = engine_->prepare(program);
    constexpr std::array<int, 4> some{0xff, 0x00, 0x41, 0xb7};
    std::array<Observations, some.size()> seen;
    for (std::size_t i = 0; i < some.size(); ++i) {
      engine_->set_fill(some[i]);
      prepared->run(program.data, seen[i]);
    }
    definedness_.run(script);
    for (std::size_t at = 0; at < seen[0].items.size(); ++at) {
      const gp_observation& item = seen[0].items[at];
      // A matrix may be singular under one fill and not under another: that says nothing of what is defined.
      const auto has_value = [at](const Observations& one) {
        return at < one.items.size() && one.items[at].status == GP_VALUE;
      };
      if (!std::all_of(seen.begin(), seen.end(), has_value)) continue;
      const std::size_t width = size_of(static_cast<gp_dtype>(item.dtype));
      for (std::uint64_t e = 0; e < item.elements; ++e) {
        bool differs = false;
        for (const Observations& other : seen) {
          const auto left = seen[0].bytes_of(item).subspan(e * width, width);
          const auto right = other.bytes_of(other.items[at]).subspan(e * width, width);
          differs = differs || !std::equal(left.begin(), left.end(), right.begin());
        }
        const Definedness::State state = definedness_.at(item.step, e);
        ASSERT_NE(state, Definedness::State::unknown) << print(script, &registry_.schemas());
        const bool defined = state == Definedness::State::defined;
        ++(defined ? tally.defined : tally.unwritten);
        if (differs) ++(defined ? tally.defined_differ : tally.unwritten_differ);
        ASSERT_FALSE(defined && differs) << "step " << item.step << ", element " << e << "\n"
                                         << print(script, &registry_.schemas());
      }
    }
  }
};

TEST_F(EveryOperator, IsPredicted) {
  std::map<std::string, Tally> tallies;
  Tally all;
  for (const Entry& entry : registry_.entries()) {
    for (const gp_dtype dtype : {GP_F32, GP_F64}) {
      const Subject subject{&registry_, &entry, dtype, GP_CPU, &engine_->info()};
      if (!property_.not_applicable(subject).empty()) continue;
      Script script;
      for (std::uint64_t index = 0; index < cases_each; ++index) {
        generate_case({11, "reference", entry.id(), property_.id(), dtype, index}, property_, subject, script);
        Tally& tally = tallies[entry.id()];
        tally.differentiable = is_differentiable(subject);
        compare(script, tally);
        if (HasFatalFailure()) return;
      }
    }
  }
  for (const auto& [id, tally] : tallies) {
    all.defined += tally.defined;
    all.unwritten += tally.unwritten;
    all.unwritten_differ += tally.unwritten_differ;
    EXPECT_GE(tally.defined, 60U) << id;
    // Positions and truth values say little of what they saw, and least that it is equal to something.
    const std::uint64_t least = tally.differentiable ? 10 : 0;
    EXPECT_GE(tally.unwritten_differ * 100, tally.unwritten * least)
        << id << ": " << tally.unwritten_differ << " of " << tally.unwritten << " predicted unwritten show it";
  }
  EXPECT_GE(all.unwritten, all.defined / 5) << "too little of what is drawn is unwritten";
  EXPECT_GE(all.unwritten_differ * 100, all.unwritten * 90) << all.unwritten_differ << " of " << all.unwritten;
  RecordProperty("defined", std::to_string(all.defined));
  RecordProperty("unwritten", std::to_string(all.unwritten));
  RecordProperty("unwritten_differ", std::to_string(all.unwritten_differ));
}

// --- verdicts ---

// The reference, with what it sees altered: f(observations, fill, number of the run).
class AlteredReference final : public Engine {
 public:
  using Alter = std::function<void(Observations&, int, int)>;
  explicit AlteredReference(Alter alter) : alter_(std::move(alter)) {}
  const EngineInfo& info() const override { return engine_->info(); }
  const Schemas& schemas() const override { return engine_->schemas(); }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    return std::make_unique<Prepared>(*this, engine_->prepare(program));
  }
  bool set_fill(int byte) override {
    fill_ = byte;
    return fills_ && engine_->set_fill(byte);
  }
  std::string memory_fault() override { return fill_ == 0x3f ? fault_ : ""; }

  bool fills_ = true;
  std::string fault_{};

 private:
  class Prepared final : public PreparedProgram {
   public:
    Prepared(AlteredReference& owner, std::unique_ptr<PreparedProgram> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    void run(const std::uint8_t* data, Observations& out) override {
      inner_->run(data, out);
      if (owner_.alter_) owner_.alter_(out, owner_.fill_, owner_.runs_++);
    }

   private:
    AlteredReference& owner_;
    std::unique_ptr<PreparedProgram> inner_;
  };

  std::unique_ptr<Engine> engine_ = make_reference(Registry::standard());
  Alter alter_;
  int fill_ = -1;
  int runs_ = 0;
};

Verdict verdict_on(AlteredReference& engine, const std::string& text) {
  Session session(Registry::standard(), engine);
  return find_property("definedness")->judge(session, parse(text, Registry::standard().schemas()));
}
const char* const plain = "x = tensor f32[2] 1 2\ny = exp(x)\nz = mul(y, y)\nread y\nread z";

void flip(Observations& seen, std::size_t item, unsigned bits) {
  if (item < seen.items.size()) seen.data[seen.items[item].data] ^= static_cast<std::uint8_t>(bits);
}

TEST(DefinednessVerdicts, PassWhereNothingDiffers) {
  AlteredReference engine({});
  const Verdict verdict = verdict_on(engine, plain);
  EXPECT_EQ(verdict.outcome, Outcome::pass);
  EXPECT_EQ(verdict.entries, 4U);
  EXPECT_EQ(verdict.entries_undecided, 0U);
}

TEST(DefinednessVerdicts, HazardsAreToldAndPass) {
  AlteredReference engine({});
  const Verdict verdict = verdict_on(engine, "b = leaf f32[1] empty\ny = mul(b, b)\nread y");
  EXPECT_EQ(verdict.outcome, Outcome::pass);
  EXPECT_EQ(verdict.reason, "y rests on memory nobody wrote: b (line 1)");
}

TEST(DefinednessVerdicts, EqualBitsOfUnwrittenMemoryAreCountedAndNotClaimed) {
  AlteredReference engine({});
  const Verdict verdict = verdict_on(engine, "b = tensor f32[1] empty\ny = eq(b, 12345)\nread y");
  EXPECT_EQ(verdict.outcome, Outcome::pass);
  EXPECT_EQ(verdict.entries_undecided, 1U);
}

TEST(DefinednessVerdicts, OtherBitsAreWrongAndTheFirstStepIsNamed) {
  AlteredReference engine([](Observations& seen, int fill, int) {
    if (fill != 0x3f) return;
    for (std::size_t item = 0; item < seen.items.size(); ++item) flip(seen, item, 0xff);
  });
  const Verdict verdict = verdict_on(engine, plain);
  EXPECT_EQ(verdict.outcome, Outcome::fail);
  EXPECT_EQ(verdict.severity, Severity::wrong);
  EXPECT_NE(verdict.evidence.got.find("first at 'exp' (line 2)"), std::string::npos) << verdict.evidence.got;
}

TEST(DefinednessVerdicts, LastBitsWithinTheEnclosureAreInaccurate) {
  AlteredReference engine([](Observations& seen, int fill, int) {
    if (fill == 0xc2) flip(seen, 0, 1);
  });
  const Verdict verdict = verdict_on(engine, plain);
  EXPECT_EQ(verdict.outcome, Outcome::fail);
  EXPECT_EQ(verdict.severity, Severity::inaccurate);
}

TEST(DefinednessVerdicts, WhatDiffersFromRunToRunSaysNothingOfMemory) {
  AlteredReference engine([](Observations& seen, int, int run) { flip(seen, 0, static_cast<unsigned>(run)); });
  EXPECT_EQ(verdict_on(engine, plain).outcome, Outcome::inconclusive);
}

TEST(DefinednessVerdicts, AnErrorUnderOneFillIsWrong) {
  AlteredReference engine([](Observations& seen, int fill, int) {
    if (fill != 0x3f) return;
    seen.items[0].status = GP_ERROR;
    seen.items[0].error = GP_OTHER;
  });
  EXPECT_EQ(verdict_on(engine, plain).severity, Severity::wrong);
}

TEST(DefinednessVerdicts, WritesBeyondItsMemoryAreMisbehaving) {
  AlteredReference engine({});
  engine.fault_ = "a block of 4 bytes was written up to 4 bytes past its end";
  const Verdict verdict = verdict_on(engine, plain);
  EXPECT_EQ(verdict.outcome, Outcome::fail);
  EXPECT_EQ(verdict.severity, Severity::misbehaving);
  EXPECT_EQ(verdict.evidence.got, engine.fault_);
}

TEST(DefinednessVerdicts, AnEngineThatCannotFillIsUnsupported) {
  AlteredReference engine({});
  engine.fills_ = false;
  EXPECT_EQ(verdict_on(engine, plain).outcome, Outcome::unsupported);

  // What is predicted is told all the same.
  Definedness definedness(Registry::standard(), engine.info());
  const Script script = parse("b = tensor f32[1] empty\ny = exp(b)\nread y", Registry::standard().schemas());
  const FillReport report = run_under_fills(engine, script, definedness);
  EXPECT_FALSE(report.supported);
  ASSERT_EQ(report.hazards.size(), 1U);
  EXPECT_EQ(describe_hazard(script, report.hazards[0], definedness), "y rests on memory nobody wrote: b (line 1)");
}

}  // namespace
}  // namespace gradproof
