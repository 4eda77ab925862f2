// What Linux knows of processes and open files, as isolation needs it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace gradproof {

// Children of this process, those adopted from dead children among them, zombies too.
std::vector<pid_t> children_of_this_process();

// Whether there is any: one system call, where children_of_this_process() reads all of /proc.
bool has_children();

// Kills every child that is not in `spared` and waits for it, and for those it leaves behind; how many there were.
std::size_t kill_children(const std::set<pid_t>& spared);

// Whether it is dead, waited for or not.
bool has_ended(pid_t pid);

// Threads of this process.
std::size_t thread_count();

// Private writable memory of this process in bytes: what RLIMIT_DATA counts.
std::uint64_t data_bytes();
// Memory of a process that lies in RAM; 0 where there is no such process.
std::uint64_t resident_bytes(pid_t pid);

// How long a process was kept waiting for a processor: a limit of time is no verdict on a process that the machine did
// not run. From the kernel's schedstat; nothing where it keeps none. Time stolen from a virtual machine does not show.
class Starvation {
 public:
  // `pid` is watched, from its birth on.
  void watch(pid_t pid);
  // What the thread that waited longest since the last look has waited, ready to run.
  std::chrono::nanoseconds since_last_look();

 private:
  using Clock = std::chrono::steady_clock;
  using Time = std::chrono::nanoseconds;
  struct Thread {
    Time ran{0};
    Time waited{0};  // without a wait that goes on
    Time ahead{0};   // of that wait, told already
  };

  pid_t pid_ = -1;
  Clock::time_point looked_{};
  std::map<pid_t, Thread> threads_;  // at the last look
};

// A file descriptor that a worker must not have: keepers close them all. Not thread safe.
class PrivateFd {
 public:
  explicit PrivateFd(int fd = -1);
  PrivateFd(PrivateFd&& other) noexcept;
  PrivateFd& operator=(PrivateFd&& other) noexcept;
  PrivateFd(const PrivateFd&) = delete;
  PrivateFd& operator=(const PrivateFd&) = delete;
  ~PrivateFd();
  int get() const { return fd_; }
  void reset();

 private:
  int fd_;
};

// In a forked child: closes all private descriptors but `kept`.
void close_private_fds_but(int kept);

}  // namespace gradproof
