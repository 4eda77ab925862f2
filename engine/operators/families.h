// The families of operators; a new family is declared and called here, a new operator only in its family's file.
#pragma once

namespace gradproof {

class Registry;

void add_internal(Registry& registry);        // what rules need beyond ATen's operators
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
void add_parts(Registry& registry);       // select, slice, flip, clone, …
void add_joins(Registry& registry);       // cat, stack
void add_indexing(Registry& registry);    // index_select, gather
void add_products(Registry& registry);    // mm, matmul, dot, outer, …
void add_softmax(Registry& registry);     // softmax, log_softmax, logsumexp

inline void add_all_families(Registry& registry) {
  add_internal(registry);
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
  add_parts(registry);
  add_joins(registry);
  add_indexing(registry);
  add_products(registry);
  add_softmax(registry);
}

}  // namespace gradproof
