// Positions made and used: one_hot, bucketize, searchsorted, which have no derivative; repeat_interleave by a tensor;
// max_unpool.
#include <limits>

#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/sources.h"
#include "engine/operators/writes.h"

namespace gradproof {

namespace {

constexpr std::string_view source = "exact";

struct OneHot {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Table index = index_values(tape, input(tape, node, 0));
    Index classes = node.args[0].integer;
    const Index largest = index.empty() ? -1 : *std::max_element(index.begin(), index.end());
    if (index.empty() && classes <= 0) throw EngineError(GP_ARGUMENT, "one_hot of nothing needs num_classes");
    if (!index.empty() && *std::min_element(index.begin(), index.end()) < 0) {
      throw EngineError(GP_ARGUMENT, "a negative class");
    }
    if (largest == std::numeric_limits<Index>::max()) throw EngineError(GP_OUT_OF_MEMORY, "a class beyond any count");
    if (classes == -1) classes = largest + 1;
    if (classes < 1 || classes <= largest) {
      throw EngineError(GP_ARGUMENT, "class " + std::to_string(largest) + " of " + std::to_string(classes));
    }
    Shape sizes(node.in(0).sizes());
    sizes.push(classes);
    plannable(sizes);
    const Tensor<T> out = tape.allocate(Kind::integer, sizes);
    for (Index i = 0; i < out.numel; ++i) {
      out.integers()[i] = index[static_cast<std::size_t>(i / classes)] == i % classes ? 1 : 0;
    }
    set_outputs(tape, node, {out});
  }
};

// --- where a number belongs among sorted ones ---

template <class T>
Truth below(const Tensor<T>& a, Index i, const Tensor<T>& b, Index k) {
  if (a.kind == Kind::integer) return truth(a.integers()[i] < b.integers()[k]);
  return less(a.real()[i], b.real()[k]);
}

// The number of boundaries below x; with `right`, of those not above x. The last dim of several rows of boundaries
// belongs to the same row of x.
template <class T>
void search(Tape<T>& tape, Node<T>& node, const Tensor<T>& boundaries, const Tensor<T>& x, bool right) {
  if (boundaries.kind != x.kind || x.kind == Kind::boolean) {
    throw EngineError(GP_DTYPE, "boundaries and values of one dtype are needed");
  }
  const Index length = boundaries.sizes_begin[boundaries.ndim - 1];
  const Index row = boundaries.ndim == 1 || x.ndim == 0 ? 0 : x.sizes_begin[x.ndim - 1];
  const Tensor<T> out = tape.allocate(Kind::integer, x.sizes());
  for (Index i = 0; i < x.numel; ++i) {
    const Index first = row == 0 ? 0 : i / row * length;
    Index count = 0;
    bool open = false;
    for (Index k = first; k < first + length; ++k) {
      // Among boundaries that are not sorted every engine may look elsewhere.
      if (HasHull<T> && k > first) open = open || below(boundaries, k, boundaries, k - 1) != Truth::no;
      const Truth counts = right ? !below(x, i, boundaries, k) : below(boundaries, k, x, i);
      open = open || counts == Truth::unknown;
      count += counts == Truth::yes ? 1 : 0;
    }
    out.integers()[i] = open ? undecided : count;
  }
  set_outputs(tape, node, {out});
}

struct Bucketize {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    if (flag(node, 0)) throw EngineError(GP_UNSUPPORTED, "indices of 32 bits");
    if (node.in(1).ndim != 1) throw EngineError(GP_SHAPE, "the boundaries must be a 1-d tensor");
    search(tape, node, tape.contiguous(node.in(1)), tape.contiguous(node.in(0)), flag(node, 1));
  }
};

struct SearchSorted {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    if (flag(node, 0)) throw EngineError(GP_UNSUPPORTED, "indices of 32 bits");
    if (node.inputs[2] != nullptr) throw EngineError(GP_UNSUPPORTED, "searchsorted with a sorter");
    const Tensor<T> boundaries = tape.contiguous(node.in(0));
    const Tensor<T> x = tape.contiguous(node.in(1));
    bool fits = boundaries.ndim == 1 || (boundaries.ndim == x.ndim && x.ndim > 0);
    for (std::size_t d = 0; fits && boundaries.ndim > 1 && d + 1 < x.ndim; ++d) {
      fits = boundaries.sizes_begin[d] == x.sizes_begin[d];
    }
    if (!fits) {
      throw EngineError(GP_SHAPE, "values of shape " + to_text(x.sizes()) + " in sorted ones of shape " +
                                      to_text(boundaries.sizes()));
    }
    const bool none = node.args[2].is_none();
    const bool right = none ? flag(node, 1) : node.args[2].text == "right";
    if (!none && flag(node, 1) && !right) throw EngineError(GP_ARGUMENT, "side and right contradict each other");
    search(tape, node, boundaries, x, right);
  }
};

// --- repeats ---

// i repeats[i] times, for each i.
Table repeated_positions(const Table& repeats, Index count) {
  Index total = 0;
  for (const Index times : repeats) {
    if (times < 0) throw EngineError(GP_ARGUMENT, "a negative number of repeats");
    if (times > Index{1} << 28U) throw EngineError(GP_OUT_OF_MEMORY, "more than 2^28 repeats");
    total += times * (repeats.size() == 1 ? count : 1);
    plannable(std::array{total});
  }
  Table table;
  table.reserve(static_cast<std::size_t>(total));
  for (Index i = 0; i < count; ++i) {
    table.insert(table.end(), static_cast<std::size_t>(repeats[repeats.size() == 1 ? 0 : static_cast<std::size_t>(i)]),
                 i);
  }
  return table;
}

template <class T>
Var<T> repeat_interleave(const CompositeCall<T>& call) {
  const Var<T> x = call.none(0) ? flat(call[0]) : call[0].ndim() == 0 ? flat(call[0]) : call[0];
  const auto dim = static_cast<std::size_t>(call.none(0) ? 0 : wrap_dim(call.integer(0), x.ndim()));
  const Index count = x.sizes()[dim];
  const Table repeats = index_values(call.tape, call[1]);
  if (call[1].ndim() > 1 || (std::ssize(repeats) != 1 && std::ssize(repeats) != count)) {
    throw EngineError(GP_SHAPE, std::to_string(repeats.size()) + " repeats for " + std::to_string(count) + " elements");
  }
  const Table index = repeated_positions(repeats, count);
  if (!call.none(1) && call.integer(1) != std::ssize(index)) {
    throw EngineError(GP_ARGUMENT, "output_size must be " + std::to_string(index.size()));
  }
  Shape sizes(x.sizes());
  sizes[dim] = std::ssize(index);
  plannable(sizes);
  return picked(x, along_dim(x.sizes(), dim, index), sizes);
}

// --- max_unpool: maxima back to where they were, zeros elsewhere ---

template <std::size_t Dims, class T>
Var<T> unpooled(const CompositeCall<T>& call, Sizes output) {
  const Sizes sizes = call[0].sizes();
  const bool fits = (sizes.size() == Dims + 1 || sizes.size() == Dims + 2) && output.size() == Dims;
  if (!fits || !same_sizes(sizes, call[1].sizes())) {
    throw EngineError(GP_SHAPE, "maxima of shape " + to_text(sizes) + " with indices of shape " +
                                    to_text(call[1].sizes()) + " into planes of shape " + to_text(output));
  }
  const Table index = index_values(call.tape, call[1]);
  Shape out(sizes);
  for (std::size_t d = 0; d < Dims; ++d) out[sizes.size() - Dims + d] = output[d];
  Table from(static_cast<std::size_t>(plannable(out)), nowhere);
  const Index each = std::max<Index>(count_elements(sizes.last(Dims)), 1);
  const Index plane = count_elements(output);
  for (std::size_t k = 0; k < index.size(); ++k) {
    const Index at = static_cast<Index>(k) / each * plane + checked_index(index[k], plane, false);
    Index& one = from[static_cast<std::size_t>(at)];
    if (one != nowhere) throw EngineError(GP_UNSUPPORTED, "two maxima in one place: the last one is not defined");
    one = static_cast<Index>(k);
  }
  return picked(call[0], from, out);
}

// --- drawing ---

void sample_one_hot(Draw& draw) {
  const Index classes = draw.integer(1, 4);
  const bool given = draw.coin();
  draw.indices("self", given ? draw.shape(0, 2) : draw.nonempty_shape(0, 2), 0, classes - 1);
  if (given) draw.set_int("num_classes", classes);
}

// One number is sorted by itself; several are drawn as integers.
void draw_search(Draw& draw, std::string_view boundaries, std::string_view x) {
  if (draw.coin()) {
    draw.tensor(boundaries, std::array{Index{1}});
    draw.tensor(x, draw.shape(0, 2));
  } else {
    std::vector<Index> sorted(static_cast<std::size_t>(draw.integer(0, 4)));
    for (Index& one : sorted) one = draw.integer(-3, 3);
    std::sort(sorted.begin(), sorted.end());
    draw.integers(boundaries, std::array{std::ssize(sorted)}, sorted);
    draw.indices(x, draw.shape(0, 2), -4, 4);
  }
  if (draw.coin()) draw.set_bool("right", draw.coin());
}
void sample_bucketize(Draw& draw) { draw_search(draw, "boundaries", "self"); }
void sample_searchsorted(Draw& draw) { draw_search(draw, "sorted_sequence", "self"); }

void sample_repeats(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  draw.tensor("self", shape);
  const bool whole = draw.one_in(3);
  const auto dim = static_cast<std::size_t>(draw.integer(0, std::ssize(shape) - 1));
  const Index count = whole ? count_elements(shape) : shape[dim];
  draw.indices("repeats", std::array{draw.one_in(4) ? 1 : count}, 0, 2);
  if (!whole) draw.set_int("dim", draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape)));
}

template <std::size_t Dims>
void sample_unpool(Draw& draw) {
  std::vector<Index> shape;
  std::vector<Index> output;
  if (draw.coin()) shape.push_back(draw.integer(1, 2));
  shape.push_back(draw.integer(1, 2));
  Index planes = count_elements(shape);
  for (std::size_t d = 0; d < Dims; ++d) {
    shape.push_back(draw.integer(1, 2));
    output.push_back(2 * shape.back() + draw.integer(0, 1));
  }
  const Index each = count_elements(shape) / planes;
  std::vector<Index> index;
  for (; planes > 0; --planes) {
    const std::vector<Index> plane = draw_different(draw, each, count_elements(output));
    index.insert(index.end(), plane.begin(), plane.end());
  }
  draw.tensor("self", shape);
  draw.integers("indices", shape, index);
  draw.set_ints("output_size", output);
  if (Dims < 3) return;
  draw.set_ints("stride", std::array<Index, 3>{2, 2, 2});
  draw.set_ints("padding", std::array<Index, 3>{0, 0, 0});
}

}  // namespace

void add_lookups(Registry& registry) {
  registry.structural<OneHot>(
      {.schema = "one_hot(Tensor self, int num_classes=-1) -> Tensor", .source = source, .sample = sample_one_hot});
  registry.structural<Bucketize>(
      {.schema =
           "bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
       .source = source,
       .sample = sample_bucketize});
  registry.structural<SearchSorted>(
      {.schema = "searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, "
                 "str? side=None, Tensor? sorter=None) -> Tensor",
       .source = source,
       .sample = sample_searchsorted});
  registry.composite({.schema = "repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? "
                                "output_size=None) -> Tensor",
                      .source = sources::copies,
                      .sample = sample_repeats},
                     [](const auto& call) { return repeat_interleave(call); });
  constexpr std::string_view once = "two maxima in one place are refused: which is the last is not defined";
  registry.composite({.schema = "max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor",
                      .source = source,
                      .note = once,
                      .sample = sample_unpool<2>},
                     [](const auto& call) { return unpooled<2>(call, call.list(0)); });
  registry.composite({.schema = "max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, "
                                "int[3] padding) -> Tensor",
                      .source = source,
                      .note = once,
                      .sample = sample_unpool<3>},
                     [](const auto& call) { return unpooled<3>(call, call.list(0)); });
}

}  // namespace gradproof
