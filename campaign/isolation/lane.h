// One worker at a time, and what becomes of its jobs.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "campaign/isolate.h"
#include "campaign/isolation/keeper.h"
#include "campaign/isolation/processes.h"

namespace gradproof {

// Runs the jobs first, first + stride, … below count.
class Lane {
 public:
  Lane(std::uint64_t first, std::uint64_t stride, std::uint64_t count, const OpenJob& open, const JobListener& listener,
       const IsolateOptions& options);

  bool finished() const { return order_.first >= order_.count && idle(); }
  bool idle() const { return state_ == State::none || state_ == State::ready; }
  // Looks after the worker; starts one where that is allowed and needed. Throws StartError.
  void pump(bool may_start);
  void ask_to_stop();
  void abandon() { keeper_.reset(); }
  // For poll(); -1 where there is none.
  int events_fd() const { return keeper_ ? keeper_->events_fd() : -1; }
  int words_fd() const { return keeper_ ? keeper_->words_fd() : -1; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { none, opening, ready, running };

  void start(bool may_start);
  void start_worker();
  void handle(const KeeperEvent& event);
  void take_records();
  void on_record(std::uint64_t number, std::string_view record);
  void check_limits();
  void check_time(Clock::time_point now);
  void look_at_worker(Clock::time_point now);
  void condemn(Death death);  // kills the worker; its job died of this
  void on_end(int status);
  void on_gone(int status);
  bool left_in_order() const;
  void conclude(Death death);
  void tell(const Death& death);
  void tell_settled();
  bool is_careful() const { return careful_ > 0 || settled_; }
  void next_job_after(std::uint64_t number);
  [[noreturn]] void fail_to_start(const std::string& how);
  Death death_by(int status) const;

  WorkOrder order_;  // first: the job in hand, or the next
  const OpenJob& open_;
  const JobListener& listener_;
  const IsolateOptions& options_;
  bool open_before_fork_;
  bool stop_asked_ = false;

  std::unique_ptr<Keeper> keeper_;
  State state_ = State::none;
  Clock::time_point since_{};       // of the state, or of the last record
  Clock::time_point looked_at_{};   // when the worker's memory and starvation were last looked at
  Clock::time_point starved_of_{};  // since_ of the job whose waiting starved_ is
  Clock::duration starved_{0};      // waiting for a processor
  Starvation starvation_;
  RecordReader reader_;
  std::uint64_t batch_ = 0;       // of this worker
  std::uint64_t records_ = 0;     // of this worker
  std::size_t words_of_job_ = 0;  // bytes heard since the last record
  pid_t worker_ = -1;
  std::uint64_t resident_at_start_ = 0;
  std::optional<Death> sentence_;  // why we killed it
  bool lied_ = false;              // and it was for what it wrote
  std::uint64_t careful_ = 0;      // so many jobs more each have their own worker
  std::optional<Death> doubt_;     // what the last of those is told to have died of, if none of them dies
  std::optional<Death> settled_;   // what settled_at_ died of, once those before it are decided
  std::uint64_t settled_at_ = 0;
};

// "SIGSEGV", "exit status 3".
std::string ending_text(int wait_status);

}  // namespace gradproof
