#include <algorithm>
#include <array>

#include "oracle/twin.h"
#include "properties/all.h"
#include "properties/conduct.h"
#include "properties/redraw.h"

namespace gradproof {

namespace {

// Roles: t is written to, z is what the call returns, base is what t may be a view of; each is read before the call
// and after it.
class InPlace final : public Property {
 public:
  std::string_view id() const override { return "in-place"; }
  std::string_view statement() const override {
    return "written in place, a call gives the result and the gradients that it gives out of place, in the memory of "
           "its argument, whose version grows";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    const std::string_view reason = unmet(subject, {});
    if (!reason.empty()) return reason;
    return has_in_place_form(subject) ? "" : "no form that works in place";
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build = build_fitting(subject, draw, script, 6, fits);
    if (!fits(build)) return out_of_place(build);
    const bool forward = subject.engine == nullptr || subject.engine->forward_mode;
    const Index way = draw.integer(0, 9);
    if (way < 3) return write(build, through_view(build));
    if (way < 6 && forward) return tangent(build);
    write(build, copied(build));
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    Verdict verdict = session.judge().judge(script, seen);
    if (verdict.outcome == Outcome::fail || verdict.outcome == Outcome::internal_error) return verdict;
    const Verdict conduct = judge_memory(script, seen);
    return conduct.outcome == Outcome::fail ? conduct : verdict;
  }

 private:
  static bool fits(const Build& build) {
    const Call& call = build.call;
    if (call.tensors.empty() || call.results.size() != 1 || !call.results[0].floating || !call.prepared.empty())
      return false;
    const bool first = call.args[0].kind == GP_ARG_VALUE && call.args[0].u.index == call.tensors[0];
    return first && call.shapes[0] == call.results[0].shape;
  }

  static void out_of_place(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    build.read(y);
    build.script.backward(y, build.seeds("u"));
    build.read_gradients();
  }

  // x times one: what is no leaf may be written to, and keeps nothing that the write spoils. Or, where others require
  // gradients, x as it is.
  static ValueId copied(Build& build) {
    Script& script = build.script;
    const ValueId x = build.call.tensors[0];
    if (build.call.leaves.size() > 1 && build.draw.percent(25)) {
      script.tensor_of(x).flags = static_cast<std::uint8_t>(script.tensor_of(x).flags & ~unsigned{GP_REQUIRES_GRAD});
      std::erase(build.call.leaves, x);
    }
    if (!requires_grad(script, x) && build.draw.percent(50)) {
      script.names[x] = "t";
      return x;
    }
    return build.scale(x, 1, "t");
  }

  // A row of something larger, whose other rows hold the same numbers.
  static ValueId through_view(Build& build) {
    Script& script = build.script;
    std::vector<Index> shape = build.call.shapes[0];
    if (shape.size() + 1 >= GP_MAX_DIMS) return copied(build);
    const std::vector<double> contents = contents_of(script, build.call.tensors[0]);
    shape.insert(shape.begin(), build.draw.integer(1, 3));
    const bool leaf = requires_grad(script, build.call.tensors[0]);
    const ValueId made = script.tensor(build.spec(shape, leaf), "b");
    const gp_tensor tensor = script.tensors.back();
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i)
      script.set_element(tensor, i, contents[i % contents.size()]);
    put_in_place(script, build.call, 0, made);
    build.call.shapes[0] = shape;
    if (leaf) build.call.leaves.insert(build.call.leaves.begin(), made);
    const ValueId base = build.scale(made, 1, "base");
    const std::array row{script.arg(base), script.arg_int(0), script.arg_int(build.draw.integer(0, shape[0] - 1))};
    return script.call(script.op("select", "int"), row, 1, "t");
  }

  static ValueId call_in_place(Build& build, ValueId target) {
    const Schema& schema = build.subject.entry->schema;
    std::vector<gp_arg> args = build.call.args;
    args[0] = build.script.arg(target);
    return build.script.call(build.script.op(schema.name + "_", schema.overload), args, 1, "z");
  }

  static void write(Build& build, ValueId target) {
    Script& script = build.script;
    std::vector<ValueId> watched{target};
    if (const auto base = value_named(script, "base")) watched.push_back(*base);
    build.read(watched);
    const ValueId z = call_in_place(build, target);
    script.read(z);
    build.read(watched);
    std::vector<ValueId> roots{z};
    std::vector<ValueId> seeds = build.seeds("u");
    if (watched.size() > 1 && build.draw.percent(50)) {
      // The whole of which a row was written.
      roots = {watched[1]};
      seeds = {build.draw.seed(script, build.spec(build.call.shapes[0]), build.draw.seed_kind(), "w")};
    }
    script.backward(roots, seeds);
    build.read_gradients();
  }

  static void tangent(Build& build) {
    Script& script = build.script;
    const std::vector<Index> shape = build.call.shapes[0];
    build.draw.keep_contiguous(true);
    const ValueId v = build.draw.seed(script, build.spec(shape), build.draw.seed_kind(), "v");
    std::vector<gp_arg> args = build.call.args;
    const ValueId x = build.call.tensors[0];
    for (std::size_t i = 1; i < build.call.tensors.size(); ++i) {
      if (!requires_grad(script, build.call.tensors[i])) continue;
      const ValueId w =
          build.draw.seed(script, build.spec(build.call.shapes[i]), build.draw.seed_kind(), numbered("w", i));
      const ValueId dual = script.dual(build.call.tensors[i], w, numbered("d", i));
      const auto place = std::find_if(args.begin(), args.end(), [&](const gp_arg& arg) {
        return arg.kind == GP_ARG_VALUE && arg.u.index == build.call.tensors[i];
      });
      if (place != args.end()) *place = script.arg(dual);
    }
    build.draw.keep_contiguous(false);
    build.call.args = args;
    const ValueId target = script.dual(build.scale(x, 1), v, "t");
    script.read(target);
    const ValueId z = call_in_place(build, target);
    script.read(z);
    script.read(target);
    script.read(script.jvp(z, "Jv"));
    script.read(script.jvp(target, "Jt"));
  }

  // Before and after the call: one memory, a version that grew; of whatever else is read, neither.
  static Verdict judge_memory(const Script& script, const Observations& seen) {
    const auto target = value_named(script, "t");
    const auto result = value_named(script, "z");
    if (!target || !result) return {};
    const gp_observation* before = nullptr;
    const gp_observation* after = nullptr;
    const gp_observation* made = nullptr;
    for (const gp_observation& item : seen.items) {
      if (item.status != GP_VALUE || script.steps[item.step].kind != GP_READ) continue;
      const ValueId value = value_read(script, item.step);
      if (value == *result) made = &item;
      if (value == *target) (made == nullptr ? before : after) = &item;
    }
    if (before == nullptr || after == nullptr || made == nullptr) return {};
    // Neither is told by every engine.
    if (before->storage != 0 && (made->storage != before->storage || after->storage != before->storage))
      return misbehaves(made->step, "a call in place moved its argument", "one memory", "another memory");
    if (after->version != 0 && after->version <= before->version)
      return misbehaves(after->step, "a write in place was not counted", "a greater version", "the same version");
    if (!same_bits(seen, *made, *after))
      return misbehaves(after->step, "a call in place returned something else than it wrote", "the same bits",
                        "other bits");
    return {};
  }
};

}  // namespace

const Property& in_place_property() {
  static const InPlace property;
  return property;
}

}  // namespace gradproof
