// The engine's own values along a line, and the noise of the derivatives it returns.
#pragma once

#include <memory>
#include <span>

#include "engine/engine.h"
#include "oracle/differences.h"
#include "oracle/directional_claim.h"

namespace gradproof {

double unit_roundoff_of(gp_dtype dtype);
double smallest_normal_of(gp_dtype dtype);
double largest_of(gp_dtype dtype);  // about

// Where single values have kinks along a line.
struct Kinks {
  double width = 0;     // Σ |w|·|forward slope - backward slope| over the roots' entries
  bool inside = false;  // a value on the way to them has one, or one jumps
};

// φ(t) = Σ w·(y(x + t·v) - y(x)): the values a claim is about, prepared once and rerun with other data.
class ValuesAlong {
 public:
  // Throws std::runtime_error where the engine does not prepare the program.
  ValuesAlong(Engine& engine, ValueScript values, gp_dtype dtype);
  ValuesAlong(const ValuesAlong&) = delete;
  ValuesAlong& operator=(const ValuesAlong&) = delete;

  // The entries that move: those of all inputs, in row-major order one after the other.
  std::size_t inputs() const { return places_.size(); }
  // Where two of them lie in the same memory they cannot move on their own.
  bool overlapping() const { return overlapping_; }
  double input(std::size_t i) const { return places_[i].base; }
  // y at x, all roots one after the other, and how many entries each has; false, with the reason, where the engine
  // returns none.
  bool at_base(std::vector<double>& y, std::vector<std::size_t>& sizes, std::string& reason);

  // d/dt φ at 0, after at_base(); up to 39 runs. `v` has inputs() entries, `w` as many as y.
  Differences derivative(std::span<const double> v, std::span<const double> w, double largest_step);

  // At 0, entry by entry, from five values.
  Kinks kinks(std::span<const double> v, std::span<const double> w);

  gp_dtype dtype() const { return dtype_; }
  // The step below which no step resolves anything more, for a function that changes on a smaller scale.
  double small_step() const;

 private:
  struct Place {
    std::size_t tensor = 0, element = 0;
    double base = 0;
  };
  void move_to(double t, std::span<const double> v);
  double value(double t);
  // All floating values: those on the way, then the roots'. Throws where the engine returns none.
  void all_values(double t, std::vector<double>& into);

  Engine* engine_;
  gp_dtype dtype_;
  ValueScript values_;
  std::vector<Place> places_;
  std::span<const double> v_, w_;
  std::vector<double> base_;  // y at x
  bool overlapping_ = false;
  gp_program program_{};
  std::unique_ptr<PreparedProgram> prepared_;
  Observations seen_;
  // The same script, reading the results of all calls as well.
  Script all_;
  gp_program all_program_{};
  std::unique_ptr<PreparedProgram> all_prepared_;
};

// The numbers a claim's readings show, one after the other: `sizes` entries each. An undefined derivative is
// zero; NaN where nothing was observed, or something of another size.
void claimed_values(const Claim& claim, const Observations& seen, std::span<const std::size_t> sizes,
                    std::vector<double>& into);

// How much the derivatives an engine returns are off by rounding: it runs the script again on contents a few ulps to
// a few thousand away, all at once, in random directions; a combination of the derivatives is then a
// smooth function of one variable, and its noise is noise_of().
class DerivativeNoise {
 public:
  DerivativeNoise(Engine& engine, const Script& script, const Claim& claim, std::span<const std::size_t> sizes,
                  gp_dtype dtype);
  // Standard deviation of Σ w·g; NaN where the engine does not return them nearby.
  double of(std::span<const double> w) const;

 private:
  std::vector<double> rows_[noise_points];
};

}  // namespace gradproof
