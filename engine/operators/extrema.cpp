// amax and amin.
#include "engine/operators/families.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// The elements of a lane that may be the largest: none is certainly below another.
template <class T>
std::vector<Index> candidates(const Lane<T>& lane, bool largest) {
  const auto beaten = [&](Index a, Index b) {
    return (largest ? less(lane[a], lane[b]) : less(lane[b], lane[a])) == Truth::yes;
  };
  Index best = 0;
  for (Index k = 1; k < lane.length; ++k) {
    if (beaten(best, k)) best = k;
  }
  std::vector<Index> some;
  for (Index k = 0; k < lane.length; ++k) {
    if (!beaten(k, best)) some.push_back(k);
  }
  std::vector<Index> all;
  for (const Index k : some) {
    if (std::none_of(some.begin(), some.end(), [&](Index other) { return beaten(k, other); })) all.push_back(k);
  }
  return all;
}

// How the gradient of one extremum is shared among its lane's elements.
//   exact ties   evenly (LibTorch), all to the first, all to the last: alike in every lane of the call
//   two near     to the first, to the second, or evenly should they round to one number; lane by lane
//   more near    nothing is known of theirs
template <class T>
class Shares {
 public:
  Shares(Tape<T>& tape, const Node<T>& node, bool largest) : tape_(tape), key_(tape.key_of(node)), largest_(largest) {}

  void write(Index number, const Lane<T>& lane, Lane<T> to) const {
    for (Index k = 0; k < lane.length; ++k) to[k] = Scalar<T>::leaf(0);
    if constexpr (std::is_same_v<T, Defined>) {
      // A NaN anywhere in the lane would be its extremum: no share is known.
      for (Index k = 0; k < lane.length; ++k) {
        if (!lane[k].written) return mark_unwritten(to);
      }
    }
    const std::vector<Index> which = candidates(lane, largest_);
    bool tie = true;
    for (const Index k : which) tie = tie && equal(lane[k], lane[which.front()]) == Truth::yes;
    if (which.size() == 1 && (tie || equal(lane[which[0]], lane[which[0]]) != Truth::no)) {
      to[which[0]] = Scalar<T>::leaf(1);
      return;
    }
    if (!tie && which.size() != 2) {
      for (const Index k : which) to[k] = no_answer<T>(Unbounded::jump);
      return;
    }
    std::uint8_t chosen = 0;
    if constexpr (HasHull<T>) {
      const std::uint64_t slot = tie ? 0xffffffffU : static_cast<std::uint64_t>(number) & 0x00ffffffU;
      chosen = tape_.choose(key_ | slot, 3);
    }
    if (chosen == 1) {
      to[which.front()] = Scalar<T>::leaf(1);
    } else if (chosen == 2) {
      to[which.back()] = Scalar<T>::leaf(1);
    } else {
      for (const Index k : which) to[k] = 1 / count_as_number<T>(static_cast<Index>(which.size()));
    }
  }

 private:
  static void mark_unwritten(Lane<T> to) {
    for (Index k = 0; k < to.length; ++k) to[k].written = false;
  }

  Tape<T>& tape_;
  std::uint64_t key_;
  bool largest_;
};

template <bool Largest>
struct Extremum {
  using Args = ReductionArgs<0, 1, -1>;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = real_input(node, 0);
    if (count_reduced(x.sizes(), Args::dims(node)) == 0) {
      throw EngineError(GP_SHAPE, "no elements to take an extremum of, in shape " + to_text(x.sizes()));
    }
    reduce<Args>(tape, node, [](const Lane<T>& lane) {
      T best = lane[0];
      for (Index k = 1; k < lane.length; ++k) best = Largest ? maximum(best, lane[k]) : minimum(best, lane[k]);
      return best;
    });
  }
  // The share of each element of x; a constant, for the extremum is piecewise one of them.
  template <class T>
  static Var<T> shares(Tape<T>& tape, const Node<T>& node) {
    const Tensor<T> x = tape.contiguous(node.in(0));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    const Shares<T> rule(tape, node, Largest);
    for_each_lane(tape.arena(), x, Args::dims(node), [&](Index number, const Lane<T>& lane) {
      Lane<T> to = lane;
      to.first = out.real() + (lane.first - x.real());
      rule.write(number, lane, to);
    });
    return tape.constant(out);
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = spread(grads[0], node.in(0).sizes(), Args::dims(node)) * shares(tape, node);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = sum_over(shares(tape, node) * tangents[0], Args::dims(node), Args::keepdim(node));
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

void sample(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 4);
  draw.tensor("self", shape);
  if (!draw.one_in(6)) draw.set_ints("dim", draw.dims(std::ssize(shape), draw.one_in(6) ? 0 : 1));
  draw_keepdim(draw);
}

}  // namespace

void add_extrema(Registry& registry) {
  registry.structural<Extremum<true>>({.schema = "amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
                                       .ties_matter = true,
                                       .source = "exact",
                                       .sample = sample});
  registry.structural<Extremum<false>>({.schema = "amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
                                        .ties_matter = true,
                                        .source = "exact",
                                        .sample = sample});
}

}  // namespace gradproof
