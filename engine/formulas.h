// The formulas of one quantity, and how they are evaluated at one element.
#pragma once

#include <array>
#include <bit>
#include <tuple>
#include <utility>

#include "engine/formula.h"

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

// A formula not of a slope but of slope times gradient, for engines that multiply the gradient in early: it takes
// the gradient (or tangent) after the result. (g·x)/r over- and underflows elsewhere than g·(x/r).
template <class F>
struct Weighted {
  F formula;
};
template <class F>
constexpr Weighted<F> weighted(F f) {
  return {f};
}

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

template <class F>
inline constexpr bool is_weighted = false;
template <class F>
inline constexpr bool is_weighted<Weighted<F>> = true;

template <class Fs>
inline constexpr bool has_weighted = false;
template <class... F>
inline constexpr bool has_weighted<Formulas<F...>> = (is_weighted<F> || ...);

// by · slope, whichever way the formula has it.
template <class F, class V, class P, std::size_t... I>
V times(F f, const P& p, std::index_sequence<I...> indices, const V& y, const V& by) {
  if constexpr (is_weighted<F>) {
    return apply(f.formula, p, indices, y, by);
  } else {
    return by * apply(f, p, indices, y);
  }
}

// The hull of a product with the slope and what the weighted formulas say. At a kink the slope alone decides.
template <class Fs, class T, std::size_t N>
T admit_weighted(Fs formulas, T result, const std::array<T, N>& p, const T& y, const T& by) {
  constexpr auto indices = std::make_index_sequence<N>{};
  const auto admit = [&]<class F>(F f) {
    if constexpr (is_weighted<F>) {
      branch.met = false;
      const T other = Scalar<T>::materialize(times(f, p, indices, y, by));
      if (!branch.met) result = hull(result, other);
    }
  };
  [&]<std::size_t... K>(std::index_sequence<K...>) { (admit(formula<K>(formulas)), ...); }
  (std::make_index_sequence<Fs::count>{});
  return result;
}

// The first formula, or the hull of all slopes where several are admitted.
template <class T, class Fs, std::size_t N, class... Rest>
T evaluate(Fs formulas, const std::array<T, N>& p, bool admitted, const Rest&... rest) {
  constexpr auto indices = std::make_index_sequence<N>{};
  T result = apply(formula<0>(formulas), p, indices, rest...);
  if constexpr (Fs::count > 1 && Encloses<T>) {
    if (admitted) {
      const auto admit = [&]<class F>(F f) {
        if constexpr (!is_weighted<F>) result = hull(result, apply(f, p, indices, rest...));
      };
      [&]<std::size_t... K>(std::index_sequence<K...>) { (admit(formula<K + 1>(formulas)), ...); }
      (std::make_index_sequence<Fs::count - 1>{});
    }
  }
  return result;
}

// What ties must be resolved alike: of one parameter those at the same place, for an engine has a convention for each
// kink; of several all, for there a kink is a line (maximum's x = y).
template <class T, std::size_t N>
std::uint64_t key_of_tie(const std::array<T, N>& p) {
  if constexpr (N > 1) return 0xffffffffU;
  const auto place = std::bit_cast<std::uint32_t>(static_cast<float>(p[0].lower()));
  return 0xfe000000U | ((place * 0x9e3779b1U) >> 8U);
}

// A partial at one element. Where a comparison stays open (a ball across a kink, an exact tie) each
// one-sided slope is admitted, and at a tie their mean: the tape's driver tries them one by one.
template <class T, class Fs, std::size_t N>
T slope(Tape<T>& tape, Fs formulas, const std::array<T, N>& p, const T& y, std::uint64_t key, Index element) {
  if constexpr (!Encloses<T>) {
    return evaluate<T>(formulas, p, false, y);
  } else {
    branch.met = false;
    T joint = evaluate<T>(formulas, p, tape.admitted, y);
    if (!branch.met) return joint;
    bool tie = true;
    for (const T& parameter : p) tie = tie && is_exact(parameter);
    branch.side = Branch::Side::first;
    T first = evaluate<T>(formulas, p, tape.admitted, y);
    branch.side = Branch::Side::second;
    T second = evaluate<T>(formulas, p, tape.admitted, y);
    branch.side = Branch::Side::hull;
    if (overlap(first, second)) return hull(first, second);
    // Exact ties of one call at one kink are resolved alike; a straddled kink may go either way in each element.
    const std::uint64_t which = tie ? key_of_tie(p) : static_cast<std::uint64_t>(element) & 0x00ffffffU;
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

}  // namespace gradproof
