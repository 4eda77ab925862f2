// cumprod and logcumsumexp.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/norms.h"
#include "engine/operators/samplers.h"
#include "engine/operators/windows.h"

namespace gradproof {

namespace {

// A tensor around one dim as [outer, length, inner], and as [outer, length, 1, inner] beside [outer, 1, length, inner].
struct Frame {
  Frame(Sizes sizes, Index dim) : around(sizes, wrap_dim(dim, static_cast<int>(sizes.size()))), whole(sizes) {}

  std::array<Index, 3> flat() const { return {around.outer, around.length, around.inner}; }
  std::array<Index, 4> square() const { return {around.outer, around.length, around.length, around.inner}; }
  template <class T>
  Var<T> flattened(const Var<T>& x) const {
    return reshape_to(x, flat());
  }
  template <class T>
  Var<T> restored(const Var<T>& x) const {
    return reshape_to(x, whole.sizes());
  }
  // x_k, the same for every i; y_i, the same for every k.
  template <class T>
  Var<T> down(const Var<T>& x) const {
    return expand_to(reshape_to(x, std::array<Index, 4>{around.outer, around.length, 1, around.inner}), square());
  }
  template <class T>
  Var<T> across(const Var<T>& y) const {
    return expand_to(reshape_to(y, std::array<Index, 4>{around.outer, 1, around.length, around.inner}), square());
  }
  // Where i >= k, or i = k, at [k, i].
  template <class T, class Relation>
  Var<T> where(Tape<T>& tape, Relation relation) const {
    const Index n = around.length;
    const Tensor<T> mask = tape.allocate(Kind::boolean, std::array<Index, 3>{n, n, 1});
    for (Index k = 0; k < n; ++k) {
      for (Index i = 0; i < n; ++i) mask.booleans()[k * n + i] = truth(relation(i, k));
    }
    return tape.constant(mask);
  }

  Around around;
  Shape whole;
};

constexpr DimSet second = 2;
constexpr DimSet third = 4;

// Along dim 1.
template <class T>
Var<T> running_sum(const Var<T>& x) {
  return named("cumsum", {x}, {integer_arg<T>(1), Arg<T>{}});
}
template <class T>
Var<T> reversed(const Var<T>& x) {
  return named("flip", {x}, {list_arg(x.tape(), std::array<Index, 1>{1})});
}

// Where neither this element along the frame's dim nor one before it may be 0, as a mask.
template <class T>
Var<T> before_zeros(Tape<T>& tape, const Frame& frame, const Tensor<T>& of) {
  const Tensor<T> x = tape.contiguous(of);
  const Tensor<T> mask = tape.allocate(Kind::boolean, frame.flat());
  frame.around.for_each([&](Index first) {
    bool before = true;
    for (Index k = 0; k < frame.around.length; ++k) {
      const Index at = first + k * frame.around.inner;
      before = before && equal(x.real()[at], 0) == Truth::no;
      mask.booleans()[at] = truth(before);
    }
  });
  return tape.constant(mask);
}

// --- cumprod: y_i = x_0 … x_i ---

struct CumulativeProduct {
  static constexpr const char* schema = "_cumprod(Tensor self, int dim, ScalarType? dtype) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    need_no_dtype(node.args[1]);
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Around around(x.sizes(), wrap_dim(node.args[0].integer, x.ndim));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    around.for_each([&](Index first) {
      T product = x.real()[first];
      for (Index k = 0; k < around.length; ++k) {
        const Index at = first + k * around.inner;
        if (k > 0) product = product * x.real()[at];
        out.real()[at] = Scalar<T>::materialize(product);
      }
    });
    set_outputs(tape, node, {out});
  }
  // ∂y_i/∂x_k = Π_{j≤i, j≠k} x_j for i >= k; engines also take (Σ_{i≥k} g_i y_i)/x_k before the first 0.
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Frame frame(node.in(0).sizes(), node.args[0].integer);
    if (frame.around.length < 2 || node.in(0).numel == 0) {
      into[0] = grads[0];
      return;
    }
    const Var<T> x = frame.flattened(input(tape, node, 0));
    const Var<T> self = frame.where(tape, [](Index i, Index k) { return i == k; });
    const Var<T> behind = frame.where(tape, [](Index i, Index k) { return i >= k; });
    const Var<T> factors = select(self, 1, frame.across(x));
    const Var<T> others = call_rule<CumulativeProduct>(tape, {factors}, {integer_arg<T>(2), Arg<T>{}});
    const Var<T> sums = sum_over(select(behind, frame.across(grads[0]) * others, 0), third, false);
    const auto products = [&] { return sums; };
    const auto quotients = [&] {
      const Var<T> before = before_zeros(tape, frame, node.in(0));
      const Var<T> terms = frame.flattened(grads[0] * output(tape, node));
      return select(before, reversed(running_sum(reversed(terms))) / select(before, x, 1), sums);
    };
    into[0] = resting_on_all(tape, node, frame,
                             frame.restored(either(tape, node, tape.plain(node, grads, 1), products, quotients)));
  }
  // (p, p') ← (p x_i, p' x_i + p t_i); engines also take y_i Σ_{k≤i} t_k/x_k before the first 0
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Frame frame(node.in(0).sizes(), node.args[0].integer);
    if (node.in(0).numel == 0) {
      into[0] = tangents[0];
      return;
    }
    const Var<T> x = frame.flattened(input(tape, node, 0));
    const Var<T> t = frame.flattened(tangents[0]);
    const Var<T> slopes = by_recurrence(tape, x, t);
    const auto recurrence = [&] { return slopes; };
    const auto quotients = [&] {
      const Var<T> before = before_zeros(tape, frame, node.in(0));
      const Var<T> ratios = select(before, t / select(before, x, 1), 0);
      return select(before, frame.flattened(output(tape, node)) * running_sum(ratios), slopes);
    };
    into[0] = resting_on_all(tape, node, frame,
                             frame.restored(either(tape, node, tape.plain(node, tangents, 1), recurrence, quotients)));
  }
  template <class T>
  static Var<T> by_recurrence(Tape<T>& tape, const Var<T>& x, const Var<T>& t) {
    std::vector<Var<T>> slopes;
    Var<T> product;
    for (Index i = 0; i < x.size(1); ++i) {
      const Var<T> xi = window_of(x, 1, i, 1);
      const Var<T> ti = window_of(t, 1, i, 1);
      slopes.push_back(i == 0 ? ti : slopes.back() * xi + product * ti);
      product = i == 0 ? xi : product * xi;
    }
    return tape.call(tape.catalogue().named("cat"), std::span<const Var<T>>(slopes),
                     kept_args(tape, {integer_arg<T>(1)}));
  }
  // An engine may have looked for zeros everywhere.
  template <class T>
  static Var<T> resting_on_all(Tape<T>& tape, const Node<T>& node, const Frame& frame, const Var<T>& result) {
    if constexpr (std::is_same_v<T, Defined>) {
      const Var<T> x = frame.flattened(input(tape, node, 0));
      return result + frame.restored(expand_to(sum_over(x - x, second, true), frame.flat()));
    } else {
      return result;
    }
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// --- logcumsumexp: y_i = log Σ_{k≤i} e^x_k ---

// Numbers near x_0 … x_i, the largest so far, that sums of exponentials are taken beside.
template <class T>
T largest(const T& a, const T& b) {
  return less(a, b) == Truth::yes ? b : a;
}

struct LogCumulativeSum {
  // The first way: exp(x_k - c) summed, c the largest so far. Engines take y_i = max + log1p(exp(min - max)) of y_i-1
  // and x_i: what was off in y_i-1 is not amplified, for ∂y_i/∂y_i-1 <= 1, and a step adds u(|y_i| + 2.7): the sum's
  // rounding, |d| e^d/(1 + e^d) <= 0.28 for that of d = min - max, e^d/(1 + e^d) <= 1/2 twice for exp's, log 2 twice
  // for log1p's, by the budget table.
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Around around(x.sizes(), wrap_dim(node.args[0].integer, x.ndim));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    around.for_each([&](Index first) {
      T off = Scalar<T>::leaf(0);
      for (Index i = 0; i < around.length; ++i) {
        const Lane<T> sofar{x.real() + first, i + 1, around.inner, nullptr};
        T y = log_sum(sofar);
        if (i > 0) off = off + unit_roundoff<T>() * (abs(y) + 3);
        out.real()[first + i * around.inner] = Scalar<T>::materialize(i > 0 ? widened(y, off) : y);
      }
    });
    set_outputs(tape, node, {out});
  }
  template <class T>
  static T log_sum(const Lane<T>& lane) {
    if (lane.length == 1) return lane[0];
    T c = lane[0];
    for (Index k = 1; k < lane.length; ++k) c = largest(c, lane[k]);
    Accumulator<T> sum = sum_of_stored_steps<T>();
    for (Index k = 0; k < lane.length; ++k) sum.add(exp(lane[k] - c));
    return log(sum.result()) + c;
  }
  // dx_k = Σ_{i≥k} g_i exp(x_k - y_i)
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Frame frame(node.in(0).sizes(), node.args[0].integer);
    const Var<T> x = input(tape, node, 0);
    const Var<T> behind = frame.where(tape, [](Index i, Index k) { return i >= k; });
    const auto direct = [&] {
      const Var<T> weights = exp(select(behind, frame.down(x) - frame.across(output(tape, node)), 0));
      return frame.restored(sum_over(select(behind, weights * frame.across(grads[0]), 0), third, false));
    };
    into[0] = direct();
    if (tape.admitted && HasHull<T>) into[0] = into[0] + beside(tape, into[0], by_logarithms(tape, node, grads[0]));
  }
  // A constant that makes a sum with `one` hold `other` as well.
  template <class T>
  static Var<T> beside(Tape<T>& tape, const Var<T>& one, const Var<T>& other) {
    const bool recorded = std::exchange(tape.grad_enabled, false);
    const Var<T> off = other - tape.constant(one.value());
    tape.grad_enabled = recorded;
    return hull_of(tape, zeros(tape, off.sizes()), off);
  }
  // What LibTorch computes: exp(log Σ_{g_i>0} exp(log g_i - y_i) + x_k), less the same of -g where g < 0.
  template <class T>
  static Var<T> by_logarithms(Tape<T>& tape, const Node<T>& node, const Var<T>& grad) {
    const Tensor<T> x = tape.contiguous(node.in(0));
    const Tensor<T> y = tape.contiguous(node.out());
    const Tensor<T> g = tape.contiguous(grad.value());
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    const Around around(x.sizes(), wrap_dim(node.args[0].integer, x.ndim));
    around.for_each([&](Index first) {
      for (Index k = 0; k < around.length; ++k) {
        const Index at = first + k * around.inner;
        const auto part = [&](bool positive) {
          std::vector<T> terms;
          T off = Scalar<T>::leaf(0);
          for (Index i = around.length - 1; i >= k; --i) {
            const Index behind = first + i * around.inner;
            const T slope = positive ? g.real()[behind] : -g.real()[behind];
            if (less(0, slope) == Truth::no) continue;
            terms.push_back(log(slope) - y.real()[behind]);
            if (terms.size() < 2) continue;
            const T sum = log_sum(Lane<T>{terms.data(), std::ssize(terms), 1, nullptr});
            off = off + unit_roundoff<T>() * (abs(sum) + 3);
          }
          if (terms.empty()) return Scalar<T>::leaf(0);
          return exp(widened(log_sum(Lane<T>{terms.data(), std::ssize(terms), 1, nullptr}), off) + x.real()[at]);
        };
        out.real()[at] = Scalar<T>::materialize(part(true) - part(false));
      }
    });
    return tape.constant(out);
  }
  // Σ_{k≤i} e_k t_k / Σ_{k≤i} e_k with e_k = exp(x_k - c_i), c_i the largest so far.
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Frame frame(node.in(0).sizes(), node.args[0].integer);
    const Var<T> x = input(tape, node, 0);
    if (node.in(0).numel == 0) {
      into[0] = tangents[0];
      return;
    }
    const Var<T> before = frame.where(tape, [](Index k, Index i) { return k <= i; });  // at [i, k]
    const Var<T> beside = frame.across(x) - frame.down(shifts(tape, frame, node.in(0)));
    const Var<T> e = select(before, exp(select(before, beside, 0)), 0);
    const Var<T> sum = sum_over(e, third, false);
    const Var<T> terms = e * frame.across(tangents[0]);
    into[0] = frame.restored(sum_over(terms, third, false) / sum);
    if constexpr (HasHull<T>) {
      const bool recorded = std::exchange(tape.grad_enabled, false);
      const Var<T> size = frame.restored(sum_over(abs(terms), third, false) / sum);
      const Var<T> off = beside_maximum(tape, node.in(0), size);
      tape.grad_enabled = recorded;
      into[0] = into[0] + off;
    }
  }
  // Engines take e_k beside the largest of all, M: exp(x_k - M) is off by |x_k - M| u and by exp's own, in the sum of
  // the terms and in that of the e_k; with the product and the quotient 2 (max_k (M - x_k) + 4) u in all.
  template <class T>
  static Var<T> beside_maximum(Tape<T>& tape, const Tensor<T>& of, const Var<T>& size) {
    const Tensor<T> x = tape.contiguous(of);
    const Tensor<T> s = tape.contiguous(size.value());
    const Tensor<T> out = tape.allocate(Kind::real, s.sizes());
    T span = Scalar<T>::leaf(0);
    for (Index i = 0; i < x.numel; ++i) span = hull(span, hull(x.real()[i], -x.real()[i]));
    for (Index i = 0; i < s.numel; ++i) {
      const T off = 4 * (abs(span) + 2) * unit_roundoff<T>() * s.real()[i];
      out.real()[i] = hull(-off, off);
    }
    return tape.constant(out);
  }
  // The largest so far; a constant, for no result depends on it.
  template <class T>
  static Var<T> shifts(Tape<T>& tape, const Frame& frame, const Tensor<T>& of) {
    const Tensor<T> x = tape.contiguous(of);
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    frame.around.for_each([&](Index first) {
      T c = x.real()[first];
      for (Index k = 0; k < frame.around.length; ++k) {
        const Index at = first + k * frame.around.inner;
        c = largest(c, x.real()[at]);
        out.real()[at] = c;
      }
    });
    return tape.constant(out);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// --- drawing ---

void add_cumulative_products(Registry& registry) {
  registry.structural<CumulativeProduct>(
      {.schema = "cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
       .special = {{0, 0}},
       .source = "IEEE 754, one product after the other",
       .sample = sample_along_dim});
  registry.structural<LogCumulativeSum>({.schema = "logcumsumexp(Tensor self, int dim) -> Tensor",
                                         .source = "exp, log and log1p of the budget table",
                                         .sample = sample_along_dim});
}

}  // namespace

void add_cumulative(Registry& registry) { add_cumulative_products(registry); }

}  // namespace gradproof
