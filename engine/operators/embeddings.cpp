// embedding: rows of a table; embedding_bag: sums, means and maxima of bags of them.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/sources.h"
#include "engine/operators/writes.h"

namespace gradproof {

namespace {

// The rows at the padding index are constants by definition: they have values, and no derivative.
struct Embedding {
  template <class T>
  static void check(const Node<T>& node) {
    if (node.in(0).ndim != 2) throw EngineError(GP_SHAPE, "the weight must be a 2-d tensor");
    if (flag(node, 1) || flag(node, 2)) throw EngineError(GP_UNSUPPORTED, "scale_grad_by_freq, or a sparse gradient");
  }
  template <class T>
  static Table rows(Tape<T>& tape, const Node<T>& node, bool without_padding) {
    const Tensor<T>& weight = node.in(0);
    Table index = index_values(tape, input(tape, node, 1));
    const Index width = weight.sizes_begin[1];
    plannable(std::array{std::ssize(index), width});
    Table from;
    for (const Index row : index) {
      checked_index(row, weight.sizes_begin[0], false);
      const bool left_out = without_padding && row == node.args[0].integer;
      for (Index k = 0; k < width; ++k) from.push_back(left_out ? nowhere : row * width + k);
    }
    return from;
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    check(node);
    Shape sizes(node.in(1).sizes());
    sizes.push(node.in(0).sizes_begin[1]);
    rearrange(tape, node, {sizes, rows(tape, node, false)}, Scalar<T>::leaf(0));
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = placed(grads[0], rows(tape, node, true), node.in(0).sizes());
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = picked(tangents[0], rows(tape, node, true), node.out().sizes());
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(1);
  }
};

// --- embedding_bag ---

enum class BagMode : std::uint8_t { sum = 0, mean = 1, max = 2 };

// Which rows are in which bag.
struct Bags {
  Index count = 0;
  Index given_offsets = 0;
  Table rows;
  Table bag_of;
  std::vector<Index> sizes;  // without rows of padding

  Bags(Table indices, const Table& offsets, Index weight_rows, bool include_last_offset, Index padding)
      : given_offsets(std::ssize(offsets)), rows(std::move(indices)) {
    count = given_offsets - (include_last_offset ? 1 : 0);
    const Index last = offsets.empty() ? 0 : offsets.back();
    const bool fits =
        count >= 0 && (offsets.empty() || offsets[0] == 0) && std::is_sorted(offsets.begin(), offsets.end());
    if (!fits || last > std::ssize(rows)) throw EngineError(GP_ARGUMENT, "the offsets are not those of bags");
    sizes.assign(static_cast<std::size_t>(count), 0);
    Index bag = -1;
    for (Index k = 0; k < std::ssize(rows); ++k) {
      Index& row = rows[static_cast<std::size_t>(k)];
      checked_index(row, weight_rows, false);
      while (bag + 1 < count && offsets[static_cast<std::size_t>(bag + 1)] <= k) ++bag;
      const bool left_out = row == padding || bag < 0;
      bag_of.push_back(left_out ? nowhere : bag);
      if (!left_out) ++sizes[static_cast<std::size_t>(bag)];
    }
  }
  // Of each element of [rows, width]: where it is in the weight, and in [bags, width].
  Table elements(Sizes weight) const { return along_dim(weight, 0, rows); }
  Table targets(Index width) const {
    Table to;
    for (const Index bag : bag_of) {
      for (Index k = 0; k < width; ++k) to.push_back(bag == nowhere ? nowhere : bag * width + k);
    }
    return to;
  }
};

// The largest of each bag; of one without rows it is 0.
template <class T>
Var<T> bag_maxima(const CompositeCall<T>& call, const Bags& bags, Index width) {
  const Var<T> weight = call[0];
  // After the weight: what is below all, and what a bag without rows has.
  const Var<T> all = call_rule<Joined>(
      call.tape, {weight, call.tape.number(Scalar<T>::leaf(-infinity)), call.tape.number(Scalar<T>::leaf(0))}, {});
  const Index most =
      bags.sizes.empty() ? 1 : std::max<Index>(*std::max_element(bags.sizes.begin(), bags.sizes.end()), 1);
  Table from(static_cast<std::size_t>(plannable(std::array{bags.count, width, most})), weight.numel());
  std::vector<Index> used(bags.sizes.size(), 0);
  for (std::size_t k = 0; k < bags.rows.size(); ++k) {
    if (bags.bag_of[k] == nowhere) continue;
    const Index place = used[static_cast<std::size_t>(bags.bag_of[k])]++;
    for (Index c = 0; c < width; ++c) {
      from[static_cast<std::size_t>((bags.bag_of[k] * width + c) * most + place)] = bags.rows[k] * width + c;
    }
  }
  for (Index bag = 0; bag < bags.count; ++bag) {
    if (used[static_cast<std::size_t>(bag)] > 0) continue;
    for (Index c = 0; c < width; ++c) from[static_cast<std::size_t>((bag * width + c) * most)] = weight.numel() + 1;
  }
  const Var<T> rows = picked(all, from, std::array{bags.count, width, most});
  if (rows.numel() == 0) return zeros(call.tape, std::array{bags.count, width});
  return call("amax", rows, {call.of(Sizes(std::array{Index{2}})), call.of(false)});
}

template <class T>
Var<T> bagged(const CompositeCall<T>& call, const Bags& bags, BagMode mode) {
  const Index width = call[0].size(1);
  const std::array<Index, 2> sizes{bags.count, width};
  plannable(sizes);
  if (mode == BagMode::max) return bag_maxima(call, bags, width);
  Var<T> rows = picked(call[0], bags.elements(call[0].sizes()), std::array{std::ssize(bags.rows), width});
  if (call.has(3)) rows = rows * reshape_to(call[3], std::array<Index, 2>{std::ssize(bags.rows), 1});
  const Var<T> sums = placed(rows, bags.targets(width), sizes);
  if (mode == BagMode::sum) return sums;
  // Divided by the number of rows, or multiplied by its reciprocal: the product's ball holds both.
  const Tensor<T> shares = call.tape.allocate(Kind::real, std::array<Index, 2>{bags.count, 1});
  for (Index bag = 0; bag < bags.count; ++bag) {
    shares.real()[bag] = 1 / count_as_number<T>(std::max<Index>(bags.sizes[static_cast<std::size_t>(bag)], 1));
  }
  return sums * call.tape.constant(shares);
}

// What an engine notes for its backward, of which nothing is promised but its size.
template <class T>
Var<T> noted(Tape<T>& tape, Sizes sizes) {
  const Tensor<T> note = tape.allocate(Kind::integer, sizes);
  std::fill_n(note.integers(), note.numel, undecided);
  return tape.constant(note);
}

template <class T>
std::vector<Var<T>> embedding_bag(const CompositeCall<T>& call, Index padding) {
  if (call[0].ndim() != 2) throw EngineError(GP_SHAPE, "the weight must be a 2-d tensor");
  if (call[1].ndim() != 1 || call[2].ndim() != 1)
    throw EngineError(GP_SHAPE, "indices and offsets must be 1-d tensors");
  if (call.flag(0) || call.flag(2)) throw EngineError(GP_UNSUPPORTED, "scale_grad_by_freq, or a sparse gradient");
  if (call.integer(1) < 0 || call.integer(1) > 2) throw EngineError(GP_ARGUMENT, "the mode is 0, 1 or 2");
  const auto mode = static_cast<BagMode>(call.integer(1));
  if (call.has(3) && (mode != BagMode::sum || !same_sizes(call[3].sizes(), call[1].sizes()))) {
    throw EngineError(GP_ARGUMENT, "weights of samples are for sums, one for each index");
  }
  const Bags bags(index_values(call.tape, call[1]), index_values(call.tape, call[2]), call[0].size(0), call.flag(3),
                  padding);
  const Var<T> y = bagged(call, bags, mode);
  // LibTorch 2.11, EmbeddingBag.cpp: sums of f32, f16 and bf16 rows side by side in memory note no bags; without a
  // gradient to come the bags' sizes are not noted.
  const auto tracked = [&](std::size_t i) {
    return call.has(i) && (call[i].impl()->requires_grad || call[i].impl()->tangents != nullptr);
  };
  const bool fast = format_of<typename Scalar<T>::Dtype>().computed_in_f32() && mode == BagMode::sum && padding < 0 &&
                    call[0].value().strides_begin[1] == 1 && (!call.has(3) || call[3].value().strides_begin[0] == 1);
  const bool has_sizes = mode != BagMode::sum || tracked(0) || tracked(3);
  const std::array<Index, 1> per_index{fast ? 0 : std::ssize(bags.rows)};
  const std::array<Index, 1> per_bag{has_sizes ? bags.count : bags.given_offsets};
  const std::array<Index, 2> per_element{bags.count, call[0].size(1)};
  const Var<T> largest = mode == BagMode::max ? noted(call.tape, per_element) : noted(call.tape, per_bag);
  return {y, noted(call.tape, per_index), noted(call.tape, per_bag), largest};
}

// --- drawing ---

bool draw_bags(Draw& draw, Index& rows) {
  rows = draw.integer(1, 4);
  draw.tensor("weight", std::array{rows, draw.integer(1, 3)});
  const Index count = draw.integer(draw.one_in(12) ? 0 : 1, 5);
  draw.indices("indices", std::array{count}, 0, rows - 1);
  std::vector<Index> offsets{0};
  for (Index bags = draw.integer(0, 2); bags > 0; --bags) offsets.push_back(draw.integer(offsets.back(), count));
  const bool include_last = draw.one_in(3);
  if (include_last) offsets.push_back(count);
  draw.integers("offsets", std::array{std::ssize(offsets)}, offsets);
  const Index mode = draw.integer(0, 2);
  draw.set_int("mode", mode);
  const bool weighted = mode == 0 && draw.coin();
  if (weighted) draw.tensor("per_sample_weights", std::array{count});
  draw.set_bool("include_last_offset", include_last);
  return weighted;
}
void sample_bag(Draw& draw) {
  Index rows = 0;
  draw_bags(draw, rows);
}
void sample_padded_bag(Draw& draw) {
  Index rows = 0;
  if (!draw_bags(draw, rows)) draw.set_none("per_sample_weights");
  draw.set_bool("scale_grad_by_freq", false);
  draw.set_bool("sparse", false);
  draw.set_int("padding_idx", draw.integer(-rows, rows - 1));
}

void sample_embedding(Draw& draw) {
  const Index rows = draw.integer(1, 4);
  const Index width = draw.integer(1, 3);
  draw.tensor("weight", std::array{rows, width});
  // A row of padding is not drawn among the indices: its derivative is none by definition, which differences of
  // the values cannot know.
  const bool padded = rows > 1 && draw.coin();
  draw.indices("indices", draw.shape(0, 2), 0, padded ? rows - 2 : rows - 1);
  if (padded) draw.set_int("padding_idx", rows - 1);
}

}  // namespace

void add_embeddings(Registry& registry) {
  registry.structural<Embedding>({.schema = "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool "
                                            "scale_grad_by_freq=False, bool sparse=False) -> Tensor",
                                  .source = sources::copies,
                                  .sample = sample_embedding});
  registry.composite({.schema = "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool "
                                "scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? "
                                "per_sample_weights=None, bool include_last_offset=False) -> (Tensor, Tensor, Tensor, "
                                "Tensor)",
                      .source = "as sum, mean and amax",
                      .sample = sample_bag},
                     [](const auto& call) { return embedding_bag(call, nowhere); });
  registry.composite({.schema = "embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool "
                                "scale_grad_by_freq, int mode, bool sparse, Tensor? per_sample_weights, bool "
                                "include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor, Tensor)",
                      .source = "as sum, mean and amax",
                      .sample = sample_padded_bag},
                     [](const auto& call) {
                       if (call.none(4) || call[0].ndim() == 0) return embedding_bag(call, nowhere);
                       return embedding_bag(call, checked_index(call.integer(4), call[0].size(0), true));
                     });
}

}  // namespace gradproof
