// The ways to spell a sequence of labels in time, with repeats and blanks between them (Graves et al. 2006, section 3).
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "engine/operators/rules.h"

namespace gradproof {

using Places = std::vector<Index>;

// --- which ways there are ---

// The labels of one sample, a blank before, between and after them, and the states s that some way from its start to
// its end passes at time t: in order, none where the sample has no way.
struct Lattice {
  Places labels;
  Index sample = 0;
  std::vector<Places> live{};  // at each time of the sample's own length

  bool may_skip(Index s) const { return s > 1 && label(s) != label(s - 2); }
  Index label(Index s) const { return labels[static_cast<std::size_t>(s)]; }
  Index states() const { return std::ssize(labels); }
  bool spelled() const { return !live.empty() && !live.front().empty(); }

  // The states of `among` from which s is reached in one step, and those reached from s: as places in `among`.
  Places before(Index s, const Places& among) const { return places_of(among, {s, s - 1, may_skip(s) ? s - 2 : -1}); }
  Places behind(Index s, const Places& among) const {
    const bool skips = s + 2 < states() && may_skip(s + 2);
    return places_of(among, {s, s + 1, skips ? s + 2 : -1});
  }
  void find_live(Index steps) {
    std::vector<Places> reached(static_cast<std::size_t>(steps));
    const auto ends = [&](Index first, Index second) { return states() > 1 ? Places{first, second} : Places{first}; };
    for (std::size_t t = 0; t < reached.size(); ++t) {
      const Places all = t == 0 ? ends(0, 1) : every_state();
      for (const Index s : all) {
        if (t == 0 || !before(s, reached[t - 1]).empty()) reached[t].push_back(s);
      }
    }
    live.assign(reached.size(), {});
    const Places last = ends(states() - 1, states() - 2);
    for (std::size_t t = reached.size(); t-- > 0;) {
      for (const Index s : reached[t]) {
        const bool is_last = t + 1 == reached.size();
        const bool leads =
            is_last ? std::find(last.begin(), last.end(), s) != last.end() : !behind(s, live[t + 1]).empty();
        if (leads) live[t].push_back(s);
      }
    }
  }

 private:
  Places every_state() const {
    Places all(labels.size());
    for (std::size_t s = 0; s < all.size(); ++s) all[s] = static_cast<Index>(s);
    return all;
  }
  static Places places_of(const Places& among, std::initializer_list<Index> states) {
    Places places;
    for (const Index s : states) {
      const auto found = std::lower_bound(among.begin(), among.end(), s);
      if (found != among.end() && *found == s) places.push_back(found - among.begin());
    }
    return places;
  }
};

// What a call says beside its log-probabilities. Arguments: input_lengths, target_lengths, blank, zero_infinity.
template <class T>
struct CtcCall {
  explicit CtcCall(Tape<T>& tape, const Node<T>& node)
      : steps(node.in(0).sizes()[0]),
        samples(node.in(0).sizes()[1]),
        classes(node.in(0).sizes()[2]),
        zero_infinity(flag(node, 3)) {
    read(tape, node);
  }

  Index steps;
  Index samples;
  Index classes;
  bool zero_infinity;
  std::vector<Lattice> lattices{};

  // Where log_probs[t, sample, label] lies in row-major order.
  Index place(Index t, Index sample, Index label) const { return (t * samples + sample) * classes + label; }
  Places places(const Lattice& lattice, std::size_t t, const Places& states) const {
    Places found;
    for (const Index s : states) found.push_back(place(static_cast<Index>(t), lattice.sample, lattice.label(s)));
    return found;
  }

 private:
  void read(Tape<T>& tape, const Node<T>& node) {
    const Sizes inputs = list(node.args[0]);
    const Sizes wanted = list(node.args[1]);
    const Index blank = node.args[2].integer;
    need(std::ssize(inputs) == samples, GP_ARGUMENT, "input_lengths has not one length for each sample");
    need(std::ssize(wanted) == samples, GP_ARGUMENT, "target_lengths has not one length for each sample");
    need(blank >= 0 && blank < classes, GP_ARGUMENT, "blank " + std::to_string(blank) + " is no class");
    const Tensor<T> targets = tape.contiguous(node.in(1));
    Index first = 0;
    for (Index n = 0; n < samples; ++n) {
      const Index length = wanted[static_cast<std::size_t>(n)];
      const Index time = inputs[static_cast<std::size_t>(n)];
      need(time >= 0 && time <= steps, GP_ARGUMENT, "an input length of " + std::to_string(time));
      need(length >= 0 && length <= targets.numel, GP_ARGUMENT, "a target length of " + std::to_string(length));
      if (targets.ndim == 2) {
        need(length <= targets.sizes()[1], GP_SHAPE, "a target longer than targets has room for");
        first = n * targets.sizes()[1];
      }
      need(first + length <= targets.numel, GP_SHAPE, "targets holds fewer labels than target_lengths says");
      lattices.push_back(lattice_of(targets.integers() + first, length, n, blank));
      lattices.back().find_live(time);
      first += length;
    }
    need(targets.ndim == 2 || first == targets.numel, GP_SHAPE, "targets holds more labels than target_lengths says");
  }
  Lattice lattice_of(const Index* labels, Index length, Index sample, Index blank) const {
    Lattice lattice{{blank}, sample};
    for (Index i = 0; i < length; ++i) {
      need(labels[i] >= 0 && labels[i] < classes, GP_INDEX,
           "target " + std::to_string(labels[i]) + " is out of bounds for " + std::to_string(classes) + " classes");
      need(labels[i] != blank, GP_ARGUMENT, "a target is the blank");
      lattice.labels.push_back(labels[i]);
      lattice.labels.push_back(blank);
    }
    return lattice;
  }
  static void need(bool holds, gp_error_kind otherwise, const std::string& what) {
    if (!holds) throw EngineError(otherwise, what);
  }
};

}  // namespace gradproof
