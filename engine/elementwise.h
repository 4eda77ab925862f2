// Elementwise operators: one record holds the function of the numbers and its partial derivatives;
// value, vjp and jvp of tensors in every scalar follow from it.
//
//   // log1p(a + h) = log1p(a) + h/(1 + a) + O(h²)
//   registry.elementwise({.schema = "log1p(Tensor self) -> Tensor", .domain = {open(-1, infinity)}},
//                        value([](auto x) { return log1p(x); }),
//                        partial([](auto x, auto) { return 1 / (1 + x); }));
//
// A formula takes the parameters in the schema's order, tensors and scalars alike; a partial takes the
// result after them. There is one partial per tensor. Several formulas may be admitted for one quantity:
// the first is the definition, with the tightest budget; the others are what engines also compute.
#pragma once

#include <tuple>
#include <utility>

#include "engine/catalogue.h"
#include "engine/formula.h"
#include "engine/walk.h"

namespace gradproof {

// Scalars that stand for a set of numbers.
template <class T>
concept Encloses = requires(const T& a) {
  is_exact(a);
  overlap(a, a);
  hull(a, a);
};

template <class... F>
struct Formulas {
  std::tuple<F...> all;
  static constexpr std::size_t count = sizeof...(F);
};
template <class... F>
constexpr Formulas<F...> value(F... f) {
  return {{f...}};
}
template <class... F>
constexpr Formulas<F...> partial(F... f) {
  return {{f...}};
}
// Partials that need no arithmetic, and read nothing.
struct Passes {};    // 1: the gradient passes unchanged
struct Negates {};   // -1
struct Vanishes {};  // 0 wherever it exists
inline constexpr Passes passes{};
inline constexpr Negates negates{};
inline constexpr Vanishes vanishes{};

// The tangent of a whole operator by a formula that is not Σ partial·tangent; it takes the parameters, one
// tangent for each tensor, and the result. Admitted beside the definition.
template <class F>
struct TangentFormula {
  F formula;
};
template <class F>
constexpr TangentFormula<F> tangent(F f) {
  return {f};
}
struct NoTangentFormula {};

// Where the parameters of a formula come from.
struct Parameter {
  bool is_tensor = true;
  std::uint8_t at = 0;  // among the node's inputs, or its args
  double if_none = 0;   // an optional scalar left out
};

struct ElementwiseInfo {
  std::array<Parameter, 6> parameters{};
  std::size_t parameter_count = 0;
  std::size_t tensor_count = 0;
  std::array<std::uint64_t, 6> saves{};  // by tensor: what its partial reads, as Node::saves
};

template <std::size_t N, class Tangent, class Value, class... Partials>
struct Elementwise {
  using TangentOf = Tangent;
  static constexpr std::size_t parameters = N;
  using ValueFormulas = Value;
  using PartialFormulas = std::tuple<Partials...>;
};

namespace detail {

template <std::size_t K, class... F>
constexpr auto formula(const Formulas<F...>&) {
  return std::tuple_element_t<K, std::tuple<F...>>{};
}

// f(p[0], ..., p[N-1], rest...)
template <class F, class P, std::size_t... I, class... Rest>
auto apply(F f, const P& p, std::index_sequence<I...>, const Rest&... rest) {
  return f(p[I]..., rest...);
}

// The first formula, or the hull of all where several are admitted.
template <class T, class Fs, std::size_t N, class... Rest>
T evaluate(Fs formulas, const std::array<T, N>& p, bool admitted, const Rest&... rest) {
  constexpr auto indices = std::make_index_sequence<N>{};
  T result = apply(formula<0>(formulas), p, indices, rest...);
  if constexpr (Fs::count > 1 && Encloses<T>) {
    if (admitted) {
      [&]<std::size_t... K>(std::index_sequence<K...>) {
        ((result = hull(result, apply(formula<K + 1>(formulas), p, indices, rest...))), ...);
      }
      (std::make_index_sequence<Fs::count - 1>{});
    }
  }
  return result;
}

// A partial at one element. Where a comparison stays open (a ball across a kink, an exact tie) each
// one-sided slope is admitted, and at a tie their mean: the tape's driver tries them one by one.
template <class T, class Fs, std::size_t N>
T slope(Tape<T>& tape, Fs formulas, const std::array<T, N>& p, const T& y, std::uint64_t key, Index element) {
  if constexpr (!Encloses<T>) {
    return evaluate<T>(formulas, p, false, y);
  } else {
    branch.met = false;
    const T joint = evaluate<T>(formulas, p, tape.admitted, y);
    if (!branch.met) return joint;
    bool tie = true;
    for (const T& parameter : p) tie = tie && is_exact(parameter);
    branch.side = Branch::Side::first;
    const T first = evaluate<T>(formulas, p, tape.admitted, y);
    branch.side = Branch::Side::second;
    const T second = evaluate<T>(formulas, p, tape.admitted, y);
    branch.side = Branch::Side::hull;
    if (overlap(first, second)) return hull(first, second);
    // Every exact tie of one call is resolved alike; a straddled kink may go either way in each element.
    const std::uint64_t which = tie ? 0xffffffffU : static_cast<std::uint64_t>(element) & 0x00ffffffU;
    switch (tape.choose(key | which, tie ? 3 : 2)) {
      case 0: return first;
      case 1: return second;
      default: return (first + second) / 2;
    }
  }
}

struct OpenTies {
  OpenTies() { branch.ties_open = true; }
  ~OpenTies() { branch = Branch{}; }
  OpenTies(const OpenTies&) = delete;
  OpenTies& operator=(const OpenTies&) = delete;
};

}  // namespace detail

template <class T, class E>
struct ElementwiseKernel {
  static constexpr std::size_t N = E::parameters;
  static constexpr std::size_t partial_count = std::tuple_size_v<typename E::PartialFormulas>;

  static const ElementwiseInfo& info(const Node<T>& node) {
    return *static_cast<const ElementwiseInfo*>(node.op->closure);
  }

  static T scalar(const Node<T>& node, const Parameter& parameter) {
    const Arg<T>& arg = node.args[parameter.at];
    return arg.is_none() ? Scalar<T>::leaf(parameter.if_none) : arg.real;
  }

  static void forward(Tape<T>& tape, Node<T>& node) {
    const ElementwiseInfo& about = info(node);
    std::array<Index, GP_MAX_DIMS> sizes{};
    std::size_t ndim = 0;
    const Tensor<T>* alike = nullptr;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      const Tensor<T>& in = node.in(i);
      if (in.kind != Kind::real) throw EngineError(GP_DTYPE, "a floating tensor is needed");
      if (i == 0) {
        std::copy_n(in.sizes_begin, in.ndim, sizes.data());
        ndim = in.ndim;
      } else {
        ndim = static_cast<std::size_t>(broadcast_sizes({sizes.data(), ndim}, in.sizes(), sizes.data()));
      }
    }
    for (std::size_t i = 0; i < node.input_count && alike == nullptr; ++i) {
      if (node.in(i).contiguous && same_sizes(node.in(i).sizes(), {sizes.data(), ndim})) alike = &node.in(i);
    }
    const Tensor<T> out =
        alike != nullptr ? tape.allocate_like(*alike) : tape.allocate(Kind::real, {sizes.data(), ndim});
    std::array<T, N> scalars{};
    std::array<Operand<T>, N> operands = gather(node, about, scalars, out.ndim);
    T* to = out.real();
    for_each_run<T, N>(out.sizes(), operands, [&](Index count, Index first, const auto& at, const auto& step) {
      run_value(tape, count, to + first, at, step);
    });
    node.output_count = 1;
    node.outputs = tape.arena().template array<VarImpl<T>*>(1);
    node.outputs[0] = tape.constant(out).impl();
  }

  static std::array<Operand<T>, N> gather(const Node<T>& node, const ElementwiseInfo& about, std::array<T, N>& scalars,
                                          std::size_t ndim) {
    std::array<Operand<T>, N> operands;
    for (std::size_t k = 0; k < N; ++k) {
      if (about.parameters[k].is_tensor) {
        operands[k] = Operand<T>::of(node.in(about.parameters[k].at), ndim);
      } else {
        scalars[k] = scalar(node, about.parameters[k]);
        operands[k] = Operand<T>::of(scalars[k]);
      }
    }
    return operands;
  }

  // A step of a derivative need not be one that an engine stores: beyond the dtype's range it may be infinite.
  static T stored(const Tape<T>& tape, const T& result) {
    if constexpr (HasHull<T>) {
      if (tape.in_derivative && result.is_finite() && !result.in_range()) return T::anything(Unbounded::overflow);
    }
    return Scalar<T>::materialize(result);
  }

  static void run_value(const Tape<T>& tape, Index count, T* to, const std::array<const T*, N>& at,
                        const std::array<Index, N>& step) {
    const typename E::ValueFormulas formulas{};
    const bool admitted = tape.admitted;
    const auto one = [&](Index i, const auto& steps) {
      std::array<T, N> p;
      for (std::size_t k = 0; k < N; ++k) p[k] = at[k][i * steps[k]];
      to[i] = stored(tape, detail::evaluate<T>(formulas, p, admitted));
    };
    std::array<Index, N> ones;
    ones.fill(1);
    if (step == ones) {
      for (Index i = 0; i < count; ++i) one(i, ones);
    } else {
      for (Index i = 0; i < count; ++i) one(i, step);
    }
  }

  static std::uint64_t saves(const Node<T>& node, const bool* wants) {
    const ElementwiseInfo& about = info(node);
    std::uint64_t saved = 0;
    for (std::size_t i = 0; i < node.input_count; ++i) saved |= wants[i] ? about.saves[i] : 0;
    return saved;
  }

  // to = f'(p)·by; `by` broadcasts to the output's shape.
  template <std::size_t K>
  static void fused(Tape<T>& tape, const Node<T>& node, const Tensor<T>& by, T* to) {
    using Fs = std::tuple_element_t<K, typename E::PartialFormulas>;
    const ElementwiseInfo& about = info(node);
    const Tensor<T>& result = node.out();
    std::array<T, N> scalars{};
    const std::array<Operand<T>, N> own = gather(node, about, scalars, result.ndim);
    std::array<Operand<T>, N + 2> operands;
    std::copy(own.begin(), own.end(), operands.begin());
    operands[N] = Operand<T>::of(result, result.ndim);
    operands[N + 1] = Operand<T>::of(by, result.ndim);
    // One choice for all partials of a call: at a tie maximum's pass the whole gradient on, not twice or never.
    const std::uint64_t key = tape.key_of(node);
    const detail::OpenTies ties;
    for_each_run<T, N + 2>(result.sizes(), operands, [&](Index count, Index first, const auto& at, const auto& step) {
      for (Index i = 0; i < count; ++i) {
        const T& factor = at[N + 1][i * step[N + 1]];
        if constexpr (std::is_same_v<Fs, Passes>) {
          to[first + i] = factor;
        } else if constexpr (std::is_same_v<Fs, Negates>) {
          to[first + i] = -factor;
        } else if constexpr (std::is_same_v<Fs, Vanishes>) {
          to[first + i] = Scalar<T>::leaf(0);
        } else {
          std::array<T, N> p;
          for (std::size_t k = 0; k < N; ++k) p[k] = at[k][i * step[k]];
          const T y = at[N][i * step[N]];
          to[first + i] = Scalar<T>::materialize(factor * detail::slope(tape, Fs{}, p, y, key, first + i));
        }
      }
    });
  }

  static std::array<Var<T>, N> parameters_of(Tape<T>& tape, const Node<T>& node) {
    const ElementwiseInfo& about = info(node);
    std::array<Var<T>, N> p;
    for (std::size_t k = 0; k < N; ++k) {
      const Parameter& parameter = about.parameters[k];
      p[k] = parameter.is_tensor ? Var<T>(&tape, node.inputs[parameter.at]) : tape.number(scalar(node, parameter));
    }
    return p;
  }

  // The partial as tensors on the tape, times `by`.
  template <std::size_t K>
  static Var<T> taped(Tape<T>& tape, const Node<T>& node, const Var<T>& by) {
    using Fs = std::tuple_element_t<K, typename E::PartialFormulas>;
    if constexpr (std::is_same_v<Fs, Passes>) {
      return by;
    } else if constexpr (std::is_same_v<Fs, Negates>) {
      return -by;
    } else if constexpr (std::is_same_v<Fs, Vanishes>) {
      return tape.filled(node.out().sizes(), Scalar<T>::leaf(0));
    } else {
      const std::array<Var<T>, N> p = parameters_of(tape, node);
      const Var<T> y(&tape, node.outputs[0]);
      constexpr auto indices = std::make_index_sequence<N>{};
      if constexpr (Fs::count > 1) {
        if (tape.admitted) {
          const std::uint8_t chosen = tape.choose(tape.key_of(node) | 0xfffffff0U | K, Fs::count);
          Var<T> result;
          [&]<std::size_t... F>(std::index_sequence<F...>) {
            ((F == chosen ? void(result = by * detail::apply(detail::formula<F>(Fs{}), p, indices, y)) : void()), ...);
          }
          (std::make_index_sequence<Fs::count>{});
          return result;
        }
      }
      return by * detail::apply(detail::formula<0>(Fs{}), p, indices, y);
    }
  }

  template <std::size_t K>
  static Var<T> times_partial(Tape<T>& tape, const Node<T>& node, const Var<T>& by, bool plain) {
    if (!plain) return taped<K>(tape, node, by);
    const Tensor<T> out =
        node.out().contiguous ? tape.allocate_like(node.out()) : tape.allocate(Kind::real, node.out().sizes());
    fused<K>(tape, node, by.value(), out.real());
    return tape.constant(out);
  }

  static Var<T> reduced(Tape<T>& tape, const Var<T>& grad, Sizes sizes) {
    return same_sizes(grad.sizes(), sizes) ? grad : tape.call(Basic::sum_to, {grad}, tape.integers(sizes));
  }

  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    const bool plain = tape.plain(node, grads, 1);
    [&]<std::size_t... K>(std::index_sequence<K...>) {
      ((wants[K] ? void(into[K] = reduced(tape, times_partial<K>(tape, node, grads[0], plain), node.in(K).sizes()))
                 : void()),
       ...);
    }
    (std::make_index_sequence<partial_count>{});
  }

  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const bool plain = tape.plain(node, tangents, node.input_count);
    std::array<Var<T>, partial_count> terms;
    std::size_t count = 0;
    [&]<std::size_t... K>(std::index_sequence<K...>) {
      ((tangents[K] ? void(terms[count++] = expanded(tape, times_partial<K>(tape, node, tangents[K], plain), node))
                    : void()),
       ...);
    }
    (std::make_index_sequence<partial_count>{});
    into[0] = count == 1 ? terms[0] : tape.call(Basic::add_n, std::span<const Var<T>>(terms.data(), count));
    if constexpr (!std::is_same_v<typename E::TangentOf, NoTangentFormula> && HasHull<T>) {
      if (tape.admitted) admit_tangent(tape, node, tangents, plain, into[0]);
    }
  }

  static void admit_tangent(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, bool plain, Var<T>& into) {
    const std::array<Var<T>, N> p = parameters_of(tape, node);
    std::array<Var<T>, N + partial_count> arguments;
    std::copy(p.begin(), p.end(), arguments.begin());
    for (std::size_t k = 0; k < partial_count; ++k) {
      arguments[N + k] = tangents[k] ? tangents[k] : tape.filled(node.in(k).sizes(), Scalar<T>::leaf(0));
    }
    const auto other = [&] {
      const Var<T> y(&tape, node.outputs[0]);
      constexpr auto indices = std::make_index_sequence<N + partial_count>{};
      return expanded(tape, detail::apply(decltype(E::TangentOf::formula){}, arguments, indices, y), node);
    };
    if (!plain) {
      if (tape.choose(tape.key_of(node) | 0xffffffe0U, 2) == 1) into = other();
      return;
    }
    const Tensor<T> a = tape.contiguous(into.value());
    const Tensor<T> b = tape.contiguous(other().value());
    const Tensor<T> both = tape.allocate(Kind::real, a.sizes());
    for (Index i = 0; i < both.numel; ++i) both.real()[i] = hull(a.real()[i], b.real()[i]);
    into = tape.constant(both);
  }

  // A tangent that passed unchanged may still have its input's smaller shape.
  static Var<T> expanded(Tape<T>& tape, const Var<T>& tangent, const Node<T>& node) {
    if (same_sizes(tangent.sizes(), node.out().sizes())) return tangent;
    return tape.call(Basic::expand, {tangent}, tape.integers(node.out().sizes()));
  }

  static OperatorImpl<T> impl(const Record& record, const ElementwiseInfo& about) {
    OperatorImpl<T> made;
    made.record = &record;
    made.closure = &about;
    made.forward = &forward;
    made.vjp = &vjp;
    made.jvp = &jvp;
    made.saves = &saves;
    return made;
  }
};

}  // namespace gradproof
