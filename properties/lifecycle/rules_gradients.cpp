// Rules of what sweeps do to gradients.
#include "properties/lifecycle/rules.h"

namespace gradproof::lifecycle {

namespace {

std::vector<ValueId> some_leaves(Stage& stage, Index most = 3) {
  const Index count = stage.draw().integer(1, most);
  for (Index i = 0; i < count; ++i) stage.leaf(i > 0 && stage.draw().percent(25));
  return stage.leaves();
}

std::string_view some_unary(Stage& stage) {
  constexpr std::array<std::string_view, 5> operators{"sin", "tanh", "cos", "neg", "exp"};
  return stage.draw().pick(operators);
}

}  // namespace

unsigned maybe_retained(Stage& stage) { return stage.draw().percent(60) ? GP_RETAIN_GRAPH : 0; }

ValueId some_result(Stage& stage, std::span<const ValueId> leaves) {
  RandomDraw& draw = stage.draw();
  ValueId y = leaves[static_cast<std::size_t>(draw.integer(0, std::ssize(leaves) - 1))];
  const Index length = draw.integer(1, 3);
  for (Index i = 0; i < length; ++i) {
    const ValueId other = leaves[static_cast<std::size_t>(draw.integer(0, std::ssize(leaves) - 1))];
    switch (draw.integer(0, 3)) {
      case 0: y = stage.unary(some_unary(stage), y); break;
      case 1: y = stage.binary("mul", y, other); break;
      case 2: y = stage.binary("add", y, other); break;
      default: y = stage.scaled(y, stage.factor());
    }
  }
  if (draw.percent(60)) y = stage.binary(draw.percent(50) ? "add" : "mul", y, stage.apply());
  if (draw.percent(30)) y = stage.sum(y);
  return y;
}

ValueId linear_result(Stage& stage, std::span<const ValueId> leaves) {
  RandomDraw& draw = stage.draw();
  ValueId y = leaves[static_cast<std::size_t>(draw.integer(0, std::ssize(leaves) - 1))];
  const Index length = draw.integer(1, 3);
  for (Index i = 0; i < length; ++i) {
    const ValueId other = leaves[static_cast<std::size_t>(draw.integer(0, std::ssize(leaves) - 1))];
    switch (draw.integer(0, 2)) {
      case 0: y = stage.unary("neg", y); break;
      case 1: y = stage.binary(draw.percent(50) ? "sub" : "add", y, other); break;
      default: y = stage.scaled(y, stage.factor());
    }
  }
  return y;
}

// Sweeps of one graph and of several, one root at a time and together, in any order.
void draw_sums(Stage& stage) {
  const std::vector<ValueId> leaves = some_leaves(stage);
  std::vector<ValueId> roots{stage.apply()};
  const Index graphs = stage.draw().integer(1, 2);
  for (Index i = 0; i < graphs; ++i) roots.push_back(some_result(stage, leaves));
  const Index sweeps = stage.draw().integer(2, 4);
  for (Index i = 0; i < sweeps; ++i) {
    const ValueId y = stage.draw().pick(roots);
    if (stage.draw().percent(30)) {
      const ValueId z = stage.draw().pick(roots);
      const std::array<ValueId, 2> both{y, z};
      const std::array<ValueId, 2> seeds{stage.seed_for(y), stage.seed_for(z)};
      stage.script().backward(both, seeds, {}, GP_RETAIN_GRAPH);
    } else {
      stage.backward(y, GP_RETAIN_GRAPH);
    }
    if (stage.draw().percent(40)) stage.read_gradients();
  }
  stage.read_gradients();
}

void draw_prefilled(Stage& stage) {
  const std::vector<ValueId> leaves = some_leaves(stage);
  const ValueId y = some_result(stage, leaves);
  for (const ValueId leaf : stage.all_leaves()) {
    if (stage.draw().percent(80)) stage.script().set_grad(leaf, stage.tensor_like(leaf, "p"));
  }
  if (stage.draw().percent(50)) stage.read_gradients();
  stage.backward(y, GP_RETAIN_GRAPH);
  stage.read_gradients();
  if (stage.draw().percent(50)) stage.script().set_grad(leaves[0], stage.tensor_like(leaves[0], "p"));
  stage.backward(y);
  stage.read_gradients();
}

void draw_zero(Stage& stage) {
  const std::vector<ValueId> leaves = some_leaves(stage);
  const ValueId y = some_result(stage, leaves);
  stage.backward(y, GP_RETAIN_GRAPH);
  stage.read_gradients();
  for (int again = 0; again < 2; ++again) {
    for (const ValueId leaf : stage.all_leaves()) {
      if (stage.draw().percent(30)) continue;
      if (stage.draw().percent(70)) {
        stage.script().zero_grad(leaf);
      } else {
        stage.script().set_grad(leaf, GP_NO_VALUE);
      }
    }
    stage.read_gradients();
    stage.backward(y, GP_RETAIN_GRAPH);
    stage.read_gradients();
  }
}

// One leaf on several ways, within an operator, across operators and graphs; one memory as two leaves.
void draw_shared_leaves(Stage& stage) {
  const ValueId a = stage.leaf();
  const ValueId twice = stage.binary(stage.draw().percent(50) ? "mul" : "add", a, a);
  ValueId y = stage.draw().percent(50) ? stage.binary("mul", twice, stage.unary(some_unary(stage), a)) : twice;
  if (stage.draw().percent(60)) {
    const ValueId b = stage.script().detach(a, "b");
    stage.script().require_grad(b, true);
    stage.leaves().push_back(b);
    y = stage.binary("mul", y, b);
  }
  const ValueId one = stage.apply();
  const ValueId other = stage.draw().percent(50) ? stage.apply() : one;
  y = stage.binary("add", y, stage.binary("mul", one, other));
  stage.backward(y, GP_RETAIN_GRAPH);
  stage.read_gradients();
  if (stage.draw().percent(40)) {
    stage.backward(twice);
    stage.read_gradients();
  }
}

void draw_inputs(Stage& stage) {
  stage.leaf();
  const std::vector<ValueId> leaves = some_leaves(stage);
  const ValueId y = some_result(stage, leaves);
  const ValueId z = stage.binary("mul", stage.binary("add", leaves[0], leaves[1]), stage.apply());
  for (const ValueId leaf : stage.all_leaves()) {
    if (stage.draw().percent(40)) stage.script().set_grad(leaf, stage.tensor_like(leaf, "p"));
  }
  stage.read_gradients();
  const Index sweeps = stage.draw().integer(1, 3);
  for (Index i = 0; i < sweeps; ++i) {
    const ValueId root = stage.draw().percent(50) ? y : z;
    std::vector<ValueId> inputs{stage.draw().pick(stage.all_leaves())};
    const ValueId second = stage.draw().pick(stage.all_leaves());
    if (second != inputs[0] && stage.draw().percent(40)) inputs.push_back(second);
    if (stage.draw().percent(60)) {
      stage.backward(root, GP_RETAIN_GRAPH, std::span<const ValueId>(inputs));
    } else {
      const ValueId seed = stage.seed_for(root);
      const ValueId g = stage.script().grad({&root, 1}, {&seed, 1}, inputs, GP_RETAIN_GRAPH | GP_ALLOW_UNUSED);
      for (std::size_t k = 0; k < inputs.size(); ++k) stage.read(g + static_cast<ValueId>(k));
    }
    stage.read_gradients();
  }
  stage.backward(z);
  stage.read_gradients();
}

// The result of a sweep with create_graph is used, and differentiated.
void draw_create_graph(Stage& stage) {
  const std::vector<ValueId> leaves = some_leaves(stage, 2);
  const ValueId a = leaves[0];
  ValueId y = stage.binary("mul", a, stage.unary(some_unary(stage), a));
  y = stage.binary("mul", y, leaves.back());
  if (stage.draw().percent(50)) y = stage.binary("mul", y, stage.apply());
  ValueId g = GP_NO_VALUE;
  const bool into_grad = stage.draw().percent(50);
  if (into_grad) {
    if (stage.draw().percent(30)) stage.script().set_grad(a, stage.tensor_like(a, "p"));
    stage.backward(y, GP_CREATE_GRAPH);
    g = stage.script().grad_of(a, "g");
  } else {
    const ValueId seed = stage.seed_for(y);
    g = stage.script().grad({&y, 1}, {&seed, 1}, {&a, 1}, GP_CREATE_GRAPH);
    stage.call(g, "g");
  }
  stage.read(g);
  const ValueId z = stage.binary("mul", g, stage.draw().percent(50) ? a : g);
  if (into_grad && stage.draw().percent(60)) {
    for (const ValueId leaf : stage.all_leaves()) stage.script().set_grad(leaf, GP_NO_VALUE);
  }
  stage.backward(stage.draw().percent(70) ? z : g, GP_RETAIN_GRAPH);
  stage.read_gradients();
  if (stage.draw().percent(40)) {
    stage.backward(y, GP_RETAIN_GRAPH);
    stage.read_gradients();
  }
}

void draw_hooks(Stage& stage) {
  const std::vector<ValueId> leaves = some_leaves(stage, 2);
  const ValueId t = stage.unary(some_unary(stage), leaves[0]);
  const ValueId s = stage.binary("mul", t, leaves.back());
  const ValueId y =
      stage.binary(stage.draw().percent(50) ? "add" : "mul", s, stage.draw().percent(50) ? stage.apply() : t);
  const bool before = stage.draw().percent(50);
  if (!before) stage.backward(y, GP_RETAIN_GRAPH);
  const std::array<ValueId, 4> targets{leaves[0], t, s, stage.draw().pick(stage.all_leaves())};
  const Index hooks = stage.draw().integer(1, 3);
  for (Index i = 0; i < hooks; ++i) stage.script().hook(stage.draw().pick(targets), stage.factor());
  stage.backward(y, GP_RETAIN_GRAPH);
  stage.read_gradients();
  if (stage.draw().percent(50)) stage.script().hook(t, stage.factor());
  stage.backward(stage.draw().percent(60) ? y : s);
  stage.read_gradients();
}

}  // namespace gradproof::lifecycle
