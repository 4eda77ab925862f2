#include "cli/interrupt.h"

#include <csignal>
#include <ctime>
#include <initializer_list>

namespace gradproof {
namespace {

volatile std::sig_atomic_t asked = 0;
volatile std::sig_atomic_t asked_at_s = 0;

// The first asks for an end in order; another, a second or more later, does not wait for it. One keystroke may
// arrive twice: from the terminal, and from a parent that passes it on.
void on_signal(int number) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // safe in a handler, by POSIX
  const auto second = static_cast<std::sig_atomic_t>(now.tv_sec);
  if (asked != 0 && second - asked_at_s > 1) {
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  if (asked == 0) asked_at_s = second;
  asked = 1;
}

}  // namespace

void watch_interrupts() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    // A shell that starts a job in the background without job control has it ignored: nohup's way too.
    if (std::signal(number, on_signal) == SIG_IGN && number == SIGHUP) std::signal(number, SIG_IGN);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() { return asked != 0; }

}  // namespace gradproof
