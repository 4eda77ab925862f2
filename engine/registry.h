// Where operator files put their records, for every scalar at once.
#pragma once

#include <deque>
#include <map>
#include <tuple>

#include "engine/elementwise.h"

namespace gradproof {

// Scalars the reference runs on. GRADPROOF_FOR_EACH_SCALAR(M) expands M for each.
#define GRADPROOF_FOR_EACH_SCALAR(M) \
  M(float)                           \
  M(double)                          \
  M(Ball<float>)                     \
  M(Ball<double>)                    \
  M(ArbBall<UnderTest>)              \
  M(Defined)

class Registry {
 public:
  using Catalogues = std::tuple<Catalogue<float>, Catalogue<double>, Catalogue<Ball<float>>, Catalogue<Ball<double>>,
                                Catalogue<ArbBall<UnderTest>>, Catalogue<Defined>>;

  // The operators of gradproof, made once.
  static const Registry& standard();

  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  template <class T>
  const Catalogue<T>& catalogue() const {
    return std::get<Catalogue<T>>(catalogues_);
  }
  const std::deque<Entry>& entries() const { return entries_; }
  const Schemas& schemas() const { return schemas_; }
  // Numbers of the entries of one overload, several where variants split it.
  const std::vector<std::size_t>& find(std::string_view name, std::string_view overload) const;

  template <class... ValueThenPartials>
  void elementwise(const Record& record, ValueThenPartials... formulas) {
    enter_elementwise(record, NoTangentFormula{}, formulas...);
  }
  template <class F, class... ValueThenPartials>
  void elementwise(const Record& record, TangentFormula<F> tangent, ValueThenPartials... formulas) {
    enter_elementwise(record, tangent, formulas...);
  }
  // Op has static templates forward<T>, vjp<T>, jvp<T>, saves<T>, as OperatorImpl has pointers.
  template <class Op>
  void structural(const Record& record);
  // Program is a captureless function of a CompositeCall<T>, for every T, that gives one result or a list of them. In
  // engine/composite.h.
  template <class Program>
  void composite(const Record& record, Program program);
  void finish();

 private:
  template <class Tangent, class Value, class... Partials>
  void enter_elementwise(const Record& record, Tangent tangent, Value value, Partials... partials);
  Entry& enter(const Record& record);
  ElementwiseInfo& describe(Entry& entry, std::size_t parameters, std::size_t partials);

  std::deque<Entry> entries_;
  std::deque<ElementwiseInfo> infos_;
  // By name, then overload.
  std::map<std::string, std::map<std::string, std::vector<std::size_t>, std::less<>>, std::less<>> numbers_;
  Schemas schemas_;
  Catalogues catalogues_;
};

namespace detail {

template <class F, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return std::is_invocable_v<F, decltype(static_cast<void>(I), Probe{})...>;
}
template <class F, std::size_t N = 1>
constexpr std::size_t arity_of() {
  if constexpr (takes<F>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    return arity_of<F, N + 1>();
  }
}

// Bits of the parameters a partial reads; bit N is the result.
template <std::size_t N, class P>
std::uint64_t reads(const P& formulas) {
  if constexpr (requires { formulas.all; }) {
    std::array<Probe, N> p;
    for (std::size_t k = 0; k < N; ++k) p[k].parameters = std::uint64_t{1} << k;
    const Probe y{std::uint64_t{1} << N};
    // What the definition reads: an engine that computes by another formula may save less.
    return apply(formula<0>(formulas), p, std::make_index_sequence<N>{}, y).parameters;
  } else {
    return 0;
  }
}

}  // namespace detail

template <class Tangent, class Value, class... Partials>
void Registry::enter_elementwise(const Record& record, Tangent, Value, Partials... partials) {
  constexpr std::size_t n = detail::arity_of<std::tuple_element_t<0, decltype(Value::all)>>();
  using E = Elementwise<n, Tangent, Value, Partials...>;
  Entry& entry = enter(record);
  entry.elementwise = true;
  ElementwiseInfo& info = describe(entry, n, sizeof...(Partials));
  std::size_t tensor = 0;
  const auto note = [&](const auto& formulas) {
    const std::uint64_t reads = detail::reads<n>(formulas);
    for (std::size_t k = 0; k < n; ++k) {
      const Parameter& parameter = info.parameters[k];
      if ((reads >> k & 1U) != 0 && parameter.is_tensor) info.saves[tensor] |= saved_input(parameter.at);
    }
    if ((reads >> n & 1U) != 0) info.saves[tensor] |= saved_output(0);
    ++tensor;
  };
  (note(partials), ...);
#define GRADPROOF_ADD(T) std::get<Catalogue<T>>(catalogues_).add(ElementwiseKernel<T, E>::impl(entry.record, info));
  GRADPROOF_FOR_EACH_SCALAR(GRADPROOF_ADD)
#undef GRADPROOF_ADD
}

template <class Op, class T>
OperatorImpl<T> structural_impl(const Record& record) {
  OperatorImpl<T> impl;
  impl.record = &record;
  impl.forward = &Op::template forward<T>;
  if constexpr (requires { Op::is_view; }) impl.is_view = Op::is_view;
  if constexpr (requires { &Op::template vjp<T>; }) {
    impl.vjp = &Op::template vjp<T>;
    impl.jvp = &Op::template jvp<T>;
    impl.saves = &Op::template saves<T>;
  } else {
    impl.differentiable = false;
  }
  return impl;
}

template <class Op>
void Registry::structural(const Record& record) {
  const Entry& entry = enter(record);
#define GRADPROOF_ADD(T) std::get<Catalogue<T>>(catalogues_).add(structural_impl<Op, T>(entry.record));
  GRADPROOF_FOR_EACH_SCALAR(GRADPROOF_ADD)
#undef GRADPROOF_ADD
}

}  // namespace gradproof
