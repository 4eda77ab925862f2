// The slope of a black box by differences, with a step and an error estimate of its own.
// The decision rule is derived in docs/differences.md.
#pragma once

#include <cstdint>
#include <exception>
#include <limits>
#include <span>
#include <type_traits>

namespace gradproof {

enum class Smoothness : std::uint8_t {
  smooth,    // central, forward and backward slopes agree within their errors
  kink,      // the one-sided slopes settle, and differ beyond their errors
  jump,      // values do not close as the step goes to zero
  noisy,     // the errors are no smaller than the slope
  undefined  // values are not finite, or the slopes grow without bound
};
const char* name_of(Smoothness status);

struct Slope {
  double value = 0;
  double error = std::numeric_limits<double>::infinity();  // absolute
};

struct Differences {
  Smoothness status = Smoothness::undefined;
  const char* reason = "";  // of every status but smooth and kink
  Slope central{}, forward{}, backward{};
  double noise = 0;  // standard deviation of the values near 0
  double step = 0;   // the one the central estimate rests on
  int evaluations = 0;

  // What a sound derivative may be: the central slope with its error where the function is smooth, the hull of
  // the one-sided ones at a kink, the whole line otherwise.
  double low() const;
  double high() const;
};

struct DifferenceOptions {
  double unit_roundoff = 0x1p-53;  // of the arithmetic that computes the values
  double largest_step = 0x1p-2;    // a power of two: t at which the function may have changed by about itself
  double least_noise = 0;          // the deviation the values have at least: of a sum, u times that of its terms' sizes
  double magnitude = 1;            // the largest number that may have cancelled on the way to a value
};

// A reference to a function t -> value. It may be noisy, return NaN or infinities, or throw.
class RealFunction {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cv_t<F>, RealFunction>) explicit RealFunction(F& f)
      : object_(&f), call_([](void* object, double t) { return static_cast<double>((*static_cast<F*>(object))(t)); }) {}
  double operator()(double t) const { return call_(object_, t); }

 private:
  void* object_;
  double (*call_)(void*, double);
};

// The derivative at 0. Calls `phi` at most 39 times, at 0 and at multiples of powers of two of at most
// options.largest_step; allocates nothing.
Differences differentiate(RealFunction phi, const DifferenceOptions& options = {});

// How many equidistant values noise_of takes, and how far apart they should be for a unit roundoff:
// far enough for the last digits to differ, near enough for fourth differences to see only noise.
inline constexpr int noise_points = 8;
double noise_spacing(double unit_roundoff);

// The standard deviation of the noise in equidistant values of a smooth function
// (Moré and Wild, Estimating Computational Noise, SIAM J. Sci. Comput. 33, 2011).
double noise_of(std::span<const double, noise_points> values);

// Errors are taken to be at most this many standard deviations: the deviation itself is known to
// about a factor of two.
inline constexpr double noise_bound = 10;

}  // namespace gradproof
