// Witnesses as programs of their own (script/reproduce/), with what must be seen from the reference.
#pragma once

#include "campaign/campaign.h"
#include "script/reproduce/reproducer.h"

namespace gradproof {

// What the reference, in the role of the engine modelled, expects of each read and each error; a script's own
// expectations come first. Runs the script.
ReproducerFacts reproducer_facts(const Script& script, const Registry& registry, const EngineInfo& modelled);

// The text, or why there is none.
WitnessProgram program_of(const Script& script, const Schemas& schemas, const ReproducerFacts& facts,
                          ProgramLanguage language);

// Gives each failure its programs. `head`: what stands at their top. The reference runs in workers; where that fails
// the programs tell nothing of what is expected.
void make_programs(const Plan& plan, const CampaignOptions& options, Results& results,
                   const std::function<std::vector<std::string>(const Failure&)>& head);

}  // namespace gradproof
