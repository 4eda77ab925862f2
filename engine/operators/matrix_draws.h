// Drawing matrices of every class: regular ones that a factorization is well-behaved at, and those where it is not.
#pragma once

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

// Square ones of all classes.
void draw_square(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n);
// Those that have an inverse.
void draw_invertible(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n);
// Symmetric and positive definite.
void draw_definite(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n);
// Triangular, with a diagonal that keeps them regular.
void draw_triangle(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n, bool upper);
// Symmetric; generic ones have eigenvalues that lie apart, mostly.
void draw_spread(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index n);
// Of any size and rank.
void draw_any_rank(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index rows, Index cols);
// Whose elimination meets no pivot of 0.
void draw_with_pivots(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index rows, Index cols);
// Of full rank, the generic ones mostly.
void draw_full_rank(Draw& draw, std::string_view arg, const std::vector<Index>& lead, Index rows, Index cols);

// A matrix that has an inverse, or a few.
inline void sample_inverse(Draw& draw, std::string_view arg) {
  const Index n = matrix_size(draw);
  draw_invertible(draw, arg, few_matrices(draw), n);
}

}  // namespace gradproof
