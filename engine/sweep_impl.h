// Definitions of Tape<T>'s reverse sweep; included by tape.cpp alone.
//
// A sweep checks everything that can be refused before it computes anything, so that a refused sweep
// leaves every gradient as it was. Nodes run in the reverse order of their recording, once each, with
// all contributions to an output added first.
#pragma once

#include "engine/tape_impl.h"

namespace gradproof {

template <class T>
struct Tape<T>::Sweep {
  std::uint32_t id = 0;
  std::uint32_t top = 0;  // one beyond the latest node reached
  bool create_graph = false;
  bool only_inputs = false;
  std::span<const Var<T>> inputs{};
  std::vector<VarImpl<T>*> leaves{};                       // with pending contributions
  std::vector<Node<T>*> reached{};                         // latest first
  std::vector<std::pair<VarImpl<T>*, Var<T>>> captured{};  // non-leaves that keep or are asked for theirs

  // The input that is this tensor, or nullptr.
  VarImpl<T>* asked(const VarImpl<T>& var) const {
    for (const Var<T>& input : inputs) {
      VarImpl<T>* impl = input.impl();
      if (var.producer == nullptr ? impl == &var : impl->producer == var.producer && impl->output == var.output) {
        return impl;
      }
    }
    return nullptr;
  }
};

template <class T>
Var<T> Tape<T>::seed_for(const Var<T>& root, const Var<T>& seed) {
  if (!root.impl()->requires_grad) {
    throw EngineError(GP_NO_GRAD_REQUIRED, "the tensor does not require a gradient and has no graph");
  }
  if (!seed) {
    if (root.numel() != 1) {
      throw EngineError(GP_NO_SEED_FOR_NON_SCALAR, "a seed is needed for an output of shape " + to_text(root.sizes()));
    }
    return filled(root.sizes(), Scalar<T>::leaf(1));
  }
  if (same_sizes(root.sizes(), seed.sizes())) return seed;
  std::array<Index, GP_MAX_DIMS> common{};
  bool expands = expands_seeds && root.ndim() <= seed.ndim();
  if (expands) {
    try {
      const int ndim = broadcast_sizes(root.sizes(), seed.sizes(), common.data());
      expands = same_sizes({common.data(), static_cast<std::size_t>(ndim)}, seed.sizes());
    } catch (const EngineError&) {
      expands = false;
    }
  }
  if (!expands) {
    throw EngineError(GP_SEED_SHAPE,
                      "a seed of shape " + to_text(seed.sizes()) + " for an output of shape " + to_text(root.sizes()));
  }
  return call(Basic::sum_to, {seed}, integers(root.sizes()));
}

template <class T>
void Tape<T>::plant(const SweepRequest<T>& request, Sweep& sweep) {
  std::vector<Var<T>> seeds(request.roots.size());
  for (std::size_t i = 0; i < request.roots.size(); ++i) {
    const Var<T> none;
    seeds[i] = seed_for(request.roots[i], i < request.seeds.size() ? request.seeds[i] : none);
    if (Node<T>* producer = request.roots[i].impl()->producer) {
      producer->mark = sweep.id;
      sweep.top = std::max(sweep.top, producer->position + 1);
    }
  }
  mark_reachable(sweep);
  mark_needed(request, sweep);
  check_saved(sweep);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    const VarImpl<T>& root = *request.roots[i].impl();
    const Edge<T> edge = root.producer != nullptr ? Edge<T>{root.producer, nullptr, root.output}
                                                  : Edge<T>{nullptr, request.roots[i].impl(), 0};
    send(edge, seeds[i].impl(), sweep);
  }
}

template <class T>
void Tape<T>::mark_reachable(Sweep& sweep) {
  sweep.reached.reserve(std::min<std::size_t>(sweep.top, 64));
  for (std::uint32_t at = sweep.top; at-- > 0;) {
    Node<T>& node = *nodes_[at];
    if (node.mark != sweep.id) continue;
    sweep.reached.push_back(&node);
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (node.edges[i].producer != nullptr) node.edges[i].producer->mark = sweep.id;
    }
  }
}

// With inputs named, a node runs only where it lies on a way to one of them.
template <class T>
void Tape<T>::mark_needed(const SweepRequest<T>& request, Sweep& sweep) {
  if (!request.inputs) {
    for (Node<T>* node : sweep.reached) node->needed = sweep.id;
    return;
  }
  sweep.only_inputs = true;
  sweep.inputs = *request.inputs;
  const auto asked = [&](const Edge<T>& edge) {
    for (const Var<T>& input : sweep.inputs) {
      const VarImpl<T>& impl = *input.impl();
      if (impl.producer == nullptr ? edge.leaf == &impl
                                   : edge.producer == impl.producer && edge.output == impl.output) {
        return true;
      }
    }
    return false;
  };
  for (auto it = sweep.reached.rbegin(); it != sweep.reached.rend(); ++it) {
    Node<T>& node = **it;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      const Edge<T>& edge = node.edges[i];
      if (asked(edge) || (edge.producer != nullptr && edge.producer->needed == sweep.id)) node.needed = sweep.id;
    }
  }
}

template <class T>
void Tape<T>::check_saved(const Sweep& sweep) {
  for (const Node<T>* node : sweep.reached) {
    if (node->needed != sweep.id) continue;
    if (node->freed)
      throw EngineError(GP_GRAPH_FREED, "the graph's saved tensors are gone: retain_graph was not given");
    if (node->saves == 0) continue;
    for (std::size_t i = 0; i < node->input_count + node->output_count; ++i) {
      const bool input = i < node->input_count;
      const std::uint64_t bit = input ? saved_input(i) : saved_output(i - node->input_count);
      const VarImpl<T>* var = input ? node->inputs[i] : node->outputs[i - node->input_count];
      if ((node->saves & bit) != 0 && var != nullptr && var->value.storage->version != node->saved_versions[i]) {
        throw EngineError(GP_SAVED_MODIFIED, "a tensor that the sweep needs was modified in place");
      }
    }
  }
}

template <class T>
void Tape<T>::send(const Edge<T>& edge, VarImpl<T>* grad, Sweep& sweep) {
  Contribution<T>** list = nullptr;
  if (edge.producer != nullptr) {
    list = &edge.producer->pending[edge.output];
  } else {
    if (edge.leaf->pending == nullptr) sweep.leaves.push_back(edge.leaf);
    list = &edge.leaf->pending;
  }
  *list = arena_.make<Contribution<T>>(grad, *list);
}

template <class T>
Var<T> Tape<T>::sum(Contribution<T>* list) {
  if (list->next == nullptr) return {this, list->grad};
  if (!paths_met && drop_a_path) list = list->next;
  paths_met = true;
  if (list->next == nullptr) return {this, list->grad};
  std::size_t count = 0;
  for (const Contribution<T>* c = list; c != nullptr; c = c->next) ++count;
  Var<T>* terms = arena_.array<Var<T>>(count);
  for (const Contribution<T>* c = list; c != nullptr; c = c->next) terms[--count] = Var<T>(this, c->grad);
  for (const Contribution<T>* c = list; c != nullptr; c = c->next) ++count;
  return call(catalogue_->basic(Basic::add_n), {terms, count});
}

template <class T>
void Tape<T>::hook(VarImpl<T>& var, const T& factor) {
  Hook<T>** list = &var.hooks;
  if (Node<T>* producer = var.producer) {
    if (producer->hooks == nullptr) {
      producer->hooks = arena_.array<Hook<T>*>(producer->output_count);
      std::fill_n(producer->hooks, producer->output_count, nullptr);
    }
    list = &producer->hooks[var.output];
  }
  while (*list != nullptr) list = &(*list)->next;
  *list = arena_.make<Hook<T>>(factor, nullptr);
}

template <class T>
Var<T> Tape<T>::hooked(Var<T> grad, const Hook<T>* hooks) {
  for (; hooks != nullptr; hooks = hooks->next) grad = call(Basic::mul, {grad, number(hooks->factor)});
  return grad;
}

template <class T>
Var<T> Tape<T>::total(VarImpl<T>& leaf) {
  const Var<T> summed = sum(leaf.pending);
  leaf.pending = nullptr;
  return hooked(summed, leaf.hooks);
}

template <class T>
void Tape<T>::run_node(Node<T>& node, Sweep& sweep) {
  std::array<Var<T>, 4> few_grads{};
  std::array<Var<T>, 8> few_into{};
  std::array<bool, 8> few_wants{};
  Var<T>* grads = node.output_count <= few_grads.size() ? few_grads.data() : arena_.array<Var<T>>(node.output_count);
  const bool small = node.input_count <= few_into.size();
  Var<T>* into = small ? few_into.data() : arena_.array<Var<T>>(node.input_count);
  bool* wants = small ? few_wants.data() : arena_.array<bool>(node.input_count);
  bool any = false;
  for (std::size_t i = 0; i < node.output_count; ++i) {
    if (node.pending[i] == nullptr) {
      grads[i] = {};
      continue;
    }
    grads[i] = hooked(sum(node.pending[i]), node.hooks == nullptr ? nullptr : node.hooks[i]);
    node.pending[i] = nullptr;
    any = true;
    if (node.outputs[i]->retains_grad || sweep.only_inputs) sweep.captured.emplace_back(node.outputs[i], grads[i]);
  }
  if (!any || node.needed != sweep.id) return;
  for (std::size_t i = 0; i < node.input_count; ++i) {
    const Edge<T>& edge = node.edges[i];
    wants[i] = edge.leaf != nullptr || edge.producer != nullptr;
    into[i] = {};
  }
  node.op->vjp(*this, node, grads, wants, into);
  for (std::size_t i = 0; i < node.input_count; ++i) {
    if (wants[i] && into[i]) send(node.edges[i], into[i].impl(), sweep);
  }
}

template <class T>
void Tape<T>::execute(Sweep& sweep) {
  const bool enabled = grad_enabled;
  const bool derivative = in_derivative;
  const auto restore = [&] {
    grad_enabled = enabled;
    in_derivative = derivative;
  };
  grad_enabled = sweep.create_graph;
  in_derivative = true;
  try {
    for (Node<T>* node : sweep.reached) run_node(*node, sweep);
  } catch (...) {
    for (Node<T>* node : sweep.reached) std::fill_n(node->pending, node->output_count, nullptr);
    for (VarImpl<T>* leaf : sweep.leaves) leaf->pending = nullptr;
    restore();
    throw;
  }
  restore();
}

template <class T>
void Tape<T>::free_saved(const Sweep& sweep) {
  for (Node<T>* node : sweep.reached) {
    if (node->needed == sweep.id && node->saves != 0) node->freed = true;
  }
}

// The sum of all that came to the leaf, for every order of coming.
template <class T>
Var<T> Tape<T>::arrived(VarImpl<T>& leaf, const Var<T>& grad) {
  const auto copy = [this](const Tensor<T>& tensor) {
    const Tensor<T> kept = allocate(Kind::real, tensor.sizes());
    const Tensor<T> from = contiguous(tensor);
    std::copy_n(from.real(), from.numel, kept.real());
    return constant(kept);
  };
  auto found = std::find_if(arrivals_.begin(), arrivals_.end(), [&](const Arrivals& at) { return at.leaf == &leaf; });
  if (found == arrivals_.end()) {
    arrivals_.push_back({&leaf, {copy(leaf.grad->value)}});
    found = arrivals_.end() - 1;
  }
  found->grads.push_back(copy(grad.value()));
  return call(Basic::add_n, std::span<const Var<T>>(found->grads));
}

template <class T>
void Tape<T>::deliver(VarImpl<T>& leaf, const Var<T>& grad, bool create_graph) {
  if (!leaf.requires_grad) return;  // not any more
  if (leaf.grad == nullptr) {
    std::erase_if(arrivals_, [&](const Arrivals& at) { return at.leaf == &leaf; });
    if (create_graph) {
      // Rules pass seeds and gradients of others on as they are; this one gets memory of its own.
      leaf.grad = call(Basic::sum_to, {grad}, integers(grad.sizes())).impl();
      return;
    }
    // A copy of its own: neither the seed nor another gradient may share its memory.
    Tensor<T> copy = allocate(Kind::real, grad.sizes());
    const Tensor<T> from = contiguous(grad.value());
    std::copy_n(from.real(), from.numel, copy.real());
    VarImpl<T>* impl = constant(copy).impl();
    impl->tangents = grad.impl()->tangents;
    leaf.grad = impl;
    return;
  }
  const bool any_order = HasHull<T> && any_order_ && !create_graph;
  const Var<T> total = any_order ? arrived(leaf, grad) : call(Basic::add, {Var<T>(this, leaf.grad), grad}, one());
  if (create_graph) {
    leaf.grad = total.impl();
    return;
  }
  const Tensor<T> from = contiguous(total.value());
  const T* element = from.real();
  T* to = leaf.grad->value.real();
  for_each_offset<1>(leaf.grad->value.sizes(), {leaf.grad->value.strides_begin},
                     [&](const auto& at) { to[at[0]] = *element++; });
  ++leaf.grad->value.storage->version;
  leaf.grad->tangents = total.impl()->tangents;
}

template <class T>
void Tape<T>::backward(const SweepRequest<T>& request) {
  Sweep sweep;
  sweep.id = ++sweep_count_;
  sweep.create_graph = request.create_graph;
  plant(request, sweep);
  execute(sweep);
  const bool enabled = grad_enabled;
  grad_enabled = request.create_graph;
  for (auto& [output, grad] : sweep.captured) {
    VarImpl<T>* owner = sweep.asked(*output);
    if (owner == nullptr && !sweep.only_inputs && output->retains_grad) owner = output;
    if (owner != nullptr) deliver(*owner, grad, request.create_graph);
  }
  for (VarImpl<T>* leaf : sweep.leaves) {
    if (!sweep.only_inputs || sweep.asked(*leaf) != nullptr) deliver(*leaf, total(*leaf), request.create_graph);
    leaf->pending = nullptr;
  }
  grad_enabled = enabled;
  if (!request.retain_graph && !request.create_graph) free_saved(sweep);
}

template <class T>
std::vector<Var<T>> Tape<T>::grad(const SweepRequest<T>& request) {
  for (const Var<T>& input : *request.inputs) {
    if (!input.impl()->requires_grad) {
      throw EngineError(GP_NO_GRAD_REQUIRED, "an input of grad does not require a gradient");
    }
  }
  Sweep sweep;
  sweep.id = ++sweep_count_;
  sweep.create_graph = request.create_graph;
  plant(request, sweep);
  execute(sweep);
  const bool enabled = grad_enabled;
  grad_enabled = request.create_graph;
  std::vector<Var<T>> results(request.inputs->size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    VarImpl<T>& input = *(*request.inputs)[i].impl();
    if (input.producer == nullptr) {
      if (input.pending == nullptr) continue;
      Contribution<T>* const pending = input.pending;  // the same input may be asked for twice
      results[i] = total(input);
      input.pending = pending;
      continue;
    }
    for (const auto& [var, grad] : sweep.captured) {
      if (var->producer == input.producer && var->output == input.output) results[i] = grad;
    }
  }
  for (VarImpl<T>* leaf : sweep.leaves) leaf->pending = nullptr;
  grad_enabled = enabled;
  if (!request.retain_graph && !request.create_graph) free_saved(sweep);
  if (!request.allow_unused) {
    for (const Var<T>& result : results) {
      if (!result) throw EngineError(GP_UNUSED_INPUT, "an input of grad was not used in the graph");
    }
  }
  return results;
}

}  // namespace gradproof
