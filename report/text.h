// How things look as text: colours, marks, numbers.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace gradproof {

struct TextStyle {
  bool color = false;
  bool terminal = false;
  std::size_t width = 0;  // in columns; 0: not limited

  // Of a stream: no colour where it is no terminal, NO_COLOR is set or TERM is "dumb".
  static TextStyle of(std::FILE* stream);
};

enum class Paint { none, good, bad, doubtful, faint, bold };
std::string painted(std::string_view text, Paint paint, const TextStyle& style);

std::size_t columns_of(std::string_view utf8);
std::string padded(std::string_view utf8, std::size_t columns);
std::string centred(std::string_view utf8, std::size_t columns);

std::string grouped(std::uint64_t number);                     // "36,600"
std::string short_number(double value);                        // two digits: "4", "0.5", "1.8e+06"
std::string duration_text(double seconds);                     // "58 s", "2 min 5 s"
std::string percent(std::uint64_t part, std::uint64_t whole);  // "0.4 %"
std::string plural(std::uint64_t count, std::string_view one, std::string_view many = {});

}  // namespace gradproof
