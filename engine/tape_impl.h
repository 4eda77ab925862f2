// Definitions of Tape<T>'s members that do not sweep; included by tape.cpp alone.
#pragma once

#include <algorithm>
#include <limits>

#include "engine/catalogue.h"
#include "engine/scalars/scalar_all.h"
#include "engine/tape.h"
#include "engine/view_writes.h"

namespace gradproof {

template <class T>
Tensor<T> Tape<T>::allocate(Kind kind, Sizes sizes) {
  Tensor<T> tensor;
  tensor.numel = count_elements(sizes);
  tensor.ndim = static_cast<std::uint8_t>(sizes.size());
  tensor.kind = kind;
  if (!sizes.empty()) {
    Index* dims = arena_.array<Index>(2 * sizes.size());
    std::copy(sizes.begin(), sizes.end(), dims);
    contiguous_strides(sizes, dims + sizes.size());
    tensor.sizes_begin = dims;
    tensor.strides_begin = dims + sizes.size();
  }
  const auto count = static_cast<std::size_t>(tensor.numel);
  switch (kind) {
    case Kind::real: tensor.data = arena_.array<T>(count); break;
    case Kind::integer: tensor.data = arena_.array<Index>(count); break;
    case Kind::boolean: tensor.data = arena_.array<Truth>(count); break;
  }
  tensor.storage = arena_.make<Storage>(tensor.data, tensor.numel, next_storage_++, 0U);
  return tensor;
}

template <class T>
Tensor<T> Tape<T>::allocate_like(const Tensor<T>& like) {
  if (!like.contiguous) return allocate(Kind::real, like.sizes());
  Tensor<T> tensor = like;
  tensor.kind = Kind::real;
  tensor.data = arena_.array<T>(static_cast<std::size_t>(like.numel));
  tensor.storage = arena_.make<Storage>(tensor.data, tensor.numel, next_storage_++, 0U);
  return tensor;
}

template <class T>
Tensor<T> Tape<T>::view(const Tensor<T>& of, Sizes sizes, Sizes strides, Index offset) {
  Tensor<T> tensor = of;
  tensor.ndim = static_cast<std::uint8_t>(sizes.size());
  tensor.sizes_begin = copy_sizes(arena_, sizes);
  tensor.strides_begin = copy_sizes(arena_, strides);
  tensor.numel = count_elements(sizes);
  tensor.contiguous = is_contiguous(sizes, strides);
  switch (of.kind) {
    case Kind::real: tensor.data = of.real() + offset; break;
    case Kind::integer: tensor.data = of.integers() + offset; break;
    case Kind::boolean: tensor.data = of.booleans() + offset; break;
  }
  return tensor;
}

template <class T>
Tensor<T> Tape<T>::contiguous(const Tensor<T>& tensor) {
  if (tensor.contiguous) return tensor;
  Tensor<T> copy = allocate(tensor.kind, tensor.sizes());
  const auto fill = [&](auto* to, const auto* from) {
    for_each_offset<1>(tensor.sizes(), {tensor.strides_begin}, [&](const auto& at) { *to++ = from[at[0]]; });
  };
  switch (tensor.kind) {
    case Kind::real: fill(copy.real(), tensor.real()); break;
    case Kind::integer: fill(copy.integers(), tensor.integers()); break;
    case Kind::boolean: fill(copy.booleans(), tensor.booleans()); break;
  }
  return copy;
}

template <class T>
Var<T> Tape<T>::constant(const Tensor<T>& value) {
  return {this, arena_.make<VarImpl<T>>(value)};
}

template <class T>
Var<T> Tape<T>::filled(Sizes sizes, const T& value) {
  Tensor<T> tensor = allocate(Kind::real, sizes);
  std::fill_n(tensor.real(), tensor.numel, value);
  return constant(tensor);
}

template <class T>
Var<T> Tape<T>::number(const T& value) {
  return filled({}, value);
}

// Whether anything is recorded yet or not: a later write in place may be.
template <class T>
void note_views(Node<T>& node, bool grad_enabled) {
  if (!node.op->is_view || !grad_enabled) return;
  for (std::size_t i = 0; i < node.output_count; ++i) {
    VarImpl<T>& output = *node.outputs[i];
    if (output.value.kind != Kind::real || output.value.storage != node.in(0).storage) continue;
    output.base = node.inputs[0]->base != nullptr ? node.inputs[0]->base : node.inputs[0];
  }
}

template <class T>
Node<T>& Tape<T>::run(const OperatorImpl<T>& op, std::span<VarImpl<T>* const> inputs, std::span<const Arg<T>> args) {
  Node<T>& node = *arena_.make<Node<T>>();
  node.op = &op;
  node.input_count = static_cast<std::uint32_t>(inputs.size());
  node.inputs = arena_.array<VarImpl<T>*>(inputs.size());
  std::copy(inputs.begin(), inputs.end(), node.inputs);
  node.args = args.data();
  node.arg_count = static_cast<std::uint32_t>(args.size());
  node.serial = call_count_++;
  op.forward(*this, node);
  if (op.composite) return node;
  note_views(node, grad_enabled);
  record(node);
  propagate_tangents(node);
  return node;
}

template <class T>
void Tape<T>::record(Node<T>& node) {
  if (!grad_enabled || !node.op->differentiable) return;
  bool wanted = false;
  for (std::size_t i = 0; i < node.input_count; ++i)
    wanted |= node.inputs[i] != nullptr && node.inputs[i]->requires_grad;
  if (!wanted) return;
  std::array<bool, 32> few{};
  bool* wants = node.input_count <= few.size() ? few.data() : arena_.array<bool>(node.input_count);
  node.edges = arena_.array<Edge<T>>(node.input_count);
  for (std::size_t i = 0; i < node.input_count; ++i) {
    VarImpl<T>* input = node.inputs[i];
    wants[i] = input != nullptr && input->requires_grad;
    node.edges[i] = !wants[i]                    ? Edge<T>{}
                    : input->producer != nullptr ? Edge<T>{input->producer, nullptr, input->output}
                                                 : Edge<T>{nullptr, input, 0};
  }
  node.saves = node.op->saves(node, wants);
  node.pending = arena_.array<Contribution<T>*>(node.output_count);
  std::fill_n(node.pending, node.output_count, nullptr);
  if (node.saves != 0) {
    node.saved_versions = arena_.array<std::uint32_t>(node.input_count + node.output_count);
    for (std::size_t i = 0; i < node.input_count; ++i) {
      node.saved_versions[i] = node.inputs[i] == nullptr ? 0 : node.in(i).storage->version;
    }
    for (std::size_t i = 0; i < node.output_count; ++i) {
      node.saved_versions[node.input_count + i] = node.out(i).storage->version;
    }
  }
  for (std::size_t i = 0; i < node.output_count; ++i) {
    VarImpl<T>& output = *node.outputs[i];
    if (output.value.kind != Kind::real) continue;
    output.producer = &node;
    output.output = static_cast<std::uint32_t>(i);
    output.requires_grad = true;
  }
  node.recorded = true;
  node.position = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back(&node);
}

// A rule at one level sees the tangents of the levels above it alone, so that each mixed derivative is
// made once: x + x1 e1 + x2 e2 + x12 e1 e2, with x12 the level-2 tangent of the level-1 tangent.
template <class T>
void Tape<T>::propagate_tangents(Node<T>& node) {
  int highest = tangent_floor_;
  for (std::size_t i = 0; i < node.input_count; ++i) {
    if (node.inputs[i] == nullptr) continue;
    for (const Tangent<T>* t = node.inputs[i]->tangents; t != nullptr; t = t->next)
      highest = std::max(highest, t->level);
  }
  // Outer levels first: an inner rule that reads the result must see its outer tangents.
  for (int level = highest; level > tangent_floor_; --level) tangents_at(node, level);
}

template <class T>
VarImpl<T>* tangent_at(const VarImpl<T>* var, int level) {
  if (var == nullptr) return nullptr;
  for (const Tangent<T>* t = var->tangents; t != nullptr; t = t->next) {
    if (t->level == level) return t->value;
  }
  return nullptr;
}

template <class T>
void Tape<T>::tangents_at(Node<T>& node, int level) {
  if (!node.op->differentiable) return;
  Var<T>* tangents = arena_.array<Var<T>>(node.input_count);
  bool any = false;
  for (std::size_t i = 0; i < node.input_count; ++i) {
    tangents[i] = Var<T>(this, tangent_at(node.inputs[i], level));
    any |= static_cast<bool>(tangents[i]);
  }
  if (!any) return;
  Var<T>* into = arena_.array<Var<T>>(node.output_count);
  const int floor = tangent_floor_;
  const bool derivative = in_derivative;
  const auto restore = [&] {
    tangent_floor_ = floor;
    in_derivative = derivative;
  };
  tangent_floor_ = level;
  in_derivative = true;
  try {
    node.op->jvp(*this, node, tangents, into);
  } catch (...) {
    restore();
    throw;
  }
  restore();
  for (std::size_t i = 0; i < node.output_count; ++i) {
    if (!into[i] || node.out(i).kind != Kind::real) continue;
    VarImpl<T>& output = *node.outputs[i];
    output.tangents = arena_.make<Tangent<T>>(level, into[i].impl(), output.tangents);
  }
}

template <class T>
bool Tape<T>::plain(const Node<T>& node, const Var<T>* others, std::size_t count) const {
  const auto plain_one = [this](const VarImpl<T>* var) {
    if (var == nullptr) return true;
    if (grad_enabled && var->requires_grad) return false;
    for (const Tangent<T>* t = var->tangents; t != nullptr; t = t->next) {
      if (t->level > tangent_floor_) return false;
    }
    return true;
  };
  for (std::size_t i = 0; i < node.input_count; ++i) {
    if (!plain_one(node.inputs[i])) return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!plain_one(others[i].impl())) return false;
  }
  return true;
}

template <class T>
Var<T> Tape<T>::call(const OperatorImpl<T>& op, std::span<const Var<T>> inputs, std::span<const Arg<T>> args) {
  std::array<VarImpl<T>*, 8> few{};
  VarImpl<T>** impls = inputs.size() <= few.size() ? few.data() : arena_.array<VarImpl<T>*>(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) impls[i] = inputs[i].impl();
  return {this, run(op, {impls, inputs.size()}, args).outputs[0]};
}

template <class T>
const OperatorImpl<T>& Tape<T>::basic(Basic op) const {
  return catalogue_->basic(op);
}

template <class T>
Var<T> Tape<T>::call(Basic op, std::initializer_list<Var<T>> inputs, std::span<const Arg<T>> args) {
  return call(catalogue_->basic(op), {inputs.begin(), inputs.size()}, args);
}

// The operator runs on a snapshot of self, so that a rule may read the old value; the result is then
// written into self's memory, where a later write is noticed by the version saved.
template <class T>
void Tape<T>::run_in_place(const OperatorImpl<T>& op, std::span<VarImpl<T>* const> inputs,
                           std::span<const Arg<T>> args) {
  VarImpl<T>& self = *inputs[0];
  if (grad_enabled && self.requires_grad && self.is_leaf()) {
    throw EngineError(GP_LEAF_MODIFIED, "a leaf that requires a gradient is modified in place");
  }
  if (grad_enabled && self.base != nullptr && self.base->is_leaf() && self.base->requires_grad) {
    throw EngineError(GP_LEAF_MODIFIED, "a view of a leaf that requires a gradient is modified in place");
  }
  VarImpl<T>* snapshot = arena_.make<VarImpl<T>>(self);
  snapshot->value = allocate(self.value.kind, self.value.sizes());
  const Tensor<T> old = contiguous(self.value);
  if (self.value.kind != Kind::real) throw EngineError(GP_DTYPE, "in-place arithmetic on integers is not supported");
  std::copy_n(old.real(), old.numel, snapshot->value.real());
  std::vector<VarImpl<T>*> actual(inputs.begin(), inputs.end());
  for (VarImpl<T>*& input : actual) {
    if (input == &self) input = snapshot;
  }
  Node<T>& node = run(op, actual, args);
  VarImpl<T>& result = *node.outputs[0];
  if (!same_sizes(result.value.sizes(), self.value.sizes())) {
    throw EngineError(GP_SHAPE, "the result of shape " + to_text(result.value.sizes()) +
                                    " does not fit in place into shape " + to_text(self.value.sizes()));
  }
  if (result.value.kind != Kind::real) {
    throw EngineError(GP_UNSUPPORTED, "the reference writes no integers or booleans into floating tensors");
  }
  const Tensor<T> fresh = contiguous(result.value);
  const T* from = fresh.real();
  T* to = self.value.real();
  for_each_offset<1>(self.value.sizes(), {self.value.strides_begin}, [&](const auto& at) { to[at[0]] = *from++; });
  ++self.value.storage->version;
  result.value = self.value;
  self.tangents = result.tangents;
  // The step that made the result: the operator's own node, or the last one of a composite.
  Node<T>* made = result.producer;
  if (!grad_enabled || made == nullptr) return;
  if (made->saved_versions != nullptr && &result != snapshot)
    made->saved_versions[made->input_count + result.output] = self.value.storage->version;
  if (self.base != nullptr) return write_through_view(*this, self, result);
  self.producer = result.producer;
  self.output = result.output;
  self.requires_grad = true;
}

template <class T>
std::span<const Arg<T>> Tape<T>::one() {
  Arg<T>* arg = arena_.array<Arg<T>>(1);
  arg->kind = Arg<T>::Kind::integer;
  arg->integer = 1;
  arg->number = 1;
  arg->real = Scalar<T>::leaf(1);
  return {arg, 1};
}

template <class T>
std::span<const Arg<T>> Tape<T>::integers(Sizes values) {
  Arg<T>* arg = arena_.array<Arg<T>>(1);
  arg->kind = Arg<T>::Kind::integers;
  arg->integers = {copy_sizes(arena_, values), values.size()};
  return {arg, 1};
}

template <class T>
std::uint8_t Tape<T>::choose(std::uint64_t key, std::uint8_t arity) {
  constexpr std::size_t most = 64;
  for (const Choice& choice : choices) {
    if (choice.key == key) return choice.taken;
  }
  if (choices.size() >= most) {
    too_many_choices = true;
    return 0;
  }
  const std::uint8_t taken = choices.size() < plan.size() ? plan[choices.size()] : std::uint8_t{0};
  choices.push_back({key, arity, taken});
  return taken;
}

template <class T>
void Tape<T>::reset() {
  arena_.reset();
  nodes_.clear();
  choices.clear();
  too_many_choices = false;
  paths_met = false;
  next_storage_ = 1;
  call_count_ = 0;
  sweep_count_ = 0;
  tangent_floor_ = 0;
  grad_enabled = true;
  in_derivative = false;
  arrive_in_any_order(false);
}

template <class T>
Var<T> Tape<T>::make_dual(const Var<T>& primal, const Var<T>& tangent) {
  if (!same_sizes(primal.sizes(), tangent.sizes())) {
    throw EngineError(GP_SHAPE, "a tangent of shape " + to_text(tangent.sizes()) + " for a primal of shape " +
                                    to_text(primal.sizes()));
  }
  int level = tangent_floor_;
  for (const Tangent<T>* t = primal.impl()->tangents; t != nullptr; t = t->next) level = std::max(level, t->level);
  VarImpl<T>* dual = arena_.make<VarImpl<T>>(*primal.impl());
  if (dual->is_leaf() && dual->requires_grad) {
    // The dual is a use of the leaf, not another leaf.
    dual = call(Basic::sum_to, {primal}, integers(primal.sizes())).impl();
  }
  dual->tangents = arena_.make<Tangent<T>>(level + 1, tangent.impl(), dual->tangents);
  return {this, dual};
}

template <class T>
Var<T> Tape<T>::tangent_of(const Var<T>& var) const {
  const Tangent<T>* innermost = nullptr;
  for (const Tangent<T>* t = var.impl()->tangents; t != nullptr; t = t->next) {
    if (innermost == nullptr || t->level < innermost->level) innermost = t;
  }
  return innermost == nullptr ? Var<T>{} : Var<T>(const_cast<Tape<T>*>(this), innermost->value);
}

}  // namespace gradproof
