// Witnesses as programs of their own (script/reproduce/), with what must be seen from the reference.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "campaign/campaign.h"
#include "script/parse.h"
#include "script/reproduce/reproducer.h"

namespace gradproof {

// What the reference, in the role of the engine modelled, expects of each read and each error; a script's own
// expectations come first. Runs the script.
ReproducerFacts reproducer_facts(const Script& script, const Registry& registry, const EngineInfo& modelled);

// The text, or why there is none.
WitnessProgram program_of(const Script& script, const Schemas& schemas, const ReproducerFacts& facts,
                          ProgramLanguage language);

// Scripts in the schemas of the reference where these suffice, so that a call means the same as in a run; else with
// those of an engine beside them.
class ScriptReader {
 public:
  ScriptReader(const Registry& registry, const std::vector<std::string>& others)
      : own_(&registry.schemas()), others_(&others) {}
  struct Read {
    Script script{};
    const Schemas* schemas = nullptr;
  };
  // Throws ParseError.
  Read text(const std::string& text) {
    return read([&](const Schemas& schemas) { return parse(text, schemas); });
  }
  Read file(const std::filesystem::path& file) {
    return read([&](const Schemas& schemas) { return parse_file(file, schemas); });
  }

 private:
  Read read(const std::function<Script(const Schemas&)>& parse_with);

  const Schemas* own_;
  const std::vector<std::string>* others_;
  std::unique_ptr<Schemas> all_{};
};

using HeadOf = std::function<std::vector<std::string>(const Failure&)>;

// Gives each failure its programs. `head`: what stands at their top. The reference runs in workers; where that fails
// the programs tell nothing of what is expected.
void make_programs(const Plan& plan, const EngineFacts& engine, const CampaignOptions& options, Results& results,
                   const HeadOf& head);

}  // namespace gradproof
