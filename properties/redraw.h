// Calls that a property can use: others are drawn anew.
#pragma once

#include "properties/steps.h"

namespace gradproof {

// The first call that `fits`, of so many drawn; else the last of them. The later half comes as it comes, of no class.
template <class Fits>
Build build_fitting(const Subject& subject, RandomDraw& draw, Script& script, int tries, Fits fits) {
  const std::vector<std::string> comments = script.comments;
  for (int left = tries;; --left) {
    if (2 * left <= tries) draw.want_nothing();
    Build build(subject, draw, script);
    if (left <= 1 || fits(build)) return build;
    script.clear();
    script.comments = comments;
  }
}

// The call takes `instead` in the place of one of its tensors, which is no leaf any more.
void put_in_place(Script& script, Call& call, std::size_t tensor, ValueId instead);

}  // namespace gradproof
