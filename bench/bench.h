// What every group of measurements works with, and the groups themselves.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/runner.h"
#include "engine/engine.h"
#include "engine/registry.h"
#include "script/script.h"

namespace gradproof {

class Bench {
 public:
  Bench(const Registry& registry, Engine& reference, Engine* libtorch, Effort effort, std::string only)
      : registry_(&registry), reference_(&reference), libtorch_(libtorch), effort_(effort), only_(std::move(only)) {}

  const Registry& registry() const { return *registry_; }
  Engine& reference() const { return *reference_; }
  Engine* libtorch() const { return libtorch_; }  // or nullptr: not in this build
  const Effort& effort() const { return effort_; }

  // Whether a row is asked for. One that needs LibTorch, where there is none, is entered as not run.
  bool wants(std::string_view what, bool needs_libtorch = true);
  // Prints as it goes, for a run takes minutes.
  void add(Row row);
  const std::vector<Row>& rows() const { return rows_; }

 private:
  const Registry* registry_;
  Engine* reference_;
  Engine* libtorch_;
  Effort effort_;
  std::string only_;
  std::vector<Row> rows_{};
};

// A script and its program, where both stay put.
class Loaded {
 public:
  explicit Loaded(Script script)
      : script_(std::make_unique<Script>(std::move(script))), program_(std::make_unique<gp_program>(script_->view())) {}
  const gp_program& program() const { return *program_; }
  const std::uint8_t* data() const { return program_->data; }

 private:
  std::unique_ptr<Script> script_;
  std::unique_ptr<gp_program> program_;
};

// Programs prepared on an engine; run() runs each once.
class PreparedSet {
 public:
  PreparedSet(Engine& engine, const std::vector<Loaded>& programs);
  void run() {
    for (std::size_t i = 0; i < prepared_.size(); ++i) prepared_[i]->run((*programs_)[i].data(), seen_);
  }

 private:
  const std::vector<Loaded>* programs_;
  std::vector<std::unique_ptr<PreparedProgram>> prepared_{};
  Observations seen_{};
};

std::vector<Loaded> loaded(std::vector<Script> scripts);
std::vector<Loaded> loaded(Script script);

void bench_reference(Bench& bench);
void bench_enclosure(Bench& bench);
// `pytorch`: a folder to import torch from, or empty.
void bench_vjp_check(Bench& bench, const std::filesystem::path& pytorch);
void bench_catalogue(Bench& bench);
void bench_memory(Bench& bench);
void bench_first_verdict(Bench& bench);
void bench_shrinking(Bench& bench);
void bench_decided(Bench& bench);

}  // namespace gradproof
