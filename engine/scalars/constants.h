// Decimal literals and mathematical constants, as tags a formula can name for any scalar.
#pragma once

#include <cstdint>

#include "engine/scalars/scalar.h"

namespace gradproof {

// A decimal of up to 19 significant digits, parsed by the compiler: mantissa / 10^places, exactly, and its
// correct roundings. A literal that does not fit fails to compile.
class Decimal {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): literal(x, "0.1") is how formulas are written.
  consteval Decimal(const char* text) {
    parse(text);
    f32 = static_cast<float>(rounded(24));
    f64 = static_cast<double>(rounded(53));
    extended = rounded(64);
  }

  // Is it an integer over a power of two? Then it equals its rounding to 64 bits.
  constexpr bool is_dyadic() const {
    std::uint64_t rest = mantissa;
    for (int i = 0; i < places; ++i) {
      if (rest % 5 != 0) return rest == 0;
      rest /= 5;
    }
    return true;
  }

  bool negative = false;
  std::uint64_t mantissa = 0;
  int places = 0;  // in [0, 19]
  float f32 = 0;
  double f64 = 0;
  long double extended = 0;  // 64 bits

 private:
  __extension__ using Wide = unsigned __int128;

  consteval void parse(const char* text) {
    if (*text == '-') {
      negative = true;
      ++text;
    }
    if (*text < '0' || *text > '9') throw "a decimal starts with a digit";
    bool point = false;
    for (; (*text >= '0' && *text <= '9') || *text == '.'; ++text) {
      if (*text == '.') {
        if (point) throw "two decimal points";
        point = true;
        continue;
      }
      append(static_cast<unsigned>(*text - '0'));
      places += point ? 1 : 0;
    }
    if (*text == 'e') places -= exponent(text + 1);
    if (*text != 'e' && *text != 0) throw "not a decimal";
    for (; places < 0; ++places) append(0);
    for (; places > 0 && mantissa % 10 == 0; --places) mantissa /= 10;
    if (places > 19) throw "more than 19 decimal places";
  }

  consteval void append(unsigned digit) {
    if (mantissa > (UINT64_MAX - digit) / 10) throw "more than 19 digits";
    mantissa = mantissa * 10 + digit;
  }

  static consteval int exponent(const char* text) {
    const bool minus = *text == '-';
    if (*text == '-' || *text == '+') ++text;
    int value = 0;
    if (*text == 0) throw "an exponent has digits";
    for (; *text != 0; ++text) {
      if (*text < '0' || *text > '9' || value > 99) throw "not an exponent";
      value = value * 10 + (*text - '0');
    }
    return minus ? -value : value;
  }

  // Nearest number of `bits` bits, ties to even.
  consteval long double rounded(int bits) const {
    if (mantissa == 0) return negative ? -0.0L : 0.0L;
    Wide numerator = mantissa;
    Wide denominator = 1;
    for (int i = 0; i < places; ++i) denominator *= 10;
    int scale = 0;  // value = numerator / denominator * 2^-scale
    for (; (numerator >> 127) == 0; numerator <<= 1) ++scale;
    Wide quotient = numerator / denominator;  // at least 64 bits
    bool sticky = numerator % denominator != 0;
    Wide dropped = 0;
    for (; (quotient >> bits) != 0; quotient >>= 1) {
      sticky = sticky || dropped != 0;
      dropped = quotient & 1;
      --scale;
    }
    if (dropped != 0 && (sticky || (quotient & 1) != 0)) ++quotient;
    long double value = static_cast<long double>(static_cast<std::uint64_t>(quotient >> 1)) * 2 +
                        static_cast<long double>(static_cast<std::uint64_t>(quotient & 1));
    for (; scale > 0; --scale) value /= 2;
    for (; scale < 0; ++scale) value *= 2;
    return negative ? -value : value;
  }
};

// The constants activations, error functions and densities need. `slack_u` is what an engine that computes
// the constant in its own arithmetic may be off, in u, beyond rounding it once.
#define GRADPROOF_CONSTANT(name, digits, slack)        \
  struct name {                                        \
    static constexpr float f32 = digits##F;            \
    static constexpr double f64 = digits;              \
    static constexpr long double extended = digits##L; \
    static constexpr double slack_u = slack;           \
  };
GRADPROOF_CONSTANT(pi, 3.14159265358979323846264338327950288420, 0)
GRADPROOF_CONSTANT(half_pi, 1.57079632679489661923132169163975144210, 0)
GRADPROOF_CONSTANT(euler_e, 2.71828182845904523536028747135266249776, 0)
GRADPROOF_CONSTANT(ln2, 0.693147180559945309417232121458176568076, 0)
GRADPROOF_CONSTANT(ln10, 2.30258509299404568401799145468436420760, 0)
GRADPROOF_CONSTANT(log2e, 1.44269504088896340735992468100189213743, 0)
GRADPROOF_CONSTANT(log10e, 0.434294481903251827651128918916605082294, 0)
GRADPROOF_CONSTANT(sqrt2, 1.41421356237309504880168872420969807857, 0)
GRADPROOF_CONSTANT(inv_sqrt2, 0.707106781186547524400844362104849039285, 0)
GRADPROOF_CONSTANT(two_over_sqrt_pi, 1.12837916709551257389615890312154517169, 0)
GRADPROOF_CONSTANT(sqrt_two_over_pi, 0.797884560802865355879892119868763736952, 1)
GRADPROOF_CONSTANT(inv_sqrt_2pi, 0.398942280401432677939946059934381868476, 2)
#undef GRADPROOF_CONSTANT

}  // namespace gradproof
