// Convolution as products of matrices, and its two transposes: three bilinear operators closed under differentiation.
//
//   y[n, g, o, q] = b[g, o] + Σ_{i, t} w[g, o, i, t] x[n, g, i, at(q, t)]
// Results q that read the same taps are rows of one matrix. A tap that reads beyond the edge adds nothing, but engines
// that pad with zeros multiply by them: what is infinite or NaN there may make a NaN.
#pragma once

#include <map>
#include <vector>

#include "engine/operators/gemm.h"
#include "engine/operators/spans.h"
#include "engine/operators/sums.h"
#include "engine/operators/taps.h"

namespace gradproof {

// Sizes of one convolution, and how its weights lie: [g, o, i, t], or flipped [g, i, o, t].
struct Channels {
  Index batch = 1;
  Index groups = 1;
  Index in = 1;   // of one group
  Index out = 1;  // of one group
  bool flipped = false;

  static constexpr std::size_t count = 5;
  std::array<Index, count> numbers() const { return {batch, groups, in, out, flipped ? 1 : 0}; }
  static Channels of(Sizes n) { return {n[0], n[1], n[2], n[3], n[4] != 0}; }
  Channels transposed() const { return {batch, groups, out, in, !flipped}; }

  // Where w[g, o, i, t] lies.
  Index weight(Index g, Index o, Index i, Index t, Index taps) const {
    return (flipped ? (g * in + i) * out + o : (g * out + o) * in + i) * taps + t;
  }
};

// Results by the taps that they read.
using TapGroups = std::map<std::vector<Index>, std::vector<Index>>;
TapGroups groups_of(const Taps& taps);
// Every tap from the side of what it reads: at most one result reads an element by one tap.
Taps turned(const Taps& taps);

// Whether 0 · x is certainly 0.
template <class T>
bool vanishes_by_zero(const T& x) {
  if constexpr (HasHull<T>) {
    return !x.is_anything() && !x.is_special();
  } else if constexpr (std::is_same_v<T, Defined>) {
    return x.written;
  } else {
    return true;
  }
}
struct Correlate;

// Inputs x, w and b or none. Arguments: table, [in, out, count], channels, size of y.
struct Convolve {
  static constexpr const char* schema =
      "_convolve(Tensor self, Tensor weight, Tensor? bias, int[] at, int[] taps, int[] channels, int[] size) -> Tensor";

  template <class T>
  static Taps taps_of(const Node<T>& node) {
    const Sizes n = node.args[1].integers;
    return {n[0], n[1], n[2], Table(node.args[0].integers.begin(), node.args[0].integers.end())};
  }
  template <class T>
  static std::array<Arg<T>, 3> args_of(Tape<T>& tape, const Taps& taps, const Channels& channels) {
    return {list_arg(tape, taps.at), list_arg(tape, std::array{taps.in, taps.out, taps.count}),
            list_arg(tape, channels.numbers())};
  }
  template <class T>
  static Var<T> call(const Var<T>& x, const Var<T>& w, const Var<T>& b, const Taps& taps, const Channels& channels,
                     Sizes sizes) {
    Tape<T>& tape = x.tape();
    const auto args = args_of(tape, taps, channels);
    return call_rule<Convolve>(tape, {x, w, b}, {args[0], args[1], args[2], list_arg(tape, sizes)});
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> w = tape.contiguous(real_input(node, 1));
    const bool biased = node.inputs[2] != nullptr;
    const Tensor<T> b = biased ? tape.contiguous(real_input(node, 2)) : Tensor<T>{};
    const Taps taps = taps_of(node);
    const Channels channels = Channels::of(node.args[2].integers);
    const Tensor<T> out = tape.allocate(Kind::real, node.args[3].integers);
    for (const auto& [read, results] : groups_of(taps)) {
      const Index terms = channels.in * static_cast<Index>(read.size()) + (biased ? 1 : 0);
      const Index rows = channels.batch * static_cast<Index>(results.size());
      if (rows == 0) continue;
      std::vector<T> patches(static_cast<std::size_t>(rows * terms));
      std::vector<T> weights(static_cast<std::size_t>(channels.out * terms));
      std::vector<T> products(static_cast<std::size_t>(rows * channels.out));
      for (Index g = 0; g < channels.groups; ++g) {
        gather_patches(x, taps, channels, g, read, results, biased, patches.data());
        gather_weights(w, b, taps, channels, g, read, biased, weights.data());
        std::fill(products.begin(), products.end(), Scalar<T>::leaf(0));
        if (terms > 0) {
          multiply_storing_steps(MatrixView<T>{patches.data(), rows, terms, terms, 1},
                                 MatrixView<T>{weights.data(), terms, channels.out, 1, terms}, products.data());
        }
        spoil(w, taps, channels, g, read, products);
        scatter(products.data(), taps, channels, g, results, out.real());
      }
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into);
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    // The bias' tangent is a term of the weights' sums (LibTorch), or alone.
    std::vector<Var<T>> terms;
    if (tangents[0]) terms.push_back(again(tape, node, {tangents[0], input(tape, node, 1), Var<T>()}));
    if (tangents[1]) {
      terms.push_back(again(tape, node, {input(tape, node, 0), tangents[1], tangents[2]}));
    } else if (tangents[2]) {
      const Channels channels = Channels::of(node.args[2].integers);
      const Index results = channels.groups * channels.out;
      const Var<T> bias = reshape_to(tangents[2], std::array<Index, 3>{1, results, 1});
      const std::array<Index, 3> planes{channels.batch, results, node.args[1].integers[1]};
      terms.push_back(reshape_to(expand_to(bias, planes), node.out().sizes()));
    }
    into[0] = sum_of_all(terms);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return (wants[0] ? saved_input(1) : 0) | (wants[1] ? saved_input(0) : 0);
  }

 private:
  // Results whose padding meets a weight that 0 does not annul.
  template <class T>
  static void spoil(const Tensor<T>& w, const Taps& taps, const Channels& channels, Index g,
                    const std::vector<Index>& read, std::vector<T>& products) {
    if (std::is_floating_point_v<T> || static_cast<Index>(read.size()) == taps.count) return;
    for (Index o = 0; o < channels.out; ++o) {
      bool sound = true;
      for (Index i = 0; i < channels.in; ++i) {
        for (Index t = 0; t < taps.count; ++t) {
          sound = sound && vanishes_by_zero(w.real()[channels.weight(g, o, i, t, taps.count)]);
        }
      }
      if (sound) continue;
      const auto step = static_cast<std::size_t>(channels.out);
      for (auto at = static_cast<std::size_t>(o); at < products.size(); at += step)
        products[at] = nothing_known<T>(Unbounded::jump);
    }
  }
  template <class T>
  static void gather_patches(const Tensor<T>& x, const Taps& taps, const Channels& channels, Index g,
                             const std::vector<Index>& read, const std::vector<Index>& results, bool biased, T* to) {
    for (Index n = 0; n < channels.batch; ++n) {
      const T* first = x.real() + (n * channels.groups + g) * channels.in * taps.in;
      for (const Index q : results) {
        for (Index i = 0; i < channels.in; ++i) {
          for (const Index t : read) *to++ = first[i * taps.in + taps.at[static_cast<std::size_t>(q * taps.count + t)]];
        }
        if (biased) *to++ = Scalar<T>::leaf(1);
      }
    }
  }
  template <class T>
  static void gather_weights(const Tensor<T>& w, const Tensor<T>& b, const Taps& taps, const Channels& channels,
                             Index g, const std::vector<Index>& read, bool biased, T* to) {
    for (Index o = 0; o < channels.out; ++o) {
      for (Index i = 0; i < channels.in; ++i) {
        for (const Index t : read) *to++ = w.real()[channels.weight(g, o, i, t, taps.count)];
      }
      if (biased) *to++ = b.real()[g * channels.out + o];
    }
  }
  template <class T>
  static void scatter(const T* from, const Taps& taps, const Channels& channels, Index g,
                      const std::vector<Index>& results, T* to) {
    for (Index n = 0; n < channels.batch; ++n) {
      T* first = to + (n * channels.groups + g) * channels.out * taps.out;
      for (const Index q : results) {
        for (Index o = 0; o < channels.out; ++o) first[o * taps.out + q] = *from++;
      }
    }
  }
};

// w[g, o, i, t] = Σ_{n, q} y[n, g, o, q] x[n, g, i, at(q, t)]. Inputs x, y; arguments as Convolve's, the size is w's.
struct Correlate : BilinearRules {
  static constexpr const char* schema =
      "_correlate(Tensor self, Tensor other, int[] at, int[] taps, int[] channels, int[] size) -> Tensor";

  template <class T>
  static Var<T> call(const Var<T>& x, const Var<T>& y, const Taps& taps, const Channels& channels, Sizes sizes) {
    Tape<T>& tape = x.tape();
    const auto args = Convolve::args_of(tape, taps, channels);
    return call_rule<Correlate>(tape, {x, y}, {args[0], args[1], args[2], list_arg(tape, sizes)});
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> y = tape.contiguous(real_input(node, 1));
    const Taps taps = Convolve::taps_of(node);
    const Channels c = Channels::of(node.args[2].integers);
    const Tensor<T> out = tape.allocate(Kind::real, node.args[3].integers);
    std::vector<T> left;
    std::vector<T> right;
    std::vector<T> products(static_cast<std::size_t>(c.out * c.in));
    for (Index g = 0; g < c.groups; ++g) {
      for (Index t = 0; t < taps.count; ++t) {
        left.clear();
        right.clear();
        for (Index n = 0; n < c.batch; ++n) {
          const T* from_x = x.real() + (n * c.groups + g) * c.in * taps.in;
          const T* from_y = y.real() + (n * c.groups + g) * c.out * taps.out;
          for (Index q = 0; q < taps.out; ++q) {
            const Index at = taps.at[static_cast<std::size_t>(q * taps.count + t)];
            if (at == nowhere) continue;
            for (Index o = 0; o < c.out; ++o) left.push_back(from_y[o * taps.out + q]);
            for (Index i = 0; i < c.in; ++i) right.push_back(from_x[i * taps.in + at]);
          }
        }
        const Index terms = static_cast<Index>(right.size()) / std::max<Index>(c.in, 1);
        if (terms == 0) std::fill(products.begin(), products.end(), Scalar<T>::leaf(0));
        if (terms > 0) {
          multiply_storing_steps(MatrixView<T>{left.data(), c.out, terms, 1, c.out},
                                 MatrixView<T>{right.data(), terms, c.in, c.in, 1}, products.data());
        }
        if (!sound(x, y, taps, c, g, t)) std::fill(products.begin(), products.end(), nothing_known<T>(Unbounded::jump));
        for (Index o = 0; o < c.out; ++o) {
          for (Index i = 0; i < c.in; ++i) {
            out.real()[c.weight(g, o, i, t, taps.count)] = products[static_cast<std::size_t>(o * c.in + i)];
          }
        }
      }
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    const Taps taps = Convolve::taps_of(node);
    const Channels channels = Channels::of(node.args[2].integers);
    const Var<T> x = input(tape, node, 0);
    const Var<T> y = input(tape, node, 1);
    if (wants[0]) {
      into[0] = Convolve::call(y, grads[0], Var<T>(), turned(taps), channels.transposed(), x.sizes());
    }
    if (wants[1]) into[1] = Convolve::call(x, grads[0], Var<T>(), taps, channels, y.sizes());
  }

 private:
  // Whether no padding, of x or of y, meets what 0 does not annul.
  template <class T>
  static bool sound(const Tensor<T>& x, const Tensor<T>& y, const Taps& taps, const Channels& c, Index g, Index t) {
    if (std::is_floating_point_v<T>) return true;
    std::vector<bool> reads(static_cast<std::size_t>(taps.out), true);
    std::vector<bool> read(static_cast<std::size_t>(taps.in), false);
    for (std::size_t q = 0; q < reads.size(); ++q) {
      const Index at = taps.at[q * static_cast<std::size_t>(taps.count) + static_cast<std::size_t>(t)];
      reads[q] = at != nowhere;
      if (at != nowhere) read[static_cast<std::size_t>(at)] = true;
    }
    const auto annulled = [&](const T* first, const std::vector<bool>& met, Index channels) {
      for (std::size_t k = 0; k < static_cast<std::size_t>(channels) * met.size(); ++k) {
        if (!met[k % met.size()] && !vanishes_by_zero(first[k])) return false;
      }
      return true;
    };
    for (Index n = 0; n < c.batch; ++n) {
      const T* from_x = x.real() + (n * c.groups + g) * c.in * taps.in;
      const T* from_y = y.real() + (n * c.groups + g) * c.out * taps.out;
      if (!annulled(from_x, read, c.in) || !annulled(from_y, reads, c.out)) return false;
    }
    return true;
  }
};

template <class T>
void Convolve::vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
  const Taps taps = taps_of(node);
  const Channels channels = Channels::of(node.args[2].integers);
  const Var<T> x = input(tape, node, 0);
  const Var<T> w = input(tape, node, 1);
  if (wants[0]) into[0] = call(grads[0], w, Var<T>(), turned(taps), channels.transposed(), x.sizes());
  if (wants[1]) into[1] = Correlate::call(x, grads[0], taps, channels, w.sizes());
  if (wants[2]) {
    const std::array<Index, 3> planes{channels.batch, channels.groups * channels.out, taps.out};
    into[2] = sum_over(reshape_to(grads[0], planes), DimSet{0b101}, false);
  }
}

}  // namespace gradproof
