#include "script/reproduce/python.h"

#include <algorithm>
#include <array>

#include "script/layout.h"
#include "script/number.h"

namespace gradproof {
namespace {

constexpr int columns = 96;

const char* dtype_name(std::int64_t dtype) {
  switch (dtype) {
    case GP_F16: return "torch.float16";
    case GP_BF16: return "torch.bfloat16";
    case GP_F32: return "torch.float32";
    case GP_F64: return "torch.float64";
    case GP_I64: return "torch.int64";
    default: return "torch.bool";
  }
}

std::string quoted(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;  // UTF-8 as it is
    } else {
      out += "\\x";
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    }
  }
  return out + '"';
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

std::string tuple(const std::vector<Index>& numbers) {
  std::vector<std::string> items;
  for (const Index number : numbers) items.push_back(std::to_string(number));
  return "(" + joined(items) + (items.size() == 1 ? ",)" : ")");
}

}  // namespace

bool PythonProgram::is_reserved(std::string_view name) const {
  constexpr std::array words{"False",     "None",       "True",     "and",    "as",    "assert", "async",   "await",
                             "break",     "class",      "continue", "def",    "del",   "elif",   "else",    "except",
                             "finally",   "for",        "from",     "global", "if",    "import", "in",      "is",
                             "lambda",    "nonlocal",   "not",      "or",     "pass",  "raise",  "return",  "try",
                             "while",     "with",       "yield",    "torch",  "show",  "nan",    "inf",     "print",
                             "str",       "list",       "type",     "lane",   "lanes", "thread", "outcome", "error",
                             "threading", "forward_ad", "Exception"};
  return std::find(words.begin(), words.end(), name) != words.end();
}

void PythonProgram::begin() {
  if (large_) line("torch.set_num_threads(1)");
  if (uses_forward_mode_) line("forward_ad.enter_dual_level()");
}

std::string PythonProgram::opening() const {
  std::string out;
  if (uses_threads_) out += "import threading\n";
  if (!from_math_.empty()) {
    out += "from math import " + joined({from_math_.begin(), from_math_.end()}) + "\n";
  }
  if (!out.empty()) out += "\n";
  out += "import torch\n";
  if (uses_forward_mode_) out += "from torch.autograd import forward_ad\n";
  out += "\n";
  if (!shows_) return out;
  return out +
         "\n"
         "def show(what, expected, got):\n"
         "    if got is None:\n"
         "        text = \"no tensor\"\n"
         "    else:\n"
         "        text = f\"{str(got.dtype)[6:]}{list(got.shape)} {got.detach().clone().tolist()}\"\n"
         "    print(f\"{what}: expected {expected}, got {text}\", flush=True)\n"
         "\n\n";
}

std::string PythonProgram::number(gp_dtype dtype, double value) {
  std::string text = decimal_of(dtype, value);
  if (text == "nan") from_math_.insert("nan");
  if (text.ends_with("inf")) from_math_.insert("inf");
  return text;
}

std::string PythonProgram::tensor(const gp_tensor& tensor) {
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  const bool plain = is_plain(tensor);
  const std::vector<Index> shape =
      plain ? shape_of(script_, tensor) : std::vector<Index>{static_cast<Index>(tensor.buffer_elements)};
  std::string options = std::string("dtype=") + dtype_name(dtype);
  if (tensor.device == GP_CUDA) options += ", device=\"cuda\"";
  if ((tensor.flags & GP_PINNED) != 0) options += ", pin_memory=torch.cuda.is_available()";
  const bool leaf = (tensor.flags & GP_REQUIRES_GRAD) != 0;
  if (plain && leaf) options += ", requires_grad=True";
  std::string text;
  if (tensor.memory == GP_GIVEN && tensor.buffer_elements > 0) {
    std::vector<std::string> elements = elements_of(tensor);
    for (std::string& element : elements) {
      if (dtype == GP_BOOL) element[0] = element[0] == 't' ? 'T' : 'F';
      if (element == "nan") from_math_.insert("nan");
      if (element.ends_with("inf")) from_math_.insert("inf");
    }
    text = "torch.tensor(" + nested(shape, elements, "[", "]", columns) + ", " + options + ")";
  } else {
    text =
        std::string(tensor.memory == GP_ZEROS ? "torch.zeros(" : "torch.empty(") + tuple(shape) + ", " + options + ")";
  }
  if (plain) return text;
  // Detached: seen as a tensor of its own, not as a view of the buffer.
  text += ".as_strided(" + tuple(shape_of(script_, tensor)) + ", " + tuple(strides_of(script_, tensor)) + ", " +
          std::to_string(tensor.offset) + ").detach()";
  return leaf ? text + ".requires_grad_()" : text;
}

std::string PythonProgram::literal(const gp_step& step, const GivenArgument& argument, const Literal& value) {
  switch (value.kind) {
    case Literal::Kind::none:
    case Literal::Kind::left_out: return "None";
    case Literal::Kind::value: return name_of_value(static_cast<ValueId>(value.integer));
    case Literal::Kind::integer: return std::to_string(value.integer);
    case Literal::Kind::real: return number(GP_F64, value.real);
    case Literal::Kind::boolean: return value.integer != 0 ? "True" : "False";
    case Literal::Kind::text: return quoted(value.text);
    case Literal::Kind::dtype: return dtype_name(value.integer);
    case Literal::Kind::list: break;
  }
  std::vector<std::string> items;
  for (const Literal& item : value.items) items.push_back(literal(step, argument, item));
  return "[" + joined(items) + "]";
}

Program::Expression PythonProgram::call(const gp_step& step) {
  const Schema& schema = schema_of(step);
  const std::size_t colons = schema.name.find("::");
  std::string text = "torch.ops." + (colons == std::string::npos
                                         ? "aten." + schema.name
                                         : schema.name.substr(0, colons) + "." + schema.name.substr(colons + 2));
  text += "." + (schema.overload.empty() ? "default" : schema.overload);
  std::vector<std::string> written;
  for (const GivenArgument& argument : given_arguments(step)) {
    written.push_back((argument.by_name ? argument.of->name + "=" : "") + literal(step, argument, argument.value));
  }
  const bool list = schema.results.size() == 1 && schema.results[0].type == ArgType::tensor_list;
  return {text + "(" + joined(written) + ")", list                         ? Results::list
                                              : schema.results.size() == 1 ? Results::one
                                                                           : Results::several};
}

void PythonProgram::check_sweep(const gp_step& step) const {
  refuse_empty_lists(step);
  if (!facts_.expands_seed.contains(static_cast<std::uint32_t>(&step - script_.steps.data()))) return;
  refuse(step, "the seed is larger than its output: LibTorch's C++ sums it, PyTorch's Python refuses it");
}

std::string PythonProgram::list(const gp_arg& arg) const {
  std::vector<std::string> items;
  for (const ValueId id : values(arg)) items.push_back(id == GP_NO_VALUE ? "None" : name_of_value(id));
  return "[" + joined(items) + "]";
}

std::string PythonProgram::options(const gp_step& step) const {
  std::string text;
  if ((step.flags & GP_RETAIN_GRAPH) != 0) text += ", retain_graph=True";
  if ((step.flags & GP_CREATE_GRAPH) != 0) text += ", create_graph=True";
  if ((step.flags & GP_ALLOW_UNUSED) != 0) text += ", allow_unused=True";
  return text;
}

std::string PythonProgram::backward(const gp_step& step) const {
  const gp_arg& roots = args(step)[0];
  const bool one = roots.count == 1;
  std::string given;
  if (!one) given = ", " + list(roots);
  if (has_seeds(step)) given += ", " + (one ? name_of_value(values(args(step)[1])[0]) : list(args(step)[1]));
  given += options(step);
  if (args(step)[2].kind == GP_ARG_VALUES) given += ", inputs=" + list(args(step)[2]);
  if (!given.empty()) given.erase(0, 2);
  return (one ? name_of_value(values(roots)[0]) : "torch.autograd") + ".backward(" + given + ")";
}

Program::Expression PythonProgram::grad(const gp_step& step) const {
  const auto one_or_list = [&](const gp_arg& arg) {
    return arg.count == 1 ? name_of_value(values(arg)[0]) : list(arg);
  };
  std::string text = "torch.autograd.grad(" + one_or_list(args(step)[0]) + ", " + one_or_list(args(step)[2]);
  if (has_seeds(step)) text += ", " + one_or_list(args(step)[1]);
  return {text + options(step) + ")", step.result_count == 1 ? Results::list : Results::several};
}

Program::Expression PythonProgram::made_by(const gp_step& step) {
  switch (step.kind) {
    case GP_TENSOR: return {tensor(script_.tensors[step.op])};
    case GP_CALL: return call(step);
    case GP_GRAD: check_sweep(step); return grad(step);
    case GP_GRAD_OF: return {grad_of(value(step, 0))};
    case GP_DUAL: return {"forward_ad.make_dual(" + value(step, 0) + ", " + value(step, 1) + ")"};
    case GP_JVP: return {"forward_ad.unpack_dual(" + value(step, 0) + ").tangent"};
    case GP_DETACH: return {value(step, 0) + ".detach()"};
    default: refuse(step, "a step that Python has no word for");
  }
}

std::string PythonProgram::statement(const gp_step& step) {
  const auto on = [&](std::size_t arg) { return args(step)[arg].u.integer != 0; };
  switch (step.kind) {
    case GP_CALL: return call(step).text;
    case GP_BACKWARD: check_sweep(step); return backward(step);
    case GP_SET_GRAD:
      return grad_of(value(step, 0)) + " = " + (args(step)[1].kind == GP_ARG_NONE ? "None" : value(step, 1));
    case GP_ZERO_GRAD: {
      const std::string grad = grad_of(value(step, 0));
      return grad + " = None if " + grad + " is None else " + grad + ".detach().zero_()";
    }
    case GP_REQUIRE_GRAD: return value(step, 0) + ".requires_grad_(" + (on(1) ? "" : "False") + ")";
    case GP_RETAIN_GRAD: return value(step, 0) + ".retain_grad()";
    case GP_NO_GRAD: return std::string("torch.set_grad_enabled(") + (on(0) ? "False" : "True") + ")";
    case GP_DROP: {
      std::vector<std::string> names;
      for (const ValueId id : values(args(step)[0])) names.push_back(name_of_value(id));
      return "del " + joined(names);
    }
    case GP_HOOK:
      return value(step, 0) + ".register_hook(lambda grad: grad * " + number(GP_F64, args(step)[1].u.real) + ")";
    default: refuse(step, "a step that Python has no word for");
  }
}

void PythonProgram::bind(const gp_step& step, const Expression& made, bool /*declared*/) {
  std::vector<std::string> names;
  for (std::uint32_t r = 0; r < step.result_count; ++r) names.push_back(name_of_value(step.first_result + r));
  std::string text = made.text;
  if (made.results == Results::list) text += names.size() == 1 ? "[0]" : "[:" + std::to_string(names.size()) + "]";
  line(joined(names) + " = " + text);
}

void PythonProgram::declare(const std::vector<std::string>& names) {
  for (const std::string& name : names) line(name + " = None");
}

void PythonProgram::show(const std::string& what, const std::string& expected, const std::string& got) {
  line("show(" + quoted(what) + ", " + quoted(expected.empty() ? "not known" : expected) + ", " + got + ")");
}

void PythonProgram::show_memory(const std::string& what, const std::string& wanted, const std::string& one,
                                const std::string& other) {
  line("same = " + one + ".untyped_storage().data_ptr() == " + other + ".untyped_storage().data_ptr()");
  line("print(" + quoted(what + ": expected " + wanted + ", got") + ", \"that\" if same else \"another\", flush=True)");
}

void PythonProgram::begin_attempt() {
  line("try:");
  indent(4);
}

void PythonProgram::end_attempt(const std::string& what, const std::string& expected) {
  line("outcome = \"no error\"");
  indent(-4);
  line("except Exception as error:");
  line("    outcome = f\"{type(error).__name__}: {error}\".splitlines()[0]");
  line("print(" + quoted(what + ": expected " + expected + ", got") + ", outcome, flush=True)");
}

void PythonProgram::begin_lane(const std::vector<std::string>& makes, bool empty) {
  line("def lane():");
  indent(4);
  if (!makes.empty()) line("global " + joined(makes));
  if (!recording_) line("torch.set_grad_enabled(False)");
  if (empty) line("pass");
}

void PythonProgram::end_lane() {
  indent(-4);
  line("lanes.append(threading.Thread(target=lane))");
}

void PythonProgram::end_lanes() {
  line("for thread in lanes:\n    thread.start()");
  line("for thread in lanes:\n    thread.join()");
}

}  // namespace gradproof
