// avg_pool1d to avg_pool3d, adaptive_avg_pool1d to adaptive_avg_pool3d.
#include "engine/composite.h"
#include "engine/operators/blend.h"
#include "engine/operators/families.h"
#include "engine/operators/pool_draws.h"

namespace gradproof {

Entries::Order Entries::ordered(Index b) const {
  const std::size_t all = count();
  const std::size_t first = static_cast<std::size_t>(b) * all;
  std::vector<std::size_t> starts(static_cast<std::size_t>(out) + 1, 0);
  const auto counts = [&](std::size_t e) { return rows[first + e] != nowhere && cols[first + e] != nowhere; };
  for (std::size_t e = 0; e < all; ++e) {
    if (counts(e)) ++starts[static_cast<std::size_t>(rows[first + e]) + 1];
  }
  Order order;
  for (std::size_t r = 1; r < starts.size(); ++r) {
    if (starts[r] > 0) order.rows.push_back({static_cast<Index>(r) - 1, starts[r - 1], starts[r]});
    starts[r] += starts[r - 1];
  }
  order.entries.resize(starts.back());
  for (std::size_t e = 0; e < all; ++e) {
    if (counts(e)) order.entries[starts[static_cast<std::size_t>(rows[first + e])]++] = e;
  }
  return order;
}

Entries entries_of(const Taps& taps, Index planes) {
  Entries entries{1, planes, taps.in, taps.out, {}, taps.at, 1};
  entries.rows.reserve(taps.at.size());
  for (Index o = 0; o < taps.out; ++o) entries.rows.insert(entries.rows.end(), static_cast<std::size_t>(taps.count), o);
  return entries;
}

namespace {

// How many of a window's places count along one dim.
struct Extent {
  Index whole;  // with padding, but not beyond it
  Index inside;
};
Extent extent(Index o, Index in, const Slide& by) {
  const Index start = o * by.stride - by.padding;
  const Index end = std::min(start + by.kernel, in + by.padding);
  return {end - start, std::min(end, in) - std::max<Index>(start, 0)};
}

// (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override): Σ x / n, or Σ x · (1/n)
template <std::size_t Dims>
struct AveragePool {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Planes planes(call[0].sizes(), Dims, "a pool");
    const Shape kernel = per_dim(call.list(0), Dims, "kernel_size", -1);
    Shape stride = per_dim(call.list(1), Dims, "stride", 0);
    const Shape padding = per_dim(call.list(2), Dims, "padding", -1);
    std::vector<Taps> along;
    std::vector<Slide> slides;
    Shape sizes;
    for (std::size_t d = 0; d < Dims; ++d) {
      if (call.list(1).empty()) stride[d] = kernel[d];
      slides.push_back({kernel[d], stride[d], padding[d], 1});
      if (Dims == 3 && kernel[d] > planes.spatial[d]) {  // LibTorch's own rule: without the padding
        throw EngineError(GP_SHAPE, "a kernel larger than its input");
      }
      sizes.push(pooled_size(planes.spatial[d], slides[d], call.flag(3)));
      along.push_back(sliding(planes.spatial[d], sizes[d], slides[d]));
    }
    WeighedTaps<T> by{crossed(along), {}};
    by.weights.reserve(by.taps.at.size());
    Index override = 0;
    if constexpr (Dims > 1) {
      if (!call.none(5)) override = call.integer(5);
      if (!call.none(5) && override == 0) throw EngineError(GP_ARGUMENT, "the divisor must not be zero");
    }
    for_each_place(sizes, [&](const Shape& at) {
      Index whole = 1;
      Index inside = 1;
      for (std::size_t d = 0; d < Dims; ++d) {
        const Extent one = extent(at[d], planes.spatial[d], slides[d]);
        whole *= one.whole;
        inside *= one.inside;
      }
      const Index count = override != 0 ? override : call.flag(4) ? whole : inside;
      by.weights.insert(by.weights.end(), static_cast<std::size_t>(by.taps.count), 1 / count_as_number<T>(count));
    });
    return blended(call[0], by, planes.planes, planes.with(sizes));
  }
};

// (output_size): Σ x / (k_1 k_2 ..), or divided by one of them after the other
template <std::size_t Dims>
struct AdaptiveAverage {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Planes planes(call[0].sizes(), Dims, "a pool");
    const Shape sizes = per_dim(call.list(0), Dims, "output_size", -1);
    std::vector<WeighedTaps<T>> along;
    for (std::size_t d = 0; d < Dims; ++d) {
      if (sizes[d] < 0) throw EngineError(GP_ARGUMENT, "a negative output size");
      along.push_back({adaptive(planes.spatial[d], sizes[d]), {}});
      const Taps& taps = along.back().taps;
      for (Index o = 0; o < taps.out; ++o) {
        const auto first = taps.at.begin() + o * taps.count;
        const Index count = taps.count - std::count(first, first + taps.count, nowhere);
        along.back().weights.insert(along.back().weights.end(), static_cast<std::size_t>(taps.count),
                                    1 / count_as_number<T>(count));
      }
    }
    return blended(call[0], crossed(along), planes.planes, planes.with(sizes), Dims);
  }
};

template <std::size_t Dims>
void sample_average(Draw& draw) {
  draw_pool(draw, Dims, false, Dims == 3);
  if (!draw.one_in(3)) draw.set_bool("count_include_pad", draw.coin());
  if (Dims > 1 && draw.one_in(3)) draw.set_int("divisor_override", draw.pick(std::array<Index, 4>{1, 3, -2, 7}));
}

template <std::size_t Dims>
void add_dims(Registry& registry, std::string_view average, std::string_view adaptive_average) {
  constexpr std::string_view source = "sums in any order, the division before or after";
  registry.composite({.schema = average, .source = source, .sample = sample_average<Dims>}, AveragePool<Dims>{});
  registry.composite({.schema = adaptive_average, .source = source, .sample = sample_adaptive<Dims>},
                     AdaptiveAverage<Dims>{});
}

}  // namespace

void add_average_pools(Registry& registry) {
  add_dims<1>(registry,
              "avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, bool ceil_mode=False, "
              "bool count_include_pad=True) -> Tensor",
              "adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor");
  add_dims<2>(registry,
              "avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False, "
              "bool count_include_pad=True, int? divisor_override=None) -> Tensor",
              "adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor");
  add_dims<3>(registry,
              "avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, bool ceil_mode=False, "
              "bool count_include_pad=True, int? divisor_override=None) -> Tensor",
              "adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor");
}

}  // namespace gradproof
