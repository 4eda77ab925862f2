// The parser behind script/parse.h: recursive descent with two tokens in hand. Statements are in parse.cpp,
// tensors and values in parse_value.cpp, expectations in parse_expect.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "script/bind.h"
#include "script/lexer.h"
#include "script/parse.h"
#include "script/tail.h"

namespace gradproof {

class Parser {
 public:
  Parser(std::string_view text, const Schemas& schemas, std::string_view file);
  Script run();

 private:
  // Tokens.
  [[noreturn]] void fail(const Token& at, std::string expected) const;
  Token take();
  bool take_if(std::string_view sign_or_word);
  Token expect_sign(std::string_view sign, const char* why = nullptr);
  bool at(std::string_view sign_or_word) const { return token_.is(sign_or_word); }
  bool at_line_end() const { return token_.kind == Token::Kind::newline || token_.kind == Token::Kind::end; }
  bool at_number() const;
  void close(const Token& open, std::string_view sign);

  // Statements.
  void statement();
  void keyword_statement(const Token& word);
  void assignment();
  void assign_gradient();
  void assign_one(const Token& name);
  void region(const Token& word);
  void lane(gp_parallel where, const Token& word);
  void drop();
  void sweep_statement(bool grad, const std::vector<Token>& names);
  void sweep_options(bool grad, std::size_t roots);
  void check_bounds(const Token& at) const;
  void head_comments(std::string_view text);

  // Names.
  Token new_name();
  void define(const Token& name, ValueId value);
  ValueId value_named(const Token& at, std::string_view name) const;

  // Values.
  Subject subject();
  ValueId value();
  ValueId reference(const Token& word);
  std::vector<ValueId> values(bool none_allowed);
  Literal literal();
  Literal list_literal();
  Literal number_literal(const Token& token) const;
  std::string string_text(const Token& token) const;
  Index integer(const char* expected);
  double real(const char* expected);
  std::vector<Index> integers(const char* expected);

  struct Made {
    ValueId first;
    std::uint32_t count;
  };
  Made call(std::uint32_t named);
  std::vector<CallArgument> call_arguments();

  // Tensors: "f32[2, 3] strides [1, 2] 1 2 3 ...", with token_ at the dtype.
  ValueId tensor(bool leaf);
  struct Contents {
    bool given = false;
    bool whole_buffer = false;
    std::uint64_t count = 0;
    std::vector<std::uint8_t> bytes;
    Token at;
  };
  gp_dtype dtype();
  bool tensor_word(TensorSpec& spec, Contents& contents);
  void buffer_word(TensorSpec& spec, Contents& contents);
  void numbers(gp_dtype dtype, Contents& contents, bool bracketed);
  ValueId make_tensor(const Token& start, TensorSpec& spec, const Contents& contents);

  // Expectations.
  void expectation();
  std::uint32_t read(const Subject& subject, bool reuse);
  std::uint32_t read_of_other(const Subject& subject);
  void expected_numbers(Expectation& expectation);
  void shared_memory(const Subject& subject, Expectation& expectation);

  Lexer lexer_;
  const Schemas& schemas_;
  std::string file_;
  Token token_;
  Token next_;
  Script script_;
  std::unordered_map<std::string_view, ValueId> values_;
  std::unordered_map<std::string_view, int> lines_;
  std::unordered_map<ValueId, std::uint32_t> last_read_;
  std::uint64_t elements_ = 0;
  int depth_ = 0;
  std::unordered_map<ValueId, int> dropped_;  // in which line
  struct Lanes {
    ValueId block;  // the first value of the block, and of the lane
    ValueId lane;
  };
  std::optional<Lanes> lanes_;  // of the open parallel block

  struct Sweep {
    std::vector<ValueId> seeds;
    std::optional<std::vector<ValueId>> inputs;
    unsigned flags = 0;
  } sweep_;
};

}  // namespace gradproof
