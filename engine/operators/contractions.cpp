// Products that are programs over mm, matmul and addmm: addbmm, tensordot, multi_dot, cross, …
#include <limits>

#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/rules.h"
#include "engine/operators/samplers.h"

namespace gradproof {

namespace {

template <class T>
Var<T> unsqueezed(const Var<T>& x, std::size_t dim) {
  Shape sizes;
  for (std::size_t d = 0; d <= x.sizes().size(); ++d) {
    if (d == dim) sizes.push(1);
    if (d < x.sizes().size()) sizes.push(x.sizes()[d]);
  }
  return reshape_to(x, sizes);
}
// Dims of a contraction: those of x that are contracted, in the order given, and the others.
struct Contracted {
  Shape summed;
  Shape kept;
  Index summed_size = 1;
  Index kept_size = 1;

  Contracted(Sizes sizes, Sizes dims) {
    if (sizes.empty() && !dims.empty()) throw EngineError(GP_INDEX, "a 0-d tensor has no dim to contract");
    const DimSet set = dim_set(dims, static_cast<int>(sizes.size()));
    for (const Index dim : dims) {
      const int d = wrap_dim(dim, static_cast<int>(sizes.size()));
      summed.push(d);
      summed_size *= sizes[static_cast<std::size_t>(d)];
    }
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      if (has(set, d)) continue;
      kept.push(static_cast<Index>(d));
      kept_size *= sizes[d];
    }
  }
  static Shape joined(const Shape& first, const Shape& second) {
    Shape both = first;
    for (const Index dim : second.sizes()) both.push(dim);
    return both;
  }
};

// Σ over pairs of dims, as one product of matrices.
template <class T>
Var<T> contracted(const Var<T>& a, const Var<T>& b, Sizes dims_a, Sizes dims_b) {
  need_shapes(dims_a.size() == dims_b.size(), "both tensors are contracted over as many dims");
  const Contracted left(a.sizes(), dims_a);
  const Contracted right(b.sizes(), dims_b);
  for (std::size_t d = 0; d < dims_a.size(); ++d) {
    need_shapes(a.size(static_cast<int>(left.summed[d])) == b.size(static_cast<int>(right.summed[d])),
                "contracted dims differ in size");
  }
  Shape result;
  for (const Index d : left.kept.sizes()) result.push(a.size(static_cast<int>(d)));
  for (const Index d : right.kept.sizes()) result.push(b.size(static_cast<int>(d)));
  const Var<T> rows =
      reshape_to(permuted(a, Contracted::joined(left.kept, left.summed)), std::array{left.kept_size, left.summed_size});
  const Var<T> cols = reshape_to(permuted(b, Contracted::joined(right.summed, right.kept)),
                                 std::array{right.summed_size, right.kept_size});
  return reshape_to(matmul_of(rows, cols), result);
}

// --- chains ---

// Where to split matrices i … j of a chain so that the fewest multiplications are made.
struct Chain {
  std::vector<Index> sizes;  // matrix i is sizes[i] × sizes[i + 1]
  std::vector<std::vector<std::size_t>> splits;

  explicit Chain(std::vector<Index> of) : sizes(std::move(of)) {
    const std::size_t n = sizes.size() - 1;
    const bool ties_left = n == 3;  // as engines do, who compare the two ways there are
    std::vector<std::vector<double>> cost(n, std::vector<double>(n, 0));
    splits.assign(n, std::vector<std::size_t>(n, 0));
    for (std::size_t length = 1; length < n; ++length) {
      for (std::size_t i = 0; i + length < n; ++i) {
        const std::size_t j = i + length;
        cost[i][j] = std::numeric_limits<double>::infinity();
        for (std::size_t k = i; k < j; ++k) {
          const double outer = static_cast<double>(sizes[i]) * static_cast<double>(sizes[k + 1]);
          const double all = cost[i][k] + cost[k + 1][j] + outer * static_cast<double>(sizes[j + 1]);
          if (all < cost[i][j] || (ties_left && all == cost[i][j])) {
            cost[i][j] = all;
            splits[i][j] = k;
          }
        }
      }
    }
  }
  template <class T>
  Var<T> product(const std::vector<Var<T>>& matrices, std::size_t i, std::size_t j) const {
    if (i == j) return matrices[i];
    const std::size_t k = splits[i][j];
    return matmul_of(product(matrices, i, k), product(matrices, k + 1, j));
  }
};

template <class C>
auto chain_of(const C& call, bool vectors) {
  using V = decltype(call[0]);
  std::vector<V> matrices;
  for (std::size_t i = 0; i < call.tensors(); ++i) matrices.push_back(call[i]);
  need_shapes(!matrices.empty(), "a chain of no matrices");
  const std::size_t last = matrices.size() - 1;
  need_shapes(!vectors || last > 0, "a chain of one matrix");
  Shape result;
  for (std::size_t i = 0; i <= last; ++i) {
    const bool end = vectors && (i == 0 || i == last);
    need_shapes(matrices[i].ndim() == 2 || (end && matrices[i].ndim() == 1), "a chain of tensors that are no matrices");
    if (i == 0 && matrices[i].ndim() == 2) result.push(matrices[i].size(0));
    if (i == last && matrices[i].ndim() == 2) result.push(matrices[i].size(1));
    if (matrices[i].ndim() == 1) matrices[i] = unsqueezed(matrices[i], i == 0 ? 0 : 1);
  }
  std::vector<Index> sizes{matrices[0].size(0)};
  for (std::size_t i = 0; i <= last; ++i) {
    need_shapes(matrices[i].size(0) == sizes.back(), "matrices of a chain do not fit");
    sizes.push_back(matrices[i].size(1));
  }
  return reshape_to(Chain(std::move(sizes)).product(matrices, 0, last), result);
}

// --- programs ---

// Σ_b A_b B_b is the product of the A_b side by side and the B_b one upon the other.
template <class C>
auto addbmm(const C& call) {
  const auto a = call[1];
  const auto b = call[2];
  need_shapes(a.ndim() == 3 && b.ndim() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(1), "batches do not fit");
  const Index inner = a.size(0) * a.size(2);
  const auto left = reshape_to(permuted(a, std::array<Index, 3>{1, 0, 2}), std::array{a.size(1), inner});
  return call("addmm", {call[0], left, reshape_to(b, std::array{inner, b.size(2)})}, {call.arg(0), call.arg(1)});
}

template <class C>
auto addmv(const C& call) {
  need_shapes(call[0].ndim() <= 1 && call[1].ndim() == 2 && call[2].ndim() == 1, "addmv takes a matrix and a vector");
  const auto self = call[0].ndim() == 0 ? call[0] : unsqueezed(call[0], 1);
  const auto sum = call("addmm", {self, call[1], unsqueezed(call[2], 1)}, {call.arg(0), call.arg(1)});
  return reshape_to(sum, std::array<Index, 1>{call[1].size(0)});
}

template <class C>
auto addr(const C& call) {
  need_shapes(call[1].ndim() == 1 && call[2].ndim() == 1, "addr takes vectors");
  return call("addmm", {call[0], unsqueezed(call[1], 1), unsqueezed(call[2], 0)}, {call.arg(0), call.arg(1)});
}

template <class C>
auto inner(const C& call) {
  const auto a = call[0];
  const auto b = call[1];
  if (a.ndim() == 0 || b.ndim() == 0) return a * b;
  return contracted(a, b, std::array<Index, 1>{-1}, std::array<Index, 1>{-1});
}

template <class C>
auto vecdot(const C& call) {
  const auto products = call[0] * call[1];
  const Index dim = wrap_dim(call.integer(0), products.ndim());
  return call("sum.dim_IntList", {products}, {call.of(std::array<Index, 1>{dim}), call.of(false), call.none()});
}

// --- drawing ---

void sample_addbmm(Draw& draw) {
  const Index batch = draw.nonempty_size();
  const Index rows = draw.nonempty_size();
  const Index inner = draw.nonempty_size();
  const Index cols = draw.nonempty_size();
  std::vector<Index> self{draw.one_in(4) ? 1 : rows, draw.one_in(4) ? 1 : cols};
  if (draw.one_in(3)) self.erase(self.begin());
  draw.tensor("self", self);
  draw.tensor("batch1", std::array{batch, rows, inner});
  draw.tensor("batch2", std::array{batch, inner, cols});
  draw_factors(draw);
}

void sample_addmv(Draw& draw) {
  const Index rows = draw.nonempty_size();
  const Index cols = draw.nonempty_size();
  std::vector<Index> self;
  if (!draw.one_in(6)) self.push_back(draw.one_in(4) ? 1 : rows);
  draw.tensor("self", self);
  draw.tensor("mat", std::array{rows, cols});
  draw.tensor("vec", std::array{cols});
  draw_factors(draw);
}

void sample_addr(Draw& draw) {
  const Index rows = draw.nonempty_size();
  const Index cols = draw.nonempty_size();
  std::vector<Index> self{draw.one_in(4) ? 1 : rows, draw.one_in(4) ? 1 : cols};
  if (draw.one_in(3)) self.erase(self.begin());
  draw.tensor("self", self);
  draw.tensor("vec1", std::array{rows});
  draw.tensor("vec2", std::array{cols});
  draw_factors(draw);
}

// Of matrices that can be multiplied one after the other.
std::vector<std::vector<Index>> draw_chain(Draw& draw) {
  std::vector<std::vector<Index>> shapes(static_cast<std::size_t>(draw.integer(2, 5)));
  Index rows = draw.nonempty_size();
  for (std::vector<Index>& shape : shapes) {
    const Index cols = draw.nonempty_size();
    shape = {rows, cols};
    rows = cols;
  }
  return shapes;
}
void sample_chain(Draw& draw) { draw.tensors("matrices", draw_chain(draw)); }
void sample_multi_dot(Draw& draw) {
  std::vector<std::vector<Index>> shapes = draw_chain(draw);
  if (draw.one_in(4)) shapes.front().erase(shapes.front().begin());
  if (draw.one_in(4)) shapes.back().pop_back();
  draw.tensors("tensors", shapes);
}

void sample_tensordot(Draw& draw) {
  const std::vector<Index> a = draw.shape(0, 3);
  const std::vector<Index> summed = draw.dims(std::ssize(a), 0);
  std::vector<Index> b = draw.nonempty_shape(0, 2);
  const std::size_t own = b.size();
  std::vector<Index> dims_b;
  for (const Index dim : summed) {
    b.push_back(a[static_cast<std::size_t>(wrap_dim(dim, static_cast<int>(a.size())))]);
  }
  for (std::size_t d = 0; d < summed.size(); ++d) dims_b.push_back(static_cast<Index>(own + d));
  draw.tensor("self", a);
  draw.tensor("other", b);
  draw.set_ints("dims_self", summed);
  draw.set_ints("dims_other", dims_b);
}

void sample_inner(Draw& draw) {
  std::vector<Index> a = draw.shape(0, 2);
  std::vector<Index> b = draw.nonempty_shape(0, 1);
  const Index last = draw.size();
  if (!draw.one_in(6)) {
    a.push_back(last);
    b.push_back(last);
  } else {
    b.clear();
  }
  draw.tensor("self", a);
  draw.tensor("other", b);
}

void sample_vecdot(Draw& draw) {
  std::vector<Index> a = draw.shape(1, 3);
  std::vector<Index> b = a;
  const Index dim = draw.integer(0, std::ssize(a) - 1);
  for (std::size_t d = 0; d < b.size(); ++d) {
    if (static_cast<Index>(d) != dim && draw.one_in(4)) b[d] = 1;
  }
  draw.tensor("x", a);
  draw.tensor("y", b);
  if (draw.coin() || dim + 1 != std::ssize(a)) draw.set_int("dim", draw.maybe_negative(dim, std::ssize(a)));
}

void sample_vdot(Draw& draw) {
  const Index n = draw.size();
  draw.tensor("self", std::array{n});
  draw.tensor("other", std::array{n});
}
void sample_ger(Draw& draw) {
  draw.tensor("self", std::array{draw.size()});
  draw.tensor("vec2", std::array{draw.size()});
}
void sample_matmul(Draw& draw) {
  const Index inner = draw.size();
  draw.tensor("self", std::array{draw.size(), inner});
  draw.tensor("other", std::array{inner, draw.size()});
}

}  // namespace

void add_contractions(Registry& registry) {
  registry.composite({.schema = "addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) "
                                "-> Tensor",
                      .sample = sample_addbmm},
                     [](const auto& call) { return addbmm(call); });
  registry.composite({.schema = "addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> "
                                "Tensor",
                      .sample = sample_addmv},
                     [](const auto& call) { return addmv(call); });
  registry.composite({.schema = "addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> "
                                "Tensor",
                      .sample = sample_addr},
                     [](const auto& call) { return addr(call); });
  registry.composite({.schema = "chain_matmul(Tensor[] matrices) -> Tensor", .sample = sample_chain},
                     [](const auto& call) { return chain_of(call, false); });
  registry.composite({.schema = "linalg_multi_dot(Tensor[] tensors) -> Tensor", .sample = sample_multi_dot},
                     [](const auto& call) { return chain_of(call, true); });
  registry.composite({.schema = "tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor",
                      .sample = sample_tensordot},
                     [](const auto& call) { return contracted(call[0], call[1], call.list(0), call.list(1)); });
  registry.composite({.schema = "inner(Tensor self, Tensor other) -> Tensor", .sample = sample_inner},
                     [](const auto& call) { return inner(call); });
  registry.composite({.schema = "linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", .sample = sample_vecdot},
                     [](const auto& call) { return vecdot(call); });
  registry.composite({.schema = "vdot(Tensor self, Tensor other) -> Tensor", .sample = sample_vdot},
                     [](const auto& call) {
                       return call("dot", {call[0], call[1]});
                     });
  registry.composite({.schema = "ger(Tensor self, Tensor vec2) -> Tensor", .sample = sample_ger}, [](const auto& call) {
    return call("outer", {call[0], call[1]});
  });
  registry.composite({.schema = "linalg_matmul(Tensor self, Tensor other) -> Tensor", .sample = sample_matmul},
                     [](const auto& call) { return matmul_of(call[0], call[1]); });
}

}  // namespace gradproof
