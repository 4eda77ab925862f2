// softmax, log_softmax, logsumexp. Each is the same for x - c whatever c is; c near max x keeps exp in range.
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// A number near x.
template <class T>
double anchor(const T& x) {
  if constexpr (HasHull<T>) {
    if (x.is_anything() || x.is_nan()) return -infinity;
    if (x.is_special()) return less(x, 0) == Truth::yes ? -infinity : infinity;
  }
  if constexpr (requires { x.mid; }) {
    return static_cast<double>(x.mid);
  } else if constexpr (requires { x.enclosure(); }) {
    return static_cast<double>(x.enclosure().mid);
  } else {
    return Scalar<T>::to_double(x);
  }
}

// c of a lane, a number of the dtype under test. LibTorch's logsumexp takes 0 where the maximum is infinite
// (`Finite`), its softmax does not: there an infinite maximum makes NaNs.
template <bool Finite, class T>
T shift_of(const Lane<T>& lane) {
  double c = -infinity;
  for (Index k = 0; k < lane.length; ++k) c = std::fmax(c, anchor(lane[k]));
  if constexpr (HasHull<T> && !Finite) {
    for (Index k = 0; k < lane.length && c == -infinity; ++k) {
      if (lane[k].is_anything()) return lane[k];  // and so is the maximum
    }
  }
  if (Finite && !std::isfinite(c)) c = 0;
  return Scalar<T>::leaf(rounded_to(format_of<typename Scalar<T>::Dtype>(), c));
}

// c as a tensor that x can be subtracted from.
template <bool Finite, class T>
Var<T> shifts(const Var<T>& x, DimSet dims) {
  Tape<T>& tape = x.tape();
  const Tensor<T> out = tape.allocate(Kind::real, reduced_sizes(x.sizes(), dims, true));
  for_each_lane(tape.arena(), x.value(), dims,
                [&](Index o, const Lane<T>& lane) { out.real()[o] = shift_of<Finite>(lane); });
  return tape.constant(out);
}

// Σ eˣ t / Σ eˣ, the tangent of logsumexp.
template <bool Finite, class T>
Var<T> weighted_mean(const Var<T>& x, const Var<T>& t, DimSet dims, bool keepdim) {
  const Var<T> e = exp(x - shifts<Finite>(x, dims));
  return sum_over(e * t, dims, keepdim) / sum_over(e, dims, keepdim);
}

// --- logsumexp ---

struct LogSumExp {
  using Args = ReductionArgs<0, 1, -1>;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<Args>(tape, node, [](const Lane<T>& lane) {
      const T c = shift_of<true>(lane);
      Accumulator<T> sum;
      for (Index k = 0; k < lane.length; ++k) sum.add(exp(lane[k] - c));
      return log(sum.result()) + c;
    });
  }
  // g · softmax(x), or g · exp(x - y)
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    const Var<T> x = input(tape, node, 0);
    const auto softmax = [&] {
      const Var<T> e = exp(x - shifts<true>(x, dims));
      return e / sum_over(e, dims, true);
    };
    const auto by_result = [&] { return exp(x - spread(output(tape, node), x.sizes(), dims)); };
    into[0] = spread(grads[0], x.sizes(), dims) * either(tape, node, tape.plain(node, grads, 1), softmax, by_result);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = weighted_mean<true>(input(tape, node, 0), tangents[0], Args::dims(node), Args::keepdim(node));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// --- along one dim: (self, dim, dtype) ---

template <class T>
DimSet softmax_dim(const Node<T>& node) {
  return DimSet{1} << static_cast<unsigned>(wrap_dim(node.args[0].integer, node.in(0).ndim));
}

// f(lane, where its results go)
template <class T, class F>
void along_dim(Tape<T>& tape, Node<T>& node, F&& f) {
  need_no_dtype(node.args[1]);
  const Tensor<T> x = tape.contiguous(real_input(node, 0));
  const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
  for_each_lane(tape.arena(), x, softmax_dim(node), [&](Index, const Lane<T>& lane) {
    Lane<T> to = lane;
    to.first = out.real() + (lane.first - x.real());
    f(lane, to);
  });
  set_outputs(tape, node, {out});
}

// eˣ / Σ eˣ, or eˣ · (1 / Σ eˣ)
struct Softmax {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    along_dim(tape, node, [&](const Lane<T>& lane, const Lane<T>& to) {
      const T c = shift_of<false>(lane);
      Accumulator<T> accumulator;
      for (Index k = 0; k < lane.length; ++k) {
        to[k] = exp(lane[k] - c);
        accumulator.add(to[k]);
      }
      const T sum = accumulator.result();
      for (Index k = 0; k < lane.length; ++k) {
        const T e = to[k];
        to[k] = e / sum;
        if constexpr (HasHull<T>) {
          if (tape.admitted) to[k] = hull(to[k], e * (1 / sum));
        }
        to[k] = Scalar<T>::materialize(to[k]);
      }
    });
  }
  // y (g - Σ g y), or y g - y Σ g y
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Var<T> y = output(tape, node);
    const Var<T>& g = grads[0];
    const Var<T> mean = sum_over(g * y, softmax_dim(node), true);
    into[0] = either(
        tape, node, tape.plain(node, grads, 1), [&] { return y * (g - mean); }, [&] { return g * y - y * mean; });
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Var<T> mean = weighted_mean<false>(input(tape, node, 0), tangents[0], softmax_dim(node), true);
    into[0] = output(tape, node) * (tangents[0] - mean);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0);
  }
};

// x - c - log Σ exp(x - c)
struct LogSoftmax {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    along_dim(tape, node, [](const Lane<T>& lane, const Lane<T>& to) {
      const T c = shift_of<false>(lane);
      Accumulator<T> sum;
      for (Index k = 0; k < lane.length; ++k) {
        to[k] = lane[k] - c;
        sum.add(exp(to[k]));
      }
      const T log_sum = log(sum.result());
      for (Index k = 0; k < lane.length; ++k) to[k] = Scalar<T>::materialize(to[k] - log_sum);
    });
  }
  // g - e^y Σ g
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = grads[0] - exp(output(tape, node)) * sum_over(grads[0], softmax_dim(node), true);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = tangents[0] - weighted_mean<false>(input(tape, node, 0), tangents[0], softmax_dim(node), true);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0);
  }
};

}  // namespace

void add_softmax(Registry& registry) {
  constexpr std::string_view source = "exp and log of the budget table, sums in any order";
  registry.structural<LogSumExp>({.schema = "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
                                  .source = source,
                                  .sample = sample_logsumexp});
  registry.structural<Softmax>({.schema = "softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
                                .source = source,
                                .sample = sample_along_dim});
  registry.structural<LogSoftmax>({.schema = "log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
                                   .source = source,
                                   .sample = sample_along_dim});
}

}  // namespace gradproof
