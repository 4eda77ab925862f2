// Random valid scripts for tests: every kind of step, argument and expectation. Their programs are sound and can be
// written; they need not make sense to an engine.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "script/bind.h"
#include "script/number.h"
#include "script/script.h"

namespace gradproof {

// A dozen operators that between them have every kind of argument and result.
inline const Schemas& schemas_for_tests() {
  static const Schemas schemas = [] {
    Schemas all;
    for (const char* text :
         {"aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
          "aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
          "aten::add_.Tensor(Tensor(a!) self, Tensor other, *, Scalar alpha=1) -> Tensor(a!)",
          "aten::mul.Tensor(Tensor self, Tensor other) -> Tensor",
          "aten::mul.Scalar(Tensor self, Scalar other) -> Tensor",
          "aten::log(Tensor self) -> Tensor",
          "aten::maximum(Tensor self, Tensor other) -> Tensor",
          "aten::max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
          "aten::max(Tensor self) -> Tensor",
          "aten::sum(Tensor self, *, ScalarType? dtype=None) -> Tensor",
          "aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
          "aten::cat(Tensor[] tensors, int dim=0) -> Tensor",
          "aten::index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
          "aten::clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
          "aten::clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
          "aten::gelu(Tensor self, *, str approximate='none') -> Tensor",
          "aten::split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]",
          "aten::avg_pool2d(Tensor self, int[2] kernel, int[2] stride=[], int[2] pad=0, bool ceil=False) -> Tensor",
          "aten::resize_all(Tensor self, float[]? scales, bool[3] mask, float eps=1e-05, float[2] pair=0.5) -> Tensor",
          "aten::piecewise(Tensor self, Scalar[] edges, *, Generator? generator=None) -> (Tensor, Tensor, Tensor)",
          "mylib::twice(Tensor self) -> Tensor",
          "aten::touch_(Tensor(a!)[] self, Scalar scale) -> ()"}) {
      all.add(parse_schema(text));
    }
    return all;
  }();
  return schemas;
}

class ScriptMaker {
 public:
  explicit ScriptMaker(std::uint64_t seed) : random_(seed) {}

  Script make(int steps) {
    for (std::size_t i = below(3); i > 0; --i) s_.comments.emplace_back(i == 1 ? "a comment, with '#'" : "");
    add_tensor();
    for (int i = 0; i < steps; ++i) add_step();
    if (parallel_) add_lane(true);
    return std::move(s_);
  }

 private:
  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  // The first value is always to be had: it is never dropped, and made before any lane.
  ValueId value() {
    for (int tries = 0; tries < 8; ++tries) {
      const auto drawn = static_cast<ValueId>(below(s_.value_count));
      if (usable(drawn)) return drawn;
    }
    return 0;
  }
  bool usable(ValueId id) const { return !dropped_.contains(id) && !(parallel_ && id >= block_ && id < lane_); }

  void add_drop() {
    std::vector<ValueId> dropped;
    for (std::size_t i = below(3); i > 0; --i) {
      const ValueId id = value();
      if (id != 0 && id != last_value_ && std::find(dropped.begin(), dropped.end(), id) == dropped.end())
        dropped.push_back(id);
    }
    if (dropped.empty()) return s_.stream(0);
    s_.drop(dropped);
    dropped_.insert(dropped.begin(), dropped.end());
  }

  void add_lane(bool last) {
    const bool next = parallel_ && !last && one_in(2);
    s_.parallel(next ? GP_PARALLEL_NEXT : parallel_ ? GP_PARALLEL_END : GP_PARALLEL_BEGIN);
    if (!parallel_) block_ = s_.value_count;
    parallel_ = next || !parallel_;
    lane_ = s_.value_count;
  }

  std::vector<ValueId> values(std::size_t least, bool none_allowed = false) {
    std::vector<ValueId> list(least + below(3));
    for (ValueId& id : list) id = none_allowed && one_in(3) ? GP_NO_VALUE : value();
    return list;
  }

  std::string fresh_name() {
    if (one_in(3)) return {};
    static const std::vector<std::string> stems{"x",        "y_",     "seed",  "wrt", "exp", "A.b",
                                                "enclosed", "inputs", "zeros", "_1",  "h",   "e"};
    return stems[below(stems.size())] + std::to_string(++named_);
  }

  double real() {
    static const std::vector<double> special{0.0,
                                             -0.0,
                                             1,
                                             -1,
                                             0.1,
                                             3.3003,
                                             1e-320,
                                             5e-324,
                                             1.7976931348623157e308,
                                             999999,
                                             1e6,
                                             1.5e300,
                                             std::numeric_limits<double>::infinity(),
                                             -std::numeric_limits<double>::infinity(),
                                             std::numeric_limits<double>::quiet_NaN()};
    if (one_in(3)) return special[below(special.size())];
    return std::bit_cast<double>(random_());
  }
  Index integer() {
    static const std::vector<Index> special{
        0, 1, -1, 2, 1000, std::numeric_limits<Index>::max(), std::numeric_limits<Index>::min()};
    return one_in(2) ? special[below(special.size())] : static_cast<Index>(random_());
  }
  std::string text() {
    std::string made(below(6), ' ');
    for (char& c : made) c = static_cast<char>(one_in(4) ? random_() & 0xff : 'a' + static_cast<char>(below(26)));
    return made;
  }

  ValueId add_tensor() {
    TensorSpec spec;
    spec.dtype = static_cast<gp_dtype>(below(6));
    spec.shape.resize(below(4));
    for (Index& size : spec.shape) size = static_cast<Index>(below(4));
    if (one_in(20)) spec.shape.assign(8, 1);
    if (one_in(3)) {
      for (std::size_t i = 0; i < spec.shape.size(); ++i) spec.strides.push_back(static_cast<Index>(below(5)));
    }
    if (one_in(4)) spec.offset = static_cast<Index>(below(5));
    spec.memory = one_in(4) ? static_cast<gp_memory>(1 + below(2)) : GP_GIVEN;
    spec.device = one_in(8) ? GP_CUDA : GP_CPU;
    spec.requires_grad = is_floating(spec.dtype) && one_in(2);
    spec.pinned = one_in(8);
    if (one_in(4)) spec.buffer_elements = 40 + below(5);
    const ValueId id = s_.tensor(spec, fresh_name());
    const gp_tensor& tensor = s_.tensor_of(id);
    if (spec.memory != GP_GIVEN) return id;
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) fill(tensor, i);
    return id;
  }

  // Any bits the dtype has, or a special value.
  void fill(const gp_tensor& tensor, std::size_t index) {
    if (tensor.dtype == GP_BOOL || one_in(3)) return s_.set_element(tensor, index, real());
    const std::uint64_t bits = random_();
    const std::size_t size = size_of(static_cast<gp_dtype>(tensor.dtype));
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&bits), size,
                s_.data.begin() + static_cast<std::ptrdiff_t>(tensor.data + index * size));
  }

  Literal scalar(bool real_only) {
    switch (below(real_only ? 2 : 3)) {
      case 0: return Literal::of_real(real());
      case 1: return Literal::of(Literal::Kind::integer, integer());
      default: return Literal::of(Literal::Kind::boolean, one_in(2) ? 1 : 0);
    }
  }

  Literal list_of(const SchemaArg& arg, std::size_t count) {
    std::vector<Literal> items;
    for (std::size_t i = 0; i < count; ++i) {
      SchemaArg item = arg;
      item.type = arg.type == ArgType::tensor_list    ? ArgType::tensor
                  : arg.type == ArgType::scalar_list  ? ArgType::scalar
                  : arg.type == ArgType::integer_list ? ArgType::integer
                                                      : ArgType::boolean;
      item.optional = arg.optional_elements;
      items.push_back(literal(item));
    }
    return Literal::of_list(std::move(items));
  }

  Literal literal(const SchemaArg& arg) {
    if (arg.optional && one_in(3)) return Literal::of(Literal::Kind::none);
    switch (arg.type) {
      case ArgType::tensor: return one_in(20) ? scalar(false) : Literal::of(Literal::Kind::value, value());
      case ArgType::scalar: return scalar(arg.real);
      case ArgType::integer: return Literal::of(Literal::Kind::integer, integer());
      case ArgType::boolean: return Literal::of(Literal::Kind::boolean, one_in(2) ? 1 : 0);
      case ArgType::text: return Literal::of_text(text());
      case ArgType::dtype: return Literal::of(Literal::Kind::dtype, static_cast<Index>(below(6)));
      case ArgType::other: return Literal::of(Literal::Kind::none);
      case ArgType::integer_list:
        if (one_in(3)) return Literal::of(Literal::Kind::integer, integer());
        [[fallthrough]];
      default: return list_of(arg, below(4));
    }
  }

  void add_call() {
    const auto& all = schemas_for_tests().all();
    auto entry = all.begin();
    std::advance(entry, static_cast<std::ptrdiff_t>(below(all.size())));
    const Schema& schema = entry->second[below(entry->second.size())];
    std::vector<CallArgument> arguments;
    for (const SchemaArg& arg : schema.args) {
      if (arg.has_default && one_in(2)) continue;
      // In a list of tensors a number cannot stand for one.
      Literal given = literal(arg);
      for (Literal& item : given.items) {
        if (arg.type == ArgType::tensor_list && item.kind != Literal::Kind::none)
          item = Literal::of(Literal::Kind::value, value());
      }
      arguments.push_back({arg.name, std::move(given)});
    }
    const std::vector<gp_arg> bound = bind_arguments(s_, schema, arguments);
    const bool list = schema.results.size() == 1 && schema.results[0].type == ArgType::tensor_list;
    const auto results = list ? static_cast<std::uint32_t>(1 + below(3)) : result_count(schema, 0);
    const ValueId first = s_.call(s_.op(schema.name, schema.overload), bound, results);
    s_.names.resize(s_.value_count);
    for (std::uint32_t i = 0; i < results; ++i) s_.names[first + i] = fresh_name();
  }

  void add_sweep(bool grad) {
    const std::vector<ValueId> roots = values(1);
    std::vector<ValueId> seeds;
    if (one_in(2)) {
      for (std::size_t i = 0; i < roots.size(); ++i) seeds.push_back(one_in(3) ? GP_NO_VALUE : value());
    }
    const std::vector<ValueId> inputs = values(1);
    if (!grad) {
      const auto given = one_in(2) ? std::optional<std::span<const ValueId>>(inputs) : std::nullopt;
      s_.backward(roots, seeds, given, static_cast<unsigned>(below(4)));
      return;
    }
    const ValueId first = s_.grad(roots, seeds, inputs, static_cast<unsigned>(below(8)));
    s_.names.resize(s_.value_count);
    for (std::size_t i = 0; i < inputs.size(); ++i) s_.names[first + i] = fresh_name();
  }

  std::uint32_t add_read(ValueId id) {
    last_read_[id] = s_.read(id);
    return last_read_[id];
  }

  void add_expected_numbers(Expectation& expectation) {
    const bool exact = expectation.kind == Expectation::Kind::exact;
    expectation.shaped = one_in(2);
    std::size_t count = 1 + below(4);
    if (expectation.shaped) {
      if (one_in(2)) expectation.dtype = static_cast<gp_dtype>(below(6));
      expectation.shape.resize(below(3));
      count = 1;
      for (Index& size : expectation.shape) count *= static_cast<std::size_t>(size = static_cast<Index>(below(4)));
    }
    static const std::vector<std::string> decimals{"0",   "-0",   "1.50", "+2",   "1.6667e-2", ".5",
                                                   "inf", "-inf", "nan",  "true", "false",     "3.3003"};
    for (std::size_t i = 0; i < count; ++i) {
      std::string number = decimals[below(decimals.size())];
      if (exact && one_in(2)) append_real(number = {}, real(), false);
      expectation.numbers.push_back(std::move(number));
    }
  }

  void add_expectations(std::uint32_t step, ValueId seen) {
    for (std::size_t i = below(3); i > 0; --i) {
      Expectation expectation;
      expectation.kind = static_cast<Expectation::Kind>(below(9));
      expectation.step = step;
      switch (expectation.kind) {
        case Expectation::Kind::exact:
        case Expectation::Kind::digits: add_expected_numbers(expectation); break;
        case Expectation::Kind::error: expectation.error = static_cast<gp_error_kind>(1 + below(17)); break;
        case Expectation::Kind::shares:
        case Expectation::Kind::separate: {
          const ValueId other = value();
          const auto found = last_read_.find(other);
          if (found == last_read_.end() || other == seen) continue;
          expectation.other_step = found->second;
          break;
        }
        default: break;
      }
      s_.expectations.push_back(std::move(expectation));
    }
  }

  void add_step() {
    switch (below(20)) {
      case 0:
      case 1: add_tensor(); break;
      case 2:
      case 3:
      case 4:
      case 5: add_call(); break;
      case 6: add_sweep(false); break;
      case 7: add_sweep(true); break;
      case 8: s_.grad_of(value(), fresh_name()); break;
      case 9: s_.set_grad(value(), one_in(3) ? GP_NO_VALUE : value()); break;
      case 10: s_.zero_grad(value()); break;
      case 11: s_.dual(value(), value(), fresh_name()); break;
      case 12: s_.jvp(value(), fresh_name()); break;
      case 13: s_.detach(value(), fresh_name()); break;
      case 14: one_in(2) ? s_.require_grad(value(), one_in(2)) : s_.retain_grad(value()); break;
      case 15:
        if (!parallel_)
          s_.no_grad(one_in(2));
        else
          add_lane(false);
        break;
      case 16: one_in(2) ? s_.hook(value(), real()) : s_.stream(static_cast<Index>(below(Limits::streams))); break;
      case 17: one_in(2) ? add_drop() : add_lane(false); break;
      default: {
        if (parallel_) {
          add_lane(false);
          break;
        }
        const ValueId id = one_in(3) ? s_.grad_of(value()) : one_in(3) && usable(last_value_) ? last_value_ : value();
        last_value_ = id;
        const std::uint32_t step = add_read(id);
        add_expectations(step, id);
        return;
      }
    }
    if (!one_in(6)) return;
    Expectation error;
    error.kind = Expectation::Kind::error;
    error.error = static_cast<gp_error_kind>(1 + below(17));
    error.step = static_cast<std::uint32_t>(s_.steps.size() - 1);
    s_.expectations.push_back(error);
  }

  std::mt19937_64 random_;
  Script s_;
  int named_ = 0;
  ValueId last_value_ = 0;
  std::set<ValueId> dropped_;
  bool parallel_ = false;
  ValueId block_ = 0;  // the first value of the open parallel block, and of its lane
  ValueId lane_ = 0;
  std::unordered_map<ValueId, std::uint32_t> last_read_;
};

// Draws a script of up to `most` steps; RapidCheck shrinks the number of steps.
inline Script draw_script(int most = 40) {
  const auto steps = *rc::gen::inRange(0, most);
  const auto seed = *rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>());
  return ScriptMaker(seed).make(steps);
}

}  // namespace gradproof
