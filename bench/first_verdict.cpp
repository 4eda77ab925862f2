// From the start of the process to the end of the first case: what somebody waits for.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "bench/bench.h"

namespace gradproof {

namespace {

constexpr int rounds = 7;

// Wall time of the command with its output thrown away; 0 where it did not end as it should.
double seconds_of(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_WRONLY, 0);
  }
  const auto start = std::chrono::steady_clock::now();
  pid_t child = 0;
  const int failure = posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failure != 0 || waitpid(child, &status, 0) != child) return 0;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? seconds : 0;
}

}  // namespace

void bench_first_verdict(Bench& bench) {
  const std::filesystem::path tool = GRADPROOF_BUILD_DIR "/gradproof";
  for (const std::string engine : {"reference", "libtorch"}) {
    const std::string what = "first verdict from process start, " + engine;
    if (!bench.wants(what, engine == "libtorch")) continue;
    std::vector<double> seen;
    seen.reserve(rounds);
    for (int i = 0; i < rounds; ++i) {
      seen.push_back(seconds_of({tool.string(), "check", engine, "--operators", "mul", "--properties", "vjp", "--dtype",
                                 "f32", "--cases", "1", "--seed", "1"}));
    }
    if (*std::min_element(seen.begin(), seen.end()) == 0) {
      bench.add({.what = what, .skipped = tool.string() + " check " + engine + " does not work"});
      continue;
    }
    bench.add({.what = what, .measured = fmt::format("{:.2f} s", median(seen))});
  }
}

}  // namespace gradproof
