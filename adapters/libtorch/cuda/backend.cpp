// The allocators of device and pinned memory, replaced. Compiled from LibTorch's and CUDA's headers alone; linked with
// nothing that needs a driver.
#include "adapters/libtorch/cuda/backend.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <torch/csrc/cuda/CUDAPluggableAllocator.h>

#include <memory>
#include <new>
#include <utility>

#include "adapters/libtorch/cuda/guarded_memory.h"
#include "adapters/libtorch/cuda/pinned_memory.h"

namespace gradproof::libtorch {
namespace {

namespace native = c10::cuda::CUDACachingAllocator;
namespace pluggable = torch::cuda::CUDAPluggableAllocator;

cudaStream_t cuda_stream(Memory::Stream stream) { return static_cast<cudaStream_t>(stream); }

// LibTorch's own caching allocator, as it was before it was replaced.
class DeviceMemory final : public Memory {
 public:
  explicit DeviceMemory(native::CUDAAllocator& allocator) : allocator_(allocator) {}

  void* allocate(std::size_t bytes, Stream stream) override {
    try {
      return allocator_.raw_alloc_with_stream(bytes, cuda_stream(stream));
    } catch (const c10::OutOfMemoryError&) {
      return nullptr;
    }
  }
  void release(void* block) override { allocator_.raw_delete(block); }
  void used_on(void* block, Stream stream) override {
    // It takes a DataPtr and looks at its address and deleter alone; the block stays where it is.
    at::DataPtr named(block, block, allocator_.raw_deleter(), c10::Device(c10::kCUDA));
    c10::DeviceIndex device = 0;
    c10::cuda::GetDevice(&device);
    allocator_.recordStream(named, c10::cuda::getStreamFromExternal(cuda_stream(stream), device));
    named.release_context();
  }
  // Errors of CUDA stay: the engine's next call tells them.
  void fill(void* to, int byte, std::size_t bytes, Stream stream) override {
    cudaMemsetAsync(to, byte, bytes, cuda_stream(stream));
  }
  bool read(void* host, const void* from, std::size_t bytes, Stream stream) override {
    const auto error = cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, cuda_stream(stream));
    return error == cudaSuccess && cudaStreamSynchronize(cuda_stream(stream)) == cudaSuccess;
  }
  void settle() override { cudaDeviceSynchronize(); }

 private:
  native::CUDAAllocator& allocator_;
};

struct Backend {
  native::CUDAAllocator* original = nullptr;
  std::unique_ptr<DeviceMemory> device;
  std::unique_ptr<GuardedMemory> guarded;
  std::unique_ptr<PinnedMemory> pinned;
  std::string error;
  std::string damage;
};

// Never destroyed: LibTorch gives memory back when its statics go.
Backend& backend() {
  static Backend& instance = *std::make_unique<Backend>().release();
  return instance;
}

void* allocate(std::size_t bytes, int /*device*/, cudaStream_t stream) {
  void* memory = backend().guarded->allocate(bytes, stream);
  TORCH_CHECK_WITH(OutOfMemoryError, memory != nullptr || bytes == 0, "CUDA out of memory: ", bytes, " bytes");
  return memory;
}

void release(void* memory, std::size_t /*bytes*/, int /*device*/, cudaStream_t /*stream*/) {
  backend().guarded->release(memory);
}

void replace_device_allocator(Backend& self) {
  self.original = native::get();
  TORCH_CHECK(self.original != nullptr && !self.original->initialized(), "CUDA memory is in use already");
  self.device = std::make_unique<DeviceMemory>(*self.original);
  self.guarded = std::make_unique<GuardedMemory>(*self.device);
  const auto ours = std::dynamic_pointer_cast<pluggable::CUDAPluggableAllocator>(
      pluggable::createCustomAllocator(&allocate, &release));
  TORCH_CHECK(ours != nullptr, "this LibTorch's pluggable allocator is of another kind");
  ours->set_init_fn([original = self.original](int devices) { original->init(devices); });
  ours->set_reset_fn([original = self.original] { original->emptyCache(); });
  ours->set_record_stream_fn([](void* memory, cudaStream_t stream) { backend().guarded->used_on(memory, stream); });
  pluggable::changeCurrentAllocator(ours);
}

void replace_pinned_allocator(Backend& self) {
  at::HostAllocator* inner = at::getHostAllocator(at::kCUDA);
  TORCH_CHECK(inner != nullptr, "this LibTorch has no allocator of pinned memory");
  self.pinned = std::make_unique<PinnedMemory>(*inner);
  constexpr std::uint8_t above_its_own = 1;
  at::setHostAllocator(at::kCUDA, self.pinned.get(), above_its_own);
}

int install(const char** error) {
  Backend& self = backend();
  try {
    if (self.guarded) return 0;
    replace_device_allocator(self);
    replace_pinned_allocator(self);
    return 0;
  } catch (const c10::Error& failure) {
    self.error = failure.what_without_backtrace();
  } catch (const std::exception& failure) {
    self.error = failure.what();
  }
  *error = self.error.c_str();
  return 1;
}

void set_fill(std::int32_t fill) {
  Backend& self = backend();
  if (self.guarded) self.guarded->set_fill(fill);
  if (self.pinned) self.pinned->set_fill(fill);
}

const char* damage() {
  Backend& self = backend();
  self.damage.clear();
  try {
    if (self.guarded) self.damage = self.guarded->take_damage();
    const std::string pinned = self.pinned ? self.pinned->take_damage() : "";
    if (!self.damage.empty() && !pinned.empty()) self.damage += "; ";
    self.damage += pinned;
  } catch (const std::exception& failure) {
    self.damage = failure.what();
  }
  return self.damage.c_str();
}

constexpr gp_cuda_backend exported{sizeof(gp_cuda_backend), install, set_fill, damage};

}  // namespace
}  // namespace gradproof::libtorch

extern "C" __attribute__((visibility("default"))) const gp_cuda_backend* gradproof_libtorch_cuda() {
  return &gradproof::libtorch::exported;
}
