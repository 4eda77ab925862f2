// The process that runs jobs: engines compute here and nowhere else.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "campaign/isolate.h"
#include "campaign/isolation/shared_state.h"

namespace gradproof {

struct WorkOrder {
  std::uint64_t first = 0;
  std::uint64_t stride = 1;
  std::uint64_t count = 0;                           // jobs first, first + stride, … below it
  std::uint64_t batch = 0;                           // at most so many; 0: all
  std::chrono::milliseconds batch_time{};            // none begins after that; 0: any
  std::uint64_t memory_limit_bytes = 0;              // beyond what it has at its start; 0: none
  std::function<bool(std::uint64_t)> const* skip{};  // jobs that are done; or nullptr
};

// The first job from `number` on, in steps of the order, that is not to be skipped; at least count: none.
std::uint64_t next_job(const WorkOrder& order, std::uint64_t number);

// In a forked child, whose parent is `keeper`. `job` is null where the worker is to open it itself.
[[noreturn]] void work(SharedState& shared, const OpenJob& open, const Job* job, const WorkOrder& order, pid_t keeper);

// The text of an exception that ended a process: what it says, or its kind where it says nothing.
void tell_current_exception(SharedState& shared);

}  // namespace gradproof
