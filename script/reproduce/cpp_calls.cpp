// Operator calls in C++. ATen declares functions for most operators and methods for most in-place ones; what differs
// from that is listed here, and a test compiles a call of every operator of the reference.
#include <algorithm>
#include <array>

#include "script/number.h"
#include "script/reproduce/cpp.h"

namespace gradproof {
namespace {

using Kind = Literal::Kind;

constexpr std::array<std::string_view, 26> methods{
    "align_as",  "align_to",  "chalf",   "conj",       "contiguous", "data",       "expand",
    "expand_as", "item",      "mH",      "mT",         "matrix_H",   "new_empty",  "new_full",
    "new_ones",  "new_zeros", "numpy_T", "pin_memory", "repeat",     "reshape_as", "sum_to_size",
    "to",        "type_as",   "unfold",  "view",       "view_as"};
constexpr std::array<std::string_view, 19> in_place_functions{"alpha_dropout_",
                                                              "celu_",
                                                              "dropout_",
                                                              "elu_",
                                                              "embedding_renorm_",
                                                              "feature_alpha_dropout_",
                                                              "feature_dropout_",
                                                              "gelu_",
                                                              "hardsigmoid_",
                                                              "hardswish_",
                                                              "hardtanh_",
                                                              "leaky_relu_",
                                                              "mish_",
                                                              "relu6_",
                                                              "rrelu_",
                                                              "rrelu_with_noise_",
                                                              "selu_",
                                                              "silu_",
                                                              "threshold_"};

const char* scalar_type(std::int64_t dtype) {
  switch (dtype) {
    case GP_F16: return "at::kHalf";
    case GP_BF16: return "at::kBFloat16";
    case GP_F32: return "at::kFloat";
    case GP_F64: return "at::kDouble";
    case GP_I64: return "at::kLong";
    default: return "at::kBool";
  }
}

// No hexadecimal escapes: they have no end.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += '\\';
      for (const unsigned shift : {6U, 3U, 0U}) out += static_cast<char>('0' + (byte >> shift & 7U));
    }
  }
  return out + '"';
}

bool is_list(const SchemaArg& of) {
  return of.type == ArgType::scalar_list || of.type == ArgType::integer_list || of.type == ArgType::boolean_list ||
         of.type == ArgType::tensor_list;
}

// Written as a string, in C++ a type of its own.
bool is_device(const Schema& schema, const SchemaArg& of) {
  return schema.text.find("Device " + of.name) != std::string::npos ||
         schema.text.find("Device? " + of.name) != std::string::npos;
}

const char* element_type(const SchemaArg& of) {
  switch (of.type) {
    case ArgType::integer_list: return "int64_t";
    case ArgType::boolean_list: return "bool";
    case ArgType::tensor_list: return of.optional_elements ? "std::optional<at::Tensor>" : "at::Tensor";
    default: return of.real ? "double" : "at::Scalar";
  }
}

// How many arguments are written out even where the rest is left out. One number as the default of a list of several is
// a list of one in C++; and overloads may differ in the types of what is left out (`sort(x, true)` is `sort(x,
// dim=1)`).
std::size_t written_out(const Schema& schema) {
  std::size_t needed = 0;
  const auto absent = [](const SchemaArg& arg) { return arg.default_text == "None"; };
  for (std::size_t i = 0; i < schema.args.size(); ++i) {
    const SchemaArg& arg = schema.args[i];
    const bool spread = is_list(arg) && arg.list_size > 1 && arg.has_default && !arg.default_text.starts_with('[');
    const bool tells = !schema.overload.empty() && needed == i && !absent(arg);
    if ((spread && !absent(arg)) || tells) needed = i + 1;
  }
  return needed;
}

}  // namespace

CalledAs called_as(std::string_view name) {
  const auto among = [&](const auto& list) { return std::find(list.begin(), list.end(), name) != list.end(); };
  if (name.ends_with('_') && !name.starts_with('_')) {
    return among(in_place_functions) ? CalledAs::function : CalledAs::method;
  }
  return among(methods) ? CalledAs::method : CalledAs::function;
}

std::optional<Literal> literal_of_default(const SchemaArg& arg) {
  std::string_view text = arg.default_text;
  if (text == "None") return Literal::of(Kind::none);
  if (text == "True" || text == "False") return Literal::of(Kind::boolean, text == "True" ? 1 : 0);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front())
    return Literal::of_text(std::string(text.substr(1, text.size() - 2)));
  const auto number = [](std::string_view word) -> std::optional<Literal> {
    if (const auto integer = parse_integer(word)) return Literal::of(Kind::integer, *integer);
    if (const auto real = parse_real<double>(word)) return Literal::of_real(*real);
    return {};
  };
  if (!text.starts_with('[')) {
    std::optional<Literal> one = number(text);
    if (!one || !is_list(arg)) return one;
    return Literal::of_list(std::vector<Literal>(static_cast<std::size_t>(std::max(arg.list_size, 1)), *one));
  }
  std::vector<Literal> items;
  for (text = text.substr(1, text.size() - 2); !text.empty();) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
    const auto read = number(word);
    if (!read) return {};
    items.push_back(*read);
  }
  return Literal::of_list(std::move(items));
}

std::string CppProgram::integer(Index value) {
  // The smallest has no literal.
  if (value == INT64_MIN) return "INT64_MIN";
  return std::to_string(value);
}

std::string CppProgram::item(const SchemaArg& of, const Literal& value) {
  switch (value.kind) {
    case Kind::none: return "std::nullopt";
    case Kind::value: return name_of_value(static_cast<ValueId>(value.integer));
    case Kind::integer: return of.real ? number(GP_F64, static_cast<double>(value.integer)) : integer(value.integer);
    case Kind::real: return number(GP_F64, value.real);
    case Kind::boolean: return value.integer != 0 ? "true" : "false";
    case Kind::text: return quoted(value.text);
    case Kind::dtype: return scalar_type(value.integer);
    default: return "";
  }
}

std::optional<std::string> CppProgram::list_argument(const SchemaArg& of, const Literal& value) {
  std::string text;
  for (const Literal& each : value.items) text += (text.empty() ? "" : ", ") + item(of, each);
  const std::string type = element_type(of);
  if (of.optional_elements) return "c10::List<" + type + ">({" + text + "})";
  const bool given = !value.items.empty();
  if (of.type == ArgType::boolean_list) return of.optional ? std::nullopt : std::optional("{" + text + "}");
  if (of.type == ArgType::tensor_list && given) return "{" + text + "}";
  // Two integers in braces might be a pointer and a length, where another overload asks for names.
  const std::string list = of.type == ArgType::integer_list ? "at::IntArrayRef" : "at::ArrayRef<" + type + ">";
  return list + "(" + (given ? "{" + text + "}" : "") + ")";
}

std::optional<std::string> CppProgram::argument(const SchemaArg& of, const Literal& value) {
  if (of.type == ArgType::other && value.kind != Kind::none) return {};
  if (value.kind == Kind::list) return list_argument(of, value);
  if (is_list(of) && value.kind != Kind::none) return {};
  return item(of, value);
}

std::optional<std::string> CppProgram::function_call(const gp_step& step, const Schema& schema) {
  if (schema.name.find("::") != std::string::npos) return {};
  const auto given = given_arguments(step);
  std::vector<std::string> written;
  std::size_t next = 0;
  const std::size_t needed = written_out(schema);
  for (std::size_t i = 0; i < schema.args.size() && (next < given.size() || i < needed); ++i) {
    const SchemaArg& arg = schema.args[i];
    const bool left_out = next == given.size() || given[next].of != &arg;
    // dtype, layout, device, pin_memory are one argument in C++.
    const bool options = arg.name == "dtype" && i + 1 < schema.args.size() && schema.args[i + 1].name == "layout";
    if (options && !left_out && next + 1 == given.size()) {
      written.push_back(item(arg, given[next].value));
      break;
    }
    if (options || (!left_out && is_device(schema, arg))) return {};
    const std::optional<Literal> value = left_out ? literal_of_default(arg) : given[next].value;
    // Overloads may differ in nothing but the type of what is absent.
    const bool absent = value && value->kind == Kind::none;
    if (absent && (arg.type != ArgType::tensor || !schema.overload.empty())) return {};
    std::optional<std::string> text;
    if (value) text = argument(arg, *value);
    if (!text) return {};
    written.push_back(*text);
    if (!left_out) ++next;
  }
  std::string text = "at::" + schema.name + "(";
  std::size_t first = 0;
  if (called_as(schema.name) == CalledAs::method) {
    if (written.empty()) return {};
    text = written[0] + "." + schema.name + "(";
    first = 1;
  }
  for (std::size_t i = first; i < written.size(); ++i) text += (i > first ? ", " : "") + written[i];
  return text + ")";
}

std::string CppProgram::boxed(const gp_step& step, const SchemaArg& of, const Literal& value) {
  if (value.kind == Kind::none) return "c10::IValue()";
  if (value.kind == Kind::text && is_device(schema_of(step), of)) return "c10::Device(" + quoted(value.text) + ")";
  if (of.type == ArgType::other) refuse(step, "the argument '" + of.name + "' has a type that a program cannot give");
  if (value.kind == Kind::text) return "std::string(" + quoted(value.text) + ")";
  if (value.kind == Kind::integer && !of.real) return "int64_t(" + integer(value.integer) + ")";
  if (value.kind == Kind::dtype) return "int64_t(" + item(of, value) + ")";
  if (value.kind != Kind::list) return item(of, value);
  std::string text;
  for (const Literal& each : value.items) text += (text.empty() ? "" : ", ") + item(of, each);
  return std::string("c10::List<") + element_type(of) + ">({" + text + "})";
}

std::string CppProgram::named_call(const gp_step& step, const Schema& schema) {
  uses_dispatcher_ = true;
  const bool qualified = schema.name.find("::") != std::string::npos;
  std::string text = "call(" + quoted((qualified ? "" : "aten::") + schema.name) + ", " + quoted(schema.overload);
  std::string by_position;
  std::string by_name;
  for (const GivenArgument& given : given_arguments(step)) {
    const std::string value = boxed(step, *given.of, given.value);
    if (given.by_name) {
      by_name += (by_name.empty() ? "{" : ", {") + quoted(given.of->name) + ", " + value + "}";
    } else {
      by_position += (by_position.empty() ? "" : ", ") + value;
    }
  }
  return text + ", {" + by_position + "}" + (by_name.empty() ? "" : ", {" + by_name + "}") + ")";
}

Program::Expression CppProgram::call(const gp_step& step) {
  const Schema& schema = schema_of(step);
  const bool list = schema.results.size() == 1 && schema.results[0].type == ArgType::tensor_list;
  const bool lists = std::any_of(schema.results.begin(), schema.results.end(),
                                 [](const SchemaArg& result) { return result.type == ArgType::tensor_list; });
  if (!lists || list) {
    if (auto text = function_call(step, schema)) {
      return {*text, list ? Results::list : schema.results.size() == 1 ? Results::one : Results::several};
    }
  }
  return {named_call(step, schema), Results::list};
}

}  // namespace gradproof
