// Tensors made of others: cat, stack.
#include "engine/operators/families.h"
#include "engine/operators/windows.h"

namespace gradproof {

namespace {

// Copies x into `out`, its first element to `offset`.
template <class T>
void place(const Tensor<T>& x, const Tensor<T>& out, Index offset) {
  const auto copy = [&](auto* to, const auto* from) {
    for_each_offset<2>(x.sizes(), {x.strides_begin, out.strides_begin},
                       [&](const auto& at) { to[offset + at[1]] = from[at[0]]; });
  };
  switch (x.kind) {
    case Kind::real: copy(out.real(), x.real()); break;
    case Kind::integer: copy(out.integers(), x.integers()); break;
    case Kind::boolean: copy(out.booleans(), x.booleans()); break;
  }
}

// A tensor of shape [0] is left out whatever the others' shape, as LibTorch does.
template <class T>
bool left_out(const Tensor<T>& x) {
  return x.ndim == 1 && x.numel == 0;
}

template <class T>
void need_tensors(const Node<T>& node) {
  if (node.input_count == 0) throw EngineError(GP_ARGUMENT, "a list of at least one tensor is needed");
  for (std::size_t i = 0; i < node.input_count; ++i) {
    if (node.inputs[i] == nullptr) throw EngineError(GP_UNDEFINED, "an undefined tensor in a list");
    if (node.in(i).kind != node.in(0).kind) throw EngineError(GP_DTYPE, "tensors of different dtypes in a list");
  }
}

struct Cat : LinearListRules {
  // The dim, and sizes of the result.
  template <class T>
  static std::size_t plan(const Node<T>& node, Shape& sizes) {
    need_tensors(node);
    const Tensor<T>* first = nullptr;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (node.in(i).ndim == 0) throw EngineError(GP_SHAPE, "a zero-dimensional tensor in cat");
      if (first == nullptr && !left_out(node.in(i))) first = &node.in(i);
    }
    if (first == nullptr) first = &node.in(0);
    const auto dim = static_cast<std::size_t>(wrap_dim(node.args[0].integer, first->ndim));
    sizes = Shape(first->sizes());
    sizes[dim] = 0;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      const Tensor<T>& x = node.in(i);
      if (left_out(x)) continue;
      bool fits = x.ndim == sizes.ndim;
      for (std::size_t d = 0; fits && d < x.ndim; ++d) fits = d == dim || x.sizes_begin[d] == sizes[d];
      if (!fits) {
        throw EngineError(GP_SHAPE, "shapes " + to_text(first->sizes()) + " and " + to_text(x.sizes()) +
                                        " do not fit together along dim " + std::to_string(dim));
      }
      sizes[dim] += x.sizes_begin[dim];
    }
    return dim;
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    Shape sizes;
    const std::size_t dim = plan(node, sizes);
    const Tensor<T> out = tape.allocate(node.in(0).kind, sizes);
    Index start = 0;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (left_out(node.in(i))) continue;
      place(node.in(i), out, start * out.strides_begin[dim]);
      start += node.in(i).sizes_begin[dim];
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    Shape sizes;
    const std::size_t dim = plan(node, sizes);
    Index start = 0;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      const Tensor<T>& x = node.in(i);
      if (left_out(x)) {
        if (wants[i]) into[i] = zeros(tape, x.sizes());
        continue;
      }
      if (wants[i]) into[i] = window_of(grads[0], dim, start, x.sizes_begin[dim]);
      start += x.sizes_begin[dim];
    }
  }
};

struct Stack : LinearListRules {
  template <class T>
  static std::size_t dim(const Node<T>& node) {
    return static_cast<std::size_t>(wrap_dim(node.args[0].integer, node.in(0).ndim + 1));
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    need_tensors(node);
    const Sizes each = node.in(0).sizes();
    const std::size_t at = dim(node);
    Shape sizes;
    for (std::size_t d = 0; d <= each.size(); ++d) {
      if (d == at) sizes.push(node.input_count);
      if (d < each.size()) sizes.push(each[d]);
    }
    const Tensor<T> out = tape.allocate(node.in(0).kind, sizes);
    Shape strides(out.strides());
    std::copy(strides.at.begin() + static_cast<std::ptrdiff_t>(at) + 1, strides.at.begin() + strides.ndim,
              strides.at.begin() + static_cast<std::ptrdiff_t>(at));
    --strides.ndim;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (!same_sizes(node.in(i).sizes(), each)) {
        throw EngineError(GP_SHAPE,
                          "shapes " + to_text(each) + " and " + to_text(node.in(i).sizes()) + " in one stack");
      }
      const Index offset = out.numel == 0 ? 0 : static_cast<Index>(i) * out.strides_begin[at];
      const Tensor<T> part = tape.view(out, each, strides, offset);
      place(node.in(i), part, 0);
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (wants[i]) into[i] = reshape_to(window_of(grads[0], dim(node), static_cast<Index>(i), 1), node.in(i).sizes());
    }
  }
};

// --- drawing ---

void sample_cat(Draw& draw) {
  const std::vector<Index> shape = draw.shape(1, 4);
  const Index dim = draw.integer(0, std::ssize(shape) - 1);
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(1, 3)), shape);
  for (std::vector<Index>& each : shapes) each[static_cast<std::size_t>(dim)] = draw.size();
  draw.tensors("tensors", shapes);
  if (dim != 0 || draw.coin()) draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
}

void sample_stack(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 3);
  draw.tensors("tensors", std::vector<std::vector<Index>>(static_cast<std::size_t>(draw.integer(1, 3)), shape));
  if (draw.coin()) draw.set_int("dim", draw.dim(std::ssize(shape) + 1));
}

}  // namespace

void add_joins(Registry& registry) {
  registry.structural<Cat>({.schema = "cat(Tensor[] tensors, int dim=0) -> Tensor", .sample = sample_cat});
  registry.structural<Stack>({.schema = "stack(Tensor[] tensors, int dim=0) -> Tensor", .sample = sample_stack});
}

}  // namespace gradproof
