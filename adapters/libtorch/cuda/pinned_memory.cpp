#include "adapters/libtorch/cuda/pinned_memory.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace gradproof::libtorch {

at::DataPtr PinnedMemory::allocate(std::size_t bytes) {
  const int fill = fill_;
  if (fill < 0 || bytes == 0) return inner_.allocate(bytes);
  auto block = std::make_unique<Block>(Block{this, inner_.allocate(bytes + zone_bytes), bytes, fill});
  void* memory = block->data.get();
  std::memset(memory, fill, bytes + zone_bytes);
  const std::lock_guard lock(mutex_);
  blocks_.insert(block.get());
  void* context = block.release();
  return {memory, context, &PinnedMemory::give_back, at::DeviceType::CPU};
}

bool PinnedMemory::record_event(void* pointer, void* context, c10::Stream stream) {
  {
    const std::lock_guard lock(mutex_);
    if (blocks_.count(context) != 0) context = static_cast<Block*>(context)->data.get_context();
  }
  return inner_.record_event(pointer, context, stream);
}

std::string PinnedMemory::take_damage() {
  const std::lock_guard lock(mutex_);
  for (void* context : blocks_) check(*static_cast<Block*>(context));
  std::string told;
  told.swap(damage_);
  return told;
}

void PinnedMemory::give_back(void* context) {
  const std::unique_ptr<Block> block(static_cast<Block*>(context));
  PinnedMemory& owner = *block->owner;
  const std::lock_guard lock(owner.mutex_);
  owner.blocks_.erase(context);
  owner.check(*block);
}

void PinnedMemory::check(const Block& block) {
  const auto* zone = static_cast<const unsigned char*>(block.data.get()) + block.bytes;
  const auto fill = static_cast<unsigned char>(block.fill);
  if (std::all_of(zone, zone + zone_bytes, [fill](unsigned char byte) { return byte == fill; })) return;
  if (!damage_.empty()) return;
  damage_ = "a block of pinned memory of " + std::to_string(block.bytes) + " bytes was written past its end";
}

}  // namespace gradproof::libtorch
