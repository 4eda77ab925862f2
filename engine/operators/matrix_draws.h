// Drawing matrices that a factorization is well-behaved at, mostly.
#pragma once

#include <algorithm>
#include <cmath>

#include "engine/sampling.h"

namespace gradproof {

// Leading dims: mostly none.
inline std::vector<Index> few_matrices(Draw& draw) {
  if (!draw.one_in(3)) return {};
  if (draw.one_in(12)) return {0};
  if (draw.one_in(3)) return {2, 1};
  return {draw.integer(1, 3)};
}
// Never none of them.
inline std::vector<Index> some_matrices(Draw& draw) {
  return draw.one_in(3) ? std::vector<Index>{draw.integer(1, 3)} : std::vector<Index>{};
}
inline Index matrix_size(Draw& draw) { return draw.one_in(24) ? 0 : draw.integer(1, 4); }

// A number of few bits from -2 to 2.
inline double small_number(Draw& draw) { return static_cast<double>(draw.integer(-64, 64)) / 32; }
inline std::vector<Index> with_dims(std::vector<Index> lead, Index rows, Index cols) {
  lead.push_back(rows);
  lead.push_back(cols);
  return lead;
}

// Square matrices with small numbers and a diagonal that keeps them regular; one in eight has rows of very different
// sizes, or is nearly singular.
inline void draw_regular(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n) {
  std::vector<double> values;
  const std::vector<Index> sizes = with_dims(lead, n, n);
  const Index count = n == 0 ? 0 : count_elements(sizes) / (n * n);
  for (Index at = 0; at < count; ++at) {
    const bool graded = draw.one_in(12);
    const bool nearly_singular = n > 1 && draw.one_in(12);
    const bool shifted = !draw.one_in(3);
    const double sign = draw.coin() ? 1 : -1;
    const std::size_t first = values.size();
    for (Index i = 0; i < n; ++i) {
      const double scale = graded ? std::ldexp(1.0, static_cast<int>(-4 * i)) : 1;
      for (Index j = 0; j < n; ++j) {
        const double diagonal = i == j ? (shifted ? sign * static_cast<double>(n + 1) : 0.25) : 0;
        values.push_back((small_number(draw) + diagonal) * scale);
      }
    }
    if (!nearly_singular) continue;
    // The last row is almost the first.
    for (Index j = 0; j < n; ++j) {
      const auto k = static_cast<std::size_t>(j);
      values[first + static_cast<std::size_t>(n * (n - 1)) + k] = values[first + k] + (j == 0 ? 0x1p-7 : 0);
    }
  }
  draw.given(arg, sizes, values);
}

// Symmetric matrices, positive definite by their diagonal. What is drawn is half of one.
inline void draw_definite(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n) {
  std::vector<double> values;
  const std::vector<Index> sizes = with_dims(lead, n, n);
  const Index side = std::max<Index>(n, 1);
  for (Index at = 0; at < count_elements(sizes); ++at) {
    const bool diagonal = at / side % side == at % side;
    values.push_back(small_number(draw) + (diagonal ? 2 * static_cast<double>(n) + 1 : 0));
  }
  draw.given_symmetric(arg, sizes, values);
}

// Triangular matrices with a diagonal that keeps them regular.
inline void draw_triangle(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n, bool upper) {
  std::vector<double> values;
  const std::vector<Index> sizes = with_dims(lead, n, n);
  for (Index at = 0; at < count_elements(sizes); ++at) {
    values.push_back(small_number(draw) + (at / n % n == at % n ? static_cast<double>(n) + 1 : 0));
  }
  draw.given_triangular(arg, sizes, values, upper);
}

// Symmetric matrices whose eigenvalues lie apart, mostly.
inline void draw_spread(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n) {
  std::vector<double> values;
  const std::vector<Index> sizes = with_dims(lead, n, n);
  const Index side = std::max<Index>(n, 1);
  for (Index at = 0; at < count_elements(sizes); ++at) {
    const bool diagonal = at / side % side == at % side;
    values.push_back(small_number(draw) / 2 + (diagonal ? 2 * static_cast<double>(at % n) - 1 : 0));
  }
  draw.given_symmetric(arg, sizes, values);
}

// Any small numbers, m × n, of full rank mostly.
inline void draw_full_rank(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index rows, Index cols) {
  std::vector<double> values;
  const std::vector<Index> sizes = with_dims(lead, rows, cols);
  for (Index at = count_elements(sizes); at > 0; --at) {
    const Index place = count_elements(sizes) - at;
    const bool diagonal = cols > 0 && place / cols % rows == place % cols;
    values.push_back(small_number(draw) + (diagonal ? static_cast<double>(place % cols) + 3 : 0));
  }
  draw.given(arg, sizes, values);
}

// A matrix that has an inverse, or a few.
inline void sample_inverse(Draw& draw, std::string_view arg) {
  const Index n = matrix_size(draw);
  draw_regular(draw, arg, few_matrices(draw), n);
}

}  // namespace gradproof
