// Products of matrices in every scalar.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include "engine/arena.h"
#include "engine/scalars/scalar_all.h"
#include "engine/tensor.h"

namespace gradproof {

// A matrix in memory; the steps between neighbours in a row and in a column are free.
template <class T>
struct MatrixView {
  const T* first = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index row_step = 0;
  Index col_step = 0;

  const T& operator()(Index i, Index j) const { return first[i * row_step + j * col_step]; }
};

namespace gemm {

// Rows, one after the other without gaps.
template <class T>
std::vector<T> packed(const MatrixView<T>& m) {
  std::vector<T> all;
  all.reserve(static_cast<std::size_t>(m.rows * m.cols));
  for (Index i = 0; i < m.rows; ++i) {
    for (Index j = 0; j < m.cols; ++j) all.push_back(m(i, j));
  }
  return all;
}
template <class T>
MatrixView<T> transposed(const MatrixView<T>& m) {
  return {m.first, m.cols, m.rows, m.col_step, m.row_step};
}

// --- float, double ---

template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Columns = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

// f(an Eigen map of m), which BLAS takes as it is; a matrix whose elements lie apart is packed first.
template <class T, class F>
void with_map(const MatrixView<T>& m, F&& f) {
  using Stride = Eigen::OuterStride<>;
  if (m.col_step == 1 && (m.row_step >= m.cols || m.rows == 1)) {
    return f(Eigen::Map<const Rows<T>, 0, Stride>(m.first, m.rows, m.cols, Stride(std::max(m.row_step, m.cols))));
  }
  if (m.row_step == 1 && (m.col_step >= m.rows || m.cols == 1)) {
    return f(Eigen::Map<const Columns<T>, 0, Stride>(m.first, m.rows, m.cols, Stride(std::max(m.col_step, m.rows))));
  }
  const std::vector<T> copy = packed(m);
  f(Eigen::Map<const Rows<T>, 0, Stride>(copy.data(), m.rows, m.cols, Stride(m.cols)));
}

template <class T>
void native(const MatrixView<T>& a, const MatrixView<T>& b, T* out) {
  Eigen::Map<Rows<T>> result(out, a.rows, b.cols);
  with_map(a, [&](const auto& left) { with_map(b, [&](const auto& right) { result.noalias() = left * right; }); });
}

// --- dot by dot ---

template <class T>
T dot(const MatrixView<T>& a, const MatrixView<T>& b, Index i, Index j) {
  Accumulator<T> sum;
  for (Index k = 0; k < a.cols; ++k) sum.add_product(a(i, k), b(k, j));
  return Scalar<T>::materialize(sum.result());
}

template <class T>
void by_dots(const MatrixView<T>& a, const MatrixView<T>& b, T* out) {
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < b.cols; ++j) *out++ = dot(a, b, i, j);
  }
}

// --- large products of fast balls ---
//
// Rump, "Fast and parallel interval arithmetic", BIT 39 (1999): with A = mid A ± rad A and |A| = |mid A| + rad A,
//   |fl(AB) - mid A mid B| <= |mid A| rad B + rad A |B| + n·u |A||B| + n·η
// where the three products on the right are of nonnegative numbers in double, rounded up by a factor.

// Scratch memory, kept from one product to the next: asking the system for it each time costs more than the product.
inline thread_local Arena scratch;

template <class T>
using Scratch = Eigen::Map<Rows<T>>;
template <class T>
Scratch<T> scratch_matrix(Index rows, Index cols) {
  return {scratch.array<T>(static_cast<std::size_t>(rows * cols)), rows, cols};
}

// Not below x >= 0.
inline double up(double x) { return x; }
inline double up(long double x) { return x == 0 ? 0 : static_cast<double>(x) * (1 + 0x1p-51) + 0x1p-1074; }

template <class D>
struct Split {
  using M = typename Ball<D>::M;
  Scratch<M> mid;
  Scratch<double> size;  // |mid|
  Scratch<double> rad;
  Scratch<double> reach;  // |mid| + rad
  bool in_range = true;

  explicit Split(const MatrixView<Ball<D>>& m)
      : mid(scratch_matrix<M>(m.rows, m.cols)),
        size(scratch_matrix<double>(m.rows, m.cols)),
        rad(scratch_matrix<double>(m.rows, m.cols)),
        reach(scratch_matrix<double>(m.rows, m.cols)) {
    Index at = 0;
    for (Index i = 0; i < m.rows; ++i) {
      for (Index j = 0; j < m.cols; ++j, ++at) {
        const Ball<D>& x = m(i, j);
        const M magnitude = x.magnitude();
        in_range = in_range && magnitude <= Ball<D>::d_max;
        mid.data()[at] = x.mid;
        size.data()[at] = up(std::fabs(x.mid));
        rad.data()[at] = up(x.rad);
        reach.data()[at] = up(magnitude);
      }
    }
  }
};

// mid A mid B, and what it may be off beyond one rounding of each of the n products and sums: 0 in double.
inline bool multiply_mids(const Scratch<double>& a, const Scratch<double>& b, Scratch<double>& out,
                          Scratch<double>& off) {
  out.noalias() = a * b;
  off.setZero();
  return true;
}

// x = high + low: high the multiple of 2^-22 · largest nearest to x, low as the nearest double.
struct Slices {
  Scratch<double> high;
  Scratch<double> low;
  std::vector<double> largest;  // a power of two above |x|, for each row (or column)

  // Up to 2^8 exact products of two high parts then sum to a number of 53 bits.
  static constexpr int bits = 22;

  Slices(const Scratch<long double>& x, bool by_rows)
      : high(scratch_matrix<double>(x.rows(), x.cols())), low(scratch_matrix<double>(x.rows(), x.cols())) {
    largest.assign(static_cast<std::size_t>(by_rows ? x.rows() : x.cols()), 0);
    const auto for_each = [&](auto&& f) {
      Index at = 0;
      for (Index i = 0; i < x.rows(); ++i) {
        for (Index j = 0; j < x.cols(); ++j) f(at++, largest[static_cast<std::size_t>(by_rows ? i : j)]);
      }
    };
    for_each([&](Index at, double& most) {
      const auto size = static_cast<double>(std::fabs(x.data()[at]));
      if (size > most) most = size;
    });
    for (double& most : largest) most = most > 0 ? std::ldexp(1.0, std::ilogb(most) + 1) : 0;
    for_each([&](Index at, double most) {
      // Adding 1.5 · 2^52 units rounds to a multiple of the unit.
      const double shift = most * (1.5 * 0x1p52 / (1 << bits));
      high.data()[at] = (static_cast<double>(x.data()[at]) + shift) - shift;
      low.data()[at] = static_cast<double>(x.data()[at] - static_cast<long double>(high.data()[at]));
    });
  }

  // Away from both ends of double's range, so that products of slices neither overflow nor lose what matters.
  bool moderate() const {
    return std::all_of(largest.begin(), largest.end(),
                       [](double size) { return size == 0 || (0x1p-400 < size && size < 0x1p400); });
  }
};

// AB = Aₕ Bₕ + (Aₕ Bₗ + Aₗ B): the first product is exact in double (Ozaki, Ogita, Oishi, Rump, "Error-free
// transformations of matrix multiplication", Numerical Algorithms 59, 2012), the others are 2^-22 times smaller, and
// so are their errors.
inline bool multiply_mids(const Scratch<long double>& a, const Scratch<long double>& b, Scratch<long double>& out,
                          Scratch<double>& off) {
  constexpr Index most_terms = 256;
  if (a.cols() > most_terms) return false;
  const Slices left(a, true);
  const Slices right(b, false);
  if (!left.moderate() || !right.moderate()) return false;
  Scratch<double> whole = scratch_matrix<double>(b.rows(), b.cols());
  Scratch<double> first = scratch_matrix<double>(a.rows(), b.cols());
  Scratch<double> rest = scratch_matrix<double>(a.rows(), b.cols());
  whole = b.cast<double>();
  first.noalias() = left.high * right.high;
  rest.noalias() = left.high * right.low;
  rest.noalias() += left.low * whole;
  // 2n products of at most 2^-22 · largest · largest, each rounded n + 8 times by 2^-53 in all.
  const auto n = static_cast<double>(a.cols());
  const double factor = (n + 8) * 0x1p-53 * (4 * n) * 0x1p-22;
  Index at = 0;
  for (Index i = 0; i < out.rows(); ++i) {
    for (Index j = 0; j < out.cols(); ++j, ++at) {
      out.data()[at] = static_cast<long double>(first.data()[at]) + static_cast<long double>(rest.data()[at]);
      off.data()[at] = factor * left.largest[static_cast<std::size_t>(i)] * right.largest[static_cast<std::size_t>(j)];
    }
  }
  return true;
}

// False where the matrices need to go dot by dot.
template <class D>
bool large(const MatrixView<Ball<D>>& a, const MatrixView<Ball<D>>& b, Ball<D>* out) {
  using B = Ball<D>;
  using M = typename B::M;
  scratch.reset();
  const M n = static_cast<M>(a.cols);
  const Split<D> left(a);
  const Split<D> right(b);
  if (!left.in_range || !right.in_range || n * B::d_u >= 1) return false;
  Scratch<M> mid = scratch_matrix<M>(a.rows, b.cols);
  Scratch<double> off = scratch_matrix<double>(a.rows, b.cols);
  if (!multiply_mids(left.mid, right.mid, mid, off)) return false;
  Scratch<double> spread = scratch_matrix<double>(a.rows, b.cols);
  Scratch<double> reach = scratch_matrix<double>(a.rows, b.cols);
  spread.noalias() = left.size * right.rad;
  spread.noalias() += left.rad * right.reach;
  reach.noalias() = left.reach * right.reach;
  // Sums of 2n nonnegative products in double, off by at most a factor 1 - 2n·2^-53, and by n·2^-1074.
  const M grown = 1 + (2 * n + 16) * static_cast<M>(0x1p-52);
  const M tiny = 4 * n * (B::d_eta + static_cast<M>(0x1p-1074));
  const M per_reach = n * (B::d_u + ball::format_u<D>);
  const M overflow_at = B::d_max / ((1 + n * B::d_u) * grown * grown);
  for (Index at = 0; at < mid.size(); ++at) {
    const auto most = static_cast<M>(reach.data()[at]);
    if (!(most <= overflow_at)) {
      out[at] = dot(a, b, at / b.cols, at % b.cols);
      continue;
    }
    const M beyond = static_cast<M>(spread.data()[at]) + static_cast<M>(off.data()[at]);
    out[at] = {mid.data()[at], (beyond + per_reach * most + tiny) * grown};
  }
  return true;
}

}  // namespace gemm

// out = a b, row-major without gaps; a.cols == b.rows.
template <class T>
void multiply(const MatrixView<T>& a, const MatrixView<T>& b, T* out) {
  if constexpr (Native<T>) {
    gemm::native(a, b, out);
  } else {
    gemm::by_dots(a, b, out);
  }
}
template <class D>
void multiply(const MatrixView<Ball<D>>& a, const MatrixView<Ball<D>>& b, Ball<D>* out) {
  // Below this the exact dot products are as fast, and notice results that are exact.
  constexpr Index few = 4096;
  if (a.rows * a.cols * b.cols > few && gemm::large(a, b, out)) return;
  const std::vector<Ball<D>> rows = gemm::packed(a);
  const std::vector<Ball<D>> columns = gemm::packed(gemm::transposed(b));
  const auto n = static_cast<std::size_t>(a.cols);
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.rows); ++i) {
    for (std::size_t j = 0; j < static_cast<std::size_t>(b.cols); ++j) {
      const Ball<D> sum = Accumulator<Ball<D>>::dot(rows.data() + i * n, columns.data() + j * n, n);
      *out++ = Scalar<Ball<D>>::materialize(sum);
    }
  }
}

// The same where an engine may store partial sums: products split in blocks, which other sums go on from.
template <class T>
void multiply_storing_steps(const MatrixView<T>& a, const MatrixView<T>& b, T* out) {
  if constexpr (requires(Accumulator<T> sum) { sum.round_each_step(); }) {
    const std::vector<T> rows = gemm::packed(a);
    const std::vector<T> columns = gemm::packed(gemm::transposed(b));
    const auto n = static_cast<std::size_t>(a.cols);
    for (std::size_t i = 0; i < static_cast<std::size_t>(a.rows); ++i) {
      for (std::size_t j = 0; j < static_cast<std::size_t>(b.cols); ++j) {
        *out++ = Scalar<T>::materialize(dot_of_stored_steps(rows.data() + i * n, columns.data() + j * n, n));
      }
    }
  } else {
    multiply(a, b, out);
  }
}

}  // namespace gradproof
