#include "properties/lifecycle/commands.h"
#include "properties/lifecycle/picker.h"

#include <algorithm>
#include <set>
#include <span>

namespace gradproof::lifecycle {

namespace {

constexpr std::size_t most_leaves = 5;

class Commands : Picker {
 public:
  explicit Commands(Stage& stage) : Picker(stage) {}

  void run(Index count) {
    stage_.leaf();
    if (draw().percent(60)) stage_.leaf(draw().percent(30));
    stage_.apply();
    for (Index i = 0; i < count; ++i) {
      command();
      if (draw().percent(30)) look();
    }
    stage_.read_gradients();
  }

 private:
  using Command = bool (Commands::*)();
  struct Weighted {
    int weight;
    Command command;
  };

  // From the one drawn on, the first that is applicable; making a leaf always is.
  void command() {
    static constexpr std::array<Weighted, 27> commands{{{4, &Commands::new_leaf},
                                                        {3, &Commands::new_constant},
                                                        {10, &Commands::unary},
                                                        {12, &Commands::binary},
                                                        {4, &Commands::sum},
                                                        {5, &Commands::view},
                                                        {4, &Commands::subject},
                                                        {14, &Commands::backward},
                                                        {5, &Commands::several_roots},
                                                        {5, &Commands::backward_into_inputs},
                                                        {6, &Commands::grad},
                                                        {4, &Commands::gradient_as_tensor},
                                                        {3, &Commands::tangent},
                                                        {4, &Commands::zero},
                                                        {4, &Commands::set_gradient},
                                                        {4, &Commands::write},
                                                        {3, &Commands::write_leaf},
                                                        {3, &Commands::write_view},
                                                        {4, &Commands::detach},
                                                        {2, &Commands::another_leaf},
                                                        {3, &Commands::switch_requires_grad},
                                                        {3, &Commands::without_recording},
                                                        {3, &Commands::hook},
                                                        {4, &Commands::drop},
                                                        {3, &Commands::retain},
                                                        {8, &Commands::misuse},
                                                        {5, &Commands::read_something}}};
    static constexpr int total = [] {
      int sum = 0;
      for (const Weighted& one : commands) sum += one.weight;
      return sum;
    }();
    auto roll = static_cast<int>(draw().integer(0, total - 1));
    std::size_t at = 0;
    while (roll >= commands[at].weight) roll -= commands[at++].weight;
    for (std::size_t tried = 0; tried < commands.size(); ++tried, at = (at + 1) % commands.size()) {
      if ((this->*commands[at].command)()) return;
    }
  }

  unsigned retained() {
    const Index roll = draw().integer(0, 99);
    if (roll < 40) return 0;
    return roll < 85 || !stage_.engine().create_graph ? GP_RETAIN_GRAPH : GP_CREATE_GRAPH;
  }
  // Steps under no_grad, which is over after them.
  template <class Steps>
  void unrecorded(Steps steps) {
    script().no_grad(true);
    steps();
    script().no_grad(false);
  }

  void look() {
    if (const auto leaf = pick(stage_.leaves(), [](const Object&) { return true; })) {
      script().read(draw().percent(75) ? script().grad_of(*leaf) : *leaf);
    }
  }
  bool read_something() {
    const auto value = any();
    if (!value) return false;
    script().read(*value);
    return true;
  }

  // --- forward ---
  bool new_leaf() {
    if (stage_.leaves().size() >= most_leaves) return unary();
    stage_.leaf(draw().percent(20));
    return true;
  }
  bool new_constant() {
    stage_.constant(draw().percent(20));
    return true;
  }
  bool unary() {
    const auto x = any();
    if (!x) return false;
    constexpr std::array<std::string_view, 4> operators{"sin", "tanh", "cos", "neg"};
    if (draw().percent(35)) {
      stage_.scaled(*x, stage_.factor());
    } else {
      stage_.unary(draw().pick(operators), *x);
    }
    return true;
  }
  bool binary() {
    const auto x = any();
    if (!x) return false;
    const std::vector<Index> shape = *model().object_of(*x)->shape;
    const auto y = draw().percent(15) ? x : pick(stage_.tensors(), [&](const Object& object) {
      return broadcast(shape, *object.shape).has_value();
    });
    constexpr std::array<std::string_view, 4> operators{"add", "mul", "mul", "sub"};
    stage_.binary(draw().pick(operators), *x, y.value_or(*x));
    return true;
  }
  bool sum() {
    const auto x = any();
    if (!x) return false;
    stage_.sum(*x);
    return true;
  }
  bool view() {
    const auto x = pick(stage_.tensors(), [](const Object& object) { return !object.shape->empty(); });
    if (!x) return false;
    stage_.view(*x);
    return true;
  }
  bool subject() {
    stage_.apply();
    return true;
  }
  bool tangent() {
    if (!stage_.engine().forward_mode) return false;
    const auto x = pick(stage_.tensors(), [](const Object& object) { return object.leaf && !object.anywhere; });
    if (!x) return false;
    const ValueId t = stage_.tensor_like(*x, "d");
    const ValueId dual = script().dual(*x, t, stage_.next("d"));
    const ValueId y = stage_.build().unary(draw().percent(50) ? "sin" : "neg", dual, stage_.next("d"));
    script().read(script().jvp(y, stage_.next("j")));
    return true;
  }
  bool without_recording() {
    unrecorded([&] {
      if (draw().percent(50) || !binary()) unary();
    });
    return true;
  }

  // --- sweeps ---
  bool backward() {
    const auto y = root();
    if (!y) return false;
    stage_.backward(*y, retained());
    if (draw().percent(60)) stage_.read_gradients();
    return true;
  }
  bool several_roots() {
    const auto y = root();
    const auto z = root();
    if (!y || !z) return false;
    const std::array<ValueId, 2> roots{*y, *z};
    const std::array<ValueId, 2> seeds{stage_.seed_for(*y), stage_.seed_for(*z)};
    script().backward(roots, seeds, {}, retained());
    return true;
  }
  bool backward_into_inputs() {
    const auto y = root();
    const auto a = pick(stage_.leaves(), [](const Object& object) { return object.requires_grad == Tri::yes; });
    if (!y || !a) return false;
    const std::array<ValueId, 1> inputs{*a};
    stage_.backward(*y, retained() & ~unsigned{GP_CREATE_GRAPH}, std::span<const ValueId>(inputs));
    return true;
  }
  bool grad() {
    const auto y = root();
    const auto a =
        pick(stage_.leaves(), [](const Object& object) { return object.requires_grad == Tri::yes && !object.hooked; });
    if (!y || !a) return false;
    const bool reached = model().reaches(*y, *a) == Tri::yes;
    const ValueId seed = stage_.seed_for(*y);
    const unsigned flags = retained() | (reached && draw().percent(70) ? 0U : unsigned{GP_ALLOW_UNUSED});
    const ValueId g = script().grad({&*y, 1}, {&seed, 1}, {&*a, 1}, flags);
    stage_.call(g, stage_.next("g"));
    script().read(g);
    stage_.tensors().push_back(g);
    return true;
  }
  // The gradient is used like any tensor, so far as it is known.
  bool gradient_as_tensor() {
    const auto a = pick(stage_.leaves(), [&](const Object& object) {
      return object.has_grad == Tri::yes && !model().object(object.grad).blurred;
    });
    if (!a) return false;
    const ValueId g = script().grad_of(*a, stage_.next("g"));
    stage_.tensors().push_back(stage_.build().mul(g, *a, stage_.next("t")));
    return true;
  }

  // --- gradients ---
  bool zero() {
    const auto a = pick(stage_.leaves(), [](const Object&) { return true; });
    if (!a) return false;
    script().zero_grad(*a);
    return true;
  }
  bool set_gradient() {
    const auto a = pick(stage_.leaves(), [](const Object&) { return true; });
    if (!a) return false;
    script().set_grad(*a, draw().percent(30) ? GP_NO_VALUE : stage_.tensor_like(*a, "p"));
    return true;
  }
  bool hook() {
    if (!stage_.engine().hooks) return false;
    const auto x = pick(stage_.tensors(), [](const Object& object) {
      return object.requires_grad == Tri::yes && !object.hooked && !object.rewritten;
    });
    if (!x || retained_.contains(*x)) return false;
    script().hook(*x, stage_.factor());
    fixed_.insert(*x);
    return true;
  }
  bool retain() {
    const auto x = pick(stage_.tensors(), [](const Object& object) {
      return object.requires_grad == Tri::yes && !object.hooked && !object.leaf && !object.rewritten;
    });
    if (!x) return false;
    script().retain_grad(*x);
    retained_.insert(*x);
    fixed_.insert(*x);
    script().read(script().grad_of(*x));
    return true;
  }

  // --- memory ---
  // Where hooks and retained gradients go when a tensor is rewritten, engines tell differently.
  template <class Fits>
  std::optional<ValueId> target(Fits fits) {
    const auto x = pick(stage_.tensors(), [&](const Object& object) {
      return !object.anywhere && !object.loose && !object.hooked && !object.unrecorded_view && !object.estranged &&
             !object.places.empty() && fits(object);
    });
    return x && !fixed_.contains(*x) ? x : std::nullopt;
  }
  void rewrite(ValueId x) {
    const std::vector<Index> shape = *model().object_of(x)->shape;
    const Id storage = model().object_of(x)->storage;
    const auto y = pick(stage_.tensors(), [&](const Object& object) {
      const auto joined = broadcast(shape, *object.shape);
      return joined && *joined == shape && object.storage != storage && !object.anywhere;
    });
    if (!y || draw().percent(40)) return stage_.scale_in_place(x, stage_.factor());
    stage_.in_place(draw().percent(60) ? "add" : "mul", x, *y);
  }
  // A leaf that requires no gradient for now, or a view of one: written to with a graph it would be none any more.
  bool of_a_leaf(ValueId x) {
    const Id family = model().object_of(x)->family;
    const std::vector<ValueId>& leaves = stage_.leaves();
    return std::any_of(leaves.begin(), leaves.end(),
                       [&](ValueId leaf) { return model().handle(leaf).object == family; });
  }
  bool write() {
    const auto x = target([&](const Object& object) {
      const Object& base = model().object(object.family);
      return !(object.leaf && object.requires_grad == Tri::yes) && !(base.leaf && base.requires_grad != Tri::no) &&
             !object.dual;
    });
    if (!x || of_a_leaf(*x)) return false;
    rewrite(*x);
    script().read(*x);
    return true;
  }
  bool write_leaf() {
    const auto x = target([](const Object& object) { return object.leaf && object.requires_grad == Tri::yes; });
    if (!x) return false;
    unrecorded([&] { rewrite(*x); });
    return true;
  }
  // y = f(…), v = y[…], v is written to, y is read.
  bool write_view() {
    const auto x =
        pick(stage_.tensors(), [](const Object& object) { return !object.shape->empty() && !object.anywhere; });
    if (!x) return false;
    const ValueId y = stage_.scaled(*x, stage_.factor());
    const ValueId v = stage_.view(y);
    const std::vector<Index> shape = *model().object_of(v)->shape;
    if (count_of(shape) == 0) return true;
    rewrite(v);
    script().read(y);
    return true;
  }
  bool detach() {
    const auto x = any();
    if (!x) return false;
    stage_.tensors().push_back(script().detach(*x, stage_.next("d")));
    return true;
  }
  // The same memory as two leaves.
  bool another_leaf() {
    if (stage_.leaves().size() >= most_leaves) return false;
    const auto a = pick(stage_.leaves(), [](const Object&) { return true; });
    if (!a) return false;
    const ValueId b = script().detach(*a, numbered("a", stage_.leaves().size()));
    script().require_grad(b, true);
    stage_.leaves().push_back(b);
    stage_.tensors().push_back(b);
    return true;
  }
  bool switch_requires_grad() {
    const auto a = pick(stage_.leaves(), [](const Object& object) { return object.leaf; });
    if (!a) return false;
    script().require_grad(*a, model().object_of(*a)->requires_grad != Tri::yes);
    return true;
  }
  bool drop() {
    const auto x = pick(stage_.tensors(), [](const Object& object) { return !object.leaf; });
    const std::vector<ValueId>& leaves = stage_.leaves();
    if (!x || std::find(leaves.begin(), leaves.end(), *x) != leaves.end()) return false;
    script().drop({&*x, 1});
    std::erase(stage_.tensors(), *x);
    return true;
  }

  bool misuse() { return draw_misuse_command(stage_); }

  std::set<ValueId> retained_{};
  std::set<ValueId> fixed_{};
};

}  // namespace

void draw_commands(Stage& stage, Index count) { Commands(stage).run(count); }

}  // namespace gradproof::lifecycle
