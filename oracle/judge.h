// The enclosure oracle: what a script's observations should be, and whether they are.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "engine/registry.h"
#include "oracle/verdict.h"
#include "script/script.h"

namespace gradproof {

// Judges observations of scripts against enclosures of what a faithful engine may return. Holds the
// tapes it runs on; reuse it for many scripts. Not thread safe.
class Judge {
 public:
  // `modelled`: the engine under test, whose policies decide which errors are right.
  Judge(const Registry& registry, const EngineInfo& modelled);
  ~Judge();
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  // Whether affine forms decide what balls leave open (they do, but for measurements).
  void use_forms(bool on);

  // Every observation of the script at once.
  Verdict judge(const Script& script, const Observations& seen);

  // Runs the script and holds nothing against it.
  void run(const Script& script);
  // After judge() or run(): the error of a step, GP_OK where it has none; whether nothing is known of some element that
  // is read there.
  gp_error_kind error_at(std::uint32_t step);
  bool any_open(std::uint32_t step);
  // After judge() or run(): the enclosure of an element read at a step, as midpoint and radius in the
  // wider format (radius infinite where nothing is known; midpoint NaN or infinite where that is certain).
  struct Ball64 {
    long double mid = 0;
    long double rad = 0;
  };
  Ball64 enclosure(std::uint32_t step, std::uint64_t element);

  // Whether anything read at a step depends on memory nobody wrote (oracle/definedness.h); runs the script once.
  bool unwritten(const Script& script, std::uint32_t step);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gradproof
