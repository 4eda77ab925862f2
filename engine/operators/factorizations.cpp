// Cholesky, LU and QR factors.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/matrix_draws.h"

namespace gradproof {

namespace {

template <class T>
Var<T> transposed_if(bool swap, const Var<T>& x) {
  return swap && x ? matrix_transposed(x) : x;
}

// A = L Lᵀ, or A = Uᵀ U where `upper`; of A the triangle that is named is read.
struct Cholesky {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    Batched::square(a.sizes());
    const dense::Rounding rounding = rounding_of<T>();
    const bool upper = flag(node, 0);
    const auto factor = [&](const dense::Matrix& matrix, dense::Matrix& x) {
      const dense::Definite found = dense::cholesky(upper ? matrix.transposed() : matrix, rounding, x);
      if (found == dense::Definite::no) throw EngineError(GP_DOMAIN, "the matrix is not positive definite");
      if (upper && found == dense::Definite::yes) x = x.transposed();
      return found == dense::Definite::yes;
    };
    set_outputs(tape, node, {each_matrix(tape, a, a.sizes(), Unbounded::domain, factor)});
  }
  // Ā = L⁻ᵀ sym(tril(Lᵀ L̄)) L⁻¹, the half of what is off the diagonal on each side of it
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const bool upper = flag(node, 0);
    const Var<T> l = transposed_if(upper, output(tape, node));
    const Var<T> phi = lower_triangle(matmul_of(matrix_transposed(l), transposed_if(upper, grads[0])));
    const Var<T> both = half_of(phi + matrix_transposed(lower_triangle(phi, 1)));
    const Var<T> left = triangular_solution_of(matrix_transposed(l), both, true, false);
    // Both halves of L⁻ᵀ S L⁻¹ are the gradient of the triangle that was read.
    into[0] = solution_on_the_right(l, left, false);
  }
  // L̇ = L Φ(L⁻¹ Ȧ L⁻ᵀ), Φ: the lower triangle with half its diagonal
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const bool upper = flag(node, 0);
    const Var<T> l = transposed_if(upper, output(tape, node));
    const Var<T> left = triangular_solution_of(l, transposed_if(upper, tangents[0]), false, false);
    const Var<T> both = solution_on_the_right(matrix_transposed(l), left, true);
    const Var<T> phi = lower_triangle(both, 1) + half_of(diagonal_alone(both));
    into[0] = transposed_if(upper, matmul_of(l, phi));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0);
  }
};

// P, L, U of A = P L U, and LAPACK's pivots, counted from 1. P does not depend on A where it is differentiable.
struct Lu {
  static constexpr const char* schema = "_lu(Tensor A, bool pivot) -> (Tensor P, Tensor L, Tensor U, Tensor pivots)";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Batched batch(a.sizes());
    const Index steps = std::min(batch.rows, batch.cols);
    const bool pivot = flag(node, 0);
    const Tensor<T> p = pivot ? tape.allocate(Kind::real, shape_with(leading(a.sizes()), {batch.rows, batch.rows}))
                              : tape.allocate(Kind::real, std::array<Index, 1>{0});
    const Tensor<T> l = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {batch.rows, steps}));
    const Tensor<T> u = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {steps, batch.cols}));
    const Tensor<T> pivots = tape.allocate(Kind::integer, shape_with(leading(a.sizes()), {steps}));
    const dense::Rounding rounding = rounding_of<T>();
    Sheets<T> sheets;
    dense::Matrix matrix;
    dense::Factors factors;
    std::uint64_t choices = 0;
    const auto choose = [&](Eigen::Index rows) -> Eigen::Index {
      if constexpr (HasHull<T>) {
        return tape.choose(tape.key_of(node) | choices++, static_cast<std::uint8_t>(rows));
      } else {
        return 0;
      }
    };
    for (Index at = 0; at < batch.count; ++at) {
      sheets.begin();
      const bool loaded = sheets.load_matrix(a, batch, at, matrix);
      const bool known = loaded && dense::lu(matrix, pivot, rounding, choose, factors);
      for (Index k = 0; k < steps; ++k) {
        pivots.integers()[at * steps + k] = loaded ? factors.pivots[static_cast<std::size_t>(k)] + 1 : k + 1;
      }
      if (known) {
        sheets.store_matrix(l, at, factors.lower);
        sheets.store_matrix(u, at, factors.upper);
        if (pivot) sheets.store_matrix(p, at, permutation(factors, batch.rows));
      } else {
        sheets.store_unknown(l, at, batch.rows * steps, Unbounded::domain);
        sheets.store_unknown(u, at, steps * batch.cols, Unbounded::domain);
        if (pivot) sheets.store_unknown(p, at, batch.rows * batch.rows, Unbounded::jump);
      }
    }
    set_outputs(tape, node, {p, l, u, pivots});
  }
  // A = P L U: column k of P has its one where row k came from.
  static dense::Matrix permutation(const dense::Factors& factors, Index rows) {
    std::vector<Index> order(static_cast<std::size_t>(rows));
    for (Index i = 0; i < rows; ++i) order[static_cast<std::size_t>(i)] = i;
    for (std::size_t k = 0; k < factors.pivots.size(); ++k) {
      std::swap(order[k], order[static_cast<std::size_t>(factors.pivots[k])]);
    }
    dense::Matrix p(rows, rows);
    for (Index k = 0; k < rows; ++k) arb_one(p.at(order[static_cast<std::size_t>(k)], k));
    return p;
  }

  template <class T>
  static Var<T> rows_of(const Var<T>& x, Index first, Index count) {
    return narrowed(x, x.ndim() - 2, first, count);
  }
  template <class T>
  static Var<T> cols_of(const Var<T>& x, Index first, Index count) {
    return narrowed(x, x.ndim() - 1, first, count);
  }
  template <class T>
  static Var<T> unpermuted(Tape<T>& tape, const Node<T>& node, const Var<T>& x) {
    return flag(node, 0) ? matmul_of(output(tape, node, 0), x) : x;
  }

  // With F = L₁⁻¹ Ȧ₁ U₁⁻¹ of the leading square: L̇₁ = L₁ tril(F, -1), U̇₁ = triu(F) U₁; what is below it, or beside it,
  // follows from Ȧ = L̇ U + L U̇.
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> l = output(tape, node, 1);
    const Var<T> u = output(tape, node, 2);
    const Index rows = l.size(l.ndim() - 2);
    const Index cols = u.size(u.ndim() - 1);
    const Index steps = std::min(rows, cols);
    Var<T> moved = tangents[0];
    if (flag(node, 0)) moved = matmul_of(matrix_transposed(output(tape, node, 0)), moved);
    const Var<T> l_top = rows_of(l, 0, steps);
    const Var<T> u_left = cols_of(u, 0, steps);
    const Var<T> square = cols_of(rows_of(moved, 0, steps), 0, steps);
    const Var<T> f = solution_on_the_right(u_left, triangular_solution_of(l_top, square, false, true), true);
    const Var<T> l_moved = matmul_of(l_top, lower_triangle(f, 1));
    const Var<T> u_moved = matmul_of(upper_triangle(f), u_left);
    into[1] = l_moved;
    into[2] = u_moved;
    if (rows > steps) {
      const Var<T> below = rows_of(moved, steps, rows - steps) - matmul_of(rows_of(l, steps, rows - steps), u_moved);
      into[1] = joined(l_moved, solution_on_the_right(u_left, below, true), l.ndim() - 2);
    }
    if (cols > steps) {
      const Var<T> beside = cols_of(moved, steps, cols - steps) - matmul_of(l_moved, cols_of(u, steps, cols - steps));
      into[2] = joined(u_moved, triangular_solution_of(l_top, beside, false, true), u.ndim() - 1);
    }
  }
  // Ā₁ = L₁⁻ᵀ (tril(L₁ᵀ L̄₁, -1) + triu(Ū₁ U₁ᵀ)) U₁⁻ᵀ
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    if (!grads[1] && !grads[2]) return;
    const Var<T> l = output(tape, node, 1);
    const Var<T> u = output(tape, node, 2);
    const Index rows = l.size(l.ndim() - 2);
    const Index cols = u.size(u.ndim() - 1);
    const Index steps = std::min(rows, cols);
    const Var<T> l_top = rows_of(l, 0, steps);
    const Var<T> u_left = cols_of(u, 0, steps);
    Var<T> l_seed = grads[1] ? rows_of(grads[1], 0, steps) : Var<T>{};
    Var<T> u_seed = grads[2] ? cols_of(grads[2], 0, steps) : Var<T>{};
    Var<T> below;
    Var<T> beside;
    if (rows > steps && grads[1]) {
      below = solution_on_the_right(matrix_transposed(u_left), rows_of(grads[1], steps, rows - steps), false);
      const Var<T> moved = -matmul_of(matrix_transposed(rows_of(l, steps, rows - steps)), below);
      u_seed = sum_of_some(u_seed, moved);
    }
    if (cols > steps && grads[2]) {
      beside = triangular_solution_of(matrix_transposed(l_top), cols_of(grads[2], steps, cols - steps), true, true);
      const Var<T> moved = -matmul_of(beside, matrix_transposed(cols_of(u, steps, cols - steps)));
      l_seed = sum_of_some(l_seed, moved);
    }
    Var<T> middle;
    if (l_seed) middle = lower_triangle(matmul_of(matrix_transposed(l_top), l_seed), 1);
    if (u_seed) middle = sum_of_some(middle, upper_triangle(matmul_of(u_seed, matrix_transposed(u_left))));
    Var<T> whole;
    if (middle) {
      const Var<T> left = triangular_solution_of(matrix_transposed(l_top), middle, true, true);
      whole = solution_on_the_right(matrix_transposed(u_left), left, false);
    } else {
      whole = zeros(tape, shape_with(leading(l.sizes()), {steps, steps}));
    }
    if (rows > steps) {
      if (!below) below = zeros(tape, shape_with(leading(l.sizes()), {rows - steps, steps}));
      whole = joined(whole, below, l.ndim() - 2);
    }
    if (cols > steps) {
      if (!beside) beside = zeros(tape, shape_with(leading(l.sizes()), {steps, cols - steps}));
      whole = joined(whole, beside, l.ndim() - 1);
    }
    into[0] = unpermuted(tape, node, whole);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0) | saved_output(1) | saved_output(2);
  }
};

// L without its diagonal, and U, in one matrix.
template <class C>
auto lu_factor(const C& call) {
  auto& tape = call.tape;
  const auto a = call[0];
  const auto results = rule_results<Lu>(tape, {a}, {call.arg(0)});
  const auto& l = results[1];
  const auto& u = results[2];
  const Index rows = a.size(a.ndim() - 2);
  const Index cols = a.size(a.ndim() - 1);
  const int last = a.ndim() - 1;
  const auto filled = [&](const auto& x, Index missing_rows, Index missing_cols) {
    auto full = x;
    if (missing_rows > 0)
      full = joined(full, zeros(tape, shape_with(leading(x.sizes()), {missing_rows, cols})), last - 1);
    if (missing_cols > 0) full = joined(full, zeros(tape, shape_with(leading(x.sizes()), {rows, missing_cols})), last);
    return full;
  };
  const Index steps = std::min(rows, cols);
  const auto lower = filled(lower_triangle(l, 1), 0, cols - steps);
  return std::vector{lower + filled(u, rows - steps, 0), results[3]};
}

// (L Lᵀ)⁻¹, as L⁻ᵀ L⁻¹; of the factor one triangle is read.
struct CholeskyInverse {
  template <class T>
  static Var<T> factor(const Node<T>& node, const Var<T>& x) {
    return flag(node, 0) ? matrix_transposed(upper_triangle(x)) : lower_triangle(x);
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Batched batch = Batched::square(real_input(node, 0).sizes());
    const Var<T> l = factor(node, tape.constant(node.in(0)));
    // LAPACK's potri refuses a zero on the diagonal.
    const Tensor<T> all = tape.contiguous(l.value());
    for (Index k = 0, n = batch.rows; k < all.numel && !tape.in_derivative; ++k) {
      const bool pivot = k / n % n == k % n;
      if (pivot && equal(all.real()[k], 0) == Truth::yes) throw EngineError(GP_DOMAIN, "the factor is singular");
    }
    const Var<T> one = expand_to(identity_matrix(tape, batch.rows), l.sizes());
    const Var<T> inverse = triangular_solution_of(l, one, false, false);
    set_outputs(tape, node, {matmul_of(matrix_transposed(inverse), inverse).value()});
  }
  // L̄ = -tril(X (X̄ + X̄ᵀ) X L)
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Var<T> x = output(tape, node);
    const Var<T> both = grads[0] + matrix_transposed(grads[0]);
    const Var<T> common = matmul_of(x, matmul_of(both, x));
    const Var<T> grad = lower_triangle(-matmul_of(common, factor(node, input(tape, node, 0))));
    into[0] = transposed_if(flag(node, 0), grad);
  }
  // Ẋ = -X (L̇ Lᵀ + L L̇ᵀ) X
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> x = output(tape, node);
    const Var<T> half = matmul_of(factor(node, tangents[0]), matrix_transposed(factor(node, input(tape, node, 0))));
    into[0] = -matmul_of(x, matmul_of(half + matrix_transposed(half), x));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// X of L Lᵀ X = B
struct CholeskySolve {
  static constexpr const char* schema = "_cholesky_solve(Tensor self, Tensor input2, bool upper) -> Tensor";

  template <class T>
  static Var<T> solved(const Node<T>& node, const Var<T>& b, const Var<T>& factor) {
    const Var<T> l = CholeskyInverse::factor(node, factor);
    return triangular_solution_of(matrix_transposed(l), triangular_solution_of(l, b, false, false), true, false);
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& b = real_input(node, 0);
    const Tensor<T>& l = real_input(node, 1);
    set_outputs(tape, node, {solved(node, tape.constant(b), tape.constant(l)).value()});
  }
  // B̄ = (L Lᵀ)⁻¹ X̄,  L̄ = -tril((B̄ Xᵀ + X B̄ᵀ) L)
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    into[0] = again(tape, node, {grads[0], input(tape, node, 1)});
    if (!wants[1]) return;
    const Var<T> half = matmul_of(into[0], matrix_transposed(output(tape, node)));
    const Var<T> l = CholeskyInverse::factor(node, input(tape, node, 1));
    const Var<T> grad = lower_triangle(-matmul_of(half + matrix_transposed(half), l));
    into[1] = transposed_if(flag(node, 0), grad);
  }
  // L Lᵀ Ẋ = Ḃ - (L̇ Lᵀ + L L̇ᵀ) X
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> factor = input(tape, node, 1);
    Var<T> moved;
    if (tangents[1]) {
      const Var<T> l = CholeskyInverse::factor(node, factor);
      const Var<T> half = matmul_of(CholeskyInverse::factor(node, tangents[1]), matrix_transposed(l));
      moved = -matmul_of(half + matrix_transposed(half), output(tape, node));
    }
    into[0] = again(tape, node, {sum_of_some(tangents[0], moved), factor});
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return saved_input(1) | (wants[1] ? saved_output(0) : 0);
  }
};
template <class C>
auto cholesky_solve(const C& call) {
  const auto b = call[0];
  const auto l = call[1];
  const Shape lead = broadcast(leading(b.sizes()), leading(l.sizes()));
  const Batched square = Batched::square(l.sizes());
  const Batched right(b.sizes());
  return call_rule<CholeskySolve>(call.tape,
                                  {expand_to(b, shape_with(lead, {right.rows, right.cols})),
                                   expand_to(l, shape_with(lead, {square.rows, square.rows}))},
                                  {call.arg(0)});
}

// --- drawing ---

void sample_cholesky_solve(Draw& draw) {
  const Index n = draw.integer(1, 4);
  const std::vector<Index> lead = few_matrices(draw);
  const bool upper = draw.coin();
  draw.tensor("self", with_dims(lead, n, draw.nonempty_size()));
  draw_triangle(draw, "input2", lead, n, upper);
  if (upper || draw.coin()) draw.set_bool("upper", upper);
}
void sample_cholesky_inverse(Draw& draw) {
  const bool upper = draw.coin();
  draw_triangle(draw, "self", some_matrices(draw), draw.integer(1, 4), upper);
  if (upper || draw.coin()) draw.set_bool("upper", upper);
}

void sample_cholesky(Draw& draw, const char* arg) {
  const Index n = matrix_size(draw);
  draw_definite(draw, arg, few_matrices(draw), n);
  if (draw.coin()) draw.set_bool("upper", draw.coin());
}
void sample_rectangle(Draw& draw) {
  draw_with_pivots(draw, "A", few_matrices(draw), draw.integer(1, 4), draw.integer(1, 4));
}
void sample_lu(Draw& draw) {
  sample_rectangle(draw);
  if (draw.one_in(4)) draw.set_bool("pivot", true);
}

}  // namespace

void add_factorizations(Registry& registry) {
  constexpr std::string_view cholesky =
      "Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 10.3: L Lᵀ = A + ΔA, "
      "|ΔA| <= (n + 1) u |L||Lᵀ|";
  registry.structural<Cholesky>({.schema = "linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor",
                                 .source = cholesky,
                                 .note = "positive definite; one triangle is read",
                                 .sample = [](Draw& draw) { sample_cholesky(draw, "self"); }});
  registry.structural<Cholesky>({.schema = "cholesky(Tensor self, bool upper=False) -> Tensor",
                                 .source = cholesky,
                                 .note = "positive definite; one triangle is read",
                                 .sample = [](Draw& draw) { sample_cholesky(draw, "self"); }});
  registry.composite({.schema = "linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)",
                      .source = "Higham, theorem 9.3: L U = P (A + ΔA), |ΔA| <= n u |L||U|",
                      .note = "P is not differentiable; it jumps where two pivots are equal",
                      .sample = sample_lu},
                     [](const auto& call) {
                       auto results = rule_results<Lu>(call.tape, {call[0]}, {call.arg(0)});
                       results[0] = call.tape.constant(results[0].value());
                       results.pop_back();
                       return results;
                     });
  registry.composite({.schema = "linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)",
                      .source = "Higham, theorem 9.3: L U = P (A + ΔA), |ΔA| <= n u |L||U|",
                      .note = "jumps where two pivots are equal",
                      .sample = sample_lu},
                     [](const auto& call) { return lu_factor(call); });
  registry.composite({.schema = "cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor",
                      .source = "Higham, theorem 8.5, twice",
                      .note = "takes a triangular factor",
                      .sample = sample_cholesky_solve},
                     [](const auto& call) { return cholesky_solve(call); });
  registry.structural<CholeskyInverse>({.schema = "cholesky_inverse(Tensor self, bool upper=False) -> Tensor",
                                        .source = "Higham, theorem 8.5, and a product",
                                        .note = "takes a triangular factor",
                                        .sample = sample_cholesky_inverse});
}

}  // namespace gradproof
