// max_pool1d to max_pool3d, with indices and without; adaptive ones; fractional ones.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/max_over.h"
#include "engine/operators/pool_draws.h"
#include "engine/operators/sources.h"
#include "engine/sampling.h"

namespace gradproof {

namespace {

template <bool Indices, class T>
std::vector<Var<T>> results_of(const std::array<Var<T>, 2>& both) {
  if (Indices) return {both[0], both[1]};
  return {both[0]};
}

// (kernel_size, stride, padding, dilation, ceil_mode)
template <std::size_t Dims, bool Indices>
struct MaxPool {
  template <class T>
  std::vector<Var<T>> operator()(const CompositeCall<T>& call) const {
    const Planes planes(call[0].sizes(), Dims, "a pool");
    const Shape kernel = per_dim(call.list(0), Dims, "kernel_size", -1);
    const Shape stride = per_dim(call.list(1).empty() ? kernel.sizes() : call.list(1), Dims, "stride", -1);
    const Shape padding = per_dim(call.list(2), Dims, "padding", -1);
    const Shape dilation = per_dim(call.list(3), Dims, "dilation", -1);
    std::vector<Taps> along;
    Shape sizes;
    for (std::size_t d = 0; d < Dims; ++d) {
      const Slide slide{kernel[d], stride[d], padding[d], dilation[d]};
      sizes.push(pooled_size(planes.spatial[d], slide, call.flag(4)));
      along.push_back(sliding(planes.spatial[d], sizes[d], slide));
    }
    return results_of<Indices>(MaxOver::call(call[0], {crossed(along)}, planes.planes, planes.with(sizes)));
  }
};

template <std::size_t Dims>
struct AdaptiveMax {
  template <class T>
  std::vector<Var<T>> operator()(const CompositeCall<T>& call) const {
    const Planes planes(call[0].sizes(), Dims, "a pool");
    const Shape sizes = per_dim(call.list(0), Dims, "output_size", -1);
    std::vector<Taps> along;
    for (std::size_t d = 0; d < Dims; ++d) {
      if (sizes[d] < 0) throw EngineError(GP_ARGUMENT, "a negative output size");
      along.push_back(adaptive(planes.spatial[d], sizes[d]));
    }
    return results_of<true>(MaxOver::call(call[0], {crossed(along)}, planes.planes, planes.with(sizes)));
  }
};

// --- fractional: result o begins at ⌊(o + s) α⌋ - ⌊s α⌋ with α = (in - kernel) / (out - 1) ---

// ⌊x⌋ of x >= 0; where a ball leaves it open, nothing can be said of the windows.
template <class T>
Index floor_of(const T& x) {
  if constexpr (std::is_same_v<T, Defined>) {
    return static_cast<Index>(x.value);
  } else if constexpr (!HasHull<T>) {
    return static_cast<Index>(x);
  } else {
    Index low = 0;
    while (less(x, static_cast<int>(low) + 1) == Truth::no) ++low;
    if (less(x, static_cast<int>(low) + 1) == Truth::yes) return low;
    return nowhere;
  }
}

template <class T>
std::vector<Index> starts(const T& sample, Index in, Index out, Index kernel) {
  std::vector<Index> starts;
  if (out > 1) {
    const T alpha = Scalar<T>::leaf(static_cast<double>(in - kernel)) / Scalar<T>::leaf(static_cast<double>(out - 1));
    const Index first = floor_of(sample * alpha);
    for (Index o = 0; o + 1 < out; ++o) {
      const Index at = floor_of((Scalar<T>::leaf(static_cast<double>(o)) + sample) * alpha);
      if (at == nowhere || first == nowhere) throw EngineError(GP_UNSUPPORTED, "a window that begins on an edge");
      starts.push_back(at - first);
    }
  }
  if (out > 0) starts.push_back(in - kernel);
  return starts;
}

// (kernel_size, output_size); the samples of a plane are of width and height, or of depth, height and width.
template <std::size_t Dims>
struct FractionalMax {
  template <class T>
  std::vector<Var<T>> operator()(const CompositeCall<T>& call) const {
    const Planes planes(call[0].sizes(), Dims, "a fractional pool", false);
    const Shape kernel = per_dim(call.list(0), Dims, "kernel_size", -1);
    const Shape sizes = per_dim(call.list(1), Dims, "output_size", -1);
    if (call[1].value().kind != Kind::real) throw EngineError(GP_DTYPE, "the samples must be of the input's dtype");
    const Tensor<T> samples = call.tape.contiguous(call[1].value());
    const bool batched = planes.lead.ndim == 2;
    const Index channels = planes.lead[batched ? 1 : 0];
    if (samples.ndim != 3 || samples.sizes_begin[0] < (batched ? planes.lead[0] : 1) ||
        samples.sizes_begin[1] != channels || samples.sizes_begin[2] != static_cast<Index>(Dims)) {
      throw EngineError(GP_SHAPE, "samples of shape " + to_text(samples.sizes()));
    }
    for (std::size_t d = 0; d < Dims; ++d) {
      if (kernel[d] <= 0 || sizes[d] <= 0) throw EngineError(GP_ARGUMENT, "a size that is not positive");
      // LibTorch's depth, height and width must have one to spare.
      const Index spare = planes.spatial[d] - (sizes[d] - 1) - kernel[d];
      if (spare < (Dims == 3 ? 1 : 0)) throw EngineError(GP_SHAPE, "a pool too large for its input");
    }
    std::vector<Taps> tables;
    for (Index plane = 0; plane < planes.planes; ++plane) {
      std::vector<Taps> along;
      for (std::size_t d = 0; d < Dims; ++d) {
        const std::size_t sample = static_cast<std::size_t>(plane) * Dims + (Dims == 2 ? 1 - d : d);
        const T& s = samples.real()[sample];
        if (less(s, 0) == Truth::unknown) throw EngineError(GP_UNSUPPORTED, "a sample that is not known");
        if (less(s, 0) == Truth::yes || less(s, 1) != Truth::yes) {
          throw EngineError(GP_ARGUMENT, "a sample outside [0, 1)");
        }
        along.push_back(windows_from(planes.spatial[d], kernel[d], starts(s, planes.spatial[d], sizes[d], kernel[d])));
      }
      tables.push_back(crossed(along));
    }
    return results_of<true>(MaxOver::call(call[0], tables, planes.planes, planes.with(sizes)));
  }
};

// --- drawing ---

template <std::size_t Dims>
void sample_pool(Draw& draw) {
  draw_pool(draw, Dims, true);
}

template <std::size_t Dims>
void sample_fractional(Draw& draw) {
  std::vector<Index> spatial, kernel, sizes;
  for (std::size_t d = 0; d < Dims; ++d) {
    kernel.push_back(draw.integer(1, 2));
    sizes.push_back(draw.integer(1, Dims == 3 ? 2 : 3));
    spatial.push_back(sizes[d] + kernel[d] - 1 + draw.integer(Dims == 3 ? 1 : 0, 2));
  }
  const std::vector<Index> planes = draw_planes(draw, spatial, false);
  const bool batched = planes.size() == Dims + 2;
  draw.tensor("self", planes);
  draw.set_ints("kernel_size", kernel);
  draw.set_ints("output_size", sizes);
  const std::array<Index, 3> samples{batched ? planes[0] : 1, planes[batched ? 1 : 0], static_cast<Index>(Dims)};
  draw.constant("random_samples", samples, closed(0, 0.984375));
}

template <std::size_t Dims>
void add_dims(Registry& registry, std::string_view plain, std::string_view indexed, std::string_view adaptive) {
  registry.composite({.schema = plain, .ties_matter = true, .source = sources::copies, .sample = sample_pool<Dims>},
                     MaxPool<Dims, false>{});
  registry.composite({.schema = indexed, .ties_matter = true, .source = sources::copies, .sample = sample_pool<Dims>},
                     MaxPool<Dims, true>{});
  registry.composite(
      {.schema = adaptive, .ties_matter = true, .source = sources::copies, .sample = sample_adaptive<Dims>},
      AdaptiveMax<Dims>{});
}

}  // namespace

void add_max_pools(Registry& registry) {
  add_dims<1>(registry,
              "max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] dilation=1, bool "
              "ceil_mode=False) -> Tensor",
              "max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] "
              "dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
              "adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)");
  add_dims<2>(registry,
              "max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool "
              "ceil_mode=False) -> Tensor",
              "max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] "
              "dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
              "adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)");
  add_dims<3>(registry,
              "max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool "
              "ceil_mode=False) -> Tensor",
              "max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] "
              "dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
              "adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor, Tensor)");
  constexpr std::string_view note = "the samples have no derivative";
  registry.composite({.schema = "fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, Tensor "
                                "random_samples) -> (Tensor, Tensor)",
                      .ties_matter = true,
                      .source = sources::copies,
                      .note = note,
                      .sample = sample_fractional<2>},
                     FractionalMax<2>{});
  registry.composite({.schema = "fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, Tensor "
                                "random_samples) -> (Tensor, Tensor)",
                      .ties_matter = true,
                      .source = sources::copies,
                      .note = note,
                      .sample = sample_fractional<3>},
                     FractionalMax<3>{});
}

}  // namespace gradproof
