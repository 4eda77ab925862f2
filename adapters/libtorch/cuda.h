// CUDA as this process has it: found at the module's start, loaded from the LibTorch in use. docs/cuda.md.
#pragma once

#include <string>

struct gp_cuda_backend;

namespace gradproof::libtorch {

class Cuda {
 public:
  static Cuda& instance();
  Cuda(const Cuda&) = delete;
  Cuda& operator=(const Cuda&) = delete;

  // Once, before anything asks LibTorch for CUDA: it asks a single time whether that part is loaded. Starts no driver,
  // so that the process may still be forked. `wanted`: programs will run on it.
  void start(bool wanted);

  bool present() const { return why_not_.empty(); }
  // "no CUDA device: no driver (libcuda.so.1)"; "" where there is one.
  const std::string& why_not() const { return why_not_; }
  // Before a program touches the device. Throws Fault(GP_UNSUPPORTED) where there is none.
  void use();
  // Until the current stream has done all it was given. Costs nothing before the first use.
  void wait() const;
  // At the end of a run. What breaks CUDA in a process (an index out of bounds, say) breaks it for good: the process
  // ends, so that it counts as this program's crash and not as the failure of all after it.
  void settle() const;
  // Of the judge's radii, for what CUDA's own math functions may be off more than the CPU's, and for TF32 where it is
  // on; 1 where CUDA is not wanted.
  double budget_multiplier() const;
  // Why memory nobody wrote cannot be filled there; "" where it can.
  const std::string& why_no_fill() const { return why_no_fill_; }
  // As gp_module::set_fill, for device and pinned memory. False where there is CUDA and its memory cannot be filled.
  bool set_fill(int byte);
  std::string damage();

 private:
  Cuda() = default;
  std::string load();
  std::string replace_allocators();

  std::string why_not_ = "no CUDA device: not looked for";
  std::string why_no_fill_ = "not asked for";
  bool wanted_ = false;
  bool used_ = false;
  bool tf32_ = false;
  const gp_cuda_backend* backend_ = nullptr;
};

}  // namespace gradproof::libtorch
