// Parts of tensors along one dim: select, slice, narrow; and flip.
#include "engine/operators/families.h"
#include "engine/operators/windows.h"

namespace gradproof {

namespace {

// start, start + step, … along one dim; a result without that dim where it `drops` it.
struct Range {
  std::size_t dim = 0;
  Index start = 0;
  Index length = 0;
  Index step = 1;
};

// Plan has range(tensor, args) and `drops`.
template <class Plan>
struct Part : LinearRules {
  static constexpr bool is_view = true;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    const Range range = Plan::range(x, node.args);
    Shape sizes;
    Shape strides;
    for (std::size_t d = 0; d < x.ndim; ++d) {
      if (d == range.dim && Plan::drops) continue;
      sizes.push(d == range.dim ? range.length : x.sizes_begin[d]);
      // Of a single element the step is never taken, and may be too large to be.
      strides.push(x.strides_begin[d] * (d == range.dim && range.length > 1 ? range.step : 1));
    }
    const bool empty = count_elements(sizes) == 0;
    set_outputs(tape, node, {tape.view(x, sizes, strides, empty ? 0 : range.start * x.strides_begin[range.dim])});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Tensor<T>& x = node.in(0);
    const Range range = Plan::range(x, node.args);
    Shape sizes(x.sizes());
    sizes[range.dim] = range.length;
    into[0] =
        embedded(reshape_to(grads[0], sizes), x.sizes(), range.dim, range.start, range.length > 1 ? range.step : 1);
  }
};

template <class T>
std::size_t dim_of(const Tensor<T>& x, const Arg<T>& arg) {
  if (x.ndim == 0) throw EngineError(GP_INDEX, "a 0-d tensor has no dim to take a part of");
  return static_cast<std::size_t>(wrap_dim(arg.integer, x.ndim));
}

// select(dim, index)
struct OneOf {
  static constexpr bool drops = true;
  template <class T>
  static Range range(const Tensor<T>& x, const Arg<T>* args) {
    const std::size_t dim = dim_of(x, args[0]);
    const Index size = x.sizes_begin[dim];
    const Index index = args[1].integer;
    if (index < -size || index >= size) {
      throw EngineError(GP_INDEX, "index " + std::to_string(index) + " out of range for dim " + std::to_string(dim) +
                                      " of shape " + to_text(x.sizes()));
    }
    return {dim, index < 0 ? index + size : index, 1, 1};
  }
};

// slice(dim, start, end, step): bounds are clamped, as Python's are
struct Slice {
  static constexpr bool drops = false;
  template <class T>
  static Range range(const Tensor<T>& x, const Arg<T>* args) {
    const std::size_t dim = dim_of(x, args[0]);
    const Index size = x.sizes_begin[dim];
    const Index step = args[3].integer;
    if (step <= 0) throw EngineError(GP_ARGUMENT, "a slice's step must be positive, not " + std::to_string(step));
    const auto bound = [size](const Arg<T>& arg, Index if_none) {
      if (arg.is_none()) return if_none;
      const Index at = arg.integer < 0 ? arg.integer + size : arg.integer;
      return std::clamp(at, Index{0}, size);
    };
    const Index start = bound(args[1], 0);
    const Index end = bound(args[2], size);
    return {dim, start, end > start ? 1 + (end - start - 1) / step : 0, step};
  }
};

// narrow(dim, start, length)
struct Narrow {
  static constexpr bool drops = false;
  template <class T>
  static Range range(const Tensor<T>& x, const Arg<T>* args) {
    const std::size_t dim = dim_of(x, args[0]);
    const Index size = x.sizes_begin[dim];
    const Index length = args[2].integer;
    Index start = args[1].integer;
    if (length < 0) throw EngineError(GP_ARGUMENT, "narrow's length must not be negative");
    if (start < -size || start > size) {
      throw EngineError(GP_INDEX, "start " + std::to_string(start) + " out of range for size " + std::to_string(size));
    }
    if (start < 0) start += size;
    if (length > size - start) {
      throw EngineError(GP_INDEX, "start " + std::to_string(start) + " and length " + std::to_string(length) +
                                      " exceed size " + std::to_string(size));
    }
    return {dim, start, length, 1};
  }
};

struct Flip : LinearRules {
  static constexpr const char* schema = "_flip(Tensor self, int[] dims) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    const DimSet dims = dim_set(list(node.args[0]), x.ndim);
    Shape strides(x.strides());
    Index offset = 0;
    for (std::size_t d = 0; d < x.ndim && x.numel > 0; ++d) {
      if (!has(dims, d)) continue;
      offset += (x.sizes_begin[d] - 1) * strides[d];
      strides[d] = -strides[d];
    }
    set_outputs(tape, node, {copied(tape, tape.view(x, x.sizes(), strides, offset))});
  }
  // Its own transpose.
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = tape.call(rule_operator<T, Flip>(), std::span<const Var<T>>(grads, 1), arguments(node));
  }
};

// --- drawing ---

std::vector<Index> draw_self(Draw& draw, Index& dim) {
  std::vector<Index> shape = draw.shape(1, 4);
  dim = draw.integer(0, std::ssize(shape) - 1);
  return shape;
}

void sample_select(Draw& draw) {
  Index dim = 0;
  std::vector<Index> shape = draw_self(draw, dim);
  Index& size = shape[static_cast<std::size_t>(dim)];
  if (size == 0) size = 2;
  draw.tensor("self", shape);
  draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
  draw.set_int("index", draw.integer(-size, size - 1));
}

void sample_slice(Draw& draw) {
  Index dim = 0;
  const std::vector<Index> shape = draw_self(draw, dim);
  draw.tensor("self", shape);
  const Index size = shape[static_cast<std::size_t>(dim)];
  draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
  for (const std::string_view bound : {"start", "end"}) {
    if (draw.one_in(5)) {
      draw.set_none(bound);
    } else if (!draw.one_in(4)) {
      draw.set_int(bound, draw.integer(-size - 1, size + 1));
    }
  }
  if (draw.coin()) draw.set_int("step", draw.integer(1, 3));
}

void sample_narrow(Draw& draw) {
  Index dim = 0;
  const std::vector<Index> shape = draw_self(draw, dim);
  draw.tensor("self", shape);
  const Index size = shape[static_cast<std::size_t>(dim)];
  const Index start = draw.integer(0, size);
  draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
  draw.set_int("start", start > 0 && draw.one_in(4) ? start - size - (start == size ? 1 : 0) : start);
  draw.set_int("length", start == size ? 0 : draw.integer(draw.one_in(8) ? 0 : 1, size - start));
}

void sample_flip(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.set_ints("dims", draw.dims(std::ssize(shape), draw.one_in(6) ? 0 : 1));
}

}  // namespace

void add_slices(Registry& registry) {
  registry.structural<Part<OneOf>>(
      {.schema = "select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)", .sample = sample_select});
  registry.structural<Part<Slice>>({.schema = "slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, "
                                              "SymInt? end=None, SymInt step=1) -> Tensor(a)",
                                    .sample = sample_slice});
  registry.structural<Part<Narrow>>(
      {.schema = "narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)", .sample = sample_narrow});
  registry.structural<Flip>({.schema = "flip(Tensor self, int[] dims) -> Tensor", .sample = sample_flip});
}

}  // namespace gradproof
