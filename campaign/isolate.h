// Numbered jobs in forked children: a crash or a hang costs one job, not the run.
//
// A keeper opens what the jobs need and computes nothing; workers, forked from it, each run a batch of jobs
// (campaign/isolation/). What is finished reaches the parent through shared memory and is not lost when a worker
// dies. The death of a worker is the death of the job it was at, and the others go on in a new one. A job that
// died after others in its worker is run once more alone, so that how it died does not depend on what ran before:
// where it dies again, that is its death; where it does not, the first death is told with ", but not alone",
// unless somebody else may have caused it (SIGKILL from outside): then its record counts.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace gradproof {

// How a death ends that did not happen again when its job was run alone.
inline constexpr const char* not_alone = ", but not alone";

struct Death {
  bool timeout = false;
  // "SIGSEGV", "SIGSEGV: stack overflow", "std::terminate: …", "exit status 3", "no answer within 10 s",
  // "memory limit: …", "output limit: …", "left a process behind", or an exception's text.
  std::string how{};
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
  unsigned children = 1;            // lane c runs the jobs n with n mod children = c, in order

  // No fork at all, for debuggers: one job after the other in this process, no limits, and a crash is a crash.
  bool in_process = false;
  // When a worker hands over to the next: what an engine leaks or breaks does not add up for long.
  std::uint64_t batch = 0;                     // after so many jobs; 0: by time alone
  std::chrono::milliseconds batch_time{2000};  // after the job that it passes in; 0: never
  // False: each worker opens for itself, for what cannot be used after a fork (CUDA). A keeper that finds itself
  // with threads after opening changes to this by itself.
  bool open_before_fork = true;
  std::uint64_t memory_limit_bytes = std::uint64_t{4} << 30;   // of a worker beyond what was opened; 0: none
  std::uint64_t output_limit_bytes = std::uint64_t{16} << 20;  // on stdout and stderr, for each job
  std::function<bool(std::uint64_t)> skip{};                   // true: not this job; the same answer at every call
};

// Both run in a child. A job that throws ends the child: the text becomes how it died.
using Job = std::function<void(std::uint64_t number, std::string& record)>;
using OpenJob = std::function<Job()>;

// `record` may throw BadRecord (campaign/isolation/shared_state.h) where the bytes are none of the job's: that is
// the death of the job.
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
