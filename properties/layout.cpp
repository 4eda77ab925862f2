#include <algorithm>
#include <array>

#include "oracle/twin.h"
#include "properties/all.h"
#include "properties/forward.h"
#include "properties/redraw.h"

namespace gradproof {

namespace {

Index count_of(std::span<const Index> shape) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  return count;
}

// A contiguous leaf of which a tensor of the call is a view, and the operators that make the view.
struct Base {
  struct Step {
    std::string_view op, overload;
    std::vector<Index> numbers;  // one list where the operator takes a list
    bool list = false;
  };
  std::vector<Index> shape;
  std::vector<double> contents;
  std::vector<Step> steps;  // from the base to the view
};

// Finds bases of a tensor: one way after the other, from the view to the base.
class Unviewed {
 public:
  // `may_change`: views whose elements share memory make elements equal that were not.
  Unviewed(RandomDraw& draw, std::vector<Index> shape, std::vector<double> contents, bool may_change)
      : draw_(draw), base_{std::move(shape), std::move(contents), {}}, may_change_(may_change) {}

  Base found() {
    const Index ways = draw_.integer(1, 3);
    for (Index i = 0; i < ways; ++i) once();
    std::reverse(base_.steps.begin(), base_.steps.end());
    return std::move(base_);
  }

 private:
  Index ndim() const { return std::ssize(base_.shape); }

  void once() {
    if (ndim() + 1 < GP_MAX_DIMS && (base_.shape.empty() || draw_.percent(20))) return selected();
    if (base_.shape.empty()) return;
    const auto dim = static_cast<std::size_t>(draw_.integer(0, ndim() - 1));
    switch (draw_.integer(0, may_change_ ? 4 : 2)) {
      case 0: return turned(dim, static_cast<std::size_t>(draw_.integer(0, ndim() - 1)));
      case 1: return narrowed(dim);
      case 2: return sliced(dim);
      case 3: return expanded(dim);
      default: return unfolded();
    }
  }

  // f(base's index) is the element of the view that lies there, or where none does, of any.
  template <class F>
  void become(std::vector<Index> shape, F f) {
    const std::vector<double> view = std::move(base_.contents);
    base_.contents.assign(static_cast<std::size_t>(count_of(shape)), 0);
    std::vector<Index> at(shape.size());
    for (double& element : base_.contents) {
      element = view.empty() ? 0 : view[static_cast<std::size_t>(f(std::span<const Index>(at)))];
      for (std::size_t d = shape.size(); d-- > 0;) {
        if (++at[d] < shape[d]) break;
        at[d] = 0;
      }
    }
    base_.shape = std::move(shape);
  }
  // The place of an index in the view, which has `shape`.
  static Index place(std::span<const Index> shape, std::span<const Index> at) {
    Index place = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) place = place * shape[d] + at[d];
    return place;
  }
  // With another index in that dim; `at` may lie beyond the view, which then is repeated.
  template <class F>
  void become_along(std::size_t dim, Index size, F index_of) {
    const std::vector<Index> old = base_.shape;
    std::vector<Index> shape = old;
    shape[dim] = size;
    become(shape, [&](std::span<const Index> at) {
      std::vector<Index> inside(at.begin(), at.end());
      inside[dim] = std::clamp<Index>(index_of(at[dim]), 0, old[dim] - 1);
      return place(old, inside);
    });
  }

  void selected() {
    const std::vector<Index> old = base_.shape;
    const Index dim = draw_.integer(0, ndim());
    const Index size = draw_.integer(1, 3);
    base_.steps.push_back({"select", "int", {dim, draw_.integer(0, size - 1)}});
    std::vector<Index> shape = old;
    shape.insert(shape.begin() + dim, size);
    // The other slices are rolled, so that a gradient in the wrong one shows as another number.
    const Index count = count_of(old);
    const Index chosen = base_.steps.back().numbers[1];
    become(shape, [&](std::span<const Index> at) {
      std::vector<Index> inside(at.begin(), at.end());
      inside.erase(inside.begin() + dim);
      return (place(old, inside) + std::abs(at[static_cast<std::size_t>(dim)] - chosen)) % count;
    });
  }
  void turned(std::size_t a, std::size_t b) {
    const std::vector<Index> old = base_.shape;
    base_.steps.push_back({"transpose", "int", {static_cast<Index>(a), static_cast<Index>(b)}});
    std::vector<Index> shape = old;
    std::swap(shape[a], shape[b]);
    become(shape, [&](std::span<const Index> at) {
      std::vector<Index> inside(at.begin(), at.end());
      std::swap(inside[a], inside[b]);
      return place(old, inside);
    });
  }
  void narrowed(std::size_t dim) {
    const Index length = base_.shape[dim];
    const Index start = draw_.integer(0, 2);
    base_.steps.push_back({"narrow", "", {static_cast<Index>(dim), start, length}});
    become_along(dim, start + length + draw_.integer(0, 2), [&](Index at) { return at - start; });
  }
  void sliced(std::size_t dim) {
    const Index length = base_.shape[dim];
    const Index step = draw_.integer(2, 3);
    const Index start = draw_.integer(0, step - 1);
    base_.steps.push_back({"slice", "Tensor", {static_cast<Index>(dim), start, start + length * step, step}});
    become_along(dim, start + length * step, [&](Index at) { return (at - start) / step; });
  }
  // One element stands for all along the dim: the view's elements become equal there.
  void expanded(std::size_t dim) {
    if (base_.shape[dim] < 2) return;
    base_.steps.push_back({"expand", "", base_.shape, true});
    become_along(dim, 1, [](Index) { return 0; });
  }
  // Windows that overlap, of a vector.
  void unfolded() {
    if (ndim() != 2 || base_.shape[0] < 2 || base_.shape[1] < 1) return;
    const std::vector<Index> old = base_.shape;
    const Index step = draw_.integer(1, old[1]);
    base_.steps.push_back({"unfold", "", {0, old[1], step}});
    become({step * (old[0] - 1) + old[1]}, [&](std::span<const Index> at) {
      const Index row = std::min(at[0] / step, old[0] - 1);
      return row * old[1] + (at[0] - row * step);
    });
  }

  RandomDraw& draw_;
  Base base_;
  bool may_change_;
};

class Layout final : public Property {
 public:
  std::string_view id() const override { return "layout"; }
  std::string_view statement() const override {
    return "of a view an operator gives what it gives of any tensor, and the gradient arrives where the view lies";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    const std::string& name = subject.entry->schema.name;
    if (name == "view" || name == "view_as" || name.starts_with("as_strided")) return "is about how its input lies";
    return unmet(subject, {});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    std::vector<std::optional<Base>> bases(build.call.tensors.size());
    for (std::size_t i = 0; i < bases.size(); ++i) {
      if (i + 1 < bases.size() && draw.percent(35)) continue;
      const ValueId tensor = build.call.tensors[i];
      const bool may_change = build.call.domains[i].has_value();
      bases[i] = Unviewed(draw, build.call.shapes[i], contents_of(script, tensor), may_change).found();
      if (!bases[i]->steps.empty()) make_base(build, i, *bases[i]);
    }
    const bool forward = subject.engine == nullptr || subject.engine->forward_mode;
    return forward && draw.percent(35) ? tangents(build, bases) : gradients(build, bases);
  }

 private:
  // In the place of the tensor stands the leaf that it is a view of.
  static void make_base(Build& build, std::size_t i, const Base& base) {
    const bool leaf = requires_grad(build.script, build.call.tensors[i]);
    const ValueId made = build.script.tensor(build.spec(base.shape, leaf), numbered("b", i));
    const gp_tensor tensor = build.script.tensors.back();
    for (std::size_t e = 0; e < base.contents.size(); ++e) build.script.set_element(tensor, e, base.contents[e]);
    put_in_place(build.script, build.call, i, made);
    build.call.shapes[i] = base.shape;
    if (leaf) build.call.leaves.push_back(made);
  }

  static ValueId view_of(Script& script, ValueId value, const Base& base) {
    for (const Base::Step& step : base.steps) {
      std::vector<gp_arg> args{script.arg(value)};
      if (step.list) {
        args.push_back(script.arg_ints(step.numbers));
        args.push_back(script.arg_default());
      } else {
        for (const Index number : step.numbers) args.push_back(script.arg_int(number));
      }
      value = script.call(script.op(step.op, step.overload), args);
    }
    return value;
  }
  // The call on views of `values`, which stand for its tensors.
  static std::vector<ValueId> apply_views(Build& build, std::vector<ValueId> values,
                                          const std::vector<std::optional<Base>>& bases) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (bases[i]) values[i] = view_of(build.script, values[i], *bases[i]);
    }
    return build.apply("y", values);
  }

  static void gradients(Build& build, const std::vector<std::optional<Base>>& bases) {
    const std::vector<ValueId> y = apply_views(build, build.call.tensors, bases);
    build.read(y);
    build.script.backward(y, build.seeds("u"));
    build.read_gradients();
  }
  static void tangents(Build& build, const std::vector<std::optional<Base>>& bases) {
    std::vector<ValueId> duals(build.call.tensors);
    // A view of the primal must be one of the tangent too.
    build.draw.keep_contiguous(true);
    for (std::size_t i = 0; i < duals.size(); ++i) {
      if (!requires_grad(build.script, duals[i])) continue;
      const ValueId v =
          build.draw.seed(build.script, build.spec(build.call.shapes[i]), build.draw.seed_kind(), numbered("v", i));
      duals[i] = build.script.dual(duals[i], v, numbered("d", i));
    }
    build.draw.keep_contiguous(false);
    const std::vector<ValueId> y = apply_views(build, duals, bases);
    build.read(y);
    build.read(tangents_of(build, y, "Jv"));
  }
};

}  // namespace

const Property& layout_property() {
  static const Layout property;
  return property;
}

}  // namespace gradproof
