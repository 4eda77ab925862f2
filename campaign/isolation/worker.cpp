#include "campaign/isolation/worker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <optional>

#include "campaign/isolation/processes.h"

namespace gradproof {
namespace {

// AddressSanitizer reserves terabytes and tells of crashes itself.
#ifdef __SANITIZE_ADDRESS__
constexpr bool address_sanitizer = true;
#else
constexpr bool address_sanitizer = false;
#endif

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds between_looks{1};
constexpr rlim_t most_stack_bytes = rlim_t{64} << 20;
constexpr std::uintptr_t stack_reach_bytes = std::uintptr_t{1} << 20;

// For handlers, which get nothing passed.
SharedState* shared_of_process = nullptr;

std::optional<std::uintptr_t> stack_pointer_in(const void* context) {
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.sp);
#else
  static_cast<void>(context);
  return {};
#endif
}

// Returns to the instruction that faulted, which then kills the process by the signal itself.
void on_fault(int number, siginfo_t* info, void* context) {
  const auto pointer = stack_pointer_in(context);
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (info->si_code > 0 && pointer && address + stack_reach_bytes > *pointer &&
      address < *pointer + stack_reach_bytes) {
    shared_of_process->note = Note::stack_overflow;
  }
  signal(number, SIG_DFL);
  if (info->si_code <= 0) raise(number);  // sent by somebody: there is no instruction to fault again
}

void watch_faults() {
  if (address_sanitizer) return;
  static std::array<char, std::size_t{1} << 16> stack;  // a handler cannot run on one that overflowed
  stack_t alternative{};
  alternative.ss_sp = stack.data();
  alternative.ss_size = stack.size();
  sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
}

void on_terminate() {
  shared_of_process->note = Note::terminated;
  if (std::current_exception() != nullptr) tell_current_exception(*shared_of_process);
  std::abort();
}

void on_no_memory() {
  shared_of_process->note = Note::memory_refused;
  throw std::bad_alloc();
}

void set_limit(int which, rlim_t value) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource_t>(which), &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max = std::min(value, limit.rlim_max);
  setrlimit(static_cast<__rlimit_resource_t>(which), &limit);
}

void set_limits(const WorkOrder& order) {
  set_limit(RLIMIT_CORE, 0);
  // Without an end an endless recursion would take all memory first.
  rlimit stack{};
  if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur > most_stack_bytes) {
    stack.rlim_cur = most_stack_bytes;
    setrlimit(RLIMIT_STACK, &stack);
  }
  // Not RLIMIT_AS: what engines map of files and reserve without using counts there.
  if (order.memory_limit_bytes > 0 && !address_sanitizer)
    set_limit(RLIMIT_DATA, data_bytes() + order.memory_limit_bytes);
}

void settle(SharedState& shared, const WorkOrder& order, pid_t keeper) {
  shared_of_process = &shared;
  hide_from_children(shared);
  setpgid(0, 0);  // an engine that signals its group reaches itself
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != keeper) _exit(1);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // processes left behind are seen as children of this one
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) signal(number, SIG_DFL);
  set_limits(order);
  watch_faults();
  std::set_terminate(on_terminate);
  std::set_new_handler(on_no_memory);
}

// What stdout and stderr were at the start.
class OutputWatch {
 public:
  OutputWatch() : out_(identity(STDOUT_FILENO)), err_(identity(STDERR_FILENO)) {}
  bool unchanged() const { return identity(STDOUT_FILENO) == out_ && identity(STDERR_FILENO) == err_; }

 private:
  static std::optional<std::pair<dev_t, ino_t>> identity(int fd) {
    struct stat told {};
    if (fstat(fd, &told) != 0) return {};
    return std::pair{told.st_dev, told.st_ino};
  }
  std::optional<std::pair<dev_t, ino_t>> out_;
  std::optional<std::pair<dev_t, ino_t>> err_;
};

[[noreturn]] void fail(SharedState& shared) {
  if (shared.phase == Phase::running) shared.phase = Phase::failed;
  _exit(1);
}

[[noreturn]] void fail(SharedState& shared, std::string_view why) {
  shared.tell_error(why);
  fail(shared);
}

// What a job may have left behind. All that have run since it was last looked for are suspects.
class LookAround {
 public:
  explicit LookAround(SharedState& shared) : shared_(shared), children_before_(has_children()) {}
  bool is_due(Clock::time_point now) const { return now - last_ >= between_looks; }
  void add_suspect() { shared_.suspects.store(++suspects_, std::memory_order_relaxed); }
  void around(Clock::time_point now) {
    last_ = now;
    if (!children_before_ && has_children()) fail(shared_, "left a process behind");
    if (!output_.unchanged()) fail(shared_, "closed or replaced its stdout or stderr");
    shared_.suspects = suspects_ = 0;
  }

 private:
  SharedState& shared_;
  bool children_before_;
  OutputWatch output_;
  Clock::time_point last_ = Clock::now();
  std::uint64_t suspects_ = 0;
};

void run_jobs(SharedState& shared, const Job& job, const WorkOrder& order) {
  LookAround look(shared);
  std::string record;
  std::uint64_t done = 0;
  const auto until = Clock::now() + order.batch_time;
  for (std::uint64_t n = next_job(order, order.first); n < order.count && shared.stop == 0;
       n = next_job(order, n + order.stride)) {
    if (order.batch > 0 && done++ == order.batch) break;
    record.clear();
    look.add_suspect();
    job(n, record);
    if (shared.note == Note::memory_refused) fail(shared);
    const auto now = Clock::now();
    const bool looks = order.batch == 1 || look.is_due(now) || !has_room(shared, record);
    if (looks) look.around(now);
    send_record(shared, n, record, looks ? Sent::confirmed : Sent::unconfirmed);
    if (order.batch_time.count() > 0 && now >= until) break;
  }
  look.around(Clock::now());
  shared.confirmed.store(shared.written);
}

}  // namespace

std::uint64_t next_job(const WorkOrder& order, std::uint64_t number) {
  while (number < order.count && order.skip != nullptr && *order.skip && (*order.skip)(number)) number += order.stride;
  return number;
}

void tell_current_exception(SharedState& shared) {
  try {
    throw;
  } catch (const std::exception& error) {
    shared.tell_error(error.what()[0] != '\0' ? error.what() : "an exception without a text");
  } catch (...) {
    shared.tell_error("an exception of an unknown type");
  }
}

void work(SharedState& shared, const OpenJob& open, const Job* job, const WorkOrder& order, pid_t keeper) {
  settle(shared, order, keeper);
  try {
    Job own;
    if (job == nullptr) {
      own = open();
      job = &own;
    }
    shared.phase = Phase::running;
    run_jobs(shared, *job, order);
    shared.phase = Phase::left;
    _exit(0);
  } catch (...) {
    tell_current_exception(shared);
    fail(shared);
  }
}

}  // namespace gradproof
