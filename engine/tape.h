// The reference tape: tensors that remember how they were made, a reverse sweep, tangents.
//
// Everything of one run lives in the tape's arena; handles are plain pointers, valid until reset().
// A tape is used by one thread. Nothing here recurses over the graph.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/arena.h"
#include "engine/tensor.h"

namespace gradproof {

template <class T>
class Tape;
template <class T>
struct Node;
template <class T>
struct VarImpl;
template <class T>
struct OperatorImpl;
template <class T>
class Catalogue;

// An argument that is not a tensor.
template <class T>
struct Arg {
  enum class Kind : std::uint8_t { none, integer, real, boolean, text, integers, reals, dtype };
  Kind kind = Kind::none;
  Index integer = 0;  // integer, boolean, dtype
  double number = 0;  // real, and integer as a real
  T real{};           // the same in the tape's scalar
  Sizes integers{};
  std::span<const double> reals{};
  std::string_view text{};

  bool is_none() const { return kind == Kind::none; }
};

// One tangent of a forward level; outer levels have higher numbers.
template <class T>
struct Tangent {
  int level;
  VarImpl<T>* value;
  Tangent* next;
};

template <class T>
struct Contribution {
  VarImpl<T>* grad;
  Contribution* next;
};

// What a gradient is multiplied by where it arrives, in the order of registration.
template <class T>
struct Hook {
  T factor;
  Hook* next;
};

template <class T>
struct VarImpl {
  Tensor<T> value{};
  Node<T>* producer = nullptr;
  VarImpl* grad = nullptr;
  VarImpl* base = nullptr;  // of a view made while recording
  Tangent<T>* tangents = nullptr;
  Contribution<T>* pending = nullptr;  // of a leaf, during a sweep
  Hook<T>* hooks = nullptr;            // of a leaf
  std::uint32_t output = 0;            // of the producer
  bool requires_grad = false;
  bool retains_grad = false;

  bool is_leaf() const { return producer == nullptr; }
};

// A tensor on a tape. Arithmetic on it records (engine/var.h).
template <class T>
class Var {
 public:
  Var() = default;
  Var(Tape<T>* tape, VarImpl<T>* impl) : tape_(tape), impl_(impl) {}

  explicit operator bool() const { return impl_ != nullptr; }
  Tape<T>& tape() const { return *tape_; }
  VarImpl<T>* impl() const { return impl_; }
  const Tensor<T>& value() const { return impl_->value; }
  Sizes sizes() const { return impl_->value.sizes(); }
  int ndim() const { return impl_->value.ndim; }
  Index size(int dim) const { return impl_->value.sizes_begin[dim]; }
  Index numel() const { return impl_->value.numel; }

 private:
  Tape<T>* tape_ = nullptr;
  VarImpl<T>* impl_ = nullptr;
};

// Where the gradient of a node's input goes: an output of an earlier node, or a leaf.
template <class T>
struct Edge {
  Node<T>* producer = nullptr;
  VarImpl<T>* leaf = nullptr;
  std::uint32_t output = 0;
};

// One call of an operator. Inputs may be null: an optional tensor left out.
template <class T>
struct Node {
  const OperatorImpl<T>* op = nullptr;
  VarImpl<T>** inputs = nullptr;
  const Arg<T>* args = nullptr;
  VarImpl<T>** outputs = nullptr;
  Edge<T>* edges = nullptr;
  Contribution<T>** pending = nullptr;      // by output, during a sweep
  Hook<T>** hooks = nullptr;                // by output; null where there are none
  std::uint32_t* saved_versions = nullptr;  // inputs, then outputs
  std::uint32_t input_count = 0;
  std::uint32_t arg_count = 0;
  std::uint32_t output_count = 0;
  std::uint32_t serial = 0;    // among all calls
  std::uint32_t position = 0;  // on the tape, where recorded
  std::uint32_t mark = 0;      // the sweep that reached it
  std::uint32_t needed = 0;    // the sweep that must run it
  std::uint64_t saves = 0;     // bit i: input i; bit 32 + i: output i
  bool recorded = false;
  bool freed = false;

  const Tensor<T>& in(std::size_t i) const { return inputs[i]->value; }
  const Tensor<T>& out(std::size_t i = 0) const { return outputs[i]->value; }
};

inline constexpr std::uint64_t saved_input(std::size_t i) {
  return i < 31 ? std::uint64_t{1} << i : std::uint64_t{1} << 31U;
}
inline constexpr std::uint64_t saved_output(std::size_t i) {
  return i < 31 ? std::uint64_t{1} << (32 + i) : std::uint64_t{1} << 63U;
}

struct Record;

// An operator in one scalar. The three functions are written independently of each other; that is what
// makes the duality check worth something.
template <class T>
struct OperatorImpl {
  const Record* record = nullptr;
  const void* closure = nullptr;  // what the functions below find their formulas by, where they need it
  // Fills node.outputs.
  void (*forward)(Tape<T>&, Node<T>&) = nullptr;
  // grads[i]: of output i, or none. Sets into[i] where wants[i]; none stands for zero.
  void (*vjp)(Tape<T>&, const Node<T>&, const Var<T>* grads, const bool* wants, Var<T>* into) = nullptr;
  // tangents[i]: of input i, or none. Sets into[i]; none stands for zero.
  void (*jvp)(Tape<T>&, const Node<T>&, const Var<T>* tangents, Var<T>* into) = nullptr;
  // Which inputs and outputs the vjp reads, given which inputs want a gradient.
  std::uint64_t (*saves)(const Node<T>&, const bool* wants) = nullptr;
  bool is_view = false;
  bool differentiable = true;
  // A program over other operators (engine/composite.h): its steps are recorded, not itself.
  bool composite = false;
};

// Operators that formulas are written in; a catalogue finds each by its name once.
enum class Basic : std::uint8_t {
  add,
  sub,
  mul,
  div,
  neg,
  abs,
  sqrt,
  exp,
  exp2,
  expm1,
  log,
  log2,
  log10,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  atan2,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  hypot,
  pow,
  maximum,
  minimum,
  less,
  equal,
  where,
  sum_to,
  add_n,
  expand,
  reshape,
  permute,
  matmul,
  sigmoid,
  count_
};

// One point where a run had to choose: an open comparison, a tie, a formula among several.
struct Choice {
  std::uint64_t key = 0;
  std::uint8_t arity = 2;
  std::uint8_t taken = 0;
};

template <class T>
struct SweepRequest {
  std::span<const Var<T>> roots;
  std::span<const Var<T>> seeds;                       // as many as roots; none where the root is a scalar
  std::optional<std::span<const Var<T>>> inputs = {};  // only these receive gradients
  bool retain_graph = false;
  bool create_graph = false;
  bool allow_unused = false;
};

template <class T>
class Tape {
 public:
  explicit Tape(const Catalogue<T>& catalogue) : catalogue_(&catalogue) {}

  // --- tensors ---
  Arena& arena() { return arena_; }
  Tensor<T> allocate(Kind kind, Sizes sizes);      // fresh, contiguous
  Tensor<T> allocate_like(const Tensor<T>& like);  // the same sizes, contiguous, real
  Tensor<T> view(const Tensor<T>& of, Sizes sizes, Sizes strides, Index offset);
  Tensor<T> contiguous(const Tensor<T>& tensor);  // itself where it is
  Var<T> constant(const Tensor<T>& value);
  Var<T> number(const T& value);  // 0-d
  Var<T> filled(Sizes sizes, const T& value);

  // --- calls ---
  Var<T> call(const OperatorImpl<T>& op, std::span<const Var<T>> inputs, std::span<const Arg<T>> args = {});
  Var<T> call(Basic op, std::initializer_list<Var<T>> inputs, std::span<const Arg<T>> args = {});
  Var<T> call(Basic op, std::span<const Var<T>> inputs) { return call(basic(op), inputs); }
  const OperatorImpl<T>& basic(Basic op) const;
  const Catalogue<T>& catalogue() const { return *catalogue_; }
  // All outputs.
  Node<T>& run(const OperatorImpl<T>& op, std::span<VarImpl<T>* const> inputs, std::span<const Arg<T>> args);
  // op(self, ...) written into self's memory; self becomes the result.
  void run_in_place(const OperatorImpl<T>& op, std::span<VarImpl<T>* const> inputs, std::span<const Arg<T>> args);

  std::span<const Arg<T>> one();                   // the argument 1: add's alpha
  std::span<const Arg<T>> integers(Sizes values);  // one argument: a list, copied

  // True where a rule over these needs neither recording nor tangents: the fused path will do.
  bool plain(const Node<T>& node, const Var<T>* others, std::size_t count) const;

  // --- sweeps ---
  void backward(const SweepRequest<T>& request);             // into .grad of leaves
  std::vector<Var<T>> grad(const SweepRequest<T>& request);  // of request.inputs
  // Gradients that arrive at leaves from here on may do so in any order, as from several threads.
  void arrive_in_any_order(bool any) {
    if (any != any_order_) arrivals_.clear();
    any_order_ = any;
  }
  void hook(VarImpl<T>& var, const T& factor);  // every gradient that arrives there is multiplied by it
  Var<T> make_dual(const Var<T>& primal, const Var<T>& tangent);
  Var<T> tangent_of(const Var<T>& var) const;  // of the innermost level in use; none: zero

  // --- state ---
  void reset();
  bool grad_enabled = true;
  bool admitted = false;       // formulas: their hull, not only the first
  bool expands_seeds = false;  // EngineInfo::expands_seeds of the engine that is modelled
  bool in_derivative = false;  // comparisons leave exact ties open

  // --- wrong on purpose, to plant: the first sum over several paths leaves one out ---
  bool drop_a_path = false;
  bool paths_met = false;  // a gradient was summed over several paths in this run

  // --- choices: a driver enumerates them by setting `plan` ---
  std::vector<std::uint8_t> plan;
  std::vector<Choice> choices;
  bool too_many_choices = false;
  std::uint8_t choose(std::uint64_t key, std::uint8_t arity);
  std::uint64_t key_of(const Node<T>& node) const { return std::uint64_t{node.serial} << 32U; }

 private:
  struct Sweep;

  void record(Node<T>& node);
  void propagate_tangents(Node<T>& node);
  void tangents_at(Node<T>& node, int level);
  Var<T> seed_for(const Var<T>& root, const Var<T>& seed);
  void plant(const SweepRequest<T>& request, Sweep& sweep);
  void mark_reachable(Sweep& sweep);
  void mark_needed(const SweepRequest<T>& request, Sweep& sweep);
  void check_saved(const Sweep& sweep);
  void execute(Sweep& sweep);
  void run_node(Node<T>& node, Sweep& sweep);
  void send(const Edge<T>& edge, VarImpl<T>* grad, Sweep& sweep);
  Var<T> sum(Contribution<T>* list);
  Var<T> total(VarImpl<T>& leaf);  // of what is pending there, through its hooks; nothing is pending after
  Var<T> hooked(Var<T> grad, const Hook<T>* hooks);
  void free_saved(const Sweep& sweep);
  void deliver(VarImpl<T>& leaf, const Var<T>& grad, bool create_graph);

  const Catalogue<T>* catalogue_;
  Arena arena_;
  std::vector<Node<T>*> nodes_;
  struct Arrivals {
    VarImpl<T>* leaf;
    std::vector<Var<T>> grads;  // the one that was there first among them
  };
  Var<T> arrived(VarImpl<T>& leaf, const Var<T>& grad);

  std::vector<Arrivals> arrivals_;
  bool any_order_ = false;
  std::uint32_t next_storage_ = 1;
  std::uint32_t call_count_ = 0;
  std::uint32_t sweep_count_ = 0;
  int tangent_floor_ = 0;  // tangents of levels up to this one are not seen
};

}  // namespace gradproof
