#include "script/lexer.h"

#include <algorithm>

namespace gradproof {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
// '.' joins an overload or "grad" to a name, "::" a namespace.
bool is_word_part(char c) { return is_letter(c) || is_digit(c) || c == '.' || c == ':'; }

}  // namespace

std::string describe(const Token& token) {
  if (token.kind == Token::Kind::newline) return "the end of the line";
  if (token.kind == Token::Kind::end) return "the end of the file";
  constexpr std::size_t longest = 40;
  std::string shown = "'";
  for (const char c : token.text.substr(0, longest)) {
    if (c >= ' ' && c <= '~') {
      shown += c;
      continue;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    shown += "\\x";
    shown += digits[byte >> 4];
    shown += digits[byte & 15];
  }
  return shown + (token.text.size() > longest ? "...'" : "'");
}

Token Lexer::make(Token::Kind kind, std::size_t size) {
  const Token token{kind, text_.substr(at_, size), line_, static_cast<int>(at_ - line_start_ + 1)};
  at_ += token.text.size();
  return token;
}

Token Lexer::next() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (c == '\n') {
      const Token token = make(Token::Kind::newline, 1);
      ++line_;
      line_start_ = at_;
      if (depth_ == 0) return token;
    } else {
      break;
    }
  }
  if (at_ >= text_.size()) return make(Token::Kind::end, 0);
  const char c = text_[at_];
  const char after = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  if (is_digit(c) || (c == '.' && is_digit(after))) return number();
  if ((c == '-' || c == '+') && (is_digit(after) || after == '.' || after == 'i' || after == 'n')) return number();
  if (is_letter(c) || (c == '%' && is_digit(after))) return word();
  switch (c) {
    case '\'': return string();
    case '(':
    case '[': ++depth_; return make(Token::Kind::sign, 1);
    case ')':
    case ']': depth_ -= depth_ > 0 ? 1 : 0; return make(Token::Kind::sign, 1);
    case ',': return make(Token::Kind::sign, 1);
    case '=': return make(Token::Kind::sign, after == '=' ? 2 : 1);
    default: return make(Token::Kind::bad, 1);
  }
}

// Takes whatever could belong to a number; script/number.h says whether it is one.
Token Lexer::number() {
  std::size_t end = at_ + 1;
  const std::size_t digits = text_[at_] == '-' || text_[at_] == '+' ? at_ + 1 : at_;
  const bool hexadecimal = text_.substr(digits, 2) == "0x" || text_.substr(digits, 2) == "0X";
  for (; end < text_.size(); ++end) {
    const char c = text_[end];
    if (is_digit(c) || is_letter(c) || c == '.') continue;
    const char before = text_[end - 1];
    const bool exponent = hexadecimal ? before == 'p' || before == 'P' : before == 'e' || before == 'E';
    if ((c != '-' && c != '+') || !exponent) break;
  }
  return make(Token::Kind::number, end - at_);
}

Token Lexer::word() {
  std::size_t end = at_ + 1;
  while (end < text_.size() && is_word_part(text_[end])) ++end;
  const std::string_view text = text_.substr(at_, end - at_);
  return make(text == "inf" || text == "nan" ? Token::Kind::number : Token::Kind::word, end - at_);
}

Token Lexer::string() {
  for (std::size_t end = at_ + 1; end < text_.size() && text_[end] != '\n'; ++end) {
    if (text_[end] == '\\' && text_.substr(end + 1, 1) != "\n") {
      ++end;
    } else if (text_[end] == '\'') {
      return make(Token::Kind::string, end + 1 - at_);
    }
  }
  return make(Token::Kind::bad, std::min(text_.find('\n', at_), text_.size()) - at_);
}

}  // namespace gradproof
