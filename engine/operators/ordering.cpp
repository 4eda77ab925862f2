// sort, topk, argsort. Where balls or ties leave the order of some elements open, each of their orders is admitted.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/sources.h"
#include "engine/operators/writes.h"

namespace gradproof {

namespace {

constexpr std::size_t most_enumerated = 3;  // 3! orders

// NaN is the greatest.
template <class T>
bool is_nan(const T& x) {
  return equal(x, x) == Truth::no;
}
template <class T>
bool certainly_before(const T& a, const T& b, bool descending) {
  if (descending) return less(b, a) == Truth::yes || (is_nan(a) && !is_nan(b));
  return less(a, b) == Truth::yes || (is_nan(b) && !is_nan(a));
}
template <class T>
bool tied(const T& a, const T& b) {
  return equal(a, b) == Truth::yes || (is_nan(a) && is_nan(b));
}

template <class T>
bool written(const T& x) {
  if constexpr (std::is_same_v<T, Defined>) return x.written;
  return true;
}

// The order of one lane: `at` are its elements in order. Those from `first[r]` to before `last[r]` may come in any
// order; they are one where the order is certain.
template <class T>
struct Order {
  std::vector<Index> at;
  std::vector<std::size_t> first;
  std::vector<std::size_t> last;
  bool known = true;  // no element rests on memory that nobody wrote

  // Of ties the first comes first in a stable order.
  Order(const Lane<T>& lane, bool descending, bool stable) : at(every_element(lane.length)) {
    const auto before = [&](Index a, Index b) {
      return certainly_before(lane[a], lane[b], descending) || (stable && a < b && tied(lane[a], lane[b]));
    };
    const std::size_t n = at.size();
    // How many certainly come before; 0 where nothing is certain.
    std::vector<std::size_t> rank(n, 0);
    const auto rank_of = [&](Index k) -> std::size_t& { return rank[static_cast<std::size_t>(k)]; };
    if constexpr (HasHull<T>) {
      if (n > 4096) throw EngineError(GP_UNSUPPORTED, "an enclosure of the order of more than 4096 elements");
      for (Index a = 0; a < lane.length; ++a) {
        for (Index b = 0; b < lane.length; ++b) rank_of(b) += before(a, b) ? 1 : 0;
      }
      // It grows along every certain order.
      std::stable_sort(at.begin(), at.end(), [&](Index a, Index b) { return rank_of(a) < rank_of(b); });
    } else {
      std::stable_sort(at.begin(), at.end(),
                       [&](Index a, Index b) { return certainly_before(lane[a], lane[b], descending); });
      known = std::all_of(at.begin(), at.end(), [&](Index k) { return written(lane[k]); });
      // Where it matters what a result rests on, an engine's order of ties does.
      for (std::size_t r = 0; known && r < n; ++r) {
        const bool open = std::is_same_v<T, Defined> && !stable && r > 0 && tied(lane[at[r - 1]], lane[at[r]]);
        rank_of(at[r]) = open ? rank_of(at[r - 1]) : r;
      }
    }
    first.resize(n);
    last.resize(n);
    for (std::size_t from = 0, to = 0; from < n; from = to) {
      // Where r elements certainly come before the r-th, they are the first r, and come before all later ones too.
      for (to = from + 1; to < n && rank_of(at[to]) < to;) ++to;
      for (std::size_t r = from; r < to; ++r) {
        first[r] = from;
        last[r] = to;
      }
    }
  }
  bool open(std::size_t r) const { return last[r] - first[r] > 1; }
};

// The r-th of the elements from first to last, whichever their order: through a network of comparators, which
// takes each end of the balls to its place.
template <class T>
std::vector<T> ordered_values(const Lane<T>& lane, const Order<T>& order, std::size_t first, std::size_t last,
                              bool descending) {
  std::vector<T> values;
  for (std::size_t r = first; r < last; ++r) values.push_back(lane[order.at[r]]);
  for (std::size_t round = 0; round < values.size(); ++round) {
    for (std::size_t k = round % 2; k + 1 < values.size(); k += 2) {
      const T low = minimum(values[k], values[k + 1]);
      const T high = maximum(values[k], values[k + 1]);
      values[k] = descending ? high : low;
      values[k + 1] = descending ? low : high;
    }
  }
  return values;
}

// Arguments by number: of dim, of descending (or, if `Largest`, of its name there), of stable, of k.
template <int Dim, int Descending, int Stable, int Count>
struct SortArgs {
  static constexpr bool cuts = Count >= 0;
  int dim = 0;
  bool descending = false;
  bool stable = false;
  Index count = 0;

  template <class T>
  explicit SortArgs(const Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    dim = wrap_dim(node.args[Dim].integer, x.ndim);
    descending = flag(node, Descending);
    const Index length = x.ndim == 0 ? 1 : x.sizes_begin[dim];
    count = length;
    if constexpr (Stable >= 0) stable = flag(node, Stable);
    if constexpr (cuts) {
      count = node.args[Count].integer;
      if (count < 0 || count > length) {
        throw EngineError(GP_ARGUMENT, "the first " + std::to_string(count) + " of " + std::to_string(length));
      }
      if (count == 0 && x.ndim == 0) throw EngineError(GP_UNSUPPORTED, "none of the elements of a 0-d tensor");
      if (!flag(node, Descending + 1)) throw EngineError(GP_UNSUPPORTED, "topk that does not sort");
    }
  }
};

template <class Args>
struct Sort {
  // f(offset of the lane's first element in x, in the result; the step between elements)
  template <class F>
  static void for_each_offset(Sizes sizes, const Args& args, F&& f) {
    const Around around(sizes, args.dim);
    const Index whole = around.length * around.inner;
    around.for_each(
        [&](Index first) { f(first, first / whole * args.count * around.inner + first % whole, around.inner); });
  }
  template <class T>
  static Lane<T> lane_of(const Tensor<T>& x, const Args& args, Index first, Index step) {
    return {x.real() + first, x.ndim == 0 ? 1 : x.sizes_begin[args.dim], step, nullptr};
  }
  static Shape result_sizes(Sizes sizes, const Args& args) {
    Shape out(sizes);
    if (out.ndim > 0) out[static_cast<std::size_t>(args.dim)] = args.count;
    return out;
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Args args(node);
    const Shape sizes = result_sizes(x.sizes(), args);
    const Tensor<T> values = tape.allocate(Kind::real, sizes);
    const Tensor<T> indices = tape.allocate(Kind::integer, sizes);
    for_each_offset(x.sizes(), args, [&](Index from, Index to, Index step) {
      const Lane<T> lane = lane_of(x, args, from, step);
      const Order<T> order(lane, args.descending, args.stable);
      std::vector<T> open;
      for (std::size_t r = 0; r < static_cast<std::size_t>(args.count); ++r) {
        const Index out = to + static_cast<Index>(r) * step;
        if (order.open(r) && r == order.first[r]) {
          open = ordered_values(lane, order, r, order.last[r], args.descending);
        }
        values.real()[out] = order.open(r) ? open[r - order.first[r]] : lane[order.at[r]];
        indices.integers()[out] = order.open(r) ? undecided : order.at[r];
        if constexpr (std::is_same_v<T, Defined>) values.real()[out].written &= order.known;
      }
    });
    set_outputs(tape, node, {values, indices});
  }

  // Of each result its position in x; and the positions of which nothing is known.
  struct Source {
    Table from;
    std::vector<Index> unknown_in;
    std::vector<Index> unknown_out;
  };
  template <class T>
  static Source source_of(Tape<T>& tape, const Node<T>& node) {
    const Args args(node);
    const Tensor<T> indices = tape.contiguous(node.out(1));
    Source source{Table(static_cast<std::size_t>(indices.numel), nowhere), {}, {}};
    const bool any = is_open(indices);
    const Tensor<T> x = any ? tape.contiguous(node.in(0)) : node.in(0);
    Index number = 0;
    for_each_offset(x.sizes(), args, [&](Index first, Index to, Index step) {
      bool open = false;
      for (Index r = 0; r < args.count; ++r) {
        const Index out = to + r * step;
        const Index index = indices.integers()[out];
        open = open || index == undecided;
        if (index != undecided) source.from[static_cast<std::size_t>(out)] = first + index * step;
      }
      if (!open) return;
      const Order<T> order(lane_of(x, args, first, step), args.descending, args.stable);
      resolve(tape, node, order, args.count, number, [&](Index r, Index k) {
        const Index out = to + r * step;
        const Index in = first + k * step;
        if (r < 0) return source.unknown_in.push_back(in);
        if (k < 0) return source.unknown_out.push_back(out);
        source.from[static_cast<std::size_t>(out)] = in;
      });
    });
    return source;
  }
  // tell(place in the order, element of the lane); of a place or an element told with -1 for the other, nothing is
  // known: some order stands for them all.
  template <class T, class F>
  static void resolve(Tape<T>& tape, const Node<T>& node, const Order<T>& order, Index count, Index& number, F&& tell) {
    for (std::size_t r = 0; r < static_cast<std::size_t>(count); r = order.last[r]) {
      const std::size_t size = order.last[r] - r;
      if (size == 1) continue;
      std::vector<Index> some(order.at.begin() + static_cast<std::ptrdiff_t>(r),
                              order.at.begin() + static_cast<std::ptrdiff_t>(order.last[r]));
      const bool enumerated = HasHull<T> && size <= most_enumerated;
      if (enumerated) {
        std::sort(some.begin(), some.end());
        const std::uint64_t key = tape.key_of(node) | (static_cast<std::uint64_t>(number++) & 0x00ffffffU);
        for (std::uint8_t next = tape.choose(key, size == 2 ? 2 : 6); next > 0; --next) {
          std::next_permutation(some.begin(), some.end());
        }
      }
      for (std::size_t k = 0; k < size; ++k) {
        const bool taken = r + k < static_cast<std::size_t>(count);
        if (taken) tell(static_cast<Index>(r + k), some[k]);
        if (enumerated) continue;
        tell(-1, some[k]);
        if (taken) tell(static_cast<Index>(r + k), -1);
      }
    }
  }
  template <class T>
  static bool is_open(const Tensor<T>& indices) {
    return std::find(indices.integers(), indices.integers() + indices.numel, undecided) !=
           indices.integers() + indices.numel;
  }

  // x, and nothing known of some elements, nor of what is derived from them.
  template <class T>
  static Var<T> blotted(Tape<T>& tape, const Var<T>& x, const std::vector<Index>& unknown) {
    if (unknown.empty()) return x;
    const Tensor<T> blots = tape.allocate(Kind::real, x.sizes());
    std::fill_n(blots.real(), blots.numel, Scalar<T>::leaf(1));
    for (const Index at : unknown) {
      if constexpr (std::is_same_v<T, Defined>) {
        blots.real()[at].written = false;
      } else {
        blots.real()[at] = no_answer<T>(Unbounded::jump);
      }
    }
    return x * tape.constant(blots);
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    if (!grads[0]) return;
    const Source source = source_of(tape, node);
    const Var<T> grad = blotted(tape, grads[0], source.unknown_out);
    into[0] = blotted(tape, placed(grad, source.from, node.in(0).sizes()), source.unknown_in);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Source source = source_of(tape, node);
    const Var<T> tangent = blotted(tape, tangents[0], source.unknown_in);
    into[0] = blotted(tape, picked(tangent, source.from, node.out().sizes()), source.unknown_out);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>& node, const bool*) {
    return saved_output(1) | (is_open(node.out(1)) ? saved_input(0) : 0);
  }
};

// The positions alone, which have no derivative.
template <class Args>
struct ArgSort {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    Sort<Args>::forward(tape, node);
    node.outputs[0] = node.outputs[1];
    node.output_count = 1;
  }
};

// --- drawing ---

std::vector<Index> draw_along(Draw& draw, bool descending) {
  std::vector<Index> shape = draw.shape(0, 3);
  draw.tensor("self", shape);
  const Index ndim = std::ssize(shape);
  if (draw.coin()) draw.set_int("dim", draw.dim(ndim));
  if (descending && draw.coin()) draw.set_bool("descending", draw.coin());
  return shape;
}
void sample_sort(Draw& draw) { draw_along(draw, true); }
void sample_stable_sort(Draw& draw) {
  draw_along(draw, true);
  draw.set_bool("stable", !draw.one_in(4));
}
void sample_msort(Draw& draw) { draw.tensor("self", draw.shape(0, 3)); }
void sample_topk(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 3);
  draw.tensor("self", shape);
  const Index ndim = std::ssize(shape);
  const Index dim = draw.integer(0, std::max<Index>(ndim, 1) - 1);
  const Index length = shape.empty() ? 1 : shape[static_cast<std::size_t>(dim)];
  draw.set_int("k", draw.integer(ndim > 0 && draw.one_in(12) ? 0 : 1, length));
  if (dim + 1 < ndim || draw.coin()) draw.set_int("dim", draw.maybe_negative(dim, ndim));
  if (draw.coin()) draw.set_bool("largest", draw.coin());
  if (draw.one_in(4)) draw.set_bool("sorted", true);
}

}  // namespace

void add_ordering(Registry& registry) {
  using Plain = SortArgs<0, 1, -1, -1>;
  using Stable = SortArgs<1, 2, 0, -1>;
  using Top = SortArgs<1, 2, -1, 0>;
  const auto record = [](std::string_view schema, void (*sample)(Draw&)) {
    return Record{.schema = schema, .ties_matter = true, .source = sources::copies, .sample = sample};
  };
  registry.structural<Sort<Plain>>(
      record("sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", sample_sort));
  registry.structural<Sort<Stable>>(record(
      "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
      sample_stable_sort));
  registry.structural<Sort<Top>>(
      record("topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor "
             "indices)",
             sample_topk));
  registry.structural<ArgSort<Plain>>(
      record("argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor", sample_sort));
  registry.structural<ArgSort<Stable>>(record(
      "argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor", sample_stable_sort));
  registry.composite(record("msort(Tensor self) -> Tensor", sample_msort), [](const auto& call) {
    return call.all("sort", {call[0]}, {call.of(Index{0}), call.of(false)})[0];
  });
}

}  // namespace gradproof
