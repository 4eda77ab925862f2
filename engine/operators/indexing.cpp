// index_select, gather, and their transposes, which add.
#include "engine/operators/families.h"
#include "engine/operators/rules.h"
#include "engine/operators/sources.h"
#include "engine/undecided.h"

namespace gradproof {

namespace {

template <class T>
const Tensor<T>& index_input(const Node<T>& node, std::size_t i) {
  if (node.in(i).kind != Kind::integer) throw EngineError(GP_DTYPE, "the index must be an i64 tensor");
  return node.in(i);
}

inline void need_index(Index index, Index size) {
  if (index == undecided) throw EngineError(GP_UNSUPPORTED, "an index that ties leave open");
  if (index < 0 || index >= size) {
    throw EngineError(GP_INDEX,
                      "index " + std::to_string(index) + " is out of bounds for size " + std::to_string(size));
  }
}

template <class T>
Var<T> index_of(Tape<T>& tape, const Node<T>& node) {
  return input(tape, node, 1);
}

// Linear in the first tensor; the second one is the index.
struct IndexedRules {
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = again(tape, node, {tangents[0], index_of(tape, node)});
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(1);
  }
};

// --- index_select: y[.., k, ..] = x[.., index[k], ..] ---

struct IndexAdd;

struct IndexSelect : IndexedRules {
  static constexpr const char* schema = "_index_select(Tensor self, Tensor index, int dim) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> index = tape.contiguous(index_input(node, 1));
    const int dim = wrap_dim(node.args[0].integer, x.ndim);
    if (index.ndim > 1) throw EngineError(GP_INDEX, "the index must have at most one dimension");
    if (x.ndim == 0 && index.numel != 1) throw EngineError(GP_INDEX, "a scalar takes exactly one index");
    const Around around(x.sizes(), dim);
    Shape sizes(x.sizes());
    if (x.ndim > 0) sizes[static_cast<std::size_t>(dim)] = index.numel;
    const Tensor<T> out = tape.allocate(Kind::real, sizes);
    T* to = out.real();
    for (Index k = 0; k < index.numel; ++k) need_index(index.integers()[k], around.length);
    for (Index o = 0; o < around.outer; ++o) {
      for (Index k = 0; k < index.numel; ++k) {
        to = std::copy_n(x.real() + (o * around.length + index.integers()[k]) * around.inner, around.inner, to);
      }
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] =
        call_rule<IndexAdd>(tape, {grads[0], index_of(tape, node)}, {node.args[0], list_arg(tape, node.in(0).sizes())});
  }
};

// Zeros of a size, plus x[.., k, ..] at [.., index[k], ..]. Arguments: dim, size.
struct IndexAdd : IndexedRules {
  static constexpr const char* schema = "_index_add(Tensor self, Tensor index, int dim, int[] size) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> index = tape.contiguous(index_input(node, 1));
    const Sizes sizes = node.args[1].integers;
    const Around around(sizes, wrap_dim(node.args[0].integer, static_cast<int>(sizes.size())));
    const Tensor<T> out = tape.allocate(Kind::real, sizes);
    around.for_each([&](Index first) {
      const Index outer = first / (around.length * around.inner);
      const Index inner = first % (around.length * around.inner);
      std::vector<Accumulator<T>> sums(static_cast<std::size_t>(around.length), sum_of_stored_steps<T>());
      for (Index k = 0; k < index.numel; ++k) {
        sums[static_cast<std::size_t>(index.integers()[k])].add(
            x.real()[(outer * index.numel + k) * around.inner + inner]);
      }
      for (Index k = 0; k < around.length; ++k) {
        out.real()[first + k * around.inner] = Scalar<T>::materialize(sums[static_cast<std::size_t>(k)].result());
      }
    });
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = call_rule<IndexSelect>(tape, {grads[0], index_of(tape, node)}, {node.args[0]});
  }
};

// --- gather: y[i][j][k] = x[index[i][j][k]][j][k] for dim 0 ---

// f(offset in the larger tensor of the lane's first element, offset in the index's): every lane of `index` along
// `dim`, in the larger tensor of row-major strides `strides`.
template <class T, class F>
void for_each_index_lane(const Tensor<T>& index, std::size_t dim, Sizes strides, F&& f) {
  Shape sizes(index.sizes());
  if (sizes.ndim == 0) return f(Index{0}, Index{0});
  sizes[dim] = std::min<Index>(sizes[dim], 1);
  for_each_offset<2>(sizes, {strides.data(), index.strides_begin}, [&](const auto& at) { f(at[0], at[1]); });
}

struct ScatterAdd;

struct Gather : IndexedRules {
  static constexpr const char* schema = "_gather(Tensor self, Tensor index, int dim, bool sparse_grad) -> Tensor";

  template <class T>
  static void check(const Tensor<T>& x, const Tensor<T>& index, std::size_t dim) {
    if (index.numel == 0) return;
    if (std::max<int>(x.ndim, 1) != std::max<int>(index.ndim, 1)) {
      throw EngineError(GP_SHAPE, "the index must have as many dimensions as the tensor: shapes " +
                                      to_text(index.sizes()) + " and " + to_text(x.sizes()));
    }
    for (std::size_t d = 0; d < x.ndim && d < index.ndim; ++d) {
      if (d != dim && index.sizes_begin[d] > x.sizes_begin[d]) {
        throw EngineError(GP_SHAPE, "an index of shape " + to_text(index.sizes()) + " for a tensor of shape " +
                                        to_text(x.sizes()) + " along dim " + std::to_string(dim));
      }
    }
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> index = tape.contiguous(index_input(node, 1));
    const auto dim = static_cast<std::size_t>(wrap_dim(node.args[0].integer, x.ndim));
    check(x, index, dim);
    const Tensor<T> out = tape.allocate(Kind::real, index.sizes());
    const Index length = x.ndim == 0 ? 1 : x.sizes_begin[dim];
    const Index step = x.ndim == 0 ? 1 : x.strides_begin[dim];
    const Index count = index.ndim == 0 ? 1 : index.sizes_begin[dim];
    const Index index_step = index.ndim == 0 ? 1 : index.strides_begin[dim];
    const Shape strides = x.ndim == 0 ? filled_shape(1, 1) : Shape(x.strides());
    if (index.numel > 0) {
      for_each_index_lane(index, dim, strides, [&](Index from, Index at) {
        for (Index k = 0; k < count; ++k, at += index_step) {
          const Index i = index.integers()[at];
          need_index(i, length);
          out.real()[at] = x.real()[from + i * step];
        }
      });
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = call_rule<ScatterAdd>(tape, {grads[0], index_of(tape, node)},
                                    {node.args[0], list_arg(tape, node.in(0).sizes())});
  }
};

// Zeros of a size, plus each element of x where gather took it from. Arguments: dim, size.
struct ScatterAdd : IndexedRules {
  static constexpr const char* schema = "_scatter_add(Tensor self, Tensor index, int dim, int[] size) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> index = tape.contiguous(index_input(node, 1));
    const Sizes sizes = node.args[1].integers;
    const auto dim = static_cast<std::size_t>(wrap_dim(node.args[0].integer, static_cast<int>(sizes.size())));
    const Tensor<T> out = tape.allocate(Kind::real, sizes);
    std::fill_n(out.real(), out.numel, Scalar<T>::leaf(0));
    const Index length = sizes.empty() ? 1 : sizes[dim];
    const Index step = sizes.empty() ? 1 : out.strides_begin[dim];
    const Index count = index.ndim == 0 ? 1 : index.sizes_begin[dim];
    const Index index_step = index.ndim == 0 ? 1 : index.strides_begin[dim];
    const Shape strides = sizes.empty() ? filled_shape(1, 1) : Shape(out.strides());
    if (index.numel > 0) {
      for_each_index_lane(index, dim, strides, [&](Index first, Index at) {
        std::vector<Accumulator<T>> sums(static_cast<std::size_t>(length), sum_of_stored_steps<T>());
        for (Index k = 0; k < count; ++k, at += index_step) {
          sums[static_cast<std::size_t>(index.integers()[at])].add(x.real()[at]);
        }
        for (Index k = 0; k < length; ++k) {
          out.real()[first + k * step] = Scalar<T>::materialize(sums[static_cast<std::size_t>(k)].result());
        }
      });
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = call_rule<Gather>(tape, {grads[0], index_of(tape, node)}, {node.args[0], flag_arg<T>(false)});
  }
};

struct GatherCall : Gather {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    if (flag(node, 1)) throw EngineError(GP_UNSUPPORTED, "gather with sparse_grad");
    Gather::forward(tape, node);
  }
};

// --- drawing ---

void sample_index_select(Draw& draw) {
  std::vector<Index> shape = draw.shape(0, 4);
  const auto dim = static_cast<std::size_t>(draw.integer(0, std::max<Index>(std::ssize(shape), 1) - 1));
  Index count = draw.size();
  if (shape.empty()) count = 1;
  if (!shape.empty() && shape[dim] == 0) count = 0;
  draw.tensor("self", shape);
  draw.set_int("dim", draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape)));
  const Index last = shape.empty() ? 0 : std::max<Index>(shape[dim], 1) - 1;
  const std::vector<Index> one{count};
  draw.indices("index", one, 0, last);
}

void sample_gather(Draw& draw) {
  std::vector<Index> shape = draw.nonempty_shape(0, 4);
  const auto dim = static_cast<std::size_t>(draw.integer(0, std::max<Index>(std::ssize(shape), 1) - 1));
  draw.tensor("self", shape);
  draw.set_int("dim", draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape)));
  std::vector<Index> index = shape;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    index[d] = d == dim ? draw.integer(1, 4) : draw.integer(draw.one_in(12) ? 0 : 1, shape[d]);
  }
  draw.indices("index", index, 0, shape.empty() ? 0 : shape[dim] - 1);
  if (draw.one_in(4)) draw.set_bool("sparse_grad", false);
}

}  // namespace

void add_indexing(Registry& registry) {
  registry.structural<IndexSelect>({.schema = "index_select(Tensor self, int dim, Tensor index) -> Tensor",
                                    .source = sources::copies,
                                    .sample = sample_index_select});
  registry.structural<GatherCall>(
      {.schema = "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
       .source = sources::copies,
       .sample = sample_gather});
}

}  // namespace gradproof
