// Named rules of the life cycle: each a property of its own, drawn around one thing and judged by the model.
#pragma once

#include "properties/lifecycle/draw.h"

namespace gradproof::lifecycle {

struct RuleInfo {
  std::string_view id;
  std::string_view statement;
  void (*generate)(Stage&) = nullptr;
  bool strict = false;  // Terms::strict
  bool hooks = false;   // needs them
  bool create_graph = false;
};

// --- gradients (rules_gradients.cpp) ---
void draw_sums(Stage& stage);
void draw_prefilled(Stage& stage);
void draw_zero(Stage& stage);
void draw_shared_leaves(Stage& stage);
void draw_inputs(Stage& stage);
void draw_create_graph(Stage& stage);
void draw_hooks(Stage& stage);

// --- graphs and memory (rules_graphs.cpp) ---
void draw_retain(Stage& stage);
void draw_refused(Stage& stage);
void draw_misuse(Stage& stage);
void draw_memory(Stage& stage);
void draw_saved(Stage& stage);
void draw_views(Stage& stage);
void draw_detach(Stage& stage);

// What rules are drawn with: a result of some operators on these leaves, often with the subject's call in it.
ValueId some_result(Stage& stage, std::span<const ValueId> leaves);
// The same without an operator that has to keep anything.
ValueId linear_result(Stage& stage, std::span<const ValueId> leaves);
unsigned maybe_retained(Stage& stage);

}  // namespace gradproof::lifecycle
