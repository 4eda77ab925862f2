#include "script/parse.h"

#include <array>
#include <fstream>
#include <system_error>

#include "script/near.h"
#include "script/parser.h"

namespace gradproof {

Parser::Parser(std::string_view text, const Schemas& schemas, std::string_view file)
    : lexer_(text), schemas_(schemas), file_(file) {
  if (text.size() > Limits::file_bytes) {
    throw ParseError(file_, 0, 0, "at most " + std::to_string(Limits::file_bytes) + " bytes",
                     std::to_string(text.size()));
  }
  head_comments(text);
  token_ = lexer_.next();
  next_ = lexer_.next();
}

Script Parser::run() {
  while (token_.kind != Token::Kind::end) {
    if (token_.kind == Token::Kind::newline) {
      take();
      continue;
    }
    const Token start = token_;
    const std::size_t first = script_.steps.size();
    statement();
    if (!at_line_end()) fail(token_, "the end of the line");
    for (std::size_t i = first; i < script_.steps.size(); ++i)
      script_.steps[i].line = static_cast<std::uint32_t>(start.line);
    check_bounds(start);
  }
  if (const auto fault = fault_in(script_.view())) throw ParseError(file_, 0, 0, "a sound program", *fault);
  return std::move(script_);
}

void Parser::head_comments(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) continue;
    if (line[start] != '#') return;
    line.remove_prefix(start + 1);
    if (line.starts_with(' ')) line.remove_prefix(1);
    script_.comments.emplace_back(line);
  }
}

void Parser::fail(const Token& at, std::string expected) const {
  throw ParseError(file_, at.line, at.column, std::move(expected), describe(at));
}

Token Parser::take() {
  const Token taken = token_;
  token_ = next_;
  next_ = lexer_.next();
  return taken;
}

bool Parser::take_if(std::string_view sign_or_word) {
  if (!at(sign_or_word)) return false;
  take();
  return true;
}

Token Parser::expect_sign(std::string_view sign, const char* why) {
  if (!at(sign))
    fail(token_, "'" + std::string(sign) + "'" + (why != nullptr ? std::string(" ") + why : std::string()));
  return take();
}

void Parser::close(const Token& open, std::string_view sign) {
  if (take_if(sign)) return;
  fail(token_, "',' or '" + std::string(sign) + "' to close '" + std::string(open.text) + "' of line " +
                   std::to_string(open.line));
}

void Parser::check_bounds(const Token& at) const {
  if (script_.steps.size() > Limits::steps) fail(at, "at most " + std::to_string(Limits::steps) + " steps");
  if (script_.value_count > Limits::values) fail(at, "at most " + std::to_string(Limits::values) + " values");
}

void Parser::statement() {
  if (token_.kind != Token::Kind::word) fail(token_, "a statement");
  if (next_.is("(")) {
    call(0);
  } else if (next_.is("=") || next_.is(",")) {
    assignment();
  } else {
    keyword_statement(take());
  }
}

void Parser::keyword_statement(const Token& word) {
  const std::string_view text = word.text;
  if (text == "expect") return expectation();
  if (text == "backward" || text == "grad") return sweep_statement(text == "grad", {});
  if (text == "read") {
    read(subject(), false);
  } else if (text == "zero") {
    const Token at = token_;
    const Subject target = subject();
    if (!target.gradient) fail(at, "a gradient: 'x.grad'");
    script_.zero_grad(target.value);
  } else if (text == "require_grad") {
    const ValueId target = value();
    const bool off = take_if("false");
    if (!off) take_if("true");
    script_.require_grad(target, !off);
  } else if (text == "retain_grad") {
    script_.retain_grad(value());
  } else if (text == "drop") {
    drop();
  } else if (text == "hook") {
    const ValueId target = value();
    script_.hook(target, real("the number that gradients are multiplied by"));
  } else if (text == "stream") {
    script_.stream(integer("the number of a stream"));
  } else if (text == "no_grad" || text == "parallel" || text == "and" || text == "end") {
    region(word);
  } else {
    NearWords near(text);
    for (const char* known : {"backward", "grad", "expect", "read", "zero", "require_grad", "retain_grad", "no_grad",
                              "drop", "hook", "parallel", "and", "stream", "end"})
      near.offer(known);
    fail(word, "a statement, 'name = ...' or 'operator(...)'" + near_text(near.best()));
  }
}

void Parser::drop() {
  const int line = token_.line;
  const std::vector<ValueId> gone = values(false);
  script_.drop(gone);
  for (const ValueId id : gone) dropped_.emplace(id, line);
}

void Parser::region(const Token& word) {
  if (word.is("parallel")) return lane(GP_PARALLEL_BEGIN, word);
  if (word.is("and")) return lane(GP_PARALLEL_NEXT, word);
  if (word.is("end") && take_if("parallel")) return lane(GP_PARALLEL_END, word);
  if (word.is("end") && !take_if("no_grad")) fail(token_, "'no_grad' or 'parallel'");
  if (lanes_) fail(word, "recording as it was within a lane");
  script_.no_grad(word.is("no_grad"));
}

void Parser::lane(gp_parallel where, const Token& word) {
  if (where == GP_PARALLEL_BEGIN && lanes_) fail(word, "no parallel block within another");
  if (where != GP_PARALLEL_BEGIN && !lanes_) fail(word, "'parallel' before");
  script_.parallel(where);
  const ValueId next = script_.value_count;
  if (where == GP_PARALLEL_BEGIN) lanes_ = Lanes{next, next};
  if (where == GP_PARALLEL_NEXT) lanes_->lane = next;
  if (where == GP_PARALLEL_END) lanes_.reset();
}

void Parser::assignment() {
  if (next_.is("=") && token_.text.ends_with(".grad")) return assign_gradient();
  std::vector<Token> names{new_name()};
  while (take_if(",")) {
    names.push_back(new_name());
    for (std::size_t i = 0; i + 1 < names.size() && names.size() < 100; ++i) {
      if (names[i].text == names.back().text) fail(names.back(), "another name");
    }
  }
  expect_sign("=");
  if (at("grad") && !next_.is("(")) {
    take();
    return sweep_statement(true, names);
  }
  const bool is_call = token_.kind == Token::Kind::word && next_.is("(");
  if (names.size() == 1 && !is_call) return assign_one(names[0]);
  if (!is_call) fail(token_, "an operator call or 'grad', which have several results");
  const Made made = call(static_cast<std::uint32_t>(names.size()));
  for (std::uint32_t i = 0; i < made.count; ++i) define(names[i], made.first + i);
}

void Parser::assign_gradient() {
  const Subject target = subject();
  expect_sign("=");
  script_.set_grad(target.value, take_if("none") ? GP_NO_VALUE : value());
}

void Parser::assign_one(const Token& name) {
  const Token word = token_;
  if (at("leaf") || at("tensor")) {
    take();
    return define(name, tensor(word.text == "leaf"));
  }
  if (dtype_named(word.text) && next_.is("[")) return define(name, tensor(false));
  if (take_if("dual")) {
    const ValueId primal = value();
    return define(name, script_.dual(primal, value()));
  }
  if (take_if("jvp")) return define(name, script_.jvp(value()));
  if (take_if("detach")) return define(name, script_.detach(value()));
  if (word.kind != Token::Kind::word || !word.text.ends_with(".grad")) {
    fail(word, "'leaf', 'tensor', 'grad', 'dual', 'jvp', 'detach', an operator call or a gradient 'x.grad'");
  }
  define(name, value());
}

void Parser::sweep_statement(bool grad, const std::vector<Token>& names) {
  sweep_ = {};
  const std::vector<ValueId> roots = values(false);
  const Token after_roots = token_;
  while (!at_line_end()) sweep_options(grad, roots.size());
  if (!grad) {
    script_.backward(roots, sweep_.seeds,
                     sweep_.inputs ? std::optional<std::span<const ValueId>>(*sweep_.inputs) : std::nullopt,
                     sweep_.flags);
    return;
  }
  if (!sweep_.inputs) fail(after_roots, "'wrt' and the inputs");
  if (!names.empty() && names.size() != sweep_.inputs->size()) {
    fail(names[0], std::to_string(sweep_.inputs->size()) + " names, one for each input");
  }
  const ValueId first = script_.grad(roots, sweep_.seeds, *sweep_.inputs, sweep_.flags);
  for (std::size_t i = 0; i < names.size(); ++i) define(names[i], first + static_cast<ValueId>(i));
}

void Parser::sweep_options(bool grad, std::size_t roots) {
  struct Flag {
    std::string_view word;
    unsigned bit;
  };
  constexpr std::array<Flag, 3> known{Flag{"retain_graph", GP_RETAIN_GRAPH}, Flag{"create_graph", GP_CREATE_GRAPH},
                                      Flag{"allow_unused", GP_ALLOW_UNUSED}};
  const Token word = token_;
  for (const Flag& flag : known) {
    if (!at(flag.word) || (flag.bit == GP_ALLOW_UNUSED && !grad) || (sweep_.flags & flag.bit) != 0) continue;
    sweep_.flags |= flag.bit;
    take();
    return;
  }
  if (at("seed") && sweep_.seeds.empty()) {
    take();
    sweep_.seeds = values(true);
    if (sweep_.seeds.size() != roots)
      fail(word,
           std::to_string(roots) + " seeds, one for each root (there are " + std::to_string(sweep_.seeds.size()) + ")");
    return;
  }
  if (at(grad ? "wrt" : "inputs") && !sweep_.inputs) {
    take();
    sweep_.inputs = values(false);
    return;
  }
  fail(word, grad ? "'wrt', 'seed', 'retain_graph', 'create_graph' or 'allow_unused', each once, or the end of the line"
                  : "'seed', 'inputs', 'retain_graph' or 'create_graph', each once, or the end of the line");
}

Script parse(std::string_view text, const Schemas& schemas, std::string_view file_name) {
  return Parser(text, schemas, file_name).run();
}

Script parse_file(const std::filesystem::path& path, const Schemas& schemas) {
  const std::string name = path.string();
  const auto refuse = [&](const std::string& expected, const std::string& found) -> ParseError {
    return {name, 0, 0, expected, found};
  };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw refuse("a script", "no such file");
  if (!std::filesystem::is_regular_file(status)) throw refuse("a script", "no regular file");
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) throw refuse("a readable file", error.message());
  if (size > Limits::file_bytes)
    throw refuse("at most " + std::to_string(Limits::file_bytes) + " bytes", std::to_string(size) + " bytes");
  std::ifstream in(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(size), '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(size)))
    throw refuse("a readable file", "an error while reading");
  if (text.find('\0') != std::string::npos) throw refuse("text", "a binary file");
  return parse(text, schemas, name);
}

}  // namespace gradproof
