// Words, numbers, strings and signs of a script's text, with their places.
#pragma once

#include <string>
#include <string_view>

namespace gradproof {

struct Token {
  enum class Kind { word, number, string, sign, newline, end, bad };
  Kind kind = Kind::end;
  std::string_view text;  // as written; a string with its quotes; "=", "==", "(", ")", "[", "]" or ","
  int line = 1;
  int column = 1;  // in bytes, from 1

  bool is(std::string_view what) const { return text == what && (kind == Kind::word || kind == Kind::sign); }
};

// "'x'", "end of line", "end of file", "byte 0x00": for error messages.
std::string describe(const Token& token);

// One token after another. A line that begins within brackets continues the one before. Comments run
// from '#' to the end of their line.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Token next();

 private:
  Token make(Token::Kind kind, std::size_t size);
  Token number();
  Token word();
  Token string();

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
  int depth_ = 0;
};

}  // namespace gradproof
