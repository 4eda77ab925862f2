// Q R, and Q from its reflections.
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/matrix_draws.h"

namespace gradproof {

namespace {

// The diagonal of M - Mᵀ: 0, where M has numbers there.
template <class T>
Var<T> nothing_of(const Var<T>& m) {
  return diagonal_alone(m) * 0;
}

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
    const Var<T> full = solution_on_the_right(narrowed(r, last, 0, rows), narrowed(turned, last, 0, rows), true);
    const Var<T> f = lower_triangle(full, 1);
    const Var<T> skew = f - matrix_transposed(f) + nothing_of(full);
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
    const Var<T> skew = lower_triangle(matrix_transposed(m) - m, 1) + nothing_of(m);
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

// --- Q = H₁ ⋯ H_k E, Hᵢ = 1 - τᵢ vᵢ vᵢᵀ, E the first n columns of the identity; vᵢ is 0 above row i and 1 there ---

template <class T>
struct Reflection {
  Var<T> v;    // [.., m, 1]
  Var<T> tau;  // [.., 1, 1]

  Var<T> row() const { return matrix_transposed(v); }
  Var<T> of(const Var<T>& x) const { return x - matmul_of(tau * v, matmul_of(row(), x)); }
  Var<T> from_right(const Var<T>& x) const { return x - matmul_of(matmul_of(x, v), tau * row()); }
  // H⁻¹ is the reflection by σ = τ/(τ|v|² - 1).
  Reflection inverse() const { return {v, tau / (tau * matmul_of(row(), v) - 1)}; }
};

struct HouseholderProduct {
  template <class T>
  static Var<T> unit_columns(Tape<T>& tape, Sizes sizes) {
    const Batched batch(sizes);
    const Tensor<T> one = tape.allocate(Kind::real, std::array<Index, 2>{batch.rows, batch.cols});
    for (Index at = 0; at < one.numel; ++at) {
      one.real()[at] = Scalar<T>::leaf(at / batch.cols == at % batch.cols ? 1 : 0);
    }
    return expand_to(tape.constant(one), sizes);
  }
  template <class T>
  static std::vector<Reflection<T>> reflections(const Var<T>& x, const Var<T>& tau) {
    const Var<T> vectors = lower_triangle(x, 1) + unit_columns(x.tape(), x.sizes());
    const Shape single = shape_with(leading(x.sizes()), {1, 1});
    std::vector<Reflection<T>> all;
    for (Index i = 0; i < tau.sizes().back(); ++i) {
      all.push_back({narrowed(vectors, x.ndim() - 1, i, 1), reshape_to(narrowed(tau, tau.ndim() - 1, i, 1), single)});
    }
    return all;
  }
  template <class T>
  static std::vector<Reflection<T>> reflections(Tape<T>& tape, const Node<T>& node) {
    return reflections(input(tape, node, 0), input(tape, node, 1));
  }
  // Hᵢ₊₁ ⋯ H_k E for each i.
  template <class T>
  static std::vector<Var<T>> tails(const std::vector<Reflection<T>>& all, const Var<T>& columns) {
    std::vector<Var<T>> tails(all.size(), columns);
    for (std::size_t i = all.size(); i-- > 1;) tails[i - 1] = all[i].of(tails[i]);
    return tails;
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Var<T> x = tape.constant(real_input(node, 0));
    const Var<T> tau = tape.constant(real_input(node, 1));
    const Batched batch(x.sizes());
    if (tau.ndim() + 1 != x.ndim() || !same_sizes(leading(x.sizes()), tau.sizes().first(leading(x.sizes()).size()))) {
      throw EngineError(GP_SHAPE, "reflections of shapes " + to_text(x.sizes()) + " and " + to_text(tau.sizes()));
    }
    if (batch.cols > batch.rows || tau.sizes().back() > batch.cols) {
      throw EngineError(GP_SHAPE, "more reflections than columns, or more columns than rows");
    }
    const std::vector<Reflection<T>> all = reflections(x, tau);
    const Var<T> columns = unit_columns(tape, x.sizes());
    const Var<T> q = all.empty() ? columns : all[0].of(tails(all, columns)[0]);
    set_outputs(tape, node, {copied(tape, q.value())});
  }

  // With Rᵢ the tails and Lᵢ = H₁ ⋯ Hᵢ₋₁, K = Rᵢ Q̄ᵀ Lᵢ:  τ̄ = -vᵀ K v,  v̄ = -τ (K v + Kᵀ v)
  template <class T>
  struct Slopes {
    std::vector<Var<T>> v;
    std::vector<Var<T>> tau;

    void add(const Reflection<T>& h, const Var<T>& kv, const Var<T>& kt_v) {
      v.push_back(-(h.tau * (kv + kt_v)));
      tau.push_back(-matmul_of(h.row(), kv));
    }
  };
  template <class T>
  static Slopes<T> slopes(const std::vector<Reflection<T>>& all, const Var<T>& columns, Var<T> grad) {
    const std::vector<Var<T>> right = tails(all, columns);
    Slopes<T> made;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Var<T> kv = matmul_of(right[i], matmul_of(matrix_transposed(grad), all[i].v));
      made.add(all[i], kv, matmul_of(grad, matmul_of(matrix_transposed(right[i]), all[i].v)));
      grad = all[i].of(grad);
    }
    return made;
  }
  // LibTorch's: K from Q, by inverse reflections.
  template <class T>
  static Slopes<T> slopes_by_inverses(const std::vector<Reflection<T>>& all, const Var<T>& q, const Var<T>& grad) {
    Var<T> k = matmul_of(q, matrix_transposed(grad));
    Slopes<T> made;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i > 0) k = all[i - 1].from_right(k);
      k = all[i].inverse().of(k);
      made.add(all[i], matmul_of(k, all[i].v), matmul_of(matrix_transposed(k), all[i].v));
    }
    return made;
  }
  template <class T>
  static Var<T> beside(std::vector<Var<T>> columns, Index missing) {
    Tape<T>& tape = columns[0].tape();
    const Shape column(columns[0].sizes());
    for (; missing > 0; --missing) columns.push_back(zeros(tape, column));
    return tape.call(tape.catalogue().named("cat"), std::span<const Var<T>>(columns),
                     kept_args(tape, {integer_arg<T>(-1)}));
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    const std::vector<Reflection<T>> all = reflections(tape, node);
    const Sizes sizes = node.in(0).sizes();
    if (all.empty()) return;
    const bool plain = tape.plain(node, grads, 1);
    const auto one = [&] { return slopes(all, unit_columns(tape, sizes), grads[0]); };
    const auto other = [&] { return slopes_by_inverses(all, output(tape, node), grads[0]); };
    const auto of_v = [&](const Slopes<T>& s) {
      return lower_triangle(beside(s.v, sizes.back() - std::ssize(s.v)), 1);
    };
    const auto of_tau = [&](const Slopes<T>& s) { return reshape_to(beside(s.tau, 0), node.in(1).sizes()); };
    if constexpr (std::is_same_v<T, Defined>) {  // one formula reads what the other does not
      into[0] = of_v(one()) + of_v(other()) * 0;
      into[1] = of_tau(one()) + of_tau(other()) * 0;
      return;
    }
    if (wants[0]) {
      into[0] = either(
          tape, node, plain, [&] { return of_v(one()); }, [&] { return of_v(other()); });
    }
    if (wants[1]) {
      into[1] = either(
          tape, node, plain, [&] { return of_tau(one()); }, [&] { return of_tau(other()); });
    }
  }

  // Q̇ = Σ Lᵢ Ḣᵢ Rᵢ, Ḣ = -τ̇ v vᵀ - τ (v̇ vᵀ + v v̇ᵀ)
  template <class T>
  static Var<T> moved(const Reflection<T>& h, const Reflection<T>& by, const Var<T>& right) {
    const Var<T> along = matmul_of(h.row(), right);
    const Var<T> turned = matmul_of(by.v, along) + matmul_of(h.v, matmul_of(by.row(), right));
    return -(by.tau * matmul_of(h.v, along)) - h.tau * turned;
  }
  template <class T>
  static std::vector<Reflection<T>> tangents_of(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents) {
    const Var<T> x = tangents[0] ? lower_triangle(tangents[0], 1) : zeros(tape, node.in(0).sizes());
    const Var<T> tau = tangents[1] ? tangents[1] : zeros(tape, node.in(1).sizes());
    std::vector<Reflection<T>> all = reflections(x, tau);
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].v = narrowed(x, x.ndim() - 1, static_cast<Index>(i), 1);
    }
    return all;
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const std::vector<Reflection<T>> all = reflections(tape, node);
    const std::vector<Reflection<T>> by = tangents_of(tape, node, tangents);
    const Sizes sizes = node.in(0).sizes();
    const auto one = [&] {
      const std::vector<Var<T>> right = tails(all, unit_columns(tape, sizes));
      Var<T> sum = zeros(tape, sizes);
      for (std::size_t i = all.size(); i-- > 0;) sum = moved(all[i], by[i], right[i]) + all[i].of(sum);
      return sum;
    };
    // LibTorch's: Rᵢ from Q, Lᵢ as a matrix
    const auto other = [&] {
      Var<T> right = output(tape, node);
      Var<T> left = expand_to(identity_matrix(tape, sizes[sizes.size() - 2]),
                              shape_with(leading(sizes), {sizes[sizes.size() - 2], sizes[sizes.size() - 2]}));
      Var<T> sum = zeros(tape, sizes);
      for (std::size_t i = 0; i < all.size(); ++i) {
        right = all[i].inverse().of(right);
        sum = sum + matmul_of(left, moved(all[i], by[i], right));
        left = all[i].from_right(left);
      }
      return sum;
    };
    if constexpr (std::is_same_v<T, Defined>) {
      into[0] = one() + other() * 0;
    } else {
      into[0] = either(tape, node, tape.plain(node, tangents, 2), one, other);
    }
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_input(1) | saved_output(0);
  }
};

void sample_householder(Draw& draw) {
  const std::vector<Index> lead = few_matrices(draw);
  const Index rows = draw.integer(1, 4);
  const Index cols = draw.integer(1, rows);
  draw_any_rank(draw, "input", lead, rows, cols);
  std::vector<Index> sizes = lead;
  sizes.push_back(draw.integer(1, cols));
  std::vector<double> taus;
  for (Index left = count_elements(sizes); left > 0; --left) taus.push_back(small_number(draw));
  draw.given("tau", sizes, taus);
}

void sample_qr(Draw& draw) { draw_any_rank(draw, "A", few_matrices(draw), draw.integer(1, 4), draw.integer(1, 4)); }

}  // namespace

void add_qr(Registry& registry) {
  registry.structural<Qr>({.schema = "linalg_qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R)",
                           .source = "Higham, theorem 19.4: Q R = A + ΔA, ‖Δa_j‖ <= c m n u ‖a_j‖",
                           .note = "signs are LAPACK's; where one hangs on a rounding, nothing is decided",
                           .sample = sample_qr});
  registry.structural<HouseholderProduct>({.schema = "linalg_householder_product(Tensor input, Tensor tau) -> Tensor",
                                           .source = "LAPACK's orgqr, one reflection after the other",
                                           .sample = sample_householder});
}

}  // namespace gradproof
