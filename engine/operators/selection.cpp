// maximum, minimum, clamp, comparisons, where.
#include "engine/operators/dims.h"
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"

namespace gradproof {

namespace {

// In a mask made for a derivative: an exact tie, of which the mean of both sides is taken. Only where()
// meets it.
constexpr Truth both = static_cast<Truth>(3);

// A choice belongs to what is compared, not to the call: maximum's two partials compare the same tensors
// and are resolved alike.
template <class T>
std::uint64_t key_of(const Tensor<T>& a, const Tensor<T>& b) {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15U;
  const auto id = [](const Tensor<T>& x) {
    const auto offset = static_cast<const unsigned char*>(x.data) - static_cast<const unsigned char*>(x.storage->data);
    return std::uint64_t{x.storage->id} * odd + static_cast<std::uint64_t>(offset);
  };
  const std::uint64_t mixed = (id(a) * odd ^ (id(a) >> 29U)) + id(b) * odd;
  return ((mixed ^ (mixed >> 31U)) & ~std::uint64_t{0xffffffU}) | std::uint64_t{1} << 63U;
}

inline constexpr std::uint64_t element_bits = 0xffffff;  // the last one stands for all exact ties

struct Less {
  template <class T>
  static Truth of(const T& a, const T& b) {
    return less(a, b);
  }
};
struct Greater {
  template <class T>
  static Truth of(const T& a, const T& b) {
    return less(b, a);
  }
};
struct Equal {
  template <class T>
  static Truth of(const T& a, const T& b) {
    return equal(a, b);
  }
};
struct NotEqual {
  template <class T>
  static Truth of(const T& a, const T& b) {
    return !equal(a, b);
  }
};
// Not the negation of >, which a NaN would make true.
struct LessEqual {
  template <class T>
  static Truth of(const T& a, const T& b) {
    const Truth below = less(a, b);
    return below == Truth::yes ? below : either(below, equal(a, b));
  }
  static Truth either(Truth a, Truth b) {
    if (a == Truth::yes || b == Truth::yes) return Truth::yes;
    return a == Truth::unknown || b == Truth::unknown ? Truth::unknown : Truth::no;
  }
};
struct GreaterEqual {
  template <class T>
  static Truth of(const T& a, const T& b) {
    return LessEqual::of(b, a);
  }
};

// A comparison inside a derivative decides what balls leave open: an exact tie as each side or their
// mean, all ties of one comparison alike; a ball across the edge as either side, element by element.
template <class T, class Relation>
Truth decided(Tape<T>& tape, const T& a, const T& b, std::uint64_t key, Index element) {
  const Truth t = Relation::of(a, b);
  if constexpr (Encloses<T>) {
    if (t != Truth::unknown) return t;
    const bool tie = is_exact(a) && is_exact(b);
    const std::uint64_t which = tie ? element_bits : static_cast<std::uint64_t>(element) % element_bits;
    switch (tape.choose(key | which, tie ? 3 : 2)) {
      case 0: return Truth::yes;
      case 1: return Truth::no;
      default: return both;
    }
  }
  return t;
}

template <class Relation, bool with_scalar>
struct Comparison {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& a = real_input(node, 0);
    Tensor<T> b;
    if constexpr (with_scalar) {
      b = tape.number(node.args[0].real).value();
    } else {
      b = real_input(node, 1);
    }
    const Tensor<T> out = tape.allocate(Kind::boolean, broadcast(a.sizes(), b.sizes()));
    Truth* to = out.booleans();
    if (!tape.in_derivative) {
      walk(a, b, out, [&](Index i, const T& x, const T& y) { to[i] = Relation::of(x, y); });
    } else {
      const detail::OpenTies ties;
      const std::uint64_t key = key_of(a, b);
      walk(a, b, out, [&](Index i, const T& x, const T& y) { to[i] = decided<T, Relation>(tape, x, y, key, i); });
    }
    branch.met = false;
    set_outputs(tape, node, {out});
  }

  template <class T, class Body>
  static void walk(const Tensor<T>& a, const Tensor<T>& b, const Tensor<T>& out, Body&& body) {
    const std::array<Operand<T>, 2> operands{Operand<T>::of(a, out.ndim), Operand<T>::of(b, out.ndim)};
    for_each_run<T, 2>(out.sizes(), operands, [&](Index count, Index first, const auto& at, const auto& step) {
      for (Index i = 0; i < count; ++i) body(first + i, at[0][i * step[0]], at[1][i * step[1]]);
    });
  }
};

struct Where {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& mask = node.in(0);
    if (mask.kind != Kind::boolean) throw EngineError(GP_DTYPE, "where needs a boolean condition");
    const Tensor<T>& a = real_input(node, 1);
    const Tensor<T>& b = real_input(node, 2);
    const Tensor<T> out = tape.allocate(Kind::real, broadcast(broadcast(a.sizes(), b.sizes()), mask.sizes()));
    const auto mask_steps = broadcast_steps(mask, out.ndim);
    const auto a_steps = broadcast_steps(a, out.ndim);
    const auto b_steps = broadcast_steps(b, out.ndim);
    const std::uint64_t key = key_of(mask, mask);
    T* to = out.real();
    for_each_offset<3>(out.sizes(), {mask_steps.data(), a_steps.data(), b_steps.data()}, [&](const auto& at) {
      *to++ = pick(tape, mask.booleans()[at[0]], a.real()[at[1]], b.real()[at[2]],
                   key | static_cast<std::uint64_t>(at[0]) % element_bits);
    });
    branch.met = false;
    set_outputs(tape, node, {out});
  }

  // The derivative of a choice left open by the values is that of one side or of the other, the same one
  // wherever this mask is used; the value is their hull.
  template <class T>
  static T pick(Tape<T>& tape, Truth which, const T& a, const T& b, std::uint64_t key) {
    if constexpr (Encloses<T>) {
      if (which == both) return (a + b) / 2;
      if (which == Truth::unknown && tape.in_derivative) return tape.choose(key, 2) == 0 ? a : b;
    }
    return select(which, a, b);
  }

  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    const Var<T> mask = input(tape, node, 0);
    const Var<T> zero = tape.number(Scalar<T>::leaf(0));
    if (wants[1]) into[1] = sum_to(tape.call(Basic::where, {mask, grads[0], zero}), node.in(1).sizes());
    if (wants[2]) into[2] = sum_to(tape.call(Basic::where, {mask, zero, grads[0]}), node.in(2).sizes());
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> zero = tape.number(Scalar<T>::leaf(0));
    const Var<T> first = tangents[1] ? tangents[1] : zero;
    const Var<T> second = tangents[2] ? tangents[2] : zero;
    into[0] = expand_to(tape.call(Basic::where, {input(tape, node, 0), first, second}), node.out().sizes());
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0);
  }
};

// At a tie each side's slope is admitted, and their mean; both partials ask the same question, so that
// together they always pass the whole gradient on.
void add_extremes(Registry& registry) {
  registry.elementwise(
      {.schema = "maximum(Tensor self, Tensor other) -> Tensor", .ties_matter = true, .source = "IEEE 754-2019 9.6"},
      tangent([](auto x, auto y, auto v, auto w, auto) { return w + select(less(x, y), number(x, 0), 1) * (v - w); }),
      value([](auto x, auto y) { return maximum(x, y); }),
      partial([](auto x, auto y, auto) { return select(less(x, y), number(x, 0), 1); }),
      partial([](auto x, auto y, auto) { return select(less(x, y), number(x, 1), 0); }));
  registry.elementwise(
      {.schema = "minimum(Tensor self, Tensor other) -> Tensor", .ties_matter = true, .source = "IEEE 754-2019 9.6"},
      tangent([](auto x, auto y, auto v, auto w, auto) { return w + select(less(y, x), number(x, 0), 1) * (v - w); }),
      value([](auto x, auto y) { return minimum(x, y); }),
      partial([](auto x, auto y, auto) { return select(less(y, x), number(x, 0), 1); }),
      partial([](auto x, auto y, auto) { return select(less(y, x), number(x, 1), 0); }));
}

void add_clamps(Registry& registry) {
  const std::vector<Landmark> kinks{{0, -1}, {0, 0}, {0, 0.5}, {0, 1}};
  registry.elementwise({.schema = "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
                        .kinks = kinks,
                        .scalars = {-1, 1, 0, 0.5},
                        .source = "LibTorch 2.11, clamp",
                        .note = "max wins where min > max"},
                       value([](auto x, auto low, auto high) { return minimum(maximum(x, low), high); }),
                       partial([](auto x, auto low, auto high, auto) {
                         return select(less(x, low), 0, select(less(high, x), number(x, 0), 1));
                       }));
  registry.elementwise({.schema = "clamp_min(Tensor self, Scalar min) -> Tensor",
                        .kinks = kinks,
                        .scalars = {-1, 0, 0.5, 1},
                        .source = "LibTorch 2.11, clamp"},
                       value([](auto x, auto low) { return maximum(x, low); }),
                       partial([](auto x, auto low, auto) { return select(less(x, low), number(x, 0), 1); }));
  registry.elementwise({.schema = "clamp_max(Tensor self, Scalar max) -> Tensor",
                        .kinks = kinks,
                        .scalars = {-1, 0, 0.5, 1},
                        .source = "LibTorch 2.11, clamp"},
                       value([](auto x, auto high) { return minimum(x, high); }),
                       partial([](auto x, auto high, auto) { return select(less(high, x), number(x, 0), 1); }));
}

void sample_alike(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.tensor("other", shape);
}
void sample_against_number(Draw& draw) {
  constexpr std::array numbers{0.0, 1.0, -0.5};
  draw.tensor("self", draw.shape(0, 4));
  draw.set_real("other", draw.pick(numbers));
}

// One of the three has the whole shape; a dim of the others may be 1 or, in front, missing.
void sample_where(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  const Index whole = draw.integer(0, 2);
  const auto sizes = [&](Index which) { return which == whole || draw.coin() ? shape : narrower(draw, shape); };
  draw.mask("condition", sizes(0));
  draw.tensor("self", sizes(1));
  draw.tensor("other", sizes(2));
}

template <class Relation>
void add_comparison(Registry& registry, std::string_view with_tensor, std::string_view with_scalar) {
  registry.structural<Comparison<Relation, false>>(
      {.schema = with_tensor, .ties_matter = true, .source = "IEEE 754", .sample = sample_alike});
  registry.structural<Comparison<Relation, true>>(
      {.schema = with_scalar, .source = "IEEE 754", .sample = sample_against_number});
}

}  // namespace

void add_selection(Registry& registry) {
  add_extremes(registry);
  add_clamps(registry);
  add_comparison<Less>(registry, "lt.Tensor(Tensor self, Tensor other) -> Tensor",
                       "lt.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<Less>(registry, "less.Tensor(Tensor self, Tensor other) -> Tensor",
                       "less.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<LessEqual>(registry, "le.Tensor(Tensor self, Tensor other) -> Tensor",
                            "le.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<LessEqual>(registry, "less_equal.Tensor(Tensor self, Tensor other) -> Tensor",
                            "less_equal.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<Greater>(registry, "gt.Tensor(Tensor self, Tensor other) -> Tensor",
                          "gt.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<Greater>(registry, "greater.Tensor(Tensor self, Tensor other) -> Tensor",
                          "greater.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<GreaterEqual>(registry, "ge.Tensor(Tensor self, Tensor other) -> Tensor",
                               "ge.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<GreaterEqual>(registry, "greater_equal.Tensor(Tensor self, Tensor other) -> Tensor",
                               "greater_equal.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<Equal>(registry, "eq.Tensor(Tensor self, Tensor other) -> Tensor",
                        "eq.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<NotEqual>(registry, "ne.Tensor(Tensor self, Tensor other) -> Tensor",
                           "ne.Scalar(Tensor self, Scalar other) -> Tensor");
  add_comparison<NotEqual>(registry, "not_equal.Tensor(Tensor self, Tensor other) -> Tensor",
                           "not_equal.Scalar(Tensor self, Scalar other) -> Tensor");
  registry.structural<Where>({.schema = "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor",
                              .source = "rounds nothing",
                              .sample = sample_where});
}

}  // namespace gradproof
