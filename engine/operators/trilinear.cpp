// Products of three, and of vectors in space: bilinear, cross.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/rules.h"

namespace gradproof {

namespace {

// The form Q = Σ x_ni y_nj w_oij g_no, linear in each of the four: its derivative along one of them, Slot, made of the
// other three in that order. Products and sums are admitted in every order: K terms are off by (K + 3) u Σ|terms|.
template <int Slot>
struct Quadrilinear {
  static constexpr const char* schema = "_quadrilinear(Tensor a, Tensor b, Tensor c) -> Tensor";
  static constexpr std::array<std::array<int, 3>, 4> dims_of{
      {{0, 1, -1}, {0, 2, -1}, {3, 1, 2}, {0, 3, -1}}};  // n i j o

  static constexpr int slot_of(int input) { return input < Slot ? input : input + 1; }

  // a b c: what leaves the range in one of the three orders may have left it.
  template <class T>
  static T product(const T& a, const T& b, const T& c) {
    T first = a * b * c;
    if constexpr (HasHull<T>) {
      for (const T& other : {b * c * a, a * c * b}) {
        if (first.is_finite() && !other.is_finite()) return other;
      }
    }
    return first;
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    std::array<Index, 4> sizes{};
    std::array<Tensor<T>, 3> inputs{};
    for (int k = 0; k < 3; ++k) {
      inputs[static_cast<std::size_t>(k)] = tape.contiguous(real_input(node, static_cast<std::size_t>(k)));
      const auto& dims = dims_of[static_cast<std::size_t>(slot_of(k))];
      for (std::size_t d = 0; d < 3 && dims[d] >= 0; ++d) {
        sizes[static_cast<std::size_t>(dims[d])] = inputs[static_cast<std::size_t>(k)].sizes_begin[d];
      }
    }
    Shape result;
    for (const int dim : dims_of[Slot]) {
      if (dim >= 0) result.push(sizes[static_cast<std::size_t>(dim)]);
    }
    const Tensor<T> out = tape.allocate(Kind::real, result);
    std::vector<Accumulator<T>> sums(static_cast<std::size_t>(out.numel), sum_of_stored_steps<T>());
    std::vector<Accumulator<T>> reach(static_cast<std::size_t>(out.numel));
    std::array<Index, 4> at{};
    const auto place = [&](int slot) {
      Index offset = 0;
      for (const int dim : dims_of[static_cast<std::size_t>(slot)]) {
        if (dim >= 0) offset = offset * sizes[static_cast<std::size_t>(dim)] + at[static_cast<std::size_t>(dim)];
      }
      return offset;
    };
    Index count = sizes[0] * sizes[1] * sizes[2] * sizes[3];
    const Index terms = out.numel == 0 ? 0 : count / out.numel;
    for (Index left = 0; left < count; ++left) {
      Index rest = left;
      for (std::size_t d = 4; d-- > 0;) {
        at[d] = rest % sizes[d];
        rest /= sizes[d];
      }
      const auto to = static_cast<std::size_t>(place(Slot));
      const T term = product(inputs[0].real()[place(slot_of(0))], inputs[1].real()[place(slot_of(1))],
                             inputs[2].real()[place(slot_of(2))]);
      sums[to].add(term);
      reach[to].add(abs(term));
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const T by = unit_roundoff<T>() * count_as_number<T>(terms + 3) * reach[i].result();
      out.real()[i] = Scalar<T>::materialize(widened(sums[i].result(), by));
    }
    set_outputs(tape, node, {out});
  }

  // Among the slots other than `slot`, in order, with `seed` where Slot is.
  template <int Other, class T>
  static Var<T> along(Tape<T>& tape, const Node<T>& node, const Var<T>& seed) {
    std::vector<Var<T>> three;
    for (int slot = 0; slot < 4; ++slot) {
      if (slot == Other) continue;
      three.push_back(slot == Slot ? seed : input(tape, node, static_cast<std::size_t>(slot < Slot ? slot : slot - 1)));
    }
    return call_rule<Quadrilinear<Other>>(tape, {three[0], three[1], three[2]}, {});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    if (wants[0]) into[0] = along<slot_of(0)>(tape, node, grads[0]);
    if (wants[1]) into[1] = along<slot_of(1)>(tape, node, grads[0]);
    if (wants[2]) into[2] = along<slot_of(2)>(tape, node, grads[0]);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (!tangents[i]) continue;
      std::array<Var<T>, 3> three{input(tape, node, 0), input(tape, node, 1), input(tape, node, 2)};
      three[i] = tangents[i];
      into[0] = sum_of_some(into[0], again(tape, node, {three[0], three[1], three[2]}));
    }
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t k = 0; k < 3; ++k) all |= wants[i] && k != i ? saved_input(k) : 0;
    }
    return all;
  }
};

// Σ_ij x_i W_oij y_j + b_o
template <class C>
auto bilinear(const C& call) {
  const auto x = call[0];
  const auto y = call[1];
  const auto w = call[2];
  need_shapes(x.ndim() > 0 && x.ndim() == y.ndim() && w.ndim() == 3, "bilinear takes vectors and a weight of 3 dims");
  need_shapes(same_sizes(x.sizes().first(x.sizes().size() - 1), y.sizes().first(y.sizes().size() - 1)),
              "bilinear: leading dims differ");
  const Index left = x.sizes().back();
  const Index right = y.sizes().back();
  need_shapes(!call.has(3) || call[3].ndim() > 0, "bilinear: the bias is no vector");
  need_shapes(w.size(1) == left && w.size(2) == right, "bilinear: the weight does not fit");
  Shape result(x.sizes().first(x.sizes().size() - 1));
  const Index rows = count_elements(result);
  result.push(w.size(0));
  const auto sum = call_rule<Quadrilinear<3>>(
      call.tape, {reshape_to(x, std::array{rows, left}), reshape_to(y, std::array{rows, right}), w}, {});
  return call.has(3) ? reshape_to(sum, result) + call[3] : reshape_to(sum, result);
}

// a_1 b_2 - a_2 b_1 and so on around, along one dim of tensors of one shape
struct Cross : BilinearRules {
  static constexpr const char* schema = "_cross(Tensor self, Tensor other, int dim) -> Tensor";

  template <class T>
  static Var<T> of(const Var<T>& a, const Var<T>& b, const Node<T>& node) {
    return call_rule<Cross>(a.tape(), {a, b}, {node.args[0]});
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> a = tape.contiguous(real_input(node, 0));
    const Tensor<T> b = tape.contiguous(real_input(node, 1));
    const Tensor<T> out = tape.allocate(Kind::real, a.sizes());
    const Around around(a.sizes(), static_cast<int>(node.args[0].integer));
    around.for_each([&](Index first) {
      const auto at = [&](Index k) { return first + k % 3 * around.inner; };
      for (Index k = 0; k < 3; ++k) {
        const T minuend = a.real()[at(k + 1)] * b.real()[at(k + 2)];
        const T subtrahend = a.real()[at(k + 2)] * b.real()[at(k + 1)];
        out.real()[at(k)] = Scalar<T>::materialize(minuend - subtrahend);
      }
    });
    set_outputs(tape, node, {out});
  }
  // <u, a × b> = <a, b × u> = <b, u × a>
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    if (wants[0]) into[0] = of(input(tape, node, 1), grads[0], node);
    if (wants[1]) into[1] = of(grads[0], input(tape, node, 0), node);
  }
};
template <class C>
auto cross_along(const C& call, Index dim) {
  const Shape common = broadcast(call[0].sizes(), call[1].sizes());
  return call_rule<Cross>(call.tape, {expand_to(call[0], common), expand_to(call[1], common)}, {call.of(dim)});
}
template <class C>
auto linalg_cross(const C& call) {
  need_shapes(call[0].ndim() == call[1].ndim(), "cross: numbers of dims differ");
  const int dim = wrap_dim(call.integer(0), call[0].ndim());
  need_shapes(call[0].ndim() > 0 && call[0].size(dim) == 3 && call[1].size(dim) == 3, "cross takes vectors of 3");
  return cross_along(call, dim);
}
// Without a dim: the first one of size 3.
template <class C>
auto cross(const C& call) {
  if (!call.none(0)) return linalg_cross(call);
  const Shape common = broadcast(call[0].sizes(), call[1].sizes());
  need_shapes(call[0].ndim() == call[1].ndim(), "cross: numbers of dims differ");
  for (std::size_t d = 0; d < common.ndim; ++d) {
    if (call[0].sizes()[d] == 3 && call[1].sizes()[d] == 3) return cross_along(call, static_cast<Index>(d));
  }
  throw EngineError(GP_SHAPE, "cross: no dim of size 3");
}

// --- drawing ---

void sample_bilinear(Draw& draw) {
  std::vector<Index> x = draw.nonempty_shape(0, 2);
  std::vector<Index> y = x;
  x.push_back(draw.nonempty_size());
  y.push_back(draw.nonempty_size());
  const Index out = draw.nonempty_size();
  draw.tensor("input1", x);
  draw.tensor("input2", y);
  draw.tensor("weight", std::array{out, x.back(), y.back()});
  if (draw.coin()) draw.tensor("bias", std::array{out});
}

std::vector<Index> draw_cross(Draw& draw, bool broadcasts) {
  std::vector<Index> a = draw.nonempty_shape(1, 3);
  const Index dim = draw.integer(0, std::ssize(a) - 1);
  a[static_cast<std::size_t>(dim)] = 3;
  std::vector<Index> b = a;
  for (std::size_t d = 0; broadcasts && d < b.size(); ++d) {
    if (b[d] != 3 && draw.one_in(4)) b[d] = 1;
  }
  draw.tensor("self", a);
  draw.tensor("other", b);
  return {dim, std::ssize(a)};
}
void sample_linalg_cross(Draw& draw) {
  const std::vector<Index> at = draw_cross(draw, true);
  draw.set_int("dim", draw.maybe_negative(at[0], at[1]));
}
void sample_cross(Draw& draw) {
  const std::vector<Index> at = draw_cross(draw, false);
  if (draw.coin()) draw.set_int("dim", draw.maybe_negative(at[0], at[1]));
}

}  // namespace

void add_trilinear(Registry& registry) {
  registry.composite({.schema = "bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
                      .sample = sample_bilinear},
                     [](const auto& call) { return bilinear(call); });
  registry.composite(
      {.schema = "linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor", .sample = sample_linalg_cross},
      [](const auto& call) { return linalg_cross(call); });
  registry.composite({.schema = "cross(Tensor self, Tensor other, int? dim=None) -> Tensor", .sample = sample_cross},
                     [](const auto& call) { return cross(call); });
}

}  // namespace gradproof
