// What samplers draw, put into scripts.
#pragma once

#include <array>
#include <stdexcept>

#include "engine/sampling.h"
#include "properties/call.h"

namespace gradproof {

inline std::vector<Index> common_shape(const std::vector<std::vector<Index>>& shapes) {
  std::vector<Index> common;
  for (const std::vector<Index>& shape : shapes) {
    std::array<Index, GP_MAX_DIMS> joined{};
    const int ndim = broadcast_sizes(common, shape, joined.data());
    common.assign(joined.begin(), joined.begin() + ndim);
  }
  return common;
}

// Builds a call in a script while a record's sampler, or the generic one below, draws it.
class CallDraw final : public Draw {
 public:
  CallDraw(const Subject& subject, RandomDraw& draw, Script& script, Call& call, bool wants_grad, bool all)
      : subject_(subject), draw_(draw), script_(script), call_(call), wants_grad_(wants_grad), all_(all) {
    call_.args.assign(schema().args.size(), script.arg_default());
  }

  Index integer(Index low, Index high) override { return draw_.integer(low, high); }
  void tensor(std::string_view arg, Sizes sizes, const Domain& domain) override {
    slot(arg) = script_.arg(make(sizes, domain, tensor_number(arg)));
  }
  void constant(std::string_view arg, Sizes sizes, const Domain& domain) override {
    slot(arg) = script_.arg(make_constant(sizes, domain, tensor_number(arg)));
  }
  void constants(std::string_view arg, std::span<const std::vector<Index>> shapes) override {
    std::vector<ValueId> made;
    for (const std::vector<Index>& shape : shapes) made.push_back(make_constant(shape, all_reals, tensor_number(arg)));
    slot(arg) = script_.arg_values(made);
  }
  void indices(std::string_view arg, Sizes sizes, Index low, Index high) override {
    slot(arg) = script_.arg(draw_.indices(script_, spec(GP_I64, sizes), low, high, next_name()));
  }
  void integers(std::string_view arg, Sizes sizes, std::span<const Index> values) override {
    slot(arg) = script_.arg(given(GP_I64, sizes, values));
  }
  void index_tensors(std::string_view arg, std::span<const IndexTensor> list) override {
    std::vector<ValueId> made;
    for (const IndexTensor& index : list) {
      const gp_dtype dtype = index.kind == IndexTensor::Kind::mask ? GP_BOOL : GP_I64;
      const bool none = index.kind == IndexTensor::Kind::none;
      made.push_back(none ? GP_NO_VALUE : given(dtype, index.sizes, index.values));
    }
    slot(arg) = script_.arg_values(made);
  }
  void mask(std::string_view arg, Sizes sizes) override {
    slot(arg) = script_.arg(draw_.indices(script_, spec(GP_BOOL, sizes), 0, 1, next_name()));
  }
  void tensors(std::string_view arg, std::span<const std::vector<Index>> shapes) override {
    std::vector<ValueId> made;
    for (const std::vector<Index>& shape : shapes) made.push_back(make(shape, all_reals, tensor_number(arg)));
    slot(arg) = script_.arg_values(made);
  }
  void set_int(std::string_view arg, Index value) override { slot(arg) = script_.arg_int(value); }
  void set_ints(std::string_view arg, Sizes values) override { slot(arg) = script_.arg_ints(values); }
  void set_reals(std::string_view arg, std::span<const double> values) override {
    slot(arg) = script_.arg_reals(values);
  }
  void set_bool(std::string_view arg, bool value) override { slot(arg) = script_.arg_bool(value); }
  void set_real(std::string_view arg, double value) override { slot(arg) = script_.arg_real(value); }
  void set_none(std::string_view arg) override { slot(arg) = script_.arg_none(); }
  void set_text(std::string_view arg, std::string_view value) override { slot(arg) = script_.arg_string(value); }

  void given(std::string_view arg, Sizes sizes, std::span<const double> values) override {
    slot(arg) = script_.arg(make_given(sizes, values));
  }
  void given_symmetric(std::string_view arg, Sizes sizes, std::span<const double> values) override {
    call_.prepared.push_back({make_given(sizes, values), Call::Prepared::As::symmetric});
    slot(arg) = script_.arg(call_.prepared.back().tensor);
  }
  void given_triangular(std::string_view arg, Sizes sizes, std::span<const double> values, bool upper) override {
    const ValueId value = make_given(sizes, values);
    const Sizes matrix = sizes.last(2);
    const ValueId mask = script_.tensor(spec(subject_.dtype, matrix), numbered("mask", call_.prepared.size()));
    const gp_tensor tensor = script_.tensor_of(mask);
    for (Index at = 0; at < matrix[0] * matrix[1]; ++at) {
      const Index row = at / matrix[1];
      const Index col = at % matrix[1];
      script_.set_element(tensor, static_cast<std::size_t>(at), (upper ? row <= col : col <= row) ? 1 : 0);
    }
    call_.prepared.push_back({value, Call::Prepared::As::triangular, mask});
    slot(arg) = script_.arg(value);
  }
  void log_probabilities(std::string_view arg, Sizes sizes) override {
    call_.prepared.push_back({make(sizes, all_reals, tensor_number(arg)), Call::Prepared::As::log_softmax});
    slot(arg) = script_.arg(call_.prepared.back().tensor);
  }

  MatrixClass matrix_class(std::span<const MatrixClass> possible) override { return draw_.matrix_class(possible); }

  const Schema& schema() const { return subject_.entry->schema; }

 protected:
  std::optional<std::vector<Index>> asked_shape(Index min_dims, Index max_dims, bool may_be_empty) override {
    return draw_.wanted_shape(min_dims, max_dims, may_be_empty);
  }

 private:
  ValueId make_given(Sizes sizes, std::span<const double> values) {
    const TensorSpec made = floating(sizes);
    return kept(draw_.given(script_, made, values, next_name()), made, std::nullopt);
  }
  gp_arg& slot(std::string_view arg) {
    for (std::size_t i = 0; i < schema().args.size(); ++i) {
      if (schema().args[i].name == arg) return call_.args[i];
    }
    throw std::logic_error("the sampler of " + subject_.entry->id() + " names an argument " + std::string(arg) +
                           " it does not have");
  }
  int tensor_number(std::string_view arg) const {
    int number = 0;
    for (const SchemaArg& about : schema().args) {
      if (about.name == arg) break;
      number += about.type == ArgType::tensor || about.type == ArgType::tensor_list ? 1 : 0;
    }
    return number;
  }
  TensorSpec spec(gp_dtype dtype, Sizes sizes) const {
    TensorSpec made;
    made.dtype = dtype;
    made.shape.assign(sizes.begin(), sizes.end());
    made.device = subject_.device;
    return made;
  }
  ValueId given(gp_dtype dtype, Sizes sizes, std::span<const Index> values) {
    const ValueId made = script_.tensor(spec(dtype, sizes), next_name());
    const gp_tensor& tensor = script_.tensors.back();
    for (std::size_t i = 0; i < values.size(); ++i) {
      script_.set_element(tensor, i, static_cast<double>(values[i]));
    }
    return made;
  }
  std::string next_name() { return numbered("x", made_++); }
  // A sampler that says nothing leaves the domain to the record.
  Aim aim(const Domain& domain, int number) const {
    const Record& record = subject_.entry->record;
    const bool silent = domain.low == -infinity && domain.high == infinity;
    const auto at = static_cast<std::size_t>(number);
    return {silent && at < record.domain.size() ? record.domain[at] : domain, &record, number};
  }
  ValueId make_constant(Sizes sizes, const Domain& domain, int number) {
    return draw_.tensor(script_, spec(subject_.dtype, sizes), aim(domain, number), next_name());
  }
  ValueId make(Sizes sizes, const Domain& domain, int number) {
    const TensorSpec made = floating(sizes);
    const Aim at = aim(domain, number);
    return kept(draw_.tensor(script_, made, at, next_name()), made, at.domain);
  }
  TensorSpec floating(Sizes sizes) {
    TensorSpec made = spec(subject_.dtype, sizes);
    made.requires_grad = wants_grad_ && (all_ || !draw_.percent(15));
    return made;
  }
  ValueId kept(ValueId value, const TensorSpec& made, const std::optional<Domain>& domain) {
    call_.tensors.push_back(value);
    call_.shapes.push_back(made.shape);
    call_.domains.push_back(domain);
    if (made.requires_grad) call_.leaves.push_back(value);
    return value;
  }

  const Subject& subject_;
  RandomDraw& draw_;
  Script& script_;
  Call& call_;
  bool wants_grad_;
  bool all_;
  std::size_t made_ = 0;
};

// Draws the calls of elementwise records, which have no sampler of their own.
class ElementwiseSampler {
 public:
  ElementwiseSampler(const Subject& subject, RandomDraw& draw, CallDraw& into)
      : entry_(*subject.entry), draw_(draw), into_(into), dtype_(subject.dtype) {}

  std::vector<Index> sample() {
    const std::vector<std::vector<Index>> shapes = draw_.broadcastable(entry_.tensor_count);
    std::size_t tensor = 0;
    for (const SchemaArg& arg : entry_.schema.args) {
      if (arg.type == ArgType::tensor) {
        const std::size_t at = tensor++;
        if (arg.name == "condition") {
          into_.mask(arg.name, shapes[at]);
        } else {
          into_.tensor(arg.name, shapes[at], all_reals);
        }
      } else if (arg.name == entry_.variant_arg) {
        into_.set_text(arg.name, entry_.variant_value);
      } else if (arg.type == ArgType::scalar) {
        scalar(arg);
      }
    }
    return common_shape(shapes);
  }

 private:
  void scalar(const SchemaArg& arg) {
    if (arg.has_default && !arg.optional && draw_.percent(40)) return;
    const bool needed = optional_left(arg) == 0 && !some_given_;
    if (arg.optional && !needed && draw_.percent(35)) return;
    some_given_ = true;
    const std::vector<double>& known = entry_.record.scalars;
    constexpr std::array<double, 9> usual{1, 2, -1, 0.5, -0.5, 3, 0, -2, 0.25};
    const double value = !known.empty()      ? draw_.pick(known)
                         : draw_.percent(70) ? draw_.pick(usual)
                                             : draw_.moderate(dtype_);
    const bool integral = value == static_cast<double>(static_cast<Index>(value));
    if (integral && !arg.real && draw_.percent(50)) return into_.set_int(arg.name, static_cast<Index>(value));
    into_.set_real(arg.name, value);
  }
  // How many optional scalars follow: clamp wants one of its two.
  std::size_t optional_left(const SchemaArg& after) const {
    std::size_t count = 0;
    bool behind = false;
    for (const SchemaArg& arg : entry_.schema.args) {
      if (behind && arg.type == ArgType::scalar && arg.optional) ++count;
      behind = behind || &arg == &after;
    }
    return count;
  }

  const Entry& entry_;
  RandomDraw& draw_;
  CallDraw& into_;
  gp_dtype dtype_;
  bool some_given_ = false;
};

}  // namespace gradproof
