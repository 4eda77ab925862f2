// Symmetric eigenvalues and singular values: V₀ᵀ (A + ΔA) V₀ = D + G with a small G, for V₀ and D of the midpoints.
#include <algorithm>
#include <numeric>

#include "engine/operators/dense_number.h"

namespace gradproof::dense {

namespace {

using Index = Eigen::Index;

void trim(Number& x) { mag_zero(x.number().rad()); }

// Jacobi's rotations until what is off the diagonal is below the precision; v gathers them.
void diagonalize(Grid& a, Grid& v, slong bits) {
  const Index n = a.rows();
  constexpr int most_sweeps = 80;
  for (int sweep = 0; sweep < most_sweeps; ++sweep) {
    double off = 0;
    double most = 0;
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) {
        double& into = i == j ? most : off;
        into = std::max(into, std::fabs(approximately(a(i, j))));
      }
    }
    if (off <= std::ldexp(most, static_cast<int>(20 - bits))) return;
    for (Index p = 0; p < n; ++p) {
      for (Index q = p + 1; q < n; ++q) {
        if (a(p, q).is_exactly(0)) continue;
        const Number theta = (a(q, q) - a(p, p)) / (exactly(2) * a(p, q));
        const Number size = exactly(1) / (abs(theta) + sqrt(exactly(1) + theta * theta));
        Number t = approximately(theta) < 0 ? -size : size;
        trim(t);
        Number c = exactly(1) / sqrt(exactly(1) + t * t);
        trim(c);
        Number s = t * c;
        trim(s);
        const auto rotate = [&](Number& x, Number& y) {
          Number left = c * x - s * y;
          y = s * x + c * y;
          x = std::move(left);
          trim(x);
          trim(y);
        };
        for (Index k = 0; k < n; ++k) rotate(a(k, p), a(k, q));
        for (Index k = 0; k < n; ++k) rotate(a(p, k), a(q, k));
        for (Index k = 0; k < n; ++k) rotate(v(k, p), v(k, q));
      }
    }
  }
}

struct Spectrum {
  Matrix values;   // n × 1, ascending
  Matrix vectors;  // without radii, orthogonal but for the precision
};

// Of the midpoints of a symmetric matrix.
Spectrum spectrum_of(const Matrix& a, slong bits) {
  const ArbPrecision precision(bits);
  const Index n = a.rows();
  Grid left(a.middle());
  Grid basis(Matrix::identity(n));
  diagonalize(left, basis, bits);
  std::vector<Index> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](Index i, Index j) { return arf_cmp(left(i, i).number().mid(), left(j, j).number().mid()) < 0; });
  Spectrum found{Matrix(n, 1), Matrix(n, n)};
  for (Index j = 0; j < n; ++j) {
    const Index from = order[static_cast<std::size_t>(j)];
    arb_set(found.values.at(j, 0), left(from, from).number().get());
    for (Index i = 0; i < n; ++i) arb_set(found.vectors.at(i, j), basis(i, from).number().get());
  }
  return found;
}

double size_of(arb_srcptr x) { return std::fabs(arf_get_d(arb_midref(x), ARF_RND_NEAR)) * (1 + 0x1p-30); }

// Column `at` of an orthogonal W whose entry j is at most beta/|d_at - d_j|, j other than `at`; false where a gap is
// too small. So it is for D + G, ‖G‖ <= beta: (d̃ - d_j) w_j = (G w)_j.
bool near_unit_column(const Matrix& d, Index at, double beta, Matrix& column, double& rest) {
  column = Matrix(d.rows(), 1);
  rest = 0;
  Bounds off = Bounds::Zero(d.rows(), 1);
  for (Index j = 0; j < d.rows(); ++j) {
    if (j == at) continue;
    const double gap =
        std::fabs(arf_get_d(arb_midref(d.at(at, 0)), ARF_RND_NEAR) - arf_get_d(arb_midref(d.at(j, 0)), ARF_RND_NEAR)) *
            (1 - 0x1p-30) -
        beta;
    if (!(gap > 2 * beta) || gap == 0) return false;
    off(j, 0) = beta / gap * (1 + 0x1p-30);
    rest += off(j, 0) * off(j, 0);
  }
  if (!(rest < 0.25)) return false;
  off(at, 0) = rest;
  arb_one(column.at(at, 0));
  column = column.widened(off);
  return true;
}

// LAPACK's algorithms are normwise backward stable, ‖ΔA‖ <= p(n) u ‖A‖ with a p that grows modestly (LAPACK Users'
// Guide, 4.7 and 4.9); vectors are orthogonal within as much.
double budget_of(Index n, const Rounding& rounding) { return (4 * static_cast<double>(n) + 8) * rounding.u; }

void put_column(Matrix& into, Index at, const Matrix& column) {
  for (Index i = 0; i < column.rows(); ++i) arb_set(into.at(i, at), column.at(i, 0));
}

}  // namespace

bool eigh(const Matrix& a, const Rounding& rounding, Matrix& values, Matrix& vectors, std::vector<bool>& known) {
  const Index n = a.rows();
  Matrix whole(a);
  for (Index i = 0; i < n; ++i) {
    for (Index j = i + 1; j < n; ++j) arb_set(whole.at(i, j), a.at(j, i));
  }
  const Spectrum mid = spectrum_of(whole, rounding.bits);
  double most = 0;
  for (Index i = 0; i < n; ++i) most = std::max(most, size_of(mid.values.at(i, 0)));
  const double budget = budget_of(n, rounding);
  const double beta = (norm(whole.radii()) + budget * most + std::ldexp(most, static_cast<int>(40 - rounding.bits)) +
                       static_cast<double>(n) * rounding.eta) *
                      (1 + 0x1p-20);
  if (!std::isfinite(beta)) return false;
  values = mid.values.middle().widened(Bounds::Constant(n, 1, beta));
  vectors = Matrix(n, n);
  known.assign(static_cast<std::size_t>(n), true);
  if (n == 1) {
    arb_one(vectors.at(0, 0));
    return true;
  }
  for (Index i = 0; i < n; ++i) {
    Matrix column;
    double rest = 0;
    known[static_cast<std::size_t>(i)] = near_unit_column(mid.values, i, beta, column, rest);
    if (!known[static_cast<std::size_t>(i)]) continue;
    put_column(vectors, i, product(mid.vectors, column, rounding).widened(Bounds::Constant(n, 1, budget)));
  }
  return true;
}

// For m >= n, by AᵀA in more than twice the precision.
bool svd(const Matrix& a, const Rounding& rounding, Matrix& left, Matrix& values, Matrix& right,
         std::vector<bool>& known) {
  const Index rows = a.rows();
  const Index cols = a.cols();
  if (rows < cols) return svd(a.transposed(), rounding, right, values, left, known);
  Rounding fine = rounding;
  fine.bits = 2 * rounding.bits + 64;
  const Matrix mid = a.middle();
  const Spectrum gram = spectrum_of(product(mid.transposed(), mid, fine), fine.bits);
  Matrix d(cols, 1);
  Matrix basis(cols, cols);
  for (Index j = 0; j < cols; ++j) {
    const Index from = cols - 1 - j;
    arb_srcptr square = gram.values.at(from, 0);
    if (arf_sgn(arb_midref(square)) > 0) {
      ArbNumber exact;
      arf_set(exact.mid(), arb_midref(square));
      arb_sqrt(d.at(j, 0), exact.get(), fine.bits);
    }
    for (Index i = 0; i < cols; ++i) arb_set(basis.at(i, j), gram.vectors.at(i, from));
  }
  d = d.middle();
  const double most = cols == 0 ? 0 : size_of(d.at(0, 0));
  const double budget = budget_of(rows, rounding);
  const double beta = (norm(a.radii()) + budget * most + std::ldexp(most, static_cast<int>(60 - rounding.bits)) +
                       static_cast<double>(rows) * rounding.eta) *
                      (1 + 0x1p-20);
  if (!std::isfinite(beta)) return false;
  values = d.widened(Bounds::Constant(cols, 1, beta));
  left = Matrix(rows, cols);
  right = Matrix(cols, cols);
  known.assign(static_cast<std::size_t>(cols), false);
  const Matrix images = product(mid, basis, fine);
  for (Index i = 0; i < cols; ++i) {
    const double own = size_of(d.at(i, 0)) * (1 - 0x1p-29) - beta;
    Matrix column;
    double rest = 0;
    if (!(own > 2 * beta) || !near_unit_column(d, i, beta, column, rest)) continue;
    known[static_cast<std::size_t>(i)] = true;
    put_column(right, i, product(basis, column, rounding).widened(Bounds::Constant(cols, 1, budget)));
    // Uᵢ = A vᵢ / σᵢ; outside A's range by at most beta / σᵢ.
    Matrix unit(images);
    bool divided = true;
    for (Index j = 0; j < cols; ++j) {
      divided = divided && (arf_sgn(arb_midref(d.at(j, 0))) != 0 || arb_is_exact(column.at(j, 0)) != 0);
      for (Index k = 0; k < rows; ++k) arb_div(unit.at(k, j), images.at(k, j), d.at(j, 0), fine.bits);
    }
    if (!finite(unit)) divided = false;
    known[static_cast<std::size_t>(i)] = divided;
    if (!divided) continue;
    const double outside = rows > cols ? beta / own * (1 + 0x1p-20) : 0;
    const double more = budget + outside + outside * outside;
    put_column(left, i, product(unit.middle(), column, rounding).widened(Bounds::Constant(rows, 1, more)));
  }
  return true;
}

}  // namespace gradproof::dense
