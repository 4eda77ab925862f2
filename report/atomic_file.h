// Files that are there whole or not at all.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

namespace gradproof {

struct WriteError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Whether a report could be written there; makes no file. Throws WriteError.
void check_writable(const std::filesystem::path& file);
// Through a file beside it and a rename; a device or pipe is written directly. Throws WriteError; what was there
// before then is still there.
void write_atomically(const std::filesystem::path& file, const std::string& text);

}  // namespace gradproof
