// gradproof_bench [--only TEXT] [--rounds N]      the table of docs/measured.md
// gradproof_bench --special MODULE.so             what an engine's special functions are off
// gradproof_bench --benchmark_filter=REGEX        single scalar operations, by Google Benchmark
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "adapters/module.h"
#include "bench/bench.h"
#include "engine/reference.h"

namespace gradproof {

void bench_scalars();
void measure_special(const std::filesystem::path& module);

namespace {

struct Options {
  std::string only{};
  Effort effort{};
};

std::optional<Options> options_of(int count, char** words) {
  Options options;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view word = words[i];
    const std::string_view value = words[i + 1];
    if (word == "--only") {
      options.only = value;
    } else if (word == "--rounds") {
      const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), options.effort.rounds);
      if (failure != std::errc{} || end != value.data() + value.size() || options.effort.rounds < 1)
        return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  if (count % 2 == 0) return std::nullopt;
  return options;
}

// OpenBLAS and OpenMP read these when they are loaded, which for a static library is before main().
void restart_with_one_thread(char** words) {
  constexpr std::array names{"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"};
  bool set = true;
  for (const char* name : names) {
    const char* value = std::getenv(name);
    set = set && value != nullptr && std::string_view(value) == "1";
    setenv(name, "1", 1);
  }
  if (set) return;
  execv("/proc/self/exe", words);
  throw std::runtime_error("cannot start again with one thread");
}

std::unique_ptr<Engine> newest_libtorch() {
  const std::array<std::filesystem::path, 1> folders{GRADPROOF_ENGINE_DIR};
  for (const ModuleFile& file : find_modules(folders)) {
    if (file.name == "libtorch") return load_module(file.path);
  }
  return nullptr;
}

int run(const Options& options) {
  const Registry& registry = Registry::standard();
  const std::unique_ptr<Engine> reference = make_reference(registry);
  const std::unique_ptr<Engine> libtorch = newest_libtorch();
  const char* pytorch = std::getenv("GRADPROOF_PYTORCH");
  Bench bench(registry, *reference, libtorch.get(), options.effort, options.only);
  bench_reference(bench);
  bench_enclosure(bench);
  bench_vjp_check(bench, pytorch == nullptr ? "" : pytorch);
  bench_catalogue(bench);
  bench_memory(bench);
  bench_first_verdict(bench);
  bench_shrinking(bench);
  bench_decided(bench);
  if (bench.rows().empty()) {
    fmt::print(stderr, "gradproof_bench: no row holds '{}'\n", options.only);
    return 2;
  }
  const std::string peer = libtorch == nullptr ? "no LibTorch" : "LibTorch " + libtorch->info().version;
  fmt::print("\nAgainst {}, one thread, processor time, medians of {} interleaved rounds.\n\n{}", peer,
             options.effort.rounds, table_of(bench.rows()));
  return 0;
}

int bench(int count, char** words) {
  try {
    if (count > 1 && std::string_view(words[1]).starts_with("--benchmark_")) {
      benchmark::Initialize(&count, words);
      if (benchmark::ReportUnrecognizedArguments(count, words)) return 2;
      bench_scalars();
      return 0;
    }
    if (count == 3 && std::string_view(words[1]) == "--special") {
      measure_special(words[2]);
      return 0;
    }
    const std::optional<Options> options = options_of(count, words);
    if (!options) {
      fmt::print(stderr,
                 "usage: gradproof_bench [--only TEXT] [--rounds N]\n       gradproof_bench --benchmark_filter=REGEX\n"
                 "       gradproof_bench --special MODULE.so\n");
      return 2;
    }
    restart_with_one_thread(words);
    return run(*options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gradproof_bench: {}\n", error.what());
    return 1;
  }
}

}  // namespace

}  // namespace gradproof

int main(int count, char** words) { return gradproof::bench(count, words); }
