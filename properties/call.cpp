#include "properties/call.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "engine/interpreter.h"
#include "engine/not_drawn.h"
#include "oracle/twin.h"
#include "properties/call_draw.h"

namespace gradproof {

namespace {

// A list of results may hold any number of them: as many are asked for as samplers draw at most.
std::uint32_t most_results(const Schema& schema) {
  const bool list = std::any_of(schema.results.begin(), schema.results.end(),
                                [](const SchemaArg& result) { return result.type == ArgType::tensor_list; });
  return list ? 24 : static_cast<std::uint32_t>(schema.results.size());
}

// The operator's call, after the steps that make of its tensors what it takes.
ValueId emit(Script& script, const Call& call, std::vector<gp_arg> args, std::uint32_t count) {
  const auto named = [&](ValueId value, std::string_view name) {
    script.names.resize(script.value_count);
    script.names[value] = std::string(name) + "_" + std::to_string(value);
    return value;
  };
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i].kind != GP_ARG_VALUE) continue;
    const auto found = std::find_if(call.prepared.begin(), call.prepared.end(), [&](const Call::Prepared& one) {
      return one.tensor == static_cast<ValueId>(call.args[i].u.index);
    });
    if (found == call.prepared.end()) continue;
    if (found->mask != GP_NO_VALUE) {
      const std::array<gp_arg, 2> factors{args[i], script.arg(found->mask)};
      args[i] = script.arg(named(script.call(script.op("mul", "Tensor"), factors), "triangle"));
      continue;
    }
    const std::array<gp_arg, 3> dims{args[i], script.arg_int(-2), script.arg_int(-1)};
    const ValueId swapped = named(script.call(script.op("transpose", "int"), dims), "transposed");
    const std::array<gp_arg, 3> terms{args[i], script.arg(swapped), script.arg_default()};
    args[i] = script.arg(named(script.call(script.op("add", "Tensor"), terms), "symmetric"));
  }
  return script.call(call.op, args, count);
}

// The results' shapes and kinds, by running the script and the call on the scalar that computes nothing. Where the
// call is refused, nothing, and why.
std::optional<std::vector<Call::Result>> probe(const Subject& subject, Script& script, const Call& call,
                                               std::string& refusal) {
  thread_local const Registry* registry = nullptr;
  thread_local std::unique_ptr<Interpreter<Defined>> runner;
  if (registry != subject.registry) {
    registry = subject.registry;
    runner = std::make_unique<Interpreter<Defined>>(*registry, registry->catalogue<Defined>(), EngineInfo{});
  }
  const std::size_t steps = script.steps.size();
  const std::size_t args = script.args.size();
  const std::size_t names = script.names.size();
  const std::uint32_t values = script.value_count;
  const auto count = most_results(subject.entry->schema);
  const ValueId first = emit(script, call, call.args, count);
  for (std::uint32_t i = 0; i < count; ++i) script.read(first + i);
  const gp_program program = script.view();
  runner->prepare(program);
  std::vector<Call::Result> results;
  for (const Seen<Defined>& seen : runner->run(program.data)) {
    if (seen.status != GP_VALUE) {
      if (refusal.empty()) refusal = seen.text;
      continue;
    }
    const bool floating = seen.value.kind == Kind::real;
    results.push_back({{seen.value.sizes().begin(), seen.value.sizes().end()},
                       floating,
                       floating && (call.leaves.empty() || seen.requires_grad)});
  }
  script.steps.resize(steps);
  script.args.resize(args);
  script.names.resize(names);
  script.value_count = values;
  if (!refusal.empty()) return std::nullopt;
  // Where none can, a sweep is refused, and by right.
  if (std::none_of(results.begin(), results.end(), [](const Call::Result& one) { return one.differentiable; })) {
    for (Call::Result& one : results) one.differentiable = one.floating;
  }
  return results;
}

std::size_t position_of(const Subject& subject) {
  const auto& entries = subject.registry->entries();
  std::size_t at = 0;
  while (at < entries.size() && &entries[at] != subject.entry) ++at;
  return at;
}

}  // namespace

std::string numbered(std::string_view name, std::size_t index) {
  return index == 0 ? std::string(name) : std::string(name) + std::to_string(index + 1);
}

bool can_draw(const Entry& entry) {
  if (entry.record.sample != nullptr) return entry.record.sample != &not_drawn;
  // An elementwise record is drawn by itself, but for those that other rules are written in.
  return entry.elementwise && !entry.schema.name.starts_with('_');
}

bool is_differentiable(const Subject& subject) {
  return subject.registry->catalogue<Defined>().at(position_of(subject)).differentiable;
}

bool is_view(const Subject& subject) { return subject.registry->catalogue<Defined>().at(position_of(subject)).is_view; }

std::vector<std::size_t> Call::roots() const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].differentiable) found.push_back(i);
  }
  return found;
}

namespace {

// One attempt; without results where the call is refused.
std::optional<Call> try_call(const Subject& subject, RandomDraw& draw, Script& script, Leaves leaves,
                             std::string& refusal) {
  Call call;
  const Entry& entry = *subject.entry;
  const bool differentiable = is_differentiable(subject);
  const bool wanted = leaves != Leaves::none && differentiable;
  const bool all = leaves == Leaves::all || draw.percent(80);
  CallDraw into(subject, draw, script, call, wanted, all);
  std::vector<Index> shape;
  if (entry.record.sample != nullptr) {
    entry.record.sample(into);
  } else {
    shape = ElementwiseSampler(subject, draw, into).sample();
  }
  call.op = script.op(entry.schema.name, entry.schema.overload);
  if (wanted && call.leaves.empty() && !call.tensors.empty()) {
    call.leaves.push_back(call.tensors.front());
    script.tensor_of(call.tensors.front()).flags |= GP_REQUIRES_GRAD;
  }
  if (entry.record.sample == nullptr && differentiable) {
    call.results.push_back({shape, true});
    return call;
  }
  auto results = probe(subject, script, call, refusal);
  if (!results) return std::nullopt;
  call.results = std::move(*results);
  return call;
}

}  // namespace

Call draw_call(const Subject& subject, RandomDraw& draw, Script& script, Leaves leaves) {
  std::string refusal;
  std::optional<Call> call = try_call(subject, draw, script, leaves, refusal);
  if (call) return *std::move(call);
  // Some operators (view) want their input laid out in order.
  const std::vector<std::string> comments = script.comments;
  script.clear();
  script.comments = comments;
  draw.keep_contiguous(true);
  refusal.clear();
  call = try_call(subject, draw, script, leaves, refusal);
  draw.keep_contiguous(false);
  if (!call) throw std::logic_error("the sampler of " + subject.entry->id() + " draws a call that fails: " + refusal);
  return *std::move(call);
}

std::vector<ValueId> apply(Script& script, const Call& call, std::string_view name, std::span<const ValueId> instead) {
  std::vector<gp_arg> args = call.args;
  const auto replaced = [&](ValueId value) {
    for (std::size_t i = 0; i < instead.size(); ++i) {
      if (call.tensors[i] == value) return instead[i];
    }
    return value;
  };
  for (gp_arg& arg : args) {
    if (arg.kind == GP_ARG_VALUE) arg.u.index = replaced(static_cast<ValueId>(arg.u.index));
    if (arg.kind != GP_ARG_VALUES || instead.empty()) continue;
    std::vector<ValueId> list;
    for (std::uint32_t i = 0; i < arg.count; ++i) list.push_back(replaced(script.ids[arg.u.index + i]));
    arg = script.arg_values(list);
  }
  const ValueId first = emit(script, call, args, static_cast<std::uint32_t>(call.results.size()));
  std::vector<ValueId> made;
  script.names.resize(script.value_count);
  for (std::size_t i = 0; i < call.results.size(); ++i) {
    made.push_back(first + static_cast<ValueId>(i));
    script.names[made.back()] = numbered(name, i);
  }
  return made;
}

std::vector<ValueId> apply_roots(Script& script, const Call& call, std::string_view name,
                                 std::span<const ValueId> instead) {
  const std::vector<ValueId> all = apply(script, call, name, instead);
  std::vector<ValueId> roots;
  for (const std::size_t i : call.roots()) roots.push_back(all[i]);
  return roots;
}

}  // namespace gradproof
