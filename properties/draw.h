// Drawing numbers, shapes and tensors. Everything drawn is a function of one splittable generator.
#pragma once

#include <rapidcheck/Random.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/record.h"
#include "properties/classes.h"
#include "script/script.h"

namespace gradproof {

// Where the elements of a tensor may lie, and what is worth hitting there.
struct Aim {
  Domain domain = all_reals;
  const Record* record = nullptr;  // of landmarks and ties; none: only the domain counts
  int arg = 0;                     // the tensor argument whose landmarks these are
};

// A landmark, in the dtype.
struct Mark {
  double at = 0;
  bool jump = false;
};
std::vector<Mark> marks_of(gp_dtype dtype, const Aim& aim);

class RandomDraw {
 public:
  // `size` from 0 to 100, as RapidCheck's: how large and how strange cases become.
  RandomDraw(const rc::Random& random, int size, const Wanted& wanted = {})
      : random_(random), size_(size), wanted_(wanted) {}

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
  void keep_contiguous(bool on) { contiguous_ = on; }
  // Whether elements of a tensor may share a place in memory; not where something writes to it.
  void allow_overlaps(bool on) { overlaps_ = on; }
  // Whether elements keep to ordinary numbers: no landmarks, ties or tails.
  void keep_moderate(bool on) { moderate_ = on; }
  ValueId tensor(Script& script, TensorSpec spec, const Aim& aim, std::string_view name);
  // Of these elements, in row-major order.
  ValueId given(Script& script, TensorSpec spec, std::span<const double> values, std::string_view name);
  ValueId indices(Script& script, TensorSpec spec, Index low, Index high, std::string_view name);
  SeedKind seed_kind();
  ValueId seed(Script& script, TensorSpec spec, SeedKind kind, std::string_view name);

  // --- classes (properties/classes.h) ---
  // The one wanted, if it is possible.
  MatrixClass matrix_class(std::span<const MatrixClass> possible);
  const Wanted& wanted() const { return wanted_; }
  Met& met() { return met_; }
  void want_nothing() { wanted_ = {}; }
  template <class Class>
  void want(Axis axis, Class which) {
    wanted_.set(axis, static_cast<std::size_t>(which));
  }
  // A call is drawn anew: what its predecessor met does not count.
  void begin_call() {
    met_ = {};
    tensors_ = 0;
  }
  // From now on shapes are this one where it has as many dims as are asked for; none: as drawn.
  void ask_for_shape(std::optional<std::vector<Index>> shape) { asked_ = std::move(shape); }
  // A shape of the wanted class.
  std::optional<std::vector<Index>> wanted_shape(Index min_dims, Index max_dims, bool may_be_empty);

 private:
  // Mostly contiguous; otherwise transposed, sliced, offset, and of the wanted class where there is one.
  void lay_out(TensorSpec& spec, Axis axis, bool may_overlap);
  void lay_out_as(TensorSpec& spec, LayoutClass layout);
  void note_layout(const TensorSpec& spec, Axis axis);
  void stride(TensorSpec& spec, std::span<const std::size_t> order, Index step, int gaps_percent);
  void give_buffer(TensorSpec& spec);
  Axis next_axis(Axis first, Axis others) const { return tensors_ == 0 ? first : others; }
  ValueId place(Script& script, TensorSpec& spec, Axis layout, bool may_overlap, std::string_view name);

  void fill(Script& script, const gp_tensor& tensor, const Aim& aim);
  void fill_as(Script& script, const gp_tensor& tensor, const Aim& aim, ValueClass values);
  double of_class(ValueClass values, gp_dtype dtype, const Aim& aim);
  void note_values(const Script& script, const gp_tensor& tensor, const Aim& aim, Axis axis);
  void remember(double x);
  double special(gp_dtype dtype, const Aim& aim);
  double beside(gp_dtype dtype, const Domain& domain, double mark);
  void broadcast_as(BroadcastClass how, std::vector<std::vector<Index>>& shapes);
  double small_integer(gp_dtype dtype, const Domain& domain);
  double remembered(gp_dtype dtype, const Domain& domain);

  rc::Random random_;
  int size_;
  bool contiguous_ = false;
  bool overlaps_ = false;
  bool moderate_ = false;
  std::optional<std::vector<Index>> asked_{};
  std::vector<double> recent_{};  // for ties, within a tensor and between two
  Wanted wanted_;
  Met met_{};
  std::size_t tensors_ = 0;  // of the call, so far
};

// x rounded to the dtype, or the nearest of its numbers that the domain holds.
double within(gp_dtype dtype, const Domain& domain, double x);
// The spacing of the dtype's numbers at x.
double ulp(gp_dtype dtype, double x);

// The elements of a value that a tensor step made, in row-major order.
std::vector<double> contents_of(const Script& script, ValueId value);

}  // namespace gradproof
