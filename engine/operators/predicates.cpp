// What is asked of numbers: results without derivatives.
#include "engine/operators/families.h"
#include "engine/operators/rounding.h"
#include "engine/operators/rules.h"
#include "engine/operators/samplers.h"

namespace gradproof {

namespace {

// Does the ball hold anything but finite numbers? Unknown where it may.
template <class T>
Truth is_infinite(const T& x) {
  if constexpr (HasHull<T>) {
    if (x.is_special()) return truth(!x.is_nan());
    return x.in_range() ? Truth::no : Truth::unknown;
  } else {
    if constexpr (std::is_same_v<T, Defined>) {
      if (!x.written) return Truth::unknown;
    }
    return truth(std::isinf(Scalar<T>::to_double(x)));
  }
}
inline Truth both_of(Truth a, Truth b) {
  if (a == Truth::no || b == Truth::no) return Truth::no;
  return a == Truth::unknown || b == Truth::unknown ? Truth::unknown : Truth::yes;
}
inline Truth one_of(Truth a, Truth b) { return !both_of(!a, !b); }

struct IsNan {
  template <class T>
  static Truth of(const T& x) {
    if constexpr (HasHull<T>) {
      if (x.is_anything()) return Truth::unknown;
    }
    return is_nan(x);
  }
};
struct IsInf {
  template <class T>
  static Truth of(const T& x) {
    return is_infinite(x);
  }
};
struct IsFinite {
  template <class T>
  static Truth of(const T& x) {
    return both_of(!is_infinite(x), !IsNan::of(x));
  }
};
struct IsPosInf {
  template <class T>
  static Truth of(const T& x) {
    return both_of(is_infinite(x), less(0, x));
  }
};
struct IsNegInf {
  template <class T>
  static Truth of(const T& x) {
    return both_of(is_infinite(x), less(x, 0));
  }
};
struct IsReal {
  template <class T>
  static Truth of(const T&) {
    return Truth::yes;
  }
};
struct SignBit {
  template <class T>
  static Truth of(const T& x) {
    return sign_bit(x);
  }
};

// A number is true unless it is 0; a NaN is true.
template <class T>
Truth as_truth(const Tensor<T>& tensor, Index at) {
  switch (tensor.kind) {
    case Kind::real: return !equal(tensor.real()[at], 0);
    case Kind::integer: return truth(tensor.integers()[at] != 0);
    default: return tensor.booleans()[at];
  }
}

struct And {
  static Truth of(Truth a, Truth b) { return both_of(a, b); }
};
struct Or {
  static Truth of(Truth a, Truth b) { return one_of(a, b); }
};
struct Xor {
  static Truth of(Truth a, Truth b) { return one_of(both_of(a, !b), both_of(!a, b)); }
};

template <class Question>
struct Predicate {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = real_input(node, 0);
    const Tensor<T> out = tape.allocate(Kind::boolean, x.sizes());
    Truth* to = out.booleans();
    const T* from = x.real();
    for_each_offset<1>(x.sizes(), {x.strides_begin}, [&](const auto& at) { *to++ = Question::of(from[at[0]]); });
    branch.met = false;
    set_outputs(tape, node, {out});
  }
};

struct LogicalNot {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    const Tensor<T> out = tape.allocate(Kind::boolean, x.sizes());
    Truth* to = out.booleans();
    for_each_offset<1>(x.sizes(), {x.strides_begin}, [&](const auto& at) { *to++ = !as_truth(x, at[0]); });
    branch.met = false;
    set_outputs(tape, node, {out});
  }
};

template <class Join>
struct Logical {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& a = node.in(0);
    const Tensor<T>& b = node.in(1);
    const Tensor<T> out = tape.allocate(Kind::boolean, broadcast(a.sizes(), b.sizes()));
    const auto a_steps = broadcast_steps(a, out.ndim);
    const auto b_steps = broadcast_steps(b, out.ndim);
    Truth* to = out.booleans();
    for_each_offset<2>(out.sizes(), {a_steps.data(), b_steps.data()},
                       [&](const auto& at) { *to++ = Join::of(as_truth(a, at[0]), as_truth(b, at[1])); });
    branch.met = false;
    set_outputs(tape, node, {out});
  }
};

// 0 below 0, 1 above it, a value of the second tensor on it; 0 for a NaN.
struct Heaviside {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = real_input(node, 0);
    const Tensor<T>& v = real_input(node, 1);
    const Tensor<T> out = tape.allocate(Kind::real, broadcast(x.sizes(), v.sizes()));
    const auto x_steps = broadcast_steps(x, out.ndim);
    const auto v_steps = broadcast_steps(v, out.ndim);
    T* to = out.real();
    for_each_offset<2>(out.sizes(), {x_steps.data(), v_steps.data()}, [&](const auto& at) {
      const T& from = x.real()[at[0]];
      *to++ = select(equal(from, 0), v.real()[at[1]], select(less(0, from), number(from, 1), 0));
    });
    branch.met = false;
    set_outputs(tape, node, {out});
  }
};

// The next number of a format from one of its own towards another.
double next_after(const NumberFormat& format, double from, double to) {
  if (from == to) return to;
  if (from == 0) return std::copysign(format.eta, to);
  const double size = std::fabs(from);
  const int exponent = std::ilogb(std::max(size, format.least_normal));
  const double ulp = std::ldexp(1.0, exponent + 1 - format.digits);
  const bool away = (to > from) == (from > 0);
  const bool first_of_its_ulp = size == std::ldexp(1.0, exponent) && size > format.least_normal;
  const double next = away ? size + ulp : size - (first_of_its_ulp ? ulp / 2 : ulp);
  return std::copysign(next > format.max ? HUGE_VAL : next, from);
}

// The dtype's next number towards another.
struct NextAfter {
  template <class T>
  static T of(const T& from, const T& to) {
    if constexpr (HasHull<T>) {
      const NumberFormat& format = format_of<typename Scalar<T>::Dtype>();
      if (!format.rounds()) throw EngineError(GP_UNSUPPORTED, "numbers of no dtype have no neighbours");
      if (!from.in_range() || !to.in_range() || !is_exact(from) || !is_exact(to)) return no_answer<T>(Unbounded::jump);
      return Scalar<T>::leaf(next_after(format, static_cast<double>(from.lower()), static_cast<double>(to.lower())));
    } else if constexpr (std::is_same_v<T, Defined>) {
      return {std::nextafter(from.value, to.value), from.written && to.written};
    } else {
      return std::nextafter(from, to);
    }
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = real_input(node, 0);
    const Tensor<T>& y = real_input(node, 1);
    std::array<Index, GP_MAX_DIMS> sizes{};
    const auto ndim = static_cast<std::size_t>(broadcast_sizes(x.sizes(), y.sizes(), sizes.data()));
    const Tensor<T> out = tape.allocate(Kind::real, {sizes.data(), ndim});
    T* to = out.real();
    const auto x_steps = broadcast_steps(x, ndim);
    const auto y_steps = broadcast_steps(y, ndim);
    for_each_offset<2>(out.sizes(), {x_steps.data(), y_steps.data()},
                       [&](const auto& at) { *to++ = of(x.real()[at[0]], y.real()[at[1]]); });
    set_outputs(tape, node, {out});
  }
};

void sample_logical(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", draw.one_in(4) ? narrower(draw, shape) : shape);
  draw.mask("other", shape);
}
void sample_heaviside(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.tensor("values", draw.coin() ? narrower(draw, shape) : shape);
}

template <class Question>
void add_predicate(Registry& registry, std::string_view schema) {
  registry.structural<Predicate<Question>>(
      {.schema = schema, .special = {{0, 0}}, .source = "IEEE 754-2019 5.7.2", .sample = sample_one});
}
template <class Join>
void add_logical(Registry& registry, std::string_view schema) {
  registry.structural<Logical<Join>>(
      {.schema = schema, .special = {{0, 0}}, .source = "LibTorch 2.11, logical", .sample = sample_logical});
}

}  // namespace

void add_predicates(Registry& registry) {
  add_predicate<IsNan>(registry, "isnan(Tensor self) -> Tensor");
  add_predicate<IsInf>(registry, "isinf(Tensor self) -> Tensor");
  add_predicate<IsFinite>(registry, "isfinite(Tensor self) -> Tensor");
  add_predicate<IsPosInf>(registry, "isposinf(Tensor self) -> Tensor");
  add_predicate<IsNegInf>(registry, "isneginf(Tensor self) -> Tensor");
  add_predicate<IsReal>(registry, "isreal(Tensor self) -> Tensor");
  add_predicate<SignBit>(registry, "signbit(Tensor self) -> Tensor");
  registry.structural<LogicalNot>({.schema = "logical_not(Tensor self) -> Tensor",
                                   .special = {{0, 0}},
                                   .source = "LibTorch 2.11, logical",
                                   .sample = sample_one});
  add_logical<And>(registry, "logical_and(Tensor self, Tensor other) -> Tensor");
  add_logical<Or>(registry, "logical_or(Tensor self, Tensor other) -> Tensor");
  add_logical<Xor>(registry, "logical_xor(Tensor self, Tensor other) -> Tensor");
  registry.structural<Heaviside>({.schema = "heaviside(Tensor self, Tensor values) -> Tensor",
                                  .jumps = {{0, 0}},
                                  .source = "LibTorch 2.11, heaviside",
                                  .note = "no derivative in LibTorch",
                                  .sample = sample_heaviside});
  registry.structural<NextAfter>({.schema = "nextafter(Tensor self, Tensor other) -> Tensor",
                                  .ties_matter = true,
                                  .source = "IEEE 754-2019 5.3.1",
                                  .note = "LibTorch refuses its derivative",
                                  .sample = sample_pair});
}

}  // namespace gradproof
