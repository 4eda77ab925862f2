// Budgets are fair and sharp: what a stable algorithm computes in f32 lies inside, what a known unstable one computes
// on the same arguments lies outside. Linear systems have their own part in linear_algebra_test.cpp.
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/operators/drawn_call.h"

namespace gradproof {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Floats = std::vector<float>;
using Balls = std::vector<Ball<float>>;

constexpr int rounds = 100;

// All results of a call, one after the other.
Balls enclosed(std::string_view id, const DrawnCall& call) {
  const auto& entries = Registry::standard().entries();
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.id() == id; });
  Tape<Ball<float>> tape(Registry::standard().catalogue<Ball<float>>());
  tape.admitted = true;
  const auto number = static_cast<std::size_t>(found - entries.begin());
  return elements(make_call(tape, Registry::standard(), number, call).run(tape));
}

DrawnArg tensor(const std::vector<Index>& sizes, const float* first, Index count) {
  DrawnTensor made{sizes, {}};
  std::transform(first, first + count, std::back_inserter(made.values), [](float x) { return static_cast<double>(x); });
  return std::vector<DrawnTensor>{made};
}
DrawnArg vector(const Floats& x) { return tensor({std::ssize(x)}, x.data(), std::ssize(x)); }
DrawnArg matrix(const Matrix& x) { return tensor({x.rows(), x.cols()}, x.data(), x.size()); }

int outside(const Balls& balls, const Floats& found) {
  int count = 0;
  for (std::size_t i = 0; i < found.size(); ++i) count += contains(balls[i], static_cast<double>(found[i])) ? 0 : 1;
  return count;
}

// A stable way never lies outside, an unstable one in most of the rounds.
class Budgets : public ::testing::Test {
 protected:
  std::mt19937 random_{7};
  int unstable_ = 0;

  float real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_); }
  Floats reals(std::size_t count, float low, float high) {
    Floats made(count);
    for (float& x : made) x = real(low, high);
    return made;
  }
  Matrix reals(Index rows, Index cols) {
    Matrix made(rows, cols);
    for (Index i = 0; i < made.size(); ++i) made.data()[i] = real(-1, 1);
    return made;
  }
  void judge(const Balls& balls, const Floats& stable, const Floats& unstable) {
    EXPECT_EQ(outside(balls, stable), 0);
    unstable_ += outside(balls, unstable) > 0 ? 1 : 0;
  }
  void TearDown() override { EXPECT_GT(unstable_, rounds / 2); }
};

struct Moments {
  float mean;
  float shifted;  // Σ (x - mean)²
  float plain;    // Σ x² - n mean²
};
Moments moments(const Floats& x) {
  const auto n = static_cast<float>(x.size());
  const float mean = std::accumulate(x.begin(), x.end(), 0.0F) / n;
  Moments of{mean, 0, 0};
  for (const float value : x) {
    of.plain += value * value;
    of.shifted += (value - mean) * (value - mean);
  }
  of.plain -= n * mean * mean;
  return of;
}

TEST_F(Budgets, VarianceInTwoPassesAndInOne) {
  for (int round = 0; round < rounds; ++round) {
    const Floats x = reals(16, 99, 101);
    const Moments of = moments(x);
    judge(enclosed("var", {{"self", vector(x)}}), {of.shifted / 15}, {of.plain / 15});
  }
}

TEST_F(Budgets, NormalizationInTwoPassesAndInOne) {
  for (int round = 0; round < rounds; ++round) {
    const Floats x = reals(16, 99, 101);
    const Moments of = moments(x);
    const auto normal = [&](float variance) {
      Floats y;
      for (const float value : x) y.push_back((value - of.mean) / std::sqrt(variance + 1e-5F));
      return y;
    };
    const DrawnCall call{{"input", vector(x)}, {"normalized_shape", std::vector<Index>{16}}};
    judge(enclosed("layer_norm", call), normal(of.shifted / 16), normal(of.plain / 16));
  }
}

TEST_F(Budgets, LogarithmsOfSumsShiftedAndNot) {
  for (int round = 0; round < rounds; ++round) {
    const Floats x = reals(8, 60, 110);
    const float most = *std::max_element(x.begin(), x.end());
    float shifted = 0;
    float plain = 0;
    for (const float value : x) {
      shifted += std::exp(value - most);
      plain += std::exp(value);
    }
    judge(enclosed("logsumexp", {{"self", vector(x)}, {"dim", std::vector<Index>{0}}}), {std::log(shifted) + most},
          {std::log(plain)});
  }
}

TEST_F(Budgets, LogarithmsOfSoftmaxTogetherAndOneAfterTheOther) {
  for (int round = 0; round < rounds; ++round) {
    const Floats x = reals(8, -60, 60);
    const float most = *std::max_element(x.begin(), x.end());
    float sum = 0;
    for (const float value : x) sum += std::exp(value - most);
    Floats together;
    Floats after;
    for (const float value : x) {
      together.push_back(value - most - std::log(sum));
      after.push_back(std::log(std::exp(value - most) / sum));
    }
    judge(enclosed("log_softmax.int", {{"self", vector(x)}, {"dim", Index{0}}}), together, after);
  }
}

// bf16 has eight bits.
float to_bf16(float x) {
  const auto unit = std::ldexp(1.0F, std::ilogb(x == 0 ? 1 : x) - 7);
  return std::nearbyint(x / unit) * unit;
}

TEST_F(Budgets, SumsInTheDtypeAndInANarrowerOne) {
  for (int round = 0; round < rounds; ++round) {
    const Floats x = reals(32, -1, 2);
    float wide = 0;
    float narrow = 0;
    for (const float value : x) {
      wide += value;
      narrow = to_bf16(narrow + value);
    }
    judge(enclosed("sum", {{"self", vector(x)}}), {wide}, {narrow});
  }
}

TEST_F(Budgets, ProductsOfMatricesAndOfRoundedOnes) {
  for (int round = 0; round < rounds; ++round) {
    const Matrix a = reals(3, 5);
    const Matrix b = reals(5, 2);
    const auto product = [&](auto round_to) {
      Floats c;
      for (Index i = 0; i < 3; ++i) {
        for (Index j = 0; j < 2; ++j) {
          float sum = 0;
          for (Index k = 0; k < 5; ++k) sum += round_to(a(i, k)) * round_to(b(k, j));
          c.push_back(sum);
        }
      }
      return c;
    };
    judge(enclosed("mm", {{"self", matrix(a)}, {"mat2", matrix(b)}}), product([](float x) { return x; }),
          product(to_bf16));
  }
}

TEST_F(Budgets, ExponentialsNearOne) {
  for (int round = 0; round < rounds; ++round) {
    const float x = std::ldexp(real(1, 2), -10);
    const DrawnCall call{{"self", vector({x})}};
    judge(enclosed("expm1", call), {std::expm1(x)}, {std::exp(x) - 1});
  }
}

TEST_F(Budgets, LogarithmsNearOne) {
  for (int round = 0; round < rounds; ++round) {
    const float x = std::ldexp(real(1, 2), -10);
    judge(enclosed("log1p", {{"self", vector({x})}}), {std::log1p(x)}, {std::log(1 + x)});
  }
}

TEST_F(Budgets, TailsAndTheirComplements) {
  for (int round = 0; round < rounds; ++round) {
    const float x = real(2, 3.5F);
    judge(enclosed("erfc", {{"self", vector({x})}}), {std::erfc(x)}, {1 - std::erf(x)});
  }
}

// Columns that nearly depend on each other.
Matrix slanted(Matrix a) {
  a.col(2) = a.col(1) + 0x1p-9F * a.col(2);
  return a;
}

TEST_F(Budgets, OrthogonalFactorsByReflectorsAndByCholesky) {
  for (int round = 0; round < rounds; ++round) {
    const Matrix a = slanted(reals(5, 3));
    const Balls balls = enclosed("linalg_qr", {{"A", matrix(a)}});
    const Eigen::HouseholderQR<Matrix> factors(a);
    Matrix q = factors.householderQ() * Matrix::Identity(5, 3);
    const Matrix root = Matrix(a.transpose() * a).llt().matrixU();
    Matrix by_square = root.transpose().triangularView<Eigen::Lower>().solve(Matrix(a.transpose())).transpose();
    // Q is known up to the signs of its columns.
    for (Index j = 0; j < 3; ++j) {
      const double sign = std::copysign(1.0, static_cast<double>(balls[static_cast<std::size_t>(j)].mid));
      for (Matrix* each : {&q, &by_square})
        each->col(j) *= static_cast<float>(sign) * ((*each)(0, j) < 0 ? -1.0F : 1.0F);
    }
    judge(balls, Floats(q.data(), q.data() + q.size()), Floats(by_square.data(), by_square.data() + by_square.size()));
  }
}

TEST_F(Budgets, EigenvaluesByRotationsAndByTheirPolynomial) {
  for (int round = 0; round < rounds; ++round) {
    const float off = std::ldexp(real(1, 2), -11);
    Matrix a(2, 2);
    a << 1, off, off, 1 + off;
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(a);
    const float trace = 2 + off;
    const float root = std::sqrt(trace * trace - 4 * (1 + off - off * off));
    const Balls balls = enclosed("linalg_eigvalsh", {{"self", matrix(a)}});
    judge(balls, {solver.eigenvalues()(0), solver.eigenvalues()(1)}, {(trace - root) / 2, (trace + root) / 2});
  }
}

TEST_F(Budgets, SingularValuesOfAMatrixAndByItsSquare) {
  for (int round = 0; round < rounds; ++round) {
    const Matrix a = slanted(reals(5, 3));
    const Eigen::JacobiSVD<Matrix, Eigen::NoQRPreconditioner | Eigen::FullPivHouseholderQRPreconditioner> direct(a);
    const Eigen::SelfAdjointEigenSolver<Matrix> squared(Matrix(a.transpose() * a));
    Floats values;
    Floats roots;
    for (Index i = 0; i < 3; ++i) {
      values.push_back(direct.singularValues()(i));
      roots.push_back(std::sqrt(std::fabs(squared.eigenvalues()(2 - i))));
    }
    judge(enclosed("linalg_svdvals", {{"A", matrix(a)}}), values, roots);
  }
}

TEST_F(Budgets, LeastSquaresByReflectorsAndByNormalEquations) {
  for (int round = 0; round < rounds; ++round) {
    const Matrix a = slanted(reals(5, 3));
    const Matrix b = a * reals(3, 1);
    const Matrix x = a.colPivHouseholderQr().solve(b);
    const Matrix gram = a.transpose() * a;
    const Matrix y = gram.ldlt().solve(Matrix(a.transpose() * b));
    const Balls balls = enclosed("linalg_lstsq", {{"self", matrix(a)}, {"b", matrix(b)}});
    judge(balls, Floats(x.data(), x.data() + x.size()), Floats(y.data(), y.data() + y.size()));
  }
}

TEST_F(Budgets, DeterminantsWithPivotsAndWithout) {
  for (int round = 0; round < rounds; ++round) {
    Matrix a = reals(4, 4);
    a(0, 0) *= 0x1p-14F;
    Matrix lu = a;
    for (Index k = 0; k < 4; ++k) {
      for (Index i = k + 1; i < 4; ++i) lu.row(i) -= lu(i, k) / lu(k, k) * Matrix(lu.row(k));
    }
    judge(enclosed("linalg_det", {{"A", matrix(a)}}), {a.partialPivLu().determinant()}, {lu.diagonal().prod()});
  }
}

// e^-A = 1/e^A: the series of a matrix of large negative eigenvalues cancels.
TEST_F(Budgets, ExponentialsByScalingAndByTheirSeries) {
  for (int round = 0; round < rounds; ++round) {
    const Matrix a = -8 * Matrix::Identity(3, 3) + reals(3, 3);
    const auto series = [](const Matrix& x) {
      Matrix sum = Matrix::Identity(3, 3);
      Matrix term = sum;
      for (int k = 1; k < 60; ++k) {
        term = term * x / static_cast<float>(k);
        sum += term;
      }
      return sum;
    };
    Matrix scaled = series(a / 32);
    for (int k = 0; k < 5; ++k) scaled = Matrix(scaled * scaled);
    const Matrix plain = series(a);
    judge(enclosed("linalg_matrix_exp", {{"self", matrix(a)}}), Floats(scaled.data(), scaled.data() + 9),
          Floats(plain.data(), plain.data() + 9));
  }
}

}  // namespace
}  // namespace gradproof
