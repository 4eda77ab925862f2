#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "report/report.h"

namespace gradproof {
namespace {

constexpr std::size_t most_causes = 25;
constexpr std::size_t most_lines = 30;
constexpr std::size_t most_names = 12;

// A broken formula is one operator's, whichever properties see it; a broken rule of conduct is the engine's,
// whichever operators show it.
std::string cause_key(const Failure& failure) {
  const bool conduct = failure.verdict.severity == Severity::misbehaving;
  return (conduct ? failure.property : failure.operator_id) + '\n' + kind_of(failure.verdict) + '\n' +
         without_numbers(failure.verdict.reason);
}

std::string excess_text(const Evidence& evidence) {
  if (std::isinf(evidence.excess_radii) || std::isnan(evidence.excess_u)) return "";
  if (evidence.excess_u > 0) return "    " + short_number(evidence.excess_u) + " u outside";
  if (evidence.excess_radii > 0) return "    " + short_number(evidence.excess_radii) + " radii outside";
  return "";
}

std::string indented(const std::string& text, const char* by) {
  std::string out;
  std::size_t from = 0;
  std::size_t lines = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    if (++lines > most_lines) return out + by + "…\n";
    out += by + text.substr(from, end - from) + "\n";
    from = end + 1;
  }
  return out;
}

// What a reader needs not: the head that makes the file replay.
std::string body(const std::string& script) {
  std::size_t from = 0;
  while (from < script.size() && script[from] == '#') from = std::min(script.find('\n', from), script.size() - 1) + 1;
  return script.substr(from);
}

// "abs, acos, … (59)".
std::string names_text(const std::set<std::string>& names) {
  std::string text;
  std::size_t told = 0;
  for (const std::string& name : names) {
    if (told++ == most_names) return text + ", … (" + std::to_string(names.size()) + ")";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::string others_text(const std::vector<const Failure*>& cause) {
  std::set<std::string> properties;
  std::set<std::string> operators;
  std::uint64_t cases = 0;
  for (const Failure* failure : cause) {
    cases += failure->cases;
    if (failure->property != cause.front()->property) properties.insert(failure->property);
    if (failure->operator_id != cause.front()->operator_id) operators.insert(failure->operator_id);
  }
  std::string text;
  for (const auto* names : {&properties, &operators}) {
    if (!names->empty()) text += "  same cause: " + names_text(*names) + "\n";
  }
  return text + "  cases    " + grouped(cases) + "\n";
}

std::string programs_text(const Failure& failure) {
  std::string files;
  std::string text;
  for (const WitnessProgram& program : failure.programs) {
    if (!program.file.empty()) files += "  " + program.file;
    if (!program.refusal.empty()) text += "  no " + program.extension + "   " + program.refusal + "\n";
  }
  return (files.empty() ? "" : "  also as" + files + "\n") + text;
}

std::string failure_text(const CheckReport& report, const std::vector<const Failure*>& cause, const TextStyle& style) {
  const Failure& failure = *cause.front();
  const Evidence& evidence = failure.verdict.evidence;
  std::string text = "\n" + painted("✗ " + failure_title(failure), Paint::bad, style) + "\n";
  text += indented(body(failure.script), "    ");
  if (!evidence.what.empty() && failure.verdict.outcome == Outcome::fail) {
    text += "  " + evidence.what + "   expected " + evidence.expected + "    got " + evidence.got +
            excess_text(evidence) + "\n";
  }
  if (!failure.last_words.empty()) text += "  it said\n" + indented(failure.last_words, "    ");
  text += others_text(cause);
  if (!failure.file.empty())
    text += "  replay   gradproof run " + failure.file + " --engine " + report.plan->engine + "\n";
  return text + programs_text(failure);
}

}  // namespace

std::string failure_title(const Failure& failure) {
  const Verdict& verdict = failure.verdict;
  std::string text = failure.property + " of " + failure.operator_id + " (" + name_of(failure.which.dtype) + ")";
  switch (verdict.outcome) {
    case Outcome::crash: text += " crashes: "; break;
    case Outcome::timeout: text += " hangs: "; break;
    case Outcome::internal_error: text += " could not be judged, an error of gradproof's own: "; break;
    default: text += std::string(" is ") + name_of(verdict.severity) + ": "; break;
  }
  return text + verdict.reason;
}

std::vector<std::vector<const Failure*>> causes_of(const Results& results) {
  std::vector<std::vector<const Failure*>> causes;
  std::map<std::string, std::size_t> at;
  for (const Failure* failure : results.failures()) {
    const auto [found, fresh] = at.try_emplace(cause_key(*failure), causes.size());
    if (fresh) causes.emplace_back();
    causes[found->second].push_back(failure);
  }
  for (auto& cause : causes) {
    std::stable_sort(cause.begin(), cause.end(), [](const Failure* a, const Failure* b) {
      return std::tuple(a->script.empty(), a->script.size()) < std::tuple(b->script.empty(), b->script.size());
    });
  }
  return causes;
}

std::string failures_text(const CheckReport& report, const TextStyle& style) {
  std::string text;
  const auto causes = causes_of(*report.results);
  for (std::size_t i = 0; i < std::min(causes.size(), most_causes); ++i) text += failure_text(report, causes[i], style);
  if (causes.size() > most_causes) {
    text += "\n… and " + plural(causes.size() - most_causes, "cause") + " more, in the reports (--json, --junit)\n";
  }
  return text;
}

// A shipped waiver is of use in a whole run, perhaps not in a part of one.
std::string unused_waivers_text(const CheckReport& report) {
  std::string text;
  for (const Waiver& waiver : report.waivers->all()) {
    if (waiver.used > 0 || !report.waivers->concerns(waiver) || (waiver.shipped && report.partial)) continue;
    text += "unused waiver: " + waiver.operators + " × " + waiver.properties + " (" + waiver.place + ")\n";
  }
  return text;
}

}  // namespace gradproof
