#include "campaign/engines.h"

#include <algorithm>
#include <cstdlib>

#include "adapters/module.h"
#include "campaign/usage_error.h"
#include "engine/reference.h"
#include "engine/registry.h"
#include "fixtures/mutants/derived/rules.h"
#include "fixtures/mutants/mutants.h"
#include "script/near.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;

// Tells an engine's failure from one of ours: only what passes here is the engine's.
class GuardedProgram final : public PreparedProgram {
 public:
  explicit GuardedProgram(std::unique_ptr<PreparedProgram> inner) : inner_(std::move(inner)) {}
  void run(const std::uint8_t* data, Observations& out) override {
    try {
      inner_->run(data, out);
    } catch (const std::exception& error) {
      throw EngineBroken(error.what());
    }
  }

 private:
  std::unique_ptr<PreparedProgram> inner_;
};

class GuardedEngine final : public Engine {
 public:
  explicit GuardedEngine(std::unique_ptr<Engine> inner) : inner_(std::move(inner)) {}
  const EngineInfo& info() const override { return inner_->info(); }
  const Schemas& schemas() const override { return inner_->schemas(); }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    try {
      return std::make_unique<GuardedProgram>(inner_->prepare(program));
    } catch (const std::exception& error) {
      throw EngineBroken(error.what());
    }
  }
  bool set_fill(int byte) override { return inner_->set_fill(byte); }
  std::string memory_fault() override { return inner_->memory_fault(); }

 private:
  std::unique_ptr<Engine> inner_;
};

std::unique_ptr<Engine> open_module_engine(const fs::path& path, gp_device device,
                                           const std::vector<std::string>& libraries) {
  // One thread: what is computed must not depend on how many there are, and workers must be able to fork.
  for (const char* name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"}) setenv(name, "1", 0);
  ModuleOptions options;
  options.device = device;
  options.libraries = libraries;
  return std::make_unique<GuardedEngine>(load_module(path, options));
}

EngineSource reference_source() {
  return {"reference", "reference", "", false,
          [] { return std::make_unique<GuardedEngine>(make_reference(Registry::standard())); }};
}

EngineSource mutant_source(const std::string& name) {
  return {"mutant:" + name, "mutant:" + name, "", false,
          [name] { return std::make_unique<GuardedEngine>(make_mutant(name)); }};
}

EngineSource module_source(const ModuleFile& file, gp_device device, const EnginePlaces& places) {
  return {
      file.name + "@" + file.version, file.name, file.version, true,
      [path = file.path, device, libraries = places.libraries] { return open_module_engine(path, device, libraries); }};
}

EngineSource file_source(const std::string& name, gp_device device, const EnginePlaces& places) {
  const fs::path path = name.substr(name.find(':') + 1);
  std::error_code error;
  if (!fs::is_regular_file(path, error)) throw UsageError("engine '" + name + "': no such file");
  return {name, name, "", true, [path = fs::absolute(path), device, libraries = places.libraries] {
            return open_module_engine(path, device, libraries);
          }};
}

std::vector<std::string> mutant_names() {
  std::vector<std::string> names;
  for (const MutantInfo& mutant : all_mutants()) names.push_back(mutant.name);
  return names;
}

[[noreturn]] void unknown(std::string_view name, const EnginePlaces& places) {
  NearWords near(name);
  std::vector<std::string> built{"reference"};
  for (const std::string& mutant : mutant_names()) near.offer("mutant:" + mutant);
  if (name.find('/') != std::string_view::npos) {
    for (const DerivedMutant& mutant : derived_mutants(Registry::standard())) near.offer("mutant:" + mutant.name);
  }
  near.offer("reference");
  for (const ModuleFile& file : find_modules(places.folders)) {
    near.offer(file.name);
    near.offer(file.name + "@" + file.version);
    built.push_back(file.name + "@" + file.version);
  }
  std::string known;
  for (const std::string& engine : built) known += (known.empty() ? "" : ", ") + engine;
  throw UsageError("no engine '" + std::string(name) + "'" + near_text(near.best()) + "; there are " + known +
                   ", mutant:NAME and module:FILE.so (gradproof engines lists them)");
}

}  // namespace

std::filesystem::path executable_folder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : self.parent_path();
}

EnginePlaces EnginePlaces::standard() {
  EnginePlaces places;
  if (const char* given = std::getenv("GRADPROOF_ENGINES")) {
    std::string_view rest = given;
    while (!rest.empty()) {
      const std::string_view folder = rest.substr(0, rest.find(':'));
      if (!folder.empty()) places.folders.emplace_back(folder);
      rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
    }
  }
  places.folders.push_back(executable_folder() / "engines");
  places.folders.push_back(executable_folder().parent_path() / "lib" / "gradproof");
  return places;
}

EngineSource find_engine(std::string_view name, const EnginePlaces& places, gp_device device) {
  if (name == "reference") {
    if (device != GP_CPU) throw UsageError("the reference runs on the cpu only");
    return reference_source();
  }
  if (name.starts_with("mutant:")) {
    const std::string mutant(name.substr(7));
    if (find_mutant(mutant) == nullptr && !find_derived(mutant, Registry::standard())) unknown(name, places);
    return mutant_source(mutant);
  }
  if (name.starts_with("module:")) return file_source(std::string(name), device, places);
  // From the newest to the oldest of each name.
  for (const ModuleFile& file : find_modules(places.folders)) {
    if (name == file.name || name == file.name + "@" + file.version) return module_source(file, device, places);
  }
  unknown(name, places);
}

std::vector<EngineSource> known_engines(const EnginePlaces& places) {
  std::vector<EngineSource> sources{reference_source()};
  for (const ModuleFile& file : find_modules(places.folders)) sources.push_back(module_source(file, GP_CPU, places));
  for (const std::string& name : mutant_names()) sources.push_back(mutant_source(name));
  return sources;
}

namespace {

// One engine under several names: whoever opens it gets this.
class SharedEngine final : public Engine {
 public:
  explicit SharedEngine(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
  const EngineInfo& info() const override { return engine_->info(); }
  const Schemas& schemas() const override { return engine_->schemas(); }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override { return engine_->prepare(program); }
  bool set_fill(int byte) override { return engine_->set_fill(byte); }
  std::string memory_fault() override { return engine_->memory_fault(); }

 private:
  std::shared_ptr<Engine> engine_;
};

}  // namespace

EngineSource opened_once(EngineSource source) {
  auto engine = std::make_shared<std::shared_ptr<Engine>>();
  source.open = [open = std::move(source.open), engine]() -> std::unique_ptr<Engine> {
    if (!*engine) *engine = open();
    return std::make_unique<SharedEngine>(*engine);
  };
  return source;
}

EngineFacts facts_of(const EngineSource& source, const IsolateOptions& isolate) {
  const auto tell = [&source] {
    const auto engine = source.open();
    std::string text = engine->info().to_json() + "\n";
    for (const auto& [name, overloads] : engine->schemas().all()) {
      for (const Schema& schema : overloads) text += schema.text + "\n";
    }
    return text;
  };
  const std::string told = run_isolated_once(tell, isolate);
  EngineFacts facts;
  std::size_t from = told.find('\n') + 1;
  facts.info = EngineInfo::from_json(std::string_view(told).substr(0, from));
  while (from < told.size()) {
    const std::size_t end = told.find('\n', from);
    facts.schemas.push_back(told.substr(from, end - from));
    from = end + 1;
  }
  return facts;
}

Schemas merged(const Schemas& first, const std::vector<std::string>& schemas) {
  Schemas all = first;
  for (const std::string& line : schemas) {
    try {
      Schema schema = parse_schema(line);
      if (all.find(schema.name, schema.overload) == nullptr) all.add(std::move(schema));
    } catch (const std::invalid_argument&) {
      continue;  // a type this language does not know: a script cannot call it
    }
  }
  return all;
}

}  // namespace gradproof
