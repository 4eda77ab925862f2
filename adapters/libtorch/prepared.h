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

#include "adapters/lanes.h"
#include "adapters/libtorch/cuda_streams.h"
#include "adapters/libtorch/errors.h"
#include "adapters/libtorch/steps.h"

namespace gradproof::libtorch {

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
    const Run at_hand{data, forward};
    for (std::uint32_t index = 0; index < steps_.size(); ++index) {
      if (steps_[index].step.kind == GP_PARALLEL) {
        index = run_block(index, at_hand, recorder);
      } else {
        run_step(index, at_hand, recorder, scratch_);
      }
    }
    forget();
    return recorder.finish();
  }

  // Gradients hold graphs that hold leaves: without this, create_graph would keep all of a run alive.
  void forget() {
    streams_.finish();
    scratch_.clear();
    for (at::Tensor& value : values_) {
      if (!value.defined()) continue;
      if (torch::autograd::impl::get_autograd_meta(value) != nullptr) value.mutable_grad().reset();
    }
    for (at::Tensor& value : values_) value.reset();
  }

 private:
  struct Run {
    const std::uint8_t* data;
    const ForwardLevel& forward;
  };
  // Kept for its capacity; one for each thread.
  struct Scratch {
    torch::jit::Stack stack;
    torch::autograd::variable_list roots;
    torch::autograd::variable_list seeds;
    torch::autograd::variable_list inputs;
    std::vector<at::Tensor> results;

    void clear() {
      stack.clear();
      roots.clear();
      seeds.clear();
      inputs.clear();
      results.clear();
    }
  };
  // Errors of one lane, told after all lanes have ended; nothing is read within a lane.
  struct LaneErrors {
    struct Error {
      std::uint32_t step;
      gp_error_kind kind;
      std::string text;
    };
    std::vector<Error> errors;
    void error(std::uint32_t step, gp_error_kind kind, std::string_view text) {
      errors.push_back({step, kind, std::string(text)});
    }
  };

  // From its begin at `index` on; the index of its end.
  std::uint32_t run_block(std::uint32_t index, const Run& at_hand, Recorder& recorder) {
    std::vector<std::uint32_t> first{index + 1};
    std::uint32_t end = index + 1;
    for (; end < steps_.size(); ++end) {
      const Step& step = steps_[end];
      if (step.step.kind != GP_PARALLEL) continue;
      if (step.lane == GP_PARALLEL_END) break;
      first.push_back(end + 1);
    }
    std::vector<LaneErrors> told(first.size());
    const bool recording = at::GradMode::is_enabled();
    run_lanes(first.size(), [&](std::size_t lane) {
      const at::AutoGradMode as_outside(recording);
      Scratch scratch;
      for (std::uint32_t i = first[lane]; i < end && steps_[i].step.kind != GP_PARALLEL; ++i) {
        run_step(i, at_hand, told[lane], scratch);
      }
    });
    for (const LaneErrors& lane : told) {
      for (const auto& error : lane.errors) recorder.error(error.step, error.kind, error.text);
    }
    return end;
  }

  bool ready(const Step& step) const {
    for (const std::uint32_t id : step.needs) {
      if (made_[id] == 0) return false;
    }
    return true;
  }

  template <class Sink>
  void run_step(std::uint32_t index, const Run& at_hand, Sink& recorder, Scratch& scratch) {
    const Step& step = steps_[index];
    if (!ready(step)) {
      if constexpr (std::is_same_v<Sink, Recorder>) {
        if (step.step.kind == GP_READ) recorder.add(index, GP_SKIPPED);
      }
      return;
    }
    const auto fail = [&](const char* text, gp_error_kind otherwise) {
      recorder.error(index, kind_of_message(text, otherwise), first_line(text));
    };
    try {
      if (step.fault) throw Fault(*step.fault);
      if constexpr (std::is_same_v<Sink, Recorder>) {
        if (step.step.kind == GP_READ) observe(index, optional(step.first.front()), recorder);
      }
      perform_step(step, at_hand, scratch);
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

  void perform_step(const Step& step, const Run& at_hand, Scratch& scratch) {
    switch (step.step.kind) {
      case GP_TENSOR: result(step) = make_tensor(tensors_[step.step.op], ints_.data(), at_hand.data, around_); break;
      case GP_CALL: call(step, scratch); break;
      case GP_BACKWARD: backward(step, scratch); break;
      case GP_GRAD: grad(step, scratch); break;
      case GP_GRAD_OF: result(step) = subject(step).mutable_grad(); break;
      case GP_SET_GRAD: subject(step).mutable_grad() = optional(step.second.front()); break;
      case GP_ZERO_GRAD: zero_grad(subject(step).mutable_grad()); break;
      case GP_DUAL: result(step) = make_dual(step, at_hand.forward); break;
      case GP_JVP: result(step) = forward_mode_ ? subject(step)._fw_grad(at_hand.forward.level()) : at::Tensor(); break;
      case GP_DETACH: result(step) = subject(step).detach(); break;
      case GP_REQUIRE_GRAD: subject(step).requires_grad_(step.on); break;
      case GP_RETAIN_GRAD: subject(step).retain_grad(); break;
      case GP_NO_GRAD: at::GradMode::set_enabled(!step.on); break;
      case GP_DROP: drop(step); break;
      case GP_HOOK: hook(step); break;
      case GP_STREAM: streams_.select(step.stream); break;
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

  void call(const Step& step, Scratch& scratch) {
    perform(step.call, values_, scratch.stack);
    const std::size_t count = step.step.result_count;
    if (count == 1 && scratch.stack.size() == 1 && scratch.stack.front().isTensor()) {
      result(step) = std::move(scratch.stack.front()).toTensor();
      return;
    }
    scratch.results.clear();
    for (const c10::IValue& value : scratch.stack) flatten_result(value, scratch.results);
    if (scratch.results.size() < count) {
      throw Fault(GP_ARGUMENT, "the operator gives " + std::to_string(scratch.results.size()) +
                                   " results, the script names " + std::to_string(count));
    }
    for (std::size_t i = 0; i < count; ++i) values_[step.step.first_result + i] = std::move(scratch.results[i]);
  }

  void gather(const std::vector<std::uint32_t>& ids, torch::autograd::variable_list& out) const {
    out.clear();
    for (const std::uint32_t id : ids) out.push_back(optional(id));
  }

  void gather_sweep(const Step& step, Scratch& scratch) const {
    gather(step.first, scratch.roots);
    gather(step.second, scratch.seeds);
    gather(step.inputs, scratch.inputs);
    for (const at::Tensor& root : scratch.roots) defined(root);
    for (const at::Tensor& input : scratch.inputs) defined(input);
  }

  void backward(const Step& step, Scratch& scratch) const {
    gather_sweep(step, scratch);
    const unsigned flags = step.step.flags;
    const bool create = (flags & GP_CREATE_GRAPH) != 0;
    torch::autograd::backward(scratch.roots, scratch.seeds, create || (flags & GP_RETAIN_GRAPH) != 0, create,
                              scratch.inputs);
  }

  void grad(const Step& step, Scratch& scratch) {
    gather_sweep(step, scratch);
    const unsigned flags = step.step.flags;
    const bool create = (flags & GP_CREATE_GRAPH) != 0;
    auto grads =
        torch::autograd::grad(scratch.roots, scratch.inputs, scratch.seeds, create || (flags & GP_RETAIN_GRAPH) != 0,
                              create, (flags & GP_ALLOW_UNUSED) != 0);
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
  Scratch scratch_;
};

}  // namespace gradproof::libtorch
