// What the tests of the balls share: random balls and points, and exact images by Arb at 256 bits.
#pragma once

#ifdef GRADPROOF_ARB_HEADER_FLINT
#include <flint/arb_hypgeom.h>
#else
#include <arb_hypgeom.h>
#endif

#include <cmath>
#include <cstdio>
#include <random>
#include <string>

#include "engine/scalars/scalar_all.h"

namespace gradproof::check {

inline constexpr slong bits = 256;

inline ArbNumber number(long double value) { return ArbBall<Exact>::from_ball(Ball<double>{value, 0}).number(); }

using Image1 = void (*)(arb_ptr, arb_srcptr);
using Image2 = void (*)(arb_ptr, arb_srcptr, arb_srcptr);

template <class D>
std::string show(const Ball<D>& b) {
  char text[128];
  std::snprintf(text, sizeof text, "%.21Lg +- %.6Lg", static_cast<long double>(b.mid), static_cast<long double>(b.rad));
  return text;
}

// Does the ball contain f (1 + slack) for every |slack| <= `relative`? f is Arb's enclosure of one number.
template <class D>
bool contains_widened(const Ball<D>& ball, const ArbNumber& f, double relative) {
  if (ball.is_anything()) return true;
  if (arb_is_finite(f.get()) == 0) return ball.is_special();
  if (!ball.is_finite()) return false;
  ArbNumber off = f;
  ArbNumber mid = number(static_cast<long double>(ball.mid));
  if (ball.is_exact()) return arb_overlaps(off.get(), mid.get()) != 0;
  arb_abs(off.get(), off.get());
  ArbNumber more(relative);
  arb_mul(more.get(), more.get(), off.get(), bits);
  arb_sub(off.get(), f.get(), mid.get(), bits);
  arb_abs(off.get(), off.get());
  arb_add(off.get(), off.get(), more.get(), bits);
  return arb_le(off.get(), number(static_cast<long double>(ball.rad)).get()) != 0;
}

// Reproducible: each test names its seed.
class Draw {
 public:
  explicit Draw(unsigned seed) : engine_(seed) {}
  double uniform(double lo, double hi) { return std::uniform_real_distribution<double>(lo, hi)(engine_); }
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(engine_); }
  bool chance(double p) { return uniform(0, 1) < p; }
  double sign() { return chance(0.5) ? 1 : -1; }
  // Of all magnitudes between 2^lo and 2^hi.
  double magnitude(double lo, double hi) { return std::exp2(uniform(lo, hi)) * sign(); }

  // A midpoint in [lo, hi]: anywhere, of every magnitude, or next to an end.
  template <class D>
  typename Ball<D>::M midpoint(double lo, double hi) {
    using M = typename Ball<D>::M;
    const M low = std::isfinite(lo) ? static_cast<M>(lo) : static_cast<M>(-1e30);
    const M high = std::isfinite(hi) ? static_cast<M>(hi) : static_cast<M>(1e30);
    M x = 0;
    switch (below(4)) {
      case 0: x = static_cast<M>(uniform(std::fmax(lo, -4), std::fmin(hi, 4))); break;
      case 1: x = static_cast<M>(magnitude(-140, 100)); break;
      case 2: x = low + static_cast<M>(std::fabs(magnitude(-60, 3))); break;
      default: x = (std::isfinite(hi) ? high : M{1}) - static_cast<M>(std::fabs(magnitude(-60, 3))); break;
    }
    x += x * static_cast<M>(uniform(0, 0x1p-50));
    return std::fmin(std::fmax(x, low), high);
  }
  // A ball around it: exact, tiny, relative or absolute; [lo, hi] may be left.
  template <class D>
  Ball<D> ball(double lo, double hi) {
    using M = typename Ball<D>::M;
    const M mid = midpoint<D>(lo, hi);
    switch (below(4)) {
      case 0: return {static_cast<M>(static_cast<D>(mid)), 0};
      case 1: return {mid, std::fabs(mid) * static_cast<M>(std::fabs(magnitude(-60, -10))) + Ball<D>::d_eta};
      case 2: return {mid, std::fabs(mid) * static_cast<M>(std::fabs(magnitude(-10, 1))) + Ball<D>::d_eta};
      default: return {mid, static_cast<M>(std::fabs(magnitude(-60, 3)))};
    }
  }
  // A point of the ball: an end, or inside, or a number of D.
  template <class D>
  long double point(const Ball<D>& b, int which) {
    using M = typename Ball<D>::M;
    if (b.rad == 0) return static_cast<long double>(b.mid);
    if (which == 0) return down(b);
    if (which == 1) return -down(Ball<D>{-b.mid, b.rad});
    M inside = b.mid + b.rad * static_cast<M>(uniform(-0.99, 0.99));
    if (std::fabs(inside - b.mid) > b.rad) inside = b.mid;  // narrower than the spacing of M
    const M in_d = static_cast<M>(static_cast<D>(inside));
    return static_cast<long double>(
        which == 2 && std::fabs(in_d - b.mid) < b.rad * static_cast<M>(1 - 0x1p-40) ? in_d : inside);
  }

 private:
  // The smallest number of M not below mid - rad.
  template <class D>
  static long double down(const Ball<D>& b) {
    using M = typename Ball<D>::M;
    M x = b.mid - b.rad;
    const M part = x - b.mid;
    const M error = (b.mid - (x - part)) + (-b.rad - part);
    if (error > 0) x = std::nextafter(x, Ball<D>::infinity);
    return static_cast<long double>(x);
  }

  std::mt19937_64 engine_;
};

}  // namespace gradproof::check
