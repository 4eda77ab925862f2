// On the host, with a memory that keeps a diary: what runs on a device is this code over another Memory.
#include "adapters/libtorch/cuda/guarded_memory.h"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

namespace gradproof::libtorch {
namespace {

class HostMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes, Stream /*stream*/) override {
    if (in_use + bytes > limit) return nullptr;
    auto block = std::make_unique<std::vector<char>>(bytes, '\x5a');
    void* at = block->data();
    in_use += bytes;
    blocks[at] = std::move(block);
    return at;
  }
  void release(void* block) override {
    const auto found = blocks.find(block);
    ASSERT_NE(found, blocks.end()) << "a block that is none is given back";
    in_use -= found->second->size();
    blocks.erase(found);
  }
  void used_on(void* block, Stream stream) override {
    EXPECT_EQ(blocks.count(block), 1U);
    users.push_back(stream);
  }
  void fill(void* to, int byte, std::size_t bytes, Stream /*stream*/) override {
    EXPECT_TRUE(holds(to, bytes));
    std::memset(to, byte, bytes);
  }
  bool read(void* host, const void* from, std::size_t bytes, Stream /*stream*/) override {
    EXPECT_TRUE(holds(from, bytes));
    if (lost) return false;
    std::memcpy(host, from, bytes);
    return true;
  }
  void settle() override { ++settled; }

  bool holds(const void* at, std::size_t bytes) const {
    const auto* begin = static_cast<const char*>(at);
    return std::any_of(blocks.begin(), blocks.end(), [&](const auto& block) {
      const char* first = block.second->data();
      return first <= begin && begin + bytes <= first + block.second->size();
    });
  }

  std::map<const void*, std::unique_ptr<std::vector<char>>> blocks;
  std::size_t in_use = 0;
  std::size_t limit = std::size_t{1} << 30;
  std::vector<Stream> users;
  int settled = 0;
  bool lost = false;
};

struct GuardedMemoryTest : testing::Test {
  HostMemory host;
  GuardedMemory memory{host};

  char* take(std::size_t bytes) { return static_cast<char*>(memory.allocate(bytes, nullptr)); }
};

TEST_F(GuardedMemoryTest, WithoutAFillItIsTheMemoryItself) {
  char* block = take(10);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(host.in_use, 10U);
  EXPECT_EQ(block[0], '\x5a');
  memory.used_on(block, &host);
  EXPECT_EQ(host.users.size(), 1U);
  memory.release(block);
  EXPECT_TRUE(host.blocks.empty());
  EXPECT_EQ(take(0), nullptr);
  memory.release(nullptr);
  EXPECT_EQ(memory.take_damage(), "");
}

TEST_F(GuardedMemoryTest, BlocksAreFullOfTheFillOfTheirTime) {
  for (const int fill : {0xff, 0x3f, 0x00}) {
    memory.set_fill(fill);
    char* block = take(100);
    const auto full = [fill](char c) { return static_cast<unsigned char>(c) == fill; };
    EXPECT_TRUE(std::all_of(block, block + 100, full));
    std::memset(block, 1, 100);
    memory.release(block);
    // Held, and poisoned again: who reads it now reads the fill.
    EXPECT_TRUE(std::all_of(block, block + 100, full));
  }
  EXPECT_EQ(memory.take_damage(), "");
}

TEST_F(GuardedMemoryTest, ABlockKeepsItsFillWhenThatChanges) {
  memory.set_fill(0xff);
  char* poisoned = take(8);
  memory.set_fill(-1);
  char* plain = take(8);
  EXPECT_EQ(memory.take_damage(), "");
  memory.release(poisoned);
  memory.release(plain);
  EXPECT_EQ(memory.take_damage(), "");
}

TEST_F(GuardedMemoryTest, WritesBesideABlockAreTold) {
  memory.set_fill(0xff);
  char* block = take(100);
  block[100] = 0;
  EXPECT_EQ(memory.take_damage(), "a block of CUDA memory of 100 bytes was written 1 byte past its end");
  EXPECT_EQ(memory.take_damage(), "");
  char* other = take(1);
  other[-4] = 0;
  memory.release(other);
  EXPECT_EQ(memory.take_damage(), "a block of CUDA memory of 1 byte was written 4 bytes before its beginning");
}

TEST_F(GuardedMemoryTest, WritesIntoWhatWasGivenBackAreTold) {
  memory.set_fill(0x3f);
  char* block = take(64);
  memory.release(block);
  block[63] = 1;
  EXPECT_EQ(memory.take_damage(), "a block of CUDA memory of 64 bytes was written to after it was freed");
}

TEST_F(GuardedMemoryTest, AWriteIntoAHeldBlockIsToldWhenItGoes) {
  memory.set_fill(0x3f);
  char* block = take(64);
  memory.release(block);
  block[0] = 1;
  for (std::size_t i = 0; i <= GuardedMemory::most_held; ++i) memory.release(take(8));
  EXPECT_EQ(host.blocks.size(), GuardedMemory::most_held);
  EXPECT_NE(memory.take_damage().find("after it was freed"), std::string::npos);
}

TEST_F(GuardedMemoryTest, HeldBlocksMakeRoom) {
  memory.set_fill(0xff);
  host.limit = 20'000;
  for (int i = 0; i < 100; ++i) {
    void* block = memory.allocate(5000, nullptr);
    ASSERT_NE(block, nullptr);
    memory.release(block);
  }
  EXPECT_EQ(memory.allocate(50'000, nullptr), nullptr);
}

TEST_F(GuardedMemoryTest, OtherStreamsAreWaitedForBeforeThePoison) {
  memory.set_fill(0xff);
  char* mine = take(8);
  memory.used_on(mine, nullptr);  // its own stream
  memory.release(mine);
  EXPECT_EQ(host.settled, 0);
  char* shared = take(8);
  memory.used_on(shared, &host);
  memory.release(shared);
  EXPECT_EQ(host.settled, 1);
  EXPECT_EQ(host.users.size(), 2U);
}

TEST_F(GuardedMemoryTest, WhatCannotBeReadAnyMoreIsNotAccused) {
  memory.set_fill(0xff);
  char* block = take(8);
  block[8] = 0;
  host.lost = true;
  EXPECT_EQ(memory.take_damage(), "");
}

// Any writes: told if and only if one lies outside its block, and was not of the very byte that was there.
RC_GTEST_PROP(GuardedMemoryProperty, TellsWhatIsOutsideAndNothingElse, ()) {
  HostMemory host;
  GuardedMemory memory(host);
  const int fill = *rc::gen::inRange(0, 256);
  memory.set_fill(fill);
  std::vector<std::pair<char*, int>> blocks;
  const int count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    const int bytes = *rc::gen::inRange(1, 1500);
    blocks.emplace_back(static_cast<char*>(memory.allocate(static_cast<std::size_t>(bytes), nullptr)), bytes);
  }
  bool outside = false;
  const int writes = *rc::gen::inRange(0, 6);
  for (int i = 0; i < writes; ++i) {
    const auto& [block, bytes] = blocks[*rc::gen::inRange<std::size_t>(0, blocks.size())];
    const int place = *rc::gen::inRange(-512, bytes + 512);
    const int byte = *rc::gen::inRange(0, 256);
    block[place] = static_cast<char>(byte);
    if ((place < 0 || place >= bytes) && byte != fill) outside = true;
  }
  if (*rc::gen::arbitrary<bool>()) {
    for (const auto& block : blocks) memory.release(block.first);
  }
  const std::string damage = memory.take_damage();
  // A later write may have put the right byte back.
  if (!outside) RC_ASSERT(damage == "");
  if (writes == 1 && outside) RC_ASSERT(damage != "");
}

}  // namespace
}  // namespace gradproof::libtorch
