#include "script/bind.h"

#include <algorithm>

#include "script/near.h"

namespace gradproof {
namespace {

using Kind = Literal::Kind;

bool is_number(const Literal& literal) {
  return literal.kind == Kind::integer || literal.kind == Kind::real || literal.kind == Kind::boolean;
}

bool fits_scalar(const SchemaArg& arg, const Literal& literal) {
  return literal.kind == Kind::integer || literal.kind == Kind::real || (!arg.real && literal.kind == Kind::boolean);
}

template <class Fits>
bool all_fit(const Literal& literal, Fits fits) {
  return literal.kind == Kind::list && std::all_of(literal.items.begin(), literal.items.end(), fits);
}

bool fits(const SchemaArg& arg, const Literal& literal, bool number_as_tensor) {
  const auto is = [&](Kind kind) { return literal.kind == kind; };
  if (is(Kind::left_out)) return arg.has_default || arg.optional;
  if (is(Kind::none)) return arg.optional;
  switch (arg.type) {
    case ArgType::tensor: return is(Kind::value) || (number_as_tensor && is_number(literal));
    case ArgType::tensor_list:
      return all_fit(literal, [&](const Literal& item) {
        return item.kind == Kind::value || (item.kind == Kind::none && arg.optional_elements);
      });
    case ArgType::scalar: return fits_scalar(arg, literal);
    case ArgType::scalar_list:
      return (arg.list_size > 0 && fits_scalar(arg, literal)) ||
             all_fit(literal, [&](const Literal& item) { return fits_scalar(arg, item); });
    case ArgType::integer: return is(Kind::integer);
    case ArgType::integer_list:
      return is(Kind::integer) || all_fit(literal, [](const Literal& item) { return item.kind == Kind::integer; });
    case ArgType::boolean: return is(Kind::boolean);
    case ArgType::boolean_list:
      return is(Kind::boolean) || all_fit(literal, [](const Literal& item) { return item.kind == Kind::boolean; });
    case ArgType::text: return is(Kind::text);
    case ArgType::dtype: return is(Kind::dtype);
    case ArgType::other: return false;
  }
  return false;
}

const char* kind_text(const Literal& literal) {
  switch (literal.kind) {
    case Kind::left_out: return "_";
    case Kind::none: return "none";
    case Kind::value: return "a tensor";
    case Kind::integer: return "an integer";
    case Kind::real: return "a real";
    case Kind::boolean: return "a bool";
    case Kind::text: return "a string";
    case Kind::dtype: return "a dtype";
    case Kind::list: return literal.items.empty() ? "an empty list" : "a list";
  }
  return "";
}

struct Placed {
  std::vector<const Literal*> at;  // one for each argument of the schema, or nullptr
  std::string fault;               // why the call does not fit, "" where it does
};

// Puts each argument into its place; kinds are not looked at.
Placed place(const Schema& schema, std::span<const CallArgument> arguments, bool keywords_by_position) {
  Placed placed{std::vector<const Literal*>(schema.args.size(), nullptr), {}};
  std::size_t next = 0;
  for (const CallArgument& argument : arguments) {
    std::size_t to = next;
    if (argument.name.empty()) {
      if (next >= schema.args.size() || (schema.args[next].keyword_only && !keywords_by_position)) {
        placed.fault = "takes " + std::to_string(next) + " arguments by position";
        return placed;
      }
      ++next;
    } else {
      const auto found = std::find_if(schema.args.begin(), schema.args.end(),
                                      [&](const SchemaArg& arg) { return arg.name == argument.name; });
      if (found == schema.args.end()) {
        placed.fault = "has no argument '" + argument.name + "'";
        return placed;
      }
      to = static_cast<std::size_t>(found - schema.args.begin());
    }
    if (placed.at[to] != nullptr) {
      placed.fault = "is given '" + schema.args[to].name + "' twice";
      return placed;
    }
    placed.at[to] = &argument.value;
  }
  return placed;
}

// Why a schema does not take the arguments, "" where it does.
std::string misfit(const Schema& schema, std::span<const CallArgument> arguments, bool keywords_by_position,
                   bool number_as_tensor) {
  const Placed placed = place(schema, arguments, keywords_by_position);
  if (!placed.fault.empty()) return placed.fault;
  static const Literal left_out = Literal::of(Kind::left_out);
  for (std::size_t i = 0; i < schema.args.size(); ++i) {
    const SchemaArg& arg = schema.args[i];
    const Literal& literal = placed.at[i] != nullptr ? *placed.at[i] : left_out;
    // ATen leaves no argument out that has no default, optional or not.
    if (literal.kind == Kind::left_out && !arg.has_default) return "needs '" + arg.name + "'";
    if (!fits(arg, literal, number_as_tensor))
      return "takes no " + std::string(kind_text(literal)) + " as '" + arg.name + "'";
  }
  return {};
}

std::string known(const std::vector<Schema>& overloads) {
  constexpr std::size_t most = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, overloads.size()); ++i) text += "\n    " + overloads[i].text;
  if (overloads.size() > most) text += "\n    and " + std::to_string(overloads.size() - most) + " more";
  return text;
}

std::string written(std::span<const CallArgument> arguments) {
  std::string text = "(";
  for (const CallArgument& argument : arguments) {
    if (text.size() > 1) text += ", ";
    if (!argument.name.empty()) text += argument.name + "=";
    text += kind_text(argument.value);
  }
  return text + ")";
}

double as_real(const Literal& literal) {
  return literal.kind == Kind::real ? literal.real : static_cast<double>(literal.integer);
}

gp_arg bind_scalars(Script& script, const SchemaArg& arg, const std::vector<Literal>& items) {
  const auto all = [&](Kind kind) {
    return std::all_of(items.begin(), items.end(), [kind](const Literal& item) { return item.kind == kind; });
  };
  const bool bools = arg.type == ArgType::boolean_list || (!arg.real && !items.empty() && all(Kind::boolean));
  if (!bools && (arg.real || !all(Kind::integer))) {
    std::vector<double> reals;
    reals.reserve(items.size());
    for (const Literal& item : items) reals.push_back(as_real(item));
    return script.arg_reals(reals);
  }
  std::vector<Index> integers;
  integers.reserve(items.size());
  for (const Literal& item : items) integers.push_back(item.integer);
  gp_arg bound = script.arg_ints(integers);
  if (bools) bound.kind = GP_ARG_BOOLS;
  return bound;
}

gp_arg bind_list(Script& script, const SchemaArg& arg, const std::vector<Literal>& items) {
  if (arg.type != ArgType::tensor_list) return bind_scalars(script, arg, items);
  std::vector<ValueId> values;
  values.reserve(items.size());
  for (const Literal& item : items)
    values.push_back(item.kind == Kind::none ? GP_NO_VALUE : static_cast<ValueId>(item.integer));
  return script.arg_values(values);
}

gp_arg bind_one(Script& script, const SchemaArg& arg, const Literal& literal) {
  const bool list =
      arg.type == ArgType::integer_list || arg.type == ArgType::boolean_list || arg.type == ArgType::scalar_list;
  switch (literal.kind) {
    case Kind::left_out: return script.arg_default();
    case Kind::none: return script.arg_none();
    case Kind::value: return script.arg(static_cast<ValueId>(literal.integer));
    case Kind::text: return script.arg_string(literal.text);
    case Kind::dtype: return script.arg_dtype(static_cast<gp_dtype>(literal.integer));
    case Kind::list: return bind_list(script, arg, literal.items);
    default: break;
  }
  if (list) {
    return bind_list(script, arg, std::vector<Literal>(static_cast<std::size_t>(std::max(1, arg.list_size)), literal));
  }
  if (literal.kind == Kind::boolean) return script.arg_bool(literal.integer != 0);
  if (literal.kind == Kind::integer && !arg.real) return script.arg_int(literal.integer);
  return script.arg_real(as_real(literal));
}

}  // namespace

CallName split_call_name(std::string_view written, const Schemas& schemas) {
  if (written.starts_with("aten::")) written.remove_prefix(6);
  const std::size_t dot = written.rfind('.');
  if (dot == std::string_view::npos || !schemas.overloads(written).empty()) return {std::string(written), {}, false};
  const std::string_view overload = written.substr(dot + 1);
  return {std::string(written.substr(0, dot)), overload == "default" ? std::string() : std::string(overload), true};
}

const Schema& choose_overload(const Schemas& schemas, const CallName& call, std::span<const CallArgument> arguments) {
  const std::vector<Schema>& overloads = schemas.overloads(call.name);
  if (overloads.empty()) throw BindError("an operator" + near_text(schemas.near(call.name)));
  if (call.explicit_overload) {
    const Schema* schema = schemas.find(call.name, call.overload);
    if (schema == nullptr)
      throw BindError("an overload of '" + call.name + "', which has:" + known(overloads) + "\n   ");
    const std::string fault = misfit(*schema, arguments, true, true);
    if (fault.empty()) return *schema;
    throw BindError("arguments of " + schema->text + ", which " + fault);
  }
  for (const bool number_as_tensor : {false, true}) {
    for (const Schema& schema : overloads) {
      if (misfit(schema, arguments, false, number_as_tensor).empty()) return schema;
    }
  }
  if (overloads.size() == 1) {
    throw BindError("arguments of " + overloads[0].text + ", which " + misfit(overloads[0], arguments, false, true));
  }
  throw BindError("arguments that fit an overload of '" + call.name + "', not " + written(arguments) +
                  "; there are:" + known(overloads) + "\n   ");
}

std::vector<gp_arg> bind_arguments(Script& script, const Schema& schema, std::span<const CallArgument> arguments) {
  const Placed placed = place(schema, arguments, true);
  if (!placed.fault.empty()) throw BindError("arguments of " + schema.text + ", which " + placed.fault);
  std::vector<gp_arg> bound;
  bound.reserve(schema.args.size());
  for (std::size_t i = 0; i < schema.args.size(); ++i) {
    bound.push_back(placed.at[i] == nullptr ? script.arg_default() : bind_one(script, schema.args[i], *placed.at[i]));
  }
  return bound;
}

std::uint32_t result_count(const Schema& schema, std::uint32_t named) {
  std::uint32_t tensors = 0;
  bool open = false;
  for (const SchemaArg& result : schema.results) {
    if (result.type == ArgType::tensor) {
      ++tensors;
    } else if (result.type == ArgType::tensor_list) {
      open = true;  // as many as the engine makes; the script says how many it expects
    } else {
      throw BindError("an operator whose results are tensors (" + schema.text + ")");
    }
  }
  if (named == 0) return tensors;
  if (open ? named >= tensors : named == tensors) return named;
  throw BindError((open ? "at least " : "") + std::to_string(tensors) + " names, for the results of " + schema.text);
}

Literal literal_of(const Script& script, const gp_arg& arg) {
  const auto list = [&](auto item) {
    std::vector<Literal> items;
    for (std::uint64_t i = 0; i < arg.count; ++i) items.push_back(item(arg.u.index + i));
    return Literal::of_list(std::move(items));
  };
  switch (arg.kind) {
    case GP_ARG_NONE: return Literal::of(Kind::none);
    case GP_ARG_VALUE: return Literal::of(Kind::value, static_cast<std::int64_t>(arg.u.index));
    case GP_ARG_INT: return Literal::of(Kind::integer, arg.u.integer);
    case GP_ARG_REAL: return Literal::of_real(arg.u.real);
    case GP_ARG_BOOL: return Literal::of(Kind::boolean, arg.u.integer);
    case GP_ARG_DTYPE: return Literal::of(Kind::dtype, arg.u.integer);
    case GP_ARG_STRING: return Literal::of_text(std::string(script.text.data() + arg.u.index, arg.count));
    case GP_ARG_INTS: return list([&](std::uint64_t i) { return Literal::of(Kind::integer, script.ints[i]); });
    case GP_ARG_BOOLS: return list([&](std::uint64_t i) { return Literal::of(Kind::boolean, script.ints[i]); });
    case GP_ARG_REALS: return list([&](std::uint64_t i) { return Literal::of_real(script.reals[i]); });
    case GP_ARG_VALUES:
      return list([&](std::uint64_t i) {
        const ValueId id = script.ids[i];
        return id == GP_NO_VALUE ? Literal::of(Kind::none) : Literal::of(Kind::value, id);
      });
    default: return Literal::of(Kind::left_out);
  }
}

}  // namespace gradproof
