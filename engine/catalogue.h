// The operators an engine knows, in one scalar. A catalogue is handed to a tape, never global: a
// mutant is a copy with something replaced.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/record.h"
#include "engine/tape.h"
#include "script/schema.h"

namespace gradproof {

// A record, parsed; the position in the list is the operator's number in every catalogue.
struct Entry {
  Record record;
  Schema schema;
  std::string variant_arg;    // "approximate"
  std::string variant_value;  // "tanh"
  // The function of its parameters, tensors and scalars, without shapes: elementwise operators only.
  bool elementwise = false;
  std::size_t tensor_count = 0;  // tensor arguments, a list counted once

  std::string id() const {  // "gelu[tanh]", "add.Tensor"
    return variant_value.empty() ? schema.full_name() : schema.full_name() + "[" + variant_value + "]";
  }
};

template <class T>
class Catalogue {
 public:
  void add(const OperatorImpl<T>& impl) { impls_.push_back(impl); }
  void link(const std::deque<Entry>& entries) {
    static constexpr std::array<std::string_view, static_cast<std::size_t>(Basic::count_)> names{"add.Tensor",
                                                                                                 "sub.Tensor",
                                                                                                 "mul.Tensor",
                                                                                                 "div.Tensor",
                                                                                                 "neg",
                                                                                                 "abs",
                                                                                                 "sqrt",
                                                                                                 "exp",
                                                                                                 "exp2",
                                                                                                 "expm1",
                                                                                                 "log",
                                                                                                 "log2",
                                                                                                 "log10",
                                                                                                 "log1p",
                                                                                                 "sin",
                                                                                                 "cos",
                                                                                                 "tan",
                                                                                                 "asin",
                                                                                                 "acos",
                                                                                                 "atan",
                                                                                                 "atan2",
                                                                                                 "sinh",
                                                                                                 "cosh",
                                                                                                 "tanh",
                                                                                                 "asinh",
                                                                                                 "acosh",
                                                                                                 "atanh",
                                                                                                 "erf",
                                                                                                 "erfc",
                                                                                                 "hypot",
                                                                                                 "pow.Tensor_Tensor",
                                                                                                 "maximum",
                                                                                                 "minimum",
                                                                                                 "lt.Tensor",
                                                                                                 "eq.Tensor",
                                                                                                 "where.self",
                                                                                                 "sum_to_size",
                                                                                                 "_add_n",
                                                                                                 "expand",
                                                                                                 "reshape",
                                                                                                 "permute",
                                                                                                 "matmul",
                                                                                                 "sigmoid"};
    for (std::size_t b = 0; b < names.size(); ++b) {
      for (std::size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].schema.full_name() == names[b]) basic_[b] = static_cast<std::int32_t>(i);
      }
      if (basic_[b] < 0) throw std::logic_error("the catalogue lacks " + std::string(names[b]));
    }
    for (std::size_t i = 0; i < entries.size(); ++i) numbers_.emplace(entries[i].id(), i);
  }
  const OperatorImpl<T>& at(std::size_t entry) const { return impls_.at(entry); }
  OperatorImpl<T>& at(std::size_t entry) { return impls_.at(entry); }
  const OperatorImpl<T>& basic(Basic op) const {
    return impls_[static_cast<std::size_t>(basic_[static_cast<std::size_t>(op)])];
  }
  // By an entry's id.
  const OperatorImpl<T>& named(std::string_view id) const {
    const auto found = numbers_.find(id);
    if (found == numbers_.end()) throw std::logic_error("the catalogue lacks " + std::string(id));
    return impls_[found->second];
  }
  std::size_t size() const { return impls_.size(); }

 private:
  std::map<std::string, std::size_t, std::less<>> numbers_;
  std::vector<OperatorImpl<T>> impls_;
  std::array<std::int32_t, static_cast<std::size_t>(Basic::count_)> basic_ = [] {
    std::array<std::int32_t, static_cast<std::size_t>(Basic::count_)> none{};
    none.fill(-1);
    return none;
  }();
};

}  // namespace gradproof
