
#include "script/near.h"
#include "script/number.h"
#include "script/parser.h"

namespace gradproof {
namespace {

constexpr std::string_view grad_suffix = ".grad";

bool is_anonymous(std::string_view name) {
  return name.size() > 1 && name[0] == '%' && name.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

}  // namespace

Token Parser::new_name() {
  const Token name = take();
  if (name.kind != Token::Kind::word || !(is_value_name(name.text) || is_anonymous(name.text))) {
    fail(name, "a name (letters, digits, '_' and '.'; no word of the language, no '.grad' at its end)");
  }
  const auto defined = lines_.find(name.text);
  if (defined != lines_.end()) fail(name, "a new name (this one is of line " + std::to_string(defined->second) + ")");
  return name;
}

void Parser::define(const Token& name, ValueId value) {
  values_.emplace(name.text, value);
  lines_.emplace(name.text, name.line);
  if (is_anonymous(name.text)) return;
  script_.names.resize(script_.value_count);
  script_.names[value] = std::string(name.text);
}

ValueId Parser::value_named(const Token& at, std::string_view name) const {
  const auto found = values_.find(name);
  if (found != values_.end()) {
    const ValueId id = found->second;
    if (const auto gone = dropped_.find(id); gone != dropped_.end())
      fail(at, "a value still held (this one was dropped in line " + std::to_string(gone->second) + ")");
    if (lanes_ && id >= lanes_->block && id < lanes_->lane) fail(at, "a value that no sister lane makes");
    return id;
  }
  NearWords near(name);
  constexpr std::size_t most = 4096;
  std::size_t offered = 0;
  for (const auto& entry : values_) {
    if (++offered > most) break;
    near.offer(entry.first);
  }
  fail(at, "a value made before" + near_text(near.best()));
}

// "x", "x.grad" or any other value; of a gradient's gradient all but the last are taken here.
Subject Parser::subject() {
  if (token_.kind != Token::Kind::word || next_.is("(") || !token_.text.ends_with(grad_suffix)) return {value(), false};
  const Token word = take();
  std::string_view name = word.text;
  std::size_t times = 0;
  while (name.ends_with(grad_suffix)) {
    name.remove_suffix(grad_suffix.size());
    ++times;
  }
  ValueId id = value_named(word, name);
  for (; times > 1; --times) id = script_.grad_of(id);
  return {id, true};
}

ValueId Parser::value() {
  if (token_.kind != Token::Kind::word) fail(token_, "a value");
  if (next_.is("(")) {
    const Token name = token_;
    const Made made = call(0);
    if (made.count != 1)
      fail(name, "an operator with one result here (this one has " + std::to_string(made.count) + ": name them first)");
    return made.first;
  }
  if (next_.is("[") && dtype_named(token_.text)) return tensor(false);
  if (token_.text.ends_with(grad_suffix)) return script_.grad_of(subject().value);
  const Token word = take();
  return value_named(word, word.text);
}

std::vector<ValueId> Parser::values(bool none_allowed) {
  const auto one = [&] { return none_allowed && take_if("none") ? GP_NO_VALUE : value(); };
  if (!at("[")) return {one()};
  const Token open = take();
  std::vector<ValueId> list{one()};
  while (take_if(",")) list.push_back(one());
  close(open, "]");
  return list;
}

Literal Parser::literal() {
  if (token_.kind == Token::Kind::number) return number_literal(take());
  if (token_.kind == Token::Kind::string) return Literal::of_text(string_text(take()));
  if (at("[")) return list_literal();
  if (token_.kind != Token::Kind::word) fail(token_, "an argument");
  if (take_if("none")) return Literal::of(Literal::Kind::none);
  if (take_if("_")) return Literal::of(Literal::Kind::left_out);
  if (at("true") || at("false")) return Literal::of(Literal::Kind::boolean, take().text == "true" ? 1 : 0);
  if (!next_.is("[")) {
    if (const auto named = dtype_named(token_.text)) {
      take();
      return Literal::of(Literal::Kind::dtype, *named);
    }
  }
  return Literal::of(Literal::Kind::value, value());
}

Literal Parser::list_literal() {
  const Token open = take();
  std::vector<Literal> items;
  while (!at("]")) {
    if (at("[") || at("_")) fail(token_, "no list within a list");
    items.push_back(literal());
    if (!take_if(",")) break;
  }
  close(open, "]");
  return Literal::of_list(std::move(items));
}

Literal Parser::number_literal(const Token& token) const {
  if (is_integer_text(token.text)) {
    const auto integer = parse_integer(token.text);
    if (!integer) fail(token, "an integer of at most 64 bits");
    return Literal::of(Literal::Kind::integer, *integer);
  }
  const auto real = parse_real<double>(token.text);
  if (!real) fail(token, "a number that f64 can hold");
  return Literal::of_real(*real);
}

std::string Parser::string_text(const Token& token) const {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  const std::string_view inside = token.text.substr(1, token.text.size() - 2);
  std::string text;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\') {
      text += inside[i];
      continue;
    }
    const std::string_view escape = inside.substr(i + 1, 3);
    if (escape.starts_with('\\') || escape.starts_with('\'')) {
      text += escape[0];
      i += 1;
    } else if (escape.size() == 3 && escape[0] == 'x' && digit(escape[1]) >= 0 && digit(escape[2]) >= 0) {
      text += static_cast<char>(digit(escape[1]) * 16 + digit(escape[2]));
      i += 3;
    } else {
      fail(token, "\\\\, \\' or \\xHH (two small hexadecimal digits) after a backslash");
    }
  }
  return text;
}

Index Parser::integer(const char* expected) {
  const auto number = token_.kind == Token::Kind::number ? parse_integer(token_.text) : std::nullopt;
  if (!number) fail(token_, expected);
  take();
  return *number;
}

double Parser::real(const char* expected) {
  if (token_.kind != Token::Kind::number) fail(token_, expected);
  const Token number = take();
  const auto parsed = parse_real<double>(number.text);
  if (!parsed) fail(number, "a number that f64 can hold");
  return *parsed;
}

std::vector<Index> Parser::integers(const char* expected) {
  const Token open = expect_sign("[");
  std::vector<Index> list;
  while (!at("]")) {
    list.push_back(integer(expected));
    if (!take_if(",")) break;
  }
  close(open, "]");
  return list;
}

std::vector<CallArgument> Parser::call_arguments() {
  const Token open = expect_sign("(");
  std::vector<CallArgument> arguments;
  while (!at(")")) {
    CallArgument argument;
    if (token_.kind == Token::Kind::word && next_.is("=")) {
      argument.name = std::string(take().text);
      take();
    } else if (!arguments.empty() && !arguments.back().name.empty()) {
      fail(token_, "a named argument after a named one");
    }
    argument.value = literal();
    arguments.push_back(std::move(argument));
    if (!take_if(",")) break;
  }
  close(open, ")");
  return arguments;
}

Parser::Made Parser::call(std::uint32_t named) {
  const Token word = take();
  if (++depth_ > Limits::nesting) fail(word, "at most " + std::to_string(Limits::nesting) + " calls within each other");
  const CallName name = split_call_name(word.text, schemas_);
  if (schemas_.overloads(name.name).empty()) fail(word, "an operator" + near_text(schemas_.near(name.name)));
  const std::vector<CallArgument> arguments = call_arguments();
  --depth_;
  try {
    const Schema& schema = choose_overload(schemas_, name, arguments);
    const std::uint32_t results = result_count(schema, named);
    const std::vector<gp_arg> bound = bind_arguments(script_, schema, arguments);
    return {script_.call(script_.op(schema.name, schema.overload), bound, results), results};
  } catch (const BindError& error) {
    fail(word, error.what());
  }
}

}  // namespace gradproof
