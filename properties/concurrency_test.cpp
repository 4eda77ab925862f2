// Several threads, each with a reference and a judge of its own, share the records alone: what each finds is what it
// finds by itself. ci/sanitize thread runs this under ThreadSanitizer.
#include <gtest/gtest.h>

#include "adapters/lanes.h"
#include "engine/reference.h"
#include "engine/scalars/arb_ball.h"
#include "properties/steps.h"

namespace gradproof {
namespace {

constexpr std::uint64_t stride = 7;  // of every so many cases one is judged

// Outcomes of cases of all properties and operators, in order, from the case of that number on.
std::vector<Outcome> outcomes_from(std::uint64_t first) {
  const Registry& registry = Registry::standard();
  const std::unique_ptr<Engine> engine = make_reference(registry);
  Session session(registry, *engine);
  std::vector<Outcome> found;
  std::uint64_t number = 0;
  for (const Property* property : all_properties()) {
    for (const Entry& entry : registry.entries()) {
      const Subject subject{&registry, &entry, number % 2 == 0 ? GP_F32 : GP_F64, GP_CPU, &engine->info()};
      if (!property->not_applicable(subject).empty() || ++number % stride != first % stride) continue;
      Script script;
      generate_case({1, engine->info().name, entry.id(), property->id(), subject.dtype, first}, *property, subject,
                    script);
      found.push_back(property->judge(session, script).outcome);
    }
  }
  return found;
}

TEST(Concurrency, ThreadsThatJudgeDoNotMeet) {
  constexpr std::size_t threads = 4;
  std::vector<std::vector<Outcome>> at_once(threads);
  run_lanes(threads, [&](std::size_t lane) {
    at_once[lane] = outcomes_from(lane);
    flint_cleanup();  // what FLINT keeps for a thread
  });
  for (std::size_t lane = 0; lane < threads; ++lane) {
    EXPECT_EQ(at_once[lane], outcomes_from(lane));
    EXPECT_GT(at_once[lane].size(), 50U);
  }
}

}  // namespace
}  // namespace gradproof
