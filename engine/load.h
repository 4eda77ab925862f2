// Filling a tape's buffers from a program's bytes.
#pragma once

#include <cstring>

#include "engine/scalars/scalar_all.h"
#include "engine/tensor.h"
#include "script/half.h"
#include "script/script.h"

namespace gradproof {

// Whether a tape of T takes floating tensors of this dtype.
template <class T>
bool loads(gp_dtype dtype) {
  if constexpr (std::is_same_v<T, Defined>) {
    return is_floating(dtype);
  } else {
    const NumberFormat& format = format_of<typename Scalar<T>::Dtype>();
    return format.rounds() ? format.dtype == dtype : dtype == GP_F32 || dtype == GP_F64;
  }
}

// An element nobody wrote: of no known value where the scalar can say so, else 0.
template <class T>
T unwritten() {
  if constexpr (std::is_same_v<T, Defined>) {
    return Defined{0, false};
  } else if constexpr (requires { T::anything(Unbounded::unwritten); }) {
    return T::anything(Unbounded::unwritten);
  } else {
    return Scalar<T>::leaf(0);
  }
}

template <class Stored, class Element, class Convert>
void load_as(Element* to, Index count, const std::uint8_t* from, Convert convert) {
  for (Index i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, from + i * static_cast<Index>(sizeof(Stored)), sizeof(Stored));
    to[i] = convert(stored);
  }
}

// `fill` is the byte that memory nobody wrote consists of, where the scalar is a number; -1: zero.
template <class T>
void load(const Tensor<T>& buffer, const gp_tensor& spec, const std::uint8_t* data, int fill) {
  const std::uint8_t* from = data + spec.data;
  const bool given = spec.memory == GP_GIVEN;
  if constexpr (std::is_floating_point_v<T>) {
    if (spec.memory == GP_EMPTY && fill >= 0 && buffer.kind == Kind::real) {
      if (buffer.numel > 0) std::memset(buffer.data, fill, static_cast<std::size_t>(buffer.numel) * sizeof(T));
      return;
    }
  }
  if (buffer.kind == Kind::real) {
    if (!given)
      return void(
          std::fill_n(buffer.real(), buffer.numel, spec.memory == GP_EMPTY ? unwritten<T>() : Scalar<T>::leaf(0)));
    const auto convert = [](auto stored) { return Scalar<T>::leaf(static_cast<double>(stored)); };
    switch (spec.dtype) {
      case GP_F16:
        return load_as<std::uint16_t>(buffer.real(), buffer.numel, from,
                                      [&](std::uint16_t stored) { return convert(from_f16(stored)); });
      case GP_BF16:
        return load_as<std::uint16_t>(buffer.real(), buffer.numel, from,
                                      [&](std::uint16_t stored) { return convert(from_bf16(stored)); });
      case GP_F32: return load_as<float>(buffer.real(), buffer.numel, from, convert);
      default: return load_as<double>(buffer.real(), buffer.numel, from, convert);
    }
  }
  if (buffer.kind == Kind::integer) {
    if (!given) return void(std::fill_n(buffer.integers(), buffer.numel, Index{0}));
    return load_as<Index>(buffer.integers(), buffer.numel, from, [](Index stored) { return stored; });
  }
  if (!given) {
    const bool open = std::is_same_v<T, Defined> && spec.memory == GP_EMPTY;
    return void(std::fill_n(buffer.booleans(), buffer.numel, open ? Truth::unknown : Truth::no));
  }
  load_as<std::uint8_t>(buffer.booleans(), buffer.numel, from, [](std::uint8_t stored) { return truth(stored != 0); });
}

}  // namespace gradproof
