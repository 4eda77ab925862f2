// Sums and dot products whose enclosure holds for every order of summation.
//
//   |fl(sum x) - sum x| <= (n - 1) u sum |x|,   |fl(sum a b) - sum a b| <= n u sum |a b| + underflow
// for any order, without restriction on n (Jeannerod and Rump, "Improved error bounds for inner products
// in floating-point arithmetic", SIAM J. Matrix Anal. Appl. 34, 2013). A fused multiply-add rounds less often.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "engine/scalars/ball.h"
#include "engine/scalars/ball_compare.h"
#include "engine/scalars/defined.h"
#include "engine/scalars/native.h"
#include "engine/scalars/scalar.h"

namespace gradproof {

// The reference sums in double, for f32 too: its own sums are rounded once.
template <class T>
class NativeAccumulator {
 public:
  void add(T x) { sum_ += static_cast<double>(x); }
  void add_product(T a, T b) { sum_ += static_cast<double>(a) * static_cast<double>(b); }
  T result() const { return static_cast<T>(sum_); }
  static T sum(const T* x, std::size_t count) {
    NativeAccumulator all;
    for (std::size_t i = 0; i < count; ++i) all.add(x[i]);
    return all.result();
  }
  static T dot(const T* a, const T* b, std::size_t count) {
    NativeAccumulator all;
    for (std::size_t i = 0; i < count; ++i) all.add_product(a[i], b[i]);
    return all.result();
  }

 private:
  double sum_ = 0;
};
template <>
class Accumulator<float> : public NativeAccumulator<float> {};
template <>
class Accumulator<double> : public NativeAccumulator<double> {};

template <>
class Accumulator<Defined> {
 public:
  void add(Defined x) { sum_ = sum_ + x; }
  void add_product(Defined a, Defined b) { sum_ = sum_ + a * b; }
  Defined result() const { return sum_; }
  static Defined sum(const Defined* x, std::size_t count) {
    Accumulator all;
    for (std::size_t i = 0; i < count; ++i) all.add(x[i]);
    return all.result();
  }
  static Defined dot(const Defined* a, const Defined* b, std::size_t count) {
    Accumulator all;
    for (std::size_t i = 0; i < count; ++i) all.add_product(a[i], b[i]);
    return all.result();
  }

 private:
  Defined sum_{0, true};
};

// A sum whose steps an engine stores one by one, in the dtype itself: it matters where other sums are wider.
template <class T>
Accumulator<T> sum_of_stored_steps() {
  Accumulator<T> sum;
  if constexpr (requires { sum.round_each_step(); }) sum.round_each_step();
  return sum;
}
template <class T>
T dot_of_stored_steps(const T* a, const T* b, std::size_t count) {
  if constexpr (requires(Accumulator<T> sum) { sum.round_each_step(); }) {
    Accumulator<T> sum = sum_of_stored_steps<T>();
    for (std::size_t i = 0; i < count; ++i) sum.add_product(a[i], b[i]);
    return sum.result();
  } else {
    return Accumulator<T>::dot(a, b, count);
  }
}

// Are all partial sums of numbers of D numbers of D, in every order? They are when every term is a multiple of
// one 2^k and sum |x| <= 2^(k + digits): each partial sum is then a multiple of 2^k of at most `digits` bits.
class ExactSum {
 public:
  // A nonzero number of D.
  void add(double term) {
    constexpr std::uint64_t fraction = (std::uint64_t{1} << 52) - 1;
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(term);
    const int exponent = static_cast<int>((bits >> 52) & 0x7ff);
    const std::uint64_t significand = (bits & fraction) | (exponent > 0 ? fraction + 1 : 0);
    const int last = (exponent > 0 ? exponent : 1) - 1075 + std::countr_zero(significand);
    if (last < last_bit_) last_bit_ = last;
  }
  template <class M>
  bool holds(M sum_of_sizes, int digits) const {
    return sum_of_sizes == 0 || sum_of_sizes <= std::ldexp(M{1}, last_bit_ + digits);
  }

 private:
  int last_bit_ = 2000;
};

// Products so far beyond the range that each is an infinity, fused with a partial sum or not. Beside an infinity of the
// other sign a rounded one makes NaN, and a fused one leaves it as it is.
class BeyondRange {
 public:
  void add(bool negative) { (negative ? minus_ : plus_) = true; }
  // The sum of them and `special`, an infinity, NaN or 0.
  template <class B>
  B with(const B& special) const {
    if (!(plus_ || minus_) || special.is_anything() || special.is_nan()) return special;
    const bool against = special.is_special() && (less(special, 0) == Truth::yes) != minus_;
    if ((plus_ && minus_) || against) return B::anything(Unbounded::overflow);
    return Scalar<B>::leaf(minus_ ? -HUGE_VAL : HUGE_VAL);
  }

 private:
  bool plus_ = false;
  bool minus_ = false;
};

template <class D>
class Accumulator<Ball<D>> {
  using B = Ball<D>;
  using M = typename B::M;

 public:
  void add(const B& x) {
    ++count_;
    const M size = x.magnitude();
    if (!(size <= B::d_max)) [[unlikely]] {
      return add_rare(x);
    }
    mid_ += x.mid;
    rad_ += x.rad;
    size_ += size;
    if (exact_) note(x.mid, x.rad);
  }

  void add_product(const B& a, const B& b) {
    ++count_;
    const M am = a.magnitude();
    const M bm = b.magnitude();
    if (!(am <= B::d_max && bm <= B::d_max && am * bm <= B::d_max)) [[unlikely]] {
      if (!add_rare(a, b)) return;
    }
    const M p = a.mid * b.mid;
    const bool rounded = exact_ && !ball::exact_product(D{}, a.mid, b.mid, p);
    if (exact_) note(p, rounded ? M{1} : a.rad + b.rad);
    mid_ += p;
    rad_ += std::fabs(a.mid) * b.rad + a.rad * bm;
    size_ += am * bm;
    ++products_;
  }

  B result() const {
    const B special = beyond_.with(special_);
    if (special.is_anything() || special.is_nan()) return special;
    const M n = static_cast<M>(count_);
    if (n * B::d_u >= 1) return B::anything(Unbounded::wide);
    const bool exact =
        exact_ && rad_ == 0 && exact_sum_.holds(size_ * (1 + 4 * n * BallFormat<D>::u), format_of<D>().digits);
    const M most = size_ * (1 + n * B::d_u) * grown();
    if (special.is_special()) return most <= B::d_max ? special : B::anything(Unbounded::overflow);
    if (exact && most <= B::d_max) return {mid_, mid_ == 0 && negative_zero_ ? B::d_eta : M{0}};
    const M roundings = (products_ > 0 ? n : n - 1) * B::d_u;
    const M rad = (rad_ + roundings * size_ + static_cast<M>(products_) * B::d_eta + B::d_eta) * grown() +
                  n * BallFormat<D>::u * size_ * grown();
    if (most <= B::d_max) return {mid_, rad};
    // The terms of the other sign sum to at most `against`, too little to overflow by themselves: in every
    // order a partial sum, at the latest the whole, overflows to the sign of the sum and stays there.
    const M against = (size_ - std::fabs(mid_)) / 2 + rad;
    if (std::fabs(mid_) - rad > B::d_max && against < B::d_max / 2) return B::beyond(mid_ < 0);
    return B::anything(Unbounded::overflow);
  }

  static B sum(const B* x, std::size_t count) {
    Accumulator all;
    for (std::size_t i = 0; i < count; ++i) all.add(x[i]);
    return all.result();
  }

  // One pass without branches; what it cannot settle (a special value, an exact sum) goes term by term.
  static B dot(const B* a, const B* b, std::size_t count) {
    Accumulator all;
    bool in_range = true;
    for (std::size_t i = 0; i < count; ++i) {
      const M am = a[i].magnitude();
      const M bm = b[i].magnitude();
      in_range &= am <= B::d_max && bm <= B::d_max && am * bm <= B::d_max;
      all.mid_ += a[i].mid * b[i].mid;
      all.rad_ += std::fabs(a[i].mid) * b[i].rad + a[i].rad * bm;
      all.size_ += am * bm;
    }
    if (!in_range || all.rad_ == 0) [[unlikely]] {
      return dot_by_terms(a, b, count);
    }
    all.exact_ = false;
    all.count_ = all.products_ = count;
    return all.result();
  }

 private:
  static B dot_by_terms(const B* a, const B* b, std::size_t count) {
    Accumulator all;
    for (std::size_t i = 0; i < count; ++i) all.add_product(a[i], b[i]);
    return all.result();
  }

  // Covers the roundings of the three sums of nonnegative terms.
  M grown() const { return ball::grow<D> + 4 * static_cast<M>(count_) * BallFormat<D>::u; }

  void note(M term, M radius) {
    if (radius != 0) {
      exact_ = false;
    } else if (term != 0) {
      exact_sum_.add(static_cast<double>(term));
    } else {
      negative_zero_ = negative_zero_ || std::signbit(term);
    }
  }

  void add_rare(const B& x) { special_ = special_ + x; }
  // False: the product is settled. One so far beyond D's range is infinite, fused or not; one that may be
  // is left to result().
  bool add_rare(const B& a, const B& b) {
    const B product = a * b;
    if (a.in_range() && b.in_range()) {
      if (std::fabs(product.mid) - product.rad <= 4 * B::d_max) return true;
      beyond_.add(product.mid < 0);
    } else {
      special_ = special_ + product;
    }
    return false;
  }

  M mid_ = 0;
  M rad_ = 0;
  M size_ = 0;  // sum of |mid| + rad, of products of them
  B special_{0, 0};
  BeyondRange beyond_;
  std::size_t count_ = 0;
  std::size_t products_ = 0;
  bool exact_ = true;
  bool negative_zero_ = false;  // a sum of negative zeros is one where it does not start from +0
  ExactSum exact_sum_;
};

}  // namespace gradproof
