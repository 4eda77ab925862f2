#include "bench/bench.h"

#include <fmt/format.h>

#include <cstdio>

namespace gradproof {

bool Bench::wants(std::string_view what, bool needs_libtorch) {
  if (what.find(only_) == std::string_view::npos) return false;
  if (!needs_libtorch || libtorch_ != nullptr) return true;
  rows_.push_back({.what = std::string(what), .skipped = "no LibTorch in this build"});
  return false;
}

void Bench::add(Row row) {
  fmt::print(stderr, "  {}: {}\n", row.what, row.skipped ? *row.skipped : row.measured);
  rows_.push_back(std::move(row));
}

PreparedSet::PreparedSet(Engine& engine, const std::vector<Loaded>& programs) : programs_(&programs) {
  for (const Loaded& program : programs) {
    prepared_.push_back(engine.prepare(program.program()));
    prepared_.back()->run(program.data(), seen_);
    for (const gp_observation& item : seen_.items) {
      // What fails is over sooner: that would flatter or shame whoever it happens to.
      if (item.status == GP_ERROR) {
        throw std::runtime_error(
            fmt::format("a benchmark program fails on {}: {}", engine.info().name, seen_.text_of(item)));
      }
    }
  }
}

std::vector<Loaded> loaded(std::vector<Script> scripts) {
  std::vector<Loaded> made;
  made.reserve(scripts.size());
  for (Script& script : scripts) made.emplace_back(std::move(script));
  return made;
}

std::vector<Loaded> loaded(Script script) {
  std::vector<Loaded> made;
  made.emplace_back(std::move(script));
  return made;
}

}  // namespace gradproof
