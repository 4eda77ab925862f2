// Determinants and their derivatives as the polynomials they are: finite and exact at every matrix.
#include <bit>

#include "engine/operators/dense.h"

namespace gradproof::dense {

namespace {

using Index = Eigen::Index;
constexpr Index most_rows = 8;

// a_0 + Σ a_S t_S over the sets S of k symbols, t_i² = 0: what a polynomial says of its mixed derivatives.
class Jet {
 public:
  explicit Jet(std::size_t symbols) : parts_(std::size_t{1} << symbols) {}
  ArbNumber& operator[](std::size_t set) { return parts_[set]; }
  const ArbNumber& all() const { return parts_.back(); }
  void add_product(const Jet& a, const Jet& b, bool negative, slong bits) {
    for (std::size_t set = 0; set < parts_.size(); ++set) {
      for (std::size_t of = set;; of = (of - 1) & set) {
        const auto add = negative ? arb_submul : arb_addmul;
        add(parts_[set].get(), a.parts_[of].get(), b.parts_[set ^ of].get(), bits);
        if (of == 0) break;
      }
    }
  }

 private:
  std::vector<ArbNumber> parts_;
};

class Polynomial {
 public:
  Polynomial(const Matrix& a, const std::vector<Matrix>& along, slong bits)
      : n_(a.rows()), symbols_(along.size()), bits_(bits) {
    for (Index i = 0; i < n_; ++i) {
      for (Index j = 0; j < n_; ++j) {
        Jet entry(symbols_);
        arb_set(entry[0].get(), a.at(i, j));
        for (std::size_t k = 0; k < symbols_; ++k) arb_set(entry[std::size_t{1} << k].get(), along[k].at(i, j));
        entries_.push_back(std::move(entry));
      }
    }
  }

  // The determinant without row `row` and column `col` (-1: with all), expanded along its rows: partial[S] is that of
  // the first |S| rows and the columns S.
  Jet minor(Index row, Index col) const {
    const Index size = row < 0 ? n_ : n_ - 1;
    std::vector<Jet> partial(std::size_t{1} << size, Jet(symbols_));
    arb_one(partial[0][0].get());
    for (std::size_t set = 1; set < partial.size(); ++set) {
      const Index at = std::popcount(set) - 1;
      for (Index j = 0; j < size; ++j) {
        if ((set >> j & 1U) == 0) continue;
        const bool negative = std::popcount(set >> (j + 1)) % 2 == 1;
        const Index i_all = row >= 0 && at >= row ? at + 1 : at;
        const Index j_all = col >= 0 && j >= col ? j + 1 : j;
        partial[set].add_product(entries_[static_cast<std::size_t>(i_all * n_ + j_all)],
                                 partial[set ^ (std::size_t{1} << j)], negative, bits_);
      }
    }
    return partial.back();
  }

 private:
  Index n_;
  std::size_t symbols_;
  slong bits_;
  std::vector<Jet> entries_;
};

// det(A) A⁻ᵀ, for matrices too large to expand.
bool cofactors_by_inverse(const Matrix& a, const Bounds& by, const Rounding& rounding, Matrix& result) {
  Matrix inverse;
  if (!solve(a, by, Matrix::identity(a.rows()), rounding, inverse)) return false;
  ArbNumber det;
  arb_mat_det(det.get(), a.widened(by).get(), rounding.bits);
  result = inverse.transposed();
  arb_mat_scalar_mul_arb(result.get(), result.get(), det.get(), rounding.bits);
  return true;
}

}  // namespace

bool mixed_cofactors(const Matrix& a, const Bounds& by, const std::vector<Matrix>& along, const Rounding& rounding,
                     Matrix& result) {
  const Index n = a.rows();
  if (n > most_rows) return along.empty() && cofactors_by_inverse(a, by, rounding, result);
  result = Matrix(n, n);
  const Polynomial polynomial(a.widened(by), along, rounding.bits);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      const Jet minor = polynomial.minor(i, j);
      if ((i + j) % 2 == 0) {
        arb_set(result.at(i, j), minor.all().get());
      } else {
        arb_neg(result.at(i, j), minor.all().get());
      }
    }
  }
  return true;
}

// |det(A + Δ) - det(A)| <= Σ |Δ_ij| |cofactor_ij| over the box.
bool determinant(const Matrix& a, const Bounds& by, const Rounding& rounding, ArbNumber& result) {
  if (a.rows() > most_rows) {
    arb_mat_det(result.get(), a.widened(by).get(), rounding.bits);
    return arb_is_finite(result.get()) != 0;
  }
  const Jet middle = Polynomial(a.middle(), {}, rounding.bits).minor(-1, -1);
  arb_set(result.get(), middle.all().get());
  Matrix cofactors;
  if (!mixed_cofactors(a, by, {}, rounding, cofactors)) return false;
  const Bounds moved = a.radii() + by;
  const double off = (cofactors.sizes().array() * moved.array()).sum() * (1 + 0x1p-30);
  mag_t more;
  mag_init(more);
  mag_set_d(more, off);
  arb_add_error_mag(result.get(), more);
  mag_clear(more);
  return arb_is_finite(result.get()) != 0;
}

}  // namespace gradproof::dense
