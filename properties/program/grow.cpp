#include "properties/program/grow.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "properties/program/copy.h"
#include "properties/program/trial.h"

namespace gradproof::program {

namespace {

constexpr int attempts = 4;
// Beyond these an element is of no use to the calls that follow, and a tensor too large to be read in a report.
constexpr double most_magnitude = 256;
constexpr Index most_elements = 48;

// How a result lies in memory is the engine's business; these may be asked only of tensors that the script itself laid
// out.
constexpr std::array<std::string_view, 5> of_layout{"as_strided", "as_strided_copy", "as_strided_scatter", "view",
                                                    "view_as"};

// Views that may be written through, and whose bases may be.
constexpr std::array<std::string_view, 7> plain_views{"select", "slice",     "transpose", "narrow",
                                                      "view",   "unsqueeze", "permute"};

// Gradients of these read neither arguments nor result; those of the others below read arguments alone. Of any other
// operator engines keep what they like, and it must stay what it was.
constexpr std::array<std::string_view, 17> linear{"add",    "sub",  "neg",   "sum",     "mean",    "cat",
                                                  "stack",  "flip", "clone", "reshape", "expand",  "squeeze",
                                                  "detach", "roll", "where", "narrow",  "diagonal"};
constexpr std::array<std::string_view, 8> of_arguments{"mul", "sin", "cos", "log", "matmul", "mm", "bmm", "square"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view op) {
  if (op.ends_with('_')) op.remove_suffix(1);
  return std::find(names.begin(), names.end(), op) != names.end();
}
bool reads_nothing(std::string_view op) { return among(linear, op) || among(plain_views, op); }

bool takes(const Script& script, const gp_step& step, ValueId value) {
  for (const gp_arg& arg : script.args_of(step)) {
    if (arg.kind == GP_ARG_VALUE && arg.u.index == value) return true;
    for (std::uint32_t i = 0; arg.kind == GP_ARG_VALUES && i < arg.count; ++i) {
      if (script.ids[arg.u.index + i] == value) return true;
    }
  }
  return false;
}

// Whether the gradient of some call may read what the value holds now.
bool may_be_kept(const Script& script, ValueId value) {
  for (const gp_step& step : script.steps) {
    if (step.kind != GP_CALL) continue;
    const std::string_view op = script.op_name(script.ops[step.op]);
    const bool written = step.result_count == 0 && script.args_of(step)[0].u.index == value;
    const bool made = written || (value >= step.first_result && value < step.first_result + step.result_count);
    if (made && !reads_nothing(op) && !among(of_arguments, op)) return true;
    if (!made && takes(script, step, value) && !reads_nothing(op)) return true;
  }
  return false;
}

std::vector<double> elements_of(const Tensor<Defined>& tensor) {
  std::vector<double> elements(static_cast<std::size_t>(tensor.numel));
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = tensor.real()[i].value;
  return elements;
}

TensorSpec spec_of(const Script& script, const gp_tensor& tensor) {
  TensorSpec spec;
  const auto list = [&](std::uint32_t first) {
    return std::vector<Index>(script.ints.begin() + first, script.ints.begin() + first + tensor.ndim);
  };
  spec.dtype = static_cast<gp_dtype>(tensor.dtype);
  spec.shape = list(tensor.shape);
  if (tensor.strides != GP_CONTIGUOUS) spec.strides = list(tensor.strides);
  spec.offset = tensor.offset;
  spec.memory = static_cast<gp_memory>(tensor.memory);
  spec.device = static_cast<gp_device>(tensor.device);
  spec.requires_grad = (tensor.flags & GP_REQUIRES_GRAD) != 0;
  spec.buffer_elements = tensor.buffer_elements;
  return spec;
}

}  // namespace

Program::Program(const Subject& subject, RandomDraw& draw, Script& script)
    : subject_(subject), draw_(draw), script_(script) {
  for (const Entry& entry : subject.registry->entries()) {
    Subject other = subject;
    other.entry = &entry;
    if (!can_draw(entry) || !is_differentiable(other) || !knows(entry.schema.name, entry.schema.overload)) continue;
    (is_view(other) ? views_ : entry.elementwise ? elementwise_ : others_).push_back(&entry);
    const bool has_twin = entry.elementwise && entry.variant_value.empty() &&
                          entry.schema.args.front().type == ArgType::tensor && entry.schema.args.front().name == "self";
    if (has_twin && knows(entry.schema.name + "_", entry.schema.overload)) writers_.push_back(&entry);
  }
}

bool Program::knows(std::string_view op, std::string_view overload) const {
  const std::string name = std::string(op) + (overload.empty() ? "" : ".") + std::string(overload);
  if (subject_.operators != nullptr) return subject_.operators->contains(name);
  return subject_.registry->schemas().find(op, overload) != nullptr;
}

std::size_t Program::calls() const {
  return static_cast<std::size_t>(std::count_if(script_.steps.begin(), script_.steps.end(),
                                                [](const gp_step& step) { return step.kind == GP_CALL; }));
}

bool Program::call(const Entry& entry) {
  for (int i = 0; i < attempts; ++i) {
    if (try_call(entry)) return true;
  }
  return false;
}

bool Program::call_any() {
  const bool simple = others_.empty() || (!elementwise_.empty() && draw_.percent(55));
  return try_call(*draw_.pick(simple ? elementwise_ : others_));
}
bool Program::call_view() { return !views_.empty() && try_call(*draw_.pick(views_)); }

Program::Drawn Program::drawn(const Entry& entry, const std::vector<Index>* shape) {
  Subject other = subject_;
  other.entry = &entry;
  Drawn made;
  if (shape != nullptr) draw_.ask_for_shape(*shape);
  made.call = draw_call(other, draw_, made.script);
  draw_.ask_for_shape(std::nullopt);
  return made;
}

// The newest ones most often, and those that nothing has used.
const Value& Program::recent_value() {
  const auto count = static_cast<Index>(values_.size());
  const Value* best = &values_[static_cast<std::size_t>(draw_.integer(0, count - 1))];
  if (draw_.percent(25)) return *best;
  for (int i = 0; i < 2; ++i) {
    const Value& other = values_[static_cast<std::size_t>(draw_.integer(count / 2, count - 1))];
    if (other.uses < best->uses || (other.uses == best->uses && other.id > best->id)) best = &other;
  }
  return *best;
}

std::optional<ValueId> Program::value_of_shape(const std::vector<Index>& shape) {
  std::vector<ValueId> found;
  for (const Value& value : values_) {
    if (value.shape == shape && !value.leaf) found.push_back(value.id);
  }
  if (found.empty()) return std::nullopt;
  return draw_.pick(found);
}

std::optional<ValueId> Program::instead_of(const Drawn& from, std::size_t tensor) {
  const std::vector<Index>& shape = from.call.shapes[tensor];
  const bool must = tensor == 0;
  const std::string_view op = from.script.op_name(from.script.ops[from.call.op]);
  if (std::find(of_layout.begin(), of_layout.end(), op) != of_layout.end()) return std::nullopt;
  if (values_.empty() || !draw_.percent(must ? 95 : 55)) return std::nullopt;
  const Value* chosen = &recent_value();
  if (chosen->shape != shape && draw_.percent(60)) {
    const auto other = value_of_shape(shape);
    const auto found =
        std::find_if(values_.begin(), values_.end(), [&](const Value& value) { return value.id == other; });
    if (found != values_.end()) chosen = &*found;
  }
  if (chosen->shape != shape && !must && draw_.percent(50)) return std::nullopt;
  const auto fitted = in_shape(script_, *chosen, shape);
  if (!fitted) return std::nullopt;
  taken_.push_back(chosen->id);
  const std::optional<Domain>& domain = from.call.domains[tensor];
  if (!domain) return beside(script_, copied(from, from.call.tensors[tensor]), *fitted);
  // What stands for the elements where the shape is another: a part of them, or their sum.
  double size = 0;
  for (const double x : chosen->elements) size += std::fabs(x);
  std::vector<double> elements = chosen->elements;
  if (chosen->shape != shape) elements.push_back(size);
  return in_domain(script_, *fitted, elements, *domain);
}

ValueId Program::copied(const Drawn& from, ValueId value) {
  const gp_tensor& tensor = from.script.tensors[from.script.steps[from.script.step_of(value)].op];
  const ValueId made = script_.tensor(spec_of(from.script, tensor), next("a"));
  const gp_tensor& copy = script_.tensors.back();
  const std::size_t bytes = copy.buffer_elements * size_of(static_cast<gp_dtype>(copy.dtype));
  if (copy.memory == GP_GIVEN && bytes > 0) {
    std::memcpy(script_.data.data() + copy.data, from.script.data.data() + tensor.data, bytes);
  }
  return made;
}

Call Program::placed(const Drawn& from, std::optional<ValueId> first) {
  std::map<ValueId, ValueId> place;
  for (std::size_t i = 0; i < from.call.tensors.size(); ++i) {
    const auto instead = i == 0 && first ? first : instead_of(from, i);
    if (instead) place[from.call.tensors[i]] = *instead;
  }
  const auto of = [&](ValueId value) {
    const auto [at, fresh] = place.try_emplace(value, GP_NO_VALUE);
    if (fresh) at->second = copied(from, value);
    return at->second;
  };
  Call call = from.call;
  call.op =
      script_.op(from.script.op_name(from.script.ops[call.op]), from.script.op_overload(from.script.ops[call.op]));
  for (gp_arg& arg : call.args) arg = program::copied(from.script, arg, script_, of);
  for (ValueId& tensor : call.tensors) tensor = of(tensor);
  for (Call::Prepared& prepared : call.prepared) {
    prepared.tensor = of(prepared.tensor);
    if (prepared.mask != GP_NO_VALUE) prepared.mask = of(prepared.mask);
  }
  return call;
}

bool Program::try_call(const Entry& entry) {
  const Script before = script_;
  const std::size_t names = names_;
  taken_.clear();
  const std::vector<Index>* shape = values_.empty() || draw_.percent(20) ? nullptr : &recent_value().shape;
  const Drawn from = drawn(entry, shape);
  const std::size_t steps = script_.steps.size();
  const Call call = placed(from, std::nullopt);
  // Its leaves, and what was made to fit, are values like its results.
  std::vector<ValueId> fresh = values_since(steps);
  const std::vector<ValueId> made = apply(script_, call, next("t") + (call.results.size() > 1 ? "_" : ""));
  fresh.insert(fresh.end(), made.begin(), made.end());
  const std::vector<Value> values = values_;
  if (calls() > most_calls_ || !observe(fresh) || on_an_edge(entry, call.tensors)) {
    script_ = before;
    values_ = values;
    names_ = names;
    return false;
  }
  for (const ValueId result : made) script_.read(result);
  return true;
}

bool Program::write_in_place() {
  if (writers_.empty()) return false;
  std::vector<std::size_t> targets;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Value& value = values_[i];
    const bool free = std::all_of(values_.begin(), values_.end(), [&](const Value& other) {
      return other.memory != value.memory || (other.in_own_way && !may_be_kept(script_, other.id));
    });
    if (free && !value.leaf && !value.elements.empty()) targets.push_back(i);
  }
  if (targets.empty()) return false;
  for (int i = 0; i < attempts; ++i) {
    if (try_in_place(draw_.pick(targets))) return true;
  }
  return false;
}

bool Program::try_in_place(std::size_t target) {
  const Script before = script_;
  const std::vector<Value> values = values_;
  const std::size_t names = names_;
  const Entry& entry = *draw_.pick(writers_);
  taken_ = {values_[target].id};
  const Drawn from = drawn(entry, &values_[target].shape);
  const auto undo = [&] {
    script_ = before;
    values_ = values;
    names_ = names;
    return false;
  };
  if (from.call.tensors.empty() || from.call.shapes[0] != values_[target].shape) return false;
  const std::size_t steps = script_.steps.size();
  Call call = placed(from, values_[target].id);
  call.op = script_.op(entry.schema.name + "_", entry.schema.overload);
  script_.call(call.op, call.args, 0);
  const std::vector<Value> old = values_;
  if (calls() > most_calls_ || !observe(values_since(steps)) || !sweeps()) return undo();
  // What it was is no longer among the values.
  for (const Value& value : old) {
    if (value.id == values_[target].id && on_an_edge(entry, call.tensors, &value)) return undo();
  }
  script_.read(values_[target].id);
  return true;
}

void Program::detach() {
  if (values_.empty()) return;
  const Value of = recent_value();
  const std::array<ValueId, 1> made{script_.detach(of.id, next("d"))};
  taken_ = {of.id};
  observe(made);
}

// Whether an argument meets a kink or a jump of the operator, or two elements tie where that matters. Numbers that are
// one number to the engine are two balls, and which side of an edge they are on, or that they are on it, cannot be
// told.
bool Program::on_an_edge(const Entry& entry, std::span<const ValueId> arguments, const Value* instead_of_first) const {
  constexpr double near = 0x1p-10;
  std::vector<double> all;
  for (std::size_t arg = 0; arg < arguments.size(); ++arg) {
    const auto found =
        std::find_if(values_.begin(), values_.end(), [&](const Value& value) { return value.id == arguments[arg]; });
    const Value* value = arg == 0 && instead_of_first != nullptr ? instead_of_first : &*found;
    if (value == instead_of_first ? false : found == values_.end()) continue;
    const bool of_condition = !entry.schema.args.empty() && entry.schema.args[0].name == "condition";
    const auto number = static_cast<int>(arg) + (entry.elementwise && of_condition ? 1 : 0);
    for (const std::vector<Landmark>* landmarks : {&entry.record.kinks, &entry.record.jumps}) {
      for (const Landmark& landmark : *landmarks) {
        const auto meets = [&](double x) { return std::fabs(x - landmark.at) < near; };
        if (landmark.arg == number && std::any_of(value->elements.begin(), value->elements.end(), meets)) return true;
      }
    }
    all.insert(all.end(), value->elements.begin(), value->elements.end());
  }
  if (!entry.record.ties_matter) return false;
  std::sort(all.begin(), all.end());
  return std::adjacent_find(all.begin(), all.end(), [](double a, double b) { return b - a < near; }) != all.end();
}

std::vector<ValueId> Program::values_since(std::size_t step) const {
  std::vector<ValueId> made;
  for (; step < script_.steps.size(); ++step) {
    for (std::uint32_t i = 0; i < script_.steps[step].result_count; ++i) {
      made.push_back(script_.steps[step].first_result + i);
    }
  }
  return made;
}

bool Program::observe(std::span<const ValueId> made) {
  Script trial = script_;
  std::vector<std::uint32_t> reads;
  for (const Value& value : values_) reads.push_back(trial.read(value.id));
  for (const ValueId value : made) reads.push_back(trial.read(value));
  const std::vector<Seen<Defined>>& all = program::trial(*subject_.registry, trial);
  const bool small = std::all_of(all.begin(), all.end(), [](const Seen<Defined>& seen) {
    return seen.status == GP_VALUE && seen.value.numel <= most_elements;
  });
  if (!small || !is_moderate(all, most_magnitude) || !is_inside(*subject_.registry, subject_.dtype, trial))
    return false;
  const std::size_t known = values_.size();
  for (std::size_t i = 0; i < reads.size(); ++i) {
    const Seen<Defined>& seen = seen_at(*subject_.registry, reads[i]);
    if (seen.value.kind != Kind::real) continue;
    if (i >= known) enter(made[i - known], seen);
    Value& value = i < known ? values_[i] : values_.back();
    value.elements = elements_of(seen.value);
    value.requires_grad = seen.requires_grad;
    value.written = seen.version > 0;
    value.memory = seen.storage;
    value.uses += i < known ? static_cast<std::size_t>(std::count(taken_.begin(), taken_.end(), value.id)) : 0;
  }
  return true;
}

void Program::enter(ValueId made, const Seen<Defined>& seen) {
  Value value{.id = made, .shape = {seen.value.sizes().begin(), seen.value.sizes().end()}};
  const gp_step& maker = script_.steps[script_.step_of(made)];
  value.leaf = maker.kind == GP_TENSOR;
  const bool plain_view = maker.kind == GP_CALL && among(plain_views, script_.op_name(script_.ops[maker.op]));
  const bool shared =
      std::any_of(values_.begin(), values_.end(), [&](const Value& other) { return other.memory == seen.storage; });
  value.in_own_way = !value.leaf && (!shared || plain_view);
  values_.push_back(std::move(value));
}

bool Program::sweeps() const {
  Script trial = script_;
  std::vector<ValueId> roots;
  for (const Value& value : values_) {
    if (!value.requires_grad || value.leaf) continue;
    roots.push_back(trial.call(trial.op("sum", ""), std::array{trial.arg(value.id), trial.arg_default()}));
  }
  if (roots.empty()) return true;
  trial.backward(roots, {});
  const std::vector<Seen<Defined>>& seen = program::trial(*subject_.registry, trial);
  return std::none_of(seen.begin(), seen.end(), [](const Seen<Defined>& one) { return one.status == GP_ERROR; });
}

}  // namespace gradproof::program
