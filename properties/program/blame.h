// Which call of a program went wrong: sub-expressions are read, too.
#pragma once

#include <string>

#include "properties/property.h"

namespace gradproof::program {

// Of a program that was seen outside its enclosures: "the result of exp", "the gradient from tanh", the first in the
// order in which numbers are made; "" where reading more shows nothing wrong. Runs a program of its own.
std::string first_wrong(Session& session, const Script& script);

}  // namespace gradproof::program
