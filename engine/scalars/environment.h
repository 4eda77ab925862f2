// The floating-point ground the fast balls stand on.
#pragma once

#include <cfenv>
#include <cmath>
#include <limits>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace gradproof {

// Subnormals kept, rounding to nearest, and 64 bits in a long double: what the proofs of Ball<float> (the first
// two) and Ball<double> (all) assume. Some loaders switch on flush-to-zero; some emulators compute a long
// double in 53 bits. Then ArbBall serves instead.
inline bool fast_balls_sound() {
  if constexpr (std::numeric_limits<long double>::digits < 64) return false;
  if (std::fegetround() != FE_TONEAREST) return false;
#if defined(__SSE2__)
  constexpr unsigned flush_to_zero = 0x8000;
  constexpr unsigned denormals_are_zero = 0x0040;
  if ((_mm_getcsr() & (flush_to_zero | denormals_are_zero)) != 0) return false;
#endif
  const volatile double smallest = std::numeric_limits<double>::denorm_min();
  const volatile double two = 2;
  if (smallest * two == 0) return false;
  const volatile long double one = 1;
  const volatile long double last_bit = 0x1p-63L;
  const volatile long double beyond = 0x1p-65L;
  return one + last_bit != one && one + beyond == one;
}

// The default environment for as long as it lives, whatever the engine under test left behind.
class FloatEnvironment {
 public:
  FloatEnvironment() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~FloatEnvironment() { std::fesetenv(&saved_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  std::fenv_t saved_;
};

}  // namespace gradproof
