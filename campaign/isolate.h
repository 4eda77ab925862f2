// Numbered jobs in forked children: a crash or a hang costs one job, not the run.
//
// A child opens what it needs, then runs one job after the other and keeps "now at job n, since t" and the
// records it makes in memory shared with the parent, so that nothing finished is lost when it dies. The
// parent then tells the death of job n and goes on at the next one in a new child.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace gradproof {

struct Death {
  bool timeout = false;
  std::string how{};         // "SIGSEGV", "exit status 3", "no answer within 10 s"
  std::string last_words{};  // the end of what the child wrote to stdout and stderr, at most 4 KiB
};

// A child died, or threw, before its first job.
struct StartError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct IsolateOptions {
  std::chrono::milliseconds job_limit{10'000};
  std::chrono::milliseconds start_limit{120'000};
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::function<bool()> stop{};     // asked every few milliseconds; true: no further job
  std::function<void()> waiting{};  // called every few milliseconds, to show progress
  unsigned children = 1;            // child c runs the jobs n with n mod children = c, in order
};

// Both run in a child. A job that throws ends the child: the text becomes how it died.
using Job = std::function<void(std::uint64_t number, std::string& record)>;
using OpenJob = std::function<Job()>;

struct JobListener {
  std::function<void(std::uint64_t number, std::string_view record)> record;
  std::function<void(std::uint64_t number, const Death& death)> death;
};

// Runs the jobs 0 to count - 1; true where all were run, false where deadline or stop came first. With
// several children the order between them is not fixed. Throws StartError. To be called from a process of
// one thread.
bool run_isolated(std::uint64_t count, const OpenJob& open, const JobListener& listener,
                  const IsolateOptions& options = {});

// One job: its record. Throws StartError where it died, with how.
std::string run_isolated_once(const std::function<std::string()>& job, const IsolateOptions& options = {});

}  // namespace gradproof
