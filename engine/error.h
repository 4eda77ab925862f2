// An error of the engine that a script can expect by kind.
#pragma once

#include <stdexcept>
#include <string>

#include "script/program.h"

namespace gradproof {

class EngineError : public std::runtime_error {
 public:
  EngineError(gp_error_kind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  gp_error_kind kind() const { return kind_; }

 private:
  gp_error_kind kind_;
};

}  // namespace gradproof
