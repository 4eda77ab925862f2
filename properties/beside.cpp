#include "properties/beside.h"

#include <cstring>

#include "oracle/fills.h"
#include "oracle/twin.h"
#include "properties/steps.h"

namespace gradproof {

namespace {

// Of elements, before a tensor's buffer and after it.
constexpr std::uint64_t margin = 64;

// The script with its tensors' buffers widened at both ends, and all that lies beside what they show set to `beside`.
Script amid(const Script& script, double beside) {
  Script made = script;
  for (gp_tensor& tensor : made.tensors) {
    if (tensor.memory != GP_GIVEN || tensor.buffer_elements + 2 * margin > Limits::elements) continue;
    const gp_tensor before = tensor;
    const std::size_t width = size_of(static_cast<gp_dtype>(tensor.dtype));
    tensor.data = (made.data.size() + 7) / 8 * 8;
    tensor.buffer_elements += 2 * margin;
    tensor.offset += static_cast<Index>(margin);
    made.data.resize(tensor.data + tensor.buffer_elements * width);
    for (std::uint64_t i = 0; i < tensor.buffer_elements; ++i) made.set_element(tensor, i, beside);
    const std::vector<std::uint64_t> from = elements_of_view(script, before);
    const std::vector<std::uint64_t> to = elements_of_view(made, tensor);
    for (std::size_t i = 0; i < from.size(); ++i) {
      std::memcpy(made.data.data() + tensor.data + to[i] * width, made.data.data() + before.data + from[i] * width,
                  width);
    }
  }
  return made;
}

Observations observe(Engine& engine, const Script& script, int fill) {
  engine.set_fill(fill);
  const gp_program program = script.view();
  Observations seen;
  engine.prepare(program)->run(program.data, seen);
  engine.set_fill(-1);
  return seen;
}

}  // namespace

std::optional<std::uint32_t> reads_beside_arguments(Engine& engine, const Script& script, const Observations& seen,
                                                    std::uint32_t call) {
  // 0 and 1 are indices and booleans, too.
  const Observations one = observe(engine, amid(script, 0), fills[0]);
  const Observations other = observe(engine, amid(script, 1), fills[1]);
  const gp_step& made = script.steps[call];
  for (const gp_observation& item : seen.items) {
    if (item.status != GP_VALUE || script.steps[item.step].kind != GP_READ) continue;
    const ValueId value = value_read(script, item.step);
    if (value < made.first_result || value >= made.first_result + made.result_count) continue;
    const gp_observation* a = one.at(item.step);
    const gp_observation* b = other.at(item.step);
    if (a == nullptr || b == nullptr) continue;
    if (a->status != b->status || a->elements != b->elements) return item.step;
    const auto left = one.bytes_of(*a);
    const auto right = other.bytes_of(*b);
    if (!std::equal(left.begin(), left.end(), right.begin(), right.end())) return item.step;
  }
  return std::nullopt;
}

}  // namespace gradproof
