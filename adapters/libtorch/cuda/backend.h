// What the module asks of the part that sees CUDA's headers: a shared object of its own, opened only where there is a
// device (docs/cuda.md). Of C types alone. No function may throw.
#pragma once

#include <cstdint>

extern "C" {

struct gp_cuda_backend {
  std::uint32_t struct_size;
  // Puts the poisoning allocators of device and pinned memory in place. Before anything is allocated; computes
  // nothing, starts no driver. 0, or not 0 with the reason, valid until the next call.
  int (*install)(const char** error);
  // The byte that memory nobody wrote consists of from now on, -1: as LibTorch's own allocators leave it.
  void (*set_fill)(std::int32_t fill);
  // What was written outside its memory or into memory given back, since the last call; "" for nothing. Valid until
  // the next call.
  const char* (*damage)();
};

typedef const struct gp_cuda_backend* (*gp_cuda_backend_fn)();
#define GP_CUDA_BACKEND_SYMBOL "gradproof_libtorch_cuda"

}  // extern "C"
