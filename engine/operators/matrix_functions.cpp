// Powers and exponentials; what linalg has twice, with an integer told or tensors for matrices; Vandermonde matrices.
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

// A · A · … by squaring; of A⁻¹ for a negative power.
template <class C>
auto power(const C& call) {
  const auto a = call[0];
  const Batched batch = Batched::square(a.sizes());
  const Index n = call.integer(0);
  if (n == 0) return expand_to(identity_matrix(call.tape, batch.rows), a.sizes());
  if (n == 1) return call("clone", a, {call.none()});
  auto square = n < 0 ? inverse_of(a) : a;
  // The least integer's negative is no integer.
  auto left = n < 0 ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
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
// The system of the matrix whose rows are the dims of `other`; `dims` are brought to the end before.
template <class C>
auto tensor_solution(const C& call) {
  auto a = call[0];
  const auto b = call[1];
  if (!call.none(0)) {
    std::vector<Index> last;
    for (Index d = -std::ssize(call.list(0)); d < 0; ++d) last.push_back(d);
    a = call("movedim.intlist", a, {call.arg(0), call.of(Sizes(last))});
  }
  if (b.ndim() > a.ndim()) throw EngineError(GP_SHAPE, "other has more dims than self");
  const Sizes result = a.sizes().subspan(b.sizes().size());
  const Index unknowns = count_elements(result);
  if (a.numel() != unknowns * unknowns || b.numel() != unknowns) {
    throw EngineError(GP_SHAPE, "a system of shapes " + to_text(a.sizes()) + " and " + to_text(b.sizes()));
  }
  const auto x = solution_of(reshape_to(a, std::array<Index, 2>{unknowns, unknowns}),
                             reshape_to(b, std::array<Index, 2>{unknowns, 1}));
  return reshape_to(x, result);
}

// The powers of x, from 0 to n - 1, along one more dim.
template <class T>
Var<T> powers_of(const CompositeCall<T>& call, const Var<T>& x, Index n) {
  const auto column = reshape_to(x, shape_with(x.sizes(), {1}));
  const auto powers =
      call("cumprod", expand_to(column, shape_with(x.sizes(), {n - 1})), {call.of(Index{-1}), call.none()});
  return joined(call("fill.Scalar", call.tape.constant(column.value()), {call.of(Index{1})}), powers, x.ndim());
}
template <class C>
auto vandermonde(const C& call) {
  const auto x = call[0].ndim() == 0 ? reshape_to(call[0], std::array<Index, 1>{1}) : call[0];
  const Index n = call.none(0) ? x.sizes().back() : call.integer(0);
  if (n <= 1) throw EngineError(GP_ARGUMENT, "N must be greater than 1");
  return powers_of(call, x, n);
}
// NumPy's: of a vector, falling powers unless `increasing`.
template <class C>
auto numpy_vandermonde(const C& call) {
  if (call[0].ndim() != 1) throw EngineError(GP_SHAPE, "vander takes a vector");
  const Index n = call.none(0) ? call[0].numel() : call.integer(0);
  if (n < 0) throw EngineError(GP_ARGUMENT, "N must not be negative");
  if (n <= 1) throw EngineError(GP_UNSUPPORTED, "a matrix without a power that depends on x");
  const auto powers = powers_of(call, call[0], n);
  constexpr std::array<Index, 1> columns{1};
  return call.flag(1) ? powers : call("flip", powers, {call.of(Sizes(columns))});
}

// An engine's report that all went well, for each matrix; where nothing is known of the result, it may tell of a
// failure.
template <class T>
Var<T> info_of(const CompositeCall<T>& call, const Var<T>& result) {
  const Tensor<T> info = call.tape.allocate(Kind::integer, leading(call[0].sizes()));
  std::fill_n(info.integers(), info.numel, Index{0});
  if constexpr (HasHull<T>) {
    const Tensor<T> known = call.tape.contiguous(result.value());
    for (Index i = 0; i < known.numel; ++i) {
      if (!known.real()[i].is_finite()) info.integers()[i / (known.numel / info.numel)] = undecided;
    }
  }
  return call.tape.constant(info);
}
template <class T>
std::vector<Var<T>> with_info(const CompositeCall<T>& call, const Var<T>& result) {
  return {result, info_of(call, result)};
}

// --- drawing ---

void sample_power(Draw& draw) {
  const Index n = matrix_size(draw);
  draw_invertible(draw, "self", few_matrices(draw), n);
  // The zeroth power has no graph.
  const Index power = draw.integer(-1, 5);
  draw.set_int("n", power <= 0 ? power - 1 : power);
}
void sample_inv_ex(Draw& draw) { draw_invertible(draw, "A", few_matrices(draw), matrix_size(draw)); }
void sample_lu_ex(Draw& draw) {
  draw_with_pivots(draw, "A", few_matrices(draw), draw.integer(1, 4), draw.integer(1, 4));
}
void sample_cholesky_ex(Draw& draw) {
  draw_definite(draw, "self", few_matrices(draw), matrix_size(draw));
  if (draw.coin()) draw.set_bool("upper", draw.coin());
}
// A regular matrix with its rows and its columns as several dims.
void sample_tensorinv(Draw& draw) {
  const bool split = draw.coin();
  draw_invertible(draw, "self", split ? std::vector<Index>{1} : std::vector<Index>{}, 2);
  draw.set_int("ind", split ? 2 : 1);
}
void sample_exp(Draw& draw) {
  const Index n = draw.integer(1, 3);
  draw.tensor("self", with_dims(few_matrices(draw), n, n), closed(-2, 2));
}
void sample_vander(Draw& draw) {
  std::vector<Index> shape = draw.nonempty_shape(1, 3);
  const bool all = shape.back() > 1 && draw.coin();
  draw.tensor("x", shape);
  if (!all) draw.set_int("N", draw.integer(2, 5));
}
void sample_numpy_vander(Draw& draw) {
  const Index length = draw.integer(1, 4);
  draw.tensor("x", std::array{length});
  if (length == 1 || draw.coin()) draw.set_int("N", draw.integer(2, 5));
  if (draw.coin()) draw.set_bool("increasing", draw.coin());
}
void sample_solve_ex(Draw& draw) {
  const Index n = matrix_size(draw);
  const std::vector<Index> lead = few_matrices(draw);
  const bool left = !draw.one_in(3);
  draw_invertible(draw, "A", lead, n);
  const Index others = draw.nonempty_size();
  draw.tensor("B", with_dims(lead, left ? n : others, left ? others : n));
  if (!left) draw.set_bool("left", false);
}
// A regular matrix as [2, 2], or as [1, 2, 2], whose rows are `other`.
void sample_tensorsolve(Draw& draw) {
  const bool first = draw.coin();
  draw_invertible(draw, "self", first ? std::vector<Index>{1} : std::vector<Index>{}, 2);
  if (first) {
    draw.tensor("other", draw.coin() ? std::vector<Index>{1, 2} : std::vector<Index>{2, 1});
    if (draw.coin()) draw.set_ints("dims", std::array<Index, 1>{1});
  } else {
    draw.tensor("other", std::array<Index, 1>{2});
    if (draw.coin()) draw.set_ints("dims", std::array<Index, 1>{draw.integer(0, 1)});
  }
}
}  // namespace

void add_matrix_functions(Registry& registry) {
  constexpr std::string_view exponential = "Mathias 1996 (derivative); errors of the series by that of |A|";
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
  registry.composite(
      {.schema = "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor "
                 "pivots, Tensor info)",
       .source = "as linalg_lu_factor",
       .note = "jumps where two pivots are equal",
       .sample = sample_lu_ex},
      [](const auto& call) {
        auto results = call.all("linalg_lu_factor", {call[0]}, {call.arg(0)});
        results.push_back(info_of(call, results[0]));
        return results;
      });
  registry.composite({.schema = "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> "
                                "(Tensor result, Tensor info)",
                      .source = "as linalg_solve",
                      .sample = sample_solve_ex},
                     [](const auto& call) {
                       return with_info(call, call("linalg_solve", {call[0], call[1]}, {call.arg(0)}));
                     });
  registry.composite({.schema = "linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor",
                      .source = "as linalg_solve",
                      .sample = sample_tensorsolve},
                     [](const auto& call) { return tensor_solution(call); });
  registry.composite({.schema = "linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor",
                      .source = "as cumprod",
                      .sample = sample_vander},
                     [](const auto& call) { return vandermonde(call); });
  registry.composite({.schema = "vander(Tensor x, int? N=None, bool increasing=False) -> Tensor",
                      .source = "IEEE 754; products in order",
                      .sample = sample_numpy_vander},
                     [](const auto& call) { return numpy_vandermonde(call); });
  registry.composite({.schema = "linalg_tensorinv(Tensor self, int ind=2) -> Tensor",
                      .source = "as linalg_inv",
                      .sample = sample_tensorinv},
                     [](const auto& call) { return tensor_inverse(call); });
}

}  // namespace gradproof
