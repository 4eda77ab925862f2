#include "adapters/module.h"

#include <dlfcn.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "adapters/engine.h"
#include "adapters/observation_check.h"

namespace gradproof {
namespace {

[[noreturn]] void fail(const std::string& module, const std::string& what) {
  throw std::runtime_error("module " + module + ": " + what);
}

std::string or_unknown(const char* text) { return text == nullptr || *text == '\0' ? "no reason given" : text; }

// Buffers shared by all programs of a module: they grow to the largest run, so that a program that runs
// once need not run twice to learn how much room it takes.
struct Buffers {
  std::vector<gp_observation> items{256};
  std::vector<std::uint8_t> data = std::vector<std::uint8_t>(std::size_t{1} << 18);
  std::vector<char> text = std::vector<char>(std::size_t{1} << 14);

  gp_observations view() {
    return {sizeof(gp_observations),
            items.data(),
            items.size(),
            0,
            data.data(),
            data.size(),
            0,
            text.data(),
            text.size(),
            0};
  }
};

constexpr std::uint64_t most_bytes = std::uint64_t{1} << 34;

class ModulePrepared : public PreparedProgram {
 public:
  ModulePrepared(const gp_module& module, const std::string& name, Buffers& buffers, const gp_program& program)
      : module_(module), name_(name), buffers_(buffers), program_(program) {
    const char* error = nullptr;
    prepared_ = module_.prepare(&program, &error);
    if (prepared_ == nullptr) fail(name_, "cannot prepare the program: " + or_unknown(error));
    reads_ = static_cast<std::uint64_t>(std::count_if(program.steps, program.steps + program.step_count,
                                                      [](const gp_step& step) { return step.kind == GP_READ; }));
  }
  ModulePrepared(const ModulePrepared&) = delete;
  ModulePrepared& operator=(const ModulePrepared&) = delete;
  ~ModulePrepared() override { module_.release(prepared_); }

  void run(const std::uint8_t* data, Observations& out) override {
    out.clear();
    gp_observations seen = buffers_.view();
    int result = module_.run(prepared_, data, &seen);
    if (result == GP_RUN_TOO_SMALL) {
      grow(seen);
      seen = buffers_.view();
      result = module_.run(prepared_, data, &seen);
    }
    if (result != GP_RUN_DONE) {
      fail(name_, result == GP_RUN_TOO_SMALL ? "asks for more room than it said it needs" : "a run failed");
    }
    if (seen.item_count > seen.item_capacity || seen.data_size > seen.data_capacity ||
        seen.text_size > seen.text_capacity) {
      fail(name_, "says it wrote more observations than there was room for");
    }
    out.items.assign(seen.items, seen.items + seen.item_count);
    out.data.assign(seen.data, seen.data + seen.data_size);
    out.text.assign(seen.text, seen.text + seen.text_size);
    if (const auto fault = fault_in(out, program_, reads_)) {
      out.clear();
      fail(name_, "its observations are broken: " + *fault);
    }
  }

 private:
  void grow(const gp_observations& needed) {
    if (needed.item_count > most_bytes / sizeof(gp_observation) || needed.data_size > most_bytes ||
        needed.text_size > most_bytes) {
      fail(name_, "asks for more than 16 GiB of observations");
    }
    // Half as much again: the next program is seldom of just this size.
    const auto enlarge = [](auto& buffer, std::uint64_t size) {
      if (buffer.size() < size) buffer.resize(static_cast<std::size_t>(size + size / 2));
    };
    enlarge(buffers_.items, needed.item_count);
    enlarge(buffers_.data, needed.data_size);
    enlarge(buffers_.text, needed.text_size);
  }

  const gp_module& module_;
  const std::string& name_;
  Buffers& buffers_;
  const gp_program program_;  // its pools stay the caller's
  gp_prepared* prepared_ = nullptr;
  std::uint64_t reads_ = 0;
};

class ModuleEngine : public Engine {
 public:
  ModuleEngine(const gp_module& module, std::string path) : module_(module), path_(std::move(path)) {
    const char* description = module_.describe();
    if (description == nullptr) fail(path_, "does not describe itself");
    try {
      info_ = EngineInfo::from_json(description);
    } catch (const std::exception& fault) {
      fail(path_, fault.what());
    }
    info_.name = module_.name;
    info_.version = module_.version;
  }

  const EngineInfo& info() const override { return info_; }

  // Thousands of lines: read when first asked for.
  const Schemas& schemas() const override {
    if (!schemas_) schemas_ = read_schemas();
    return *schemas_;
  }

  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    return std::make_unique<ModulePrepared>(module_, path_, buffers_, program);
  }

  bool set_fill(int byte) override {
    return has(offsetof(gp_module, set_fill)) && module_.set_fill != nullptr && module_.set_fill(byte) == 0;
  }
  std::string memory_fault() override {
    if (!has(offsetof(gp_module, memory_fault)) || module_.memory_fault == nullptr) return {};
    const char* fault = module_.memory_fault();
    return fault == nullptr ? "" : fault;
  }

 private:
  // Whether the module is of a layout with the optional function there.
  bool has(std::size_t offset) const { return module_.struct_size >= offset + sizeof(module_.set_fill); }

  Schemas read_schemas() const {
    Schemas schemas;
    const char* text = module_.schemas();
    if (text == nullptr) fail(path_, "does not tell its operators");
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (line.empty()) continue;
      try {
        schemas.add(parse_schema(line));
      } catch (const std::invalid_argument& fault) {
        fail(path_, fault.what());
      }
    }
    return schemas;
  }

  const gp_module& module_;
  std::string path_;
  EngineInfo info_;
  mutable std::optional<Schemas> schemas_;
  Buffers buffers_;
};

const gp_module& open_module(const std::string& path) {
  if (std::error_code error; !std::filesystem::is_regular_file(path, error)) fail(path, "no such file");
  // Never closed: an engine such as LibTorch cannot be unloaded.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) fail(path, std::string("cannot be loaded: ") + or_unknown(dlerror()));
  void* symbol = dlsym(library, "gp_engine_module");
  if (symbol == nullptr) fail(path, "is no engine: it does not export gp_engine_module (adapters/engine.h)");
  const auto entry = reinterpret_cast<gp_engine_module_fn>(symbol);
  const gp_module* module = entry(GP_ABI_VERSION);
  const std::string wanted = "version " + std::to_string(GP_ABI_VERSION) + " of the interface";
  if (module == nullptr) fail(path, "does not serve " + wanted + "; build it against this adapters/engine.h");
  if (module->abi_version != GP_ABI_VERSION || module->struct_size < GP_MODULE_LEAST_SIZE) {
    fail(path, "serves version " + std::to_string(module->abi_version) + ", not " + wanted);
  }
  if (module->name == nullptr || module->version == nullptr || module->start == nullptr ||
      module->describe == nullptr || module->schemas == nullptr || module->prepare == nullptr ||
      module->run == nullptr || module->release == nullptr) {
    fail(path, "leaves a part of gp_module empty");
  }
  return *module;
}

// "2.11.0" as numbers; what is no number counts as 0.
std::vector<unsigned> version_numbers(std::string_view version) {
  std::vector<unsigned> numbers;
  while (!version.empty()) {
    const std::string_view part = version.substr(0, version.find('.'));
    unsigned number = 0;
    std::from_chars(part.data(), part.data() + part.size(), number);
    numbers.push_back(number);
    version.remove_prefix(std::min(part.size() + 1, version.size()));
  }
  return numbers;
}

std::optional<ModuleFile> module_file(const std::filesystem::path& path) {
  if (path.extension() != ".so") return {};
  const std::string stem = path.stem().string();
  const std::size_t dash = stem.rfind('-');
  if (dash == std::string::npos || dash == 0 || dash + 1 == stem.size()) return {};
  return ModuleFile{stem.substr(0, dash), stem.substr(dash + 1), path};
}

}  // namespace

std::unique_ptr<Engine> load_module(const std::filesystem::path& path, const ModuleOptions& options) {
  // A bare name would make dlopen search the system's folders.
  const std::string file = std::filesystem::absolute(path).string();
  const gp_module& module = open_module(file);
  std::string libraries;
  for (const std::string& library : options.libraries) libraries += library + '\n';
  const gp_options given{sizeof(gp_options), static_cast<std::uint32_t>(options.device), options.fill,
                         libraries.c_str()};
  const char* error = nullptr;
  if (module.start(&given, &error) != 0) fail(file, "does not start: " + or_unknown(error));
  return std::make_unique<ModuleEngine>(module, file);
}

std::vector<ModuleFile> find_modules(std::span<const std::filesystem::path> folders) {
  std::vector<ModuleFile> found;
  for (const auto& folder : folders) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      auto file = module_file(entry->path());
      if (!file) continue;
      const bool known = std::any_of(found.begin(), found.end(), [&](const ModuleFile& other) {
        return other.name == file->name && other.version == file->version;
      });
      if (!known) found.push_back(std::move(*file));
    }
  }
  std::sort(found.begin(), found.end(), [](const ModuleFile& a, const ModuleFile& b) {
    if (a.name != b.name) return a.name < b.name;
    const auto left = version_numbers(a.version);
    const auto right = version_numbers(b.version);
    return std::tie(right, b.version) < std::tie(left, a.version);
  });
  return found;
}

}  // namespace gradproof
