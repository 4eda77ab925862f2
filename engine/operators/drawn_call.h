// For tests: one call of an operator as drawn by its record, made on a tape of any scalar.
#pragma once

#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "engine/registry.h"
#include "engine/sampling.h"

namespace gradproof {

struct DrawnTensor {
  static DrawnTensor of(const IndexTensor& index) {
    DrawnTensor made;
    made.none = index.kind == IndexTensor::Kind::none;
    if (made.none) return made;
    made.sizes = index.sizes;
    made.values.assign(index.values.begin(), index.values.end());
    made.kind = index.kind == IndexTensor::Kind::mask ? Kind::boolean : Kind::integer;
    return made;
  }

  std::vector<Index> sizes;
  std::vector<double> values;  // numbers of f32, so that every scalar holds them
  Kind kind = Kind::real;
  bool constant = false;
  bool none = false;                                                             // in a list that allows it
  enum class As { drawn, symmetric, lower, upper, log_softmax } as = As::drawn;  // what of it the operator takes
};
struct NoneArg {};
using DrawnArg = std::variant<NoneArg, Index, double, bool, std::string, std::vector<Index>, std::vector<double>,
                              std::vector<DrawnTensor>>;
using DrawnCall = std::map<std::string, DrawnArg, std::less<>>;

class RandomDraw : public Draw {
 public:
  explicit RandomDraw(std::uint64_t seed) : random_(seed) {}

  Index integer(Index low, Index high) override { return std::uniform_int_distribution<Index>(low, high)(random_); }
  double real(double low, double high) {
    return static_cast<double>(static_cast<float>(std::uniform_real_distribution<double>(low, high)(random_)));
  }
  void tensor(std::string_view arg, Sizes sizes, const Domain& domain) override {
    set(arg, std::vector<DrawnTensor>{reals(sizes, domain)});
  }
  void constant(std::string_view arg, Sizes sizes, const Domain& domain) override {
    DrawnTensor tensor = reals(sizes, domain);
    tensor.constant = true;
    set(arg, std::vector<DrawnTensor>{tensor});
  }
  void indices(std::string_view arg, Sizes sizes, Index low, Index high) override {
    DrawnTensor tensor{{sizes.begin(), sizes.end()}, {}, Kind::integer};
    for (Index i = count_elements(sizes); i > 0; --i) tensor.values.push_back(static_cast<double>(integer(low, high)));
    set(arg, std::vector<DrawnTensor>{tensor});
  }
  void integers(std::string_view arg, Sizes sizes, std::span<const Index> values) override {
    set(arg, std::vector<DrawnTensor>{{{sizes.begin(), sizes.end()}, {values.begin(), values.end()}, Kind::integer}});
  }
  void index_tensors(std::string_view arg, std::span<const IndexTensor> list) override {
    std::vector<DrawnTensor> all;
    for (const IndexTensor& index : list) all.push_back(DrawnTensor::of(index));
    set(arg, all);
  }
  void mask(std::string_view arg, Sizes sizes) override {
    DrawnTensor tensor{{sizes.begin(), sizes.end()}, {}, Kind::boolean};
    for (Index i = count_elements(sizes); i > 0; --i) tensor.values.push_back(static_cast<double>(integer(0, 1)));
    set(arg, std::vector<DrawnTensor>{tensor});
  }
  void tensors(std::string_view arg, std::span<const std::vector<Index>> shapes) override {
    std::vector<DrawnTensor> all;
    for (const std::vector<Index>& shape : shapes) all.push_back(reals(shape, all_reals));
    set(arg, all);
  }
  void constants(std::string_view arg, std::span<const std::vector<Index>> shapes) override {
    tensors(arg, shapes);
    for (DrawnTensor& tensor : std::get<std::vector<DrawnTensor>>(call_.find(arg)->second)) tensor.constant = true;
  }
  void set_int(std::string_view arg, Index value) override { set(arg, value); }
  void set_ints(std::string_view arg, Sizes values) override {
    set(arg, std::vector<Index>(values.begin(), values.end()));
  }
  void set_reals(std::string_view arg, std::span<const double> values) override {
    set(arg, std::vector<double>(values.begin(), values.end()));
  }
  void set_bool(std::string_view arg, bool value) override { set(arg, value); }
  void set_real(std::string_view arg, double value) override { set(arg, value); }
  void set_text(std::string_view arg, std::string_view value) override { set(arg, std::string(value)); }
  void set_none(std::string_view arg) override { set(arg, NoneArg{}); }

  void given(std::string_view arg, Sizes sizes, std::span<const double> values) override {
    set(arg, std::vector<DrawnTensor>{{{sizes.begin(), sizes.end()}, {values.begin(), values.end()}}});
  }
  void given_symmetric(std::string_view arg, Sizes sizes, std::span<const double> values) override {
    DrawnTensor tensor{{sizes.begin(), sizes.end()}, {values.begin(), values.end()}};
    tensor.as = DrawnTensor::As::symmetric;
    set(arg, std::vector<DrawnTensor>{tensor});
  }
  void given_triangular(std::string_view arg, Sizes sizes, std::span<const double> values, bool upper) override {
    DrawnTensor tensor{{sizes.begin(), sizes.end()}, {values.begin(), values.end()}};
    tensor.as = upper ? DrawnTensor::As::upper : DrawnTensor::As::lower;
    set(arg, std::vector<DrawnTensor>{tensor});
  }
  void log_probabilities(std::string_view arg, Sizes sizes) override {
    DrawnTensor tensor = reals(sizes, all_reals);
    tensor.as = DrawnTensor::As::log_softmax;
    set(arg, std::vector<DrawnTensor>{tensor});
  }

  // Rules are held against differences where matrices are generic.
  MatrixClass matrix_class(std::span<const MatrixClass> possible) override { return possible.front(); }

  const DrawnCall& call() const { return call_; }

 private:
  DrawnTensor reals(Sizes sizes, const Domain& domain) {
    DrawnTensor tensor{{sizes.begin(), sizes.end()}, {}};
    for (Index i = count_elements(sizes); i > 0; --i) {
      tensor.values.push_back(real(std::fmax(domain.low, -2), std::fmin(domain.high, 2)));
    }
    return tensor;
  }
  void set(std::string_view arg, DrawnArg value) {
    if (!call_.emplace(arg, std::move(value)).second) throw std::logic_error("set twice: " + std::string(arg));
  }

  std::mt19937_64 random_;
  DrawnCall call_;
};

inline DrawnArg default_of(const SchemaArg& arg) {
  const std::string& text = arg.default_text;
  if (!arg.has_default) throw std::logic_error("no value for " + arg.name);
  if (text == "None") return NoneArg{};
  if (text == "True" || text == "False") return text == "True";
  if (text.starts_with('[')) {
    std::vector<Index> list;
    for (std::size_t at = 1; at < text.size() && text[at] != ']'; at = text.find_first_of(",]", at) + 1) {
      list.push_back(std::stoll(text.substr(at)));
      if (text[text.find_first_of(",]", at)] == ']') break;
    }
    return list;
  }
  if (text.starts_with('\'') || text.starts_with('"')) return text.substr(1, text.size() - 2);
  if (arg.type == ArgType::scalar) return std::stod(text);
  return Index{std::stoll(text)};
}

template <class T>
Arg<T> as_arg(Tape<T>& tape, const DrawnArg& value) {
  Arg<T> arg;
  using K = typename Arg<T>::Kind;
  const auto number = [&arg](K kind, Index integer, double real) {
    arg.kind = kind;
    arg.integer = integer;
    arg.number = real;
    arg.real = Scalar<T>::argument(real);
  };
  if (const auto* i = std::get_if<Index>(&value)) number(K::integer, *i, static_cast<double>(*i));
  if (const auto* r = std::get_if<double>(&value)) number(K::real, 0, *r);
  if (const auto* b = std::get_if<bool>(&value)) number(K::boolean, *b ? 1 : 0, 0);
  if (const auto* text = std::get_if<std::string>(&value)) {
    char* kept = tape.arena().template array<char>(text->size());
    std::copy(text->begin(), text->end(), kept);
    arg.kind = K::text;
    arg.text = {kept, text->size()};
  }
  if (const auto* list = std::get_if<std::vector<Index>>(&value)) {
    arg.kind = K::integers;
    arg.integers = {copy_sizes(tape.arena(), *list), list->size()};
  }
  if (const auto* list = std::get_if<std::vector<double>>(&value)) {
    double* kept = tape.arena().template array<double>(list->size());
    std::copy(list->begin(), list->end(), kept);
    arg.kind = K::reals;
    arg.reals = {kept, list->size()};
  }
  return arg;
}

// A call made on a tape: its inputs, of which `leaves` are the floating ones.
template <class T>
struct MadeCall {
  const OperatorImpl<T>* op = nullptr;
  std::vector<Var<T>> inputs;
  std::vector<Var<T>> leaves;
  std::span<const Arg<T>> args;
  std::vector<DrawnTensor::As> as;  // by input

  Var<T> run(Tape<T>& tape) const {
    std::vector<Var<T>> actual = inputs;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      if (as[i] != DrawnTensor::As::drawn) actual[i] = prepared(tape, actual[i], as[i]);
    }
    std::vector<VarImpl<T>*> impls;
    impls.reserve(actual.size());
    for (const Var<T>& x : actual) impls.push_back(x.impl());
    const Node<T>& node = tape.run(*op, impls, args);
    if (node.output_count == 1) return {&tape, node.outputs[0]};
    return joined(tape, node);
  }
  // All floating results, one after the other; of those that have a derivative where one of them has.
  static Var<T> joined(Tape<T>& tape, const Node<T>& node) {
    bool recorded = false;
    for (std::size_t i = 0; i < node.output_count; ++i) recorded = recorded || node.outputs[i]->requires_grad;
    std::vector<Var<T>> flat;
    for (std::size_t i = 0; i < node.output_count; ++i) {
      const Var<T> result(&tape, node.outputs[i]);
      if (result.value().kind != Kind::real || (recorded && !result.impl()->requires_grad)) continue;
      flat.push_back(tape.call(Basic::reshape, {result}, tape.integers(std::array<Index, 1>{result.numel()})));
    }
    Arg<T>* dim = tape.arena().template array<Arg<T>>(1);
    dim->kind = Arg<T>::Kind::integer;
    return tape.call(tape.catalogue().named("cat"), std::span<const Var<T>>(flat), {dim, 1});
  }
  static Var<T> prepared(Tape<T>& tape, const Var<T>& x, DrawnTensor::As as) {
    if (as == DrawnTensor::As::symmetric) {
      std::vector<Index> order(x.sizes().size());
      for (std::size_t d = 0; d < order.size(); ++d) order[d] = static_cast<Index>(d);
      std::swap(order[order.size() - 2], order.back());
      return x + tape.call(Basic::permute, {x}, tape.integers(order));
    }
    if (as == DrawnTensor::As::log_softmax) {
      Arg<T>* args = tape.arena().template array<Arg<T>>(2);
      args[0].kind = Arg<T>::Kind::integer;
      args[0].integer = -1;
      return tape.call(tape.catalogue().named("log_softmax.int"), std::span<const Var<T>>(&x, 1), {args, 2});
    }
    const Sizes sizes = x.sizes().last(2);
    const Tensor<T> mask = tape.allocate(Kind::real, sizes);
    for (Index at = 0; at < mask.numel; ++at) {
      const Index row = at / sizes[1];
      const Index col = at % sizes[1];
      mask.real()[at] = Scalar<T>::leaf((as == DrawnTensor::As::upper ? row <= col : col <= row) ? 1 : 0);
    }
    return x * tape.constant(mask);
  }
};

template <class T>
Var<T> make_tensor(Tape<T>& tape, const DrawnTensor& drawn) {
  const Tensor<T> tensor = tape.allocate(drawn.kind, drawn.sizes);
  for (std::size_t i = 0; i < drawn.values.size(); ++i) {
    switch (drawn.kind) {
      case Kind::real: tensor.real()[i] = Scalar<T>::leaf(drawn.values[i]); break;
      case Kind::integer: tensor.integers()[i] = static_cast<Index>(drawn.values[i]); break;
      case Kind::boolean: tensor.booleans()[i] = drawn.values[i] != 0 ? Truth::yes : Truth::no; break;
    }
  }
  return tape.constant(tensor);
}

template <class T>
MadeCall<T> make_call(Tape<T>& tape, const Registry& registry, std::size_t number, const DrawnCall& drawn) {
  const Entry& entry = registry.entries()[number];
  MadeCall<T> made;
  made.op = &registry.catalogue<T>().at(number);
  std::vector<Arg<T>> args;
  std::size_t used = 0;
  for (const SchemaArg& arg : entry.schema.args) {
    const auto found = drawn.find(arg.name);
    used += found == drawn.end() ? 0 : 1;
    const DrawnArg value = found == drawn.end() ? default_of(arg) : found->second;
    if (const auto* tensors = std::get_if<std::vector<DrawnTensor>>(&value)) {
      for (const DrawnTensor& tensor : *tensors) {
        made.inputs.push_back(tensor.none ? Var<T>() : make_tensor(tape, tensor));
        made.as.push_back(tensor.as);
        if (tensor.kind == Kind::real && !tensor.none && !tensor.constant) made.leaves.push_back(made.inputs.back());
      }
    } else if (arg.type == ArgType::tensor) {
      made.inputs.emplace_back();  // an optional one that is left out
      made.as.push_back(DrawnTensor::As::drawn);
    } else {
      args.push_back(as_arg(tape, value));
    }
  }
  if (used != drawn.size()) throw std::logic_error(entry.id() + " was drawn with an argument it does not have");
  Arg<T>* kept = tape.arena().template array<Arg<T>>(args.size());
  std::copy(args.begin(), args.end(), kept);
  made.args = {kept, args.size()};
  return made;
}

// --- calls written by hand ---

using Numbers = std::vector<double>;

inline DrawnArg reals(std::vector<Index> sizes, Numbers values) {
  return std::vector<DrawnTensor>{{std::move(sizes), std::move(values)}};
}
inline DrawnArg integers(std::vector<Index> sizes, Numbers values) {
  return std::vector<DrawnTensor>{{std::move(sizes), std::move(values), Kind::integer}};
}

// Of the record with this id.
template <class T>
MadeCall<T> make_call(Tape<T>& tape, std::string_view id, const DrawnCall& drawn) {
  const auto& entries = Registry::standard().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].id() == id) return make_call(tape, Registry::standard(), i, drawn);
  }
  throw std::logic_error("no record " + std::string(id));
}

template <class T>
std::vector<T> elements(const Var<T>& x) {
  const Tensor<T> flat = x.tape().contiguous(x.value());
  return {flat.real(), flat.real() + flat.numel};
}

// Sweeps from y, its elements weighted by `seed`. By leaf; of no elements where a leaf has no gradient.
template <class T>
std::vector<std::vector<T>> gradients_of(Tape<T>& tape, const MadeCall<T>& made, const Var<T>& y, const Var<T>& seed) {
  SweepRequest<T> request;
  request.roots = {&y, 1};
  request.seeds = {&seed, 1};
  tape.backward(request);
  std::vector<std::vector<T>> gradients;
  for (const Var<T>& leaf : made.leaves) {
    const Var<T> grad(&tape, leaf.impl()->grad);
    gradients.push_back(grad ? elements(grad) : std::vector<T>{});
  }
  return gradients;
}
template <class T>
std::vector<std::vector<T>> gradients_of_sum(Tape<T>& tape, const MadeCall<T>& made, const Var<T>& y) {
  return gradients_of(tape, made, y, tape.filled(y.sizes(), Scalar<T>::leaf(1)));
}
template <class T>
std::vector<T> one_after_the_other(const std::vector<std::vector<T>>& lists) {
  std::vector<T> all;
  for (const std::vector<T>& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

// How a call with its sweep ends.
inline gp_error_kind error_of(std::string_view id, const DrawnCall& call) {
  try {
    Tape<double> tape(Registry::standard().catalogue<double>());
    const MadeCall<double> made = make_call(tape, id, call);
    for (const Var<double>& leaf : made.leaves) leaf.impl()->requires_grad = true;
    gradients_of_sum(tape, made, made.run(tape));
  } catch (const EngineError& error) {
    return error.kind();
  }
  return GP_OK;
}

inline std::string to_text(const DrawnCall& call) {
  std::string text;
  for (const auto& [name, value] : call) {
    text += name + "=";
    if (const auto* i = std::get_if<Index>(&value)) text += std::to_string(*i);
    if (const auto* r = std::get_if<double>(&value)) text += std::to_string(*r);
    if (const auto* b = std::get_if<bool>(&value)) text += *b ? "true" : "false";
    if (const auto* t = std::get_if<std::string>(&value)) text += *t;
    if (const auto* list = std::get_if<std::vector<Index>>(&value)) text += "(" + to_text(Sizes(*list)) + ")";
    if (const auto* list = std::get_if<std::vector<double>>(&value)) {
      for (const double x : *list) text += " " + std::to_string(x);
    }
    if (const auto* tensors = std::get_if<std::vector<DrawnTensor>>(&value)) {
      for (const DrawnTensor& tensor : *tensors) {
        text += to_text(Sizes(tensor.sizes)) + "{";
        for (std::size_t k = 0; k < tensor.values.size() && k < 12; ++k) text += std::to_string(tensor.values[k]) + " ";
        text += "}";
      }
    }
    text += "; ";
  }
  return text;
}

}  // namespace gradproof
