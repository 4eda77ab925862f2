#include "adapters/libtorch/cuda_probe.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <thread>

namespace gradproof::libtorch {
namespace {

// What the child's exit status says, beside the driver's own errors from first_error on.
enum Answer : int { a_device = 0, no_device = 2, no_symbols = 3, answered_no = 4, first_error = 10, last_error = 250 };

int ask_driver(const char* driver) {
  void* library = dlopen(driver, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return no_symbols;
  // Driver API: CUresult cuInit(unsigned), CUresult cuDeviceGetCount(int*).
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(library, "cuInit"));
  const auto count = reinterpret_cast<int (*)(int*)>(dlsym(library, "cuDeviceGetCount"));
  if (init == nullptr || count == nullptr) return no_symbols;
  constexpr int cuda_error_no_device = 100;
  const auto told = [](int error) {
    if (error == cuda_error_no_device) return static_cast<int>(no_device);
    return error > 0 && error <= last_error - first_error ? first_error + error : static_cast<int>(last_error);
  };
  if (const int error = init(0); error != 0) return told(error);
  int devices = 0;
  if (const int error = count(&devices); error != 0) return told(error);
  return devices > 0 ? a_device : no_device;
}

std::string told_by(int status, const std::string& otherwise) {
  if (WIFSIGNALED(status)) return "the driver's start ended with signal " + std::to_string(WTERMSIG(status));
  switch (const int answer = WEXITSTATUS(status)) {
    case a_device: return "";
    case no_device: return "the driver sees none";
    case answered_no: return otherwise;
    case no_symbols: return "what is installed as the driver is none";
    case last_error: return "the driver does not start";
    default:
      if (answer < first_error) return "the driver's start ended with status " + std::to_string(answer);
      return "the driver does not start: its error " + std::to_string(answer - first_error);
  }
}

std::string unknown() { return "whether there is one could not be found out"; }

// Waits for the child, and ends it where it takes too long.
std::string answer_of(pid_t child, std::chrono::milliseconds limit, const std::string& otherwise) {
  const auto until = std::chrono::steady_clock::now() + limit;
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) return told_by(status, otherwise);
    if (ended < 0 && errno != EINTR) return unknown();
    if (std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill(child, SIGKILL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return "the driver did not answer";
}

template <class Ask>
std::string answer_to(const Ask& ask, std::chrono::milliseconds limit, const std::string& otherwise = {}) {
  const pid_t child = fork();
  if (child == 0) {
    // A crash must look like one, whoever would handle it here: a sanitizer, an engine.
    for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) std::signal(crash, SIG_DFL);
    _exit(ask());
  }
  std::string reason = child < 0 ? unknown() : answer_of(child, limit, otherwise);
  return reason.empty() ? "" : "no CUDA device: " + reason;
}

}  // namespace

std::string why_no_cuda(const char* driver, std::chrono::milliseconds limit) {
  // Most machines without a device have no driver: they need no child.
  if (dlopen(driver, RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    return std::string("no CUDA device: no driver (") + driver + ")";
  }
  return answer_to([driver] { return ask_driver(driver); }, limit);
}

std::string why_not_in_child(const std::function<bool()>& ask, const std::string& otherwise,
                             std::chrono::milliseconds limit) {
  const auto answer = [&ask]() -> int {
    try {
      return ask() ? a_device : answered_no;
    } catch (const std::exception&) {
      return answered_no;
    }
  };
  return answer_to(answer, limit, otherwise);
}

}  // namespace gradproof::libtorch
