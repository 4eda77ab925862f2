#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/reference.h"
#include "properties/all.h"
#include "properties/steps.h"
#include "script/print.h"

namespace gradproof {
namespace {

const Registry& registry() { return Registry::standard(); }

std::vector<Script> programs_of(std::string_view id, std::uint64_t from, std::uint64_t count, gp_dtype dtype = GP_F32) {
  std::vector<Script> made;
  const EngineInfo info = reference_info();
  for (const Entry& entry : registry().entries()) {
    if (entry.id() != id) continue;
    const Subject subject{&registry(), &entry, dtype, GP_CPU, &info};
    for (std::uint64_t i = from; i < from + count; ++i) {
      generate_case({1, info.name, entry.id(), "program", dtype, i}, program_property(), subject, made.emplace_back());
    }
  }
  return made;
}

std::vector<std::string> calls_of(const Script& script) {
  std::vector<std::string> names;
  for (const gp_step& step : script.steps) {
    if (step.kind == GP_CALL) names.emplace_back(script.op_name(script.ops[step.op]));
  }
  return names;
}

std::map<ValueId, int> uses_of(const Script& script) {
  std::map<ValueId, int> uses;
  for (const gp_step& step : script.steps) {
    if (step.kind != GP_CALL) continue;
    for (const gp_arg& arg : script.args_of(step)) {
      if (arg.kind == GP_ARG_VALUE) ++uses[static_cast<ValueId>(arg.u.index)];
    }
  }
  return uses;
}

TEST(Programs, CallTheirOperatorAmongOthers) {
  for (const std::string_view id : {"tanh", "mul.Tensor", "sum.dim_IntList", "matmul", "linalg_inv", "gelu[tanh]"}) {
    const std::string name(id.substr(0, id.find_first_of(".[")));
    for (const Script& script : programs_of(id, 0, 30)) {
      const std::vector<std::string> calls = calls_of(script);
      EXPECT_TRUE(std::count(calls.begin(), calls.end(), name) > 0) << print(script, &registry().schemas());
      EXPECT_LE(calls.size(), 40U);
    }
  }
}

TEST(Programs, AreOfEveryKindAndLength) {
  std::map<std::string, int> met;
  for (const std::string_view id : {"exp", "add.Tensor", "cat", "mm"}) {
    for (const Script& script : programs_of(id, 9, 60)) {
      const std::size_t calls = calls_of(script).size();
      ++met[calls <= 5 ? "to 5" : calls <= 10 ? "to 10" : calls <= 20 ? "to 20" : "to 40"];
      const std::map<ValueId, int> uses = uses_of(script);
      if (std::any_of(uses.begin(), uses.end(), [](const auto& use) { return use.second > 1; })) ++met["shared"];
      std::set<std::string> kinds;
      for (const gp_step& step : script.steps) {
        const std::string op(step.kind == GP_CALL ? script.op_name(script.ops[step.op]) : "");
        if (op.ends_with('_')) kinds.insert("in place");
        if (op == "select" || op == "transpose" || op == "slice" || op == "expand") kinds.insert("view");
        if (step.kind == GP_DETACH) kinds.insert("detach");
        if (step.kind == GP_GRAD) kinds.insert("grad");
        if (step.kind == GP_RETAIN_GRAD) kinds.insert("retain_grad");
        if (step.kind == GP_BACKWARD && (step.flags & GP_RETAIN_GRAPH) != 0) kinds.insert("several sweeps");
        if (step.kind == GP_BACKWARD && script.args_of(step)[0].count > 1) kinds.insert("several roots");
        const bool constant = step.kind == GP_TENSOR && (script.tensors[step.op].flags & GP_REQUIRES_GRAD) == 0;
        if (constant && is_floating(static_cast<gp_dtype>(script.tensors[step.op].dtype))) kinds.insert("constant");
      }
      for (const std::string& kind : kinds) ++met[kind];
    }
  }
  for (const std::string kind : {"to 5", "to 10", "to 20", "to 40", "shared", "in place", "view", "detach", "grad",
                                 "retain_grad", "several sweeps", "several roots", "constant"}) {
    EXPECT_GE(met[kind], 10) << kind;
  }
}

// No step fails, and the judge decides nine of ten, of any length.
TEST(Programs, AreDecided) {
  const std::unique_ptr<Engine> engine = make_reference(registry());
  Session session(registry(), *engine);
  int all = 0;
  int decided = 0;
  for (const std::string_view id : {"tanh", "mul.Tensor", "sum.dim_IntList", "matmul", "sub.Tensor", "softmax.int"}) {
    for (const gp_dtype dtype : {GP_F32, GP_F64}) {
      for (const Script& script : programs_of(id, 0, 40, dtype)) {
        const Observations& seen = session.observe(script);
        for (const gp_observation& item : seen.items) {
          EXPECT_NE(item.status, GP_ERROR) << seen.text_of(item) << "\n" << print(script, &registry().schemas());
        }
        const Verdict verdict = program_property().judge(session, script);
        EXPECT_NE(verdict.outcome, Outcome::fail) << verdict.reason << "\n" << print(script, &registry().schemas());
        ++all;
        decided += verdict.decided() ? 1 : 0;
      }
    }
  }
  EXPECT_GE(decided * 10, all * 9);
}

}  // namespace
}  // namespace gradproof
