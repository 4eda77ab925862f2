#include "script/reproduce/cpp.h"

#include <algorithm>
#include <array>

#include "script/layout.h"

namespace gradproof {
namespace {

constexpr int columns = 92;

const char* dtype_name(std::int64_t dtype) {
  switch (dtype) {
    case GP_F16: return "torch::kFloat16";
    case GP_BF16: return "torch::kBFloat16";
    case GP_F32: return "torch::kFloat32";
    case GP_F64: return "torch::kFloat64";
    case GP_I64: return "torch::kInt64";
    default: return "torch::kBool";
  }
}

// What is expected and what things are called is plain text, ± aside.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string braces(const std::vector<Index>& numbers) {
  std::string out = "{";
  for (const Index number : numbers) out += (out.size() > 1 ? ", " : "") + std::to_string(number);
  return out + "}";
}

// Integers of one type, for a list of tensor elements must not mix int and long.
void same_type(std::vector<std::string>& integers) {
  constexpr std::size_t digits_of_int = 9;
  const bool all_int = std::all_of(integers.begin(), integers.end(),
                                   [](const std::string& text) { return text.size() <= digits_of_int; });
  for (std::string& text : integers) {
    if (all_int) continue;
    if (text == std::to_string(INT64_MIN))
      text = "INT64_MIN";
    else
      text += 'L';
  }
}

constexpr const char* show_function = R"(
void show(const char* what, const char* expected, const torch::Tensor& got) {
  std::cout << what << ": expected " << expected << ", got ";
  if (!got.defined()) {
    std::cout << "no tensor" << std::endl;
    return;
  }
  std::cout << got.scalar_type() << got.sizes() << " [" << std::setprecision(17);
  const torch::Tensor flat = got.detach().clone().flatten();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    if (i > 0) std::cout << ", ";
    if (flat.is_floating_point()) {
      std::cout << flat[i].item<double>();
    } else {
      std::cout << flat[i].item<int64_t>();
    }
  }
  std::cout << "]" << std::endl;
}
)";

constexpr const char* call_function = R"(
// Calls an operator by the name of its schema; what is left out has its default.
std::vector<torch::Tensor> call(const char* name, const char* overload, std::vector<c10::IValue> arguments,
                                const std::map<std::string, c10::IValue>& named = {}) {
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
  for (size_t i = arguments.size(); i < op.schema().arguments().size(); ++i) {
    const auto& argument = op.schema().arguments()[i];
    const auto given = named.find(argument.name());
    arguments.push_back(given != named.end() ? given->second : argument.default_value().value_or(c10::IValue()));
  }
  op.callBoxed(arguments);
  std::vector<torch::Tensor> results;
  for (const c10::IValue& result : arguments) {
    if (result.isTensorList()) {
      for (const torch::Tensor& tensor : result.toTensorVector()) results.push_back(tensor);
    } else {
      results.push_back(result.isNone() ? torch::Tensor() : result.toTensor());
    }
  }
  return results;
}
)";

}  // namespace

bool CppProgram::is_reserved(std::string_view name) const {
  constexpr std::array words{
      "alignas", "and", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "class", "compl",
      "concept", "const", "consteval", "constexpr", "constinit", "continue", "decltype", "default", "delete", "do",
      "double", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if",
      "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "nullptr", "operator", "or", "private",
      "protected", "public", "register", "requires", "return", "short", "signed", "sizeof", "static", "struct",
      "switch", "template", "this", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unsigned",
      "using", "virtual", "void", "volatile", "while", "xor",
      // What the programs use themselves, and macros of the standard library.
      "torch", "at", "c10", "std", "show", "call", "nan", "inf", "main", "lanes", "lane", "error", "outcome", "errno",
      "stdin", "stdout", "stderr", "assert", "NAN", "INFINITY", "INT64_MIN", "EOF", "NULL"};
  return std::find(words.begin(), words.end(), name) != words.end();
}

void CppProgram::begin() {
  indent(2);
  if (large_) line("at::set_num_threads(1);");
  if (uses_forward_mode_) line("const auto level = torch::autograd::forward_ad::enter_dual_level();");
}

std::string CppProgram::opening() const {
  std::string out = "#include <torch/torch.h>\n\n";
  if (uses_nan_ || uses_inf_) out += "#include <cmath>\n";
  if (shows_) out += "#include <iomanip>\n";
  out += "#include <iostream>\n";
  if (uses_dispatcher_) out += "#include <map>\n";
  if (attempts_ || uses_dispatcher_) out += "#include <string>\n";
  if (uses_threads_) out += "#include <thread>\n";
  if (uses_dispatcher_ || uses_threads_) out += "#include <vector>\n";
  if (shows_) out += show_function;
  if (uses_dispatcher_) out += call_function;
  out += "\nint main() {\n";
  if (uses_nan_) out += "  const double nan = NAN;\n";
  if (uses_inf_) out += "  const double inf = INFINITY;\n";
  return out;
}

std::string CppProgram::number(gp_dtype dtype, double value) {
  std::string text = decimal_of(dtype, value);
  uses_nan_ = uses_nan_ || text == "nan";
  uses_inf_ = uses_inf_ || text.ends_with("inf");
  return text;
}

std::string CppProgram::tensor(const gp_tensor& tensor) {
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  const bool plain = is_plain(tensor);
  const std::vector<Index> shape =
      plain ? shape_of(script_, tensor) : std::vector<Index>{static_cast<Index>(tensor.buffer_elements)};
  std::string options;
  if (tensor.device == GP_CUDA) options += ".device(torch::kCUDA)";
  if ((tensor.flags & GP_PINNED) != 0) options += ".pinned_memory(torch::cuda::is_available())";
  const bool leaf = (tensor.flags & GP_REQUIRES_GRAD) != 0;
  if (plain && leaf) options += ".requires_grad(true)";
  options = options.empty() ? dtype_name(dtype) : "torch::dtype(" + std::string(dtype_name(dtype)) + ")" + options;
  std::string text;
  if (tensor.memory == GP_GIVEN && tensor.buffer_elements > 0) {
    std::vector<std::string> elements = elements_of(tensor);
    for (std::string& element : elements) {
      uses_nan_ = uses_nan_ || element == "nan";
      uses_inf_ = uses_inf_ || element.ends_with("inf");
    }
    if (dtype == GP_I64) same_type(elements);
    text = "torch::tensor(" + nested(shape, elements, "{", "}", columns) + ", " + options + ")";
  } else {
    text = std::string(tensor.memory == GP_ZEROS ? "torch::zeros(" : "torch::empty(") + braces(shape) + ", " + options +
           ")";
  }
  if (plain) return text;
  // Detached: seen as a tensor of its own, not as a view of the buffer.
  text += ".as_strided(" + braces(shape_of(script_, tensor)) + ", " + braces(strides_of(script_, tensor)) + ", " +
          std::to_string(tensor.offset) + ").detach()";
  return leaf ? text + ".requires_grad_()" : text;
}

std::string CppProgram::list(const gp_arg& arg) const {
  std::string out = "{";
  for (const ValueId id : values(arg)) {
    out += (out.size() > 1 ? ", " : "") + (id == GP_NO_VALUE ? "torch::Tensor()" : name_of_value(id));
  }
  return out + "}";
}

std::string CppProgram::backward(const gp_step& step) const {
  refuse_empty_lists(step);
  const gp_arg& roots = args(step)[0];
  const gp_arg& seeds = args(step)[1];
  const bool one = roots.count == 1;
  const bool create = (step.flags & GP_CREATE_GRAPH) != 0;
  const bool inputs = args(step)[2].kind == GP_ARG_VALUES;
  const bool flags = keeps_graph(step) || inputs;
  std::string text = one ? name_of_value(values(roots)[0]) + ".backward(" : "torch::autograd::backward(" + list(roots);
  const std::string seed = !has_seeds(step) ? "{}" : one ? name_of_value(values(seeds)[0]) : list(seeds);
  if (flags || seed != "{}") text += (one ? "" : ", ") + seed;
  if (flags) text += std::string(", /*retain_graph=*/") + (keeps_graph(step) ? "true" : "false");
  if (create || inputs) text += std::string(", /*create_graph=*/") + (create ? "true" : "false");
  if (inputs) text += one ? ", at::TensorList(" + list(args(step)[2]) + ")" : ", " + list(args(step)[2]);
  return text + ")";
}

std::string CppProgram::grad(const gp_step& step) const {
  refuse_empty_lists(step);
  const bool create = (step.flags & GP_CREATE_GRAPH) != 0;
  const bool unused = (step.flags & GP_ALLOW_UNUSED) != 0;
  const bool flags = keeps_graph(step) || unused;
  std::string text = "torch::autograd::grad(" + list(args(step)[0]) + ", " + list(args(step)[2]);
  if (flags || has_seeds(step)) text += ", " + (has_seeds(step) ? list(args(step)[1]) : "{}");
  if (flags) text += std::string(", /*retain_graph=*/") + (keeps_graph(step) ? "true" : "false");
  if (create || unused) text += std::string(", /*create_graph=*/") + (create ? "true" : "false");
  if (unused) text += ", /*allow_unused=*/true";
  return text + ")";
}

Program::Expression CppProgram::made_by(const gp_step& step) {
  switch (step.kind) {
    case GP_TENSOR: return {tensor(script_.tensors[step.op])};
    case GP_CALL: return call(step);
    case GP_GRAD: return {grad(step), Results::list};
    case GP_GRAD_OF: return {grad_of(value(step, 0))};
    case GP_DUAL: return {"torch::_make_dual(" + value(step, 0) + ", " + value(step, 1) + ", level)"};
    case GP_JVP: return {value(step, 0) + "._fw_grad(level)"};
    case GP_DETACH: return {value(step, 0) + ".detach()"};
    default: refuse(step, "a step that C++ has no word for");
  }
}

std::string CppProgram::statement(const gp_step& step) {
  const auto on = [&](std::size_t arg) { return args(step)[arg].u.integer != 0; };
  switch (step.kind) {
    case GP_CALL: return call(step).text;
    case GP_BACKWARD: return backward(step);
    case GP_SET_GRAD:
      return value(step, 0) +
             ".mutable_grad() = " + (args(step)[1].kind == GP_ARG_NONE ? "torch::Tensor()" : value(step, 1));
    case GP_ZERO_GRAD: {
      const std::string x = value(step, 0);
      return "if (" + x + ".grad().defined()) " + x + ".mutable_grad() = " + x + ".grad().detach().zero_()";
    }
    case GP_REQUIRE_GRAD: return value(step, 0) + ".requires_grad_(" + (on(1) ? "" : "false") + ")";
    case GP_RETAIN_GRAD: return value(step, 0) + ".retain_grad()";
    case GP_NO_GRAD: return std::string("at::GradMode::set_enabled(") + (on(0) ? "false" : "true") + ")";
    case GP_DROP: {
      std::string text;
      for (const ValueId id : values(args(step)[0]))
        text += (text.empty() ? "" : ";\n") + name_of_value(id) + ".reset()";
      return text;
    }
    case GP_HOOK:
      return value(step, 0) + ".register_hook([=](const torch::Tensor& grad) { return grad * " +
             number(GP_F64, args(step)[1].u.real) + "; })";
    default: refuse(step, "a step that C++ has no word for");
  }
}

void CppProgram::bind(const gp_step& step, const Expression& made, bool declared) {
  const std::string& first = name_of_value(step.first_result);
  const char* type = declared ? "" : "auto ";
  if (step.result_count == 1 || made.results == Results::one) {
    return line(type + first + " = " + made.text + (made.results == Results::list ? ".at(0);" : ";"));
  }
  if (made.results == Results::several) {
    std::string names = first;
    for (std::uint32_t r = 1; r < step.result_count; ++r) names += ", " + name_of_value(step.first_result + r);
    return line((declared ? "std::tie(" + names + ")" : "auto [" + names + "]") + " = " + made.text + ";");
  }
  const std::string all = "results_of_" + first;
  line("const auto " + all + " = " + made.text + ";");
  for (std::uint32_t r = 0; r < step.result_count; ++r) {
    line(type + name_of_value(step.first_result + r) + " = " + all + ".at(" + std::to_string(r) + ");");
  }
}

void CppProgram::declare(const std::vector<std::string>& names) {
  std::string text = "torch::Tensor ";
  for (const std::string& name : names) text += (name == names.front() ? "" : ", ") + name;
  line(text + ";");
}

void CppProgram::show(const std::string& what, const std::string& expected, const std::string& got) {
  line("show(" + quoted(what) + ", " + quoted(expected.empty() ? "not known" : expected) + ", " + got + ");");
}

void CppProgram::show_memory(const std::string& what, const std::string& wanted, const std::string& one,
                             const std::string& other) {
  line("std::cout << " + quoted(what + ": expected " + wanted + ", got ") + "\n          << (" + one +
       ".storage().data() == " + other + ".storage().data() ? \"that\" : \"another\") << std::endl;");
}

void CppProgram::begin_attempt() {
  line("{");
  indent(2);
  line("std::string outcome = \"no error\";\ntry {");
  indent(2);
}

void CppProgram::end_attempt(const std::string& what, const std::string& expected) {
  indent(-2);
  line("} catch (const std::exception& error) {");
  line("  outcome = std::string(error.what());\n  outcome = \"error: \" + outcome.substr(0, outcome.find('\\n'));");
  line("}\nstd::cout << " + quoted(what + ": expected " + expected + ", got ") + " << outcome << std::endl;");
  indent(-2);
  line("}");
}

void CppProgram::begin_lanes() {
  if (!has_lanes_) line("std::vector<std::thread> lanes;");
  has_lanes_ = true;
}

void CppProgram::begin_lane(const std::vector<std::string>& /*makes*/, bool /*empty*/) {
  line("lanes.emplace_back([&] {");
  indent(2);
  if (!recording_) line("at::GradMode::set_enabled(false);");
}

void CppProgram::end_lane() {
  indent(-2);
  line("});");
}

void CppProgram::end_lanes() { line("for (std::thread& lane : lanes) lane.join();\nlanes.clear();"); }

}  // namespace gradproof
