#include "properties/draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "engine/scalars/number_format.h"

namespace gradproof {

namespace {

double rounded(gp_dtype dtype, double x) { return rounded_to(format_of(dtype), x); }

bool holds(const Domain& domain, double x) {
  const bool above = domain.low_open ? x > domain.low : x >= domain.low;
  const bool below = domain.high_open ? x < domain.high : x <= domain.high;
  return above && below;
}

std::size_t count_of(const std::vector<Index>& shape) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  return static_cast<std::size_t>(count);
}

// What lies in a buffer beside the view: a number that no draw makes.
constexpr double beside_the_view = 77;

}  // namespace

double ulp(gp_dtype dtype, double x) {
  const NumberFormat& format = format_of(dtype);
  const double magnitude = std::max(std::fabs(x), format.least_normal);
  return std::ldexp(1.0, std::ilogb(magnitude) + 1 - format.digits);
}

double within(gp_dtype dtype, const Domain& domain, double x) {
  const double largest = format_of(dtype).max;
  x = rounded(dtype, std::clamp(x, -largest, largest));
  if (holds(domain, x)) return x;
  const bool low = !(x > domain.low) || !std::isfinite(domain.high);
  double edge = rounded(dtype, low ? domain.low : domain.high);
  for (int i = 0; i < 4 && !holds(domain, edge); ++i) {
    // A step off zero lands among ordinary numbers: subnormal ones are asked for by name.
    const double step = edge == 0 ? 0x1p-12 : ulp(dtype, edge);
    edge = rounded(dtype, low ? edge + step : edge - step);
  }
  return edge;
}

Index RandomDraw::integer(Index low, Index high) {
  const auto range = static_cast<std::uint64_t>(high - low) + 1;
  if (range == 0 || range > 0xffffffffU) return low + static_cast<Index>(range == 0 ? bits() : bits() % range);
  // The high half of a product: biased by less than 2^-28 for the small ranges drawn here.
  return low + static_cast<Index>(((bits() >> 32U) * range) >> 32U);
}

double RandomDraw::moderate(gp_dtype dtype, const Domain& domain) {
  const bool from_low = std::isfinite(domain.low);
  const bool from_high = std::isfinite(domain.high);
  if (from_low && from_high) return within(dtype, domain, uniform(domain.low, domain.high));
  const double magnitude = std::exp2(uniform(-3, 3));
  if (from_low) return within(dtype, domain, domain.low + magnitude);
  if (from_high) return within(dtype, domain, domain.high - magnitude);
  return within(dtype, domain, percent(50) ? magnitude : -magnitude);
}

double RandomDraw::small_integer(gp_dtype dtype, const Domain& domain) {
  return within(dtype, domain, static_cast<double>(integer(-3, 3)));
}

double RandomDraw::near_landmark(gp_dtype dtype, const Aim& aim) {
  std::array<double, 16> at{};
  std::array<bool, 16> jump{};
  std::size_t count = 0;
  const auto note = [&](double x, bool is_jump) {
    if (count == at.size() || !std::isfinite(x)) return;
    jump[count] = is_jump;
    at[count++] = x;
  };
  note(aim.domain.low, false);
  note(aim.domain.high, false);
  if (aim.record != nullptr) {
    for (const Landmark& mark : aim.record->kinks)
      if (mark.arg == aim.arg) note(mark.at, false);
    for (const Landmark& mark : aim.record->jumps)
      if (mark.arg == aim.arg) note(mark.at, true);
    for (const Landmark& mark : aim.record->special)
      if (mark.arg == aim.arg) note(mark.at, false);
  }
  if (count == 0) return percent(50) ? within(dtype, aim.domain, 0) : small_integer(dtype, aim.domain);
  const auto which = static_cast<std::size_t>(integer(0, static_cast<Index>(count) - 1));
  const double mark = rounded(dtype, at[which]);
  // Nothing can be decided on a jump, so most draws keep beside it.
  if (percent(jump[which] ? 5 : 40)) return within(dtype, aim.domain, mark);
  const double side = percent(50) ? 1 : -1;
  const double step =
      mark == 0 || percent(40) ? std::exp2(-uniform(2, 14)) : static_cast<double>(integer(1, 3)) * ulp(dtype, mark);
  return within(dtype, aim.domain, mark + side * step);
}

double RandomDraw::tail(gp_dtype dtype, const Domain& domain) {
  const double magnitude = std::exp2(uniform(3, 6));
  return within(dtype, domain, percent(50) ? magnitude : -magnitude);
}

double RandomDraw::extreme(gp_dtype dtype, const Domain& domain) {
  const auto [low, most] = std::pair(format_of(dtype).least_normal, format_of(dtype).max);
  const std::array<double, 6> all{low, -low, low / 4, most / 4, -most / 4, std::sqrt(most)};
  return within(dtype, domain, pick(all));
}

double RandomDraw::dyadic() { return static_cast<double>(integer(-8, 8)) / 4; }

double RandomDraw::remembered(gp_dtype dtype, const Domain& domain) {
  return recent_.empty() ? small_integer(dtype, domain) : within(dtype, domain, pick(recent_));
}

double RandomDraw::special(gp_dtype dtype, const Aim& aim) {
  const Index which = integer(0, 99);
  if (which < 40) return near_landmark(dtype, aim);
  if (which < 55) return remembered(dtype, aim.domain);
  if (which < 70) return within(dtype, aim.domain, percent(50) ? 1 : -1);
  if (which < 85) return within(dtype, aim.domain, 0);
  return tail(dtype, aim.domain);
}

std::vector<std::size_t> places_of(const Script& script, const gp_tensor& tensor) {
  std::vector<Index> sizes(script.ints.begin() + tensor.shape, script.ints.begin() + tensor.shape + tensor.ndim);
  std::vector<Index> strides(tensor.ndim);
  if (tensor.strides == GP_CONTIGUOUS) {
    Index step = 1;
    for (std::size_t d = sizes.size(); d-- > 0; step *= std::max<Index>(sizes[d], 1)) strides[d] = step;
  } else {
    std::copy_n(script.ints.begin() + tensor.strides, tensor.ndim, strides.begin());
  }
  const std::size_t count = count_of(sizes);
  std::vector<std::size_t> places(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto rest = static_cast<Index>(i);
    Index place = tensor.offset;
    for (std::size_t d = sizes.size(); d-- > 0; rest /= sizes[d]) place += rest % sizes[d] * strides[d];
    places[i] = static_cast<std::size_t>(place);
  }
  return places;
}

std::vector<double> contents_of(const Script& script, ValueId value) {
  const gp_tensor& tensor = script.tensors[script.steps[script.step_of(value)].op];
  std::vector<double> contents;
  for (const std::size_t place : places_of(script, tensor)) contents.push_back(script.element(tensor, place));
  return contents;
}

void RandomDraw::fill(Script& script, const gp_tensor& tensor, const Aim& aim) {
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  const bool ties = aim.record != nullptr && aim.record->ties_matter;
  Index style = size_ < 20 ? integer(0, 69) : integer(0, 99);
  if (ties && percent(30)) style = 98;
  for (const std::size_t place : places_of(script, tensor)) {
    double x = 0;
    if (style < 48)
      x = moderate(dtype, aim.domain);
    else if (style < 70)
      x = small_integer(dtype, aim.domain);
    else if (style < 92)
      x = percent(70) ? moderate(dtype, aim.domain) : special(dtype, aim);
    else if (style < 95)
      x = near_landmark(dtype, aim);
    else if (style < 96)
      x = percent(50) ? tail(dtype, aim.domain) : moderate(dtype, aim.domain);
    else if (style < 97)
      x = percent(30) ? extreme(dtype, aim.domain) : moderate(dtype, aim.domain);
    else
      x = percent(60) ? remembered(dtype, aim.domain) : small_integer(dtype, aim.domain);
    script.set_element(tensor, place, x);
    if (recent_.size() < 8)
      recent_.push_back(x);
    else
      recent_[static_cast<std::size_t>(integer(0, 7))] = x;
  }
}

std::vector<Index> RandomDraw::shape() {
  const Index roll = integer(0, 99);
  const std::size_t ndim = roll < 14 ? 0 : roll < 50 ? 1 : roll < 80 ? 2 : roll < 93 ? 3 : 4;
  std::vector<Index> sizes(size_ < 20 ? std::min<std::size_t>(ndim, 1) : ndim);
  const Index most = sizes.size() < 2 ? 5 : sizes.size() == 2 ? 4 : 3;
  Index count = 1;
  for (Index& size : sizes) {
    size = integer(1, std::max<Index>(1, std::min(most, 24 / count)));
    count *= size;
  }
  if (!sizes.empty() && percent(4)) sizes[static_cast<std::size_t>(integer(0, std::ssize(sizes) - 1))] = 0;
  return sizes;
}

std::vector<std::vector<Index>> RandomDraw::broadcastable(std::size_t count) {
  const std::vector<Index> common = shape();
  std::vector<std::vector<Index>> shapes(count, common);
  if (count < 2 || percent(45)) return shapes;
  for (std::vector<Index>& one : shapes) {
    if (percent(40)) continue;
    one.erase(one.begin(), one.begin() + integer(0, percent(50) ? std::ssize(one) : 0));
    for (Index& size : one) {
      if (percent(35)) size = 1;
    }
  }
  return shapes;
}

void RandomDraw::lay_out(TensorSpec& spec) {
  const std::size_t ndim = spec.shape.size();
  const std::size_t count = count_of(spec.shape);
  if (count == 0 || !percent(22) || contiguous_) return;
  spec.offset = integer(0, 2);
  Index reach = spec.offset;
  if (ndim > 0) {
    std::vector<std::size_t> order(ndim);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t d = ndim; d > 1; --d)
      std::swap(order[d - 1], order[static_cast<std::size_t>(integer(0, static_cast<Index>(d) - 1))]);
    spec.strides.resize(ndim);
    Index step = integer(1, 2);
    for (const std::size_t d : order) {
      spec.strides[d] = step;
      reach += step * (spec.shape[d] - 1);
      step *= spec.shape[d] + (percent(20) ? 1 : 0);
    }
  }
  spec.buffer_elements = static_cast<std::uint64_t>(reach + 1 + integer(0, 2));
}

ValueId RandomDraw::tensor(Script& script, TensorSpec spec, const Aim& aim, std::string_view name) {
  lay_out(spec);
  const ValueId made = script.tensor(spec, name);
  const gp_tensor& tensor = script.tensors.back();
  if (spec.buffer_elements != 0) {
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) script.set_element(tensor, i, beside_the_view);
  }
  fill(script, tensor, aim);
  return made;
}

ValueId RandomDraw::indices(Script& script, const TensorSpec& spec, Index low, Index high, std::string_view name) {
  const ValueId made = script.tensor(spec, name);
  const gp_tensor& tensor = script.tensors.back();
  for (std::size_t i = 0; i < tensor.buffer_elements; ++i) {
    script.set_element(tensor, i, static_cast<double>(integer(low, high)));
  }
  return made;
}

SeedKind RandomDraw::seed_kind() {
  const Index roll = integer(0, 99);
  return roll < 5    ? SeedKind::zero
         : roll < 15 ? SeedKind::one_hot
         : roll < 30 ? SeedKind::ones
         : roll < 45 ? SeedKind::weights
                     : SeedKind::random;
}

ValueId RandomDraw::seed(Script& script, TensorSpec spec, SeedKind kind, std::string_view name) {
  lay_out(spec);
  const ValueId made = script.tensor(spec, name);
  const gp_tensor& tensor = script.tensors.back();
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  if (spec.buffer_elements != 0) {
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) script.set_element(tensor, i, beside_the_view);
  }
  const std::vector<std::size_t> places = places_of(script, tensor);
  const auto hot = static_cast<std::size_t>(integer(0, std::max<Index>(std::ssize(places) - 1, 0)));
  constexpr std::array<double, 3> weights{-0.1, 1, 0.0001};
  for (std::size_t i = 0; i < places.size(); ++i) {
    double x = 0;
    switch (kind) {
      case SeedKind::zero: break;
      case SeedKind::one_hot: x = i == hot ? 1 : 0; break;
      case SeedKind::ones: x = 1; break;
      case SeedKind::weights: x = weights.at(i % 3); break;
      case SeedKind::random: x = moderate(dtype); break;
      case SeedKind::dyadic: x = dyadic(); break;
    }
    script.set_element(tensor, places[i], x);
  }
  return made;
}

}  // namespace gradproof
