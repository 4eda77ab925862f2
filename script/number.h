// Numbers as text: what a script writes and what it means in each dtype.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "script/program.h"

namespace gradproof {

// Digits only, decimal or 0x, with a sign or not: a number that an integer argument takes.
bool is_integer_text(std::string_view text);
// Nothing where the text is no integer or beyond 64 bits.
std::optional<std::int64_t> parse_integer(std::string_view text);
// "1", "-2.5e-3", "0x1.8p-1", "inf", "-inf", "nan". To nearest, ties to even. Nothing where the text is no such
// number, or where a finite one overflows or vanishes in T.
template <class T>
std::optional<T> parse_real(std::string_view text);
extern template std::optional<float> parse_real<float>(std::string_view);
extern template std::optional<double> parse_real<double>(std::string_view);

// Stores one element at `to` as the dtype has it (f16 and bf16 are rounded from double). False where the text is no
// number of that dtype.
bool store_number(gp_dtype dtype, std::string_view text, std::uint8_t* to);

// A floating dtype's nearest number, ties to even.
void store_real(gp_dtype dtype, double value, std::uint8_t* to);

// The element at `from`: exact for every dtype but i64 beyond 2^53.
double load_number(gp_dtype dtype, const std::uint8_t* from);

// Shortest exact text: small integers in decimals, other finite reals in hexadecimals. With `real` an integer gets
// a point, so that it reads back as a real.
void append_real(std::string& out, double value, bool real);
// The element at `from`.
void append_number(std::string& out, gp_dtype dtype, const std::uint8_t* from);

}  // namespace gradproof
