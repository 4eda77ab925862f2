// index and index_put: a tensor indexed by tensors of positions and by masks, as x[i, :, j] and x[mask].
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/sources.h"
#include "engine/operators/writes.h"

namespace gradproof {

namespace {

// One index tensor of a list, or none, which takes the whole of its dim.
struct Indices {
  bool given = false;
  Shape sizes{};
  Table values{};
};

// A mask stands for as many index tensors as it has dims: the positions of what it chooses.
void add_mask(std::vector<Indices>& all, Sizes self, Sizes sizes, const std::vector<bool>& chosen) {
  const std::size_t first = all.size();
  if (sizes.empty()) throw EngineError(GP_UNSUPPORTED, "an index that is a 0-d mask");
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (first + d >= self.size() || sizes[d] != self[first + d]) {
      throw EngineError(GP_INDEX, "a mask of shape " + to_text(sizes) + " for dims from " + std::to_string(first) +
                                      " on of shape " + to_text(self));
    }
  }
  all.resize(first + sizes.size(), {true, {}, {}});
  std::size_t k = 0;
  by_index(Shape(sizes), [&](const Shape& at) {
    for (std::size_t d = 0; chosen[k] && d < sizes.size(); ++d) all[first + d].values.push_back(at[d]);
    return static_cast<Index>(k++);
  });
  for (std::size_t d = first; d < all.size(); ++d) all[d].sizes = Shape(std::array{std::ssize(all[d].values)});
}

// The common shape of all index tensors.
Shape common_sizes(const std::vector<Indices>& all) {
  Shape common;
  for (const Indices& each : all) {
    if (!each.given) continue;
    try {
      common = broadcast(common, each.sizes);
    } catch (const EngineError&) {
      throw EngineError(GP_INDEX, "index tensors of shapes that do not broadcast together");
    }
  }
  return common;
}

// Where the dims of the index tensors go in the result: in place of their own if these are side by side, else in
// front.
std::size_t place_of(const std::vector<Indices>& all) {
  const auto given = [](const Indices& each) { return each.given; };
  const auto first = std::find_if(all.begin(), all.end(), given);
  const auto gap = std::find_if_not(first, all.end(), given);
  const bool together = std::none_of(gap, all.end(), given);
  return together ? static_cast<std::size_t>(first - all.begin()) : 0;
}

// x[indices] for x of shape `self`.
Rearrangement indexed(Sizes self, std::vector<Indices> all) {
  if (all.size() > self.size()) {
    throw EngineError(GP_INDEX, std::to_string(all.size()) + " indices for a tensor of shape " + to_text(self));
  }
  all.resize(self.size());
  const Shape common = common_sizes(all);
  const std::size_t place = place_of(all);
  Shape sizes;
  const auto push_common = [&] {
    for (std::size_t d = 0; d < common.ndim; ++d) sizes.push(common[d]);
  };
  for (std::size_t d = 0; d < self.size(); ++d) {
    if (d == place) push_common();
    if (!all[d].given) sizes.push(self[d]);
  }
  if (place == self.size()) push_common();
  // An index that nothing is chosen by is checked, too.
  for (std::size_t d = 0; d < self.size(); ++d) {
    for (Index& value : all[d].values) value = checked_index(value, self[d], true);
  }
  return by_index(sizes, [&](const Shape& at) {
    Index position = 0;
    std::size_t own = 0;
    for (std::size_t d = 0; d < self.size(); ++d) {
      if (own == place) own += common.ndim;
      Index index = 0;
      if (all[d].given) {
        const Indices& each = all[d];
        const std::size_t lead = common.ndim - each.sizes.ndim;
        Index k = 0;
        for (std::size_t c = 0; c < each.sizes.ndim; ++c) {
          k = k * each.sizes[c] + (each.sizes[c] == 1 ? 0 : at[place + lead + c]);
        }
        index = each.values[static_cast<std::size_t>(k)];
      } else {
        index = at[own++];
      }
      position = position * self[d] + index;
    }
    return position;
  });
}

// The list of a call: tensors 1 to `end`.
template <class T>
Rearrangement indexed(const CompositeCall<T>& call, std::size_t end) {
  std::vector<Indices> all;
  bool any = false;
  for (std::size_t i = 1; i < end; ++i) {
    if (!call.has(i)) {
      all.emplace_back();
      continue;
    }
    any = true;
    if (call[i].value().kind == Kind::boolean) {
      add_mask(all, call[0].sizes(), call[i].sizes(), mask_values(call.tape, call[i]));
    } else {
      all.push_back(Indices{true, Shape(call[i].sizes()), index_values(call.tape, call[i])});
    }
  }
  if (!any) throw EngineError(GP_INDEX, "at least one index tensor is needed");
  return indexed(call[0].sizes(), std::move(all));
}

// --- drawing ---

// A mask over some dims side by side, the others whole.
std::vector<IndexTensor> draw_mask(Draw& draw, const std::vector<Index>& shape) {
  const Index first = draw.integer(0, std::ssize(shape) - 1);
  const Index last = draw.integer(first, std::ssize(shape) - 1);
  std::vector<IndexTensor> list(static_cast<std::size_t>(first));
  IndexTensor mask{IndexTensor::Kind::mask, {shape.begin() + first, shape.begin() + last + 1}, {}};
  for (Index i = count_elements(mask.sizes); i > 0; --i) mask.values.push_back(draw.integer(0, 1));
  list.push_back(mask);
  return list;
}

// Which dims have an index; at least one.
std::vector<bool> draw_indexed_dims(Draw& draw, std::size_t ndim) {
  std::vector<bool> given(static_cast<std::size_t>(draw.integer(1, static_cast<Index>(ndim))));
  for (std::vector<bool>::reference one : given) one = draw.coin();
  given.back() = true;
  return given;
}

std::vector<IndexTensor> draw_positions(Draw& draw, const std::vector<Index>& shape) {
  const std::vector<Index> common = draw.nonempty_shape(0, 2);
  std::vector<IndexTensor> list;
  for (const bool given : draw_indexed_dims(draw, shape.size())) {
    IndexTensor& index = list.emplace_back();
    if (!given) continue;
    const Index size = shape[list.size() - 1];
    index.kind = IndexTensor::Kind::integers;
    index.sizes = common;
    for (Index& own : index.sizes) own = draw.one_in(4) ? 1 : own;
    if (draw.one_in(5)) index.sizes.clear();
    for (Index i = count_elements(index.sizes); i > 0; --i) index.values.push_back(draw.integer(-size, size - 1));
  }
  return list;
}

// 1-d index tensors that name no element twice.
std::vector<IndexTensor> draw_different_positions(Draw& draw, const std::vector<Index>& shape) {
  const std::vector<bool> given = draw_indexed_dims(draw, shape.size());
  Index cells = 1;
  for (std::size_t d = 0; d < given.size(); ++d) cells *= given[d] ? shape[d] : 1;
  const Index count = draw.integer(draw.one_in(12) ? 0 : 1, std::min<Index>(cells, 4));
  std::vector<Index> cell = draw_different(draw, count, cells);
  std::vector<IndexTensor> list(given.size());
  for (std::size_t d = 0; d < given.size(); ++d) {
    if (!given[d]) continue;
    list[d].kind = IndexTensor::Kind::integers;
    list[d].sizes = {count};
    for (Index& left : cell) {
      const Index index = left % shape[d];
      list[d].values.push_back(draw.one_in(4) ? index - shape[d] : index);
      left /= shape[d];
    }
  }
  return list;
}

Rearrangement drawn_plan(const std::vector<Index>& shape, const std::vector<IndexTensor>& list) {
  std::vector<Indices> all;
  for (const IndexTensor& each : list) {
    switch (each.kind) {
      case IndexTensor::Kind::none: all.emplace_back(); break;
      case IndexTensor::Kind::integers: all.push_back({true, Shape(each.sizes), each.values}); break;
      case IndexTensor::Kind::mask:
        add_mask(all, shape, each.sizes, std::vector<bool>(each.values.begin(), each.values.end()));
        break;
    }
  }
  return indexed(shape, std::move(all));
}

void sample_index(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  draw.tensor("self", shape);
  draw.index_tensors("indices", draw.one_in(3) ? draw_mask(draw, shape) : draw_positions(draw, shape));
}
void sample_index_put(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  draw.tensor("self", shape);
  const bool accumulate = draw.coin();
  const std::vector<IndexTensor> list = draw.one_in(3) ? draw_mask(draw, shape)
                                        : accumulate   ? draw_positions(draw, shape)
                                                       : draw_different_positions(draw, shape);
  draw.index_tensors("indices", list);
  const Shape result = drawn_plan(shape, list).sizes;
  std::vector<Index> values(result.sizes().begin(), result.sizes().end());
  if (draw.one_in(3)) values.erase(values.begin(), values.begin() + draw.integer(0, std::ssize(values)));
  for (Index& size : values) size = draw.one_in(6) ? 1 : size;
  draw.tensor("values", values);
  if (accumulate || draw.coin()) draw.set_bool("accumulate", accumulate);
}

}  // namespace

void add_advanced_indexing(Registry& registry) {
  registry.composite({.schema = "index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
                      .source = sources::copies,
                      .sample = sample_index},
                     [](const auto& call) {
                       const Rearrangement plan = indexed(call, call.tensors());
                       return picked(call[0], plan.from, plan.sizes);
                     });
  registry.composite(
      {.schema = "index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
       .source = sources::sums,
       .note = "two writes to one element are refused unless they accumulate: which is the last is not defined",
       .sample = sample_index_put},
      [](const auto& call) {
        const std::size_t last = call.tensors() - 1;
        const Rearrangement plan = indexed(call, last);
        const auto values = expand_to(call[last], plan.sizes);
        return call.flag(0) ? add_at(call[0], values, plan.from) : write_over(call[0], values, plan.from);
      });
}

}  // namespace gradproof
