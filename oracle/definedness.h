// What rests on memory nobody wrote, by the reference on the scalar that knows it (engine/scalars/defined.h).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/interpreter.h"
#include "script/script.h"

namespace gradproof {

// Not thread safe.
class Definedness {
 public:
  Definedness(const Registry& registry, const EngineInfo& modelled);

  enum class State : std::uint8_t {
    defined,    // the same bits whatever lies in memory nobody wrote
    unwritten,  // rests on it
    unknown     // the reference saw no value there
  };

  // Predicts everything the script reads. Where the reference lacks an operator or a dtype, by the flow of values
  // alone: whatever is made of something unwritten is unwritten.
  void run(const Script& script);
  State at(std::uint32_t step, std::uint64_t element) const;
  bool any_unwritten(std::uint32_t step) const;
  // Whether anything of the script is memory nobody wrote.
  bool has_sources() const { return !sources_.empty(); }

  // The tensors in memory nobody wrote that what a step reads rests on: found by leaving one of them unwritten at a
  // time.
  std::vector<ValueId> sources_of(std::uint32_t step);

 private:
  using Values = std::set<ValueId>;
  // By element; empty where there is no value.
  using States = std::map<std::uint32_t, std::vector<State>>;

  // False where the reference cannot run it all.
  bool run_exactly(const Script& script, States& states);
  void follow(const Script& script);

  Interpreter<Defined> interpreter_;
  Script script_;
  std::vector<ValueId> sources_;
  bool exact_ = true;
  States states_;
  std::map<std::uint32_t, Values> flow_;  // what each read may rest on, by the flow of values
  std::map<ValueId, States> alone_;       // with one source unwritten
};

// "b (line 3)"; without the line where the script has none.
std::string describe_sources(const Script& script, const std::vector<ValueId>& sources);

}  // namespace gradproof
