// Failures somebody has looked at and accepted: counted apart, never silently.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "oracle/verdict.h"

namespace gradproof {

struct Waiver {
  std::string operators{};              // glob of operator ids
  std::string properties{};             // glob of property ids
  std::vector<std::string> versions{};  // globs of the engine's version; empty: all
  std::string severity{};               // "wrong", "misbehaving", "inaccurate", "crash", "timeout"; "": any
  std::string match{};                  // text that the reason or the evidence must contain; "": any
  std::string reason{};
  std::string source{};
  std::string place{};   // "file:line"
  bool shipped = false;  // comes with gradproof, not from the user
  std::uint64_t used = 0;
};

// A list of them in JSON. Throws UsageError with file and line.
std::vector<Waiver> read_waivers(const std::filesystem::path& file);

// The file gradproof brings for an engine (fixtures/waivers/FAMILY.json), where there is one.
std::optional<std::filesystem::path> shipped_waivers(const std::string& engine_family);

// "wrong", …; "crash" and "timeout" for these outcomes.
std::string kind_of(const Verdict& verdict);

class Waivers {
 public:
  explicit Waivers(std::string engine_version) : version_(std::move(engine_version)) {}
  void add(std::vector<Waiver> more);
  // The first that accepts the failure, counted as used; nullptr.
  const Waiver* waive(const std::string& operator_id, std::string_view property, const Verdict& verdict);
  const std::vector<Waiver>& all() const { return all_; }
  // A waiver for another version of the engine is not expected to be of use.
  bool concerns(const Waiver& waiver) const;

 private:
  std::string version_;
  std::vector<Waiver> all_;
};

}  // namespace gradproof
