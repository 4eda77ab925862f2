// Symmetric eigenvalues, singular values, and what is made of them.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/matrix_draws.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// s [.., k] as a row, or as a column, beside matrices.
template <class T>
Var<T> as_row(const Var<T>& s) {
  return reshape_to(s, shape_with(s.sizes().first(s.sizes().size() - 1), {1, s.sizes().back()}));
}
template <class T>
Var<T> as_column(const Var<T>& s) {
  return reshape_to(s, shape_with(s.sizes(), {1}));
}
// x_j - x_i at (i, j), 1 on the diagonal
template <class T>
Var<T> gaps(const Var<T>& x) {
  Tape<T>& tape = x.tape();
  const Index n = x.sizes().back();
  const Tensor<T> mask = tape.allocate(Kind::boolean, std::array<Index, 2>{n, n});
  for (Index i = 0; i < n * n; ++i) mask.booleans()[i] = truth(i % (n + 1) == 0);
  return tape.call(Basic::where, {tape.constant(mask), tape.number(Scalar<T>::leaf(1)), as_row(x) - as_column(x)});
}
// Of a matrix whose diagonal is x - x: zero, but engines compute it, from whatever memory held.
template <class T>
Var<T> off_diagonal(const Var<T>& x) {
  if constexpr (std::is_same_v<T, Defined>) return x;
  return lower_triangle(x, 1) + upper_triangle(x, 1);
}
template <class T>
Var<T> skew(const Var<T>& x) {
  return x - matrix_transposed(x);
}
// A vector's sign is anybody's: each is tried.
template <class T>
bool flipped(Tape<T>& tape, const Node<T>& node, Index which) {
  if constexpr (HasHull<T>) {
    return tape.choose(tape.key_of(node) | static_cast<std::uint64_t>(which), 2) == 1;
  } else {
    return false;
  }
}
void negate_column(dense::Matrix& x, Eigen::Index j) {
  for (Eigen::Index i = 0; i < x.rows(); ++i) arb_neg(x.at(i, j), x.at(i, j));
}
void forget_column(dense::Matrix& x, Eigen::Index j) {
  for (Eigen::Index i = 0; i < x.rows(); ++i) arb_indeterminate(x.at(i, j));
}

// A = V diag(L) Vᵀ of the triangle that is named; without Signs, for what does not depend on V's.
template <bool Signs>
struct Eigh {
  static constexpr const char* schema = "_eigh(Tensor self, str UPLO) -> (Tensor eigenvalues, Tensor eigenvectors)";

  template <class T>
  static bool reads_upper(const Node<T>& node) {
    const std::string_view which = node.args[0].text;
    if (which == "U" || which == "u") return true;
    if (which != "L" && which != "l") throw EngineError(GP_ARGUMENT, "UPLO is neither L nor U");
    return false;
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Batched batch = Batched::square(a.sizes());
    const bool upper = reads_upper(node);
    const Index n = batch.rows;
    const Tensor<T> l = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {n}));
    const Tensor<T> v = tape.allocate(Kind::real, a.sizes());
    const dense::Rounding rounding = rounding_of<T>();
    Sheets<T> sheets;
    dense::Matrix matrix;
    dense::Matrix values;
    dense::Matrix vectors;
    std::vector<bool> known;
    for (Index at = 0; at < batch.count; ++at) {
      sheets.begin();
      const bool loaded = sheets.load_matrix(a, batch, at, matrix);
      if (!loaded || !dense::eigh(upper ? matrix.transposed() : matrix, rounding, values, vectors, known)) {
        sheets.store_unknown(l, at, n, Unbounded::domain);
        sheets.store_unknown(v, at, n * n, Unbounded::domain);
        continue;
      }
      for (Index j = 0; j < n; ++j) {
        if (!known[static_cast<std::size_t>(j)]) {
          forget_column(vectors, j);
        } else if (Signs && n > 1 && flipped(tape, node, at * n + j)) {
          negate_column(vectors, j);
        }
      }
      sheets.store_matrix(l, at, values);
      sheets.store_matrix(v, at, vectors);
    }
    set_outputs(tape, node, {l, v});
  }
  // Ā = V (diag(L̄) + skew(Vᵀ V̄) / 2E) Vᵀ, E_ij = L_j - L_i
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    if (!grads[0] && !grads[1]) return;
    const Var<T> v = output(tape, node, 1);
    if (!grads[1]) {
      into[0] = matmul_of(v * as_row(grads[0]), matrix_transposed(v));
      return;
    }
    Var<T> middle = half_of(skew(matmul_of(matrix_transposed(v), grads[1]))) / gaps(output(tape, node, 0));
    middle = off_diagonal(middle);
    if (grads[0]) middle = middle + diagonal_matrix(grads[0]);
    into[0] = matmul_of(v, matmul_of(middle, matrix_transposed(v)));
  }
  // P = Vᵀ Ȧ V:  L̇ = diag P,  V̇ = V (P / E) without its diagonal
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> v = output(tape, node, 1);
    const Var<T> p = matmul_of(matmul_of(matrix_transposed(v), tangents[0]), v);
    into[0] = diagonal_of(p);
    into[1] = matmul_of(v, off_diagonal(p / gaps(output(tape, node, 0))));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0) | saved_output(1);
  }
};

// A = U diag(S) Vᵀ with min(m, n) columns; the third result is Vᵀ.
template <bool Signs>
struct Svd {
  static constexpr const char* schema =
      "_svd(Tensor A, bool full_matrices, str? driver) -> (Tensor U, Tensor S, Tensor Vh)";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Batched batch(a.sizes());
    const Index steps = std::min(batch.rows, batch.cols);
    if (flag(node, 0) && batch.rows != batch.cols) {
      throw EngineError(GP_UNSUPPORTED, "singular vectors outside the range, which are anybody's");
    }
    const Tensor<T> u = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {batch.rows, steps}));
    const Tensor<T> s = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {steps}));
    const Tensor<T> vh = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {steps, batch.cols}));
    const dense::Rounding rounding = rounding_of<T>();
    Sheets<T> sheets;
    dense::Matrix matrix;
    dense::Matrix left;
    dense::Matrix values;
    dense::Matrix right;
    std::vector<bool> known;
    for (Index at = 0; at < batch.count; ++at) {
      sheets.begin();
      if (!sheets.load_matrix(a, batch, at, matrix) || !dense::svd(matrix, rounding, left, values, right, known)) {
        sheets.store_unknown(u, at, batch.rows * steps, Unbounded::domain);
        sheets.store_unknown(s, at, steps, Unbounded::domain);
        sheets.store_unknown(vh, at, steps * batch.cols, Unbounded::domain);
        continue;
      }
      for (Index j = 0; j < steps; ++j) {
        if (!known[static_cast<std::size_t>(j)]) {
          forget_column(left, j);
          forget_column(right, j);
        } else if (Signs && flipped(tape, node, at * steps + j)) {
          negate_column(left, j);
          negate_column(right, j);
        }
      }
      sheets.store_matrix(u, at, left);
      sheets.store_matrix(s, at, values);
      sheets.store_matrix(vh, at, right.transposed());
    }
    set_outputs(tape, node, {u, s, vh});
  }

  // With E_ij = S_j² - S_i²:  Ā = U ((skew(UᵀŪ) S + S skew(VᵀV̄)) / E + diag(S̄)) Vᵀ + what lies outside of A's range
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    if (!grads[0] && !grads[1] && !grads[2]) return;
    const Var<T> u = output(tape, node, 0);
    const Var<T> s = output(tape, node, 1);
    const Var<T> vh = output(tape, node, 2);
    const Index rows = u.size(u.ndim() - 2);
    const Index cols = vh.size(vh.ndim() - 1);
    if (!grads[0] && !grads[2]) {
      into[0] = rows >= cols ? matmul_of(u, as_column(grads[1]) * vh) : matmul_of(u * as_row(grads[1]), vh);
      return;
    }
    const Var<T> gap = gaps(s * s);
    Var<T> middle;
    if (grads[0]) middle = skew(matmul_of(matrix_transposed(u), grads[0])) * as_row(s);
    if (grads[2]) middle = sum_of_some(middle, as_column(s) * skew(matmul_of(vh, matrix_transposed(grads[2]))));
    middle = off_diagonal(middle / gap);
    if (grads[1]) middle = middle + diagonal_matrix(grads[1]);
    if (rows > cols && grads[0]) {
      const Var<T> scaled = grads[0] / as_row(s);
      const Var<T> outside = scaled - matmul_of(u, matmul_of(matrix_transposed(u), scaled));
      into[0] = matmul_of(matmul_of(u, middle) + outside, vh);
    } else if (rows < cols && grads[2]) {
      const Var<T> scaled = grads[2] / as_column(s);
      const Var<T> outside = scaled - matmul_of(matmul_of(scaled, matrix_transposed(vh)), vh);
      into[0] = matmul_of(u, matmul_of(middle, vh) + outside);
    } else {
      into[0] = rows >= cols ? matmul_of(u, matmul_of(middle, vh)) : matmul_of(matmul_of(u, middle), vh);
    }
  }
  // P = Uᵀ Ȧ V:  Ṡ = diag P,  U̇ = U ((P S + S Pᵀ)/E) + (1 - U Uᵀ) Ȧ V / S,  V̇ = V ((S P + Pᵀ S)/E) + …
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> u = output(tape, node, 0);
    const Var<T> s = output(tape, node, 1);
    const Var<T> vh = output(tape, node, 2);
    const Var<T> v = matrix_transposed(vh);
    const Index rows = u.size(u.ndim() - 2);
    const Index cols = vh.size(vh.ndim() - 1);
    const Var<T> image = matmul_of(tangents[0], v);
    const Var<T> p = matmul_of(matrix_transposed(u), image);
    into[1] = diagonal_of(p);
    const Var<T> gap = gaps(s * s);
    const Var<T> pt = matrix_transposed(p);
    into[0] = matmul_of(u, off_diagonal((p * as_row(s) + as_column(s) * pt) / gap));
    if (rows > cols) into[0] = into[0] + (image - matmul_of(u, p)) / as_row(s);
    Var<T> v_moved = matmul_of(v, off_diagonal((as_column(s) * p + pt * as_row(s)) / gap));
    if (rows < cols) {
      const Var<T> back = matmul_of(matrix_transposed(tangents[0]), u);
      v_moved = v_moved + (back - matmul_of(v, pt)) / as_row(s);
    }
    into[2] = matrix_transposed(v_moved);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0) | saved_output(1) | saved_output(2);
  }
};

template <class T>
Var<T> singular_values(Tape<T>& tape, const Var<T>& a) {
  return rule_results<Svd<false>>(tape, {a}, {flag_arg<T>(false), Arg<T>{}})[1];
}

constexpr std::array<Index, 2> last_two{-2, -1};
constexpr Sizes last_dims{last_two};

// Engines take their own inverse of A.
template <class C, class Norm>
auto condition_by(const C& call, Norm norm) {
  const Batched square = Batched::square(call[0].sizes());
  if (square.rows == 0) throw EngineError(GP_UNSUPPORTED, "a condition number of an empty matrix");
  return norm(call[0]) * norm(inverse_of(call[0]));
}
// The nuclear norm as Σ σ.
template <class C>
auto condition_by_name(const C& call) {
  return condition_by(call, [&](const auto& a) {
    if (call.text(0) != "nuc") {
      return call("linalg_matrix_norm.str_ord", a, {call.arg(0), call.of(last_dims), call.of(false), call.none()});
    }
    const auto s = singular_values(call.tape, a);
    return sum_over(s, DimSet{1} << static_cast<unsigned>(s.ndim() - 1), false);
  });
}

// Of the largest to the smallest, or the other way round for -2; in other norms |A| |A⁻¹|.
template <class C>
auto condition(const C& call) {
  const bool inverted = !call.none(0) && call.arg(0).number == -2;
  if (!call.none(0) && !inverted && call.arg(0).number != 2) {
    return condition_by(call, [&](const auto& a) {
      return call("linalg_matrix_norm", a, {call.arg(0), call.of(last_dims), call.of(false), call.none()});
    });
  }
  const auto s = singular_values(call.tape, call[0]);
  const int last = s.ndim() - 1;
  const Index count = s.size(last);
  const Shape sizes(s.sizes().first(s.sizes().size() - 1));
  const auto largest = reshape_to(narrowed(s, last, 0, 1), sizes);
  const auto least = reshape_to(narrowed(s, last, count - 1, 1), sizes);
  return inverted ? least / largest : largest / least;
}
template <class C>
auto nuclear_norm(const C& call) {
  if (call[0].ndim() != 2) throw EngineError(GP_SHAPE, "nuclear_norm takes a matrix");
  const auto sum = sum_over(singular_values(call.tape, call[0]), DimSet{1}, false);
  return call.flag(0) ? reshape_to(sum, std::array<Index, 2>{1, 1}) : sum;
}

// --- drawing ---

void sample_cond(Draw& draw) {
  constexpr std::array norms{1.0, -1.0, infinity, -infinity};
  if (draw.one_in(3)) {
    draw_invertible(draw, "self", some_matrices(draw), draw.integer(1, 4));
    return draw.set_real("p", draw.pick(norms));
  }
  draw_any_rank(draw, "self", some_matrices(draw), draw.integer(1, 4), draw.integer(1, 4));
  if (draw.coin()) draw.set_real("p", draw.coin() ? 2 : -2);
}
void sample_cond_by_name(Draw& draw) {
  draw_invertible(draw, "self", some_matrices(draw), draw.integer(1, 4));
  draw.set_text("p", draw.coin() ? "fro" : "nuc");
}
void sample_nuclear_norm(Draw& draw) {
  draw_any_rank(draw, "self", {}, draw.integer(1, 4), draw.integer(1, 4));
  if (draw.coin()) draw.set_bool("keepdim", draw.coin());
}

void draw_uplo(Draw& draw) {
  if (draw.coin()) draw.set_text("UPLO", draw.coin() ? "U" : "L");
}
// One matrix, so that the signs of its vectors can be tried.
void sample_eigh(Draw& draw) {
  const Index n = draw.integer(1, 4);
  draw_spread(draw, "self", n == 1 ? few_matrices(draw) : std::vector<Index>{}, n);
  draw_uplo(draw);
}
void sample_eigvalsh(Draw& draw) {
  draw_spread(draw, "self", few_matrices(draw), draw.integer(1, 4));
  draw_uplo(draw);
}
void sample_svd(Draw& draw) {
  const Index rows = draw.integer(1, 4);
  const Index cols = draw.integer(1, 4);
  draw_any_rank(draw, "A", {}, rows, cols);
  if (rows != cols || draw.coin()) draw.set_bool("full_matrices", false);
}
void sample_svdvals(Draw& draw) {
  draw_any_rank(draw, "A", few_matrices(draw), draw.integer(1, 4), draw.integer(1, 4));
}

}  // namespace

void add_spectra(Registry& registry) {
  constexpr std::string_view source = "LAPACK Users' Guide, 4.7 and 4.9: exact for A + ΔA, ‖ΔA‖ <= p(n) u ‖A‖";
  constexpr std::string_view signs = "the vectors' signs are the engine's, each is admitted; none where values meet";
  registry.structural<Eigh<true>>(
      {.schema = "linalg_eigh(Tensor self, str UPLO=\"L\") -> (Tensor eigenvalues, Tensor eigenvectors)",
       .source = source,
       .note = signs,
       .sample = sample_eigh});
  registry.composite(
      {.schema = "linalg_eigvalsh(Tensor self, str UPLO=\"L\") -> Tensor", .source = source, .sample = sample_eigvalsh},
      [](const auto& call) { return rule_results<Eigh<false>>(call.tape, {call[0]}, {call.arg(0)})[0]; });
  registry.structural<Svd<true>>({.schema = "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> "
                                            "(Tensor U, Tensor S, Tensor Vh)",
                                  .source = source,
                                  .note = signs,
                                  .sample = sample_svd});
  registry.composite(
      {.schema = "linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", .source = source, .sample = sample_svdvals},
      [](const auto& call) { return singular_values(call.tape, call[0]); });
  registry.composite({.schema = "linalg_cond(Tensor self, Scalar? p=None) -> Tensor",
                      .ties_matter = true,
                      .source = source,
                      .sample = sample_cond},
                     [](const auto& call) { return condition(call); });
  registry.composite(
      {.schema = "linalg_cond.p_str(Tensor self, str p) -> Tensor", .source = source, .sample = sample_cond_by_name},
      [](const auto& call) { return condition_by_name(call); });
  registry.composite({.schema = "nuclear_norm(Tensor self, bool keepdim=False) -> Tensor",
                      .source = source,
                      .sample = sample_nuclear_norm},
                     [](const auto& call) { return nuclear_norm(call); });
}

}  // namespace gradproof
