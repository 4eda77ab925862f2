// A keeper opens what the jobs need, computes nothing, and forks one worker after the other from what it has.
//
// It is every worker's parent and adopts what they leave behind: when a worker ends, whatever it started is
// killed and waited for before the end is told. It outlives its own parent by the moment it takes to kill its
// worker, so that nothing is left of a campaign that is killed. Whoever holds a Keeper holds both processes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "campaign/isolate.h"
#include "campaign/isolation/processes.h"
#include "campaign/isolation/shared_state.h"
#include "campaign/isolation/worker.h"

namespace gradproof {

struct KeeperEvent {
  enum class Kind {
    opened,   // ready for work
    threads,  // has threads now and cannot fork; it has left
    started,  // value: the worker's id
    ended,    // value: waitpid's status of the worker
    gone      // value: waitpid's status of the keeper itself
  };
  Kind kind = Kind::gone;
  int value = 0;
};

class Keeper {
 public:
  // Forks. `opens`: it opens the jobs itself, at once; otherwise each of its workers does. Throws
  // std::system_error.
  Keeper(const OpenJob& open, bool opens);
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper();  // nothing of it, its worker and what that started is left then

  // One worker at a time. `skip` must be what it was when the keeper was made.
  void start_worker(const WorkOrder& order);
  void kill_worker();
  std::optional<KeeperEvent> next_event();

  SharedState& shared() { return *shared_; }
  int events_fd() const { return control_.get(); }
  int words_fd() const { return words_.get(); }

  // Reads what was written to stdout and stderr, a bounded amount at a time; how many bytes.
  std::size_t listen();
  std::string last_words();
  void forget_words() { heard_.clear(); }

 private:
  void bury();

  SharedMemory shared_;
  PrivateFd control_;
  PrivateFd words_;
  pid_t pid_ = -1;
  bool opening_ = true;
  std::optional<int> status_;
  std::string heard_;
};

// Kills what a keeper that was itself killed has left to this process: children in sessions of their own.
void kill_adopted();

}  // namespace gradproof
