#include "engine/operators/matrix_draws.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace gradproof {

namespace {

using enum MatrixClass;

// Few bits in each entry, so that what is singular or repeated is so exactly.
struct Grid {
  Index rows = 0;
  Index cols = 0;
  std::vector<double> values{};

  Grid(Index r, Index c) : rows(r), cols(c), values(static_cast<std::size_t>(r * c)) {}
  double& at(Index i, Index j) { return values[static_cast<std::size_t>(i * cols + j)]; }
  double at(Index i, Index j) const { return values[static_cast<std::size_t>(i * cols + j)]; }
  void add_row(Index to, double by, Index from) {
    for (Index j = 0; j < cols; ++j) at(to, j) += by * at(from, j);
  }
  void add_column(Index to, double by, Index from) {
    for (Index i = 0; i < rows; ++i) at(i, to) += by * at(i, from);
  }
};

template <class F>
Grid grid(Index rows, Index cols, F entry) {
  Grid made(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) made.at(i, j) = entry(i, j);
  }
  return made;
}
Grid small_numbers(Draw& draw, Index rows, Index cols) {
  return grid(rows, cols, [&](Index, Index) { return small_number(draw); });
}
double small_integer(Draw& draw) { return static_cast<double>(draw.integer(-2, 2)); }
double not_zero(Draw& draw) { return static_cast<double>(draw.integer(1, 3)) * (draw.coin() ? 1 : -1); }
double beside(Index k) { return std::ldexp(static_cast<double>(k), -9); }

// A product of two of `rank` columns and rows.
Grid of_rank(Draw& draw, Index rows, Index cols, Index rank) {
  Grid sum(rows, cols);
  for (Index k = 0; k < rank; ++k) {
    std::vector<double> row;
    for (Index j = 0; j < cols; ++j) row.push_back(small_integer(draw));
    for (Index i = 0; i < rows; ++i) {
      const double weight = i == k ? 1 : small_integer(draw);
      for (Index j = 0; j < cols; ++j) sum.at(i, j) += weight * (row[static_cast<std::size_t>(j)] + (j == k ? 3 : 0));
    }
  }
  return sum;
}

// x as P x P⁻¹ for P of integers and determinant 1.
void turn(Draw& draw, Grid& x) {
  for (Index step = x.rows > 1 ? x.rows : 0; step > 0; --step) {
    const Index i = draw.integer(0, x.rows - 1);
    const Index j = (i + draw.integer(1, x.rows - 1)) % x.rows;
    const double by = draw.coin() ? 1 : -1;
    x.add_row(i, by, j);
    x.add_column(j, -by, i);
  }
}

// One ±1 in each column, in different rows, or half of Hadamard's matrix.
Grid orthonormal(Draw& draw, Index rows, Index cols) {
  if (rows == 4 && cols == 4 && draw.coin()) {
    return grid(4, 4, [](Index i, Index j) { return (i & j) == 0 || (i & j) == 3 ? 0.5 : -0.5; });
  }
  Grid made(rows, cols);
  const Index shift = draw.integer(0, std::max(rows, cols) - 1);
  for (Index k = 0; k < std::min(rows, cols); ++k) {
    const double sign = draw.coin() ? 1 : -1;
    (rows >= cols ? made.at((k + shift) % rows, k) : made.at(k, (k + shift) % cols)) = sign;
  }
  return made;
}

// c + v vᵀ has the eigenvalue c n - 1 times.
Grid reflected(Draw& draw, Index n, bool apart, bool positive) {
  std::vector<double> v;
  for (Index i = 0; i < n; ++i) v.push_back(small_integer(draw));
  v.front() = not_zero(draw);
  const double drawn = not_zero(draw);
  const double c = positive ? std::fabs(drawn) : drawn;
  return grid(n, n, [&](Index i, Index j) {
    const double diagonal = i == j ? c + (apart ? beside(i) : 0) : 0;
    return diagonal + v[static_cast<std::size_t>(i)] * v[static_cast<std::size_t>(j)];
  });
}

// The last row, or the last column of a tall one, is almost the first, or is it.
void repeat_first(Grid& x, double off) {
  const Index last = std::min(x.rows, x.cols) - 1;
  if (last < 1) return;
  const bool tall = x.rows > x.cols;
  for (Index k = 0; k < std::max(x.rows, x.cols); ++k) {
    if (tall) {
      x.at(k, last) = x.at(k, 0);
    } else {
      x.at(last, k) = x.at(0, k);
    }
  }
  x.at(last, last) += off;
}
void grade(Grid& x, bool columns) {
  for (Index i = 0; i < x.rows; ++i) {
    for (Index j = 0; j < x.cols; ++j)
      x.at(i, j) = std::ldexp(x.at(i, j), static_cast<int>(-4 * (i + (columns ? j : 0))));
  }
}

// Exact, of few bits: by cofactors of the first row.
double determinant(const Grid& x) {
  if (x.rows == 1) return x.at(0, 0);
  double sum = 0;
  for (Index k = 0; k < x.cols; ++k) {
    const Grid rest = grid(x.rows - 1, x.cols - 1, [&](Index i, Index j) { return x.at(i + 1, j + (j >= k ? 1 : 0)); });
    sum += (k % 2 == 0 ? 1 : -1) * x.at(0, k) * determinant(rest);
  }
  return sum;
}

// The classes of a size: a number has none but its own, and 0.
std::vector<MatrixClass> of_size(Index smaller, std::initializer_list<MatrixClass> all) {
  if (smaller > 1) return all;
  return {generic};
}

Grid square(Draw& draw, MatrixClass which, Index n) {
  const double a = not_zero(draw);
  const auto eigenvalue = [&](Index i, double apart) {
    return i < 2 ? a + apart * static_cast<double>(i) : small_integer(draw);
  };
  Grid x(n, n);
  switch (which) {
    case repeated:
    case clustered:
    case defective:
      for (Index i = 0; i < n; ++i) x.at(i, i) = eigenvalue(i, which == clustered ? beside(1) : 0);
      if (which == defective) x.at(0, 1) = 1;
      turn(draw, x);
      return x;
    case orthogonal: return orthonormal(draw, n, n);
    case low_rank: return of_rank(draw, n, n, draw.integer(0, std::max<Index>(n - 2, 0)));
    default: break;
  }
  const bool shifted = !draw.one_in(3);
  x = small_numbers(draw, n, n);
  for (Index i = 0; i < n; ++i) x.at(i, i) += shifted ? std::copysign(static_cast<double>(n + 1), a) : 0.25;
  if (which == singular) repeat_first(x, 0);
  if (which == ill_conditioned) repeat_first(x, 0x1p-7);
  if (which == graded) grade(x, false);
  return x;
}

// Half of it: the operator takes x + xᵀ.
Grid half_symmetric(Draw& draw, MatrixClass which, Index n, double diagonal, double step) {
  const bool definite = step == 0;
  Grid x(n, n);
  switch (which) {
    case repeated: x = reflected(draw, n, false, definite); break;
    case clustered: x = reflected(draw, n, true, definite); break;
    case low_rank:
    case singular: {
      const Grid half = of_rank(draw, n, n, which == singular ? n - 1 : 1);
      x = grid(n, n, [&](Index i, Index j) {
        double sum = 0;
        for (Index k = 0; k < n; ++k) sum += half.at(i, k) * half.at(j, k);
        return sum;
      });
      break;
    }
    case orthogonal:
      for (Index i = 0; i < n; ++i) x.at(i, n - 1 - i) = 1;
      break;
    default:
      x = small_numbers(draw, n, n);
      for (Index i = 0; i < n; ++i) {
        // Eigenvalues lie apart where the diagonal outweighs the rest.
        for (Index j = 0; !definite && j < n; ++j) x.at(i, j) /= 2;
        x.at(i, i) += diagonal + step * static_cast<double>(i);
      }
      if (which == graded) grade(x, true);
      return x;
  }
  for (double& value : x.values) value /= 2;
  return x;
}

Grid of_any_size(Draw& draw, MatrixClass which, Index rows, Index cols) {
  const Index smaller = std::min(rows, cols);
  switch (which) {
    case singular: return of_rank(draw, rows, cols, smaller - 1);
    case low_rank: return of_rank(draw, rows, cols, draw.integer(0, std::max<Index>(smaller - 2, 0)));
    case orthogonal: return orthonormal(draw, rows, cols);
    case repeated:
    case clustered: {
      Grid x = orthonormal(draw, rows, cols);
      const double c = not_zero(draw);
      for (Index i = 0; i < rows; ++i) {
        for (Index j = 0; j < cols; ++j) x.at(i, j) *= c + (which == clustered ? beside(i) : 0);
      }
      return x;
    }
    default: break;
  }
  Grid x = small_numbers(draw, rows, cols);
  for (Index k = 0; k < smaller; ++k) x.at(k, k) += static_cast<double>(k) + 3;
  if (which == ill_conditioned) repeat_first(x, 0x1p-7);
  if (which == graded) grade(x, false);
  return x;
}

// All of one class, for what goes wrong with one goes wrong with each.
template <class F>
std::vector<double> batch_of(const std::vector<Index>& lead, F one) {
  std::vector<double> values;
  for (Index at = 0; at < count_elements(lead); ++at) {
    const Grid x = one();
    values.insert(values.end(), x.values.begin(), x.values.end());
  }
  return values;
}

}  // namespace

void draw_square(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n) {
  const MatrixClass which = draw.matrix_class(
      of_size(n, {generic, singular, low_rank, repeated, clustered, defective, orthogonal, ill_conditioned, graded}));
  draw.given(arg, with_dims(lead, n, n), batch_of(lead, [&] { return square(draw, which, n); }));
}

void draw_invertible(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n) {
  const MatrixClass which =
      draw.matrix_class(of_size(n, {generic, repeated, clustered, defective, orthogonal, ill_conditioned, graded}));
  draw.given(arg, with_dims(lead, n, n), batch_of(lead, [&] {
               Grid x = square(draw, which, n);
               // det(x + k) has n roots at most.
               while (n > 0 && determinant(x) == 0) {
                 for (Index i = 0; i < n; ++i) x.at(i, i) += 1;
               }
               return x;
             }));
}

void draw_definite(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n) {
  const MatrixClass which = draw.matrix_class(of_size(n, {generic, repeated, clustered, graded}));
  const double diagonal = 2 * static_cast<double>(n) + 1;
  draw.given_symmetric(arg, with_dims(lead, n, n),
                       batch_of(lead, [&] { return half_symmetric(draw, which, n, diagonal, 0); }));
}

void draw_triangle(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n, bool upper) {
  const auto one = [&] {
    return grid(n, n, [&](Index i, Index j) { return small_number(draw) + (i == j ? static_cast<double>(n) + 1 : 0); });
  };
  draw.given_triangular(arg, with_dims(lead, n, n), batch_of(lead, one), upper);
}

void draw_spread(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n) {
  const MatrixClass which =
      draw.matrix_class(of_size(n, {generic, singular, low_rank, repeated, clustered, orthogonal, graded}));
  draw.given_symmetric(arg, with_dims(lead, n, n),
                       batch_of(lead, [&] { return half_symmetric(draw, which, n, -1, 2); }));
}

void draw_any_rank(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index rows, Index cols) {
  const MatrixClass which = draw.matrix_class(of_size(
      std::min(rows, cols), {generic, singular, low_rank, repeated, clustered, orthogonal, ill_conditioned, graded}));
  draw.given(arg, with_dims(lead, rows, cols), batch_of(lead, [&] { return of_any_size(draw, which, rows, cols); }));
}

void draw_with_pivots(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index rows, Index cols) {
  const MatrixClass which = draw.matrix_class(of_size(std::min(rows, cols), {generic, ill_conditioned, graded}));
  draw.given(arg, with_dims(lead, rows, cols), batch_of(lead, [&] { return of_any_size(draw, which, rows, cols); }));
}

void draw_full_rank(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index rows, Index cols) {
  const MatrixClass which = draw.matrix_class(
      of_size(std::min(rows, cols), {generic, repeated, clustered, orthogonal, ill_conditioned, graded}));
  draw.given(arg, with_dims(lead, rows, cols), batch_of(lead, [&] { return of_any_size(draw, which, rows, cols); }));
}

}  // namespace gradproof
