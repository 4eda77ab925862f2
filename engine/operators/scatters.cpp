// scatter, scatter_add, scatter_reduce, index_reduce; and writing into a view: select_scatter, slice_scatter, …
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/sources.h"
#include "engine/operators/writes.h"

namespace gradproof {

namespace {

constexpr std::string_view as_reduced = "as sum, prod, amax and amin";

// --- scatter: self[index[i][j][k]][j][k] = src[i][j][k] for dim 0 ---

template <class C>
Table targets(const C& call) {
  return through_index(call[0].sizes(), dim_of(call), call[1].sizes(), index_values(call.tape, call[1]));
}
// Of src, what has an index.
template <class C>
auto indexed_source(const C& call) {
  const auto src = call[2];
  return same_sizes(src.sizes(), call[1].sizes())
             ? src
             : picked(src, corner_of(src.sizes(), call[1].sizes()), call[1].sizes());
}

// --- what is reduced into one element ---

// Rows of positions, those of self and, after them, of the source: what each element of self is reduced from.
// Rows are filled up with `pad`.
struct Groups {
  Index length = 1;
  Table from;
  std::vector<Index> counts;

  Groups(Index self_count, const Table& to, bool include_self, Index pad) : counts(self_count, include_self ? 1 : 0) {
    for (const Index at : to) ++counts[static_cast<std::size_t>(at)];
    for (Index& count : counts) length = std::max(length, count);
    plannable(std::array{self_count, length});
    from.assign(static_cast<std::size_t>(self_count * length), pad);
    std::vector<Index> used(static_cast<std::size_t>(self_count), 0);
    const auto add = [&](Index at, Index position) {
      from[static_cast<std::size_t>(at * length + used[static_cast<std::size_t>(at)]++)] = position;
    };
    for (Index at = 0; at < self_count; ++at) {
      if (include_self || counts[static_cast<std::size_t>(at)] == 0) add(at, at);
    }
    for (std::size_t k = 0; k < to.size(); ++k) add(to[k], self_count + static_cast<Index>(k));
  }
};

// Where nothing is written to, self stays as it is.
template <class T>
Var<T> reduced_into(const CompositeCall<T>& call, const Var<T>& self, const Var<T>& src, const Table& to,
                    std::string_view by, bool include_self) {
  const Index count = self.numel();
  if (by == "sum" || by == "mean") {
    Table table = added_at(count, to);
    std::vector<Index> terms(static_cast<std::size_t>(count), include_self ? 1 : 0);
    for (const Index at : to) {
      ++terms[static_cast<std::size_t>(at)];
      if (!include_self) table[static_cast<std::size_t>(at)] = nowhere;
    }
    const Var<T> sum = placed(joined(self, src), table, self.sizes());
    if (by == "sum") return sum;
    const Tensor<T> numbers = call.tape.allocate(Kind::real, self.sizes());
    for (Index i = 0; i < count; ++i) {
      numbers.real()[i] = Scalar<T>::leaf(static_cast<double>(std::max<Index>(terms[static_cast<std::size_t>(i)], 1)));
    }
    return sum / call.tape.constant(numbers);
  }
  if (by != "prod" && by != "amax" && by != "amin") {
    throw EngineError(GP_ARGUMENT, "a reduction of the name " + std::string(by));
  }
  if (count == 0) return call("clone", self, {call.none()});
  const double neutral = by == "prod" ? 1 : by == "amax" ? -infinity : infinity;
  const Var<T> all = joined(joined(self, src), call.tape.number(Scalar<T>::leaf(neutral)));
  const Groups groups(count, to, include_self, count + src.numel());
  const Var<T> rows = picked(all, groups.from, std::array{count, groups.length});
  const Var<T> reduced = by == "prod" ? call("prod.dim_int", rows, {call.of(Index{1}), call.of(false), call.none()})
                                      : call(by, rows, {call.of(Sizes(std::array{Index{1}})), call.of(false)});
  return reshape_to(reduced, self.sizes());
}

// --- drawing ---

// self, dim and an index at most as large in the other dims; src of the index's shape, for which alone LibTorch has
// gradients.
std::vector<Index> draw_scatter(Draw& draw, bool once) {
  const DrawnDim self(draw, 0);
  std::vector<Index> index = self.shape;
  for (std::size_t d = 0; d < index.size(); ++d) {
    const Index most = d != self.dim ? index[d] : once ? self.length() : 4;
    index[d] = draw.integer(draw.one_in(16) ? 0 : 1, most);
  }
  if (once) {
    draw.integers("index", index, draw_different_along(draw, index, self.dim, self.length()));
  } else {
    draw.indices("index", index, 0, self.length() - 1);
  }
  return index;
}
void sample_scatter(Draw& draw) { draw.tensor("src", draw_scatter(draw, true)); }
void sample_scatter_value(Draw& draw) {
  draw_scatter(draw, false);
  draw.set_real("value", draw.coin() ? 0.5 : -2);
}
void sample_scatter_add(Draw& draw) { draw.tensor("src", draw_scatter(draw, false)); }
void sample_scatter_reduce(Draw& draw) {
  constexpr std::array<std::string_view, 5> reductions{"sum", "prod", "mean", "amax", "amin"};
  draw.tensor("src", draw_scatter(draw, false));
  draw.set_text("reduce", draw.pick(reductions));
  if (draw.coin()) draw.set_bool("include_self", draw.coin());
}
void sample_index_reduce(Draw& draw) {
  constexpr std::array<std::string_view, 4> reductions{"prod", "mean", "amax", "amin"};
  const DrawnDim self(draw, 1);
  const Index count = draw.integer(1, 4);
  draw.indices("index", std::array{count}, 0, self.length() - 1);
  draw.tensor("source", self.with_length(count));
  draw.set_text("reduce", draw.pick(reductions));
  if (draw.coin()) draw.set_bool("include_self", draw.coin());
}

void add_scattered(Registry& registry) {
  registry.composite({.schema = "scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
                      .source = sources::copies,
                      .note = "two writes to one element are refused: which is the last is not defined",
                      .sample = sample_scatter},
                     [](const auto& call) { return write_over(call[0], indexed_source(call), targets(call)); });
  registry.composite({.schema = "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
                      .source = sources::copies,
                      .sample = sample_scatter_value},
                     [](const auto& call) { return fill_at(call[0], call.number(1), targets(call)); });
  registry.composite({.schema = "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
                      .source = sources::sums,
                      .sample = sample_scatter_add},
                     [](const auto& call) { return add_at(call[0], indexed_source(call), targets(call)); });
  registry.composite(
      {.schema = "scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool "
                 "include_self=True) -> Tensor",
       .ties_matter = true,
       .source = as_reduced,
       .sample = sample_scatter_reduce},
      [](const auto& call) {
        return reduced_into(call, call[0], indexed_source(call), targets(call), call.text(1), call.flag(2));
      });
  registry.composite({.schema = "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool "
                                "include_self=True) -> Tensor",
                      .ties_matter = true,
                      .source = as_reduced,
                      .sample = sample_index_reduce},
                     [](const auto& call) {
                       const std::size_t dim = dim_of(call);
                       const Table index = index_values(call.tape, call[1]);
                       Shape expected = at_least_1d(call[0].sizes());
                       expected[dim] = std::ssize(index);
                       if (call[1].ndim() > 1 || !same_sizes(at_least_1d(call[2].sizes()), expected)) {
                         throw EngineError(GP_SHAPE, "a source of shape " + to_text(call[2].sizes()) +
                                                         " for a tensor of shape " + to_text(call[0].sizes()));
                       }
                       if (call.text(1) == "sum") throw EngineError(GP_ARGUMENT, "index_reduce knows no sum");
                       return reduced_into(call, call[0], call[2], along_dim(call[0].sizes(), dim, index), call.text(1),
                                           call.flag(2));
                     });
}

// --- a copy with a view of it written to ---

void sample_select_scatter(Draw& draw) {
  const DrawnDim self(draw, 1);
  draw.set_int("index", draw.integer(-self.length(), self.length() - 1));
  std::vector<Index> part = self.shape;
  part.erase(part.begin() + static_cast<std::ptrdiff_t>(self.dim));
  draw.tensor("src", part);
}
void sample_slice_scatter(Draw& draw) {
  const DrawnDim self(draw, 1);
  const Index start = draw.integer(0, self.length() - 1);
  const Index end = draw.integer(start, self.length());
  const Index step = draw.integer(1, 2);
  if (start > 0 || draw.coin()) draw.set_int("start", start > 0 && draw.one_in(3) ? start - self.length() : start);
  if (end < self.length() || draw.coin()) draw.set_int("end", end == self.length() ? end + 3 : end);
  if (step > 1 || draw.coin()) draw.set_int("step", step);
  draw.tensor("src", self.with_length(end > start ? (end - start - 1) / step + 1 : 0));
}
void sample_diagonal_scatter(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(2, 3);
  const Index ndim = std::ssize(shape);
  const Index dim1 = draw.coin() ? 0 : draw.integer(0, ndim - 1);
  const Index dim2 = dim1 == 0 && draw.coin() ? 1 : (dim1 + draw.integer(1, ndim - 1)) % ndim;
  const Index offset = draw.integer(-1, 1);
  draw.tensor("self", shape);
  if (offset != 0) draw.set_int("offset", offset);
  if (dim1 != 0 || draw.coin()) draw.set_int("dim1", draw.maybe_negative(dim1, ndim));
  if (dim2 != 1 || draw.coin()) draw.set_int("dim2", draw.maybe_negative(dim2, ndim));
  draw.tensor("src", diagonal_layout(shape, row_major(shape), offset, dim1, dim2).sizes);
}

void add_view_writes(Registry& registry) {
  const auto add = [&](std::string_view schema, void (*sample)(Draw&), auto program) {
    registry.composite({.schema = schema, .source = sources::copies, .sample = sample}, program);
  };
  add("select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor", sample_select_scatter,
      [](const auto& call) {
        return written_through(call, [&](const auto& x) { return call("select.int", x, {call.arg(0), call.arg(1)}); });
      });
  add("slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> "
      "Tensor",
      sample_slice_scatter, [](const auto& call) {
        return written_through(call, [&](const auto& x) {
          return call("slice.Tensor", x, {call.arg(0), call.arg(1), call.arg(2), call.arg(3)});
        });
      });
  add("diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
      sample_diagonal_scatter, [](const auto& call) {
        return written_through(call, [&](const auto& x) {
          return call("diagonal", x, {call.arg(0), call.arg(1), call.arg(2)});
        });
      });
}

}  // namespace

void add_scatters(Registry& registry) {
  add_scattered(registry);
  add_view_writes(registry);
}

}  // namespace gradproof
