// The words of the language and the extent of its tensors.
#include <algorithm>
#include <array>

#include "script/extent.h"
#include "script/script.h"

namespace gradproof {
namespace {

constexpr std::array<const char*, 6> dtype_names{"f16", "bf16", "f32", "f64", "i64", "bool"};

constexpr std::array<const char*, 18> error_names{"ok",
                                                  "graph_freed",
                                                  "seed_shape",
                                                  "no_seed_for_non_scalar",
                                                  "no_grad_required",
                                                  "saved_modified",
                                                  "leaf_modified",
                                                  "unused_input",
                                                  "shape",
                                                  "dtype",
                                                  "index",
                                                  "argument",
                                                  "domain",
                                                  "unknown_operator",
                                                  "unsupported",
                                                  "undefined",
                                                  "out_of_memory",
                                                  "other"};

// Words that begin a statement or an argument; none may name a value.
constexpr std::array<std::string_view, 26> keywords{
    "_",        "and",  "backward",     "detach",      "drop",   "dual",   "end",  "error",   "expect",
    "false",    "grad", "hook",         "inf",         "jvp",    "leaf",   "nan",  "no_grad", "none",
    "parallel", "read", "require_grad", "retain_grad", "stream", "tensor", "true", "zero"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

const char* name_of(gp_dtype dtype) {
  const auto index = static_cast<std::size_t>(dtype);
  return index < dtype_names.size() ? dtype_names[index] : "unknown dtype";
}

const char* name_of(gp_error_kind kind) {
  const auto index = static_cast<std::size_t>(kind);
  return index < error_names.size() ? error_names[index] : "unknown error";
}

std::optional<gp_dtype> dtype_named(std::string_view name) {
  const auto found = std::find(dtype_names.begin(), dtype_names.end(), name);
  if (found == dtype_names.end()) return std::nullopt;
  return static_cast<gp_dtype>(found - dtype_names.begin());
}

std::optional<gp_error_kind> error_kind_named(std::string_view name) {
  const auto found = std::find(error_names.begin(), error_names.end(), name);
  if (found == error_names.end()) return std::nullopt;
  return static_cast<gp_error_kind>(found - error_names.begin());
}

bool is_value_name(std::string_view word) {
  if (word.empty() || !is_letter(word[0])) return false;
  if (!std::all_of(word.begin(), word.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '.'; }))
    return false;
  if (word.ends_with(".grad") || dtype_named(word)) return false;
  return std::find(keywords.begin(), keywords.end(), word) == keywords.end();
}

std::optional<Extent> extent_of(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
                                std::int64_t offset) {
  constexpr auto limit = static_cast<std::int64_t>(Limits::elements);
  if (offset < 0 || offset > limit) return std::nullopt;
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    empty = empty || size == 0;
  }
  for (const std::int64_t stride : strides) {
    if (stride < 0 || stride > limit) return std::nullopt;
  }
  // The product over all dimensions but the empty ones must be within the limits too: engines form it.
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) {
    if (size > limit) return std::nullopt;
    elements *= std::max<std::int64_t>(size, 1);
    if (elements > limit) return std::nullopt;
  }
  if (empty) return Extent{0, static_cast<std::uint64_t>(offset)};
  std::int64_t last = offset;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (strides.empty() || shape[i] == 1) continue;
    last += (shape[i] - 1) * strides[i];
    if (last >= limit) return std::nullopt;
  }
  if (strides.empty()) last += elements - 1;
  if (last >= limit) return std::nullopt;
  return Extent{static_cast<std::uint64_t>(elements), static_cast<std::uint64_t>(last + 1)};
}

}  // namespace gradproof
