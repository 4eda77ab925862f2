#include "properties/definedness_case.h"

#include <algorithm>
#include <array>

#include "properties/forward.h"
#include "properties/redraw.h"

namespace gradproof {

namespace {

TensorSpec spec_of(const Script& script, const gp_tensor& tensor) {
  TensorSpec spec;
  spec.dtype = static_cast<gp_dtype>(tensor.dtype);
  spec.device = static_cast<gp_device>(tensor.device);
  const auto list = [&](std::uint32_t first) {
    const auto begin = script.ints.begin() + first;
    return std::vector<Index>(begin, begin + tensor.ndim);
  };
  spec.shape = list(tensor.shape);
  if (tensor.strides != GP_CONTIGUOUS) spec.strides = list(tensor.strides);
  spec.offset = tensor.offset;
  spec.buffer_elements = tensor.buffer_elements;
  return spec;
}

}  // namespace

void DefinednessCase::generate() {
  Build& build = build_;
  for (std::size_t i = 0; i < build.call.tensors.size(); ++i) {
    Input input{build.call.tensors[i], {}, build.call.shapes[i], build.call.shapes[i]};
    if (requires_grad(build.script, input.used)) input.leaf = input.used;
    inputs_.push_back(input);
  }
  draw_memory();
  const EngineInfo* engine = build.subject.engine;
  const Index roll = build.draw.integer(0, 99);
  if (build.call.leaves.empty()) return build.read(apply(build.script, build.call, "y"));
  if (roll < 45) return backward();
  if (roll < 60 && (engine == nullptr || engine->second_sweep == SecondSweep::accumulate)) return prefilled_backward();
  if (roll < 80 && (engine == nullptr || engine->forward_mode)) return forward_mode();
  if (engine == nullptr || engine->create_graph) return second_order();
  backward();
}

void DefinednessCase::draw_memory() {
  const Index roll = build_.draw.integer(0, 99);
  // Where nothing is computed, sums of nothing may still be multiplied by what is not written.
  unwritten_seeds_ = build_.has_elements();
  if (inputs_.empty() || roll < 35 || !unwritten_seeds_) return;
  unwritten_ = true;
  const auto which = static_cast<std::size_t>(build_.draw.integer(0, std::ssize(inputs_) - 1));
  const Input& input = inputs_[which];
  if (roll < 55) {
    build_.script.tensor_of(input.used).memory = GP_EMPTY;
    return;
  }
  use(which, partly_written(input, "e"));
}

DefinednessCase::Input DefinednessCase::partly_written(const Input& given, std::string_view name) {
  Script& script = build_.script;
  RandomDraw& draw = build_.draw;
  TensorSpec spec = spec_of(script, script.tensor_of(given.used));
  script.tensor_of(given.used).flags &= static_cast<std::uint8_t>(~unsigned{GP_REQUIRES_GRAD});
  const Index rows = spec.shape.empty() ? 0 : spec.shape[0];
  // A view on part of a longer buffer, of which other rows were written.
  const bool window = rows > 0 && !spec.shape.empty() && draw.percent(40);
  if (window) {
    spec.shape[0] = rows + draw.integer(1, 3);
    spec.strides.clear();
    spec.offset = 0;
    spec.buffer_elements = 0;
  }
  spec.memory = GP_EMPTY;
  const ValueId buffer = script.tensor(spec, name);
  if (spec.shape.empty()) {
    write(buffer, given.used, {});
  } else if (rows > 0) {
    const Index length = draw.integer(draw.percent(10) ? 0 : 1, rows);
    const Index start = draw.integer(0, spec.shape[0] - length);
    std::vector<Index> shape = spec.shape;
    shape[0] = length;
    const ValueId part = length == spec.shape[0] ? buffer : narrowed(buffer, start, length, "part");
    write(part, length == rows ? given.used : narrowed(given.used, 0, length, "contents"), shape);
  }
  if (given.leaf) script.require_grad(buffer, true);
  Input made{buffer, {}, given.shape, spec.shape};
  if (given.leaf) made.leaf = buffer;
  if (window) made.used = narrowed(buffer, draw.integer(0, spec.shape[0] - rows), rows, "window");
  return made;
}

void DefinednessCase::write(ValueId part, ValueId contents, std::span<const Index> shape) {
  Script& script = build_.script;
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  const Index roll = build_.draw.integer(0, 99);
  if (empty || roll < 60) {
    script.call(script.op("copy_", ""), std::array{script.arg(part), script.arg(contents), script.arg_default()});
  } else if (roll < 80) {
    script.call(script.op("zero_", ""), std::array{script.arg(part)});
  } else {
    script.call(script.op("fill_", "Scalar"), std::array{script.arg(part), script.arg_real(0.5)});
  }
}

ValueId DefinednessCase::narrowed(ValueId tensor, Index start, Index length, std::string_view name) {
  Script& script = build_.script;
  return script.call(script.op("narrow", ""),
                     std::array{script.arg(tensor), script.arg_int(0), script.arg_int(start), script.arg_int(length)},
                     1, name);
}

// In the call's arguments and among its tensors and leaves.
void DefinednessCase::use(std::size_t input, const Input& instead) {
  put_in_place(build_.script, build_.call, input, instead.used);
  inputs_[input] = instead;
  build_.call.leaves = leaves();
}

std::vector<ValueId> DefinednessCase::leaves() const {
  std::vector<ValueId> all;
  for (const Input& input : inputs_) {
    if (input.leaf) all.push_back(*input.leaf);
  }
  return all;
}
std::vector<std::vector<Index>> DefinednessCase::leaf_shapes() const {
  std::vector<std::vector<Index>> all;
  for (const Input& input : inputs_) {
    if (input.leaf) all.push_back(input.leaf_shape);
  }
  return all;
}
std::vector<std::vector<Index>> DefinednessCase::root_shapes() const {
  std::vector<std::vector<Index>> all;
  for (const std::size_t root : build_.call.roots()) all.push_back(build_.call.results[root].shape);
  return all;
}

std::vector<ValueId> DefinednessCase::seeds(std::string_view name, std::span<const std::vector<Index>> shapes) {
  std::vector<ValueId> made;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    RandomDraw& draw = build_.draw;
    const std::string called = numbered(name, i);
    made.push_back(draw.seed(build_.script, build_.spec(shapes[i]), draw.seed_kind(), called));
    const Index roll = draw.integer(0, 99);
    // One thing at a time: what rests on an unwritten input tells little of an unwritten seed.
    if (!unwritten_seeds_ || (unwritten_ && roll < 75)) continue;
    if (roll >= 85) {
      build_.script.tensor_of(made.back()).memory = GP_EMPTY;
      unwritten_ = true;
    } else if (roll >= 72) {
      const Input given{made.back(), {}, shapes[i], shapes[i]};
      made.back() = partly_written(given, called + "e").used;
      unwritten_ = true;
    }
  }
  return made;
}

void DefinednessCase::backward() {
  const std::vector<ValueId> y = build_.apply("y");
  const bool seeded = !build_.single_elements() || build_.draw.percent(60);
  const std::vector<ValueId> u = seeded ? seeds("u", root_shapes()) : std::vector<ValueId>{};
  build_.read(y);
  build_.script.backward(y, u);
  build_.read_gradients();
}

// A sweep adds to a gradient that was there: one nobody wrote, or one that was zeroed since.
void DefinednessCase::prefilled_backward() {
  Script& script = build_.script;
  const std::vector<ValueId> all = leaves();
  const auto which = static_cast<std::size_t>(build_.draw.integer(0, std::ssize(all) - 1));
  TensorSpec spec = build_.spec(leaf_shapes()[which]);
  spec.memory = GP_EMPTY;
  script.set_grad(all[which], script.tensor(spec, "before"));
  if (build_.draw.percent(60)) script.zero_grad(all[which]);
  unwritten_ = true;
  backward();
}

void DefinednessCase::forward_mode() {
  std::vector<std::vector<Index>> shapes;
  for (const Input& input : inputs_) shapes.push_back(input.shape);
  std::vector<ValueId> instead(build_.call.tensors);
  build_.draw.keep_contiguous(is_view(build_.subject));
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (!inputs_[i].leaf) continue;
    const ValueId v = seeds(numbered("v", i), std::span(shapes).subspan(i, 1)).front();
    instead[i] = build_.script.dual(inputs_[i].used, v, numbered("d", i));
  }
  build_.draw.keep_contiguous(false);
  const std::vector<ValueId> y = build_.apply("y", instead);
  build_.read(y);
  build_.read(tangents_of(build_, y, "Jv"));
}

// The gradient of <J'u, w>.
void DefinednessCase::second_order() {
  const std::vector<ValueId> y = build_.apply("y");
  std::vector<ValueId> u;
  for (const std::vector<Index>& shape : root_shapes()) {
    u.push_back(
        build_.draw.seed(build_.script, build_.spec(shape, true), build_.draw.seed_kind(), numbered("u", u.size())));
  }
  const std::vector<ValueId> g = build_.gradients(y, u, "g", GP_CREATE_GRAPH);
  const std::vector<ValueId> w = seeds("w", leaf_shapes());
  build_.read(g);
  build_.script.backward(g, w);
  build_.read_gradients();
  for (const ValueId seed : u) build_.script.read(build_.script.grad_of(seed));
}

}  // namespace gradproof
