#include "oracle/reach.h"

#include <algorithm>
#include <cmath>

#include "oracle/twin.h"

namespace gradproof {

// least, most: of what is not 0, in absolute value.
void Reach::take(long double least, long double most) {
  if (!(most > 0)) return;
  most_ *= std::max(most, 1.0L);
  least_ *= std::min(least, 1.0L);
  // Numbers of every day are no reason to doubt a NaN, however many there are.
  const long double far = std::log2(static_cast<long double>(format_->max)) / 4;
  if (std::log2(most) >= far) up_ += 2 * std::log2(most);
  if (-std::log2(least) >= far) down_ -= 2 * std::log2(least);
}

Reach::Reach(const Script& script, const NumberFormat& format) : format_(&format) {
  for (const gp_tensor& tensor : script.tensors) {
    if (tensor.memory != GP_GIVEN || !is_floating(static_cast<gp_dtype>(tensor.dtype))) continue;
    long double least = HUGE_VALL;
    long double most = 0;
    for (const std::uint64_t place : elements_of_view(script, tensor)) {
      const long double size = std::fabs(static_cast<long double>(script.element(tensor, place)));
      if (size == 0 || !std::isfinite(size)) continue;
      least = std::min(least, size);
      most = std::max(most, size);
    }
    take(least, most);
  }
  for (const gp_arg& arg : script.args) {
    const long double size = arg.kind == GP_ARG_REAL ? std::fabs(static_cast<long double>(arg.u.real)) : 0;
    if (size > 0 && std::isfinite(size)) take(std::min(size, 1 / size), std::max(size, 1 / size));
  }
}

bool Reach::explains(const Entry64& entry) const {
  if (excess_radii(entry.ball, entry.got) == 0) return true;
  const long double range = std::log2(static_cast<long double>(format_->max));
  // An infinity or NaN on the way makes anything of what follows: a comparison may take the other side.
  if (up_ >= range) return true;
  if (!std::isfinite(entry.got) || !std::isfinite(entry.ball.mid)) return up_ + down_ >= range;
  if (least_ > static_cast<long double>(format_->least_normal) / static_cast<long double>(format_->u)) return false;
  const long double beyond = std::fabs(static_cast<long double>(entry.got) - entry.ball.mid) - entry.ball.rad;
  return beyond <= static_cast<long double>(format_->eta) * most_;
}

}  // namespace gradproof
