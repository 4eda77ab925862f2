// A script in memory: the flat program (script/program.h) with its pools, names and expectations.
//
// Text is parsed into it (script/parse.h), printed from it (script/print.h), generators build it
// directly, and it crosses the ABI through view() without conversion.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "script/program.h"

namespace gradproof {

using ValueId = std::uint32_t;
using Index = std::int64_t;

constexpr std::size_t size_of(gp_dtype dtype) {
  switch (dtype) {
    case GP_F16:
    case GP_BF16: return 2;
    case GP_F32: return 4;
    case GP_F64:
    case GP_I64: return 8;
    case GP_BOOL: return 1;
  }
  return 0;
}
const char* name_of(gp_dtype dtype);      // "f32"
const char* name_of(gp_error_kind kind);  // "graph_freed"
std::optional<gp_dtype> dtype_named(std::string_view name);
std::optional<gp_error_kind> error_kind_named(std::string_view name);
constexpr bool is_floating(gp_dtype dtype) { return dtype <= GP_F64; }

// Bounds of a script or program from outside.
struct Limits {
  static constexpr std::uint64_t file_bytes = 16u << 20;
  static constexpr std::uint64_t elements = 1u << 24;  // of all tensors together, as buffers and as views
  static constexpr std::uint64_t steps = 1u << 20;
  static constexpr std::uint64_t values = 1u << 22;
  static constexpr std::uint64_t references = 1u << 24;  // arguments and list entries, summed over the steps
  static constexpr std::int64_t streams = 32;            // CUDA streams that a program may name
  static constexpr int nesting = 200;                    // calls within calls in text
};

// What a script itself says must be seen. Each refers to a GP_READ step (memory and value
// expectations) or to any step (errors).
struct Expectation {
  enum class Kind {
    exact,      // these bits: numbers
    digits,     // each number within half a unit of the last digit printed
    enclosed,   // within the reference's enclosure
    undefined,  // no gradient
    unwritten,  // depends on memory nobody wrote
    written,    // does not
    error,      // the step fails so
    shares,     // shares memory with other_step's value
    separate,   // does not
  };
  Kind kind = Kind::exact;
  std::uint32_t step = 0;
  std::uint32_t other_step = 0;
  gp_error_kind error = GP_OK;
  std::optional<gp_dtype> dtype{};  // exact, digits: where written, the value must have it
  bool shaped = false;              // exact, digits: `shape` was written and must be the value's; else any shape of as
  std::vector<Index> shape{};       // many elements as there are numbers, in row-major order
  std::vector<std::string> numbers{};  // as written ("1.25e-5", "-inf", "nan", "true")
  std::uint32_t line = 0;
};

struct TensorSpec {
  gp_dtype dtype = GP_F32;
  std::vector<Index> shape{};
  std::vector<Index> strides{};  // empty: contiguous
  Index offset = 0;
  gp_memory memory = GP_GIVEN;
  gp_device device = GP_CPU;
  bool requires_grad = false;
  bool pinned = false;
  std::uint64_t buffer_elements = 0;  // 0: just as many as the view reaches
};

class Script {
 public:
  std::vector<gp_step> steps;
  std::vector<gp_arg> args;
  std::vector<gp_op> ops;
  std::vector<gp_tensor> tensors;
  std::vector<std::uint32_t> ids;
  std::vector<std::int64_t> ints;
  std::vector<double> reals;
  std::vector<char> text;
  std::vector<std::uint8_t> data;
  std::uint32_t value_count = 0;
  std::vector<std::string> names;  // by value id; "" or missing where a value has none
  std::vector<Expectation> expectations;
  std::vector<std::string> comments;  // of the head of the file, without '#'

  // Pointers into this script, valid until it changes.
  gp_program view() const;
  void clear();  // keeps capacity

  // --- building; each step method returns its first result (or the step's index) ---
  // Reserves buffer_elements of data, 8-byte aligned, zeroed; fill with elements<T>(value).
  // std::invalid_argument where the view does not fit its buffer or is beyond the limits.
  ValueId tensor(const TensorSpec& spec, std::string_view name = {});
  // The buffer of a tensor step's contents, as T (float, double, int64_t, uint8_t).
  template <class T>
  std::span<T> elements(const gp_tensor& spec) {
    return {reinterpret_cast<T*>(data.data() + spec.data), static_cast<std::size_t>(spec.buffer_elements)};
  }
  gp_tensor& tensor_of(ValueId value);                                       // of a value that a GP_TENSOR step made
  std::uint32_t step_of(ValueId value) const;                                // the step that makes it
  void set_element(const gp_tensor& spec, std::size_t index, double value);  // rounded to the dtype
  double element(const gp_tensor& spec, std::size_t index) const;

  std::uint32_t op(std::string_view name, std::string_view overload);  // interned
  // In the builders below an empty `seeds` stands for no seed for any root; otherwise there is one for each
  // root (GP_NO_VALUE: none). std::invalid_argument where the numbers differ.
  ValueId call(std::uint32_t op, std::span<const gp_arg> arguments, std::uint32_t results = 1,
               std::string_view name = {});
  std::uint32_t backward(std::span<const ValueId> roots, std::span<const ValueId> seeds,
                         std::optional<std::span<const ValueId>> inputs = {}, unsigned flags = 0);
  ValueId grad(std::span<const ValueId> roots, std::span<const ValueId> seeds, std::span<const ValueId> inputs,
               unsigned flags = 0);
  ValueId grad_of(ValueId value, std::string_view name = {});
  void set_grad(ValueId value, ValueId grad);  // GP_NO_VALUE: undefined
  void zero_grad(ValueId value);
  ValueId dual(ValueId primal, ValueId tangent, std::string_view name = {});
  ValueId jvp(ValueId value, std::string_view name = {});
  ValueId detach(ValueId value, std::string_view name = {});
  void require_grad(ValueId value, bool on);
  void retain_grad(ValueId value);
  void no_grad(bool on);
  std::uint32_t read(ValueId value);  // the step's index
  void drop(std::span<const ValueId> values);
  void hook(ValueId value, double factor);
  void parallel(gp_parallel where);
  void stream(Index number);

  // --- arguments ---
  gp_arg arg_default() const { return {GP_ARG_DEFAULT, 0, {0}}; }
  gp_arg arg_none() const { return {GP_ARG_NONE, 0, {0}}; }
  gp_arg arg(ValueId value) const;
  gp_arg arg_values(std::span<const ValueId> values);
  gp_arg arg_int(Index value) const;
  gp_arg arg_ints(std::span<const Index> values);
  gp_arg arg_real(double value) const;
  gp_arg arg_reals(std::span<const double> values);
  gp_arg arg_bool(bool value) const;
  gp_arg arg_string(std::string_view value);
  gp_arg arg_dtype(gp_dtype value) const;

  std::string_view op_name(const gp_op& op) const;
  std::string_view op_overload(const gp_op& op) const;
  std::span<const gp_arg> args_of(const gp_step& step) const { return {args.data() + step.first_arg, step.arg_count}; }
  // The name given, or "%7" where there is none or it could not be written in text.
  std::string name(ValueId value) const;

 private:
  gp_step& push(gp_step_kind kind, std::span<const gp_arg> arguments, std::uint32_t results, std::string_view name);
  gp_step& sweep(gp_step_kind kind, std::span<const ValueId> roots, std::span<const ValueId> seeds,
                 std::optional<std::span<const ValueId>> inputs, std::uint32_t results, unsigned flags);
};

// A word that may name a value: [A-Za-z_][A-Za-z0-9_.]*, no keyword, not ending in ".grad".
bool is_value_name(std::string_view word);

// Equal programs, names and expectations (not pools: these may be laid out otherwise; not line numbers).
// NaN equals NaN, and -0 does not equal 0.
bool operator==(const Script& a, const Script& b);

// Checks everything an engine relies on: indices within their pools, value ids made before use, sizes
// within bounds, views inside their buffers. The first fault as text, or nothing. A program from a file
// or a pipe is checked once, before any engine sees it.
std::optional<std::string> fault_in(const gp_program& program);

}  // namespace gradproof
