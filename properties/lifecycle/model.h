// What an engine must show, told from the script alone: an abstract interpreter of scripts. It knows which tensors,
// graphs and gradients there are, who shares memory with whom, how often it was written to, what a sweep must refuse
// and what it reaches. It computes no number: it writes the pure program (pure.h) whose values the readings must have.
//
// Where engines may differ (they keep more, or copies; they free early) it follows what the engine was seen to do, and
// asks no more of what thereby became unspecified ("blurred"). The same model draws sequences: what it forecasts is
// then what happens.
#pragma once

#include <optional>
#include <string>

#include "engine/engine.h"
#include "properties/lifecycle/facts.h"
#include "properties/lifecycle/pure.h"

namespace gradproof::lifecycle {

using Id = std::uint32_t;
inline constexpr Id nobody = UINT32_MAX;

// Kinds of error, as bits.
using Kinds = std::uint32_t;
constexpr Kinds kind_bit(gp_error_kind kind) { return 1U << static_cast<unsigned>(kind); }
inline constexpr Kinds bad_argument = kind_bit(GP_SHAPE) | kind_bit(GP_DTYPE) | kind_bit(GP_INDEX) |
                                      kind_bit(GP_ARGUMENT) | kind_bit(GP_DOMAIN) | kind_bit(GP_OTHER);
inline constexpr Kinds any_kind = ~Kinds{0};

struct Forecast {
  Kinds must = 0;  // refused, with one of these (or of `may`)
  Kinds may = 0;
  bool runs = true;  // false: what it needs was never made, nothing is seen of it

  bool refused() const { return must != 0; }
  bool admits(gp_error_kind kind) const { return ((must | may) & kind_bit(kind)) != 0; }
};

// What an engine did at a step.
struct Answer {
  bool failed = false;
  gp_error_kind kind = GP_OK;
};

// A tensor: what several handles may name.
struct Object {
  std::optional<std::vector<Index>> shape{};  // where it is known
  std::vector<Index> places{};                // of its elements in the storage, row-major; empty: not known
  Id storage = nobody;
  ValueId pure = GP_NO_VALUE;
  Id history = nobody;  // how it came to be, as far as gradients go; nobody: a constant
  Id family = nobody;   // the object that it is a view of, or itself: written through any, all have the graph
  Id grad = nobody;     // an object
  Tri has_grad = Tri::no;
  Tri requires_grad = Tri::no;
  gp_dtype dtype = GP_F32;
  std::uint32_t handles = 0;
  double hook = 1;        // of a leaf
  bool loose = false;     // may lie in the storage named, or in one of its own
  bool anywhere = false;  // nothing is known of where it lies
  bool blurred = false;   // nothing is known of its values
  bool zeroed = false;    // a gradient, zeroed since the last sweep added to it
  bool leaf = true;
  bool unrecorded_view = false;
  bool estranged = false;  // a view whose base has required a gradient since, or does no more
  bool dual = false;       // carries a tangent, or may
  bool hooked = false;
  bool rewritten = false;  // recorded, through itself or another view of the memory
};

// A handle of the script.
struct Handle {
  enum class State : std::uint8_t { missing, undefined, maybe, defined, dropped };
  State state = State::missing;
  Id object = nobody;
};

class Model {
 public:
  explicit Model(const EngineInfo& info) : info_(&info) {}

  // `strict`: a refused sweep leaves gradients as they were, whatever engines are known to do.
  void start(const Script& script, bool builds_pure, bool strict = false);
  // The next step of the script. Without an answer, what is forecast happens.
  Forecast step(std::uint32_t index, const Answer* answer = nullptr);

  // The shape of what an operator unknown to the model makes.
  void know_shape(ValueId value, std::span<const Index> shape) {
    if (value >= shapes_.size()) shapes_.resize(value + 1);
    shapes_[value].emplace(shape.begin(), shape.end());
  }

  struct Reading {
    std::uint32_t step = 0;
    std::uint32_t pure_step = 0;
    Handle::State state = Handle::State::missing;
    ValueId value = 0;
    Id storage = nobody;
    std::uint32_t writes = 0;  // to the storage so far
    bool valued = false;       // pure_step says what it must show
    bool located = false;      // the storage is known
    bool counted = false;      // and the writes to it
    std::vector<Index> places{};
  };
  const std::vector<Reading>& readings() const { return readings_; }
  // Calls of operators that the model does not know and the engine refused: the oracle says whether rightly.
  const std::vector<std::pair<std::uint32_t, std::uint32_t>>& doubtful_calls() const { return doubtful_; }
  // After how many steps a handle was dropped; UINT32_MAX: never.
  std::uint32_t dropped_at(ValueId value) const { return dropped_at_[value]; }
  const Pure& pure() const { return pure_; }

  // --- what preconditions of commands ask ---
  const Handle& handle(ValueId value) const { return handles_[value]; }
  const Object& object(Id id) const { return objects_[id]; }
  const Object* object_of(ValueId value) const {
    return handles_[value].object == nobody ? nullptr : &objects_[handles_[value].object];
  }
  bool recording() const { return recording_; }
  // Whether a sweep from there finds all it needs.
  enum class Standing : std::uint8_t { sound, doubtful, let_go };
  Standing standing(ValueId root) const;
  // Whether a sweep from there reaches this leaf.
  Tri reaches(ValueId root, ValueId leaf) const;

 private:
  struct Edge {
    Id to;
    Tri sure;
    Tri bends;  // the gradient that passes here can itself be differentiated
  };
  struct Operation {
    std::vector<Edge> edges{};
    std::vector<std::pair<Id, std::uint32_t>> kept{};  // storages and what they had been written to then
    Tri keeps = Tri::no;
    Tri freed = Tri::no;
    bool unknown = false;
  };
  struct History {
    Id operation = nobody;  // nobody: a leaf
    Id owner = nobody;      // of a leaf: whose gradient it is
    ValueId pure = GP_NO_VALUE;
    bool blurred = false;
    Id retained_by = nobody;
    bool fuzzy = false;  // what is retained or captured there engines tell differently
    bool hooked = false;
  };
  struct Store {
    std::uint32_t writes = 0;
    std::vector<Id> members{};
    std::vector<Id> linked{};  // storages that may be this one
    bool counted = true;
  };
  struct Reach {
    std::vector<Tri> reached{};   // by history
    std::vector<Tri> executed{};  // by operation
    std::vector<Tri> bends{};     // by history
    bool blurred = false;
  };
  struct Sweep;
  struct Wanted;
  struct Gradient {
    ValueId pure = GP_NO_VALUE;
    bool blurred = false;
    Tri reached = Tri::no;
    Tri bends = Tri::no;
  };

  // --- steps ---
  void tensor(const gp_step& step);
  void call(std::uint32_t index, const gp_step& step, Forecast& forecast, const Answer* answer);
  void known_call(const gp_step& step, const Facts& facts, Forecast& forecast, const Answer* answer);
  void unknown_call(std::uint32_t index, const gp_step& step, Forecast& forecast, const Answer* answer);
  void write(const gp_step& step, const Facts& facts, Forecast& forecast, const Answer* answer);
  void write_unknown(const gp_step& step, Forecast& forecast, const Answer* answer);
  void check_writable(const gp_step& step, const Facts& facts, Id self, Forecast& forecast) const;
  std::optional<std::vector<Index>> result_shape(const gp_step& step, const Facts& facts, Forecast& forecast) const;
  const Object* other_of(const gp_step& step, const Facts& facts) const;
  Id operation_of(const gp_step& step, const Facts& facts, Tri& requires_grad);
  void sweep(const gp_step& step, Forecast& forecast, const Answer* answer);
  void simple(const gp_step& step, Forecast& forecast, const Answer* answer);
  void read(std::uint32_t index, const gp_step& step);
  void set_grad(const gp_step& step, Id owner, Forecast& forecast, const Answer* answer);
  void zero_grad(Id owner, Forecast& forecast, const Answer* answer);
  void replace_gradient(Id owner, ValueId pure, Tri requires_grad, Id history);
  void require_grad(const gp_step& step, Id owner, Forecast& forecast, const Answer* answer);
  void hook(const gp_step& step, Id owner, Forecast& forecast, const Answer* answer);
  void dual(const gp_step& step, Id owner, Forecast& forecast, const Answer* answer);

  // --- sweeps ---
  bool gather(const gp_step& step, Sweep& sweep, Forecast& forecast) const;
  void check_seed(const Object& root, const Object* seed, Forecast& forecast) const;
  Reach reach(std::span<const Id> roots, std::span<const Tri> seeds, const std::vector<Id>* inputs) const;
  void need(const std::vector<Id>& inputs, Reach& reach) const;
  void check_graph(const Reach& reach, Forecast& forecast) const;
  void check_policy(const Sweep& sweep, const Reach& reach, Forecast& forecast) const;
  void late_failure(const Sweep& sweep, const Reach& reach);
  void succeed(const gp_step& step, const Sweep& sweep, const Reach& reach);
  void want_deliveries(const Sweep& sweep, const Reach& reach, Wanted& wanted);
  void want_results(const Sweep& sweep, const Reach& reach, Wanted& wanted);
  ValueId pure_sweep(const Sweep& sweep, const Reach& reach, const Wanted& wanted);
  Gradient gathered(const Sweep& sweep, const Reach& reach, const Wanted& wanted, std::size_t receiver, ValueId first,
                    bool blurred);
  Tri reached_input(Id input, const Reach& found) const;
  void blur_gradient(Id owner);
  bool passes_unknown(const Reach& reach) const;
  bool requires_otherwise(const Sweep& sweep, const Reach& reach) const;
  Id gradient_operation(const Sweep& sweep, const Reach& reach);
  void set_graph(Id object, const Gradient& gradient, Id beside, const Sweep& sweep, const Reach& reach);
  void give(ValueId result, Id input, const Gradient& gradient, const Sweep& sweep, const Reach& reach);
  void deliver(Id owner, const Gradient& gradient, const Sweep& sweep, const Reach& reach);
  bool is_target(const Sweep& sweep, Id history) const;
  // A graph still leads to a leaf that is none any more: written to while it required no gradient.
  bool was_leaf(Id history) const {
    return histories_[history].owner != nobody && !objects_[histories_[history].owner].leaf;
  }
  void let_go(const Reach& reach);

  // --- tensors ---
  Id make_object(std::optional<std::vector<Index>> shape, gp_dtype dtype, ValueId pure);
  Id make_storage();
  void join(Id object, Id storage);
  void bind(ValueId value, Id object, Handle::State state = Handle::State::defined);
  void let_go_of(Id object);
  void link(Id a, Id b);
  void record(Id object, Id operation, bool blurred);
  Id make_leaf_history(Id object);
  Id make_operation();
  void add_edge(Id operation, Id object, Tri sure, Tri bends);
  void keep(Id operation, Id object);
  void blur(Id object);
  void blur_family(Id object);
  void estrange(Id view);
  void blur_storage(Id storage, Id but);
  void blur_members(Id storage);
  void lie_within(Id view, Id parent, const std::optional<Part>& part);
  void rewrite_alias(Id alias, Id target, ValueId fresh, Id written, bool blurred);
  void new_contents(Id object, ValueId pure);

  // --- the step's arguments ---
  const gp_arg& arg(const gp_step& step, std::size_t i) const { return script_->args[step.first_arg + i]; }
  ValueId value(const gp_step& step, std::size_t i) const { return static_cast<ValueId>(arg(step, i).u.index); }
  std::span<const ValueId> list(const gp_step& step, std::size_t i) const;
  bool inputs_made(const gp_step& step) const;
  void need_defined(ValueId value, Forecast& forecast) const;
  Object& at(ValueId value) { return objects_[handles_[value].object]; }
  static bool happens(const Forecast& forecast, const Answer* answer) {
    return answer != nullptr ? !answer->failed : !forecast.refused();
  }

  const EngineInfo* info_;
  const Script* script_ = nullptr;
  bool strict_ = false;
  bool recording_ = true;
  Pure pure_{};
  std::vector<Handle> handles_{};
  std::vector<std::uint32_t> dropped_at_{};
  std::vector<Object> objects_{};
  std::vector<History> histories_{};
  std::vector<Operation> operations_{};
  std::vector<Store> stores_{};
  std::vector<Reading> readings_{};
  std::vector<std::optional<std::vector<Index>>> shapes_{};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> doubtful_{};
};

}  // namespace gradproof::lifecycle
