#include "cli/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace gradproof {
namespace {

volatile std::sig_atomic_t asked = 0;

void on_signal(int number) {
  asked = 1;
  std::signal(number, SIG_DFL);
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
