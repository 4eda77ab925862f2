// prod, whose gradient is the product of the other elements, and cumsum.
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sources.h"
#include "engine/operators/sums.h"
#include "engine/operators/windows.h"

namespace gradproof {

namespace {

// Which partial products exist depends on the order of multiplication. Balls multiplied in one order speak for
// every order, once they cover that each partial product may round at η, multiplied up by the other factors,
// and that one of them may overflow.
template <class T>
class AnyOrder {
 public:
  explicit AnyOrder(const Lane<T>& lane) : count_(lane.length) {
    if constexpr (widens) {
      const T one = Scalar<T>::leaf(1);
      largest_ = smallest_ = one;
      for (Index k = 0; k < count_; ++k) {
        const T size = abs(lane[k]);
        largest_ = largest_ * maximum(size, one);
        // A zero makes every product that it is in exact, and is not in the others.
        if (equal(size, 0) != Truth::yes) smallest_ = smallest_ * minimum(size, one);
      }
    }
  }

  T operator()(const T& product) const {
    if constexpr (widens) {
      if (count_ < 3) return product;
      // The odd part of a partial product divides that of the whole: if this is exact, all of them are.
      const NumberFormat& format = format_of<typename Scalar<T>::Dtype>();
      if (!format.rounds()) return product;
      const bool bounded = less(largest_, Scalar<T>::leaf(format.max)) == Truth::yes;
      const bool normal = less(Scalar<T>::leaf(format.least_normal), smallest_) == Truth::yes;
      if (bounded && is_exact(product) && (normal || equal(product, 0) == Truth::yes)) return product;
      return widened(product, count_as_number<T>(count_) * Scalar<T>::leaf(format.eta) * largest_);
    } else {
      return product;
    }
  }

 private:
  static constexpr bool widens = HasHull<T>;
  Index count_;
  T largest_{};
  T smallest_{};
};

// Π_{j≠i} x_j for each i of a lane, from the products before and behind it.
template <class T>
std::vector<T> products_of_others(const Lane<T>& lane) {
  const auto n = static_cast<std::size_t>(lane.length);
  const AnyOrder<T> any_order(lane);
  std::vector<T> others(n, Scalar<T>::leaf(1));
  for (std::size_t i = 1; i < n; ++i) others[i] = others[i - 1] * lane[static_cast<Index>(i) - 1];
  T behind = Scalar<T>::leaf(1);
  for (std::size_t i = n; i-- > 0;) {
    others[i] = any_order(others[i] * behind);
    behind = behind * lane[static_cast<Index>(i)];
  }
  return others;
}

template <class T>
bool certainly_nonzero(const T& x) {
  return equal(x, 0) == Truth::no;
}

// x as [lanes, length], the reduced dims last.
template <class T>
Var<T> as_matrix(const Var<T>& x, DimSet dims) {
  Shape order;
  for (std::size_t d = 0; d < x.sizes().size(); ++d) {
    if (!has(dims, d)) order.push(static_cast<Index>(d));
  }
  for (std::size_t d = 0; d < x.sizes().size(); ++d) {
    if (has(dims, d)) order.push(static_cast<Index>(d));
  }
  const Index length = count_reduced(x.sizes(), dims);
  const std::array<Index, 2> sizes{count_elements(reduced_sizes(x.sizes(), dims, false)), length};
  return reshape_to(permuted(x, order), sizes);
}

// The transpose of as_matrix.
template <class T>
Var<T> from_matrix(const Var<T>& matrix, Sizes sizes, DimSet dims) {
  Shape permuted_sizes;
  Shape back = filled_shape(sizes.size(), 0);
  for (const bool reduced : {false, true}) {
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      if (has(dims, d) != reduced) continue;
      back[d] = static_cast<Index>(permuted_sizes.ndim);
      permuted_sizes.push(sizes[d]);
    }
  }
  return permuted(reshape_to(matrix, permuted_sizes), back);
}

template <class Args>
struct Prod {
  static constexpr const char* schema = "_prod(Tensor self, int[]? dim, bool keepdim, ScalarType? dtype) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<Args>(tape, node, [](const Lane<T>& lane) {
      T product = Scalar<T>::leaf(1);
      for (Index k = 0; k < lane.length; ++k) product = k == 0 ? lane[0] : product * lane[k];
      return AnyOrder<T>(lane)(product);
    });
  }

  // ∂y/∂x_i = Π_{j≠i} x_j; engines also take y/x_i where x_i is not 0.
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    into[0] =
        tape.plain(node, grads, 1) ? plain_vjp(tape, node, grads[0], dims) : taped_vjp(tape, node, grads[0], dims);
  }
  template <class T>
  static Var<T> plain_vjp(Tape<T>& tape, const Node<T>& node, const Var<T>& grad, DimSet dims) {
    const Tensor<T> x = tape.contiguous(node.in(0));
    const Tensor<T> y = tape.contiguous(node.out());
    const Tensor<T> g = tape.contiguous(grad.value());
    Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    for_each_lane(tape.arena(), x, dims, [&](Index o, const Lane<T>& lane) {
      Lane<T> to = lane;
      to.first = out.real() + (lane.first - x.real());
      const std::vector<T> others = products_of_others(lane);
      for (Index i = 0; i < lane.length; ++i) {
        T value = g.real()[o] * others[static_cast<std::size_t>(i)];
        if constexpr (std::is_same_v<T, Defined>) value.written = value.written && y.real()[o].written;
        if constexpr (HasHull<T>) {
          if (tape.admitted && certainly_nonzero(lane[i])) {
            const T early = g.real()[o] * y.real()[o] / lane[i];  // leaves the range elsewhere
            value = hull(hull(value, g.real()[o] * (y.real()[o] / lane[i])), early);
          }
        }
        to[i] = Scalar<T>::materialize(value);
      }
    });
    return tape.constant(out);
  }
  // Π_{j≠i} x_j as [lanes, length]: each row of x n times below each other, 1 on the diagonal.
  template <class T>
  static Var<T> taped_others(Tape<T>& tape, const Var<T>& x) {
    const Index rows = x.size(0);
    const Index n = x.size(1);
    const Tensor<T> diagonal = tape.allocate(Kind::boolean, std::array<Index, 2>{n, n});
    for (Index i = 0; i < n * n; ++i) diagonal.booleans()[i] = truth(i % (n + 1) == 0);
    const Var<T> wide = expand_to(reshape_to(x, std::array<Index, 3>{rows, 1, n}), std::array<Index, 3>{rows, n, n});
    return reduced_by<Prod>(select(tape.constant(diagonal), 1, wide), DimSet{4}, false);
  }
  // x, which an engine may have made by way of y: then it rests on all that y rests on.
  template <class T>
  static Var<T> resting_on(const Var<T>& y, const Var<T>& x) {
    if constexpr (std::is_same_v<T, Defined>) return x * (y - y + 1);
    return x;
  }
  // An engine takes the quotients y/x_i for all elements or for none.
  template <class T>
  static bool quotients_exist(Tape<T>& tape, const Node<T>& node) {
    const Tensor<T> x = tape.contiguous(node.in(0));
    return std::all_of(x.real(), x.real() + x.numel, [](const T& element) { return certainly_nonzero(element); });
  }
  template <class T>
  static Var<T> taped_vjp(Tape<T>& tape, const Node<T>& node, const Var<T>& grad, DimSet dims) {
    const Sizes sizes = node.in(0).sizes();
    const Var<T> x = input(tape, node, 0);
    const Var<T> g = spread(grad, sizes, dims);
    const auto others = [&] {
      return g * resting_on(spread(output(tape, node), sizes, dims),
                            from_matrix(taped_others(tape, as_matrix(x, dims)), sizes, dims));
    };
    if (!quotients_exist(tape, node)) return others();
    return either(tape, node, false, others, [&] { return g * (spread(output(tape, node), sizes, dims) / x); });
  }

  // (p, p') ← (p x_i, p' x_i + p t_i); engines also take Σ t_i·(y/x_i) where no x_i is 0.
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    if (tape.plain(node, tangents, 1)) {
      into[0] = plain_jvp(tape, node, tangents[0], dims);
      return;
    }
    const Var<T> x = as_matrix(input(tape, node, 0), dims);
    const Var<T> t = as_matrix(tangents[0], dims);
    const std::array<Index, 2> column{x.size(0), 1};
    const auto recurrence = [&] {
      Var<T> slope = zeros(tape, column);
      Var<T> product;
      for (Index i = 0; i < x.size(1); ++i) {
        const Var<T> xi = window_of(x, 1, i, 1);
        const Var<T> ti = window_of(t, 1, i, 1);
        slope = product ? slope * xi + product * ti : ti;
        product = product ? product * xi : xi;
      }
      return resting_on(reshape_to(output(tape, node), column), slope);
    };
    const auto by_terms = [&] {
      const Var<T> y = reshape_to(output(tape, node), column);
      return quotients_exist(tape, node) ? sum_to(t * (y / x), column) : terms_or_quotients(tape, x, t, y);
    };
    into[0] = reshape_to(either(tape, node, false, recurrence, by_terms), node.out().sizes());
  }
  // Σ t_i Π_{j≠i} x_j in rows with a 0, y Σ t_i/x_i in the others: LibTorch's tangent of cumprod, of which the
  // gradient is made where there is a 0.
  template <class T>
  static Var<T> terms_or_quotients(Tape<T>& tape, const Var<T>& x, const Var<T>& t, const Var<T>& y) {
    const Tensor<T> values = tape.contiguous(x.value());
    const Tensor<T> zero = tape.allocate(Kind::boolean, x.sizes());
    const Tensor<T> has_zero = tape.allocate(Kind::boolean, y.sizes());
    for (Index row = 0; row < y.size(0); ++row) {
      bool any = false;
      for (Index i = row * x.size(1); i < (row + 1) * x.size(1); ++i) {
        const bool maybe = !certainly_nonzero(values.real()[i]);
        zero.booleans()[i] = truth(maybe);
        any = any || maybe;
      }
      has_zero.booleans()[row] = truth(any);
    }
    const Var<T> quotients = y * sum_to(t / select(tape.constant(zero), 1, x), y.sizes());
    return select(tape.constant(has_zero), sum_to(t * taped_others(tape, x), y.sizes()), quotients);
  }
  template <class T>
  static Var<T> plain_jvp(Tape<T>& tape, const Node<T>& node, const Var<T>& tangent, DimSet dims) {
    const Tensor<T> x = tape.contiguous(node.in(0));
    const Tensor<T> t = tape.contiguous(tangent.value());
    const Tensor<T> y = tape.contiguous(node.out());
    const Tensor<T> out = tape.allocate(Kind::real, node.out().sizes());
    for_each_lane(tape.arena(), x, dims, [&](Index o, const Lane<T>& lane) {
      Lane<T> moved = lane;
      moved.first = t.real() + (lane.first - x.real());
      T slope = lane.length == 0 ? Scalar<T>::leaf(0) : moved[0];
      T product = lane.length == 0 ? Scalar<T>::leaf(1) : lane[0];
      for (Index i = 1; i < lane.length; ++i) {
        slope = slope * lane[i] + product * moved[i];
        product = product * lane[i];
      }
      if constexpr (HasHull<T>) {
        if (lane.length > 1) slope = hull(slope, sum_of_terms(lane, moved, y.real()[o], tape.admitted));
      }
      if constexpr (std::is_same_v<T, Defined>) slope.written = slope.written && y.real()[o].written;
      out.real()[o] = Scalar<T>::materialize(slope);
    });
    return tape.constant(out);
  }
  // Σ t_i Π_{j≠i} x_j, in any order; with the quotients y/x_i where they are admitted.
  template <class T>
  static T sum_of_terms(const Lane<T>& lane, const Lane<T>& moved, const T& y, bool admitted) {
    const std::vector<T> others = products_of_others(lane);
    Accumulator<T> sum = sum_of_stored_steps<T>();
    for (Index i = 0; i < lane.length; ++i) {
      T factor = others[static_cast<std::size_t>(i)];
      if constexpr (HasHull<T>) {
        if (admitted && certainly_nonzero(lane[i])) factor = hull(factor, y / lane[i]);
      }
      sum.add_product(moved[i], factor);
    }
    return sum.result();
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// --- cumsum ---

// y_i = x_0 + … + x_i, or of x_i to the last where it goes backward.
template <bool Backward>
struct CumulativeSum : LinearRules {
  static constexpr const char* schema = "_cumsum(Tensor self, int dim, ScalarType? dtype) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    need_no_dtype(node.args[1]);
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Around around(x.sizes(), wrap_dim(node.args[0].integer, x.ndim));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    around.for_each([&](Index first) {
      Accumulator<T> sum;
      for (Index k = 0; k < around.length; ++k) {
        const Index at = first + (Backward ? around.length - 1 - k : k) * around.inner;
        sum.add(x.real()[at]);
        out.real()[at] = Scalar<T>::materialize(sum.result());
      }
    });
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] =
        tape.call(rule_operator<T, CumulativeSum<!Backward>>(), std::span<const Var<T>>(grads, 1), arguments(node));
  }
};

void sample_whole(Draw& draw) { draw.tensor("self", draw.shape(0, 3)); }

}  // namespace

void add_scans(Registry& registry) {
  constexpr std::string_view products = "IEEE 754: n·u·|y| in any order, n·η·Π max(1, |x|) where they underflow";
  registry.structural<Prod<WholeTensor>>({.schema = "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor",
                                          .special = {{0, 0}},
                                          .source = products,
                                          .sample = sample_whole});
  registry.structural<Prod<AlongDims>>(
      {.schema = "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
       .special = {{0, 0}},
       .source = products,
       .sample = sample_over_dim});
  registry.structural<CumulativeSum<false>>(
      {.schema = "cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
       .source = sources::sums,
       .sample = sample_along_dim});
}

}  // namespace gradproof
