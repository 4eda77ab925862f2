// Enclosures of what backward stable algorithms of linear algebra return: plain functions on matrices of Arb balls,
// the same for every scalar.
//
// A matrix comes as balls. What an engine makes of it is the exact answer for some A + ΔA, |ΔA| <= E, with A in the
// balls; E is what the literature bounds the backward error of LAPACK's algorithm by. Each function first
// transforms the problem, by what the midpoints give, into one beside the identity; there interval arithmetic hardly
// loses anything. False: nothing can be said, since the answer is unbounded or does not exist for some A + ΔA.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <functional>
#include <vector>

#include "engine/scalars/arb_ball.h"
#ifdef GRADPROOF_ARB_HEADER_FLINT
#include <flint/arb_mat.h>
#else
#include <arb_mat.h>
#endif

namespace gradproof::dense {

// Entrywise upper bounds.
using Bounds = Eigen::MatrixXd;

class Matrix {
 public:
  Matrix() : Matrix(0, 0) {}
  Matrix(Eigen::Index rows, Eigen::Index cols) { arb_mat_init(value_, rows, cols); }
  Matrix(const Matrix& other) : Matrix(other.rows(), other.cols()) { arb_mat_set(value_, other.value_); }
  Matrix(Matrix&& other) noexcept : Matrix(0, 0) { arb_mat_swap(value_, other.value_); }
  Matrix& operator=(Matrix other) noexcept {
    arb_mat_swap(value_, other.value_);
    return *this;
  }
  ~Matrix() { arb_mat_clear(value_); }

  Eigen::Index rows() const { return arb_mat_nrows(value_); }
  Eigen::Index cols() const { return arb_mat_ncols(value_); }
  arb_ptr at(Eigen::Index i, Eigen::Index j) { return arb_mat_entry(value_, i, j); }
  arb_srcptr at(Eigen::Index i, Eigen::Index j) const { return arb_mat_entry(value_, i, j); }
  arb_mat_struct* get() { return value_; }
  const arb_mat_struct* get() const { return value_; }

  static Matrix identity(Eigen::Index n);
  Matrix transposed() const;
  Matrix middle() const;  // without radii
  Bounds radii() const;
  Bounds sizes() const;  // of |x|, at most
  Matrix widened(const Bounds& by) const;
  Matrix part(Eigen::Index row, Eigen::Index col, Eigen::Index rows, Eigen::Index cols) const;

 private:
  arb_mat_t value_;
};

// Of the dtype under test; u = eta = 0 where nothing is rounded.
struct Rounding {
  double u = 0;
  double eta = 0;
  slong bits = 128;  // that the enclosures are computed with
};

Matrix product(const Matrix& a, const Matrix& b, const Rounding& rounding);
Matrix difference(const Matrix& a, const Matrix& b, const Rounding& rounding);
Bounds product(const Bounds& a, const Bounds& b);  // rounded up
Eigen::MatrixXd doubles(const Matrix& a);          // the midpoints

// |ΔA| of LU with partial pivoting and two substitutions: 3n·u |L||U| (Higham, Accuracy and Stability, 2nd ed.,
// theorem 9.4), of A or of its transpose, whichever an engine factors.
Bounds lu_error(const Matrix& a, const Rounding& rounding);

// X of A X = B for all of A ± by, B.
bool solve(const Matrix& a, const Bounds& by, const Matrix& b, const Rounding& rounding, Matrix& x);

// Mixed derivatives of the determinant: the matrix of ∂/∂A_ij D^k det(A)[W_1, …, W_k]; for k = 0 the cofactors. Exact
// polynomials, evaluated over all of A ± by.
bool mixed_cofactors(const Matrix& a, const Bounds& by, const std::vector<Matrix>& along, const Rounding& rounding,
                     Matrix& result);
// det(A) over A ± by.
bool determinant(const Matrix& a, const Bounds& by, const Rounding& rounding, ArbNumber& result);

// Σ |log |pivot||, at most, over what an engine's LU may find.
double log_pivots(const Matrix& a);

enum class Definite : std::uint8_t { yes, no, unknown };
// The lower Cholesky factor of what the lower triangle of A says.
Definite cholesky(const Matrix& a, const Rounding& rounding, Matrix& lower);

// P A = L U by partial pivoting (`pivot`), or A = L U. Where several rows may be the next pivot, the first being the
// largest, choose(how many) says which.
struct Factors {
  Matrix lower;                      // m × min(m, n), unit
  Matrix upper;                      // min(m, n) × n
  std::vector<Eigen::Index> pivots;  // row k was swapped with pivots[k] >= k
};
bool lu(const Matrix& a, bool pivot, const Rounding& rounding, const std::function<Eigen::Index(Eigen::Index)>& choose,
        Factors& factors);

// Q R = A, Q of min(m, n) columns. Signs are LAPACK's: R_kk has the one opposite to its pivot's; `sure` where none of
// them hangs on a rounding.
bool qr(const Matrix& a, const Rounding& rounding, Matrix& q, Matrix& r, bool& sure);

// Ascending eigenvalues of what the lower triangle says; a vector is left out of bounds (`vectors_known` false)
// where its eigenvalue is not simple.
bool eigh(const Matrix& a, const Rounding& rounding, Matrix& values, Matrix& vectors, std::vector<bool>& known);

// Descending singular values; `left` m × k, `right` n × k, k = min(m, n).
bool svd(const Matrix& a, const Rounding& rounding, Matrix& left, Matrix& values, Matrix& right,
         std::vector<bool>& known);

// A⁺ B for A of full rank; false where it may not be.
bool least_squares(const Matrix& a, const Matrix& b, const Rounding& rounding, Matrix& x);

bool exponential(const Matrix& a, const Rounding& rounding, Matrix& result);

}  // namespace gradproof::dense
