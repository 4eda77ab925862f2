// Views that are programs over others: swapaxes, flatten, broadcast_to, …
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/placement.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sources.h"

namespace gradproof {

namespace {

// --- plans ---

Shape flattened(Sizes sizes, Index start_dim, Index end_dim) {
  const int ndim = static_cast<int>(sizes.size());
  const auto start = static_cast<std::size_t>(wrap_dim(start_dim, ndim));
  const auto end = static_cast<std::size_t>(wrap_dim(end_dim, ndim));
  if (start > end) throw EngineError(GP_ARGUMENT, "flatten's start_dim comes after its end_dim");
  Shape out;
  if (sizes.empty()) out.push(1);
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (d > start && d <= end) {
      out[out.ndim - 1] *= sizes[d];
    } else {
      out.push(sizes[d]);
    }
  }
  return out;
}

Shape unflattened(Sizes sizes, Index at, Sizes wanted) {
  const auto dim = static_cast<std::size_t>(wrap_dim(at, static_cast<int>(sizes.size())));
  if (wanted.empty() || sizes.empty()) throw EngineError(GP_ARGUMENT, "unflatten of " + to_text(sizes));
  Index known = 1;
  std::size_t open = 0;
  bool possible = true;
  for (const Index size : wanted) {
    open += size == -1 ? 1 : 0;
    if (size != -1) possible = possible && !__builtin_mul_overflow(known, size, &known);
  }
  const Index rest = open == 1 && known > 0 ? sizes[dim] / known : 1;
  if (!possible || open > 1 || known * rest != sizes[dim]) {
    throw EngineError(GP_ARGUMENT, "a dim of size " + std::to_string(sizes[dim]) + " as " + to_text(wanted));
  }
  Shape out;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (d != dim) {
      out.push(sizes[d]);
      continue;
    }
    for (const Index size : wanted) out.push(size == -1 ? rest : size);
  }
  return out;
}

void need_matrices(Sizes sizes) {
  if (sizes.size() < 2) throw EngineError(GP_SHAPE, "matrices are needed, not shape " + to_text(sizes));
}

// --- drawing ---

void sample_two_axes(Draw& draw, std::string_view first, std::string_view second) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.set_int(first, draw.dim(std::ssize(shape)));
  draw.set_int(second, draw.dim(std::ssize(shape)));
}
void sample_axes(Draw& draw) { sample_two_axes(draw, "axis0", "axis1"); }
void sample_dims(Draw& draw) { sample_two_axes(draw, "dim0", "dim1"); }
void sample_move(Draw& draw) { sample_two_axes(draw, "source", "destination"); }
void sample_diagonal(Draw& draw) {
  const std::vector<Index> shape = draw.shape(2, 4);
  draw.tensor("A", shape);
  const Index ndim = std::ssize(shape);
  if (draw.coin()) draw.set_int("offset", draw.integer(-4, 4));
  if (draw.one_in(3)) return;
  const Index dim1 = draw.integer(0, ndim - 1);
  draw.set_int("dim1", draw.maybe_negative(dim1, ndim));
  draw.set_int("dim2", draw.maybe_negative((dim1 + draw.integer(1, ndim - 1)) % ndim, ndim));
}

std::vector<Index> draw_expandable(Draw& draw) {
  std::vector<Index> shape = draw.shape(0, 3);
  for (Index& size : shape) size = draw.coin() ? 1 : size;
  draw.tensor("self", shape);
  for (Index& size : shape) size = size == 1 ? draw.nonempty_size() : size;
  while (shape.size() < 4 && draw.one_in(3)) shape.insert(shape.begin(), draw.nonempty_size());
  return shape;
}
void sample_broadcast_to(Draw& draw) { draw.set_ints("size", draw_expandable(draw)); }
void sample_expand_as(Draw& draw) { draw.constant("other", draw_expandable(draw)); }
void sample_like_other(Draw& draw) {
  const std::vector<Index> shape = draw.shape(1, 3);
  draw.tensor("self", shape);
  std::vector<Index> other(shape.begin() + 1, shape.end());
  if (other.empty()) other.push_back(1);
  other.front() *= shape.front();
  draw.constant("other", other);
}
void sample_flatten(Draw& draw) {
  const std::vector<Index> shape = draw.shape(2, 4);
  draw.tensor("self", shape);
  const Index ndim = std::ssize(shape);
  const Index start = draw.integer(0, ndim - 2);
  const Index end = draw.integer(start + 1, ndim - 1);
  if (start > 0 || draw.coin()) draw.set_int("start_dim", draw.maybe_negative(start, ndim));
  if (end < ndim - 1 || draw.coin()) draw.set_int("end_dim", draw.maybe_negative(end, ndim));
}
void sample_unflatten(Draw& draw) {
  std::vector<Index> shape = draw.nonempty_shape(1, 3);
  const Index dim = draw.integer(0, std::ssize(shape) - 1);
  std::vector<Index> sizes{draw.integer(1, 3), draw.integer(1, 3)};
  shape[static_cast<std::size_t>(dim)] = sizes[0] * sizes[1];
  draw.tensor("self", shape);
  draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
  if (draw.one_in(3)) sizes[static_cast<std::size_t>(draw.integer(0, 1))] = -1;
  draw.set_ints("sizes", sizes);
}
void sample_start(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 4);
  const Index dim = draw.integer(0, std::ssize(shape) - 1);
  const Index size = shape[static_cast<std::size_t>(dim)];
  const Index length = draw.integer(1, size);
  draw.tensor("self", shape);
  draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
  draw.indices("start", {}, 0, size - length);
  draw.set_int("length", length);
}

}  // namespace

void add_composite_views(Registry& registry) {
  const auto view = [&](std::string_view schema, void (*sample)(Draw&), auto program) {
    registry.composite({.schema = schema, .source = sources::copies, .view = true, .sample = sample}, program);
  };
  constexpr auto swap = [](const auto& call) { return call("transpose.int", call[0], {call.arg(0), call.arg(1)}); };
  view("swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)", sample_axes, swap);
  view("swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", sample_dims, swap);
  view("moveaxis.int(Tensor(a) self, int source, int destination) -> Tensor(a)", sample_move, [](const auto& call) {
    return call("movedim.int", call[0], {call.arg(0), call.arg(1)});
  });
  view("moveaxis.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)", sample_move_dims,
       [](const auto& call) {
         return call("movedim.intlist", call[0], {call.arg(0), call.arg(1)});
       });
  view("alias(Tensor(a) self) -> Tensor(a)", sample_one, [](const auto& call) { return call[0]; });
  view("linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)", sample_diagonal,
       [](const auto& call) {
         return call("diagonal", call[0], {call.arg(0), call.arg(1), call.arg(2)});
       });
  constexpr auto adjoint = [](const auto& call) {
    need_matrices(call[0].sizes());
    return call("transpose.int", call[0], {call.of(Index{-2}), call.of(Index{-1})});
  };
  view("mH(Tensor(a) self) -> Tensor(a)", sample_matrices, adjoint);
  view("adjoint(Tensor(a) self) -> Tensor(a)", sample_matrices, adjoint);
  view("matrix_H(Tensor(a) self) -> Tensor(a)", sample_matrix, adjoint);
  view("broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)", sample_broadcast_to, [](const auto& call) {
    return call("expand", call[0], {call.arg(0), call.of(false)});
  });
  view("expand_as(Tensor(a) self, Tensor other) -> Tensor(a)", sample_expand_as, [](const auto& call) {
    return call("expand", call[0], {call.of(call[1].sizes()), call.of(false)});
  });
  view("view_as(Tensor(a) self, Tensor other) -> Tensor(a)", sample_like_other,
       [](const auto& call) { return call("view", call[0], {call.of(call[1].sizes())}); });
  view("reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)", sample_like_other,
       [](const auto& call) { return call("reshape", call[0], {call.of(call[1].sizes())}); });
  view("flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)", sample_flatten,
       [](const auto& call) {
         const Shape sizes = flattened(call[0].sizes(), call.integer(0), call.integer(1));
         return call("reshape", call[0], {call.of(sizes.sizes())});
       });
  view("ravel(Tensor(a) self) -> Tensor(a)", sample_matrices, [](const auto& call) {
    const auto in_order = call[0].value().contiguous ? call[0] : call("clone", call[0], {call.none()});
    return call("view", in_order, {call.of(Sizes(std::array{call[0].numel()}))});
  });
  view("unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)", sample_unflatten, [](const auto& call) {
    const Shape sizes = unflattened(call[0].sizes(), call.integer(0), call.list(1));
    return call("view", call[0], {call.of(sizes.sizes())});
  });
  view("narrow.Tensor(Tensor(a) self, int dim, Tensor start, SymInt length) -> Tensor(a)", sample_start,
       [](const auto& call) {
         const auto& start = call[1].value();
         if (start.kind != Kind::integer || start.ndim != 0) {
           throw EngineError(GP_ARGUMENT, "the start must be a 0-d i64 tensor");
         }
         return call("narrow", call[0], {call.arg(0), call.of(start.integers()[0]), call.arg(1)});
       });
}

}  // namespace gradproof
