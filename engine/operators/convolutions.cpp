// convolution, conv1d to conv3d, conv_transpose1d to conv_transpose3d.
#include "engine/composite.h"
#include "engine/operators/convolve.h"
#include "engine/operators/families.h"

namespace gradproof {

TapGroups groups_of(const Taps& taps) {
  TapGroups groups;
  std::vector<Index> read;
  for (Index q = 0; q < taps.out; ++q) {
    read.clear();
    for (Index t = 0; t < taps.count; ++t) {
      if (taps.at[static_cast<std::size_t>(q * taps.count + t)] != nowhere) read.push_back(t);
    }
    groups[read].push_back(q);
  }
  return groups;
}

Taps turned(const Taps& taps) {
  need_modest(taps.in, taps.count);
  Taps other{taps.out, taps.in, taps.count, Table(static_cast<std::size_t>(taps.in * taps.count), nowhere)};
  auto at = taps.at.begin();
  for (Index q = 0; q < taps.out; ++q) {
    for (Index t = 0; t < taps.count; ++t, ++at) {
      if (*at != nowhere) other.at[static_cast<std::size_t>(*at * taps.count + t)] = q;
    }
  }
  return other;
}

namespace {

struct Settings {
  Shape stride{};
  Shape padding{};
  Shape dilation{};
  Shape output_padding{};
  Index groups = 1;
  bool transposed = false;
  bool same = false;  // as much padding as keeps the size; an odd one has more on the right
};

struct Plan {
  Taps taps{};
  Channels channels{};
  Shape sizes{};
};

void check(const Settings& by) {
  if (by.groups <= 0) throw EngineError(GP_ARGUMENT, "the number of groups must be positive");
  constexpr Index most = Index{1} << 31U;
  for (std::size_t d = 0; d < by.stride.ndim; ++d) {
    for (const Index value : {by.stride[d], by.padding[d], by.dilation[d], by.output_padding[d]}) {
      if (value >= most) throw EngineError(GP_ARGUMENT, "a convolution's argument beyond 2^31");
    }
    if (by.stride[d] <= 0) throw EngineError(GP_ARGUMENT, "the stride must be positive");
    if (by.dilation[d] <= 0) throw EngineError(GP_ARGUMENT, "the dilation must be positive");
    if (by.padding[d] < 0) throw EngineError(GP_ARGUMENT, "negative padding is not supported");
    if (by.output_padding[d] < 0) throw EngineError(GP_ARGUMENT, "negative output padding is not supported");
    if (by.same && by.stride[d] != 1) throw EngineError(GP_ARGUMENT, "padding 'same' needs stride 1");
    if (by.transposed && by.output_padding[d] >= std::max(by.stride[d], by.dilation[d])) {
      throw EngineError(GP_ARGUMENT, "the output padding must be smaller than the stride or the dilation");
    }
  }
}

Taps taps_along(Index in, Index kernel, const Settings& by, std::size_t d) {
  const Index reach = by.dilation[d] * (kernel - 1) + 1;
  Slide slide{kernel, by.stride[d], by.same ? (reach - 1) / 2 : by.padding[d], by.dilation[d]};
  if (by.transposed) {
    const Index out = (in - 1) * slide.stride - 2 * slide.padding + reach + by.output_padding[d];
    if (out < 1) throw EngineError(GP_SHAPE, "a transposed convolution without results");
    return slid_onto(in, out, slide);
  }
  const Index room = in + (by.same ? reach - 1 : 2 * slide.padding) - reach;
  if (room < 0) {
    throw EngineError(GP_SHAPE, "a kernel of " + std::to_string(kernel) + " does not fit into size " +
                                    std::to_string(in) + " with its padding");
  }
  return sliding(in, room / slide.stride + 1, slide);
}

// `bias`: its shape, or none.
Plan plan(Sizes x, Sizes w, const Sizes* bias, const Settings& by, std::size_t dims) {
  check(by);
  if (w.size() != dims + 2) mismatch("a convolution's weights", x, w);
  const Planes planes(x, dims, "a convolution");
  const bool batched = planes.lead.ndim == 2;
  const Index channels = planes.lead[batched ? 1 : 0];
  for (const Index size : w) {
    if (size == 0) mismatch("a convolution without weights", x, w);
  }
  const Index per_group = by.transposed ? w[0] / by.groups : w[1];
  const Index results = by.transposed ? w[1] : w[0] / by.groups;
  if (w[0] % by.groups != 0 || per_group * by.groups != channels) mismatch("a convolution's channels", x, w);
  if (bias != nullptr && !same_sizes(*bias, std::array{results * by.groups}))
    mismatch("a convolution's bias", w, *bias);
  Plan made;
  made.channels = {batched ? planes.lead[0] : 1, by.groups, per_group, results, by.transposed};
  if (batched) made.sizes.push(planes.lead[0]);
  made.sizes.push(results * by.groups);
  std::vector<Taps> along;
  for (std::size_t d = 0; d < dims; ++d) {
    along.push_back(taps_along(planes.spatial[d], w[d + 2], by, d));
    made.sizes.push(along.back().out);
  }
  made.taps = crossed(along);
  return made;
}

template <class T>
Var<T> convolved(const CompositeCall<T>& call, const Settings& by, std::size_t dims) {
  const Var<T> bias = call.has(2) ? call[2] : Var<T>();
  const Sizes bias_sizes = bias ? bias.sizes() : Sizes{};
  const Plan made = plan(call[0].sizes(), call[1].sizes(), bias ? &bias_sizes : nullptr, by, dims);
  return Convolve::call(call[0], call[1], bias, made.taps, made.channels, made.sizes);
}

// (stride, padding, dilation, groups)
template <std::size_t Dims>
struct Forward {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    Settings by;
    by.stride = per_dim(call.list(0), Dims, "stride", -1);
    by.padding = per_dim(call.list(1), Dims, "padding", -1);
    by.dilation = per_dim(call.list(2), Dims, "dilation", -1);
    by.output_padding = filled_shape(Dims, 0);
    by.groups = call.integer(3);
    return convolved(call, by, Dims);
  }
};
template <std::size_t Dims>
struct ByName {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    Settings by;
    by.stride = per_dim(call.list(0), Dims, "stride", -1);
    by.padding = filled_shape(Dims, 0);
    by.dilation = per_dim(call.list(2), Dims, "dilation", -1);
    by.output_padding = filled_shape(Dims, 0);
    by.groups = call.integer(3);
    by.same = call.text(1) == "same";
    if (!by.same && call.text(1) != "valid") throw EngineError(GP_ARGUMENT, "padding is 'same' or 'valid'");
    return convolved(call, by, Dims);
  }
};
// (stride, padding, output_padding, groups, dilation)
template <std::size_t Dims>
struct Transposed {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    Settings by;
    by.transposed = true;
    by.stride = per_dim(call.list(0), Dims, "stride", -1);
    by.padding = per_dim(call.list(1), Dims, "padding", -1);
    by.output_padding = per_dim(call.list(2), Dims, "output padding", -1);
    by.groups = call.integer(3);
    by.dilation = per_dim(call.list(4), Dims, "dilation", -1);
    return convolved(call, by, Dims);
  }
};
// (stride, padding, dilation, transposed, output_padding, groups), of batches alone
struct General {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const std::size_t ndim = call[1].sizes().size();
    if (ndim < 3 || call[0].sizes().size() != ndim) mismatch("a convolution", call[0].sizes(), call[1].sizes());
    const std::size_t dims = ndim - 2;
    Settings by;
    by.stride = per_dim(call.list(0), dims, "stride", -1);
    by.padding = per_dim(call.list(1), dims, "padding", -1);
    by.dilation = per_dim(call.list(2), dims, "dilation", -1);
    by.transposed = call.flag(3);
    by.output_padding = per_dim(call.list(4), dims, "output padding", -1);
    by.groups = call.integer(5);
    if (!by.transposed) by.output_padding = filled_shape(dims, 0);
    return convolved(call, by, dims);
  }
};

// kernel_size, then (stride, padding), with dilation or (output_padding, dilation) after: one group, named by its
// algorithm.
enum class Kernel : std::uint8_t { plain, dilated, transposed };
template <std::size_t Dims, Kernel kind>
struct ByKernel {
  template <class T>
  Var<T> operator()(const CompositeCall<T>& call) const {
    const Shape kernel = per_dim(call.list(0), Dims, "kernel_size", -1);
    if (call[1].sizes().size() != Dims + 2 || !same_sizes(kernel, call[1].sizes().last(Dims))) {
      throw EngineError(GP_SHAPE, "weights of shape " + to_text(call[1].sizes()) + " for kernel " + to_text(kernel));
    }
    if (call[0].sizes().size() != Dims + 2) mismatch("a convolution of batches", call[0].sizes(), call[1].sizes());
    Settings by;
    by.transposed = kind == Kernel::transposed;
    by.stride = per_dim(call.list(1), Dims, "stride", -1);
    by.padding = per_dim(call.list(2), Dims, "padding", -1);
    by.output_padding = by.transposed ? per_dim(call.list(3), Dims, "output padding", -1) : filled_shape(Dims, 0);
    by.dilation =
        kind == Kernel::plain ? filled_shape(Dims, 1) : per_dim(call.list(by.transposed ? 4 : 3), Dims, "dilation", -1);
    return convolved(call, by, Dims);
  }
};

// --- drawing ---

struct Drawn {
  Index batch, groups, in, out;  // channels of one group
  std::vector<Index> size{}, kernel{}, stride{}, padding{}, dilation{}, output_padding{};
};

Drawn draw_geometry(Draw& draw, std::size_t dims, bool transposed) {
  Drawn d{draw.one_in(24) ? 0 : draw.integer(1, 2), draw.one_in(3) ? 2 : 1, draw.integer(1, 2), draw.integer(1, 2)};
  for (std::size_t k = 0; k < dims; ++k) {
    d.kernel.push_back(draw.integer(1, dims == 1 ? 4 : dims == 2 ? 3 : 2));
    d.stride.push_back(draw.one_in(2) ? 1 : draw.integer(1, 3));
    d.padding.push_back(draw.one_in(2) ? 0 : draw.integer(0, 2));
    d.dilation.push_back(draw.one_in(3) ? 2 : 1);
    const Index reach = (d.kernel[k] - 1) * d.dilation[k] + 1;
    const Index most = dims == 1 ? 6 : dims == 2 ? 4 : 3;
    // As many as the kernel needs; transposed, as many as the padding leaves something of.
    Index least = std::max<Index>(reach - 2 * d.padding[k], 1);
    if (transposed) {
      d.padding[k] = std::min(d.padding[k], (reach - 1) / 2);
      least = 1;
    }
    d.size.push_back(draw.integer(least, std::max(least, most)));
    d.output_padding.push_back(draw.one_in(2) ? 0 : draw.integer(0, std::max(d.stride[k], d.dilation[k]) - 1));
  }
  return d;
}

void draw_tensors(Draw& draw, const Drawn& d, bool transposed, bool may_lack_batch, std::string_view input = "input") {
  std::vector<Index> x;
  if (!may_lack_batch || !draw.one_in(4)) x.push_back(d.batch);
  x.push_back(d.groups * d.in);
  x.insert(x.end(), d.size.begin(), d.size.end());
  std::vector<Index> w{d.groups * (transposed ? d.in : d.out), transposed ? d.out : d.in};
  w.insert(w.end(), d.kernel.begin(), d.kernel.end());
  draw.tensor(input, x);
  draw.tensor("weight", w);
  if (draw.coin()) {
    draw.tensor("bias", std::array{d.groups * d.out});
  } else {
    draw.set_none("bias");
  }
}

template <std::size_t Dims>
void sample_forward(Draw& draw) {
  const Drawn d = draw_geometry(draw, Dims, false);
  draw_tensors(draw, d, false, true);
  draw.set_ints("stride", d.stride);
  draw.set_ints("padding", d.padding);
  draw.set_ints("dilation", d.dilation);
  if (d.groups != 1 || draw.coin()) draw.set_int("groups", d.groups);
}
template <std::size_t Dims>
void sample_by_name(Draw& draw) {
  Drawn d = draw_geometry(draw, Dims, false);
  const bool same = draw.coin();
  for (std::size_t k = 0; k < Dims; ++k) {
    if (same) d.stride[k] = 1;
    if (!same) d.size[k] = std::max(d.size[k], (d.kernel[k] - 1) * d.dilation[k] + 1);
  }
  draw_tensors(draw, d, false, true);
  draw.set_ints("stride", d.stride);
  draw.set_text("padding", same ? "same" : "valid");
  draw.set_ints("dilation", d.dilation);
  draw.set_int("groups", d.groups);
}
template <std::size_t Dims>
void sample_transposed(Draw& draw) {
  const Drawn d = draw_geometry(draw, Dims, true);
  draw_tensors(draw, d, true, true);
  draw.set_ints("stride", d.stride);
  draw.set_ints("padding", d.padding);
  draw.set_ints("output_padding", d.output_padding);
  draw.set_int("groups", d.groups);
  draw.set_ints("dilation", d.dilation);
}
void sample_general(Draw& draw) {
  const bool transposed = draw.coin();
  const auto dims = static_cast<std::size_t>(draw.integer(1, 3));
  const Drawn d = draw_geometry(draw, dims, transposed);
  draw_tensors(draw, d, transposed, false);
  draw.set_ints("stride", d.stride);
  draw.set_ints("padding", d.padding);
  draw.set_ints("dilation", d.dilation);
  draw.set_bool("transposed", transposed);
  draw.set_ints("output_padding", transposed ? d.output_padding : std::vector<Index>(dims, 0));
  draw.set_int("groups", d.groups);
}

template <std::size_t Dims, Kernel kind>
void sample_by_kernel(Draw& draw) {
  constexpr bool transposed = kind == Kernel::transposed;
  Drawn d = draw_geometry(draw, Dims, transposed);
  d.groups = 1;
  for (std::size_t k = 0; k < Dims && kind == Kernel::plain; ++k) d.dilation[k] = 1;
  d.batch = std::max<Index>(d.batch, 1);
  for (std::size_t k = 0; k < Dims; ++k) d.output_padding[k] = std::min(d.output_padding[k], d.stride[k] - 1);
  draw_tensors(draw, d, transposed, false, "self");
  draw.set_ints("kernel_size", d.kernel);
  draw.set_ints("stride", d.stride);
  draw.set_ints("padding", d.padding);
  if (transposed) draw.set_ints("output_padding", d.output_padding);
  if (kind != Kernel::plain) draw.set_ints("dilation", d.dilation);
}

constexpr std::string_view source = "Jeannerod and Rump 2013: n·u·Σ|w||x| in any order, the bias a term of the sum";
constexpr std::string_view note = "direct algorithms: no engine here declares Winograd or FFT";

template <std::size_t Dims>
void add_dims(Registry& registry, std::string_view forward, std::string_view by_name, std::string_view transposed) {
  registry.composite({.schema = forward, .source = source, .note = note, .sample = sample_forward<Dims>},
                     Forward<Dims>{});
  registry.composite({.schema = by_name, .source = source, .note = note, .sample = sample_by_name<Dims>},
                     ByName<Dims>{});
  registry.composite({.schema = transposed, .source = source, .note = note, .sample = sample_transposed<Dims>},
                     Transposed<Dims>{});
}

// One algorithm of LibTorch's, by its name.
void add_by_kernel(Registry& registry) {
  const auto add = [&](std::string_view schema, void (*sample)(Draw&), auto program) {
    registry.composite({.schema = schema, .source = source, .sample = sample}, program);
  };
  using enum Kernel;
  add("thnn_conv2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=1, "
      "SymInt[2] padding=0) -> Tensor",
      sample_by_kernel<2, plain>, ByKernel<2, plain>{});
  add("slow_conv3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=1, "
      "SymInt[3] padding=0) -> Tensor",
      sample_by_kernel<3, plain>, ByKernel<3, plain>{});
  add("slow_conv3d_forward(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias, SymInt[3] stride, "
      "SymInt[3] padding) -> Tensor",
      sample_by_kernel<3, plain>, ByKernel<3, plain>{});
  add("slow_conv_dilated2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=1, "
      "SymInt[2] padding=0, SymInt[2] dilation=1) -> Tensor",
      sample_by_kernel<2, dilated>, ByKernel<2, dilated>{});
  add("slow_conv_dilated3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=1, "
      "SymInt[3] padding=0, SymInt[3] dilation=1) -> Tensor",
      sample_by_kernel<3, dilated>, ByKernel<3, dilated>{});
  add("slow_conv_transpose2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] "
      "stride=1, SymInt[2] padding=0, SymInt[2] output_padding=0, SymInt[2] dilation=1) -> Tensor",
      sample_by_kernel<2, transposed>, ByKernel<2, transposed>{});
  add("slow_conv_transpose3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] "
      "stride=1, SymInt[3] padding=0, SymInt[3] output_padding=0, SymInt[3] dilation=1) -> Tensor",
      sample_by_kernel<3, transposed>, ByKernel<3, transposed>{});
}

}  // namespace

void add_convolutions(Registry& registry) {
  add_by_kernel(registry);
  registry.composite({.schema = "convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] "
                                "padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) "
                                "-> Tensor",
                      .source = source,
                      .note = note,
                      .sample = sample_general},
                     General{});
  add_dims<1>(registry,
              "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, SymInt[1] padding=0, "
              "SymInt[1] dilation=1, SymInt groups=1) -> Tensor",
              "conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, str "
              "padding=\"valid\", SymInt[1] dilation=1, SymInt groups=1) -> Tensor",
              "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, SymInt[1] "
              "padding=0, SymInt[1] output_padding=0, SymInt groups=1, SymInt[1] dilation=1) -> Tensor");
  add_dims<2>(registry,
              "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, "
              "SymInt[2] dilation=1, SymInt groups=1) -> Tensor",
              "conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, str "
              "padding=\"valid\", SymInt[2] dilation=1, SymInt groups=1) -> Tensor",
              "conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] "
              "padding=0, SymInt[2] output_padding=0, SymInt groups=1, SymInt[2] dilation=1) -> Tensor");
  add_dims<3>(registry,
              "conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, "
              "SymInt[3] dilation=1, SymInt groups=1) -> Tensor",
              "conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, str "
              "padding=\"valid\", SymInt[3] dilation=1, SymInt groups=1) -> Tensor",
              "conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] "
              "padding=0, SymInt[3] output_padding=0, SymInt groups=1, SymInt[3] dilation=1) -> Tensor");
}

}  // namespace gradproof
