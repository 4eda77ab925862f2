// A limit of time under a load that leaves a job a small share of the processors.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <map>
#include <thread>
#include <vector>

#include "campaign/isolate.h"
#include "campaign/isolation/processes.h"

namespace gradproof {
namespace {

using std::chrono::milliseconds;

// Processes that want a processor all the time, three for each there is.
class Load {
 public:
  Load() : processes_(3 * std::max(2U, std::thread::hardware_concurrency())) {
    for (pid_t& process : processes_) {
      process = fork();
      if (process != 0) continue;
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (std::atomic<unsigned> spin = 0;;) ++spin;
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    for (const pid_t process : processes_) {
      if (process < 0) continue;
      kill(process, SIGKILL);
      waitpid(process, nullptr, 0);
    }
  }
  pid_t one() const { return processes_.front(); }

 private:
  std::vector<pid_t> processes_;
};

TEST(Starvation, IsWhatAProcessWaited) {
  const Load load;
  Starvation starvation;
  starvation.watch(load.one());
  milliseconds starved{0};
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(milliseconds(100));
    starved += std::chrono::duration_cast<milliseconds>(starvation.since_last_look());
  }
  if (starved == milliseconds(0)) GTEST_SKIP() << "this kernel does not tell how long a process waited";
  EXPECT_GT(starved, milliseconds(300));
}

TEST(Starvation, IsNotSleep) {
  const pid_t sleeper = fork();
  ASSERT_GE(sleeper, 0);
  if (sleeper == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  Starvation starvation;
  starvation.watch(sleeper);
  std::this_thread::sleep_for(milliseconds(300));
  starvation.since_last_look();
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_LT(starvation.since_last_look(), milliseconds(100));
  kill(sleeper, SIGKILL);
  waitpid(sleeper, nullptr, 0);
}

TEST(Starvation, MakesNoJobLate) {
  const Load load;
  {
    Starvation starvation;
    starvation.watch(load.one());
    std::this_thread::sleep_for(milliseconds(300));
    if (starvation.since_last_look().count() == 0) GTEST_SKIP() << "this kernel does not tell";
  }
  std::size_t records = 0;
  std::map<std::uint64_t, Death> deaths;
  IsolateOptions options;
  options.job_limit = milliseconds(700);
  const Job body = [](std::uint64_t, std::string& record) {
    const auto own_time = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
    const double began = own_time();
    while (own_time() - began < 0.5) {
    }
    record = "fine";
  };
  const JobListener listener{[&](std::uint64_t, std::string_view) { ++records; },
                             [&](std::uint64_t number, const Death& death) { deaths.emplace(number, death); }};
  EXPECT_TRUE(run_isolated(
      2, [&] { return body; }, listener, options));
  EXPECT_EQ(records, 2U);
  EXPECT_TRUE(deaths.empty()) << deaths.begin()->second.how;
}

}  // namespace
}  // namespace gradproof
