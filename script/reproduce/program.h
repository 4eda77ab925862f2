// What a reproducer is in every language: which step is said how, in what order, under which names.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "script/bind.h"
#include "script/reproduce/reproducer.h"

namespace gradproof {

// An argument that a call gives: by position while nothing before it was left out, by name from there on.
struct GivenArgument {
  const SchemaArg* of = nullptr;
  Literal value{};
  bool by_name = false;
};

class Program {
 public:
  Program(const Script& script, const Schemas& schemas, const ReproducerFacts& facts);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  virtual ~Program() = default;
  std::string run();

 protected:
  enum class Results { one, several, list };  // a tensor, a tuple, a list that may be longer than asked for
  // What makes values, and how they come out of it.
  struct Expression {
    std::string text{};
    Results results = Results::one;
  };

  // --- what a language has to say ---
  virtual bool is_reserved(std::string_view name) const = 0;
  virtual const char* comment_mark() const = 0;
  virtual void begin() = 0;                 // the steps' first lines
  virtual std::string opening() const = 0;  // between the comments and the steps; asked for when these are written
  virtual std::string closing() const = 0;
  virtual Expression made_by(const gp_step& step) = 0;     // of a step that makes values
  virtual std::string statement(const gp_step& step) = 0;  // of one that makes none
  virtual void perform(const std::string& text) = 0;       // an expression whose values nobody uses, or a statement
  // Values get their names; `declared`: they exist already.
  virtual void bind(const gp_step& step, const Expression& made, bool declared) = 0;
  virtual void declare(const std::vector<std::string>& names) = 0;
  virtual std::string grad_of(const std::string& name) const = 0;
  virtual void show(const std::string& what, const std::string& expected, const std::string& got) = 0;
  virtual void show_memory(const std::string& what, const std::string& wanted, const std::string& one,
                           const std::string& other) = 0;
  virtual void begin_attempt() = 0;
  virtual void end_attempt(const std::string& what, const std::string& expected) = 0;
  virtual void begin_lanes() = 0;
  virtual void begin_lane(const std::vector<std::string>& makes, bool empty) = 0;
  virtual void end_lane() = 0;
  virtual void end_lanes() = 0;

  // --- for a language ---
  [[noreturn]] void refuse(const gp_step& step, const std::string& why) const;
  void line(const std::string& text);
  void indent(int by) { depth_ += by; }
  std::span<const gp_arg> args(const gp_step& step) const { return script_.args_of(step); }
  std::string value(const gp_step& step, std::size_t arg) const {
    return names_[static_cast<std::size_t>(args(step)[arg].u.index)];
  }
  const std::string& name_of_value(ValueId id) const { return names_[id]; }
  std::span<const ValueId> values(const gp_arg& arg) const {
    return {script_.ids.data() + (arg.count > 0 ? arg.u.index : 0), arg.count};
  }
  bool is_used(ValueId id) const { return uses_[id] > 0; }
  bool is_needed(const gp_step& step) const;  // some result is used, or has a name that the script gave
  const Schema& schema_of(const gp_step& step) const;
  std::vector<GivenArgument> given_arguments(const gp_step& step) const;
  // Whether the graph outlives a sweep, as its flags say.
  static bool keeps_graph(const gp_step& step) { return (step.flags & (GP_RETAIN_GRAPH | GP_CREATE_GRAPH)) != 0; }
  bool has_seeds(const gp_step& step) const;
  void refuse_empty_lists(const gp_step& sweep) const;

  // Of a tensor step.
  bool is_plain(const gp_tensor& tensor) const;  // row-major without gaps, from the start of a buffer that it fills
  std::vector<std::string> elements_of(const gp_tensor& tensor) const;  // of the buffer; "nan", "inf", "-inf" as such
  // The numbers as nested lists, rows on lines of their own where one line would be too long.
  static std::string nested(const std::vector<Index>& shape, const std::vector<std::string>& elements,
                            std::string_view open, std::string_view close, int columns);

  const Script& script_;
  const ReproducerFacts& facts_;
  bool uses_forward_mode_ = false;
  bool uses_threads_ = false;
  bool shows_ = false;     // something is read
  bool attempts_ = false;  // some step may fail
  bool large_ = false;     // sums may depend on the number of threads
  bool recording_ = true;  // at the step that is written

 private:
  void survey();
  void survey_lanes();
  void name_values();
  std::string free_name(std::string wanted);
  ValueId result_of_grad(std::size_t i) const;
  bool reads_at_once(std::size_t i) const;
  bool uses_doubtful(const gp_step& step) const;
  void write_step(std::size_t& i);
  void write_made(std::size_t i, bool doubtful);
  void write_read(std::size_t read, const std::string& what, const std::string& got);
  void write_lane_mark(std::size_t i);
  std::vector<std::string> names_made(const gp_step& step) const;
  std::string what_of(const gp_step& step) const;

  const Schemas& schemas_;
  std::vector<std::string> names_{};
  std::set<std::string, std::less<>> taken_{};
  std::vector<std::uint32_t> uses_{};
  std::vector<bool> doubtful_{};        // values that a step which may fail makes
  std::set<std::uint32_t> compared_{};  // reads that another is held against
  std::set<ValueId> declared_{};
  std::string body_{};
  int depth_ = 0;
};

// "0.1", "-3", "1e+30", "inf", "nan": the shortest decimal that a compiler or interpreter reads back as this number,
// first as a double and then rounded to the dtype.
std::string decimal_of(gp_dtype dtype, double value);

}  // namespace gradproof
