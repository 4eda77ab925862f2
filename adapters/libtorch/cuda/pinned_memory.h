// Pinned host memory: LibTorch's own allocator behind a door that poisons what it hands out.
#pragma once

#include <ATen/core/CachingHostAllocator.h>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_set>

namespace gradproof::libtorch {

// Blocks are poisoned when handed out and have a zone behind them whose bytes must stay. They are not poisoned again
// when given back: a copy that is still under way may read them until its event has passed.
class PinnedMemory final : public at::HostAllocator {
 public:
  static constexpr std::size_t zone_bytes = 64;

  explicit PinnedMemory(at::HostAllocator& inner) : inner_(inner) {}

  void set_fill(int byte) { fill_ = byte; }
  std::string take_damage();

  at::DataPtr allocate(std::size_t bytes) override;
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
  bool record_event(void* pointer, void* context, c10::Stream stream) override;
  void empty_cache() override { inner_.empty_cache(); }
  at::HostStats get_stats() override { return inner_.get_stats(); }
  void reset_accumulated_stats() override { inner_.reset_accumulated_stats(); }
  void reset_peak_stats() override { inner_.reset_peak_stats(); }

 private:
  struct Block {
    PinnedMemory* owner;
    at::DataPtr data;
    std::size_t bytes;
    int fill;
  };

  static void give_back(void* context);
  void check(const Block& block);

  at::HostAllocator& inner_;
  std::atomic<int> fill_{-1};
  std::mutex mutex_;
  std::unordered_set<void*> blocks_;  // the contexts that are ours
  std::string damage_;
};

}  // namespace gradproof::libtorch
