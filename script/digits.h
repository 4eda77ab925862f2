// What the numbers of an expectation say about a value.
#pragma once

#include <string_view>

#include "script/program.h"

namespace gradproof {

// Whether |value - w| <= half a unit of the last digit written, w being the decimal `written` ("3.50": 0.005,
// "1.25e-5": 0.005e-5, "6": 0.5). "inf", "-inf", "nan", "true" and "false" stand for themselves (1 and 0). The bounds
// are decimals rounded to the nearest double and lie inside. False where `written` is no such number.
bool agrees_to_digits(std::string_view written, double value);

// Whether an element of that dtype is the number written, rounded to the dtype: -0 is not 0, NaN is NaN.
bool is_exactly(std::string_view written, gp_dtype dtype, double value);

}  // namespace gradproof
