// The largest element of each window, and where it lies.
#pragma once

#include <vector>

#include "engine/operators/taps.h"

namespace gradproof {

// Which elements of a window may be its largest: none is certainly below another. In the window's order.
template <class T>
std::vector<std::size_t> largest_of(const std::vector<T>& window) {
  const auto beaten = [&](std::size_t a, std::size_t b) { return less(window[a], window[b]) == Truth::yes; };
  std::size_t best = 0;
  for (std::size_t k = 1; k < window.size(); ++k) {
    if (beaten(best, k)) best = k;
  }
  std::vector<std::size_t> some;
  for (std::size_t k = 0; k < window.size(); ++k) {
    if (!beaten(k, best)) some.push_back(k);
  }
  std::vector<std::size_t> all;
  for (const std::size_t k : some) {
    bool below = false;
    for (const std::size_t other : some) below = below || beaten(k, other);
    if (!below) all.push_back(k);
  }
  return all;
}

// Input x of planes of `in` elements. Arguments: table, [planes, in, out, count, tables], size of y; one table of taps
// for each plane, or the same for all. Results: y, and the largest element's number in its plane.
//   NaN         the last one is the largest
//   exact ties  the first (LibTorch), or the last: alike in every window of the call
//   near ones   any of them, window by window
struct MaxOver {
  static constexpr const char* schema =
      "_max_over(Tensor self, int[] at, int[] numbers, int[] size) -> (Tensor, Tensor)";

  // Both results.
  template <class T>
  static std::array<Var<T>, 2> call(const Var<T>& x, const std::vector<Taps>& tables, Index planes, Sizes sizes) {
    Tape<T>& tape = x.tape();
    Table at;
    for (const Taps& taps : tables) at.insert(at.end(), taps.at.begin(), taps.at.end());
    const Taps& one = tables.front();
    const std::array<Index, 5> numbers{planes, one.in, one.out, one.count, static_cast<Index>(tables.size())};
    const auto args = kept_args<T>(tape, {list_arg(tape, at), list_arg(tape, numbers), list_arg(tape, sizes)});
    const std::array<VarImpl<T>*, 1> inputs{x.impl()};
    const Node<T>& node = tape.run(rule_operator<T, MaxOver>(), inputs, args);
    return {Var<T>(&tape, node.outputs[0]), Var<T>(&tape, node.outputs[1])};
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Sizes n = node.args[1].integers;
    const Tensor<T> out = tape.allocate(Kind::real, node.args[2].integers);
    const Tensor<T> where = tape.allocate(Kind::integer, node.args[2].integers);
    for_each_window(node, x, [&](Index number, const std::vector<T>& window, const std::vector<Index>& places) {
      std::size_t chosen = 0;
      out.real()[number] = Scalar<T>::materialize(largest(tape, node, number, window, chosen));
      where.integers()[number] = places[chosen] % n[1];
    });
    set_outputs(tape, node, {out, where});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    if (grads[0]) into[0] = known(tape, node, placed(grads[0], sources(node), node.in(0).sizes()), true);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = known(tape, node, picked(tangents[0], sources(node), node.out().sizes()), false);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(1);
  }

 private:
  // f(number of the window, its elements, their places in x)
  template <class T, class F>
  static void for_each_window(const Node<T>& node, const Tensor<T>& x, F&& f) {
    const Sizes n = node.args[1].integers;
    const Index results = n[2];
    const Index count = n[3];
    std::vector<T> window;
    std::vector<Index> places;
    for (Index plane = 0; plane < n[0]; ++plane) {
      const Index* at = node.args[0].integers.data() + (n[4] > 1 ? plane * results * count : 0);
      for (Index o = 0; o < results; ++o) {
        window.clear();
        places.clear();
        for (Index t = 0; t < count; ++t, ++at) {
          if (*at == nowhere) continue;
          places.push_back(plane * n[1] + *at);
          window.push_back(x.real()[places.back()]);
        }
        if (window.empty()) throw EngineError(GP_UNSUPPORTED, "a window that no element lies in");
        f(plane * results + o, window, places);
      }
    }
  }
  template <class T>
  static T largest(Tape<T>& tape, const Node<T>& node, Index number, const std::vector<T>& window,
                   std::size_t& chosen) {
    T best = window[0];
    for (std::size_t k = 1; k < window.size(); ++k) best = maximum(best, window[k]);
    for (std::size_t k = 0; k < window.size(); ++k) {
      if (certainly_nan(window[k])) chosen = k;
    }
    if (certainly_nan(window[chosen])) return best;
    const std::vector<std::size_t> which = largest_of(window);
    chosen = which.front();
    if constexpr (HasHull<T>) {
      if (which.size() == 1) return best;
      bool tie = true;
      for (const std::size_t k : which) tie = tie && equal(window[k], window[chosen]) == Truth::yes;
      const std::uint64_t slot = tie ? 0xffffffffU : static_cast<std::uint64_t>(number) & 0x00ffffffU;
      const auto arity = static_cast<std::uint8_t>(tie ? 2 : std::min<std::size_t>(which.size(), 255));
      const std::uint8_t taken = tape.choose(tape.key_of(node) | slot, arity);
      chosen = tie ? (taken == 0 ? which.front() : which.back()) : which[taken];
    }
    return best;
  }
  template <class T>
  static bool certainly_nan(const T& x) {
    if constexpr (HasHull<T>) {
      return x.is_nan();
    } else if constexpr (std::is_same_v<T, Defined>) {
      return std::isnan(x.value);
    } else {
      return std::isnan(x);
    }
  }
  // Where in x each result came from.
  template <class T>
  static Table sources(const Node<T>& node) {
    const Sizes n = node.args[1].integers;
    const Tensor<T>& where = node.out(1);
    Table from(where.integers(), where.integers() + where.numel);
    for (std::size_t k = 0; k < from.size(); ++k) from[k] += static_cast<Index>(k) / n[2] * n[1];
    return from;
  }
  // Where a window holds memory nobody wrote, any of its elements may be the largest: nothing is known of what flows
  // into or out of it. `elements`: the flow is x's elements', else the windows'.
  template <class T>
  static Var<T> known(Tape<T>& tape, const Node<T>& node, const Var<T>& flow, bool elements) {
    if constexpr (std::is_same_v<T, Defined>) {
      const Tensor<T> mask = tape.allocate(Kind::real, flow.sizes());
      std::fill_n(mask.real(), mask.numel, Defined{1, true});
      for_each_window(node, tape.contiguous(node.in(0)),
                      [&](Index number, const std::vector<T>& window, const std::vector<Index>& places) {
                        if (std::all_of(window.begin(), window.end(), [](const T& x) { return x.written; })) return;
                        for (const Index place : places) mask.real()[elements ? place : number].written = false;
                      });
      return flow * tape.constant(mask);
    } else {
      return flow;
    }
  }
};

}  // namespace gradproof
