#include "campaign/isolation/lane.h"

#include <string.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

namespace gradproof {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds between_looks{50};
// After a worker wrote over shared memory: its culprit is among the next, for earlier records were lost with it.
constexpr std::uint64_t careful_jobs = 256;
constexpr std::uint64_t most_suspects = 10'000;
constexpr const char* keeper_killed = "killed the process that watches it";

std::string seconds_text(milliseconds limit) {
  std::string text = std::to_string(static_cast<double>(limit.count()) / 1000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
  if (bytes >= 1024 * mebibyte && bytes % (1024 * mebibyte) == 0)
    return std::to_string(bytes / mebibyte / 1024) + " GiB";
  if (bytes >= mebibyte && bytes % mebibyte == 0) return std::to_string(bytes / mebibyte) + " MiB";
  return std::to_string(bytes) + " bytes";
}

}  // namespace

std::string ending_text(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const char* name = sigabbrev_np(WTERMSIG(wait_status));
    return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(WTERMSIG(wait_status));
  }
  return "exit status " + std::to_string(WEXITSTATUS(wait_status));
}

Lane::Lane(std::uint64_t first, std::uint64_t stride, std::uint64_t count, const OpenJob& open,
           const JobListener& listener, const IsolateOptions& options)
    : order_{first, stride, count, 0, {}, options.memory_limit_bytes, &options.skip},
      open_(open),
      listener_(listener),
      options_(options),
      open_before_fork_(options.open_before_fork) {
  order_.first = next_job(order_, first);
}

void Lane::ask_to_stop() {
  stop_asked_ = true;
  if (keeper_) keeper_->shared().stop = 1;
}

void Lane::pump(bool may_start) {
  if (!keeper_) return start(may_start);
  words_of_job_ += keeper_->listen();
  take_records();
  while (keeper_) {
    const auto event = keeper_->next_event();
    if (!event) break;
    handle(*event);
  }
  if (!keeper_) return;
  check_limits();
  if (state_ == State::ready && may_start && order_.first < order_.count) start_worker();
}

void Lane::start(bool may_start) {
  if (!may_start || order_.first >= order_.count) return;
  keeper_ = std::make_unique<Keeper>(open_, open_before_fork_);
  state_ = State::opening;
  since_ = looked_at_ = Clock::now();
  words_of_job_ = 0;
}

void Lane::start_worker() {
  batch_ = is_careful() ? 1 : options_.batch;
  order_.batch = batch_;
  // Where each worker opens for itself that takes longer than what it guards against.
  order_.batch_time = open_before_fork_ ? options_.batch_time : milliseconds(0);
  reader_.reset();
  keeper_->forget_words();
  records_ = 0;
  words_of_job_ = 0;
  worker_ = -1;
  state_ = State::running;
  since_ = looked_at_ = Clock::now();
  keeper_->start_worker(order_);
}

void Lane::handle(const KeeperEvent& event) {
  switch (event.kind) {
    case KeeperEvent::Kind::opened: state_ = State::ready; return;
    case KeeperEvent::Kind::threads:
      open_before_fork_ = false;
      keeper_.reset();
      state_ = State::none;
      return;
    case KeeperEvent::Kind::started:
      worker_ = event.value;
      resident_at_start_ = resident_bytes(worker_);
      starvation_.watch(worker_);
      if (records_ == 0) since_ = Clock::now();
      return;
    case KeeperEvent::Kind::ended: return on_end(event.value);
    case KeeperEvent::Kind::gone: return on_gone(event.value);
  }
}

void Lane::take_records() {
  if (state_ != State::running || lied_) return;
  try {
    reader_.take(keeper_->shared(),
                 [this](std::uint64_t number, std::string_view record) { on_record(number, record); });
  } catch (const BadRecord& error) {
    condemn({false, error.what(), {}});
    lied_ = true;
  }
}

void Lane::on_record(std::uint64_t number, std::string_view record) {
  if (number != order_.first) throw BadRecord("wrote over the memory it shares with its parent");
  if (careful_ == 1 && doubt_) {
    Death death = *doubt_;
    death.how += not_alone;
    tell(death);
  } else {
    listener_.record(number, record);
    if (careful_ > 0) --careful_;
    next_job_after(number);
    tell_settled();
  }
  ++records_;
  words_of_job_ = 0;
  since_ = Clock::now();
}

// By this process's own clock and counts: a worker's could be overwritten.
void Lane::check_limits() {
  if (state_ == State::ready || state_ == State::none || sentence_) return;
  if (words_of_job_ > options_.output_limit_bytes) {
    return condemn({false, "output limit: wrote more than " + bytes_text(options_.output_limit_bytes), {}});
  }
  const auto now = Clock::now();
  if (now - looked_at_ >= between_looks) look_at_worker(now);
  if (!sentence_) check_time(now);
}

void Lane::look_at_worker(Clock::time_point now) {
  // Where this process itself was kept from looking, nobody can say what the worker was kept from.
  const Clock::duration unwatched = now - std::exchange(looked_at_, now) - 2 * between_looks;
  Clock::duration starved = std::max(Clock::duration::zero(), unwatched);
  if (worker_ >= 0) starved = std::max<Clock::duration>(starved, starvation_.since_last_look());
  if (std::exchange(starved_of_, since_) == since_) {
    starved_ += starved;
  } else {
    starved_ = std::min(starved, now - since_);
  }
  if (worker_ >= 0 && options_.memory_limit_bytes > 0 &&
      resident_bytes(worker_) > resident_at_start_ + options_.memory_limit_bytes) {
    condemn({false, "memory limit: uses more than " + bytes_text(options_.memory_limit_bytes), {}});
  }
}

// Time in which the machine did not run the worker is not held against it.
void Lane::check_time(Clock::time_point now) {
  const bool opens =
      state_ == State::opening || (!open_before_fork_ && records_ == 0 && keeper_->shared().phase == Phase::starting);
  const milliseconds limit = opens || worker_ < 0 ? options_.start_limit : options_.job_limit;
  const auto late = [&] { return now - since_ - (starved_of_ == since_ ? starved_ : Clock::duration::zero()) > limit; };
  if (!late()) return;
  const auto job = since_;
  take_records();  // it may have answered while this process waited for a processor
  if (since_ != job || sentence_ || (worker_ >= 0 && has_ended(worker_))) return;  // or ended: its keeper will tell
  look_at_worker(now);
  if (late() && !sentence_) condemn({true, "no answer within " + seconds_text(limit), {}});
}

void Lane::condemn(Death death) {
  if (state_ == State::opening) fail_to_start(death.how + " of its start");
  sentence_ = std::move(death);
  keeper_->kill_worker();
}

bool Lane::left_in_order() const {
  if (keeper_->shared().phase != Phase::left) return false;
  return stop_asked_ || order_.first >= order_.count || records_ > 0;
}

void Lane::on_end(int status) {
  words_of_job_ += keeper_->listen();
  take_records();
  state_ = State::ready;
  if (!sentence_ && left_in_order()) return;
  if (!open_before_fork_ && records_ == 0 && keeper_->shared().phase == Phase::starting && !sentence_) {
    const std::string error = keeper_->shared().error_text();
    fail_to_start(error.empty() ? ending_text(status) : error);
  }
  Death death = sentence_ ? *std::exchange(sentence_, {}) : death_by(status);
  death.last_words = keeper_->last_words();
  conclude(std::move(death));
}

Death Lane::death_by(int status) const {
  const SharedState& shared = keeper_->shared();
  const std::string ending = ending_text(status);
  const std::string error = shared.error_text();
  Death death{false, error.empty() ? ending : error, keeper_->last_words()};
  switch (shared.note) {
    case Note::stack_overflow: death.how = ending + ": stack overflow"; break;
    case Note::terminated: death.how = "std::terminate" + (error.empty() ? "" : ": " + error); break;
    case Note::memory_refused:
      death.how = "memory limit: asked for more than " + bytes_text(options_.memory_limit_bytes);
      break;
    default: break;
  }
  return death;
}

// The keeper itself died: of its engine's loading, or by the hand of its worker.
void Lane::on_gone(int status) {
  take_records();
  const State was = std::exchange(state_, State::none);
  const std::string error = keeper_->shared().error_text();
  if (was == State::opening) fail_to_start(error.empty() ? ending_text(status) : error);
  Death death = sentence_ ? *std::exchange(sentence_, {})
                          : Death{false, keeper_killed + (": " + ending_text(status)), keeper_->last_words()};
  if (was == State::running) conclude(std::move(death));
  keeper_.reset();
}

// Records that were not confirmed are lost: those jobs run again, each alone, up to the one that died.
void Lane::conclude(Death death) {
  const bool lied = std::exchange(lied_, false);
  if (order_.first >= order_.count) return;
  const std::uint64_t suspects =
      lied ? careful_jobs : std::clamp<std::uint64_t>(keeper_->shared().suspects, 1, most_suspects);
  const bool first = records_ == 0 && suspects == 1;
  if (batch_ == 1 || (suspects == 1 && (first || death.timeout))) return tell(death);
  careful_ = suspects;
  if (death.timeout) {  // told without waiting for it once more
    --careful_;
    settled_at_ = order_.first;
    for (std::uint64_t i = 1; i < suspects; ++i) settled_at_ = next_job(order_, settled_at_ + order_.stride);
    settled_ = std::move(death);
    return;
  }
  // Somebody else may kill, and a lie's culprit may come later: no doubt falls on jobs that do it no more.
  if (!lied && death.how != "SIGKILL" && !death.how.starts_with(keeper_killed)) doubt_ = std::move(death);
}

void Lane::tell(const Death& death) {
  const std::uint64_t number = order_.first;
  doubt_.reset();
  careful_ = 0;
  next_job_after(number);
  listener_.death(number, death);
  tell_settled();
}

void Lane::tell_settled() {
  if (settled_ && order_.first >= settled_at_) tell(*std::exchange(settled_, {}));
}

void Lane::next_job_after(std::uint64_t number) { order_.first = next_job(order_, number + order_.stride); }

void Lane::fail_to_start(const std::string& how) {
  const std::string words = keeper_->last_words();
  throw StartError(how + (words.empty() ? "" : ":\n" + words));
}

}  // namespace gradproof
