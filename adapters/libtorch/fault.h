// An error that belongs to one step of a program.
#pragma once

#include <stdexcept>
#include <string>

#include "script/program.h"

namespace gradproof::libtorch {

class Fault : public std::runtime_error {
 public:
  Fault(gp_error_kind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  gp_error_kind kind() const { return kind_; }

 private:
  gp_error_kind kind_;
};

}  // namespace gradproof::libtorch
