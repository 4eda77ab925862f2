// Operators with a list of results, each a part of the tensor: split, chunk, unbind and their kin.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/rules.h"

namespace gradproof {

namespace {

constexpr std::string_view source = "exact";

// --- plans ---

std::size_t dim_to_split(Sizes sizes, Index dim) {
  if (sizes.empty()) throw EngineError(GP_SHAPE, "a 0-d tensor cannot be split");
  return static_cast<std::size_t>(wrap_dim(dim, static_cast<int>(sizes.size())));
}

void need_few(Index parts) {
  if (parts > Index{1} << 20U) throw EngineError(GP_OUT_OF_MEMORY, "a split into " + std::to_string(parts) + " parts");
}

// As many parts of `size` as it takes; the last may be smaller.
std::vector<Index> of_size(Index length, Index size) {
  if (size < 0 || (size == 0 && length > 0)) {
    throw EngineError(GP_ARGUMENT,
                      "parts of size " + std::to_string(size) + " of a dim of size " + std::to_string(length));
  }
  const Index parts = size == 0 || length == 0 ? 1 : (length - 1) / size + 1;
  need_few(parts);
  std::vector<Index> sizes(static_cast<std::size_t>(parts), size);
  sizes.back() = length - size * (parts - 1);
  return sizes;
}

std::vector<Index> in_chunks(Index length, Index chunks) {
  if (chunks <= 0) throw EngineError(GP_ARGUMENT, "chunk takes at least 1 chunk, not " + std::to_string(chunks));
  need_few(chunks);
  if (length == 0) return std::vector<Index>(static_cast<std::size_t>(chunks), 0);
  return of_size(length, (length - 1) / chunks + 1);
}

// The first ones are larger by one where they cannot all be alike.
std::vector<Index> in_sections(Index length, Index sections) {
  if (sections <= 0) {
    throw EngineError(GP_ARGUMENT, "the number of sections must be positive, not " + std::to_string(sections));
  }
  need_few(sections);
  std::vector<Index> sizes;
  for (Index i = 0; i < sections; ++i) sizes.push_back(length / sections + (i < length % sections ? 1 : 0));
  return sizes;
}

std::vector<Index> given_sizes(Index length, Sizes sizes) {
  Index sum = 0;
  for (const Index size : sizes) {
    if (size < 0 || size > length - sum) sum = -1;
    if (sum < 0) break;
    sum += size;
  }
  if (sum != length) {
    throw EngineError(GP_ARGUMENT, "parts of sizes " + to_text(sizes) + " of a dim of size " + std::to_string(length));
  }
  return {sizes.begin(), sizes.end()};
}

// hsplit, vsplit, dsplit
std::size_t stacked_dim(Sizes sizes, std::size_t dim) {
  if (dim == 1 && sizes.size() == 1) return 0;
  if (sizes.size() <= dim || sizes.empty() || (dim == 0 && sizes.size() < 2)) {
    throw EngineError(GP_SHAPE, "too few dimensions to split along in shape " + to_text(sizes));
  }
  return dim;
}
void need_equal(Index length, Index sections) {
  if (sections <= 0 || length % sections != 0) {
    throw EngineError(GP_ARGUMENT,
                      std::to_string(sections) + " equal sections of a dim of size " + std::to_string(length));
  }
}

// --- programs ---

template <class C>
auto parts(const C& call, std::size_t dim, const std::vector<Index>& sizes) {
  std::vector<decltype(call[0])> results;
  Index start = 0;
  for (const Index size : sizes) {
    results.push_back(call("narrow", call[0], {call.of(static_cast<Index>(dim)), call.of(start), call.of(size)}));
    start += size;
  }
  return results;
}

// Between the indices, which may be out of range or out of order, as Python's slices may.
template <class C>
auto between(const C& call, std::size_t dim, Sizes indices) {
  need_few(static_cast<Index>(indices.size()));
  std::vector<decltype(call[0])> results;
  Index start = 0;
  for (std::size_t i = 0; i <= indices.size(); ++i) {
    const Index end = i < indices.size() ? indices[i] : call[0].sizes()[dim];
    results.push_back(call("slice.Tensor", call[0],
                           {call.of(static_cast<Index>(dim)), call.of(start), call.of(end), call.of(Index{1})}));
    start = end;
  }
  return results;
}

constexpr auto split = [](const auto& call) {
  const std::size_t dim = dim_to_split(call[0].sizes(), call.integer(1));
  return parts(call, dim, of_size(call[0].sizes()[dim], call.integer(0)));
};
constexpr auto split_sizes = [](const auto& call) {
  const std::size_t dim = dim_to_split(call[0].sizes(), call.integer(1));
  return parts(call, dim, given_sizes(call[0].sizes()[dim], call.list(0)));
};
constexpr auto chunk = [](const auto& call) {
  const std::size_t dim = dim_to_split(call[0].sizes(), call.integer(1));
  return parts(call, dim, in_chunks(call[0].sizes()[dim], call.integer(0)));
};
constexpr auto sections = [](const auto& call) {
  const std::size_t dim = dim_to_split(call[0].sizes(), call.integer(1));
  return parts(call, dim, in_sections(call[0].sizes()[dim], call.integer(0)));
};
constexpr auto at_indices = [](const auto& call) {
  return between(call, dim_to_split(call[0].sizes(), call.integer(1)), call.list(0));
};
constexpr auto unbind = [](const auto& call) {
  const std::size_t dim = dim_to_split(call[0].sizes(), call.integer(0));
  need_few(call[0].sizes()[dim]);
  std::vector<std::decay_t<decltype(call[0])>> results;
  for (Index i = 0; i < call[0].sizes()[dim]; ++i) {
    results.push_back(call("select.int", call[0], {call.of(static_cast<Index>(dim)), call.of(i)}));
  }
  return results;
};

template <std::size_t Dim>
struct EqualSections {
  template <class C>
  auto operator()(const C& call) const {
    const std::size_t dim = stacked_dim(call[0].sizes(), Dim);
    need_equal(call[0].sizes()[dim], call.integer(0));
    return parts(call, dim, in_sections(call[0].sizes()[dim], call.integer(0)));
  }
};
template <std::size_t Dim>
struct StackedAtIndices {
  template <class C>
  auto operator()(const C& call) const {
    return between(call, stacked_dim(call[0].sizes(), Dim), call.list(0));
  }
};

template <class Program>
struct Copies {
  template <class C>
  auto operator()(const C& call) const {
    auto results = Program{}(call);
    for (auto& result : results) result = call("clone", result, {call.none()});
    return results;
  }
};

// --- drawing ---

// The dim's size; the dim is left to the default, 0, at times.
Index draw_dim(Draw& draw) {
  const std::vector<Index> shape = draw.shape(1, 3);
  draw.tensor("self", shape);
  const Index dim = draw.integer(0, std::ssize(shape) - 1);
  if (dim != 0 || draw.coin()) draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
  return shape[static_cast<std::size_t>(dim)];
}

void sample_split(Draw& draw) {
  const Index length = draw_dim(draw);
  draw.set_int("split_size", draw.integer(1, length + 1));
}
std::vector<Index> draw_sizes(Draw& draw, Index length) {
  std::vector<Index> sizes;
  for (Index left = length; left > 0 || sizes.empty();) {
    sizes.push_back(draw.integer(draw.one_in(8) ? 0 : std::min<Index>(left, 1), left));
    left -= sizes.back();
  }
  return sizes;
}
void sample_split_sizes(Draw& draw) { draw.set_ints("split_size", draw_sizes(draw, draw_dim(draw))); }
void sample_split_with_sizes(Draw& draw) { draw.set_ints("split_sizes", draw_sizes(draw, draw_dim(draw))); }
void sample_chunk(Draw& draw) {
  draw_dim(draw);
  draw.set_int("chunks", draw.integer(1, 4));
}
void sample_sections(Draw& draw) {
  draw_dim(draw);
  draw.set_int("sections", draw.integer(1, 5));
}
std::vector<Index> draw_indices(Draw& draw) {
  std::vector<Index> indices(static_cast<std::size_t>(draw.integer(0, 3)));
  for (Index& index : indices) index = draw.integer(-3, 5);
  return indices;
}
void sample_indices(Draw& draw) {
  draw_dim(draw);
  draw.set_ints("indices", draw_indices(draw));
}
void sample_unbind(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 4);
  draw.tensor("self", shape);
  const Index dim = draw.integer(0, std::ssize(shape) - 1);
  if (dim != 0 || draw.coin()) draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
}

void sample_flat(Draw& draw) {
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(1, 3)));
  Index count = 0;
  for (std::vector<Index>& shape : shapes) {
    shape = draw.nonempty_shape(0, 2);
    count += count_elements(shape);
  }
  draw.tensor("flat", std::array{count});
  draw.constants("tensors", shapes);
}

template <std::size_t Dim>
std::size_t draw_stacked(Draw& draw, std::vector<Index>& shape) {
  shape = draw.nonempty_shape(Dim == 1 ? 1 : Dim == 0 ? 2 : 3, 4);
  return Dim == 1 && shape.size() == 1 ? 0 : Dim;
}
template <std::size_t Dim>
void sample_stacked_sections(Draw& draw) {
  std::vector<Index> shape;
  const std::size_t dim = draw_stacked<Dim>(draw, shape);
  const Index sections = draw.integer(1, 3);
  shape[dim] = sections * draw.integer(1, 2);
  draw.tensor("self", shape);
  draw.set_int("sections", sections);
}
template <std::size_t Dim>
void sample_stacked_indices(Draw& draw) {
  std::vector<Index> shape;
  draw_stacked<Dim>(draw, shape);
  draw.tensor("self", shape);
  draw.set_ints("indices", draw_indices(draw));
}

}  // namespace

void add_splits(Registry& registry) {
  const auto view = [&](std::string_view schema, void (*sample)(Draw&), auto program) {
    registry.composite({.schema = schema, .source = source, .view = true, .sample = sample}, program);
  };
  const auto copies = [&]<class Program>(std::string_view schema, void (*sample)(Draw&), Program) {
    registry.composite({.schema = schema, .source = source, .sample = sample}, Copies<Program>{});
  };
  view("split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]", sample_split, split);
  view("split.sizes(Tensor(a -> *) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]", sample_split_sizes,
       split_sizes);
  view("split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]", sample_split_with_sizes,
       split_sizes);
  view("chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]", sample_chunk, chunk);
  view("unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]", sample_unbind, unbind);
  view("tensor_split.sections(Tensor(a -> *) self, SymInt sections, int dim=0) -> Tensor(a)[]", sample_sections,
       sections);
  view("tensor_split.indices(Tensor(a -> *) self, SymInt[] indices, int dim=0) -> Tensor(a)[]", sample_indices,
       at_indices);
  view("hsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]", sample_stacked_sections<1>, EqualSections<1>{});
  view("vsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]", sample_stacked_sections<0>, EqualSections<0>{});
  view("dsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]", sample_stacked_sections<2>, EqualSections<2>{});
  view("hsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]", sample_stacked_indices<1>,
       StackedAtIndices<1>{});
  view("vsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]", sample_stacked_indices<0>,
       StackedAtIndices<0>{});
  view("dsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]", sample_stacked_indices<2>,
       StackedAtIndices<2>{});
  registry.composite({.schema = "unflatten_dense_tensors(Tensor flat, Tensor[] tensors) -> Tensor[]",
                      .source = source,
                      .view = true,
                      .sample = sample_flat},
                     [](const auto& call) {
                       std::vector<std::decay_t<decltype(call[0])>> parts;
                       Index first = 0;
                       for (std::size_t i = 1; i < call.tensors(); ++i) {
                         const Index count = call[i].numel();
                         const auto part = call("narrow", call[0], {call.of(Index{0}), call.of(first), call.of(count)});
                         parts.push_back(call("view", part, {call.of(call[i].sizes())}));
                         first += count;
                       }
                       return parts;
                     });
  // LibTorch's share memory without being views: what is promised of them is that of copies.
  copies("unsafe_split.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]", sample_split, split);
  copies("unsafe_split_with_sizes(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]", sample_split_with_sizes,
         split_sizes);
  copies("unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]", sample_chunk, chunk);
  copies("split_copy.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]", sample_split, split);
  copies("split_with_sizes_copy(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]", sample_split_with_sizes,
         split_sizes);
  copies("unbind_copy.int(Tensor self, int dim=0) -> Tensor[]", sample_unbind, unbind);
}

}  // namespace gradproof
