#include "campaign/isolate.h"

#include <poll.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <vector>

#include "campaign/child.h"

namespace gradproof {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int poll_ms = 2;
constexpr std::chrono::milliseconds stop_grace{300};

std::string seconds_text(std::chrono::milliseconds limit) {
  std::string text = std::to_string(static_cast<double>(limit.count()) / 1000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

// The jobs first, first + stride, …, one child after the other.
class Lane {
 public:
  Lane(std::uint64_t first, std::uint64_t stride, std::uint64_t count, const OpenJob& open, const JobListener& listener,
       const IsolateOptions& options)
      : next_(first), stride_(stride), count_(count), open_(open), listener_(listener), options_(options) {}

  bool finished() const { return !child_ && next_ >= count_; }
  bool idle() const { return !child_; }
  int words() const { return child_ ? child_->words() : -1; }
  void ask_to_stop() {
    if (child_) child_->ask_to_stop();
  }
  void abandon() { child_.reset(); }

  void pump(bool may_start) {
    if (!child_) {
      if (!may_start || next_ >= count_) return;
      child_ = Child::start(open_, next_, stride_, count_);
    }
    const std::optional<int> status = child_->ended();
    take_records();
    if (status) return bury(*status);
    if (child_->starting() && child_->age() > options_.start_limit) {
      throw StartError("no answer within " + seconds_text(options_.start_limit) + " of its start" + last_words());
    }
    if (child_->time_on_job() > options_.job_limit) {
      child_->kill();
      take_records();
      tell({true, "no answer within " + seconds_text(options_.job_limit), child_->last_words()});
      child_.reset();
    }
  }

 private:
  void take_records() {
    child_->take_records([this](std::uint64_t number, std::string_view record) {
      next_ = number + stride_;
      listener_.record(number, record);
    });
  }
  std::string last_words() const {
    const std::string words = child_->last_words();
    return words.empty() ? "" : ":\n" + words;
  }
  void tell(const Death& death) {
    const std::uint64_t number = next_;
    next_ += stride_;
    listener_.death(number, death);
  }
  void bury(int status) {
    if (child_->left()) {  // of its own will: nothing more to do, or told to stop
      child_.reset();
      return;
    }
    const std::string error = child_->error();
    const std::string how = error.empty() ? ending_text(status) : error;
    if (child_->starting()) throw StartError(how + (error.empty() ? last_words() : ""));
    const Death death{false, how, child_->last_words()};
    child_.reset();
    tell(death);
  }

  std::uint64_t next_;
  std::uint64_t stride_;
  std::uint64_t count_;
  const OpenJob& open_;
  const JobListener& listener_;
  const IsolateOptions& options_;
  std::unique_ptr<Child> child_;
};

void wait_a_little(const std::vector<Lane>& lanes) {
  std::vector<pollfd> watched;
  for (const Lane& lane : lanes) {
    if (lane.words() >= 0) watched.push_back({lane.words(), POLLIN, 0});
  }
  ::poll(watched.data(), static_cast<nfds_t>(watched.size()), poll_ms);
}

}  // namespace

bool run_isolated(std::uint64_t count, const OpenJob& open, const JobListener& listener,
                  const IsolateOptions& options) {
  const unsigned children = std::max(1U, options.children);
  std::vector<Lane> lanes;
  lanes.reserve(children);
  for (unsigned c = 0; c < children; ++c) lanes.emplace_back(c, children, count, open, listener, options);
  std::optional<Clock::time_point> stopped;
  while (true) {
    const bool stop = Clock::now() >= options.deadline || (options.stop && options.stop());
    if (stop && !stopped) {
      stopped = Clock::now();
      for (Lane& lane : lanes) lane.ask_to_stop();
    }
    for (Lane& lane : lanes) lane.pump(!stopped);
    if (std::all_of(lanes.begin(), lanes.end(), [](const Lane& lane) { return lane.finished(); })) return true;
    if (stopped && std::all_of(lanes.begin(), lanes.end(), [](const Lane& lane) { return lane.idle(); })) return false;
    if (stopped && Clock::now() - *stopped > stop_grace) {
      for (Lane& lane : lanes) lane.abandon();
      return false;
    }
    if (options.waiting) options.waiting();
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
