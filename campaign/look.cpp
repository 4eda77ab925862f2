#include "campaign/look.h"

#include "engine/reference.h"
#include "script/number.h"

namespace gradproof {
namespace {

// The same shapes and gradients: the reference as an engine has no halves.
void widen_halves(Script& script) {
  for (gp_tensor& tensor : script.tensors) {
    const auto dtype = static_cast<gp_dtype>(tensor.dtype);
    if (dtype != GP_F16 && dtype != GP_BF16) continue;
    tensor.dtype = GP_F32;
    if (tensor.memory != GP_GIVEN) continue;
    const std::size_t from = tensor.data;
    tensor.data = (script.data.size() + 7) / 8 * 8;
    script.data.resize(tensor.data + tensor.buffer_elements * sizeof(float));
    for (std::uint64_t i = 0; i < tensor.buffer_elements; ++i) {
      script.set_element(tensor, i, load_number(dtype, script.data.data() + from + i * size_of(dtype)));
    }
  }
}

}  // namespace

Look look(const Script& script, std::span<const Glance> glances, const Registry& registry, const EngineInfo& modelled) {
  Look out;
  Script run = script;
  run.expectations.clear();
  run.steps.clear();
  bool in_lane = false;
  for (std::uint32_t i = 0; i <= script.steps.size(); ++i) {
    for (; !glances.empty() && glances.front().before <= i; glances = glances.subspan(1)) {
      out.step_of_glance.push_back(in_lane ? GP_NO_VALUE : run.read(glances.front().value));
    }
    if (i == script.steps.size()) break;
    const gp_step& step = script.steps[i];
    if (step.kind == GP_PARALLEL) in_lane = script.args_of(step)[0].u.integer != GP_PARALLEL_END;
    out.step_of_step.push_back(static_cast<std::uint32_t>(run.steps.size()));
    run.steps.push_back(step);
  }
  widen_halves(run);
  make_reference(registry, modelled)->prepare(run.view())->run(run.data.data(), out.seen);
  return out;
}

}  // namespace gradproof
