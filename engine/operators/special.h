// Special functions in formulas, by their names: digamma(x), zeta(s, x). On a tape each is an operator.
#pragma once

#include <array>

#include "engine/catalogue.h"
#include "engine/error.h"
#include "engine/formula.h"
#include "engine/scalars/special.h"

namespace gradproof {

template <Special F, class T>
Var<T> special(const Var<T>& x) {
  return x.tape().call(x.tape().catalogue().named(operator_of(F)), std::array{x});
}
template <Special F, class T>
Var<T> special(const Var<T>& a, const Var<T>& x) {
  return x.tape().call(x.tape().catalogue().named(operator_of(F)), std::array{a, x});
}
template <Special F>
Probe special(Probe x) {
  return x;
}
template <Special F>
Probe special(Probe a, Probe x) {
  return {a.parameters | x.parameters};
}

#define GRADPROOF_SPECIAL(name)       \
  template <class V>                  \
  V name(const V& x) {                \
    return special<Special::name>(x); \
  }
GRADPROOF_SPECIAL(lgamma)
GRADPROOF_SPECIAL(digamma)
GRADPROOF_SPECIAL(erfinv)
GRADPROOF_SPECIAL(erfcx)
GRADPROOF_SPECIAL(ndtri)
GRADPROOF_SPECIAL(i0)
GRADPROOF_SPECIAL(i0e)
GRADPROOF_SPECIAL(i1)
GRADPROOF_SPECIAL(i1e)
#undef GRADPROOF_SPECIAL
#define GRADPROOF_SPECIAL(name)          \
  template <class V>                     \
  V name(const V& a, const V& x) {       \
    return special<Special::name>(a, x); \
  }
GRADPROOF_SPECIAL(polygamma)
GRADPROOF_SPECIAL(igamma)
GRADPROOF_SPECIAL(igammac)
GRADPROOF_SPECIAL(zeta)
#undef GRADPROOF_SPECIAL

// A partial that no engine has: to ask for it is an error.
template <class V>
V not_implemented(const V& x) {
  if constexpr (!std::is_same_v<V, Probe>) throw EngineError(GP_UNSUPPORTED, "a derivative that is not implemented");
  return x;
}

}  // namespace gradproof
