// Ctrl-C: the first asks the run to end, the second ends it.
#pragma once

namespace gradproof {

// Watches SIGINT, SIGTERM and SIGHUP from here on, and ignores SIGPIPE: a reader that goes away is no error.
void watch_interrupts();
bool interrupted();

}  // namespace gradproof
