// What every scalar type of the reference engine can do.
//
// Formulas of operators are written once, on these names, and run on
//   float, double                 the reference as an engine
//   Ball<float>, Ball<double>     fast enclosures for f32 (double inside) and f64 (long double inside)
//   ArbBall<UnderTest>            the auditor: Arb, as many bits as asked for, of the dtype the thread has under test
//   Defined                       does this number depend on memory nobody wrote?
// and on Var<T>, tensors on a tape of any of them (engine/tape.h), which is where second and higher
// derivatives come from.
//
// The parameter of a ball is the dtype *under test*, D: after every primitive the ball is widened by
// what a faithful implementation in D may be off (budgets.h), so that running a formula on balls
// encloses every result of running it in D. D = Exact widens by nothing: pure interval mathematics. D = UnderTest
// is told at run time (number_format.h), so that formulas are compiled for Arb once.
//
// For each scalar T there are
//   T + T, T - T, T * T, T / T, -T, and the four with an int on either side;
//   abs sqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2(y, x) sinh cosh tanh
//   asinh acosh atanh erf erfc hypot(x, y) pow(x, y);
//   less(a, b), equal(a, b) -> Truth;  select(Truth, a, b);
//   maximum(a, b), minimum(a, b) (a NaN wins);  intersect(a, lo, hi): a range known a priori;
//   literal(x, "0.044715"), constant<pi>(x): a number in x's type, correctly rounded or enclosed;
//   Accumulator<T>: sums and dot products whose enclosure holds for every order of summation;
//   Scalar<T>::leaf(double): exactly that number (it is representable in D);
//   Scalar<T>::argument(double): a script's scalar, which an engine may round to D or keep in double;
//   Scalar<T>::materialize(T): the result of an operator becomes an element of a tensor of dtype D:
//     certainly beyond D's range -> that infinity, possibly beyond, or between_steps -> anything.
// Balls (HasHull<T>) also have hull(a, b), is_exact(a), overlap(a, b), contains(a, double).
#pragma once

#include <cstdint>
#include <limits>

namespace gradproof {

enum class Truth : std::uint8_t { no = 0, yes = 1, unknown = 2 };
constexpr Truth operator!(Truth t) { return t == Truth::unknown ? t : (t == Truth::no ? Truth::yes : Truth::no); }
constexpr Truth truth(bool b) { return b ? Truth::yes : Truth::no; }

struct Exact {};
struct UnderTest {};

// Specialized for each scalar: Dtype (the dtype under test), is_ball, leaf, argument, materialize, integer.
template <class T>
struct Scalar;

template <class T>
concept HasHull = Scalar<T>::is_ball;

// Sums and dot products; see accumulator.h.
template <class T>
class Accumulator;

// How select() resolves a comparison that the ball leaves open. For a derivative evaluated with `ties_open`
// less() leaves an exact tie open too, for there both one-sided slopes are admitted; equal() decides it.
struct Branch {
  enum class Side : std::uint8_t { hull, first, second };
  Side side = Side::hull;
  bool ties_open = false;
  bool met = false;  // set by less/equal/select whenever something was left open
};
inline thread_local Branch branch;

// A program of several operators runs: an engine may compute it in one, where what lies between them and is beyond the
// dtype's range need not be infinite.
inline thread_local bool between_steps = false;

class BetweenSteps {
 public:
  BetweenSteps() : saved_(between_steps) { between_steps = true; }
  ~BetweenSteps() { between_steps = saved_; }
  BetweenSteps(const BetweenSteps&) = delete;
  BetweenSteps& operator=(const BetweenSteps&) = delete;

 private:
  bool saved_;
};

// Why a ball says nothing.
enum class Unbounded : std::uint8_t {
  no = 0,
  domain = 1,    // possibly outside the domain
  overflow = 2,  // an intermediate or the result possibly overflowed in D
  wide = 3,      // the radius overflowed
  jump = 4,      // possibly across a discontinuity
  unwritten = 5  // rests on memory nobody wrote
};

}  // namespace gradproof
