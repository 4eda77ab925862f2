#include <cstdio>

#include "campaign/replay.h"
#include "campaign/usage_error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/values.h"
#include "report/text.h"

namespace gradproof {
namespace {

struct Look {
  const char* mark;
  const char* word;
  Paint paint;
};

Look look_of(FileResult::Outcome outcome) {
  switch (outcome) {
    case FileResult::Outcome::pass: return {"✓", "pass", Paint::good};
    case FileResult::Outcome::fail: return {"✗", "fail", Paint::bad};
    case FileResult::Outcome::undecided: return {"?", "inconclusive", Paint::doubtful};
    case FileResult::Outcome::unsupported: return {"–", "unsupported", Paint::faint};
    case FileResult::Outcome::crash: return {"✗", "crash", Paint::bad};
    case FileResult::Outcome::timeout: return {"✗", "timeout", Paint::bad};
    case FileResult::Outcome::bad_input: return {"!", "cannot be read", Paint::bad};
  }
  return {"!", "unknown", Paint::bad};
}

struct Tally {
  std::uint64_t pass = 0;
  std::uint64_t fail = 0;
  std::uint64_t undecided = 0;
  std::uint64_t bad = 0;
  std::uint64_t checks = 0;

  void add(const FileResult& result) {
    checks += result.checks;
    switch (result.outcome) {
      case FileResult::Outcome::pass: ++pass; break;
      case FileResult::Outcome::bad_input: ++bad; break;
      case FileResult::Outcome::undecided:
      case FileResult::Outcome::unsupported: ++undecided; break;
      default: ++fail; break;
    }
  }
  int exit_code() const {
    if (bad > 0) return exit_usage;
    if (fail > 0) return exit_failure;
    return pass > 0 ? exit_pass : exit_undecided;
  }
};

}  // namespace

int run_scripts(const Options& options) {
  ReplayOptions replay_options;
  replay_options.device = device_from(options.device);
  replay_options.case_limit = duration_from(options.timeout);
  replay_options.interrupted = interrupted;
  replay_options.isolate = isolation_from(options.isolate, options.memory);
  EngineSource source = find_engine(options.engine, places_of(options), replay_options.device);
  if (replay_options.isolate.in_process) source = opened_once(std::move(source));
  const auto files = find_scripts(options.files);
  const TextStyle style = TextStyle::of(stdout);
  Tally tally;
  const auto show = [&](const std::filesystem::path& file, const FileResult& result) {
    tally.add(result);
    const Look look = look_of(result.outcome);
    std::string text = painted(look.mark, look.paint, style) + " " + file.string();
    if (result.outcome != FileResult::Outcome::pass) text += std::string("  ") + look.word + "\n    " + result.text;
    for (const std::string& hazard : result.hazards) text += "\n    " + painted("! ", Paint::doubtful, style) + hazard;
    if (!result.last_words.empty()) text += "\n    it said: " + result.last_words;
    if (!result.note.empty()) text += "\n    note: " + result.note;
    std::fputs((text + "\n").c_str(), stdout);
  };
  bool finished = false;
  try {
    finished = replay(files, source, replay_options, show);
  } catch (const StartError& error) {
    throw UsageError("engine " + source.name + " does not start: " + error.what());
  }
  std::string summary =
      "\n" + plural(files.size(), "script") + " on " + source.name + " · " + grouped(tally.pass) + " pass";
  if (tally.fail > 0) summary += " · " + grouped(tally.fail) + " fail";
  if (tally.undecided > 0) summary += " · " + grouped(tally.undecided) + " not decided";
  if (tally.bad > 0) summary += " · " + grouped(tally.bad) + " cannot be read";
  if (!finished) summary += " · interrupted";
  std::fputs((summary + " · " + plural(tally.checks, "check") + "\n").c_str(), stdout);
  return finished ? tally.exit_code() : exit_interrupted;
}

}  // namespace gradproof
