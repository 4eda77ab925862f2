#include "oracle/fills.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "oracle/describe.h"

namespace gradproof {

namespace {

using State = Definedness::State;

// The engine fills memory nobody wrote as long as this lives.
class Filled {
 public:
  explicit Filled(Engine& engine) : engine_(engine) { supported_ = engine.set_fill(fills[0]); }
  Filled(const Filled&) = delete;
  Filled& operator=(const Filled&) = delete;
  ~Filled() { engine_.set_fill(-1); }
  bool supported() const { return supported_; }

 private:
  Engine& engine_;
  bool supported_;
};

struct Runs {
  std::array<Observations, fills.size()> seen;
  std::string memory_fault;
};

void run_each(Engine& engine, PreparedProgram& prepared, const Script& script, Runs& runs) {
  for (std::size_t i = 0; i < fills.size(); ++i) {
    engine.set_fill(fills[i]);
    prepared.run(script.data.data(), runs.seen[i]);
    std::string fault = engine.memory_fault();
    if (runs.memory_fault.empty()) runs.memory_fault = std::move(fault);
  }
}

bool same_form(const gp_observation& a, const gp_observation& b) {
  if (a.step != b.step || a.status != b.status || a.error != b.error) return false;
  return a.status != GP_VALUE ||
         (a.dtype == b.dtype && a.ndim == b.ndim && std::equal(a.shape, a.shape + a.ndim, b.shape));
}

bool same_element(const Observations& a, const gp_observation& x, const Observations& b, const gp_observation& y,
                  std::uint64_t element) {
  const std::size_t width = size_of(static_cast<gp_dtype>(x.dtype));
  const std::uint8_t* left = a.data.data() + x.data + element * width;
  if (std::equal(left, left + width, b.data.data() + y.data + element * width)) return true;
  // The sign and the payload of a NaN are nobody's.
  return std::isnan(a.element(x, element)) && std::isnan(b.element(y, element));
}

// Where two runs first differ though they must not.
struct Difference {
  std::uint32_t step = 0;
  std::optional<std::uint64_t> element{};  // none: another error, another shape, nothing
  std::size_t run = 0;                     // that differs from the first
};

class Comparison {
 public:
  Comparison(const Runs& runs, const Definedness& definedness) : runs_(runs), definedness_(definedness) {}

  std::optional<Difference> first_difference(FillReport* report = nullptr) const {
    const Observations& first = runs_.seen[0];
    for (std::size_t run = 1; run < fills.size(); ++run) {
      const Observations& other = runs_.seen[run];
      const std::size_t count = std::min(first.items.size(), other.items.size());
      for (std::size_t i = 0; i <= count; ++i) {
        if (i == count && first.items.size() == other.items.size()) break;
        if (i < count && same_form(first.items[i], other.items[i])) continue;
        // What depends on unwritten values may also fail by them.
        if (definedness_.has_sources()) return std::nullopt;
        const Observations& longer = first.items.size() > count ? first : other;
        return Difference{longer.items[i].step, std::nullopt, run};
      }
    }
    for (const gp_observation& item : first.items) {
      if (item.status != GP_VALUE) continue;
      if (const auto found = in_value(item, report)) return found;
    }
    return std::nullopt;
  }

  std::vector<Hazard> hazards() const {
    std::vector<Hazard> found;
    for (const gp_observation& item : runs_.seen[0].items) {
      if (item.status == GP_VALUE && definedness_.any_unwritten(item.step)) found.push_back({item.step, differs(item)});
    }
    return found;
  }

 private:
  bool differs(const gp_observation& item) const {
    const auto at = static_cast<std::size_t>(&item - runs_.seen[0].items.data());
    for (const Observations& other : runs_.seen) {
      if (at >= other.items.size() || !same_form(item, other.items[at])) return true;
    }
    for (std::uint64_t e = 0; e < item.elements; ++e) {
      if (definedness_.at(item.step, e) == State::unwritten && other_run(item, e) != 0) return true;
    }
    return false;
  }
  std::optional<Difference> in_value(const gp_observation& item, FillReport* report) const {
    for (std::uint64_t e = 0; e < item.elements; ++e) {
      const std::size_t run = other_run(item, e);
      const bool same = run == 0;
      switch (definedness_.at(item.step, e)) {
        case State::unknown: break;
        case State::defined:
          if (!same) return Difference{item.step, e, run};
          if (report != nullptr) ++report->same;
          break;
        case State::unwritten:
          if (report != nullptr) ++(same ? report->unwritten_same : report->unwritten_other);
          break;
      }
    }
    return std::nullopt;
  }
  // The first run with another element there; 0 where there is none.
  std::size_t other_run(const gp_observation& item, std::uint64_t element) const {
    const auto at = static_cast<std::size_t>(&item - runs_.seen[0].items.data());
    for (std::size_t run = 1; run < fills.size(); ++run) {
      if (!same_element(runs_.seen[0], item, runs_.seen[run], runs_.seen[run].items[at], element)) return run;
    }
    return 0;
  }

  const Runs& runs_;
  const Definedness& definedness_;
};

// --- the first step whose bits differ ---

struct Watched {
  Script script;
  std::vector<std::uint32_t> origin;  // the original step of each step; of a read put in: the one before
};

// Reads everything a step makes, right after it.
Watched watched(const Script& script) {
  Watched made;
  made.script = script;
  made.script.expectations.clear();
  made.script.steps.clear();
  for (std::uint32_t index = 0; index < script.steps.size(); ++index) {
    const gp_step& step = script.steps[index];
    made.script.steps.push_back(step);
    made.origin.push_back(index);
    if (step.kind == GP_TENSOR) continue;
    for (std::uint32_t i = 0; i < step.result_count; ++i) {
      gp_step read{};
      read.kind = GP_READ;
      read.line = step.line;
      read.first_arg = static_cast<std::uint32_t>(made.script.args.size());
      read.arg_count = 1;
      read.first_result = step.first_result + step.result_count;
      made.script.args.push_back(script.arg(step.first_result + i));
      made.script.steps.push_back(read);
      made.origin.push_back(index);
    }
  }
  return made;
}

// A gradient is what the last sweep before it made of it.
std::uint32_t maker_of(const Script& script, std::uint32_t step) {
  std::uint32_t at = step;
  if (script.steps[at].kind == GP_READ) {
    at = script.step_of(static_cast<ValueId>(script.args_of(script.steps[at])[0].u.index));
  }
  if (script.steps[at].kind != GP_GRAD_OF) return at;
  while (at > 0 && script.steps[at].kind != GP_BACKWARD) --at;
  return at;
}

// The original step that first shows other bits; nothing where reading every step makes the difference go away.
std::optional<std::uint32_t> first_step(Engine& engine, const Script& script, Definedness& definedness) {
  const Watched all = watched(script);
  Runs runs;
  const gp_program program = all.script.view();
  run_each(engine, *engine.prepare(program), all.script, runs);
  definedness.run(all.script);
  const auto found = Comparison(runs, definedness).first_difference();
  definedness.run(script);
  if (!found) return std::nullopt;
  return maker_of(script, all.origin[found->step]);
}

// --- verdicts ---

std::string fill_text(std::size_t run) { return fmt::format("under 0x{:02X}", fills[run]); }

std::string place_text(const Script& script, std::uint32_t step) {
  const std::uint32_t line = script.steps[step].line;
  return "'" + describe_step(script, step) + "'" + (line > 0 ? " (line " + std::to_string(line) + ")" : "");
}

Verdict verdict_on(Engine& engine, const Script& script, const Runs& runs, const Difference& difference,
                   Definedness& definedness) {
  Verdict verdict;
  verdict.outcome = Outcome::fail;
  verdict.severity = Severity::wrong;
  verdict.reason = "a result rests on memory nobody wrote";
  const std::uint32_t first = first_step(engine, script, definedness).value_or(maker_of(script, difference.step));
  Evidence& evidence = verdict.evidence;
  evidence.step = difference.step;
  const Observations& left = runs.seen[0];
  const Observations& right = runs.seen[difference.run];
  evidence.expected = "the same bits whatever lies in memory nobody wrote";
  if (!difference.element) {
    evidence.what = describe_step(script, difference.step);
    evidence.got = "errors, shapes or steps that differ " + fill_text(0) + " and " + fill_text(difference.run);
  } else {
    evidence.what = describe_entry(script, left, difference.step, *difference.element);
    evidence.got = fmt::format("{:.9g} {} and {:.9g} {}", left.element(*left.at(difference.step), *difference.element),
                               fill_text(0), right.element(*right.at(difference.step), *difference.element),
                               fill_text(difference.run));
    ++verdict.entries_outside;
  }
  evidence.got += "; first at " + place_text(script, first);
  return verdict;
}

// Whether two runs under one fill differ as well: then nothing is said of memory.
bool differs_anyway(Engine& engine, PreparedProgram& prepared, const Script& script) {
  engine.set_fill(fills[0]);
  std::array<Observations, 3> again;
  for (Observations& seen : again) prepared.run(script.data.data(), seen);
  engine.memory_fault();
  for (const Observations& seen : again) {
    if (seen.items.size() != again[0].items.size() || seen.data != again[0].data) return true;
    for (std::size_t i = 0; i < seen.items.size(); ++i) {
      if (!same_form(seen.items[i], again[0].items[i])) return true;
    }
  }
  return false;
}

Verdict memory_verdict(const Script& script, const std::string& fault) {
  Verdict verdict;
  verdict.outcome = Outcome::fail;
  verdict.severity = Severity::misbehaving;
  verdict.reason = "memory of nobody's is written to";
  verdict.evidence.what = script.steps.empty() ? "" : "the run";
  verdict.evidence.expected = "writes to its own memory alone";
  verdict.evidence.got = fault;
  return verdict;
}

}  // namespace

FillReport run_under_fills(Engine& engine, const Script& script, Definedness& definedness) {
  FillReport report;
  const gp_program program = script.view();
  const auto prepared = engine.prepare(program);
  const Filled filled(engine);
  report.supported = filled.supported();
  if (!report.supported) {
    definedness.run(script);
    for (std::uint32_t step = 0; step < script.steps.size(); ++step) {
      if (script.steps[step].kind == GP_READ && definedness.any_unwritten(step))
        report.hazards.push_back({step, false});
    }
    return report;
  }
  engine.memory_fault();  // of others before
  Runs runs;
  run_each(engine, *prepared, script, runs);
  definedness.run(script);
  const Comparison comparison(runs, definedness);
  const auto difference = comparison.first_difference(&report);
  report.hazards = comparison.hazards();
  if (!runs.memory_fault.empty()) {
    report.fault = memory_verdict(script, runs.memory_fault);
  } else if (difference && differs_anyway(engine, *prepared, script)) {
    report.fault = Verdict{};
    report.fault->outcome = Outcome::inconclusive;
    report.fault->reason = "results differ from run to run, whatever lies in memory nobody wrote";
  } else if (difference) {
    report.fault = verdict_on(engine, script, runs, *difference, definedness);
    if (difference->element) {
      const auto number = [&](const Observations& seen) {
        return seen.element(*seen.at(difference->step), *difference->element);
      };
      report.difference = {difference->step, *difference->element, number(runs.seen[0]),
                           number(runs.seen[difference->run])};
    }
  }
  return report;
}

std::string describe_hazard(const Script& script, const Hazard& hazard, Definedness& definedness) {
  const std::string sources = describe_sources(script, definedness.sources_of(hazard.step));
  return describe_step(script, hazard.step) + " rests on memory nobody wrote" + (sources.empty() ? "" : ": " + sources);
}

}  // namespace gradproof
