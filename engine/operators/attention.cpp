// scaled_dot_product_attention; dropouts that drop nothing or everything.
#include <array>
#include <utility>

#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/norms.h"
#include "engine/operators/spans.h"

namespace gradproof {

namespace {

// --- attention: softmax(s q kᵀ + mask) v ---

// √s, which engines multiply q and k by; the sign of s goes to q.
template <class T>
T root_of_scale(const Arg<T>& scale, Index width) {
  if (scale.is_none()) return sqrt(1 / sqrt(Scalar<T>::leaf(static_cast<double>(width))));
  return sqrt(abs(scale.real));
}

// A group of heads for each of k's and v's.
template <class T>
Var<T> repeated_heads(const Var<T>& x, Index heads) {
  const int dim = x.ndim() - 3;
  const Index own = x.size(dim);
  if (own == 0 || heads % own != 0) throw EngineError(GP_SHAPE, "the heads of key and value do not divide query's");
  Shape apart;
  Shape spread;
  Shape whole;
  for (int d = 0; d < x.ndim(); ++d) {
    apart.push(x.size(d));
    spread.push(x.size(d));
    whole.push(d == dim ? heads : x.size(d));
    if (d == dim) {
      apart.push(1);
      spread.push(heads / own);
    }
  }
  return reshape_to(expand_to(reshape_to(x, apart), spread), whole);
}

// What is added to the scores: 0 where a mask says yes, else -∞. The mask's own kind of a floating one.
template <class T>
Var<T> additive(Tape<T>& tape, const Var<T>& mask) {
  if (mask.value().kind == Kind::real) return mask;
  if (mask.value().kind != Kind::boolean) throw EngineError(GP_DTYPE, "a mask is of booleans or of the query's dtype");
  const Tensor<T> from = tape.contiguous(mask.value());
  const Tensor<T> to = tape.allocate(Kind::real, from.sizes());
  for (Index i = 0; i < from.numel; ++i) {
    const T seen = Scalar<T>::leaf(0);
    to.real()[i] = from.booleans()[i] == Truth::yes  ? seen
                   : from.booleans()[i] == Truth::no ? Scalar<T>::leaf(-infinity)
                                                     : nothing_known<T>(Unbounded::unwritten);
  }
  return tape.constant(to);
}

template <class T>
Var<T> causal(Tape<T>& tape, Index rows, Index cols) {
  const Tensor<T> to = tape.allocate(Kind::real, std::array{rows, cols});
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) to.real()[i * cols + j] = Scalar<T>::leaf(j <= i ? 0 : -infinity);
  }
  return tape.constant(to);
}

// 1 for a row that has a score that is not certainly -∞; a row without any attends to nothing: 0.
template <class T>
Var<T> rows_seen(Tape<T>& tape, const Var<T>& scores) {
  const Tensor<T> x = tape.contiguous(scores.value());
  Shape sizes(x.sizes());
  const Index cols = sizes[sizes.ndim - 1];
  sizes[sizes.ndim - 1] = 1;
  const Tensor<T> seen = tape.allocate(Kind::real, sizes);
  for (Index row = 0; row < seen.numel; ++row) {
    seen.real()[row] = Scalar<T>::leaf(0);
    for (Index j = 0; j < cols; ++j) {
      const bool masked = equal(x.real()[row * cols + j], Scalar<T>::leaf(-infinity)) == Truth::yes;
      if (!masked) seen.real()[row] = Scalar<T>::leaf(1);
    }
  }
  return tape.constant(seen);
}

struct Attention {
  // (dropout_p, is_causal, scale, enable_gqa)
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    Tape<T>& tape = call.tape;
    const Var<T> q = call[0];
    if (call.arg(0).number != 0) throw EngineError(GP_UNSUPPORTED, "random dropout");
    if (q.ndim() < 2 || call[1].ndim() < 2 || call[2].ndim() < 2) {
      throw EngineError(GP_SHAPE, "attention takes at least 2 dims, not shape " + to_text(q.sizes()));
    }
    const bool groups = call.flag(3);
    const bool enough = q.ndim() >= 3 && call[1].ndim() >= 3 && call[2].ndim() >= 3;
    if (groups && !enough) throw EngineError(GP_SHAPE, "groups of heads need a dim of heads");
    const Var<T> k = groups ? repeated_heads(call[1], q.size(q.ndim() - 3)) : call[1];
    const Var<T> v = groups ? repeated_heads(call[2], q.size(q.ndim() - 3)) : call[2];
    const T root = root_of_scale(call.arg(2), q.size(q.ndim() - 1));
    const bool negative = !call.none(2) && call.arg(2).number < 0;
    const Var<T> scaled_k = k * tape.number(root);
    const Var<T> raw = matmul_of(q * tape.number(negative ? -root : root), matrix_transposed(scaled_k));
    Var<T> scores = raw;
    if (call.flag(1)) {
      if (call.has(3)) throw EngineError(GP_ARGUMENT, "a mask beside is_causal");
      scores = scores + causal(tape, q.size(q.ndim() - 2), k.size(k.ndim() - 2));
    }
    if (call.has(3)) scores = scores + additive(tape, call[3]);
    const bool masked = call.flag(1) || call.has(3);
    if (!masked) return matmul_of(softmax(call, scores), v);
    // Engines go through the other rows, too: an infinity or a NaN there is a NaN.
    const Var<T> seen = rows_seen(tape, scores);
    const Var<T> weights = softmax(call, tape.call(Basic::where, {equal(seen, 1), scores, raw * 0}));
    return matmul_of(weights * seen, v);
  }
  template <class T>
  static Var<T> softmax(const CompositeCall<T>& call, const Var<T>& scores) {
    return call("softmax.int", as_shifted(call, scores), {call.of(Index{-1}), call.none()});
  }
  // A backward that takes exp(s - z) anew, with the row's z = log Σ exp s as it was rounded: as if s were off by u |z|.
  template <class T>
  static Var<T> as_shifted(const CompositeCall<T>& call, const Var<T>& scores) {
    Tape<T>& tape = call.tape;
    if (!tape.admitted || !HasHull<T>) return scores;
    const bool recorded = std::exchange(tape.grad_enabled, false);
    const std::array<Index, 1> last{-1};
    const Var<T> z = call("logsumexp", scores, {call.of(last), call.of(true)});
    const Var<T> off = expand_to(abs(z) * tape.number(unit_roundoff<T>()), scores.sizes());
    tape.grad_enabled = recorded;
    return scores + noise(tape, tape.contiguous(off.value()));
  }
};

void sample_attention(Draw& draw) {
  const std::vector<Index> lead = draw.nonempty_shape(0, 2);
  const Index rows = draw.integer(1, 3);
  const Index cols = draw.integer(1, 4);
  const Index width = draw.integer(1, 3);
  const auto with = [&](Index a, Index b) {
    std::vector<Index> sizes = lead;
    sizes.push_back(a);
    sizes.push_back(b);
    return sizes;
  };
  draw.tensor("query", with(rows, width));
  draw.tensor("key", with(cols, width));
  draw.tensor("value", with(cols, draw.coin() ? width : draw.integer(1, 3)));
  const std::vector<Index> mask = draw.coin() ? std::vector<Index>{rows, cols} : with(rows, cols);
  switch (draw.integer(0, 3)) {
    case 0: draw.tensor("attn_mask", mask); break;
    case 1: draw.mask("attn_mask", mask); break;
    case 2: draw.set_bool("is_causal", true); break;
    default: break;
  }
  if (draw.one_in(3)) draw.set_real("scale", draw.pick(std::array{1.0, 0.5, 0.3, -1.0, 2.0}));
}

// --- dropouts ---

// x where nothing is dropped, x · 0 where everything is; what chance decides is no function of x.
struct Dropout {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const double p = call.arg(0).number;
    if (!(p >= 0 && p <= 1)) throw EngineError(GP_ARGUMENT, "a probability outside [0, 1]");
    if (call[0].value().kind != Kind::real) throw EngineError(GP_DTYPE, "a floating tensor is needed");
    if (p == 0 || !call.flag(1) || call[0].numel() == 0) return call[0];
    if (p == 1) return call[0] * 0;
    throw EngineError(GP_UNSUPPORTED, "random dropout");
  }
};

// Where nothing is dropped LibTorch returns the argument itself, not a tensor of its own: not drawn.
void sample_dropout(Draw& draw) {
  draw.tensor("input", draw.nonempty_shape(2, 4));
  draw.set_real("p", 1);
  draw.set_bool("train", true);
}

}  // namespace

void add_attention(Registry& registry) {
  registry.composite({.schema = "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? "
                                "attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool "
                                "enable_gqa=False) -> Tensor",
                      .domain = {closed(-4, 4), closed(-4, 4), all_reals, closed(-4, 4)},
                      .source = "Vaswani et al. 2017; products and sums in any order",
                      .sample = sample_attention},
                     Attention{});
  constexpr std::string_view note = "only what chance does not decide: train=False, p=0, p=1";
  for (const std::string_view schema : {"dropout(Tensor input, float p, bool train) -> Tensor",
                                        "feature_dropout(Tensor input, float p, bool train) -> Tensor",
                                        "alpha_dropout(Tensor input, float p, bool train) -> Tensor",
                                        "feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor"}) {
    registry.composite({.schema = schema, .source = "exact", .note = note, .sample = sample_dropout}, Dropout{});
  }
}

}  // namespace gradproof
