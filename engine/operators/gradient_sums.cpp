// Sums that sweeps make of gradients: over the dims that were broadcast, and of what meets in one tensor.
#include "engine/operators/families.h"
#include "engine/operators/rules.h"
#include "engine/operators/sources.h"
#include "engine/sampling.h"
#include "engine/structural.h"

namespace gradproof {

namespace {

// Sums over the dims along which a tensor of `size` was broadcast: the transpose of expand.
struct SumToSize {
  static void need_broadcast(Sizes from, Sizes to) {
    bool fits = from.size() <= to.size();
    for (std::size_t d = 1; fits && d <= from.size(); ++d) {
      fits = from[from.size() - d] == 1 || from[from.size() - d] == to[to.size() - d];
    }
    if (!fits) throw EngineError(GP_SHAPE, "size " + to_text(from) + " does not broadcast to " + to_text(to));
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = real_input(node, 0);
    const Sizes size = node.args[0].integers;
    need_broadcast(size, x.sizes());
    const std::size_t lead = x.ndim - size.size();
    Tensor<T> out = tape.allocate(Kind::real, size);
    if (x.numel == 0) {
      std::fill_n(out.real(), out.numel, Scalar<T>::leaf(0));
      return set_outputs(tape, node, {out});
    }
    if (x.numel == out.numel) {  // nothing is summed: -0 stays -0, which a sum that begins at 0 does not say
      const Tensor<T> from = tape.contiguous(x);
      std::copy_n(from.real(), from.numel, out.real());
      return set_outputs(tape, node, {out});
    }
    // First the kept dims, then the summed ones, so that each result is one run of an accumulator.
    std::array<Index, GP_MAX_DIMS> kept_strides{};
    std::array<Index, GP_MAX_DIMS> summed_sizes{};
    std::array<Index, GP_MAX_DIMS> summed_strides{};
    std::size_t summed = 0;
    for (std::size_t d = 0; d < x.ndim; ++d) {
      const bool keeps = d >= lead && size[d - lead] == x.sizes_begin[d];
      if (d >= lead) kept_strides[d - lead] = keeps ? x.strides_begin[d] : 0;
      if (keeps) continue;
      summed_sizes[summed] = x.sizes_begin[d];
      summed_strides[summed++] = x.strides_begin[d];
    }
    T* to = out.real();
    for_each_offset<1>(out.sizes(), {kept_strides.data()}, [&](const auto& at) {
      Accumulator<T> sum;
      const T* from = x.real() + at[0];
      for_each_offset<1>({summed_sizes.data(), summed}, {summed_strides.data()},
                         [&](const auto& inner) { sum.add(from[inner[0]]); });
      *to++ = Scalar<T>::materialize(sum.result());
    });
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = expand_to(grads[0], node.in(0).sizes());
  }
  template <class T>
  static void jvp(Tape<T>&, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = sum_to(tangents[0], node.out().sizes());
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

// The sum of tensors of one shape, enclosed for every order.
struct AddN {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    Tensor<T> out = tape.allocate(Kind::real, node.in(0).sizes());
    if (node.input_count == 2) {  // the usual case, and one addition in every order
      const T* a = tape.contiguous(node.in(0)).real();
      const T* b = tape.contiguous(node.in(1)).real();
      for (Index i = 0; i < out.numel; ++i) out.real()[i] = Scalar<T>::materialize(a[i] + b[i]);
      return set_outputs(tape, node, {out});
    }
    std::vector<Tensor<T>> terms;
    for (std::size_t i = 0; i < node.input_count; ++i) terms.push_back(tape.contiguous(node.in(i)));
    for (Index i = 0; i < out.numel; ++i) {
      Accumulator<T> sum = sum_of_stored_steps<T>();
      for (const Tensor<T>& term : terms) sum.add(term.real()[i]);
      out.real()[i] = Scalar<T>::materialize(sum.result());
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (wants[i]) into[i] = grads[0];
    }
  }
  template <class T>
  static void jvp(Tape<T>&, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    std::vector<Var<T>> terms;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (tangents[i]) terms.push_back(tangents[i]);
    }
    into[0] = sum_of_all(terms);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

void sample_sum_to_size(Draw& draw) {
  const std::vector<Index> shape = draw.shape(1, 4);
  std::vector<Index> size = shape;
  for (Index& kept : size) kept = draw.one_in(3) ? 1 : kept;
  if (size == shape || draw.one_in(3)) {
    size.erase(size.begin(), size.begin() + draw.integer(1, std::ssize(size)));
  }
  draw.tensor("self", shape);
  draw.set_ints("size", size);
}

}  // namespace

void add_gradient_sums(Registry& registry) {
  registry.structural<SumToSize>({.schema = "sum_to_size(Tensor self, int[] size) -> Tensor",
                                  .source = sources::sums,
                                  .note = "where nothing is summed LibTorch returns its argument itself: not drawn",
                                  .sample = sample_sum_to_size});
  registry.structural<AddN>({.schema = "_add_n(Tensor[] tensors) -> Tensor", .note = "internal"});
}

}  // namespace gradproof
