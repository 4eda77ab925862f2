// Programs in PyTorch's Python.
#pragma once

#include "script/reproduce/program.h"

namespace gradproof {

class PythonProgram final : public Program {
 public:
  using Program::Program;

 private:
  bool is_reserved(std::string_view name) const override;
  const char* comment_mark() const override { return "#"; }
  void begin() override;
  std::string opening() const override;
  std::string closing() const override { return ""; }
  Expression made_by(const gp_step& step) override;
  std::string statement(const gp_step& step) override;
  void perform(const std::string& text) override { line(text); }
  void bind(const gp_step& step, const Expression& made, bool declared) override;
  void declare(const std::vector<std::string>& names) override;
  std::string grad_of(const std::string& name) const override { return name + ".grad"; }
  void show(const std::string& what, const std::string& expected, const std::string& got) override;
  void show_memory(const std::string& what, const std::string& wanted, const std::string& one,
                   const std::string& other) override;
  void begin_attempt() override;
  void end_attempt(const std::string& what, const std::string& expected) override;
  void begin_lanes() override { line("lanes = []"); }
  void begin_lane(const std::vector<std::string>& makes, bool empty) override;
  void end_lane() override;
  void end_lanes() override;

  std::string tensor(const gp_tensor& tensor);
  std::string number(gp_dtype dtype, double value);
  std::string literal(const gp_step& step, const GivenArgument& argument, const Literal& value);
  Expression call(const gp_step& step);
  void check_sweep(const gp_step& step) const;
  std::string list(const gp_arg& arg) const;
  std::string options(const gp_step& step) const;
  std::string backward(const gp_step& step) const;
  Expression grad(const gp_step& step) const;

  std::set<std::string> from_math_{};
};

}  // namespace gradproof
