// Rules of how long graphs last, of what must be refused, and of memory.
#include <algorithm>

#include "properties/lifecycle/rules.h"

namespace gradproof::lifecycle {

namespace {

void work_on(Stage& stage) {
  // The engine still works: a fresh graph on the same leaves.
  stage.backward(stage.binary("mul", stage.leaves()[0], stage.apply()));
  stage.read_gradients();
}

ValueId all_of(Stage& stage, ValueId y) {
  const Object* object = stage.model().object_of(y);
  return object->shape && object->shape->empty() ? y : stage.sum(y);
}

}  // namespace

void draw_retain(Stage& stage) {
  const std::array<ValueId, 2> leaves{stage.leaf(), stage.leaf(true)};
  const bool nothing_kept = stage.draw().percent(40);
  ValueId y = nothing_kept ? linear_result(stage, leaves) : some_result(stage, leaves);
  if (!nothing_kept) y = stage.unary(stage.draw().percent(50) ? "sin" : "tanh", y);
  const Index kept = stage.draw().integer(0, 2);
  for (Index i = 0; i < kept; ++i) stage.backward(y, GP_RETAIN_GRAPH);
  if (stage.draw().percent(25)) {
    const ValueId seed = stage.seed_for(y);
    stage.read(stage.script().grad({&y, 1}, {&seed, 1}, {leaves.data(), 1}, GP_ALLOW_UNUSED));
  } else {
    stage.backward(y);
  }
  stage.read_gradients();
  stage.backward(y, maybe_retained(stage));
  stage.read_gradients();
  if (stage.draw().percent(50)) work_on(stage);
}

// A sweep that is refused at once, or stops on its way: gradients are as they were, to the bit.
void draw_refused(Stage& stage) {
  const std::array<ValueId, 2> leaves{stage.leaf(), stage.leaf()};
  const ValueId t = stage.scaled(leaves[0], 2);
  const ValueId kept = stage.unary(stage.draw().percent(50) ? "sin" : "tanh", t);
  const ValueId other = stage.draw().percent(50) ? stage.apply() : leaves[1];
  const ValueId y = stage.draw().percent(50) ? stage.binary("add", kept, stage.binary("add", leaves[1], other))
                                             : stage.binary("add", stage.binary("add", other, leaves[1]), kept);
  Script& script = stage.script();
  const Index way = stage.draw().integer(0, 4);
  if (way == 0) {
    stage.backward(y);
  } else if (stage.draw().percent(80)) {
    stage.backward(y, GP_RETAIN_GRAPH);
  }
  if (way == 1) stage.scale_in_place(t, 3);
  stage.read_gradients();
  if (way <= 1) {
    stage.backward(y, maybe_retained(stage));
  } else if (way == 2) {
    TensorSpec spec = stage.build().spec(stage.shape());
    spec.shape.push_back(5);
    const ValueId seed = stage.draw().seed(script, spec, SeedKind::ones, stage.next("u"));
    script.backward({&y, 1}, {&seed, 1}, {}, GP_RETAIN_GRAPH);
  } else if (way == 3) {
    const ValueId two = script.call(script.op("stack", ""),
                                    std::array{script.arg_values(std::array{y, y}), script.arg_int(0)}, 1, "two");
    script.backward({&two, 1}, {}, {}, GP_RETAIN_GRAPH);
  } else {
    const ValueId constant = stage.constant();
    const std::array<ValueId, 2> roots{y, constant};
    const std::array<ValueId, 2> seeds{stage.tensor_like(y, "u"), stage.tensor_like(constant, "u")};
    script.backward(roots, seeds, {}, GP_RETAIN_GRAPH);
  }
  stage.read_gradients();
  if (stage.draw().percent(30)) work_on(stage);
}

void draw_misuse(Stage& stage) {
  const std::array<ValueId, 2> leaves{stage.leaf(), stage.leaf()};
  Script& script = stage.script();
  const ValueId y = stage.binary("mul", stage.unary("sin", leaves[0]), stage.apply());
  const ValueId u = stage.tensor_like(y, "u");
  switch (stage.draw().integer(0, 9)) {
    case 0: {
      TensorSpec spec = stage.build().spec(stage.shape());
      spec.shape.push_back(5);
      const ValueId seed = stage.draw().seed(script, spec, SeedKind::ones, stage.next("u"));
      script.backward({&y, 1}, {&seed, 1});
      break;
    }
    case 1: script.backward({&y, 1}, {}); break;  // refused unless it has one element
    case 2: {
      const ValueId d = script.detach(y, "d");
      script.backward({&d, 1}, {&u, 1});
      break;
    }
    case 3: {
      script.no_grad(true);
      const ValueId z = stage.unary("sin", leaves[0]);
      script.no_grad(false);
      script.backward({&z, 1}, {&u, 1});
      break;
    }
    case 4:
      stage.scale_in_place(leaves[0], 2);
      stage.read(leaves[0]);
      break;
    case 5: {
      const ValueId g = script.grad({&y, 1}, {&u, 1}, {&leaves[1], 1}, GP_RETAIN_GRAPH);
      stage.read(g);
      break;
    }
    case 6: script.require_grad(y, false); break;
    case 7: {
      const ValueId g = script.grad_of(leaves[1], "g");
      stage.read(g);
      stage.build().mul(g, leaves[1], "n");
      break;
    }
    case 8: script.retain_grad(stage.constant()); break;
    default: stage.backward(y); stage.backward(y);
  }
  stage.read_gradients();
  work_on(stage);
}

// No gradient, seed, input or output lies in memory of another; nothing changes that nothing wrote to.
void draw_memory(Stage& stage) {
  const std::array<ValueId, 2> leaves{stage.leaf(), stage.leaf()};
  std::vector<ValueId> watched{leaves[0], leaves[1], stage.constant()};
  // A sum of a leaf passes on what arrives as a view of it.
  const ValueId left = stage.draw().percent(70) ? leaves[0] : stage.sum(leaves[0]);
  const ValueId sum = stage.binary("add", left, leaves[1]);
  const ValueId y = stage.draw().percent(50) ? sum : stage.binary("mul", sum, watched[2]);
  const ValueId z = stage.binary("add", y, stage.apply());
  watched.insert(watched.end(), {sum, y, z});
  watched.insert(watched.end(), stage.own_leaves().begin(), stage.own_leaves().end());
  const ValueId root = stage.draw().percent(50) ? y : z;
  const ValueId u = stage.seed_for(root);
  if (u != GP_NO_VALUE) watched.push_back(u);
  for (const ValueId value : watched) stage.read(value);
  const bool creates = stage.engine().create_graph && stage.draw().percent(30);
  const unsigned created = creates ? unsigned{GP_CREATE_GRAPH} : 0;
  stage.script().backward({&root, 1}, {&u, 1}, {}, GP_RETAIN_GRAPH | created);
  stage.read_gradients();
  if (stage.draw().percent(70)) stage.script().backward({&root, 1}, {&u, 1});
  for (const ValueId value : watched) stage.read(value);
  stage.read_gradients();
}

// y = f(t), and t, a constant or y itself is written to: the sweep is refused, or right all the same.
void draw_saved(Stage& stage) {
  const ValueId a = stage.leaf();
  const ValueId t = stage.scaled(a, stage.factor());
  const ValueId c = stage.constant();
  constexpr std::array<std::string_view, 4> operators{"sin", "tanh", "exp", "cos"};
  std::vector<ValueId> instead(stage.build().call.tensors);
  const bool by_subject = stage.draw().percent(40) && !stage.own_leaves().empty();
  ValueId written = t;
  ValueId y = GP_NO_VALUE;
  if (by_subject) {
    const ValueId leaf = stage.draw().pick(stage.own_leaves());
    written = stage.scaled(leaf, 1);
    std::replace(instead.begin(), instead.end(), leaf, written);
    y = stage.apply(instead);
  } else if (stage.draw().percent(40)) {
    y = stage.binary("mul", t, c);
    if (stage.draw().percent(60)) written = c;
  } else {
    y = stage.unary(stage.draw().pick(operators), t);
    if (stage.draw().percent(40)) written = y;
  }
  const ValueId root = stage.draw().percent(50) ? all_of(stage, y) : stage.scaled(y, 2);
  const bool leaf_too = stage.draw().percent(20);
  if (leaf_too) {
    const ValueId s = stage.unary("sin", a);
    stage.script().no_grad(true);
    stage.scale_in_place(a, 2);
    stage.script().no_grad(false);
    stage.backward(s, GP_RETAIN_GRAPH);
  }
  stage.read(written);
  if (stage.draw().percent(60)) {
    stage.scale_in_place(written, 3);
  } else if (stage.model().object_of(written)->shape == stage.model().object_of(c)->shape && written != c) {
    stage.in_place("add", written, c);
  } else {
    stage.scale_in_place(written, -1);
  }
  stage.read(written);
  stage.backward(root, maybe_retained(stage));
  stage.read_gradients();
  work_on(stage);
}

// What is written through a view is seen in the base and in its other views, and so are its gradients.
void draw_views(Stage& stage) {
  while (stage.shape().empty()) stage.reshape();
  const ValueId a = stage.leaf();
  const ValueId b = stage.leaf(true);
  const bool constant = stage.draw().percent(30);
  const ValueId base = constant ? stage.constant() : stage.scaled(a, stage.factor());
  const ValueId v = stage.view(base);
  const ValueId w = stage.view(base);
  ValueId target = stage.draw().percent(60) ? v : base;
  if (target == v && !stage.model().object_of(v)->shape->empty() && stage.draw().percent(30)) target = stage.view(v);
  stage.read(base);
  const Index writes = stage.draw().integer(1, 2);
  for (Index i = 0; i < writes; ++i) {
    if (stage.draw().percent(60)) {
      stage.in_place(stage.draw().percent(50) ? "add" : "mul", target, b);
    } else {
      stage.scale_in_place(target, stage.factor());
    }
  }
  for (const ValueId value : {base, v, w}) stage.read(value);
  const ValueId y = stage.binary("mul", all_of(stage, base), all_of(stage, stage.unary("sin", v)));
  const ValueId z = stage.binary("add", y, stage.binary("mul", all_of(stage, w), stage.apply()));
  stage.backward(z);
  stage.read_gradients();
}

// A detached tensor is a constant: gradients of all other ways arrive, and its memory is the same.
void draw_detach(Stage& stage) {
  const ValueId a = stage.leaf();
  const ValueId t = stage.unary("tanh", stage.scaled(a, stage.factor()));
  const ValueId d = stage.script().detach(stage.draw().percent(60) ? t : a, "d");
  ValueId cut = d;
  if (stage.draw().percent(50)) {
    stage.script().require_grad(d, true);
    stage.leaves().push_back(d);
  } else if (stage.draw().percent(50)) {
    cut = stage.script().detach(d, "dd");
  }
  const ValueId s = stage.binary("mul", t, cut);
  const ValueId y = stage.draw().percent(50) ? stage.binary("add", s, stage.apply()) : s;
  stage.read(d);
  stage.read(stage.draw().percent(50) ? t : a);
  stage.backward(y, GP_RETAIN_GRAPH);
  stage.read_gradients();
  if (stage.draw().percent(40)) {
    stage.script().no_grad(true);
    stage.scale_in_place(d, 2);
    stage.script().no_grad(false);
    stage.read(d);
    stage.read(a);
    stage.read(t);
  }
  const ValueId alone = stage.unary("sin", cut);
  stage.backward(alone);  // refused where it is a constant
  stage.read_gradients();
}

}  // namespace gradproof::lifecycle
