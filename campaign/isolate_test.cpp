#include "campaign/isolate.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "campaign/isolation/shared_state.h"

namespace gradproof {
namespace {

using std::chrono::milliseconds;

[[noreturn]] void die_of(int number) {
  signal(number, SIG_DFL);  // a sanitizer would turn it into an exit
  raise(number);
  std::abort();
}

struct Seen {
  std::map<std::uint64_t, std::string> records;
  std::map<std::uint64_t, Death> deaths;
  JobListener listener() {
    return {[this](std::uint64_t n, std::string_view record) { EXPECT_TRUE(records.emplace(n, record).second); },
            [this](std::uint64_t n, const Death& death) { EXPECT_TRUE(deaths.emplace(n, death).second); }};
  }
};

OpenJob job(std::function<void(std::uint64_t, std::string&)> body) {
  return [body = std::move(body)] { return Job(body); };
}

TEST(Isolate, RecordsArriveWholeAndInOrder) {
  Seen seen;
  std::vector<std::uint64_t> order;
  JobListener listener = seen.listener();
  listener.record = [&](std::uint64_t n, std::string_view record) {
    order.push_back(n);
    seen.records.emplace(n, record);
  };
  const bool all = run_isolated(
      3000, job([](std::uint64_t n, std::string& record) { record = std::string(n, static_cast<char>('a' + n % 26)); }),
      listener);
  EXPECT_TRUE(all);
  ASSERT_EQ(seen.records.size(), 3000U);
  for (std::uint64_t n = 0; n < 3000; ++n) {
    EXPECT_EQ(order[n], n);
    EXPECT_EQ(seen.records[n], std::string(n, static_cast<char>('a' + n % 26)));
  }
}

TEST(Isolate, ARecordLargerThanTheSharedMemoryArrives) {
  Seen seen;
  std::string large(3 << 20, 'x');
  large += "end";
  EXPECT_TRUE(run_isolated(2, job([&](std::uint64_t, std::string& record) { record = large; }), seen.listener()));
  EXPECT_EQ(seen.records[0], large);
  EXPECT_EQ(seen.records[1], large);
}

TEST(Isolate, EveryKindOfDeathIsTheDeathOfItsJobAndTheOthersGoOn) {
  Seen seen;
  IsolateOptions options;
  options.job_limit = milliseconds(300);
  const auto body = [](std::uint64_t n, std::string& record) {
    if (n == 2) die_of(SIGSEGV);
    if (n == 3) die_of(SIGFPE);
    if (n == 5) _exit(3);
    if (n == 6) _exit(0);
    if (n == 7) std::this_thread::sleep_for(std::chrono::hours(1));
    if (n == 8) throw std::runtime_error("no such luck");
    if (n == 9) {
      std::fputs("out of cheese\n", stderr);
      std::abort();
    }
    record = "fine";
  };
  EXPECT_TRUE(run_isolated(11, job(body), seen.listener(), options));
  EXPECT_EQ(seen.records.size(), 4U);
  for (const std::uint64_t n : {0U, 1U, 4U, 10U}) EXPECT_EQ(seen.records[n], "fine") << n;
  ASSERT_EQ(seen.deaths.size(), 7U);
  EXPECT_EQ(seen.deaths[2].how, "SIGSEGV");
  EXPECT_EQ(seen.deaths[3].how, "SIGFPE");
  EXPECT_EQ(seen.deaths[5].how, "exit status 3");
  EXPECT_EQ(seen.deaths[6].how, "exit status 0");
  EXPECT_TRUE(seen.deaths[7].timeout);
  EXPECT_EQ(seen.deaths[7].how, "no answer within 0.3 s");
  EXPECT_EQ(seen.deaths[8].how, "no such luck");
  EXPECT_FALSE(seen.deaths[9].timeout);
  EXPECT_NE(seen.deaths[9].last_words.find("out of cheese"), std::string::npos);
}

TEST(Isolate, SeveralChildrenDoTheSameAsOne) {
  Seen one;
  Seen three;
  IsolateOptions options;
  const auto body = [](std::uint64_t n, std::string& record) {
    if (n % 13 == 4) _exit(1);
    record = std::to_string(n * n);
  };
  EXPECT_TRUE(run_isolated(60, job(body), one.listener(), options));
  options.children = 3;
  EXPECT_TRUE(run_isolated(60, job(body), three.listener(), options));
  EXPECT_EQ(one.records, three.records);
  EXPECT_EQ(one.deaths.size(), 5U);
  EXPECT_EQ(three.deaths.size(), 5U);
}

TEST(Isolate, AChildThatCannotStartIsAnErrorOfItsOwn) {
  Seen seen;
  const auto message = [&](const OpenJob& open) -> std::string {
    try {
      run_isolated(3, open, seen.listener());
    } catch (const StartError& error) {
      return error.what();
    }
    return "started";
  };
  EXPECT_EQ(message([]() -> Job { throw std::runtime_error("no such library"); }), "no such library");
  EXPECT_EQ(message([]() -> Job { die_of(SIGBUS); }), "SIGBUS");
  EXPECT_TRUE(seen.records.empty() && seen.deaths.empty());
}

TEST(Isolate, StopsWhenAskedAndAtTheDeadlineWithinAMomentAndKeepsWhatIsDone) {
  for (const bool by_deadline : {false, true}) {
    Seen seen;
    IsolateOptions options;
    const auto began = std::chrono::steady_clock::now();
    if (by_deadline) {
      options.deadline = began + milliseconds(200);
    } else {
      options.stop = [&] { return seen.records.size() >= 5; };
    }
    const auto body = [](std::uint64_t n, std::string& record) {
      std::this_thread::sleep_for(n < 5 ? milliseconds(1) : std::chrono::hours(1));
      record = "done";
    };
    EXPECT_FALSE(run_isolated(100, job(body), seen.listener(), options));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
    EXPECT_EQ(seen.records.size(), 5U);
    EXPECT_TRUE(seen.deaths.empty());
  }
}

TEST(Isolate, LeavesNoChildBehind) {
  Seen seen;
  IsolateOptions options;
  options.job_limit = milliseconds(100);
  run_isolated(2, job([](std::uint64_t n, std::string&) {
                 if (n == 1) std::this_thread::sleep_for(std::chrono::hours(1));
               }),
               seen.listener(), options);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Isolate, AGrandchildDiesWithItsParent) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Seen seen;
  IsolateOptions options;
  options.job_limit = milliseconds(500);
  run_isolated(1, job([&](std::uint64_t, std::string&) {
                 Seen inner;
                 run_isolated(1, job([&](std::uint64_t, std::string&) {
                                const pid_t own = getpid();
                                if (write(ends[1], &own, sizeof own) != sizeof own) _exit(9);
                                std::this_thread::sleep_for(std::chrono::hours(1));
                              }),
                              inner.listener());
               }),
               seen.listener(), options);
  pid_t grandchild = 0;
  ASSERT_EQ(read(ends[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
  close(ends[0]);
  close(ends[1]);
  bool gone = false;
  for (int i = 0; i < 200 && !gone; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/stat", grandchild);
    std::FILE* stat = std::fopen(path, "r");
    char text[256] = {};
    gone = stat == nullptr || std::fgets(text, sizeof text, stat) == nullptr ||
           std::string_view(text).find(") Z") != std::string_view::npos;
    if (stat != nullptr) std::fclose(stat);
  }
  EXPECT_TRUE(gone);
}

TEST(Isolate, OnlyTheEndOfMuchTalkIsKept) {
  Seen seen;
  run_isolated(1, job([](std::uint64_t, std::string&) {
                 for (int i = 0; i < 100'000; ++i) std::fputs("chatter\n", stderr);
                 std::fputs("\x1b[2Jthe end", stderr);
                 std::abort();
               }),
               seen.listener());
  EXPECT_LE(seen.deaths[0].last_words.size(), 4096U);
  EXPECT_TRUE(seen.deaths[0].last_words.ends_with("?[2Jthe end"));
}

// Numbers that all processes of a test see.
class Shared {
 public:
  Shared()
      : values_(static_cast<std::atomic<int>*>(
            mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { munmap(values_, 4096); }
  std::atomic<int>& operator[](std::size_t i) { return values_[i]; }

 private:
  std::atomic<int>* values_;
};

TEST(Isolate, AWorkerThatSomebodyElseKillsCostsNothing) {
  Shared shared;
  Seen seen;
  const auto body = [&](std::uint64_t n, std::string& record) {
    std::this_thread::sleep_for(milliseconds(2));
    if (n == 3 && shared[0]++ == 0) die_of(SIGKILL);
    record = std::to_string(n);
  };
  EXPECT_TRUE(run_isolated(6, job(body), seen.listener()));
  EXPECT_EQ(seen.records.size(), 6U);
  EXPECT_TRUE(seen.deaths.empty());
  EXPECT_EQ(shared[0], 2);
}

TEST(Isolate, ADeathThatNeedsWhatRanBeforeIsToldAsSuch) {
  Seen seen;
  int run_here = 0;
  const auto body = [&](std::uint64_t n, std::string& record) {
    if (n == 5 && run_here > 0) die_of(SIGFPE);
    ++run_here;
    record = "fine";
  };
  EXPECT_TRUE(run_isolated(9, job(body), seen.listener()));
  EXPECT_EQ(seen.records.size(), 8U);
  ASSERT_EQ(seen.deaths.size(), 1U);
  EXPECT_EQ(seen.deaths[5].how, "SIGFPE, but not alone");
}

TEST(Isolate, TheJobsBeforeATimeoutAreNotLostAndItIsWaitedForOnce) {
  Shared shared;
  Seen seen;
  IsolateOptions options;
  options.job_limit = milliseconds(300);
  const auto body = [&](std::uint64_t n, std::string& record) {
    if (n == 40) {
      ++shared[0];
      std::this_thread::sleep_for(std::chrono::hours(1));
    }
    record = std::to_string(n);
  };
  EXPECT_TRUE(run_isolated(60, job(body), seen.listener(), options));
  EXPECT_EQ(seen.records.size(), 59U);
  EXPECT_TRUE(seen.deaths[40].timeout);
  EXPECT_EQ(shared[0], 1);
}

TEST(Isolate, BatchesAreAsLongAsTold) {
  Seen seen;
  IsolateOptions options;
  const auto body = [](std::uint64_t, std::string& record) { record = std::to_string(getpid()); };
  const auto workers = [&] {
    std::set<std::string> pids;
    for (const auto& [number, pid] : seen.records) pids.insert(pid);
    return pids.size();
  };
  EXPECT_TRUE(run_isolated(12, job(body), seen.listener(), options));
  EXPECT_EQ(workers(), 1U);
  seen = {};
  options.batch = 5;
  EXPECT_TRUE(run_isolated(12, job(body), seen.listener(), options));
  EXPECT_EQ(workers(), 3U);
  seen = {};
  options.batch = 0;
  options.batch_time = milliseconds(20);
  const auto slow = [](std::uint64_t, std::string& record) {
    std::this_thread::sleep_for(milliseconds(15));
    record = std::to_string(getpid());
  };
  EXPECT_TRUE(run_isolated(8, job(slow), seen.listener(), options));
  EXPECT_GE(workers(), 3U);
}

TEST(Isolate, WithoutIsolationEverythingHappensHere) {
  Seen seen;
  IsolateOptions options;
  options.in_process = true;
  options.children = 3;
  const pid_t own = getpid();
  const auto body = [&](std::uint64_t n, std::string& record) {
    EXPECT_EQ(getpid(), own);
    if (n == 2) throw std::runtime_error("no such luck");
    record = std::to_string(n);
  };
  EXPECT_TRUE(run_isolated(4, job(body), seen.listener(), options));
  EXPECT_EQ(seen.records.size(), 3U);
  EXPECT_EQ(seen.deaths[2].how, "no such luck");
  const auto fails = [&] {
    run_isolated(
        1, []() -> Job { throw std::runtime_error("no disk"); }, seen.listener(), options);
  };
  EXPECT_THROW(fails(), StartError);
}

TEST(Isolate, JobsThatAreDoneAreSkipped) {
  for (const bool in_process : {false, true}) {
    Seen seen;
    IsolateOptions options;
    options.in_process = in_process;
    options.children = 2;
    options.skip = [](std::uint64_t n) { return n % 3 != 1 || n > 80; };
    const auto body = [](std::uint64_t n, std::string& record) {
      if (n == 40 || n % 3 != 1) throw std::runtime_error("run");
      record = std::to_string(n);
    };
    EXPECT_TRUE(run_isolated(100, job(body), seen.listener(), options));
    EXPECT_EQ(seen.records.size(), 26U);
    EXPECT_EQ(seen.deaths.size(), 1U);
    EXPECT_TRUE(seen.deaths.contains(40));
  }
}

TEST(Isolate, WhatHasThreadsWhenItIsOpenedIsOpenedInEachWorker) {
  Seen seen;
  IsolateOptions options;
  const OpenJob open = [] {
    std::thread([] { std::this_thread::sleep_for(std::chrono::hours(1)); }).detach();
    return Job([](std::uint64_t n, std::string& record) {
      if (n == 2) die_of(SIGSEGV);
      record = "fine";
    });
  };
  EXPECT_TRUE(run_isolated(4, open, seen.listener(), options));
  EXPECT_EQ(seen.records.size(), 3U);
  EXPECT_EQ(seen.deaths[2].how, "SIGSEGV");
}

TEST(Isolate, HelpersOfAnEngineOutliveItsWorkersAndNotTheRun) {
  Shared shared;
  Seen seen;
  const OpenJob open = [&] {
    shared[0] = fork();
    if (shared[0] == 0) {
      shared[0] = getpid();
      while (true) pause();
    }
    return Job([&](std::uint64_t n, std::string& record) {
      if (n == 1) die_of(SIGSEGV);
      record = kill(shared[0], 0) == 0 ? "helped" : "alone";
    });
  };
  EXPECT_TRUE(run_isolated(3, open, seen.listener()));
  EXPECT_EQ(seen.records[0], "helped");
  EXPECT_EQ(seen.records[2], "helped");
  EXPECT_EQ(seen.deaths.size(), 1U);
  EXPECT_NE(kill(shared[0], 0), 0);
}

TEST(Isolate, WhatABrokenRecordSaysIsTheDeathOfItsJob) {
  Seen seen;
  JobListener listener = seen.listener();
  listener.record = [&](std::uint64_t n, std::string_view record) {
    if (n == 3) throw BadRecord("makes no sense");
    seen.records.emplace(n, record);
  };
  EXPECT_TRUE(run_isolated(6, job([](std::uint64_t, std::string& record) { record = "x"; }), listener));
  EXPECT_EQ(seen.records.size(), 5U);
  EXPECT_EQ(seen.deaths[3].how, "makes no sense");
}

TEST(Isolate, OnceGivesTheRecordOrHowItDied) {
  EXPECT_EQ(run_isolated_once([] { return std::string("forty-two"); }), "forty-two");
  EXPECT_THROW(run_isolated_once([]() -> std::string { _exit(1); }), StartError);
}

}  // namespace
}  // namespace gradproof
