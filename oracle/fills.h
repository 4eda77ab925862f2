// A script run with memory nobody wrote full of one byte and then of another: what differs rests on it.
#pragma once

#include <array>
#include <optional>

#include "oracle/definedness.h"
#include "oracle/verdict.h"

namespace gradproof {

// NaN in every floating dtype; a number near 1 in f32; a large negative one. No two agree in any bit pattern.
inline constexpr std::array<int, 3> fills{0xff, 0x3f, 0xc2};

// A read some of whose elements are predicted to rest on memory nobody wrote.
struct Hazard {
  std::uint32_t step = 0;
  bool differs = false;  // between two fills; where it does not, nothing is claimed
};

// An element that must be the same under two fills and is not.
struct FillDifference {
  std::uint32_t step = 0;
  std::uint64_t element = 0;
  double one = 0;
  double other = 0;
};

struct FillReport {
  bool supported = true;              // by the engine
  std::uint64_t same = 0;             // entries predicted to be defined
  std::uint64_t unwritten_same = 0;   // predicted to rest on unwritten memory, and yet the same under all fills
  std::uint64_t unwritten_other = 0;  // the same, and different
  std::vector<Hazard> hazards{};
  std::optional<Verdict> fault;  // wrong: other bits; misbehaving: a write beyond its memory; inconclusive
  std::optional<FillDifference> difference{};  // that the fault is about, where it is about an element
};

// The prediction is made here, and stays in `definedness`. The engine is left with a fill of -1.
FillReport run_under_fills(Engine& engine, const Script& script, Definedness& definedness);

// "y rests on memory nobody wrote: b (line 3)"
std::string describe_hazard(const Script& script, const Hazard& hazard, Definedness& definedness);

}  // namespace gradproof
