#include "adapters/lanes.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace gradproof {
namespace {

TEST(Lanes, RunAtOnceAndHaveAllEndedAfter) {
  // Each lane waits for all: one after the other they would wait for ever.
  constexpr std::size_t count = 4;
  std::latch all(count);
  std::vector<int> done(count);
  run_lanes(count, [&](std::size_t lane) {
    all.arrive_and_wait();
    done[lane] = static_cast<int>(lane) + 1;
  });
  EXPECT_EQ(done, (std::vector<int>{1, 2, 3, 4}));
  run_lanes(0, [](std::size_t) { FAIL(); });
}

TEST(Lanes, AnExceptionComesOutWhenAllHaveEnded) {
  std::atomic<int> ended = 0;
  const auto body = [&](std::size_t lane) {
    if (lane == 1) throw std::runtime_error("lane 1");
    ++ended;
  };
  EXPECT_THROW(run_lanes(3, body), std::runtime_error);
  EXPECT_EQ(ended, 2);
}

}  // namespace
}  // namespace gradproof
