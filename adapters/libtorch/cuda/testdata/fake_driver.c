/* A driver without a device behind it: does what FAKE_DRIVER says, a letter and a number. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const char* order(void) {
  const char* text = getenv("FAKE_DRIVER");
  return text == NULL ? "d0" : text;
}

int cuInit(unsigned flags) {
  const char* text = order();
  (void)flags;
  if (*text == 'e') return atoi(text + 1); /* an error */
  if (*text == 'k') raise(atoi(text + 1)); /* a signal */
  if (*text == 'h') sleep(60);             /* a hang */
  return 0;
}

int cuDeviceGetCount(int* count) {
  *count = *order() == 'd' ? atoi(order() + 1) : 0; /* devices */
  return *order() == 'c' ? atoi(order() + 1) : 0;   /* an error when counting */
}
