#include "script/number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>

#include "script/half.h"

namespace gradproof {
namespace {

struct Signed {
  bool negative;
  std::string_view digits;
  bool hexadecimal;
};

Signed split(std::string_view text) {
  Signed parts{false, text, false};
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    parts.negative = text[0] == '-';
    parts.digits.remove_prefix(1);
  }
  if (parts.digits.size() > 2 && parts.digits[0] == '0' && (parts.digits[1] == 'x' || parts.digits[1] == 'X')) {
    parts.hexadecimal = true;
    parts.digits.remove_prefix(2);
  }
  return parts;
}

bool has_nonzero_digit(const Signed& parts) {
  for (const char c : parts.digits) {
    if (parts.hexadecimal ? (c == 'p' || c == 'P') : (c == 'e' || c == 'E')) return false;
    if (c != '0' && c != '.') return true;
  }
  return false;
}

template <class T>
void put(std::uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

template <class T>
T get(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// The sign of a result that rounding to a half made infinite or zero tells nothing; the text does.
bool store_half(std::string_view text, std::uint8_t* to, std::uint16_t (*narrow)(double),
                double (*widen)(std::uint16_t)) {
  const auto value = parse_real<double>(text);
  if (!value) return false;
  const std::uint16_t bits = narrow(*value);
  const double stored = widen(bits);
  if (std::isfinite(*value) && (!std::isfinite(stored) || (stored == 0) != (*value == 0))) return false;
  put(to, bits);
  return true;
}

template <class T>
bool store_real(std::string_view text, std::uint8_t* to) {
  const auto value = parse_real<T>(text);
  if (value) put(to, *value);
  return value.has_value();
}

}  // namespace

bool is_integer_text(std::string_view text) {
  const Signed parts = split(text);
  if (parts.digits.empty()) return false;
  for (const char c : parts.digits) {
    const bool decimal = c >= '0' && c <= '9';
    const bool letter = parts.hexadecimal && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
    if (!decimal && !letter) return false;
  }
  return true;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (!is_integer_text(text)) return std::nullopt;
  const Signed parts = split(text);
  std::uint64_t magnitude = 0;
  const char* end = parts.digits.data() + parts.digits.size();
  const auto result = std::from_chars(parts.digits.data(), end, magnitude, parts.hexadecimal ? 16 : 10);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (magnitude > largest + (parts.negative ? 1 : 0)) return std::nullopt;
  return static_cast<std::int64_t>(parts.negative ? 0 - magnitude : magnitude);
}

template <class T>
std::optional<T> parse_real(std::string_view text) {
  const Signed parts = split(text);
  if (parts.digits == "inf")
    return parts.negative ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
  if (parts.digits == "nan") return std::numeric_limits<T>::quiet_NaN();
  // from_chars knows more spellings ("infinity", "nan(1)") and a second sign.
  if (parts.digits.empty() ||
      !((parts.digits[0] >= '0' && parts.digits[0] <= '9') || parts.digits[0] == '.' || parts.hexadecimal)) {
    return std::nullopt;
  }
  if (parts.hexadecimal && (parts.digits[0] == '-' || parts.digits[0] == 'i' || parts.digits[0] == 'n'))
    return std::nullopt;
  T value = 0;
  const char* end = parts.digits.data() + parts.digits.size();
  const auto format = parts.hexadecimal ? std::chars_format::hex : std::chars_format::general;
  const auto result = std::from_chars(parts.digits.data(), end, value, format);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(value)) return std::nullopt;
  if (value == 0 && has_nonzero_digit(parts)) return std::nullopt;
  return parts.negative ? -value : value;
}

template std::optional<float> parse_real<float>(std::string_view);
template std::optional<double> parse_real<double>(std::string_view);

bool store_number(gp_dtype dtype, std::string_view text, std::uint8_t* to) {
  switch (dtype) {
    case GP_F16: return store_half(text, to, to_f16, from_f16);
    case GP_BF16: return store_half(text, to, to_bf16, from_bf16);
    case GP_F32: return store_real<float>(text, to);
    case GP_F64: return store_real<double>(text, to);
    case GP_I64: {
      const auto value = parse_integer(text);
      if (value) put(to, *value);
      return value.has_value();
    }
    case GP_BOOL: {
      const bool on = text == "true" || text == "1";
      if (!on && text != "false" && text != "0") return false;
      put(to, static_cast<std::uint8_t>(on ? 1 : 0));
      return true;
    }
  }
  return false;
}

void store_real(gp_dtype dtype, double value, std::uint8_t* to) {
  const auto put = [to](auto element) { std::memcpy(to, &element, sizeof element); };
  switch (dtype) {
    case GP_F16: return put(to_f16(value));
    case GP_BF16: return put(to_bf16(value));
    case GP_F32: return put(static_cast<float>(value));
    default: return put(value);
  }
}

double load_number(gp_dtype dtype, const std::uint8_t* from) {
  switch (dtype) {
    case GP_F16: return from_f16(get<std::uint16_t>(from));
    case GP_BF16: return from_bf16(get<std::uint16_t>(from));
    case GP_F32: return static_cast<double>(get<float>(from));
    case GP_F64: return get<double>(from);
    case GP_I64: return static_cast<double>(get<std::int64_t>(from));
    case GP_BOOL: return *from != 0 ? 1 : 0;
  }
  return 0;
}

void append_real(std::string& out, double value, bool real) {
  if (std::isnan(value)) {
    out += "nan";
    return;
  }
  if (std::signbit(value)) out += '-';
  const double magnitude = std::fabs(value);
  if (std::isinf(value)) {
    out += "inf";
    return;
  }
  std::array<char, 64> buffer{};
  constexpr double largest_plain = 1e6;
  if (magnitude < largest_plain && magnitude == std::floor(magnitude)) {
    const auto result =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<std::int64_t>(magnitude));
    out.append(buffer.data(), result.ptr);
    if (real) out += ".0";
    return;
  }
  out += "0x";
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude, std::chars_format::hex);
  out.append(buffer.data(), result.ptr);
}

void append_number(std::string& out, gp_dtype dtype, const std::uint8_t* from) {
  switch (dtype) {
    case GP_F16: append_real(out, from_f16(get<std::uint16_t>(from)), false); break;
    case GP_BF16: append_real(out, from_bf16(get<std::uint16_t>(from)), false); break;
    case GP_F32: append_real(out, static_cast<double>(get<float>(from)), false); break;
    case GP_F64: append_real(out, get<double>(from), false); break;
    case GP_I64: out += std::to_string(get<std::int64_t>(from)); break;
    case GP_BOOL: out += *from != 0 ? "true" : "false"; break;
  }
}

}  // namespace gradproof
