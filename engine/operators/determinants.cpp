// Determinants.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/matrix_draws.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// x off by its size times `by`, and by one underflow.
void widen(arb_ptr x, double by, double eta) {
  mag_t size;
  mag_t more;
  mag_init(size);
  mag_init(more);
  arb_get_mag(size, x);
  mag_set_d(more, by);
  mag_mul(size, size, more);
  arb_add_error_mag(x, size);
  mag_set_d(more, eta);
  arb_add_error_mag(x, more);
  mag_clear(size);
  mag_clear(more);
}

// Sum of all products of two batches' matrices: Σ_ij a_ij b_ij.
template <class T>
Var<T> inner_product(const Var<T>& a, const Var<T>& b) {
  const auto last = static_cast<std::size_t>(a.ndim()) - 1;
  return sum_over(a * b, (DimSet{3} << (last - 1)), false);
}
// s [..] as [.., 1, 1]
template <class T>
Var<T> of_matrices(const Var<T>& s) {
  return reshape_to(s, shape_with(s.sizes(), {1, 1}));
}

// ∂/∂A_ij D^k det(A)[W_1, …, W_k], a polynomial; without W the cofactors. An engine takes det(A) A⁻ᵀ from one LU. Its
// substitutions are exact for U + δU, |δU| <= n u |U|, so that the small pivots cancel in the product: what it gets
// are cofactors of A + ΔA with |ΔA| <= 3n u |L||U|, up to 2n u of each.
struct MixedCofactors {
  static constexpr const char* schema = "_mixed_cofactors(Tensor[] matrices) -> Tensor";

  template <class T>
  static Var<T> of(Tape<T>& tape, const std::vector<Var<T>>& matrices) {
    return tape.call(rule_operator<T, MixedCofactors>(), std::span<const Var<T>>(matrices));
  }
  template <class T>
  static std::vector<Var<T>> matrices_of(Tape<T>& tape, const Node<T>& node) {
    std::vector<Var<T>> all;
    for (std::size_t i = 0; i < node.input_count; ++i) all.push_back(input(tape, node, i));
    return all;
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    if (node.input_count > 4) throw EngineError(GP_UNSUPPORTED, "the fifth derivative of a determinant");
    std::vector<Tensor<T>> inputs;
    for (std::size_t i = 0; i < node.input_count; ++i) inputs.push_back(tape.contiguous(real_input(node, i)));
    const Batched batch = Batched::square(inputs[0].sizes());
    const Tensor<T> out = tape.allocate(Kind::real, inputs[0].sizes());
    const dense::Rounding rounding = rounding_of<T>();
    Sheets<T> sheets;
    std::vector<dense::Matrix> along(inputs.size() - 1);
    dense::Matrix a;
    dense::Matrix result;
    for (Index at = 0; at < batch.count; ++at) {
      sheets.begin();
      bool known = sheets.load_matrix(inputs[0], batch, at, a);
      for (std::size_t k = 0; k < along.size(); ++k) {
        known = sheets.load_matrix(inputs[k + 1], batch, at, along[k]) && known;
      }
      if (!known || !dense::mixed_cofactors(a, dense::lu_error(a, rounding), along, rounding, result)) {
        sheets.store_unknown(out, at, batch.rows * batch.rows, Unbounded::wide);
        continue;
      }
      for (Index i = 0; i < batch.rows; ++i) {
        for (Index j = 0; j < batch.rows; ++j) {
          widen(result.at(i, j), 2 * static_cast<double>(batch.rows) * rounding.u, rounding.eta);
        }
      }
      sheets.store_matrix(out, at, result);
    }
    set_outputs(tape, node, {out});
  }
  // Linear in each W; one more derivative in A.
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (wants[i]) into[i] = moved(tape, node, i, grads[0]);
    }
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (tangents[i]) into[0] = sum_of_some(into[0], moved(tape, node, i, tangents[i]));
    }
  }
  // The Hessian of a polynomial is symmetric: along input i forwards or backwards is the same.
  template <class T>
  static Var<T> moved(Tape<T>& tape, const Node<T>& node, std::size_t i, const Var<T>& by) {
    std::vector<Var<T>> matrices = matrices_of(tape, node);
    if (i == 0) {
      matrices.push_back(by);
    } else {
      matrices[i] = by;
    }
    return of(tape, matrices);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>& node, const bool*) {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < node.input_count; ++i) all |= saved_input(i);
    return all;
  }
};

// det of A + ΔA, and a product of n pivots
struct Determinant {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Batched batch = Batched::square(a.sizes());
    const Tensor<T> out = tape.allocate(Kind::real, leading(a.sizes()));
    const dense::Rounding rounding = rounding_of<T>();
    Sheets<T> sheets;
    dense::Matrix matrix;
    ArbNumber det;
    for (Index at = 0; at < batch.count; ++at) {
      sheets.begin();
      if (sheets.load_matrix(a, batch, at, matrix) &&
          dense::determinant(matrix, dense::lu_error(matrix, rounding), rounding, det)) {
        if (batch.rows > 0) widen(det.get(), static_cast<double>(batch.rows) * rounding.u, rounding.eta);
        out.real()[at] = sheets.number(det.get());
      } else {
        sheets.store_unknown(out, at, 1, Unbounded::wide);
      }
    }
    set_outputs(tape, node, {out});
  }
  // Ā = ȳ cof(A); under create_graph engines solve Aᵀ Ā = ȳ det(A) 1.
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Var<T> a = input(tape, node, 0);
    const auto polynomial = [&] { return of_matrices(grads[0]) * MixedCofactors::of(tape, {a}); };
    const auto solved = [&] {
      const Var<T> scale = expand_to(of_matrices(grads[0] * output(tape, node)), a.sizes());
      return solution_of(matrix_transposed(a), diagonal_alone(scale));
    };
    into[0] = tape.plain(node, grads, 1) ? polynomial() : either(tape, node, false, solved, polynomial);
  }
  // ẏ = Σ cof(A)_ij Ȧ_ij
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = inner_product(MixedCofactors::of(tape, {input(tape, node, 0)}), tangents[0]);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// The sign of det A and log|det A|, which is a sum of the pivots' logarithms.
struct LogDeterminant {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Batched batch = Batched::square(a.sizes());
    const Tensor<T> sign = tape.allocate(Kind::real, leading(a.sizes()));
    const Tensor<T> log = tape.allocate(Kind::real, leading(a.sizes()));
    const dense::Rounding rounding = rounding_of<T>();
    Sheets<T> sheets;
    dense::Matrix matrix;
    ArbNumber det;
    ArbNumber one;
    for (Index at = 0; at < batch.count; ++at) {
      sheets.begin();
      const bool known = sheets.load_matrix(a, batch, at, matrix) &&
                         dense::determinant(matrix, dense::lu_error(matrix, rounding), rounding, det) &&
                         arb_contains_zero(det.get()) == 0;
      if (!known) {
        sheets.store_unknown(sign, at, 1, Unbounded::domain);
        sheets.store_unknown(log, at, 1, Unbounded::domain);
        continue;
      }
      arb_set_si(one.get(), arb_is_positive(det.get()) != 0 ? 1 : -1);
      sign.real()[at] = sheets.number(one.get());
      arb_abs(det.get(), det.get());
      arb_log(det.get(), det.get(), rounding.bits);
      // n logarithms of 2u each (engine/scalars/budgets.h) and n - 1 sums.
      const double off = (static_cast<double>(batch.rows) + 2) * rounding.u * dense::log_pivots(matrix);
      widen(det.get(), 0, off);
      log.real()[at] = sheets.number(det.get());
    }
    set_outputs(tape, node, {sign, log});
  }
  // Ā = ȳ A⁻ᵀ
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    if (!grads[1]) return;
    const Var<T> a = input(tape, node, 0);
    const Var<T> scale = expand_to(of_matrices(grads[1]), a.sizes());
    into[0] = solution_of(matrix_transposed(a), diagonal_alone(scale));
  }
  // ẏ = tr(A⁻¹ Ȧ)
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = zeros(tape, node.out(0).sizes());
    into[1] = inner_product(matrix_transposed(inverse_of(input(tape, node, 0))), tangents[0]);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0);
  }
};

template <class T>
Var<T> nan_like(const Var<T>& x) {
  return x.tape().number(Scalar<T>::leaf(std::numeric_limits<double>::quiet_NaN()));
}
// log|det| where the determinant is not negative, there NaN.
template <class C>
auto logdet(const C& call) {
  const auto both = call.all("linalg_slogdet", {call[0]});
  return select(less(both[0], 0), nan_like(both[0]), both[1]);
}

// --- drawing ---

void sample_log_det(Draw& draw, const char* arg) {
  draw_square(draw, arg, draw.one_in(3) ? std::vector<Index>{draw.integer(1, 3)} : std::vector<Index>{},
              draw.integer(1, 4));
}

// Of an exactly singular matrix the gradient is that of the polynomial.
void sample_det(Draw& draw, const char* arg) {
  if (!draw.one_in(12)) return sample_log_det(draw, arg);
  const Index n = draw.integer(2, 4);
  std::vector<double> values;
  for (Index i = 0; i < n * n; ++i) {
    values.push_back(i < n * (n - 1) ? small_number(draw) : values[static_cast<std::size_t>(i % n)]);
  }
  draw.given(arg, std::array{n, n}, values);
}
// Negative determinants have no logarithm.
void sample_logdet(Draw& draw) { draw_definite(draw, "self", few_matrices(draw), matrix_size(draw)); }

}  // namespace

void add_determinants(Registry& registry) {
  constexpr std::string_view source =
      "Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 9.3: L U = A + ΔA, |ΔA| <= n u |L||U|";
  constexpr auto sample_a = [](Draw& draw) { sample_det(draw, "A"); };
  constexpr auto sample_self = [](Draw& draw) { sample_det(draw, "self"); };
  constexpr auto sample_log_a = [](Draw& draw) { sample_log_det(draw, "A"); };
  constexpr auto sample_log_self = [](Draw& draw) { sample_log_det(draw, "self"); };
  registry.structural<Determinant>({.schema = "linalg_det(Tensor A) -> Tensor", .source = source, .sample = sample_a});
  registry.structural<Determinant>({.schema = "det(Tensor self) -> Tensor", .source = source, .sample = sample_self});
  registry.structural<LogDeterminant>({.schema = "linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)",
                                       .source = source,
                                       .note = "the sign is not differentiable",
                                       .sample = sample_log_a});
  registry.structural<LogDeterminant>({.schema = "slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)",
                                       .source = source,
                                       .note = "the sign is not differentiable",
                                       .sample = sample_log_self});
  registry.composite({.schema = "logdet(Tensor self) -> Tensor", .source = source, .sample = sample_logdet},
                     [](const auto& call) { return logdet(call); });
}

}  // namespace gradproof
