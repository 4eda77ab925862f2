#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "campaign/engines.h"
#include "campaign/plan.h"
#include "cli/commands.h"
#include "engine/reference.h"
#include "report/text.h"

namespace gradproof {
namespace {

using Json = nlohmann::ordered_json;

std::string bound(double value) {
  if (std::isinf(value)) return value > 0 ? "∞" : "-∞";
  return short_number(value);
}

std::string interval(const Domain& domain) {
  if (std::isinf(domain.low) && std::isinf(domain.high)) return "ℝ";
  const bool left_open = domain.low_open || std::isinf(domain.low);
  const bool right_open = domain.high_open || std::isinf(domain.high);
  return std::string(left_open ? "(" : "[") + bound(domain.low) + ", " + bound(domain.high) + (right_open ? ")" : "]");
}

std::string domains(const Entry& entry) {
  std::string text;
  for (const Domain& domain : entry.record.domain) text += (text.empty() ? "" : " × ") + interval(domain);
  return text.empty() ? "ℝ" : text;
}

// "0", or "0 (2nd)" where it is not the first argument's.
std::string landmarks(const std::vector<Landmark>& marks, bool ties) {
  std::string text;
  for (const Landmark& mark : marks) {
    text += (text.empty() ? "" : ", ") + short_number(mark.at);
    if (mark.arg > 0) text += " (argument " + std::to_string(mark.arg + 1) + ")";
  }
  if (ties) text += text.empty() ? "ties" : ", ties";
  return text.empty() ? "–" : text;
}

// Those that apply, and why the others do not.
void add_properties(Json& json, const Entry& entry) {
  static const EngineInfo info = reference_info();
  json["properties"] = Json::array();
  json["not_applicable"] = Json::object();
  for (const Property* property : all_properties()) {
    const std::string why(property->not_applicable({&Registry::standard(), &entry, GP_F32, GP_CPU, &info}));
    if (why.empty()) {
      json["properties"].push_back(property->id());
    } else {
      json["not_applicable"][std::string(property->id())] = why;
    }
  }
}

Json landmarks_json(const std::vector<Landmark>& marks) {
  Json list = Json::array();
  for (const Landmark& mark : marks) list.push_back({{"argument", mark.arg}, {"at", mark.at}});
  return list;
}

Json operator_json(const Entry& entry) {
  Json json;
  json["id"] = entry.id();
  json["schema"] = entry.schema.text;
  json["domain"] = domains(entry);
  json["kinks"] = landmarks_json(entry.record.kinks);
  json["jumps"] = landmarks_json(entry.record.jumps);
  json["special"] = landmarks_json(entry.record.special);
  json["ties_matter"] = entry.record.ties_matter;
  json["source"] = entry.record.source;
  json["note"] = entry.record.note;
  add_properties(json, entry);
  return json;
}

}  // namespace

int list_operators(const Options& options) {
  const auto entries = select_operators(Registry::standard(), options.operators);
  if (options.as_json) {
    Json list = Json::array();
    for (const Entry* entry : entries) list.push_back(operator_json(*entry));
    std::fputs((list.dump(2) + "\n").c_str(), stdout);
    return exit_pass;
  }
  std::size_t widest = 8;
  for (const Entry* entry : entries) widest = std::max(widest, entry->id().size());
  const TextStyle style = TextStyle::of(stdout);
  std::string text = painted(padded("operator", widest) + "  domain", Paint::bold, style) + "\n";
  for (const Entry* entry : entries) {
    text += padded(entry->id(), widest) + "  " + domains(*entry);
    const std::string kinks = landmarks(entry->record.kinks, entry->record.ties_matter);
    if (kinks != "–") text += painted("  kinks: " + kinks, Paint::faint, style);
    text += "\n";
  }
  std::fputs((text + plural(entries.size(), "operator") + "\n").c_str(), stdout);
  return exit_pass;
}

int list_properties(const Options& options) {
  std::size_t widest = 8;
  const auto properties = select_properties(all_properties(), options.properties);
  for (const Property* property : properties) widest = std::max(widest, property->id().size());
  for (const Property* property : properties) {
    std::fputs((padded(property->id(), widest) + "  " + std::string(property->statement()) + "\n").c_str(), stdout);
  }
  return exit_pass;
}

int list_engines(const Options& options) {
  Json list = Json::array();
  std::string text;
  for (const EngineSource& source : known_engines(EnginePlaces::standard())) {
    if (options.as_json) list.push_back({{"name", source.name}, {"module", source.module}});
    text += source.name + "\n";
  }
  std::fputs(options.as_json ? (list.dump(2) + "\n").c_str() : text.c_str(), stdout);
  return exit_pass;
}

}  // namespace gradproof
