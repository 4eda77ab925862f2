// Verdicts, and what classes their cases are of, as bytes: from a worker to its parent.
#pragma once

#include <string>
#include <string_view>

#include "oracle/verdict.h"
#include "properties/classes.h"

namespace gradproof {

// Reads what the append functions wrote. Throws BadRecord (campaign/isolation/shared_state.h) where the bytes end too
// early.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t number();
  double real();
  std::string text();
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view take(std::uint64_t size);
  std::string_view bytes_;
};

void append_number(std::string& to, std::uint64_t value);
void append_real(std::string& to, double value);
void append_text(std::string& to, std::string_view text);

void append_verdict(std::string& to, const Verdict& verdict);
Verdict read_verdict(ByteReader& from);

void append_met(std::string& to, const Met& met);
Met read_met(ByteReader& from);

}  // namespace gradproof
