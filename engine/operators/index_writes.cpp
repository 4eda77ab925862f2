// Reading and writing by one index, or by a mask: index_add, index_copy, index_fill, take, put, masked_fill, …
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/sources.h"
#include "engine/operators/writes.h"

namespace gradproof {

namespace {

// --- index_add, index_copy, index_fill: arguments dim, …; tensors self, index, source ---

template <class C>
Table index_of(const C& call) {
  if (call[1].ndim() > 1) throw EngineError(GP_INDEX, "the index must have at most one dimension");
  return index_values(call.tape, call[1]);
}

void need_source(Sizes self, std::size_t dim, Index count, Sizes source) {
  Shape expected = at_least_1d(self);
  expected[dim] = count;
  if (!same_sizes(at_least_1d(source), expected)) {
    throw EngineError(GP_SHAPE, "a source of shape " + to_text(source) + " for a tensor of shape " + to_text(self) +
                                    " and " + std::to_string(count) + " indices along dim " + std::to_string(dim));
  }
}

constexpr auto index_add = [](const auto& call) {
  const std::size_t dim = dim_of(call);
  const Table index = index_of(call);
  need_source(call[0].sizes(), dim, std::ssize(index), call[2].sizes());
  const auto scaled = call.arg(1).number == 1 ? call[2] : call[2] * call.number(1);
  return add_at(call[0], scaled, along_dim(call[0].sizes(), dim, index));
};

constexpr auto index_copy = [](const auto& call) {
  const std::size_t dim = dim_of(call);
  const Table index = index_of(call);
  need_source(call[0].sizes(), dim, std::ssize(index), call[2].sizes());
  return write_over(call[0], call[2], along_dim(call[0].sizes(), dim, index));
};

template <class C, class V>
V index_filled(const C& call, const V& value) {
  return fill_at(call[0], value, along_dim(call[0].sizes(), dim_of(call), index_of(call), true));
}

void draw_index(Draw& draw, const DrawnDim& self, Index count, bool once) {
  const Index length = self.length();
  if (!once) return draw.indices("index", std::array{count}, 0, length - 1);
  draw.integers("index", std::array{count}, draw_different(draw, count, length));
}
void sample_index_add(Draw& draw) {
  const DrawnDim self(draw, 0);
  const Index count = self.shape.empty() ? 1 : draw.integer(draw.one_in(12) ? 0 : 1, 4);
  draw_index(draw, self, count, false);
  draw.tensor("source", self.with_length(count));
  constexpr std::array alphas{2.0, -0.5, 0.1, 0.0};
  if (draw.coin()) draw.set_real("alpha", draw.pick(alphas));
}
void sample_index_copy(Draw& draw) {
  const DrawnDim self(draw, 0);
  const Index count = draw.integer(self.shape.empty() || !draw.one_in(12) ? 1 : 0, self.length());
  draw_index(draw, self, count, true);
  draw.tensor("source", self.with_length(count));
}
void sample_index_fill(Draw& draw) {
  const DrawnDim self(draw, 0);
  const Index count = draw.integer(draw.one_in(12) ? 0 : 1, 3);
  draw.indices("index", std::array{count}, draw.one_in(6) ? -self.length() : 0, self.length() - 1);
}
void sample_index_fill_scalar(Draw& draw) {
  sample_index_fill(draw);
  draw.set_real("value", draw.coin() ? 0.5 : -2);
}
void sample_index_fill_tensor(Draw& draw) {
  sample_index_fill(draw);
  draw.tensor("value", {});
}

void add_indexed(Registry& registry) {
  registry.composite({.schema = "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> "
                                "Tensor",
                      .source = sources::sums,
                      .sample = sample_index_add},
                     index_add);
  registry.composite({.schema = "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
                      .source = sources::copies,
                      .note = "an index that comes twice is refused: which write is the last is not defined",
                      .sample = sample_index_copy},
                     index_copy);
  registry.composite({.schema = "index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
                      .source = sources::copies,
                      .sample = sample_index_fill_scalar},
                     [](const auto& call) { return index_filled(call, call.number(1)); });
  registry.composite({.schema = "index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
                      .source = sources::copies,
                      .sample = sample_index_fill_tensor},
                     [](const auto& call) { return index_filled(call, call[2]); });
}

// --- take, put: the tensor as if it were 1-d ---

template <class C>
Table flat_positions(const C& call) {
  const Index count = call[0].numel();
  Table at = index_values(call.tape, call[1]);
  if (count == 0 && !at.empty()) throw EngineError(GP_INDEX, "an index into an empty tensor");
  for (Index& index : at) index = checked_index(index, count, true);
  return at;
}

// Positions of an index that, broadcast against the tensor but along the dim, chooses along it.
struct AlongDim {
  Shape self;
  Shape index;

  AlongDim(Sizes self_sizes, Sizes index_sizes, std::size_t dim) {
    if (self_sizes.size() != index_sizes.size()) {
      throw EngineError(GP_SHAPE,
                        "indices of shape " + to_text(index_sizes) + " for a tensor of shape " + to_text(self_sizes));
    }
    Shape one(self_sizes);
    Shape other(index_sizes);
    if (one.ndim > 0) one[dim] = other[dim] = 1;
    self = index = broadcast(one, other);
    if (self.ndim > 0) {
      self[dim] = self_sizes[dim];
      index[dim] = index_sizes[dim];
    }
  }
};

template <class C>
auto take_along_dim(const C& call) {
  if (call.none(0)) {
    const Table at = flat_positions(call);
    return picked(call[0], at, std::array<Index, 1>{std::ssize(at)});
  }
  const auto dim = static_cast<std::size_t>(wrap_dim(call.integer(0), call[0].ndim()));
  const AlongDim shapes(call[0].sizes(), call[1].sizes(), dim);
  return call("gather", {expand_to(call[0], shapes.self), expand_to(call[1], shapes.index)},
              {call.arg(0), call.of(false)});
}

void sample_take(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 3);
  draw.tensor("self", shape);
  const Index count = count_elements(shape);
  draw.indices("index", draw.shape(0, 2), -count, count - 1);
}
void sample_put(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 3);
  draw.tensor("self", shape);
  const Index size = count_elements(shape);
  const bool accumulate = draw.coin();
  const std::array count{draw.integer(0, accumulate ? 5 : std::min<Index>(size, 5))};
  if (accumulate) {
    draw.indices("index", count, -size, size - 1);
  } else {
    draw.integers("index", count, draw_different(draw, count[0], size));
  }
  draw.tensor("source", count);
  if (accumulate || draw.coin()) draw.set_bool("accumulate", accumulate);
}
void sample_take_along_dim(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  if (draw.one_in(8)) {
    draw.tensor("self", shape);
    return draw.indices("indices", draw.shape(1, 2), 0, count_elements(shape) - 1);
  }
  const auto dim = static_cast<std::size_t>(draw.integer(0, std::ssize(shape) - 1));
  std::vector<Index> self = shape;
  std::vector<Index> indices = shape;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (d == dim) {
      indices[d] = draw.integer(1, 3);
    } else if (draw.one_in(3)) {
      (draw.coin() ? self : indices)[d] = 1;
    }
  }
  draw.tensor("self", self);
  draw.indices("indices", indices, 0, self[dim] - 1);
  draw.set_int("dim", draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape)));
}

void add_flat(Registry& registry) {
  registry.composite(
      {.schema = "take(Tensor self, Tensor index) -> Tensor", .source = sources::copies, .sample = sample_take},
      [](const auto& call) { return picked(call[0], flat_positions(call), call[1].sizes()); });
  registry.composite({.schema = "put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
                      .source = sources::sums,
                      .note = "an index that comes twice is refused unless the writes accumulate",
                      .sample = sample_put},
                     [](const auto& call) {
                       const Table at = flat_positions(call);
                       if (std::ssize(at) != call[2].numel()) {
                         throw EngineError(GP_SHAPE, "as many elements are needed in the source as in the index");
                       }
                       return call.flag(0) ? add_at(call[0], call[2], at) : write_over(call[0], call[2], at);
                     });
  registry.composite({.schema = "take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor",
                      .source = sources::copies,
                      .sample = sample_take_along_dim},
                     [](const auto& call) { return take_along_dim(call); });
}

// --- masks ---

// What a mask chooses from a tensor, both broadcast to a common shape.
struct Masked {
  Shape common;
  Table chosen;

  Masked(Sizes self, Sizes mask, const std::vector<bool>& values) {
    common = broadcast(self, mask);
    const std::size_t lead = common.ndim - mask.size();
    Index position = 0;
    by_index(common, [&](const Shape& at) {
      Index from = 0;
      for (std::size_t d = 0; d < mask.size(); ++d) from = from * mask[d] + (mask[d] == 1 ? 0 : at[lead + d]);
      if (values[static_cast<std::size_t>(from)]) chosen.push_back(position);
      return position++;
    });
  }
};

void draw_masked(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 3);
  std::vector<Index> mask = shape;
  if (draw.one_in(3)) mask.erase(mask.begin(), mask.begin() + draw.integer(0, std::ssize(mask)));
  for (Index& size : mask) size = draw.one_in(4) ? 1 : size;
  draw.tensor("self", shape);
  draw.mask("mask", mask);
}
void sample_masked_fill_scalar(Draw& draw) {
  draw_masked(draw);
  draw.set_real("value", draw.coin() ? 0.5 : -2);
}
void sample_masked_fill_tensor(Draw& draw) {
  draw_masked(draw);
  draw.tensor("value", {});
}
void sample_masked_scatter(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 3);
  draw.tensor("self", shape);
  draw.mask("mask", shape);
  draw.tensor("source", std::array{count_elements(shape) + draw.integer(0, 2)});
}
template <bool NumberFirst>
void sample_where(Draw& draw) {
  std::vector<Index> shape = draw.shape(0, 3);
  draw.mask("condition", shape);
  for (Index& size : shape) size = draw.one_in(4) ? 1 : size;
  draw.tensor(NumberFirst ? "other" : "self", shape);
  draw.set_real(NumberFirst ? "self" : "other", draw.coin() ? 0.5 : -2);
}

void add_masked(Registry& registry) {
  const auto add = [&](std::string_view schema, void (*sample)(Draw&), auto program) {
    registry.composite({.schema = schema, .source = sources::copies, .sample = sample}, program);
  };
  add("masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor", sample_masked_fill_scalar,
      [](const auto& call) {
        return call("where.self", {call[1], call.number(0), call[0]});
      });
  add("masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor", sample_masked_fill_tensor,
      [](const auto& call) {
        if (call[2].ndim() != 0) throw EngineError(GP_ARGUMENT, "the value to fill with must be a 0-d tensor");
        return call("where.self", {call[1], call[2], call[0]});
      });
  add("where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor", sample_where<true>,
      [](const auto& call) {
        return call("where.self", {call[0], call.number(0), call[1]});
      });
  add("where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor", sample_where<false>,
      [](const auto& call) {
        return call("where.self", {call[0], call[1], call.number(0)});
      });
  add("masked_select(Tensor self, Tensor mask) -> Tensor", draw_masked, [](const auto& call) {
    const Masked plan(call[0].sizes(), call[1].sizes(), mask_values(call.tape, call[1]));
    return picked(expand_to(call[0], plan.common), plan.chosen, std::array<Index, 1>{std::ssize(plan.chosen)});
  });
  add("masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor", sample_masked_scatter, [](const auto& call) {
    const Masked plan(call[0].sizes(), call[1].sizes(), mask_values(call.tape, call[1]));
    if (std::ssize(plan.chosen) > call[2].numel()) {
      throw EngineError(GP_SHAPE, "the source has fewer elements than the mask has ones");
    }
    return write_over(expand_to(call[0], plan.common), call[2], plan.chosen);
  });
}

}  // namespace

void add_index_writes(Registry& registry) {
  add_indexed(registry);
  add_flat(registry);
  add_masked(registry);
}

}  // namespace gradproof
