// Memory that a worker shares with the process that judges by it.
//
// Records pass through a ring of bytes: the worker moves `written`, the parent `taken`. What a worker looks for
// after its jobs costs system calls, so it looks once in a while, and then moves `confirmed` up to `written`. The
// jobs since then, that in hand included, are `suspects` of whatever happens; their records do not count.
//
// An engine with a stray pointer may write anything here, so the parent believes nothing: sizes are bounded, each
// record carries its number and a checksum, and what cannot be true is a BadRecord, the death of a job.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gradproof {

// What a worker hands over is no record of its.
struct BadRecord : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Phase : std::uint32_t { starting, running, left, failed };
// What a worker knew of its end.
enum class Note : std::uint32_t { none, stack_overflow, terminated, memory_refused };

constexpr std::size_t ring_bytes = std::size_t{1} << 20;
constexpr std::size_t error_bytes = 2048;
constexpr std::uint64_t shared_mark = 0x6b1d5e0c93a7f248U;

struct SharedState {
  std::atomic<std::uint64_t> first_mark{shared_mark};
  std::atomic<Phase> phase{Phase::starting};
  std::atomic<Note> note{Note::none};
  std::atomic<std::uint32_t> stop{0};
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> confirmed{0};
  std::atomic<std::uint64_t> taken{0};
  std::atomic<std::uint64_t> suspects{0};
  char error[error_bytes] = {};
  std::atomic<std::uint64_t> middle_mark{shared_mark};
  char ring[ring_bytes];  // zero from the system; untouched pages cost nothing
  std::atomic<std::uint64_t> last_mark{shared_mark};

  // Before a worker starts.
  void reset();
  // Of whoever's process this is: why it ends.
  void tell_error(std::string_view text);
  std::string error_text() const;  // printable
};

struct Unmap {
  void operator()(SharedState* state) const;
};
using SharedMemory = std::unique_ptr<SharedState, Unmap>;
// Throws std::system_error.
SharedMemory make_shared_memory();
// Children forked from here on do not have it: nobody's engine may write over another's.
void hide_from_children(SharedState& shared);

// The worker's side. Unconfirmed records must have room: as long as has_room(). A confirmed one, which confirms those
// before it, waits where the parent is slow.
enum class Sent { unconfirmed, confirmed };
void send_record(SharedState& shared, std::uint64_t number, std::string_view record, Sent how);
bool has_room(const SharedState& shared, std::string_view record);

// The parent's side.
class RecordReader {
 public:
  using OnRecord = std::function<void(std::uint64_t number, std::string_view record)>;
  void reset();
  // Every confirmed record, in order. Throws BadRecord, after those before it were handed over.
  void take(SharedState& shared, const OnRecord& on_record);

 private:
  std::uint64_t taken_ = 0;
  std::string pending_;  // bytes of a record not complete yet
};

// What a terminal or a report may show: what is no UTF-8, and control characters but line ends and tabs, become
// '?'.
std::string printable(std::string_view text);

}  // namespace gradproof
