// cdist, pdist: norms of differences.
#include "engine/composite.h"
#include "engine/not_drawn.h"
#include "engine/operators/families.h"
#include "engine/operators/norms.h"
#include "engine/operators/placement.h"
#include "engine/operators/spans.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// --- ‖x‖_p over the last dim, of p >= 0. Where it is 0 the slope is taken as 0. ---

struct LastNorm {
  static constexpr const char* schema = "_last_norm(Tensor self, float p) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes().first(x.sizes().size() - 1));
    const Index length = x.sizes_begin[x.ndim - 1];
    for (Index k = 0; k < out.numel; ++k) {
      out.real()[k] = Scalar<T>::materialize(norm(x.real() + k * length, length, node.args[0].number));
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Var<T> x = input(tape, node, 0);
    const double p = node.args[0].number;
    if (p == 0) into[0] = zeros(tape, x.sizes());
    if (p == 0) return;
    const Var<T> g = across(grads[0], x);
    if (p == 1) into[0] = g * sign(x);
    if (p == infinity) into[0] = g * shares(tape, node);
    if (p == 1 || p == infinity) return;
    const Var<T> n = across(output(tape, node), x);
    const Var<T> none = equal(n, 0);
    const Var<T> some = select(none, 1, n);
    if (p == 2) {
      into[0] = select(none, 0, g * x / some);
      return;
    }
    // |x|^(p-1) sign x, or x |x|^(p-2); g before the quotient
    const Var<T> slope = either(
        tape, node, tape.plain(node, grads, 1), [&] { return sign(x) * powered(abs(x), p - 1); },
        [&] { return p > 2 ? x * powered(abs(x), p - 2) : sign(x) * powered(abs(x), p - 1); });
    into[0] = select(none, 0, slope * g / powered(some, p - 1));
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> x = input(tape, node, 0);
    const double p = node.args[0].number;
    if (p == 0) into[0] = zeros(tape, node.out().sizes());
    if (p == 0) return;
    const DimSet last = DimSet{1} << static_cast<unsigned>(x.ndim() - 1);
    const auto along = [&](const Var<T>& slope) { return sum_over(slope * tangents[0], last, false); };
    if (p == 1) into[0] = along(sign(x));
    if (p == infinity) into[0] = along(shares(tape, node));
    if (p == 1 || p == infinity) return;
    const Var<T> n = output(tape, node);
    const Var<T> none = equal(n, 0);
    const Var<T> some = select(none, 1, n);
    if (p == 2) {
      into[0] = select(none, 0, along(x) / some);
    } else {
      into[0] = select(none, 0, along(sign(x) * powered(abs(x), p - 1)) / powered(some, p - 1));
    }
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }

 private:
  template <class T>
  static T norm(const T* x, Index length, double p) {
    if (p == infinity) {
      T most = Scalar<T>::leaf(0);
      for (Index i = 0; i < length; ++i) most = maximum(most, abs(x[i]));
      return most;
    }
    if (p == 0 || p == 1) {
      Accumulator<T> sum;
      for (Index i = 0; i < length; ++i) {
        const T size = abs(x[i]);
        sum.add(p == 1 ? size : select(equal(size, 0), Scalar<T>::leaf(0), Scalar<T>::leaf(1)));
      }
      return sum.result();
    }
    const T power = Scalar<T>::argument(p);
    PowerSum<T> sum;
    for (Index i = 0; i < length; ++i) p == 2 ? sum.add_square(x[i]) : sum.add_power(x[i], power);
    return p == 2 ? sqrt(sum.result()) : pow(sum.result(), 1 / power);
  }
  // One number for each lane of x, seen by all its elements.
  template <class T>
  static Var<T> across(const Var<T>& lanes, const Var<T>& x) {
    return spread(lanes, x.sizes(), DimSet{1} << static_cast<unsigned>(x.ndim() - 1));
  }
  template <class T>
  static Var<T> powered(const Var<T>& x, double exponent) {
    return pow(x, x.tape().number(Scalar<T>::argument(exponent)));
  }
  // A kink at 0.
  template <class T>
  static Var<T> sign(const Var<T>& x) {
    return select(less(0, x), number(x, 1), select(less(x, 0), number(x, -1), 0));
  }
  // ±1 for the largest element, exact ties shared evenly, or all the first's, or the last's; near ties are anybody's.
  template <class T>
  static Var<T> shares(Tape<T>& tape, const Node<T>& node) {
    const Tensor<T> x = tape.contiguous(node.in(0));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    const Index length = x.sizes_begin[x.ndim - 1];
    for (Index lane = 0; lane * length < x.numel; ++lane) {
      share(tape, node, lane, x.real() + lane * length, length, out.real() + lane * length);
    }
    return tape.constant(out);
  }
  template <class T>
  static void share(Tape<T>& tape, const Node<T>& node, Index lane, const T* x, Index length, T* to) {
    std::vector<T> sizes;
    T most = Scalar<T>::leaf(0);
    bool known = true;
    for (Index i = 0; i < length; ++i) {
      to[i] = Scalar<T>::leaf(0);
      sizes.push_back(abs(x[i]));
      most = maximum(most, sizes.back());
      if constexpr (std::is_same_v<T, Defined>) known = known && x[i].written;
    }
    std::vector<Index> which;
    bool tie = true;
    for (Index i = 0; i < length; ++i) {
      if (less(sizes[static_cast<std::size_t>(i)], most) == Truth::yes) continue;
      which.push_back(i);
      tie = tie && equal(sizes[static_cast<std::size_t>(i)], sizes[static_cast<std::size_t>(which[0])]) == Truth::yes;
    }
    if (!known || which.empty()) {
      for (Index i = 0; i < length; ++i) to[i] = nothing_known<T>(Unbounded::jump);
      return;
    }
    if (equal(most, 0) == Truth::yes) return;
    const auto signed_share = [&](Index i, const T& share) { to[i] = select(less(x[i], 0), -share, share); };
    std::uint8_t chosen = 0;
    if constexpr (HasHull<T>) {
      const std::uint64_t slot = tie ? 0xffffffffU : static_cast<std::uint64_t>(lane) & 0x00ffffffU;
      const auto arity = static_cast<std::uint8_t>(tie ? 3 : std::min<std::size_t>(which.size(), 255));
      if (which.size() > 1) chosen = tape.choose(tape.key_of(node) | slot, arity);
    }
    if (!tie || which.size() == 1) return signed_share(which[chosen], Scalar<T>::leaf(1));
    if (chosen == 1) return signed_share(which.front(), Scalar<T>::leaf(1));
    if (chosen == 2) return signed_share(which.back(), Scalar<T>::leaf(1));
    for (const Index i : which) signed_share(i, 1 / count_as_number<T>(static_cast<Index>(which.size())));
  }
};

template <class T>
Var<T> last_norm(const Var<T>& x, const Arg<T>& p) {
  return call_rule<LastNorm>(x.tape(), {x}, {p});
}

void need_norm(double p) {
  if (!(p >= 0)) throw EngineError(GP_ARGUMENT, "norms are of p >= 0");
}

// y[.., i, j] = ‖x_i - z_j‖_p. (p, compute_mode)
struct Cdist {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Var<T> a = call[0];
    const Var<T> b = call[1];
    if (a.ndim() < 2 || b.ndim() < 2 || a.size(a.ndim() - 1) != b.size(b.ndim() - 1)) {
      throw EngineError(GP_SHAPE, "distances between shapes " + to_text(a.sizes()) + " and " + to_text(b.sizes()));
    }
    const double p = call.arg(0).number;
    need_norm(p);
    const Index mode = call.none(1) ? 0 : call.integer(1);
    if (mode < 0 || mode > 2) throw EngineError(GP_ARGUMENT, "a compute mode that does not exist");
    // From 26 points on LibTorch takes |x|² + |z|² - 2 x·z, which cancels.
    const bool many = a.size(a.ndim() - 2) > 25 || b.size(b.ndim() - 2) > 25;
    if (p == 2 && (mode == 1 || (mode == 0 && many))) throw EngineError(GP_UNSUPPORTED, "distances by products");
    return last_norm(with_one(a, a.ndim() - 1) - with_one(b, b.ndim() - 2), call.arg(0));
  }
  // A dim of size 1 before `dim`.
  template <class T>
  static Var<T> with_one(const Var<T>& x, int dim) {
    Shape sizes;
    for (int d = 0; d < x.ndim(); ++d) {
      if (d == dim) sizes.push(1);
      sizes.push(x.size(d));
    }
    return reshape_to(x, sizes);
  }
};

// Pairs i < j of the rows of a matrix. (p)
struct Pdist {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Var<T> x = call[0];
    if (x.ndim() != 2) throw EngineError(GP_SHAPE, "pdist takes a matrix, not shape " + to_text(x.sizes()));
    need_norm(call.arg(0).number);
    const Index rows = x.size(0);
    const Index cols = x.size(1);
    constexpr Index most = Index{1} << 13U;
    if (rows > most) throw EngineError(GP_OUT_OF_MEMORY, "too many pairs of rows");
    Table from;
    Table right;
    for (Index i = 0; i < rows; ++i) {
      for (Index j = i + 1; j < rows; ++j) {
        for (Index c = 0; c < cols; ++c) {
          from.push_back(i * cols + c);
          right.push_back(j * cols + c);
        }
      }
    }
    from.insert(from.end(), right.begin(), right.end());
    // Picked at once, so that what a row gets from its pairs, as the first or as the second, is one sum in any order.
    const Index pairs = rows > 1 ? rows * (rows - 1) / 2 : 0;
    const Var<T> both = picked(x, from, std::array<Index, 2>{2 * pairs, cols});
    return last_norm(part(both, 0, pairs) - part(both, pairs, pairs), call.arg(0));
  }
  template <class T>
  static Var<T> part(const Var<T>& x, Index first, Index count) {
    return named<T>("narrow", {x}, {integer_arg<T>(0), integer_arg<T>(first), integer_arg<T>(count)});
  }
};

// --- drawing ---

constexpr std::array<double, 6> norms{0, 1, 2, infinity, 3, 1.5};

void sample_cdist(Draw& draw) {
  const Index width = draw.integer(1, 3);
  const std::vector<Index> batch = draw.nonempty_shape(0, 2);
  const auto points = [&](Index count) {
    std::vector<Index> sizes = batch;
    for (Index& size : sizes) size = draw.one_in(4) ? 1 : size;
    sizes.push_back(count);
    sizes.push_back(width);
    return sizes;
  };
  draw.tensor("x1", points(draw.size()));
  draw.tensor("x2", points(draw.size()));
  if (!draw.one_in(3)) draw.set_real("p", draw.pick(norms));
  if (draw.one_in(3)) draw.set_int("compute_mode", 2 * draw.integer(0, 1));
}

void sample_pdist(Draw& draw) {
  draw.tensor("self", std::array{draw.integer(draw.one_in(12) ? 0 : 2, 4), draw.integer(1, 3)});
  if (!draw.one_in(3)) draw.set_real("p", draw.pick(norms));
}

}  // namespace

void add_distances(Registry& registry) {
  constexpr std::string_view source = "sums in any order, powers of the budget table";
  constexpr std::string_view note = "slope 0 where two points meet";
  registry.composite({.schema = "cdist(Tensor x1, Tensor x2, float p=2, int? compute_mode=None) -> Tensor",
                      .ties_matter = true,
                      .source = source,
                      .note = note,
                      .sample = sample_cdist},
                     Cdist{});
  registry.composite({.schema = "pdist(Tensor self, float p=2) -> Tensor",
                      .ties_matter = true,
                      .source = source,
                      .note = note,
                      .sample = sample_pdist},
                     Pdist{});
  // LibTorch's takes contiguous tensors alone, and pdist makes them so.
  registry.composite({.schema = "_pdist_forward(Tensor self, float p=2) -> Tensor",
                      .ties_matter = true,
                      .source = source,
                      .note = note,
                      .sample = &not_drawn},
                     Pdist{});
}

}  // namespace gradproof
