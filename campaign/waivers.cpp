#include "campaign/waivers.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "campaign/engines.h"
#include "campaign/glob.h"
#include "campaign/usage_error.h"
#include "script/near.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uintmax_t most_bytes = 16U << 20U;
constexpr const char* severities[] = {"wrong", "misbehaving", "inaccurate", "crash", "timeout"};

std::string read_text(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) throw UsageError(file.string() + ": no such file of waivers");
  if (fs::file_size(file, error) > most_bytes)
    throw UsageError(file.string() + ": larger than 16 MiB, no list of waivers");
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw UsageError(file.string() + ": cannot be read");
  return text.str();
}

std::size_t line_of(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  return 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
}

// Lines on which the objects in the outermost list begin.
std::vector<std::size_t> lines_of_objects(std::string_view text) {
  std::vector<std::size_t> lines;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (c == '{' && depth == 1) lines.push_back(line_of(text, i));
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return lines;
}

std::string text_in(const Json& value, const std::string& key) {
  if (!value.is_string()) throw std::runtime_error("\"" + key + "\" is no text");
  return value.get<std::string>();
}

void read_key(Waiver& waiver, const std::string& key, const Json& value) {
  if (key == "versions") {
    if (!value.is_array()) throw std::runtime_error("\"versions\" is no list");
    for (const Json& item : value) waiver.versions.push_back(text_in(item, key));
    return;
  }
  struct Field {
    const char* name;
    std::string Waiver::*at;
  };
  static constexpr Field fields[] = {{"operator", &Waiver::operators}, {"property", &Waiver::properties},
                                     {"severity", &Waiver::severity},  {"match", &Waiver::match},
                                     {"reason", &Waiver::reason},      {"source", &Waiver::source}};
  for (const Field& field : fields) {
    if (key == field.name) {
      waiver.*field.at = text_in(value, key);
      return;
    }
  }
  NearWords near(key);
  for (const Field& field : fields) near.offer(field.name);
  near.offer("versions");
  throw std::runtime_error("the key \"" + key + "\" is not known" + near_text(near.best()));
}

Waiver waiver_from(const Json& object) {
  if (!object.is_object()) throw std::runtime_error("a waiver is an object");
  Waiver waiver;
  for (const auto& [key, value] : object.items()) read_key(waiver, key, value);
  if (waiver.operators.empty() || waiver.properties.empty()) {
    throw std::runtime_error("a waiver needs \"operator\" and \"property\" (\"*\" for all)");
  }
  if (waiver.reason.empty() || waiver.source.empty())
    throw std::runtime_error("a waiver needs \"reason\" and \"source\"");
  if (!waiver.severity.empty() &&
      std::find(std::begin(severities), std::end(severities), waiver.severity) == std::end(severities)) {
    throw std::runtime_error("\"severity\" is \"" + waiver.severity +
                             "\"; known: wrong, misbehaving, inaccurate, crash, timeout");
  }
  return waiver;
}

}  // namespace

std::vector<Waiver> read_waivers(const fs::path& file) {
  const std::string text = read_text(file);
  Json list;
  try {
    list = Json::parse(text);
  } catch (const Json::parse_error& error) {
    std::string what = error.what();  // "[json.exception.parse_error.101] parse error at line 3, column 5: …"
    if (const std::size_t colon = what.find(": "); colon != std::string::npos) what.erase(0, colon + 2);
    throw UsageError(file.string() + ":" + std::to_string(line_of(text, error.byte)) + ": no JSON: " + what);
  }
  if (!list.is_array()) throw UsageError(file.string() + ":1: a file of waivers is a list: [{\"operator\": …}, …]");
  const std::vector<std::size_t> lines = lines_of_objects(text);
  std::vector<Waiver> waivers;
  std::size_t objects = 0;
  for (const Json& item : list) {
    const std::size_t line = item.is_object() && objects < lines.size() ? lines[objects++] : 1;
    const std::string place = file.string() + ":" + std::to_string(line);
    try {
      waivers.push_back(waiver_from(item));
    } catch (const std::runtime_error& error) {
      throw UsageError(place + ": waiver " + std::to_string(waivers.size() + 1) + ": " + error.what());
    }
    waivers.back().place = place;
  }
  return waivers;
}

std::optional<fs::path> shipped_waivers(const std::string& engine_family) {
  if (engine_family.find_first_of("/:") != std::string::npos) return {};
  // Beside an installed executable, or above one in the tree it was built in.
  fs::path folder = executable_folder();
  std::vector<fs::path> places{folder.parent_path() / "share" / "gradproof" / "waivers"};
  for (int up = 0; up < 4; ++up, folder = folder.parent_path()) places.push_back(folder / "fixtures" / "waivers");
  for (const fs::path& place : places) {
    std::error_code error;
    const fs::path file = place / (engine_family + ".json");
    if (fs::is_regular_file(file, error)) return file.lexically_normal();
  }
  return {};
}

std::string kind_of(const Verdict& verdict) {
  return verdict.outcome == Outcome::fail ? name_of(verdict.severity) : name_of(verdict.outcome);
}

void Waivers::add(std::vector<Waiver> more) { std::move(more.begin(), more.end(), std::back_inserter(all_)); }

bool Waivers::concerns(const Waiver& waiver) const {
  return waiver.versions.empty() || std::any_of(waiver.versions.begin(), waiver.versions.end(),
                                                [&](const std::string& glob) { return glob_matches(glob, version_); });
}

const Waiver* Waivers::waive(const std::string& operator_id, std::string_view property, const Verdict& verdict) {
  for (Waiver& waiver : all_) {
    const auto contains = [&](const std::string& text) { return text.find(waiver.match) != std::string::npos; };
    const Evidence& evidence = verdict.evidence;
    if (!concerns(waiver) || !glob_matches(waiver.operators, operator_id) ||
        !glob_matches(waiver.properties, property) ||
        (!waiver.severity.empty() && waiver.severity != kind_of(verdict)) ||
        !(contains(verdict.reason) || contains(evidence.what) || contains(evidence.expected) ||
          contains(evidence.got))) {
      continue;
    }
    ++waiver.used;
    return &waiver;
  }
  return nullptr;
}

}  // namespace gradproof
