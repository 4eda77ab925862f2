// layer_norm, batch_norm, group_norm, instance_norm, rms_norm.
#include "engine/operators/normalization.h"

#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/norms.h"
#include "engine/sampling.h"

namespace gradproof {

namespace {

// --- over the last dims ---

template <class T>
DimSet last_dims(const Var<T>& x, Sizes normalized_shape) {
  const std::size_t count = normalized_shape.size();
  const Sizes sizes = x.sizes();
  if (count == 0 || count > sizes.size() || !same_sizes(sizes.last(count), normalized_shape)) {
    throw EngineError(
        GP_SHAPE, "a normalized shape of " + to_text(normalized_shape) + " for a tensor of shape " + to_text(sizes));
  }
  return all_dims(x.ndim()) & ~((DimSet{1} << static_cast<unsigned>(sizes.size() - count)) - 1);
}

// (input, weight, bias; normalized_shape, eps)
template <class T>
std::array<Var<T>, 3> layer_norm(const CompositeCall<T>& call) {
  const Var<T> x = call[0];
  const Sizes shape = call.list(0);
  const DimSet over = last_dims(x, shape);
  need_sizes(optional(call, 1), shape, "a weight");
  need_sizes(optional(call, 2), shape, "a bias");
  const Normalized<T> all = normalized(x, over, call.arg(1), false);
  return {affine(all.value, optional(call, 1), optional(call, 2), shape, false), detached(all.mean),
          detached(all.inverse_deviation)};
}

// x/√(Σx²/n + eps) w
template <class T>
Var<T> rms_norm(const CompositeCall<T>& call) {
  const Var<T> x = call[0];
  const DimSet over = last_dims(x, call.list(0));
  need_sizes(optional(call, 1), call.list(0), "a weight");
  T eps = call.arg(1).real;
  if (call.none(1)) {
    const NumberFormat& format = format_of<typename Scalar<T>::Dtype>();
    eps = Scalar<T>::leaf(2 * (format.rounds() ? format : formats::f64).u);
  }
  const Var<T> squares = mean_over(call("pow.Tensor_Scalar", x, {call.of(Index{2})}), over, true);
  const Var<T> y = x * call("rsqrt", squares + call.tape.number(eps));
  return call.has(1) ? y * call[1] : y;
}

// --- over a group's channels and all places ---

template <class T>
Normalized<T> grouped(const Var<T>& x, Index batch, Index groups, const Arg<T>& eps) {
  const Index count = batch * groups;
  const std::array<Index, 3> sizes{batch, groups, count == 0 ? 0 : x.numel() / count};
  return normalized(reshape_to(x, sizes), DimSet{4}, eps, true);
}
inline void need_groups(Index channels, Index groups) {
  if (groups <= 0 || channels % groups != 0) {
    throw EngineError(GP_SHAPE, std::to_string(channels) + " channels in " + std::to_string(groups) + " groups");
  }
}
// (input, weight, bias; num_groups, eps)
template <class T>
Var<T> group_norm(const CompositeCall<T>& call) {
  const Var<T> x = call[0];
  if (x.ndim() < 2) throw EngineError(GP_SHAPE, "group_norm needs at least two dims");
  need_groups(x.size(1), call.integer(0));
  const std::array<Index, 1> channels{x.size(1)};
  need_sizes(optional(call, 1), channels, "a weight");
  need_sizes(optional(call, 2), channels, "a bias");
  const Normalized<T> all = grouped(x, x.size(0), call.integer(0), call.arg(1));
  return affine(reshape_to(all.value, x.sizes()), optional(call, 1), optional(call, 2), channels_of(x.sizes()), true);
}

// (input, weight, bias; N, C, HxW, group, eps) -> (y, mean, r)
template <class T>
std::array<Var<T>, 3> native_group_norm(const CompositeCall<T>& call) {
  const Var<T> x = call[0];
  need_groups(call.integer(1), call.integer(3));
  const std::array<Index, 3> sizes{call.integer(0), call.integer(1), call.integer(2)};
  const std::array<Index, 1> channels{call.integer(1)};
  if (x.ndim() < 2 || x.size(1) != channels[0] || x.numel() != count_elements(sizes)) {
    throw EngineError(GP_SHAPE, "shape " + to_text(x.sizes()) + " is not of sizes " + to_text(Sizes(sizes)));
  }
  const Var<T> weight = optional(call, 1);
  const Var<T> bias = optional(call, 2);
  need_sizes(weight, channels, "a weight");
  need_sizes(bias, channels, "a bias");
  const std::array<Index, 2> groups{call.integer(0), call.integer(3)};
  const Normalized<T> all = grouped(x, groups[0], groups[1], call.arg(4));
  const auto beside = [&](const Var<T>& y) {
    return call_rule<Beside>(call.tape, {reshape_to(y, groups), weight, bias}, {});
  };
  // The channels are those of (N, C, HxW), whatever the shape.
  const Var<T> y = affine(reshape_to(all.value, sizes), weight, bias, channels_of(sizes), true);
  return {reshape_to(y, x.sizes()), beside(all.mean), beside(all.inverse_deviation)};
}

// --- over the batch ---

// With given mean and variance, (x - mean)/√(var + eps); or x α + (b - mean α) with α = w/√(var + eps).
template <class T>
Var<T> by_running(const Var<T>& x, const Var<T>& mean, const Var<T>& var, const Arg<T>& eps) {
  Tape<T>& tape = x.tape();
  const Shape sizes = channels_of(x.sizes());
  const Var<T> m = reshape_to(mean, sizes);
  // Where the root is 0 the slopes are quotients of 0 and ∞, in one order NaN and in another infinite.
  const Var<T> root = 1 / sqrt(reshape_to(var, sizes) + tape.number(eps.real));
  const Var<T> r = call_rule<Covered>(tape, {root, zeros(tape, root.sizes())}, {});
  const Var<T> y = (x - m) * r;
  if (!tape.admitted || !HasHull<T>) return y;
  const bool recorded = std::exchange(tape.grad_enabled, false);
  const Var<T> parts = (abs(x) + 2 * abs(m)) * r * tape.number(unit_roundoff<T>());
  tape.grad_enabled = recorded;
  return y + noise(tape, tape.contiguous(parts.value()));
}
template <class T>
void need_constant(const Var<T>& x) {
  if (x && x.impl()->requires_grad) {
    throw EngineError(GP_ARGUMENT, "there is no derivative with respect to a running mean or variance");
  }
}

template <class T>
struct BatchNormArgs {
  Var<T> x, weight, bias, mean, var;
  bool training;
  Arg<T> eps;
};
template <class T>
BatchNormArgs<T> batch_norm_args(const CompositeCall<T>& call) {
  BatchNormArgs<T> all{call[0],           optional(call, 1), optional(call, 2), optional(call, 3),
                       optional(call, 4), call.flag(0),      call.arg(2)};
  if (all.x.ndim() < 2) throw EngineError(GP_SHAPE, "batch_norm needs at least two dims");
  const std::array<Index, 1> channels{all.x.size(1)};
  need_sizes(all.weight, channels, "a weight");
  need_sizes(all.bias, channels, "a bias");
  need_sizes(all.mean, channels, "a running mean");
  need_sizes(all.var, channels, "a running variance");
  need_constant(all.mean);
  need_constant(all.var);
  if (!all.training && (!all.mean || !all.var)) throw EngineError(GP_ARGUMENT, "running statistics are needed");
  if (all.training && (all.mean || all.var)) {
    throw EngineError(GP_UNSUPPORTED, "running statistics that are brought up to date");
  }
  return all;
}
// (y, mean, r)
template <class T>
std::array<Var<T>, 3> batch_norm(const CompositeCall<T>& call) {
  const BatchNormArgs<T> all = batch_norm_args(call);
  const Shape sizes = channels_of(all.x.sizes());
  if (!all.training) {
    const Var<T> y = by_running(all.x, all.mean, all.var, all.eps);
    const Var<T> none = zeros(call.tape, std::array<Index, 1>{0});
    return {affine(y, all.weight, all.bias, sizes, true), none, none};
  }
  const Normalized<T> parts = normalized(all.x, all_dims(all.x.ndim()) & ~DimSet{2}, all.eps, true);
  const std::array<Index, 1> channels{all.x.size(1)};
  return {affine(parts.value, all.weight, all.bias, sizes, true), detached(reshape_to(parts.mean, channels)),
          detached(reshape_to(parts.inverse_deviation, channels))};
}
// Each channel of each example by itself.
template <class T>
Var<T> instance_norm(const CompositeCall<T>& call) {
  const BatchNormArgs<T> all = batch_norm_args(call);
  const Shape sizes = channels_of(all.x.sizes());
  if (!all.training) return affine(by_running(all.x, all.mean, all.var, all.eps), all.weight, all.bias, sizes, true);
  const Normalized<T> parts = normalized(all.x, all_dims(all.x.ndim()) & ~DimSet{3}, all.eps, true);
  return affine(parts.value, all.weight, all.bias, sizes, true);
}

// --- drawing ---

constexpr std::array epsilons{1e-5, 1e-3, 0.25, 1e-5};

// A bias beside a weight alone: without it LibTorch's group_norm cannot go backward, its others not twice.
void draw_affine(Draw& draw, Sizes sizes) {
  const Index count = draw.integer(0, 2);
  if (count > 0) draw.tensor("weight", sizes);
  if (count > 1) draw.tensor("bias", sizes);
}
void none_or_affine(Draw& draw, Sizes sizes) {
  Index count = draw.integer(0, 2);
  for (const std::string_view name : {"weight", "bias"}) {
    if (count-- > 0) {
      draw.tensor(name, sizes);
    } else {
      draw.set_none(name);
    }
  }
}
// A shape and its last dims, of at least three elements: two are normalized to ±1, with next to no gradient.
std::vector<Index> draw_rows(Draw& draw, std::vector<Index>& last) {
  std::vector<Index> shape = draw.nonempty_shape(1, 4);
  shape.back() = draw.integer(3, 4);
  const Index count = draw.integer(1, std::min<Index>(std::ssize(shape), 2));
  last.assign(shape.end() - count, shape.end());
  draw.tensor("input", shape);
  draw.set_ints("normalized_shape", last);
  return shape;
}
void sample_layer_norm(Draw& draw) {
  std::vector<Index> last;
  draw_rows(draw, last);
  draw_affine(draw, last);
  if (draw.coin()) draw.set_real("eps", draw.pick(epsilons));
}
void sample_native_layer_norm(Draw& draw) {
  std::vector<Index> last;
  draw_rows(draw, last);
  none_or_affine(draw, last);
  draw.set_real("eps", draw.pick(epsilons));
}
void sample_rms_norm(Draw& draw) {
  std::vector<Index> last;
  draw_rows(draw, last);
  if (draw.coin()) draw.tensor("weight", last);
  if (draw.coin()) draw.set_real("eps", draw.pick(epsilons));
}

// [n, c, …] with at least three elements of a channel
std::vector<Index> draw_images(Draw& draw, Index least_dims, Index& groups) {
  std::vector<Index> shape = draw.nonempty_shape(least_dims, 4);
  groups = draw.integer(1, 2);
  shape[1] = groups * draw.integer(1, 2);
  if (shape.size() > 2) shape[2] = draw.integer(3, 4);
  if (shape.size() == 2) shape[0] = draw.integer(3, 4);
  draw.tensor("input", shape);
  return shape;
}
void sample_group_norm(Draw& draw) {
  Index groups = 1;
  const std::vector<Index> shape = draw_images(draw, 3, groups);
  const std::array<Index, 1> channels{shape[1]};
  draw.set_int("num_groups", groups);
  draw_affine(draw, channels);
  if (draw.coin()) draw.set_real("eps", draw.pick(epsilons));
}
void sample_native_group_norm(Draw& draw) {
  Index groups = 1;
  const std::vector<Index> shape = draw_images(draw, 3, groups);
  const std::array<Index, 1> channels{shape[1]};
  none_or_affine(draw, channels);
  Index places = 1;
  for (std::size_t d = 2; d < shape.size(); ++d) places *= shape[d];
  draw.set_int("N", shape[0]);
  draw.set_int("C", shape[1]);
  draw.set_int("HxW", places);
  draw.set_int("group", groups);
  draw.set_real("eps", draw.pick(epsilons));
}
void draw_batch_norm(Draw& draw, Index least_dims, std::string_view training) {
  Index groups = 1;
  const std::vector<Index> shape = draw_images(draw, least_dims, groups);
  const std::array<Index, 1> channels{shape[1]};
  none_or_affine(draw, channels);
  const bool trains = draw.coin();
  draw.set_bool(training, trains);
  if (trains) {
    draw.set_none("running_mean");
    draw.set_none("running_var");
  } else {
    draw.constant("running_mean", channels);
    draw.constant("running_var", channels, closed(0, infinity));
  }
  draw.set_real("momentum", 0.1);
  draw.set_real("eps", draw.pick(epsilons));
}
void sample_batch_norm(Draw& draw) {
  draw_batch_norm(draw, 2, "training");
  draw.set_bool("cudnn_enabled", draw.coin());
}
void sample_native_batch_norm(Draw& draw) { draw_batch_norm(draw, 2, "training"); }
void sample_instance_norm(Draw& draw) {
  draw_batch_norm(draw, 3, "use_input_stats");
  draw.set_bool("cudnn_enabled", draw.coin());
}
constexpr std::string_view source = "two passes, or one (Chan, Golub, LeVeque 1983); LibTorch's raw sums of gradients";

void add_rows(Registry& registry) {
  registry.composite({.schema = "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, "
                                "Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor",
                      .source = source,
                      .sample = sample_layer_norm},
                     [](const auto& call) { return layer_norm(call)[0]; });
  registry.composite({.schema = "native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, "
                                "Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)",
                      .source = source,
                      .note = "mean and deviation are not differentiable",
                      .sample = sample_native_layer_norm},
                     [](const auto& call) { return layer_norm(call); });
  registry.composite(
      {.schema = "rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
       .source = "Jeannerod and Rump 2013 for the sum",
       .sample = sample_rms_norm},
      [](const auto& call) { return rms_norm(call); });
}

void add_channels(Registry& registry) {
  registry.composite({.schema = "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, "
                                "float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
                      .source = source,
                      .sample = sample_group_norm},
                     [](const auto& call) { return group_norm(call); });
  registry.composite({.schema = "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, "
                                "SymInt HxW, int group, float eps) -> (Tensor, Tensor, Tensor)",
                      .source = source,
                      .sample = sample_native_group_norm},
                     [](const auto& call) { return native_group_norm(call); });
  registry.composite({.schema = "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
                                "Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) "
                                "-> Tensor",
                      .source = source,
                      .note = "in training without running statistics, which it would change",
                      .sample = sample_batch_norm},
                     [](const auto& call) { return batch_norm(call)[0]; });
  registry.composite({.schema = "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
                                "Tensor? running_var, bool training, float momentum, float eps) "
                                "-> (Tensor, Tensor, Tensor)",
                      .source = source,
                      .note = "mean and deviation are not differentiable",
                      .sample = sample_native_batch_norm},
                     [](const auto& call) { return batch_norm(call); });
  registry.composite({.schema = "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
                                "Tensor? running_var, bool use_input_stats, float momentum, float eps, "
                                "bool cudnn_enabled) -> Tensor",
                      .source = source,
                      .note = "with the input's statistics without running ones, which it would change",
                      .sample = sample_instance_norm},
                     [](const auto& call) { return instance_norm(call); });
}

}  // namespace

void add_normalization(Registry& registry) {
  add_rows(registry);
  add_channels(registry);
}

}  // namespace gradproof
