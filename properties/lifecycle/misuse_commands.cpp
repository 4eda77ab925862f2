#include "properties/lifecycle/picker.h"

namespace gradproof::lifecycle {

namespace {

class Misuse : Picker {
 public:
  explicit Misuse(Stage& stage) : Picker(stage) {}

  bool run() {
    switch (draw().integer(0, 9)) {
      case 0: return graph();
      case 1: return seed();
      case 2: return no_seed();
      case 3: return constant();
      case 4: return leaf();
      case 5: return unused();
      case 6: return switched();
      case 7: return undefined();
      case 8: return retain();
      default: return shapes();
    }
  }

 private:
  bool graph() {
    const auto y =
        pick(stage_.tensors(), [](const Object& object) { return object.requires_grad == Tri::yes && !object.leaf; });
    if (!y || model().standing(*y) != Model::Standing::let_go) return false;
    stage_.backward(*y);
    stage_.read_gradients();
    return true;
  }
  bool seed() {
    const auto y = root();
    if (!y) return false;
    TensorSpec spec = stage_.build().spec(*model().object_of(*y)->shape);
    if (spec.shape.empty() || draw().percent(50)) {
      spec.shape.push_back(5);
    } else {
      ++spec.shape[0];
    }
    const ValueId seed = draw().seed(script(), spec, SeedKind::ones, stage_.next("u"));
    script().backward({&*y, 1}, {&seed, 1}, {}, GP_RETAIN_GRAPH);
    return true;
  }
  bool no_seed() {
    const auto y = pick(stage_.tensors(), [](const Object& object) {
      return object.requires_grad == Tri::yes && count_of(*object.shape) > 1;
    });
    if (!y) return false;
    script().backward({&*y, 1}, {}, {}, GP_RETAIN_GRAPH);
    return true;
  }
  bool constant() {
    const auto y = pick(stage_.tensors(), [](const Object& object) { return object.requires_grad == Tri::no; });
    if (!y) return false;
    stage_.backward(*y);
    return true;
  }
  bool leaf() {
    const auto a =
        pick(stage_.leaves(), [](const Object& object) { return object.requires_grad == Tri::yes && object.leaf; });
    if (!a) return false;
    stage_.scale_in_place(*a, 2);
    script().read(*a);
    return true;
  }
  bool unused() {
    const auto y = root();
    const auto a = pick(stage_.leaves(), [](const Object& object) { return object.requires_grad == Tri::yes; });
    if (!y || !a || model().reaches(*y, *a) != Tri::no) return false;
    const ValueId seed = stage_.seed_for(*y);
    script().grad({&*y, 1}, {&seed, 1}, {&*a, 1}, GP_RETAIN_GRAPH);
    return true;
  }
  bool switched() {
    const auto x =
        pick(stage_.tensors(), [](const Object& object) { return object.requires_grad == Tri::yes && !object.leaf; });
    if (!x) return false;
    script().require_grad(*x, false);
    return true;
  }
  bool undefined() {
    const auto a = pick(stage_.leaves(), [](const Object& object) { return object.has_grad == Tri::no; });
    if (!a) return false;
    const ValueId g = script().grad_of(*a, stage_.next("g"));
    script().read(g);
    stage_.build().mul(g, *a, stage_.next("t"));
    return true;
  }
  bool retain() {
    const auto x = pick(stage_.tensors(), [](const Object& object) { return object.requires_grad == Tri::no; });
    if (!x) return false;
    if (stage_.engine().hooks && draw().percent(50)) {
      script().hook(*x, 2);
    } else {
      script().retain_grad(*x);
    }
    return true;
  }
  bool shapes() {
    const auto x = pick(stage_.tensors(), [](const Object& object) { return !object.shape->empty(); });
    if (!x) return false;
    std::vector<Index> shape = *model().object_of(*x)->shape;
    shape.back() += shape.back() == 1 ? 2 : 1;
    shape.insert(shape.begin(), 2);
    if (shape.back() - 1 == 1) shape.back() = 5;
    const ValueId other = draw().seed(script(), stage_.build().spec(shape), SeedKind::ones, stage_.next("c"));
    if (broadcast(shape, *model().object_of(*x)->shape)) return true;
    stage_.build().add(*x, other);
    return true;
  }
};

}  // namespace

bool draw_misuse_command(Stage& stage) { return Misuse(stage).run(); }

}  // namespace gradproof::lifecycle
