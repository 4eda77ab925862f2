#include "campaign/replay.h"

#include <algorithm>
#include <memory>

#include "campaign/campaign.h"
#include "campaign/usage_error.h"
#include "campaign/verdict_codec.h"
#include "properties/definedness.h"
#include "properties/property.h"
#include "script/near.h"
#include "script/parse.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;
using FileOutcome = FileResult::Outcome;

FileResult bad_input(std::string text) { return {FileOutcome::bad_input, 0, std::move(text), {}}; }

std::string property_named_in(const Script& script) {
  for (const std::string& comment : script.comments) {
    std::string_view line = comment;
    constexpr std::string_view key = "property:";
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return std::string(line.substr(first, line.find_last_not_of(" \t\r") - first + 1));
  }
  return {};
}

// What the engine put elsewhere; a tensor that it refuses to place is told by its step.
std::string fallback_of(const Script& script, const EngineInfo& engine) {
  if (std::find(engine.devices.begin(), engine.devices.end(), GP_CUDA) != engine.devices.end()) return {};
  const bool pinned = std::any_of(script.tensors.begin(), script.tensors.end(),
                                  [](const gp_tensor& tensor) { return (tensor.flags & GP_PINNED) != 0; });
  return pinned ? "pinned tensors lie in plain memory: no CUDA device" : "";
}

FileOutcome outcome_of(const Verdict& verdict) {
  switch (verdict.outcome) {
    case Outcome::pass: return FileOutcome::pass;
    case Outcome::inconclusive: return FileOutcome::undecided;
    case Outcome::unsupported: return FileOutcome::unsupported;
    default: return FileOutcome::fail;
  }
}

FileOutcome outcome_of(ScriptFinding::Kind kind) {
  switch (kind) {
    case ScriptFinding::Kind::pass: return FileOutcome::pass;
    case ScriptFinding::Kind::inconclusive: return FileOutcome::undecided;
    case ScriptFinding::Kind::unsupported: return FileOutcome::unsupported;
    default: return FileOutcome::fail;
  }
}

std::string text_of(const Verdict& verdict) {
  std::string text = std::string(name_of(verdict.outcome));
  if (verdict.outcome == Outcome::fail) text = name_of(verdict.severity);
  if (!verdict.reason.empty()) text += ": " + verdict.reason;
  const Evidence& evidence = verdict.evidence;
  if (!evidence.what.empty()) text += "; " + evidence.what + " expected " + evidence.expected + ", got " + evidence.got;
  return text;
}

// A failure outweighs everything, what is not known a pass.
void merge(FileResult& result, FileOutcome outcome, const std::string& text) {
  const auto weight = [](FileOutcome of) {
    return of == FileOutcome::fail ? 3 : of == FileOutcome::undecided ? 2 : of == FileOutcome::unsupported ? 1 : 0;
  };
  if (outcome == FileOutcome::pass || outcome == FileOutcome::fail) ++result.checks;
  if (weight(outcome) > weight(result.outcome)) {
    result.outcome = outcome;
    result.text = text;
  }
}

class Replayer {
 public:
  Replayer(const EngineSource& source, const ReplayOptions& options)
      : options_(options), engine_(source.open()), session_(Registry::standard(), *engine_) {}

  FileResult run(const fs::path& file) {
    Script script;
    try {
      script = parse_file(file, schemas_for(file));
    } catch (const ParseError& error) {
      return bad_input(error.what());
    }
    for (gp_tensor& tensor : script.tensors) {
      if (options_.device != GP_CPU) tensor.device = static_cast<std::uint8_t>(options_.device);
    }
    const std::string id = property_named_in(script);
    const Property* property = id.empty() ? nullptr : find_property(id);
    if (!id.empty() && property == nullptr) {
      NearWords near(id);
      for (const Property* known : all_properties()) near.offer(known->id());
      return bad_input(file.string() + ": no property '" + id + "'" + near_text(near.best()));
    }
    const bool reads =
        std::any_of(script.steps.begin(), script.steps.end(), [](const gp_step& step) { return step.kind == GP_READ; });
    if (!reads && script.expectations.empty() && property == nullptr) {
      return bad_input(file.string() + ": nothing to check: it reads nothing, expects nothing and names no property");
    }
    FileResult result;
    result.note = fallback_of(script, engine_->info());
    // First, for here a write beyond its memory does no harm.
    memory(file, script, result);
    if (result.outcome == FileOutcome::fail) return result;
    expectations(file, script, result);
    if (property != nullptr) {
      const Verdict verdict = judge_guarded(*property, session_, script);
      merge(result, outcome_of(verdict), file.string() + ": " + id + " is " + text_of(verdict));
    }
    return result;
  }

 private:
  // What rests on memory nobody wrote is told whatever the script expects; what differs and does not is a failure.
  void memory(const fs::path& file, const Script& script, FileResult& result) {
    const auto place = [&](std::uint32_t step) {
      const std::uint32_t line = script.steps[step].line;
      return file.string() + (line > 0 ? ":" + std::to_string(line) : "") + ": ";
    };
    try {
      const FillReport report = judge_under_fills(session_, script);
      if (report.fault && report.fault->outcome == Outcome::fail)
        merge(result, outcome_of(*report.fault), file.string() + ": " + text_of(*report.fault));
      for (const Hazard& hazard : report.hazards) {
        const char* seen = !report.supported ? ""
                           : hazard.differs  ? "; its bits differ with what lies there"
                                             : "; its bits are the same under every fill tried, by chance or not";
        result.hazards.push_back(place(hazard.step) + describe_hazard(script, hazard, session_.definedness()) + seen);
      }
    } catch (const EngineBroken& error) {
      merge(result, FileOutcome::fail, file.string() + ": the engine's answer is broken: " + error.what());
    }
  }

  // The reference's schemas first, so that a call means the same on every engine; thousands of others only
  // for a script that needs them.
  const Schemas& schemas_for(const fs::path& file) {
    const Schemas& own = Registry::standard().schemas();
    if (all_schemas_) return *all_schemas_;
    try {
      parse_file(file, own);
      return own;
    } catch (const ParseError&) {
      std::vector<std::string> lines;
      for (const auto& [name, overloads] : engine_->schemas().all()) {
        for (const Schema& schema : overloads) lines.push_back(schema.text);
      }
      all_schemas_ = std::make_unique<Schemas>(merged(own, lines));
      return *all_schemas_;
    }
  }

  void expectations(const fs::path& file, const Script& script, FileResult& result) {
    const bool alone = script.expectations.empty() && property_named_in(script).empty();
    if (script.expectations.empty() && !alone) return;
    try {
      const Observations& seen = session_.observe(script);
      if (alone) {
        const Verdict verdict = session_.judge().judge(script, seen);
        return merge(result, outcome_of(verdict), file.string() + ": " + text_of(verdict));
      }
      for (const ScriptFinding& finding : check_expectations(script, seen, session_.judge())) {
        const std::string place = file.string() + (finding.line > 0 ? ":" + std::to_string(finding.line) : "") + ": ";
        merge(result, outcome_of(finding.kind), place + finding.text);
      }
    } catch (const EngineBroken& error) {
      merge(result, FileOutcome::fail, file.string() + ": the engine's answer is broken: " + error.what());
    }
  }

  const ReplayOptions& options_;
  std::unique_ptr<Engine> engine_;
  Session session_;
  std::unique_ptr<Schemas> all_schemas_;
};

}  // namespace

std::vector<fs::path> find_scripts(const std::vector<std::string>& given) {
  std::vector<fs::path> files;
  for (const std::string& name : given) {
    std::error_code error;
    if (!fs::is_directory(name, error)) {
      if (!fs::exists(name, error)) throw UsageError(name + ": no such file or folder");
      files.emplace_back(name);
      continue;
    }
    std::vector<fs::path> found;
    for (fs::recursive_directory_iterator at(name, fs::directory_options::skip_permission_denied, error), end;
         !error && at != end; at.increment(error)) {
      if (at->path().extension() == ".tape" && at->is_regular_file(error)) found.push_back(at->path());
    }
    if (found.empty()) throw UsageError(name + ": holds no *.tape");
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

bool replay(const std::vector<fs::path>& files, const EngineSource& source, const ReplayOptions& options,
            const std::function<void(const fs::path&, const FileResult&)>& on_result) {
  const auto file = [&](std::uint64_t number) -> const fs::path& { return files[static_cast<std::size_t>(number)]; };
  const OpenJob open = [&] {
    auto replayer = std::make_shared<Replayer>(source, options);
    return Job([&file, replayer](std::uint64_t number, std::string& record) {
      const FileResult result = replayer->run(file(number));
      append_number(record, static_cast<std::uint64_t>(result.outcome));
      append_number(record, result.checks);
      append_text(record, result.text);
      append_number(record, result.hazards.size());
      for (const std::string& hazard : result.hazards) append_text(record, hazard);
      append_text(record, result.note);
    });
  };
  const JobListener listener{[&](std::uint64_t number, std::string_view record) {
                               ByteReader reader(record);
                               FileResult result;
                               result.outcome = static_cast<FileOutcome>(reader.number());
                               result.checks = reader.number();
                               result.text = reader.text();
                               for (std::uint64_t left = reader.number(); left > 0; --left) {
                                 result.hazards.push_back(reader.text());
                               }
                               result.note = reader.text();
                               on_result(file(number), result);
                             },
                             [&](std::uint64_t number, const Death& death) {
                               on_result(file(number), {death.timeout ? FileOutcome::timeout : FileOutcome::crash, 0,
                                                        file(number).string() + ": " + death.how, death.last_words});
                             }};
  IsolateOptions isolate = options.isolate;
  if (options.device == GP_CUDA) isolate.open_before_fork = false;
  isolate.job_limit = options.case_limit;
  isolate.stop = options.interrupted;
  return run_isolated(files.size(), open, listener, isolate);
}

}  // namespace gradproof
