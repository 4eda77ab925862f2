// Matrices as grids of exact balls, for algorithms that go number by number.
#pragma once

#include "engine/operators/dense.h"

namespace gradproof::dense {

using Number = ArbBall<Exact>;

class Grid {
 public:
  Grid(Eigen::Index rows, Eigen::Index cols) : cols_(cols), all_(static_cast<std::size_t>(rows * cols)) {}
  explicit Grid(const Matrix& from) : Grid(from.rows(), from.cols()) {
    for (Eigen::Index i = 0; i < from.rows(); ++i) {
      for (Eigen::Index j = 0; j < from.cols(); ++j) arb_set((*this)(i, j).number().get(), from.at(i, j));
    }
  }
  Number& operator()(Eigen::Index i, Eigen::Index j) { return all_[static_cast<std::size_t>(i * cols_ + j)]; }
  const Number& operator()(Eigen::Index i, Eigen::Index j) const {
    return all_[static_cast<std::size_t>(i * cols_ + j)];
  }
  Eigen::Index rows() const { return cols_ == 0 ? 0 : static_cast<Eigen::Index>(all_.size()) / cols_; }
  Eigen::Index cols() const { return cols_; }

  Matrix matrix() const {
    Matrix to(rows(), cols_);
    for (Eigen::Index i = 0; i < to.rows(); ++i) {
      for (Eigen::Index j = 0; j < cols_; ++j) {
        if ((*this)(i, j).is_finite()) {
          arb_set(to.at(i, j), (*this)(i, j).number().get());
        } else {
          arb_indeterminate(to.at(i, j));
        }
      }
    }
    return to;
  }

 private:
  Eigen::Index cols_;
  std::vector<Number> all_;
};

inline Number exactly(int value) { return Number::integer(value); }
inline double approximately(const Number& x) { return arf_get_d(x.number().mid(), ARF_RND_NEAR); }

// Bounds of one column, the norms of the columns and of all, at most.
inline double norm(const Bounds& bounds) { return bounds.norm() * (1 + 0x1p-30); }
inline bool finite(const Matrix& a) { return arb_mat_is_finite(a.get()) != 0; }

}  // namespace gradproof::dense
