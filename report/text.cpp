#include "report/text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace gradproof {

TextStyle TextStyle::of(std::FILE* stream) {
  TextStyle style;
  const int fd = fileno(stream);
  style.terminal = fd >= 0 && isatty(fd) == 1;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term != nullptr && std::string_view(term) == "dumb";
  style.color = style.terminal && (no_color == nullptr || *no_color == '\0') && !dumb;
  winsize size{};
  if (style.terminal && ioctl(fd, TIOCGWINSZ, &size) == 0) style.width = size.ws_col;
  return style;
}

std::string painted(std::string_view text, Paint paint, const TextStyle& style) {
  if (!style.color || paint == Paint::none) return std::string(text);
  const char* code = "0";
  switch (paint) {
    case Paint::good: code = "32"; break;
    case Paint::bad: code = "31;1"; break;
    case Paint::doubtful: code = "33"; break;
    case Paint::faint: code = "2"; break;
    case Paint::bold: code = "1"; break;
    case Paint::none: break;
  }
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::size_t columns_of(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;  // not the continuation of a character
  }));
}

std::string padded(std::string_view utf8, std::size_t columns) {
  const std::size_t own = columns_of(utf8);
  return std::string(utf8) + std::string(columns > own ? columns - own : 0, ' ');
}

std::string centred(std::string_view utf8, std::size_t columns) {
  const std::size_t own = columns_of(utf8);
  const std::size_t rest = columns > own ? columns - own : 0;
  return std::string(rest / 2, ' ') + std::string(utf8) + std::string(rest - rest / 2, ' ');
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string short_number(double value) {
  std::array<char, 32> text{};
  const bool plain = value == 0 || (std::fabs(value) >= 0.01 && std::fabs(value) < 1e5);
  if (plain && std::fabs(value) >= 10) {
    std::snprintf(text.data(), text.size(), "%.0f", value);
  } else {
    std::snprintf(text.data(), text.size(), "%.2g", value);
  }
  return text.data();
}

std::string duration_text(double seconds) {
  std::array<char, 64> text{};
  if (seconds < 10) {
    std::snprintf(text.data(), text.size(), "%.1f s", seconds);
  } else if (seconds < 120) {
    std::snprintf(text.data(), text.size(), "%.0f s", seconds);
  } else {
    const auto whole = static_cast<long long>(seconds);
    std::snprintf(text.data(), text.size(), "%lld min %lld s", whole / 60, whole % 60);
  }
  return text.data();
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  std::array<char, 32> text{};
  const double share = whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  std::snprintf(text.data(), text.size(), share > 0 && share < 0.1 ? "%.2g %%" : "%.1f %%", share);
  return text.data();
}

std::string plural(std::uint64_t count, std::string_view one, std::string_view many) {
  if (count == 1) return "1 " + std::string(one);
  return grouped(count) + " " + (many.empty() ? std::string(one) + "s" : std::string(many));
}

}  // namespace gradproof
