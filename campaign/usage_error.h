// What the caller asked for cannot be done as asked: an unknown name, a bad file. The text is for the user.
#pragma once

#include <stdexcept>

namespace gradproof {

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace gradproof
