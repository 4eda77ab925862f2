#include "engine/operators/taps.h"

namespace gradproof {

namespace {

constexpr Index most_entries = Index{1} << 27U;
constexpr Index most_argument = std::numeric_limits<std::int32_t>::max();  // LibTorch's own limit

Taps empty_taps(Index in, Index out, Index count) {
  need_modest(out, count);
  return {in, out, count, Table(static_cast<std::size_t>(out * count), nowhere)};
}

}  // namespace

void need_modest(Index a, Index b) {
  if (a > 0 && b > most_entries / a) throw EngineError(GP_OUT_OF_MEMORY, "more than 2^27 places to read from");
}

Taps sliding(Index in, Index out, const Slide& slide) {
  Taps taps = empty_taps(in, out, slide.kernel);
  auto at = taps.at.begin();
  for (Index o = 0; o < out; ++o) {
    for (Index t = 0; t < slide.kernel; ++t, ++at) {
      const Index i = o * slide.stride - slide.padding + t * slide.dilation;
      if (i >= 0 && i < in) *at = i;
    }
  }
  return taps;
}

Taps slid_onto(Index in, Index out, const Slide& slide) {
  Taps taps = empty_taps(in, out, slide.kernel);
  for (Index i = 0; i < in; ++i) {
    for (Index t = 0; t < slide.kernel; ++t) {
      const Index o = i * slide.stride - slide.padding + t * slide.dilation;
      if (o >= 0 && o < out) taps.at[static_cast<std::size_t>(o * slide.kernel + t)] = i;
    }
  }
  return taps;
}

Taps adaptive(Index in, Index out) {
  need_modest(out, std::max<Index>(in, 1));
  const auto start = [&](Index o) { return o * in / out; };
  const auto end = [&](Index o) { return ((o + 1) * in + out - 1) / out; };
  Index most = 0;
  for (Index o = 0; o < out; ++o) most = std::max(most, end(o) - start(o));
  Taps taps = empty_taps(in, out, most);
  for (Index o = 0; o < out; ++o) {
    for (Index i = start(o); i < end(o); ++i) taps.at[static_cast<std::size_t>(o * most + i - start(o))] = i;
  }
  return taps;
}

Taps windows_from(Index in, Index kernel, const std::vector<Index>& starts) {
  Taps taps = empty_taps(in, static_cast<Index>(starts.size()), kernel);
  auto at = taps.at.begin();
  for (const Index start : starts) {
    for (Index t = 0; t < kernel; ++t) *at++ = start + t;
  }
  return taps;
}

Taps crossed(const Taps& outer, const Taps& inner) {
  need_modest(outer.out, inner.out);
  need_modest(outer.count, inner.count);
  Taps taps = empty_taps(outer.in * inner.in, outer.out * inner.out, outer.count * inner.count);
  auto at = taps.at.begin();
  for (Index o = 0; o < outer.out; ++o) {
    for (Index i = 0; i < inner.out; ++i) {
      for (Index s = 0; s < outer.count; ++s) {
        const Index row = outer.at[static_cast<std::size_t>(o * outer.count + s)];
        for (Index t = 0; t < inner.count; ++t, ++at) {
          const Index col = inner.at[static_cast<std::size_t>(i * inner.count + t)];
          if (row != nowhere && col != nowhere) *at = row * inner.in + col;
        }
      }
    }
  }
  return taps;
}

Taps crossed(const std::vector<Taps>& dims) {
  Taps all = dims.front();
  for (std::size_t d = 1; d < dims.size(); ++d) all = crossed(all, dims[d]);
  return all;
}

Index pooled_size(Index in, const Slide& slide, bool ceil_mode) {
  for (const Index value : {slide.kernel, slide.stride, slide.padding, slide.dilation}) {
    if (value > most_argument) throw EngineError(GP_ARGUMENT, "a pool's argument beyond 2^31");
  }
  if (slide.kernel <= 0) throw EngineError(GP_ARGUMENT, "the kernel size must be positive");
  if (slide.stride <= 0) throw EngineError(GP_ARGUMENT, "the stride must be positive");
  if (slide.dilation <= 0) throw EngineError(GP_ARGUMENT, "the dilation must be positive");
  const Index reach = slide.dilation * (slide.kernel - 1) + 1;
  if (slide.padding < 0 || slide.padding > reach / 2) {
    throw EngineError(GP_ARGUMENT, "the padding must be at most half of the kernel");
  }
  const Index room = in + 2 * slide.padding - reach + (ceil_mode ? slide.stride - 1 : 0);
  Index out = (room >= 0 ? room / slide.stride : -((-room + slide.stride - 1) / slide.stride)) + 1;
  // The last window begins inside the tensor or its left padding.
  if (ceil_mode && (out - 1) * slide.stride >= in + slide.padding) --out;
  if (out < 1) {
    throw EngineError(GP_SHAPE,
                      "a kernel of " + std::to_string(slide.kernel) + " does not fit into size " + std::to_string(in));
  }
  return out;
}

Shape per_dim(Sizes values, std::size_t dims, const char* what, Index missing) {
  if (values.empty() && missing >= 0) return filled_shape(dims, missing);
  if (values.size() == 1) return filled_shape(dims, values[0]);
  if (values.size() != dims) {
    throw EngineError(GP_ARGUMENT, std::string(what) + " takes " + std::to_string(dims) + " numbers, not " +
                                       std::to_string(values.size()));
  }
  return Shape(values);
}

Planes::Planes(Sizes sizes, std::size_t dims, const char* what, bool may_be_empty_batch) {
  if (sizes.size() != dims + 1 && sizes.size() != dims + 2) {
    throw EngineError(GP_SHAPE, std::string(what) + " of a tensor of shape " + to_text(sizes));
  }
  const std::size_t before = sizes.size() - dims;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    const bool batch = d == 0 && before == 2 && may_be_empty_batch;
    if (sizes[d] == 0 && !batch) throw EngineError(GP_SHAPE, std::string(what) + " of an empty tensor");
    (d < before ? lead : spatial).push(sizes[d]);
    if (d < before) planes *= sizes[d];
  }
}

Shape Planes::with(Sizes other_spatial) const {
  Shape sizes = lead;
  for (const Index size : other_spatial) sizes.push(size);
  return sizes;
}

}  // namespace gradproof
