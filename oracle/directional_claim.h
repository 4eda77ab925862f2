// What a script claims about a derivative: which numbers it reads are first derivatives, of what, along what.
#pragma once

#include "script/script.h"

namespace gradproof {

// A script with one reverse sweep claims g = Jᵀu, entry by entry of the leaves whose gradients it reads;
// one with dual numbers claims Jv, entry by entry of the results whose tangents it reads.
struct Claim {
  enum class Kind : std::uint8_t { gradient, tangent };
  struct Root {
    ValueId value = GP_NO_VALUE;
    ValueId seed = GP_NO_VALUE;  // gradient: none stands for ones
  };
  struct Reading {
    std::uint32_t step = 0;
    std::size_t of = 0;  // gradient: into `inputs`; tangent: into `roots`
  };
  struct Input {
    ValueId value = GP_NO_VALUE;    // a leaf
    ValueId tangent = GP_NO_VALUE;  // tangent: along what it moves
  };

  Kind kind = Kind::gradient;
  std::string unusable{};  // why differences of values cannot judge this script; empty where they can
  std::uint32_t end = 0;   // the steps before this one make the values
  std::vector<Root> roots{};
  std::vector<Input> inputs{};
  std::vector<Reading> readings{};
};

Claim claim_of(const Script& script);

// Only what makes the roots: no gradients, no duals. A leaf that a dual was made of appears once more in its place,
// so that only what the dual reaches moves.
struct ValueScript {
  Script script{};
  std::vector<ValueId> inputs{};       // as Claim::inputs
  std::vector<std::uint32_t> reads{};  // one step for each of Claim::roots
};

ValueScript value_script(const Script& script, const Claim& claim);

}  // namespace gradproof
