#include "script/reproduce/program.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "script/layout.h"
#include "script/number.h"

namespace gradproof {
namespace {

// Sums of more elements than this are split among threads (at::internal::GRAIN_SIZE).
constexpr std::uint64_t grain_elements = 32768;

template <class Visit>
void for_each_value(const Script& script, const gp_step& step, Visit visit) {
  for (const gp_arg& arg : script.args_of(step)) {
    if (arg.kind == GP_ARG_VALUE) visit(static_cast<ValueId>(arg.u.index));
    if (arg.kind != GP_ARG_VALUES) continue;
    for (std::uint64_t i = 0; i < arg.count; ++i) {
      const ValueId id = script.ids[arg.u.index + i];
      if (id != GP_NO_VALUE) visit(id);
    }
  }
}

class Nested {
 public:
  Nested(const std::vector<Index>& shape, const std::vector<std::string>& elements, std::string_view open,
         std::string_view close, std::size_t columns)
      : shape_(shape), elements_(elements), open_(open), close_(close), columns_(columns) {}

  std::string text(std::size_t dim, std::size_t indent) {
    if (dim == shape_.size()) return elements_[next_++];
    std::vector<std::string> items;
    for (Index i = 0; i < shape_[dim]; ++i) items.push_back(text(dim + 1, indent + open_.size()));
    std::size_t width = indent + open_.size() + close_.size();
    bool long_item = false;
    for (const std::string& item : items) {
      width += item.size() + 2;
      long_item = long_item || item.find('\n') != std::string::npos;
    }
    const bool rows = long_item || (dim + 1 < shape_.size() && width > columns_);
    return join(items, rows, indent + open_.size());
  }

 private:
  std::string join(const std::vector<std::string>& items, bool rows, std::size_t indent) const {
    std::string out(open_);
    std::size_t column = indent;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const bool full = rows || column + items[i].size() + 2 > columns_;
      if (i > 0 && full) {
        out += ",\n" + std::string(indent, ' ');
        column = indent;
      } else if (i > 0) {
        out += ", ";
      }
      out += items[i];
      column += items[i].size() + 2;
    }
    return out += close_;
  }

  const std::vector<Index>& shape_;
  const std::vector<std::string>& elements_;
  std::string_view open_;
  std::string_view close_;
  std::size_t columns_;
  std::size_t next_ = 0;
};

}  // namespace

std::string decimal_of(gp_dtype dtype, double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 64> buffer{};
  const auto text_of = [&buffer](auto number) {
    return std::string(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr);
  };
  std::string text = text_of(value);
  // Near the largest number the shorter decimal is larger, which LibTorch takes for an overflow.
  if (dtype != GP_F64 && std::fabs(value) < 0x1p127) {
    const std::string shorter = text_of(static_cast<float>(value));
    const double read = std::strtod(shorter.c_str(), nullptr);
    if (static_cast<double>(static_cast<float>(read)) == value) text = shorter;
  }
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

Program::Program(const Script& script, const Schemas& schemas, const ReproducerFacts& facts)
    : script_(script), facts_(facts), schemas_(schemas) {}

std::string Program::run() {
  survey();
  survey_lanes();
  name_values();
  std::string out;
  for (const std::string& comment : facts_.head) {
    out += comment.empty() ? comment_mark() : std::string(comment_mark()) + " " + comment;
    out += '\n';
  }
  begin();
  for (std::size_t i = 0; i < script_.steps.size(); ++i) write_step(i);
  return out + opening() + body_ + closing();
}

void Program::survey() {
  uses_.resize(script_.value_count);
  doubtful_.resize(script_.value_count);
  for (const Expectation& expectation : script_.expectations) {
    const bool memory =
        expectation.kind == Expectation::Kind::shares || expectation.kind == Expectation::Kind::separate;
    if (memory) compared_.insert({expectation.step, expectation.other_step});
  }
  std::uint64_t elements = 0;
  for (std::uint32_t i = 0; i < script_.steps.size(); ++i) {
    const gp_step& step = script_.steps[i];
    for_each_value(script_, step, [&](ValueId id) { ++uses_[id]; });
    const bool doubtful = facts_.may_fail.contains(i) || uses_doubtful(step);
    for (std::uint32_t r = 0; r < step.result_count; ++r) doubtful_[step.first_result + r] = doubtful;
    uses_forward_mode_ = uses_forward_mode_ || step.kind == GP_DUAL || step.kind == GP_JVP;
    uses_threads_ = uses_threads_ || step.kind == GP_PARALLEL;
    shows_ = shows_ || step.kind == GP_READ;
    attempts_ = attempts_ || (doubtful && step.kind != GP_READ);
    if (step.kind == GP_TENSOR) elements = std::max(elements, script_.tensors[step.op].buffer_elements);
  }
  large_ = elements > grain_elements;
}

// What a lane makes is there before it, for those that come after it.
void Program::survey_lanes() {
  bool within = false;
  for (const gp_step& step : script_.steps) {
    if (step.kind == GP_PARALLEL) within = args(step)[0].u.integer != GP_PARALLEL_END;
    if (!within) continue;
    for (std::uint32_t r = 0; r < step.result_count; ++r) declared_.insert(step.first_result + r);
  }
}

void Program::name_values() {
  std::vector<bool> seeds(script_.value_count);
  for (const gp_step& step : script_.steps) {
    if (step.kind != GP_BACKWARD && step.kind != GP_GRAD) continue;
    for (const ValueId id : values(args(step)[1])) {
      if (id != GP_NO_VALUE) seeds[id] = true;
    }
  }
  names_.resize(script_.value_count);
  for (const gp_step& step : script_.steps) {
    for (ValueId id = step.first_result; id < step.first_result + step.result_count; ++id) {
      std::string name = script_.name(id);
      if (name[0] == '%') {
        name = "v" + std::to_string(id);
        if (step.kind == GP_GRAD_OF) name = value(step, 0) + "_grad";
        if (step.kind == GP_TENSOR && seeds[id]) name = "seed";
      }
      names_[id] = free_name(std::move(name));
    }
  }
}

std::string Program::free_name(std::string wanted) {
  std::replace(wanted.begin(), wanted.end(), '.', '_');
  std::string name = wanted;
  for (int i = 2; is_reserved(name) || taken_.contains(name); ++i) name = wanted + "_" + std::to_string(i);
  taken_.insert(name);
  return name;
}

bool Program::uses_doubtful(const gp_step& step) const {
  bool any = false;
  for_each_value(script_, step, [&](ValueId id) { any = any || doubtful_[id]; });
  return any;
}

void Program::refuse(const gp_step& step, const std::string& why) const {
  throw Inexpressible((step.line > 0 ? "line " + std::to_string(step.line) + ": " : std::string()) + why);
}

void Program::line(const std::string& text) {
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    if (end > from) body_.append(static_cast<std::size_t>(depth_), ' ');
    body_.append(text, from, end - from) += '\n';
    from = end + 1;
  }
}

bool Program::has_seeds(const gp_step& step) const {
  const auto seeds = values(args(step)[1]);
  return std::any_of(seeds.begin(), seeds.end(), [](ValueId id) { return id != GP_NO_VALUE; });
}

// LibTorch takes an empty list of inputs for every leaf.
void Program::refuse_empty_lists(const gp_step& sweep) const {
  if (args(sweep)[0].count == 0) refuse(sweep, "a sweep from nothing");
  if (args(sweep)[2].kind == GP_ARG_VALUES && args(sweep)[2].count == 0)
    refuse(sweep, "a sweep for no inputs, which to LibTorch is one for every leaf");
}

bool Program::is_needed(const gp_step& step) const {
  for (ValueId id = step.first_result; id < step.first_result + step.result_count; ++id) {
    if (uses_[id] > 0 || script_.name(id)[0] != '%') return true;
  }
  return false;
}

const Schema& Program::schema_of(const gp_step& step) const {
  const gp_op& op = script_.ops[step.op];
  const Schema* schema = schemas_.find(script_.op_name(op), script_.op_overload(op));
  if (schema == nullptr) refuse(step, "the schema of " + std::string(script_.op_name(op)) + " is not known");
  for (const SchemaArg& result : schema->results) {
    if (result.type == ArgType::tensor || result.type == ArgType::tensor_list) continue;
    refuse(step, schema->full_name() + " gives a number, which a program cannot go on with as a tensor");
  }
  return *schema;
}

std::vector<GivenArgument> Program::given_arguments(const gp_step& step) const {
  const Schema& schema = schema_of(step);
  const std::span<const gp_arg> given = args(step);
  std::vector<GivenArgument> out;
  bool by_name = false;
  for (std::size_t i = 0; i < std::min(given.size(), schema.args.size()); ++i) {
    const SchemaArg& of = schema.args[i];
    const bool left_out = given[i].kind == GP_ARG_DEFAULT;
    by_name = by_name || left_out || of.keyword_only;
    if (left_out) continue;
    GivenArgument argument{&of, literal_of(script_, given[i]), by_name};
    const bool tensor = argument.value.kind == Literal::Kind::value || argument.value.kind == Literal::Kind::none;
    if (of.type == ArgType::tensor && !tensor) {
      refuse(step, "a number stands for the tensor '" + of.name + "' of " + schema.full_name());
    }
    out.push_back(std::move(argument));
  }
  return out;
}

bool Program::is_plain(const gp_tensor& tensor) const {
  std::uint64_t elements = 1;
  for (const Index size : shape_of(script_, tensor)) elements *= static_cast<std::uint64_t>(size);
  const bool strided = tensor.strides != GP_CONTIGUOUS && tensor.ndim > 0;
  return !strided && tensor.offset == 0 && tensor.buffer_elements == elements;
}

std::vector<std::string> Program::elements_of(const gp_tensor& tensor) const {
  const auto dtype = static_cast<gp_dtype>(tensor.dtype);
  std::vector<std::string> out;
  for (std::uint64_t i = 0; i < tensor.buffer_elements; ++i) {
    const std::uint8_t* from = script_.data.data() + tensor.data + i * size_of(dtype);
    std::string text;
    if (is_floating(dtype)) {
      text = decimal_of(dtype, load_number(dtype, from));
    } else {
      append_number(text, dtype, from);
    }
    out.push_back(std::move(text));
  }
  return out;
}

std::string Program::nested(const std::vector<Index>& shape, const std::vector<std::string>& elements,
                            std::string_view open, std::string_view close, int columns) {
  return Nested(shape, elements, open, close, static_cast<std::size_t>(columns)).text(0, 0);
}

}  // namespace gradproof
