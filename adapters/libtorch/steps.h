// The steps of a program made ready: ids, arguments and operators looked up once. Included by prepared.h alone.
#pragma once

#include <torch/csrc/autograd/autograd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
  std::int64_t lane = GP_PARALLEL_BEGIN;  // PARALLEL
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
      case GP_PARALLEL: out.lane = program_.args[step_.first_arg].u.integer; break;
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

}  // namespace gradproof::libtorch
