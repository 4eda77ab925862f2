// One elementwise operator on 0-d tensors, for tests: its value, slopes, tangents and second derivatives.
#pragma once

#include <algorithm>
#include <charconv>
#include <vector>

#include "engine/registry.h"
#include "engine/scalars/arb_ball.h"

namespace gradproof {

template <class T>
class ElementwiseProbe {
 public:
  explicit ElementwiseProbe(std::size_t entry)
      : tape(Registry::standard().catalogue<T>()),
        entry_(Registry::standard().entries()[entry]),
        op_(Registry::standard().catalogue<T>().at(entry)),
        has_slope_(entry_.tensor_count, true) {
    std::vector<bool> found;
    for (std::size_t i = 0; i < has_slope_.size(); ++i) found.push_back(try_slope(i));
    has_slope_ = found;
  }

  // False where the record says that no engine has the derivative.
  bool has_slope(std::size_t tensor) const { return has_slope_[tensor]; }

  // Takes the operator's scalars, in the schema's order, and gives the point in T. A NaN leaves one out.
  std::vector<T> use(const std::vector<double>& at, const std::vector<double>& scalars) {
    args_.clear();
    std::size_t next = 0;
    for (const SchemaArg& arg : entry_.schema.args) {
      if (arg.type == ArgType::tensor) continue;
      Arg<T>& made = args_.emplace_back();
      if (arg.type != ArgType::scalar && arg.type != ArgType::integer) continue;
      const double number = scalars[next++];
      if (std::isnan(number)) continue;
      made.kind = Arg<T>::Kind::real;
      made.number = number;
      made.real = Scalar<T>::argument(number);
    }
    std::vector<T> x;
    x.reserve(at.size());
    for (const double v : at) x.push_back(Scalar<T>::leaf(v));
    return x;
  }

  T value(const std::vector<T>& x) {
    tape.reset();
    return element(call(leaves(x, false)));
  }

  std::vector<T> slopes(const std::vector<T>& x, bool create_graph = false) {
    tape.reset();
    const std::vector<Var<T>> inputs = leaves(x, true);
    return elements(gradients(call(inputs), inputs, create_graph));
  }

  T tangent(const std::vector<T>& x, std::size_t along) {
    tape.reset();
    std::vector<Var<T>> inputs = leaves(x, false);
    inputs[along] = tape.make_dual(inputs[along], tape.number(Scalar<T>::leaf(1)));
    return element(tape.tangent_of(call(inputs)));
  }

  // d/dx[along] of the slope along x[of].
  T second(const std::vector<T>& x, std::size_t of, std::size_t along) {
    tape.reset();
    const std::vector<Var<T>> inputs = leaves(x, true);
    const Var<T> slope = gradients(call(inputs), inputs, true)[of];
    if (!slope || !slope.impl()->requires_grad) return Scalar<T>::leaf(0);
    return elements(gradients(slope, inputs, false))[along];
  }

  Tape<T> tape;

 private:
  bool try_slope(std::size_t tensor) {
    const std::vector<T> x = use(std::vector<double>(entry_.tensor_count, 1.5), std::vector<double>(8, 1));
    has_slope_.assign(has_slope_.size(), false);
    has_slope_[tensor] = true;
    bool found = true;
    try {
      slopes(x);
    } catch (const EngineError& error) {
      found = error.kind() != GP_UNSUPPORTED;
    }
    return found;
  }
  std::vector<Var<T>> leaves(const std::vector<T>& x, bool requires_grad) {
    std::vector<Var<T>> made;
    for (const T& v : x) {
      made.push_back(tape.number(v));
      made.back().impl()->requires_grad = requires_grad && has_slope_[made.size() - 1];
    }
    return made;
  }
  Var<T> call(const std::vector<Var<T>>& inputs) { return tape.call(op_, inputs, args_); }
  std::vector<Var<T>> gradients(const Var<T>& of, const std::vector<Var<T>>& inputs, bool create_graph) {
    SweepRequest<T> request;
    const Var<T> seed = tape.number(Scalar<T>::leaf(1));
    request.roots = {&of, 1};
    request.seeds = {&seed, 1};
    std::vector<Var<T>> known;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (has_slope_[i]) known.push_back(inputs[i]);
    }
    request.inputs = known;
    request.create_graph = create_graph;
    request.allow_unused = true;
    std::vector<Var<T>> found = tape.grad(request);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!has_slope_[i]) found.insert(found.begin() + static_cast<std::ptrdiff_t>(i), Var<T>());
    }
    return found;
  }
  static T element(const Var<T>& x) { return x ? *x.value().real() : Scalar<T>::leaf(0); }
  static std::vector<T> elements(const std::vector<Var<T>>& all) {
    std::vector<T> values;
    values.reserve(all.size());
    for (const Var<T>& x : all) values.push_back(element(x));
    return values;
  }

  const Entry& entry_;
  const OperatorImpl<T>& op_;
  std::vector<Arg<T>> args_;
  std::vector<bool> has_slope_;
};

inline Domain domain_of(const Entry& entry, std::size_t tensor) {
  return tensor < entry.record.domain.size() ? entry.record.domain[tensor] : all_reals;
}

// v times a factor near 1, unless that leaves the domain.
inline double inside(const Entry& entry, const std::vector<double>& at, const double& v, double factor) {
  const Domain domain = domain_of(entry, static_cast<std::size_t>(&v - at.data()));
  const double moved = v * factor;
  return moved > domain.low && moved < domain.high ? moved : v;
}

// Generic points of a domain, and the record's own.
inline std::vector<double> points_of(const Entry& entry, std::size_t tensor) {
  const Domain domain = domain_of(entry, tensor);
  std::vector<double> points{-3.7, -1, -0.625, -0.1, 0, 0.3, 0.5, 1, 1.9, 6.3};
  for (const auto* landmarks : {&entry.record.special, &entry.record.kinks, &entry.record.jumps}) {
    for (const Landmark& landmark : *landmarks) {
      if (static_cast<std::size_t>(landmark.arg) == tensor) points.push_back(landmark.at);
    }
  }
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  std::erase_if(points, [&](double x) {
    return x < domain.low || x > domain.high || (domain.low_open && x == domain.low) ||
           (domain.high_open && x == domain.high);
  });
  return points;
}

// Each row: the operator's scalars in the schema's order; NaN stands for none.
inline std::vector<std::vector<double>> scalars_of(const Entry& entry) {
  std::vector<double> values = entry.record.scalars;
  if (values.empty()) values = {2, -0.5, 3, 0.1, 0};
  std::vector<std::vector<double>> rows;
  std::vector<double> defaults;
  bool any = false;
  for (const SchemaArg& arg : entry.schema.args) {
    if (arg.type != ArgType::scalar && arg.type != ArgType::integer) continue;
    any = true;
    double number = std::numeric_limits<double>::quiet_NaN();
    std::from_chars(arg.default_text.data(), arg.default_text.data() + arg.default_text.size(), number);
    defaults.push_back(std::isnan(number) && !arg.optional ? values[0] : number);
  }
  rows.push_back(defaults);
  if (!any) return rows;
  for (std::size_t first = 0; first < values.size(); ++first) {
    std::vector<double>& row = rows.emplace_back();
    for (std::size_t i = 0; i < defaults.size(); ++i) row.push_back(values[(first + i) % values.size()]);
    if (entry.schema.args.back().optional && first % 2 == 1) row[first / 2 % row.size()] = defaults.back();
  }
  return rows;
}

// body(point, scalars) for every combination of points, thinned where there are three tensors.
template <class Body>
void for_each_point(const Entry& entry, Body&& body) {
  std::vector<std::vector<double>> axes;
  for (std::size_t i = 0; i < entry.tensor_count; ++i) axes.push_back(points_of(entry, i));
  std::size_t total = 1;
  for (const auto& axis : axes) total *= axis.size();
  const std::size_t stride = total > 400 ? 7 : 1;
  for (const std::vector<double>& scalars : scalars_of(entry)) {
    for (std::size_t n = 0; n < total; n += stride) {
      std::vector<double> at;
      std::size_t rest = n;
      for (const auto& axis : axes) {
        at.push_back(axis[rest % axis.size()]);
        rest /= axis.size();
      }
      body(at, scalars);
    }
  }
}

}  // namespace gradproof
