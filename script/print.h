// Script to text: canonical, one step a line, calls flat, numbers exact (small integers in decimals, the rest in
// hexadecimals).
#pragma once

#include <string>

#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

// parse(print(s), schemas) == s for every s that passes fault_in(), whose calls are as bind_arguments() makes them,
// whose names can be written, and where "shares" and "separate" are about the last read of the other value before
// theirs. Values without a name are written "%id".
//
// With schemas, arguments left out are left out and the overload is named only where the arguments do not choose it.
// Without, arguments are positional, '_' where left out, and the overload is always named.
//
// std::invalid_argument where an expectation is about no read (or no step) of the script; the program itself must
// pass fault_in().
std::string print(const Script& script, const Schemas* schemas = nullptr);

}  // namespace gradproof
