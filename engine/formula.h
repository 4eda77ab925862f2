// What formulas are written in beyond the scalar interface (engine/scalars/scalar.h): arithmetic on
// tensors of a tape, numbers beside variables, and a probe that finds what a formula depends on.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/scalars/scalar_all.h"
#include "engine/tape.h"

namespace gradproof {

template <class T>
requires requires { Scalar<T>::integer(0); }
T integer_like(const T&, int value) { return Scalar<T>::integer(value); }

// --- Var: every operation is a call recorded on the tape ---

template <class T>
Var<T> integer_like(const Var<T>& like, int value) {
  return like.tape().number(Scalar<T>::leaf(value));
}

template <class T>
Var<T> operator+(const Var<T>& a, const Var<T>& b) {
  return a.tape().call(Basic::add, {a, b}, a.tape().one());
}
template <class T>
Var<T> operator-(const Var<T>& a, const Var<T>& b) {
  return a.tape().call(Basic::sub, {a, b}, a.tape().one());
}
template <class T>
Var<T> operator*(const Var<T>& a, const Var<T>& b) {
  return a.tape().call(Basic::mul, {a, b});
}
template <class T>
Var<T> operator/(const Var<T>& a, const Var<T>& b) {
  return a.tape().call(Basic::div, {a, b});
}
template <class T>
Var<T> operator-(const Var<T>& a) {
  return a.tape().call(Basic::neg, {a});
}

#define GRADPROOF_VAR_WITH_INT(op)             \
  template <class T>                           \
  Var<T> operator op(const Var<T>& a, int b) { \
    return a op integer_like(a, b);            \
  }                                            \
  template <class T>                           \
  Var<T> operator op(int a, const Var<T>& b) { \
    return integer_like(b, a) op b;            \
  }
GRADPROOF_VAR_WITH_INT(+)
GRADPROOF_VAR_WITH_INT(-)
GRADPROOF_VAR_WITH_INT(*)
GRADPROOF_VAR_WITH_INT(/)
#undef GRADPROOF_VAR_WITH_INT

#define GRADPROOF_VAR_UNARY(name)           \
  template <class T>                        \
  Var<T> name(const Var<T>& a) {            \
    return a.tape().call(Basic::name, {a}); \
  }
GRADPROOF_VAR_UNARY(abs)
GRADPROOF_VAR_UNARY(sqrt)
GRADPROOF_VAR_UNARY(exp)
GRADPROOF_VAR_UNARY(exp2)
GRADPROOF_VAR_UNARY(expm1)
GRADPROOF_VAR_UNARY(log)
GRADPROOF_VAR_UNARY(log2)
GRADPROOF_VAR_UNARY(log10)
GRADPROOF_VAR_UNARY(log1p)
GRADPROOF_VAR_UNARY(sin)
GRADPROOF_VAR_UNARY(cos)
GRADPROOF_VAR_UNARY(tan)
GRADPROOF_VAR_UNARY(asin)
GRADPROOF_VAR_UNARY(acos)
GRADPROOF_VAR_UNARY(atan)
GRADPROOF_VAR_UNARY(sinh)
GRADPROOF_VAR_UNARY(cosh)
GRADPROOF_VAR_UNARY(tanh)
GRADPROOF_VAR_UNARY(asinh)
GRADPROOF_VAR_UNARY(acosh)
GRADPROOF_VAR_UNARY(atanh)
GRADPROOF_VAR_UNARY(erf)
GRADPROOF_VAR_UNARY(erfc)
#undef GRADPROOF_VAR_UNARY

#define GRADPROOF_VAR_BINARY(name)                \
  template <class T>                              \
  Var<T> name(const Var<T>& a, const Var<T>& b) { \
    return a.tape().call(Basic::name, {a, b});    \
  }
GRADPROOF_VAR_BINARY(atan2)
GRADPROOF_VAR_BINARY(hypot)
GRADPROOF_VAR_BINARY(pow)
GRADPROOF_VAR_BINARY(maximum)
GRADPROOF_VAR_BINARY(minimum)
GRADPROOF_VAR_BINARY(less)
GRADPROOF_VAR_BINARY(equal)
#undef GRADPROOF_VAR_BINARY

// In a formula the side not taken counts as used: engines multiply by masks where a formula says select.
template <class T>
Var<T> select(const Var<T>& mask, const Var<T>& a, const Var<T>& b) {
  if constexpr (std::is_same_v<T, Defined>) {
    const Var<T> taken = a.tape().call(Basic::where, {mask, integer_like(a, 1), integer_like(a, 0)});
    return taken * a + (1 - taken) * b;
  } else {
    return a.tape().call(Basic::where, {mask, a, b});
  }
}
template <class T>
Var<T> literal(const Var<T>& like, Decimal decimal) {
  return like.tape().number(literal(T{}, decimal));
}
template <class Tag, class T>
Var<T> constant(const Var<T>& like) {
  return like.tape().number(constant<Tag>(T{}));
}

// --- Probe: which parameters a formula's result depends on, as a set of bits ---

struct Probe {
  std::uint64_t parameters = 0;
};
struct ProbeTruth {
  std::uint64_t parameters = 0;
};
inline Probe integer_like(Probe, int) { return {}; }

#define GRADPROOF_PROBE_OPERATOR(op)                                                   \
  inline Probe operator op(Probe a, Probe b) { return {a.parameters | b.parameters}; } \
  inline Probe operator op(Probe a, int) { return a; }                                 \
  inline Probe operator op(int, Probe b) { return b; }
GRADPROOF_PROBE_OPERATOR(+)
GRADPROOF_PROBE_OPERATOR(-)
GRADPROOF_PROBE_OPERATOR(*)
GRADPROOF_PROBE_OPERATOR(/)
#undef GRADPROOF_PROBE_OPERATOR
inline Probe operator-(Probe a) { return a; }

#define GRADPROOF_PROBE_UNARY(name) \
  inline Probe name(Probe a) { return a; }
GRADPROOF_PROBE_UNARY(abs)
GRADPROOF_PROBE_UNARY(sqrt)
GRADPROOF_PROBE_UNARY(exp)
GRADPROOF_PROBE_UNARY(exp2)
GRADPROOF_PROBE_UNARY(expm1)
GRADPROOF_PROBE_UNARY(log)
GRADPROOF_PROBE_UNARY(log2)
GRADPROOF_PROBE_UNARY(log10)
GRADPROOF_PROBE_UNARY(log1p)
GRADPROOF_PROBE_UNARY(sin)
GRADPROOF_PROBE_UNARY(cos)
GRADPROOF_PROBE_UNARY(tan)
GRADPROOF_PROBE_UNARY(asin)
GRADPROOF_PROBE_UNARY(acos)
GRADPROOF_PROBE_UNARY(atan)
GRADPROOF_PROBE_UNARY(sinh)
GRADPROOF_PROBE_UNARY(cosh)
GRADPROOF_PROBE_UNARY(tanh)
GRADPROOF_PROBE_UNARY(asinh)
GRADPROOF_PROBE_UNARY(acosh)
GRADPROOF_PROBE_UNARY(atanh)
GRADPROOF_PROBE_UNARY(erf)
GRADPROOF_PROBE_UNARY(erfc)
#undef GRADPROOF_PROBE_UNARY

#define GRADPROOF_PROBE_BINARY(name) \
  inline Probe name(Probe a, Probe b) { return {a.parameters | b.parameters}; }
GRADPROOF_PROBE_BINARY(atan2)
GRADPROOF_PROBE_BINARY(hypot)
GRADPROOF_PROBE_BINARY(pow)
GRADPROOF_PROBE_BINARY(maximum)
GRADPROOF_PROBE_BINARY(minimum)
#undef GRADPROOF_PROBE_BINARY
inline ProbeTruth less(Probe a, Probe b) { return {a.parameters | b.parameters}; }
inline ProbeTruth equal(Probe a, Probe b) { return {a.parameters | b.parameters}; }
inline Probe select(ProbeTruth mask, Probe a, Probe b) { return {mask.parameters | a.parameters | b.parameters}; }
inline Probe literal(Probe, Decimal) { return {}; }
template <class Tag>
Probe constant(Probe) {
  return {};
}

// --- numbers beside variables ---

// Scalars bring their own forms of these; here are those of Var and Probe.
template <class V>
inline constexpr bool is_formula_type = std::is_same_v<V, Probe>;
template <class T>
inline constexpr bool is_formula_type<Var<T>> = true;

template <class V>
requires is_formula_type<V>
auto less(const V& a, int b) { return less(a, integer_like(a, b)); }
template <class V>
requires is_formula_type<V>
auto less(int a, const V& b) { return less(integer_like(b, a), b); }
template <class V>
requires is_formula_type<V>
auto equal(const V& a, int b) { return equal(a, integer_like(a, b)); }

// select(mask, number, variable) and the like; the number takes the variable's type.
template <class M, class V>
requires(!std::is_arithmetic_v<V> || std::is_floating_point_v<V>) V select(const M& mask, const V& a, int b) {
  return select(mask, a, integer_like(a, b));
}
template <class M, class V>
requires(!std::is_arithmetic_v<V> || std::is_floating_point_v<V>) V select(const M& mask, int a, const V& b) {
  return select(mask, integer_like(b, a), b);
}
// A number of x's type.
template <class V>
V number(const V& x, int value) {
  return integer_like(x, value);
}
template <class V>
V square(const V& x) {
  return x * x;
}

}  // namespace gradproof
