#include "properties/lifecycle/pure.h"

#include <algorithm>
#include <array>

#include "properties/lifecycle/facts.h"

namespace gradproof::lifecycle {

void Pure::start(const Script& of, bool kept) {
  kept_ = kept;
  counted_ = 0;
  recording_ = true;
  script_.clear();
  if (!kept) return;
  script_.args = of.args;
  script_.ops = of.ops;
  script_.tensors = of.tensors;
  script_.ids = of.ids;
  script_.ints = of.ints;
  script_.reals = of.reals;
  script_.text = of.text;
  script_.data = of.data;
}

void Pure::record(bool on) {
  if (on == recording_) return;
  recording_ = on;
  script_.no_grad(!on);
}

ValueId Pure::tensor(std::uint32_t spec) {
  if (!kept_) return count(1);
  gp_step step{};
  step.kind = GP_TENSOR;
  step.op = spec;
  step.first_arg = static_cast<std::uint32_t>(script_.args.size());
  step.first_result = script_.value_count++;
  step.result_count = 1;
  script_.steps.push_back(step);
  return step.first_result;
}

ValueId Pure::zeros(std::span<const Index> shape, gp_dtype dtype) {
  if (!kept_) return count(1);
  TensorSpec spec;
  spec.dtype = dtype;
  spec.shape.assign(shape.begin(), shape.end());
  spec.memory = GP_ZEROS;
  return script_.tensor(spec);
}

ValueId Pure::add(ValueId a, ValueId b, bool recording) {
  if (!kept_) return count(1);
  record(recording);
  return script_.call(script_.op("add", "Tensor"), std::array{script_.arg(a), script_.arg(b), script_.arg_default()});
}

ValueId Pure::scaled(ValueId a, double by, bool recording) {
  if (!kept_) return count(1);
  record(recording);
  return script_.call(script_.op("mul", "Scalar"), std::array{script_.arg(a), script_.arg_real(by)});
}

ValueId Pure::detach(ValueId a) { return kept_ ? script_.detach(a) : count(1); }

ValueId Pure::leaf(ValueId contents) {
  const ValueId made = detach(contents);
  if (kept_) script_.require_grad(made, true);
  return made;
}

ValueId Pure::shaped(ValueId a, std::span<const Index> shape, bool recording) {
  record(recording);
  return script_.call(script_.op("reshape", ""), std::array{script_.arg(a), script_.arg_ints(shape)});
}
ValueId Pure::flat(ValueId a, bool recording) {
  constexpr std::array<Index, 1> all{-1};
  return shaped(a, all, recording);
}

ValueId Pure::assembled(ValueId into, ValueId by, std::span<const Index> from, std::span<const Index> shape,
                        bool recording) {
  if (!kept_) return count(1);
  TensorSpec spec;
  spec.dtype = GP_I64;
  spec.shape = {std::ssize(from)};
  const ValueId places = script_.tensor(spec);
  std::copy(from.begin(), from.end(), script_.elements<Index>(script_.tensors.back()).begin());
  const std::array<ValueId, 2> parts{flat(into, recording), flat(by, recording)};
  record(recording);
  const ValueId joined = script_.call(script_.op("cat", ""), std::array{script_.arg_values(parts), script_.arg_int(0)});
  const ValueId chosen = script_.call(script_.op("index_select", ""),
                                      std::array{script_.arg(joined), script_.arg_int(0), script_.arg(places)});
  return shaped(chosen, shape, recording);
}

ValueId Pure::gradients(std::span<const ValueId> roots, std::span<const ValueId> seeds, std::span<const ValueId> wrt,
                        bool create_graph) {
  if (!kept_) return count(static_cast<std::uint32_t>(wrt.size()));
  const unsigned flags = GP_RETAIN_GRAPH | GP_ALLOW_UNUSED | (create_graph ? GP_CREATE_GRAPH : 0);
  return script_.grad(roots, seeds, wrt, flags);
}

void Pure::hook(ValueId at, double factor) {
  if (kept_) script_.hook(at, factor);
}

ValueId Pure::dual(ValueId primal, ValueId tangent, bool recording) {
  if (!kept_) return count(1);
  record(recording);
  return script_.dual(primal, tangent);
}
ValueId Pure::jvp(ValueId of) { return kept_ ? script_.jvp(of) : count(1); }
std::uint32_t Pure::read(ValueId value) { return kept_ ? script_.read(value) : 0; }

}  // namespace gradproof::lifecycle
