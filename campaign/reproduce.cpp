#include "campaign/reproduce.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "campaign/verdict_codec.h"
#include "engine/reference.h"
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

// Halves as f32, which have the same shapes: the reference as an engine has no halves.
void widen_halves(Script& script) {
  for (gp_tensor& tensor : script.tensors) {
    const auto dtype = static_cast<gp_dtype>(tensor.dtype);
    if (dtype != GP_F16 && dtype != GP_BF16) continue;
    tensor.dtype = GP_F32;
    if (tensor.memory != GP_GIVEN) continue;
    const std::size_t from = tensor.data;
    tensor.data = (script.data.size() + 7) / 8 * 8;
    script.data.resize(tensor.data + tensor.buffer_elements * sizeof(float));
    for (std::uint64_t i = 0; i < tensor.buffer_elements; ++i) {
      const double value = load_number(dtype, script.data.data() + from + i * size_of(dtype));
      script.set_element(tensor, i, value);
    }
  }
}

// A script that reads its seeds and their outputs too.
class Looking {
 public:
  explicit Looking(const Script& script) : script_(script) {
    looking_.expectations.clear();
    looking_.steps.clear();
    bool in_lane = false;
    for (const gp_step& step : script.steps) {
      if (step.kind == GP_PARALLEL) in_lane = script.args_of(step)[0].u.integer != GP_PARALLEL_END;
      if (!in_lane && (step.kind == GP_BACKWARD || step.kind == GP_GRAD)) look_at_seeds(step);
      now_.push_back(static_cast<std::uint32_t>(looking_.steps.size()));
      looking_.steps.push_back(step);
    }
    widen_halves(looking_);
  }

  void run(const Registry& registry, const EngineInfo& modelled) {
    make_reference(registry, modelled)->prepare(looking_.view())->run(looking_.data.data(), seen_);
  }
  const Observations& seen() const { return seen_; }
  const gp_observation* at(std::uint32_t step) const { return seen_.at(now_[step]); }

  // Sweeps with a seed of another shape than its output, in the script's own numbers.
  std::set<std::uint32_t> expanded() const {
    std::set<std::uint32_t> out;
    for (const Pair& pair : pairs_) {
      const gp_observation* root = seen_.at(pair.root);
      const gp_observation* seed = seen_.at(pair.root + 1);
      if (root == nullptr || seed == nullptr || root->status != GP_VALUE || seed->status != GP_VALUE) continue;
      const bool same = std::equal(root->shape, root->shape + root->ndim, seed->shape, seed->shape + seed->ndim);
      if (!same) out.insert(pair.sweep);
    }
    return out;
  }

 private:
  struct Pair {
    std::uint32_t sweep;
    std::uint32_t root;  // the read of it; that of its seed follows
  };

  void look_at_seeds(const gp_step& sweep) {
    const gp_arg roots = script_.args_of(sweep)[0];
    const gp_arg seeds = script_.args_of(sweep)[1];
    for (std::uint32_t i = 0; i < std::min(roots.count, seeds.count); ++i) {
      const ValueId seed = script_.ids[seeds.u.index + i];
      if (seed == GP_NO_VALUE) continue;
      pairs_.push_back({static_cast<std::uint32_t>(now_.size()), looking_.read(script_.ids[roots.u.index + i])});
      looking_.read(seed);
    }
  }

  const Script& script_;
  Script looking_ = script_;
  std::vector<std::uint32_t> now_{};
  std::vector<Pair> pairs_{};
  Observations seen_{};
};

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
  Looking looking(script);
  looking.run(registry, modelled);
  Judge judge(registry, modelled);
  judge.run(script);
  bool known = true;
  for (std::uint32_t step = 0; step < script.steps.size(); ++step) {
    const gp_observation* item = looking.at(step);
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
      facts.expected[step] = value_text(judge, step, *item, looking.seen());
    }
  }
  for (const std::uint32_t sweep : looking.expanded()) {
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

void make_programs(const Plan& plan, const CampaignOptions& options, Results& results,
                   const std::function<std::vector<std::string>(const Failure&)>& head) {
  const std::vector<Failure*> failures = results.failures();
  const Schemas& schemas = plan.registry->schemas();
  const auto make = [&](Failure& failure, ReproducerFacts facts, const Script& script) {
    facts.head = head(failure);
    const Verdict& verdict = failure.verdict;
    const bool at_step = verdict.evidence.step < script.steps.size() && !verdict.evidence.what.empty();
    if (at_step && script.steps[verdict.evidence.step].kind != GP_READ) {
      facts.may_fail.insert(verdict.evidence.step);
      facts.expected.try_emplace(verdict.evidence.step, verdict.evidence.expected);
    }
    for (const ProgramLanguage language : {ProgramLanguage::cpp, ProgramLanguage::python})
      failure.programs.push_back(program_of(script, schemas, facts, language));
  };
  const OpenJob open = [&] {
    return Job([&](std::uint64_t number, std::string& record) {
      Failure& failure = *failures[static_cast<std::size_t>(number)];
      if (failure.script.empty()) return;
      const Script script = parse(failure.script, schemas);
      make(failure, reproducer_facts(script, *plan.registry, plan.info), script);
      for (const WitnessProgram& program : failure.programs) {
        append_text(record, program.extension);
        append_text(record, program.text);
        append_text(record, program.refusal);
      }
    });
  };
  const auto take = [&](std::uint64_t number, std::string_view record) {
    ByteReader reader(record);
    std::vector<WitnessProgram> programs;
    while (!reader.at_end()) {
      WitnessProgram program;
      program.extension = reader.text();
      program.text = reader.text();
      program.refusal = reader.text();
      programs.push_back(std::move(program));
    }
    failures[static_cast<std::size_t>(number)]->programs = std::move(programs);
  };
  IsolateOptions isolate = isolation_of(plan, options);
  isolate.job_limit = options.case_limit;
  isolate.deadline = std::chrono::steady_clock::now() + time_for_all;
  run_isolated(failures.size(), open, {take, [](std::uint64_t, const Death&) {}}, isolate);
  for (Failure* failure : failures) {
    if (failure->programs.empty() && !failure->script.empty()) make(*failure, {}, parse(failure->script, schemas));
  }
}

}  // namespace gradproof
