// Reductions that add: sum, mean, var.
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sources.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// How many are taken from n in var's divisor: `unbiased`, or a number (none: 1).
template <int Dims, int Keepdim>
struct UnbiasedFlag : ReductionArgs<Dims, Keepdim, -1> {
  template <class T>
  static double correction(const Node<T>& node) {
    return flag(node, Dims + 1) ? 1 : 0;
  }
};
struct CorrectionNumber : ReductionArgs<0, 2, -1> {
  template <class T>
  static double correction(const Node<T>& node) {
    return node.args[1].is_none() ? 1 : node.args[1].number;
  }
};

// Σ (x - mean)² / (n - c), n - c at least 0.
//
// Two passes are off by what the balls carry; one pass (Welford, Chan) by n·u·√(S Σx²), S = Σ (x - mean)²: Chan,
// Golub, LeVeque, "Algorithms for computing the sample variance", The American Statistician 37 (1983), table 1.
template <class Args>
struct Variance {
  template <class T>
  static T divisor(const Node<T>& node) {
    const auto n = static_cast<double>(count_reduced(node.in(0).sizes(), Args::dims(node)));
    return Scalar<T>::argument(std::fmax(n - Args::correction(node), 0));
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const T over = divisor(node);
    reduce<Args>(tape, node, [&](const Lane<T>& lane) {
      const T n = count_as_number<T>(lane.length);
      const T mean = sum_of(lane) / n;
      Accumulator<T> squares;
      Accumulator<T> raw;
      for (Index k = 0; k < lane.length; ++k) {
        const T off = lane[k] - mean;
        squares.add_product(off, off);
        if constexpr (HasHull<T>) raw.add_product(lane[k], lane[k]);
      }
      T sum = squares.result();
      // √S before the product with √Σx², which an engine does not make.
      if constexpr (HasHull<T>) sum = widened(abs(sum), n * unit_roundoff<T>() * sqrt(abs(sum)) * sqrt(raw.result()));
      return sum / over;
    });
  }
  // d var = 2/(n - c) (x - mean) dx
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    const Var<T> x = input(tape, node, 0);
    const Var<T> off = x - mean_over(x, dims, true);
    const Var<T> factor = 2 / tape.number(divisor(node));
    // Broadcast last: where this is differentiated, an engine sums before it scales, and that may overflow.
    into[0] = (factor * reshape_to(grads[0], reduced_sizes(x.sizes(), dims, true))) * off;
  }
  // Σ (2/(n - c) dx) (x - mean), which sums the gradient's terms, as LibTorch does; or Σ (x - mean) dx · 2/(n - c)
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    const Var<T> x = input(tape, node, 0);
    const Var<T> off = x - expand_to(mean_over(x, dims, true), x.sizes());
    const Var<T> over = tape.number(divisor(node));
    const auto factor_last = [&] { return sum_over(tangents[0] * off, dims, Args::keepdim(node)) * 2 / over; };
    const auto factor_first = [&] { return sum_over(2 / over * tangents[0] * off, dims, Args::keepdim(node)); };
    into[0] = either(tape, node, tape.plain(node, tangents, 1), factor_first, factor_last);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0);
  }
};

void draw_dims_with(Draw& draw, std::size_t dim, Index ndim) {
  if (draw.one_in(6)) return draw.set_none("dim");
  std::vector<Index> dims = draw.dims(ndim, 0);
  const auto same = [&](Index d) { return (d < 0 ? d + ndim : d) == static_cast<Index>(dim); };
  if (std::none_of(dims.begin(), dims.end(), same)) {
    dims.push_back(draw.maybe_negative(static_cast<Index>(dim), ndim));
  }
  draw.set_ints("dim", dims);
}

void sample_var_dim(Draw& draw) {
  std::size_t dim = 0;
  const std::vector<Index> shape = shape_with_a_long_dim(draw, dim);
  draw_dims_with(draw, dim, std::ssize(shape));
  if (draw.coin()) draw.set_bool("unbiased", draw.coin());
  draw_keepdim(draw);
}

void sample_var_correction(Draw& draw) {
  std::size_t dim = 0;
  const std::vector<Index> shape = shape_with_a_long_dim(draw, dim);
  draw_dims_with(draw, dim, std::ssize(shape));
  draw_correction(draw);
  draw_keepdim(draw);
}

void add_sums(Registry& registry) {
  registry.structural<Sum<WholeTensor>>({.schema = "sum(Tensor self, *, ScalarType? dtype=None) -> Tensor",
                                         .source = sources::sums,
                                         .sample = sample_one});
  registry.structural<Sum<AlongDims>>(
      {.schema = "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
       .source = sources::sums,
       .sample = sample_over_dims});
}

void sample_mean(Draw& draw) { draw.tensor("self", draw.nonempty_shape(0, 4)); }

void add_means(Registry& registry) {
  registry.structural<Mean<WholeTensor>>({.schema = "mean(Tensor self, *, ScalarType? dtype=None) -> Tensor",
                                          .source = sources::sums,
                                          .sample = sample_mean});
  registry.structural<Mean<AlongDims>>(
      {.schema = "mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
       .source = sources::sums,
       .sample = sample_nonempty_over_dims});
}

void add_variances(Registry& registry) {
  registry.structural<Variance<UnbiasedFlag<-1, -1>>>({.schema = "var(Tensor self, bool unbiased=True) -> Tensor",
                                                       .source = sources::variances,
                                                       .sample = sample_unbiased});
  registry.structural<Variance<UnbiasedFlag<0, 2>>>(
      {.schema = "var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
       .source = sources::variances,
       .sample = sample_var_dim});
  registry.structural<Variance<CorrectionNumber>>(
      {.schema =
           "var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
       .source = sources::variances,
       .note = "LibTorch 1.13 takes an int and has no defaults",
       .sample = sample_var_correction});
}

}  // namespace

void add_reductions(Registry& registry) {
  add_sums(registry);
  add_means(registry);
  add_variances(registry);
}

}  // namespace gradproof
