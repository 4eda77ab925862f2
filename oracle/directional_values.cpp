#include "oracle/directional_values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "oracle/twin.h"

namespace gradproof {

namespace {

int digits_of(gp_dtype dtype) {
  switch (dtype) {
    case GP_F16: return 11;
    case GP_BF16: return 8;
    case GP_F32: return 24;
    default: return 53;
  }
}

// A sign that depends on the place alone.
double sign_at(std::uint64_t place) {
  place = (place + 1) * 0x9e3779b97f4a7c15u;
  place ^= place >> 31;
  place *= 0xbf58476d1ce4e5b9u;
  return ((place >> 40) & 1) != 0 ? 1 : -1;
}

}  // namespace

double unit_roundoff_of(gp_dtype dtype) { return std::exp2(-digits_of(dtype)); }

double largest_of(gp_dtype dtype) {
  switch (dtype) {
    case GP_F16: return 65504;
    case GP_BF16:
    case GP_F32: return 0x1.fp+127;
    default: return 0x1.fp+1023;
  }
}

double smallest_normal_of(gp_dtype dtype) {
  switch (dtype) {
    case GP_F16: return 0x1p-14;
    case GP_BF16:
    case GP_F32: return 0x1p-126;
    default: return 0x1p-1022;
  }
}

ValuesAlong::ValuesAlong(Engine& engine, ValueScript values, gp_dtype dtype)
    : engine_(&engine), dtype_(dtype), values_(std::move(values)) {
  Script& script = values_.script;
  for (const ValueId input : values_.inputs) {
    const std::size_t index = script.steps[script.step_of(input)].op;
    std::vector<std::uint64_t> elements = elements_of_view(script, script.tensors[index]);
    for (const std::uint64_t element : elements) {
      places_.push_back({index, static_cast<std::size_t>(element), script.element(script.tensors[index], element)});
    }
    std::sort(elements.begin(), elements.end());
    overlapping_ = overlapping_ || std::adjacent_find(elements.begin(), elements.end()) != elements.end();
  }
  program_ = script.view();
  prepared_ = engine.prepare(program_);
}

double ValuesAlong::small_step() const { return digits_of(dtype_) >= 40 ? 0x1p-12 : 0x1p-5; }

bool ValuesAlong::at_base(std::vector<double>& y, std::vector<std::size_t>& sizes, std::string& reason) {
  y.clear();
  sizes.clear();
  prepared_->run(values_.script.data.data(), seen_);
  for (const gp_observation& item : seen_.items) {
    if (item.status != GP_ERROR) continue;
    reason = std::string(name_of(static_cast<gp_error_kind>(item.error))) + ": " + std::string(seen_.text_of(item));
    return false;
  }
  for (const std::uint32_t step : values_.reads) {
    const gp_observation* item = seen_.at(step);
    if (item == nullptr || item->status != GP_VALUE || !is_floating(static_cast<gp_dtype>(item->dtype))) {
      reason = "no floating value was observed";
      return false;
    }
    sizes.push_back(item->elements);
    for (std::uint64_t i = 0; i < item->elements; ++i) y.push_back(seen_.element(*item, i));
  }
  base_ = y;
  return true;
}

void ValuesAlong::move_to(double t, std::span<const double> v) {
  Script& script = values_.script;
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (v[i] == 0) continue;
    const Place& place = places_[i];
    script.set_element(script.tensors[place.tensor], place.element, place.base + t * v[i]);
  }
}

double ValuesAlong::value(double t) {
  move_to(t, v_);
  prepared_->run(values_.script.data.data(), seen_);
  long double sum = 0;
  std::size_t k = 0;
  for (const std::uint32_t step : values_.reads) {
    const gp_observation* item = seen_.at(step);
    if (item == nullptr || item->status != GP_VALUE || k + item->elements > w_.size()) {
      throw std::runtime_error("the engine returned no value");
    }
    for (std::uint64_t i = 0; i < item->elements; ++i, ++k) {
      const double y = seen_.element(*item, i);
      if (w_[k] == 0) continue;
      sum += static_cast<long double>(w_[k]) * (static_cast<long double>(y) - static_cast<long double>(base_[k]));
    }
  }
  return static_cast<double>(sum);
}

Differences ValuesAlong::derivative(std::span<const double> v, std::span<const double> w, double largest_step) {
  v_ = v;
  w_ = w;
  DifferenceOptions options{.unit_roundoff = unit_roundoff_of(dtype_), .largest_step = largest_step};
  options.magnitude = 0;
  double unit = 1;  // what may have absorbed a change on the way
  for (const Place& place : places_) unit = std::max(unit, std::isfinite(place.base) ? std::fabs(place.base) : 0);
  for (std::size_t k = 0; k < w.size(); ++k) {
    if (w[k] == 0 || !std::isfinite(base_[k])) continue;
    // Of every entry, moving or not: one that is too large to move may have absorbed a change.
    options.magnitude += std::fabs(w[k]) * std::max(unit, std::fabs(base_[k]));
    options.least_noise += options.unit_roundoff * std::fabs(w[k] * base_[k]);
  }
  auto phi = [this](double t) { return value(t); };
  const Differences found = differentiate(RealFunction(phi), options);
  move_to(0, v);
  return found;
}

void ValuesAlong::all_values(double t, std::vector<double>& into) {
  if (!all_prepared_) {
    all_ = values_.script;
    all_.steps.resize(all_.steps.size() - values_.reads.size());
    std::vector<ValueId> roots;
    for (const std::uint32_t step : values_.reads) {
      roots.push_back(static_cast<ValueId>(all_.args[values_.script.steps[step].first_arg].u.index));
    }
    for (std::size_t i = 0, count = all_.steps.size(); i < count; ++i) {
      const gp_step made = all_.steps[i];
      for (std::uint32_t k = 0; made.kind == GP_CALL && k < made.result_count; ++k) {
        const ValueId value = made.first_result + k;
        if (std::find(roots.begin(), roots.end(), value) == roots.end()) all_.read(value);
      }
    }
    for (const ValueId root : roots) all_.read(root);
    all_program_ = all_.view();
    all_prepared_ = engine_->prepare(all_program_);
  }
  move_to(t, v_);
  all_prepared_->run(values_.script.data.data(), seen_);
  into.clear();
  for (const gp_observation& item : seen_.items) {
    if (item.status != GP_VALUE) throw std::runtime_error("the engine returned no value");
    if (!is_floating(static_cast<gp_dtype>(item.dtype))) continue;
    for (std::uint64_t i = 0; i < item.elements; ++i) into.push_back(seen_.element(item, i));
  }
}

// |y(h) - 2y(0) + y(-h)| falls like h at a kink, like h² where y is smooth, and stays at a jump.
Kinks ValuesAlong::kinks(std::span<const double> v, std::span<const double> w) {
  Kinks found;
  v_ = v;
  const double h = noise_spacing(unit_roundoff_of(dtype_)) * (digits_of(dtype_) >= 40 ? 64 : 2);
  std::array<std::vector<double>, 5> y;
  try {
    for (int i = 0; i < 5; ++i) {
      constexpr std::array<double, 5> at{-4, -1, 0, 1, 4};
      all_values(at[static_cast<std::size_t>(i)] * h, y[static_cast<std::size_t>(i)]);
    }
  } catch (const std::exception&) {
    found.inside = true;
  }
  move_to(0, v);
  if (found.inside || y[2].size() < w.size()) return {0, true};
  const std::size_t first_root = y[2].size() - w.size();
  for (std::size_t k = 0; k < y[2].size(); ++k) {
    const double near = std::fabs(y[1][k] - 2 * y[2][k] + y[3][k]), far = std::fabs(y[0][k] - 2 * y[2][k] + y[4][k]);
    const double bound = 64 * unit_roundoff_of(dtype_) * (1 + std::fabs(y[2][k]));
    if (!(near > std::max(bound, far / 8))) continue;
    if (near > far / 2) return {0, true};
    if (k < first_root) return {0, true};
    // The two estimates differ by what curvature adds, and by how far from 0 the kink lies.
    found.width += std::fabs(w[k - first_root]) * (near + 4 * std::fabs(far / 4 - near)) / h;
  }
  return found;
}

void claimed_values(const Claim& claim, const Observations& seen, std::span<const std::size_t> sizes,
                    std::vector<double>& into) {
  into.clear();
  for (std::size_t r = 0; r < claim.readings.size(); ++r) {
    const gp_observation* item = seen.at(claim.readings[r].step);
    const bool undefined = item != nullptr && item->status == GP_UNDEFINED_VALUE;
    const bool usable = item != nullptr && item->status == GP_VALUE && item->elements == sizes[r];
    for (std::uint64_t i = 0; i < sizes[r]; ++i) {
      into.push_back(usable ? seen.element(*item, i) : undefined ? 0 : std::nan(""));
    }
  }
}

DerivativeNoise::DerivativeNoise(Engine& engine, const Script& script, const Claim& claim,
                                 std::span<const std::size_t> sizes, gp_dtype dtype) {
  Script moved = script;
  const gp_program program = moved.view();
  const std::unique_ptr<PreparedProgram> prepared = engine.prepare(program);
  const double spacing = noise_spacing(unit_roundoff_of(dtype)) * 0.6180339887498949;
  Observations seen;
  for (int row = 0; row < noise_points; ++row) {
    std::uint64_t place = 0;
    for (const gp_tensor& tensor : script.tensors) {
      if (tensor.memory != GP_GIVEN || !is_floating(static_cast<gp_dtype>(tensor.dtype))) continue;
      for (std::size_t i = 0; i < tensor.buffer_elements; ++i, ++place) {
        const double value = script.element(tensor, i);
        moved.set_element(tensor, i, value * (1 + (row + 1) * spacing * sign_at(place)));
      }
    }
    prepared->run(moved.data.data(), seen);
    claimed_values(claim, seen, sizes, rows_[row]);
  }
}

double DerivativeNoise::of(std::span<const double> w) const {
  std::array<double, noise_points> values{};
  for (std::size_t row = 0; row < values.size(); ++row) {
    long double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      if (w[i] != 0) sum += static_cast<long double>(w[i]) * static_cast<long double>(rows_[row][i]);
    }
    values[row] = static_cast<double>(sum);
    if (!std::isfinite(values[row])) return std::nan("");
  }
  return noise_of(values);
}

}  // namespace gradproof
