// Tensors made of others, by programs over cat and views: hstack, meshgrid, block_diag, kron, …
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/placement.h"
#include "engine/operators/sources.h"
#include "engine/operators/taps.h"

namespace gradproof {

namespace {

// --- plans ---

// Matrices along the diagonal of one; 1-d tensors are rows.
Rearrangement block_diagonal(const std::vector<Shape>& blocks) {
  Shape whole = filled_shape(2, 0);
  for (const Shape& block : blocks) {
    if (block.ndim > 2) throw EngineError(GP_SHAPE, "block_diag takes at most 2 dims, not shape " + to_text(block));
    whole[0] += block.ndim == 2 ? block[0] : 1;
    whole[1] += block.ndim == 0 ? 1 : block[block.ndim - 1];
  }
  Rearrangement plan{whole, Table(static_cast<std::size_t>(plannable(whole)), nowhere)};
  Index top = 0;
  Index left = 0;
  Index k = 0;
  for (const Shape& block : blocks) {
    const Index rows = block.ndim == 2 ? block[0] : 1;
    const Index columns = block.ndim == 0 ? 1 : block[block.ndim - 1];
    for (Index i = 0; i < rows * columns; ++i) {
      plan.from[static_cast<std::size_t>((top + i / columns) * whole[1] + left + i % columns)] = k++;
    }
    top += rows;
    left += columns;
  }
  return plan;
}

// Choices of r out of n positions, in order.
Table combined(Index n, Index r, bool again) {
  if (r < 0) throw EngineError(GP_ARGUMENT, "combinations of a negative number of elements");
  Table table;
  if (r > n && !again) return table;
  need_modest(r, 1);
  std::vector<Index> chosen(static_cast<std::size_t>(r));
  for (Index k = 0; k < r; ++k) chosen[static_cast<std::size_t>(k)] = again ? 0 : k;
  for (; n > 0;) {
    table.insert(table.end(), chosen.begin(), chosen.end());
    if (std::ssize(table) > Index{1} << 24U) throw EngineError(GP_OUT_OF_MEMORY, "more than 2^24 combined elements");
    std::size_t k = chosen.size();
    const auto last = [&](std::size_t at) { return again ? n - 1 : n - r + static_cast<Index>(at); };
    while (k > 0 && chosen[k - 1] == last(k - 1)) --k;
    if (k == 0) break;
    ++chosen[k - 1];
    for (std::size_t at = k; at < chosen.size(); ++at) chosen[at] = again ? chosen[k - 1] : chosen[at - 1] + 1;
  }
  return table;
}

// --- programs ---

template <class C, class V>
V with_dims(const C& call, const V& x, int least) {
  const int ndim = x.ndim();
  if (ndim >= least) return x;
  if (ndim == 0) return reshape_to(x, filled_shape(static_cast<std::size_t>(least), 1));
  const V lead = ndim == 1 && least > 1 ? call("unsqueeze", x, {call.of(Index{0})}) : x;
  return least == 3 ? call("unsqueeze", lead, {call.of(Index{-1})}) : lead;
}
template <int Least, class C>
auto all_with_dims(const C& call) {
  std::vector<std::decay_t<decltype(call[0])>> all;
  for (std::size_t i = 0; i < call.tensors(); ++i) all.push_back(with_dims(call, call[i], Least));
  return all;
}
template <class C, class V>
V joined_along(const C& call, const std::vector<V>& all, Index dim) {
  return call("cat", std::span<const V>(all), {call.of(dim)});
}

template <class C>
auto meshed(const C& call, bool columns_first) {
  Shape sizes;
  for (std::size_t i = 0; i < call.tensors(); ++i) {
    if (call[i].ndim() > 1) throw EngineError(GP_SHAPE, "meshgrid takes 1-d tensors");
    sizes.push(call[i].numel());
  }
  if (call.tensors() == 0) throw EngineError(GP_ARGUMENT, "meshgrid takes at least one tensor");
  const std::size_t n = sizes.ndim;
  const bool swap = columns_first && n > 1;
  if (swap) std::swap(sizes[0], sizes[1]);
  std::vector<std::decay_t<decltype(call[0])>> all;
  for (std::size_t i = 0; i < n; ++i) {
    Shape own = filled_shape(n, 1);
    own[swap && i < 2 ? 1 - i : i] = call[i].numel();
    const auto lying = call("view", call[i], {call.of(own.sizes())});
    all.push_back(call("expand", lying, {call.of(sizes.sizes()), call.of(false)}));
  }
  return all;
}

// a ⊗ b: a's dims and b's in turns, then two by two as one.
template <class C>
auto kronecker(const C& call) {
  const std::size_t ndim = std::max(call[0].sizes().size(), call[1].sizes().size());
  if (2 * ndim > GP_MAX_DIMS) throw EngineError(GP_UNSUPPORTED, "kron of more than 4 dims");
  Shape a;
  Shape b;
  Shape out;
  const auto size = [&](std::size_t tensor, std::size_t d) {
    const Sizes sizes = call[tensor].sizes();
    return d + sizes.size() < ndim ? 1 : sizes[d + sizes.size() - ndim];
  };
  for (std::size_t d = 0; d < ndim; ++d) {
    a.push(size(0, d));
    a.push(1);
    b.push(1);
    b.push(size(1, d));
    out.push(size(0, d) * size(1, d));
  }
  return reshape_to(call("mul.Tensor", {reshape_to(call[0], a), reshape_to(call[1], b)}), out);
}

// Sequences of several lengths, filled up to the longest.
template <class C>
auto padded(const C& call) {
  using V = std::decay_t<decltype(call[0])>;
  if (call.tensors() == 0) throw EngineError(GP_ARGUMENT, "pad_sequence takes at least one sequence");
  const bool left = call.text(2) == "left";
  if (!left && call.text(2) != "right") throw EngineError(GP_ARGUMENT, "padding_side is left or right");
  Index longest = 0;
  for (std::size_t i = 0; i < call.tensors(); ++i) {
    const V x = call[i];
    if (x.ndim() == 0 || !same_sizes(x.sizes().subspan(1), call[0].sizes().subspan(1))) {
      throw EngineError(GP_SHAPE, "sequences that differ beyond their first dim");
    }
    longest = std::max(longest, x.sizes()[0]);
  }
  std::vector<V> all;
  for (std::size_t i = 0; i < call.tensors(); ++i) {
    const V x = call[i];
    std::vector<Index> by(2 * x.sizes().size(), 0);
    by[by.size() - (left ? 2 : 1)] = longest - x.sizes()[0];
    all.push_back(call("constant_pad_nd", x, {call.of(Sizes(by)), call.arg(1)}));
  }
  return call("stack", all, {call.of(Index{call.flag(0) ? 0 : 1})});
}

// --- drawing ---

template <Index Most>
void sample_few_dims(Draw& draw) {
  draw.tensor("self", draw.shape(0, Most));
}
template <std::size_t Dim, Index LeastDims>
void sample_stacks(Draw& draw) {
  const std::vector<Index> shape = draw.shape(LeastDims, 3);
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(1, 3)), shape);
  // Along the dim that they are joined by, their sizes are free.
  const bool row = Dim == 1 && shape.size() == 1;
  for (std::vector<Index>& each : shapes) {
    if (row) each[0] = draw.nonempty_size();
    if (!row && each.size() > (Dim == 0 ? 1 : Dim)) each[Dim] = draw.nonempty_size();
  }
  draw.tensors("tensors", shapes);
}
void sample_column_stack(Draw& draw) {
  const Index rows = draw.nonempty_size();
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(1, 3)));
  for (std::vector<Index>& each : shapes) {
    each.push_back(rows);
    if (draw.coin()) each.push_back(draw.integer(1, 3));
  }
  draw.tensors("tensors", shapes);
}
void sample_concat(Draw& draw) {
  const std::vector<Index> shape = draw.shape(1, 3);
  const Index dim = draw.integer(0, std::ssize(shape) - 1);
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(1, 3)), shape);
  for (std::vector<Index>& each : shapes) each[static_cast<std::size_t>(dim)] = draw.size();
  draw.tensors("tensors", shapes);
  if (dim != 0 || draw.coin()) draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
}
void sample_blocks(Draw& draw) {
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(1, 3)));
  for (std::vector<Index>& each : shapes) each = draw.nonempty_shape(0, 2);
  draw.tensors("tensors", shapes);
}
void draw_vectors(Draw& draw, Index least) {
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(least, 3)));
  for (std::vector<Index>& each : shapes) each = {draw.integer(1, 3)};
  draw.tensors("tensors", shapes);
}
void sample_vectors(Draw& draw) { draw_vectors(draw, 1); }
void sample_several_vectors(Draw& draw) { draw_vectors(draw, 2); }
void sample_meshgrid(Draw& draw) {
  draw_vectors(draw, 1);
  draw.set_text("indexing", draw.coin() ? "ij" : "xy");
}
void sample_crossing(Draw& draw) {
  const std::array<std::vector<Index>, 2> shapes{std::vector<Index>{draw.integer(2, 3), 1},
                                                 std::vector<Index>{draw.integer(2, 3)}};
  draw.tensors("tensors", shapes);
}
void sample_kron(Draw& draw) {
  draw.tensor("self", draw.shape(0, 3));
  draw.tensor("other", draw.shape(0, 2));
}
void sample_combinations(Draw& draw) {
  draw.tensor("self", std::array{draw.integer(1, 4)});
  if (draw.coin()) draw.set_int("r", draw.integer(1, 3));
  if (draw.coin()) draw.set_bool("with_replacement", draw.coin());
}

void sample_several(Draw& draw) {
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(2, 4)));
  for (std::vector<Index>& shape : shapes) shape = draw.shape(0, 3);
  draw.tensors("tensors", shapes);
}
void sample_sequences(Draw& draw) {
  constexpr std::array values{0.5, -1.0, 2.0};
  const std::vector<Index> rest = draw.nonempty_shape(0, 2);
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(1, 3)), rest);
  for (std::vector<Index>& shape : shapes) shape.insert(shape.begin(), draw.integer(1, 4));
  draw.tensors("sequences", shapes);
  if (draw.coin()) draw.set_bool("batch_first", draw.coin());
  if (draw.coin()) draw.set_real("padding_value", draw.pick(values));
}

// --- records ---

void add_more_dims(Registry& registry) {
  const auto view = [&](std::string_view schema, void (*sample)(Draw&), auto program) {
    registry.composite({.schema = schema, .source = sources::copies, .view = true, .sample = sample}, program);
  };
  view("atleast_1d(Tensor self) -> Tensor", sample_few_dims<0>,
       [](const auto& call) { return with_dims(call, call[0], 1); });
  view("atleast_2d(Tensor self) -> Tensor", sample_few_dims<1>,
       [](const auto& call) { return with_dims(call, call[0], 2); });
  view("atleast_3d(Tensor self) -> Tensor", sample_few_dims<2>,
       [](const auto& call) { return with_dims(call, call[0], 3); });
  view("meshgrid(Tensor[] tensors) -> Tensor[]", sample_vectors, [](const auto& call) { return meshed(call, false); });
  view("meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]", sample_meshgrid, [](const auto& call) {
    if (call.text(0) != "ij" && call.text(0) != "xy") throw EngineError(GP_ARGUMENT, "indexing is \"ij\" or \"xy\"");
    return meshed(call, call.text(0) == "xy");
  });
  view("broadcast_tensors(Tensor[] tensors) -> Tensor[]", sample_crossing, [](const auto& call) {
    Shape common;
    for (std::size_t i = 0; i < call.tensors(); ++i) common = broadcast(common, call[i].sizes());
    std::vector<std::decay_t<decltype(call[0])>> all;
    for (std::size_t i = 0; i < call.tensors(); ++i) {
      all.push_back(call("expand", call[i], {call.of(common.sizes()), call.of(false)}));
    }
    return all;
  });
}

void add_joined(Registry& registry) {
  const auto add = [&](std::string_view schema, void (*sample)(Draw&), auto program) {
    registry.composite({.schema = schema, .source = sources::copies, .sample = sample}, program);
  };
  constexpr auto rows = [](const auto& call) { return joined_along(call, all_with_dims<2>(call), 0); };
  constexpr auto cat = [](const auto& call) { return joined_along(call, all_with_dims<0>(call), call.integer(0)); };
  add("vstack(Tensor[] tensors) -> Tensor", sample_stacks<0, 0>, rows);
  add("row_stack(Tensor[] tensors) -> Tensor", sample_stacks<0, 0>, rows);
  add("hstack(Tensor[] tensors) -> Tensor", sample_stacks<1, 0>, [](const auto& call) {
    const auto all = all_with_dims<1>(call);
    return joined_along(call, all, !all.empty() && all.front().ndim() == 1 ? 0 : 1);
  });
  add("dstack(Tensor[] tensors) -> Tensor", sample_stacks<2, 0>,
      [](const auto& call) { return joined_along(call, all_with_dims<3>(call), 2); });
  add("column_stack(Tensor[] tensors) -> Tensor", sample_column_stack, [](const auto& call) {
    std::vector<std::decay_t<decltype(call[0])>> all;
    for (std::size_t i = 0; i < call.tensors(); ++i) {
      const bool column = call[i].ndim() <= 1;
      all.push_back(column ? reshape_to(call[i], std::array<Index, 2>{call[i].numel(), 1}) : call[i]);
    }
    return joined_along(call, all, 1);
  });
  add("concat(Tensor[] tensors, int dim=0) -> Tensor", sample_concat, cat);
  add("concatenate(Tensor[] tensors, int dim=0) -> Tensor", sample_concat, cat);
  add("block_diag(Tensor[] tensors) -> Tensor", sample_blocks, [](const auto& call) {
    std::vector<Shape> blocks;
    std::vector<std::decay_t<decltype(call[0])>> all;
    for (std::size_t i = 0; i < call.tensors(); ++i) {
      blocks.emplace_back(call[i].sizes());
      all.push_back(reshape_to(call[i], std::array<Index, 1>{call[i].numel()}));
    }
    const Rearrangement plan = block_diagonal(blocks);
    if (all.empty()) throw EngineError(GP_ARGUMENT, "block_diag takes at least one tensor");
    return picked(joined_along(call, all, 0), plan.from, plan.sizes);
  });
  add("cartesian_prod(Tensor[] tensors) -> Tensor", sample_several_vectors, [](const auto& call) {
    auto all = meshed(call, false);
    for (auto& each : all) each = reshape_to(each, std::array<Index, 2>{each.numel(), 1});
    if (all.size() == 1) return reshape_to(all[0], std::array<Index, 1>{all[0].numel()});
    return joined_along(call, all, 1);
  });
  add("combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor", sample_combinations,
      [](const auto& call) {
        if (call[0].ndim() != 1) throw EngineError(GP_SHAPE, "combinations takes a 1-d tensor");
        const Index r = call.integer(0);
        if (r < 1) throw EngineError(r < 0 ? GP_ARGUMENT : GP_UNSUPPORTED, "combinations of no elements");
        const Table table = combined(call[0].numel(), r, call.flag(1));
        return picked(call[0], table, std::array<Index, 2>{std::ssize(table) / r, r});
      });
  add("pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0.0, str padding_side=\"right\") "
      "-> Tensor",
      sample_sequences, [](const auto& call) { return padded(call); });
  // LibTorch returns a view of a single tensor: not drawn.
  add("flatten_dense_tensors(Tensor[] tensors) -> Tensor", sample_several, [](const auto& call) {
    std::vector<std::decay_t<decltype(call[0])>> all;
    for (std::size_t i = 0; i < call.tensors(); ++i) {
      all.push_back(reshape_to(call[i], std::array<Index, 1>{call[i].numel()}));
    }
    return joined_along(call, all, 0);
  });
  registry.composite({.schema = "kron(Tensor self, Tensor other) -> Tensor",
                      .source = "IEEE 754; the gradient's sums in any order",
                      .sample = sample_kron},
                     [](const auto& call) { return kronecker(call); });
}

}  // namespace

void add_composite_joins(Registry& registry) {
  add_more_dims(registry);
  add_joined(registry);
}

}  // namespace gradproof
