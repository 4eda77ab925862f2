// From a call as it is written, positional and keyword arguments of a name, to an overload and its arguments in the
// order of its schema.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

// An argument as written.
struct Literal {
  enum class Kind { left_out, none, value, integer, real, boolean, text, dtype, list };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  // integer; boolean: 0 or 1; dtype: a gp_dtype; value: its id
  double real = 0;
  std::string text;
  std::vector<Literal> items;  // of a list; none of them a list

  static Literal of(Kind kind, std::int64_t integer = 0) { return {kind, integer, 0, {}, {}}; }
  static Literal of_real(double real) { return {Kind::real, 0, real, {}, {}}; }
  static Literal of_text(std::string text) { return {Kind::text, 0, 0, std::move(text), {}}; }
  static Literal of_list(std::vector<Literal> items) { return {Kind::list, 0, 0, {}, std::move(items)}; }
};

struct CallArgument {
  std::string name;  // "" for a positional one
  Literal value;
};

struct BindError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// "add", "add.Tensor", "sum.default" (the overload without a name), each with or without "aten::".
struct CallName {
  std::string name;
  std::string overload;
  bool explicit_overload = false;
};
CallName split_call_name(std::string_view written, const Schemas& schemas);

// The first overload, in the order of the schemas, whose arguments fit by kind; only if none does, the first that
// fits when a number may stand for a tensor (it is passed on as the number). With an explicit overload the arguments
// after the '*' may be given by position too. BindError where nothing fits.
const Schema& choose_overload(const Schemas& schemas, const CallName& call, std::span<const CallArgument> arguments);

// Arguments of a chosen overload, one for each of the schema's: GP_ARG_DEFAULT where left out; a number for a list
// becomes a list of as many as the schema says; integers for "float" become reals. The script's pools grow.
std::vector<gp_arg> bind_arguments(Script& script, const Schema& schema, std::span<const CallArgument> arguments);

// How many values a call makes: `named` is how many it gives names to, 0 where it names none. BindError where the
// schema does not make that many tensors.
std::uint32_t result_count(const Schema& schema, std::uint32_t named);

// The way back: an argument as it would be written.
Literal literal_of(const Script& script, const gp_arg& arg);

}  // namespace gradproof
