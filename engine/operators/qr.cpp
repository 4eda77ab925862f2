// Q R.
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/matrix_draws.h"

namespace gradproof {

namespace {

// Q R = A; the columns of Q are those of A's range.
struct Qr {
  template <class T>
  static bool is_complete(const Node<T>& node) {
    const std::string_view mode = node.args[0].text;
    if (mode != "reduced" && mode != "complete") {
      throw EngineError(mode == "r" ? GP_UNSUPPORTED : GP_ARGUMENT, "a mode that is neither reduced nor complete");
    }
    return mode == "complete";
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Batched batch(a.sizes());
    const Index steps = std::min(batch.rows, batch.cols);
    if (is_complete(node) && batch.rows > batch.cols) {
      throw EngineError(GP_UNSUPPORTED, "a complete Q, whose last columns are anybody's");
    }
    const Tensor<T> q = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {batch.rows, steps}));
    const Tensor<T> r = tape.allocate(Kind::real, shape_with(leading(a.sizes()), {steps, batch.cols}));
    const dense::Rounding rounding = rounding_of<T>();
    Sheets<T> sheets;
    dense::Matrix matrix;
    dense::Matrix left;
    dense::Matrix right;
    for (Index at = 0; steps > 0 && at < batch.count; ++at) {
      sheets.begin();
      bool sure = true;
      if (sheets.load_matrix(a, batch, at, matrix) && dense::qr(matrix, rounding, left, right, sure) &&
          (sure || !HasHull<T>)) {
        sheets.store_matrix(q, at, left);
        sheets.store_matrix(r, at, right);
      } else {
        sheets.store_unknown(q, at, batch.rows * steps, Unbounded::jump);
        sheets.store_unknown(r, at, steps * batch.cols, Unbounded::jump);
      }
    }
    set_outputs(tape, node, {q, r});
  }

  // m >= n, F = Qᵀ Ȧ R⁻¹:  Ṙ = syminv(F + Fᵀ) R, Q̇ = Ȧ R⁻¹ - Q syminv(F + Fᵀ), syminv: triu with half its diagonal.
  // m < n: of the leading square, Q̇ = Q K with K = tril(F, -1) - tril(F, -1)ᵀ, and Ṙ = Qᵀ Ȧ - K R.
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> q = output(tape, node, 0);
    const Var<T> r = output(tape, node, 1);
    const Index rows = q.size(q.ndim() - 2);
    const Index cols = r.size(r.ndim() - 1);
    if (rows >= cols) {
      const Var<T> moved = solution_on_the_right(r, tangents[0], true);
      const Var<T> f = matmul_of(matrix_transposed(q), moved);
      const Var<T> both = f + matrix_transposed(f);
      const Var<T> part = upper_triangle(both, 1) + half_of(diagonal_alone(both));
      into[0] = moved - matmul_of(q, part);
      into[1] = matmul_of(part, r);
      return;
    }
    const Var<T> turned = matmul_of(matrix_transposed(q), tangents[0]);
    const int last = r.ndim() - 1;
    const Var<T> f =
        lower_triangle(solution_on_the_right(narrowed(r, last, 0, rows), narrowed(turned, last, 0, rows), true), 1);
    const Var<T> skew = f - matrix_transposed(f);
    into[0] = matmul_of(q, skew);
    into[1] = turned - matmul_of(skew, r);
  }
  // m >= n, M = R̄ Rᵀ - Qᵀ Q̄:  Ā = (Q̄ + Q copyltu(M)) R⁻ᵀ, copyltu: triu and its mirror image.
  // m < n: Ā = Q R̄ + [Q tril(N - Nᵀ) R₁⁻ᵀ, 0], N = -M.
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    if (!grads[0] && !grads[1]) return;
    const Var<T> q = output(tape, node, 0);
    const Var<T> r = output(tape, node, 1);
    const Index rows = q.size(q.ndim() - 2);
    const Index cols = r.size(r.ndim() - 1);
    Var<T> m;
    if (grads[1]) m = matmul_of(grads[1], matrix_transposed(r));
    if (grads[0]) m = sum_of_some(m, -matmul_of(matrix_transposed(q), grads[0]));
    if (rows >= cols) {
      const Var<T> part = upper_triangle(m);
      const Var<T> both = part + matrix_transposed(upper_triangle(m, 1));
      const Var<T> sum = sum_of_some(matmul_of(q, both), grads[0]);
      into[0] = solution_on_the_right(matrix_transposed(r), sum, false);
      return;
    }
    const int last = r.ndim() - 1;
    const Var<T> skew = lower_triangle(matrix_transposed(m) - m, 1);
    const Var<T> square = matrix_transposed(narrowed(r, last, 0, rows));
    const Var<T> first = solution_on_the_right(square, matmul_of(q, skew), false);
    into[0] = joined(first, zeros(tape, shape_with(leading(r.sizes()), {rows, cols - rows})), last);
    if (grads[1]) into[0] = into[0] + matmul_of(q, grads[1]);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0) | saved_output(1);
  }
};

void sample_qr(Draw& draw) { draw_full_rank(draw, "A", few_matrices(draw), draw.integer(1, 4), draw.integer(1, 4)); }

}  // namespace

void add_qr(Registry& registry) {
  registry.structural<Qr>({.schema = "linalg_qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R)",
                           .source = "Higham, theorem 19.4: Q R = A + ΔA, ‖Δa_j‖ <= c m n u ‖a_j‖",
                           .note = "signs are LAPACK's; where one hangs on a rounding, nothing is decided",
                           .sample = sample_qr});
}

}  // namespace gradproof
