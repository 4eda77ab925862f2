#include <algorithm>
#include <numeric>

#include "oracle/compare.h"
#include "properties/all.h"
#include "properties/beside.h"
#include "properties/conduct.h"
#include "properties/wrong_call.h"

namespace gradproof {

namespace {

// The name of the wrong call's results; the valid call's are y, y2, …
constexpr std::string_view wrong_name = "wrong";
constexpr Index most_read = 4096;  // elements of an argument

class Refusal final : public Property {
 public:
  std::string_view id() const override { return "refusal"; }
  std::string_view statement() const override {
    return "a call that is wrong in one way is refused, or gives what the operator's definition says; nothing is "
           "changed by a refusal, and the right call after it is right";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    if (subject.entry->schema.name.starts_with('_')) return "private: its callers have checked the arguments";
    return unmet(subject, {.derivatives = false});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::optional<Call> wrong = draw_wrong_call(build);
    if (wrong) add_wrong(build, *wrong);
    const std::vector<ValueId> y = apply(script, build.call, "y");
    build.read(y);
    if (build.call.leaves.empty() || build.call.roots().empty()) return;
    std::vector<ValueId> roots;
    for (const std::size_t root : build.call.roots()) roots.push_back(y[root]);
    script.backward(roots, build.seeds("u"));
    build.read_gradients();
  }

  Verdict judge(Session& session, const Script& script) const override {
    const std::optional<std::uint32_t> call = wrong_call(script);
    if (!call) return not_decided(Outcome::inconclusive, 0, "no call of it could be made wrong");
    // What the engine does where the wrong call is not made, and has never been made.
    const Adjusted rest = without(script, *call, {});
    const Observations alone = session.observe(rest.script);
    const Observations& seen = session.observe(script);
    session.judge().run(script);
    const gp_error_kind expected = session.judge().error_at(*call);
    const gp_observation* item = seen.at(*call);
    const bool refused = item != nullptr && item->status == GP_ERROR;
    Verdict verdict = refused ? judge_unchanged(script, seen, *call) : Verdict{};
    if (verdict.outcome == Outcome::fail) return verdict;
    if (refused) {
      verdict = judge_refused(session, script, seen, *call, expected);
    } else if (expected != GP_OK) {
      verdict = judge_accepted(session, script, seen, *call, expected);
    } else {
      const Adjusted until = before_the_right_call(script, seen);
      verdict = session.judge().judge(until.script, until.seen);
    }
    if (verdict.outcome == Outcome::fail) return verdict;
    const Verdict after = judge_the_rest(session, script, seen, alone, *call);
    return after.outcome == Outcome::fail || after.outcome == Outcome::internal_error ? after : verdict;
  }

 private:
  // The results, and everything the call takes before and after it.
  static void add_wrong(Build& build, const Call& wrong) {
    Script& script = build.script;
    std::vector<ValueId> taken;
    const auto take = [&](ValueId tensor) {
      const bool known = std::find(taken.begin(), taken.end(), tensor) != taken.end();
      if (tensor == GP_NO_VALUE || known) return;
      // One number seen as a million is one number, but takes as long to tell.
      const gp_tensor& about = script.tensor_of(tensor);
      const auto first = script.ints.begin() + about.shape;
      const Index elements = std::accumulate(first, first + about.ndim, Index{1}, std::multiplies<>());
      if (elements > 0 && elements <= most_read) taken.push_back(tensor);
    };
    for (const gp_arg& arg : wrong.args) {
      if (arg.kind == GP_ARG_VALUE) take(static_cast<ValueId>(arg.u.index));
      for (std::uint32_t i = 0; arg.kind == GP_ARG_VALUES && i < arg.count; ++i) take(script.ids[arg.u.index + i]);
    }
    const bool in_place = can_write(build, wrong) && build.draw.percent(30);
    ValueId written = GP_NO_VALUE;
    if (in_place) {
      written = build.scale(static_cast<ValueId>(wrong.args[0].u.index), 1, "t");
      taken.push_back(written);
    }
    build.read(taken);
    if (in_place) {
      std::vector<gp_arg> args = wrong.args;
      args[0] = script.arg(written);
      const Schema& schema = build.subject.entry->schema;
      build.read({{script.call(script.op(schema.name + "_", schema.overload), args, 1, wrong_name)}});
    } else {
      build.read(apply(script, wrong, wrong_name));
    }
    build.read(taken);
  }

  // Where the result has self's shape, and the engine knows the form.
  static bool can_write(const Build& build, const Call& wrong) {
    if (!has_in_place_form(build.subject) || build.call.results.size() != 1) return false;
    if (wrong.args[0].kind != GP_ARG_VALUE) return false;
    const auto self = static_cast<ValueId>(wrong.args[0].u.index);
    const bool one_of_mine = !build.call.tensors.empty() && self == build.call.tensors.front() &&
                             build.call.shapes.front() == build.call.results.front().shape;
    return one_of_mine && build.call.prepared.empty();
  }

  static std::optional<std::uint32_t> wrong_call(const Script& script) {
    const std::optional<ValueId> result = value_named(script, wrong_name);
    if (!result) return std::nullopt;
    const std::uint32_t step = script.step_of(*result);
    return script.steps[step].kind == GP_CALL ? std::optional(step) : std::nullopt;
  }

  // What was read before the refused call and after it has the same bits.
  static Verdict judge_unchanged(const Script& script, const Observations& seen, std::uint32_t call) {
    for (const gp_observation& before : seen.items) {
      if (before.step > call || script.steps[before.step].kind != GP_READ) continue;
      const ValueId value = value_read(script, before.step);
      for (const gp_observation& after : seen.items) {
        if (after.step < call || script.steps[after.step].kind != GP_READ) continue;
        if (value_read(script, after.step) != value || same_bits(seen, before, after)) continue;
        return misbehaves(after.step, "a refused call changed " + script.name(value), "as before", "other bits");
      }
    }
    return {};
  }

  static bool lacks(gp_error_kind kind) { return kind == GP_UNSUPPORTED || kind == GP_UNKNOWN_OPERATOR; }

  // Who asks for more memory than there is may be told so, or that the argument is bad; who gives none where one is
  // due, that it is undefined.
  static bool tells_of_arguments(gp_error_kind expected, gp_error_kind got) {
    const auto either = [](gp_error_kind kind) { return kind == GP_OUT_OF_MEMORY || kind == GP_UNDEFINED; };
    return either(got) ? same_error(expected, GP_ARGUMENT) || either(expected)
                       : either(expected) && same_error(GP_ARGUMENT, got);
  }

  static Verdict judge_refused(Session& session, const Script& script, const Observations& seen, std::uint32_t call,
                               gp_error_kind expected) {
    const gp_observation& item = *seen.at(call);
    const auto got = static_cast<gp_error_kind>(item.error);
    const std::string text = std::string(name_of(got)) + ": " + std::string(seen.text_of(item));
    if (lacks(got)) return not_decided(Outcome::unsupported, call, text);
    if (lacks(expected)) return not_decided(Outcome::unsupported, call, "not in the reference");
    if (expected != GP_OK) {
      if (same_error(expected, got) || tells_of_arguments(expected, got)) return {};
      return misbehaves(call, "another error", std::string("error ") + name_of(expected), text);
    }
    // Values are no reason to refuse where the definition gives the result, be it NaN or infinity.
    if (numbers_alone_differ(script, call) && !results_open(session, script, call)) {
      return misbehaves(call, "an error where there is none", "no error", text);
    }
    return not_decided(Outcome::inconclusive, call, "refused what the reference computes");
  }

  // An index or a dim out of range names no element. Beyond that the reference's refusal proves nothing by itself, for
  // an engine may define more; what lies beside the arguments in memory is never part of a definition.
  static Verdict judge_accepted(Session& session, const Script& script, const Observations& seen, std::uint32_t call,
                                gp_error_kind expected) {
    if (lacks(expected)) return not_decided(Outcome::unsupported, call, "not in the reference");
    const std::optional<std::uint32_t> differs = reads_beside_arguments(session.engine(), script, seen, call);
    if (differs) {
      Verdict verdict = misbehaves(*differs, "the result rests on memory that is not the arguments'",
                                   std::string("error ") + name_of(expected), "other bits beside other memory");
      verdict.severity = Severity::wrong;
      return verdict;
    }
    if (expected == GP_INDEX && shapes_agree(script, call)) {
      return misbehaves(call, "an error was not raised", "error index", "no error");
    }
    if (expected == GP_DTYPE)
      return not_decided(Outcome::unsupported, call, "the reference has no arithmetic of integers");
    return not_decided(Outcome::inconclusive, call,
                       std::string("computed what the reference refuses: ") + name_of(expected));
  }

  static bool is_in_place(const Script& script, const gp_step& call) {
    return script.op_name(script.ops[call.op]).ends_with('_');
  }
  // The wrong call takes tensors of the valid call's shapes and dtypes.
  static bool shapes_agree(const Script& script, std::uint32_t call) {
    const std::optional<ValueId> y = value_named(script, "y");
    if (!y || script.steps[script.step_of(*y)].kind != GP_CALL) return false;
    const gp_step& right = script.steps[script.step_of(*y)];
    const gp_step& wrong = script.steps[call];
    if (right.arg_count != wrong.arg_count) return false;
    for (std::uint32_t i = is_in_place(script, wrong) ? 1 : 0; i < wrong.arg_count; ++i) {
      const std::vector<ValueId> a = tensors_of(script, script.args_of(wrong)[i]);
      const std::vector<ValueId> b = tensors_of(script, script.args_of(right)[i]);
      if (!std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](ValueId one, ValueId other) { return alike(script, one, other); })) {
        return false;
      }
    }
    return true;
  }
  static std::vector<ValueId> tensors_of(const Script& script, const gp_arg& arg) {
    if (arg.kind == GP_ARG_VALUE) return {static_cast<ValueId>(arg.u.index)};
    if (arg.kind != GP_ARG_VALUES) return {};
    const auto first = script.ids.begin() + static_cast<std::ptrdiff_t>(arg.u.index);
    return {first, first + arg.count};
  }
  static bool alike(const Script& script, ValueId a, ValueId b) {
    if (a == b) return true;
    if (a == GP_NO_VALUE || b == GP_NO_VALUE) return false;
    const gp_step& of_a = script.steps[script.step_of(a)];
    const gp_step& of_b = script.steps[script.step_of(b)];
    if (of_a.kind != GP_TENSOR || of_b.kind != GP_TENSOR) return false;
    const gp_tensor& one = script.tensors[of_a.op];
    const gp_tensor& other = script.tensors[of_b.op];
    return one.dtype == other.dtype && one.ndim == other.ndim &&
           std::equal(script.ints.begin() + one.shape, script.ints.begin() + one.shape + one.ndim,
                      script.ints.begin() + other.shape);
  }

  // All else is the same, too, but for the elements of floating tensors.
  static bool numbers_alone_differ(const Script& script, std::uint32_t call) {
    if (!shapes_agree(script, call) || is_in_place(script, script.steps[call])) return false;
    const gp_step& right = script.steps[script.step_of(*value_named(script, "y"))];
    const gp_step& wrong = script.steps[call];
    for (std::uint32_t i = 0; i < wrong.arg_count; ++i) {
      const gp_arg& a = script.args_of(wrong)[i];
      const gp_arg& b = script.args_of(right)[i];
      if (a.kind == b.kind && a.count == b.count && a.u.integer == b.u.integer) continue;
      if (a.kind != GP_ARG_VALUE || b.kind != GP_ARG_VALUE) return false;
      const gp_tensor& other = script.tensors[script.steps[script.step_of(static_cast<ValueId>(a.u.index))].op];
      if (!is_floating(static_cast<gp_dtype>(other.dtype))) return false;
    }
    return true;
  }

  static bool results_open(Session& session, const Script& script, std::uint32_t call) {
    for (std::uint32_t step = call + 1; step < script.steps.size(); ++step) {
      if (reads_result(script, step, call) && session.judge().any_open(step)) return true;
    }
    return false;
  }
  static bool reads_result(const Script& script, std::uint32_t step, std::uint32_t call) {
    if (script.steps[step].kind != GP_READ) return false;
    const ValueId value = value_read(script, step);
    const gp_step& made = script.steps[call];
    if (value >= made.first_result && value < made.first_result + made.result_count) return true;
    // In place, what the call was given is what it made.
    return step > call && is_in_place(script, made) && script.args_of(made)[0].u.index == value;
  }

  // The wrong call and what is read of its results left out; in place, its argument too.
  static Adjusted without(const Script& script, std::uint32_t call, const Observations& seen) {
    Adjusted rest(script, seen);
    for (std::uint32_t step = call + 1; step < script.steps.size(); ++step) {
      if (reads_result(script, step, call)) rest.leave_out(step);
    }
    rest.leave_out(call);
    return rest;
  }
  static Adjusted before_the_right_call(const Script& script, const Observations& seen) {
    Adjusted until(script, seen);
    const std::optional<ValueId> y = value_named(script, "y");
    if (!y) return until;
    const std::uint32_t end = script.step_of(*y);
    until.script.steps.resize(end);
    std::erase_if(until.seen.items, [end](const gp_observation& item) { return item.step >= end; });
    return until;
  }

  // The same bits as where the wrong call was never made; other ones must be right all the same.
  static Verdict judge_the_rest(Session& session, const Script& script, const Observations& seen,
                                const Observations& alone, std::uint32_t call) {
    const Adjusted rest = without(script, call, seen);
    const bool same = std::equal(rest.seen.items.begin(), rest.seen.items.end(), alone.items.begin(), alone.items.end(),
                                 [&](const gp_observation& with, const gp_observation& never) {
                                   return with.step == never.step && same_bits_in(rest.seen, with, alone, never);
                                 });
    return same ? Verdict{} : session.judge().judge(rest.script, rest.seen);
  }
};

}  // namespace

const Property& refusal_property() {
  static const Refusal property;
  return property;
}

}  // namespace gradproof
