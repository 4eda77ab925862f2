#include "campaign/shrink.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "campaign/script_edit.h"
#include "oracle/twin.h"

namespace gradproof {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t most_elements_one_by_one = 16;
constexpr Index most_entries_tried = 8;

// 0 is the plainest number, then 1, -1, small integers, short fractions.
std::uint64_t oddity_of(double value) {
  if (value == 0) return std::signbit(value) ? 2 : 0;
  if (value == 1) return 1;
  if (value == -1) return 2;
  if (!std::isfinite(value)) return 3;
  int exponent = 0;
  double rest = std::fabs(std::frexp(value, &exponent));
  std::uint64_t bits = 0;
  while (rest != 0) {
    rest = rest * 2 - std::floor(rest * 2);
    ++bits;
  }
  const bool integer = value == std::floor(value) && std::fabs(value) <= 1024;
  return 4 + (value < 0 ? 1 : 0) + (integer ? 0 : 4) + bits;
}

double with_bits(double value, int bits) {
  int exponent = 0;
  const double rest = std::frexp(value, &exponent);
  return std::ldexp(std::round(std::ldexp(rest, bits)), exponent - bits);
}

class Shrinker {
 public:
  Shrinker(const Script& failing, const Schemas& schemas, const ShrinkQuestions& ask, const ShrinkLimits& limits)
      : best_(failing),
        size_(size_of(failing)),
        schemas_(schemas),
        ask_(ask),
        left_(limits.candidates),
        end_(Clock::now() + limits.time) {}

  Script run() {
    bool better = true;
    while (better && !spent()) {
      better = repeat(&Shrinker::steps);
      better = repeat(&Shrinker::leaves) || better;
      better = repeat(&Shrinker::lists) || better;
      better = repeat(&Shrinker::shapes) || better;
      better = repeat(&Shrinker::layouts) || better;
      better = repeat(&Shrinker::calls) || better;
      better = repeat(&Shrinker::flags) || better;
      better = repeat(&Shrinker::values) || better;
    }
    return std::move(best_);
  }

 private:
  // A pass takes one candidate, or finds that there is none.
  bool repeat(bool (Shrinker::*pass)()) {
    bool better = false;
    while (!spent() && (this->*pass)()) better = true;
    return better;
  }

  bool spent() const { return left_ == 0 || Clock::now() >= end_; }

  bool take(std::optional<Script> candidate) {
    if (!candidate || spent()) return false;
    const ScriptSize size = size_of(*candidate);
    if (!(size < size_)) return false;
    --left_;
    try {
      if (!ask_.still_fails(*candidate)) return false;
    } catch (const std::exception&) {
      return false;
    }
    best_ = std::move(*candidate);
    size_ = size;
    return true;
  }

  // A candidate of other sizes; where its seeds no longer fit, with seeds that do.
  bool take_fitted(std::optional<Script> candidate) {
    if (!candidate || !(size_of(*candidate) < size_)) return false;
    if (take(*candidate)) return true;
    return ask_.values && !spent() && take(with_seeds_fitted(*candidate, ask_.values(*candidate)));
  }

  std::uint32_t step_count() const { return static_cast<std::uint32_t>(best_.steps.size()); }

  // From the end: what others need comes first, and goes last. Halves of the script, quarters, and so on down to one.
  bool steps() {
    bool better = false;
    for (std::uint32_t length = step_count() / 2; length >= 1 && !spent(); length /= 2) {
      std::uint32_t end = step_count();
      while (end > 0) {
        const std::uint32_t first = end - std::min(end, length);
        const bool taken = take(without_steps(best_, first, end - first)) || (length == 1 && pass_on(first));
        better = better || taken;
        end = std::min(taken && length == 1 ? end : first, step_count());
      }
    }
    return better;
  }

  bool pass_on(std::uint32_t step) {
    for (std::uint32_t a = 0; a < best_.steps[step].arg_count; ++a) {
      if (take(bypassed(best_, step, a))) return true;
    }
    return false;
  }

  // The leaves a value comes of.
  std::set<ValueId> inputs_of(std::uint32_t step) const {
    std::set<ValueId> leaves;
    std::set<std::uint32_t> seen;
    std::vector<std::uint32_t> open{step};
    while (!open.empty()) {
      const std::uint32_t at = open.back();
      open.pop_back();
      if (!seen.insert(at).second) continue;
      const gp_step& maker = best_.steps[at];
      if (maker.kind == GP_TENSOR && (best_.tensors[maker.op].flags & GP_REQUIRES_GRAD) != 0)
        leaves.insert(maker.first_result);
      for (const gp_arg& arg : best_.args_of(maker)) {
        if (arg.kind == GP_ARG_VALUE) open.push_back(best_.step_of(static_cast<ValueId>(arg.u.index)));
        for (std::uint64_t i = 0; arg.kind == GP_ARG_VALUES && i < arg.count; ++i) {
          const ValueId id = best_.ids[arg.u.index + i];
          if (id != GP_NO_VALUE) open.push_back(best_.step_of(id));
        }
      }
    }
    return leaves;
  }

  // What a call made, as a leaf: from the end, where most comes before.
  bool leaves() {
    if (!ask_.values) return false;
    const StepValues values = ask_.values(best_);
    for (std::uint32_t i = step_count(); i-- > 0;) {
      if (i >= values.size() || !values[i]) continue;
      for (const ValueId input : inputs_of(i)) {
        if (take(with_leaf(best_, i, *values[i], input))) return true;
      }
      if (take(with_leaf(best_, i, *values[i], GP_NO_VALUE))) return true;
    }
    return false;
  }

  bool lists() {
    for (std::uint32_t i = 0; i < step_count(); ++i) {
      for (std::uint32_t a = 0; a < best_.steps[i].arg_count; ++a) {
        for (std::uint32_t entry = best_.args_of(best_.steps[i])[a].count; entry-- > 0;) {
          if (take(without_entry(best_, i, a, entry))) return true;
        }
      }
    }
    return false;
  }

  bool shapes() {
    std::set<Index, std::greater<>> sizes;
    for (const gp_tensor& tensor : best_.tensors) {
      for (std::uint32_t d = 0; d < tensor.ndim; ++d) sizes.insert(best_.ints[tensor.shape + d]);
    }
    for (const Index size : sizes) {
      for (const Index to : {Index{1}, size / 2, size - 1}) {
        if (to >= 1 && to < size && sizes_cut(size, to)) return true;
      }
    }
    return dims() || dims_cut();
  }

  // To the entries from any on, for the first few; what is at fault may be the last alone.
  bool sizes_cut(Index size, Index to) {
    for (Index first = 0; first + to <= size && first < most_entries_tried; ++first) {
      for (const bool as_it_lies : {false, true}) {
        for (const bool in_calls : {false, true}) {
          if (take_fitted(with_size(best_, {size, to, first, in_calls, as_it_lies}))) return true;
        }
      }
    }
    return false;
  }

  // The same dimension of all tensors that have as many, then of one. `oddities` counts dimensions.
  bool dims() {
    for (std::uint32_t d = 0; d < GP_MAX_DIMS; ++d) {
      std::optional<Script> all = best_;
      for (std::size_t t = 0; t < best_.tensors.size() && all; ++t) {
        if (d >= best_.tensors[t].ndim) continue;
        if (auto next = with_dim_dropped(*all, t, d)) all = std::move(next);
      }
      if (take(std::move(all))) return true;
      for (std::size_t t = 0; t < best_.tensors.size(); ++t) {
        if (take(with_dim_dropped(best_, t, d))) return true;
      }
    }
    return false;
  }

  // One dimension of one tensor and of those of its shape (its tangent), or of it alone.
  bool dims_cut() {
    for (std::size_t t = 0; t < best_.tensors.size(); ++t) {
      for (std::uint32_t d = 0; d < best_.tensors[t].ndim; ++d) {
        const Index size = best_.ints[best_.tensors[t].shape + d];
        for (const Index to : {Index{1}, size / 2, size - 1}) {
          if (to < 1 || to >= size) continue;
          if (take_fitted(with_dim_cut(best_, t, d, to, true)) || take_fitted(with_dim_cut(best_, t, d, to, false)))
            return true;
        }
      }
    }
    return false;
  }

  bool layouts() {
    for (std::size_t t = 0; t < best_.tensors.size(); ++t) {
      if (take(made_contiguous(best_, t))) return true;
    }
    return false;
  }

  bool calls() {
    for (std::uint32_t i = 0; i < best_.steps.size(); ++i) {
      for (std::uint32_t a = 0; a < best_.steps[i].arg_count; ++a) {
        if (take(with_default(best_, i, a, schemas_))) return true;
        if (simpler_argument(i, a)) return true;
      }
    }
    return false;
  }

  bool simpler_argument(std::uint32_t step, std::uint32_t argument) {
    const std::size_t at = best_.steps[step].first_arg + argument;
    if (best_.steps[step].kind != GP_CALL && best_.steps[step].kind != GP_HOOK) return false;
    if (best_.args[at].kind == GP_ARG_INT) return simpler_integer(at);
    if (best_.args[at].kind != GP_ARG_REAL) return false;
    const double value = best_.args[at].u.real;
    for (const double simpler : {0.0, 1.0, -1.0, std::round(value), with_bits(value, 2)}) {
      if (!(oddity_of(simpler) < oddity_of(value))) continue;
      Script candidate = best_;
      candidate.args[at].u.real = simpler;
      if (take(std::move(candidate))) return true;
    }
    return false;
  }

  bool simpler_integer(std::size_t at) {
    const Index value = best_.args[at].u.integer;
    for (const Index simpler : {Index{0}, Index{1}, Index{-1}, value / 2, value - (value > 0 ? 1 : -1)}) {
      if (!(oddity_of(static_cast<double>(simpler)) < oddity_of(static_cast<double>(value)))) continue;
      Script candidate = best_;
      candidate.args[at].u.integer = simpler;
      if (take(std::move(candidate))) return true;
    }
    return false;
  }

  bool flags() {
    for (std::size_t t = 0; t < best_.tensors.size(); ++t) {
      for (const int flag : {GP_REQUIRES_GRAD, GP_PINNED}) {
        if ((best_.tensors[t].flags & flag) == 0) continue;
        Script candidate = best_;
        candidate.tensors[t].flags = static_cast<std::uint8_t>(candidate.tensors[t].flags & ~flag);
        if (take(std::move(candidate))) return true;
      }
    }
    for (std::size_t i = 0; i < best_.steps.size(); ++i) {
      for (const int flag : {GP_CREATE_GRAPH, GP_RETAIN_GRAPH, GP_ALLOW_UNUSED}) {
        if ((best_.steps[i].flags & flag) == 0) continue;
        Script candidate = best_;
        candidate.steps[i].flags = static_cast<std::uint16_t>(candidate.steps[i].flags & ~flag);
        if (take(std::move(candidate))) return true;
      }
    }
    return false;
  }

  bool values() {
    for (std::size_t t = 0; t < best_.tensors.size(); ++t) {
      if (best_.tensors[t].memory != GP_GIVEN) continue;
      const std::vector<std::size_t> at = elements_of_view(best_, best_.tensors[t]);
      if (at.empty()) continue;
      if (whole(t, at)) return true;
      if (at.size() > most_elements_one_by_one) continue;
      for (const std::size_t position : at) {
        if (element(t, position)) return true;
      }
    }
    return false;
  }

  bool set(std::size_t tensor, const std::vector<std::size_t>& at, const std::function<double(double)>& change) {
    Script candidate = best_;
    const gp_tensor& spec = candidate.tensors[tensor];
    for (const std::size_t position : at)
      candidate.set_element(spec, position, change(candidate.element(spec, position)));
    return take(std::move(candidate));
  }

  // All zero, all one, the first alone (a one-hot seed), all rounded.
  bool whole(std::size_t tensor, const std::vector<std::size_t>& at) {
    if (set(tensor, at, [](double) { return 0; })) return true;
    if (set(tensor, at, [](double) { return 1; })) return true;
    bool first = true;
    if (set(tensor, at, [&first](double) { return std::exchange(first, false) ? 1 : 0; })) return true;
    if (set(tensor, at, [](double value) { return std::round(value); })) return true;
    for (std::size_t length = at.size() / 2; length >= 2; length /= 2) {
      for (std::size_t from = 0; from < at.size(); from += length) {
        const auto first = at.begin() + static_cast<std::ptrdiff_t>(from);
        const auto last = at.begin() + static_cast<std::ptrdiff_t>(std::min(from + length, at.size()));
        if (set(tensor, {first, last}, [](double) { return 0; })) return true;
      }
    }
    return set(tensor, at, [](double value) { return with_bits(value, 3); });
  }

  bool element(std::size_t tensor, std::size_t position) {
    const double value = best_.element(best_.tensors[tensor], position);
    for (const double simpler : {0.0, 1.0, -1.0, std::round(value), with_bits(value, 1), with_bits(value, 3),
                                 with_bits(value, 6), with_bits(value, 10)}) {
      if (!(oddity_of(simpler) < oddity_of(value))) continue;
      if (set(tensor, {position}, [simpler](double) { return simpler; })) return true;
    }
    return false;
  }

  Script best_;
  ScriptSize size_;
  const Schemas& schemas_;
  const ShrinkQuestions& ask_;
  std::size_t left_;
  Clock::time_point end_;
};

std::uint64_t oddities_of(const Script& script, const gp_tensor& tensor, const std::vector<std::size_t>& at) {
  std::uint64_t oddities =
      2 * tensor.ndim + ((tensor.flags & GP_REQUIRES_GRAD) != 0 ? 1 : 0) + ((tensor.flags & GP_PINNED) != 0 ? 1 : 0);
  const bool plain = tensor.strides == GP_CONTIGUOUS && tensor.offset == 0 && tensor.buffer_elements == at.size();
  if (!plain) oddities += 1;
  if (tensor.memory != GP_GIVEN) return oddities;
  for (const std::size_t position : at) oddities += oddity_of(script.element(tensor, position));
  return oddities;
}

std::uint64_t oddities_of(const gp_step& step, const gp_arg& arg) {
  if (arg.kind == GP_ARG_VALUES) return arg.count;
  if (arg.kind == GP_ARG_DEFAULT || arg.kind == GP_ARG_VALUE) return 0;
  if (step.kind != GP_CALL && step.kind != GP_HOOK) return 0;
  switch (arg.kind) {
    case GP_ARG_REAL: return 1 + oddity_of(arg.u.real);
    case GP_ARG_INT: return 1 + oddity_of(static_cast<double>(arg.u.integer));
    case GP_ARG_INTS:
    case GP_ARG_REALS:
    case GP_ARG_BOOLS: return 1 + arg.count;
    default: return 1;
  }
}

}  // namespace

bool operator<(const ScriptSize& a, const ScriptSize& b) {
  return std::tie(a.steps, a.elements, a.oddities) < std::tie(b.steps, b.elements, b.oddities);
}

ScriptSize size_of(const Script& script) {
  ScriptSize size;
  size.steps = script.steps.size();
  for (const gp_step& step : script.steps) {
    if (step.kind == GP_TENSOR) {
      const gp_tensor& tensor = script.tensors[step.op];
      const std::vector<std::size_t> at = elements_of_view(script, tensor);
      size.elements += at.size();
      size.oddities += oddities_of(script, tensor, at);
    }
    for (int flags = step.flags; flags != 0; flags &= flags - 1) ++size.oddities;
    for (const gp_arg& arg : script.args_of(step)) size.oddities += oddities_of(step, arg);
  }
  return size;
}

Script shrink(const Script& failing, const Schemas& schemas, const ShrinkQuestions& ask, const ShrinkLimits& limits) {
  return Shrinker(failing, schemas, ask, limits).run();
}

}  // namespace gradproof
