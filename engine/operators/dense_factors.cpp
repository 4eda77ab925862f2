// Cholesky, LU and QR: with the factors of the midpoints taken off both sides, what remains of A + ΔA is beside the
// identity, and so are its factors.
#include "engine/operators/dense_number.h"

namespace gradproof::dense {

namespace {

using Index = Eigen::Index;

// What the lower triangle says.
Matrix symmetric(const Matrix& a) {
  Matrix both(a);
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = i + 1; j < a.cols(); ++j) arb_set(both.at(i, j), a.at(j, i));
  }
  return both;
}

// A pivot that is negative, beyond doubt.
bool certainly_indefinite(const Matrix& a, double near) {
  Eigen::MatrixXd left = doubles(a);
  for (Index k = 0; k < left.rows(); ++k) {
    if (!(left(k, k) > near)) return left(k, k) < -near;
    for (Index i = k + 1; i < left.rows(); ++i) left.row(i) -= left(i, k) / left(k, k) * left.row(k);
  }
  return false;
}

bool inverse_of_triangle(const Matrix& triangle, bool upper, bool unit, const Rounding& rounding, Matrix& inverse) {
  const Matrix one = Matrix::identity(triangle.rows());
  inverse = one;
  for (Index i = 0; i < triangle.rows(); ++i) {
    if (!unit && arb_contains_zero(triangle.at(i, i)) != 0) return false;
  }
  if (upper) {
    arb_mat_solve_triu(inverse.get(), triangle.get(), one.get(), unit ? 1 : 0, rounding.bits);
  } else {
    arb_mat_solve_tril(inverse.get(), triangle.get(), one.get(), unit ? 1 : 0, rounding.bits);
  }
  return finite(inverse);
}

}  // namespace

// Lᵀ computed satisfies L Lᵀ = A + ΔA, |ΔA| <= (n + 1) u |L||Lᵀ| (Higham, theorem 10.3).
Definite cholesky(const Matrix& a, const Rounding& rounding, Matrix& lower) {
  const Index n = a.rows();
  lower = Matrix(n, n);
  if (n == 0) return Definite::yes;
  const Matrix whole = symmetric(a);
  const Matrix mid = whole.middle();
  Matrix factor(n, n);
  if (arb_mat_cho(factor.get(), mid.get(), rounding.bits) == 0) {
    const double most = mid.sizes().maxCoeff();
    const double near = static_cast<double>(n * n) * (16 * rounding.u * most + 2 * whole.radii().maxCoeff());
    return certainly_indefinite(mid, near + 0x1p-40 * most) ? Definite::no : Definite::unknown;
  }
  factor = factor.middle();
  Matrix inverse;
  if (!inverse_of_triangle(factor, false, false, rounding, inverse)) return Definite::unknown;
  const Bounds sizes = factor.sizes();
  Bounds by = product(sizes, sizes.transpose()) * ((static_cast<double>(n) + 1) * rounding.u * 1.125);
  by += whole.radii() + difference(mid, product(factor, factor.transposed(), rounding), rounding).sizes();
  by.array() += 2 * rounding.eta;
  const Bounds reach = inverse.sizes();
  const Matrix near = Matrix::identity(n).widened(product(product(reach, by), reach.transpose()));
  Matrix moved(n, n);
  if (arb_mat_cho(moved.get(), near.get(), rounding.bits) == 0) return Definite::unknown;
  lower = product(factor, moved, rounding);
  return finite(lower) ? Definite::yes : Definite::unknown;
}

namespace {

// Doolittle's LU without interchanges; both factors square, filled up with the identity.
bool plain_lu(const Matrix& a, Index steps, const Rounding& rounding, Matrix& lower, Matrix& upper) {
  const ArbPrecision precision(rounding.bits);
  Grid lu(a);
  for (Index k = 0; k < steps; ++k) {
    for (Index i = k + 1; i < lu.rows(); ++i) {
      // The last pivot may be zero where nothing is below it.
      if (arb_contains_zero(lu(k, k).number().get()) != 0) return false;
      lu(i, k) = lu(i, k) / lu(k, k);
      for (Index j = k + 1; j < lu.cols(); ++j) lu(i, j) = lu(i, j) - lu(i, k) * lu(k, j);
    }
  }
  const Matrix both = lu.matrix();
  lower = Matrix::identity(a.rows());
  upper = Matrix::identity(a.cols());
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < a.cols(); ++j) {
      if (j < std::min(i, steps)) arb_set(lower.at(i, j), both.at(i, j));
      if (i < steps && j >= i) arb_set(upper.at(i, j), both.at(i, j));
    }
  }
  return finite(lower) && finite(upper);
}

// Rows in the order partial pivoting takes them.
std::vector<Index> pivots_of(const Matrix& a, const Rounding& rounding, const std::function<Index(Index)>& choose) {
  Eigen::MatrixXd lu = doubles(a);
  std::vector<Index> pivots;
  if (lu.size() == 0) return pivots;
  const double near =
      2 * a.radii().maxCoeff() + 8 * static_cast<double>(a.rows()) * rounding.u * lu.cwiseAbs().maxCoeff();
  for (Index k = 0; k < std::min(lu.rows(), lu.cols()); ++k) {
    Index largest = 0;
    const double size = lu.col(k).tail(lu.rows() - k).cwiseAbs().maxCoeff(&largest);
    std::vector<Index> candidates{k + largest};
    for (Index i = k; i < lu.rows(); ++i) {
      if (i != k + largest && std::fabs(lu(i, k)) + near >= size) candidates.push_back(i);
    }
    const Index taken = candidates.size() == 1 ? 0 : choose(static_cast<Index>(candidates.size()));
    const Index pivot = candidates[static_cast<std::size_t>(taken)];
    pivots.push_back(pivot);
    lu.row(k).swap(lu.row(pivot));
    for (Index i = k + 1; i < lu.rows(); ++i) {
      if (lu(k, k) != 0) lu.row(i).tail(lu.cols() - k) -= lu(i, k) / lu(k, k) * lu.row(k).tail(lu.cols() - k);
    }
  }
  return pivots;
}

}  // namespace

// L U = P(A + ΔA), |ΔA| <= n u |L||U| (Higham, theorem 9.3).
bool lu(const Matrix& a, bool pivot, const Rounding& rounding, const std::function<Index(Index)>& choose,
        Factors& factors) {
  const Index rows = a.rows();
  const Index cols = a.cols();
  const Index steps = std::min(rows, cols);
  factors.pivots.clear();
  if (pivot) {
    factors.pivots = pivots_of(a, rounding, choose);
  } else {
    for (Index k = 0; k < steps; ++k) factors.pivots.push_back(k);
  }
  Matrix ordered(a);
  for (Index k = 0; k < steps; ++k) {
    const Index other = factors.pivots[static_cast<std::size_t>(k)];
    if (other != k) arb_mat_swap_rows(ordered.get(), nullptr, k, other);
  }
  const Matrix mid = ordered.middle();
  Matrix lower;
  Matrix upper;
  Matrix left;
  Matrix right;
  if (!plain_lu(mid, steps, rounding, lower, upper)) return false;
  lower = lower.middle();
  upper = upper.middle();
  if (!inverse_of_triangle(lower, false, true, rounding, left)) return false;
  if (!inverse_of_triangle(upper, true, false, rounding, right)) return false;
  Matrix beside(rows, cols);
  arb_mat_one(beside.get());
  const Matrix remade = product(product(lower, beside, rounding), upper, rounding);
  const Bounds sizes = product(product(lower.sizes(), beside.sizes()), upper.sizes());
  Bounds by = sizes * (static_cast<double>(steps) * rounding.u * 1.125);
  by += ordered.radii() + difference(mid, remade, rounding).sizes();
  by.array() += 2 * static_cast<double>(steps) * rounding.eta;
  const Bounds off = product(product(left.sizes(), by), right.sizes());
  Matrix moved_lower;
  Matrix moved_upper;
  if (!plain_lu(beside.widened(off), steps, rounding, moved_lower, moved_upper)) return false;
  factors.lower = product(lower, moved_lower, rounding).part(0, 0, rows, steps);
  factors.upper = product(moved_upper, upper, rounding).part(0, 0, steps, cols);
  // Known by what they are.
  for (Index i = 0; i < steps; ++i) {
    arb_one(factors.lower.at(i, i));
    for (Index j = i + 1; j < steps; ++j) arb_zero(factors.lower.at(i, j));
    for (Index j = 0; j < i; ++j) arb_zero(factors.upper.at(i, j));
  }
  return finite(factors.lower) && finite(factors.upper);
}

namespace {

// Householder's reflections: A = Q R with Q square. `sure`: no sign hangs on a pivot beside zero.
bool householder(const Matrix& a, double near, const Rounding& rounding, Matrix& q, Matrix& r, bool& sure) {
  const ArbPrecision precision(rounding.bits);
  Grid left(a);
  Grid basis(Matrix::identity(a.rows()));
  for (Index k = 0; k < std::min(a.rows() - 1, a.cols()); ++k) {
    Number square = exactly(0);
    for (Index i = k + 1; i < a.rows(); ++i) square = square + left(i, k) * left(i, k);
    const double tail = std::sqrt(approximately(square));
    const double pivot = approximately(left(k, k));
    sure = sure && tail > near && std::fabs(pivot) > near;
    if (tail == 0) continue;  // LAPACK reflects nothing then
    const Number size = sqrt(square + left(k, k) * left(k, k));
    const Number beta = pivot < 0 ? size : -size;
    std::vector<Number> v(static_cast<std::size_t>(a.rows()), exactly(0));
    for (Index i = k; i < a.rows(); ++i) v[static_cast<std::size_t>(i)] = left(i, k);
    v[static_cast<std::size_t>(k)] = left(k, k) - beta;
    Number length = exactly(0);
    for (const Number& x : v) length = length + x * x;
    const auto reflect = [&](Grid& grid, bool columns) {
      const Index others = columns ? grid.rows() : grid.cols();
      for (Index j = 0; j < others; ++j) {
        Number dot = exactly(0);
        for (Index i = k; i < a.rows(); ++i) {
          dot = dot + v[static_cast<std::size_t>(i)] * (columns ? grid(j, i) : grid(i, j));
        }
        const Number by = exactly(2) * dot / length;
        for (Index i = k; i < a.rows(); ++i) {
          Number& x = columns ? grid(j, i) : grid(i, j);
          x = x - by * v[static_cast<std::size_t>(i)];
        }
      }
    };
    reflect(left, false);
    reflect(basis, true);
  }
  q = basis.matrix().middle();
  r = left.matrix().middle();
  for (Index i = 0; i < r.rows(); ++i) {
    for (Index j = 0; j < std::min(i, r.cols()); ++j) arb_zero(r.at(i, j));
  }
  return true;
}

}  // namespace

// Q R = A + ΔA with ‖Δa_j‖ <= c m n u ‖a_j‖, Q computed off by as much (Higham, theorem 19.4 and (19.13)); with c m n
// for LAPACK's blocks written as mn + 10, the constant part for forming the reflections.
bool qr(const Matrix& a, const Rounding& rounding, Matrix& q, Matrix& r, bool& sure) {
  const Index rows = a.rows();
  const Index cols = a.cols();
  const Index steps = std::min(rows, cols);
  const double budget = (static_cast<double>(rows * steps) + 10) * rounding.u;
  const Matrix mid = a.middle();
  const Matrix first = mid.part(0, 0, rows, steps);
  Matrix whole_q;
  Matrix whole_r;
  sure = true;
  const double most = a.sizes().size() == 0 ? 0 : a.sizes().maxCoeff();
  householder(first, 64 * budget * most + 2 * (most == 0 ? 0 : a.radii().maxCoeff()), rounding, whole_q, whole_r, sure);
  Matrix inverse;
  const Matrix top = whole_r.part(0, 0, steps, steps);
  if (!inverse_of_triangle(top, true, false, rounding, inverse)) return false;
  Bounds by = a.radii();
  const Bounds sizes = a.sizes();
  for (Index j = 0; j < cols; ++j) by.col(j).array() += budget * norm(sizes.col(j)) + 2 * rounding.eta;
  const Bounds first_by = by.leftCols(steps) + difference(first, product(whole_q, whole_r, rounding), rounding).sizes();
  const Bounds off = product(product(whole_q.transposed().sizes(), first_by), inverse.sizes());
  // (1 + G)ᵀ(1 + G) = 1 + G + Gᵀ + GᵀG for what is left, and R from its Cholesky factor.
  const Bounds upper_off = off.topRows(steps);
  const Bounds gram = upper_off + upper_off.transpose() + product(off.transpose(), off);
  Matrix lower(steps, steps);
  if (steps > 0 && arb_mat_cho(lower.get(), Matrix::identity(steps).widened(gram).get(), rounding.bits) == 0)
    return false;
  const Matrix moved = lower.transposed();
  Matrix moved_inverse;
  if (!inverse_of_triangle(moved, true, false, rounding, moved_inverse)) return false;
  Matrix beside(rows, steps);
  arb_mat_one(beside.get());
  q = product(product(whole_q, beside.widened(off), rounding), moved_inverse, rounding);
  const Matrix square = product(moved, top, rounding);
  r = Matrix(steps, cols);
  const Matrix rest = product(q.transposed(), a.widened(by).part(0, steps, rows, cols - steps), rounding);
  for (Index i = 0; i < steps; ++i) {
    for (Index j = i; j < cols; ++j) arb_set(r.at(i, j), j < steps ? square.at(i, j) : rest.at(i, j - steps));
  }
  q = q.widened(Bounds::Constant(rows, steps, budget));
  return finite(q) && finite(r);
}

}  // namespace gradproof::dense
