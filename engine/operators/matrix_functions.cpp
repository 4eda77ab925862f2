// Powers, exponentials, pseudo-inverses, least squares.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/matrix_draws.h"
#include "engine/undecided.h"

namespace gradproof {

namespace {

// exp(A). Its derivative along W is a block of exp [A W; 0 A] (Mathias, "A Chain Rule for Matrix Functions and
// Applications", SIAM J. Matrix Anal. Appl. 17, 1996).
struct MatrixExp {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    Batched::square(a.sizes());
    const dense::Rounding rounding = rounding_of<T>();
    const auto exponential = [&](const dense::Matrix& matrix, dense::Matrix& x) {
      return dense::exponential(matrix, rounding, x);
    };
    set_outputs(tape, node, {each_matrix(tape, a, a.sizes(), Unbounded::overflow, exponential)});
  }
  template <class T>
  static Var<T> along(Tape<T>& tape, const Node<T>& node, const Var<T>& a, const Var<T>& by) {
    const Index n = a.size(a.ndim() - 1);
    const int row = a.ndim() - 2;
    const Var<T> above = joined(a, by, row + 1);
    const Var<T> below = joined(zeros(tape, a.sizes()), a, row + 1);
    const Var<T> whole = again(tape, node, {joined(above, below, row)});
    return narrowed(narrowed(whole, row, 0, n), row + 1, n, n);
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = along(tape, node, matrix_transposed(input(tape, node, 0)), grads[0]);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = along(tape, node, input(tape, node, 0), tangents[0]);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0);
  }
};

// X = A⁺, A of full rank.
struct PseudoInverse {
  static constexpr const char* schema = "_pseudo_inverse(Tensor a) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Batched batch(a.sizes());
    const Shape sizes = shape_with(leading(a.sizes()), {batch.cols, batch.rows});
    const dense::Rounding rounding = rounding_of<T>();
    const dense::Matrix one = dense::Matrix::identity(batch.rows);
    const auto invert = [&](const dense::Matrix& matrix, dense::Matrix& x) {
      return dense::least_squares(matrix, one, rounding, x);
    };
    set_outputs(tape, node, {each_matrix(tape, a, sizes, Unbounded::jump, invert)});
  }

  // Golub and Pereyra, "The Differentiation of Pseudo-Inverses and Nonlinear Least Squares Problems Whose Variables
  // Separate", SIAM J. Numer. Anal. 10 (1973): Ẋ = -X Ȧ X + X Xᵀ Ȧᵀ (1 - A X) + (1 - X A) Ȧᵀ Xᵀ X
  template <class T>
  static Var<T> moved(const Var<T>& a, const Var<T>& x, const Var<T>& by) {
    const Var<T> back = matrix_transposed(by);
    const Var<T> xt = matrix_transposed(x);
    const Var<T> first = matmul_of(matmul_of(x, by), x);
    const Var<T> left = matmul_of(matmul_of(x, xt), back);
    const Var<T> right = matmul_of(back, matmul_of(xt, x));
    return left - matmul_of(matmul_of(left, a), x) + right - matmul_of(x, matmul_of(a, right)) - first;
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = moved(input(tape, node, 0), output(tape, node), tangents[0]);
  }
  // Its transpose, in the order that makes the smaller products.
  template <class T>
  static Var<T> pulled(const Var<T>& a, const Var<T>& x, const Var<T>& grad) {
    const Var<T> g = matrix_transposed(grad);
    const Var<T> xt = matrix_transposed(x);
    if (a.size(a.ndim() - 2) <= a.size(a.ndim() - 1)) {
      const Var<T> k = matmul_of(g, x);
      const Var<T> kx = matmul_of(k, xt);
      const Var<T> outside = matmul_of(matmul_of(xt, x), g - matmul_of(k, a));
      return kx - matrix_transposed(matmul_of(x, k)) - matmul_of(matmul_of(a, x), kx) + outside;
    }
    const Var<T> k = matmul_of(x, g);
    const Var<T> xk = matmul_of(xt, k);
    const Var<T> outside = matmul_of(g - matmul_of(a, k), matmul_of(x, xt));
    return outside - matrix_transposed(matmul_of(k, x)) + xk - matmul_of(matmul_of(xk, x), a);
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = pulled(input(tape, node, 0), output(tape, node), grads[0]);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};
template <class T>
Var<T> pseudo_inverse_of(const Var<T>& a) {
  return call_rule<PseudoInverse>(a.tape(), {a}, {});
}

// X = A⁺ B; what the driver `gelsy` gives besides: no residuals, and the rank.
struct LeastSquares {
  static constexpr const char* schema =
      "_lstsq(Tensor self, Tensor b, float? rcond, str? driver) -> (Tensor solution, Tensor residuals, Tensor rank)";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Tensor<T> b = tape.contiguous(real_input(node, 1));
    if (!node.args[1].is_none() && node.args[1].text != "gelsy") {
      throw EngineError(GP_UNSUPPORTED, "a driver other than gelsy");
    }
    const dense::Rounding rounding = rounding_of<T>();
    const auto solve = [&](const dense::Matrix& matrix, const dense::Matrix& rhs, dense::Matrix& x) {
      return dense::least_squares(matrix, rhs, rounding, x);
    };
    const Tensor<T> out = each_system(tape, a, b, Unbounded::jump, solve);
    const Tensor<T> rank = tape.allocate(Kind::integer, leading(a.sizes()));
    const Batched batch(a.sizes());
    std::fill_n(rank.integers(), rank.numel, std::min(batch.rows, batch.cols));
    if constexpr (HasHull<T>) {
      const Index each = rank.numel == 0 ? 0 : out.numel / rank.numel;
      for (Index at = 0; at < rank.numel; ++at) {
        if (each == 0 || out.real()[at * each].is_anything()) rank.integers()[at] = undecided;
      }
    }
    const Tensor<T> nothing = tape.allocate(Kind::real, std::array<Index, 1>{0});
    set_outputs(tape, node, {out, nothing, rank});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    if (!grads[0]) return;
    const Var<T> a = input(tape, node, 0);
    const Var<T> x = pseudo_inverse_of(a);
    if (wants[0]) {
      into[0] = PseudoInverse::pulled(a, x, matmul_of(grads[0], matrix_transposed(input(tape, node, 1))));
    }
    if (wants[1]) into[1] = matmul_of(matrix_transposed(x), grads[0]);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> a = input(tape, node, 0);
    const Var<T> x = pseudo_inverse_of(a);
    if (tangents[0]) into[0] = matmul_of(PseudoInverse::moved(a, x, tangents[0]), input(tape, node, 1));
    if (tangents[1]) into[0] = sum_of_some(into[0], matmul_of(x, tangents[1]));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return saved_input(0) | (wants[0] ? saved_input(1) : 0);
  }
};

// Singular values have no gradient; gelsy computes none.
template <class C>
auto least_squares(const C& call) {
  auto& tape = call.tape;
  auto results = rule_results<LeastSquares>(tape, {call[0], call[1]}, {call.arg(0), call.arg(1)});
  results[1] = zeros(tape, std::array<Index, 1>{0});  // a constant
  results.push_back(results[1]);
  return results;
}

// A · A · … by squaring; of A⁻¹ for a negative power.
template <class C>
auto power(const C& call) {
  const auto a = call[0];
  const Batched batch = Batched::square(a.sizes());
  const Index n = call.integer(0);
  if (n == 0) return expand_to(identity_matrix(call.tape, batch.rows), a.sizes());
  auto square = n < 0 ? inverse_of(a) : a;
  auto left = static_cast<std::uint64_t>(n < 0 ? -n : n);
  if (left == 3) return matmul_of(matmul_of(square, square), square);
  auto result = square;
  bool started = false;
  for (;; square = matmul_of(square, square)) {
    if (left % 2 == 1) {
      result = started ? matmul_of(result, square) : square;
      started = true;
    }
    left /= 2;
    if (left == 0) return result;
  }
}

// Of the reshaped inverse.
template <class C>
auto tensor_inverse(const C& call) {
  const auto a = call[0];
  const auto split = static_cast<std::size_t>(call.integer(0));
  if (call.integer(0) <= 0 || split > a.sizes().size()) throw EngineError(GP_ARGUMENT, "ind is not within the dims");
  const Index rows = count_elements(a.sizes().first(split));
  const Index cols = count_elements(a.sizes().subspan(split));
  Shape result(a.sizes().subspan(split));
  for (const Index size : a.sizes().first(split)) result.push(size);
  return reshape_to(inverse_of(reshape_to(a, std::array<Index, 2>{rows, cols})), result);
}
// An engine's report that all went well, for each matrix; where nothing is known of the result, it may tell of a
// failure.
template <class T>
std::vector<Var<T>> with_info(const CompositeCall<T>& call, const Var<T>& result) {
  const Tensor<T> info = call.tape.allocate(Kind::integer, leading(call[0].sizes()));
  std::fill_n(info.integers(), info.numel, Index{0});
  if constexpr (HasHull<T>) {
    const Tensor<T> known = call.tape.contiguous(result.value());
    for (Index i = 0; i < known.numel; ++i) {
      if (!known.real()[i].is_finite()) info.integers()[i / (known.numel / info.numel)] = undecided;
    }
  }
  return {result, call.tape.constant(info)};
}

// --- drawing ---

void sample_power(Draw& draw) {
  const Index n = matrix_size(draw);
  draw_regular(draw, "self", few_matrices(draw), n);
  // The zeroth power has no graph.
  const Index power = draw.integer(-1, 5);
  draw.set_int("n", power <= 0 ? power - 1 : power);
}
void sample_inv_ex(Draw& draw) { draw_regular(draw, "A", few_matrices(draw), matrix_size(draw)); }
void sample_cholesky_ex(Draw& draw) {
  draw_definite(draw, "self", few_matrices(draw), matrix_size(draw));
  if (draw.coin()) draw.set_bool("upper", draw.coin());
}
// A regular matrix with its rows and its columns as several dims.
void sample_tensorinv(Draw& draw) {
  const bool split = draw.coin();
  draw_regular(draw, "self", split ? std::vector<Index>{1} : std::vector<Index>{}, 2);
  draw.set_int("ind", split ? 2 : 1);
}
void sample_exp(Draw& draw) {
  const Index n = draw.integer(1, 3);
  draw.tensor("self", with_dims(few_matrices(draw), n, n), closed(-2, 2));
}
void sample_pinverse(Draw& draw) {
  draw_full_rank(draw, "self", few_matrices(draw), draw.integer(1, 4), draw.integer(1, 4));
}
void sample_lstsq(Draw& draw) {
  const std::vector<Index> lead = few_matrices(draw);
  const Index rows = draw.integer(1, 4);
  draw_full_rank(draw, "self", lead, rows, draw.integer(1, 4));
  draw.tensor("b", with_dims(lead, rows, draw.integer(1, 3)));
}

}  // namespace

void add_matrix_functions(Registry& registry) {
  constexpr std::string_view exponential = "Mathias 1996 (derivative); errors of the series by that of |A|";
  constexpr std::string_view pseudo = "Golub and Pereyra 1973 (derivative); Higham, theorem 20.3";
  for (const std::string_view schema :
       {"matrix_power(Tensor self, int n) -> Tensor", "linalg_matrix_power(Tensor self, int n) -> Tensor"}) {
    registry.composite({.schema = schema, .source = "products", .sample = sample_power},
                       [](const auto& call) { return power(call); });
  }
  for (const std::string_view schema :
       {"matrix_exp(Tensor self) -> Tensor", "linalg_matrix_exp(Tensor self) -> Tensor"}) {
    registry.structural<MatrixExp>({.schema = schema, .source = exponential, .sample = sample_exp});
  }
  registry.composite({.schema = "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)",
                      .source = "as linalg_inv",
                      .sample = sample_inv_ex},
                     [](const auto& call) { return with_info(call, inverse_of(call[0])); });
  registry.composite({.schema = "linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> "
                                "(Tensor L, Tensor info)",
                      .source = "as linalg_cholesky",
                      .sample = sample_cholesky_ex},
                     [](const auto& call) { return with_info(call, call("linalg_cholesky", call[0], {call.arg(0)})); });
  registry.composite({.schema = "linalg_tensorinv(Tensor self, int ind=2) -> Tensor",
                      .source = "as linalg_inv",
                      .sample = sample_tensorinv},
                     [](const auto& call) { return tensor_inverse(call); });
  registry.composite({.schema = "pinverse(Tensor self, float rcond=1e-15) -> Tensor",
                      .source = pseudo,
                      .note = "of full rank: elsewhere it jumps",
                      .sample = sample_pinverse},
                     [](const auto& call) { return pseudo_inverse_of(call[0]); });
  registry.composite({.schema = "linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool "
                                "hermitian=False) -> Tensor",
                      .source = pseudo,
                      .note = "of full rank: elsewhere it jumps",
                      .sample = sample_pinverse},
                     [](const auto& call) { return pseudo_inverse_of(call[0]); });
  registry.composite({.schema = "linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? "
                                "driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, "
                                "Tensor singular_values)",
                      .source = pseudo,
                      .note = "of full rank, by gelsy: residuals and singular values are empty",
                      .sample = sample_lstsq},
                     [](const auto& call) { return least_squares(call); });
}

}  // namespace gradproof
