// Tensors: how they lie in memory, and what they hold.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "engine/scalars/number_format.h"
#include "oracle/twin.h"
#include "properties/draw.h"

namespace gradproof {

namespace {

std::size_t count_of(const std::vector<Index>& shape) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  return static_cast<std::size_t>(count);
}

// What lies in a buffer beside the view: a number that no draw makes.
constexpr double beside_the_view = 77;

// The second dim innermost, the others in order around it.
bool is_channels_last(const TensorSpec& spec) {
  Index step = 1;
  const auto next = [&](std::size_t d) {
    const bool holds = spec.shape[d] < 2 || spec.strides[d] == step;
    step *= spec.shape[d];
    return holds;
  };
  bool holds = next(1);
  for (std::size_t d = spec.shape.size(); d-- > 2;) holds = next(d) && holds;
  return next(0) && holds;
}

}  // namespace

std::vector<double> contents_of(const Script& script, ValueId value) {
  const gp_tensor& tensor = script.tensors[script.steps[script.step_of(value)].op];
  std::vector<double> contents;
  for (const std::size_t place : elements_of_view(script, tensor)) contents.push_back(script.element(tensor, place));
  return contents;
}

// --- memory ---

void RandomDraw::lay_out(TensorSpec& spec, Axis axis, bool may_overlap) {
  if (count_of(spec.shape) == 0 || contiguous_) return;
  if (const auto asked = wanted_.get<LayoutClass>(axis)) {
    const bool overlaps = *asked == LayoutClass::expanded || *asked == LayoutClass::overlapping;
    return lay_out_as(spec, overlaps && !may_overlap ? LayoutClass::sliced : *asked);
  }
  if (!percent(22)) return;
  spec.offset = integer(0, 2);
  std::vector<std::size_t> order(spec.shape.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t d = order.size(); d > 1; --d) {
    std::swap(order[d - 1], order[static_cast<std::size_t>(integer(0, static_cast<Index>(d) - 1))]);
  }
  stride(spec, order, integer(1, 2), 20);
}

// Dims from the innermost; between the steps of one and the next a gap, so often.
void RandomDraw::stride(TensorSpec& spec, std::span<const std::size_t> order, Index step, int gaps_percent) {
  spec.strides.assign(spec.shape.size(), 0);
  for (const std::size_t d : order) {
    spec.strides[d] = step;
    step *= spec.shape[d] + (percent(gaps_percent) ? 1 : 0);
  }
  give_buffer(spec);
}

void RandomDraw::give_buffer(TensorSpec& spec) {
  Index reach = spec.offset;
  for (std::size_t d = 0; d < spec.strides.size(); ++d) reach += spec.strides[d] * (spec.shape[d] - 1);
  if (spec.strides.empty()) reach += static_cast<Index>(count_of(spec.shape)) - 1;
  spec.buffer_elements = static_cast<std::uint64_t>(reach + 1 + integer(0, 2));
}

void RandomDraw::lay_out_as(TensorSpec& spec, LayoutClass layout) {
  const std::size_t ndim = spec.shape.size();
  std::vector<std::size_t> outwards(ndim);
  for (std::size_t d = 0; d < ndim; ++d) outwards[d] = ndim - 1 - d;
  switch (layout) {
    case LayoutClass::offset:
      spec.offset = integer(1, 3);
      give_buffer(spec);
      return;
    case LayoutClass::transposed:
      std::reverse(outwards.begin(), outwards.end());
      stride(spec, outwards, 1, 0);
      return;
    case LayoutClass::sliced: stride(spec, outwards, 2, 30); return;
    case LayoutClass::channels_last:
      if (ndim < 4) return;
      std::rotate(outwards.begin(), outwards.end() - 2, outwards.end() - 1);
      stride(spec, outwards, 1, 0);
      return;
    case LayoutClass::expanded: {
      stride(spec, outwards, 1, 0);
      std::vector<std::size_t> several;
      for (std::size_t d = 0; d < ndim; ++d) {
        if (spec.shape[d] > 1) several.push_back(d);
      }
      if (!several.empty()) spec.strides[pick(several)] = 0;
      give_buffer(spec);
      return;
    }
    case LayoutClass::overlapping:
      spec.strides.assign(ndim, 1);
      give_buffer(spec);
      return;
    default: return;
  }
}

// Sizes of 1 have no say in it.
void RandomDraw::note_layout(const TensorSpec& spec, Axis axis) {
  std::vector<std::pair<Index, std::size_t>> dims;  // stride, dim
  for (std::size_t d = 0; d < spec.strides.size(); ++d) {
    if (spec.shape[d] > 1) dims.emplace_back(spec.strides[d], d);
  }
  if (spec.offset > 0) met_.note(axis, LayoutClass::offset);
  std::vector<std::pair<Index, std::size_t>> inwards = dims;
  std::stable_sort(inwards.begin(), inwards.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  Index reach = 0;
  bool dense = true;
  bool overlaps = false;
  for (auto at = inwards.rbegin(); at != inwards.rend(); ++at) {
    overlaps = overlaps || (at->first <= reach && at->first != 0);
    dense = dense && at->first == reach + 1;
    reach += at->first * (spec.shape[at->second] - 1);
  }
  const bool in_order = inwards == dims;
  if (!inwards.empty() && inwards.back().first == 0) return met_.note(axis, LayoutClass::expanded);
  if (overlaps) return met_.note(axis, LayoutClass::overlapping);
  if (dense && in_order) return met_.note(axis, LayoutClass::contiguous);
  if (!in_order) met_.note(axis, LayoutClass::transposed);
  if (!dense) met_.note(axis, LayoutClass::sliced);
  if (dense && spec.shape.size() > 3 && is_channels_last(spec)) met_.note(axis, LayoutClass::channels_last);
}

// --- contents ---

ValueId RandomDraw::place(Script& script, TensorSpec& spec, Axis layout, bool may_overlap, std::string_view name) {
  lay_out(spec, layout, may_overlap);
  const ValueId made = script.tensor(spec, name);
  const gp_tensor& tensor = script.tensors.back();
  if (spec.buffer_elements != 0) {
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) script.set_element(tensor, i, beside_the_view);
  }
  return made;
}

ValueId RandomDraw::tensor(Script& script, TensorSpec spec, const Aim& aim, std::string_view name) {
  const Axis layout = next_axis(Axis::layout, Axis::other_layout);
  const ValueId made = place(script, spec, layout, overlaps_, name);
  const gp_tensor& tensor = script.tensors.back();
  fill(script, tensor, aim);
  if (aim.record == nullptr) return made;  // not of the call
  note_layout(spec, layout);
  note_values(script, tensor, aim, next_axis(Axis::values, Axis::other_values));
  ++tensors_;
  return made;
}

ValueId RandomDraw::given(Script& script, TensorSpec spec, std::span<const double> values, std::string_view name) {
  const Axis layout = next_axis(Axis::layout, Axis::other_layout);
  const ValueId made = place(script, spec, layout, false, name);
  const gp_tensor& tensor = script.tensors.back();
  const std::vector<std::uint64_t> places = elements_of_view(script, tensor);
  for (std::size_t i = 0; i < places.size(); ++i) script.set_element(tensor, places[i], values[i]);
  note_layout(spec, layout);
  note_values(script, tensor, {}, next_axis(Axis::values, Axis::other_values));
  ++tensors_;
  return made;
}

ValueId RandomDraw::indices(Script& script, TensorSpec spec, Index low, Index high, std::string_view name) {
  const ValueId made = place(script, spec, Axis::other_layout, overlaps_, name);
  const gp_tensor& tensor = script.tensors.back();
  for (const std::size_t at : elements_of_view(script, tensor)) {
    script.set_element(tensor, at, static_cast<double>(integer(low, high)));
  }
  return made;
}

void RandomDraw::fill(Script& script, const gp_tensor& tensor, const Aim& aim) {
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  const auto asked = wanted_.get<ValueClass>(next_axis(Axis::values, Axis::other_values));
  if (asked && aim.record != nullptr) return fill_as(script, tensor, aim, *asked);
  const bool ties = aim.record != nullptr && aim.record->ties_matter;
  Index style = size_ < 20 ? integer(0, 69) : integer(0, 99);
  if (ties && percent(30)) style = 98;
  if (moderate_) style = 0;
  for (const std::size_t place : elements_of_view(script, tensor)) {
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
    remember(x);
  }
}

void RandomDraw::remember(double x) {
  if (recent_.size() < 8)
    recent_.push_back(x);
  else
    recent_[static_cast<std::size_t>(integer(0, 7))] = x;
}

double RandomDraw::of_class(ValueClass values, gp_dtype dtype, const Aim& aim) {
  const NumberFormat& format = format_of(dtype);
  const double side = percent(50) ? 1 : -1;
  const auto scaled = [&](double by, Index low, Index high) {
    return within(dtype, aim.domain, side * std::ldexp(by, static_cast<int>(integer(low, high))) * (1 + unit()));
  };
  switch (values) {
    case ValueClass::integers: return small_integer(dtype, aim.domain);
    case ValueClass::units: return within(dtype, aim.domain, side);
    case ValueClass::on_landmark: {
      const std::vector<Mark> marks = marks_of(dtype, aim);
      return marks.empty() ? small_integer(dtype, aim.domain) : within(dtype, aim.domain, pick(marks).at);
    }
    case ValueClass::near_landmark: {
      const std::vector<Mark> marks = marks_of(dtype, aim);
      return marks.empty() ? moderate(dtype, aim.domain) : beside(dtype, aim.domain, pick(marks).at);
    }
    case ValueClass::tail: return tail(dtype, aim.domain);
    case ValueClass::tiny: return scaled(format.least_normal, 0, 6);
    case ValueClass::subnormal: return scaled(format.least_normal, -6, -2);
    case ValueClass::huge: return scaled(format.max, -9, -3);
    default: return moderate(dtype, aim.domain);
  }
}

// At every place where the class is of all elements; else at some, one at least.
void RandomDraw::fill_as(Script& script, const gp_tensor& tensor, const Aim& aim, ValueClass values) {
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  const std::vector<std::uint64_t> places = elements_of_view(script, tensor);
  const Index count = std::ssize(places);
  if (count == 0) return;
  const Index hot = integer(0, count - 1);
  const Index second = count < 2 ? hot : (hot + integer(1, count - 1)) % count;
  const double tie = percent(50) ? moderate(dtype, aim.domain) : remembered(dtype, aim.domain);
  const bool all = values == ValueClass::integers || values == ValueClass::units || percent(40);
  for (Index i = 0; i < count; ++i) {
    const bool chosen = i == hot || i == second;
    double x = 0;
    switch (values) {
      case ValueClass::one_zero: x = i == hot ? 0 : moderate(dtype, aim.domain); break;
      case ValueClass::some_zeros: x = chosen || percent(30) ? 0 : moderate(dtype, aim.domain); break;
      case ValueClass::all_zeros: break;
      case ValueClass::ties: x = chosen || percent(40) ? tie : moderate(dtype, aim.domain); break;
      default: x = all || i == hot || percent(30) ? of_class(values, dtype, aim) : moderate(dtype, aim.domain); break;
    }
    x = within(dtype, aim.domain, x);
    script.set_element(tensor, places[static_cast<std::size_t>(i)], x);
    remember(x);
  }
}

void RandomDraw::note_values(const Script& script, const gp_tensor& tensor, const Aim& aim, Axis axis) {
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  const NumberFormat& format = format_of(dtype);
  const std::vector<std::uint64_t> places = elements_of_view(script, tensor);
  if (places.empty()) return;
  const std::vector<Mark> marks = marks_of(dtype, aim);
  std::vector<double> seen;
  std::size_t zeros = 0;
  bool integers = true;
  bool units = true;
  for (const std::size_t place : places) {
    const double x = script.element(tensor, place);
    const double size = std::fabs(x);
    integers = integers && x == std::trunc(x) && size < 100;
    units = units && size == 1;
    for (const Mark& mark : marks) {
      if (x == mark.at) met_.note(axis, ValueClass::on_landmark);
      if (x != mark.at && std::fabs(x - mark.at) <= 0.25) met_.note(axis, ValueClass::near_landmark);
    }
    if (x == 0) {
      ++zeros;
      continue;
    }
    seen.push_back(x);
    if (size < format.least_normal) met_.note(axis, ValueClass::subnormal);
    if (size >= format.least_normal && size < 256 * format.least_normal) met_.note(axis, ValueClass::tiny);
    if (size > format.max / 2048) met_.note(axis, ValueClass::huge);
    if (size >= 8 && size <= 64) met_.note(axis, ValueClass::tail);
    if (size >= 0x1p-4 && size <= 8 && x != std::trunc(x)) met_.note(axis, ValueClass::generic);
  }
  std::sort(seen.begin(), seen.end());
  if (std::adjacent_find(seen.begin(), seen.end()) != seen.end()) met_.note(axis, ValueClass::ties);
  if (integers) met_.note(axis, ValueClass::integers);
  if (units) met_.note(axis, ValueClass::units);
  if (zeros == places.size()) met_.note(axis, ValueClass::all_zeros);
  if (zeros == 1 && places.size() > 1) met_.note(axis, ValueClass::one_zero);
  if (zeros > 1 && zeros < places.size()) met_.note(axis, ValueClass::some_zeros);
}

// --- seeds ---

SeedKind RandomDraw::seed_kind() {
  if (const auto asked = wanted_.get<SeedKind>(Axis::seed)) return *asked;
  const Index roll = integer(0, 99);
  return roll < 5    ? SeedKind::zero
         : roll < 15 ? SeedKind::one_hot
         : roll < 30 ? SeedKind::ones
         : roll < 45 ? SeedKind::weights
                     : SeedKind::random;
}

ValueId RandomDraw::seed(Script& script, TensorSpec spec, SeedKind kind, std::string_view name) {
  const ValueId made = place(script, spec, Axis::seed_layout, overlaps_, name);
  const gp_tensor& tensor = script.tensors.back();
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  const std::vector<std::uint64_t> places = elements_of_view(script, tensor);
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
  if (places.empty()) return made;
  note_layout(spec, Axis::seed_layout);
  if (kind != SeedKind::dyadic) met_.note(Axis::seed, kind);
  return made;
}

}  // namespace gradproof
