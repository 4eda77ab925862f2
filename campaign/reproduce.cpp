#include "campaign/reproduce.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "campaign/look.h"
#include "campaign/verdict_codec.h"
#include "oracle/judge.h"
#include "script/number.h"
#include "script/parse.h"

namespace gradproof {
namespace {

constexpr std::uint64_t most_elements_told = 8;
constexpr std::chrono::milliseconds time_for_all{30'000};

// As many digits as the radius leaves, and one.
std::string ball_text(const Judge::Ball64& ball) {
  if (ball.rad == 0 || std::isnan(ball.mid)) return fmt::format("{}", static_cast<double>(ball.mid));
  const long double ratio = std::fabs(ball.mid) / ball.rad;
  const int digits = ratio > 1 ? std::clamp(static_cast<int>(std::ceil(std::log10(ratio))) + 1, 2, 19) : 1;
  return fmt::format("{:.{}g} ± {:.1e}", ball.mid, digits, static_cast<double>(ball.rad));
}

// The outputs and seeds of a script's sweeps.
struct Seeds {
  std::vector<std::uint32_t> sweeps{};  // one for each pair of glances: an output, its seed
  std::vector<Glance> glances{};
};

Seeds seeds_of(const Script& script) {
  Seeds all;
  for (std::uint32_t i = 0; i < script.steps.size(); ++i) {
    const gp_step& sweep = script.steps[i];
    if (sweep.kind != GP_BACKWARD && sweep.kind != GP_GRAD) continue;
    const gp_arg& roots = script.args_of(sweep)[0];
    const gp_arg& seeds = script.args_of(sweep)[1];
    for (std::uint32_t k = 0; k < std::min(roots.count, seeds.count); ++k) {
      const ValueId seed = script.ids[seeds.u.index + k];
      if (seed == GP_NO_VALUE) continue;
      all.sweeps.push_back(i);
      all.glances.push_back({i, script.ids[roots.u.index + k]});
      all.glances.push_back({i, seed});
    }
  }
  return all;
}

// Sweeps with a seed of another shape than its output.
std::set<std::uint32_t> expanded(const Seeds& seeds, const Look& looked) {
  std::set<std::uint32_t> out;
  for (std::size_t k = 0; k < seeds.sweeps.size(); ++k) {
    const gp_observation* root = looked.glance(2 * k);
    const gp_observation* seed = looked.glance(2 * k + 1);
    if (root == nullptr || seed == nullptr || root->status != GP_VALUE || seed->status != GP_VALUE) continue;
    if (!std::equal(root->shape, root->shape + root->ndim, seed->shape, seed->shape + seed->ndim))
      out.insert(seeds.sweeps[k]);
  }
  return out;
}

std::string numbers_text(const std::vector<std::string>& numbers, std::uint64_t elements) {
  std::string text;
  for (const std::string& number : numbers) text += (text.empty() ? "" : ", ") + number;
  if (numbers.size() < elements) text += ", …";
  return elements == 1 ? text : "[" + text + "]";
}

std::string value_text(Judge& judge, std::uint32_t step, const gp_observation& item, const Observations& seen) {
  std::vector<std::string> numbers;
  bool exact = true;
  const bool real = is_floating(static_cast<gp_dtype>(item.dtype));
  for (std::uint64_t i = 0; i < std::min(item.elements, most_elements_told); ++i) {
    const Judge::Ball64 ball =
        real ? judge.enclosure(step, i) : Judge::Ball64{static_cast<long double>(seen.element(item, i)), 0};
    if (std::isinf(ball.rad)) return "anything";
    exact = exact && ball.rad == 0;
    numbers.push_back(ball_text(ball));
  }
  return numbers_text(numbers, item.elements) + (exact && item.elements > 0 ? " exactly" : "");
}

// Digits as they are written, exact numbers in decimals.
std::string expectation_text(const Expectation& expectation) {
  const bool exact = expectation.kind == Expectation::Kind::exact;
  std::vector<std::string> numbers = expectation.numbers;
  for (std::string& number : numbers) {
    const auto value = parse_real<double>(number);
    if (exact && value && !is_integer_text(number)) number = fmt::format("{}", *value);
  }
  return numbers_text(numbers, numbers.size()) + (exact ? " exactly" : "");
}

void own_expectations(const Script& script, ReproducerFacts& facts) {
  for (const Expectation& expectation : script.expectations) {
    std::string& text = facts.expected[expectation.step];
    switch (expectation.kind) {
      case Expectation::Kind::exact:
      case Expectation::Kind::digits: text = expectation_text(expectation); break;
      case Expectation::Kind::undefined: text = "no tensor"; break;
      case Expectation::Kind::unwritten: text = "whatever lay in memory nobody wrote"; break;
      case Expectation::Kind::error:
        text = std::string("error ") + name_of(expectation.error);
        facts.may_fail.insert(expectation.step);
        break;
      default: break;
    }
  }
}

bool is_lack(gp_error_kind error) { return error == GP_UNKNOWN_OPERATOR || error == GP_UNSUPPORTED; }

}  // namespace

ReproducerFacts reproducer_facts(const Script& script, const Registry& registry, const EngineInfo& modelled) {
  ReproducerFacts facts;
  const Seeds seeds = seeds_of(script);
  const Look looked = look(script, seeds.glances, registry, modelled);
  Judge judge(registry, modelled);
  judge.run(script);
  bool known = true;
  for (std::uint32_t step = 0; step < script.steps.size(); ++step) {
    const gp_observation* item = looked.step(step);
    const gp_error_kind error = judge.error_at(step);
    // What is not in the reference is not expected to fail; what comes of it is not known.
    known = known && !is_lack(error) && (item == nullptr || !is_lack(static_cast<gp_error_kind>(item->error)));
    if (!known) break;
    if (error != GP_OK) {
      facts.expected[step] = std::string("error ") + name_of(error);
      facts.may_fail.insert(step);
    } else if (item != nullptr && item->status == GP_UNDEFINED_VALUE) {
      facts.expected[step] = "no tensor";
    } else if (item != nullptr && item->status == GP_VALUE) {
      facts.expected[step] = value_text(judge, step, *item, looked.seen);
    }
  }
  for (const std::uint32_t sweep : expanded(seeds, looked)) {
    if (!facts.may_fail.contains(sweep)) facts.expands_seed.insert(sweep);
  }
  own_expectations(script, facts);
  return facts;
}

WitnessProgram program_of(const Script& script, const Schemas& schemas, const ReproducerFacts& facts,
                          ProgramLanguage language) {
  WitnessProgram program;
  program.extension = language == ProgramLanguage::cpp ? ".cpp" : ".py";
  try {
    program.text = reproducer(script, schemas, facts, language);
  } catch (const Inexpressible& error) {
    program.refusal = error.what();
  }
  return program;
}

ScriptReader::Read ScriptReader::read(const std::function<Script(const Schemas&)>& parse_with) {
  if (!all_) {
    try {
      return {parse_with(*own_), own_};
    } catch (const ParseError&) {
      all_ = std::make_unique<Schemas>(merged(*own_, *others_));
    }
  }
  return {parse_with(*all_), all_.get()};
}

namespace {

class ProgramMaker {
 public:
  ProgramMaker(const Plan& plan, const EngineFacts& engine, const HeadOf& head)
      : plan_(plan), reader_(*plan.registry, engine.schemas), head_(head) {}

  // With nothing of what is expected where the reference is not to run.
  std::vector<WitnessProgram> make(const Failure& failure, bool run) {
    std::vector<WitnessProgram> programs;
    const auto [script, schemas] = reader_.text(failure.script);
    ReproducerFacts facts;
    if (run) facts = reproducer_facts(script, *plan_.registry, plan_.info);
    facts.head = head_(failure);
    const Evidence& evidence = failure.verdict.evidence;
    const bool at_step = evidence.step < script.steps.size() && !evidence.what.empty();
    if (at_step && script.steps[evidence.step].kind != GP_READ) {
      facts.may_fail.insert(evidence.step);
      facts.expected.try_emplace(evidence.step, evidence.expected);
    }
    for (const ProgramLanguage language : {ProgramLanguage::cpp, ProgramLanguage::python})
      programs.push_back(program_of(script, *schemas, facts, language));
    return programs;
  }

 private:
  const Plan& plan_;
  ScriptReader reader_;
  const HeadOf& head_;
};

std::string bytes_of(const std::vector<WitnessProgram>& programs) {
  std::string bytes;
  for (const WitnessProgram& program : programs) {
    for (const std::string& text : {program.extension, program.text, program.refusal}) append_text(bytes, text);
  }
  return bytes;
}

std::vector<WitnessProgram> read_programs(std::string_view bytes) {
  ByteReader reader(bytes);
  std::vector<WitnessProgram> programs;
  while (!reader.at_end()) {
    WitnessProgram program;
    for (std::string* text : {&program.extension, &program.text, &program.refusal}) *text = reader.text();
    programs.push_back(std::move(program));
  }
  return programs;
}

}  // namespace

void make_programs(const Plan& plan, const EngineFacts& engine, const CampaignOptions& options, Results& results,
                   const HeadOf& head) {
  std::vector<Failure*> failures = results.failures();
  std::erase_if(failures, [](const Failure* failure) { return failure->script.empty(); });
  const OpenJob open = [&] {
    auto maker = std::make_shared<ProgramMaker>(plan, engine, head);
    return Job([&failures, maker](std::uint64_t number, std::string& record) {
      record = bytes_of(maker->make(*failures[static_cast<std::size_t>(number)], true));
    });
  };
  const auto take = [&](std::uint64_t number, std::string_view record) {
    failures[static_cast<std::size_t>(number)]->programs = read_programs(record);
  };
  IsolateOptions isolate = isolation_of(plan, options);
  isolate.deadline = std::chrono::steady_clock::now() + time_for_all;
  isolate.stop = options.interrupted;
  isolate.children = options.jobs;
  run_isolated(failures.size(), open, {take, [](std::uint64_t, const Death&) {}}, isolate);
  ProgramMaker maker(plan, engine, head);
  for (Failure* failure : failures) {
    if (failure->programs.empty()) failure->programs = maker.make(*failure, false);
  }
}

}  // namespace gradproof
