// The auditor among the balls: Arb's midpoint and radius, as many bits as asked for, under the rules of the
// fast balls (states, domains, exactness, budgets), for the dtype the thread has under test. D = Exact widens by
// nothing: interval mathematics.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#ifdef GRADPROOF_ARB_HEADER_FLINT
#include <flint/arb.h>
#else
#include <arb.h>
#endif

#include "engine/scalars/accumulator.h"
#include "engine/scalars/ball.h"
#include "engine/scalars/budgets.h"
#include "engine/scalars/constants.h"
#include "engine/scalars/scalar.h"

namespace gradproof {

// Bits every ArbBall operation of this thread works with.
inline thread_local slong arb_precision = 128;

class ArbPrecision {
 public:
  explicit ArbPrecision(slong bits) : saved_(arb_precision) { arb_precision = bits; }
  ~ArbPrecision() { arb_precision = saved_; }
  ArbPrecision(const ArbPrecision&) = delete;
  ArbPrecision& operator=(const ArbPrecision&) = delete;

 private:
  slong saved_;
};

// Owns an arb_t; converts to the pointer Arb's functions take.
class ArbNumber {
 public:
  ArbNumber() { arb_init(value_); }
  explicit ArbNumber(double value) {
    arb_init(value_);
    arb_set_d(value_, value);
  }
  ArbNumber(const ArbNumber& other) {
    arb_init(value_);
    arb_set(value_, other.value_);
  }
  ArbNumber(ArbNumber&& other) noexcept {
    arb_init(value_);
    arb_swap(value_, other.value_);
  }
  ArbNumber& operator=(const ArbNumber& other) {
    arb_set(value_, other.value_);
    return *this;
  }
  ArbNumber& operator=(ArbNumber&& other) noexcept {
    arb_swap(value_, other.value_);
    return *this;
  }
  ~ArbNumber() { arb_clear(value_); }

  arb_ptr get() { return value_; }
  arb_srcptr get() const { return value_; }
  arf_ptr mid() { return arb_midref(value_); }
  arf_srcptr mid() const { return arb_midref(value_); }
  mag_ptr rad() { return arb_radref(value_); }
  mag_srcptr rad() const { return arb_radref(value_); }

 private:
  arb_t value_;
};

// Of a ball's affine form (affine.h), if it has one. What is moved from has none.
class FormId {
 public:
  FormId() = default;
  explicit FormId(std::uint64_t value) : value_(value) {}
  FormId(const FormId&) = default;
  FormId& operator=(const FormId&) = default;
  FormId(FormId&& other) noexcept : value_(std::exchange(other.value_, 0)) {}
  FormId& operator=(FormId&& other) noexcept {
    value_ = std::exchange(other.value_, 0);
    return *this;
  }
  ~FormId() = default;
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

template <class DtypeUnderTest>
class ArbBall {
 public:
  using D = DtypeUnderTest;
  // Midpoint and radius as the nearest wider numbers, the radius rounded up to cover both.
  struct Enclosure {
    long double mid;
    long double rad;
  };

  ArbBall() = default;  // exactly zero
  explicit ArbBall(ArbNumber number) : number_(std::move(number)) {}
  static ArbBall anything(Unbounded reason);
  static ArbBall nan() { return exactly(std::numeric_limits<double>::quiet_NaN()); }
  static ArbBall inf(bool negative = false);
  static ArbBall beyond(bool negative);  // certainly beyond D's range
  static ArbBall exactly(double value);  // with the sign of a zero
  static ArbBall integer(int value);
  template <class F>
  requires std::is_floating_point_v<F>
  static ArbBall from_ball(const Ball<F>& ball);

  bool is_anything() const { return reason_ != Unbounded::no; }
  Unbounded reason() const { return reason_; }
  bool is_nan() const { return arf_is_nan(number_.mid()) != 0; }
  bool is_special() const { return arf_is_finite(number_.mid()) == 0 && !is_anything(); }
  bool is_finite() const { return !is_anything() && !is_special(); }
  bool is_exact() const { return is_finite() && mag_is_zero(number_.rad()) != 0; }
  bool is_exactly(int value) const { return is_exact() && arf_equal_si(number_.mid(), value) != 0; }
  // Finite, and every number of it within D's range.
  bool in_range() const;
  bool contains_zero() const { return is_finite() && arb_contains_zero(number_.get()) != 0; }
  bool contains(double value) const;
  bool negative() const { return negative_zero_ || arf_sgn(number_.mid()) < 0; }
  double lower() const;  // rounded down
  double upper() const;  // rounded up
  Enclosure enclosure() const;
  std::string to_string(int digits = 20) const;

  // A number that may be changed is no longer what its affine form says.
  ArbNumber& number() {
    form_ = {};
    return number_;
  }
  const ArbNumber& number() const { return number_; }
  const FormId& form() const { return form_; }
  void set_form(FormId form) { form_ = std::move(form); }
  void set_negative_zero(bool negative) { negative_zero_ = negative; }

 private:
  ArbNumber number_;
  FormId form_;
  Unbounded reason_ = Unbounded::no;
  bool negative_zero_ = false;
};

template <class DtypeUnderTest>
struct Scalar<ArbBall<DtypeUnderTest>> {
  using Dtype = DtypeUnderTest;
  using B = ArbBall<Dtype>;
  static constexpr bool is_ball = true;
  static B leaf(double value) { return B::exactly(value); }
  static B integer(int value) { return B::integer(value); }
  static B argument(double value);
  static B materialize(const B& a);
};

// clang-format off
#define GRADPROOF_ARB_UNARY_LIST(M) \
  M(sqrt) M(exp) M(exp2) M(expm1) M(log) M(log2) M(log10) M(log1p) M(sin) M(cos) M(tan) M(asin) M(acos) M(atan) \
  M(sinh) M(cosh) M(tanh) M(asinh) M(acosh) M(atanh) M(erf) M(erfc)
#define GRADPROOF_ARB_BINARY_LIST(M) \
  M(operator+) M(operator-) M(operator*) M(operator/) M(atan2) M(hypot) M(pow) M(maximum) M(minimum) M(hull)
// clang-format on

#define GRADPROOF_ARB_UNARY(name) \
  template <class D>              \
  ArbBall<D> name(const ArbBall<D>& a);
GRADPROOF_ARB_UNARY_LIST(GRADPROOF_ARB_UNARY)
GRADPROOF_ARB_UNARY(abs)
#undef GRADPROOF_ARB_UNARY
#define GRADPROOF_ARB_BINARY(name) \
  template <class D>               \
  ArbBall<D> name(const ArbBall<D>& a, const ArbBall<D>& b);
GRADPROOF_ARB_BINARY_LIST(GRADPROOF_ARB_BINARY)
#undef GRADPROOF_ARB_BINARY

template <class D>
ArbBall<D> operator-(const ArbBall<D>& a);
template <class D>
Truth less(const ArbBall<D>& a, const ArbBall<D>& b);
template <class D>
Truth equal(const ArbBall<D>& a, const ArbBall<D>& b);
template <class D>
ArbBall<D> select(Truth which, const ArbBall<D>& a, const ArbBall<D>& b);
template <class D>
bool overlap(const ArbBall<D>& a, const ArbBall<D>& b);
template <class D>
ArbBall<D> intersect(const ArbBall<D>& a, int lo, int hi);
template <class D>
ArbBall<D> literal(const ArbBall<D>& like, Decimal decimal);
template <class D>
bool is_exact(const ArbBall<D>& a) {
  return a.is_exact();
}
template <class D>
bool contains(const ArbBall<D>& a, double value) {
  return a.contains(value);
}

namespace arb {
// Of a constant's correct roundings that to D.
template <class D>
double rounded_constant(float f32, double f64) {
  const NumberFormat& format = format_of<D>();
  return format.digits == formats::f32.digits ? static_cast<double>(f32) : rounded_to(format, f64);
}
// A constant's enclosure: its own, and what rounding it to D (and `slack_u`) may add.
template <class D>
ArbBall<D> with_rounding(ArbNumber exact, double rounded, double slack_u);
ArbNumber value_of(pi);
ArbNumber value_of(half_pi);
ArbNumber value_of(euler_e);
ArbNumber value_of(ln2);
ArbNumber value_of(ln10);
ArbNumber value_of(log2e);
ArbNumber value_of(log10e);
ArbNumber value_of(sqrt2);
ArbNumber value_of(inv_sqrt2);
ArbNumber value_of(two_over_sqrt_pi);
ArbNumber value_of(sqrt_two_over_pi);
ArbNumber value_of(inv_sqrt_2pi);
}  // namespace arb

template <class Tag, class D>
ArbBall<D> constant(const ArbBall<D>&) {
  return arb::with_rounding<D>(arb::value_of(Tag{}), arb::rounded_constant<D>(Tag::f32, Tag::f64), Tag::slack_u);
}

#define GRADPROOF_WITH_INT(name)            \
  template <class D>                        \
  auto name(const ArbBall<D>& a, int b) {   \
    return name(a, ArbBall<D>::integer(b)); \
  }                                         \
  template <class D>                        \
  auto name(int a, const ArbBall<D>& b) {   \
    return name(ArbBall<D>::integer(a), b); \
  }
GRADPROOF_WITH_INT(operator+)
GRADPROOF_WITH_INT(operator-)
GRADPROOF_WITH_INT(operator*)
GRADPROOF_WITH_INT(operator/)
GRADPROOF_WITH_INT(less)
GRADPROOF_WITH_INT(equal)
GRADPROOF_WITH_INT(pow)
#undef GRADPROOF_WITH_INT

// See accumulator.h for the bound.
template <class D>
class Accumulator<ArbBall<D>> {
  using B = ArbBall<D>;

 public:
  void add(const B& x);
  void add_product(const B& a, const B& b);
  // The engine rounds every partial sum to D, though it sums other things in a wider format.
  void round_each_step() { stepwise_ = true; }
  B result() const;
  static B sum(const B* x, std::size_t count) {
    Accumulator all;
    for (std::size_t i = 0; i < count; ++i) all.add(x[i]);
    return all.result();
  }
  static B dot(const B* a, const B* b, std::size_t count) {
    Accumulator all;
    for (std::size_t i = 0; i < count; ++i) all.add_product(a[i], b[i]);
    return all.result();
  }

 private:
  void note(const ArbNumber& term);
  bool sums_are_wider() const;
  double roundings() const;

  ArbNumber sum_;
  ArbNumber size_;  // sum of |x|, of |a||b|
  FormId form_;     // of the sum, but for its roundings
  B special_;
  BeyondRange beyond_;
  std::size_t count_ = 0;
  std::size_t products_ = 0;
  bool exact_ = true;
  bool stepwise_ = false;
  bool negative_zero_ = false;
  ExactSum exact_sum_;
};

extern template class ArbBall<UnderTest>;
extern template class ArbBall<Exact>;

}  // namespace gradproof
