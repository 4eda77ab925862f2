// Affine forms beside Arb's balls: what a number of a run is in terms of the errors made before it,
//
//   x = center + sum c_i e_i + rest d,    e_i and d in [-1, 1].
//
// A symbol e_i is the error of one stored element of a tensor, the same wherever that element is used; d is an error
// of x alone. Where balls of x and y forget that both rest on one element, x - y of forms does not. A ball carries a
// form while AffineForms is in force; each operation makes the result's form from those of its operands, and then cuts
// the ball to what the form allows. Proofs: docs/mathematics.md, "Affine forms".
#pragma once

#include <array>
#include <span>

#include "engine/scalars/arb_ball.h"

namespace gradproof {

// For as long as it lives, balls of this thread's runs carry forms. Balls from before have none.
class AffineForms {
 public:
  AffineForms();
  ~AffineForms();
  AffineForms(const AffineForms&) = delete;
  AffineForms& operator=(const AffineForms&) = delete;
};

namespace affine {

using Ball = ArbBall<UnderTest>;

bool in_force();
// Whether a result has anything to put into a form.
bool applies(const Ball& result, const Ball& x);
// Balls under no dtype carry none.
template <class D>
inline constexpr bool carried = std::is_same_v<D, UnderTest>;
// make(result) where forms are in force, and the result alone where they are not.
template <class D, class Make>
ArbBall<D> formed(ArbBall<D> result, const ArbBall<D>& x, Make make) {
  if constexpr (carried<D>) {
    if (applies(result, x)) return make(std::move(result));
  }
  return result;
}
// Center and greatest deviation; without a form those of the ball.
Ball::Enclosure range_of(const Ball& x);
// How many symbols its form has.
std::size_t symbols_of(const Ball& x);

// What an engine's result may differ from that of its own operands: relative |result| + absolute.
struct Off {
  long double relative = 0;
  long double absolute = 0;
};
// What the budget of a primitive allows, but for an error in its argument.
Off allowed(const Budget& budget);
// An underflow between the factors of a product.
long double underflow(const ArbNumber& a, const ArbNumber& b);
long double upper_bound(mag_srcptr x);

// Each takes the ball of a result and gives it back with its form.
Ball negated(Ball result, const Ball& x);
Ball sum(Ball result, const Ball& a, const Ball& b, const Off& off);
Ball product(Ball result, const Ball& a, const Ball& b, const Off& off);
Ball quotient(Ball result, const Ball& a, const Ball& b, const Off& off);
Ball either(Ball result, const Ball& a, const Ball& b);
// An element of a tensor: its error is a symbol.
Ball stored(Ball x);

// Sums of many terms, kept beside a ball's: the form of the first `count` terms, from that of all but the last.
FormId extended(const FormId& so_far, std::size_t count, const Ball& term);
FormId extended(const FormId& so_far, std::size_t count, const Ball& a, const Ball& b);
Ball total(Ball result, const FormId& sum, const Off& off);

// A point of an argument's range and that range.
struct Around {
  explicit Around(const Ball& x);
  ArbNumber point;
  ArbNumber range;
};
// f(point) and the slope over the range: f(x) = f(point) + f'(somewhere in the range) (x - point).
struct Slope {
  const Ball* x = nullptr;
  const Around* around = nullptr;
  ArbNumber slope{};
};
Ball mean_value(Ball result, const ArbNumber& at_point, std::span<const Slope> slopes, const Off& off);
// Of one argument: f and its slope are functions of Arb's numbers.
template <class D, class F, class S>
ArbBall<D> image(ArbBall<D> result, const ArbBall<D>& x, const PrimitiveBudget& row, F f, S slope) {
  return formed(std::move(result), x, [&](auto made) {
    const Around around(x);
    ArbNumber value;
    f(value.get(), around.point.get(), arb_precision);
    Slope one{&x, &around, {}};
    slope(one.slope.get(), around.range.get(), arb_precision);
    return mean_value(std::move(made), value, {&one, 1}, allowed(budget_of<D>(row)));
  });
}

// Of two, with the slope in each; where one is exact its slope does not matter.
template <class D, class F, class S, class R>
ArbBall<D> image(ArbBall<D> result, const ArbBall<D>& x, const ArbBall<D>& y, const PrimitiveBudget& row, F f, S by_x,
                 R by_y) {
  if (!y.in_range()) return result;
  return formed(std::move(result), x, [&](auto made) {
    const Around first(x);
    const Around second(y);
    ArbNumber value;
    f(value.get(), first.point.get(), second.point.get(), arb_precision);
    std::array<Slope, 2> slopes{};
    std::size_t count = 0;
    if (!x.is_exact()) {
      slopes[count] = {&x, &first, {}};
      by_x(slopes[count++].slope.get(), first.range.get(), second.range.get(), arb_precision);
    }
    if (!y.is_exact()) {
      slopes[count] = {&y, &second, {}};
      by_y(slopes[count++].slope.get(), first.range.get(), second.range.get(), arb_precision);
    }
    return mean_value(std::move(made), value, {slopes.data(), count}, allowed(budget_of<D>(row)));
  });
}

}  // namespace affine
}  // namespace gradproof
