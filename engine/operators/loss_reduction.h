// How a loss is reduced: 0 not at all, 1 to its mean, 2 to its sum.
#pragma once

#include "engine/composite.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sums.h"

namespace gradproof {

enum class Reduction : std::uint8_t { none = 0, mean = 1, sum = 2 };

// x/n, or x · (1/n): engines divide a loss by a number of elements, and its gradient, either way. Arguments: n.
struct Share : LinearRules {
  static constexpr const char* schema = "_share(Tensor self, int n) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    const T n = count_as_number<T>(node.args[0].integer);
    for (Index i = 0; i < x.numel; ++i) {
      T y = x.real()[i] / n;
      if constexpr (HasHull<T>) {
        if (tape.admitted && node.args[0].integer > 0) y = hull(y, x.real()[i] * (1 / n));
      }
      out.real()[i] = Scalar<T>::materialize(y);
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    // Of no elements each gets g/0, and none is there to get it.
    into[0] = node.args[0].integer == 0 ? grads[0] * 0 : again(tape, node, {grads[0]});
  }
};
template <class T>
Var<T> share(const Var<T>& x, Index n) {
  return call_rule<Share>(x.tape(), {x}, {integer_arg<T>(n)});
}

template <class T>
Reduction reduction_of(const CompositeCall<T>& call, std::size_t arg) {
  const Index which = call.integer(arg);
  if (which < 0 || which > 2)
    throw EngineError(GP_ARGUMENT, "reduction " + std::to_string(which) + " is none of 0, 1, 2");
  return static_cast<Reduction>(which);
}
template <class T>
Var<T> whole_sum(const Var<T>& x) {
  return sum_over(x, all_dims(x.ndim()), false);
}
template <class T>
Var<T> reduced_loss(const CompositeCall<T>& call, const Var<T>& loss, std::size_t reduction_arg) {
  switch (reduction_of(call, reduction_arg)) {
    case Reduction::mean: return share(whole_sum(loss), loss.numel());
    case Reduction::sum: return whole_sum(loss);
    default: return loss;
  }
}

template <class T>
Var<T> weighted_loss(const Var<T>& loss, const Var<T>& weight) {
  return weight ? loss * weight : loss;
}

inline void draw_reduction(Draw& draw) {
  if (!draw.one_in(3)) draw.set_int("reduction", draw.integer(0, 2));
}

}  // namespace gradproof
