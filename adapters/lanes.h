// Lanes of work that run at once, one thread each.
#pragma once

#include <cstddef>
#include <exception>
#include <latch>
#include <thread>
#include <vector>

namespace gradproof {

// body(lane) for each lane from 0 on. No lane begins before all threads stand ready, and all have ended when this
// returns. An exception of the first lane that threw one is thrown on.
template <class Body>
void run_lanes(std::size_t count, const Body& body) {
  std::vector<std::exception_ptr> thrown(count);
  std::latch ready(static_cast<std::ptrdiff_t>(count));
  {
    std::vector<std::jthread> threads;
    threads.reserve(count);
    const auto run = [&](std::size_t lane) {
      ready.arrive_and_wait();
      try {
        body(lane);
      } catch (...) {
        thrown[lane] = std::current_exception();
      }
    };
    for (std::size_t lane = 0; lane < count; ++lane) {
      try {
        threads.emplace_back(run, lane);
      } catch (...) {
        // No thread to be had: those that wait are let go.
        thrown[lane] = std::current_exception();
        ready.count_down();
      }
    }
  }
  for (const std::exception_ptr& exception : thrown) {
    if (exception) std::rethrow_exception(exception);
  }
}

}  // namespace gradproof
