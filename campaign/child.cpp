#include "campaign/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>
#include <thread>

namespace gradproof {

namespace {
using Clock = std::chrono::steady_clock;
constexpr std::size_t ring_bytes = std::size_t{1} << 20;
constexpr std::size_t most_words = 4096;
constexpr std::size_t error_bytes = 2048;
enum Phase : std::uint32_t { phase_starting, phase_running, phase_left, phase_failed };
}  // namespace

// Lives in memory shared by both processes. Records pass through a ring of bytes: the child moves `written`,
// the parent `taken`.
struct SharedState {
  std::atomic<std::uint32_t> phase{phase_starting};
  std::atomic<std::uint32_t> stop{0};
  std::atomic<std::int64_t> since_ns{0};  // the job in hand began then; 0: none in hand
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> taken{0};
  char error[error_bytes] = {};
  char ring[ring_bytes];  // zero from the system; untouched pages cost nothing
};

namespace {

std::int64_t now_ns() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }

[[noreturn]] void system_failure(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void write_bytes(SharedState& shared, const char* from, std::size_t size) {
  while (size > 0) {
    const std::uint64_t written = shared.written.load(std::memory_order_relaxed);
    const std::uint64_t free = ring_bytes - (written - shared.taken.load(std::memory_order_acquire));
    if (free == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      continue;
    }
    const std::size_t at = static_cast<std::size_t>(written % ring_bytes);
    const std::size_t count = std::min({size, static_cast<std::size_t>(free), ring_bytes - at});
    std::memcpy(shared.ring + at, from, count);
    shared.written.store(written + count, std::memory_order_release);
    from += count;
    size -= count;
  }
}

struct Frame {
  std::uint64_t number;
  std::uint64_t size;
};

void run_jobs(SharedState& shared, const OpenJob& open, std::uint64_t first, std::uint64_t stride,
              std::uint64_t count) {
  const Job job = open();
  shared.phase = phase_running;
  std::string record;
  for (std::uint64_t n = first; n < count && shared.stop == 0; n += stride) {
    record.clear();
    shared.since_ns.store(now_ns(), std::memory_order_relaxed);
    job(n, record);
    shared.since_ns.store(0, std::memory_order_relaxed);
    const Frame frame{n, record.size()};
    write_bytes(shared, reinterpret_cast<const char*>(&frame), sizeof frame);
    write_bytes(shared, record.data(), record.size());
  }
}

[[noreturn]] void live(SharedState& shared, const OpenJob& open, std::uint64_t first, std::uint64_t stride,
                       std::uint64_t count) {
  const auto fail = [&](const char* text) {
    std::strncpy(shared.error, text, error_bytes - 1);
    if (shared.phase == phase_running) shared.phase = phase_failed;
    _exit(1);
  };
  try {
    run_jobs(shared, open, first, stride, count);
  } catch (const std::exception& error) {
    fail(error.what()[0] != '\0' ? error.what() : "an exception without a text");
  } catch (...) {
    fail("an exception of an unknown type");
  }
  shared.phase = phase_left;
  _exit(0);
}

// Its own group, so that Ctrl-C reaches the parent alone and helpers an engine starts die with it.
void settle(int words, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  signal(SIGINT, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  dup2(words, STDOUT_FILENO);
  dup2(words, STDERR_FILENO);
}

}  // namespace

std::unique_ptr<Child> Child::start(const OpenJob& open, std::uint64_t first, std::uint64_t stride,
                                    std::uint64_t count) {
  void* memory = mmap(nullptr, sizeof(SharedState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) system_failure("no shared memory for a worker");
  SharedState* shared = new (memory) SharedState;
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) {
    munmap(memory, sizeof(SharedState));
    system_failure("no pipe for a worker");
  }
  std::fflush(nullptr);  // or the child might print it once more
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    ::close(ends[0]);
    settle(ends[1], parent);
    ::close(ends[1]);
    live(*shared, open, first, stride, count);
  }
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    munmap(memory, sizeof(SharedState));
    system_failure("cannot start a worker");
  }
  setpgid(pid, pid);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return std::unique_ptr<Child>(new Child(shared, ends[0], pid));
}

Child::~Child() {
  kill();
  ::close(words_);
  munmap(shared_, sizeof(SharedState));
}

std::optional<int> Child::ended() {
  listen();
  if (status_) return status_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_;
}

void Child::kill() {
  ::kill(-pid_, SIGKILL);  // the group may outlive its leader
  if (status_) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  status_ = status;
}

void Child::take_records(const OnRecord& on_record) {
  const std::uint64_t written = shared_->written.load(std::memory_order_acquire);
  std::uint64_t taken = shared_->taken.load(std::memory_order_relaxed);
  if (written - taken > ring_bytes)
    throw std::runtime_error("a worker wrote over the memory it shares with its parent");
  while (taken < written) {
    const std::size_t at = static_cast<std::size_t>(taken % ring_bytes);
    const std::size_t count = std::min(static_cast<std::size_t>(written - taken), ring_bytes - at);
    pending_.append(shared_->ring + at, count);
    taken += count;
  }
  shared_->taken.store(taken, std::memory_order_release);
  std::size_t from = 0;
  while (pending_.size() - from >= sizeof(Frame)) {
    Frame frame{};
    std::memcpy(&frame, pending_.data() + from, sizeof frame);
    if (pending_.size() - from - sizeof frame < frame.size) break;
    on_record(frame.number, std::string_view(pending_).substr(from + sizeof frame, frame.size));
    from += sizeof frame + frame.size;
  }
  pending_.erase(0, from);
}

void Child::ask_to_stop() { shared_->stop = 1; }
bool Child::starting() const { return shared_->phase == phase_starting; }
bool Child::left() const { return shared_->phase == phase_left; }

std::string Child::error() const { return {shared_->error, strnlen(shared_->error, error_bytes)}; }

std::chrono::milliseconds Child::age() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_);
}

std::chrono::milliseconds Child::time_on_job() const {
  const std::int64_t since = shared_->since_ns.load(std::memory_order_relaxed);
  if (since == 0) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds(now_ns() - since));
}

void Child::listen() {
  char buffer[4096];
  // Bounded: a child that talks without end must not keep its parent here.
  for (int reads = 0; reads < 64; ++reads) {
    const ssize_t got = ::read(words_, buffer, sizeof buffer);
    if (got <= 0) break;
    heard_.append(buffer, static_cast<std::size_t>(got));
    if (heard_.size() > 2 * most_words) heard_.erase(0, heard_.size() - most_words);
  }
}

std::string Child::last_words() {
  listen();
  if (heard_.size() > most_words) heard_.erase(0, heard_.size() - most_words);
  return heard_;
}

std::string ending_text(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const char* name = sigabbrev_np(WTERMSIG(wait_status));
    return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(WTERMSIG(wait_status));
  }
  return "exit status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace gradproof
