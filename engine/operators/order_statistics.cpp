// Operators that select elements of lanes: max and min with indices, median, kthvalue, mode, cummax, cummin, argmax.
// Where equal elements, or elements whose balls meet, could be the one selected, each of them is tried.
#include "engine/composite.h"
#include "engine/operators/candidates.h"
#include "engine/operators/families.h"
#include "engine/operators/placement.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

template <class T>
T rests_on_all(const T& value, const Lane<T>& lane) {
  if constexpr (std::is_same_v<T, Defined>) {
    T result = value;
    for (Index k = 0; k < lane.length; ++k) result.written = result.written && lane[k].written;
    return result;
  } else {
    return value;
  }
}

inline void need_elements(Index length, Index others) {
  if (length == 0 && others != 0) throw EngineError(GP_INDEX, "no elements to select one of");
}

// (values, indices) along one dim; the arguments dim and keepdim stand at `DimAt` and behind it. `Alike`: see above.
template <class Which, int DimAt, bool Alike>
struct Selected {
  template <class T>
  static std::size_t dim_of(const Node<T>& node) {
    return static_cast<std::size_t>(wrap_dim(node.args[DimAt].integer, node.in(0).ndim));
  }
  template <class T>
  static void check(const Node<T>& node, Index length) {
    if constexpr (std::is_same_v<Which, Kth>) {
      const Index k = node.args[0].integer;
      if (length > 0 && (k < 1 || k > length)) throw EngineError(GP_INDEX, "k is out of range");
    }
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const std::size_t dim = dim_of(node);
    const Index length = x.ndim == 0 ? 1 : x.sizes_begin[dim];
    const Shape sizes = reduced_sizes(x.sizes(), DimSet{1} << dim, flag(node, DimAt + 1));
    const Tensor<T> values = tape.allocate(Kind::real, sizes);
    const Tensor<T> indices = tape.allocate(Kind::integer, sizes);
    need_elements(length, values.numel);
    check(node, length);
    for_each_lane(tape.arena(), x, DimSet{1} << dim, [&](Index number, const Lane<T>& lane) {
      const Index k = select_one(tape, node, number, lane, Which::candidates(node, lane), Alike);
      values.real()[number] = lane[k];
      indices.integers()[number] = k;
    });
    set_outputs(tape, node, {values, indices});
  }
  template <class T>
  static Table table(Tape<T>& tape, const Node<T>& node) {
    const Tensor<T> indices = tape.contiguous(node.out(1));
    const Around around(node.in(0).sizes(), static_cast<int>(dim_of(node)));
    Table from;
    around.for_each([&](Index first) { from.push_back(first + indices.integers()[std::ssize(from)] * around.inner); });
    return from;
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Sizes sizes = node.in(0).sizes();
    into[0] = placed(grads[0], table(tape, node), sizes);
    // Of equal elements another may have been selected.
    if constexpr (std::is_same_v<T, Defined>) {
      const Var<T> any = spread(grads[0], sizes, DimSet{1} << dim_of(node));
      into[0] = into[0] + (any - any);
    }
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = picked(tangents[0], table(tape, node), node.out().sizes());
    if constexpr (std::is_same_v<T, Defined>) {
      const Var<T> any = sum_over(tangents[0], DimSet{1} << dim_of(node), flag(node, DimAt + 1));
      into[0] = into[0] + (any - any);
    }
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(1);
  }
};

// One element of the whole tensor; equal ones share the gradient evenly (LibTorch), or one has it all.
template <class Which>
struct SelectedOfAll {
  template <class T>
  static std::vector<Index> candidates(Tape<T>& tape, const Node<T>& node, const Tensor<T>& x) {
    std::vector<Index> found;
    for_each_lane(tape.arena(), x, all_dims(x.ndim),
                  [&](Index, const Lane<T>& lane) { found = Which::candidates(node, lane); });
    return found;
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> out = tape.allocate(Kind::real, Sizes{});
    T& value = out.real()[0];
    value = Scalar<T>::leaf(std::numeric_limits<double>::quiet_NaN());
    if (x.numel > 0) {
      const std::vector<Index> possible = candidates(tape, node, x);
      value = x.real()[possible.front()];
      if constexpr (HasHull<T>) {
        for (const Index k : possible) value = certainly_nan(value) ? value : hull(value, x.real()[k]);
      }
      value = rests_on_all(value, Lane<T>{x.real(), x.numel, 1, nullptr});
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static Var<T> shares(Tape<T>& tape, const Node<T>& node) {
    const Tensor<T> x = tape.contiguous(node.in(0));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    const Lane<T> all{x.real(), x.numel, 1, nullptr};
    std::fill_n(out.real(), out.numel, rests_on_all(Scalar<T>::leaf(0), all));
    if (x.numel == 0) return tape.constant(out);
    const std::vector<Index> possible = candidates(tape, node, x);
    const std::size_t chosen = chosen_of(tape, node, common_slot, possible.size() < 2 ? 1 : possible.size() + 1);
    for (const Index k : possible) {
      const bool even = chosen == 0;
      if (!even && k != possible[chosen - 1]) continue;
      const T share = even && possible.size() > 1 ? 1 / count_as_number<T>(std::ssize(possible)) : Scalar<T>::leaf(1);
      out.real()[k] = rests_on_all(share, all);
    }
    return tape.constant(out);
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = expand_to(grads[0], node.in(0).sizes()) * shares(tape, node);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = sum_over(shares(tape, node) * tangents[0], all_dims(node.in(0).ndim), false);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// --- cummax, cummin: (values, indices) ---

template <bool Largest>
struct RunningExtreme {
  // Whether element `at` takes the place of the best so far: at a tie it does in LibTorch.
  template <class T>
  static bool takes(Tape<T>& tape, const Node<T>& node, const T& x, const T& best, Index at) {
    if (certainly_nan(best)) return certainly_nan(x);
    if (certainly_nan(x)) return true;
    if ((Largest ? less(best, x) : less(x, best)) == Truth::yes) return true;
    if ((Largest ? less(x, best) : less(best, x)) == Truth::yes) return false;
    const bool tie = equal(x, best) == Truth::yes;
    return chosen_of(tape, node, tie ? common_slot : own_slot(at), 2) == 0;
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Around around(x.sizes(), wrap_dim(node.args[0].integer, x.ndim));
    const Tensor<T> values = tape.allocate(Kind::real, x.sizes());
    const Tensor<T> indices = tape.allocate(Kind::integer, x.sizes());
    around.for_each([&](Index first) {
      Index best = 0;
      for (Index k = 0; k < around.length; ++k) {
        const Index at = first + k * around.inner;
        if (k > 0 && takes(tape, node, x.real()[at], x.real()[first + best * around.inner], at)) best = k;
        const Lane<T> sofar{x.real() + first, k + 1, around.inner, nullptr};
        need_written(sofar);
        values.real()[at] = sofar[best];
        indices.integers()[at] = best;
      }
    });
    set_outputs(tape, node, {values, indices});
  }
  template <class T>
  static Table table(Tape<T>& tape, const Node<T>& node) {
    const Tensor<T> indices = tape.contiguous(node.out(1));
    const Around around(node.in(0).sizes(), wrap_dim(node.args[0].integer, node.in(0).ndim));
    Table from(static_cast<std::size_t>(indices.numel));
    around.for_each([&](Index first) {
      for (Index k = 0; k < around.length; ++k) {
        const Index at = first + k * around.inner;
        from[static_cast<std::size_t>(at)] = first + indices.integers()[at] * around.inner;
      }
    });
    return from;
  }
  // Zeros that rest on all of a lane: of equal elements another may have been selected.
  template <class T>
  static Var<T> any_of(Tape<T>&, const Node<T>& node, const Var<T>& of) {
    const DimSet dims = DimSet{1} << static_cast<unsigned>(wrap_dim(node.args[0].integer, node.in(0).ndim));
    const Var<T> sum = sum_over(of, dims, true);
    return expand_to(sum - sum, of.sizes());
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = placed(grads[0], table(tape, node), node.in(0).sizes());
    if constexpr (std::is_same_v<T, Defined>) into[0] = into[0] + any_of(tape, node, grads[0]);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = picked(tangents[0], table(tape, node), node.out().sizes());
    if constexpr (std::is_same_v<T, Defined>) into[0] = into[0] + any_of(tape, node, tangents[0]);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(1);
  }
};

// --- argmax, argmin: (self, dim, keepdim), without a derivative ---

template <bool Largest>
struct ArgExtreme {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const bool whole = node.args[0].is_none();
    if (whole && x.numel == 0) throw EngineError(GP_INDEX, "no elements to take an extremum of");
    const DimSet dims =
        whole ? all_dims(x.ndim) : DimSet{1} << static_cast<unsigned>(wrap_dim(node.args[0].integer, x.ndim));
    const Tensor<T> out = tape.allocate(Kind::integer, reduced_sizes(x.sizes(), dims, flag(node, 1)));
    need_elements(count_reduced(x.sizes(), dims), out.numel);
    for_each_lane(tape.arena(), x, dims, [&](Index number, const Lane<T>& lane) {
      out.integers()[number] = select_one(tape, node, number, lane, Extreme<Largest>::candidates(node, lane), true);
    });
    set_outputs(tape, node, {out});
  }
};

// --- drawing ---

void sample_whole(Draw& draw) { draw.tensor("self", draw.nonempty_shape(0, 3)); }

// Not empty along the dim; elsewhere at times.
std::vector<Index> draw_along(Draw& draw) {
  std::vector<Index> shape = draw.nonempty_shape(0, 4);
  const auto dim = static_cast<std::size_t>(draw.integer(0, shape.empty() ? 0 : std::ssize(shape) - 1));
  if (shape.size() > 1 && draw.one_in(24)) shape[dim == 0 ? 1 : 0] = 0;
  draw.tensor("self", shape);
  draw.set_int("dim", draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape)));
  if (shape.empty()) shape.push_back(1);
  std::swap(shape[0], shape[dim]);
  return shape;
}
void sample_along(Draw& draw) {
  draw_along(draw);
  draw_keepdim(draw);
}
void sample_kth(Draw& draw) {
  const std::vector<Index> shape = draw_along(draw);
  draw.set_int("k", draw.integer(1, shape[0]));
  draw_keepdim(draw);
}
void sample_arg(Draw& draw) {
  if (draw.coin()) return sample_along(draw);
  draw.tensor("self", draw.nonempty_shape(0, 4));
  draw_keepdim(draw);
}
void sample_aminmax(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 4);
  draw.tensor("self", shape);
  if (draw.coin()) draw.set_int("dim", draw.dim(std::ssize(shape)));
  draw_keepdim(draw);
}
void sample_two(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  std::vector<Index> other = shape;
  if (draw.one_in(3)) other.erase(other.begin(), other.begin() + draw.integer(0, std::ssize(other)));
  for (Index& size : other) size = draw.one_in(5) ? 1 : size;
  draw.tensor("self", shape);
  draw.tensor("other", other);
}

constexpr std::string_view exact = "exact";

template <class Op>
void add(Registry& registry, std::string_view schema, void (*sample)(Draw&), std::string_view note = {}) {
  registry.structural<Op>({.schema = schema, .ties_matter = true, .source = exact, .note = note, .sample = sample});
}

void add_selections(Registry& registry) {
  constexpr std::string_view any_index = "of equal elements any index";
  add<Selected<Extreme<true>, 0, true>>(
      registry, "max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", sample_along);
  add<Selected<Extreme<false>, 0, true>>(
      registry, "min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", sample_along);
  add<Selected<Middle<false>, 0, false>>(
      registry, "median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", sample_along,
      any_index);
  add<Selected<Middle<true>, 0, false>>(
      registry, "nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
      sample_along, any_index);
  add<Selected<MostFrequent, 0, false>>(
      registry, "mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", sample_along,
      any_index);
  add<Selected<Kth, 1, false>>(
      registry, "kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
      sample_kth, any_index);
  add<SelectedOfAll<Middle<false>>>(registry, "median(Tensor self) -> Tensor", sample_whole);
  add<SelectedOfAll<Middle<true>>>(registry, "nanmedian(Tensor self) -> Tensor", sample_whole);
  add<RunningExtreme<true>>(registry, "cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)",
                            sample_along_dim);
  add<RunningExtreme<false>>(registry, "cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)",
                             sample_along_dim);
  add<ArgExtreme<true>>(registry, "argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", sample_arg);
  add<ArgExtreme<false>>(registry, "argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", sample_arg);
}

void add_extrema_by_others(Registry& registry) {
  const auto record = [](std::string_view schema, void (*sample)(Draw&)) {
    return Record{.schema = schema, .ties_matter = true, .source = exact, .sample = sample};
  };
  registry.composite(record("max(Tensor self) -> Tensor", sample_whole), [](const auto& call) {
    return call("amax", call[0], {call.of(Sizes{}), call.of(false)});
  });
  registry.composite(record("min(Tensor self) -> Tensor", sample_whole), [](const auto& call) {
    return call("amin", call[0], {call.of(Sizes{}), call.of(false)});
  });
  registry.composite(record("max.other(Tensor self, Tensor other) -> Tensor", sample_two),
                     [](const auto& call) { return maximum(call[0], call[1]); });
  registry.composite(record("min.other(Tensor self, Tensor other) -> Tensor", sample_two),
                     [](const auto& call) { return minimum(call[0], call[1]); });
  registry.composite(
      record("aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", sample_aminmax),
      [](const auto& call) {
        const auto dims = call.none(0) ? call.of(Sizes{}) : call.of(call.list(0));
        return std::array{call("amin", call[0], {dims, call.arg(1)}), call("amax", call[0], {dims, call.arg(1)})};
      });
}

}  // namespace

void add_order_statistics(Registry& registry) {
  add_selections(registry);
  add_extrema_by_others(registry);
}

}  // namespace gradproof
