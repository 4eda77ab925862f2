// f16 (IEEE binary16) and bf16 (the upper half of a binary32), from and to double, without hardware support.
#pragma once

#include <bit>
#include <cstdint>

namespace gradproof {

namespace half_detail {

// A format of 1 sign bit, E exponent bits and F fraction bits.
template <int E, int F>
std::uint16_t narrow(double value) {
  constexpr int bias = (1 << (E - 1)) - 1;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 63) << 15);
  const int exponent = static_cast<int>((bits >> 52) & 0x7ff);
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
  constexpr std::uint64_t infinity = ((std::uint64_t{1} << E) - 1) << F;
  if (exponent == 0x7ff) {
    return static_cast<std::uint16_t>(sign | infinity | (fraction != 0 ? std::uint64_t{1} << (F - 1) : 0));
  }
  if (exponent == 0) return sign;  // below 2^-1022: far below half of the smallest subnormal
  // value = significand · 2^(exponent - 1023 - 52); the result's last place is 2^(max(exponent - 1023, 1 - bias) - F).
  const std::uint64_t significand = fraction | (std::uint64_t{1} << 52);
  const int target = exponent - 1023 + bias;
  const int shift = 52 - F + (target < 1 ? 1 - target : 0);
  if (shift > 54) return sign;
  const std::uint64_t kept = significand >> shift;
  const std::uint64_t rest = significand & ((std::uint64_t{1} << shift) - 1);
  const std::uint64_t tie = std::uint64_t{1} << (shift - 1);
  const std::uint64_t rounded = kept + (rest > tie || (rest == tie && (kept & 1) != 0) ? 1 : 0);
  // The leading bit of a normal significand adds 1 to the exponent field; a carry moves on by itself.
  const std::uint64_t field = (target < 1 ? 0 : static_cast<std::uint64_t>(target - 1) << F) + rounded;
  return static_cast<std::uint16_t>(sign | (field < infinity ? field : infinity));
}

template <int E, int F>
double widen(std::uint16_t bits) {
  constexpr int bias = (1 << (E - 1)) - 1;
  const std::uint64_t sign = static_cast<std::uint64_t>(bits >> 15) << 63;
  const int exponent = (bits >> F) & ((1 << E) - 1);
  const auto fraction = static_cast<std::uint64_t>(bits & ((1 << F) - 1));
  if (exponent == (1 << E) - 1)
    return std::bit_cast<double>(sign | (std::uint64_t{0x7ff} << 52) | (fraction << (52 - F)));
  if (exponent == 0) {
    const double unit = std::bit_cast<double>(static_cast<std::uint64_t>(1 - bias - F + 1023) << 52);
    const double magnitude = static_cast<double>(fraction) * unit;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<double>(sign | (static_cast<std::uint64_t>(exponent - bias + 1023) << 52) |
                               (fraction << (52 - F)));
}

}  // namespace half_detail

// To nearest, ties to even; beyond the range an infinity; NaN becomes a quiet NaN.
inline std::uint16_t to_f16(double value) { return half_detail::narrow<5, 10>(value); }
inline std::uint16_t to_bf16(double value) { return half_detail::narrow<8, 7>(value); }
// Exact.
inline double from_f16(std::uint16_t bits) { return half_detail::widen<5, 10>(bits); }
inline double from_bf16(std::uint16_t bits) { return half_detail::widen<8, 7>(bits); }

}  // namespace gradproof
