#include "script/reproduce/reproducer.h"

#include "script/reproduce/cpp.h"
#include "script/reproduce/python.h"

namespace gradproof {

std::string reproducer(const Script& script, const Schemas& schemas, const ReproducerFacts& facts,
                       ProgramLanguage language) {
  if (language == ProgramLanguage::cpp) return CppProgram(script, schemas, facts).run();
  return PythonProgram(script, schemas, facts).run();
}

}  // namespace gradproof
