// Which elements of a lane an order statistic may select, where equal elements or balls that meet leave it open.
#pragma once

#include "engine/operators/sums.h"

namespace gradproof {

template <class T>
bool certainly_nan(const T& x) {
  return equal(x, x) == Truth::no;
}
// In the order of sorting, where a NaN comes after every number.
template <class T>
bool certainly_before(const T& a, const T& b) {
  if (certainly_nan(b)) return equal(a, a) == Truth::yes;
  return less(a, b) == Truth::yes;
}

// The elements of a lane that may come at `rank`, counted from the smallest.
template <class T>
std::vector<Index> of_rank(const Lane<T>& lane, Index rank) {
  std::vector<Index> found;
  for (Index i = 0; i < lane.length; ++i) {
    Index before = 0;
    Index behind = 0;
    for (Index j = 0; j < lane.length; ++j) {
      before += certainly_before(lane[j], lane[i]) ? 1 : 0;
      behind += certainly_before(lane[i], lane[j]) ? 1 : 0;
    }
    if (before <= rank && behind < lane.length - rank) found.push_back(i);
  }
  return found;
}
template <class T>
std::vector<Index> nans_of(const Lane<T>& lane) {
  std::vector<Index> found;
  for (Index i = 0; i < lane.length; ++i) {
    if (certainly_nan(lane[i])) found.push_back(i);
  }
  return found;
}

// --- which elements of a lane may be selected ---

template <bool Largest>
struct Extreme {
  template <class T>
  static std::vector<Index> candidates(const Node<T>&, const Lane<T>& lane) {
    const std::vector<Index> nans = nans_of(lane);
    return nans.empty() ? of_rank(lane, Largest ? lane.length - 1 : 0) : nans;
  }
};
struct Kth {
  template <class T>
  static std::vector<Index> candidates(const Node<T>& node, const Lane<T>& lane) {
    return of_rank(lane, node.args[0].integer - 1);
  }
};
// The lower one of two middle elements.
template <bool IgnoresNan>
struct Middle {
  template <class T>
  static std::vector<Index> candidates(const Node<T>&, const Lane<T>& lane) {
    std::vector<Index> nans = nans_of(lane);
    const Index numbers = lane.length - std::ssize(nans);
    if (nans.empty() || (IgnoresNan && numbers > 0)) return of_rank(lane, (numbers - 1) / 2);
    return nans;
  }
};
// The smallest of the most frequent elements. Where balls leave open which are equal, any may be it.
struct MostFrequent {
  template <class T>
  static std::vector<Index> candidates(const Node<T>&, const Lane<T>& lane) {
    std::vector<Index> count(static_cast<std::size_t>(lane.length), 0);
    Index most = 0;
    bool open = false;
    for (Index i = 0; i < lane.length; ++i) {
      Index& equals = count[static_cast<std::size_t>(i)];
      for (Index j = 0; j < lane.length; ++j) {
        const Truth same = i == j ? Truth::yes : equal(lane[i], lane[j]);
        open = open || same == Truth::unknown;
        equals += same == Truth::yes ? 1 : 0;
      }
      most = std::max(most, equals);
    }
    std::vector<Index> frequent;
    for (Index i = 0; i < lane.length; ++i) {
      if (open || count[static_cast<std::size_t>(i)] == most) frequent.push_back(i);
    }
    if (open) return frequent;
    std::vector<Index> found;
    for (const Index i : frequent) {
      const bool beaten =
          std::any_of(frequent.begin(), frequent.end(), [&](Index j) { return certainly_before(lane[j], lane[i]); });
      if (!beaten) found.push_back(i);
    }
    return found;
  }
};

// --- one of them ---

// A slot for a choice that is the same in all lanes of a call, and one for a lane's or an element's own.
inline constexpr std::uint64_t common_slot = 0xffffffff;
constexpr std::uint64_t own_slot(Index number) { return static_cast<std::uint64_t>(number) & 0x00ffffff; }

// A choice belongs to the tensor that is selected from, not to the call: engines select the same every time.
template <class T>
std::size_t chosen_of(Tape<T>& tape, const Node<T>& node, std::uint64_t slot, std::size_t count) {
  if (!HasHull<T> || count < 2) return 0;
  const Tensor<T>& x = node.in(0);
  const auto offset = static_cast<const unsigned char*>(x.data) - static_cast<const unsigned char*>(x.storage->data);
  const std::uint64_t mixed = (std::uint64_t{x.storage->id} << 20U) + static_cast<std::uint64_t>(offset);
  const std::uint64_t key = (mixed * 0x9e3779b97f4a7c15U) & ~std::uint64_t{0xffffffffU};
  return tape.choose(key | slot, static_cast<std::uint8_t>(std::min<std::size_t>(count, 255)));
}

// What knows nothing of numbers but whether somebody wrote them cannot tell an index that rests on one nobody wrote.
template <class T>
void need_written(const Lane<T>& lane) {
  if constexpr (std::is_same_v<T, Defined>) {
    for (Index k = 0; k < lane.length; ++k) {
      if (!lane[k].written) throw EngineError(GP_UNSUPPORTED, "an index that rests on memory nobody wrote");
    }
  }
}

// Exact ties of an extremum are resolved alike in every lane: LibTorch promises the first. Others are free.
template <class T>
Index select_one(Tape<T>& tape, const Node<T>& node, Index number, const Lane<T>& lane, std::vector<Index> candidates,
                 bool alike) {
  need_written(lane);
  if (!alike) return candidates[chosen_of(tape, node, own_slot(number), candidates.size())];
  const bool tie = std::all_of(candidates.begin(), candidates.end(), [&](Index k) {
    return equal(lane[k], lane[candidates.front()]) == Truth::yes || certainly_nan(lane[k]);
  });
  if (!tie) return candidates[chosen_of(tape, node, own_slot(number), candidates.size())];
  if (candidates.size() == 1) return candidates.front();
  return chosen_of(tape, node, common_slot, 2) == 0 ? candidates.front() : candidates.back();
}

}  // namespace gradproof
