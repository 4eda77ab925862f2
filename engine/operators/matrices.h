// Between tensors of any scalar and the matrices that engine/operators/dense.h encloses results of.
#pragma once

#include "engine/operators/dense.h"
#include "engine/operators/rules.h"

namespace gradproof {

// A batch of matrices: a tensor's last two dims.
struct Batched {
  Index count = 1;
  Index rows = 0;
  Index cols = 0;

  explicit Batched(Sizes sizes) {
    if (sizes.size() < 2) throw EngineError(GP_SHAPE, "a matrix is needed, not a tensor of shape " + to_text(sizes));
    for (std::size_t d = 0; d + 2 < sizes.size(); ++d) count *= sizes[d];
    rows = sizes[sizes.size() - 2];
    cols = sizes.back();
  }
  static Batched square(Sizes sizes) {
    const Batched batch(sizes);
    if (batch.rows != batch.cols) throw EngineError(GP_SHAPE, "a square matrix is needed, not " + to_text(sizes));
    return batch;
  }
};
inline Shape shape_with(Sizes lead, std::initializer_list<Index> more) {
  Shape shape(lead);
  for (const Index size : more) shape.push(size);
  return shape;
}

// --- one number ---

template <class T>
dense::Rounding rounding_of() {
  dense::Rounding rounding;
  if constexpr (HasHull<T>) {
    rounding.u = format_of<typename Scalar<T>::Dtype>().u;
    rounding.eta = format_of<typename Scalar<T>::Dtype>().eta;
    if constexpr (!requires { typename T::M; }) rounding.bits = std::max<slong>(arb_precision, 128);
  }
  return rounding;
}

// False, and why, where it is not a finite number.
template <class T>
bool load(const T& x, arb_ptr into, Unbounded& why) {
  if constexpr (HasHull<T>) {
    if (!x.in_range()) {
      why = x.is_anything() ? x.reason() : x.is_finite() ? Unbounded::overflow : Unbounded::domain;
      return false;
    }
    if constexpr (requires { typename T::M; }) {
      arb_set(into, ArbBall<Exact>::from_ball(x).number().get());
    } else {
      arb_set(into, x.number().get());
    }
    return true;
  } else {
    const double value = Scalar<T>::to_double(x);
    why = Unbounded::domain;
    arb_set_d(into, value);
    return std::isfinite(value);
  }
}

template <class T>
T store(arb_srcptr x) {
  if constexpr (HasHull<T>) {
    if (arb_is_finite(x) == 0) return T::anything(Unbounded::wide);
    ArbNumber number;
    arb_set(number.get(), x);
    if constexpr (requires { typename T::M; }) {
      using M = typename T::M;
      const auto [mid, rad] = ArbBall<Exact>(std::move(number)).enclosure();
      const M middle = static_cast<M>(mid);
      const long double off = (rad + std::fabs(mid - static_cast<long double>(middle))) * (1 + 0x1p-50L);
      return Scalar<T>::materialize(ball::checked<typename T::D>(middle, static_cast<M>(off) * (1 + 0x1p-50)));
    } else {
      return Scalar<T>::materialize(T(std::move(number)));
    }
  } else {
    // What cannot be told from 0 is 0: a midpoint of Arb's last bits is no result.
    return Scalar<T>::leaf(arb_contains_zero(x) != 0 ? 0 : arf_get_d(arb_midref(x), ARF_RND_NEAR));
  }
}

// Beyond the dtype's range substitutions make NaNs of infinities.
template <class T>
bool in_range(const dense::Matrix& x) {
  const dense::Bounds sizes = x.sizes();
  return sizes.size() == 0 || sizes.maxCoeff() <= format_of<typename Scalar<T>::Dtype>().max;
}

// --- matrices of a tensor ---

// Loads the matrices of several tensors, one batch after the other, and stores results beside them.
template <class T>
class Sheets {
 public:
  // Unknown, or not defined: what makes every result so.
  Unbounded why = Unbounded::no;
  bool written = true;

  void begin() {
    why = Unbounded::no;
    written = true;
  }
  // Matrix number `at` of a contiguous tensor; false where an element says nothing.
  bool load_matrix(const Tensor<T>& x, const Batched& batch, Index at, dense::Matrix& into) {
    into = dense::Matrix(batch.rows, batch.cols);
    const T* from = x.real() + at * batch.rows * batch.cols;
    bool known = true;
    for (Index i = 0; i < batch.rows; ++i) {
      for (Index j = 0; j < batch.cols; ++j, ++from) {
        if constexpr (std::is_same_v<T, Defined>) written = written && from->written;
        known = load(*from, into.at(i, j), why) && known;
      }
    }
    return known;
  }
  // Both are looked at, whatever the first says.
  bool load_both(const Tensor<T>& a, const Batched& left, dense::Matrix& into, const Tensor<T>& b, const Batched& right,
                 dense::Matrix& into_b, Index at) {
    const bool first = load_matrix(a, left, at, into);
    return load_matrix(b, right, at, into_b) && first;
  }
  T number(arb_srcptr x) const { return marked(store<T>(x)); }
  T unknown(Unbounded otherwise) const { return marked(no_answer<T>(why == Unbounded::no ? otherwise : why)); }
  void store_matrix(const Tensor<T>& x, Index at, const dense::Matrix& from) const {
    T* to = x.real() + at * from.rows() * from.cols();
    for (Index i = 0; i < from.rows(); ++i) {
      for (Index j = 0; j < from.cols(); ++j) *to++ = number(from.at(i, j));
    }
  }
  void store_unknown(const Tensor<T>& x, Index at, Index elements, Unbounded otherwise) const {
    std::fill_n(x.real() + at * elements, elements, unknown(otherwise));
  }

 private:
  T marked(T x) const {
    if constexpr (std::is_same_v<T, Defined>) x.written = x.written && written;
    return x;
  }
};

// A tensor of shape `sizes` whose matrices X are made of those of `a`: f(A, X) says whether it enclosed X.
template <class T, class F>
Tensor<T> each_matrix(Tape<T>& tape, const Tensor<T>& a, Sizes sizes, Unbounded otherwise, F&& f) {
  const Batched batch(a.sizes());
  const Batched result(sizes);
  const Tensor<T> out = tape.allocate(Kind::real, sizes);
  Sheets<T> sheets;
  dense::Matrix matrix;
  dense::Matrix x;
  for (Index at = 0; at < batch.count; ++at) {
    sheets.begin();
    if (sheets.load_matrix(a, batch, at, matrix) && f(matrix, x)) {
      sheets.store_matrix(out, at, x);
    } else {
      sheets.store_unknown(out, at, result.rows * result.cols, otherwise);
    }
  }
  return out;
}
// The same with a right hand side for each matrix: f(A, B, X).
template <class T, class F>
Tensor<T> each_system(Tape<T>& tape, const Tensor<T>& a, const Tensor<T>& b, Unbounded otherwise, F&& f) {
  const Batched left(a.sizes());
  const Batched right(b.sizes());
  if (left.rows != right.rows || !same_sizes(leading(a.sizes()), leading(b.sizes()))) {
    mismatch("a system", a.sizes(), b.sizes());
  }
  const Tensor<T> out = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {left.cols, right.cols}));
  Sheets<T> sheets;
  dense::Matrix matrix;
  dense::Matrix rhs;
  dense::Matrix x;
  for (Index at = 0; at < left.count; ++at) {
    sheets.begin();
    if (sheets.load_both(a, left, matrix, b, right, rhs, at) && f(matrix, rhs, x)) {
      sheets.store_matrix(out, at, x);
    } else {
      sheets.store_unknown(out, at, left.cols * right.cols, otherwise);
    }
  }
  return out;
}

// --- rules ---

// x where row - col keeps to the bounds, elsewhere zero.
template <class T>
Var<T> banded(const Var<T>& x, Index least, Index most) {
  Tape<T>& tape = x.tape();
  const Index rows = x.size(x.ndim() - 2);
  const Index cols = x.size(x.ndim() - 1);
  const Tensor<T> mask = tape.allocate(Kind::boolean, std::array<Index, 2>{rows, cols});
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) mask.booleans()[i * cols + j] = truth(least <= i - j && i - j <= most);
  }
  return tape.call(Basic::where, {tape.constant(mask), x, tape.number(Scalar<T>::leaf(0))});
}
template <class T>
Var<T> lower_triangle(const Var<T>& x, Index without = 0) {
  return banded(x, without, x.numel() + 1);
}
template <class T>
Var<T> upper_triangle(const Var<T>& x, Index without = 0) {
  return banded(x, -x.numel() - 1, -without);
}
template <class T>
Var<T> diagonal_alone(const Var<T>& x) {
  return banded(x, 0, 0);
}
// v [.., n] as a diagonal matrix [.., n, n].
template <class T>
Var<T> diagonal_matrix(const Var<T>& v) {
  const Index n = v.sizes().back();
  Shape column(v.sizes());
  column.push(1);
  Shape full(v.sizes());
  full.push(n);
  return diagonal_alone(expand_to(reshape_to(v, column), full));
}
template <class T>
Var<T> narrowed(const Var<T>& x, int dim, Index first, Index count) {
  if (first == 0 && count == x.size(dim)) return x;
  return named("narrow", {x}, {integer_arg<T>(dim), integer_arg<T>(first), integer_arg<T>(count)});
}
template <class T>
Var<T> joined(const Var<T>& a, const Var<T>& b, int dim) {
  return named("cat", {a, b}, {integer_arg<T>(dim)});
}
// The diagonal of [.., n, n] as [.., n].
template <class T>
Var<T> diagonal_of(const Var<T>& x) {
  const Index n = x.sizes().back();
  const Shape lead(leading(x.sizes()));
  const Var<T> flat = reshape_to(x, shape_with(lead, {n * n}));
  return named("slice.Tensor", {flat},
               {integer_arg<T>(flat.ndim() - 1), integer_arg<T>(0), integer_arg<T>(n * n), integer_arg<T>(n + 1)});
}

template <class T>
Var<T> identity_matrix(Tape<T>& tape, Index n) {
  const Tensor<T> one = tape.allocate(Kind::real, std::array<Index, 2>{n, n});
  for (Index i = 0; i < n * n; ++i) one.real()[i] = Scalar<T>::leaf(i % (n + 1) == 0 ? 1 : 0);
  return tape.constant(one);
}

// All results of an operator made for rules.
template <class Op, class T>
std::vector<Var<T>> rule_results(Tape<T>& tape, std::initializer_list<Var<T>> inputs,
                                 std::initializer_list<Arg<T>> args) {
  std::vector<VarImpl<T>*> impls;
  for (const Var<T>& x : inputs) impls.push_back(x.impl());
  const Node<T>& node = tape.run(rule_operator<T, Op>(), impls, kept_args(tape, args));
  std::vector<Var<T>> results;
  for (std::size_t i = 0; i < node.output_count; ++i) results.emplace_back(&tape, node.outputs[i]);
  return results;
}

// A X = B; both of the same leading dims.
template <class T>
Var<T> solution_of(const Var<T>& a, const Var<T>& b);
template <class T>
Var<T> inverse_of(const Var<T>& a);
// T X = B with the upper or lower triangle of T, its diagonal 1 where `unit`.
template <class T>
Var<T> triangular_solution_of(const Var<T>& a, const Var<T>& b, bool upper, bool unit);
template <class T>
Var<T> half_of(const Var<T>& x) {
  return x * x.tape().number(Scalar<T>::leaf(0.5));
}
// X of X T = B
template <class T>
Var<T> solution_on_the_right(const Var<T>& t, const Var<T>& b, bool upper, bool unit = false) {
  return matrix_transposed(triangular_solution_of(matrix_transposed(t), matrix_transposed(b), !upper, unit));
}

}  // namespace gradproof
