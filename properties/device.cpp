#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "properties/all.h"
#include "properties/steps.h"

namespace gradproof {

namespace {

// The call again, on CUDA. Floating tensors go there as copies that gradients come back through; the others, which no
// gradient passes, are made there with the same contents.
class Moved {
 public:
  Moved(Script& script, RandomDraw& draw, const Call& call) : script_(script), draw_(draw), call_(call) {
    for (const gp_arg& arg : call.args) {
      if (arg.kind == GP_ARG_VALUE) move(static_cast<ValueId>(arg.u.index));
      if (arg.kind != GP_ARG_VALUES) continue;
      for (std::uint32_t i = 0; i < arg.count; ++i) move(script_.ids[arg.u.index + i]);
    }
  }

  std::vector<ValueId> apply(std::string_view name) {
    Call there = call_;
    for (gp_arg& arg : there.args) {
      if (arg.kind == GP_ARG_VALUE) arg.u.index = there_[static_cast<ValueId>(arg.u.index)];
      if (arg.kind != GP_ARG_VALUES) continue;
      std::vector<ValueId> list;
      for (std::uint32_t i = 0; i < arg.count; ++i) list.push_back(there_[script_.ids[arg.u.index + i]]);
      arg = script_.arg_values(list);
    }
    return apply_roots(script_, there, name);
  }

  ValueId copy(ValueId value, std::string_view device, std::string_view name) {
    const std::uint32_t to_copy = script_.op("_to_copy", "");
    const gp_arg left_out = script_.arg_default();
    const gp_arg to = script_.arg_string(device);
    const gp_arg non_blocking = script_.arg_bool(draw_.percent(70));
    const std::array args{script_.arg(value), left_out, left_out, to, left_out, non_blocking, left_out};
    return script_.call(to_copy, args, 1, name);
  }

 private:
  void move(ValueId value) {
    if (value == GP_NO_VALUE) {
      there_[value] = value;
      return;
    }
    if (there_.contains(value)) return;
    const auto number = std::find(call_.tensors.begin(), call_.tensors.end(), value) - call_.tensors.begin();
    const bool floating = static_cast<std::size_t>(number) < call_.tensors.size();
    there_[value] = floating ? copy(value, "cuda", numbered("c", static_cast<std::size_t>(number))) : twin(value);
  }

  ValueId twin(ValueId value) {
    const gp_tensor given = script_.tensor_of(value);
    const auto list = [&](std::uint32_t first) {
      const auto begin = script_.ints.begin() + static_cast<std::ptrdiff_t>(first);
      return std::vector<Index>(begin, begin + static_cast<std::ptrdiff_t>(given.ndim));
    };
    TensorSpec spec;
    spec.dtype = static_cast<gp_dtype>(given.dtype);
    spec.shape = list(given.shape);
    if (given.strides != GP_CONTIGUOUS) spec.strides = list(given.strides);
    spec.offset = given.offset;
    spec.buffer_elements = given.buffer_elements;
    spec.device = GP_CUDA;
    const ValueId made = script_.tensor(spec);
    const std::size_t bytes = given.buffer_elements * size_of(spec.dtype);
    if (bytes > 0)
      std::memcpy(script_.data.data() + script_.tensor_of(made).data, script_.data.data() + given.data, bytes);
    return made;
  }

  Script& script_;
  RandomDraw& draw_;
  const Call& call_;
  std::map<ValueId, ValueId> there_{};
};

class Device final : public Property {
 public:
  std::string_view id() const override { return "device"; }
  std::string_view statement() const override {
    return "on the CPU and on CUDA results and gradients lie in their enclosures, through copies and across streams";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    if (subject.engine == nullptr) return "no engine to ask for a device";
    const auto& devices = subject.engine->devices;
    if (std::find(devices.begin(), devices.end(), GP_CUDA) == devices.end()) return "no CUDA device";
    // The judge's radii are those of the device asked for.
    if (subject.device != GP_CUDA) return "asked for with --device cuda";
    return unmet(subject, {.derivatives = false});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Subject on_cpu = subject;
    on_cpu.device = GP_CPU;
    Build build(on_cpu, draw, script);
    pin_some(script, draw);
    const std::vector<ValueId> y = build.apply("y");
    Moved moved(script, draw, build.call);
    change_stream(script, draw);
    const std::vector<ValueId> z = moved.apply("z");
    build.read(y);
    if (!build.call.leaves.empty()) {
      const std::vector<ValueId> u = build.seeds("u");
      std::vector<ValueId> w;
      for (std::size_t i = 0; i < u.size(); ++i) w.push_back(moved.copy(u[i], "cuda", numbered("w", i)));
      change_stream(script, draw);
      build.read(build.gradients(y, u, "gy", 0));
      build.read(build.gradients(z, w, "gz", 0));
    }
    build.read(z);
    for (std::size_t i = 0; i < z.size(); ++i) script.read(moved.copy(z[i], "cpu", numbered("back", i)));
  }

 private:
  // Copies from pinned memory are those that do not block.
  static void pin_some(Script& script, RandomDraw& draw) {
    for (gp_tensor& tensor : script.tensors) {
      if (draw.percent(50)) tensor.flags = static_cast<std::uint8_t>(tensor.flags | GP_PINNED);
    }
  }
  static void change_stream(Script& script, RandomDraw& draw) {
    if (draw.percent(50)) script.stream(draw.integer(0, 3));
  }
};

}  // namespace

const Property& device_property() {
  static const Device property;
  return property;
}

}  // namespace gradproof
