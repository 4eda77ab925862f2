// linear, and one step of recurrent networks: rnn_tanh_cell, rnn_relu_cell, gru_cell, lstm_cell.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/sources.h"
#include "engine/operators/windows.h"

namespace gradproof {

namespace {

// x wᵀ + b; b may be none. An engine may start its sums from b: addmm's balls know of it.
template <class T>
Var<T> affine(const CompositeCall<T>& call, const Var<T>& x, const Var<T>& w, const Var<T>& b) {
  if (x.ndim() == 0 || w.ndim() == 0) throw EngineError(GP_SHAPE, "linear takes no 0-d tensors");
  if (w.ndim() == 1) return b ? matmul_of(x, w) + b : matmul_of(x, w);
  const Var<T> turned = call("t", w);
  if (!b || x.ndim() == 1) return b ? matmul_of(x, turned) + b : matmul_of(x, turned);
  const Index inner = x.size(x.ndim() - 1);
  Index rows = 1;
  Shape sizes;
  for (int d = 0; d + 1 < x.ndim(); ++d) {
    rows *= x.size(d);
    sizes.push(x.size(d));
  }
  sizes.push(w.size(0));
  const Var<T> flat = reshape_to(x, std::array{rows, inner});
  return reshape_to(call("addmm", {b, flat, turned}, {call.of(Index{1}), call.of(Index{1})}), sizes);
}

// Tensors: input, hidden states, w_ih, w_hh, b_ih, b_hh.
template <class T>
struct Cell {
  const CompositeCall<T>& call;
  std::size_t weights;  // where they begin
  Index size = 0;       // of the hidden state
  Index gates = 1;

  Cell(const CompositeCall<T>& call, std::size_t states, Index gates) : call(call), weights(1 + states), gates(gates) {
    const Var<T> x = call[0];
    const Var<T> h = call[1];
    if (x.ndim() != 2 || h.ndim() != 2 || x.size(0) != h.size(0)) {
      throw EngineError(GP_SHAPE, "a cell's input of shape " + to_text(x.sizes()) + " and hidden state of shape " +
                                      to_text(h.sizes()));
    }
    size = h.size(1);
    const Var<T> w_ih = call[weights];
    const Var<T> w_hh = call[weights + 1];
    const bool fits = w_ih.ndim() == 2 && w_hh.ndim() == 2 && w_ih.size(1) == x.size(1) && w_hh.size(1) == size &&
                      w_ih.size(0) == gates * size && w_hh.size(0) == gates * size;
    if (!fits) throw EngineError(GP_SHAPE, "a cell's weights do not fit its input and hidden state");
  }
  Var<T> optional(std::size_t i) const { return call.has(i) ? call[i] : Var<T>(); }
  Var<T> of_input() const { return affine(call, call[0], call[weights], optional(weights + 2)); }
  Var<T> of_state() const { return affine(call, call[1], call[weights + 1], optional(weights + 3)); }
  Var<T> gate(const Var<T>& all, Index k) const { return window_of(all, 1, k * size, size); }
};

struct TanhCell {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Cell<T> cell(call, 1, 1);
    return tanh(cell.of_state() + cell.of_input());
  }
};
struct ReluCell {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Cell<T> cell(call, 1, 1);
    return call("relu", cell.of_state() + cell.of_input());
  }
};

// r = σ(i_r + h_r), z = σ(i_z + h_z), n = tanh(i_n + r h_n), h' = (h - n) z + n
struct GruCell {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Cell<T> cell(call, 1, 3);
    const Var<T> i = cell.of_input();
    const Var<T> h = cell.of_state();
    const Var<T> r = call("sigmoid", cell.gate(h, 0) + cell.gate(i, 0));
    const Var<T> z = call("sigmoid", cell.gate(h, 1) + cell.gate(i, 1));
    const Var<T> n = tanh(cell.gate(i, 2) + cell.gate(h, 2) * r);
    return (call[1] - n) * z + n;
  }
};

// c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c'), with the gates in the order i, f, g, o
struct LstmCell {
  template <class T>
  std::vector<Var<T>> operator()(const CompositeCall<T>& call) const {
    if (call.tensors() != 7) throw EngineError(GP_ARGUMENT, "lstm_cell takes two hidden states");
    const Cell<T> cell(call, 2, 4);
    if (!same_sizes(call[1].sizes(), call[2].sizes())) throw EngineError(GP_SHAPE, "two states of different shapes");
    const Var<T> all = cell.of_state() + cell.of_input();
    const Var<T> in = call("sigmoid", cell.gate(all, 0));
    const Var<T> forget = call("sigmoid", cell.gate(all, 1));
    const Var<T> out = call("sigmoid", cell.gate(all, 3));
    const Var<T> c = forget * call[2] + in * tanh(cell.gate(all, 2));
    return {out * tanh(c), c};
  }
};

struct Linear {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    return affine(call, call[0], call[1], call.has(2) ? call[2] : Var<T>());
  }
};

// --- drawing ---

void sample_linear(Draw& draw) {
  std::vector<Index> x = draw.shape(0, 2);
  const Index inner = draw.size();
  x.push_back(inner);
  const Index out = draw.nonempty_size();
  draw.tensor("input", x);
  draw.tensor("weight", std::array{out, inner});
  if (draw.coin()) draw.tensor("bias", std::array{out});
}

void draw_cell(Draw& draw, Index gates, bool two_states) {
  const Index batch = draw.integer(1, 3);
  const Index in = draw.integer(1, 3);
  const Index size = draw.integer(1, 3);
  draw.tensor("input", std::array{batch, in});
  if (two_states) {
    draw.tensors("hx", std::vector<std::vector<Index>>(2, {batch, size}));
  } else {
    draw.tensor("hx", std::array{batch, size});
  }
  draw.tensor("w_ih", std::array{gates * size, in});
  draw.tensor("w_hh", std::array{gates * size, size});
  if (draw.one_in(3)) return;
  draw.tensor("b_ih", std::array{gates * size});
  draw.tensor("b_hh", std::array{gates * size});
}
template <Index Gates, bool TwoStates>
void sample_cell(Draw& draw) {
  draw_cell(draw, Gates, TwoStates);
}

}  // namespace

void add_recurrent(Registry& registry) {
  registry.composite({.schema = "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
                      .source = sources::products,
                      .sample = sample_linear},
                     Linear{});
  registry.composite({.schema = "rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
                                "Tensor? b_hh=None) -> Tensor",
                      .source = "Elman 1990",
                      .sample = sample_cell<1, false>},
                     TanhCell{});
  registry.composite({.schema = "rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
                                "Tensor? b_hh=None) -> Tensor",
                      .source = "Le, Jaitly, Hinton 2015",
                      .sample = sample_cell<1, false>},
                     ReluCell{});
  registry.composite({.schema = "gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
                                "Tensor? b_hh=None) -> Tensor",
                      .source = "Cho et al. 2014; the reset gate after the product, as in ATen",
                      .sample = sample_cell<3, false>},
                     GruCell{});
  registry.composite({.schema = "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
                                "Tensor? b_hh=None) -> (Tensor, Tensor)",
                      .source = "Hochreiter, Schmidhuber 1997",
                      .sample = sample_cell<4, true>},
                     LstmCell{});
}

}  // namespace gradproof
