// Programs in LibTorch's C++.
#pragma once

#include "script/reproduce/program.h"

namespace gradproof {

class CppProgram final : public Program {
 public:
  using Program::Program;

 private:
  bool is_reserved(std::string_view name) const override;
  const char* comment_mark() const override { return "//"; }
  void begin() override;
  std::string opening() const override;
  std::string closing() const override { return "}\n"; }
  Expression made_by(const gp_step& step) override;
  std::string statement(const gp_step& step) override;
  void perform(const std::string& text) override { line(text + ";"); }
  void bind(const gp_step& step, const Expression& made, bool declared) override;
  void declare(const std::vector<std::string>& names) override;
  std::string grad_of(const std::string& name) const override { return name + ".grad()"; }
  void show(const std::string& what, const std::string& expected, const std::string& got) override;
  void show_memory(const std::string& what, const std::string& wanted, const std::string& one,
                   const std::string& other) override;
  void begin_attempt() override;
  void end_attempt(const std::string& what, const std::string& expected) override;
  void begin_lanes() override;
  void begin_lane(const std::vector<std::string>& makes, bool empty) override;
  void end_lane() override;
  void end_lanes() override;

  std::string tensor(const gp_tensor& tensor);
  std::string number(gp_dtype dtype, double value);
  std::string integer(Index value);
  Expression call(const gp_step& step);
  // As a person calls it; nothing where C++ has other arguments than the schema, or none for a default.
  std::optional<std::string> function_call(const gp_step& step, const Schema& schema);
  std::optional<std::string> argument(const SchemaArg& of, const Literal& value);
  std::optional<std::string> list_argument(const SchemaArg& of, const Literal& value);
  // Through the dispatcher, by name.
  std::string named_call(const gp_step& step, const Schema& schema);
  std::string boxed(const gp_step& step, const SchemaArg& of, const Literal& value);
  std::string item(const SchemaArg& of, const Literal& value);
  std::string list(const gp_arg& arg) const;
  std::string backward(const gp_step& step) const;
  std::string grad(const gp_step& step) const;

  bool uses_nan_ = false;
  bool uses_inf_ = false;
  bool uses_dispatcher_ = false;
  bool has_lanes_ = false;
};

// How ATen's C++ calls an operator: most as functions, some only as methods of their first argument.
enum class CalledAs { function, method };
CalledAs called_as(std::string_view name);

// The value of a default as a schema writes it; nothing where it has another kind ("contiguous_format").
std::optional<Literal> literal_of_default(const SchemaArg& arg);

}  // namespace gradproof
