// One forked child of run_isolated(), from its start to its end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "campaign/isolate.h"

namespace gradproof {

struct SharedState;

class Child {
 public:
  using OnRecord = std::function<void(std::uint64_t number, std::string_view record)>;

  // Forks. The child is killed when its parent dies.
  static std::unique_ptr<Child> start(const OpenJob& open, std::uint64_t first, std::uint64_t stride,
                                      std::uint64_t count);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // kills and buries it

  // waitpid's status, once it has ended.
  std::optional<int> ended();
  void take_records(const OnRecord& on_record);
  void ask_to_stop();
  void kill();

  bool starting() const;      // has not begun its first job
  bool left() const;          // ended because its jobs were done or it was asked to stop
  std::string error() const;  // of an exception that ended it
  std::chrono::milliseconds age() const;
  std::chrono::milliseconds time_on_job() const;  // 0 between jobs
  int words() const { return words_; }            // its stdout and stderr, to poll
  std::string last_words();

 private:
  Child(SharedState* shared, int words, pid_t pid) : shared_(shared), words_(words), pid_(pid) {}
  void listen();

  SharedState* shared_;
  int words_;
  pid_t pid_;
  std::optional<int> status_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::string heard_;
  std::string pending_;  // bytes of records not complete yet
};

// "SIGSEGV", "exit status 3".
std::string ending_text(int wait_status);

}  // namespace gradproof
