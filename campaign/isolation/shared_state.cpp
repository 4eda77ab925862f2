#include "campaign/isolation/shared_state.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>

namespace gradproof {
namespace {

constexpr std::uint64_t most_record_bytes = std::uint64_t{1} << 28;

struct Frame {
  std::uint64_t number;
  std::uint64_t size;
  std::uint64_t checksum;
};

// FNV-1a over the number and the bytes.
std::uint64_t checksum_of(std::uint64_t number, std::string_view record) {
  std::uint64_t hash = 0xcbf29ce484222325U ^ number;
  for (const char c : record) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash * 0x9e3779b97f4a7c15U;
}

void send_bytes(SharedState& shared, const char* from, std::size_t size, Sent how) {
  while (size > 0) {
    const std::uint64_t written = shared.written.load(std::memory_order_relaxed);
    const std::uint64_t free = ring_bytes - (written - shared.taken.load(std::memory_order_acquire));
    if (free == 0 || free > ring_bytes) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      continue;
    }
    const std::size_t at = static_cast<std::size_t>(written % ring_bytes);
    const std::size_t count = std::min({size, static_cast<std::size_t>(free), ring_bytes - at});
    std::memcpy(shared.ring + at, from, count);
    shared.written.store(written + count, std::memory_order_release);
    if (how == Sent::confirmed) shared.confirmed.store(written + count, std::memory_order_release);
    from += count;
    size -= count;
  }
}

[[noreturn]] void lies() { throw BadRecord("wrote over the memory it shares with its parent"); }

}  // namespace

void SharedState::reset() {
  first_mark = middle_mark = last_mark = shared_mark;
  phase = Phase::starting;
  note = Note::none;
  stop = 0;
  written = 0;
  confirmed = 0;
  suspects = 0;
  taken = 0;
  error[0] = '\0';
}

void SharedState::tell_error(std::string_view text) {
  const std::size_t size = std::min(text.size(), error_bytes - 1);
  std::memcpy(error, text.data(), size);
  error[size] = '\0';
}

std::string SharedState::error_text() const { return printable({error, strnlen(error, error_bytes)}); }

void Unmap::operator()(SharedState* state) const { munmap(state, sizeof(SharedState)); }

SharedMemory make_shared_memory() {
  void* memory = mmap(nullptr, sizeof(SharedState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "no shared memory for a worker");
  return SharedMemory(new (memory) SharedState);
}

void hide_from_children(SharedState& shared) { madvise(&shared, sizeof shared, MADV_DONTFORK); }

void send_record(SharedState& shared, std::uint64_t number, std::string_view record, Sent how) {
  const Frame frame{number, record.size(), checksum_of(number, record)};
  if (how == Sent::confirmed) shared.confirmed.store(shared.written, std::memory_order_release);
  send_bytes(shared, reinterpret_cast<const char*>(&frame), sizeof frame, how);
  send_bytes(shared, record.data(), record.size(), how);
}

bool has_room(const SharedState& shared, std::string_view record) {
  return shared.written - shared.taken + sizeof(Frame) + record.size() < ring_bytes;
}

void RecordReader::reset() {
  taken_ = 0;
  pending_.clear();
}

void RecordReader::take(SharedState& shared, const OnRecord& on_record) {
  const std::uint64_t written = shared.confirmed.load(std::memory_order_acquire);
  if (written - taken_ > ring_bytes) lies();
  for (const auto* mark : {&shared.first_mark, &shared.middle_mark, &shared.last_mark}) {
    if (*mark != shared_mark) lies();
  }
  while (taken_ < written) {
    const std::size_t at = static_cast<std::size_t>(taken_ % ring_bytes);
    const std::size_t count = std::min(static_cast<std::size_t>(written - taken_), ring_bytes - at);
    pending_.append(shared.ring + at, count);
    taken_ += count;
  }
  shared.taken.store(taken_, std::memory_order_release);
  std::size_t from = 0;
  while (pending_.size() - from >= sizeof(Frame)) {
    Frame frame{};
    std::memcpy(&frame, pending_.data() + from, sizeof frame);
    if (frame.size > most_record_bytes) lies();
    if (pending_.size() - from - sizeof frame < frame.size) break;
    const auto record = std::string_view(pending_).substr(from + sizeof frame, static_cast<std::size_t>(frame.size));
    if (frame.checksum != checksum_of(frame.number, record)) lies();
    on_record(frame.number, record);
    from += sizeof frame + record.size();
  }
  pending_.erase(0, from);
}

namespace {

// Bytes of the character of UTF-8 that begins the text; 0 where none does.
std::size_t character_size(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead < 0x80U   ? 1
                           : lead < 0xc2U ? 0
                           : lead < 0xe0U ? 2
                           : lead < 0xf0U ? 3
                           : lead < 0xf5U ? 4
                                          : 0;
  if (size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U) return 0;
  }
  return size;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const bool control = size == 1 && (static_cast<unsigned char>(text[0]) < 0x20U || text[0] == 0x7f);
    if (size == 0 || (control && text[0] != '\n' && text[0] != '\t')) {
      kept += '?';
      text.remove_prefix(1);
    } else {
      kept += text.substr(0, size);
      text.remove_prefix(size);
    }
  }
  return kept;
}

}  // namespace gradproof
