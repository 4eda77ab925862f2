#include "campaign/isolation/keeper_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>

#include "campaign/isolation/keeper.h"
#include "campaign/isolation/processes.h"

namespace gradproof {
namespace {

constexpr int poll_without_pidfd_ms = 2;

class KeeperProcess {
 public:
  KeeperProcess(int control, SharedState& shared, const OpenJob& open)
      : control_(control), shared_(shared), open_(open) {}

  [[noreturn]] void live(bool opens, pid_t parent) {
    if (opens) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // while it opens it hears nobody
      if (getppid() != parent) _exit(1);
      open();
      prctl(PR_SET_PDEATHSIG, 0);
      if (thread_count() > 1) {
        report(KeeperEvent::Kind::threads);
        leave(0);
      }
      for (const pid_t pid : children_of_this_process()) helpers_.insert(pid);
    }
    report(KeeperEvent::Kind::opened);
    while (true) serve();
  }

 private:
  void open() {
    try {
      job_ = open_();
    } catch (...) {
      tell_current_exception(shared_);
      leave(1);
    }
  }

  void serve() {
    KeeperRequest request;
    const ssize_t got = recv(control_, &request, sizeof request, 0);
    if (got < 0 && errno == EINTR) return;
    if (got != sizeof request) leave(0);  // the parent is gone, or wants no more
    if (request.kind == KeeperRequest::Kind::start) tend(request.order);
  }

  void tend(const WorkOrder& order) {
    std::fflush(nullptr);  // or each worker might print it once more
    const pid_t own = getpid();
    worker_ = fork();
    if (worker_ == 0) {
      ::close(control_);
      work(shared_, open_, job_ ? &job_ : nullptr, order, own);
    }
    if (worker_ < 0) {
      shared_.tell_error("a worker cannot be forked");
      leave(1);
    }
    report(KeeperEvent::Kind::started, worker_);
    const int status = wait_for_worker();
    kill_children(helpers_);
    report(KeeperEvent::Kind::ended, status);
  }

  int wait_for_worker() {
    const int ending = static_cast<int>(syscall(SYS_pidfd_open, worker_, 0));
    int status = 0;
    while (waitpid(worker_, &status, WNOHANG) == 0) {
      pollfd watched[2] = {{control_, POLLIN, 0}, {ending, POLLIN, 0}};
      ::poll(watched, ending >= 0 ? 2 : 1, ending >= 0 ? -1 : poll_without_pidfd_ms);
      if (watched[0].revents != 0) hear();
    }
    if (ending >= 0) ::close(ending);
    worker_ = -1;
    return status;
  }

  void hear() {
    KeeperRequest request;
    const ssize_t got = recv(control_, &request, sizeof request, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got != sizeof request) leave(0);
    if (request.kind == KeeperRequest::Kind::kill) kill_worker();
  }

  void kill_worker() const {
    ::kill(-worker_, SIGKILL);
    ::kill(worker_, SIGKILL);
  }

  [[noreturn]] void leave(int status) {
    if (worker_ > 0) kill_worker();
    kill_children({});
    _exit(status);
  }

  void report(KeeperEvent::Kind kind, int value = 0) {
    const KeeperReport message{static_cast<std::uint32_t>(kind), value};
    while (send(control_, &message, sizeof message, MSG_NOSIGNAL) < 0) {
      if (errno != EINTR) leave(1);
    }
  }

  int control_;
  SharedState& shared_;
  const OpenJob& open_;
  Job job_{};
  std::set<pid_t> helpers_;  // what the engine started when it was opened
  pid_t worker_ = -1;
};

}  // namespace

void keep(int control, int words, SharedState& shared, const OpenJob& open, bool opens, pid_t parent) {
  close_private_fds_but(control);
  setsid();  // Ctrl-C reaches the parent alone
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) signal(number, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing >= 0) {
    dup2(nothing, STDIN_FILENO);
    if (nothing > STDERR_FILENO) ::close(nothing);
  }
  dup2(words, STDOUT_FILENO);
  dup2(words, STDERR_FILENO);
  if (words > STDERR_FILENO) ::close(words);
  KeeperProcess(control, shared, open).live(opens, parent);
}

}  // namespace gradproof
