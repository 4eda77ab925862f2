// What a run has decided, in a file that outlives it: a run that is killed goes on where it was.
//
// Append-only frames, each with its size and a checksum; an end that was cut off is dropped. The first frame tells
// which run it is, and only that run goes on with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "campaign/isolation/processes.h"
#include "campaign/plan.h"
#include "oracle/verdict.h"

namespace gradproof {

// Names and values in which two runs must agree to be one: {"engine", "libtorch@2.11.0"}, {"seed", "0x7c41"}.
using RunIdentity = std::vector<std::pair<std::string, std::string>>;

// Pairs and dtypes of a plan as a number: case n is the same where it is.
std::uint64_t fingerprint_of(const Plan& plan);

struct RecordedWitness {
  std::string script{};
  Verdict verdict{};
};

class Journal {
 public:
  // A value of the run recorded there; nullopt where there is no file, or an empty one. Throws UsageError.
  static std::optional<std::string> recorded(const std::filesystem::path& file, std::string_view name);

  // Makes the file, or goes on with it. Throws UsageError: another run's, in use by another process, no journal,
  // not to be written.
  Journal(std::filesystem::path file, const RunIdentity& identity);

  // What was recorded when it was opened.
  using OnVerdict = std::function<void(std::uint64_t number, const Verdict& verdict, const std::string& last_words)>;
  void replay(const OnVerdict& on_verdict) const;
  bool decided(std::uint64_t number) const;
  const RecordedWitness* witness(std::uint64_t number) const;
  std::chrono::milliseconds elapsed() const { return elapsed_; }  // of the runs before

  void add_verdict(std::uint64_t number, const Verdict& verdict, const std::string& last_words);
  void add_witness(std::uint64_t number, const std::string& script, const Verdict& verdict);
  void add_elapsed(std::chrono::milliseconds elapsed);  // since the beginning, the runs before included
  // What was added survives this process from here on.
  void flush();
  // Why it could not be written, from then on nothing was; "" where all is well.
  const std::string& failure() const { return failure_; }

 private:
  void read(const std::string& bytes, const RunIdentity& identity);
  void read_frame(std::string_view payload);
  void add_frame(std::string_view payload);
  [[noreturn]] void refuse(const std::string& why) const;

  std::filesystem::path file_;
  PrivateFd fd_;
  std::string recorded_;  // the frames of verdicts, for replay()
  std::vector<bool> decided_;
  std::map<std::uint64_t, RecordedWitness> witnesses_;
  std::chrono::milliseconds elapsed_{};
  std::string unwritten_;
  std::string failure_;
};

}  // namespace gradproof
