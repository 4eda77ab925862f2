#include "campaign/same_observations.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace gradproof {
namespace {

// Storages of one that are storages of the other, one to one.
class Pairing {
 public:
  bool fits(std::uint64_t a, std::uint64_t b) {
    return to_.try_emplace(a, b).first->second == b && from_.try_emplace(b, a).first->second == a;
  }

 private:
  std::map<std::uint64_t, std::uint64_t> to_;
  std::map<std::uint64_t, std::uint64_t> from_;
};

bool same_shape(const gp_observation& a, const gp_observation& b) {
  return a.ndim == b.ndim && std::equal(a.shape, a.shape + a.ndim, b.shape);
}

template <class D>
bool same_numbers(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  for (std::size_t at = 0; at + sizeof(D) <= a.size(); at += sizeof(D)) {
    D x;
    D y;
    std::memcpy(&x, &a[at], sizeof(D));
    std::memcpy(&y, &b[at], sizeof(D));
    if (x != y && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}

bool same_elements(gp_dtype dtype, std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  if (a.size() != b.size()) return false;
  if (dtype == GP_F32) return same_numbers<float>(a, b);
  if (dtype == GP_F64) return same_numbers<double>(a, b);
  return std::equal(a.begin(), a.end(), b.begin());
}

}  // namespace

bool same_observations(const Observations& a, const Observations& b) {
  Pairing storages;
  const auto same = [&](const gp_observation& x, const gp_observation& y) {
    if (x.step != y.step || x.status != y.status || x.error != y.error || a.text_of(x) != b.text_of(y)) return false;
    if (x.status != GP_VALUE) return true;
    return x.dtype == y.dtype && same_shape(x, y) && x.version == y.version && storages.fits(x.storage, y.storage) &&
           same_elements(static_cast<gp_dtype>(x.dtype), a.bytes_of(x), b.bytes_of(y));
  };
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), same);
}

}  // namespace gradproof
