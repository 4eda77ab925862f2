// Which cases a check consists of, and in which order.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "campaign/engines.h"
#include "properties/property.h"

namespace gradproof {

struct Selection {
  std::vector<std::string> operators{};   // globs; empty: all
  std::vector<std::string> properties{};  // globs; empty: all
  std::vector<gp_dtype> dtypes{};         // empty: f32 and f64, as the engine has them
  gp_device device = GP_CPU;
};

// f16 and bf16 are checked where they are asked for.
inline constexpr gp_dtype checked_unasked[] = {GP_F32, GP_F64};

// One row of the results: an operator, a property, the dtypes it applies to.
struct Pair {
  const Entry* entry = nullptr;
  const Property* property = nullptr;
  std::vector<gp_dtype> dtypes{};
};

struct NotApplicable {
  const Entry* entry = nullptr;
  const Property* property = nullptr;
  gp_dtype dtype = GP_F32;
  std::string reason{};
};

struct Case {
  std::size_t pair = 0;
  gp_dtype dtype = GP_F32;
  std::uint64_t index = 0;
};

// Case n takes the pairs in turn, and each pair its dtypes in turn, so that a run cut short has seen all.
struct Plan {
  const Registry* registry = nullptr;
  std::string engine{};  // EngineSource::name
  EngineInfo info{};
  gp_device device = GP_CPU;
  std::vector<gp_dtype> dtypes{};
  std::vector<Pair> pairs{};
  std::vector<NotApplicable> skipped{};
  std::set<std::string> operators{};  // those the engine knows, by name and overload

  Case at(std::uint64_t number) const {
    const std::uint64_t index = number / pairs.size();
    const auto pair = static_cast<std::size_t>(number % pairs.size());
    const auto& dtypes_of_pair = pairs[pair].dtypes;
    return {pair, dtypes_of_pair[static_cast<std::size_t>(index % dtypes_of_pair.size())], index};
  }
  Subject subject(const Case& which) const {
    return {registry, pairs[which.pair].entry, which.dtype, device, &info, &operators};
  }
  CaseName name(const Case& which, std::uint64_t seed, const std::string& operator_id) const {
    return {seed, engine, operator_id, pairs[which.pair].property->id(), which.dtype, which.index};
  }
};

// Throws UsageError for a glob that matches nothing, with near names. On a device the engine lacks, nothing applies.
Plan make_plan(const Registry& registry, const std::string& engine, const EngineFacts& facts,
               const Selection& selection, std::span<const Property* const> properties);

// "add" means add.Tensor and add.Scalar, "gelu" both its variants.
bool names_operator(std::string_view glob, const Entry& entry);

// The operators and properties that a list of globs selects; all where it is empty. Throws UsageError.
std::vector<const Entry*> select_operators(const Registry& registry, const std::vector<std::string>& globs);
std::vector<const Property*> select_properties(std::span<const Property* const> all,
                                               const std::vector<std::string>& globs);

}  // namespace gradproof
