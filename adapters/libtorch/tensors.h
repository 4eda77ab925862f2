// Tensors of a script made and read. Included by module.cpp alone: each further unit that sees ATen
// costs eight seconds of compilation.
#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "adapters/libtorch/cuda.h"
#include "adapters/libtorch/fault.h"
#include "adapters/libtorch/recorder.h"
#include "script/program.h"

namespace gradproof::libtorch {

inline at::ScalarType scalar_type_of(std::uint64_t dtype) {
  switch (dtype) {
    case GP_F16: return at::kHalf;
    case GP_BF16: return at::kBFloat16;
    case GP_F32: return at::kFloat;
    case GP_F64: return at::kDouble;
    case GP_I64: return at::kLong;
    case GP_BOOL: return at::kBool;
    default: throw Fault(GP_DTYPE, "dtype " + std::to_string(dtype) + " is not known");
  }
}

inline gp_dtype dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kHalf: return GP_F16;
    case at::kBFloat16: return GP_BF16;
    case at::kFloat: return GP_F32;
    case at::kDouble: return GP_F64;
    case at::kLong: return GP_I64;
    case at::kBool: return GP_BOOL;
    default: throw Fault(GP_UNSUPPORTED, std::string("a tensor of type ") + c10::toString(type) + " cannot be told");
  }
}

// What start() was told, and what this machine has.
struct Surroundings {
  bool cuda_present = false;
  int fill = -1;
};

// The buffer of a tensor step: one dimension, no graph.
inline at::Tensor make_buffer(const gp_tensor& spec, const std::uint8_t* data, const Surroundings& around) {
  const bool on_cuda = spec.device == GP_CUDA;
  const bool pinned = (spec.flags & GP_PINNED) != 0 && around.cuda_present && !on_cuda;
  if (on_cuda || pinned) Cuda::instance().use();
  const at::ScalarType type = scalar_type_of(spec.dtype);
  const std::array<std::int64_t, 1> count{static_cast<std::int64_t>(spec.buffer_elements)};
  if (on_cuda && spec.memory == GP_EMPTY && (around.fill < 0 || Cuda::instance().why_no_fill().empty())) {
    return at::empty(count, at::TensorOptions(type).device(at::kCUDA));
  }
  at::Tensor buffer(at::detail::empty_cpu(count, type, pinned));
  const std::size_t bytes = static_cast<std::size_t>(spec.buffer_elements) * c10::elementSize(type);
  if (bytes != 0) {
    void* target = buffer.data_ptr();
    if (spec.memory == GP_GIVEN) std::memcpy(target, data + spec.data, bytes);
    if (spec.memory == GP_ZEROS) std::memset(target, 0, bytes);
    if (spec.memory == GP_EMPTY && around.fill >= 0) std::memset(target, around.fill, bytes);
  }
  return on_cuda ? buffer.to(at::kCUDA) : buffer;
}

// Sizes and strides are laid on the buffer's own tensor, not on a view of it: what comes out is a leaf.
inline at::Tensor make_tensor(const gp_tensor& spec, const std::int64_t* ints, const std::uint8_t* data,
                              const Surroundings& around) {
  at::Tensor tensor = make_buffer(spec, data, around);
  c10::TensorImpl* impl = tensor.unsafeGetTensorImpl();
  const at::IntArrayRef shape(ints + spec.shape, spec.ndim);
  if (spec.strides == GP_CONTIGUOUS) {
    impl->set_sizes_contiguous(shape);
  } else {
    impl->set_sizes_and_strides(shape, at::IntArrayRef(ints + spec.strides, spec.ndim));
  }
  impl->set_storage_offset(spec.offset);
  if ((spec.flags & GP_REQUIRES_GRAD) != 0) tensor.set_requires_grad(true);
  return tensor;
}

// Elements of a strided view in row-major order.
inline void copy_row_major(const at::Tensor& tensor, const char* from, std::uint8_t* to) {
  const std::size_t item = tensor.element_size();
  const std::int64_t ndim = tensor.dim();
  std::array<std::int64_t, GP_MAX_DIMS> at_index{};
  const auto sizes = tensor.sizes();
  const auto strides = tensor.strides();
  for (std::int64_t left = tensor.numel(); left > 0; --left) {
    std::memcpy(to, from, item);
    to += item;
    for (std::int64_t dim = ndim - 1; dim >= 0; --dim) {
      const auto d = static_cast<std::size_t>(dim);
      const std::int64_t step = strides[d] * static_cast<std::int64_t>(item);
      from += step;
      if (++at_index[d] < sizes[d]) break;
      from -= step * sizes[d];
      at_index[d] = 0;
    }
  }
}

inline void copy_elements(const at::Tensor& tensor, std::uint8_t* to) {
  if (tensor.numel() == 0) return;
  // Not data_ptr(): it would write where a tensor is shared lazily, and refuses one of implicit zeros.
  const auto* base = static_cast<const char*>(static_cast<const void*>(tensor.storage().data()));
  const auto item = static_cast<std::int64_t>(tensor.element_size());
  const auto* from = base + tensor.storage_offset() * item;
  if (tensor.is_contiguous()) {
    std::memcpy(to, from, static_cast<std::size_t>(tensor.numel() * item));
  } else {
    copy_row_major(tensor, from, to);
  }
}

inline void observe(std::uint32_t step, const at::Tensor& tensor, Recorder& recorder) {
  if (!tensor.defined()) {
    recorder.add(step, GP_UNDEFINED_VALUE);
    return;
  }
  // Pivots and the like: integers are told in 64 bits.
  if (tensor.scalar_type() == at::kInt) return observe(step, tensor.to(at::kLong), recorder);
  if (tensor.layout() != at::kStrided) throw Fault(GP_UNSUPPORTED, "a tensor without strides cannot be told");
  if (tensor.dim() > GP_MAX_DIMS) throw Fault(GP_UNSUPPORTED, "a tensor of more than 8 dimensions cannot be told");
  const gp_dtype dtype = dtype_of(tensor.scalar_type());
  const auto elements = static_cast<std::uint64_t>(tensor.numel());
  const std::uint64_t bytes = elements * tensor.element_size();
  // A view of a small buffer may have any number of elements.
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  if (elements > most || bytes > most) throw Fault(GP_OUT_OF_MEMORY, "more than 1 GiB to be told");

  const bool zeros = tensor._is_zerotensor();
  at::Tensor seen = tensor;
  if (!zeros && tensor.is_neg()) seen = tensor.detach().resolve_neg();
  // What was copied without blocking is read as a careful user would, after a wait.
  if (seen.device().is_cpu()) Cuda::instance().wait();
  if (!seen.device().is_cpu()) seen = seen.detach().to(at::kCPU);

  // Whatever may throw comes before the observation is begun.
  const auto version = static_cast<std::uint64_t>(tensor._version());
  const bool no_memory = zeros || elements == 0;
  const std::uint64_t storage = no_memory ? 0 : reinterpret_cast<std::uintptr_t>(tensor.storage().data());

  gp_observation& item = recorder.add(step, GP_VALUE);
  item.dtype = static_cast<std::uint8_t>(dtype);
  item.ndim = static_cast<std::uint8_t>(tensor.dim());
  item.elements = elements;
  item.version = version;
  item.storage = storage;
  for (std::size_t dim = 0; dim < item.ndim; ++dim) {
    item.shape[dim] = tensor.sizes()[dim];
    item.strides[dim] = tensor.strides()[dim];
  }
  std::uint8_t* to = recorder.reserve(item, bytes);
  if (to == nullptr) return;
  if (zeros) {
    std::memset(to, 0, bytes);
  } else {
    copy_elements(seen, to);
  }
}

}  // namespace gradproof::libtorch
