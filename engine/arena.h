// Memory for one run of a program: taken piece by piece, given back all at once.
//
// A tape's nodes, shapes and elements live here, so that a run allocates from the system only while
// the arena grows to its working size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradproof {

class Arena {
 public:
  explicit Arena(std::size_t limit_bytes = std::size_t{8} << 30U) : limit_(limit_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Arena(Arena&&) = delete;
  Arena& operator=(Arena&&) = delete;
  ~Arena() { reset(); }

  // Uninitialized storage for trivial types, value-initialized elements for the others.
  template <class T>
  T* array(std::size_t count) {
    if (count > limit_ / sizeof(T)) throw std::bad_alloc();  // NOLINT(bugprone-sizeof-expression): T may be a pointer
    T* first =
        static_cast<T*>(take(count * sizeof(T), alignof(T)));  // NOLINT(bugprone-sizeof-expression): T may be a pointer
    if constexpr (!std::is_trivially_default_constructible_v<T>) {
      std::uninitialized_value_construct_n(first, count);
    }
    if constexpr (!std::is_trivially_destructible_v<T>) {
      cleanups_.push_back({first, count, [](void* p, std::size_t n) { std::destroy_n(static_cast<T*>(p), n); }});
    }
    return first;
  }

  template <class T, class... Args>
  T* make(Args&&... args) {
    T* object = new (take(sizeof(T), alignof(T))) T{std::forward<Args>(args)...};
    if constexpr (!std::is_trivially_destructible_v<T>) {
      cleanups_.push_back({object, 1, [](void* p, std::size_t n) { std::destroy_n(static_cast<T*>(p), n); }});
    }
    return object;
  }

  // Everything handed out is gone; the blocks are kept for the next run, but for a rest beyond 64 MiB.
  void reset() {
    while (!cleanups_.empty()) {
      const Cleanup last = cleanups_.back();
      cleanups_.pop_back();
      last.destroy(last.first, last.count);
    }
    while (blocks_.size() > 1 && reserved_ > kept_bytes) {
      reserved_ -= blocks_.back().size;
      blocks_.pop_back();
    }
    current_ = 0;
    next_ = blocks_.empty() ? nullptr : blocks_.front().bytes.get();
    end_ = blocks_.empty() ? nullptr : next_ + blocks_.front().size;
    used_before_ = 0;
  }

  std::size_t bytes_used() const {
    return used_before_ + (blocks_.empty() ? 0 : static_cast<std::size_t>(next_ - blocks_[current_].bytes.get()));
  }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size;
  };
  struct Cleanup {
    void* first;
    std::size_t count;
    void (*destroy)(void*, std::size_t);
  };

  static constexpr std::size_t first_block_bytes = std::size_t{64} << 10U;
  static constexpr std::size_t kept_bytes = std::size_t{64} << 20U;

  void* take(std::size_t bytes, std::size_t alignment) {
    std::byte* start = aligned(next_, alignment);
    if (next_ == nullptr || bytes > static_cast<std::size_t>(end_ - next_) || start + bytes > end_) [[unlikely]] {
      grow(bytes + alignment);
      start = aligned(next_, alignment);
    }
    next_ = start + bytes;
    return start;
  }

  static std::byte* aligned(std::byte* p, std::size_t alignment) {
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    return p + ((alignment - address % alignment) % alignment);
  }

  void grow(std::size_t bytes) {
    if (!blocks_.empty()) used_before_ += static_cast<std::size_t>(next_ - blocks_[current_].bytes.get());
    for (std::size_t i = blocks_.empty() ? 0 : current_ + 1; i < blocks_.size(); ++i) {
      if (blocks_[i].size >= bytes) {
        std::swap(blocks_[i], blocks_[current_ + 1]);
        return use(current_ + 1);
      }
    }
    const std::size_t size = std::max(bytes, blocks_.empty() ? first_block_bytes : std::min(reserved_, kept_bytes));
    if (reserved_ + size > limit_) throw std::bad_alloc();
    const std::size_t at = blocks_.empty() ? 0 : current_ + 1;
    blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(at),
                   Block{std::make_unique_for_overwrite<std::byte[]>(size), size});
    reserved_ += size;
    use(at);
  }

  void use(std::size_t block) {
    current_ = block;
    next_ = blocks_[block].bytes.get();
    end_ = next_ + blocks_[block].size;
  }

  std::size_t limit_;
  std::vector<Block> blocks_;
  std::vector<Cleanup> cleanups_;
  std::size_t current_ = 0;
  std::size_t reserved_ = 0;
  std::size_t used_before_ = 0;
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
};

}  // namespace gradproof
