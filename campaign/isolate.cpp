#include "campaign/isolate.h"

#include <poll.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <vector>

#include "campaign/isolation/lane.h"

namespace gradproof {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int poll_ms = 2;
constexpr std::chrono::milliseconds stop_grace{300};

void wait_a_little(const std::vector<Lane>& lanes) {
  std::vector<pollfd> watched;
  for (const Lane& lane : lanes) {
    for (const int fd : {lane.events_fd(), lane.words_fd()}) {
      if (fd >= 0) watched.push_back({fd, POLLIN, 0});
    }
  }
  ::poll(watched.data(), static_cast<nfds_t>(watched.size()), poll_ms);
}

bool is_over(const IsolateOptions& options) {
  return Clock::now() >= options.deadline || (options.stop && options.stop());
}

bool run_here(std::uint64_t count, const OpenJob& open, const JobListener& listener, const IsolateOptions& options) {
  Job job;
  try {
    job = open();
  } catch (const std::exception& error) {
    throw StartError(error.what());
  }
  std::string record;
  for (std::uint64_t n = 0; n < count; ++n) {
    if (options.skip && options.skip(n)) continue;
    if (is_over(options)) return false;
    record.clear();
    std::optional<Death> death;
    try {
      job(n, record);
    } catch (const std::exception& error) {
      death = Death{false, error.what(), {}};
    }
    if (death) {
      listener.death(n, *death);
    } else {
      listener.record(n, record);
    }
    if (options.waiting) options.waiting();
  }
  return true;
}

}  // namespace

bool run_isolated(std::uint64_t count, const OpenJob& open, const JobListener& listener,
                  const IsolateOptions& options) {
  if (options.in_process) return run_here(count, open, listener, options);
  const unsigned children = std::max(1U, options.children);
  std::vector<Lane> lanes;
  lanes.reserve(children);
  for (unsigned c = 0; c < children; ++c) lanes.emplace_back(c, children, count, open, listener, options);
  std::optional<Clock::time_point> stopped;
  while (true) {
    if (!stopped && is_over(options)) {
      stopped = Clock::now();
      for (Lane& lane : lanes) lane.ask_to_stop();
    }
    for (Lane& lane : lanes) lane.pump(!stopped);
    if (options.waiting) options.waiting();
    if (std::all_of(lanes.begin(), lanes.end(), [](const Lane& lane) { return lane.finished(); })) return true;
    if (stopped && std::all_of(lanes.begin(), lanes.end(), [](const Lane& lane) { return lane.idle(); })) return false;
    if (stopped && Clock::now() - *stopped > stop_grace) {
      for (Lane& lane : lanes) lane.abandon();
      return false;
    }
    wait_a_little(lanes);
  }
}

std::string run_isolated_once(const std::function<std::string()>& job, const IsolateOptions& options) {
  std::string result;
  std::optional<Death> died;
  const OpenJob open = [&job] { return Job([&job](std::uint64_t, std::string& record) { record = job(); }); };
  const JobListener listener{[&](std::uint64_t, std::string_view record) { result = record; },
                             [&](std::uint64_t, const Death& death) { died = death; }};
  const bool done = run_isolated(1, open, listener, options);
  if (died) throw StartError(died->how + (died->last_words.empty() ? "" : ":\n" + died->last_words));
  if (!done) throw StartError("stopped");
  return result;
}

}  // namespace gradproof
