// Whether this machine has a CUDA device, found out without touching the driver in this process.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace gradproof::libtorch {

inline constexpr std::chrono::milliseconds probe_limit{20'000};

// "" where there is a device that a process may use; otherwise why not: "no CUDA device: no driver (…)". The driver is
// initialized in a forked child: a process that has initialized it cannot fork workers that compute. To be called from
// a process of one thread.
std::string why_no_cuda(const char* driver = "libcuda.so.1", std::chrono::milliseconds limit = probe_limit);

// The same of another question, asked in a forked child: "" where the answer is true, `otherwise` where it is false.
std::string why_not_in_child(const std::function<bool()>& ask, const std::string& otherwise,
                             std::chrono::milliseconds limit = probe_limit);

}  // namespace gradproof::libtorch
