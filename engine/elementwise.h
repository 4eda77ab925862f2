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
#include "engine/formulas.h"
#include "engine/walk.h"

namespace gradproof {

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
    const Tensor<T> out = fresh_result(tape, node);
    T* to = out.real();
    walk<0>(node, out, {}, [&](Index count, Index first, const auto& at, const auto& step) {
      run_value(tape, count, to + first, at, step);
    });
    node.output_count = 1;
    node.outputs = tape.arena().template array<VarImpl<T>*>(1);
    node.outputs[0] = tape.constant(out).impl();
  }

  // One after the other in memory, in the shape of `like`: no walk is needed between the two.
  static bool lies_as(const Tensor<T>& tensor, const Tensor<T>& like) {
    return tensor.contiguous && like.contiguous &&
           (tensor.sizes_begin == like.sizes_begin ? tensor.ndim == like.ndim
                                                   : same_sizes(tensor.sizes(), like.sizes()));
  }

  static Tensor<T> fresh_result(Tape<T>& tape, const Node<T>& node) {
    bool alike = true;
    for (std::size_t i = 0; i < node.input_count; ++i) {
      if (node.in(i).kind != Kind::real) throw EngineError(GP_DTYPE, "a floating tensor is needed");
      alike = alike && lies_as(node.in(i), node.in(0));
    }
    if (alike) return tape.allocate_like(node.in(0));
    std::array<Index, GP_MAX_DIMS> sizes{};
    std::size_t ndim = node.in(0).ndim;
    std::copy_n(node.in(0).sizes_begin, ndim, sizes.data());
    for (std::size_t i = 1; i < node.input_count; ++i) {
      ndim = static_cast<std::size_t>(broadcast_sizes({sizes.data(), ndim}, node.in(i).sizes(), sizes.data()));
    }
    return tape.allocate(Kind::real, {sizes.data(), ndim});
  }

  // body(count, first, pointers, steps) over the parameters and then `more`, as for_each_run() has it.
  template <std::size_t K, class Body>
  static void walk(const Node<T>& node, const Tensor<T>& out, const std::array<const Tensor<T>*, K>& more,
                   Body&& body) {
    const ElementwiseInfo& about = info(node);
    std::array<T, N> scalars{};
    bool flat = true;
    for (std::size_t k = 0; k < N; ++k) {
      const Parameter& parameter = about.parameters[k];
      if (!parameter.is_tensor) scalars[k] = scalar(node, parameter);
      flat = flat && (!parameter.is_tensor || lies_as(node.in(parameter.at), out));
    }
    for (const Tensor<T>* tensor : more) flat = flat && lies_as(*tensor, out);
    if (flat) {
      std::array<const T*, N + K> at;
      std::array<Index, N + K> step;
      step.fill(1);
      for (std::size_t k = 0; k < N; ++k) {
        const Parameter& parameter = about.parameters[k];
        at[k] = parameter.is_tensor ? node.in(parameter.at).real() : &scalars[k];
        if (!parameter.is_tensor) step[k] = 0;
      }
      for (std::size_t k = 0; k < K; ++k) at[N + k] = more[k]->real();
      return body(out.numel, Index{0}, at, step);
    }
    std::array<Operand<T>, N + K> operands;
    for (std::size_t k = 0; k < N; ++k) {
      const Parameter& parameter = about.parameters[k];
      operands[k] = parameter.is_tensor ? Operand<T>::of(node.in(parameter.at), out.ndim) : Operand<T>::of(scalars[k]);
    }
    for (std::size_t k = 0; k < K; ++k) operands[N + k] = Operand<T>::of(*more[k], out.ndim);
    for_each_run<T, N + K>(out.sizes(), operands, body);
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
    // One choice for all partials of a call: at a tie maximum's pass the whole gradient on, not twice or never.
    const std::uint64_t key = tape.key_of(node);
    const detail::OpenTies ties;
    walk<2>(node, node.out(), {&node.out(), &by}, [&](Index count, Index first, const auto& at, const auto& step) {
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
          if constexpr (detail::has_weighted<Fs> && Encloses<T>) {
            if (tape.admitted) to[first + i] = detail::admit_weighted(Fs{}, to[first + i], p, y, factor);
          }
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
            ((F == chosen ? void(result = detail::times(detail::formula<F>(Fs{}), p, indices, y, by)) : void()), ...);
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
