#include <cstdio>

#include "build_info.h"
#include "campaign/reproduce.h"
#include "campaign/usage_error.h"
#include "campaign/verdict_codec.h"
#include "cli/commands.h"

namespace gradproof {
namespace {

ScriptReader::Read parsed(const std::string& file, ScriptReader& reader) {
  try {
    return reader.file(file);
  } catch (const ParseError& error) {
    throw UsageError(error.what());
  }
}

// The reference runs a script from outside in a child.
WitnessProgram made(const ScriptReader::Read& from, const EngineInfo& modelled, ProgramLanguage language) {
  const std::string record = run_isolated_once([&] {
    ReproducerFacts facts = reproducer_facts(from.script, Registry::standard(), modelled);
    facts.head = from.script.comments;
    facts.head.push_back("made by gradproof " + std::string(build_info::version));
    const WitnessProgram program = program_of(from.script, *from.schemas, facts, language);
    std::string bytes;
    append_text(bytes, program.text);
    append_text(bytes, program.refusal);
    return bytes;
  });
  ByteReader reader(record);
  WitnessProgram program;
  program.text = reader.text();
  program.refusal = reader.text();
  return program;
}

}  // namespace

int print_program(const Options& options) {
  const EngineSource source = find_engine(options.engine, places_of(options));
  try {
    const EngineFacts facts = facts_of(source);
    const std::string& file = options.files.front();
    const ProgramLanguage language = options.language == "cpp" ? ProgramLanguage::cpp : ProgramLanguage::python;
    ScriptReader reader(Registry::standard(), facts.schemas);
    const WitnessProgram program = made(parsed(file, reader), facts.info, language);
    if (!program.refusal.empty()) throw UsageError(file + ": not as " + options.language + ": " + program.refusal);
    std::fputs(program.text.c_str(), stdout);
  } catch (const StartError& error) {
    throw UsageError("the script cannot be run by the reference, or its engine not started: " +
                     std::string(error.what()));
  }
  return exit_pass;
}

}  // namespace gradproof
