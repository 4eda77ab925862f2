// Operator schemas in ATen's language: "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor".
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gradproof {

enum class ArgType {
  tensor,
  tensor_list,
  scalar,
  scalar_list,
  integer,
  integer_list,
  boolean,
  boolean_list,
  text,
  dtype,
  other
};

struct SchemaArg {
  std::string name;
  ArgType type = ArgType::other;
  bool real = false;               // scalar, scalar_list: "float", "float[]", to which an integer is a real
  bool optional = false;           // "Tensor?", "int[1]?": None is allowed
  bool optional_elements = false;  // "Tensor?[]": None is allowed in the list
  bool keyword_only = false;       // after "*"
  bool has_default = false;
  std::string default_text;  // as written, "" where there is none
  bool written = false;      // "Tensor(a!)": changed in place
  bool aliased = false;      // "Tensor(a)" : a result may share its memory
  int list_size = 0;         // "int[2]": a single number stands for all; 0 where the length is free
};

struct Schema {
  std::string name;      // without namespace: "add"
  std::string overload;  // "Tensor", "" for the default one
  std::string text;      // as given
  std::vector<SchemaArg> args;
  std::vector<SchemaArg> results;

  std::string full_name() const { return overload.empty() ? name : name + "." + overload; }
};

// Throws std::invalid_argument with the place in the text.
Schema parse_schema(std::string_view text);

// All schemas of an engine, by name; overloads in the order given.
class Schemas {
 public:
  void add(Schema schema);
  // Empty where the name is unknown.
  const std::vector<Schema>& overloads(std::string_view name) const;
  const Schema* find(std::string_view name, std::string_view overload) const;
  // Known names close to one that is not known, the nearest first.
  std::vector<std::string> near(std::string_view name, std::size_t most = 3) const;
  const std::map<std::string, std::vector<Schema>, std::less<>>& all() const { return by_name_; }

 private:
  std::map<std::string, std::vector<Schema>, std::less<>> by_name_;
};

}  // namespace gradproof
