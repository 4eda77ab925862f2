#include "properties/nested.h"

#include <algorithm>
#include <cmath>

#include "properties/conduct.h"
#include "properties/forward.h"

namespace gradproof {

namespace {

std::string repeated(std::string_view letter, std::size_t count) {
  std::string name;
  for (std::size_t i = 0; i < count; ++i) name += letter;
  return name;
}

class Nest {
 public:
  Nest(Build& build, std::span<const Mode> modes) : build_(build), modes_(modes) {}

  void generate() {
    current_ = build_.apply("y", duals());
    for (const std::size_t root : build_.call.roots()) shapes_.push_back(build_.call.results[root].shape);
    for (std::size_t stage = 0; stage < modes_.size(); ++stage) {
      const bool reverse = modes_[stage] == Mode::reverse;
      if (stage > 1 || (stage > 0 && modes_[0] == Mode::forward)) keep_one();
      name_ += reverse ? "r" : "f";
      if (reverse && stage + 1 == modes_.size()) return last_sweep();
      if (reverse) {
        sweep(stage);
      } else {
        current_ = tangents_of(build_, current_, name_);
      }
      build_.read(current_);
    }
  }

 private:
  bool follows(std::size_t stage, Mode mode) const {
    return std::find(modes_.begin() + static_cast<std::ptrdiff_t>(stage), modes_.end(), mode) != modes_.end();
  }

  // Of derivatives that may be absent one is differentiated further, for an absent one among several spoils the others.
  void keep_one() {
    if (current_.size() < 2) return;
    const auto kept = static_cast<std::size_t>(build_.draw.integer(0, std::ssize(current_) - 1));
    current_ = {current_[kept]};
    shapes_ = {shapes_[kept]};
  }

  // Of every tensor that requires a gradient one for each forward mode; over another one, of all tensors.
  std::vector<ValueId> duals() {
    std::vector<ValueId> instead(build_.call.tensors);
    const auto levels = static_cast<std::size_t>(std::count(modes_.begin(), modes_.end(), Mode::forward));
    const bool differentiated = follows(0, Mode::reverse);
    // A view of the primal must be one of the tangent too.
    build_.draw.keep_contiguous(is_view(build_.subject));
    std::size_t number = 0;
    for (std::size_t i = 0; i < instead.size() && levels > 0; ++i) {
      if (levels == 1 && !requires_grad(build_.script, instead[i])) continue;
      for (std::size_t level = 1; level <= levels; ++level) {
        const TensorSpec spec = build_.spec(build_.call.shapes[i], differentiated);
        const ValueId v =
            build_.draw.seed(build_.script, spec, build_.draw.seed_kind(), numbered(repeated("v", level), number));
        if (differentiated) with_gradients_.push_back(v);
        instead[i] = build_.script.dual(instead[i], v, numbered(repeated("d", level), number));
      }
      ++number;
    }
    build_.draw.keep_contiguous(false);
    return instead;
  }

  // A seed for each of what is differentiated at that stage.
  std::vector<ValueId> seeds(std::size_t stage) {
    const bool tangent = follows(stage, Mode::forward) && build_.draw.percent(60);
    const bool gradient = follows(stage + 1, Mode::reverse);
    const SeedKind kind = build_.draw.seed_kind();
    std::vector<ValueId> made;
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
      const std::string name = numbered(repeated("u", stage + 1), i);
      const ValueId u = build_.draw.seed(build_.script, build_.spec(shapes_[i], gradient), kind, name);
      if (gradient) with_gradients_.push_back(u);
      made.push_back(u);
      if (!tangent) continue;
      const TensorSpec spec = build_.spec(shapes_[i], gradient);
      const ValueId t = build_.draw.seed(build_.script, spec, build_.draw.seed_kind(), "t" + name);
      if (gradient) with_gradients_.push_back(t);
      made.back() = build_.script.dual(u, t, "d" + name);
    }
    return made;
  }

  void sweep(std::size_t stage) {
    const bool graph = follows(stage + 1, Mode::reverse) || build_.draw.percent(50);
    unsigned flags = graph ? GP_CREATE_GRAPH : 0;
    if (stage > 0) flags |= GP_ALLOW_UNUSED;
    const std::vector<ValueId> u = seeds(stage);
    current_ = build_.gradients(current_, u, name_, flags);
    shapes_.clear();
    for (const ValueId leaf : build_.call.leaves) shapes_.push_back(build_.shape_of(leaf));
  }

  // The gradient of <what there is, u>, of everything that takes part.
  void last_sweep() {
    const std::vector<ValueId> u = seeds(modes_.size() - 1);
    // What may be absent cannot be multiplied.
    const bool there = modes_.size() == 2 && modes_[0] == Mode::reverse;
    if (there && current_.size() == 1 && build_.draw.percent(40)) {
      const ValueId loss = build_.sum(build_.mul(current_[0], u[0]), "loss");
      build_.script.backward({&loss, 1}, {});
    } else {
      build_.script.backward(current_, u);
    }
    build_.read_gradients();
    for (const ValueId value : with_gradients_) build_.script.read(build_.script.grad_of(value));
  }

  Build& build_;
  std::span<const Mode> modes_;
  std::vector<ValueId> current_{};
  std::vector<std::vector<Index>> shapes_{};
  std::vector<ValueId> with_gradients_{};  // seeds and tangents
  std::string name_ = "D";
};

// A sweep of what has no graph is refused so.
bool of_nothing(int kind) { return kind == GP_NO_GRAD_REQUIRED || kind == GP_UNDEFINED || kind == GP_UNUSED_INPUT; }

// Behind the steps that read what a step makes, right after it.
std::uint32_t end_of_reads(const Script& script, std::uint32_t step) {
  std::uint32_t end = step + 1;
  while (end < script.steps.size() && (script.steps[end].kind == GP_READ || script.steps[end].kind == GP_GRAD_OF))
    ++end;
  return end;
}

bool reads_result_of(const Script& script, std::uint32_t step, std::uint32_t sweep) {
  return script.steps[step].kind == GP_READ && script.step_of(value_read(script, step)) == sweep;
}

// The first sweep, or look at a tangent, that one refused and the other did not, or for another reason.
std::optional<std::uint32_t> refused_by_one(Session& session, const Script& script, const Observations& seen) {
  for (std::uint32_t step = 0; step < script.steps.size(); ++step) {
    if (!is_sweep(script, step) && script.steps[step].kind != GP_JVP) continue;
    const gp_observation* item = seen.at(step);
    const auto got = item != nullptr && item->status == GP_ERROR ? static_cast<gp_error_kind>(item->error) : GP_OK;
    if (session.judge().error_at(step) != got) return step;
  }
  return std::nullopt;
}

// Whether an infinity or NaN was seen until that step: at a pole 0 times a derivative need not be 0.
bool beyond_numbers(const Script& script, const Observations& seen, std::uint32_t until) {
  return std::any_of(seen.items.begin(), seen.items.end(), [&](const gp_observation& item) {
    if (item.step >= until || item.status != GP_VALUE || script.steps[item.step].kind != GP_READ) return false;
    for (std::uint64_t i = 0; i < item.elements; ++i) {
      if (!std::isfinite(seen.element(item, i))) return true;
    }
    return false;
  });
}

// Zeros; at a pole NaN and infinities, too.
bool says_nothing(const Observations& seen, const gp_observation& item, bool no_numbers) {
  for (std::uint64_t i = 0; i < item.elements; ++i) {
    const double element = seen.element(item, i);
    if (element != 0 && (std::isfinite(element) || !no_numbers)) return false;
  }
  return true;
}

// The script until the sweep, or the look at a tangent, that one of both refused, with what there would be to see of a
// derivative that vanishes; nothing where the refusal is another matter.
std::optional<Adjusted> until_refused(const Script& script, const Observations& seen, std::uint32_t sweep,
                                      gp_error_kind expected) {
  const gp_observation* item = seen.at(sweep);
  const bool by_engine = item != nullptr && item->status == GP_ERROR;
  if (by_engine ? !of_nothing(item->error) : !of_nothing(expected)) return std::nullopt;
  const std::uint32_t end = end_of_reads(script, sweep);
  Adjusted until(script, seen);
  until.script.steps.resize(end);
  std::erase_if(until.seen.items, [&](const gp_observation& one) { return one.step == sweep || one.step >= end; });
  if (by_engine && of_nothing(expected)) {
    until.leave_out(sweep);  // both refused, in other words
    return until;
  }
  if (by_engine) {
    for (gp_observation& one : until.seen.items) {
      if (one.status == GP_SKIPPED && reads_result_of(script, one.step, sweep)) one.status = GP_UNDEFINED_VALUE;
    }
    return until;
  }
  // The reference made nothing: what the engine made must be zeros, which nobody need look at any more.
  until.leave_out(sweep);
  const bool no_numbers = beyond_numbers(script, seen, sweep);
  for (std::uint32_t step = sweep + 1; step < end; ++step) {
    const gp_observation* made = script.steps[step].kind == GP_READ ? seen.at(step) : nullptr;
    if (made == nullptr) continue;
    const bool result = reads_result_of(script, step, sweep);
    const bool value = made->status == GP_VALUE;
    if (value ? says_nothing(seen, *made, no_numbers) : result) {
      until.leave_out(step);
    } else if (result) {
      return std::nullopt;
    }
  }
  return until;
}

}  // namespace

std::vector<Mode> draw_modes(const Subject& subject, RandomDraw& draw, std::size_t order) {
  const bool forward = subject.engine == nullptr || subject.engine->forward_mode;
  const bool nested = subject.engine == nullptr || subject.engine->nested_forward_mode;
  std::vector<Mode> modes(order, Mode::reverse);
  if (!forward) return modes;
  if (nested) {
    for (Mode& mode : modes) mode = draw.percent(50) ? Mode::forward : Mode::reverse;
    return modes;
  }
  const auto at = static_cast<std::size_t>(draw.integer(0, static_cast<Index>(order)));
  if (at < order) modes[at] = Mode::forward;
  return modes;
}

void differentiate(Build& build, std::span<const Mode> modes) { Nest(build, modes).generate(); }

Verdict judge_nested(Session& session, const Script& script) {
  const Observations& seen = session.observe(script);
  Verdict verdict = session.judge().judge(script, seen);
  if (verdict.outcome != Outcome::fail) return verdict;
  // By the defining formulas, for with others a derivative that vanishes may have a graph.
  session.judge().run(script);
  const std::optional<std::uint32_t> step = refused_by_one(session, script, seen);
  if (!step) return verdict;
  const std::optional<Adjusted> until = until_refused(script, seen, *step, session.judge().error_at(*step));
  return until ? session.judge().judge(until->script, until->seen) : verdict;
}

}  // namespace gradproof
