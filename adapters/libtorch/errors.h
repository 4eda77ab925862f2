// What LibTorch's exceptions say, in gradproof's kinds of error.
#pragma once

#include <string>
#include <string_view>

#include "script/program.h"

namespace gradproof::libtorch {

// The kind of error a message tells of, in the words of LibTorch 1.13 to 2.11; `otherwise` where no
// known phrase occurs in it (what the exception's class suggests).
gp_error_kind kind_of_message(std::string_view message, gp_error_kind otherwise);

// The first line, of at most 500 bytes.
std::string_view first_line(std::string_view message);

}  // namespace gradproof::libtorch
