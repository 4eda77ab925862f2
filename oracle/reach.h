// How far the numbers of a script reach: whether products of them may leave the range of a dtype on the way.
#pragma once

#include "engine/scalars/number_format.h"
#include "oracle/compare.h"
#include "script/script.h"

namespace gradproof {

// An engine multiplies in an order of its own. Where products of what a script gives over- or underflow in one order
// and not in another, NaN, infinity and lost digits are inaccurate, not wrong.
class Reach {
 public:
  Reach(const Script& script, const NumberFormat& format);
  // Whether that alone may be why the entry lies outside.
  bool explains(const Entry64& entry) const;

 private:
  void take(long double least, long double most);

  // Products of one number of each tensor, and of each scalar.
  long double most_ = 1;   // their greatest, factors below 1 left out
  long double least_ = 1;  // their least beside 0, factors above 1 left out
  // log2 of squares of what lies far from 1: of |x|, and of 1/|x|.
  long double up_ = 0;
  long double down_ = 0;
  const NumberFormat* format_;
};

}  // namespace gradproof
