// Pieces that the scripts of several properties are made of, and the reading of roles back out of a script.
#pragma once

#include <optional>

#include "properties/call.h"

namespace gradproof {

// What a case is made with; every generator starts by making one.
struct Build {
  const Subject& subject;
  RandomDraw& draw;
  Script& script;
  Call call;

  Build(const Subject& of, RandomDraw& by, Script& into, Leaves leaves = Leaves::as_drawn)
      : subject(of), draw(by), script(into), call(draw_call(of, by, into, leaves)) {}

  TensorSpec spec(std::span<const Index> shape, bool requires_grad = false) const;
  const std::vector<Index>& shape_of(ValueId tensor) const;  // of one of the call's tensors
  // One seed for each floating result.
  std::vector<ValueId> seeds(std::string_view name, bool requires_grad = false);
  std::vector<ValueId> seeds(std::string_view name, SeedKind kind, bool requires_grad = false);
  // One for each of the call's leaves, with that leaf's shape.
  std::vector<ValueId> leaf_seeds(std::string_view name);
  std::vector<ValueId> apply(std::string_view name, std::span<const ValueId> instead = {}) {
    return apply_roots(script, call, name, instead);
  }
  // True where a backward needs no seed.
  bool single_elements() const;
  bool has_elements() const;

  // --- operators that properties combine results with ---
  ValueId add(ValueId a, ValueId b, std::string_view name = {});
  ValueId mul(ValueId a, ValueId b, std::string_view name = {});
  ValueId scale(ValueId a, double by, std::string_view name = {});
  ValueId sum(ValueId a, std::string_view name = {});
  ValueId unary(std::string_view op, ValueId a, std::string_view name = {});
  ValueId scale_in_place(ValueId a, double by);

  void read(std::span<const ValueId> values);
  // Of the call's leaves.
  void read_gradients();
  // One result for each of the call's leaves, named.
  std::vector<ValueId> gradients(std::span<const ValueId> roots, std::span<const ValueId> seeds, std::string_view name,
                                 unsigned flags);
};

// --- roles, by the names of values ---

std::optional<ValueId> value_named(const Script& script, std::string_view name);
// The first step that reads it.
std::optional<std::uint32_t> read_of(const Script& script, ValueId value);
// The steps that read a leaf's gradient, in order.
std::vector<std::uint32_t> gradient_reads_of(const Script& script, ValueId leaf);
bool requires_grad(const Script& script, ValueId tensor);
// What a read step reads.
ValueId value_read(const Script& script, std::uint32_t step);
// The leaf whose gradient a value is, if it is one.
std::optional<ValueId> owner_of_gradient(const Script& script, ValueId value);

bool same_bits(const Observations& seen, const gp_observation& a, const gp_observation& b);
bool same_bits_in(const Observations& of_a, const gp_observation& a, const Observations& of_b, const gp_observation& b);

// The values read as left, left2, … equal those read as right, right2, … within the sum of their radii.
// Adds to the verdict, which is judge()'s on the same script.
void judge_pairs(Session& session, const Script& script, const Observations& seen, Verdict& verdict);

// A broken rule of conduct, told at a step.
Verdict misbehaves(std::uint32_t step, std::string what, std::string expected, std::string got);

}  // namespace gradproof
