// upsample_nearest1d to 3d, _upsample_nearest_exact1d to 3d; linear1d, bilinear2d, trilinear3d, bicubic2d.
//
// Result o lies at s = scale · (o + 1/2) - 1/2 (or scale · o, corners aligned) along each dim.
#include "engine/composite.h"
#include "engine/operators/blend.h"
#include "engine/operators/families.h"
#include "engine/operators/spans.h"

namespace gradproof {

namespace {

// What a call says of one dim.
struct Axis {
  Index in = 1;
  Index out = 1;
  double scale = 0;  // given, or 0
  bool corners = false;
};

template <class T>
double given_scale(const Arg<T>& arg) {
  return arg.is_none() ? 0 : arg.number;
}

// (output_size, [align_corners,] scales..)
template <class T>
std::vector<Axis> axes_of(const CompositeCall<T>& call, const Planes& planes, std::size_t dims, bool corners) {
  const Shape sizes = per_dim(call.list(0), dims, "output_size", -1);
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < dims; ++d) {
    if (sizes[d] <= 0) throw EngineError(GP_SHAPE, "output sizes must be positive");
    need_modest(sizes[d], 1);
    axes.push_back(
        {planes.spatial[d], sizes[d], given_scale(call.arg((corners ? 2 : 1) + d)), corners && call.flag(1)});
  }
  return axes;
}

// Rounded down.
inline Index scaled_size(Index size, double factor) {
  const double scaled = std::floor(static_cast<double>(size) * factor);
  if (!(scaled >= 0 && scaled < 0x1p40)) throw EngineError(GP_ARGUMENT, "a scale factor out of range");
  return static_cast<Index>(scaled);
}

// (output_size, [align_corners,] scale_factors), of which one is given
template <class T>
std::vector<Axis> axes_of_either(const CompositeCall<T>& call, const Planes& planes, std::size_t dims, bool corners) {
  const std::size_t by = corners ? 2 : 1;
  if (call.none(0) == call.none(by)) throw EngineError(GP_ARGUMENT, "either an output size or scale factors");
  const Sizes wanted = call.list(0);
  const std::span<const double> factors = call.arg(by).reals;
  if ((call.none(0) ? factors.size() : wanted.size()) != dims)
    throw EngineError(GP_SHAPE, "one number is needed for each spatial dim");
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < dims; ++d) {
    const double scale = call.none(0) ? factors[d] : 0;
    const Index out = call.none(0) ? scaled_size(planes.spatial[d], scale) : wanted[d];
    if (out <= 0) throw EngineError(GP_SHAPE, "output sizes must be positive");
    need_modest(out, 1);
    axes.push_back({planes.spatial[d], out, scale, corners && call.flag(1)});
  }
  return axes;
}

Planes planes_of(Sizes sizes, std::size_t dims) {
  if (sizes.size() != dims + 2) throw EngineError(GP_SHAPE, "upsampling of a tensor of shape " + to_text(sizes));
  return {sizes, dims, "upsampling"};
}

// --- nearest: the place of result o is ⌊scale · o⌋, or ⌊scale · (o + 1/2)⌋ ---

constexpr std::uint64_t which_rule = 0xfffffff1U;  // one choice for all calls of a run

// LibTorch's kernels compute it in f32 (F = float) or in the tensor's dtype; where a product lies on an integer but for
// its rounding, the two may part. Some (`shortcuts`) take the sizes' word against a given scale's: as many results as
// places are copies, twice as many pairs of them.
template <class F>
Taps nearest(const Axis& axis, bool exact, bool shortcuts) {
  const F scale = axis.scale > 0 ? static_cast<F>(1 / axis.scale) : static_cast<F>(axis.in) / static_cast<F>(axis.out);
  Taps taps{axis.in, axis.out, 1, {}};
  for (Index o = 0; o < axis.out; ++o) {
    const F at =
        exact ? static_cast<F>((static_cast<double>(o) + 0.5) * static_cast<double>(scale)) : static_cast<F>(o) * scale;
    Index from = std::min(static_cast<Index>(std::floor(at)), axis.in - 1);
    if (shortcuts && axis.in == axis.out) from = o;
    if (shortcuts && axis.out == 2 * axis.in) from = o / 2;
    taps.at.push_back(from);
  }
  return taps;
}

std::array<Taps, 3> nearest_rules(const std::vector<Axis>& axes, bool exact) {
  std::array<std::vector<Taps>, 3> along;
  for (const Axis& axis : axes) {
    along[0].push_back(nearest<float>(axis, exact, false));
    along[1].push_back(nearest<double>(axis, exact, false));
    along[2].push_back(nearest<float>(axis, exact, !exact));
  }
  return {crossed(along[0]), crossed(along[1]), crossed(along[2])};
}

// A whole tensor's table from one plane's.
Table of_planes(const Taps& taps, Index planes) {
  Table all;
  need_modest(planes, static_cast<Index>(taps.at.size()));
  all.reserve(taps.at.size() * static_cast<std::size_t>(planes));
  for (Index plane = 0; plane < planes; ++plane) {
    for (const Index at : taps.at) all.push_back(plane * taps.in + at);
  }
  return all;
}

Shape sizes_of(const Planes& planes, const std::vector<Axis>& axes) {
  Shape sizes = planes.lead;
  for (const Axis& axis : axes) sizes.push(axis.out);
  return sizes;
}

template <std::size_t Dims, bool Exact, bool Either = false>
struct Nearest {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Planes planes = planes_of(call[0].sizes(), Dims);
    const std::vector<Axis> axes =
        Either ? axes_of_either(call, planes, Dims, false) : axes_of(call, planes, Dims, false);
    count_elements(sizes_of(planes, axes));
    const std::array<Taps, 3> rules = nearest_rules(axes, Exact);
    const bool alike = rules[0].at == rules[1].at && rules[0].at == rules[2].at;
    std::size_t rule = 0;
    if constexpr (HasHull<T>) {
      if (!alike) rule = call.tape.choose(which_rule, 3);
    }
    const Shape sizes = sizes_of(planes, axes);
    const auto by = [&](std::size_t k) { return picked(call[0], of_planes(rules[k], planes.planes), sizes); };
    const Var<T> y = by(rule);
    if constexpr (std::is_same_v<T, Defined>) {
      if (!alike) return y + by(1) * 0 + by(2) * 0;
    }
    return y;
  }
};

// --- where result o lies ---

template <class T>
T source_of(const Axis& axis, Index o) {
  const auto size = [](Index n) { return real_number<T>(static_cast<double>(n)); };
  if (axis.corners) {
    return axis.out > 1 ? size(axis.in - 1) / size(axis.out - 1) * size(o) : real_number<T>(0);
  }
  const T scale = axis.scale > 0 ? Scalar<T>::argument(1 / axis.scale) : size(axis.in) / size(axis.out);
  return scale * real_number<T>(static_cast<double>(o) + 0.5) - real_number<T>(0.5);
}

// --- linear: between ⌊s⌋ and its neighbour ---

// The weight of place j is max(0, 1 - |s - j|), whichever of two cells an engine's rounded s falls into.
template <class T>
WeighedTaps<T> linear(const Axis& axis) {
  WeighedTaps<T> by{{axis.in, axis.out, 3, {}}, {}};
  const auto add = [&](Index place, const T& weight) {
    by.taps.at.push_back(place == nowhere ? nowhere : std::min(place, axis.in - 1));
    by.weights.push_back(weight);
  };
  for (Index o = 0; o < axis.out; ++o) {
    if (axis.in == axis.out) {
      add(o, real_number<T>(1));
      add(o, real_number<T>(0));
      add(nowhere, real_number<T>(0));
      continue;
    }
    const T s = maximum(source_of<T>(axis, o), real_number<T>(0));
    const Span range = span_of(s);
    const auto first = static_cast<Index>(std::floor(std::max(range.low, 0.0)));
    const auto last = static_cast<Index>(std::floor(std::max(range.high, 0.0)));
    const T past = s - real_number<T>(static_cast<double>(last));  // in (-1, 1)
    if (first == last) {
      add(last, 1 - past);
      add(last + 1, past);
      add(nowhere, real_number<T>(0));
    } else {
      add(last - 1, maximum(-past, real_number<T>(0)));
      add(last, 1 - abs(past));
      add(last + 1, maximum(past, real_number<T>(0)));
    }
  }
  return by;
}

template <std::size_t Dims, bool Either = false>
struct Linear {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Planes planes = planes_of(call[0].sizes(), Dims);
    const std::vector<Axis> axes =
        Either ? axes_of_either(call, planes, Dims, true) : axes_of(call, planes, Dims, true);
    const Shape sizes = sizes_of(planes, axes);
    count_elements(sizes);
    std::vector<WeighedTaps<T>> along;
    along.reserve(axes.size());
    for (const Axis& axis : axes) along.push_back(linear<T>(axis));
    return blended(call[0], crossed(along), planes.planes, sizes, Dims);
  }
};

// --- cubic: Keys' kernel with A = -3/4 on the four places about s, those beyond the edge at the edge ---

// |x| <= 1, and 1 <= |x| <= 2
template <class T>
T cubic_near(const T& x) {
  const T a = real_number<T>(-0.75);
  return ((a + 2) * x - (a + 3)) * x * x + 1;
}
template <class T>
T cubic_far(const T& x) {
  const T a = real_number<T>(-0.75);
  return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

template <class T>
WeighedTaps<T> cubic(const Axis& axis) {
  WeighedTaps<T> by{{axis.in, axis.out, 5, {}}, {}};
  const auto add = [&](Index place, const T& weight) {
    by.taps.at.push_back(std::clamp<Index>(place, 0, axis.in - 1));
    by.weights.push_back(weight);
  };
  for (Index o = 0; o < axis.out; ++o) {
    const T s = source_of<T>(axis, o);
    const Span range = span_of(s);
    const auto first = static_cast<Index>(std::floor(range.low));
    const auto last = static_cast<Index>(std::floor(range.high));
    const T t = s - real_number<T>(static_cast<double>(last));
    if (first == last) {
      add(last - 1, cubic_far(t + 1));
      add(last, cubic_near(t));
      add(last + 1, cubic_near(1 - t));
      add(last + 2, cubic_far(1 - t + 1));
      by.taps.at.push_back(nowhere);
      by.weights.push_back(real_number<T>(0));
      continue;
    }
    // Two cells meet at t = 0, where the kernel is smooth and the outermost of five places have weight 0.
    add(last - 2, cubic_far(2 + minimum(t, real_number<T>(0))));
    add(last - 1, hull_where_balls(cubic_far(t + 1), cubic_near(1 + t)));
    add(last, hull_where_balls(cubic_near(t), cubic_near(-t)));
    add(last + 1, hull_where_balls(cubic_near(1 - t), cubic_far(1 - t)));
    add(last + 2, cubic_far(2 - maximum(t, real_number<T>(0))));
  }
  return by;
}

template <bool Either = false>
struct Bicubic {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Planes planes = planes_of(call[0].sizes(), 2);
    const std::vector<Axis> axes = Either ? axes_of_either(call, planes, 2, true) : axes_of(call, planes, 2, true);
    const Shape sizes = sizes_of(planes, axes);
    count_elements(sizes);
    return blended(call[0], crossed(std::vector{cubic<T>(axes[0]), cubic<T>(axes[1])}), planes.planes, sizes, 2);
  }
};

// --- drawing ---

void draw_sizes(Draw& draw, std::size_t dims, bool corners) {
  constexpr std::array<std::string_view, 3> names{"scales_d", "scales_h", "scales_w"};
  constexpr std::array<double, 6> scales{2, 0.5, 1.5, 3, 0.75, 1.3};
  const bool scaled = draw.one_in(3);
  std::vector<Index> sizes{draw.one_in(24) ? 0 : draw.integer(1, 2), draw.integer(1, 2)};
  std::vector<Index> out;
  std::vector<double> by;
  for (std::size_t d = 0; d < dims; ++d) {
    sizes.push_back(draw.integer(1, dims == 3 ? 3 : 4));
    by.push_back(draw.pick(scales));
    out.push_back(scaled ? std::max<Index>(scaled_size(sizes.back(), by[d]), 1) : draw.integer(1, dims == 3 ? 4 : 6));
  }
  draw.tensor("self", sizes);
  draw.set_ints("output_size", out);
  if (corners) draw.set_bool("align_corners", draw.coin());
  if (!scaled) return;
  for (std::size_t d = 0; d < dims; ++d) draw.set_real(dims == 1 ? "scales" : names[3 - dims + d], by[d]);
}
template <std::size_t Dims, bool Corners>
void sample(Draw& draw) {
  draw_sizes(draw, Dims, Corners);
}

template <std::size_t Dims, bool Corners>
void sample_either(Draw& draw) {
  std::vector<Index> sizes{draw.integer(1, 2), draw.integer(1, 2)};
  std::vector<Index> out;
  std::vector<double> factors;
  constexpr std::array<double, 6> scales{1, 2, 3, 0.5, 1.5, 1.3};
  for (std::size_t d = 0; d < Dims; ++d) {
    sizes.push_back(draw.integer(1, Dims == 3 ? 3 : 4));
    out.push_back(draw.integer(1, Dims == 3 ? 4 : 6));
    const double factor = draw.pick(scales);
    factors.push_back(scaled_size(sizes.back(), factor) > 0 ? factor : 1);
  }
  const bool by_size = draw.coin();
  draw.tensor("input", sizes);
  by_size ? draw.set_ints("output_size", out) : draw.set_none("output_size");
  if (Corners) draw.set_bool("align_corners", draw.coin());
  by_size ? draw.set_none("scale_factors") : draw.set_reals("scale_factors", factors);
}

constexpr std::string_view source = "ATen/native/UpSample.h; sums in any order";

template <std::size_t Dims>
void add_nearest(Registry& registry, std::string_view plain, std::string_view exact) {
  constexpr std::string_view note = "the place copied from is found in f32 or in the dtype, with a shortcut or without";
  registry.composite({.schema = plain, .source = source, .note = note, .sample = sample<Dims, false>},
                     Nearest<Dims, false>{});
  registry.composite({.schema = exact, .source = source, .note = note, .sample = sample<Dims, false>},
                     Nearest<Dims, true>{});
}

// What torch.nn.functional.interpolate calls: by a size, or by a factor for each dim.
void add_either(Registry& registry) {
  const auto add = [&](std::string_view schema, void (*sample)(Draw&), auto program) {
    registry.composite({.schema = schema, .source = source, .sample = sample}, program);
  };
  add("upsample_nearest1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
      sample_either<1, false>, Nearest<1, false, true>{});
  add("upsample_nearest2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
      sample_either<2, false>, Nearest<2, false, true>{});
  add("upsample_nearest3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
      sample_either<3, false>, Nearest<3, false, true>{});
  add("_upsample_nearest_exact1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
      sample_either<1, false>, Nearest<1, true, true>{});
  add("_upsample_nearest_exact2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
      sample_either<2, false>, Nearest<2, true, true>{});
  add("_upsample_nearest_exact3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
      sample_either<3, false>, Nearest<3, true, true>{});
  add("upsample_linear1d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> "
      "Tensor",
      sample_either<1, true>, Linear<1, true>{});
  add("upsample_bilinear2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> "
      "Tensor",
      sample_either<2, true>, Linear<2, true>{});
  add("upsample_trilinear3d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> "
      "Tensor",
      sample_either<3, true>, Linear<3, true>{});
  add("upsample_bicubic2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> "
      "Tensor",
      sample_either<2, true>, Bicubic<true>{});
}

}  // namespace

void add_upsampling(Registry& registry) {
  add_nearest<1>(registry, "upsample_nearest1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor",
                 "_upsample_nearest_exact1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor");
  add_nearest<2>(registry,
                 "upsample_nearest2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? "
                 "scales_w=None) -> Tensor",
                 "_upsample_nearest_exact2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? "
                 "scales_w=None) -> Tensor");
  add_nearest<3>(registry,
                 "upsample_nearest3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? "
                 "scales_h=None, float? scales_w=None) -> Tensor",
                 "_upsample_nearest_exact3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? "
                 "scales_h=None, float? scales_w=None) -> Tensor");
  registry.composite({.schema = "upsample_linear1d(Tensor self, SymInt[1] output_size, bool align_corners, float? "
                                "scales=None) -> Tensor",
                      .source = source,
                      .sample = sample<1, true>},
                     Linear<1>{});
  registry.composite({.schema = "upsample_bilinear2d(Tensor self, SymInt[2] output_size, bool align_corners, float? "
                                "scales_h=None, float? scales_w=None) -> Tensor",
                      .source = source,
                      .sample = sample<2, true>},
                     Linear<2>{});
  registry.composite({.schema = "upsample_trilinear3d(Tensor self, SymInt[3] output_size, bool align_corners, float? "
                                "scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor",
                      .source = source,
                      .sample = sample<3, true>},
                     Linear<3>{});
  registry.composite({.schema = "upsample_bicubic2d(Tensor self, SymInt[2] output_size, bool align_corners, float? "
                                "scales_h=None, float? scales_w=None) -> Tensor",
                      .source = source,
                      .sample = sample<2, true>},
                     Bicubic<>{});
  add_either(registry);
}

}  // namespace gradproof
