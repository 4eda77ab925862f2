#include "properties/steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "oracle/describe.h"

namespace gradproof {

TensorSpec Build::spec(std::span<const Index> shape, bool requires_grad) const {
  TensorSpec made;
  made.dtype = subject.dtype;
  made.shape.assign(shape.begin(), shape.end());
  made.device = subject.device;
  made.requires_grad = requires_grad;
  return made;
}

const std::vector<Index>& Build::shape_of(ValueId tensor) const {
  const auto at = std::find(call.tensors.begin(), call.tensors.end(), tensor) - call.tensors.begin();
  return call.shapes.at(static_cast<std::size_t>(at));
}

std::vector<ValueId> Build::seeds(std::string_view name, SeedKind kind, bool requires_grad) {
  std::vector<ValueId> made;
  for (const std::size_t root : call.roots()) {
    made.push_back(draw.seed(script, spec(call.results[root].shape, requires_grad), kind, numbered(name, root)));
  }
  return made;
}
std::vector<ValueId> Build::seeds(std::string_view name, bool requires_grad) {
  return seeds(name, draw.seed_kind(), requires_grad);
}

std::vector<ValueId> Build::leaf_seeds(std::string_view name) {
  std::vector<ValueId> made;
  for (std::size_t i = 0; i < call.leaves.size(); ++i) {
    made.push_back(draw.seed(script, spec(shape_of(call.leaves[i])), draw.seed_kind(), numbered(name, i)));
  }
  return made;
}

bool Build::single_elements() const {
  const std::vector<std::size_t> roots = call.roots();
  return std::all_of(roots.begin(), roots.end(), [&](std::size_t root) {
    const std::vector<Index>& shape = call.results[root].shape;
    return std::all_of(shape.begin(), shape.end(), [](Index size) { return size == 1; });
  });
}

bool Build::has_elements() const {
  const std::vector<std::size_t> roots = call.roots();
  return std::all_of(roots.begin(), roots.end(), [&](std::size_t root) {
    const std::vector<Index>& shape = call.results[root].shape;
    return std::all_of(shape.begin(), shape.end(), [](Index size) { return size > 0; });
  });
}

ValueId Build::add(ValueId a, ValueId b, std::string_view name) {
  return script.call(script.op("add", "Tensor"), std::array{script.arg(a), script.arg(b), script.arg_default()}, 1,
                     name);
}
ValueId Build::mul(ValueId a, ValueId b, std::string_view name) {
  return script.call(script.op("mul", "Tensor"), std::array{script.arg(a), script.arg(b)}, 1, name);
}
ValueId Build::scale(ValueId a, double by, std::string_view name) {
  return script.call(script.op("mul", "Scalar"), std::array{script.arg(a), script.arg_real(by)}, 1, name);
}
ValueId Build::sum(ValueId a, std::string_view name) {
  return script.call(script.op("sum", ""), std::array{script.arg(a), script.arg_default()}, 1, name);
}
ValueId Build::unary(std::string_view op, ValueId a, std::string_view name) {
  return script.call(script.op(op, ""), std::array{script.arg(a)}, 1, name);
}
ValueId Build::scale_in_place(ValueId a, double by) {
  return script.call(script.op("mul_", "Scalar"), std::array{script.arg(a), script.arg_real(by)}, 1);
}

void Build::read(std::span<const ValueId> values) {
  for (const ValueId value : values) script.read(value);
}

void Build::read_gradients() {
  for (const ValueId leaf : call.leaves) script.read(script.grad_of(leaf));
}

std::vector<ValueId> Build::gradients(std::span<const ValueId> roots, std::span<const ValueId> seeds,
                                      std::string_view name, unsigned flags) {
  const ValueId first = script.grad(roots, seeds, call.leaves, flags);
  std::vector<ValueId> made;
  script.names.resize(script.value_count);
  for (std::size_t i = 0; i < call.leaves.size(); ++i) {
    made.push_back(first + static_cast<ValueId>(i));
    if (!name.empty()) script.names[made.back()] = numbered(name, i);
  }
  return made;
}

std::optional<ValueId> value_named(const Script& script, std::string_view name) {
  const auto found = std::find(script.names.begin(), script.names.end(), name);
  if (found == script.names.end()) return std::nullopt;
  return static_cast<ValueId>(found - script.names.begin());
}

ValueId value_read(const Script& script, std::uint32_t step) {
  return static_cast<ValueId>(script.args_of(script.steps[step])[0].u.index);
}

std::optional<std::uint32_t> read_of(const Script& script, ValueId value) {
  for (std::uint32_t i = 0; i < script.steps.size(); ++i) {
    if (script.steps[i].kind == GP_READ && value_read(script, i) == value) return i;
  }
  return std::nullopt;
}

std::optional<ValueId> owner_of_gradient(const Script& script, ValueId value) {
  const gp_step& step = script.steps[script.step_of(value)];
  if (step.kind != GP_GRAD_OF) return std::nullopt;
  return static_cast<ValueId>(script.args_of(step)[0].u.index);
}

std::vector<std::uint32_t> gradient_reads_of(const Script& script, ValueId leaf) {
  std::vector<std::uint32_t> reads;
  for (std::uint32_t i = 0; i < script.steps.size(); ++i) {
    if (script.steps[i].kind == GP_READ && owner_of_gradient(script, value_read(script, i)) == leaf) reads.push_back(i);
  }
  return reads;
}

bool requires_grad(const Script& script, ValueId tensor) {
  const gp_step& step = script.steps[script.step_of(tensor)];
  return step.kind == GP_TENSOR && (script.tensors[step.op].flags & GP_REQUIRES_GRAD) != 0;
}

bool same_bits(const Observations& seen, const gp_observation& a, const gp_observation& b) {
  return same_bits_in(seen, a, seen, b);
}

bool same_bits_in(const Observations& of_a, const gp_observation& a, const Observations& of_b,
                  const gp_observation& b) {
  if (a.status != b.status || a.error != b.error || a.dtype != b.dtype) return false;
  if (a.status != GP_VALUE) return true;
  if (a.ndim != b.ndim || !std::equal(a.shape, a.shape + a.ndim, b.shape)) return false;
  const auto left = of_a.bytes_of(a);
  const auto right = of_b.bytes_of(b);
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

namespace {

struct Side {
  std::uint32_t step = 0;
  double got = 0;
  Judge::Ball64 ball{};
};

// |a - b| within the radii of both, and what their midpoints already differ by.
bool agree(const Side& a, const Side& b) {
  const long double slack = a.ball.rad + b.ball.rad + std::fabs(a.ball.mid - b.ball.mid);
  if (!std::isfinite(slack)) return true;
  return std::fabs(static_cast<long double>(a.got) - static_cast<long double>(b.got)) <= slack;
}

}  // namespace

void judge_pairs(Session& session, const Script& script, const Observations& seen, Verdict& verdict) {
  if (!verdict.decided() || verdict.outcome == Outcome::fail) return;
  for (std::size_t i = 0;; ++i) {
    const auto left = value_named(script, numbered("left", i));
    const auto right = value_named(script, numbered("right", i));
    if (!left || !right) return;
    const auto left_step = read_of(script, *left);
    const auto right_step = read_of(script, *right);
    if (!left_step || !right_step) return;
    const gp_observation* l = seen.at(*left_step);
    const gp_observation* r = seen.at(*right_step);
    if (l == nullptr || r == nullptr || l->status != GP_VALUE || r->status != GP_VALUE) continue;
    for (std::uint64_t e = 0; e < std::min(l->elements, r->elements); ++e) {
      const Side a{*left_step, seen.element(*l, e), session.judge().enclosure(*left_step, e)};
      const Side b{*right_step, seen.element(*r, e), session.judge().enclosure(*right_step, e)};
      if (agree(a, b)) continue;
      verdict.outcome = Outcome::fail;
      verdict.severity = Severity::wrong;
      verdict.reason = "an identity is broken";
      verdict.evidence = {};
      verdict.evidence.step = a.step;
      verdict.evidence.what = describe_entry(script, seen, a.step, e);
      verdict.evidence.expected = fmt::format("{:.9g} (as {})", b.got, describe_entry(script, seen, b.step, e));
      verdict.evidence.got = fmt::format("{:.9g}", a.got);
      verdict.evidence.excess_radii = HUGE_VAL;
      return;
    }
  }
}

Verdict misbehaves(std::uint32_t step, std::string what, std::string expected, std::string got) {
  Verdict verdict;
  verdict.outcome = Outcome::fail;
  verdict.severity = Severity::misbehaving;
  verdict.reason = what;
  verdict.evidence.step = step;
  verdict.evidence.what = std::move(what);
  verdict.evidence.expected = std::move(expected);
  verdict.evidence.got = std::move(got);
  return verdict;
}

}  // namespace gradproof
