// The keeper's own process.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "campaign/isolate.h"
#include "campaign/isolation/shared_state.h"
#include "campaign/isolation/worker.h"

namespace gradproof {

// From the parent.
struct KeeperRequest {
  enum class Kind : std::uint32_t { start, kill };
  Kind kind = Kind::start;
  WorkOrder order{};  // its skip is a pointer into memory both have
};

// To the parent: KeeperEvent's kinds by their numbers.
struct KeeperReport {
  std::uint32_t kind = 0;
  std::int32_t value = 0;
};

[[noreturn]] void keep(int control, int words, SharedState& shared, const OpenJob& open, bool opens, pid_t parent);

}  // namespace gradproof
