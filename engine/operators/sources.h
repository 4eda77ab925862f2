// What budgets rest on, where records of several families say the same.
#pragma once

#include <string_view>

namespace gradproof::sources {

inline constexpr std::string_view sums = "Jeannerod and Rump 2013: n·u·Σ|x| in any order";
inline constexpr std::string_view products = "Jeannerod and Rump 2013: n·u·|A||B| in any order";
inline constexpr std::string_view copies = "exact; the gradient's sums in any order";
inline constexpr std::string_view variances = "two passes, or one (Chan, Golub, LeVeque 1983)";

}  // namespace gradproof::sources
