// Connectionist temporal classification (Graves et al. 2006): the negative log-likelihood of a sequence of labels
// under log-probabilities of shape [T, N, C], summed over every way to spell it with repeats and blanks.
#include <algorithm>

#include "engine/operators/ctc_lattice.h"
#include "engine/operators/families.h"
#include "engine/operators/loss_reduction.h"
#include "engine/sampling.h"

namespace gradproof {

namespace {

// --- sums over ways, of logarithms ---

template <class T>
Var<T> positions(Tape<T>& tape, Sizes sizes, const Places& places) {
  const Tensor<T> made = tape.allocate(Kind::integer, sizes);
  std::copy(places.begin(), places.end(), made.integers());
  return tape.constant(made);
}
template <class T>
Var<T> taken(const Var<T>& from, const Places& places) {
  return named("take", {from, positions(from.tape(), std::array{std::ssize(places)}, places)}, {});
}

// For each group the elements it names, one group a column; where a group has fewer than another, the mask says so.
template <class T>
struct Columns {
  Columns(Tape<T>& tape, const std::vector<Places>& groups) {
    std::size_t rows = 0;
    for (const Places& group : groups) rows = std::max(rows, group.size());
    const std::array<Index, 2> sizes{static_cast<Index>(rows), std::ssize(groups)};
    Places all(rows * groups.size());
    const Tensor<T> there = tape.allocate(Kind::boolean, sizes);
    for (std::size_t at = 0; at < all.size(); ++at) {
      const Places& group = groups[at % groups.size()];
      const bool has = at / groups.size() < group.size();
      there.booleans()[at] = truth(has);
      all[at] = has ? group[at / groups.size()] : group.front();
    }
    index = positions(tape, sizes, all);
    mask = tape.constant(there);
  }
  Var<T> of(const Var<T>& x, double otherwise) const {
    return select(mask, named("take", {x, index}, {}), x.tape().number(Scalar<T>::leaf(otherwise)));
  }

  Var<T> index;
  Var<T> mask;
};
constexpr DimSet rows_dim = 1;

// log Σ exp x over each group. Engines may add the terms pair by pair: a step more is off by u(|y| + 3) (DLMF 4.2 and
// the budgets of exp, log and the sum), and does not amplify what was off before.
template <class T>
Var<T> log_sums(const Var<T>& x, const std::vector<Places>& groups) {
  Tape<T>& tape = x.tape();
  const Columns<T> columns(tape, groups);
  const Index rows = columns.index.size(0);
  const Arg<T> along = list_arg(tape, std::array<Index, 1>{0});
  const Var<T> y = named("logsumexp", {columns.of(x, -infinity)}, {along, flag_arg<T>(false)});
  if (rows < 3 || !HasHull<T>) return y;
  const Tensor<T> sums = tape.contiguous(y.value());
  const Tensor<T> off = tape.allocate(Kind::real, sums.sizes());
  for (Index i = 0; i < off.numel; ++i) {
    const T most = count_as_number<T>(rows - 2) * unit_roundoff<T>() * (abs(sums.real()[i]) + 3);
    off.real()[i] = widened(Scalar<T>::leaf(0), most);
  }
  return y + tape.constant(off);
}

template <class Step>
std::vector<Places> grouped(const Places& states, Step step) {
  std::vector<Places> groups;
  for (const Index s : states) groups.push_back(step(s));
  return groups;
}
Places counted(std::size_t n) {
  Places all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = static_cast<Index>(i);
  return all;
}

// α_t(s): the logarithm of all ways from the start to s at t, what is spelled at t included.
template <class T>
std::vector<Var<T>> forward_sums(const CtcCall<T>& call, const Lattice& lattice, const Var<T>& flat) {
  std::vector<Var<T>> sums;
  for (std::size_t t = 0; t < lattice.live.size(); ++t) {
    const Var<T> spelled = taken(flat, call.places(lattice, t, lattice.live[t]));
    const auto before = [&](Index s) { return lattice.before(s, lattice.live[t - 1]); };
    sums.push_back(t == 0 ? spelled : log_sums(sums.back(), grouped(lattice.live[t], before)) + spelled);
  }
  return sums;
}
// β_t(s): of all ways from s at t to the end, likewise.
template <class T>
std::vector<Var<T>> backward_sums(const CtcCall<T>& call, const Lattice& lattice, const Var<T>& flat) {
  std::vector<Var<T>> sums(lattice.live.size());
  for (std::size_t t = sums.size(); t-- > 0;) {
    const Var<T> spelled = taken(flat, call.places(lattice, t, lattice.live[t]));
    const auto behind = [&](Index s) { return lattice.behind(s, lattice.live[t + 1]); };
    const bool last = t + 1 == sums.size();
    sums[t] = last ? spelled : log_sums(sums[t + 1], grouped(lattice.live[t], behind)) + spelled;
  }
  return sums;
}
template <class T>
Var<T> log_likelihood(const std::vector<Var<T>>& forward) {
  return log_sums(forward.back(), {counted(static_cast<std::size_t>(forward.back().numel()))});
}

template <class T>
Var<T> joined(Tape<T>& tape, const std::vector<Var<T>>& parts) {
  return tape.call(tape.catalogue().named("cat"), std::span<const Var<T>>(parts), kept_args(tape, {integer_arg<T>(0)}));
}

// --- the operator ---

struct CtcLikelihood {
  static constexpr const char* schema =
      "_ctc_nll(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank, "
      "bool zero_infinity) -> Tensor";

  template <class T>
  static Var<T> flat(const Var<T>& log_probs) {
    return reshape_to(log_probs, std::array{log_probs.numel()});
  }
  // 0 of each sample: what is asked where no way leads rests on all of it, for -∞ may meet a NaN there.
  template <class T>
  static Var<T> touched(const Var<T>& log_probs) {
    const DimSet times_and_classes = DimSet{1} | DimSet{1} << (log_probs.ndim() - 1);
    return sum_over(log_probs, times_and_classes, true) * 0;
  }
  // Without a way: -log 0, or 0 where nothing is asked for and no time is there to say it in.
  template <class T>
  static Var<T> unspelled(Tape<T>& tape, const CtcCall<T>& call, const Lattice& lattice) {
    const bool silent = lattice.live.empty() && lattice.states() == 1;
    return tape.filled(std::array<Index, 1>{1}, Scalar<T>::leaf(silent || call.zero_infinity ? 0 : infinity));
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    real_input(node, 0);
    const CtcCall<T> call(tape, node);
    const Var<T> x = flat(tape.constant(node.in(0)));
    std::vector<Var<T>> losses;
    for (const Lattice& lattice : call.lattices) {
      losses.push_back(lattice.spelled() ? -log_likelihood(forward_sums(call, lattice, x))
                                         : unspelled(tape, call, lattice));
    }
    Var<T> all = joined(tape, losses);
    if constexpr (std::is_same_v<T, Defined>) {
      all = all + reshape_to(touched(tape.constant(node.in(0))), std::array{call.samples});
    }
    set_outputs(tape, node, {tape.contiguous(all.value())});
  }
  // -g P(label at t | the labels): exp(log Σ_{s of the label} α β / spelled + nll). Engines add exp(log_probs) g, which
  // log_softmax's derivative takes away again: Σ over the labels of both is g - g.
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const CtcCall<T> call(tape, node);
    const Var<T> x = flat(input(tape, node, 0));
    Places places;
    std::vector<Var<T>> slopes;
    for (const Lattice& lattice : call.lattices) {
      if (lattice.spelled()) add_slopes(call, lattice, x, taken(grads[0], {lattice.sample}), places, slopes);
    }
    const Var<T> nothing = zeros(tape, x.sizes());
    const Var<T> there =
        places.empty() ? nothing
                       : named("index_copy",
                               {nothing, positions(tape, std::array{std::ssize(places)}, places), joined(tape, slopes)},
                               {integer_arg<T>(0)});
    const Var<T> slope = reshape_to(no_slope(tape, call, there), node.in(0).sizes());
    into[0] = slope;
    // That term is as good as read where it is asked what a gradient rests on.
    const bool chosen = std::is_same_v<T, Defined> ||
                        (tape.admitted && HasHull<T> && tape.choose(tape.key_of(node) | 0xfffffff0U, 2) == 1);
    if (!chosen) return;
    const std::array<Index, 3> each{1, call.samples, 1};
    Var<T> term = exp(input(tape, node, 0));
    if constexpr (std::is_same_v<T, Defined>) term = term + touched(input(tape, node, 0));
    const Var<T> weights = select(said(tape, call), term, 0);
    into[0] = slope + weights * expand_to(reshape_to(grads[0], each), node.in(0).sizes());
  }
  template <class T>
  static void add_slopes(const CtcCall<T>& call, const Lattice& lattice, const Var<T>& x, const Var<T>& g,
                         Places& places, std::vector<Var<T>>& slopes) {
    const std::vector<Var<T>> forward = forward_sums(call, lattice, x);
    const std::vector<Var<T>> backward = backward_sums(call, lattice, x);
    const Var<T> likelihood = log_likelihood(forward);
    for (std::size_t t = 0; t < forward.size(); ++t) {
      Places labels;
      std::vector<Places> groups;
      for (std::size_t i = 0; i < lattice.live[t].size(); ++i) {
        const Index label = lattice.label(lattice.live[t][i]);
        const auto known = std::find(labels.begin(), labels.end(), label) - labels.begin();
        if (known == std::ssize(labels)) {
          labels.push_back(label);
          groups.emplace_back();
        }
        groups[static_cast<std::size_t>(known)].push_back(static_cast<Index>(i));
      }
      Places at;
      for (const Index label : labels) at.push_back(call.place(static_cast<Index>(t), lattice.sample, label));
      const Var<T> ways = log_sums(forward[t] + backward[t], groups) - taken(x, at);
      slopes.push_back(-(exp(ways - likelihood) * g));
      places.insert(places.end(), at.begin(), at.end());
    }
  }
  // NaN where a sample has no way and says so by an infinite loss.
  template <class T>
  static Var<T> no_slope(Tape<T>& tape, const CtcCall<T>& call, const Var<T>& slope) {
    const auto infinite = [&](const Lattice& lattice) { return !lattice.spelled() && !call.zero_infinity; };
    if (std::none_of(call.lattices.begin(), call.lattices.end(), infinite)) return slope;
    const Tensor<T> mask = tape.allocate(Kind::boolean, slope.sizes());
    mark(call, mask, infinite);
    return select(tape.constant(mask), tape.number(Scalar<T>::leaf(std::numeric_limits<double>::quiet_NaN())), slope);
  }
  // Where an engine has a gradient other than 0: within the sample's length.
  template <class T>
  static Var<T> said(Tape<T>& tape, const CtcCall<T>& call) {
    const Tensor<T> mask = tape.allocate(Kind::boolean, std::array{call.steps, call.samples, call.classes});
    mark(call, mask, [&](const Lattice& lattice) { return lattice.spelled(); });
    return tape.constant(mask);
  }
  template <class T, class Which>
  static void mark(const CtcCall<T>& call, const Tensor<T>& mask, Which which) {
    std::fill_n(mask.booleans(), mask.numel, Truth::no);
    for (const Lattice& lattice : call.lattices) {
      if (!which(lattice)) continue;
      for (Index t = 0; t < std::ssize(lattice.live); ++t) {
        std::fill_n(mask.booleans() + call.place(t, lattice.sample, 0), call.classes, Truth::yes);
      }
    }
  }

  // α̇_t(s) = Σ w α̇_{t-1} + what is spelled, w the share that each way before has of their sum
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const CtcCall<T> call(tape, node);
    const Var<T> x = flat(input(tape, node, 0));
    const Var<T> dx = flat(tangents[0]);
    std::vector<Var<T>> slopes;
    for (const Lattice& lattice : call.lattices) {
      if (lattice.spelled()) {
        slopes.push_back(-likelihood_tangent(call, lattice, x, dx));
      } else {
        const T undefined = Scalar<T>::leaf(std::numeric_limits<double>::quiet_NaN());
        const bool none = call.zero_infinity || lattice.live.empty();
        slopes.push_back(tape.filled(std::array<Index, 1>{1}, none ? Scalar<T>::leaf(0) : undefined));
      }
    }
    into[0] = joined(tape, slopes);
  }
  template <class T>
  static Var<T> likelihood_tangent(const CtcCall<T>& call, const Lattice& lattice, const Var<T>& x, const Var<T>& dx) {
    const std::vector<Var<T>> sums = forward_sums(call, lattice, x);
    Var<T> tangent;
    for (std::size_t t = 0; t < sums.size(); ++t) {
      const Var<T> spelled = taken(dx, call.places(lattice, t, lattice.live[t]));
      const auto before = [&](Index s) { return lattice.before(s, lattice.live[t - 1]); };
      tangent = t == 0 ? spelled : shared(sums[t - 1], tangent, grouped(lattice.live[t], before)) + spelled;
    }
    return shared(sums.back(), tangent, {counted(static_cast<std::size_t>(tangent.numel()))});
  }
  // Σ exp(x) t / Σ exp(x) over each group
  template <class T>
  static Var<T> shared(const Var<T>& x, const Var<T>& t, const std::vector<Places>& groups) {
    const Columns<T> columns(x.tape(), groups);
    const Var<T> shares = named("softmax.int", {columns.of(x, -infinity)}, {integer_arg<T>(0), Arg<T>{}});
    return sum_over(shares * columns.of(t, 0), rows_dim, false);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_input(1);
  }
};

// --- the records ---

// Lengths come as a list or as a tensor.
template <class T>
Arg<T> lengths_of(Tape<T>& tape, const Var<T>& lengths) {
  if (lengths.value().kind != Kind::integer) throw EngineError(GP_DTYPE, "lengths must be integers");
  const Tensor<T> values = tape.contiguous(lengths.value());
  return list_arg(tape, Sizes{values.integers(), static_cast<std::size_t>(values.numel)});
}

template <class T>
Var<T> ctc_loss(const CompositeCall<T>& call, const Arg<T>& input_lengths, const Arg<T>& target_lengths,
                std::size_t blank_arg) {
  Var<T> x = call[0];
  const bool batched = x.ndim() == 3;
  if (!batched && x.ndim() != 2) throw EngineError(GP_SHAPE, "log_probs of shape " + to_text(x.sizes()));
  if (x.numel() == 0) throw EngineError(GP_SHAPE, "log_probs must not be empty");
  if (call[1].value().kind != Kind::integer) throw EngineError(GP_DTYPE, "targets must be an i64 tensor");
  if (call[1].ndim() < 1 || call[1].ndim() > 2 || (call[1].ndim() == 2 && call[1].size(0) != (batched ? x.size(1) : 1)))
    throw EngineError(GP_SHAPE, "targets of shape " + to_text(call[1].sizes()));
  const Reduction reduction = reduction_of(call, blank_arg + 1);
  if (!batched) x = reshape_to(x, std::array<Index, 3>{x.size(0), 1, x.size(1)});
  const Var<T> loss = call_rule<CtcLikelihood>(
      call.tape, {x, call[1]}, {input_lengths, target_lengths, call.arg(blank_arg), call.arg(blank_arg + 2)});
  if (reduction == Reduction::none) return batched ? loss : reshape_to(loss, {});
  if (reduction == Reduction::sum) return whole_sum(loss);
  const Tensor<T> lengths = call.tape.allocate(Kind::real, loss.sizes());
  for (Index n = 0; n < lengths.numel; ++n) {
    const Index length = list(target_lengths)[static_cast<std::size_t>(n)];
    lengths.real()[n] = count_as_number<T>(std::max<Index>(length, 1));
  }
  return call("mean", loss / call.tape.constant(lengths), {call.none()});
}

// Labels other than the blank, of which each sample can spell its own; not all of them where an infinite loss is 0.
struct DrawnLabels {
  DrawnLabels(Draw& draw, Index steps, Index samples, Index classes, Index blank, bool any) {
    for (Index n = 0; n < samples; ++n) {
      const Index time = draw.one_in(3) ? draw.integer(1, steps) : steps;
      Places drawn;
      Index needed = 0;
      for (Index wanted = draw.integer(0, 3); wanted > 0; --wanted) {
        const Index label = (blank + draw.integer(1, classes - 1)) % classes;
        needed += !drawn.empty() && drawn.back() == label ? 2 : 1;
        if (needed > time && !any) break;
        drawn.push_back(label);
      }
      times.push_back(time);
      lengths.push_back(std::ssize(drawn));
      labels.push_back(std::move(drawn));
    }
  }
  // One after the other, or a row for each sample, filled up with any label.
  void put(Draw& draw, Index filler) const {
    Places all;
    if (draw.coin()) {
      for (const Places& one : labels) all.insert(all.end(), one.begin(), one.end());
      draw.integers("targets", std::array{std::ssize(all)}, all);
      return;
    }
    const Index most = *std::max_element(lengths.begin(), lengths.end()) + draw.integer(0, 1);
    for (const Places& one : labels) {
      all.insert(all.end(), one.begin(), one.end());
      all.resize(all.size() + static_cast<std::size_t>(most) - one.size(), filler);
    }
    draw.integers("targets", std::array{std::ssize(labels), most}, all);
  }

  std::vector<Places> labels{};
  Places times{};
  Places lengths{};
};

template <bool AsTensors>
void sample_ctc(Draw& draw) {
  const bool batched = !draw.one_in(4);
  const Index steps = draw.integer(1, 5);
  const Index samples = batched ? draw.integer(1, 3) : 1;
  const Index classes = draw.integer(2, 4);
  const Index blank = draw.coin() ? 0 : draw.integer(0, classes - 1);
  const bool zero_infinity = draw.one_in(3);
  draw.log_probabilities("log_probs", batched ? Places{steps, samples, classes} : Places{steps, classes});
  const DrawnLabels drawn(draw, steps, samples, classes, blank, zero_infinity);
  drawn.put(draw, (blank + 1) % classes);
  if constexpr (AsTensors) {
    draw.integers("input_lengths", std::array{samples}, drawn.times);
    draw.integers("target_lengths", std::array{samples}, drawn.lengths);
  } else {
    draw.set_ints("input_lengths", drawn.times);
    draw.set_ints("target_lengths", drawn.lengths);
  }
  if (blank != 0 || draw.coin()) draw.set_int("blank", blank);
  draw_reduction(draw);
  if (zero_infinity || draw.coin()) draw.set_bool("zero_infinity", zero_infinity);
}

}  // namespace

void add_ctc_loss(Registry& registry) {
  constexpr std::string_view source = "Graves et al. 2006, equations 6 to 16";
  constexpr std::string_view note =
      "log_probs is drawn as log_softmax of something: engines add exp(log_probs) to the gradient, which vanishes "
      "there";
  registry.composite({.schema = "ctc_loss.IntList(Tensor log_probs, Tensor targets, int[] input_lengths, int[] "
                                "target_lengths, int blank=0, int reduction=1, bool zero_infinity=False) -> Tensor",
                      .source = source,
                      .note = note,
                      .sample = sample_ctc<false>},
                     [](const auto& call) { return ctc_loss(call, call.arg(0), call.arg(1), 2); });
  registry.composite({.schema = "ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor "
                                "target_lengths, int blank=0, int reduction=1, bool zero_infinity=False) -> Tensor",
                      .source = source,
                      .note = note,
                      .sample = sample_ctc<true>},
                     [](const auto& call) {
                       return ctc_loss(call, lengths_of(call.tape, call[2]), lengths_of(call.tape, call[3]), 0);
                     });
}

}  // namespace gradproof
