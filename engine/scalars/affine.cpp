#include "engine/scalars/affine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/scalars/arb_support.h"

namespace gradproof {

namespace {

using affine::Ball;

struct Term {
  double factor;
  std::uint32_t symbol;
};

struct Form {
  long double center;
  long double rest;
  std::size_t first;  // among the terms
  std::size_t count;
};

// Beyond this the smaller half of the terms goes into the rest.
constexpr std::size_t most_symbols = 256;
// Forms of one run; what is beyond has none.
constexpr std::size_t most_terms = std::size_t{1} << 23U;
// Covers the roundings of a few operations on long doubles, of u = 2^-64 each, and of a factor stored as a double.
constexpr long double few_roundings = 0x1p-60L;
constexpr long double grow = 1 + 0x1p-50L;
constexpr long double stored_as_double = 0x1p-52L;
// What is smaller goes into the rest, where a double would lose digits.
constexpr long double least_factor = 0x1p-900L;
constexpr long double least = 0x1p-16000L;

// All forms of the run that is under way. An id is never used twice, so that a ball from another run has none.
struct Forms {
  bool in_force = false;
  std::uint64_t first_id = 1;
  std::uint32_t symbols = 0;
  std::vector<Form> forms;
  std::vector<Term> terms;
  std::vector<Term> made;  // the terms of the form that is being made
  std::vector<double> sizes;
};
thread_local Forms run;  // NOLINT(cert-err58-cpp): its vectors are empty

// A form, or that of a ball without one.
struct View {
  long double center = 0;
  long double rest = 0;
  std::size_t first = 0;
  std::size_t count = 0;
  long double most = 0;  // |x - center|

  Term term(std::size_t i) const { return run.terms[first + i]; }
};

const Form* find(const FormId& id) {
  const std::uint64_t at = id.value() - run.first_id;
  return run.in_force && id.value() >= run.first_id && at < run.forms.size() ? &run.forms[at] : nullptr;
}

long double deviation_of(const View& x) {
  long double sum = x.rest;
  for (std::size_t i = 0; i < x.count; ++i) sum += std::fabs(static_cast<long double>(x.term(i).factor));
  return sum * grow;
}

View view_of(const FormId& id) {
  const Form* form = find(id);
  if (form == nullptr) return {};
  View x{form->center, form->rest, form->first, form->count, 0};
  x.most = deviation_of(x);
  return x;
}

View view_of(const Ball& x) {
  const auto [mid, rad] = x.enclosure();
  if (find(x.form()) == nullptr) return {mid, rad, 0, 0, rad};
  View view = view_of(x.form());
  view.most = std::min(view.most, (std::fabs(mid - view.center) + rad) * grow);
  return view;
}

// The numbers of a form under construction: a A + b B around `center`, and what goes into the rest.
struct Draft {
  long double center = 0;
  long double rest = 0;
  long double spread = 0;  // of the terms

  void put(long double factor, std::uint32_t symbol, long double size) {
    rest += size * few_roundings;
    const long double magnitude = std::fabs(factor);
    if (magnitude < least_factor) {
      rest += magnitude;
      return;
    }
    rest += magnitude * stored_as_double;
    spread += magnitude;
    run.made.push_back({static_cast<double>(factor), symbol});
  }
  void combine(long double a, const View& x, long double b, const View& y) {
    run.made.clear();
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < x.count || j < y.count) {
      const std::uint32_t of_x = i < x.count ? x.term(i).symbol : UINT32_MAX;
      const std::uint32_t of_y = j < y.count ? y.term(j).symbol : UINT32_MAX;
      const long double from_x = of_x <= of_y ? a * static_cast<long double>(x.term(i++).factor) : 0;
      const long double from_y = of_y <= of_x ? b * static_cast<long double>(y.term(j++).factor) : 0;
      put(from_x + from_y, std::min(of_x, of_y), std::fabs(from_x) + std::fabs(from_y));
    }
    rest += std::fabs(a) * x.rest + std::fabs(b) * y.rest;
  }
  void set_center(long double value, long double size) {
    center = value;
    rest += size * few_roundings;
  }
};

void condense(long double& rest) {
  run.sizes.clear();
  for (const Term& term : run.made) run.sizes.push_back(std::fabs(term.factor));
  const auto middle = run.sizes.begin() + static_cast<std::ptrdiff_t>(run.sizes.size() / 2);
  std::nth_element(run.sizes.begin(), middle, run.sizes.end());
  const double threshold = *middle;
  std::size_t left = run.made.size() - run.made.size() / 2;
  std::erase_if(run.made, [&](const Term& term) {
    if (left == 0 || std::fabs(term.factor) > threshold) return false;
    --left;
    rest += std::fabs(static_cast<long double>(term.factor));
    return true;
  });
}

// Enters what the draft and run.made hold; no form where a number of it is not finite or there is no room.
FormId entered(const Draft& draft) {
  const bool finite = std::isfinite(draft.center) && std::isfinite(draft.rest + draft.spread) &&
                      draft.spread < static_cast<long double>(std::numeric_limits<double>::max());
  if (!finite || run.terms.size() + run.made.size() > most_terms) return {};
  long double rest = draft.rest * grow + least;
  if (run.made.size() > most_symbols) condense(rest);
  run.forms.push_back({draft.center, rest * grow, run.terms.size(), run.made.size()});
  run.terms.insert(run.terms.end(), run.made.begin(), run.made.end());
  return FormId(run.first_id + run.forms.size() - 1);
}

// Cuts the ball to what the form allows.
void narrow(Ball& result, const FormId& id) {
  const View form = view_of(id);
  const auto [mid, rad] = result.enclosure();
  const long double slack = rad * 0x1p-10L;
  const bool cuts = form.center + form.most < mid + rad - slack || form.center - form.most > mid - rad + slack;
  if (!cuts) return;
  ArbNumber allowed = arb::from_long_double(form.center);
  const ArbNumber radius = arb::from_long_double(form.most * grow);
  arb_add_error(allowed.get(), radius.get());
  ArbNumber both;
  if (arb_intersection(both.get(), result.number().get(), allowed.get(), arb_precision) != 0) {
    arb_swap(result.number().get(), both.get());
  }
}

long double size_of(const ArbNumber& x) {
  arb::Magnitude size;
  arb_get_mag(size.get(), x.get());
  return affine::upper_bound(size.get());
}

// The draft is of the exact result of an engine's operands: its own is off by so much.
Ball with_form(Ball result, Draft draft, const affine::Off& off = {}) {
  draft.rest += off.absolute;
  if (off.relative > 0) {
    const long double size = (std::fabs(draft.center) + draft.spread + draft.rest) * grow;
    draft.rest += off.relative * std::min(size, size_of(result.number()));
  }
  FormId id = entered(draft);
  if (id.value() == 0) return result;
  narrow(result, id);
  result.set_form(std::move(id));
  return result;
}

bool has_extent(const Ball& x) { return x.is_finite() && !x.is_exact() && x.in_range(); }

}  // namespace

AffineForms::AffineForms() {
  run.first_id += run.forms.size();
  run.forms.clear();
  run.terms.clear();
  run.symbols = 0;
  run.in_force = true;
}
AffineForms::~AffineForms() { run.in_force = false; }

namespace affine {

bool in_force() { return run.in_force; }

Ball::Enclosure range_of(const Ball& x) {
  const View view = view_of(x);
  return {view.center, view.most};
}
std::size_t symbols_of(const Ball& x) { return view_of(x.form()).count; }

bool applies(const Ball& result, const Ball& x) { return run.in_force && has_extent(result) && x.in_range(); }

long double upper_bound(mag_srcptr x) {
  arb::Bound bound;
  arf_set_mag(bound.get(), x);
  return arb::to_long_double(bound.get()) * grow + least;
}

Off allowed(const Budget& budget) {
  const NumberFormat& format = format_under_test;
  if (!format.rounds()) return {};
  return {static_cast<long double>(budget.value_u * format.u) * grow, 2 * static_cast<long double>(format.eta)};
}

long double underflow(const ArbNumber& a, const ArbNumber& b) {
  return static_cast<long double>(format_under_test.eta) * std::max(1.0L, size_of(a)) * std::max(1.0L, size_of(b)) *
         grow;
}

Ball negated(Ball result, const Ball& x) {
  if (!applies(result, x)) return result;
  Draft draft;
  const View view = view_of(x);
  draft.combine(-1, view, 0, {});
  draft.center = -view.center;
  return with_form(std::move(result), draft);
}

Ball sum(Ball result, const Ball& a, const Ball& b, const Off& off) {
  if (!applies(result, a) || !b.in_range()) return result;
  const View x = view_of(a);
  const View y = view_of(b);
  Draft draft;
  draft.combine(1, x, 1, y);
  draft.set_center(x.center + y.center, std::fabs(x.center) + std::fabs(y.center));
  return with_form(std::move(result), draft, off);
}

namespace {
// a b = a0 b0 + b0 (a - a0) + a0 (b - b0) + (a - a0)(b - b0)
void multiply(Draft& draft, const View& x, const View& y) {
  draft.combine(y.center, x, x.center, y);
  const long double center = x.center * y.center;
  draft.set_center(center, std::fabs(center));
  draft.rest += x.most * y.most;
}
}  // namespace

Ball product(Ball result, const Ball& a, const Ball& b, const Off& off) {
  if (!applies(result, a) || !b.in_range()) return result;
  Draft draft;
  multiply(draft, view_of(a), view_of(b));
  return with_form(std::move(result), draft, off);
}

// a/b = q + (a - q b)/b,  q = a0/b0;  1/b = 1/b0 + (b0 - b)/(b0 b)
Ball quotient(Ball result, const Ball& a, const Ball& b, const Off& off) {
  if (!applies(result, a) || !b.in_range()) return result;
  const View x = view_of(a);
  const View y = view_of(b);
  const auto [mid, rad] = b.enclosure();
  const long double nearest = (std::fabs(mid) - rad) * (1 - few_roundings);
  if (!(nearest > 0) || y.center == 0) return result;
  const long double q = x.center / y.center;
  Draft draft;
  draft.combine(1 / y.center, x, -q / y.center, y);
  const long double spread = (draft.spread + draft.rest) * grow;  // of (a - q b)/b0
  draft.set_center(q, std::fabs(q));
  draft.rest += spread * y.most / nearest;
  draft.rest += std::fabs(x.center) * few_roundings / nearest;  // a0 - q b0
  return with_form(std::move(result), draft, off);
}

// One of a and b: (a + b)/2 and at most half their difference to either side.
Ball either(Ball result, const Ball& a, const Ball& b) {
  if (!applies(result, a) || !b.in_range()) return result;
  View x = view_of(a);
  View y = view_of(b);
  const long double rest = std::max(x.rest, y.rest);
  x.rest = y.rest = 0;
  Draft apart;
  apart.combine(0.5L, x, -0.5L, y);
  Draft draft;
  draft.combine(0.5L, x, 0.5L, y);
  const long double size = std::fabs(x.center) + std::fabs(y.center);
  draft.set_center(x.center / 2 + y.center / 2, size);
  draft.rest += rest + apart.spread + apart.rest + std::fabs(x.center - y.center) / 2;
  return with_form(std::move(result), draft);
}

Ball stored(Ball x) {
  if (!run.in_force || !has_extent(x)) return x;
  const View view = view_of(x);
  if (view.rest == 0) return x;
  Draft draft;
  draft.combine(1, view, 0, {});
  draft.center = view.center;
  const long double own = draft.rest * grow;
  draft.rest = 0;
  draft.put(own * (1 + stored_as_double), ++run.symbols, own);
  return with_form(std::move(x), draft);
}

// --- sums ---

FormId extended(const FormId& so_far, std::size_t count, const Ball& term) {
  if (!run.in_force || (count > 1 && find(so_far) == nullptr)) return {};
  const View before = view_of(so_far);
  const View x = view_of(term);
  Draft draft;
  draft.combine(1, before, 1, x);
  draft.set_center(before.center + x.center, std::fabs(before.center) + std::fabs(x.center));
  return entered(draft);
}

FormId extended(const FormId& so_far, std::size_t count, const Ball& a, const Ball& b) {
  if (!run.in_force || (count > 1 && find(so_far) == nullptr)) return {};
  Draft draft;
  multiply(draft, view_of(a), view_of(b));
  const FormId term = entered(draft);
  if (term.value() == 0) return {};
  const View before = view_of(so_far);
  const View x = view_of(term);
  Draft all;
  all.combine(1, before, 1, x);
  all.set_center(before.center + x.center, std::fabs(before.center) + std::fabs(x.center));
  // Nobody but this sum needs the term.
  run.terms.resize(run.forms.back().first);
  run.forms.pop_back();
  return entered(all);
}

Ball total(Ball result, const FormId& sum, const Off& off) {
  if (!run.in_force || !has_extent(result) || find(sum) == nullptr) return result;
  const View x = view_of(sum);
  Draft draft;
  draft.combine(1, x, 0, {});
  draft.center = x.center;
  return with_form(std::move(result), draft, off);
}

// --- functions ---

Around::Around(const Ball& x) {
  const auto [mid, rad] = x.enclosure();
  const long double center = view_of(x).center;
  const long double at = std::clamp(center, mid - rad, mid + rad);
  point = arb::from_long_double(at);
  range = arb::from_long_double(mid);
  const ArbNumber radius = arb::from_long_double(rad * grow);
  arb_add_error(range.get(), radius.get());
}

Ball mean_value(Ball result, const ArbNumber& at_point, std::span<const Slope> slopes, const Off& off) {
  if (arb_is_finite(at_point.get()) == 0) return result;
  const auto [value, error] = ArbBall<Exact>(at_point).enclosure();
  std::array<View, 2> views;
  std::array<long double, 2> factors{};
  Draft draft;
  draft.set_center(value, std::fabs(value));
  draft.rest += error;
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    const Slope& one = slopes[i];
    if (arb_is_finite(one.slope.get()) == 0) return result;
    const auto [slope, spread] = ArbBall<Exact>(one.slope).enclosure();
    const auto point = ArbBall<Exact>(one.around->point).enclosure().mid;
    views[i] = view_of(*one.x);
    factors[i] = slope;
    const auto [mid, rad] = one.x->enclosure();
    const long double shift = views[i].center - point;
    const long double most = std::min(views[i].most + std::fabs(shift), rad + std::fabs(mid - point)) * grow;
    draft.set_center(draft.center + slope * shift, std::fabs(draft.center) + std::fabs(slope * shift));
    draft.rest += spread * most;
  }
  draft.combine(factors[0], views[0], factors[1], views[1]);
  return with_form(std::move(result), draft, off);
}

}  // namespace affine
}  // namespace gradproof
