// What a process waits for a processor, under a load.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "campaign/isolation/processes.h"

namespace gradproof {
namespace {

using std::chrono::milliseconds;

// Processes that want a processor all the time, two for each there is.
class Load {
 public:
  Load() : processes_(2 * std::max(2U, std::thread::hardware_concurrency())) {
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

}  // namespace
}  // namespace gradproof
