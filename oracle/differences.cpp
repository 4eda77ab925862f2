#include "oracle/differences.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace gradproof {

namespace {

constexpr int most_rows = 11;
constexpr int least_rows = 3;
constexpr int most_columns = 6;
// Successive slopes of a function with a one-sided derivative approach each other at least like sqrt(h).
constexpr double settling = 0.75;
// Successive increments of a continuous function shrink at least like sqrt(h).
constexpr double closing = 0.8;
constexpr double rounding_deviation = 0.2886751345948129;  // 1/sqrt(12): of a rounding to a grid of 1
constexpr double off_grid = 0.6180339887498949;

struct Row {
  double h = 0, plus = 0, minus = 0;
};

// The ladder, coarse to fine, of the rows whose values are all finite.
struct Ladder {
  std::array<Row, most_rows> row{};
  int rows = 0;
  double ratio = 4;
  double at_zero = 0;
};

// Slopes of one kind along the ladder, coarse to fine, and what noise may have moved each by.
struct Column {
  std::array<double, most_rows> slope{}, noise{};
};

class Evaluator {
 public:
  explicit Evaluator(RealFunction phi) : phi_(phi) {}
  double operator()(double t) {
    ++count;
    try {
      return phi_(t);
    } catch (const std::exception&) {
      return std::numeric_limits<double>::quiet_NaN();
    }
  }
  int count = 0;

 private:
  RealFunction phi_;
};

int digits_of(double unit_roundoff) { return static_cast<int>(std::lround(-std::log2(unit_roundoff))); }

bool mostly_equal(std::span<const double, noise_points> values) {
  int equal = 0;
  for (std::size_t i = 1; i < values.size(); ++i) equal += values[i] == values[i - 1] ? 1 : 0;
  return equal > noise_points / 2;
}

// The largest power of two that divides a value. Where it lies beyond the last digits of many values, it is the grid
// of something larger that cancelled; linear functions on it can have vanishing second differences.
double grid_of(double value) {
  if (value == 0) return HUGE_VAL;
  int exponent = 0;
  constexpr int digits = std::numeric_limits<double>::digits;
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(std::fabs(value), &exponent), digits));
  return std::ldexp(1.0, exponent - digits + std::countr_zero(mantissa));
}

double grid_of(std::span<const double, noise_points> values) {
  double grid = HUGE_VAL;
  for (const double value : values) grid = std::min(grid, grid_of(value));
  return grid;
}

// On one side of 0 and not at 0, where a kink, a tie or a special case may sit. The steps are no power of
// two: these keep the same distance to the grid of a sum like e^x - 1, and its rounding would not show.
double noise_near_zero(Evaluator& phi, const DifferenceOptions& options) {
  double spacing = noise_spacing(options.unit_roundoff) * options.largest_step * 4 * off_grid;
  std::array<double, noise_points> values{};
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = phi(static_cast<double>(i + 1) * spacing);
    const bool finite = std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
    if (finite && !mostly_equal(values)) return std::max(noise_of(values), rounding_deviation * grid_of(values));
    // Values that stay the same are rounded more coarsely than the dtype says; those that are not finite
    // may be on the other side.
    spacing = finite ? spacing * 0x1p8 : -spacing;
  }
  const bool finite = std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  return finite ? noise_of(values) : 0;
}

// Fine to coarse, up to where the function stops being finite.
void climb(Evaluator& phi, const DifferenceOptions& options, Ladder& ladder) {
  const int digits = digits_of(options.unit_roundoff);
  ladder.ratio = digits >= 40 ? 4 : 2;
  const int wanted = digits >= 24 ? most_rows : std::max(least_rows, digits / 2 - 1);
  int first = wanted;
  while (first > 0) {
    Row& row = ladder.row[static_cast<std::size_t>(first - 1)];
    row.h = options.largest_step * std::pow(ladder.ratio, -(first - 1));
    row.plus = phi(row.h);
    row.minus = phi(-row.h);
    if (!std::isfinite(row.plus) || !std::isfinite(row.minus)) break;
    --first;
  }
  std::move(ladder.row.begin() + first, ladder.row.begin() + wanted, ladder.row.begin());
  ladder.rows = wanted - first;
}

// Where the finest step leaves the value as it is, values may be quantized by a cancellation that their own size
// does not tell: by the grid they lie on or by roundings of `magnitude`, and by no more than the smallest change.
double quantum(const Ladder& ladder, double Row::*side, const DifferenceOptions& options) {
  const Row& finest = ladder.row[static_cast<std::size_t>(ladder.rows - 1)];
  if (finest.*side != ladder.at_zero) return 0;
  double grid = HUGE_VAL, smallest = HUGE_VAL;
  for (int j = 0; j < ladder.rows; ++j) {
    const double value = ladder.row[static_cast<std::size_t>(j)].*side;
    if (value == ladder.at_zero) continue;
    smallest = std::min(smallest, std::fabs(value - ladder.at_zero));
    grid = std::min({grid, grid_of(value), grid_of(ladder.at_zero)});
  }
  const double roundings = 64 * options.unit_roundoff * options.magnitude;
  return std::isinf(smallest) ? roundings : std::min(smallest, std::max(roundings, grid));
}

// Σ over the rows used of what the noise of the values may do to T_jk, and the Richardson table
//   T_jk = T_j,k-1 + (T_j,k-1 - T_j-1,k-1)/(q_k - 1),   q_k = ratio^(k·order),
// whose entry T_jk has the error e_jk = |T_jk - T_j,k-1| ∨ |T_jk - T_j-1,k-1| + noise_jk. From the finest
// row up, entries are believed as long as their intervals T ± e have a common point and T_j0 changes no less from
// row to row than it did, beyond noise, at finer ones: past a pole, slopes agree on nothing.
Slope extrapolate(const Column& column, int rows, double ratio, int order, double unit_roundoff, int& used) {
  std::array<std::array<double, most_columns>, most_rows> value{}, noise{};
  for (std::size_t j = 0; j < static_cast<std::size_t>(rows); ++j) {
    value[j][0] = column.slope[j];
    noise[j][0] = column.noise[j];
    for (std::size_t k = 1; k <= j && k < most_columns; ++k) {
      const double q = std::pow(ratio, static_cast<double>(k) * order);
      value[j][k] = value[j][k - 1] + (value[j][k - 1] - value[j - 1][k - 1]) / (q - 1);
      noise[j][k] = (q * noise[j][k - 1] + noise[j - 1][k - 1]) / (q - 1);
    }
  }
  Slope best;
  double low = -HUGE_VAL, high = HUGE_VAL, finer_change = 0;
  for (std::size_t j = static_cast<std::size_t>(rows); j-- > 1;) {
    const double row_change = std::fabs(value[j][0] - value[j - 1][0]);
    const double row_noise = noise[j][0] + noise[j - 1][0];
    if (finer_change > row_change + row_noise) return best;
    finer_change = std::max(finer_change, row_change - row_noise);
    for (std::size_t k = 0; k <= j && k < most_columns; ++k) {
      const double t = value[j][k];
      const double change = k == 0 ? 2 * std::fabs(t - value[j - 1][0])
                                   : std::max(std::fabs(t - value[j][k - 1]), std::fabs(t - value[j - 1][k - 1]));
      const double error = change + noise[j][k] + 8 * unit_roundoff * std::fabs(t);
      if (!std::isfinite(t) || !std::isfinite(error)) break;
      if (t - error > high || t + error < low) {
        if (k == 0) return best;
        break;
      }
      low = std::max(low, t - error);
      high = std::min(high, t + error);
      if (error < best.error) {
        best = {t, error};
        used = static_cast<int>(j);
      }
    }
  }
  return best;
}

bool settles(const Column& column, int rows) {
  const auto n = static_cast<std::size_t>(rows);
  const double last = std::fabs(column.slope[n - 1] - column.slope[n - 2]);
  const double before = std::fabs(column.slope[n - 2] - column.slope[n - 3]);
  return last <= settling * before + 2 * (column.noise[n - 1] + column.noise[n - 2]);
}

bool closes(const Ladder& ladder, double Row::*side, double bound) {
  const auto change = [&](int back) {
    return std::fabs(ladder.row[static_cast<std::size_t>(ladder.rows - back)].*side - ladder.at_zero);
  };
  return change(1) <= 4 * bound || change(1) < closing * change(2) || change(2) < closing * change(3);
}

double largest_change(const Ladder& ladder) {
  double largest = 0;
  for (int j = 0; j < ladder.rows; ++j) {
    const Row& row = ladder.row[static_cast<std::size_t>(j)];
    largest = std::max({largest, std::fabs(row.plus - ladder.at_zero), std::fabs(row.minus - ladder.at_zero)});
  }
  return largest;
}

bool agree(const Slope& a, const Slope& b) { return std::fabs(a.value - b.value) <= a.error + b.error; }

struct Table {
  Column central, forward, backward;
};

Table slopes_of(const Ladder& ladder, double noise, const DifferenceOptions& options) {
  const double plus_quantum = quantum(ladder, &Row::plus, options);
  const double minus_quantum = quantum(ladder, &Row::minus, options);
  Table table;
  for (std::size_t j = 0; j < static_cast<std::size_t>(ladder.rows); ++j) {
    const Row& row = ladder.row[j];
    // Divided before they are subtracted where the difference itself would overflow.
    table.forward.slope[j] = row.plus / row.h - ladder.at_zero / row.h;
    table.backward.slope[j] = ladder.at_zero / row.h - row.minus / row.h;
    table.central.slope[j] = (row.plus / row.h - row.minus / row.h) / 2;
    const auto of = [&](double value, double tie) {
      const double largest = std::max(std::fabs(value), std::fabs(ladder.at_zero));
      return std::max(noise_bound * std::max(noise, options.unit_roundoff * largest), tie) +
             std::numeric_limits<double>::denorm_min();
    };
    const double plus = of(row.plus, plus_quantum), minus = of(row.minus, minus_quantum), zero = of(ladder.at_zero, 0);
    table.forward.noise[j] = (plus + zero) / row.h;
    table.backward.noise[j] = (minus + zero) / row.h;
    table.central.noise[j] = (plus + minus) / (2 * row.h);
  }
  return table;
}

void undefined(Differences& result, const char* reason) {
  result.status = Smoothness::undefined;
  result.reason = reason;
}

void decide(const Ladder& ladder, const Table& table, const DifferenceOptions& options, Differences& result) {
  const double bound = noise_bound * std::max(result.noise, options.unit_roundoff * std::fabs(ladder.at_zero));
  if (!closes(ladder, &Row::plus, bound) || !closes(ladder, &Row::minus, bound)) {
    result.status = Smoothness::jump;
    result.reason = "the values jump";
    return;
  }
  if (!settles(table.forward, ladder.rows) || !settles(table.backward, ladder.rows)) {
    return undefined(result, "the slopes do not settle");
  }
  if (!agree(result.forward, result.backward)) {
    const double gap = std::fabs(result.forward.value - result.backward.value);
    const bool clear = gap > 2 * (result.forward.error + result.backward.error);
    result.status = clear ? Smoothness::kink : Smoothness::noisy;
    if (!clear) result.reason = "a kink or noise";
    return;
  }
  const bool all = agree(result.central, result.forward) && agree(result.central, result.backward);
  const Slope& best = result.central;
  // A function that does not change beyond its noise is flat; one that does, by more than the slope tells, is lost.
  const double change = largest_change(ladder);
  const bool lost = best.error > std::fabs(best.value) / 2 && change > 4 * bound &&
                    best.error * options.largest_step > 0x1p-6 * change;
  result.status = all && !lost ? Smoothness::smooth : Smoothness::noisy;
  if (result.status == Smoothness::noisy) result.reason = all ? "lost in noise" : "the slopes disagree";
}

}  // namespace

const char* name_of(Smoothness status) {
  switch (status) {
    case Smoothness::smooth: return "smooth";
    case Smoothness::kink: return "kink";
    case Smoothness::jump: return "jump";
    case Smoothness::noisy: return "noisy";
    case Smoothness::undefined: return "undefined";
  }
  return "";
}

double Differences::low() const {
  if (status == Smoothness::smooth) return central.value - central.error;
  if (status == Smoothness::kink) return std::min(forward.value - forward.error, backward.value - backward.error);
  return -HUGE_VAL;
}

double Differences::high() const {
  if (status == Smoothness::smooth) return central.value + central.error;
  if (status == Smoothness::kink) return std::max(forward.value + forward.error, backward.value + backward.error);
  return HUGE_VAL;
}

double noise_spacing(double unit_roundoff) { return std::exp2(-std::floor(digits_of(unit_roundoff) / 2.0)); }

double noise_of(std::span<const double, noise_points> values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  if (largest == 0 || !std::isfinite(largest)) return largest;
  int exponent = 0;
  std::frexp(largest, &exponent);
  std::array<double, noise_points> difference{};
  for (std::size_t i = 0; i < values.size(); ++i) difference[i] = std::ldexp(values[i], -exponent);

  // For independent noise of deviation σ, E[(Δᵏφ)²] = σ² (2k)!/(k!)².
  constexpr std::size_t orders = 6;
  std::array<double, orders + 1> sigma{};
  std::array<bool, orders + 1> alternates{};
  double gamma = 1;
  for (std::size_t k = 1; k <= orders; ++k) {
    const std::size_t count = values.size() - k;
    double squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
      difference[i] = difference[i + 1] - difference[i];
      squares += difference[i] * difference[i];
      if (i > 0 && difference[i] * difference[i - 1] < 0) alternates[k] = true;
    }
    gamma *= static_cast<double>(k) / static_cast<double>(2 * (2 * k - 1));
    sigma[k] = std::sqrt(gamma * squares / static_cast<double>(count));
  }
  double found = std::max({sigma[4], sigma[5], sigma[6]});
  for (std::size_t k = 1; k + 2 <= orders; ++k) {
    const auto [least, most] = std::minmax({sigma[k], sigma[k + 1], sigma[k + 2]});
    if (alternates[k] && most <= 4 * least) {
      found = most;
      break;
    }
  }
  return std::ldexp(found, exponent);
}

Differences differentiate(RealFunction phi, const DifferenceOptions& options) {
  Differences result;
  Evaluator evaluate(phi);
  Ladder ladder;
  ladder.at_zero = evaluate(0);
  if (std::isfinite(ladder.at_zero)) {
    result.noise = std::max(noise_near_zero(evaluate, options), options.least_noise);
    climb(evaluate, options, ladder);
  }
  result.evaluations = evaluate.count;
  if (!std::isfinite(ladder.at_zero)) {
    undefined(result, "the value is not finite");
    return result;
  }
  if (ladder.rows < least_rows) {
    undefined(result, "values nearby are not finite");
    return result;
  }
  const Table table = slopes_of(ladder, result.noise, options);
  int used = 0;
  const double u = options.unit_roundoff;
  result.forward = extrapolate(table.forward, ladder.rows, ladder.ratio, 1, u, used);
  result.backward = extrapolate(table.backward, ladder.rows, ladder.ratio, 1, u, used);
  result.central = extrapolate(table.central, ladder.rows, ladder.ratio, 2, u, used);
  result.step = ladder.row[static_cast<std::size_t>(used)].h;
  const auto known = [](const Slope& slope) { return std::isfinite(slope.value) && std::isfinite(slope.error); };
  if (known(result.forward) && known(result.backward) && known(result.central)) {
    decide(ladder, table, options, result);
  } else {
    undefined(result, "the slopes are not finite");
  }
  return result;
}

}  // namespace gradproof
