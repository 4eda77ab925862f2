// Linear algebra where something special happens: singular and indefinite matrices, tied pivots, signs; and that what
// a stable algorithm computes in the dtype lies inside while what an unstable one computes does not.
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <Eigen/QR>
#include <cmath>

#include "engine/operators/drawn_call.h"

namespace gradproof {
namespace {

template <class T>
struct Ran {
  Tape<T> tape{Registry::standard().catalogue<T>()};
  std::vector<Var<T>> inputs;
  std::vector<Var<T>> outputs;

  Ran(std::string_view id, const std::vector<DrawnTensor>& tensors, std::vector<Arg<T>> args = {},
      const std::vector<std::uint8_t>& plan = {}) {
    tape.admitted = true;
    tape.plan = plan;
    std::vector<VarImpl<T>*> impls;
    for (const DrawnTensor& drawn : tensors) {
      inputs.push_back(make_tensor(tape, drawn));
      inputs.back().impl()->requires_grad = true;
      impls.push_back(inputs.back().impl());
    }
    Arg<T>* kept = tape.arena().template array<Arg<T>>(args.size());
    std::copy(args.begin(), args.end(), kept);
    const Node<T>& node = tape.run(tape.catalogue().named(id), impls, {kept, args.size()});
    for (std::size_t i = 0; i < node.output_count; ++i) outputs.emplace_back(&tape, node.outputs[i]);
  }
  std::vector<T> elements(std::size_t output = 0) { return gradproof::elements(outputs[output]); }
  // Of the sum of the first output, or of its elements times the seeds.
  std::vector<T> gradient(const std::vector<double>& seeds = {}) {
    const Var<T> seed = seeds.empty() ? tape.filled(outputs[0].sizes(), Scalar<T>::leaf(1))
                                      : make_tensor(tape, DrawnTensor{{std::ssize(seeds)}, seeds});
    SweepRequest<T> request;
    request.roots = {&outputs[0], 1};
    request.seeds = {&seed, 1};
    tape.backward(request);
    return gradproof::elements(Var<T>(&tape, inputs[0].impl()->grad));
  }
};

template <class T>
Arg<T> real(double value) {
  Arg<T> arg;
  arg.kind = Arg<T>::Kind::real;
  arg.number = value;
  arg.real = Scalar<T>::argument(value);
  return arg;
}

template <class T>
Arg<T> boolean(bool value) {
  Arg<T> arg;
  arg.kind = Arg<T>::Kind::boolean;
  arg.integer = value ? 1 : 0;
  return arg;
}

TEST(LinearAlgebra, TheDeterminantOfASingularMatrixHasItsCofactorsForAGradient) {
  const DrawnTensor singular{{2, 2}, {1, 2, 2, 4}};
  EXPECT_EQ(Ran<double>("linalg_det", {singular}).gradient(), (std::vector<double>{4, -2, -2, 1}));
  const std::vector<Ball<float>> balls = Ran<Ball<float>>("linalg_det", {singular}).gradient();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(balls[i].contains(std::vector<double>{4, -2, -2, 1}[i]));
    EXPECT_LT(balls[i].rad, 1e-5);
  }
}

TEST(LinearAlgebra, ACholeskyFactorWithAZeroOnItsDiagonalHasNoInverse) {
  const DrawnTensor singular{{2, 2}, {1, 0, 1, 0}};
  EXPECT_THROW((Ran<double>("cholesky_inverse", {singular}, {boolean<double>(false)})), EngineError);
  const DrawnTensor factor{{2, 2}, {1, 0, 1, 2}};
  EXPECT_EQ((Ran<double>("cholesky_inverse", {factor}, {boolean<double>(false)}).elements()[3]), 0.25);
}

TEST(LinearAlgebra, NothingIsSaidOfAnInverseThatMayNotExist) {
  const DrawnTensor equal_rows{{2, 2}, {1, 2, 1, 2}};
  for (const Ball<float>& ball : Ran<Ball<float>>("linalg_inv", {equal_rows}).elements()) {
    EXPECT_TRUE(ball.is_anything());
    EXPECT_EQ(ball.reason(), Unbounded::domain);
  }
  EXPECT_THROW(Ran<Ball<float>>("linalg_inv", {{{2, 2}, {1, 0, 2, 0}}}), EngineError);
}

TEST(LinearAlgebra, AnIndefiniteMatrixIsRefusedAndABorderlineOneIsNot) {
  EXPECT_THROW(Ran<Ball<float>>("linalg_cholesky", {{{2, 2}, {1, 2, 2, 1}}}, {boolean<Ball<float>>(false)}),
               EngineError);
  Ran<Ball<float>> borderline("linalg_cholesky", {{{2, 2}, {1, 1, 1, 1}}}, {boolean<Ball<float>>(false)});
  EXPECT_TRUE(borderline.elements()[3].is_anything());
}

TEST(LinearAlgebra, EachSignOfAnEigenvectorIsTried) {
  Arg<Ball<float>> lower;
  lower.kind = Arg<Ball<float>>::Kind::text;
  lower.text = "L";
  const DrawnTensor matrix{{2, 2}, {1, 0.5, 0.5, 3}};
  Ran<Ball<float>> one("linalg_eigh", {matrix}, {lower}, {0, 0});
  Ran<Ball<float>> other("linalg_eigh", {matrix}, {lower}, {0, 1});
  EXPECT_EQ(one.tape.choices.size(), 2U);
  const std::vector<Ball<float>> first = one.elements(1);
  const std::vector<Ball<float>> second = other.elements(1);
  EXPECT_EQ(first[0].mid, second[0].mid);
  EXPECT_EQ(first[1].mid, -second[1].mid);
  EXPECT_EQ(first[3].mid, -second[3].mid);
}

// f32 by Eigen, with its pivoting and its order of operations.
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
DrawnTensor drawn(const Matrix& m) {
  DrawnTensor tensor{{m.rows(), m.cols()}, {}};
  for (Eigen::Index i = 0; i < m.size(); ++i) tensor.values.push_back(static_cast<double>(m.data()[i]));
  return tensor;
}
int outside(const std::vector<Ball<float>>& balls, const Matrix& found) {
  int count = 0;
  for (std::size_t i = 0; i < balls.size(); ++i) {
    count += balls[i].contains(static_cast<double>(found.data()[i])) ? 0 : 1;
  }
  return count;
}

TEST(LinearAlgebra, StableAlgorithmsLieInsideAndUnstableOnesOutside) {
  std::srand(7);
  int without_pivots = 0;
  int normal_equations = 0;
  for (int round = 0; round < 200; ++round) {
    Matrix a = Matrix::Random(4, 4);
    const Matrix b = Matrix::Random(4, 2);
    if (round % 2 == 0) a.row(1) *= 0x1p-12F;
    a(0, 0) *= 0x1p-10F;
    Ran<Ball<float>> solved("linalg_solve", {drawn(a), drawn(b)}, {boolean<Ball<float>>(true)});
    EXPECT_EQ(outside(solved.elements(), a.partialPivLu().solve(b)), 0) << a;
    Matrix lu = a;
    Matrix x = b;
    for (int k = 0; k < 4; ++k) {
      for (int i = k + 1; i < 4; ++i) {
        const float factor = lu(i, k) / lu(k, k);
        lu.row(i) -= factor * lu.row(k);
        x.row(i) -= factor * x.row(k);
      }
    }
    x = lu.triangularView<Eigen::Upper>().solve(x);
    without_pivots += outside(solved.elements(), x);

    const Matrix tall = Matrix::Random(5, 3);
    Matrix slanted = tall;
    slanted.col(2) = tall.col(1) + 0x1p-9F * tall.col(2);
    Ran<Ball<float>> pseudo("pinverse", {drawn(slanted)}, {Arg<Ball<float>>{}});
    const Matrix gram = slanted.transpose() * slanted;
    normal_equations += outside(pseudo.elements(), gram.ldlt().solve(Matrix(slanted.transpose())));

    const Matrix half = Matrix::Random(4, 4);
    const Matrix definite = half * half.transpose() + 0.125F * Matrix::Identity(4, 4);
    Matrix symmetric = definite;
    symmetric.triangularView<Eigen::StrictlyUpper>() = definite.transpose();
    Ran<Ball<float>> root("linalg_cholesky", {drawn(symmetric)}, {boolean<Ball<float>>(false)});
    EXPECT_EQ(outside(root.elements(), Matrix(symmetric.llt().matrixL())), 0) << symmetric;
  }
  EXPECT_GT(without_pivots, 100);
  EXPECT_GT(normal_equations, 100);
}

// Squares may leave the range where the norm does not: an engine that scales them is right.
TEST(Norms, AreNotCertainlyInfiniteWhereTheirSquaresAre) {
  const DrawnTensor far{{2, 1}, {0, 0x1p+126}};
  for (const double p : {2.0, 2.5}) {
    const auto ball = Ran<Ball<float>>("pdist", {far}, {real<Ball<float>>(p)}).elements()[0];
    EXPECT_EQ(ball.reason(), Unbounded::overflow) << p;
  }
  const DrawnTensor infinite{{2, 1}, {0, HUGE_VAL}};
  EXPECT_TRUE(std::isinf(Ran<Ball<float>>("pdist", {infinite}, {real<Ball<float>>(2)}).elements()[0].mid));
}

// A row's gradient comes of the pairs it is the first of and of those it is the second of, added in any order.
TEST(Distances, SumTheGradientOfARowInEveryOrder) {
  constexpr float a = 0x1.d0def6p+1F;
  constexpr float b = 0x1.9bebfcp-3F;
  constexpr float c = 0x1p-2F;
  Ran<Ball<float>> pairs("pdist", {{{4, 1}, {1, 0, 1, 1}}}, {real<Ball<float>>(2)});
  const Ball<float> ball = pairs.gradient({-a, 0, 0, -b, -c, 0})[1];
  for (const float sum : {(a + b) + c, a + (b + c), (a + c) + b}) EXPECT_TRUE(ball.contains(static_cast<double>(sum)));
}

}  // namespace
}  // namespace gradproof
