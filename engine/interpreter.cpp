#include "engine/interpreter.h"

#include <charconv>
#include <cstring>
#include <stdexcept>

#include "engine/load.h"
#include "engine/view_writes.h"

namespace gradproof {

template <class T>
Interpreter<T>::Interpreter(const Registry& registry, const Catalogue<T>& catalogue, const EngineInfo& modelled)
    : registry_(&registry), catalogue_(&catalogue), modelled_(modelled), tape_(catalogue) {}

template <class T>
void Interpreter<T>::prepare(const gp_program& program) {
  program_ = &program;
  resolved_.resize(program.step_count);
  slots_.resize(program.value_count);
  seen_at_.resize(program.step_count);
  for (std::uint64_t i = 0; i < program.step_count; ++i) {
    resolved_[i].clear();
    if (program.steps[i].kind == GP_CALL) resolve(program.steps[i], resolved_[i]);
  }
}

template <class T>
void Interpreter<T>::resolve(const gp_step& step, Resolved& into) {
  const gp_op& op = program_->ops[step.op];
  std::string name = program_->text + op.name;
  const std::string overload = program_->text + op.overload;
  if (name.size() > 1 && name.back() == '_' && registry_->find(name, overload).empty()) {
    into.in_place = true;
    name.pop_back();
  }
  const std::vector<std::size_t>& candidates = registry_->find(name, overload);
  if (candidates.empty()) {
    into.error = GP_UNKNOWN_OPERATOR;
    into.text = "the reference has no operator " + name + (overload.empty() ? "" : "." + overload);
    return;
  }
  const Schema& schema = registry_->entries()[candidates.front()].schema;
  std::string variant;
  for (std::size_t i = 0; i < schema.args.size() && into.error == GP_OK; ++i) {
    const SchemaArg& about = schema.args[i];
    const std::size_t before = into.args.size();
    if (i < step.arg_count && arg(step, i).kind != GP_ARG_DEFAULT) {
      resolve_arg(arg(step, i), about, into);
    } else {
      add_default(about, into);
    }
    const Entry& first = registry_->entries()[candidates.front()];
    if (about.name == first.variant_arg && into.args.size() > before) variant = into.args.back().text;
  }
  for (std::size_t list = 0, a = 0; a < into.args.size(); ++a) {
    if (into.args[a].kind == Arg<T>::Kind::integers) into.args[a].integers = into.lists[list++];
  }
  for (const std::size_t candidate : candidates) {
    if (registry_->entries()[candidate].variant_value == variant) into.op = &catalogue_->at(candidate);
  }
  if (into.op == nullptr && into.error == GP_OK) {
    into.error = GP_ARGUMENT;
    into.text = "the reference does not know the variant '" + variant + "' of " + schema.full_name();
  }
}

template <class T>
void Interpreter<T>::resolve_arg(const gp_arg& arg, const SchemaArg& about, Resolved& into) {
  const bool number = arg.kind == GP_ARG_INT || arg.kind == GP_ARG_REAL || arg.kind == GP_ARG_BOOL;
  if (number && (about.type == ArgType::tensor || about.type == ArgType::tensor_list)) {
    into.error = GP_ARGUMENT;
    into.text = "the argument " + about.name + " must be a tensor, not a number";
    return;
  }
  Arg<T> made;
  const auto as_number = [&](double value, bool integral) {
    made.kind = integral ? Arg<T>::Kind::integer : Arg<T>::Kind::real;
    made.number = value;
    made.real = Scalar<T>::argument(value);
  };
  switch (arg.kind) {
    case GP_ARG_NONE:
      if (about.type == ArgType::tensor) return into.inputs.push_back(GP_NO_VALUE);
      break;
    case GP_ARG_VALUE: return into.inputs.push_back(static_cast<std::uint32_t>(arg.u.index));
    case GP_ARG_VALUES:
      into.inputs.insert(into.inputs.end(), program_->ids + arg.u.index, program_->ids + arg.u.index + arg.count);
      return;
    case GP_ARG_INT:
      if (about.type == ArgType::integer_list) {
        made.kind = Arg<T>::Kind::integers;
        into.lists.push_back(std::vector<Index>(static_cast<std::size_t>(std::max(1, about.list_size)), arg.u.integer));
        break;
      }
      as_number(static_cast<double>(arg.u.integer), true);
      made.integer = arg.u.integer;
      break;
    case GP_ARG_REALS:
      made.kind = Arg<T>::Kind::reals;
      into.real_lists.emplace_back(program_->reals + arg.u.index, program_->reals + arg.u.index + arg.count);
      made.reals = into.real_lists.back();
      break;
    case GP_ARG_INTS:
    case GP_ARG_BOOLS:
      made.kind = Arg<T>::Kind::integers;
      into.lists.emplace_back(program_->ints + arg.u.index, program_->ints + arg.u.index + arg.count);
      break;
    case GP_ARG_REAL: as_number(arg.u.real, false); break;
    case GP_ARG_BOOL:
      as_number(arg.u.integer != 0 ? 1 : 0, true);
      made.kind = Arg<T>::Kind::boolean;
      made.integer = arg.u.integer;
      break;
    case GP_ARG_STRING:
      made.kind = Arg<T>::Kind::text;
      made.text = {program_->text + arg.u.index, arg.count};
      break;
    case GP_ARG_DTYPE:
      made.kind = Arg<T>::Kind::dtype;
      made.integer = arg.u.integer;
      break;
    default: into.error = GP_UNSUPPORTED; into.text = "the reference does not take the argument " + about.name;
  }
  into.args.push_back(made);
}

template <class T>
void Interpreter<T>::add_default(const SchemaArg& about, Resolved& into) {
  const std::string& text = about.default_text;
  gp_arg made{GP_ARG_NONE, 0, {0}};
  if (!about.has_default) {
    into.error = GP_ARGUMENT;
    into.text = "the argument " + about.name + " is missing";
    return;
  }
  if (text == "None") return resolve_arg(made, about, into);
  if (text == "True" || text == "False") {
    made.kind = GP_ARG_BOOL;
    made.u.integer = text == "True" ? 1 : 0;
    return resolve_arg(made, about, into);
  }
  Arg<T> other;
  if (text.starts_with('[')) {
    std::vector<Index> list;
    const char* at = text.data() + 1;
    const char* end = text.data() + text.size();
    for (Index value = 0; at < end;) {
      const auto [next, failure] = std::from_chars(at, end, value);
      if (failure == std::errc{}) list.push_back(value);
      at = failure == std::errc{} ? next : at + 1;
    }
    other.kind = Arg<T>::Kind::integers;
    into.lists.push_back(std::move(list));
    return into.args.push_back(other);
  }
  if (text.starts_with('\'') || text.starts_with('"')) {
    other.kind = Arg<T>::Kind::text;
    other.text = std::string_view(text).substr(1, text.size() - 2);
    return into.args.push_back(other);
  }
  const bool integral = text.find_first_of(".e") == std::string::npos;
  made.kind = integral ? GP_ARG_INT : GP_ARG_REAL;
  if (integral) {
    std::from_chars(text.data(), text.data() + text.size(), made.u.integer);
  } else {
    made.u.real = std::strtod(text.c_str(), nullptr);
  }
  resolve_arg(made, about, into);
}

template <class T>
const std::vector<Seen<T>>& Interpreter<T>::run(const std::uint8_t* data) {
  tape_.reset();
  tape_.expands_seeds = modelled_.expands_seeds;
  data_ = data;
  gaps_ = false;
  seen_.clear();
  zeroed_.clear();
  std::fill(slots_.begin(), slots_.end(), Slot{});
  std::fill(seen_at_.begin(), seen_at_.end(), -1);
  for (std::uint32_t i = 0; i < program_->step_count; ++i) {
    const bool recording = tape_.grad_enabled;
    try {
      step(i);
      continue;
    } catch (const EngineError& error) {
      fail(i, error.kind(), error.what());
    } catch (const std::bad_alloc&) {
      fail(i, GP_OUT_OF_MEMORY, "out of memory");
    } catch (const std::length_error&) {
      fail(i, GP_OUT_OF_MEMORY, "a list longer than memory");
    }
    tape_.grad_enabled = recording;  // a composite operator may have stopped half-way
  }
  return seen_;
}

template <class T>
const Seen<T>* Interpreter<T>::at(std::uint32_t step) const {
  const std::int32_t at = step < seen_at_.size() ? seen_at_[step] : -1;
  return at < 0 ? nullptr : &seen_[static_cast<std::size_t>(at)];
}

template <class T>
void Interpreter<T>::fail(std::uint32_t index, gp_error_kind kind, const std::string& text) {
  gaps_ = true;
  seen_at_[index] = static_cast<std::int32_t>(seen_.size());
  Seen<T>& seen = seen_.emplace_back();
  seen.step = index;
  seen.status = GP_ERROR;
  seen.error = kind;
  seen.text = text;
}

template <class T>
void Interpreter<T>::define(std::uint32_t id, VarImpl<T>* value) {
  slots_[id] = {value, value == nullptr ? State::undefined : State::defined};
}

template <class T>
Var<T> Interpreter<T>::var(std::uint32_t id) {
  if (id == GP_NO_VALUE) return {};
  if (slots_[id].state == State::undefined) throw EngineError(GP_UNDEFINED, "an undefined tensor is used");
  VarImpl<T>* found = slots_[id].var;
  if (found->base != nullptr) refresh_view(tape_, *found);
  return {&tape_, found};
}

template <class T>
std::vector<Var<T>> Interpreter<T>::vars(const gp_arg& list) {
  std::vector<Var<T>> made(list.count);
  for (std::uint32_t i = 0; i < list.count; ++i) made[i] = var(program_->ids[list.u.index + i]);
  return made;
}

// True where every value the step names was made; an earlier failure leaves gaps, which are passed on.
template <class T>
bool Interpreter<T>::has_inputs(const gp_step& step, const Resolved& resolved) {
  const auto made = [&](std::uint32_t id) { return id == GP_NO_VALUE || slots_[id].state != State::missing; };
  if (step.kind == GP_CALL && resolved.op != nullptr)
    return std::all_of(resolved.inputs.begin(), resolved.inputs.end(), made);
  for (std::uint32_t i = 0; i < step.arg_count; ++i) {
    const gp_arg& a = arg(step, i);
    if (a.kind == GP_ARG_VALUE && !made(static_cast<std::uint32_t>(a.u.index))) return false;
    if (a.kind == GP_ARG_VALUES) {
      if (!std::all_of(program_->ids + a.u.index, program_->ids + a.u.index + a.count, made)) return false;
    }
  }
  return true;
}

template <class T>
void Interpreter<T>::step(std::uint32_t index) {
  const gp_step& step = program_->steps[index];
  const Resolved& resolved = resolved_[index];
  if (gaps_ && !has_inputs(step, resolved)) {
    if (step.kind == GP_READ) {
      fail(index, GP_OK, "");
      seen_.back().status = GP_SKIPPED;
    }
    return;
  }
  switch (step.kind) {
    case GP_TENSOR: return make_tensor(step);
    case GP_CALL: return call(step, resolved);
    case GP_BACKWARD:
    case GP_GRAD: return sweep(step);
    case GP_READ: return read(index, step);
    default: return simple(step);
  }
}

template <class T>
void Interpreter<T>::make_tensor(const gp_step& step) {
  const gp_tensor& spec = program_->tensors[step.op];
  const auto dtype = static_cast<gp_dtype>(spec.dtype);
  const Kind kind = is_floating(dtype) ? Kind::real : dtype == GP_BOOL ? Kind::boolean : Kind::integer;
  if (kind == Kind::real && !loads<T>(dtype)) {
    throw EngineError(GP_UNSUPPORTED,
                      std::string("the reference computes in one of f32 and f64, not in ") + name_of(dtype));
  }
  const Index buffer_size = static_cast<Index>(spec.buffer_elements);
  const Sizes sizes{program_->ints + spec.shape, spec.ndim};
  const bool contiguous = spec.strides == GP_CONTIGUOUS;
  const bool whole = contiguous && count_elements(sizes) == buffer_size;
  Tensor<T> made = tape_.allocate(kind, whole ? sizes : Sizes{&buffer_size, 1});
  load(made, spec, data_, fill);
  if (!whole) {
    std::array<Index, GP_MAX_DIMS> row_major{};
    contiguous_strides(sizes, row_major.data());
    const Index* strides = contiguous ? row_major.data() : program_->ints + spec.strides;
    made = tape_.view(made, sizes, {strides, spec.ndim}, spec.offset);
  }
  VarImpl<T>* impl = tape_.constant(made).impl();
  impl->requires_grad = (spec.flags & GP_REQUIRES_GRAD) != 0;
  if (impl->requires_grad && kind != Kind::real)
    throw EngineError(GP_DTYPE, "only floating tensors can require a gradient");
  define(step.first_result, impl);
}

template <class T>
void Interpreter<T>::call(const gp_step& step, const Resolved& resolved) {
  if (resolved.error != GP_OK) throw EngineError(resolved.error, resolved.text);
  scratch_.clear();
  for (const std::uint32_t id : resolved.inputs) scratch_.push_back(var(id).impl());
  if (resolved.in_place) {
    tape_.run_in_place(*resolved.op, scratch_, resolved.args);
    if (step.result_count > 0) define(step.first_result, scratch_[0]);
    return;
  }
  const Node<T>& node = tape_.run(*resolved.op, scratch_, resolved.args);
  gaps_ |= node.output_count < step.result_count;
  for (std::uint32_t i = 0; i < step.result_count && i < node.output_count; ++i)
    define(step.first_result + i, node.outputs[i]);
}

template <class T>
void Interpreter<T>::simple(const gp_step& step) {
  switch (step.kind) {
    case GP_GRAD_OF: return define(step.first_result, var(id(step, 0)).impl()->grad);
    case GP_SET_GRAD: {
      VarImpl<T>& owner = *var(id(step, 0)).impl();
      VarImpl<T>* grad = arg(step, 1).kind == GP_ARG_VALUE ? var(id(step, 1)).impl() : nullptr;
      if (grad != nullptr && !same_sizes(grad->value.sizes(), owner.value.sizes())) {
        throw EngineError(GP_SHAPE, "a gradient of shape " + to_text(grad->value.sizes()) + " for a tensor of shape " +
                                        to_text(owner.value.sizes()));
      }
      owner.grad = grad;
      return;
    }
    case GP_ZERO_GRAD: {
      VarImpl<T>& owner = *var(id(step, 0)).impl();
      if (owner.grad == nullptr) return;
      // In the same memory, without the graph that made it.
      VarImpl<T>* grad = tape_.constant(owner.grad->value).impl();
      owner.grad = grad;
      zeroed_.push_back(grad);
      T* to = grad->value.real();
      for_each_offset<1>(grad->value.sizes(), {grad->value.strides_begin},
                         [&](const auto& at) { to[at[0]] = Scalar<T>::leaf(0); });
      ++grad->value.storage->version;
      return;
    }
    case GP_DUAL: return define(step.first_result, tape_.make_dual(var(id(step, 0)), var(id(step, 1))).impl());
    case GP_JVP: return define(step.first_result, tape_.tangent_of(var(id(step, 0))).impl());
    case GP_DETACH: return define(step.first_result, tape_.constant(var(id(step, 0)).impl()->value).impl());
    case GP_REQUIRE_GRAD: {
      VarImpl<T>& owner = *var(id(step, 0)).impl();
      const bool on = arg(step, 1).u.integer != 0;
      if (owner.value.kind != Kind::real && on)
        throw EngineError(GP_DTYPE, "only floating tensors can require a gradient");
      if (!owner.is_leaf() && !on) throw EngineError(GP_ARGUMENT, "requires_grad can be switched off at leaves only");
      owner.requires_grad = on;
      return;
    }
    case GP_RETAIN_GRAD: {
      VarImpl<T>& owner = *var(id(step, 0)).impl();
      if (!owner.requires_grad) throw EngineError(GP_NO_GRAD_REQUIRED, "the tensor does not require a gradient");
      owner.retains_grad = !owner.is_leaf();
      return;
    }
    case GP_HOOK: {
      VarImpl<T>& owner = *var(id(step, 0)).impl();
      if (!owner.requires_grad) throw EngineError(GP_NO_GRAD_REQUIRED, "the tensor does not require a gradient");
      return tape_.hook(owner, Scalar<T>::argument(arg(step, 1).u.real));
    }
    // The arena keeps what handles are dropped of, lanes run one after the other, and there are no streams.
    case GP_DROP:
    case GP_PARALLEL: return tape_.arrive_in_any_order(arg(step, 0).u.integer != GP_PARALLEL_END);
    case GP_STREAM: return;
    case GP_NO_GRAD: tape_.grad_enabled = arg(step, 0).u.integer == 0; return;
    default: throw EngineError(GP_UNSUPPORTED, "a step of a kind the reference does not know");
  }
}

template <class T>
void Interpreter<T>::read(std::uint32_t index, const gp_step& step) {
  const Slot& slot = slots_[id(step, 0)];
  seen_at_[index] = static_cast<std::int32_t>(seen_.size());
  Seen<T>& seen = seen_.emplace_back();
  seen.step = index;
  if (slot.state == State::undefined) {
    seen.status = GP_UNDEFINED_VALUE;
    return;
  }
  const Tensor<T>& value = slot.var->value;
  seen.requires_grad = slot.var->requires_grad;
  seen.storage = value.storage->id;
  seen.version = value.storage->version;
  std::copy_n(value.strides_begin, value.ndim, seen.strides.begin());
  // A copy: a later step may write into the same memory.
  Tensor<T> copy = tape_.contiguous(value);
  if (copy.data == value.data) {
    copy = value.kind == Kind::real ? tape_.allocate_like(value) : tape_.allocate(value.kind, value.sizes());
    switch (value.kind) {
      case Kind::real: std::copy_n(value.real(), value.numel, copy.real()); break;
      case Kind::integer: std::copy_n(value.integers(), value.numel, copy.integers()); break;
      case Kind::boolean: std::copy_n(value.booleans(), value.numel, copy.booleans()); break;
    }
  }
  seen.value = copy;
}

#define GRADPROOF_INSTANTIATE(T) template class Interpreter<T>;
GRADPROOF_FOR_EACH_SCALAR(GRADPROOF_INSTANTIATE)
#undef GRADPROOF_INSTANTIATE

}  // namespace gradproof
