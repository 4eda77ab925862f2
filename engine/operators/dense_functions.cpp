// Pseudo-inverses, least squares and exponentials.
#include <algorithm>

#include "engine/operators/dense_number.h"

namespace gradproof::dense {

namespace {

using Index = Eigen::Index;

void put(Matrix& into, const Matrix& part, Index row, Index col) {
  for (Index i = 0; i < part.rows(); ++i) {
    for (Index j = 0; j < part.cols(); ++j) arb_set(into.at(row + i, col + j), part.at(i, j));
  }
}
void put(Bounds& into, const Bounds& part, Index row, Index col) {
  into.block(row, col, part.rows(), part.cols()) = part;
}

}  // namespace

// The least squares solution of A X = B, the one of least norm where A is wide: from the regular system
//   [1  A] [R]   [B]          [1 -Aᵀ] [X]   [0]
//   [Aᵀ 0] [X] = [0]    or    [A   0] [Y] = [B].
// QR and SVD solve it for A + ΔA, B + ΔB with ‖ΔA‖ <= c u ‖A‖, ‖ΔB‖ <= c u ‖B‖ (Higham, theorem 20.3).
bool least_squares(const Matrix& a, const Matrix& b, const Rounding& rounding, Matrix& x) {
  const Index rows = a.rows();
  const Index cols = a.cols();
  const double budget = (static_cast<double>(4 * rows * cols) + 10) * rounding.u;
  const Bounds by = Bounds::Constant(rows, cols, budget * norm(a.sizes()) + 4 * rounding.eta);
  const bool tall = rows >= cols;
  Matrix system(rows + cols, rows + cols);
  Bounds moved = Bounds::Zero(rows + cols, rows + cols);
  Matrix rhs(rows + cols, b.cols());
  const Index first = tall ? rows : cols;
  for (Index i = 0; i < first; ++i) arb_one(system.at(i, i));
  const Matrix other = a.transposed();
  put(system, tall ? a : other, 0, first);
  put(moved, tall ? by : Bounds(by.transpose()), 0, first);
  put(system, tall ? other : a, first, 0);
  put(moved, tall ? Bounds(by.transpose()) : by, first, 0);
  if (!tall) {
    for (Index i = 0; i < cols; ++i) {
      for (Index j = 0; j < rows; ++j) arb_neg(system.at(i, first + j), system.at(i, first + j));
    }
  }
  Bounds b_by(rows, b.cols());
  const Bounds b_sizes = b.sizes();
  for (Index j = 0; j < b.cols(); ++j) b_by.col(j).setConstant(budget * norm(b_sizes.col(j)) + 4 * rounding.eta);
  put(rhs, b.widened(b_by), tall ? 0 : first, 0);
  Matrix whole;
  if (!solve(system, moved, rhs, rounding, whole)) return false;
  x = whole.part(tall ? first : 0, 0, cols, b.cols());
  return true;
}

// Scaling and squaring: B = A/2^s with |B| <= 1/2, a polynomial or quotient for exp(B), s squarings. |exp(B + Δ) -
// exp(B)| <= exp(|B| + |Δ|) - exp(|B|) entry by entry, and so are errors of the series: each power's is at most c u of
// that of |B|. A squaring makes |X|E + E|X| + E² of the error E before it, and rounds. Engines scale by less.
bool exponential(const Matrix& a, const Rounding& rounding, Matrix& result) {
  const Index n = a.rows();
  result = Matrix(n, n);
  if (n == 0) return true;
  const Bounds sizes = a.sizes();
  const double length = sizes.rowwise().sum().maxCoeff();
  if (!(length < 256)) return false;
  const int squarings = length > 0.5 ? std::ilogb(length) + 2 : 0;
  const double scale = std::ldexp(1.0, -squarings);
  const auto exponential_of = [&](const Bounds& of) {
    Matrix positive(n, n);
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) arb_set_d(positive.at(i, j), of(i, j));
    }
    arb_mat_exp(positive.get(), positive.get(), rounding.bits);
    return positive;
  };
  const Matrix reach = exponential_of(sizes * scale);
  Bounds off = reach.sizes() * (8 * (static_cast<double>(n) + 3) * rounding.u);
  const Bounds radii = a.radii() * scale;
  if (radii.maxCoeff() > 0) off += difference(exponential_of(sizes * scale + radii), reach, rounding).sizes();
  // Each squaring costs a bit or two.
  const slong bits = rounding.bits + 2 * squarings;
  arb_mat_scalar_mul_2exp_si(result.get(), a.middle().get(), -squarings);
  arb_mat_exp(result.get(), result.get(), bits);
  for (int k = 0; k < squarings; ++k) {
    const Bounds power = result.sizes();
    const Bounds rounded = product(power, power) * ((static_cast<double>(n) + 2) * rounding.u);
    off = product(power, off) + product(off, power) + product(off, off) + rounded;
    arb_mat_sqr(result.get(), result.get(), bits);
  }
  off.array() += 16 * rounding.eta;
  result = result.widened(off * (1 + 0x1p-20));
  return finite(result);
}

}  // namespace gradproof::dense
