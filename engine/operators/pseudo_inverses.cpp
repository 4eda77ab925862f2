// Pseudo-inverses and least squares.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/matrix_draws.h"
#include "engine/undecided.h"

namespace gradproof {

namespace {

constexpr std::string_view pseudo = "Golub and Pereyra 1973 (derivative); Higham, theorem 20.3";

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

template <class T>
T largest_of(const Var<T>& x) {
  const Tensor<T> values = x.tape().contiguous(x.value());
  T most = Scalar<T>::leaf(0);
  for (Index i = 0; i < values.numel; ++i) most = maximum(most, values.real()[i]);
  return most;
}
// Whether every singular value lies above `absolute`, and above `relative` times the largest of its matrix.
template <class T>
bool keeps_all(const CompositeCall<T>& call, const Var<T>& absolute, const Var<T>& relative) {
  const bool recorded = std::exchange(call.tape.grad_enabled, false);
  const Var<T> all = call("linalg_svdvals", call.tape.constant(call[0].value()), {call.none()});
  call.tape.grad_enabled = recorded;
  const Tensor<T> s = call.tape.contiguous(all.value());
  const Index each = all.sizes().back();
  bool kept = true;
  for (Index first = 0; first < s.numel; first += each) {
    T cut = Scalar<T>::leaf(0);
    if (absolute) cut = maximum(cut, largest_of(absolute));
    if (relative) cut = maximum(cut, largest_of(relative) * s.real()[first]);
    kept = kept && less(cut, s.real()[first + each - 1]) == Truth::yes;
  }
  return kept;
}
// A⁺, of which nothing is said where an engine may leave out a singular value. What defaults cut off, the enclosure
// leaves open by itself.
template <class T>
Var<T> cut_pseudo_inverse(const CompositeCall<T>& call, const Var<T>& absolute, const Var<T>& relative) {
  const Var<T> x = pseudo_inverse_of(call[0]);
  if constexpr (HasHull<T>) {
    if (x.numel() > 0 && !keeps_all(call, absolute, relative)) {
      return x * call.tape.number(no_answer<T>(Unbounded::jump));
    }
  }
  return x;
}
// One triangle is read then.
inline void need_general(bool hermitian) {
  if (hermitian) throw EngineError(GP_UNSUPPORTED, "a pseudo-inverse of a matrix declared symmetric");
}
// Of one or more dims they broadcast against the batch's, and may add dims.
template <class T>
Var<T> one_cut_off(const Var<T>& given) {
  if (given && given.ndim() > 0) throw EngineError(GP_UNSUPPORTED, "cut-offs for each matrix");
  return given;
}
template <class T>
Var<T> number_if_given(const CompositeCall<T>& call, std::size_t arg) {
  return call.none(arg) ? Var<T>() : call.number(arg);
}

// --- drawing ---

void sample_pinverse(Draw& draw) {
  draw_any_rank(draw, "self", few_matrices(draw), draw.integer(1, 4), draw.integer(1, 4));
}
// Cut-offs below every singular value that is drawn, mostly.
void sample_pinv(Draw& draw) {
  constexpr std::array cuts{0.0, 1e-6, 0.0009765625};
  sample_pinverse(draw);
  draw.set_real("rcond", draw.pick(cuts));
}
void sample_pinv_floats(Draw& draw) {
  constexpr std::array cuts{0.0, 1e-6, 0.0009765625};
  sample_pinverse(draw);
  if (draw.one_in(4)) draw.set_real("atol", draw.pick(cuts));
  if (draw.one_in(4)) draw.set_real("rtol", draw.pick(cuts));
}
void sample_pinv_tensor(Draw& draw) {
  sample_pinverse(draw);
  draw.constant("rcond", {}, closed(0, 0x1p-10));
}
void sample_pinv_tensors(Draw& draw) {
  sample_pinverse(draw);
  if (!draw.one_in(3)) draw.constant("atol", {}, closed(0, 0x1p-10));
  if (!draw.one_in(3)) draw.constant("rtol", {}, closed(0, 0x1p-10));
}
void sample_lstsq(Draw& draw) {
  const std::vector<Index> lead = few_matrices(draw);
  const Index rows = draw.integer(1, 4);
  draw_full_rank(draw, "self", lead, rows, draw.integer(1, 4));
  draw.tensor("b", with_dims(lead, rows, draw.integer(1, 3)));
}

template <class Program>
void add_pinv(Registry& registry, std::string_view schema, void (*sample)(Draw&), Program program) {
  registry.composite({.schema = schema, .source = pseudo, .note = "of full rank: elsewhere it jumps", .sample = sample},
                     program);
}

}  // namespace

void add_pseudo_inverses(Registry& registry) {
  registry.composite({.schema = "pinverse(Tensor self, float rcond=1e-15) -> Tensor",
                      .source = pseudo,
                      .note = "of full rank: elsewhere it jumps",
                      .sample = sample_pinverse},
                     [](const auto& call) { return cut_pseudo_inverse(call, {}, call.number(0)); });
  add_pinv(registry, "linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor", sample_pinv,
           [](const auto& call) {
             need_general(call.flag(1));
             return cut_pseudo_inverse(call, {}, call.number(0));
           });
  add_pinv(registry, "linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor",
           sample_pinv_tensor, [](const auto& call) {
             need_general(call.flag(0));
             return cut_pseudo_inverse(call, {}, one_cut_off(call[1]));
           });
  add_pinv(registry,
           "linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> "
           "Tensor",
           sample_pinv_floats, [](const auto& call) {
             need_general(call.flag(2));
             return cut_pseudo_inverse(call, number_if_given(call, 0), number_if_given(call, 1));
           });
  add_pinv(registry,
           "linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) "
           "-> Tensor",
           sample_pinv_tensors, [](const auto& call) {
             need_general(call.flag(0));
             return cut_pseudo_inverse(call, one_cut_off(call[1]), one_cut_off(call[2]));
           });
  registry.composite({.schema = "linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? "
                                "driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, "
                                "Tensor singular_values)",
                      .source = pseudo,
                      .note = "of full rank, by gelsy: residuals and singular values are empty",
                      .sample = sample_lstsq},
                     [](const auto& call) { return least_squares(call); });
}

}  // namespace gradproof
