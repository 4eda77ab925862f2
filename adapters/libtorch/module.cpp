// LibTorch as an engine under test: the C ABI on top of the dispatcher and the autograd engine.
//
// One source serves LibTorch 1.13 to 2.11. All that sees ATen is compiled here, in one unit.
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <sstream>

#include "adapters/engine.h"
#include "adapters/libtorch/cuda.h"
#include "adapters/libtorch/poison.h"
#include "adapters/libtorch/prepared.h"

// Debian's headers of 1.13.1 say 1.13.0: the build may know better.
#ifndef GRADPROOF_LIBTORCH_VERSION
#define GRADPROOF_LIBTORCH_VERSION TORCH_VERSION
#endif

struct gp_prepared {
  gradproof::libtorch::Prepared program;
};

namespace gradproof::libtorch {
namespace {

// LibTorch warns of things a script does on purpose.
#if TORCH_VERSION_MAJOR >= 2
class Silence : public c10::WarningHandler {
 public:
  void process(const c10::Warning& /*warning*/) override {}
};
void silence_warnings(Silence& silence) { c10::WarningUtils::set_warning_handler(&silence); }
#else
class Silence : public c10::WarningHandler {
 public:
  void process(const c10::SourceLocation& /*place*/, const std::string& /*text*/, const bool /*verbatim*/) override {}
};
void silence_warnings(Silence& silence) { c10::Warning::set_warning_handler(&silence); }
#endif

struct Module {
  Surroundings around;
  OperatorTable operators;
  Silence silence;
  std::string error;
  std::string description;
  std::string schemas;
  std::string memory_fault;
};

// Never destroyed: LibTorch's own statics may be gone by then.
Module& module() {
  static Module& instance = *std::make_unique<Module>().release();
  return instance;
}

// Runs what may throw; its failure becomes text that lives until the next call.
template <class Body>
bool guarded(const char** error, Body body) noexcept {
  try {
    body();
    return true;
  } catch (const c10::Error& failure) {
    module().error = failure.what_without_backtrace();
  } catch (const std::exception& failure) {
    module().error = failure.what();
  } catch (...) {
    module().error = "an exception that is no std::exception";
  }
  if (error != nullptr) *error = module().error.c_str();
  return false;
}

void load_libraries(const char* names) {
  if (names == nullptr) return;
  std::istringstream lines(names);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (dlopen(line.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      throw std::runtime_error(std::string("cannot load library: ") + dlerror());
    }
  }
}

void fill_memory(int byte) {
  if (byte < -1 || byte > 0xff) throw std::runtime_error("a fill is a byte, or -1");
  if (!Cuda::instance().set_fill(byte)) {
    throw std::runtime_error("CUDA memory cannot be filled: " + Cuda::instance().why_no_fill());
  }
  module().around.fill = byte;
  poison_cpu_memory(byte);
}

int start(const gp_options* options, const char** error) {
  const bool started = guarded(error, [&] {
    Module& self = module();
    Cuda& cuda = Cuda::instance();
    cuda.start(options != nullptr && options->device == GP_CUDA);
    if (options != nullptr) load_libraries(options->libraries);
    // One thread: the same sums each time, and a process that may still be forked.
    at::set_num_threads(1);
    at::set_num_interop_threads(1);
    silence_warnings(self.silence);
    self.around.cuda_present = cuda.present();
    if (options != nullptr && options->fill >= 0) fill_memory(options->fill);
  });
  return started ? 0 : 1;
}

const char* describe() {
  Module& self = module();
  guarded(nullptr, [&] {
    self.description =
        std::string(R"({"name":"libtorch","version":")") + GRADPROOF_LIBTORCH_VERSION +
        R"(","dtypes":["f16","bf16","f32","f64"],"devices":)" +
        (self.around.cuda_present ? R"(["cpu","cuda"])" : R"(["cpu"])") +
        R"(,"second_sweep":"accumulate","frees_graph":true,"expands_seeds":true,"forward_mode":true,)" +
        R"("nested_forward_mode":false,"create_graph":true,"hooks":true,"threads":true,"deterministic":true,"budget_multiplier":)" +
        std::to_string(Cuda::instance().budget_multiplier()) + "}";
  });
  return self.description.c_str();
}

const char* schemas() {
  Module& self = module();
  if (!self.schemas.empty()) return self.schemas.c_str();
  guarded(nullptr, [&] {
    std::ostringstream out;
    auto& dispatcher = c10::Dispatcher::singleton();
    for (const c10::OperatorName& name : dispatcher.getAllOpNames()) {
      const auto handle = dispatcher.findSchema(name);
      if (handle) out << handle->schema() << '\n';
    }
    self.schemas = out.str();
  });
  return self.schemas.c_str();
}

gp_prepared* prepare(const gp_program* program, const char** error) {
  gp_prepared* prepared = nullptr;
  guarded(error, [&] {
    if (program->struct_size < sizeof(gp_program)) throw std::runtime_error("the program is of an older layout");
    Module& self = module();
    prepared = std::make_unique<gp_prepared>(gp_prepared{Prepared(self.operators, *program, self.around)}).release();
  });
  return prepared;
}

int run(gp_prepared* prepared, const uint8_t* data, gp_observations* out) {
  int status = GP_RUN_FAILED;
  if (!guarded(nullptr, [&] { status = prepared->program.run(data, *out); })) {
    guarded(nullptr, [&] { prepared->program.forget(); });
  }
  Cuda::instance().settle();
  return status;
}

void release(gp_prepared* prepared) {
  guarded(nullptr, [&] { const std::unique_ptr<gp_prepared> owned(prepared); });
}

int set_fill(std::int32_t fill) {
  return guarded(nullptr, [&] { fill_memory(fill); }) ? 0 : 1;
}

const char* memory_fault() {
  Module& self = module();
  guarded(nullptr, [&] {
    self.memory_fault = PoisonedMemory::instance().fault();
    const std::string damage = Cuda::instance().damage();
    if (!self.memory_fault.empty() && !damage.empty()) self.memory_fault += "; ";
    self.memory_fault += damage;
  });
  return self.memory_fault.c_str();
}

constexpr gp_module exported{
    sizeof(gp_module), GP_ABI_VERSION, "libtorch",  GRADPROOF_LIBTORCH_VERSION, start, describe, schemas, prepare, run,
    release,           set_fill,       memory_fault};

}  // namespace
}  // namespace gradproof::libtorch

extern "C" __attribute__((visibility("default"))) const gp_module* gp_engine_module(uint32_t abi_version) {
  return abi_version == GP_ABI_VERSION ? &gradproof::libtorch::exported : nullptr;
}
