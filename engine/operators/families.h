// The families of operators; a new family is declared and called here, a new operator only in its family's file.
#pragma once

namespace gradproof {

class Registry;

void add_gradient_sums(Registry& registry);   // sum_to_size, and what meets in one tensor
void add_arithmetic(Registry& registry);      // + -, lerp
void add_fills(Registry& registry);           // zero, fill, copy
void add_multiplication(Registry& registry);  // * /, square, addcmul
void add_powers(Registry& registry);          // pow, roots, signs
void add_exponential(Registry& registry);     // exp, log and their kin
void add_trigonometric(Registry& registry);   // sin, atan2, hypot, …
void add_hyperbolic(Registry& registry);
void add_activations(Registry& registry);  // relu, gelu, softplus, …
void add_error_functions(Registry& registry);
void add_selection(Registry& registry);   // where, clamp, maximum, comparisons
void add_reductions(Registry& registry);  // sum, mean, var
void add_scans(Registry& registry);       // prod, cumsum
void add_extrema(Registry& registry);     // amax, amin
void add_shapes(Registry& registry);      // reshape, permute, expand, …
void add_slices(Registry& registry);      // select, slice, narrow, flip
void add_copies(Registry& registry);      // clone
void add_joins(Registry& registry);       // cat, stack
void add_indexing(Registry& registry);    // index_select, gather
void add_products(Registry& registry);    // mm, matmul, dot, outer, …
void add_softmax(Registry& registry);     // softmax, log_softmax, logsumexp
void add_convolutions(Registry& registry);
void add_average_pools(Registry& registry);  // avg_pool, adaptive_avg_pool
void add_max_pools(Registry& registry);      // max_pool, adaptive_max_pool, fractional_max_pool
void add_upsampling(Registry& registry);
void add_recurrent(Registry& registry);          // linear, rnn_tanh_cell, gru_cell, lstm_cell
void add_attention(Registry& registry);          // scaled_dot_product_attention, dropout
void add_grids(Registry& registry);              // affine_grid_generator, grid_sampler
void add_distances(Registry& registry);          // cdist, pdist
void add_norms(Registry& registry);              // norms, dist, renorm
void add_order_statistics(Registry& registry);   // max and min with indices, median, kthvalue, cummax, …
void add_moments(Registry& registry);            // std, var_mean, nansum, …
void add_counts(Registry& registry);             // count_nonzero, any, all
void add_cumulative(Registry& registry);         // cumprod, logcumsumexp
void add_differences(Registry& registry);        // diff, trapezoid
void add_normalization(Registry& registry);      // layer_norm, batch_norm, group_norm, …
void add_other_names(Registry& registry);        // special_softmax, native_dropout, …
void add_rearrangements(Registry& registry);     // tril, roll, repeat, pixel_shuffle, …
void add_padding(Registry& registry);            // constant, reflection, replication and circular; im2col
void add_strided_views(Registry& registry);      // diagonal, unfold, movedim, …
void add_composite_views(Registry& registry);    // swapaxes, flatten, …
void add_composite_joins(Registry& registry);    // hstack, meshgrid, kron, …
void add_splits(Registry& registry);             // split, chunk, unbind, …
void add_index_writes(Registry& registry);       // index_add, take, put, masked_fill, …
void add_scatters(Registry& registry);           // scatter, scatter_reduce, select_scatter, …
void add_advanced_indexing(Registry& registry);  // index, index_put
void add_ordering(Registry& registry);           // sort, topk
void add_view_copies(Registry& registry);        // of all the views above
void add_as_strided(Registry& registry);
void add_lookups(Registry& registry);  // one_hot, bucketize, max_unpool, …
void add_embeddings(Registry& registry);
void add_contractions(Registry& registry);  // addbmm, tensordot, multi_dot, …
void add_trilinear(Registry& registry);     // bilinear, cross
void add_einsum(Registry& registry);
void add_linear_solve(Registry& registry);    // inv, solve, solve_triangular
void add_determinants(Registry& registry);    // det, slogdet, logdet
void add_factorizations(Registry& registry);  // cholesky, lu
void add_qr(Registry& registry);
void add_spectra(Registry& registry);           // eigh, svd
void add_matrix_functions(Registry& registry);  // powers, exp, solve_ex, …
void add_pseudo_inverses(Registry& registry);   // pinv, lstsq
void add_rounding(Registry& registry);          // floor, round, fmod, remainder, floor division
void add_piecewise(Registry& registry);         // hardtanh, hardswish, softshrink, prelu, fmax, copysign, …
void add_logarithmic(Registry& registry);       // xlogy, logaddexp, logit, mish, …
void add_predicates(Registry& registry);        // isnan, signbit, logical_and, heaviside, …
void add_aliases(Registry& registry);           // second names, clamp with tensors, glu
void add_losses(Registry& registry);            // mse_loss, huber_loss, binary_cross_entropy, …
void add_class_losses(Registry& registry);      // nll_loss, cross_entropy_loss
void add_ctc_loss(Registry& registry);          // ctc_loss
void add_margin_losses(Registry& registry);     // kl_div, hinge_embedding_loss, multi_margin_loss, …
void add_distance_losses(Registry& registry);   // cosine_similarity, triplet_margin_loss, …
void add_sinc(Registry& registry);
void add_special_gamma(Registry& registry);   // lgamma, digamma, igamma, zeta
void add_special_error(Registry& registry);   // erfinv, ndtri, erfcx, …
void add_special_bessel(Registry& registry);  // i0, i1, j0, …
void add_special_names(Registry& registry);   // special_… of operators with another name

inline void add_all_families(Registry& registry) {
  add_gradient_sums(registry);
  add_arithmetic(registry);
  add_fills(registry);
  add_multiplication(registry);
  add_powers(registry);
  add_exponential(registry);
  add_trigonometric(registry);
  add_hyperbolic(registry);
  add_activations(registry);
  add_error_functions(registry);
  add_selection(registry);
  add_reductions(registry);
  add_scans(registry);
  add_extrema(registry);
  add_shapes(registry);
  add_slices(registry);
  add_copies(registry);
  add_joins(registry);
  add_indexing(registry);
  add_products(registry);
  add_softmax(registry);
  add_convolutions(registry);
  add_average_pools(registry);
  add_max_pools(registry);
  add_upsampling(registry);
  add_recurrent(registry);
  add_attention(registry);
  add_grids(registry);
  add_distances(registry);
  add_norms(registry);
  add_order_statistics(registry);
  add_moments(registry);
  add_counts(registry);
  add_cumulative(registry);
  add_differences(registry);
  add_normalization(registry);
  add_other_names(registry);
  add_rearrangements(registry);
  add_padding(registry);
  add_strided_views(registry);
  add_composite_views(registry);
  add_composite_joins(registry);
  add_splits(registry);
  add_index_writes(registry);
  add_scatters(registry);
  add_advanced_indexing(registry);
  add_ordering(registry);
  add_view_copies(registry);
  add_as_strided(registry);
  add_lookups(registry);
  add_embeddings(registry);
  add_contractions(registry);
  add_trilinear(registry);
  add_einsum(registry);
  add_linear_solve(registry);
  add_determinants(registry);
  add_factorizations(registry);
  add_qr(registry);
  add_spectra(registry);
  add_matrix_functions(registry);
  add_pseudo_inverses(registry);
  add_rounding(registry);
  add_piecewise(registry);
  add_logarithmic(registry);
  add_predicates(registry);
  add_sinc(registry);
  add_aliases(registry);
  add_losses(registry);
  add_class_losses(registry);
  add_ctc_loss(registry);
  add_margin_losses(registry);
  add_distance_losses(registry);
  add_special_gamma(registry);
  add_special_error(registry);
  add_special_bessel(registry);
  add_special_names(registry);
}

}  // namespace gradproof
