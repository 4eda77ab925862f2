#include "adapters/libtorch/cuda.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <torch/library.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>

#include "adapters/libtorch/cuda/backend.h"
#include "adapters/libtorch/cuda_probe.h"
#include "adapters/libtorch/fault.h"

namespace gradproof::libtorch {
namespace {

namespace fs = std::filesystem;

// Of CUDA's math functions (CUDA C++ Programming Guide, "Mathematical Functions", maximum error in ulps from the
// correctly rounded result, so e ulps there are 2e + 1 u), powf is the one farthest beyond the CPU's budget: 4 ulps
// against 2 u.
constexpr double cuda_multiplier = 4.5;
// TF32 keeps 11 bits of each factor, truncated at worst: 2·2^-10 of a product, 2^15 u of f32, and what was there
// before.
constexpr double tf32_multiplier = 33'000;

bool is_on(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && std::string_view(value) == "1";
}

// The file that holds this address.
fs::path file_of(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  return info.dli_fname;
}

// LibTorch's promise about repeated runs is about this mode alone: the same bits, or an error that says that there is
// no such implementation.
at::Tensor deterministic(bool on) {
  at::globalContext().setDeterministicAlgorithms(on, false);
  return at::Tensor();
}

TORCH_LIBRARY_FRAGMENT(gradproof, library) { library.def("deterministic(bool on) -> Tensor", &deterministic); }

}  // namespace

Cuda& Cuda::instance() {
  // Never destroyed: LibTorch's own statics may be gone by then.
  static Cuda& instance = *std::unique_ptr<Cuda>(new Cuda).release();
  return instance;
}

void Cuda::start(bool wanted) {
  wanted_ = wanted;
  why_not_ = why_no_cuda();
  if (!present()) return;
  // cuBLAS reads it when it starts; the deterministic mode asks for it.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  why_not_ = load();
  if (!present()) return;
  // A driver older than the CUDA of this LibTorch has devices, and is of no use.
  why_not_ = why_not_in_child([] { return at::hasCUDA(); }, "this LibTorch's CUDA does not get on with the driver");
  if (!present()) return;
  why_no_fill_ = replace_allocators();
  tf32_ = is_on("GRADPROOF_CUDA_TF32");
  at::globalContext().setAllowTF32CuBLAS(tf32_);
  at::globalContext().setAllowTF32CuDNN(tf32_);
  at::globalContext().setBenchmarkCuDNN(false);
}

// The part of LibTorch for CUDA, from beside its other parts. Why not, or "".
std::string Cuda::load() {
  const fs::path library =
      file_of(reinterpret_cast<const void*>(&c10::GetAllocator)).parent_path() / "libtorch_cuda.so";
  std::error_code error;
  if (!fs::exists(library, error)) return "no CUDA device: this LibTorch is one without CUDA";
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return "";
  const char* text = dlerror();
  return std::string("no CUDA device: LibTorch's part for it cannot be loaded: ") + (text == nullptr ? "" : text);
}

std::string Cuda::replace_allocators() {
  const char* chosen = std::getenv("GRADPROOF_CUDA_ALLOCATOR");
  if (chosen != nullptr && std::string_view(chosen) == "native") return "GRADPROOF_CUDA_ALLOCATOR=native";
  const fs::path self = file_of(reinterpret_cast<const void*>(&deterministic));
  const fs::path part = self.parent_path() / "cuda" / self.filename();
  void* library = dlopen(part.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* text = dlerror();
    return text == nullptr ? "it cannot be loaded" : text;
  }
  const auto entry = reinterpret_cast<gp_cuda_backend_fn>(dlsym(library, GP_CUDA_BACKEND_SYMBOL));
  if (entry == nullptr) return part.string() + " is something else";
  const char* error = "";
  if (entry()->install(&error) != 0) return error;
  backend_ = entry();
  return "";
}

void Cuda::use() {
  if (!present()) throw Fault(GP_UNSUPPORTED, why_not_);
  used_ = true;
}

void Cuda::wait() const {
  if (!used_) return;
  const c10::impl::VirtualGuardImpl device(c10::DeviceType::CUDA);
  device.synchronizeStream(device.getStream(device.getDevice()));
}

void Cuda::settle() const {
  try {
    wait();
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "CUDA is lost to this process: %s\n", error.what_without_backtrace());
    std::abort();
  }
}

double Cuda::budget_multiplier() const {
  if (!wanted_ || !present()) return 1;
  return tf32_ ? tf32_multiplier : cuda_multiplier;
}

bool Cuda::set_fill(int byte) {
  if (!present()) return true;
  if (backend_ == nullptr) return byte < 0;
  backend_->set_fill(byte);
  return true;
}

std::string Cuda::damage() { return backend_ == nullptr ? "" : backend_->damage(); }

}  // namespace gradproof::libtorch
