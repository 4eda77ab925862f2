// Products: mm, bmm, mv, dot, matmul, addmm, outer.
#include "engine/operators/families.h"
#include "engine/operators/gemm.h"
#include "engine/operators/rules.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sources.h"

namespace gradproof {

namespace {

// --- matmul of everything: 1-d tensors are a row on the left, a column on the right; leading dims broadcast ---

struct ProductShape {
  Shape batch{};
  Index rows = 1;
  Index inner = 1;
  Index cols = 1;
  bool left_vector = false;
  bool right_vector = false;

  Shape result() const {
    Shape sizes = batch;
    if (!left_vector) sizes.push(rows);
    if (!right_vector) sizes.push(cols);
    return sizes;
  }
};

ProductShape product_shape(const char* what, Sizes a, Sizes b) {
  if (a.empty() || b.empty()) mismatch(what, a, b);
  ProductShape shape;
  shape.left_vector = a.size() == 1;
  shape.right_vector = b.size() == 1;
  shape.rows = shape.left_vector ? 1 : a[a.size() - 2];
  shape.inner = a.back();
  shape.cols = shape.right_vector ? 1 : b.back();
  if (shape.inner != (shape.right_vector ? b[0] : b[b.size() - 2])) mismatch(what, a, b);
  shape.batch = broadcast(leading(a), leading(b));
  return shape;
}

// An operand's matrices through the common leading dims.
template <class T>
struct Batch {
  MatrixView<T> matrix{};
  std::array<Index, GP_MAX_DIMS> strides{};

  Batch(const Tensor<T>& x, const ProductShape& shape, bool left) {
    const bool vector = x.ndim == 1;
    const Index last = x.strides_begin[x.ndim - 1];
    const Index before = vector ? 0 : x.strides_begin[x.ndim - 2];
    matrix = {x.real(), left ? shape.rows : shape.inner, left ? shape.inner : shape.cols, before, last};
    if (vector && !left) std::swap(matrix.row_step, matrix.col_step);
    const Sizes own = leading(x.sizes());
    const std::size_t lead = shape.batch.ndim - own.size();
    for (std::size_t d = 0; d < own.size(); ++d) strides[lead + d] = own[d] == 1 ? 0 : x.strides_begin[d];
  }
};

template <class T>
Tensor<T> product(Tape<T>& tape, const Tensor<T>& a, const Tensor<T>& b, const ProductShape& shape) {
  const Tensor<T> out = tape.allocate(Kind::real, shape.result());
  const Batch<T> left(a, shape, true);
  const Batch<T> right(b, shape, false);
  if (out.numel == 0) return out;
  if (shape.inner == 0) {
    std::fill_n(out.real(), out.numel, Scalar<T>::leaf(0));
    return out;
  }
  T* to = out.real();
  for_each_offset<2>(shape.batch, {left.strides.data(), right.strides.data()}, [&](const auto& at) {
    MatrixView<T> one = left.matrix;
    MatrixView<T> other = right.matrix;
    one.first += at[0];
    other.first += at[1];
    multiply(one, other, to);
    to += shape.rows * shape.cols;
  });
  return out;
}

// The operand a [.., rows, inner] with the leading dims `batch`, seen as [kept.., summed.. · rows, inner]: `own` are
// the leading dims of the other operand, whose gradient sums over those it was broadcast along. One product then
// makes the whole sum, of as many terms as an engine can put into one dot product.
template <class T>
Var<T> folded(const Var<T>& x, Sizes batch, Sizes own) {
  const std::size_t lead = batch.size() - own.size();
  Shape full(batch);
  full.push(x.size(x.ndim() - 2));
  full.push(x.size(x.ndim() - 1));
  Shape order;
  Shape sizes;
  for (std::size_t d = lead; d < batch.size(); ++d) {
    const bool summed = own[d - lead] == 1 && batch[d] != 1;
    if (!summed) order.push(static_cast<Index>(d));
    sizes.push(own[d - lead]);
  }
  Index rows = full[batch.size()];
  for (std::size_t d = 0; d < batch.size(); ++d) {
    if (d >= lead && (own[d - lead] != 1 || batch[d] == 1)) continue;
    order.push(static_cast<Index>(d));
    rows *= batch[d];
  }
  order.push(static_cast<Index>(batch.size()));
  order.push(static_cast<Index>(batch.size()) + 1);
  sizes.push(rows);
  sizes.push(full[batch.size() + 1]);
  return reshape_to(permuted(expand_to(x, full), order), sizes);
}

// y = a b:  ā = ȳ bᵀ,  b̄ = aᵀ ȳ
template <class T>
void product_vjp(const Var<T>& a, const Var<T>& b, const Var<T>& grad, const bool* wants, Var<T>* into) {
  const ProductShape shape = product_shape("product", a.sizes(), b.sizes());
  Shape full = shape.batch;
  full.push(shape.rows);
  full.push(shape.cols);
  const Var<T> g = reshape_to(grad, full);
  if (wants[0]) {
    // āᵀ = b ȳᵀ, summed over the columns.
    const Var<T> right = shape.right_vector ? reshape_to(b, std::array<Index, 2>{shape.inner, 1}) : b;
    const Var<T> left = folded(matrix_transposed(right), shape.batch, leading(a.sizes()));
    const Var<T> seed = folded(matrix_transposed(g), shape.batch, leading(a.sizes()));
    into[0] = reshape_to(matmul_of(matrix_transposed(seed), left), a.sizes());
  }
  if (wants[1]) {
    const Var<T> row = shape.left_vector ? reshape_to(a, std::array<Index, 2>{1, shape.inner}) : a;
    const Var<T> left = folded(row, shape.batch, leading(b.sizes()));
    const Var<T> seed = folded(g, shape.batch, leading(b.sizes()));
    into[1] = reshape_to(matmul_of(matrix_transposed(left), seed), b.sizes());
  }
}

// Ranks: which numbers of dims an operator takes; 0: any from 1 on.
template <int LeftRank, int RightRank>
struct Product : BilinearRules {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& a = real_input(node, 0);
    const Tensor<T>& b = real_input(node, 1);
    const bool ranks = (LeftRank == 0 || a.ndim == LeftRank) && (RightRank == 0 || b.ndim == RightRank);
    const bool batches = LeftRank != 3 || !ranks || a.sizes_begin[0] == b.sizes_begin[0];
    if (!ranks || !batches) mismatch("product", a.sizes(), b.sizes());
    set_outputs(tape, node, {product(tape, a, b, product_shape("product", a.sizes(), b.sizes()))});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    product_vjp(input(tape, node, 0), input(tape, node, 1), grads[0], wants, into);
  }
};

// β c + α a b. An engine may start its sums from β c, which then takes part in all n + 1 roundings. β = 0: c is
// not looked at. Of matrices, or of as many of them in batches of Rank - 2 dims.
template <std::size_t Rank>
struct Addmm {
  template <class T>
  static Var<T> scaled(const Var<T>& x, const Arg<T>& by) {
    return by.number == 1 ? x : x * x.tape().number(by.real);
  }

  // β c + Σ (α a) b as one sum. Where α scales sums of products instead, each rounds once more.
  template <class T>
  static T from_the_start(const Tensor<T>& a, const Tensor<T>& b, Index at, const T& alpha, const T& start, bool adds) {
    Accumulator<T> sum;
    Accumulator<T> sizes;
    if (adds) sum.add(start);
    const Index* steps = a.strides_begin + Rank - 2;
    const Index* other_steps = b.strides_begin + Rank - 2;
    const Index rows = a.sizes_begin[Rank - 2];
    const Index cols = b.sizes_begin[Rank - 1];
    const T* left = a.real() + at / cols % rows * steps[0];
    const T* right = b.real() + at % cols * other_steps[1];
    if (Rank == 3) {
      left += at / (rows * cols) * a.strides_begin[0];
      right += at / (rows * cols) * b.strides_begin[0];
    }
    for (Index k = 0; k < a.sizes_begin[Rank - 1]; ++k, left += steps[1], right += other_steps[0]) {
      const T factor = alpha * *left;
      sum.add_product(factor, *right);
      sizes.add_product(abs(factor), abs(*right));
    }
    const bool scales_exactly = equal(abs(alpha), 1) == Truth::yes || equal(alpha, 0) == Truth::yes;
    return scales_exactly ? sum.result() : widened(sum.result(), unit_roundoff<T>() * sizes.result());
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& c = real_input(node, 0);
    const Tensor<T>& a = real_input(node, 1);
    const Tensor<T>& b = real_input(node, 2);
    const bool fits = a.ndim == Rank && b.ndim == Rank && (Rank == 2 || a.sizes_begin[0] == b.sizes_begin[0]);
    if (!fits) mismatch("product", a.sizes(), b.sizes());
    const ProductShape shape = product_shape("product", a.sizes(), b.sizes());
    const Tensor<T> out = product(tape, a, b, shape);
    if (!same_sizes(broadcast(c.sizes(), out.sizes()), out.sizes())) mismatch("sum", c.sizes(), out.sizes());
    const T alpha = node.args[1].real;
    const T beta = node.args[0].real;
    const bool adds = node.args[0].number != 0;
    const Operand<T> from = Operand<T>::of(c, Rank);
    T* to = out.real();
    Index at_result = 0;
    for_each_offset<1>(out.sizes(), {from.strides.data()}, [&](const auto& at) {
      const T start = adds ? beta * from.first[at[0]] : Scalar<T>::leaf(0);
      T value = adds ? alpha * *to + start : alpha * *to;
      if constexpr (HasHull<T>) {
        value = hull(value, from_the_start(a, b, at_result, alpha, start, adds));
      }
      ++at_result;
      *to++ = Scalar<T>::materialize(value);
    });
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    if (wants[0]) into[0] = sum_to(scaled(grads[0], node.args[0]), node.in(0).sizes());
    if (!wants[1] && !wants[2]) return;
    product_vjp(input(tape, node, 1), input(tape, node, 2), grads[0], wants + 1, into + 1);
    for (const std::size_t i : {1U, 2U}) {
      if (wants[i]) into[i] = scaled(into[i], node.args[1]);
    }
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    std::vector<Var<T>> terms;
    if (tangents[0]) terms.push_back(expand_to(scaled(tangents[0], node.args[0]), node.out().sizes()));
    if (tangents[1]) terms.push_back(scaled(matmul_of(tangents[1], input(tape, node, 2)), node.args[1]));
    if (tangents[2]) terms.push_back(scaled(matmul_of(input(tape, node, 1), tangents[2]), node.args[1]));
    into[0] = sum_of_all(terms);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    return (wants[1] ? saved_input(2) : 0) | (wants[2] ? saved_input(1) : 0);
  }
};

// y_ij = a_i b_j:  ā = ȳ b,  b̄ = ȳᵀ a
struct Outer : BilinearRules {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& a = real_input(node, 0);
    const Tensor<T>& b = real_input(node, 1);
    if (a.ndim != 1 || b.ndim != 1) mismatch("outer product", a.sizes(), b.sizes());
    const Tensor<T> out = tape.allocate(Kind::real, std::array<Index, 2>{a.numel, b.numel});
    T* to = out.real();
    for (Index i = 0; i < a.numel; ++i) {
      for (Index j = 0; j < b.numel; ++j) {
        *to++ = Scalar<T>::materialize(a.real()[i * a.strides_begin[0]] * b.real()[j * b.strides_begin[0]]);
      }
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    if (wants[0]) into[0] = matmul_of(grads[0], input(tape, node, 1));
    if (wants[1]) into[1] = matmul_of(matrix_transposed(grads[0]), input(tape, node, 0));
  }
};

// --- drawing ---

void draw_pair(Draw& draw, const char* right, Sizes a, Sizes b) {
  draw.tensor("self", a);
  draw.tensor(right, b);
}

void sample_mm(Draw& draw) {
  const Index inner = draw.size();
  draw_pair(draw, "mat2", std::array{draw.size(), inner}, std::array{inner, draw.size()});
}
void sample_bmm(Draw& draw) {
  const Index batch = draw.size();
  const Index inner = draw.size();
  draw_pair(draw, "mat2", std::array{batch, draw.size(), inner}, std::array{batch, inner, draw.size()});
}
void sample_mv(Draw& draw) {
  const Index inner = draw.size();
  draw_pair(draw, "vec", std::array{draw.size(), inner}, std::array{inner});
}
void sample_dot(Draw& draw) {
  const Index inner = draw.size();
  draw_pair(draw, "tensor", std::array{inner}, std::array{inner});
}
void sample_outer(Draw& draw) { draw_pair(draw, "vec2", std::array{draw.size()}, std::array{draw.size()}); }

void sample_matmul(Draw& draw) {
  const Index inner = draw.size();
  std::vector<Index> a;
  std::vector<Index> b;
  // Leading dims: shared, or 1 on one side, or missing on one side.
  const std::vector<Index> batch = draw.nonempty_shape(0, 2);
  const auto lead = [&](std::vector<Index>& sizes) {
    const auto skip = static_cast<std::size_t>(draw.one_in(3) ? draw.integer(0, std::ssize(batch)) : 0);
    for (std::size_t d = skip; d < batch.size(); ++d) sizes.push_back(draw.one_in(4) ? 1 : batch[d]);
  };
  if (!draw.one_in(4)) {
    lead(a);
    a.push_back(draw.size());
  }
  a.push_back(inner);
  const bool matrix = !draw.one_in(4);
  if (matrix) lead(b);
  b.push_back(inner);
  if (matrix) b.push_back(draw.size());
  draw_pair(draw, "other", a, b);
}

void sample_addmm(Draw& draw) {
  const Index rows = draw.nonempty_size();
  const Index inner = draw.size();
  const Index cols = draw.nonempty_size();
  std::vector<Index> self{draw.one_in(4) ? 1 : rows, draw.one_in(4) ? 1 : cols};
  if (draw.one_in(3)) self.erase(self.begin());
  draw.tensor("self", self);
  draw.tensor("mat1", std::array{rows, inner});
  draw.tensor("mat2", std::array{inner, cols});
  draw_factors(draw);
}

void sample_baddbmm(Draw& draw) {
  const Index batch = draw.nonempty_size();
  const Index rows = draw.nonempty_size();
  const Index inner = draw.size();
  const Index cols = draw.nonempty_size();
  std::vector<Index> self{draw.one_in(4) ? 1 : batch, draw.one_in(4) ? 1 : rows, draw.one_in(4) ? 1 : cols};
  if (draw.one_in(3)) self.erase(self.begin());
  draw.tensor("self", self);
  draw.tensor("batch1", std::array{batch, rows, inner});
  draw.tensor("batch2", std::array{batch, inner, cols});
  draw_factors(draw);
}

}  // namespace

void add_products(Registry& registry) {
  registry.structural<Product<2, 2>>(
      {.schema = "mm(Tensor self, Tensor mat2) -> Tensor", .source = sources::products, .sample = sample_mm});
  registry.structural<Product<3, 3>>(
      {.schema = "bmm(Tensor self, Tensor mat2) -> Tensor", .source = sources::products, .sample = sample_bmm});
  registry.structural<Product<2, 1>>(
      {.schema = "mv(Tensor self, Tensor vec) -> Tensor", .source = sources::products, .sample = sample_mv});
  registry.structural<Product<1, 1>>(
      {.schema = "dot(Tensor self, Tensor tensor) -> Tensor", .source = sources::products, .sample = sample_dot});
  registry.structural<Product<0, 0>>(
      {.schema = "matmul(Tensor self, Tensor other) -> Tensor", .source = sources::products, .sample = sample_matmul});
  registry.structural<Addmm<2>>(
      {.schema = "addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
       .source = sources::products,
       .sample = sample_addmm});
  registry.structural<Addmm<3>>(
      {.schema = "baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
       .source = sources::products,
       .sample = sample_baddbmm});
  registry.structural<Outer>(
      {.schema = "outer(Tensor self, Tensor vec2) -> Tensor", .source = "IEEE 754", .sample = sample_outer});
}

}  // namespace gradproof
