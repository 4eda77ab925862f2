// What people write after options.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "campaign/isolate.h"
#include "script/script.h"

namespace gradproof {

// All throw UsageError with what was expected.
std::uint64_t seed_from(const std::string& text);                          // "31813", "0x7c45"
std::chrono::milliseconds duration_from(const std::string& text);          // "60", "60s", "1.5m", "2h", "250ms"
std::vector<gp_dtype> dtypes_from(const std::vector<std::string>& given);  // "f32,f64"
std::uint64_t bytes_from(const std::string& text);                         // "4G", "512M", "0"
// How cases are kept apart: "batch", "case", "off"; and the limit of memory, as bytes_from() reads it.
IsolateOptions isolation_from(const std::string& mode, const std::string& memory);
gp_device device_from(const std::string& text);                             // "cpu", "cuda"
std::set<std::string> fail_on_from(const std::vector<std::string>& given);  // "wrong,misbehaving"; "none"

}  // namespace gradproof
