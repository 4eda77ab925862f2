#include "script/digits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include "script/number.h"

namespace gradproof {
namespace {

// A word's value; nothing for a number with digits.
std::optional<double> word_value(std::string_view written) {
  if (written == "true") return 1;
  if (written == "false") return 0;
  if (written.find_first_of("0123456789") != std::string_view::npos) return std::nullopt;
  return parse_real<double>(written);
}

bool same(double x, double y) { return std::isnan(x) ? std::isnan(y) : x == y && std::signbit(x) == std::signbit(y); }

// The digits d as one integer; adds or takes 5 in a place after the last: d5 above, (d-1)5 below.
std::string half_unit_above(const std::string& digits) { return digits + '5'; }
std::string half_unit_below(std::string digits) {
  for (std::size_t i = digits.size(); i-- > 0;) {
    if (digits[i] != '0') {
      --digits[i];
      return digits + '5';
    }
    digits[i] = '9';
  }
  return {};  // all zeros: -5 in the next place
}

}  // namespace

bool agrees_to_digits(std::string_view written, double value) {
  if (const auto word = word_value(written)) return same(*word, value);
  if (!parse_real<double>(written) || std::isnan(value) || std::isinf(value)) return false;
  if (written.find_first_of("xX") != std::string_view::npos) return same(*parse_real<double>(written), value);
  const bool negative = written[0] == '-';
  if (negative || written[0] == '+') written.remove_prefix(1);
  const std::size_t mark = std::min(written.find_first_of("eE"), written.size());
  long long exponent = 0;
  if (mark < written.size()) exponent = parse_integer(written.substr(mark + 1)).value_or(0);
  std::string digits(written.substr(0, mark));
  const std::size_t point = digits.find('.');
  if (point != std::string::npos) {
    exponent -= static_cast<long long>(digits.size() - point - 1);
    digits.erase(point, 1);
  }
  // w = digits · 10^exponent; its neighbours half a unit away have one digit more.
  const auto number = [&](const std::string& more_digits) {
    return parse_real<double>(more_digits + "e" + std::to_string(exponent - 1));
  };
  const std::string below = half_unit_below(digits);
  const auto high = number(half_unit_above(digits));
  const auto low = below.empty() ? high : number(below);
  if (!high || !low) return parse_real<double>((negative ? "-" : "") + std::string(written)) == value;
  const double magnitude = negative ? -value : value;
  return magnitude <= *high && magnitude >= (below.empty() ? -*low : *low);
}

bool is_exactly(std::string_view written, gp_dtype dtype, double value) {
  // Through the script's own way of storing numbers, so that text and tensor cannot disagree.
  std::array<std::uint8_t, 8> bytes{};
  if (!store_number(dtype, written, bytes.data())) return false;
  return same(load_number(dtype, bytes.data()), value);
}

}  // namespace gradproof
