// Operators of a third party with memory faults, each told from a twin without (testdata/planted.cpp).
#include "adapters/libtorch/libtorch_fixture.h"
#include "oracle/describe.h"
#include "oracle/fills.h"
#include "script/parse.h"

namespace gradproof {
namespace {

class Planted : public LibTorch {
 protected:
  void SetUp() override {
    LibTorch::SetUp();
    if (engine_ != nullptr) definedness_ = std::make_unique<Definedness>(Registry::standard(), engine_->info());
  }
  void TearDown() override {
    if (engine_ != nullptr) engine_->set_fill(fill);
  }

  // The operator on what is given, on a window of a longer buffer and on several dtypes, with its gradient.
  static std::vector<std::string> scripts(const std::string& op, bool faulty, bool differentiable) {
    std::vector<std::string> all;
    for (const char* x : {"f32[3, 2] 1 2 3 4 5 6", "f64[5] 1 2 3 4 5", "f32[1] 7", "f64[3, 1] strides [2, 1] 1 2 3 4 5",
                          "f32[40] zeros"}) {
      std::string text = std::string("x = ") + (differentiable ? "leaf " : "tensor ") + x + "\n";
      text += "y = planted::" + op + "(x, " + (faulty ? "true" : "false") + ")\nread y\n";
      if (differentiable) text += "s = sum(y)\nbackward s\nread x.grad\n";
      all.push_back(text);
    }
    return all;
  }
  FillReport report_on(const std::string& text) {
    const Script script = parse(text, schemas());
    return run_under_fills(*engine_, script, *definedness_);
  }
  const Schemas& schemas() {
    if (schemas_.all().empty()) {
      for (const char* name : {"reads_output", "reads_past_the_end", "writes_past_the_end", "writes_freed",
                               "skips_slice", "writes_half", "frees_early"}) {
        schemas_.add(parse_schema("planted::" + std::string(name) + "(Tensor x, bool faulty=True) -> Tensor"));
      }
      for (const auto& [name, overloads] : Registry::standard().schemas().all()) {
        for (const Schema& schema : overloads) schemas_.add(schema);
      }
    }
    return schemas_;
  }

  void expect_caught(const std::string& op, bool differentiable, Severity severity, const std::string& first) {
    if (engine_ == nullptr) return;
    int caught = 0;
    for (const std::string& text : scripts(op, true, differentiable)) {
      const FillReport report = report_on(text);
      ASSERT_TRUE(report.supported);
      if (!report.fault) continue;
      ++caught;
      EXPECT_EQ(report.fault->outcome, Outcome::fail);
      EXPECT_EQ(report.fault->severity, severity) << report.fault->reason;
      EXPECT_NE(report.fault->evidence.got.find(first), std::string::npos) << report.fault->evidence.got;
    }
    EXPECT_GE(caught, 4) << op;
    for (const std::string& text : scripts(op, false, differentiable)) {
      const FillReport report = report_on(text);
      ASSERT_TRUE(report.supported);
      EXPECT_FALSE(report.fault.has_value()) << report.fault->reason << "; " << report.fault->evidence.got << "\n"
                                             << text;
      EXPECT_TRUE(report.hazards.empty());
      EXPECT_GT(report.same, 0U);
    }
  }

 private:
  std::unique_ptr<Definedness> definedness_;
  Schemas schemas_;
};

TEST_P(Planted, AnOutputThatIsRead) {
  expect_caught("reads_output", false, Severity::wrong, "first at 'planted::reads_output' (line 2)");
}
TEST_P(Planted, AReadPastTheEnd) {
  expect_caught("reads_past_the_end", false, Severity::wrong, "first at 'planted::reads_past_the_end' (line 2)");
}
TEST_P(Planted, AWritePastTheEnd) {
  expect_caught("writes_past_the_end", false, Severity::misbehaving, "bytes past its end");
}
TEST_P(Planted, AWriteToWhatWasFreed) {
  expect_caught("writes_freed", false, Severity::misbehaving, "after it was freed");
}
TEST_P(Planted, ASliceThatBackwardSkips) {
  expect_caught("skips_slice", true, Severity::wrong, "first at 'backward s' (line 5)");
}
TEST_P(Planted, AGradientWrittenByHalf) {
  expect_caught("writes_half", true, Severity::wrong, "first at 'backward s' (line 5)");
}
TEST_P(Planted, ASavedTensorFreedEarly) {
  expect_caught("frees_early", true, Severity::wrong, "first at 'backward s' (line 5)");
}

TEST_P(Planted, FillsAreSwitchedBetweenRunsOfOnePreparedProgram) {
  if (engine_ == nullptr) return;
  const Script script = parse("x = tensor f32[2] empty\nread x\n", schemas());
  const gp_program program = script.view();
  const auto prepared = engine_->prepare(program);
  for (const int byte : {0xff, 0x00, 0x3f, 0x41}) {
    ASSERT_TRUE(engine_->set_fill(byte));
    Observations seen;
    prepared->run(program.data, seen);
    ASSERT_EQ(seen.items.size(), 1U);
    for (const std::uint8_t found : seen.bytes_of(seen.items[0])) EXPECT_EQ(found, byte);
  }
  EXPECT_FALSE(engine_->set_fill(256));
  EXPECT_FALSE(engine_->set_fill(-2));
  EXPECT_EQ(engine_->memory_fault(), "");
}

TEST_P(Planted, MemoryBeyondTheMachineIsAnErrorUnderAFillToo) {
  if (engine_ == nullptr) return;
  ASSERT_TRUE(engine_->set_fill(0xff));
  const Script script =
      parse("x = tensor f32[1] 1\ny = expand(x, [1099511627776])\nz = add(y, 1)\nread z\n", schemas());
  Observations seen;
  const gp_program program = script.view();
  engine_->prepare(program)->run(program.data, seen);
  ASSERT_FALSE(seen.items.empty());
  EXPECT_EQ(seen.items[0].status, GP_ERROR);
  EXPECT_EQ(seen.items[0].error, GP_OUT_OF_MEMORY);
}

// A second opinion, where LibTorch's own allocator is in place. AddressSanitizer knows nothing of unwritten memory.
TEST_P(Planted, WhatGoesBeyondItsMemoryIsSeenByAddressSanitizer) {
#ifdef __SANITIZE_ADDRESS__
  if (engine_ == nullptr) return;
  ASSERT_TRUE(engine_->set_fill(-1));
  const auto run_plainly = [&](const std::string& op, bool faulty) {
    const Script script = parse(scripts(op, faulty, op == "frees_early").front(), schemas());
    Observations seen;
    const gp_program program = script.view();
    engine_->prepare(program)->run(program.data, seen);
  };
  EXPECT_DEATH(run_plainly("reads_past_the_end", true), "heap-buffer-overflow");
  EXPECT_DEATH(run_plainly("writes_past_the_end", true), "heap-buffer-overflow");
  EXPECT_DEATH(run_plainly("writes_freed", true), "heap-use-after-free");
  EXPECT_DEATH(run_plainly("frees_early", true), "heap-use-after-free");
  for (const char* op : {"reads_past_the_end", "writes_past_the_end", "writes_freed", "frees_early"}) {
    run_plainly(op, false);
  }
#else
  GTEST_SKIP() << "not built with AddressSanitizer (ci/sanitize)";
#endif
}

INSTANTIATE_TEST_SUITE_P(Versions, Planted, testing::ValuesIn(versions()), name_of_version);

}  // namespace
}  // namespace gradproof
