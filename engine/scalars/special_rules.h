// What is known of each special function; only special.cpp reads it.
#pragma once

#include "engine/scalars/arb_support.h"
#include "engine/scalars/special.h"

namespace gradproof {

// An argument as the rules of domains see it: a number, or all of a ball.
class SpecialArgument {
 public:
  template <class D>
  explicit SpecialArgument(const ArbBall<D>& ball) : exact_(ball.is_exact() || ball.is_special()) {
    negative_zero_ = ball.is_exactly(0) && ball.negative();
    if (ball.is_special()) {
      arf_set(low_.get(), ball.number().mid());
      arf_set(high_.get(), ball.number().mid());
      return;
    }
    arb_get_lbound_arf(low_.get(), ball.number().get(), arb_precision + 64);
    arb_get_ubound_arf(high_.get(), ball.number().get(), arb_precision + 64);
  }
  bool is(double value) const { return exact_ && arf_cmp_d(low_.get(), value) == 0; }
  bool is_infinite() const { return exact_ && arf_is_inf(low_.get()) != 0; }
  bool is_integer() const { return exact_ && arf_is_int(low_.get()) != 0; }
  bool is_odd() const { return is_integer() && arf_is_int_2exp_si(low_.get(), 1) == 0; }
  bool is_fraction() const { return exact_ && arf_is_int(low_.get()) == 0 && arf_is_finite(low_.get()) != 0; }
  bool negative_zero() const { return negative_zero_; }
  bool below(double value) const { return arf_cmp_d(high_.get(), value) < 0; }
  bool above(double value) const { return arf_cmp_d(low_.get(), value) > 0; }
  bool reaches_below(double value) const { return !above(value) && arf_cmp_d(low_.get(), value) < 0; }
  bool at_least(double value) const { return arf_cmp_d(low_.get(), value) >= 0; }
  bool at_most(double value) const { return arf_cmp_d(high_.get(), value) <= 0; }
  // Does it hold one of 0, -1, -2, …?
  bool holds_pole() const {
    if (arf_sgn(low_.get()) > 0) return false;
    if (arf_sgn(high_.get()) >= 0) return true;
    arb::Bound floor;
    arf_floor(floor.get(), high_.get());
    return arf_cmp(floor.get(), low_.get()) >= 0;
  }

 private:
  bool exact_;
  bool negative_zero_ = false;
  arb::Bound low_;
  arb::Bound high_;
};

// What needs no computing: IEEE's value at a point, or why nothing can be said.
struct SpecialEdge {
  enum class Kind : std::uint8_t { none, value, beyond, anything };
  Kind kind = Kind::none;
  double value = 0;  // of beyond: the sign
  Unbounded reason = Unbounded::domain;
};

struct SpecialBudget {
  PrimitiveBudget relative;
  double parameter_u = 0;  // as argument_u, of a
  // Where x < 0, added to the others: the absolute error a library promises beside its relative one.
  double negative_f32 = 0;
  double negative_f64 = 0;
  // What is smaller may come out as 0: e^-x with x beyond the MAXLOG of Cephes.
  double vanishing_f32 = 0;
  double vanishing_f64 = 0;
};

namespace special_edges {
inline constexpr double inf = HUGE_VAL;
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
inline SpecialEdge none() { return {}; }
inline SpecialEdge exactly(double value) { return {SpecialEdge::Kind::value, value, Unbounded::no}; }
inline SpecialEdge beyond(double sign) { return {SpecialEdge::Kind::beyond, sign, Unbounded::overflow}; }
inline SpecialEdge unknown(Unbounded reason) { return {SpecialEdge::Kind::anything, 0, reason}; }
}  // namespace special_edges

struct SpecialRule {
  // What a in f(a, x) is: no ball, a ball f is monotone in, any ball.
  enum class Parameter : std::uint8_t { none, exact, monotone, any };

  // f of a number x, and |∂f/∂x| or more over the ball x.
  void (*image)(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) = nullptr;
  void (*slope)(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) = nullptr;
  // From here on f is monotone on each stretch of its domain.
  double monotone_from = 0;
  SpecialEdge (*edge)(const SpecialArgument& a, const SpecialArgument& x) = nullptr;
  SpecialBudget budget{};
  Parameter parameter = Parameter::none;
};

class SpecialRules {
 public:
  void add(Special f, const SpecialRule& rule) { rules_[static_cast<std::size_t>(f)] = rule; }
  const SpecialRule& at(Special f) const { return rules_[static_cast<std::size_t>(f)]; }

 private:
  std::array<SpecialRule, special_count> rules_{};
};
void add_gamma_rules(SpecialRules& rules);
void add_error_rules(SpecialRules& rules);
void add_bessel_rules(SpecialRules& rules);

}  // namespace gradproof
