// Drawing numbers, shapes and tensors. Everything drawn is a function of one splittable generator.
#pragma once

#include <rapidcheck/Random.h>

#include <span>
#include <string>
#include <vector>

#include "engine/record.h"
#include "script/script.h"

namespace gradproof {

// Where the elements of a tensor may lie, and what is worth hitting there.
struct Aim {
  Domain domain = all_reals;
  const Record* record = nullptr;  // of landmarks and ties; none: only the domain counts
  int arg = 0;                     // the tensor argument whose landmarks these are
};

enum class SeedKind { zero, one_hot, ones, weights, random, dyadic };

class RandomDraw {
 public:
  // `size` from 0 to 100, as RapidCheck's: how large and how strange cases become.
  RandomDraw(const rc::Random& random, int size) : random_(random), size_(size) {}

  std::uint64_t bits() { return random_.next(); }
  // From low to high, both included.
  Index integer(Index low, Index high);
  bool percent(int chance) { return integer(0, 99) < chance; }
  double unit() { return static_cast<double>(bits() >> 11U) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * unit(); }
  template <class Values>
  auto pick(const Values& values) {
    return values[static_cast<std::size_t>(integer(0, static_cast<Index>(std::size(values)) - 1))];
  }
  int size() const { return size_; }

  // --- numbers, representable in the dtype ---
  // Of moderate magnitude, so that what is made of it stays decidable.
  double moderate(gp_dtype dtype, const Domain& domain = all_reals);
  double near_landmark(gp_dtype dtype, const Aim& aim);
  double tail(gp_dtype dtype, const Domain& domain);
  double extreme(gp_dtype dtype, const Domain& domain);
  // k/4 with few bits, so that small sums and products of them are exact.
  double dyadic();

  // --- tensors ---
  std::vector<Index> shape();
  // Shapes that broadcast together, in either direction.
  std::vector<std::vector<Index>> broadcastable(std::size_t count);
  // Mostly contiguous; otherwise transposed, sliced, offset. No two positions share an element.
  void lay_out(TensorSpec& spec);
  void keep_contiguous(bool on) { contiguous_ = on; }
  ValueId tensor(Script& script, TensorSpec spec, const Aim& aim, std::string_view name);
  ValueId indices(Script& script, const TensorSpec& spec, Index low, Index high, std::string_view name);
  SeedKind seed_kind();
  ValueId seed(Script& script, TensorSpec spec, SeedKind kind, std::string_view name);

 private:
  void fill(Script& script, const gp_tensor& tensor, const Aim& aim);
  double special(gp_dtype dtype, const Aim& aim);
  double small_integer(gp_dtype dtype, const Domain& domain);
  double remembered(gp_dtype dtype, const Domain& domain);

  rc::Random random_;
  int size_;
  bool contiguous_ = false;
  std::vector<double> recent_{};  // for ties, within a tensor and between two
};

// x rounded to the dtype, or the nearest of its numbers that the domain holds.
double within(gp_dtype dtype, const Domain& domain, double x);
// The spacing of the dtype's numbers at x.
double ulp(gp_dtype dtype, double x);

// Where the elements of a tensor lie in its buffer, in row-major order.
std::vector<std::size_t> places_of(const Script& script, const gp_tensor& tensor);
// The elements of a value that a tensor step made, in row-major order.
std::vector<double> contents_of(const Script& script, ValueId value);

}  // namespace gradproof
