#include "properties/wrong_call.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace gradproof {

namespace {

constexpr Index least = std::numeric_limits<Index>::min();
constexpr Index most = std::numeric_limits<Index>::max();
// Elements that no machine has, the second of them beyond what 64 bits count in bytes.
constexpr std::array<Index, 2> absurd_sizes{Index{1} << 40U, Index{1} << 62U};

class WrongCall {
 public:
  explicit WrongCall(Build& build)
      : build_(build), draw_(build.draw), script_(build.script), entry_(*build.subject.entry), wrong_(build.call) {}

  std::optional<Call> drawn() {
    using Rule = bool (WrongCall::*)();
    std::array<Rule, 8> rules{&WrongCall::number, &WrongCall::element, &WrongCall::shape,    &WrongCall::list,
                              &WrongCall::dtype,  &WrongCall::domain,  &WrongCall::singular, &WrongCall::absurd};
    for (std::size_t left = rules.size(); left > 0; --left) {
      std::swap(rules[left - 1], rules[static_cast<std::size_t>(draw_.integer(0, static_cast<Index>(left) - 1))]);
      if ((this->*rules[left - 1])()) return wrong_;
    }
    return std::nullopt;
  }

 private:
  // A tensor of the call: an argument, or one of a list.
  struct Place {
    std::size_t arg = 0;
    std::uint32_t at = 0;
    ValueId tensor = GP_NO_VALUE;
  };
  template <class Wanted>
  std::vector<Place> places(Wanted wanted) {
    std::vector<Place> found;
    const auto offer = [&](const Place& place) {
      if (place.tensor != GP_NO_VALUE && wanted(place)) found.push_back(place);
    };
    for (std::size_t i = 0; i < wrong_.args.size(); ++i) {
      const gp_arg& arg = wrong_.args[i];
      if (arg.kind == GP_ARG_VALUE) offer({i, 0, static_cast<ValueId>(arg.u.index)});
      if (arg.kind != GP_ARG_VALUES) continue;
      for (std::uint32_t at = 0; at < arg.count; ++at) offer({i, at, script_.ids[arg.u.index + at]});
    }
    return found;
  }
  std::vector<Place> places_of_kind(bool floating) {
    return places([&](const Place& place) { return is_floating(dtype_of(place)) == floating; });
  }
  gp_dtype dtype_of(const Place& place) { return static_cast<gp_dtype>(script_.tensor_of(place.tensor).dtype); }
  std::vector<Index> shape_of(const Place& place) {
    const gp_tensor& tensor = script_.tensor_of(place.tensor);
    const auto first = script_.ints.begin() + tensor.shape;
    return {first, first + tensor.ndim};
  }
  // A matrix that the operator takes otherwise.
  const Call::Prepared* prepared(const Place& place) const {
    const auto found =
        std::find_if(build_.call.prepared.begin(), build_.call.prepared.end(), [&](const Call::Prepared& one) {
          return one.tensor == place.tensor && one.as != Call::Prepared::As::log_softmax;
        });
    return found == build_.call.prepared.end() ? nullptr : &*found;
  }

  void put(const Place& place, ValueId tensor) {
    gp_arg& arg = wrong_.args[place.arg];
    if (arg.kind == GP_ARG_VALUE) {
      arg = script_.arg(tensor);
      return;
    }
    const auto first = script_.ids.begin() + static_cast<std::ptrdiff_t>(arg.u.index);
    std::vector<ValueId> list(first, first + arg.count);
    list[place.at] = tensor;
    arg = script_.arg_values(list);
  }
  ValueId make(const Place& like, gp_dtype dtype, const std::vector<Index>& shape, std::span<const double> values) {
    const bool requires_grad = (script_.tensor_of(like.tensor).flags & GP_REQUIRES_GRAD) != 0;
    TensorSpec spec = build_.spec(shape, requires_grad && is_floating(dtype));
    spec.dtype = dtype;
    const ValueId made = script_.tensor(spec, "bad");
    const gp_tensor tensor = script_.tensors.back();
    for (std::size_t i = 0; i < tensor.buffer_elements && !values.empty(); ++i) {
      // Beyond their number the last again: what was sorted is so still.
      script_.set_element(tensor, i, values[std::min<std::size_t>(i, values.size() - 1)]);
    }
    return made;
  }
  // In another shape or dtype the same elements over and over. Of a matrix that the operator takes as symmetric or
  // triangular only a diagonal one is so in every shape.
  ValueId remade(const Place& place, gp_dtype dtype, const std::vector<Index>& shape) {
    if (prepared(place) == nullptr || shape.empty())
      return make(place, dtype, shape, contents_of(script_, place.tensor));
    const ValueId made = make(place, dtype, shape, {});
    const gp_tensor tensor = script_.tensors.back();
    const auto cols = static_cast<std::size_t>(shape.back());
    const std::size_t rows = shape.size() > 1 ? static_cast<std::size_t>(shape[shape.size() - 2]) : 1;
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) {
      if (i / cols % rows == i % cols) script_.set_element(tensor, i, 2);
    }
    return made;
  }

  // A size of any of its tensors: the first index that none of them has there.
  Index some_size() {
    std::vector<Index> sizes{1};
    for (const Place& place : places([](const Place&) { return true; })) {
      for (const Index size : shape_of(place)) sizes.push_back(size);
    }
    return draw_.pick(sizes);
  }
  Index off(Index value) {
    const Index size = some_size();
    return draw_.pick(std::array<Index, 12>{-1, 0, value == most ? 0 : value + 1, value == least ? 0 : value - 1, size,
                                            -size - 1, 17, -17, most, least, -size, 9});
  }

  // The integers among the arguments; `at` in a list.
  struct Number {
    std::size_t arg = 0;
    std::uint32_t at = 0;
    Index value = 0;
  };
  std::vector<Number> numbers() {
    std::vector<Number> found;
    for (std::size_t i = 0; i < wrong_.args.size(); ++i) {
      const gp_arg& arg = wrong_.args[i];
      const ArgType type = entry_.schema.args[i].type;
      if (type == ArgType::integer) found.push_back({i, 0, arg.kind == GP_ARG_INT ? arg.u.integer : 0});
      if (type != ArgType::integer_list) continue;
      if (arg.kind == GP_ARG_INT) found.push_back({i, 0, arg.u.integer});
      if (arg.kind != GP_ARG_INTS) continue;
      for (std::uint32_t at = 0; at < arg.count; ++at) found.push_back({i, at, script_.ints[arg.u.index + at]});
    }
    return found;
  }
  void put(const Number& number, Index value) {
    gp_arg& arg = wrong_.args[number.arg];
    if (arg.kind != GP_ARG_INTS) {
      arg = script_.arg_int(value);
      return;
    }
    std::vector<Index> values = list_of(arg);
    values[number.at] = value;
    arg = script_.arg_ints(values);
  }
  std::vector<Index> list_of(const gp_arg& arg) const {
    const auto first = script_.ints.begin() + static_cast<std::ptrdiff_t>(arg.u.index);
    return {first, first + arg.count};
  }

  // --- the rules: false where there is nothing to change ---

  bool number() {
    const std::vector<Number> all = numbers();
    if (all.empty()) return false;
    const Number which = draw_.pick(all);
    put(which, off(which.value));
    return true;
  }

  bool element() {
    const std::vector<Place> indices = places([&](const Place& place) {
      return dtype_of(place) == GP_I64 && script_.tensor_of(place.tensor).buffer_elements > 0;
    });
    if (indices.empty()) return false;
    const Place place = draw_.pick(indices);
    const std::vector<double> values = contents_of(script_, place.tensor);
    if (values.empty()) return false;
    const ValueId made = make(place, GP_I64, shape_of(place), values);
    const gp_tensor tensor = script_.tensors.back();
    const auto at = static_cast<std::size_t>(draw_.integer(0, std::ssize(values) - 1));
    script_.elements<Index>(tensor)[at] = off(static_cast<Index>(values[at]));
    put(place, made);
    return true;
  }

  bool shape() {
    const std::vector<Place> all = places([](const Place&) { return true; });
    if (all.empty()) return false;
    const Place place = draw_.pick(all);
    std::vector<Index> sizes = shape_of(place);
    const Index way = draw_.integer(0, 5);
    if (way == 0 && sizes.size() < GP_MAX_DIMS) {
      sizes.insert(sizes.begin() + draw_.integer(0, std::ssize(sizes)), draw_.integer(1, 3));
    } else if (sizes.empty()) {
      sizes.push_back(draw_.integer(0, 3));
    } else {
      const auto at = static_cast<std::size_t>(draw_.integer(0, std::ssize(sizes) - 1));
      if (way == 1) {
        sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        sizes[at] =
            draw_.pick(std::array<Index, 4>{sizes[at] + 1, std::max<Index>(sizes[at] - 1, 0), 2 * sizes[at], 0});
      }
    }
    put(place, remade(place, dtype_of(place), sizes));
    return true;
  }

  // Empty, too short, too long, or with one of its entries twice.
  template <class T>
  std::vector<T> other_list(std::vector<T> values) {
    const Index way = draw_.integer(0, 3);
    if (way == 0) values.clear();
    if (values.empty()) return values;
    if (way == 1) values.pop_back();
    if (way == 2) values.push_back(values.front());
    if (way == 3) values.back() = values.front();
    return values;
  }
  bool list() {
    std::vector<std::size_t> lists;
    for (std::size_t i = 0; i < wrong_.args.size(); ++i) {
      const std::uint32_t kind = wrong_.args[i].kind;
      const bool is_list = kind == GP_ARG_INTS || kind == GP_ARG_REALS || kind == GP_ARG_VALUES;
      if (is_list && wrong_.args[i].count > 0) lists.push_back(i);
    }
    if (lists.empty()) return false;
    gp_arg& arg = wrong_.args[draw_.pick(lists)];
    if (arg.kind == GP_ARG_INTS) {
      arg = script_.arg_ints(other_list(list_of(arg)));
      return true;
    }
    if (arg.kind == GP_ARG_REALS) {
      const auto first = script_.reals.begin() + static_cast<std::ptrdiff_t>(arg.u.index);
      const std::vector<double> other = other_list(std::vector<double>(first, first + arg.count));
      arg = script_.arg_reals(other);
      return true;
    }
    const auto first = script_.ids.begin() + static_cast<std::ptrdiff_t>(arg.u.index);
    const std::vector<ValueId> other = other_list(std::vector<ValueId>(first, first + arg.count));
    arg = script_.arg_values(other);
    return true;
  }

  // Numbers where indices or masks belong, and the other way round.
  bool dtype() {
    // Where engines promote integers the reference, which has no arithmetic of theirs, decides nothing.
    const bool floating = draw_.percent(15);
    const std::vector<Place> all = places_of_kind(floating);
    if (all.empty()) return false;
    const Place place = draw_.pick(all);
    const gp_dtype from = dtype_of(place);
    std::vector<gp_dtype> others;
    for (const gp_dtype to : {build_.subject.dtype, GP_I64, GP_BOOL}) {
      if (to != from && is_floating(to) != is_floating(from)) others.push_back(to);
    }
    put(place, remade(place, draw_.pick(others), shape_of(place)));
    return true;
  }

  const Domain* domain_of(const Place& place) const {
    std::size_t number = 0;
    for (std::size_t i = 0; i < place.arg; ++i) {
      const ArgType type = entry_.schema.args[i].type;
      number += type == ArgType::tensor || type == ArgType::tensor_list ? 1 : 0;
    }
    const std::vector<Domain>& domains = entry_.record.domain;
    const bool bounded =
        number < domains.size() && (domains[number].low > -infinity || domains[number].high < infinity);
    return bounded ? &domains[number] : nullptr;
  }
  double beyond(const Domain& domain) {
    std::vector<double> values;
    const auto offer = [&](double edge, bool open, double out) {
      if (std::isinf(edge)) return;
      if (open) values.push_back(edge);
      for (const double by : {0x1p-10, 1.0, 100.0, infinity}) values.push_back(edge + out * by);
    };
    offer(domain.low, domain.low_open, -1);
    offer(domain.high, domain.high_open, 1);
    return draw_.pick(values);
  }
  bool domain() {
    // Others' domains are what is worth drawing from.
    if (!entry_.elementwise) return false;
    const std::vector<Place> bounded = places([&](const Place& place) {
      return is_floating(dtype_of(place)) && domain_of(place) != nullptr && !contents_of(script_, place.tensor).empty();
    });
    if (bounded.empty()) return false;
    const Place place = draw_.pick(bounded);
    const Domain& within = *domain_of(place);
    std::vector<double> values = contents_of(script_, place.tensor);
    values[static_cast<std::size_t>(draw_.integer(0, std::ssize(values) - 1))] = beyond(within);
    if (draw_.percent(50)) values[static_cast<std::size_t>(draw_.integer(0, std::ssize(values) - 1))] = beyond(within);
    put(place, make(place, dtype_of(place), shape_of(place), values));
    return true;
  }

  // A row is zero, or the next one's; of a symmetric or triangular matrix the column, too.
  bool singular() {
    const std::vector<Place> square = places([&](const Place& place) {
      const std::vector<Index> sizes = shape_of(place);
      const std::size_t n = sizes.size();
      return is_floating(dtype_of(place)) && n >= 2 && sizes[n - 1] == sizes[n - 2] &&
             !contents_of(script_, place.tensor).empty();
    });
    if (square.empty()) return false;
    const Place place = draw_.pick(square);
    const std::vector<Index> sizes = shape_of(place);
    const auto n = static_cast<std::size_t>(sizes.back());
    std::vector<double> values = contents_of(script_, place.tensor);
    const Call::Prepared* as = prepared(place);
    const auto row = static_cast<std::size_t>(draw_.integer(0, sizes.back() - 1));
    const bool repeat = as == nullptr && n > 1 && draw_.percent(40);
    for (std::size_t col = 0; col < n; ++col) {
      values[row * n + col] = repeat ? values[(row + 1) % n * n + col] : 0;
      if (as != nullptr) values[col * n + row] = 0;
    }
    const ValueId made = make(place, dtype_of(place), sizes, values);
    if (as != nullptr) {
      Call::Prepared likewise = *as;
      likewise.tensor = made;
      wrong_.prepared.push_back(likewise);
    }
    put(place, made);
    return true;
  }

  bool absurd() {
    const std::vector<Place> floating = places_of_kind(true);
    if (entry_.elementwise && floating.size() > 1 && draw_.percent(80)) {
      // One number each, seen through strides of 0.
      TensorSpec spec = build_.spec(std::vector<Index>{Index{1} << 20U, 1});
      spec.strides = {0, 0};
      put(floating[0], script_.tensor(spec, "bad"));
      std::swap(spec.shape[0], spec.shape[1]);
      put(floating[1], script_.tensor(spec, "bad2"));
      return true;
    }
    const std::vector<Number> all = numbers();
    if (all.empty()) return false;
    put(draw_.pick(all), draw_.pick(absurd_sizes));
    return true;
  }

  Build& build_;
  RandomDraw& draw_;
  Script& script_;
  const Entry& entry_;
  Call wrong_;
};

}  // namespace

std::optional<Call> draw_wrong_call(Build& build) { return WrongCall(build).drawn(); }

}  // namespace gradproof
