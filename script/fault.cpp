#include <algorithm>
#include <cstring>

#include "script/extent.h"
#include "script/script.h"

namespace gradproof {
namespace {

struct Fault {
  std::string text;
};

// Checks in the order in which later checks rely on earlier ones: pools, then what lies in them, then steps.
class Checker {
 public:
  explicit Checker(const gp_program& program) : p_(program) {}

  void run() {
    check_pools();
    for (std::uint64_t i = 0; i < p_.op_count; ++i) check_op(i);
    for (std::uint64_t i = 0; i < p_.tensor_count; ++i) check_tensor(i);
    for (at_ = 0; at_ < p_.step_count; ++at_) check_step(p_.steps[at_]);
    if (parallel_) throw Fault{"a parallel block has no end"};
    if (made_ != p_.value_count)
      throw Fault{"value_count is " + std::to_string(p_.value_count) + ", but the steps make " + std::to_string(made_)};
  }

 private:
  void pool(const void* items, std::uint64_t count, std::uint64_t most, const char* name) const {
    if (count > most)
      throw Fault{std::to_string(count) + " " + name + ": at most " + std::to_string(most) + " are allowed"};
    if (count > 0 && items == nullptr) throw Fault{std::string(name) + " are missing (null pointer)"};
  }

  void check_pools() const {
    if (p_.struct_size < sizeof(gp_program))
      throw Fault{"struct_size is " + std::to_string(p_.struct_size) + ": a program of another version"};
    constexpr std::uint64_t most = std::uint64_t{1} << 28;
    pool(p_.steps, p_.step_count, Limits::steps, "steps");
    pool(p_.args, p_.arg_count, most, "arguments");
    pool(p_.ops, p_.op_count, Limits::steps, "operators");
    pool(p_.tensors, p_.tensor_count, Limits::steps, "tensors");
    pool(p_.ids, p_.id_count, most, "ids");
    pool(p_.ints, p_.int_count, most, "ints");
    pool(p_.reals, p_.real_count, most, "reals");
    pool(p_.text, p_.text_size, most, "bytes of text");
    pool(p_.data, p_.data_size, most, "bytes of data");
    if (p_.value_count > Limits::values)
      throw Fault{std::to_string(p_.value_count) + " values: at most " + std::to_string(Limits::values) +
                  " are allowed"};
  }

  std::string_view word_at(std::uint64_t offset, const std::string& place) const {
    constexpr std::uint64_t longest = 256;
    if (offset >= p_.text_size) throw Fault{place + " lies outside the text"};
    const std::uint64_t room = std::min(p_.text_size - offset, longest);
    const void* end = std::memchr(p_.text + offset, '\0', room);
    if (end == nullptr) throw Fault{place + " has no end within " + std::to_string(longest) + " bytes"};
    const std::string_view word(p_.text + offset,
                                static_cast<std::size_t>(static_cast<const char*>(end) - (p_.text + offset)));
    for (const char c : word) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!letter && c != '_' && c != '.' && c != ':') throw Fault{place + " has a character that no name has"};
    }
    return word;
  }

  void check_op(std::uint64_t i) const {
    const std::string place = "operator " + std::to_string(i);
    if (word_at(p_.ops[i].name, place + "'s name").empty()) throw Fault{place + " has no name"};
    word_at(p_.ops[i].overload, place + "'s overload");
  }

  static bool within(std::uint64_t first, std::uint64_t count, std::uint64_t size) {
    return first <= size && count <= size - first;
  }

  void check_tensor(std::uint64_t i) const {
    const gp_tensor& t = p_.tensors[i];
    const std::string place = "tensor " + std::to_string(i);
    if (t.dtype > GP_BOOL) throw Fault{place + ": dtype " + std::to_string(t.dtype) + " is unknown"};
    if (t.memory > GP_EMPTY) throw Fault{place + ": memory " + std::to_string(t.memory) + " is unknown"};
    if (t.device > GP_CUDA) throw Fault{place + ": device " + std::to_string(t.device) + " is unknown"};
    if ((t.flags & ~(GP_REQUIRES_GRAD | GP_PINNED)) != 0)
      throw Fault{place + ": flags " + std::to_string(t.flags) + " are unknown"};
    const auto dtype = static_cast<gp_dtype>(t.dtype);
    if ((t.flags & GP_REQUIRES_GRAD) != 0 && !is_floating(dtype))
      throw Fault{place + ": " + name_of(dtype) + " has no gradient"};
    if (t.ndim > GP_MAX_DIMS)
      throw Fault{place + " has " + std::to_string(t.ndim) + " dimensions: at most 8 are allowed"};
    if (!within(t.shape, t.ndim, p_.int_count)) throw Fault{place + ": the shape lies outside the ints"};
    const bool strided = t.strides != GP_CONTIGUOUS;
    if (strided && !within(t.strides, t.ndim, p_.int_count)) throw Fault{place + ": the strides lie outside the ints"};
    const std::span<const std::int64_t> shape(p_.ints + (t.ndim > 0 ? t.shape : 0), t.ndim);
    const std::span<const std::int64_t> strides(p_.ints + (strided && t.ndim > 0 ? t.strides : 0),
                                                strided ? t.ndim : 0);
    const auto extent = extent_of(shape, strides, t.offset);
    if (!extent)
      throw Fault{place + ": shape, strides or offset are negative or beyond " + std::to_string(Limits::elements) +
                  " elements"};
    if (t.buffer_elements > Limits::elements)
      throw Fault{place + ": a buffer of more than " + std::to_string(Limits::elements) + " elements"};
    if (extent->reach > t.buffer_elements) throw Fault{place + ": the view reaches beyond its buffer"};
    if (t.memory == GP_GIVEN) check_contents(t, dtype, place);
  }

  void check_contents(const gp_tensor& t, gp_dtype dtype, const std::string& place) const {
    if (t.data % size_of(dtype) != 0) throw Fault{place + ": the contents are not aligned"};
    if (!within(t.data, t.buffer_elements * size_of(dtype), p_.data_size))
      throw Fault{place + ": the contents lie outside the data"};
    if (dtype != GP_BOOL || t.buffer_elements == 0) return;
    const std::span<const std::uint8_t> bytes(p_.data + t.data, static_cast<std::size_t>(t.buffer_elements));
    if (std::any_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b > 1; }))
      throw Fault{place + ": a bool that is neither 0 nor 1"};
  }

  [[noreturn]] void fail(const std::string& what) const { throw Fault{"step " + std::to_string(at_) + ": " + what}; }

  void spend(std::uint64_t references) {
    references_ += references;
    if (references_ > Limits::references)
      fail("more than " + std::to_string(Limits::references) + " arguments and list entries in all");
  }

  void check_value(std::uint64_t id) const {
    if (id >= made_) fail("value " + std::to_string(id) + " is used before it is made");
    if (id < dropped_.size() && dropped_[id]) fail("value " + std::to_string(id) + " is used after it was dropped");
    if (parallel_ && id >= block_ && id < lane_) fail("value " + std::to_string(id) + " is made in a sister lane");
  }

  void check_values(const gp_arg& arg, bool absent_allowed) {
    if (!within(arg.u.index, arg.count, p_.id_count)) fail("a list lies outside the ids");
    spend(arg.count);
    for (std::uint64_t i = 0; i < arg.count; ++i) {
      const std::uint32_t id = p_.ids[arg.u.index + i];
      if (id == GP_NO_VALUE && absent_allowed) continue;
      check_value(id);
    }
  }

  void check_any(const gp_arg& arg) {
    switch (arg.kind) {
      case GP_ARG_DEFAULT:
      case GP_ARG_NONE:
      case GP_ARG_INT:
      case GP_ARG_REAL: return;
      case GP_ARG_VALUE: return check_value(arg.u.index);
      case GP_ARG_VALUES: return check_values(arg, true);
      case GP_ARG_INTS:
      case GP_ARG_BOOLS:
        if (!within(arg.u.index, arg.count, p_.int_count)) fail("a list lies outside the ints");
        spend(arg.count);
        for (std::uint64_t i = 0; arg.kind == GP_ARG_BOOLS && i < arg.count; ++i) {
          const std::int64_t entry = p_.ints[arg.u.index + i];
          if (entry != 0 && entry != 1) fail("a bool that is neither 0 nor 1");
        }
        return;
      case GP_ARG_REALS:
        if (!within(arg.u.index, arg.count, p_.real_count)) fail("a list lies outside the reals");
        return spend(arg.count);
      case GP_ARG_STRING:
        if (!within(arg.u.index, arg.count, p_.text_size)) fail("a string lies outside the text");
        return spend(arg.count);
      case GP_ARG_BOOL:
        if (arg.u.integer != 0 && arg.u.integer != 1) fail("a bool that is neither 0 nor 1");
        return;
      case GP_ARG_DTYPE:
        if (arg.u.integer < 0 || arg.u.integer > GP_BOOL) fail("an unknown dtype");
        return;
      default: fail("an argument of unknown kind " + std::to_string(arg.kind));
    }
  }

  const gp_arg& argument(const gp_step& step, std::uint32_t i, std::uint32_t kind, const char* what) {
    const gp_arg& arg = p_.args[step.first_arg + i];
    if (arg.kind != kind) fail(std::string("argument ") + std::to_string(i) + " must be " + what);
    check_any(arg);
    return arg;
  }

  void shape_of(const gp_step& step, std::uint32_t arguments, std::uint64_t results, unsigned flags = 0) const {
    if (step.arg_count != arguments)
      fail("takes " + std::to_string(arguments) + " arguments, has " + std::to_string(step.arg_count));
    if (step.result_count != results)
      fail("makes " + std::to_string(results) + " values, has " + std::to_string(step.result_count));
    if ((step.flags & ~flags) != 0) fail("has flags it cannot have");
  }

  void check_sweep(const gp_step& step) {
    const bool grad = step.kind == GP_GRAD;
    if (step.arg_count != 3) fail("takes 3 arguments, has " + std::to_string(step.arg_count));
    const gp_arg& roots = argument(step, 0, GP_ARG_VALUES, "the roots");
    check_values(roots, false);
    if (roots.count == 0) fail("has no root");
    if (argument(step, 1, GP_ARG_VALUES, "the seeds").count != roots.count)
      fail("has another number of seeds than of roots");
    const gp_arg& inputs = p_.args[step.first_arg + 2];
    if (inputs.kind == GP_ARG_VALUES) check_values(inputs, false);
    if (inputs.kind != GP_ARG_VALUES && (grad || inputs.kind != GP_ARG_NONE)) fail("argument 2 must be the inputs");
    if (inputs.kind == GP_ARG_VALUES && inputs.count == 0) fail("has an empty list of inputs");
    shape_of(step, 3, grad ? inputs.count : 0, GP_RETAIN_GRAPH | GP_CREATE_GRAPH | (grad ? GP_ALLOW_UNUSED : 0));
  }

  void check_call(const gp_step& step) {
    if (step.op >= p_.op_count) fail("an operator outside the operators");
    if (step.flags != 0) fail("has flags it cannot have");
    for (std::uint32_t i = 0; i < step.arg_count; ++i) check_any(p_.args[step.first_arg + i]);
  }

  void check_tensor_step(const gp_step& step) {
    shape_of(step, 0, 1);
    if (step.op >= p_.tensor_count) fail("a tensor outside the tensors");
    const gp_tensor& t = p_.tensors[step.op];
    const std::span<const std::int64_t> shape(p_.ints + (t.ndim > 0 ? t.shape : 0), t.ndim);
    std::uint64_t viewed = 1;
    for (const std::int64_t size : shape) viewed *= static_cast<std::uint64_t>(size);
    elements_ += std::max(viewed, t.buffer_elements);
    if (elements_ > Limits::elements) fail("more than " + std::to_string(Limits::elements) + " elements in all");
  }

  void check_drop(const gp_step& step) {
    shape_of(step, 1, 0);
    const gp_arg& values = argument(step, 0, GP_ARG_VALUES, "values");
    if (values.count == 0) fail("has no value");
    check_values(values, false);
    dropped_.resize(made_);
    for (std::uint32_t i = 0; i < values.count; ++i) dropped_[p_.ids[values.u.index + i]] = true;
  }

  void check_lane(const gp_step& step) {
    shape_of(step, 1, 0);
    const std::int64_t where = argument(step, 0, GP_ARG_INT, "where in a parallel block").u.integer;
    if (where < GP_PARALLEL_BEGIN || where > GP_PARALLEL_END) fail("an unknown place in a parallel block");
    if (where == GP_PARALLEL_BEGIN && parallel_) fail("a parallel block within another");
    if (where != GP_PARALLEL_BEGIN && !parallel_) fail("no parallel block is open");
    parallel_ = where != GP_PARALLEL_END;
    if (where == GP_PARALLEL_BEGIN) block_ = made_;
    lane_ = made_;
  }

  void check_step(const gp_step& step) {
    if (!within(step.first_arg, step.arg_count, p_.arg_count)) fail("arguments outside the arguments");
    spend(step.arg_count);
    if (step.first_result != made_)
      fail("its first result is " + std::to_string(step.first_result) + ", not " + std::to_string(made_));
    if (step.result_count > Limits::values - made_) fail("too many values");
    switch (step.kind) {
      case GP_TENSOR: check_tensor_step(step); break;
      case GP_CALL: check_call(step); break;
      case GP_BACKWARD:
      case GP_GRAD: check_sweep(step); break;
      case GP_GRAD_OF:
      case GP_JVP:
      case GP_DETACH:
        shape_of(step, 1, 1);
        argument(step, 0, GP_ARG_VALUE, "a value");
        break;
      case GP_DUAL:
        shape_of(step, 2, 1);
        argument(step, 0, GP_ARG_VALUE, "a value");
        argument(step, 1, GP_ARG_VALUE, "a value");
        break;
      case GP_SET_GRAD:
        shape_of(step, 2, 0);
        argument(step, 0, GP_ARG_VALUE, "a value");
        if (p_.args[step.first_arg + 1].kind != GP_ARG_NONE) argument(step, 1, GP_ARG_VALUE, "a value or none");
        break;
      case GP_READ:
        if (parallel_) fail("a reading within a lane");
        [[fallthrough]];
      case GP_ZERO_GRAD:
      case GP_RETAIN_GRAD:
        shape_of(step, 1, 0);
        argument(step, 0, GP_ARG_VALUE, "a value");
        break;
      case GP_REQUIRE_GRAD:
        shape_of(step, 2, 0);
        argument(step, 0, GP_ARG_VALUE, "a value");
        argument(step, 1, GP_ARG_BOOL, "a bool");
        break;
      case GP_NO_GRAD:
        if (parallel_) fail("recording is switched within a lane");
        shape_of(step, 1, 0);
        argument(step, 0, GP_ARG_BOOL, "a bool");
        break;
      case GP_DROP: check_drop(step); break;
      case GP_HOOK:
        shape_of(step, 2, 0);
        argument(step, 0, GP_ARG_VALUE, "a value");
        argument(step, 1, GP_ARG_REAL, "a number");
        break;
      case GP_PARALLEL: check_lane(step); break;
      case GP_STREAM: {
        shape_of(step, 1, 0);
        const std::int64_t number = argument(step, 0, GP_ARG_INT, "an integer").u.integer;
        if (number < 0 || number >= Limits::streams)
          fail("a stream has a number from 0 to " + std::to_string(Limits::streams - 1));
        break;
      }
      default: fail("unknown kind " + std::to_string(step.kind));
    }
    made_ += step.result_count;
  }

  const gp_program& p_;
  std::uint64_t at_ = 0;
  std::uint64_t made_ = 0;
  std::uint64_t references_ = 0;
  std::uint64_t elements_ = 0;
  std::vector<bool> dropped_;
  bool parallel_ = false;
  std::uint64_t block_ = 0;  // the first value of the open parallel block, and of its lane
  std::uint64_t lane_ = 0;
};

}  // namespace

std::optional<std::string> fault_in(const gp_program& program) {
  try {
    Checker(program).run();
  } catch (const Fault& fault) {
    return fault.text;
  }
  return std::nullopt;
}

}  // namespace gradproof
