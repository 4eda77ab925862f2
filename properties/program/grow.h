// A program that grows call by call, each on values of those before it, on a trial run of what is there so far.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/interpreter.h"
#include "properties/call.h"

namespace gradproof::program {

// A floating tensor of the program.
struct Value {
  ValueId id = GP_NO_VALUE;
  std::vector<Index> shape{};
  std::vector<double> elements{};  // as the trial run has them
  bool requires_grad = false;
  bool leaf = false;
  bool written = false;      // in place, it or memory it shares
  bool in_own_way = true;    // of its memory: fresh, or a plain view, that may be written through
  std::uint32_t memory = 0;  // which
  std::size_t uses = 0;
};

class Program {
 public:
  Program(const Subject& subject, RandomDraw& draw, Script& script);

  // Each false where a few draws were of no use.
  bool call(const Entry& entry);
  bool call_any();
  bool call_view();
  bool write_in_place();
  void detach();

  std::size_t calls() const;
  // From now on no call makes more of them.
  void limit_calls(std::size_t most) { most_calls_ = most; }
  const std::vector<Value>& values() const { return values_; }
  std::string next(std::string_view name) { return numbered(name, names_++); }

 private:
  struct Drawn {  // a call in a script of its own
    Script script;
    Call call;
  };

  bool try_call(const Entry& entry);
  bool try_in_place(std::size_t target);
  bool knows(std::string_view op, std::string_view overload) const;
  Drawn drawn(const Entry& entry, const std::vector<Index>* shape);
  // The call with its tensors in this script: values in the place of some, leaves for the others.
  Call placed(const Drawn& from, std::optional<ValueId> first);
  std::optional<ValueId> instead_of(const Drawn& from, std::size_t tensor);
  ValueId copied(const Drawn& from, ValueId tensor);
  const Value& recent_value();
  std::optional<ValueId> value_of_shape(const std::vector<Index>& shape);

  // Runs what is there, with values just made; false where it fails or makes numbers that are of no use.
  bool observe(std::span<const ValueId> made);
  void enter(ValueId made, const Seen<Defined>& seen);
  std::vector<ValueId> values_since(std::size_t step) const;
  bool on_an_edge(const Entry& entry, std::span<const ValueId> arguments,
                  const Value* instead_of_first = nullptr) const;
  // Whether a sweep of all values succeeds: whether nothing it needs was written over.
  bool sweeps() const;

  const Subject& subject_;
  RandomDraw& draw_;
  Script& script_;
  std::vector<const Entry*> elementwise_{};
  std::vector<const Entry*> others_{};
  std::vector<const Entry*> views_{};
  std::vector<const Entry*> writers_{};
  std::vector<Value> values_{};
  std::vector<ValueId> taken_{};  // by the call under way
  std::size_t names_ = 0;
  std::size_t most_calls_ = 0;
};

// --- calls that bring a value where another call takes it ---

// Of these elements, in the shape; nothing where it cannot be.
std::optional<ValueId> in_shape(Script& script, const Value& of, const std::vector<Index>& shape);
ValueId in_domain(Script& script, ValueId value, std::span<const double> elements, const Domain& domain);
// Near `center`: these must stay nearly what they are.
ValueId beside(Script& script, ValueId center, ValueId value);

}  // namespace gradproof::program
