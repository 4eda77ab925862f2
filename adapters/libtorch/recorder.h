// Fills the caller's observation buffers (adapters/engine.h), and counts on where one is full.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "adapters/engine.h"

namespace gradproof::libtorch {

class Recorder {
 public:
  explicit Recorder(gp_observations& out) : out_(out) {}

  // An observation to be filled in, valid until the next one.
  gp_observation& add(std::uint32_t step, gp_status status) {
    gp_observation& item = items_ < out_.item_capacity ? out_.items[items_] : overflow_;
    ++items_;
    item = gp_observation{};
    item.step = step;
    item.status = static_cast<std::uint8_t>(status);
    return item;
  }

  // Room for an observation's elements, from a multiple of 8 on so that they can be read in place;
  // nullptr where there is none left.
  std::uint8_t* reserve(gp_observation& item, std::uint64_t size) {
    const std::uint64_t begin = (data_ + 7) & ~std::uint64_t{7};
    item.data = begin;
    const bool fits = begin <= out_.data_capacity && size <= out_.data_capacity - begin;
    if (fits) std::memset(out_.data + data_, 0, begin - data_);
    data_ = begin + size;
    return fits ? out_.data + begin : nullptr;
  }

  void error(std::uint32_t step, gp_error_kind kind, std::string_view text) {
    gp_observation& item = add(step, GP_ERROR);
    item.error = static_cast<std::uint8_t>(kind);
    if (text.size() > std::numeric_limits<std::uint32_t>::max() - text_) return;
    item.text = static_cast<std::uint32_t>(text_);
    item.text_size = static_cast<std::uint32_t>(text.size());
    if (text_ + text.size() <= out_.text_capacity) std::copy(text.begin(), text.end(), out_.text + text_);
    text_ += text.size();
  }

  // Sets the counts; a gp_run_result.
  int finish() {
    out_.item_count = items_;
    out_.data_size = data_;
    out_.text_size = text_;
    const bool fits = items_ <= out_.item_capacity && data_ <= out_.data_capacity && text_ <= out_.text_capacity;
    return fits ? GP_RUN_DONE : GP_RUN_TOO_SMALL;
  }

 private:
  gp_observations& out_;
  gp_observation overflow_{};
  std::uint64_t items_ = 0;
  std::uint64_t data_ = 0;
  std::uint64_t text_ = 0;
};

}  // namespace gradproof::libtorch
