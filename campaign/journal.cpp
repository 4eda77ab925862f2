#include "campaign/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "campaign/isolation/shared_state.h"
#include "campaign/usage_error.h"
#include "campaign/verdict_codec.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic = "gradproof journal 1\n";
constexpr std::uint64_t most_cases = std::uint64_t{1} << 36;
enum FrameKind : std::uint64_t { frame_identity, frame_verdict, frame_witness, frame_elapsed };

// FNV-1a, 64 bits.
std::uint64_t hash_of(std::string_view bytes, std::uint64_t hash = 0xcbf29ce484222325U) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

struct FrameHead {
  std::uint64_t size;
  std::uint64_t checksum;
};

// The payload that begins the bytes, or nullopt where it is not whole.
std::optional<std::string_view> first_frame(std::string_view bytes) {
  FrameHead head{};
  if (bytes.size() < sizeof head) return {};
  std::memcpy(&head, bytes.data(), sizeof head);
  bytes.remove_prefix(sizeof head);
  if (head.size > bytes.size()) return {};
  const std::string_view payload = bytes.substr(0, static_cast<std::size_t>(head.size));
  if (hash_of(payload) != head.checksum) return {};
  return payload;
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

RunIdentity identity_in(std::string_view payload) {
  ByteReader reader(payload);
  if (reader.number() != frame_identity) throw BadRecord("no identity");
  RunIdentity identity;
  while (!reader.at_end()) {
    std::string name = reader.text();
    identity.emplace_back(std::move(name), reader.text());
  }
  return identity;
}

// Of a file's bytes; nullopt where there are none. Throws BadRecord.
std::optional<RunIdentity> recorded_identity(std::string_view bytes) {
  if (magic.starts_with(bytes)) return {};  // empty, or cut off in its first line
  if (!bytes.starts_with(magic)) throw BadRecord("is no journal of a run");
  const auto payload = first_frame(bytes.substr(magic.size()));
  if (!payload) return {};
  return identity_in(*payload);
}

const std::string* value_in(const RunIdentity& identity, std::string_view name) {
  for (const auto& [key, value] : identity) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string difference(const RunIdentity& there, const RunIdentity& here) {
  for (const auto& [name, value] : here) {
    const std::string* other = value_in(there, name);
    if (other == nullptr || *other != value) {
      const std::string was = other == nullptr ? "not told" : "'" + *other + "'";
      return fmt::format("{} is {} there and '{}' here", name, was, value);
    }
  }
  return {};
}

}  // namespace

std::uint64_t fingerprint_of(const Plan& plan) {
  std::uint64_t hash = hash_of("");
  for (const Pair& pair : plan.pairs) {
    hash = hash_of(pair.entry->id() + '\n' + std::string(pair.property->id()) + '\n', hash);
    for (const gp_dtype dtype : pair.dtypes) hash = hash_of(name_of(dtype), hash);
  }
  return hash;
}

std::optional<std::string> Journal::recorded(const fs::path& file, std::string_view name) {
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  if (!fs::is_regular_file(file, error)) throw UsageError(file.string() + ": is no file");
  try {
    const auto identity = recorded_identity(bytes_of(file));
    const std::string* value = identity ? value_in(*identity, name) : nullptr;
    return value == nullptr ? std::nullopt : std::optional(*value);
  } catch (const BadRecord&) {
    throw UsageError(file.string() + ": is no journal of a run");
  }
}

Journal::Journal(fs::path file, const RunIdentity& identity) : file_(std::move(file)) {
  fd_ = PrivateFd(::open(file_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (fd_.get() < 0) refuse(std::string("cannot be written: ") + std::strerror(errno));
  if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) refuse("is in use by another run");
  read(bytes_of(file_), identity);
}

void Journal::refuse(const std::string& why) const { throw UsageError(file_.string() + ": " + why); }

void Journal::read(const std::string& bytes, const RunIdentity& identity) {
  std::optional<RunIdentity> there;
  try {
    there = recorded_identity(bytes);
  } catch (const BadRecord&) {
    refuse("is no journal of a run");
  }
  if (!there) {
    if (ftruncate(fd_.get(), 0) != 0) refuse(std::string("cannot be written: ") + std::strerror(errno));
    unwritten_ = magic;
    std::string payload;
    append_number(payload, frame_identity);
    for (const auto& [name, value] : identity) {
      append_text(payload, name);
      append_text(payload, value);
    }
    add_frame(payload);
    flush();
    if (!failure_.empty()) throw UsageError(failure_);
    return;
  }
  if (const std::string other = difference(*there, identity); !other.empty()) {
    refuse("belongs to another run: " + other + "; name another file, or remove this one");
  }
  std::size_t at = magic.size();
  while (const auto payload = first_frame(std::string_view(bytes).substr(at))) {
    try {
      read_frame(*payload);
    } catch (const BadRecord&) {
      refuse("holds a frame that cannot be read; remove the file");
    }
    at += sizeof(FrameHead) + payload->size();
  }
  // The run was killed in the middle of a frame.
  if (at < bytes.size() && ftruncate(fd_.get(), static_cast<off_t>(at)) != 0) {
    refuse(std::string("cannot be written: ") + std::strerror(errno));
  }
}

void Journal::read_frame(std::string_view payload) {
  ByteReader reader(payload);
  switch (reader.number()) {
    case frame_verdict: {
      const std::uint64_t number = reader.number();
      read_verdict(reader);
      if (number > most_cases) throw BadRecord("a case number without sense");
      if (decided(number)) return;
      if (decided_.size() <= number) decided_.resize(static_cast<std::size_t>(number + 1 + number / 2));
      decided_[static_cast<std::size_t>(number)] = true;
      append_text(recorded_, payload);
      return;
    }
    case frame_witness: {
      const std::uint64_t number = reader.number();
      RecordedWitness witness;
      witness.script = reader.text();
      witness.verdict = read_verdict(reader);
      witnesses_[number] = std::move(witness);
      return;
    }
    case frame_elapsed: elapsed_ = std::chrono::milliseconds(reader.number()); return;
    default: return;
  }
}

void Journal::replay(const OnVerdict& on_verdict) const {
  ByteReader all(recorded_);
  while (!all.at_end()) {
    const std::string payload = all.text();
    ByteReader reader(payload);
    reader.number();
    const std::uint64_t number = reader.number();
    const Verdict verdict = read_verdict(reader);
    on_verdict(number, verdict, reader.text());
  }
}

bool Journal::decided(std::uint64_t number) const {
  return number < decided_.size() && decided_[static_cast<std::size_t>(number)];
}

const RecordedWitness* Journal::witness(std::uint64_t number) const {
  const auto found = witnesses_.find(number);
  return found == witnesses_.end() ? nullptr : &found->second;
}

void Journal::add_verdict(std::uint64_t number, const Verdict& verdict, const std::string& last_words) {
  std::string payload;
  append_number(payload, frame_verdict);
  append_number(payload, number);
  append_verdict(payload, verdict);
  append_text(payload, last_words);
  add_frame(payload);
}

void Journal::add_witness(std::uint64_t number, const std::string& script, const Verdict& verdict) {
  std::string payload;
  append_number(payload, frame_witness);
  append_number(payload, number);
  append_text(payload, script);
  append_verdict(payload, verdict);
  add_frame(payload);
}

void Journal::add_elapsed(std::chrono::milliseconds elapsed) {
  std::string payload;
  append_number(payload, frame_elapsed);
  append_number(payload, static_cast<std::uint64_t>(elapsed.count()));
  add_frame(payload);
}

void Journal::add_frame(std::string_view payload) {
  const FrameHead head{payload.size(), hash_of(payload)};
  unwritten_.append(reinterpret_cast<const char*>(&head), sizeof head);
  unwritten_ += payload;
}

void Journal::flush() {
  std::size_t written = 0;
  while (failure_.empty() && written < unwritten_.size()) {
    const ssize_t count = ::write(fd_.get(), unwritten_.data() + written, unwritten_.size() - written);
    if (count > 0) written += static_cast<std::size_t>(count);
    if (count < 0 && errno != EINTR) failure_ = file_.string() + ": cannot be written: " + std::strerror(errno);
  }
  unwritten_.clear();
}

}  // namespace gradproof
