#include "script/schema.h"

#include <cctype>
#include <stdexcept>

#include "script/near.h"

namespace gradproof {
namespace {

// Reads one schema. ATen's language has no nesting beyond brackets, so a cursor over the text is enough.
class SchemaReader {
 public:
  explicit SchemaReader(std::string_view text) : text_(text) {}

  Schema read() {
    Schema schema;
    schema.text = std::string(text_);
    read_name(schema);
    read_list(schema.args, true);
    skip_space();
    if (!take("->")) fail("'->'");
    skip_space();
    if (peek() == '(' && tuple_of_results()) {
      read_list(schema.results, false);
    } else {
      schema.results.push_back(read_type());
      skip_space();
      if (is_word(peek())) schema.results.back().name = std::string(word("", "a name"));
    }
    skip_space();
    if (at_ < text_.size()) fail("the end");
    return schema;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    const std::string found = at_ < text_.size() ? "'" + std::string(text_.substr(at_, 20)) + "'" : "the end";
    throw std::invalid_argument("schema, column " + std::to_string(at_ + 1) + ": expected " + expected + ", found " +
                                found + " in \"" + std::string(text_.substr(0, 200)) + "\"");
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(std::string_view what) {
    if (text_.substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
  std::string_view word(std::string_view extra, const char* expected) {
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_word(text_[at_]) || extra.find(text_[at_]) != std::string_view::npos)) ++at_;
    if (at_ == start) fail(expected);
    return text_.substr(start, at_ - start);
  }

  void read_name(Schema& schema) {
    skip_space();
    take("aten::");
    const std::string_view full = word(".:", "the operator's name");
    const std::size_t dot = full.find('.');
    schema.name = std::string(full.substr(0, dot));
    if (dot != std::string_view::npos) schema.overload = std::string(full.substr(dot + 1));
    if (schema.name.empty()) fail("the operator's name");
  }

  // "(Tensor, Tensor)" lists results; "(Tensor, Tensor)[]" is one result of a type of its own.
  bool tuple_of_results() const {
    const std::size_t close = matching(at_);
    return close == std::string_view::npos || text_.substr(close + 1, 1) != "[";
  }

  std::size_t matching(std::size_t open) const {
    int depth = 0;
    for (std::size_t i = open; i < text_.size(); ++i) {
      if (text_[i] == '(') ++depth;
      if (text_[i] == ')' && --depth == 0) return i;
    }
    return std::string_view::npos;
  }

  void read_list(std::vector<SchemaArg>& list, bool arguments) {
    if (!take("(")) fail("'('");
    skip_space();
    bool keyword_only = false;
    if (take(")")) return;
    while (true) {
      skip_space();
      if (arguments && !keyword_only && take("*")) {
        keyword_only = true;
      } else if (take("...")) {
        list.emplace_back();  // any number of anything: an argument of no kind that a script can give
      } else {
        SchemaArg arg = read_type();
        skip_space();
        if (is_word(peek())) arg.name = std::string(word("", "a name"));
        if (arguments && arg.name.empty()) fail("the argument's name");
        skip_space();
        if (arguments && take("=")) read_default(arg);
        arg.keyword_only = keyword_only;
        list.push_back(std::move(arg));
      }
      skip_space();
      if (take(")")) return;
      if (!take(",")) fail("',' or ')'");
    }
  }

  void read_default(SchemaArg& arg) {
    skip_space();
    const std::size_t start = at_;
    int depth = 0;
    char quote = '\0';
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quote != '\0') {
        if (c == '\\') ++at_;
        if (c == quote) quote = '\0';
        continue;
      }
      if (c == '\'' || c == '"') quote = c;
      if (depth == 0 && (c == ',' || c == ')')) break;
      if (c == '(' || c == '[') ++depth;
      if (c == ')' || c == ']') --depth;
    }
    at_ = std::min(at_, text_.size());
    arg.default_text = std::string(text_.substr(start, at_ - start));
    if (arg.default_text.empty()) fail("the default");
    arg.has_default = true;
  }

  // "Tensor(a!)?", "int[2]?", "Tensor?[]", "(int, Tensor)[]"
  SchemaArg read_type() {
    SchemaArg arg;
    skip_space();
    std::string_view base = "(";
    if (peek() == '(') {
      const std::size_t close = matching(at_);
      if (close == std::string_view::npos) fail("')' to close '('");
      at_ = close + 1;
    } else {
      base = word(".", "a type");
      if (peek() == '(') read_alias(arg);
    }
    int lists = 0;
    bool optional = false;
    while (true) {
      if (take("?")) {
        optional = true;
      } else if (peek() == '[') {
        arg.optional_elements = optional;
        optional = false;
        ++lists;
        read_list_size(arg);
        if (peek() == '(') read_alias(arg);
      } else {
        break;
      }
    }
    arg.optional = optional;
    arg.type = lists > 1 ? ArgType::other : type_of(base, lists == 1);
    arg.real = base == "float" || base == "SymFloat";
    return arg;
  }

  void read_list_size(SchemaArg& arg) {
    take("[");
    int size = 0;
    while (std::isdigit(static_cast<unsigned char>(peek())) != 0) {
      size = size * 10 + (text_[at_++] - '0');
      if (size > 1000) fail("a list of at most 1000");
    }
    if (!take("]")) fail("']'");
    arg.list_size = size;
  }

  // "(a!)", "(a|b)", "(a -> *)"; also the parameters of a type nobody can give: "Dict(str, Tensor)".
  void read_alias(SchemaArg& arg) {
    const std::size_t close = matching(at_);
    if (close == std::string_view::npos) fail("')' to close '('");
    const std::string_view alias = text_.substr(at_, close - at_);
    arg.aliased = true;
    arg.written = alias.find('!') != std::string_view::npos;
    at_ = close + 1;
  }

  static ArgType type_of(std::string_view base, bool list) {
    if (base == "Tensor") return list ? ArgType::tensor_list : ArgType::tensor;
    if (base == "Scalar" || base == "number" || base == "float" || base == "SymFloat") {
      return list ? ArgType::scalar_list : ArgType::scalar;
    }
    if (base == "int" || base == "SymInt") return list ? ArgType::integer_list : ArgType::integer;
    if (base == "bool" || base == "SymBool") return list ? ArgType::boolean_list : ArgType::boolean;
    if (list) return ArgType::other;
    if (base == "str" || base == "Device") return ArgType::text;  // a device is told by its name: 'cuda'
    if (base == "ScalarType") return ArgType::dtype;
    return ArgType::other;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Schema parse_schema(std::string_view text) { return SchemaReader(text).read(); }

void Schemas::add(Schema schema) { by_name_[schema.name].push_back(std::move(schema)); }

const std::vector<Schema>& Schemas::overloads(std::string_view name) const {
  static const std::vector<Schema> none;
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? none : found->second;
}

const Schema* Schemas::find(std::string_view name, std::string_view overload) const {
  for (const Schema& schema : overloads(name)) {
    if (schema.overload == overload) return &schema;
  }
  return nullptr;
}

std::vector<std::string> Schemas::near(std::string_view name, std::size_t most) const {
  NearWords words(name);
  for (const auto& entry : by_name_) words.offer(entry.first);
  return words.best(most);
}

}  // namespace gradproof
