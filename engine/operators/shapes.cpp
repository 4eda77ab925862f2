// Views: another shape on the same memory. Copies where no strides will do: reshape alone.
#include "engine/operators/families.h"
#include "engine/operators/windows.h"

namespace gradproof {

namespace {

// Where a view's elements lie in its tensor's memory.
struct Layout {
  Shape sizes{};
  Shape strides{};
  Index offset = 0;

  template <class T>
  static Layout of(const Tensor<T>& x) {
    return {Shape(x.sizes()), Shape(x.strides()), 0};
  }
};

// Plan has layout(tensor, args), and gradient(node, grad): the rule of the reverse sweep.
template <class Plan>
struct View : LinearRules {
  static constexpr bool is_view = true;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    const Layout layout = Plan::layout(x, node.args);
    set_outputs(tape, node, {tape.view(x, layout.sizes, layout.strides, layout.offset)});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = Plan::gradient(node, grads[0]);
  }
};

// The gradient of a view with the same elements in the same order.
struct SameOrder {
  template <class T>
  static Var<T> gradient(const Node<T>& node, const Var<T>& grad) {
    return reshape_to(grad, node.in(0).sizes());
  }
};

// --- reshape, view ---

// -1 stands for what is left of the elements.
Shape inferred_sizes(Sizes wanted, Sizes given, Index numel) {
  Shape sizes;
  std::optional<std::size_t> open;
  for (std::size_t d = 0; d < wanted.size(); ++d) {
    if (wanted[d] < -1) throw EngineError(GP_SHAPE, "a negative size in " + to_text(wanted));
    if (wanted[d] == -1 && open) throw EngineError(GP_SHAPE, "more than one size -1 in " + to_text(wanted));
    if (wanted[d] == -1) open = d;
    sizes.push(wanted[d] == -1 ? 1 : wanted[d]);
  }
  const Index known = count_elements(sizes);
  if (open && known > 0 && numel % known == 0) sizes[*open] = numel / known;
  if (count_elements(sizes) != numel || (open && known == 0)) {
    throw EngineError(GP_SHAPE, "shape " + to_text(wanted) + " is invalid for a tensor of shape " + to_text(given));
  }
  return sizes;
}

// Strides under which memory seen as (sizes, strides) reads as `wanted`: each of its dims must lie within one
// run of dims that memory steps through evenly.
std::optional<Shape> strides_for(Sizes sizes, Sizes strides, Sizes wanted) {
  Shape result = filled_shape(wanted.size(), 1);
  if (count_elements(sizes) == 0) {
    contiguous_strides(wanted, result.at.data());
    return result;
  }
  std::size_t d = wanted.size();
  Index run = 1;      // elements of the run so far
  Index covered = 1;  // of them, those that `wanted` has used
  Index step = sizes.empty() ? 1 : strides.back();
  for (std::size_t from = sizes.size(); from-- > 0;) {
    run *= sizes[from];
    const bool ends = from == 0 || (sizes[from - 1] != 1 && strides[from - 1] != run * step);
    if (!ends) continue;
    while (d > 0 && (covered < run || wanted[d - 1] == 1)) {
      --d;
      result[d] = covered * step;
      covered *= wanted[d];
    }
    if (covered != run) return std::nullopt;
    if (from > 0) step = strides[from - 1];
    run = covered = 1;
  }
  while (d > 0 && wanted[d - 1] == 1) result[--d] = step;
  return d == 0 ? std::optional(result) : std::nullopt;
}

struct ViewSizes : SameOrder {
  template <class T>
  static Layout layout(const Tensor<T>& x, const Arg<T>* args) {
    const Shape sizes = inferred_sizes(list(args[0]), x.sizes(), x.numel);
    const std::optional<Shape> strides = strides_for(x.sizes(), x.strides(), sizes);
    if (!strides) {
      throw EngineError(GP_SHAPE, "a view of shape " + to_text(sizes) +
                                      " does not fit the strides of a tensor of shape " + to_text(x.sizes()) +
                                      "; use reshape");
    }
    return {sizes, *strides, 0};
  }
};

struct Reshape : View<ViewSizes> {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    const Shape sizes = inferred_sizes(list(node.args[0]), x.sizes(), x.numel);
    if (const auto strides = strides_for(x.sizes(), x.strides(), sizes)) {
      return set_outputs(tape, node, {tape.view(x, sizes, *strides, 0)});
    }
    const Tensor<T> copy = copied(tape, x);
    Shape strides = filled_shape(sizes.ndim, 1);
    contiguous_strides(sizes, strides.at.data());
    set_outputs(tape, node, {tape.view(copy, sizes, strides, 0)});
  }
};

// --- permutations ---

struct Permuted {
  template <class T>
  static Layout layout(const Tensor<T>& x, const Arg<T>* args) {
    const Sizes dims = list(args[0]);
    if (dims.size() != x.ndim) {
      throw EngineError(GP_SHAPE, std::to_string(dims.size()) + " dims given for a tensor of dimension " +
                                      std::to_string(static_cast<int>(x.ndim)));
    }
    dim_set(dims, x.ndim);
    Layout layout;
    for (const Index dim : dims) {
      const int d = wrap_dim(dim, x.ndim);
      layout.sizes.push(x.sizes_begin[d]);
      layout.strides.push(x.strides_begin[d]);
    }
    return layout;
  }
  template <class T>
  static Var<T> gradient(const Node<T>& node, const Var<T>& grad) {
    const Sizes dims = list(node.args[0]);
    Shape inverse = filled_shape(dims.size(), 0);
    for (std::size_t d = 0; d < dims.size(); ++d) {
      inverse[static_cast<std::size_t>(wrap_dim(dims[d], node.in(0).ndim))] = static_cast<Index>(d);
    }
    return permuted(grad, inverse);
  }
};

template <class T>
Var<T> swapped(const Var<T>& x, std::size_t a, std::size_t b) {
  Shape order = in_order(x.sizes().size());
  if (order.ndim > 0) std::swap(order[a], order[b]);
  return permuted(x, order);
}

struct Transposed {
  template <class T>
  static Layout layout(const Tensor<T>& x, const Arg<T>* args) {
    const auto a = static_cast<std::size_t>(wrap_dim(args[0].integer, x.ndim));
    const auto b = static_cast<std::size_t>(wrap_dim(args[1].integer, x.ndim));
    Layout layout = Layout::of(x);
    std::swap(layout.sizes[a], layout.sizes[b]);
    std::swap(layout.strides[a], layout.strides[b]);
    return layout;
  }
  template <class T>
  static Var<T> gradient(const Node<T>& node, const Var<T>& grad) {
    const int ndim = node.in(0).ndim;
    return swapped(grad, static_cast<std::size_t>(wrap_dim(node.args[0].integer, ndim)),
                   static_cast<std::size_t>(wrap_dim(node.args[1].integer, ndim)));
  }
};

struct MatrixTransposed {
  template <class T>
  static Layout layout(const Tensor<T>& x, const Arg<T>*) {
    if (x.ndim > 2) throw EngineError(GP_SHAPE, "t takes at most 2 dimensions, not shape " + to_text(x.sizes()));
    Layout layout = Layout::of(x);
    if (x.ndim == 2) {
      std::swap(layout.sizes[0], layout.sizes[1]);
      std::swap(layout.strides[0], layout.strides[1]);
    }
    return layout;
  }
  template <class T>
  static Var<T> gradient(const Node<T>& node, const Var<T>& grad) {
    return node.in(0).ndim < 2 ? grad : swapped(grad, 0, 1);
  }
};

struct Expanded {
  template <class T>
  static Layout layout(const Tensor<T>& x, const Arg<T>* args) {
    const Sizes wanted = list(args[0]);
    if (wanted.size() < x.ndim) fail(x.sizes(), wanted);
    const std::size_t lead = wanted.size() - x.ndim;
    Layout layout;
    for (std::size_t d = 0; d < wanted.size(); ++d) {
      const Index own = d < lead ? 1 : x.sizes_begin[d - lead];
      const Index size = wanted[d] == -1 && d >= lead ? own : wanted[d];
      if (size < 0 || (own != 1 && own != size)) fail(x.sizes(), wanted);
      layout.sizes.push(size);
      layout.strides.push(d < lead || own != size ? 0 : x.strides_begin[d - lead]);
    }
    return layout;
  }
  [[noreturn]] static void fail(Sizes sizes, Sizes wanted) {
    throw EngineError(GP_SHAPE, "a tensor of shape " + to_text(sizes) + " does not expand to shape " + to_text(wanted));
  }
  template <class T>
  static Var<T> gradient(const Node<T>& node, const Var<T>& grad) {
    return sum_to(grad, node.in(0).sizes());
  }
};

// --- dims of size 1 ---

struct Unsqueezed : SameOrder {
  template <class T>
  static Layout layout(const Tensor<T>& x, const Arg<T>* args) {
    const auto at = static_cast<std::size_t>(wrap_dim(args[0].integer, x.ndim + 1));
    Layout layout;
    for (std::size_t d = 0; d <= x.ndim; ++d) {
      if (d == at) {
        layout.sizes.push(1);
        layout.strides.push(d < x.ndim ? x.sizes_begin[d] * x.strides_begin[d] : 1);
      }
      if (d < x.ndim) {
        layout.sizes.push(x.sizes_begin[d]);
        layout.strides.push(x.strides_begin[d]);
      }
    }
    return layout;
  }
};

template <class T>
Layout without(const Tensor<T>& x, DimSet dims) {
  Layout layout;
  for (std::size_t d = 0; d < x.ndim; ++d) {
    if (has(dims, d) && x.sizes_begin[d] == 1) continue;
    layout.sizes.push(x.sizes_begin[d]);
    layout.strides.push(x.strides_begin[d]);
  }
  return layout;
}

struct Squeezed : SameOrder {
  template <class T>
  static Layout layout(const Tensor<T>& x, const Arg<T>*) {
    return without(x, all_dims(x.ndim));
  }
};

struct SqueezedDim : SameOrder {
  template <class T>
  static Layout layout(const Tensor<T>& x, const Arg<T>* args) {
    return without(x, DimSet{1} << static_cast<unsigned>(wrap_dim(args[0].integer, x.ndim)));
  }
};

// --- drawing ---

// The elements of a shape in another one.
std::vector<Index> another_shape(Draw& draw, Sizes sizes) {
  std::vector<Index> wanted;
  for (const Index size : sizes) {
    const bool joins = !wanted.empty() && draw.coin();
    if (joins) {
      wanted.back() *= size;
    } else if (size == 4 && draw.coin()) {
      wanted.insert(wanted.end(), {2, 2});
    } else {
      wanted.push_back(size);
    }
    if (wanted.size() < 4 && draw.one_in(5)) wanted.push_back(1);
  }
  return wanted;
}

void draw_reshape(Draw& draw, std::string_view arg) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  std::vector<Index> wanted = another_shape(draw, shape);
  if (!wanted.empty() && count_elements(wanted) > 0 && draw.one_in(3)) {
    wanted[static_cast<std::size_t>(draw.integer(0, std::ssize(wanted) - 1))] = -1;
  }
  draw.set_ints(arg, wanted);
}
void sample_reshape(Draw& draw) { draw_reshape(draw, "shape"); }
void sample_view(Draw& draw) { draw_reshape(draw, "size"); }

void sample_permute(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.set_ints("dims", draw.dims(std::ssize(shape), std::ssize(shape)));
}

void sample_transpose(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.set_int("dim0", draw.dim(std::ssize(shape)));
  draw.set_int("dim1", draw.dim(std::ssize(shape)));
}

void sample_t(Draw& draw) { draw.tensor("self", draw.shape(0, 2)); }

void sample_expand(Draw& draw) {
  std::vector<Index> shape = draw.shape(0, 3);
  for (Index& size : shape) size = draw.one_in(2) ? 1 : size;
  draw.tensor("self", shape);
  std::vector<Index> wanted = shape;
  for (Index& size : wanted) {
    if (size == 1 && draw.coin()) {
      size = draw.size();
    } else if (draw.one_in(4)) {
      size = -1;
    }
  }
  while (wanted.size() < 4 && draw.one_in(3)) wanted.insert(wanted.begin(), draw.nonempty_size());
  draw.set_ints("size", wanted);
}

void sample_unsqueeze(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.set_int("dim", draw.dim(std::ssize(shape) + 1));
}

std::vector<Index> draw_self_with_ones(Draw& draw) {
  std::vector<Index> shape = draw.shape(0, 4);
  for (Index& size : shape) size = draw.coin() ? 1 : size;
  draw.tensor("self", shape);
  return shape;
}
void sample_squeeze(Draw& draw) { draw_self_with_ones(draw); }
void sample_squeeze_dim(Draw& draw) { draw.set_int("dim", draw.dim(std::ssize(draw_self_with_ones(draw)))); }

}  // namespace

void add_shapes(Registry& registry) {
  registry.structural<Reshape>(
      {.schema = "reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)", .sample = sample_reshape});
  registry.structural<View<ViewSizes>>(
      {.schema = "view(Tensor(a) self, SymInt[] size) -> Tensor(a)", .sample = sample_view});
  registry.structural<View<Transposed>>(
      {.schema = "transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", .sample = sample_transpose});
  registry.structural<View<MatrixTransposed>>({.schema = "t(Tensor(a) self) -> Tensor(a)", .sample = sample_t});
  registry.structural<View<Permuted>>(
      {.schema = "permute(Tensor(a) self, int[] dims) -> Tensor(a)", .sample = sample_permute});
  registry.structural<View<Expanded>>(
      {.schema = "expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)",
       .sample = sample_expand});
  registry.structural<View<Unsqueezed>>(
      {.schema = "unsqueeze(Tensor(a) self, int dim) -> Tensor(a)", .sample = sample_unsqueeze});
  registry.structural<View<Squeezed>>({.schema = "squeeze(Tensor(a) self) -> Tensor(a)", .sample = sample_squeeze});
  registry.structural<View<SqueezedDim>>(
      {.schema = "squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)", .sample = sample_squeeze_dim});
}

}  // namespace gradproof
