// Systems of linear equations, inverses, determinants.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/matrix_draws.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// Elimination meets a zero pivot, whatever its order.
template <class T>
bool has_zero_line(const T* first, Index n) {
  for (Index line = 0; line < n; ++line) {
    bool row = true;
    bool col = true;
    for (Index k = 0; k < n; ++k) {
      row = row && equal(first[line * n + k], 0) == Truth::yes;
      col = col && equal(first[k * n + line], 0) == Truth::yes;
    }
    if (row || col) return true;
  }
  return false;
}
// Engines refuse such a matrix, though not within a rule.
template <class T>
void need_pivots(const Tape<T>& tape, const Tensor<T>& a) {
  const Batched batch = Batched::square(a.sizes());
  for (Index at = 0; at < batch.count && !tape.in_derivative; ++at) {
    if (has_zero_line(a.real() + at * batch.rows * batch.rows, batch.rows)) {
      throw EngineError(GP_DOMAIN, "the matrix is singular");
    }
  }
}

}  // namespace

// X of A X = B. An engine's is exact for A + ΔA, column by column.
struct Solution {
  static constexpr const char* schema = "_solution(Tensor a, Tensor b) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Tensor<T> b = tape.contiguous(real_input(node, 1));
    need_pivots(tape, a);
    const dense::Rounding rounding = rounding_of<T>();
    const auto solve = [&](const dense::Matrix& matrix, const dense::Matrix& rhs, dense::Matrix& x) {
      return dense::solve(matrix, dense::lu_error(matrix, rounding), rhs, rounding, x) && in_range<T>(x);
    };
    set_outputs(tape, node, {each_system(tape, a, b, Unbounded::domain, solve)});
  }
  // B̄ = A⁻ᵀ X̄,  Ā = -B̄ Xᵀ
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    into[1] = solution_of(matrix_transposed(input(tape, node, 0)), grads[0]);
    if (wants[0]) into[0] = -matmul_of(into[1], matrix_transposed(output(tape, node)));
  }
  // A Ẋ = Ḃ - Ȧ X
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> moved = tangents[0] ? -matmul_of(tangents[0], output(tape, node)) : Var<T>{};
    into[0] = solution_of(input(tape, node, 0), sum_of_some(tangents[1], moved));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return saved_input(0) | (wants[0] ? saved_output(0) : 0);
  }
};

// The same with one triangle of A; 1 on its diagonal where `unit`.
struct TriangularSolution {
  static constexpr const char* schema = "_triangular_solution(Tensor a, Tensor b, bool upper, bool unit) -> Tensor";

  static void keep_triangle(dense::Matrix& a, bool upper, bool unit) {
    for (Eigen::Index i = 0; i < a.rows(); ++i) {
      for (Eigen::Index j = 0; j < a.cols(); ++j) {
        if (i != j && (i < j) != upper) arb_zero(a.at(i, j));
        if (i == j && unit) arb_one(a.at(i, j));
      }
    }
  }

  // |ΔA| <= (n + 2) u |A| (Higham, theorem 8.5, and a division by way of the reciprocal), on a diagonal of ones, too:
  // x_i = b_i - Σ rounds.
  static dense::Bounds error_of(const dense::Matrix& a, const dense::Rounding& rounding) {
    return a.sizes() * ((static_cast<double>(a.rows()) + 2) * rounding.u * (1 + 0x1p-20));
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Tensor<T> b = tape.contiguous(real_input(node, 1));
    Batched::square(a.sizes());
    const dense::Rounding rounding = rounding_of<T>();
    const auto solve = [&](dense::Matrix& matrix, const dense::Matrix& rhs, dense::Matrix& x) {
      keep_triangle(matrix, flag(node, 0), flag(node, 1));
      return dense::solve(matrix, error_of(matrix, rounding), rhs, rounding, x);
    };
    set_outputs(tape, node, {each_system(tape, a, b, Unbounded::domain, solve)});
  }
  // As of a whole matrix, but that only its triangle has a gradient.
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    const bool upper = flag(node, 0);
    const bool unit = flag(node, 1);
    into[1] = triangular_solution_of(matrix_transposed(input(tape, node, 0)), grads[0], !upper, unit);
    if (!wants[0]) return;
    const Var<T> whole = -matmul_of(into[1], matrix_transposed(output(tape, node)));
    into[0] = upper ? upper_triangle(whole, unit ? 1 : 0) : lower_triangle(whole, unit ? 1 : 0);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const bool upper = flag(node, 0);
    const bool unit = flag(node, 1);
    Var<T> moved;
    if (tangents[0]) {
      const Index without = unit ? 1 : 0;
      const Var<T> part = upper ? upper_triangle(tangents[0], without) : lower_triangle(tangents[0], without);
      moved = -matmul_of(part, output(tape, node));
    }
    into[0] = again(tape, node, {input(tape, node, 0), sum_of_some(tangents[1], moved)});
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return saved_input(0) | (wants[0] ? saved_output(0) : 0);
  }
};

// X of A X = 1
struct Inverse {
  static constexpr const char* schema = "_inverse(Tensor a) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    need_pivots(tape, a);
    const dense::Rounding rounding = rounding_of<T>();
    const dense::Matrix one = dense::Matrix::identity(a.sizes().back());
    const auto invert = [&](const dense::Matrix& matrix, dense::Matrix& x) {
      return dense::solve(matrix, dense::lu_error(matrix, rounding), one, rounding, x);
    };
    set_outputs(tape, node, {each_matrix(tape, a, a.sizes(), Unbounded::domain, invert)});
  }
  // Ā = -Xᵀ X̄ Xᵀ
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Var<T> x = matrix_transposed(output(tape, node));
    into[0] = -matmul_of(x, matmul_of(grads[0], x));
  }
  // Ẋ = -X Ȧ X
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> x = output(tape, node);
    into[0] = -matmul_of(matmul_of(x, tangents[0]), x);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0);
  }
};

template <class T>
Var<T> solution_of(const Var<T>& a, const Var<T>& b) {
  return call_rule<Solution>(a.tape(), {a, b}, {});
}
template <class T>
Var<T> inverse_of(const Var<T>& a) {
  return call_rule<Inverse>(a.tape(), {a}, {});
}
template <class T>
Var<T> triangular_solution_of(const Var<T>& a, const Var<T>& b, bool upper, bool unit) {
  return call_rule<TriangularSolution>(a.tape(), {a, b}, {flag_arg<T>(upper), flag_arg<T>(unit)});
}
#define GRADPROOF_INSTANTIATE(T)                             \
  template Var<T> solution_of(const Var<T>&, const Var<T>&); \
  template Var<T> inverse_of(const Var<T>&);                 \
  template Var<T> triangular_solution_of(const Var<T>&, const Var<T>&, bool, bool);
GRADPROOF_FOR_EACH_SCALAR(GRADPROOF_INSTANTIATE)
#undef GRADPROOF_INSTANTIATE

namespace {

// --- programs ---

struct Broadcast {
  Shape left;
  Shape right;

  // The two tensors' leading dims made the same.
  Broadcast(Sizes a, Sizes b) {
    const Shape lead = broadcast(leading(a), leading(b));
    left = shape_with(lead, {a[a.size() - 2], a.back()});
    right = shape_with(lead, {b[b.size() - 2], b.back()});
  }
};

void need_matrices(Sizes a, Sizes b) {
  if (a.size() < 2 || b.size() < 2) throw EngineError(GP_SHAPE, "matrices are needed");
}

// B is a vector where it has one dim, or one less than A and A's leading dims.
template <class C>
auto solve(const C& call, bool left) {
  const auto a = call[0];
  auto b = call[1];
  const Batched square = Batched::square(a.sizes());
  const bool vector =
      b.ndim() == 1 || (b.ndim() + 1 == a.ndim() && same_sizes(b.sizes(), a.sizes().first(a.sizes().size() - 1)));
  if (vector && !left) throw EngineError(GP_ARGUMENT, "left=False with a vector on the right");
  if (vector) b = reshape_to(b, shape_with(b.sizes(), {1}));
  need_matrices(a.sizes(), b.sizes());
  const Broadcast sizes(a.sizes(), b.sizes());
  const auto matrix = expand_to(a, sizes.left);
  const auto rhs = expand_to(b, sizes.right);
  if (b.size(b.ndim() - (left ? 2 : 1)) != square.rows) throw EngineError(GP_SHAPE, "a system whose sizes differ");
  if (!left) return matrix_transposed(solution_of(matrix_transposed(matrix), matrix_transposed(rhs)));
  const auto x = solution_of(matrix, rhs);
  if (!vector) return x;
  return reshape_to(x, x.sizes().first(x.sizes().size() - 1));
}

template <class X>
X triangular(const X& a, const X& b, bool upper, bool left, bool unit) {
  need_matrices(a.sizes(), b.sizes());
  const Batched square = Batched::square(a.sizes());
  if (b.size(b.ndim() - (left ? 2 : 1)) != square.rows) throw EngineError(GP_SHAPE, "a system whose sizes differ");
  const Broadcast sizes(a.sizes(), b.sizes());
  const X matrix = expand_to(a, sizes.left);
  const X rhs = expand_to(b, sizes.right);
  if (left) return triangular_solution_of(matrix, rhs, upper, unit);
  return matrix_transposed(triangular_solution_of(matrix_transposed(matrix), matrix_transposed(rhs), !upper, unit));
}

// X of A X = B or Aᵀ X = B, and A itself once more: both have gradients, whichever of A and B needs one.
struct TriangularSolve {
  static constexpr const char* schema =
      "_triangular_solve(Tensor b, Tensor a, bool upper, bool transpose, bool unit) -> (Tensor, Tensor)";

  template <class T>
  static Var<T> solved(const Node<T>& node, const Var<T>& a, const Var<T>& b, bool swapped) {
    const bool transposes = flag(node, 1) != swapped;
    const Var<T> matrix = transposes ? matrix_transposed(a) : a;
    return triangular_solution_of(matrix, b, flag(node, 0) != transposes, flag(node, 2));
  }
  template <class T>
  static Var<T> triangle(const Node<T>& node, const Var<T>& x) {
    const Index without = flag(node, 2) ? 1 : 0;
    return flag(node, 0) ? upper_triangle(x, without) : lower_triangle(x, without);
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Var<T> b = tape.constant(real_input(node, 0));
    const Var<T> a = tape.constant(real_input(node, 1));
    set_outputs(tape, node, {solved(node, a, b, false).value(), copied(tape, node.in(1))});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    if (grads[0]) {
      into[0] = solved(node, input(tape, node, 1), grads[0], true);
      if (wants[1]) {
        const Var<T> x = output(tape, node);
        const Var<T> whole =
            flag(node, 1) ? matmul_of(x, matrix_transposed(into[0])) : matmul_of(into[0], matrix_transposed(x));
        into[1] = triangle(node, -whole);
      }
    }
    if (grads[1] && wants[1]) into[1] = sum_of_some(into[1], grads[1]);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    Var<T> moved;
    if (tangents[1]) {
      const Var<T> part = triangle(node, tangents[1]);
      moved = -matmul_of(flag(node, 1) ? matrix_transposed(part) : part, output(tape, node));
      into[1] = tangents[1];
    }
    into[0] = solved(node, input(tape, node, 1), sum_of_some(tangents[0], moved), false);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return saved_input(1) | (wants[1] ? saved_output(0) : 0);
  }
};

template <class C>
auto triangular_solve(const C& call) {
  need_matrices(call[1].sizes(), call[0].sizes());
  const Broadcast sizes(call[1].sizes(), call[0].sizes());
  return rule_results<TriangularSolve>(call.tape, {expand_to(call[0], sizes.right), expand_to(call[1], sizes.left)},
                                       {call.arg(0), call.arg(1), call.arg(2)});
}

// --- drawing ---

void sample_solve(Draw& draw) {
  const Index n = matrix_size(draw);
  const std::vector<Index> lead = few_matrices(draw);
  std::vector<Index> own = lead;
  std::vector<Index> other = lead;
  const bool left = !draw.one_in(3);
  // A B without a batch may be taken for a batch of vectors, which stand on the right only.
  if (!lead.empty() && draw.one_in(4)) (left && draw.coin() ? other : own).clear();
  draw_invertible(draw, "A", own, n);
  if (draw.one_in(3) && left && !own.empty() == !other.empty()) {
    other.push_back(n);
  } else {
    other.push_back(left ? n : draw.nonempty_size());
    other.push_back(left ? draw.nonempty_size() : n);
  }
  draw.tensor("B", other);
  if (!left) draw.set_bool("left", false);
}

void sample_solve_triangular(Draw& draw) {
  const Index n = matrix_size(draw);
  const std::vector<Index> lead = few_matrices(draw);
  std::vector<Index> own = lead;
  std::vector<Index> other = lead;
  if (!lead.empty() && draw.one_in(4)) (draw.coin() ? own : other).clear();
  draw_invertible(draw, "self", own, n);
  const bool left = !draw.one_in(3);
  other.push_back(left ? n : draw.nonempty_size());
  other.push_back(left ? draw.nonempty_size() : n);
  draw.tensor("B", other);
  draw.set_bool("upper", draw.coin());
  if (!left) draw.set_bool("left", false);
  if (draw.one_in(3)) draw.set_bool("unitriangular", true);
}

void sample_triangular_solve(Draw& draw) {
  const Index n = matrix_size(draw);
  std::vector<Index> lead = few_matrices(draw);
  draw_invertible(draw, "A", lead, n);
  lead.push_back(n);
  lead.push_back(draw.nonempty_size());
  draw.tensor("self", lead);
  for (const char* arg : {"upper", "transpose", "unitriangular"}) draw.set_bool(arg, draw.coin());
}

}  // namespace

void add_linear_solve(Registry& registry) {
  constexpr std::string_view source =
      "Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 9.4: (A + ΔA) x = b, "
      "|ΔA| <= 3n u |L||U|";
  constexpr std::string_view substitution = "Higham, theorem 8.5: (T + ΔT) x = b, |ΔT| <= n u |T|";
  registry.composite({.schema = "linalg_inv(Tensor A) -> Tensor",
                      .source = source,
                      .sample = [](Draw& draw) { sample_inverse(draw, "A"); }},
                     [](const auto& call) { return inverse_of(call[0]); });
  registry.composite({.schema = "inverse(Tensor self) -> Tensor",
                      .source = source,
                      .sample = [](Draw& draw) { sample_inverse(draw, "self"); }},
                     [](const auto& call) { return inverse_of(call[0]); });
  registry.composite({.schema = "linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor",
                      .source = source,
                      .sample = sample_solve},
                     [](const auto& call) { return solve(call, call.flag(0)); });
  registry.composite(
      {.schema = "linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool "
                 "unitriangular=False) -> Tensor",
       .source = substitution,
       .sample = sample_solve_triangular},
      [](const auto& call) { return triangular(call[0], call[1], call.flag(0), call.flag(1), call.flag(2)); });
  registry.composite({.schema = "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool "
                                "unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)",
                      .source = substitution,
                      .sample = sample_triangular_solve},
                     [](const auto& call) { return triangular_solve(call); });
}

}  // namespace gradproof
