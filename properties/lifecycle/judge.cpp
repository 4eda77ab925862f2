#include "properties/lifecycle/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "oracle/describe.h"
#include "properties/conduct.h"
#include "properties/lifecycle/model.h"

namespace gradproof::lifecycle {

namespace {

using State = Handle::State;

std::string kinds_text(Kinds kinds) {
  if (kinds == any_kind) return "any error";
  std::string text;
  for (int kind = GP_GRAPH_FREED; kind <= GP_OTHER; ++kind) {
    if ((kinds & (1U << static_cast<unsigned>(kind))) == 0) continue;
    text += (text.empty() ? "error " : " or ") + std::string(name_of(static_cast<gp_error_kind>(kind)));
  }
  return text.empty() ? "no error" : text;
}

std::string error_text(const Observations& seen, const gp_observation& item) {
  return std::string(name_of(static_cast<gp_error_kind>(item.error))) + ": " + std::string(seen.text_of(item));
}

bool vanishes(const Observations& seen, const gp_observation& item) {
  for (std::uint64_t i = 0; i < item.elements; ++i) {
    if (seen.element(item, i) != 0) return false;
  }
  return true;
}

class Sequence {
 public:
  Sequence(Session& session, const Script& script, const Observations& seen, const Terms& terms)
      : session_(session), script_(script), seen_(seen), model_(session.engine().info()) {
    model_.start(script, true, terms.strict);
  }

  Verdict judge() {
    for (const gp_observation& item : seen_.items) {
      if (script_.steps[item.step].kind != GP_READ || item.status != GP_VALUE) continue;
      model_.know_shape(value_read(script_, item.step), {item.shape, item.ndim});
    }
    if (!errors() || !states() || !memory() || !unchanged() || !writes()) return verdict_;
    return values();
  }

 private:
  bool found(Verdict verdict) {
    verdict_ = std::move(verdict);
    return false;
  }
  bool wrong(std::uint32_t step, std::string what, std::string expected, std::string got) {
    found(misbehaves(step, std::move(what), std::move(expected), std::move(got)));
    verdict_.severity = Severity::wrong;
    return false;
  }

  // Runs the model beside what was seen.
  bool errors() {
    std::size_t next = 0;
    for (std::uint32_t step = 0; step < script_.steps.size(); ++step) {
      while (next < seen_.items.size() && seen_.items[next].step < step) ++next;
      const bool observed = next < seen_.items.size() && seen_.items[next].step == step;
      const gp_observation* item = observed ? &seen_.items[next] : nullptr;
      Answer answer;
      answer.failed = item != nullptr && item->status == GP_ERROR;
      if (answer.failed) answer.kind = static_cast<gp_error_kind>(item->error);
      if (answer.kind == GP_UNSUPPORTED || answer.kind == GP_UNKNOWN_OPERATOR) {
        verdict_.outcome = Outcome::unsupported;
        verdict_.reason = error_text(seen_, *item);
        return false;
      }
      const Forecast forecast = model_.step(step, &answer);
      if (!forecast.runs) continue;
      if (!answer.failed && forecast.must != 0) {
        return found(misbehaves(step, "an error was not raised", kinds_text(forecast.must), "no error"));
      }
      if (!answer.failed || forecast.admits(answer.kind)) continue;
      const bool other = forecast.must != 0;
      return found(misbehaves(step, other ? "another error" : "an error where there is none",
                              kinds_text(forecast.must | forecast.may), error_text(seen_, *item)));
    }
    return true;
  }

  // What is there and what is not.
  bool states() {
    for (const Model::Reading& reading : model_.readings()) {
      const gp_observation* item = seen_.at(reading.step);
      if (item == nullptr) return found(misbehaves(reading.step, "a value was not observed", "a value", "nothing"));
      if (item->status == GP_ERROR) {
        return found(misbehaves(reading.step, "an error where there is none", "no error", error_text(seen_, *item)));
      }
      const bool skipped = reading.state == State::missing || reading.state == State::dropped;
      if (skipped != (item->status == GP_SKIPPED)) {
        return found(misbehaves(reading.step, "a value is missing", skipped ? "nothing" : "a value",
                                skipped ? "a value" : "nothing"));
      }
      // No gradient and a gradient of zeros say the same.
      if (reading.state == State::undefined && item->status == GP_VALUE && !vanishes(seen_, *item)) {
        return wrong(reading.step, "a gradient where there is none", "undefined", "a value");
      }
    }
    return true;
  }

  const gp_observation* located(const Model::Reading& reading) const {
    if (!reading.located) return nullptr;
    const gp_observation* item = seen_.at(reading.step);
    const bool known = item != nullptr && item->status == GP_VALUE && item->storage != 0 && item->elements > 0;
    return known ? item : nullptr;
  }

  // Whether the two lived at one time: an address may be used again.
  bool together(const Model::Reading& a, const Model::Reading& b) const {
    return model_.dropped_at(a.value) > b.step && model_.dropped_at(b.value) > a.step;
  }

  bool memory() {
    const auto& readings = model_.readings();
    for (std::size_t i = 0; i < readings.size(); ++i) {
      const gp_observation* one = located(readings[i]);
      if (one == nullptr) continue;
      for (std::size_t j = 0; j < i; ++j) {
        const gp_observation* other = located(readings[j]);
        if (other == nullptr || !together(readings[i], readings[j])) continue;
        const bool expected = readings[i].storage == readings[j].storage;
        if (expected == (one->storage == other->storage)) continue;
        const std::string name = describe_step(script_, readings[j].step);
        const std::string is = expected ? "does not share memory with " : "shares memory with ";
        const std::string should = expected ? "the memory of " + name : "memory of its own";
        const std::string what = fmt::format("{}{}{}", subject(readings[i].step), is, subject_of(readings[j].step));
        return found(misbehaves(readings[i].step, what, should,
                                fmt::format("{} {}{}", describe_step(script_, readings[i].step), is, name)));
      }
    }
    return true;
  }
  bool is_gradient(std::uint32_t step) const {
    return owner_of_gradient(script_, value_read(script_, step)).has_value();
  }
  std::string subject(std::uint32_t step) const { return is_gradient(step) ? "a gradient " : "a tensor "; }
  std::string subject_of(std::uint32_t step) const {
    return is_gradient(step) ? "another gradient" : script_.name(value_read(script_, step));
  }

  // Between two readings of one memory: as many more as it was written to. Engines that never count show 0.
  bool writes() {
    const bool counts = std::any_of(seen_.items.begin(), seen_.items.end(),
                                    [](const gp_observation& item) { return item.version != 0; });
    if (!counts) return true;
    const auto& readings = model_.readings();
    for (std::size_t i = 0; i < readings.size(); ++i) {
      // How an engine adds to a gradient is its own business.
      const gp_observation* now = readings[i].counted ? located(readings[i]) : nullptr;
      if (now == nullptr || is_gradient(readings[i].step)) continue;
      for (std::size_t j = i; j-- > 0;) {
        const gp_observation* before = readings[j].counted ? located(readings[j]) : nullptr;
        if (before == nullptr || readings[j].storage != readings[i].storage) continue;
        const std::uint64_t expected = before->version + (readings[i].writes - readings[j].writes);
        if (now->version == expected) break;
        return found(misbehaves(readings[i].step, "writes in place are counted wrongly",
                                fmt::format("version {} of {}", expected, describe_step(script_, readings[i].step)),
                                fmt::format("version {}", now->version)));
      }
    }
    return true;
  }

  // What nothing wrote to between two readings has the same bits.
  bool unchanged() {
    const auto& readings = model_.readings();
    for (std::size_t i = 0; i < readings.size(); ++i) {
      if (!readings[i].counted || !readings[i].valued) continue;
      const gp_observation* now = seen_.at(readings[i].step);
      for (std::size_t j = i; j-- > 0;) {
        if (readings[j].value != readings[i].value) continue;
        const gp_observation* before = seen_.at(readings[j].step);
        const bool comparable = readings[j].counted && readings[j].writes == readings[i].writes && now != nullptr &&
                                before != nullptr && now->status == GP_VALUE && before->status == GP_VALUE;
        if (!comparable || same_bits(seen_, *before, *now)) break;
        const std::string name = describe_step(script_, readings[i].step);
        return found(
            misbehaves(readings[i].step, "nothing wrote to " + name + ", and it changed", "as before", "other bits"));
      }
    }
    return true;
  }

  Verdict values() {
    Observations pure;
    std::vector<std::uint32_t> origin(model_.pure().script().steps.size(), 0);
    const auto take = [&](std::uint32_t step, std::uint32_t pure_step) {
      const gp_observation* item = seen_.at(step);
      if (item == nullptr) return;
      pure.items.push_back(*item);
      pure.items.back().step = pure_step;
      origin[pure_step] = step;
    };
    for (const auto& [step, pure_step] : model_.doubtful_calls()) take(step, pure_step);
    for (const Model::Reading& reading : model_.readings()) {
      if (reading.valued) take(reading.step, reading.pure_step);
    }
    std::sort(pure.items.begin(), pure.items.end(),
              [](const gp_observation& a, const gp_observation& b) { return a.step < b.step; });
    pure.data = seen_.data;
    pure.text = seen_.text;
    Verdict verdict = but_for_digits(session_.judge().judge(model_.pure().script(), pure));
    if (verdict.outcome != Outcome::fail) return verdict;
    Evidence& evidence = verdict.evidence;
    if (evidence.step >= origin.size() || origin[evidence.step] == 0) {
      // A sweep that the reference cannot make of an operator it has no derivative of decides nothing.
      const bool ours = verdict.reason == "an error was not raised";
      verdict.outcome = ours ? Outcome::inconclusive : Outcome::internal_error;
      verdict.severity = Severity::none;
      verdict.reason = "the pure program fails: " + evidence.what + ": " + evidence.got + ", " + verdict.reason;
      return verdict;
    }
    const std::size_t place = evidence.what.find('[');
    evidence.step = origin[evidence.step];
    evidence.what =
        describe_step(script_, evidence.step) + (place == std::string::npos ? "" : evidence.what.substr(place));
    return verdict;
  }

  Session& session_;
  const Script& script_;
  const Observations& seen_;
  Model model_;
  Verdict verdict_{};
};

}  // namespace

Verdict judge_sequence(Session& session, const Script& script, const Terms& terms) {
  const Observations& seen = session.observe(script);
  return Sequence(session, script, seen, terms).judge();
}

}  // namespace gradproof::lifecycle
