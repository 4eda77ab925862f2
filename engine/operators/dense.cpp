#include "engine/operators/dense.h"

#include <cmath>
#include <limits>

namespace gradproof::dense {

namespace {

// Covers the roundings of a bound computed in double from nonnegative terms.
constexpr double up = 1 + 0x1p-30;

double above(mag_srcptr x) {
  if (mag_is_zero(x) != 0) return 0;
  if (mag_is_inf(x) != 0) return std::numeric_limits<double>::infinity();
  return mag_get_d(x) * up + std::numeric_limits<double>::denorm_min();
}

using Index = Eigen::Index;

}  // namespace

Matrix Matrix::identity(Index n) {
  Matrix one(n, n);
  arb_mat_one(one.value_);
  return one;
}
Matrix Matrix::transposed() const {
  Matrix other(cols(), rows());
  arb_mat_transpose(other.value_, value_);
  return other;
}
Matrix Matrix::middle() const {
  Matrix other(rows(), cols());
  arb_mat_get_mid(other.value_, value_);
  return other;
}
Bounds Matrix::radii() const {
  Bounds bounds(rows(), cols());
  for (Index i = 0; i < rows(); ++i) {
    for (Index j = 0; j < cols(); ++j) bounds(i, j) = above(arb_radref(at(i, j)));
  }
  return bounds;
}
Bounds Matrix::sizes() const {
  Bounds bounds(rows(), cols());
  mag_t size;
  mag_init(size);
  for (Index i = 0; i < rows(); ++i) {
    for (Index j = 0; j < cols(); ++j) {
      arb_get_mag(size, at(i, j));
      bounds(i, j) = above(size);
    }
  }
  mag_clear(size);
  return bounds;
}
Matrix Matrix::widened(const Bounds& by) const {
  Matrix other(*this);
  mag_t more;
  mag_init(more);
  for (Index i = 0; i < rows(); ++i) {
    for (Index j = 0; j < cols(); ++j) {
      mag_set_d(more, by(i, j));
      arb_add_error_mag(other.at(i, j), more);
    }
  }
  mag_clear(more);
  return other;
}
Matrix Matrix::part(Index row, Index col, Index rows, Index cols) const {
  Matrix other(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) arb_set(other.at(i, j), at(row + i, col + j));
  }
  return other;
}

Matrix product(const Matrix& a, const Matrix& b, const Rounding& rounding) {
  Matrix c(a.rows(), b.cols());
  arb_mat_mul_classical(c.get(), a.get(), b.get(), rounding.bits);
  return c;
}
Matrix difference(const Matrix& a, const Matrix& b, const Rounding& rounding) {
  Matrix c(a.rows(), a.cols());
  arb_mat_sub(c.get(), a.get(), b.get(), rounding.bits);
  return c;
}
Bounds product(const Bounds& a, const Bounds& b) { return (a * b) * up; }

Eigen::MatrixXd doubles(const Matrix& a) {
  Eigen::MatrixXd values(a.rows(), a.cols());
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < a.cols(); ++j) values(i, j) = arf_get_d(arb_midref(a.at(i, j)), ARF_RND_NEAR);
  }
  return values;
}

namespace {

// |L||U| over the pivots an engine may take: where several are near the largest, each is followed.
class Growth {
 public:
  Growth(const Matrix& a, double u) {
    const Eigen::MatrixXd values = doubles(a);
    const double most = values.size() == 0 ? 0 : values.cwiseAbs().maxCoeff();
    const double radius = values.size() == 0 ? 0 : a.radii().maxCoeff();
    near_ = 2 * radius + 8 * static_cast<double>(a.rows()) * u * most;
    most_ = Bounds::Zero(a.rows(), a.cols());
    std::vector<Index> order(static_cast<std::size_t>(a.rows()));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Index>(i);
    eliminate(values, order, 0);
    if (left_ > 0) return;
    // |l| <= 1 and |u_kj| <= 2^k max_i |a_ij|: Wilkinson's bound, for every order.
    for (Index j = 0; j < values.cols(); ++j) {
      const double column = values.col(j).cwiseAbs().maxCoeff() + near_;
      most_.col(j).setConstant(std::ldexp(column, static_cast<int>(std::min(a.rows(), a.cols()))));
    }
  }
  const Bounds& most() const { return most_; }

 private:
  void eliminate(Eigen::MatrixXd lu, std::vector<Index> order, Index k) {
    if (left_ == 0) return;
    const Index steps = std::min(lu.rows(), lu.cols());
    for (; k < steps; ++k) {
      const double largest = lu.col(k).tail(lu.rows() - k).cwiseAbs().maxCoeff();
      Index first = -1;
      for (Index i = k; i < lu.rows(); ++i) {
        if (std::fabs(lu(i, k)) + near_ < largest) continue;
        if (first < 0) {
          first = i;
          continue;
        }
        Eigen::MatrixXd other = lu;
        std::vector<Index> other_order = order;
        step(other, other_order, k, i);
        eliminate(std::move(other), std::move(other_order), k + 1);
      }
      if (first < 0) return;  // NaN
      step(lu, order, k, first);
    }
    if (left_ > 0) --left_;
    note(lu, order);
  }
  static void step(Eigen::MatrixXd& lu, std::vector<Index>& order, Index k, Index pivot) {
    lu.row(k).swap(lu.row(pivot));
    std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(pivot)]);
    for (Index i = k + 1; i < lu.rows(); ++i) {
      const double factor = lu(k, k) == 0 ? 0 : std::clamp(lu(i, k) / lu(k, k), -1.0, 1.0);
      lu(i, k) = factor;
      lu.row(i).tail(lu.cols() - k - 1) -= factor * lu.row(k).tail(lu.cols() - k - 1);
    }
  }
  void note(const Eigen::MatrixXd& lu, const std::vector<Index>& order) {
    const Index steps = std::min(lu.rows(), lu.cols());
    for (Index i = 0; i < lu.rows(); ++i) {
      for (Index j = 0; j < lu.cols(); ++j) {
        double sum = 0;
        for (Index k = 0; k <= std::min({i, j, steps - 1}); ++k) {
          sum += (k == i ? 1 : std::fabs(lu(i, k))) * std::fabs(lu(k, j));
        }
        double& most = most_(order[static_cast<std::size_t>(i)], j);
        most = std::max(most, sum);
      }
    }
  }

  double near_ = 0;
  int left_ = 32;
  Bounds most_;
};

}  // namespace

// A factor 9/8: the midpoints' factors stand for the engine's, which differ by its roundings.
Bounds lu_error(const Matrix& a, const Rounding& rounding) {
  if (rounding.u == 0) return Bounds::Zero(a.rows(), a.cols());
  const auto n = static_cast<double>(a.rows());
  const Bounds growth = Growth(a, rounding.u).most().cwiseMax(Growth(a.transposed(), rounding.u).most().transpose());
  return (growth * (3 * n * rounding.u * 1.125)).array() + 2 * n * rounding.eta;
}

// Of A's LU and of its transpose's. Near pivots may come in another order: twice the sum allows for it.
double log_pivots(const Matrix& a) {
  double most = 0;
  for (const bool swapped : {false, true}) {
    Eigen::MatrixXd lu = swapped ? Eigen::MatrixXd(doubles(a).transpose()) : doubles(a);
    double sum = 0;
    for (Index k = 0; k < lu.rows(); ++k) {
      Index pivot = 0;
      const double size = lu.col(k).tail(lu.rows() - k).cwiseAbs().maxCoeff(&pivot);
      if (size == 0) return std::numeric_limits<double>::infinity();
      lu.row(k).swap(lu.row(k + pivot));
      sum += std::fabs(std::log(size));
      for (Index i = k + 1; i < lu.rows(); ++i) lu.row(i) -= lu(i, k) / lu(k, k) * lu.row(k);
    }
    most = std::max(most, sum);
  }
  return 2 * most + 1;
}

bool smallest_fixed_point(const Bounds& c, const Bounds& z, Bounds& d) {
  if (!c.allFinite() || !z.allFinite()) return false;
  Eigen::VectorXd weight = Eigen::VectorXd::Ones(c.rows());
  double contraction = 0;
  for (int tries = 0; tries < 5; ++tries) {
    const Eigen::VectorXd next = c * weight * up;
    contraction = (next.array() / weight.array()).maxCoeff();
    if (contraction < 0.5) break;
    weight = next.array() + 1e-6 * next.maxCoeff();
    if (!(weight.minCoeff() > 0)) return false;
  }
  if (!(contraction < 0.96)) return false;
  d.resize(z.rows(), z.cols());
  for (Index j = 0; j < z.cols(); ++j) {
    const double most = (z.col(j).array() / weight.array()).maxCoeff() / (1 - contraction * up) * up;
    Eigen::VectorXd column = weight * most;
    for (int i = 0; i < 4; ++i) column = column.cwiseMin((z.col(j) + c * column) * up);
    d.col(j) = column;
  }
  return d.allFinite();
}

// With R an approximate inverse, X = x + e where e = R(B - A x) + (I - R A) e.
bool solve(const Matrix& a, const Bounds& by, const Matrix& b, const Rounding& rounding, Matrix& x) {
  const Index n = a.rows();
  x = Matrix(n, b.cols());
  if (n == 0 || b.cols() == 0) return true;
  const Matrix mid = a.middle();
  Matrix inverse(n, n);
  if (arb_mat_approx_inv(inverse.get(), mid.get(), rounding.bits) == 0) return false;
  inverse = inverse.middle();
  x = product(inverse, b.middle(), rounding).middle();
  const Bounds reach = inverse.sizes();
  const Bounds moved = a.radii() + by;
  const Matrix defect = difference(Matrix::identity(n), product(inverse, mid, rounding), rounding);
  const Bounds c = defect.sizes() + product(reach, moved);
  const Matrix residual = product(inverse, difference(b, product(mid, x, rounding), rounding), rounding);
  const double tiny = 2 * static_cast<double>(n) * rounding.eta;
  const Bounds beyond = (product(moved, x.sizes()).array() + tiny).matrix();
  const Bounds z = ((residual.sizes() + product(reach, beyond)) * up).array() + rounding.eta;
  Bounds off;
  if (!smallest_fixed_point(c, z, off)) return false;
  x = x.widened(off);
  return true;
}

}  // namespace gradproof::dense
