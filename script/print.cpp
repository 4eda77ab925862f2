#include "script/print.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_set>

#include "script/bind.h"
#include "script/number.h"
#include "script/tail.h"

namespace gradproof {
namespace {

template <class Items, class Append>
void append_list(std::string& out, const Items& items, Append append) {
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ", ";
    first = false;
    append(item);
  }
}

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '\'';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\' || c == '\'') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  out += '\'';
}

class Printer {
 public:
  Printer(const Script& script, const Schemas* schemas) : s_(script), schemas_(schemas) { survey(); }

  std::string run() {
    for (const std::string& comment : s_.comments) append_comment(comment);
    for (std::size_t i = 0; i < s_.steps.size(); ++i) {
      if (i + 1 < s_.steps.size() && joined(i)) {
        print_read(i + 1, {value_of(i, 0), true}, i);
        ++i;
      } else if (s_.steps[i].kind == GP_READ) {
        print_read(i, {value_of(i, 0), false}, i);
      } else {
        print_step(i);
        print_expectations(i, {});
      }
    }
    return std::move(out_);
  }

 private:
  // What each value is called, how often it is used, and which expectations each step has.
  void survey() {
    names_.reserve(s_.value_count);
    std::unordered_set<std::string> taken;
    for (ValueId id = 0; id < s_.value_count; ++id) {
      std::string name = s_.name(id);
      if (!taken.insert(name).second) name = "%" + std::to_string(id);
      names_.push_back(std::move(name));
    }
    uses_.resize(s_.value_count);
    for (const gp_step& step : s_.steps) {
      for (const gp_arg& arg : s_.args_of(step)) count_uses(arg);
    }
    expected_.resize(s_.steps.size());
    for (const Expectation& expectation : s_.expectations) {
      const bool memory =
          expectation.kind == Expectation::Kind::shares || expectation.kind == Expectation::Kind::separate;
      const auto reads = [&](std::uint32_t step) { return s_.steps[step].kind == GP_READ; };
      if (expectation.step >= s_.steps.size() ||
          (expectation.kind != Expectation::Kind::error && !reads(expectation.step)) ||
          (memory && (expectation.other_step >= s_.steps.size() || !reads(expectation.other_step)))) {
        throw std::invalid_argument("an expectation is about step " + std::to_string(expectation.step) +
                                    ", which is no read");
      }
      expected_[expectation.step].push_back(&expectation);
      if (memory) others_.insert(expectation.other_step);
    }
  }

  void count_uses(const gp_arg& arg) {
    if (arg.kind == GP_ARG_VALUE) ++uses_[arg.u.index];
    if (arg.kind != GP_ARG_VALUES) return;
    for (std::uint64_t i = 0; i < arg.count; ++i) {
      const ValueId id = s_.ids[arg.u.index + i];
      if (id != GP_NO_VALUE) ++uses_[id];
    }
  }

  ValueId value_of(std::size_t step, std::size_t arg) const {
    return static_cast<ValueId>(s_.args_of(s_.steps[step])[arg].u.index);
  }

  // "read x.grad" in one line: the gradient has no name and no other use.
  bool joined(std::size_t i) const {
    const gp_step& step = s_.steps[i];
    if (step.kind != GP_GRAD_OF || s_.steps[i + 1].kind != GP_READ || value_of(i + 1, 0) != step.first_result)
      return false;
    const bool nameless = step.first_result >= s_.names.size() || s_.names[step.first_result].empty();
    return nameless && uses_[step.first_result] == 1 && expected_[i].empty() &&
           !others_.contains(static_cast<std::uint32_t>(i + 1));
  }

  std::string name_of_subject(const Subject& subject) const {
    return names_[subject.value] + (subject.gradient ? ".grad" : "");
  }

  void append_comment(std::string_view comment) {
    while (true) {
      const std::string_view line = comment.substr(0, comment.find('\n'));
      out_ += line.empty() ? "#" : "# ";
      out_.append(line) += '\n';
      if (line.size() == comment.size()) return;
      comment.remove_prefix(line.size() + 1);
    }
  }

  // `before`: how many steps precede what this line makes. An expectation makes the read itself, unless it would be
  // taken to be about the read before.
  void print_read(std::size_t step, const Subject& subject, std::size_t before) {
    const auto& expected = expected_[step];
    const bool implied =
        !expected.empty() && expected[0]->kind != Expectation::Kind::error && !ends_reading(s_, before, subject);
    if (!implied) out_ += "read " + name_of_subject(subject) + "\n";
    print_expectations(step, subject);
  }

  void print_expectations(std::size_t step, const Subject& subject) {
    for (const Expectation* expectation : expected_[step]) {
      out_ += "expect ";
      if (expectation->kind == Expectation::Kind::error) {
        out_ += std::string("error ") + name_of(expectation->error) + "\n";
        continue;
      }
      out_ += name_of_subject(subject);
      print_expectation(*expectation);
      out_ += '\n';
    }
  }

  void print_expectation(const Expectation& expectation) {
    switch (expectation.kind) {
      case Expectation::Kind::exact:
      case Expectation::Kind::digits:
        out_ += expectation.kind == Expectation::Kind::exact ? " ==" : " =";
        if (expectation.shaped) {
          out_ += ' ';
          if (expectation.dtype) out_ += name_of(*expectation.dtype);
          append_integers(expectation.shape);
        }
        for (const std::string& number : expectation.numbers) out_ += " " + number;
        break;
      case Expectation::Kind::enclosed: out_ += " enclosed"; break;
      case Expectation::Kind::undefined: out_ += " undefined"; break;
      case Expectation::Kind::unwritten: out_ += " unwritten"; break;
      case Expectation::Kind::written: out_ += " written"; break;
      case Expectation::Kind::shares: out_ += " shares " + names_[value_of(expectation.other_step, 0)]; break;
      case Expectation::Kind::separate: out_ += " separate " + names_[value_of(expectation.other_step, 0)]; break;
      case Expectation::Kind::error: break;
    }
  }

  void append_integers(std::span<const Index> integers) {
    out_ += '[';
    append_list(out_, integers, [&](Index integer) { out_ += std::to_string(integer); });
    out_ += ']';
  }

  void append_values(const gp_arg& arg) {
    const std::span<const ValueId> ids(s_.ids.data() + arg.u.index, arg.count);
    out_ += '[';
    append_list(out_, ids, [&](ValueId id) { out_ += id == GP_NO_VALUE ? "none" : names_[id]; });
    out_ += ']';
  }

  void append_results(const gp_step& step) {
    for (std::uint32_t i = 0; i < step.result_count; ++i) out_ += (i == 0 ? "" : ", ") + names_[step.first_result + i];
    if (step.result_count > 0) out_ += " = ";
  }

  void print_step(std::size_t i) {
    const gp_step& step = s_.steps[i];
    const std::span<const gp_arg> args = s_.args_of(step);
    const auto value = [&](std::size_t arg) { return names_[args[arg].u.index]; };
    switch (step.kind) {
      case GP_TENSOR:
        append_results(step);
        print_tensor(s_.tensors[step.op]);
        break;
      case GP_CALL: print_call(step); break;
      case GP_BACKWARD:
      case GP_GRAD: print_sweep(step); break;
      case GP_GRAD_OF: out_ += names_[step.first_result] + " = " + value(0) + ".grad"; break;
      case GP_SET_GRAD: out_ += value(0) + ".grad = " + (args[1].kind == GP_ARG_NONE ? "none" : value(1)); break;
      case GP_ZERO_GRAD: out_ += "zero " + value(0) + ".grad"; break;
      case GP_DUAL: out_ += names_[step.first_result] + " = dual " + value(0) + " " + value(1); break;
      case GP_JVP: out_ += names_[step.first_result] + " = jvp " + value(0); break;
      case GP_DETACH: out_ += names_[step.first_result] + " = detach " + value(0); break;
      case GP_REQUIRE_GRAD: out_ += "require_grad " + value(0) + (args[1].u.integer != 0 ? "" : " false"); break;
      case GP_RETAIN_GRAD: out_ += "retain_grad " + value(0); break;
      case GP_NO_GRAD: out_ += args[0].u.integer != 0 ? "no_grad" : "end no_grad"; break;
      case GP_DROP:
        out_ += "drop ";
        append_values(args[0]);
        break;
      case GP_HOOK:
        out_ += "hook " + value(0) + " ";
        append_real(out_, args[1].u.real, true);
        break;
      case GP_PARALLEL: out_ += lane_word(args[0].u.integer); break;
      case GP_STREAM: out_ += "stream " + std::to_string(args[0].u.integer); break;
      default: break;
    }
    out_ += '\n';
  }

  static const char* lane_word(Index where) {
    return where == GP_PARALLEL_BEGIN ? "parallel" : where == GP_PARALLEL_NEXT ? "and" : "end parallel";
  }

  void print_tensor(const gp_tensor& tensor) {
    const auto dtype = static_cast<gp_dtype>(tensor.dtype);
    out_ += (tensor.flags & GP_REQUIRES_GRAD) != 0 ? "leaf " : "tensor ";
    out_ += name_of(dtype);
    const std::span<const Index> shape(s_.ints.data() + (tensor.ndim > 0 ? tensor.shape : 0), tensor.ndim);
    append_integers(shape);
    std::uint64_t elements = 1;
    for (const Index size : shape) elements *= static_cast<std::uint64_t>(size);
    const bool strided = tensor.strides != GP_CONTIGUOUS && tensor.ndim > 0;
    if (strided) {
      out_ += " strides ";
      append_integers({s_.ints.data() + tensor.strides, tensor.ndim});
    }
    if (tensor.offset != 0) out_ += " offset " + std::to_string(tensor.offset);
    if ((tensor.flags & GP_PINNED) != 0) out_ += " pinned";
    if (tensor.device == GP_CUDA) out_ += " device cuda";
    const bool plain = !strided && tensor.offset == 0 && tensor.buffer_elements == elements;
    if (tensor.memory != GP_GIVEN) {
      out_ += tensor.memory == GP_ZEROS ? " zeros" : " empty";
      if (!plain && tensor.buffer_elements > 0) out_ += " buffer " + std::to_string(tensor.buffer_elements);
      return;
    }
    if (!plain) out_ += " buffer [";
    const std::size_t size = size_of(dtype);
    for (std::uint64_t i = 0; i < tensor.buffer_elements; ++i) {
      if (plain || i > 0) out_ += ' ';
      append_number(out_, dtype, s_.data.data() + tensor.data + i * size);
    }
    if (!plain) out_ += ']';
  }

  void print_sweep(const gp_step& step) {
    const std::span<const gp_arg> args = s_.args_of(step);
    append_results(step);
    out_ += step.kind == GP_GRAD ? "grad " : "backward ";
    const auto one_or_list = [&](const gp_arg& arg) {
      const ValueId first = s_.ids[arg.u.index];
      if (arg.count != 1) return append_values(arg);
      out_ += first == GP_NO_VALUE ? "none" : names_[first];
    };
    one_or_list(args[0]);
    const std::span<const ValueId> seeds(s_.ids.data() + args[1].u.index, args[1].count);
    if (args[2].kind == GP_ARG_VALUES) {
      out_ += step.kind == GP_GRAD ? " wrt " : " inputs ";
      append_values(args[2]);
    }
    if (std::any_of(seeds.begin(), seeds.end(), [](ValueId id) { return id != GP_NO_VALUE; })) {
      out_ += " seed ";
      one_or_list(args[1]);
    }
    if ((step.flags & GP_RETAIN_GRAPH) != 0) out_ += " retain_graph";
    if ((step.flags & GP_CREATE_GRAPH) != 0) out_ += " create_graph";
    if ((step.flags & GP_ALLOW_UNUSED) != 0) out_ += " allow_unused";
  }

  // An in-place operator's result is the tensor it changed; a nameless one that nothing uses needs no mention.
  bool result_unused(const gp_step& step, std::string_view op) const {
    return step.result_count == 1 && op.ends_with('_') && uses_[step.first_result] == 0 &&
           names_[step.first_result][0] == '%';
  }

  void print_call(const gp_step& step) {
    const std::string_view name = s_.op_name(s_.ops[step.op]);
    const std::string_view overload = s_.op_overload(s_.ops[step.op]);
    if (!result_unused(step, name)) append_results(step);
    const Schema* schema = schemas_ != nullptr ? schemas_->find(name, overload) : nullptr;
    const std::span<const gp_arg> args = s_.args_of(step);
    if (schema != nullptr && schema->args.size() != args.size()) schema = nullptr;
    std::vector<CallArgument> written;
    bool by_name = false;
    for (std::size_t i = 0; i < args.size(); ++i) {
      const bool left_out = args[i].kind == GP_ARG_DEFAULT;
      if (schema != nullptr) {
        by_name = by_name || left_out || schema->args[i].keyword_only;
        if (left_out) continue;
      }
      written.push_back({by_name ? schema->args[i].name : std::string(), literal_of(s_, args[i])});
    }
    out_ += name;
    if (schema == nullptr || !chosen(*schema, written))
      out_ += "." + (overload.empty() ? std::string("default") : std::string(overload));
    out_ += '(';
    append_list(out_, written, [&](const CallArgument& argument) {
      if (!argument.name.empty()) out_ += argument.name + "=";
      append_literal(argument.value);
    });
    out_ += ')';
  }

  bool chosen(const Schema& schema, std::span<const CallArgument> written) const {
    try {
      return choose_overload(*schemas_, {schema.name, {}, false}, written).overload == schema.overload;
    } catch (const BindError&) {
      return false;
    }
  }

  void append_literal(const Literal& literal) {
    switch (literal.kind) {
      case Literal::Kind::left_out: out_ += '_'; break;
      case Literal::Kind::none: out_ += "none"; break;
      case Literal::Kind::value: out_ += names_[static_cast<std::size_t>(literal.integer)]; break;
      case Literal::Kind::integer: out_ += std::to_string(literal.integer); break;
      case Literal::Kind::real: append_real(out_, literal.real, true); break;
      case Literal::Kind::boolean: out_ += literal.integer != 0 ? "true" : "false"; break;
      case Literal::Kind::text: append_string(out_, literal.text); break;
      case Literal::Kind::dtype: out_ += name_of(static_cast<gp_dtype>(literal.integer)); break;
      case Literal::Kind::list:
        out_ += '[';
        append_list(out_, literal.items, [&](const Literal& item) { append_literal(item); });
        out_ += ']';
        break;
    }
  }

  const Script& s_;
  const Schemas* schemas_;
  std::string out_;
  std::vector<std::string> names_;
  std::vector<std::uint32_t> uses_;
  std::vector<std::vector<const Expectation*>> expected_;
  std::unordered_set<std::uint32_t> others_;
};

}  // namespace

std::string print(const Script& script, const Schemas* schemas) { return Printer(script, schemas).run(); }

}  // namespace gradproof
