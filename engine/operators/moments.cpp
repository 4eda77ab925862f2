// std, and mean with var or std; sums and means without NaNs, and of a diagonal.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/norms.h"
#include "engine/operators/placement.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sources.h"

namespace gradproof {

namespace {

// Σx/n by m ← m + (x_k - m)/k, as one pass makes it beside the variance (Welford).
//
// Step k rounds m three times at most, x_k - m, the quotient and the sum, and what is off there weighs k/n at the end.
// With S = Σ|x|: k|m_k| <= S, |x_k - m_k-1| <= |x_k| + S/(k - 1), hence an error of at most
//   u/n Σ_k (k|m_k| + 2|x_k - m_k-1|) <= u S (n + 4 + 2 ln n)/n.
struct RunningMean : Mean<AlongDims> {
  static constexpr const char* schema = "_mean(Tensor self, int[]? dim, bool keepdim, ScalarType? dtype) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<AlongDims>(tape, node, [&](const Lane<T>& lane) {
      const T n = count_as_number<T>(lane.length);
      const T mean = sum_of(lane) / n;
      if constexpr (HasHull<T>) {
        Accumulator<T> sizes;
        for (Index k = 0; k < lane.length; ++k) sizes.add(abs(lane[k]));
        const auto roundings =
            static_cast<Index>(std::ceil(4 + 2 * std::log(static_cast<double>(lane.length)))) + lane.length;
        return widened(mean, count_as_number<T>(roundings) * unit_roundoff<T>() * sizes.result() / n);
      } else {
        return mean;
      }
    });
  }
  template <class T>
  static void jvp(Tape<T>&, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = mean_over(tangents[0], AlongDims::dims(node), AlongDims::keepdim(node));
  }
};

template <class T>
Var<T> root(const Var<T>& var) {
  return call_rule<RootOrZero>(var.tape(), {var}, {});
}
template <class T>
Var<T> mean_beside(const CompositeCall<T>& call, const Arg<T>& dims, const Arg<T>& keepdim) {
  return call_rule<RunningMean>(call.tape, {call[0]}, {dims, keepdim, Arg<T>{}});
}

// --- without NaNs ---

// A NaN counts as 0.
struct NanSum {
  using Args = AlongDims;

  template <class T>
  static bool counts(const T& x) {
    return equal(x, x) != Truth::no;
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<Args>(tape, node, [](const Lane<T>& lane) {
      Accumulator<T> sum;
      for (Index k = 0; k < lane.length; ++k) {
        if (counts(lane[k])) sum.add(lane[k]);
      }
      return sum.result();
    });
  }
  // 1 for what counts, and for what may.
  template <class T>
  static Var<T> mask(Tape<T>& tape, const Tensor<T>& x) {
    const Tensor<T> from = tape.contiguous(x);
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    for (Index i = 0; i < out.numel; ++i) {
      out.real()[i] = Scalar<T>::leaf(counts(from.real()[i]) ? 1 : 0);
      if (equal(from.real()[i], from.real()[i]) == Truth::unknown) out.real()[i] = out.real()[i] + 0 * from.real()[i];
    }
    return tape.constant(out);
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = spread(grads[0], node.in(0).sizes(), Args::dims(node)) * mask(tape, node.in(0));
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = sum_over(tangents[0] * mask(tape, node.in(0)), Args::dims(node), Args::keepdim(node));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0);
  }
};

template <class T>
Var<T> nanmean(const CompositeCall<T>& call) {
  const Var<T> sum = call("nansum", call[0], {call.arg(0), call.arg(1), call.arg(2)});
  const DimSet dims = dims_or_all(call.arg(0), call[0].ndim());
  return sum / sum_over(NanSum::mask(call.tape, call[0].value()), dims, call.flag(1));
}

// Σ x_ii
template <class T>
Var<T> trace(const Var<T>& x) {
  if (x.ndim() != 2) throw EngineError(GP_SHAPE, "trace of a tensor of shape " + to_text(x.sizes()));
  const std::array<Index, 1> length{std::min(x.size(0), x.size(1))};
  Table diagonal;
  for (Index i = 0; i < length[0]; ++i) diagonal.push_back(i * (x.size(1) + 1));
  return sum_over(picked(x, diagonal, length), all_dims(1), false);
}

// --- drawing ---

void sample_dims_with_a_long_one(Draw& draw) {
  std::size_t dim = 0;
  const std::vector<Index> shape = shape_with_a_long_dim(draw, dim);
  if (draw.one_in(6)) {
    draw.set_none("dim");
  } else {
    std::vector<Index> dims{draw.maybe_negative(static_cast<Index>(dim), std::ssize(shape))};
    const Index other = draw.integer(0, std::ssize(shape) - 1);
    if (draw.coin() && other != static_cast<Index>(dim)) dims.insert(dims.begin(), other);
    draw.set_ints("dim", dims);
  }
  draw_keepdim(draw);
}
void sample_dim(Draw& draw) {
  sample_dims_with_a_long_one(draw);
  if (draw.coin()) draw.set_bool("unbiased", draw.coin());
}
void sample_correction(Draw& draw) {
  sample_dims_with_a_long_one(draw);
  draw_correction(draw);
}

// --- records ---

Record spread_record(std::string_view schema, void (*sample)(Draw&)) {
  return {.schema = schema,
          .source = sources::variances,
          .note = "the slope of std at 0 is taken to be 0",
          .sample = sample};
}

void add_deviations(Registry& registry) {
  registry.composite(spread_record("std(Tensor self, bool unbiased=True) -> Tensor", sample_unbiased),
                     [](const auto& call) { return root(call("var", call[0], {call.arg(0)})); });
  registry.composite(
      spread_record("std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", sample_dim),
      [](const auto& call) {
        return root(call("var.dim", call[0], {call.arg(0), call.arg(1), call.arg(2)}));
      });
  registry.composite(
      spread_record(
          "std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
          sample_correction),
      [](const auto& call) {
        return root(call("var.correction", call[0], {call.arg(0), call.arg(1), call.arg(2)}));
      });
}

void add_with_means(Registry& registry) {
  registry.composite(spread_record("var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)", sample_unbiased),
                     [](const auto& call) {
                       const auto mean = mean_beside(call, call.none(), call.of(false));
                       return std::array{call("var", call[0], {call.arg(0)}), mean};
                     });
  registry.composite(
      spread_record(
          "var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
          sample_dim),
      [](const auto& call) {
        const auto mean = mean_beside(call, call.arg(0), call.arg(2));
        return std::array{call("var.dim", call[0], {call.arg(0), call.arg(1), call.arg(2)}), mean};
      });
  registry.composite(spread_record("var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, "
                                   "bool keepdim=False) -> (Tensor, Tensor)",
                                   sample_correction),
                     [](const auto& call) {
                       const auto mean = mean_beside(call, call.arg(0), call.arg(2));
                       const auto var = call("var.correction", call[0], {call.arg(0), call.arg(1), call.arg(2)});
                       return std::array{var, mean};
                     });
  registry.composite(spread_record("std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)", sample_unbiased),
                     [](const auto& call) {
                       const auto mean = mean_beside(call, call.none(), call.of(false));
                       return std::array{root(call("var", call[0], {call.arg(0)})), mean};
                     });
  registry.composite(
      spread_record(
          "std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
          sample_dim),
      [](const auto& call) {
        const auto mean = mean_beside(call, call.arg(0), call.arg(2));
        return std::array{root(call("var.dim", call[0], {call.arg(0), call.arg(1), call.arg(2)})), mean};
      });
  registry.composite(spread_record("std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, "
                                   "bool keepdim=False) -> (Tensor, Tensor)",
                                   sample_correction),
                     [](const auto& call) {
                       const auto mean = mean_beside(call, call.arg(0), call.arg(2));
                       const auto var = call("var.correction", call[0], {call.arg(0), call.arg(1), call.arg(2)});
                       return std::array{root(var), mean};
                     });
}

void add_sums(Registry& registry) {
  registry.structural<NanSum>({.schema = "nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, "
                                         "ScalarType? dtype=None) -> Tensor",
                               .source = sources::sums,
                               .sample = sample_over_dims});
  registry.composite({.schema = "nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, "
                                "ScalarType? dtype=None) -> Tensor",
                      .source = sources::sums,
                      .sample = sample_nonempty_over_dims},
                     [](const auto& call) { return nanmean(call); });
  registry.composite({.schema = "trace(Tensor self) -> Tensor", .source = sources::sums, .sample = sample_matrix},
                     [](const auto& call) { return trace(call[0]); });
}

}  // namespace

void add_moments(Registry& registry) {
  add_deviations(registry);
  add_with_means(registry);
  add_sums(registry);
}

}  // namespace gradproof
