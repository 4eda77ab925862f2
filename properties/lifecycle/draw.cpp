#include "properties/lifecycle/draw.h"

#include "oracle/twin.h"

namespace gradproof::lifecycle {

Stage::Stage(const Subject& subject, RandomDraw& draw, Script& script)
    : build_(subject, draw, script), model_(*subject.engine) {
  // Edges of the domain and values that overflow are other properties' business; here they would hide the rest.
  const Entry& entry = *subject.entry;
  for (std::size_t k = 0; entry.elementwise && k < build_.call.tensors.size(); ++k) {
    const gp_tensor& tensor = script.tensor_of(build_.call.tensors[k]);
    const std::size_t number = !entry.schema.args.empty() && entry.schema.args[0].name == "condition" ? k + 1 : k;
    const Domain domain = number < entry.record.domain.size() ? entry.record.domain[number] : all_reals;
    for (const std::size_t place : elements_of_view(script, tensor)) {
      script.set_element(tensor, place, draw.moderate(static_cast<gp_dtype>(tensor.dtype), domain));
    }
  }
  reshape();
  model_.start(script, false);
}

void Stage::reshape() {
  static const std::array<std::vector<Index>, 6> shapes{{{2}, {3}, {}, {2, 2}, {1}, {2, 3}}};
  shape_ = draw().pick(shapes);
}

Model& Stage::model() {
  while (followed_ < script().steps.size()) model_.step(followed_++);
  return model_;
}

std::string Stage::next(std::string_view name) { return std::string(name) + std::to_string(names_++); }

void Stage::call(ValueId value, std::string name) {
  script().names.resize(script().value_count);
  script().names[value] = std::move(name);
}

ValueId Stage::leaf(bool scalar) {
  const std::vector<Index> shape = scalar ? std::vector<Index>{} : shape_;
  leaves_.push_back(draw().seed(script(), build_.spec(shape, true), SeedKind::dyadic, numbered("a", leaves_.size())));
  return note(leaves_.back());
}

ValueId Stage::constant(bool scalar) {
  const std::vector<Index> shape = scalar ? std::vector<Index>{} : shape_;
  return note(draw().seed(script(), build_.spec(shape), SeedKind::dyadic, next("c")));
}

ValueId Stage::tensor_like(ValueId value, std::string_view name, bool requires_grad) {
  const Object* object = model().object_of(value);
  const std::vector<Index> shape = object != nullptr && object->shape ? *object->shape : shape_;
  const SeedKind kind = draw().percent(60) ? SeedKind::dyadic : draw().seed_kind();
  return draw().seed(script(), build_.spec(shape, requires_grad), kind, next(name));
}

ValueId Stage::apply(std::span<const ValueId> instead) {
  std::vector<ValueId> results;
  const std::vector<ValueId> all = gradproof::apply(script(), build_.call, next("y") + "_", instead);
  for (std::size_t i = 0; i < all.size(); ++i) model_.know_shape(all[i], build_.call.results[i].shape);
  for (const std::size_t root : build_.call.roots()) {
    read(all[root]);
    results.push_back(sum(all[root]));
  }
  ValueId total = results.front();
  for (std::size_t i = 1; i < results.size(); ++i) total = binary("add", total, results[i]);
  return total;
}

ValueId Stage::unary(std::string_view op, ValueId x) { return note(build_.unary(op, x, next("t"))); }

ValueId Stage::binary(std::string_view op, ValueId x, ValueId y) { return note(call_binary(op, op, x, y, next("t"))); }

// As the schema has it: sums take a factor more.
ValueId Stage::call_binary(std::string_view op, std::string_view name, ValueId x, ValueId y, std::string_view result) {
  std::vector<gp_arg> args{script().arg(x), script().arg(y)};
  if (op != "mul") args.push_back(script().arg_default());
  return script().call(script().op(name, "Tensor"), args, 1, result);
}

double Stage::factor() {
  constexpr std::array<double, 6> factors{2, -1, 0.5, 3, -0.5, 0.25};
  return draw().pick(factors);
}

ValueId Stage::scaled(ValueId x, double by) { return note(build_.scale(x, by, next("t"))); }
ValueId Stage::sum(ValueId x) { return note(build_.sum(x, next("t"))); }

ValueId Stage::view(ValueId x) {
  const std::vector<Index> shape = *model().object_of(x)->shape;
  Script& to = script();
  const Index dim = draw().integer(0, std::ssize(shape) - 1);
  const Index size = shape[static_cast<std::size_t>(dim)];
  if (shape.size() > 1 && draw().percent(25)) {
    return note(to.call(to.op("transpose", "int"), std::array{to.arg(x), to.arg_int(0), to.arg_int(1)}, 1, next("v")));
  }
  if (draw().percent(50)) {
    return note(to.call(to.op("select", "int"),
                        std::array{to.arg(x), to.arg_int(dim), to.arg_int(draw().integer(0, size - 1))}, 1, next("v")));
  }
  const Index from = draw().integer(0, size - 1);
  return note(to.call(to.op("slice", "Tensor"),
                      std::array{to.arg(x), to.arg_int(dim), to.arg_int(from),
                                 to.arg_int(draw().integer(from + 1, size)), to.arg_int(1)},
                      1, next("v")));
}

void Stage::in_place(std::string_view op, ValueId x, ValueId y) { call_binary(op, std::string(op) + "_", x, y, {}); }

void Stage::scale_in_place(ValueId x, double by) { build_.scale_in_place(x, by); }

ValueId Stage::seed_for(ValueId root) {
  const Object* object = model().object_of(root);
  const bool scalar = object == nullptr || !object->shape || count_of(*object->shape) == 1;
  if (scalar && draw().percent(50)) return GP_NO_VALUE;
  return tensor_like(root, "u");
}

void Stage::backward(ValueId root, unsigned flags, std::optional<std::span<const ValueId>> inputs) {
  const ValueId seed = seed_for(root);
  script().backward({&root, 1}, {&seed, 1}, inputs, flags);
}

void Stage::read_gradients() {
  for (const ValueId leaf : all_leaves()) read(script().grad_of(leaf));
}

std::vector<ValueId> Stage::all_leaves() const {
  std::vector<ValueId> all = leaves_;
  all.insert(all.end(), build_.call.leaves.begin(), build_.call.leaves.end());
  return all;
}

}  // namespace gradproof::lifecycle
