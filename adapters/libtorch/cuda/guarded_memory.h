// Memory between guard zones, poisoned when it is handed out and again when it is given back.
//
// Over any memory that work reaches through streams, so that it is tested on the host as it runs on a device.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace gradproof::libtorch {

// Where the blocks come from. A stream is the owner's handle.
class Memory {
 public:
  using Stream = void*;
  virtual ~Memory() = default;
  // nullptr where none is left. At least 512-byte aligned.
  virtual void* allocate(std::size_t bytes, Stream stream) = 0;
  virtual void release(void* block) = 0;
  // Another stream works on the block, too.
  virtual void used_on(void* block, Stream stream) = 0;
  virtual void fill(void* to, int byte, std::size_t bytes, Stream stream) = 0;
  // Waits for what the stream was given before. False where the memory cannot be read any more.
  virtual bool read(void* host, const void* from, std::size_t bytes, Stream stream) = 0;
  // Waits for everything.
  virtual void settle() = 0;
};

class GuardedMemory {
 public:
  // Zones on both sides of a block, of as many bytes: they keep its alignment.
  static constexpr std::size_t zone_bytes = 512;
  // Blocks given back are held, to see whether somebody still writes to them, up to so many of so many bytes together.
  static constexpr std::size_t most_held = 64;
  static constexpr std::size_t most_held_bytes = std::size_t{64} << 20;

  explicit GuardedMemory(Memory& memory) : memory_(memory) {}
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  // For blocks from now on; -1: no guards, contents as the memory has them. Those out now keep what they have.
  void set_fill(int byte);
  // nullptr for no bytes, and where no memory is left.
  void* allocate(std::size_t bytes, Memory::Stream stream);
  void release(void* payload);
  void used_on(void* payload, Memory::Stream stream);
  // Looks at the guards of all blocks and at those held; what was damaged since the last call.
  std::string take_damage();

 private:
  struct Block {
    char* base = nullptr;
    std::size_t bytes = 0;
    int fill = 0;
    Memory::Stream stream = nullptr;
    bool shared = false;  // other streams work on it, too
    bool told = false;    // of its damage
  };

  static std::size_t total_of(std::size_t bytes) { return zone_bytes + padded(bytes) + zone_bytes; }
  static std::size_t padded(std::size_t bytes) { return (bytes + zone_bytes - 1) / zone_bytes * zone_bytes; }
  void check_guards(Block& block);
  void check_held(Block& block);
  void let_go(std::size_t keep_blocks, std::size_t keep_bytes);
  // The first byte of [offset, offset + bytes) of the block that is not its fill, as an offset; the end for none.
  std::size_t first_changed(const Block& block, std::size_t offset, std::size_t bytes);
  void tell(Block& block, const std::string& what);

  Memory& memory_;
  std::mutex mutex_;
  int fill_ = -1;
  std::unordered_map<void*, Block> blocks_;  // by payload
  std::deque<Block> held_;
  std::size_t held_bytes_ = 0;
  std::string damage_;
  std::vector<unsigned char> seen_;
};

}  // namespace gradproof::libtorch
