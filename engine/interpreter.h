// Runs a program on a tape of any scalar: the reference as an engine (float, double), as an enclosure
// (balls), as an auditor (Arb) and as a judge of unwritten memory (Defined).
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/registry.h"
#include "engine/tape.h"
#include "script/script.h"

namespace gradproof {

// What one step showed; the tensor lives in the interpreter's tape until the next run.
template <class T>
struct Seen {
  std::uint32_t step = 0;
  gp_status status = GP_VALUE;
  gp_error_kind error = GP_OK;
  bool requires_grad = false;
  Tensor<T> value{};  // contiguous
  std::array<Index, GP_MAX_DIMS> strides{};
  std::uint32_t storage = 0;
  std::uint32_t version = 0;
  std::string text{};
};

template <class T>
class Interpreter {
 public:
  // `modelled` says by which policies errors and accumulation are judged.
  Interpreter(const Registry& registry, const Catalogue<T>& catalogue, const EngineInfo& modelled);

  // The program must outlive its runs, but for its data. What cannot be resolved fails at its step when run.
  void prepare(const gp_program& program);

  // Leaves are filled from `data`, which is laid out as the program's own.
  const std::vector<Seen<T>>& run(const std::uint8_t* data);
  const Seen<T>* at(std::uint32_t step) const;
  Tape<T>& tape() { return tape_; }
  int fill = -1;  // the byte that memory nobody wrote consists of, in float and double; -1: zero

 private:
  enum class State : std::uint8_t { missing, undefined, defined };
  struct Slot {
    VarImpl<T>* var = nullptr;
    State state = State::missing;
  };
  // One step, resolved once.
  struct Resolved {
    const OperatorImpl<T>* op = nullptr;
    bool in_place = false;
    gp_error_kind error = GP_OK;  // found while resolving
    std::string text{};
    std::vector<std::uint32_t> inputs{};  // value ids
    std::vector<Arg<T>> args{};
    std::vector<std::vector<Index>> lists{};
    std::vector<std::vector<double>> real_lists{};

    void clear() {
      op = nullptr;
      in_place = false;
      error = GP_OK;
      inputs.clear();
      args.clear();
      lists.clear();
      real_lists.clear();
    }
  };

  void resolve(const gp_step& step, Resolved& into);
  void resolve_arg(const gp_arg& arg, const SchemaArg& about, Resolved& into);
  void add_default(const SchemaArg& about, Resolved& into);
  void step(std::uint32_t index);
  bool has_inputs(const gp_step& step, const Resolved& resolved);
  void make_tensor(const gp_step& step);
  void call(const gp_step& step, const Resolved& resolved);
  void sweep(const gp_step& step);
  void sweep_by_policy(const SweepRequest<T>& request);
  void simple(const gp_step& step);
  void read(std::uint32_t index, const gp_step& step);
  void fail(std::uint32_t index, gp_error_kind kind, const std::string& text);

  Var<T> var(std::uint32_t id);
  const gp_arg& arg(const gp_step& step, std::size_t i) const { return program_->args[step.first_arg + i]; }
  std::uint32_t id(const gp_step& step, std::size_t i) const {
    return static_cast<std::uint32_t>(arg(step, i).u.index);
  }
  void define(std::uint32_t id, VarImpl<T>* value);
  std::vector<Var<T>> vars(const gp_arg& list);

  const Registry* registry_;
  const Catalogue<T>* catalogue_;
  const gp_program* program_ = nullptr;
  EngineInfo modelled_;
  std::vector<Resolved> resolved_;
  std::vector<Slot> slots_;
  std::vector<Seen<T>> seen_;
  std::vector<std::int32_t> seen_at_;
  std::vector<VarImpl<T>*> scratch_;
  std::vector<const VarImpl<T>*> zeroed_;  // gradients
  const std::uint8_t* data_ = nullptr;
  bool gaps_ = false;  // a failure left values missing in this run
  Tape<T> tape_;
};

// The one floating dtype of a program's tensors; f32 where it has none, nothing where it mixes several.
std::optional<gp_dtype> dtype_of(const gp_program& program);

}  // namespace gradproof
