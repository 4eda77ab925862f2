// A poisoning allocator for LibTorch's CPU memory. Included by module.cpp alone.
//
// Where a fill is set, every block is fresh memory full of one byte, between two guard zones of the same byte, and
// full of it again once freed. So a program run under two bytes gives other bits wherever it read memory nobody
// wrote, memory already freed, or a place past a block's end; and a write past an end shows in the guard zones, one
// after the end of a block's life in the block. Freed blocks are kept to the end of a run, lest another's
// numbers lie there.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>

namespace gradproof::libtorch {

class PoisonedMemory {
 public:
  static constexpr std::size_t alignment = 64;  // LibTorch's own, c10::gAlignment

  // For the life of the process: LibTorch frees blocks after the last destructor here.
  static PoisonedMemory& instance() {
    static PoisonedMemory& memory = *std::make_unique<PoisonedMemory>().release();
    return memory;
  }

  void set_fill(int byte) { fill_ = byte; }
  int fill() const { return fill_; }

  // std::bad_alloc where there is no memory.
  void* take(std::size_t bytes) {
    const std::size_t whole = rounded(front + bytes + guard_bytes);
    if (bytes > most_bytes) throw std::bad_alloc();
    void* memory = std::aligned_alloc(alignment, whole);
    if (memory == nullptr) throw std::bad_alloc();
    auto* block = new (memory) Block{};
    block->bytes = bytes;
    block->tail = whole - front - bytes;
    block->byte = static_cast<std::uint8_t>(fill_.load());
    std::memset(begin_of(*block) - guard_bytes, block->byte, guard_bytes + bytes + block->tail);
    const std::lock_guard hold(mutex_);
    live_.append(*block);
    owned_.insert(begin_of(*block));
    return begin_of(*block);
  }

  // False where the block was not taken here.
  bool give_back(void* data) {
    const std::lock_guard hold(mutex_);
    if (owned_.erase(data) == 0) return false;
    Block& block = *std::launder(reinterpret_cast<Block*>(static_cast<std::uint8_t*>(data) - front));
    check_guards(block);
    live_.remove(block);
    std::memset(data, block.byte, block.bytes);
    freed_.append(block);
    freed_bytes_ += block.bytes;
    while (freed_bytes_ > most_freed_bytes || freed_.count > most_freed_blocks) release(*freed_.first);
    return true;
  }

  // The first write found since the last call that went where none may go; "" for none. Lets go of the blocks freed.
  std::string fault() {
    const std::lock_guard hold(mutex_);
    for (Block* block = live_.first; block != nullptr; block = block->next) check_guards(*block);
    while (freed_.first != nullptr) release(*freed_.first);
    return std::exchange(fault_, {});
  }

 private:
  struct Block {
    Block* previous;
    Block* next;
    std::size_t bytes;
    std::size_t tail;  // of guard behind it
    std::uint8_t byte;
  };
  struct List {
    Block* first = nullptr;
    Block* last = nullptr;
    std::size_t count = 0;

    void append(Block& block) {
      block.previous = last;
      block.next = nullptr;
      (last != nullptr ? last->next : first) = &block;
      last = &block;
      ++count;
    }
    void remove(Block& block) {
      (&block == first ? first : block.previous->next) = block.next;
      (&block == last ? last : block.next->previous) = block.previous;
      --count;
    }
  };

  static constexpr std::size_t most_bytes = std::size_t{1} << 39U;  // AddressSanitizer aborts at twice that
  static constexpr std::size_t guard_bytes = 128;
  static constexpr std::size_t front = (sizeof(Block) + alignment - 1) / alignment * alignment + guard_bytes;
  static constexpr std::size_t most_freed_bytes = std::size_t{32} << 20U;
  static constexpr std::size_t most_freed_blocks = 4096;

  static constexpr std::size_t rounded(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }
  static std::uint8_t* begin_of(Block& block) { return reinterpret_cast<std::uint8_t*>(&block) + front; }

  // The first of these bytes that is another one; `end` where none is.
  static const std::uint8_t* odd_one(const std::uint8_t* at, const std::uint8_t* end, std::uint8_t byte) {
    return std::find_if(at, end, [byte](std::uint8_t found) { return found != byte; });
  }

  void check_guards(Block& block) {
    std::uint8_t* begin = begin_of(block);
    std::uint8_t* end = begin + block.bytes;
    if (odd_one(end, end + block.tail, block.byte) != end + block.tail) {
      const std::uint8_t* last = end + block.tail;
      while (*(last - 1) == block.byte) --last;
      note(block, "written up to " + std::to_string(last - end) + " bytes past its end");
      std::memset(end, block.byte, block.tail);
    }
    if (const auto* odd = odd_one(begin - guard_bytes, begin, block.byte); odd != begin) {
      note(block, "written " + std::to_string(begin - odd) + " bytes before its beginning");
      std::memset(begin - guard_bytes, block.byte, guard_bytes);
    }
  }

  void check_freed(Block& block) {
    check_guards(block);
    std::uint8_t* begin = begin_of(block);
    std::uint8_t* end = begin + block.bytes;
    if (odd_one(begin, end, block.byte) == end) return;
    note(block, "written to after it was freed");
    std::memset(begin, block.byte, block.bytes);
  }

  void note(const Block& block, const std::string& what) {
    if (fault_.empty()) fault_ = "a block of " + std::to_string(block.bytes) + " bytes was " + what;
  }

  void release(Block& block) {
    check_freed(block);
    freed_.remove(block);
    freed_bytes_ -= block.bytes;
    std::free(&block);  // NOLINT(cppcoreguidelines-no-malloc): of aligned_alloc
  }

  std::atomic<int> fill_{-1};
  std::mutex mutex_;
  std::unordered_set<const void*> owned_;  // where the live blocks begin
  List live_;
  List freed_;
  std::size_t freed_bytes_ = 0;
  std::string fault_;
};

// Before 2.3 an allocator copied nothing itself.
template <class Base>
class CopyingAllocator : public Base {};
template <class Base>
requires requires { &Base::copy_data; }
class CopyingAllocator<Base> : public Base {
 public:
  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }
};

// With a fill of -1 it hands on what LibTorch's own allocates.
class PoisonAllocatorBase : public CopyingAllocator<c10::Allocator> {
 public:
  // oneDNN takes and gives back raw blocks, and may give one back under another fill than it took it under.
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  static c10::Allocator*& plain() {
    static c10::Allocator* allocator = nullptr;
    return allocator;
  }

 protected:
  static c10::DataPtr take(std::size_t bytes) {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (PoisonedMemory::instance().fill() < 0) return plain()->allocate(bytes);
    if (bytes == 0) return {nullptr, cpu};
    void* data = PoisonedMemory::instance().take(bytes);
    return {data, data, &give_back, cpu};
  }

 private:
  static void give_back(void* data) {
    if (data != nullptr && !PoisonedMemory::instance().give_back(data)) plain()->raw_deleter()(data);
  }
};

// allocate() is const up to some version, and is not from then on.
template <class Base, class Signature = decltype(&c10::Allocator::allocate)>
class PoisonAllocator final : public Base {
 public:
  c10::DataPtr allocate(std::size_t bytes) override { return Base::take(bytes); }
};
template <class Base>
class PoisonAllocator<Base, c10::DataPtr (c10::Allocator::*)(std::size_t) const> final : public Base {
 public:
  c10::DataPtr allocate(std::size_t bytes) const override { return Base::take(bytes); }
};

// Installed when first asked for, and for good.
inline void poison_cpu_memory(int fill) {
  static PoisonAllocator<PoisonAllocatorBase>* installed = nullptr;
  if (installed == nullptr) {
    PoisonAllocatorBase::plain() = c10::GetAllocator(c10::DeviceType::CPU);
    installed = std::make_unique<PoisonAllocator<PoisonAllocatorBase>>().release();
    c10::SetAllocator(c10::DeviceType::CPU, installed, 1);
  }
  PoisonedMemory::instance().set_fill(fill);
}

}  // namespace gradproof::libtorch
