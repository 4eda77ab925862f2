#include "campaign/isolation/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "campaign/isolation/keeper_process.h"

namespace gradproof {
namespace {

constexpr std::size_t most_words = 4096;
constexpr std::size_t most_of_line = 400;
constexpr int reads_at_a_time = 64;
constexpr int exit_wait_ms = 3000;

[[noreturn]] void system_failure(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

std::set<pid_t>& living_keepers() {
  static std::set<pid_t> pids;
  return pids;
}

}  // namespace

Keeper::Keeper(const OpenJob& open, bool opens) : shared_(make_shared_memory()) {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) system_failure("no socket for a worker");
  control_ = PrivateFd(ends[0]);
  PrivateFd theirs(ends[1]);
  if (pipe2(ends, O_CLOEXEC) != 0) system_failure("no pipe for a worker");
  words_ = PrivateFd(ends[0]);
  PrivateFd their_words(ends[1]);
  // What a keeper that is killed leaves behind comes to us (kill_adopted).
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::fflush(nullptr);  // or the child might print it once more
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    const int words = dup(their_words.get());
    keep(theirs.get(), words, *shared_, open, opens, parent);
  }
  if (pid_ < 0) system_failure("cannot start a worker");
  living_keepers().insert(pid_);
  hide_from_children(*shared_);
  fcntl(words_.get(), F_SETFL, O_NONBLOCK);
}

Keeper::~Keeper() { bury(); }

void Keeper::start_worker(const WorkOrder& order) {
  shared_->reset();
  KeeperRequest request;
  request.order = order;
  // A keeper that is gone tells so by its socket.
  static_cast<void>(send(control_.get(), &request, sizeof request, MSG_NOSIGNAL));
}

void Keeper::kill_worker() {
  KeeperRequest request;
  request.kind = KeeperRequest::Kind::kill;
  static_cast<void>(send(control_.get(), &request, sizeof request, MSG_NOSIGNAL));
}

std::optional<KeeperEvent> Keeper::next_event() {
  if (status_) return {};
  KeeperReport report;
  const ssize_t got = recv(control_.get(), &report, sizeof report, MSG_DONTWAIT);
  if (got == sizeof report) {
    const KeeperEvent event{static_cast<KeeperEvent::Kind>(report.kind), report.value};
    opening_ = opening_ && event.kind != KeeperEvent::Kind::opened;
    return event;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  bury();
  return KeeperEvent{KeeperEvent::Kind::gone, *status_};
}

// Closing the socket tells it to leave, which it does once its worker is dead.
void Keeper::bury() {
  if (status_ || pid_ < 0) return;
  listen();
  if (opening_) ::kill(pid_, SIGKILL);  // an engine's code runs there, and hears nobody
  static_cast<void>(shutdown(control_.get(), SHUT_RDWR));
  int status = 0;
  pid_t waited = 0;
  for (int ms = 0; waited == 0; ++ms) {
    waited = waitpid(pid_, &status, WNOHANG);
    if (waited != 0) break;
    if (ms == exit_wait_ms) ::kill(pid_, SIGKILL);
    listen();  // it may be writing still
    usleep(ms < 20 ? 200 : 1000);
  }
  status_ = status;
  living_keepers().erase(pid_);
  listen();
  if (WIFSIGNALED(status)) kill_adopted();
}

std::size_t Keeper::listen() {
  char buffer[4096];
  std::size_t heard = 0;
  // Bounded: a child that talks without end must not keep its parent here.
  for (int reads = 0; reads < reads_at_a_time; ++reads) {
    const ssize_t got = ::read(words_.get(), buffer, sizeof buffer);
    if (got <= 0) break;
    heard += static_cast<std::size_t>(got);
    heard_.append(buffer, static_cast<std::size_t>(got));
    if (heard_.size() > 2 * most_words) heard_.erase(0, heard_.size() - most_words);
  }
  return heard;
}

std::string Keeper::last_words() {
  if (heard_.size() > most_words) heard_.erase(0, heard_.size() - most_words);
  std::string words;
  for (std::string_view rest = heard_; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.size() > most_of_line) {
      words += "…";
      line.remove_prefix(line.size() - most_of_line);
    }
    words += printable(line);
    if (!rest.empty()) words += '\n';
  }
  return words;
}

void kill_adopted() {
  const pid_t session = getsid(0);
  for (bool any = true; any;) {
    any = false;
    if (!has_children()) return;
    for (const pid_t pid : children_of_this_process()) {
      if (getsid(pid) == session || living_keepers().contains(pid)) continue;
      ::kill(pid, SIGKILL);
      any = waitpid(pid, nullptr, 0) == pid || any;
    }
  }
}

}  // namespace gradproof
