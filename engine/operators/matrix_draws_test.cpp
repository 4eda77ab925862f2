#include "engine/operators/matrix_draws.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <vector>

#include "engine/operators/drawn_call.h"

namespace gradproof {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using enum MatrixClass;

// Asks for one class, and keeps what is possible.
class OneClass : public RandomDraw {
 public:
  OneClass(std::uint64_t seed, MatrixClass wanted) : RandomDraw(seed), wanted_(wanted) {}
  MatrixClass matrix_class(std::span<const MatrixClass> possible) override {
    can_ = std::find(possible.begin(), possible.end(), wanted_) != possible.end();
    return can_ ? wanted_ : possible.front();
  }
  bool can() const { return can_; }
  Matrix matrix(Index rows, Index cols) const {
    const auto& drawn = std::get<std::vector<DrawnTensor>>(call().find("a")->second).front();
    const Matrix x = Eigen::Map<const Matrix>(drawn.values.data(), rows, cols);
    if (drawn.as == DrawnTensor::As::symmetric) return x + x.transpose();
    return x;
  }

 private:
  MatrixClass wanted_;
  bool can_ = false;
};

Index rank_of(const Matrix& x) {
  Eigen::FullPivLU<Matrix> lu(x);
  lu.setThreshold(1e-10);
  return lu.rank();
}
// The least distance between two of them.
double gap_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double gap = HUGE_VAL;
  for (std::size_t i = 1; i < values.size(); ++i) gap = std::min(gap, values[i] - values[i - 1]);
  return gap;
}
std::vector<double> singular_values(const Matrix& x) {
  const Eigen::VectorXd found = Eigen::JacobiSVD<Matrix>(x).singularValues();
  return {found.begin(), found.end()};
}
std::vector<double> eigenvalues(const Matrix& x) {
  const auto found = Eigen::EigenSolver<Matrix>(x).eigenvalues();
  std::vector<double> real;
  for (Index i = 0; i < found.size(); ++i) real.push_back(found[i].real());
  return real;
}

// What holds of every matrix of a class.
void expect_class(MatrixClass which, const Matrix& x, bool by_eigenvalues) {
  const Index smaller = std::min(x.rows(), x.cols());
  const auto values = by_eigenvalues ? eigenvalues(x) : singular_values(x);
  const Matrix one = Matrix::Identity(smaller, smaller);
  switch (which) {
    case singular: EXPECT_LT(rank_of(x), smaller) << x; break;
    case low_rank: EXPECT_LE(rank_of(x), std::max<Index>(smaller - 2, 1)) << x; break;
    case repeated: EXPECT_LT(gap_of(values), 1e-7) << x; break;
    case clustered: EXPECT_LT(gap_of(values), 0.1) << x; break;
    case orthogonal:
      EXPECT_EQ(Matrix(x.rows() < x.cols() ? Matrix(x * x.transpose()) : Matrix(x.transpose() * x)), one) << x;
      break;
    case ill_conditioned: EXPECT_LT(singular_values(x).back(), 0.1) << x; break;
    default: break;
  }
}

template <class D>
std::array<int, 9> drawn(Index rows, Index cols, bool by_eigenvalues, D draw_one) {
  std::array<int, 9> counts{};
  for (int k = 0; k < 9; ++k) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      const auto which = static_cast<MatrixClass>(k);
      OneClass draw(seed, which);
      draw_one(draw);
      if (!draw.can()) break;
      ++counts.at(static_cast<std::size_t>(k));
      expect_class(which, draw.matrix(rows, cols), by_eigenvalues);
    }
  }
  return counts;
}
int classes(const std::array<int, 9>& counts) {
  return static_cast<int>(std::count(counts.begin(), counts.end(), 200));
}

TEST(MatrixDraws, SquareOnesAreOfTheirClass) {
  for (const Index n : {2, 3, 4}) {
    EXPECT_EQ(classes(drawn(n, n, true, [&](Draw& draw) { draw_square(draw, "a", {}, n); })), 9) << n;
  }
}

TEST(MatrixDraws, DefectiveOnesLackAnEigenvector) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    OneClass draw(seed, defective);
    draw_square(draw, "a", {}, 3);
    const Matrix x = draw.matrix(3, 3);
    bool lacks = false;
    for (const double at : {-3.0, -2.0, -1.0, 1.0, 2.0, 3.0}) {
      const Matrix shifted = x - at * Matrix::Identity(3, 3);
      lacks = lacks || (rank_of(shifted * shifted) < rank_of(shifted));
    }
    EXPECT_TRUE(lacks) << x;
  }
}

TEST(MatrixDraws, SymmetricOnesAreOfTheirClass) {
  EXPECT_EQ(classes(drawn(3, 3, false, [](Draw& draw) { draw_spread(draw, "a", {}, 3); })), 7);
  EXPECT_EQ(classes(drawn(4, 4, false, [](Draw& draw) { draw_spread(draw, "a", {}, 4); })), 7);
}

TEST(MatrixDraws, DefiniteOnesAre) {
  for (int k = 0; k < 9; ++k) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      OneClass draw(seed, static_cast<MatrixClass>(k));
      draw_definite(draw, "a", {}, 3);
      EXPECT_EQ(Eigen::LLT<Matrix>(draw.matrix(3, 3)).info(), Eigen::Success) << draw.matrix(3, 3);
    }
  }
}

TEST(MatrixDraws, TallAndWideOnesAreOfTheirClass) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{4, 2}, {2, 4}, {3, 3}, {4, 3}}) {
    const auto one = [rows = rows, cols = cols](Draw& draw) { draw_any_rank(draw, "a", {}, rows, cols); };
    EXPECT_EQ(classes(drawn(rows, cols, false, one)), 8) << rows << " x " << cols;
  }
}

TEST(MatrixDraws, InvertibleOnesAre) {
  for (int k = 0; k < 9; ++k) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      OneClass draw(seed, static_cast<MatrixClass>(k));
      draw_invertible(draw, "a", {}, 3);
      EXPECT_EQ(rank_of(draw.matrix(3, 3)), 3) << draw.matrix(3, 3);
    }
  }
}

TEST(MatrixDraws, NumbersAndEmptyOnesAreGeneric) {
  for (const Index n : {0, 1}) {
    OneClass draw(1, singular);
    draw_square(draw, "a", {}, n);
    EXPECT_FALSE(draw.can());
  }
}

}  // namespace
}  // namespace gradproof
