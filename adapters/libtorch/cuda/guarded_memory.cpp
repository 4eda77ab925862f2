#include "adapters/libtorch/cuda/guarded_memory.h"

#include <algorithm>

namespace gradproof::libtorch {
namespace {

constexpr std::size_t most_text = 2000;

std::string bytes_text(std::size_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

}  // namespace

void GuardedMemory::set_fill(int byte) {
  const std::lock_guard lock(mutex_);
  fill_ = byte;
}

void* GuardedMemory::allocate(std::size_t bytes, Memory::Stream stream) {
  if (bytes == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  if (fill_ < 0) return memory_.allocate(bytes, stream);
  const std::size_t total = total_of(bytes);
  void* base = memory_.allocate(total, stream);
  if (base == nullptr) {
    memory_.settle();
    let_go(0, 0);
    base = memory_.allocate(total, stream);
    if (base == nullptr) return nullptr;
  }
  memory_.fill(base, fill_, total, stream);
  Block block;
  block.base = static_cast<char*>(base);
  block.bytes = bytes;
  block.fill = fill_;
  block.stream = stream;
  void* payload = block.base + zone_bytes;
  blocks_.insert_or_assign(payload, block);
  return payload;
}

void GuardedMemory::release(void* payload) {
  if (payload == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(payload);
  if (found == blocks_.end()) return memory_.release(payload);
  Block block = found->second;
  blocks_.erase(found);
  // What other streams still do with it must not meet the poison.
  if (block.shared) memory_.settle();
  check_guards(block);
  memory_.fill(block.base, block.fill, total_of(block.bytes), block.stream);
  held_bytes_ += total_of(block.bytes);
  held_.push_back(block);
  let_go(most_held, most_held_bytes);
}

void GuardedMemory::used_on(void* payload, Memory::Stream stream) {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(payload);
  if (found == blocks_.end()) return memory_.used_on(payload, stream);
  found->second.shared = found->second.shared || stream != found->second.stream;
  memory_.used_on(found->second.base, stream);
}

std::string GuardedMemory::take_damage() {
  const std::lock_guard lock(mutex_);
  if (!blocks_.empty() || !held_.empty()) memory_.settle();
  for (auto& [payload, block] : blocks_) check_guards(block);
  for (Block& block : held_) check_held(block);
  std::string told;
  told.swap(damage_);
  return told;
}

void GuardedMemory::check_guards(Block& block) {
  if (block.told) return;
  const std::size_t before = first_changed(block, 0, zone_bytes);
  const std::size_t payload_end = zone_bytes + block.bytes;
  const std::size_t end = total_of(block.bytes);
  const std::size_t after = first_changed(block, payload_end, end - payload_end);
  if (before < zone_bytes) {
    tell(block, "written " + bytes_text(zone_bytes - before) + " before its beginning");
  }
  if (after < end) tell(block, "written " + bytes_text(after - payload_end + 1) + " past its end");
}

void GuardedMemory::check_held(Block& block) {
  if (block.told) return;
  const std::size_t end = total_of(block.bytes);
  const std::size_t changed = first_changed(block, 0, end);
  if (changed < end) tell(block, "written to after it was freed");
}

void GuardedMemory::let_go(std::size_t keep_blocks, std::size_t keep_bytes) {
  while (held_.size() > keep_blocks || (held_bytes_ > keep_bytes && !held_.empty())) {
    check_held(held_.front());
    held_bytes_ -= total_of(held_.front().bytes);
    memory_.release(held_.front().base);
    held_.pop_front();
  }
}

std::size_t GuardedMemory::first_changed(const Block& block, std::size_t offset, std::size_t bytes) {
  seen_.resize(bytes);
  if (!memory_.read(seen_.data(), block.base + offset, bytes, block.stream)) return offset + bytes;
  const auto differs = [&](unsigned char byte) { return byte != static_cast<unsigned char>(block.fill); };
  const auto found = std::find_if(seen_.begin(), seen_.end(), differs);
  return offset + static_cast<std::size_t>(found - seen_.begin());
}

void GuardedMemory::tell(Block& block, const std::string& what) {
  block.told = true;
  if (damage_.size() > most_text) return;
  if (!damage_.empty()) damage_ += "; ";
  damage_ += "a block of CUDA memory of " + bytes_text(block.bytes) + " was " + what;
}

}  // namespace gradproof::libtorch
