#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <set>

#include "build_info.h"
#include "campaign/campaign.h"
#include "campaign/reproduce.h"
#include "campaign/usage_error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/values.h"
#include "report/atomic_file.h"
#include "report/progress.h"
#include "report/report.h"

namespace gradproof {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t default_cases = 100;

std::uint64_t random_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32U | device()) >> 16U;  // short enough to type
}

// "gelu[tanh]" cannot be part of a file's name everywhere.
std::string file_word(const std::string& text) {
  std::string word;
  for (const char c : text) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
    if (plain) word += c;
    if (!plain && !word.empty() && word.back() != '-') word += '-';
  }
  while (!word.empty() && word.back() == '-') word.pop_back();
  return word;
}

// What stands at the top of a failure's programs.
std::vector<std::string> head_of(const Failure& failure, const std::string& engine) {
  std::vector<std::string> head{failure_title(failure)};
  const Evidence& evidence = failure.verdict.evidence;
  if (!evidence.what.empty()) {
    head.push_back(evidence.what + ": expected " + evidence.expected + ", got " + evidence.got);
  }
  head.push_back("found by gradproof " + std::string(build_info::version) + " in " + engine);
  return head;
}

void write_witnesses(Results& results, const fs::path& folder) {
  std::set<std::string> taken;
  for (Failure* failure : results.failures()) {
    if (failure->script.empty()) continue;
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) throw WriteError(folder.string() + ": cannot be made: " + error.message());
    const std::string stem =
        file_word(failure->operator_id) + "-" + failure->property + "-" + name_of(failure->which.dtype);
    std::string name = stem;
    for (int i = 2; !taken.insert(name).second; ++i) name = stem + "-" + std::to_string(i);
    const fs::path file = folder / (name + ".tape");
    write_atomically(file, failure->script);
    failure->file = file.string();
    for (WitnessProgram& program : failure->programs) {
      if (program.text.empty()) continue;
      const fs::path beside = folder / (name + program.extension);
      write_atomically(beside, program.text);
      program.file = beside.string();
    }
  }
}

class Check {
 public:
  explicit Check(const Options& options)
      : options_(options),
        device_(device_from(options.device)),
        fail_on_(fail_on_from(options.fail_on)),
        source_(find_engine(options.engine, places_of(options), device_)),
        folder_(options.out.empty() ? "out" : options.out) {
    selection_ = {options.operators, options.properties, dtypes_from(options.dtypes), device_};
    campaign_.seed = seed();
    campaign_.isolate = isolation_from(options.isolate, options.memory);
    if (campaign_.isolate.in_process) source_ = opened_once(std::move(source_));
    if (!options.time.empty()) campaign_.time = duration_from(options.time);
    campaign_.cases = options.cases;
    if (!campaign_.cases && !campaign_.time) campaign_.cases = default_cases;
    campaign_.case_limit = duration_from(options.timeout);
    campaign_.jobs = options.jobs;
    campaign_.interrupted = interrupted;
  }

  int run() {
    try_out_files();
    // A name that is wrong is told before an engine is loaded.
    select_operators(Registry::standard(), options_.operators);
    select_properties(all_properties(), options_.properties);
    std::vector<Waiver> own;
    for (const std::string& file : options_.waivers) {
      for (Waiver& waiver : read_waivers(file)) own.push_back(std::move(waiver));
    }
    const EngineFacts facts = engine_facts();
    plan_ = make_plan(Registry::standard(), source_.name, facts, selection_, all_properties());
    if (!options_.resume.empty()) campaign_.journal = &journal_.emplace(options_.resume, identity());
    Waivers waivers(facts.info.version);
    waivers.add(std::move(own));
    if (const auto shipped = shipped_waivers(source_.family); shipped && options_.shipped_waivers) {
      std::vector<Waiver> ours = read_waivers(*shipped);
      for (Waiver& waiver : ours) waiver.shipped = true;
      waivers.add(std::move(ours));
    }
    std::fputs(heading(plan_, campaign_.seed, style_).c_str(), stdout);
    std::fputs("\n", stdout);
    std::fflush(stdout);
    return check(waivers, facts);
  }

 private:
  // A run that goes on need not be told its seed again.
  std::uint64_t seed() const {
    if (!options_.seed.empty()) return seed_from(options_.seed);
    const auto recorded = options_.resume.empty() ? std::nullopt : Journal::recorded(options_.resume, "seed");
    return recorded ? seed_from(*recorded) : random_seed();
  }

  // What a verdict depends on; how many cases there are to be is free.
  RunIdentity identity() const {
    const auto list = [](const std::vector<std::string>& globs) {
      std::string text;
      for (const std::string& glob : globs) text += (text.empty() ? "" : ",") + glob;
      return text.empty() ? std::string("all") : text;
    };
    std::string dtypes;
    for (const gp_dtype dtype : plan_.dtypes) dtypes += std::string(dtypes.empty() ? "" : ",") + name_of(dtype);
    return {{"gradproof", std::string(build_info::version) + " (" + build_info::commit + ")"},
            {"engine", plan_.engine},
            {"engine's version", plan_.info.version},
            {"device", options_.device},
            {"dtypes", dtypes},
            {"seed", seed_text(campaign_.seed)},
            {"operators", list(options_.operators)},
            {"properties", list(options_.properties)},
            {"list of cases", std::to_string(fingerprint_of(plan_))},
            {"timeout", options_.timeout},
            {"memory", options_.memory}};
  }

  void try_out_files() {
    try {
      for (const std::string& file : {options_.json, options_.junit}) {
        if (!file.empty()) check_writable(file);
      }
      if (!options_.out.empty()) {
        std::error_code error;
        fs::create_directories(folder_, error);
        if (error) throw WriteError(options_.out + ": cannot be made: " + error.message());
        check_writable(folder_ / "gradproof");
      }
    } catch (const WriteError& error) {
      throw UsageError(error.what());
    }
  }

  EngineFacts engine_facts() const {
    try {
      return facts_of(source_, campaign_.isolate);
    } catch (const StartError& error) {
      throw UsageError("engine " + source_.name + " does not start: " + error.what());
    }
  }

  int check(Waivers& waivers, const EngineFacts& facts) {
    Results results(plan_, waivers);
    ProgressLine line(stderr);
    const OnProgress show = [&line](const CampaignProgress& progress) { line.show(progress); };
    const auto began = std::chrono::steady_clock::now();
    std::string broken;
    try {
      run_cases(plan_, source_, campaign_, results, show);
      make_witnesses(plan_, source_, campaign_, results, show);
      make_programs(plan_, facts, campaign_, results,
                    [this](const Failure& failure) { return head_of(failure, plan_.engine); });
    } catch (const StartError& error) {
      broken = error.what();
    }
    line.clear();
    CheckReport report;
    report.partial = !options_.operators.empty() || !options_.properties.empty();
    report.plan = &plan_;
    report.results = &results;
    report.waivers = &waivers;
    report.seed = campaign_.seed;
    report.cases = campaign_.cases;
    if (campaign_.time) report.time_limit_s = static_cast<double>(campaign_.time->count()) / 1000;
    report.interrupted = interrupted();
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    report.exit_code = broken.empty() ? exit_code(results.total()) : exit_internal;
    return tell(report, results, broken);
  }

  int tell(CheckReport& report, Results& results, const std::string& broken) {
    std::string unwritten;
    const auto write = [&](const std::string& file, const auto& make) {
      if (file.empty()) return;
      try {
        write_atomically(file, make(report));
        report.files.push_back(file);
      } catch (const WriteError& error) {
        unwritten += std::string("gradproof: ") + error.what() + "\n";
      }
    };
    try {
      write_witnesses(results, folder_);
    } catch (const WriteError& error) {
      unwritten = std::string("gradproof: ") + error.what() + "\n";
    }
    if (journal_ && !journal_->failure().empty()) unwritten += "gradproof: " + journal_->failure() + "\n";
    write(options_.json, json_text);
    write(options_.junit, junit_text);
    const std::string text = table_text(report, style_) + "\n" + summary_text(report, style_) +
                             failures_text(report, style_) + unused_waivers_text(report);
    std::fputs(text.c_str(), stdout);
    const Counts total = results.total();
    if (total.planted != total.planted_caught) {
      std::fprintf(stderr, "gradproof: %llu planted wrong values were not caught: its verdicts are not to be trusted\n",
                   static_cast<unsigned long long>(total.planted - total.planted_caught));
    }
    if (!broken.empty()) std::fprintf(stderr, "gradproof: a worker did not start: %s\n", broken.c_str());
    std::fputs(unwritten.c_str(), stderr);
    return unwritten.empty() ? report.exit_code : exit_internal;
  }

  int exit_code(const Counts& total) const {
    if (interrupted()) return exit_interrupted;
    if (total.internal_error > 0 || total.planted != total.planted_caught) return exit_internal;
    const auto fails = [&](const char* kind, std::uint64_t count) { return count > 0 && fail_on_.contains(kind); };
    if (total.crash + total.timeout > 0 || fails("wrong", total.wrong) || fails("misbehaving", total.misbehaving) ||
        fails("inaccurate", total.inaccurate)) {
      return exit_failure;
    }
    return total.decided() > 0 ? exit_pass : exit_undecided;
  }

  const Options& options_;
  gp_device device_;
  std::set<std::string> fail_on_;
  EngineSource source_;
  fs::path folder_;
  Selection selection_;
  CampaignOptions campaign_;
  Plan plan_;
  std::optional<Journal> journal_{};
  TextStyle style_ = TextStyle::of(stdout);
};

}  // namespace

int run_check(const Options& options) { return Check(options).run(); }

int run_fuzz(const Options& options) {
  Options chosen = options;
  if (chosen.properties.empty()) chosen.properties = {"program", "lifecycle*"};
  return run_check(chosen);
}

}  // namespace gradproof
