#include "campaign/tensor_edit.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "oracle/twin.h"
#include "script/layout.h"

namespace gradproof {
namespace {

std::vector<std::size_t> positions(const std::vector<Index>& shape, const std::vector<Index>& strides, Index offset) {
  std::vector<std::size_t> all;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return all;
  std::vector<Index> at(shape.size(), 0);
  while (true) {
    all.push_back(static_cast<std::size_t>(std::inner_product(at.begin(), at.end(), strides.begin(), offset)));
    std::size_t d = shape.size();
    while (d > 0 && ++at[d - 1] == shape[d - 1]) at[--d] = 0;
    if (d == 0) return all;
  }
}

// Gives a tensor a buffer of its own that holds what the view (shape, strides) of its old one showed.
void relay(Script& script, gp_tensor& tensor, const std::vector<Index>& shape, const std::vector<Index>& strides) {
  const std::vector<std::size_t> from = positions(shape, strides, tensor.offset);
  if (tensor.memory == GP_GIVEN) {
    const std::size_t width = size_of(static_cast<gp_dtype>(tensor.dtype));
    const std::size_t start = (script.data.size() + 7) / 8 * 8;
    script.data.resize(start + from.size() * width);
    for (std::size_t i = 0; i < from.size(); ++i) {
      std::memcpy(script.data.data() + start + i * width, script.data.data() + tensor.data + from[i] * width, width);
    }
    tensor.data = start;
  }
  tensor.ndim = static_cast<std::uint32_t>(shape.size());
  tensor.shape = static_cast<std::uint32_t>(script.ints.size());
  script.ints.insert(script.ints.end(), shape.begin(), shape.end());
  tensor.strides = GP_CONTIGUOUS;
  tensor.offset = 0;
  tensor.buffer_elements = from.size();
}

// A smaller view of the same buffer, which ends where the view does.
void reshape(Script& script, gp_tensor& tensor, const std::vector<Index>& shape, const std::vector<Index>& strides) {
  const std::vector<std::size_t> at = positions(shape, strides, tensor.offset);
  tensor.shape = static_cast<std::uint32_t>(script.ints.size());
  script.ints.insert(script.ints.end(), shape.begin(), shape.end());
  tensor.strides = static_cast<std::uint32_t>(script.ints.size());
  script.ints.insert(script.ints.end(), strides.begin(), strides.end());
  const auto end = at.empty() ? static_cast<std::size_t>(tensor.offset) : *std::max_element(at.begin(), at.end()) + 1;
  tensor.buffer_elements = std::min<std::uint64_t>(tensor.buffer_elements, end);
}

}  // namespace

std::optional<Script> with_dim_dropped(const Script& script, std::size_t tensor, std::uint32_t dim) {
  Script out = script;
  gp_tensor& spec = out.tensors[tensor];
  std::vector<Index> shape = shape_of(out, spec);
  std::vector<Index> strides = strides_of(out, spec);
  if (dim >= shape.size() || shape[dim] == 0) return {};
  shape.erase(shape.begin() + dim);
  strides.erase(strides.begin() + dim);
  relay(out, spec, shape, strides);
  return out;
}

std::optional<Script> with_size(const Script& script, const SizeChange& change) {
  const auto [from, to, first, in_calls, as_it_lies] = change;
  Script out = script;
  bool changed = false;
  for (gp_tensor& spec : out.tensors) {
    std::vector<Index> shape = shape_of(out, spec);
    const std::vector<Index> strides = strides_of(out, spec);
    if (std::find(shape.begin(), shape.end(), from) == shape.end()) continue;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] != from) continue;
      shape[d] = to;
      spec.offset += first * strides[d];
    }
    if (as_it_lies) {
      reshape(out, spec, shape, strides);
    } else {
      relay(out, spec, shape, strides);
    }
    changed = true;
  }
  for (const gp_step& step : out.steps) {
    if (!in_calls || step.kind != GP_CALL) continue;
    for (std::uint32_t a = 0; a < step.arg_count; ++a) {
      gp_arg& arg = out.args[step.first_arg + a];
      if (arg.kind == GP_ARG_INT && arg.u.integer == from) arg.u.integer = to;
      if (arg.kind != GP_ARG_INTS) continue;
      const auto integers = out.ints.begin() + static_cast<std::ptrdiff_t>(arg.u.index);
      std::replace(integers, integers + arg.count, from, to);
    }
  }
  if (!changed) return {};
  return out;
}

std::optional<Script> made_contiguous(const Script& script, std::size_t tensor) {
  const gp_tensor& spec = script.tensors[tensor];
  if (spec.strides == GP_CONTIGUOUS && spec.offset == 0 &&
      spec.buffer_elements == elements_of_view(script, spec).size())
    return {};
  Script out = script;
  relay(out, out.tensors[tensor], shape_of(script, spec), strides_of(script, spec));
  return out;
}

std::optional<Script> with_dim_cut(const Script& script, std::size_t tensor, std::uint32_t dim, Index to, bool alike) {
  Script out = script;
  const std::vector<Index> shape = shape_of(script, script.tensors[tensor]);
  if (dim >= shape.size() || to >= shape[dim]) return {};
  for (std::size_t t = 0; t < out.tensors.size(); ++t) {
    std::vector<Index> now = shape_of(out, out.tensors[t]);
    if (t != tensor && (!alike || now != shape)) continue;
    now[dim] = to;
    relay(out, out.tensors[t], now, strides_of(out, out.tensors[t]));
  }
  return out;
}

namespace {

// What lay at the same place, where there was such a place; ones where the shapes have nothing in common.
void fit(Script& script, gp_tensor& seed, const std::vector<Index>& shape) {
  const Script before = script;
  const gp_tensor old = seed;
  const std::vector<Index> old_shape = shape_of(before, old);
  const std::vector<Index> old_strides = strides_of(before, old);
  const bool alike = old_shape.size() == shape.size();
  std::vector<Index> strides(shape.size());
  Index elements = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = elements;
    elements *= shape[d];
  }
  seed.ndim = static_cast<std::uint32_t>(shape.size());
  seed.shape = static_cast<std::uint32_t>(script.ints.size());
  script.ints.insert(script.ints.end(), shape.begin(), shape.end());
  seed.strides = GP_CONTIGUOUS;
  seed.offset = 0;
  seed.buffer_elements = static_cast<std::uint64_t>(elements);
  seed.data = (script.data.size() + 7) / 8 * 8;
  script.data.resize(seed.data + seed.buffer_elements * size_of(static_cast<gp_dtype>(seed.dtype)));
  for (Index at = 0; at < elements; ++at) {
    Index from = old.offset;
    bool within = alike;
    for (std::size_t d = 0; d < shape.size() && within; ++d) {
      const Index index = at / strides[d] % shape[d];
      within = index < old_shape[d];
      from += index * old_strides[d];
    }
    const double value = !alike ? 1 : within ? before.element(old, static_cast<std::size_t>(from)) : 0;
    script.set_element(seed, static_cast<std::size_t>(at), value);
  }
}

}  // namespace

std::optional<Script> with_seeds_fitted(const Script& script, const StepValues& values) {
  Script out = script;
  bool changed = false;
  for (const gp_step& sweep : script.steps) {
    if (sweep.kind != GP_BACKWARD && sweep.kind != GP_GRAD) continue;
    const gp_arg& roots = script.args_of(sweep)[0];
    const gp_arg& seeds = script.args_of(sweep)[1];
    for (std::uint32_t i = 0; i < std::min(roots.count, seeds.count); ++i) {
      const ValueId seed = script.ids[seeds.u.index + i];
      if (seed == GP_NO_VALUE) continue;
      const std::uint32_t made = script.step_of(script.ids[roots.u.index + i]);
      const gp_step& maker = script.steps[script.step_of(seed)];
      if (made >= values.size() || !values[made] || maker.kind != GP_TENSOR) continue;
      gp_tensor& spec = out.tensors[maker.op];
      constexpr std::uint64_t most_elements = 4096;
      const bool numbers =
          spec.memory == GP_GIVEN && values[made]->bytes.size() / size_of(values[made]->dtype) < most_elements;
      if (!numbers || shape_of(out, spec) == values[made]->shape) continue;
      fit(out, spec, values[made]->shape);
      changed = true;
    }
  }
  return changed ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace gradproof
