#include "properties/call.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "engine/interpreter.h"
#include "engine/not_drawn.h"
#include "engine/sampling.h"
#include "oracle/twin.h"

namespace gradproof {

namespace {

std::vector<Index> common_shape(const std::vector<std::vector<Index>>& shapes) {
  std::vector<Index> common;
  for (const std::vector<Index>& shape : shapes) {
    std::array<Index, GP_MAX_DIMS> joined{};
    const int ndim = broadcast_sizes(common, shape, joined.data());
    common.assign(joined.begin(), joined.begin() + ndim);
  }
  return common;
}

// Builds the call while a record's sampler, or the generic one below, draws it.
class CallDraw final : public Draw {
 public:
  CallDraw(const Subject& subject, RandomDraw& draw, Script& script, Call& call, bool wants_grad, bool all)
      : subject_(subject), draw_(draw), script_(script), call_(call), wants_grad_(wants_grad), all_(all) {
    call_.args.assign(schema().args.size(), script.arg_default());
  }

  Index integer(Index low, Index high) override { return draw_.integer(low, high); }
  void tensor(std::string_view arg, Sizes sizes, const Domain& domain) override {
    slot(arg) = script_.arg(make(sizes, domain, tensor_number(arg)));
  }
  void constant(std::string_view arg, Sizes sizes, const Domain& domain) override {
    slot(arg) =
        script_.arg(draw_.tensor(script_, spec(subject_.dtype, sizes), aim(domain, tensor_number(arg)), next_name()));
  }
  void indices(std::string_view arg, Sizes sizes, Index low, Index high) override {
    slot(arg) = script_.arg(draw_.indices(script_, spec(GP_I64, sizes), low, high, next_name()));
  }
  void integers(std::string_view arg, Sizes sizes, std::span<const Index> values) override {
    slot(arg) = script_.arg(given(GP_I64, sizes, values));
  }
  void index_tensors(std::string_view arg, std::span<const IndexTensor> list) override {
    std::vector<ValueId> made;
    for (const IndexTensor& index : list) {
      const gp_dtype dtype = index.kind == IndexTensor::Kind::mask ? GP_BOOL : GP_I64;
      const bool none = index.kind == IndexTensor::Kind::none;
      made.push_back(none ? GP_NO_VALUE : given(dtype, index.sizes, index.values));
    }
    slot(arg) = script_.arg_values(made);
  }
  void mask(std::string_view arg, Sizes sizes) override {
    slot(arg) = script_.arg(draw_.indices(script_, spec(GP_BOOL, sizes), 0, 1, next_name()));
  }
  void tensors(std::string_view arg, std::span<const std::vector<Index>> shapes) override {
    std::vector<ValueId> made;
    for (const std::vector<Index>& shape : shapes) made.push_back(make(shape, all_reals, tensor_number(arg)));
    slot(arg) = script_.arg_values(made);
  }
  void set_int(std::string_view arg, Index value) override { slot(arg) = script_.arg_int(value); }
  void set_ints(std::string_view arg, Sizes values) override { slot(arg) = script_.arg_ints(values); }
  void set_bool(std::string_view arg, bool value) override { slot(arg) = script_.arg_bool(value); }
  void set_real(std::string_view arg, double value) override { slot(arg) = script_.arg_real(value); }
  void set_none(std::string_view arg) override { slot(arg) = script_.arg_none(); }
  void set_text(std::string_view arg, std::string_view value) override { slot(arg) = script_.arg_string(value); }

  void given(std::string_view arg, Sizes sizes, std::span<const double> values) override {
    slot(arg) = script_.arg(make_given(arg, sizes, values));
  }
  void given_symmetric(std::string_view arg, Sizes sizes, std::span<const double> values) override {
    call_.prepared.push_back({make_given(arg, sizes, values), GP_NO_VALUE});
    slot(arg) = script_.arg(call_.prepared.back().tensor);
  }
  void given_triangular(std::string_view arg, Sizes sizes, std::span<const double> values, bool upper) override {
    const ValueId value = make_given(arg, sizes, values);
    const Sizes matrix = sizes.last(2);
    const ValueId mask = script_.tensor(spec(subject_.dtype, matrix), numbered("mask", call_.prepared.size()));
    const gp_tensor tensor = script_.tensor_of(mask);
    for (Index at = 0; at < matrix[0] * matrix[1]; ++at) {
      const Index row = at / matrix[1];
      const Index col = at % matrix[1];
      script_.set_element(tensor, static_cast<std::size_t>(at), (upper ? row <= col : col <= row) ? 1 : 0);
    }
    call_.prepared.push_back({value, mask});
    slot(arg) = script_.arg(value);
  }

  const Schema& schema() const { return subject_.entry->schema; }

 private:
  ValueId make_given(std::string_view arg, Sizes sizes, std::span<const double> values) {
    const ValueId value = make(sizes, all_reals, tensor_number(arg));
    const gp_tensor& tensor = script_.tensor_of(value);
    const std::vector<std::uint64_t> places = elements_of_view(script_, tensor);
    for (std::size_t i = 0; i < places.size(); ++i) script_.set_element(tensor, places[i], values[i]);
    return value;
  }
  gp_arg& slot(std::string_view arg) {
    for (std::size_t i = 0; i < schema().args.size(); ++i) {
      if (schema().args[i].name == arg) return call_.args[i];
    }
    throw std::logic_error("the sampler of " + subject_.entry->id() + " names an argument " + std::string(arg) +
                           " it does not have");
  }
  int tensor_number(std::string_view arg) const {
    int number = 0;
    for (const SchemaArg& about : schema().args) {
      if (about.name == arg) break;
      number += about.type == ArgType::tensor || about.type == ArgType::tensor_list ? 1 : 0;
    }
    return number;
  }
  TensorSpec spec(gp_dtype dtype, Sizes sizes) const {
    TensorSpec made;
    made.dtype = dtype;
    made.shape.assign(sizes.begin(), sizes.end());
    made.device = subject_.device;
    return made;
  }
  ValueId given(gp_dtype dtype, Sizes sizes, std::span<const Index> values) {
    const ValueId made = script_.tensor(spec(dtype, sizes), next_name());
    const gp_tensor& tensor = script_.tensors.back();
    for (std::size_t i = 0; i < values.size(); ++i) {
      script_.set_element(tensor, i, static_cast<double>(values[i]));
    }
    return made;
  }
  std::string next_name() { return numbered("x", made_++); }
  // A sampler that says nothing leaves the domain to the record.
  Aim aim(const Domain& domain, int number) const {
    const Record& record = subject_.entry->record;
    const bool silent = domain.low == -infinity && domain.high == infinity;
    const auto at = static_cast<std::size_t>(number);
    return {silent && at < record.domain.size() ? record.domain[at] : domain, &record, number};
  }
  ValueId make(Sizes sizes, const Domain& domain, int number) {
    TensorSpec made = spec(subject_.dtype, sizes);
    made.requires_grad = wants_grad_ && (all_ || !draw_.percent(15));
    const ValueId value = draw_.tensor(script_, made, aim(domain, number), next_name());
    call_.tensors.push_back(value);
    call_.shapes.push_back(made.shape);
    if (made.requires_grad) call_.leaves.push_back(value);
    return value;
  }

  const Subject& subject_;
  RandomDraw& draw_;
  Script& script_;
  Call& call_;
  bool wants_grad_;
  bool all_;
  std::size_t made_ = 0;
};

class ElementwiseSampler {
 public:
  ElementwiseSampler(const Subject& subject, RandomDraw& draw, CallDraw& into)
      : entry_(*subject.entry), draw_(draw), into_(into), dtype_(subject.dtype) {}

  std::vector<Index> sample() {
    const std::vector<std::vector<Index>> shapes = draw_.broadcastable(entry_.tensor_count);
    std::size_t tensor = 0;
    for (const SchemaArg& arg : entry_.schema.args) {
      if (arg.type == ArgType::tensor) {
        const std::size_t at = tensor++;
        if (arg.name == "condition") {
          into_.mask(arg.name, shapes[at]);
        } else {
          into_.tensor(arg.name, shapes[at], all_reals);
        }
      } else if (arg.name == entry_.variant_arg) {
        into_.set_text(arg.name, entry_.variant_value);
      } else if (arg.type == ArgType::scalar) {
        scalar(arg);
      }
    }
    return common_shape(shapes);
  }

 private:
  void scalar(const SchemaArg& arg) {
    if (arg.has_default && !arg.optional && draw_.percent(40)) return;
    const bool needed = optional_left(arg) == 0 && !some_given_;
    if (arg.optional && !needed && draw_.percent(35)) return;
    some_given_ = true;
    const std::vector<double>& known = entry_.record.scalars;
    constexpr std::array<double, 9> usual{1, 2, -1, 0.5, -0.5, 3, 0, -2, 0.25};
    const double value = !known.empty()      ? draw_.pick(known)
                         : draw_.percent(70) ? draw_.pick(usual)
                                             : draw_.moderate(dtype_);
    const bool integral = value == static_cast<double>(static_cast<Index>(value));
    if (integral && !arg.real && draw_.percent(50)) return into_.set_int(arg.name, static_cast<Index>(value));
    into_.set_real(arg.name, value);
  }
  // How many optional scalars follow: clamp wants one of its two.
  std::size_t optional_left(const SchemaArg& after) const {
    std::size_t count = 0;
    bool behind = false;
    for (const SchemaArg& arg : entry_.schema.args) {
      if (behind && arg.type == ArgType::scalar && arg.optional) ++count;
      behind = behind || &arg == &after;
    }
    return count;
  }

  const Entry& entry_;
  RandomDraw& draw_;
  CallDraw& into_;
  gp_dtype dtype_;
  bool some_given_ = false;
};

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
