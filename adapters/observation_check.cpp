#include "adapters/observation_check.h"

#include <limits>

#include "script/script.h"

namespace gradproof {
namespace {

bool within(std::uint64_t begin, std::uint64_t size, std::uint64_t whole) {
  return begin <= whole && size <= whole - begin;
}

std::optional<std::string> fault_in_value(const gp_observation& item, std::uint64_t data_size) {
  if (item.dtype > GP_BOOL) return "an unknown dtype, " + std::to_string(item.dtype);
  if (item.ndim > GP_MAX_DIMS) return std::to_string(item.ndim) + " dimensions";
  std::uint64_t elements = 1;
  bool empty = false;
  for (std::size_t dim = 0; dim < item.ndim; ++dim) {
    if (item.shape[dim] < 0) return "a negative size";
    empty = empty || item.shape[dim] == 0;
  }
  for (std::size_t dim = 0; dim < item.ndim && !empty; ++dim) {
    const auto size = static_cast<std::uint64_t>(item.shape[dim]);
    if (elements > std::numeric_limits<std::uint64_t>::max() / 8 / size) return "a shape too large";
    elements *= size;
  }
  if (empty) elements = 0;
  if (item.elements != elements) {
    return std::to_string(item.elements) + " elements for a shape of " + std::to_string(elements);
  }
  if (!within(item.data, elements * size_of(static_cast<gp_dtype>(item.dtype)), data_size)) {
    return "elements outside its data";
  }
  return {};
}

std::optional<std::string> fault_in_item(const gp_observation& item, const Observations& seen, bool is_read) {
  if (item.status > GP_SKIPPED) return "an unknown status, " + std::to_string(item.status);
  if (item.status == GP_ERROR) {
    if (item.error == GP_OK || item.error > GP_OTHER) return "an unknown kind of error, " + std::to_string(item.error);
    if (!within(item.text, item.text_size, seen.text.size())) return "a text outside its texts";
    return {};
  }
  if (!is_read) return "an observation of a step that neither reads nor fails";
  return item.status == GP_VALUE ? fault_in_value(item, seen.data.size()) : std::nullopt;
}

}  // namespace

std::optional<std::string> fault_in(const Observations& seen, const gp_program& program, std::uint64_t reads) {
  std::uint64_t next = 0;
  std::uint64_t reads_seen = 0;
  for (const gp_observation& item : seen.items) {
    const auto told = [&](const std::string& fault) { return "step " + std::to_string(item.step) + ": " + fault; };
    if (item.step >= program.step_count) return told("the program has " + std::to_string(program.step_count));
    if (item.step < next) return told("out of order, or told twice");
    next = std::uint64_t{item.step} + 1;
    const bool is_read = program.steps[item.step].kind == GP_READ;
    reads_seen += is_read ? 1 : 0;
    if (const auto fault = fault_in_item(item, seen, is_read)) return told(*fault);
  }
  if (reads_seen != reads) {
    return std::to_string(reads_seen) + " of " + std::to_string(reads) + " values read were told";
  }
  return {};
}

}  // namespace gradproof
