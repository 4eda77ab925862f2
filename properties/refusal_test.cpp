#include <gtest/gtest.h>

#include <map>

#include "engine/reference.h"
#include "properties/beside.h"
#include "properties/steps.h"
#include "script/parse.h"
#include "script/print.h"

namespace gradproof {
namespace {

const Property& refusal() { return *find_property("refusal"); }

Verdict judged(Engine& engine, const std::string& text) {
  Session session(Registry::standard(), engine);
  return refusal().judge(session, parse(text, Registry::standard().schemas()));
}

// The reference, told of errors of one kind or not at all.
class Altering final : public Engine {
 public:
  enum class How { forgives, always_refuses };
  Altering(How how, gp_error_kind kind) : engine_(make_reference(Registry::standard())), how_(how), kind_(kind) {}
  const EngineInfo& info() const override { return engine_->info(); }
  const Schemas& schemas() const override { return engine_->schemas(); }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    return std::make_unique<Prepared>(*this, engine_->prepare(program), program);
  }

 private:
  class Prepared final : public PreparedProgram {
   public:
    Prepared(const Altering& by, std::unique_ptr<PreparedProgram> inner, const gp_program& program)
        : by_(by), inner_(std::move(inner)), program_(program) {}
    void run(const std::uint8_t* data, Observations& out) override {
      inner_->run(data, out);
      const auto kind = static_cast<std::uint8_t>(by_.kind_);
      if (by_.how_ == How::forgives) {
        std::erase_if(out.items, [&](const gp_observation& item) { return item.error == kind; });
        return;
      }
      // The first call is refused, and what it made is not there.
      std::uint32_t call = 0;
      while (program_.steps[call].kind != GP_CALL) ++call;
      std::size_t at = 0;
      while (at < out.items.size() && out.items[at].step < call) ++at;
      out.items[at].status = GP_SKIPPED;
      gp_observation refused{};
      refused.step = call;
      refused.status = GP_ERROR;
      refused.error = kind;
      out.items.insert(out.items.begin() + static_cast<std::ptrdiff_t>(at), refused);
    }

   private:
    const Altering& by_;
    std::unique_ptr<PreparedProgram> inner_;
    gp_program program_;
  };

  std::unique_ptr<Engine> engine_;
  How how_;
  gp_error_kind kind_;
};

constexpr const char* shapes_that_do_not_fit =
    "x = leaf f32[2] 1 2\nbad = tensor f32[3] 1 2 3\nx2 = tensor f32[2] 3 4\n"
    "wrong = mul(x, bad)\nread wrong\ny = mul(x, x2)\nread y\nbackward y seed x2\nread x.grad\n";
constexpr const char* beyond_the_domain =
    "x = tensor f32[2] 1 2\nbad = tensor f32[2] 1 -2\nwrong = log(bad)\nread wrong\ny = log(x)\nread y\n";
constexpr const char* another_shape =
    "x = tensor f32[2] 1 2\nbad = tensor f32[3] 1 2 3\nwrong = log(bad)\nread wrong\ny = log(x)\nread y\n";

TEST(Refusals, OfBothPassAndOfOneAreDecidedWhereTheDefinitionSaysSo) {
  using How = Altering::How;
  const std::unique_ptr<Engine> reference = make_reference(Registry::standard());
  EXPECT_EQ(judged(*reference, shapes_that_do_not_fit).outcome, Outcome::pass);
  EXPECT_EQ(judged(*reference, beyond_the_domain).outcome, Outcome::pass);

  Altering any_shape(How::forgives, GP_SHAPE);
  const Verdict computed = judged(any_shape, shapes_that_do_not_fit);
  EXPECT_EQ(computed.outcome, Outcome::inconclusive);
  EXPECT_EQ(computed.reason, "computed what the reference refuses: shape");

  Altering refuses(How::always_refuses, GP_DOMAIN);
  const Verdict values = judged(refuses, beyond_the_domain);
  EXPECT_EQ(values.outcome, Outcome::fail);
  EXPECT_EQ(values.severity, Severity::misbehaving);
  EXPECT_EQ(values.reason, "an error where there is none");
  EXPECT_EQ(judged(refuses, another_shape).outcome, Outcome::inconclusive);
  EXPECT_EQ(judged(refuses, another_shape).reason, "refused what the reference computes");

  Altering lacks(How::always_refuses, GP_UNSUPPORTED);
  EXPECT_EQ(judged(lacks, another_shape).outcome, Outcome::unsupported);
}

TEST(Refusals, MemoryBesideTheArgumentsIsNotTheReferences) {
  const std::unique_ptr<Engine> reference = make_reference(Registry::standard());
  Session session(Registry::standard(), *reference);
  const Script script = parse(another_shape, Registry::standard().schemas());
  const Observations seen = session.observe(script);
  EXPECT_FALSE(reads_beside_arguments(*reference, script, seen, 2));
}

// What the first error of a script is.
gp_error_kind first_error(const std::string& text) {
  const std::unique_ptr<Engine> reference = make_reference(Registry::standard());
  Session session(Registry::standard(), *reference);
  const Script script = parse(text, Registry::standard().schemas());
  for (const gp_observation& item : session.observe(script).items) {
    if (item.status == GP_ERROR) return static_cast<gp_error_kind>(item.error);
  }
  return GP_OK;
}

TEST(Refusals, OfTheReferenceComeBeforeMemoryIsTouched) {
  const std::string number = "x = tensor f32[] 0\ni = tensor i64[] 0\n";
  EXPECT_EQ(first_error(number + "y = cumulative_trapezoid(x)\n"), GP_INDEX);
  EXPECT_EQ(first_error(number + "y = tensordot(x, x, [-1], [-1])\n"), GP_INDEX);
  EXPECT_EQ(first_error(number + "y = diff(x)\n"), GP_SHAPE);
  const std::string empty = "x = tensor f32[0, 2, 5, 5]\n";
  EXPECT_EQ(first_error(empty + "y = adaptive_avg_pool2d(x, [4611686018427387904, 2])\n"), GP_OUT_OF_MEMORY);
  EXPECT_EQ(first_error(empty + "y = upsample_nearest2d(x, [4611686018427387904, 2])\n"), GP_OUT_OF_MEMORY);
  EXPECT_EQ(first_error("x = tensor f32[1] 1\ny = combinations(x, 1099511627776, true)\n"), GP_OUT_OF_MEMORY);
  EXPECT_EQ(first_error("x = tensor f32[1, 1] 1\ny, y2 = lstm_cell(x, [x], x, x)\n"), GP_ARGUMENT);
  EXPECT_EQ(first_error("x = tensor f64[2, 0]\ny, y2 = linalg_qr(x)\n"), GP_OK);
}

TEST(Refusals, OfACompositeLeaveRecordingOn) {
  const std::unique_ptr<Engine> reference = make_reference(Registry::standard());
  Session session(Registry::standard(), *reference);
  const Script script = parse(
      "x = leaf f32[1] -3\nx2 = tensor f32[] 0\ni = tensor i64[] 0\nwrong = dist(x, i)\n"
      "y = dist(x, x2)\nbackward y\nread x.grad\n",
      Registry::standard().schemas());
  const Observations& seen = session.observe(script);
  ASSERT_EQ(seen.items.size(), 2U);
  EXPECT_EQ(seen.items[0].error, GP_DTYPE);
  EXPECT_EQ(seen.items[1].status, GP_VALUE);
}

// On float or double, and on balls: no call brings it down, and none leaves anything behind.
TEST(Refusals, TheReferenceSurvivesWrongCalls) {
  const Registry& registry = Registry::standard();
  const std::unique_ptr<Engine> engine = make_reference(registry);
  Session session(registry, *engine);
  std::map<gp_error_kind, int> refused;
  int cases = 0;
  for (const Entry& entry : registry.entries()) {
    for (std::uint64_t index = 0; index < 20; ++index) {
      const Subject subject{&registry, &entry, index % 2 == 0 ? GP_F32 : GP_F64, GP_CPU, &engine->info()};
      if (!refusal().not_applicable(subject).empty()) break;
      Script script;
      generate_case({11, "reference", entry.id(), "refusal", subject.dtype, index}, refusal(), subject, script);
      ASSERT_FALSE(fault_in(script.view())) << print(script);
      const Verdict verdict = refusal().judge(session, script);
      EXPECT_TRUE(verdict.outcome != Outcome::fail && verdict.outcome != Outcome::internal_error)
          << verdict.reason << "; " << verdict.evidence.what << "\nexpected " << verdict.evidence.expected
          << "\ngot      " << verdict.evidence.got << "\n"
          << print(script, &registry.schemas());
      ++cases;
      for (const gp_observation& item : session.observe(script).items) {
        if (item.status == GP_ERROR) ++refused[static_cast<gp_error_kind>(item.error)];
      }
    }
  }
  int all = 0;
  for (const auto& [kind, count] : refused) all += count;
  EXPECT_GE(3 * all, cases) << "few of the calls are wrong";
  for (const gp_error_kind kind : {GP_SHAPE, GP_INDEX, GP_ARGUMENT, GP_DTYPE, GP_DOMAIN, GP_OUT_OF_MEMORY}) {
    EXPECT_GE(refused[kind], 10) << name_of(kind);
  }
}

}  // namespace
}  // namespace gradproof
