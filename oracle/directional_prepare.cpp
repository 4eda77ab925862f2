#include <algorithm>

#include "engine/interpreter.h"
#include "oracle/directional_judge.h"
#include "oracle/twin.h"

namespace gradproof {

namespace {

constexpr std::size_t most_directions = 8;
constexpr std::size_t most_singles = 6;
constexpr std::size_t dense_directions = 3;  // where there are more entries than that

// A power of two near |value|, or `otherwise` at zero.
double scale_of(double value, double otherwise) {
  if (value == 0 || !std::isfinite(value)) return otherwise;
  int exponent = 0;
  std::frexp(value, &exponent);
  return std::ldexp(1.0, std::clamp(exponent - 1, -1000, 1000));
}

double sign_of(std::size_t direction, std::size_t entry) {
  std::uint64_t mixed = (entry + 1) * 0x9e3779b97f4a7c15u + (direction + 1) * 0xd1b54a32d192ed03u;
  mixed ^= mixed >> 29;
  mixed *= 0xbf58476d1ce4e5b9u;
  return ((mixed >> 41) & 1) != 0 ? 1 : -1;
}

// The numbers of a tensor step, in row-major order.
std::vector<double> contents(const Script& script, ValueId value) {
  const gp_tensor& tensor = script.tensors[script.steps[script.step_of(value)].op];
  std::vector<double> numbers;
  for (const std::uint64_t element : elements_of_view(script, tensor))
    numbers.push_back(script.element(tensor, element));
  return numbers;
}

}  // namespace

std::string Directional::prepare() {
  if (!claim_.unusable.empty()) return claim_.unusable;
  const auto dtype = dtype_of(script_->view());
  if (!dtype) return "several floating dtypes in one script";
  dtype_ = *dtype;
  const std::vector<gp_dtype>& known = engine_->info().dtypes;
  const bool twin = dtype_ != GP_F64 && std::find(known.begin(), known.end(), GP_F64) != known.end();
  std::string reason;
  if (twin) {
    values_ = std::make_unique<ValuesAlong>(*engine_, value_script(to_dtype(*script_, GP_F64), claim_), GP_F64);
    if (!values_->at_base(y_, root_sizes_, reason)) values_.reset();
  }
  if (!values_) {
    values_ = std::make_unique<ValuesAlong>(*engine_, value_script(*script_, claim_), dtype_);
    if (!values_->at_base(y_, root_sizes_, reason)) return reason;
  }
  if (values_->overlapping()) return "a leaf whose elements share memory";
  return sizes_and_weights();
}

std::size_t Directional::input_size(std::size_t input) const {
  const gp_step& maker = script_->steps[script_->step_of(claim_.inputs[input].value)];
  return elements_of_view(*script_, script_->tensors[maker.op]).size();
}

std::string Directional::sizes_and_weights() {
  if (claim_.kind == Claim::Kind::gradient) {
    for (const Claim::Root& root : claim_.roots) {
      const std::size_t size = root_sizes_[static_cast<std::size_t>(&root - claim_.roots.data())];
      const std::vector<double> seed =
          root.seed == GP_NO_VALUE ? std::vector<double>(size, 1) : contents(*script_, root.seed);
      if (seed.size() != size) return "a seed of another size than its result";
      weights_.insert(weights_.end(), seed.begin(), seed.end());
    }
    for (const Claim::Reading& reading : claim_.readings) sizes_.push_back(input_size(reading.of));
  } else {
    for (const Claim::Input& input : claim_.inputs) {
      const std::vector<double> tangent = contents(*script_, input.tangent);
      move_.insert(move_.end(), tangent.begin(), tangent.end());
    }
    if (move_.size() != values_->inputs()) return "a tangent of another size than its input";
    for (const Claim::Reading& reading : claim_.readings) sizes_.push_back(root_sizes_[reading.of]);
    double largest = 0, least = HUGE_VAL;
    for (std::size_t i = 0; i < move_.size(); ++i) largest = std::max(largest, std::fabs(values_->input(i)));
    for (std::size_t i = 0; i < move_.size(); ++i) {
      if (move_[i] == 0) continue;
      const double x = scale_of(values_->input(i), scale_of(largest, 1));
      least = std::min(least, x / std::fabs(move_[i]));
    }
    stretch_ = std::isfinite(least) ? scale_of(least, 1) : 1;
    for (double& v : move_) v *= stretch_;
  }
  claimed_values(claim_, *seen_, sizes_, claimed_);
  return claimed_.empty() ? "no entries" : "";
}

// Every entry alone where there are few, else a sample; and all of them at once, first with one sign (where ties
// move together, slopes between the one-sided ones must still add up), then with random ones.
void Directional::plan_directions() {
  const std::size_t count = claimed_.size();
  const bool all = count <= most_singles;
  const std::size_t singles = all ? count : most_directions - dense_directions;
  for (std::size_t k = 0; k < singles; ++k) {
    findings_.emplace_back().single = all ? k : (k * count / singles + count / 11) % count;
  }
  if (count > 1) findings_.resize(all ? singles + 2 : most_directions);
}

void Directional::fill_direction(std::size_t direction, Finding& finding) const {
  const std::size_t count = claimed_.size();
  const bool gradient = claim_.kind == Claim::Kind::gradient;
  double largest = 0;
  const auto about = [&](std::size_t i) {
    const double value = gradient ? values_->input(i) : y_[i];
    return std::isfinite(value) ? value : 0;
  };
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(about(i)));
  // Gradient: as far as the leaf's own size. Tangent: one weight for all, for a small result may carry the rounding of
  // something as large as the largest, which its own size does not tell.
  const auto size_at = [&](std::size_t i) {
    return gradient ? scale_of(about(i), scale_of(largest, 1)) : 1 / scale_of(largest, 1);
  };
  finding.w.assign(count, 0);
  if (finding.single) {
    finding.w[*finding.single] = size_at(*finding.single);
    return;
  }
  const bool first_dense = direction == 0 || findings_[direction - 1].single;
  for (std::size_t i = 0; i < count; ++i) finding.w[i] = (first_dense ? 1 : sign_of(direction, i)) * size_at(i);
}

}  // namespace gradproof
