#include "oracle/directional_claim.h"

#include <algorithm>

namespace gradproof {

namespace {

const gp_step& maker_of(const Script& script, ValueId value) { return script.steps[script.step_of(value)]; }
ValueId first_value(const Script& script, const gp_step& step) {
  return static_cast<ValueId>(script.args_of(step)[0].u.index);
}

class Reader {
 public:
  explicit Reader(const Script& script) : script_(&script) {}

  Claim read() {
    for (std::uint32_t i = 0; i < script_->steps.size() && claim_.unusable.empty(); ++i) step(i);
    if (sweeps_ == 0) claim_.end = static_cast<std::uint32_t>(script_->steps.size());
    if (claim_.unusable.empty() && claim_.readings.empty()) claim_.unusable = "the script reads no derivative";
    return std::move(claim_);
  }

 private:
  void step(std::uint32_t index) {
    const gp_step& step = script_->steps[index];
    switch (step.kind) {
      case GP_BACKWARD:
      case GP_GRAD: return sweep(index, step);
      case GP_DUAL: return dual(step);
      case GP_READ: return reading(index, step);
      case GP_TENSOR:
      case GP_CALL:
      case GP_GRAD_OF:
      case GP_JVP:
      case GP_RETAIN_GRAD:
      case GP_DROP:
      case GP_PARALLEL:
      case GP_STREAM: return;
      // What these leave out of the graph still moves the values.
      case GP_DETACH:
      case GP_NO_GRAD:
      case GP_REQUIRE_GRAD:
      case GP_HOOK: return refuse("the graph is not all of the function");
      default: return refuse("gradients do not start from nothing");
    }
  }

  void sweep(std::uint32_t index, const gp_step& step) {
    if (++sweeps_ > 1 || !claim_.inputs.empty()) return refuse("several derivatives in one script");
    claim_.end = index;
    sweep_ = &step;
    const auto args = script_->args_of(step);
    for (std::uint32_t i = 0; i < args[0].count; ++i) {
      const ValueId seed = script_->ids[args[1].u.index + i];
      if (seed != GP_NO_VALUE && !is_given(seed)) return refuse("a seed that is computed");
      claim_.roots.push_back({script_->ids[args[0].u.index + i], seed});
    }
  }

  void dual(const gp_step& step) {
    claim_.kind = Claim::Kind::tangent;
    const auto args = script_->args_of(step);
    const auto primal = static_cast<ValueId>(args[0].u.index);
    const auto tangent = static_cast<ValueId>(args[1].u.index);
    if (sweeps_ > 0 || !is_given(primal) || !is_given(tangent)) return refuse("duals of something computed");
    claim_.inputs.push_back({primal, tangent});
  }

  void reading(std::uint32_t index, const gp_step& step) {
    const ValueId value = first_value(*script_, step);
    const gp_step& maker = maker_of(*script_, value);
    if (maker.kind == GP_GRAD_OF && sweep_ != nullptr && script_->step_of(value) > claim_.end) {
      return gradient(index, first_value(*script_, maker));
    }
    if (maker.kind == GP_GRAD && &maker == sweep_) {
      const gp_arg& inputs = script_->args_of(maker)[2];
      return gradient(index, script_->ids[inputs.u.index + value - maker.first_result]);
    }
    if (maker.kind == GP_JVP && !claim_.inputs.empty()) {
      claim_.readings.push_back({index, claim_.roots.size()});
      claim_.roots.push_back({first_value(*script_, maker), GP_NO_VALUE});
    }
  }

  void gradient(std::uint32_t index, ValueId leaf) {
    if (!is_given(leaf)) return refuse("the gradient of something computed");
    const auto known = std::find_if(claim_.inputs.begin(), claim_.inputs.end(),
                                    [&](const Claim::Input& input) { return input.value == leaf; });
    claim_.readings.push_back({index, static_cast<std::size_t>(known - claim_.inputs.begin())});
    if (known == claim_.inputs.end()) claim_.inputs.push_back({leaf, GP_NO_VALUE});
  }

  bool is_given(ValueId value) const {
    const gp_step& maker = maker_of(*script_, value);
    return maker.kind == GP_TENSOR && script_->tensors[maker.op].memory == GP_GIVEN;
  }

  void refuse(const char* why) {
    if (claim_.unusable.empty()) claim_.unusable = why;
  }

  const Script* script_;
  const gp_step* sweep_ = nullptr;
  int sweeps_ = 0;
  Claim claim_{};
};

class Copier {
 public:
  Copier(const Script& from, const Claim& claim) : from_(&from), claim_(&claim), now_(from.value_count, GP_NO_VALUE) {
    Script& to = made_.script;
    to.ops = from.ops;
    to.tensors = from.tensors;
    to.ids = from.ids;
    to.ints = from.ints;
    to.reals = from.reals;
    to.text = from.text;
    to.data = from.data;
    for (gp_tensor& tensor : to.tensors) tensor.flags &= static_cast<std::uint8_t>(~unsigned{GP_REQUIRES_GRAD});
  }

  ValueScript copy() {
    for (std::uint32_t i = 0; i < claim_->end; ++i) {
      const gp_step& step = from_->steps[i];
      if (step.kind == GP_TENSOR) tensor(step, step.op);
      if (step.kind == GP_CALL) call(step);
      if (step.kind == GP_DUAL) dual(step);
    }
    if (claim_->kind == Claim::Kind::gradient) {
      for (const Claim::Input& input : claim_->inputs) made_.inputs.push_back(now_[input.value]);
    }
    for (const Claim::Root& root : claim_->roots) made_.reads.push_back(made_.script.read(now_[root.value]));
    return std::move(made_);
  }

 private:
  gp_step& push(const gp_step& like) {
    Script& to = made_.script;
    gp_step step = like;
    step.flags = 0;
    step.first_arg = static_cast<std::uint32_t>(to.args.size());
    step.arg_count = 0;
    step.first_result = to.value_count;
    for (std::uint32_t k = 0; k < like.result_count; ++k) now_[like.first_result + k] = to.value_count + k;
    to.value_count += like.result_count;
    to.steps.push_back(step);
    return to.steps.back();
  }

  void tensor(const gp_step& step, std::uint32_t index) {
    gp_step& made = push(step);
    made.kind = GP_TENSOR;
    made.op = index;
  }

  void dual(const gp_step& step) {
    Script& to = made_.script;
    const gp_step& primal = maker_of(*from_, first_value(*from_, step));
    gp_tensor copy = to.tensors[primal.op];
    const std::uint64_t bytes = copy.buffer_elements * size_of(static_cast<gp_dtype>(copy.dtype));
    const std::uint64_t source = copy.data;
    copy.data = (to.data.size() + 7) / 8 * 8;
    to.data.resize(copy.data + bytes);
    std::copy_n(to.data.begin() + static_cast<std::ptrdiff_t>(source), bytes,
                to.data.begin() + static_cast<std::ptrdiff_t>(copy.data));
    to.tensors.push_back(copy);
    tensor(step, static_cast<std::uint32_t>(to.tensors.size() - 1));
    made_.inputs.push_back(now_[step.first_result]);
  }

  void call(const gp_step& step) {
    gp_step& made = push(step);
    made.arg_count = step.arg_count;
    Script& to = made_.script;
    for (gp_arg arg : from_->args_of(step)) {
      if (arg.kind == GP_ARG_VALUE) arg.u.index = now(static_cast<ValueId>(arg.u.index));
      if (arg.kind == GP_ARG_VALUES) {
        const std::uint64_t first = to.ids.size();
        for (std::uint32_t k = 0; k < arg.count; ++k) to.ids.push_back(now(from_->ids[arg.u.index + k]));
        arg.u.index = first;
      }
      to.args.push_back(arg);
    }
  }

  ValueId now(ValueId value) const { return value == GP_NO_VALUE ? value : now_[value]; }

  const Script* from_;
  const Claim* claim_;
  std::vector<ValueId> now_;
  ValueScript made_{};
};

}  // namespace

Claim claim_of(const Script& script) { return Reader(script).read(); }

ValueScript value_script(const Script& script, const Claim& claim) { return Copier(script, claim).copy(); }

}  // namespace gradproof
