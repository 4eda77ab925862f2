// A program made ready, and its runs. Included by module.cpp alone.
#pragma once

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_make_dual.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapters/libtorch/cuda_streams.h"
#include "adapters/libtorch/errors.h"
#include "adapters/libtorch/operators.h"

namespace gradproof::libtorch {

// What a step needs of the program, so that a run does no work on names and indirections.
struct Step {
  gp_step step{};
  std::vector<std::uint32_t> needs;   // values that must have been made
  std::vector<std::uint32_t> first;   // roots; or the one value acted on
  std::vector<std::uint32_t> second;  // seeds; or the other value, GP_NO_VALUE where there is none
  std::vector<std::uint32_t> inputs;
  bool with_inputs = false;
  bool on = false;    // REQUIRE_GRAD, NO_GRAD
  double factor = 1;  // HOOK
  std::int64_t stream = 0;
  Call call;
  std::unique_ptr<Fault> fault;  // found while preparing; told when the step runs
};

class StepReader {
 public:
  StepReader(OperatorTable& table, const gp_program& program, const gp_step& step)
      : table_(table), program_(program), step_(step) {}

  Step read() {
    Step out;
    out.step = step_;
    add_needs(out);
    try {
      fill(out);
    } catch (const Fault& fault) {
      out.fault = std::make_unique<Fault>(fault);
    }
    return out;
  }

 private:
  void add_needs(Step& out) const {
    for (std::uint32_t i = 0; i < step_.arg_count; ++i) {
      for (const std::uint32_t id : values(i)) {
        if (id != GP_NO_VALUE) out.needs.push_back(id);
      }
    }
  }

  // The value ids an argument names.
  std::vector<std::uint32_t> values(std::uint32_t index) const {
    const gp_arg& arg = program_.args[step_.first_arg + index];
    if (arg.kind == GP_ARG_VALUE) return {static_cast<std::uint32_t>(arg.u.index)};
    if (arg.kind != GP_ARG_VALUES || arg.count == 0) return {};
    const std::uint32_t* ids = program_.ids + arg.u.index;
    return {ids, ids + arg.count};
  }

  bool boolean(std::uint32_t index) const {
    if (index >= step_.arg_count) throw Fault(GP_ARGUMENT, "a true or false is missing");
    return program_.args[step_.first_arg + index].u.integer != 0;
  }

  std::vector<std::uint32_t> one(std::uint32_t index) const {
    std::vector<std::uint32_t> ids;
    if (index < step_.arg_count) ids = values(index);
    if (ids.size() != 1) throw Fault(GP_ARGUMENT, "the step needs one value as argument " + std::to_string(index));
    return ids;
  }

  void fill(Step& out) {
    switch (step_.kind) {
      case GP_TENSOR: break;
      case GP_CALL: out.call = make_call(table_, program_, step_); break;
      case GP_BACKWARD:
      case GP_GRAD: fill_sweep(out); break;
      case GP_NO_GRAD: out.on = boolean(0); break;
      case GP_DROP: out.first = values(0); break;
      case GP_HOOK:
        out.first = one(0);
        out.factor = program_.args[step_.first_arg + 1].u.real;
        break;
      case GP_PARALLEL: break;
      case GP_STREAM: out.stream = program_.args[step_.first_arg].u.integer; break;
      case GP_REQUIRE_GRAD:
        out.first = one(0);
        out.on = boolean(1);
        break;
      case GP_DUAL:
        out.first = one(0);
        out.second = one(1);
        break;
      case GP_SET_GRAD:
        out.first = one(0);
        if (step_.arg_count > 1) out.second = values(1);
        if (out.second.empty()) out.second = {GP_NO_VALUE};
        break;
      case GP_GRAD_OF:
      case GP_ZERO_GRAD:
      case GP_JVP:
      case GP_DETACH:
      case GP_RETAIN_GRAD:
      case GP_READ: out.first = one(0); break;
      default: throw Fault(GP_UNSUPPORTED, "step kind " + std::to_string(step_.kind) + " is not known");
    }
  }

  void fill_sweep(Step& out) const {
    if (step_.arg_count > 0) out.first = values(0);
    if (step_.arg_count > 1) out.second = values(1);
    out.with_inputs = step_.arg_count > 2 && program_.args[step_.first_arg + 2].kind != GP_ARG_NONE;
    if (out.with_inputs) out.inputs = values(2);
    // LibTorch takes an empty list for "every leaf".
    if ((out.with_inputs || step_.kind == GP_GRAD) && out.inputs.empty()) {
      throw Fault(GP_ARGUMENT, "the list of inputs is empty");
    }
    if (step_.kind == GP_GRAD && step_.result_count != out.inputs.size()) {
      throw Fault(GP_ARGUMENT, "grad makes one result for each input");
    }
  }

  OperatorTable& table_;
  const gp_program& program_;
  const gp_step& step_;
};

// Forward mode is entered for the length of a run, and only where a program uses it.
class ForwardLevel {
 public:
  void enter() { level_ = torch::autograd::forward_ad::enter_dual_level(); }
  std::uint64_t level() const { return *level_; }
  ForwardLevel() = default;
  ForwardLevel(const ForwardLevel&) = delete;
  ForwardLevel& operator=(const ForwardLevel&) = delete;
  ~ForwardLevel() {
    if (!level_) return;
    try {
      torch::autograd::forward_ad::exit_dual_level(*level_);
    } catch (const std::exception&) {
      // A level that is not the last one: none other is ever entered here.
    }
  }

 private:
  std::optional<std::uint64_t> level_;
};

class Prepared {
 public:
  Prepared(OperatorTable& table, const gp_program& program, const Surroundings& around)
      : around_(around),
        tensors_(program.tensors, program.tensors + program.tensor_count),
        ints_(program.ints, program.ints + program.int_count),
        values_(program.value_count),
        made_(program.value_count) {
    steps_.reserve(program.step_count);
    for (std::uint64_t i = 0; i < program.step_count; ++i) {
      steps_.push_back(StepReader(table, program, program.steps[i]).read());
      const Step& step = steps_.back();
      forward_mode_ = forward_mode_ || step.step.kind == GP_DUAL;
      random_ = random_ || (step.call.target != nullptr && step.call.target->draws_random_numbers);
    }
  }

  int run(const std::uint8_t* data, gp_observations& out) {
    Recorder recorder(out);
    const at::AutoGradMode recording(true);
    // Drawn numbers are the same in each run.
    if (random_) at::manual_seed(0);
    ForwardLevel forward;
    if (forward_mode_) forward.enter();
    std::fill(made_.begin(), made_.end(), std::uint8_t{0});
    for (std::uint32_t index = 0; index < steps_.size(); ++index) {
      run_step(index, data, forward, recorder);
    }
    forget();
    return recorder.finish();
  }

  // Gradients hold graphs that hold leaves: without this, create_graph would keep all of a run alive.
  void forget() {
    streams_.finish();
    stack_.clear();
    roots_.clear();
    seeds_.clear();
    inputs_.clear();
    results_.clear();
    for (at::Tensor& value : values_) {
      if (!value.defined()) continue;
      if (torch::autograd::impl::get_autograd_meta(value) != nullptr) value.mutable_grad().reset();
    }
    for (at::Tensor& value : values_) value.reset();
  }

 private:
  bool ready(const Step& step) const {
    for (const std::uint32_t id : step.needs) {
      if (made_[id] == 0) return false;
    }
    return true;
  }

  void run_step(std::uint32_t index, const std::uint8_t* data, const ForwardLevel& forward, Recorder& recorder) {
    const Step& step = steps_[index];
    if (!ready(step)) {
      if (step.step.kind == GP_READ) recorder.add(index, GP_SKIPPED);
      return;
    }
    const auto fail = [&](const char* text, gp_error_kind otherwise) {
      recorder.error(index, kind_of_message(text, otherwise), first_line(text));
    };
    try {
      if (step.fault) throw Fault(*step.fault);
      perform_step(step, index, data, forward, recorder);
      for (std::uint32_t i = 0; i < step.step.result_count; ++i) made_[step.step.first_result + i] = 1;
    } catch (const Fault& fault) {
      recorder.error(index, fault.kind(), first_line(fault.what()));
    } catch (const c10::OutOfMemoryError& error) {
      fail(error.what_without_backtrace(), GP_OUT_OF_MEMORY);
    } catch (const c10::NotImplementedError& error) {
      fail(error.what_without_backtrace(), GP_UNSUPPORTED);
    } catch (const c10::IndexError& error) {
      fail(error.what_without_backtrace(), GP_INDEX);
    } catch (const c10::TypeError& error) {
      fail(error.what_without_backtrace(), GP_DTYPE);
    } catch (const c10::ValueError& error) {
      fail(error.what_without_backtrace(), GP_ARGUMENT);
    } catch (const c10::LinAlgError& error) {
      fail(error.what_without_backtrace(), GP_DOMAIN);
    } catch (const c10::Error& error) {
      fail(error.what_without_backtrace(), GP_ARGUMENT);  // TORCH_CHECK of what the caller gave
    } catch (const std::bad_alloc&) {
      recorder.error(index, GP_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& error) {
      fail(error.what(), GP_OTHER);
    } catch (...) {
      recorder.error(index, GP_OTHER, "an exception that is no std::exception");
    }
  }

  void perform_step(const Step& step, std::uint32_t index, const std::uint8_t* data, const ForwardLevel& forward,
                    Recorder& recorder) {
    switch (step.step.kind) {
      case GP_TENSOR: result(step) = make_tensor(tensors_[step.step.op], ints_.data(), data, around_); break;
      case GP_CALL: call(step); break;
      case GP_BACKWARD: backward(step); break;
      case GP_GRAD: grad(step); break;
      case GP_GRAD_OF: result(step) = subject(step).mutable_grad(); break;
      case GP_SET_GRAD: subject(step).mutable_grad() = optional(step.second.front()); break;
      case GP_ZERO_GRAD: zero_grad(subject(step).mutable_grad()); break;
      case GP_DUAL: result(step) = make_dual(step, forward); break;
      case GP_JVP: result(step) = forward_mode_ ? subject(step)._fw_grad(forward.level()) : at::Tensor(); break;
      case GP_DETACH: result(step) = subject(step).detach(); break;
      case GP_REQUIRE_GRAD: subject(step).requires_grad_(step.on); break;
      case GP_RETAIN_GRAD: subject(step).retain_grad(); break;
      case GP_NO_GRAD: at::GradMode::set_enabled(!step.on); break;
      case GP_DROP: drop(step); break;
      case GP_HOOK: hook(step); break;
      case GP_STREAM: streams_.select(step.stream); break;
      case GP_READ: observe(index, optional(step.first.front()), recorder); break;
      default: break;
    }
  }

  at::Tensor& result(const Step& step) { return values_[step.step.first_result]; }
  const at::Tensor& subject(const Step& step) const { return defined(values_[step.first.front()]); }
  at::Tensor optional(std::uint32_t id) const { return id == GP_NO_VALUE ? at::Tensor() : values_[id]; }

  at::Tensor make_dual(const Step& step, const ForwardLevel& forward) const {
    const at::Tensor& tangent = defined(values_[step.second.front()]);
    return at::_make_dual(subject(step), tangent, static_cast<std::int64_t>(forward.level()));
  }

  // As LibTorch's own Module::zero_grad does: in the same memory, without the graph that made it.
  static void zero_grad(at::Tensor& grad) {
    if (!grad.defined()) return;
    grad = grad.detach();
    grad.zero_();
  }

  void drop(const Step& step) {
    streams_.wait();
    for (const std::uint32_t id : step.first) values_[id].reset();
  }

  void hook(const Step& step) const {
    const at::Tensor& target = subject(step);
    if (!target.requires_grad()) throw Fault(GP_NO_GRAD_REQUIRED, "the tensor does not require a gradient");
    target.register_hook([factor = step.factor](const at::Tensor& grad) { return grad.mul(factor); });
  }

  void call(const Step& step) {
    perform(step.call, values_, stack_);
    const std::size_t count = step.step.result_count;
    if (count == 1 && stack_.size() == 1 && stack_.front().isTensor()) {
      result(step) = std::move(stack_.front()).toTensor();
      return;
    }
    results_.clear();
    for (const c10::IValue& value : stack_) flatten_result(value, results_);
    if (results_.size() < count) {
      throw Fault(GP_ARGUMENT, "the operator gives " + std::to_string(results_.size()) + " results, the script names " +
                                   std::to_string(count));
    }
    for (std::size_t i = 0; i < count; ++i) values_[step.step.first_result + i] = std::move(results_[i]);
  }

  void gather(const std::vector<std::uint32_t>& ids, torch::autograd::variable_list& out) const {
    out.clear();
    for (const std::uint32_t id : ids) out.push_back(optional(id));
  }

  void gather_sweep(const Step& step) {
    gather(step.first, roots_);
    gather(step.second, seeds_);
    gather(step.inputs, inputs_);
    for (const at::Tensor& root : roots_) defined(root);
    for (const at::Tensor& input : inputs_) defined(input);
  }

  void backward(const Step& step) {
    gather_sweep(step);
    const unsigned flags = step.step.flags;
    const bool create = (flags & GP_CREATE_GRAPH) != 0;
    torch::autograd::backward(roots_, seeds_, create || (flags & GP_RETAIN_GRAPH) != 0, create, inputs_);
  }

  void grad(const Step& step) {
    gather_sweep(step);
    const unsigned flags = step.step.flags;
    const bool create = (flags & GP_CREATE_GRAPH) != 0;
    auto grads = torch::autograd::grad(roots_, inputs_, seeds_, create || (flags & GP_RETAIN_GRAPH) != 0, create,
                                       (flags & GP_ALLOW_UNUSED) != 0);
    for (std::size_t i = 0; i < step.step.result_count; ++i) {
      values_[step.step.first_result + i] = std::move(grads.at(i));
    }
  }

  const Surroundings& around_;  // the module's: a fill may change between two runs
  std::vector<Step> steps_;
  std::vector<gp_tensor> tensors_;
  std::vector<std::int64_t> ints_;
  bool forward_mode_ = false;
  bool random_ = false;
  StreamSelector streams_;

  // Of the run under way; kept for their capacity.
  std::vector<at::Tensor> values_;
  std::vector<std::uint8_t> made_;
  torch::jit::Stack stack_;
  torch::autograd::variable_list roots_;
  torch::autograd::variable_list seeds_;
  torch::autograd::variable_list inputs_;
  std::vector<at::Tensor> results_;
};

}  // namespace gradproof::libtorch
