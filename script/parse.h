// Text to script. The grammar and its meaning: docs/script.md.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

// what(): "file:line:column: expected X, found Y".
struct ParseError : std::runtime_error {
  ParseError(std::string file_name, int at_line, int at_column, std::string what_was_expected, const std::string& found)
      : std::runtime_error(file_name + ":" + std::to_string(at_line) + ":" + std::to_string(at_column) + ": expected " +
                           what_was_expected + ", found " + found),
        file(std::move(file_name)),
        line(at_line),
        column(at_column),
        expected(std::move(what_was_expected)) {}

  std::string file;
  int line;    // from 1; 0: the file as a whole
  int column;  // in bytes, from 1; 0: the file as a whole
  std::string expected;
};

// What it returns passes fault_in(). Calls must name operators of the schemas. Throws ParseError for everything else,
// sizes beyond Limits included.
Script parse(std::string_view text, const Schemas& schemas, std::string_view file_name = "script");

// Also refuses, with a ParseError of line 0, what cannot be read, is no regular file, is larger than
// Limits::file_bytes (nothing of it is read) or is binary.
Script parse_file(const std::filesystem::path& path, const Schemas& schemas);

}  // namespace gradproof
