#include "cli/values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "campaign/glob.h"
#include "campaign/usage_error.h"
#include "script/near.h"

namespace gradproof {

std::uint64_t seed_from(const std::string& text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  const char* first = text.data() + (hexadecimal ? 2 : 0);
  const char* last = text.data() + text.size();
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(first, last, seed, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != last) {
    throw UsageError("--seed '" + text + "': expected a number below 2^64, decimal or 0x…");
  }
  return seed;
}

std::chrono::milliseconds duration_from(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  double factor = 0;
  if (unit.empty() || unit == "s") factor = 1000;
  if (unit == "ms") factor = 1;
  if (unit == "m" || unit == "min") factor = 60'000;
  if (unit == "h") factor = 3'600'000;
  const double total_ms = number * factor;
  constexpr double most_ms = 1e12;
  if (error != std::errc() || factor == 0 || !(total_ms >= 1) || total_ms > most_ms) {
    throw UsageError("'" + text + "' is no time: expected a number and s, m, h or ms, as in 60s or 1.5m");
  }
  return std::chrono::milliseconds(std::llround(total_ms));
}

std::vector<gp_dtype> dtypes_from(const std::vector<std::string>& given) {
  std::vector<gp_dtype> dtypes;
  for (const std::string& name : split_globs(given)) {
    const auto dtype = dtype_named(name);
    if (!dtype || !is_floating(*dtype)) {
      NearWords near(name);
      for (const gp_dtype known : {GP_F16, GP_BF16, GP_F32, GP_F64}) near.offer(name_of(known));
      throw UsageError("no dtype '" + name + "'" + near_text(near.best()) + "; there are f16, bf16, f32, f64");
    }
    if (std::find(dtypes.begin(), dtypes.end(), *dtype) == dtypes.end()) dtypes.push_back(*dtype);
  }
  if (!given.empty() && dtypes.empty()) throw UsageError("--dtype: an empty list");
  return dtypes;
}

std::uint64_t bytes_from(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  if (unit.size() > 1 && unit.ends_with('B')) unit.pop_back();
  if (unit.ends_with('i')) unit.pop_back();
  const unsigned shift = unit == "T" ? 40U : unit == "G" ? 30U : unit == "M" ? 20U : unit == "K" ? 10U : 0U;
  const bool known = shift > 0 || unit.empty();
  if (error != std::errc() || !known || number > (std::uint64_t{1} << (62U - shift))) {
    throw UsageError("'" + text + "' is no size: expected a number and K, M, G or T, as in 4G, or 0 for no limit");
  }
  return number << shift;
}

IsolateOptions isolation_from(const std::string& mode, const std::string& memory) {
  IsolateOptions options;
  options.memory_limit_bytes = bytes_from(memory);
  options.in_process = mode == "off";
  if (mode == "case") options.batch = 1;
  if (mode != "off" && mode != "case" && mode != "batch") {
    NearWords near(mode);
    for (const char* known : {"batch", "case", "off"}) near.offer(known);
    throw UsageError("--isolate '" + mode + "'" + near_text(near.best()) + ": expected batch, case or off");
  }
  return options;
}

gp_device device_from(const std::string& text) {
  if (text == "cpu") return GP_CPU;
  if (text == "cuda") return GP_CUDA;
  throw UsageError("no device '" + text + "'; there are cpu and cuda");
}

std::set<std::string> fail_on_from(const std::vector<std::string>& given) {
  std::set<std::string> kinds;
  for (const std::string& kind : split_globs(given)) {
    if (kind == "none") continue;
    if (kind != "wrong" && kind != "misbehaving" && kind != "inaccurate") {
      NearWords near(kind);
      for (const char* known : {"wrong", "misbehaving", "inaccurate", "none"}) near.offer(known);
      throw UsageError("--fail-on '" + kind + "'" + near_text(near.best()) +
                       ": expected wrong, misbehaving, inaccurate or none");
    }
    kinds.insert(kind);
  }
  return kinds;
}

}  // namespace gradproof
