#include "properties/call.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "engine/interpreter.h"
#include "engine/not_drawn.h"
#include "properties/call_draw.h"
#include "properties/steps.h"

namespace gradproof {

namespace {

// A list of results may hold any number of them: as many are asked for as samplers draw at most.
std::uint32_t most_results(const Schema& schema) {
  const bool list = std::any_of(schema.results.begin(), schema.results.end(),
                                [](const SchemaArg& result) { return result.type == ArgType::tensor_list; });
  return list ? 24 : static_cast<std::uint32_t>(schema.results.size());
}

// What the operator takes in the place of x.
gp_arg prepared_arg(Script& script, const Call::Prepared& prepared, gp_arg x) {
  const auto called = [&](std::string_view op, std::string_view overload, std::span<const gp_arg> args,
                          std::string_view name) {
    const ValueId value = script.call(script.op(op, overload), args);
    script.names.resize(script.value_count);
    script.names[value] = std::string(name) + "_" + std::to_string(value);
    return script.arg(value);
  };
  switch (prepared.as) {
    case Call::Prepared::As::triangular:
      return called("mul", "Tensor", std::array{x, script.arg(prepared.mask)}, "triangle");
    case Call::Prepared::As::log_softmax:
      return called("log_softmax", "int", std::array{x, script.arg_int(-1), script.arg_default()}, "log_softmax");
    case Call::Prepared::As::symmetric: break;
  }
  const gp_arg swapped =
      called("transpose", "int", std::array{x, script.arg_int(-2), script.arg_int(-1)}, "transposed");
  return called("add", "Tensor", std::array{x, swapped, script.arg_default()}, "symmetric");
}

// The operator's call, after the steps that make of its tensors what it takes.
ValueId emit(Script& script, const Call& call, std::vector<gp_arg> args, std::uint32_t count) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i].kind != GP_ARG_VALUE) continue;
    const auto found = std::find_if(call.prepared.begin(), call.prepared.end(), [&](const Call::Prepared& one) {
      return one.tensor == static_cast<ValueId>(call.args[i].u.index);
    });
    if (found != call.prepared.end()) args[i] = prepared_arg(script, *found, args[i]);
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

bool has_in_place_form(const Subject& subject) {
  const Schema& schema = subject.entry->schema;
  if (is_view(subject) || schema.results.size() != 1 || schema.args.empty() || schema.args[0].name != "self")
    return false;
  if (subject.operators == nullptr)
    return subject.registry->schemas().find(schema.name + "_", schema.overload) != nullptr;
  const std::string overload = schema.overload.empty() ? "" : "." + schema.overload;
  return subject.operators->contains(schema.name + "_" + overload);
}

std::vector<std::size_t> Call::roots() const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].differentiable) found.push_back(i);
  }
  return found;
}

namespace {

// Which tensors require gradients, as the wanted class has it.
void choose_leaves(const Wanted& wanted, Script& script, Call& call) {
  const auto asked = wanted.get<GradientClass>(Axis::gradients);
  if (!asked || call.tensors.size() < 2) return;
  call.leaves.clear();
  for (std::size_t i = 0; i < call.tensors.size(); ++i) {
    const bool first = i == 0;
    const bool last = i + 1 == call.tensors.size();
    const bool chosen = *asked == GradientClass::all || (*asked == GradientClass::first_alone && first) ||
                        (*asked == GradientClass::last_alone && last) || (*asked == GradientClass::not_first && !first);
    gp_tensor& tensor = script.tensor_of(call.tensors[i]);
    tensor.flags = static_cast<decltype(tensor.flags)>(chosen ? tensor.flags | GP_REQUIRES_GRAD
                                                              : tensor.flags & ~unsigned{GP_REQUIRES_GRAD});
    if (chosen) call.leaves.push_back(call.tensors[i]);
  }
}

// Arguments other than tensors that have a default; what a default written out is.
bool can_be_left_out(const Entry& entry, std::size_t arg) {
  const SchemaArg& about = entry.schema.args[arg];
  const bool tensors = about.type == ArgType::tensor || about.type == ArgType::tensor_list;
  return about.has_default && !tensors && about.name != entry.variant_arg;
}
std::optional<gp_arg> written_default(Script& script, const SchemaArg& about) {
  const std::string& text = about.default_text;
  if (text == "None") return script.arg_none();
  if (text == "True" || text == "False") return script.arg_bool(text == "True");
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const bool integral = number == std::trunc(number) && text.find_first_of(".e") == std::string::npos;
  return integral && !about.real ? script.arg_int(static_cast<Index>(number)) : script.arg_real(number);
}

// Arguments are left to their defaults, or these are written out, as the wanted class has it.
void leave_out(const Wanted& wanted, const Entry& entry, Script& script, Call& call) {
  const auto asked = wanted.get<OptionalClass>(Axis::optional);
  if (!asked || *asked == OptionalClass::some_left_out) return;
  for (std::size_t i = 0; i < call.args.size(); ++i) {
    if (!can_be_left_out(entry, i)) continue;
    const bool given = call.args[i].kind != GP_ARG_DEFAULT;
    if (*asked == OptionalClass::all_left_out && given && !entry.schema.args[i].optional) {
      call.args[i] = script.arg_default();
    } else if (*asked == OptionalClass::all_given && !given) {
      if (const auto arg = written_default(script, entry.schema.args[i])) call.args[i] = *arg;
    }
  }
}

void note_call(const Entry& entry, const Script& script, const Call& call, Met& met) {
  if (!call.shapes.empty()) met.note(Axis::shape, class_of_shape(call.shapes[0]));
  if (entry.elementwise && call.shapes.size() > 1) note_broadcast(call.shapes[0], call.shapes[1], met);
  const std::size_t count = call.tensors.size();
  if (count > 1 && !call.leaves.empty()) {
    const bool first = requires_grad(script, call.tensors.front());
    const bool last = requires_grad(script, call.tensors.back());
    if (call.leaves.size() == count) met.note(Axis::gradients, GradientClass::all);
    if (call.leaves.size() == 1 && first) met.note(Axis::gradients, GradientClass::first_alone);
    if (call.leaves.size() == 1 && last) met.note(Axis::gradients, GradientClass::last_alone);
    if (!first) met.note(Axis::gradients, GradientClass::not_first);
  }
  std::size_t optional = 0;
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < call.args.size(); ++i) {
    if (!can_be_left_out(entry, i)) continue;
    ++optional;
    left_out += call.args[i].kind == GP_ARG_DEFAULT ? 1 : 0;
  }
  if (optional == 0) return;
  met.note(Axis::optional, left_out == 0          ? OptionalClass::all_given
                           : left_out == optional ? OptionalClass::all_left_out
                                                  : OptionalClass::some_left_out);
}

// One attempt; without results where the call is refused.
std::optional<Call> try_call(const Subject& subject, RandomDraw& draw, Script& script, Leaves leaves,
                             std::string& refusal) {
  Call call;
  draw.begin_call();
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
  if (wanted && leaves == Leaves::as_drawn) choose_leaves(draw.wanted(), script, call);
  leave_out(draw.wanted(), entry, script, call);
  if (wanted && call.leaves.empty() && !call.tensors.empty()) {
    call.leaves.push_back(call.tensors.front());
    script.tensor_of(call.tensors.front()).flags |= GP_REQUIRES_GRAD;
  }
  note_call(entry, script, call, draw.met());
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
  // Some operators (view) want their input laid out in order; some calls fit no class but those they come in.
  const std::vector<std::string> comments = script.comments;
  script.clear();
  script.comments = comments;
  draw.keep_contiguous(true);
  draw.want_nothing();
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
