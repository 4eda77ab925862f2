// What is known of an operator apart from its arithmetic: one record per operator, read by everybody.
#pragma once

#include <limits>
#include <string_view>
#include <vector>

#include "script/schema.h"

namespace gradproof {

class Draw;  // engine/sampling.h

constexpr double infinity = std::numeric_limits<double>::infinity();

// Where an argument may lie. Drawn values keep to it; the reference decides what lies beyond.
struct Domain {
  double low = -infinity;
  double high = infinity;
  bool low_open = false;
  bool high_open = false;
};
constexpr Domain open(double low, double high) { return {low, high, true, true}; }
constexpr Domain closed(double low, double high) { return {low, high, false, false}; }
constexpr Domain all_reals{};

// A point of one argument where something happens: a kink (one-sided slopes differ), a jump, the edge
// of a domain, a removable singularity, the start of a tail. Generators aim at and beside it.
struct Landmark {
  int arg = 0;  // among the tensor arguments
  double at = 0;
};

struct Record {
  std::string_view schema;
  // Several records may share a schema and split it by one argument: "approximate=tanh".
  std::string_view variant = {};
  std::vector<Domain> domain = {};  // by tensor argument; missing: all reals
  std::vector<Landmark> kinks = {};
  std::vector<Landmark> jumps = {};
  std::vector<Landmark> special = {};
  std::vector<double> scalars = {};  // values worth drawing for scalar arguments; empty: anything in the domain
  bool ties_matter = false;          // kinks where two arguments (or two elements) are equal
  std::string_view source = {};      // of the formulas and budgets
  std::string_view note = {};
  bool view = false;  // of a composite operator: its results share the first tensor's memory
  // Draws the arguments of one call; elementwise records need none.
  void (*sample)(Draw&) = nullptr;
};

}  // namespace gradproof
