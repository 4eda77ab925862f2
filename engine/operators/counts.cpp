// count_nonzero, any, all: without a derivative.
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sums.h"
#include "engine/undecided.h"

namespace gradproof {

namespace {

template <class T>
Truth nonzero(const T& x) {
  return !equal(x, 0);
}

// The dims of a call by its first argument, where it has one.
template <class T>
DimSet dims_of(const Node<T>& node) {
  const int ndim = node.in(0).ndim;
  return node.arg_count == 0 ? all_dims(ndim) : dims_or_all(node.args[0], ndim);
}

struct CountNonzero {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = real_input(node, 0);
    const DimSet dims = dims_of(node);
    const Tensor<T> out = tape.allocate(Kind::integer, reduced_sizes(x.sizes(), dims, false));
    for_each_lane(tape.arena(), x, dims, [&](Index o, const Lane<T>& lane) {
      Index count = 0;
      bool open = false;
      for (Index k = 0; k < lane.length; ++k) {
        const Truth one = nonzero(lane[k]);
        open = open || one == Truth::unknown;
        count += one == Truth::yes ? 1 : 0;
      }
      out.integers()[o] = open ? undecided : count;
    });
    set_outputs(tape, node, {out});
  }
};

// Whether one element at least is not 0, or every one.
// An empty list of theirs stands for no dim.
template <bool Every>
struct Nonzero {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    constexpr Truth decisive = Every ? Truth::no : Truth::yes;
    const Tensor<T>& x = real_input(node, 0);
    const bool no_dim =
        node.arg_count > 0 && node.args[0].kind == Arg<T>::Kind::integers && node.args[0].integers.empty();
    const DimSet dims = no_dim ? 0 : dims_of(node);
    const bool keepdim = node.arg_count > 1 && flag(node, 1);
    const Tensor<T> out = tape.allocate(Kind::boolean, reduced_sizes(x.sizes(), dims, keepdim));
    for_each_lane(tape.arena(), x, dims, [&](Index o, const Lane<T>& lane) {
      Truth& answer = out.booleans()[o];
      answer = !decisive;
      for (Index k = 0; k < lane.length; ++k) {
        const Truth one = nonzero(lane[k]);
        if (one == decisive || (one == Truth::unknown && answer != decisive)) answer = one;
      }
    });
    set_outputs(tape, node, {out});
  }
};

void sample_count(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  if (draw.coin()) draw.set_int("dim", draw.dim(std::ssize(shape)));
}
void sample_count_dims(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.set_ints("dim", draw.dims(std::ssize(shape), 1));
}
void sample_dims(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  if (draw.coin()) draw.set_ints("dim", draw.dims(std::ssize(shape), 1));
  draw_keepdim(draw);
}

template <class Op>
void add(Registry& registry, std::string_view schema, void (*sample)(Draw&)) {
  registry.structural<Op>({.schema = schema, .special = {{0, 0}}, .source = "exact", .sample = sample});
}

}  // namespace

void add_counts(Registry& registry) {
  add<CountNonzero>(registry, "count_nonzero(Tensor self, int? dim=None) -> Tensor", sample_count);
  add<CountNonzero>(registry, "count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor", sample_count_dims);
  add<Nonzero<false>>(registry, "any(Tensor self) -> Tensor", sample_one);
  add<Nonzero<false>>(registry, "any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor", sample_over_dim);
  add<Nonzero<false>>(registry, "any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", sample_dims);
  add<Nonzero<true>>(registry, "all(Tensor self) -> Tensor", sample_one);
  add<Nonzero<true>>(registry, "all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor", sample_over_dim);
  add<Nonzero<true>>(registry, "all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", sample_dims);
}

}  // namespace gradproof
