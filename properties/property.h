// A property: a statement that must hold, the scripts that test it, and how to tell.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/registry.h"
#include "oracle/definedness.h"
#include "oracle/judge.h"
#include "properties/classes.h"
#include "script/script.h"

namespace gradproof {

class RandomDraw;  // properties/draw.h

// What a property is asked to make a case for.
struct Subject {
  const Registry* registry = nullptr;
  const Entry* entry = nullptr;  // the operator
  gp_dtype dtype = GP_F32;
  gp_device device = GP_CPU;
  const EngineInfo* engine = nullptr;
  const std::set<std::string>* operators = nullptr;  // those the engine knows, by name and overload; none: every one
};

// Runs scripts on the engine under test and judges what comes back. One for each worker.
class Session {
 public:
  Session(const Registry& registry, Engine& engine)
      : judge_(registry, engine.info()), definedness_(registry, engine.info()), engine_(&engine) {}
  Engine& engine() { return *engine_; }
  Judge& judge() { return judge_; }
  Definedness& definedness() { return definedness_; }
  // Prepares and runs; the observations are valid until the next call.
  const Observations& observe(const Script& script);
  // Runs the script observed last once more, into `out`.
  void observe_again(const Script& script, Observations& out);

 private:
  Judge judge_;
  Definedness definedness_;
  Engine* engine_;
  std::unique_ptr<PreparedProgram> prepared_;
  gp_program program_{};
  Observations observations_;
};

class Property {
 public:
  virtual ~Property() = default;
  virtual std::string_view id() const = 0;         // "seed-weighting"
  virtual std::string_view statement() const = 0;  // one sentence
  // Why it does not apply to this subject ("" where it does): "no forward mode".
  virtual std::string_view not_applicable(const Subject& subject) const = 0;
  // One case: a function of the draws alone. The script reads all that judge() needs; roles of values
  // are told by their names, so that a script from a file can be judged too.
  virtual void generate(const Subject& subject, RandomDraw& draw, Script& script) const = 0;
  // Whether the elements of a tensor may share memory: not where its scripts write to tensors.
  virtual bool takes_overlaps() const { return false; }
  // The default: observe once, every observation within its enclosure, every error the right one.
  virtual Verdict judge(Session& session, const Script& script) const;
};

// All of them, in the order of tables.
const std::vector<const Property*>& all_properties();
const Property* find_property(std::string_view id);

// The generator of one case: a pure function of what names it.
struct CaseName {
  std::uint64_t seed = 0;
  std::string_view engine{};
  std::string_view operator_id{};  // Entry::id()
  std::string_view property{};
  gp_dtype dtype = GP_F32;
  std::uint64_t index = 0;
};
// Tells the classes that it is of.
Met generate_case(const CaseName& name, const Property& property, const Subject& subject, Script& script);

}  // namespace gradproof
