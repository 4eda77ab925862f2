// Patterns of names: '*' stands for any characters, '?' for one; brackets are ordinary ("gelu[tanh]").
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gradproof {

bool glob_matches(std::string_view pattern, std::string_view text);

// "sin,cos*" and ["sin", "cos*"] are the same list.
std::vector<std::string> split_globs(const std::vector<std::string>& given);

}  // namespace gradproof
