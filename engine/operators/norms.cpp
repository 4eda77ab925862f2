// Norms of vectors and matrices, and what is made of them: dist, renorm, weight normalization.
#include "engine/operators/norms.h"
#include "engine/composite.h"
#include "engine/operators/edges.h"
#include "engine/operators/families.h"

namespace gradproof {

namespace {

inline DimSet one_dim(std::size_t d) { return DimSet{1} << d; }

// --- of matrices ---

struct MatrixDims {
  std::size_t rows;
  std::size_t columns;
  DimSet both() const { return one_dim(rows) | one_dim(columns); }
};
inline MatrixDims matrix_dims(Sizes dims, int ndim) {
  if (dims.size() != 2) throw EngineError(GP_SHAPE, "a matrix norm wants two dims");
  const MatrixDims found{static_cast<std::size_t>(wrap_dim(dims[0], ndim)),
                         static_cast<std::size_t>(wrap_dim(dims[1], ndim))};
  if (found.rows == found.columns) throw EngineError(GP_ARGUMENT, "the two dims of a matrix norm are the same");
  return found;
}

// The largest or smallest sum of magnitudes, of columns for ±1 and of rows for ±∞.
template <class T>
Var<T> matrix_norm(const Var<T>& x, double order, const MatrixDims& dims, bool keepdim) {
  if (std::fabs(order) != 1 && !std::isinf(order)) {
    const bool spectral = std::fabs(order) == 2;
    throw EngineError(spectral ? GP_UNSUPPORTED : GP_ARGUMENT, "a matrix norm by singular values, or of no such order");
  }
  Tape<T>& tape = x.tape();
  const bool by_rows = std::isinf(order);
  const std::array<Index, 1> other{static_cast<Index>(by_rows ? dims.rows : dims.columns)};
  const Var<T> sums = sum_over(abs(x), one_dim(by_rows ? dims.columns : dims.rows), true);
  const Var<T> norm = named(order > 0 ? "amax" : "amin", {sums}, {list_arg(tape, other), flag_arg<T>(true)});
  return reshape_to(norm, reduced_sizes(x.sizes(), dims.both(), keepdim));
}
template <class T>
Var<T> matrix_norm(const Var<T>& x, std::string_view order, const MatrixDims& dims, bool keepdim) {
  if (order != "fro") throw EngineError(order == "nuc" ? GP_UNSUPPORTED : GP_ARGUMENT, "a matrix norm by name");
  return vector_norm(x, Arg<T>{}, dims.both(), keepdim);
}
template <class T>
Sizes last_two(const Var<T>& x) {
  static constexpr std::array<Index, 2> dims{-2, -1};
  if (x.ndim() < 2) throw EngineError(GP_SHAPE, "a matrix has at least two dims");
  return dims;
}

// linalg_norm: of a vector, or of a matrix, as the dims say; without order and dims, of all elements.
template <class T>
Var<T> any_norm(const CompositeCall<T>& call) {
  const Var<T> x = call[0];
  const bool no_order = call.none(0);
  const bool keepdim = call.flag(2);
  const std::size_t given = call.none(1) ? 0 : call.list(1).size();
  if (given > 2 || (given == 0 && !no_order && x.ndim() != 1 && x.ndim() != 2)) {
    throw EngineError(GP_SHAPE, "a norm along one or two dims");
  }
  const bool matrix = !no_order && (given == 2 || (given == 0 && x.ndim() == 2));
  if (!matrix) return vector_norm(x, call.arg(0), dims_or_all(call.arg(1), call[0].ndim()), keepdim);
  return matrix_norm(x, call.arg(0).number, matrix_dims(given == 2 ? call.list(1) : last_two(x), x.ndim()), keepdim);
}

// --- made of norms ---

// Slices along one dim, each scaled down to `maxnorm` where its norm is above.
template <class T>
Var<T> renormed(const CompositeCall<T>& call) {
  const Var<T> x = call[0];
  if (x.ndim() < 2) throw EngineError(GP_SHAPE, "renorm needs at least two dims");
  if (!(call.arg(0).number > 0)) throw EngineError(GP_ARGUMENT, "renorm with a norm of no positive order");
  if (!(call.arg(2).number >= 0)) throw EngineError(GP_ARGUMENT, "renorm to a negative norm");
  const auto kept = static_cast<std::size_t>(wrap_dim(call.integer(1), x.ndim()));
  const Var<T> norm = vector_norm(x, call.arg(0), all_dims(x.ndim()) & ~one_dim(kept), true);
  const Var<T> most = call.number(2);
  const Var<T> factor = most / (norm + literal(norm, "1e-7"));
  return x * select(less(most, norm), factor, 1);
}

// The norms of the slices along one dim; of all for dim -1.
template <class T>
Var<T> norm_except(const Var<T>& v, const Arg<T>& p, Index dim) {
  if (v.ndim() == 0) throw EngineError(GP_INDEX, "a 0-d tensor has no slices");
  const DimSet all = all_dims(v.ndim());
  if (dim == -1) return vector_norm(v, p, all, false);
  const DimSet reduced = all & ~one_dim(static_cast<std::size_t>(wrap_dim(dim, v.ndim())));
  if (reduced != 0) return vector_norm(v, p, reduced, true);
  const std::array<Index, 2> slices{v.numel(), 1};
  return reshape_to(vector_norm(reshape_to(v, slices), p, one_dim(1), false), v.sizes());
}

// --- drawing ---

// Not 0, a count, whose gradient engines leave undefined.
constexpr std::array orders{2.0, 1.0, infinity, 3.0, 2.5, 2.0, -infinity, 1.5, 4.0};

void draw_order(Draw& draw, std::string_view name, double order) {
  if (order == std::floor(order) && !std::isinf(order) && draw.coin()) {
    return draw.set_int(name, static_cast<Index>(order));
  }
  draw.set_real(name, order);
}

void sample_whole(Draw& draw) {
  draw.tensor("self", draw.nonempty_shape(0, 4));
  if (!draw.one_in(4)) draw_order(draw, "p", draw.pick(orders));
}
void sample_dim(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 4);
  draw.tensor("self", shape);
  if (draw.one_in(4)) {
    draw.set_none("p");
  } else {
    draw_order(draw, "p", draw.pick(orders));
  }
  draw.set_ints("dim", draw.dims(std::ssize(shape), draw.one_in(6) ? 0 : 1));
  draw_keepdim(draw);
}
void sample_vector_norm(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 4);
  draw.tensor("self", shape);
  if (!draw.one_in(4)) draw_order(draw, "ord", draw.pick(orders));
  draw_dims(draw, std::ssize(shape));
  draw_keepdim(draw);
}
void sample_frobenius(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 4);
  draw.tensor("self", shape);
  std::vector<Index> dims = draw.dims(std::ssize(shape), 1);
  if (dims.size() > 2) dims.resize(2);
  draw.set_ints("dim", dims);
  draw_keepdim(draw);
}

std::vector<Index> draw_matrix(Draw& draw, Index most_dims) {
  std::vector<Index> shape = draw.nonempty_shape(2, most_dims);
  draw.tensor("self", shape);
  return shape;
}
void draw_two_dims(Draw& draw, Index ndim) {
  std::vector<Index> dims = draw.dims(ndim, 2);
  dims.resize(2);
  draw.set_ints("dim", dims);
}
double matrix_order(Draw& draw) {
  constexpr std::array possible{1.0, infinity, -1.0, -infinity};
  return draw.pick(possible);
}
void sample_matrix_norm(Draw& draw) {
  const std::vector<Index> shape = draw_matrix(draw, 4);
  draw_order(draw, "ord", matrix_order(draw));
  if (draw.coin()) draw_two_dims(draw, std::ssize(shape));
  draw_keepdim(draw);
}
void sample_matrix_norm_by_name(Draw& draw) {
  const std::vector<Index> shape = draw_matrix(draw, 4);
  if (draw.coin()) draw.set_text("ord", "fro");
  if (draw.coin()) draw_two_dims(draw, std::ssize(shape));
  draw_keepdim(draw);
}
void sample_any_norm(Draw& draw) {
  if (draw.coin()) {
    const std::vector<Index> shape = draw.nonempty_shape(1, 3);
    const std::array<Index, 1> dim{draw.dim(std::ssize(shape))};
    draw.tensor("self", shape);
    draw_order(draw, "ord", draw.pick(orders));
    if (shape.size() > 1 || draw.coin()) draw.set_ints("dim", dim);
    return draw_keepdim(draw);
  }
  const std::vector<Index> shape = draw_matrix(draw, draw.coin() ? 2 : 3);
  draw_order(draw, "ord", matrix_order(draw));
  if (shape.size() > 2 || draw.coin()) draw_two_dims(draw, std::ssize(shape));
  draw_keepdim(draw);
}

void sample_any_norm_drawn(Draw& draw) {
  if (draw.coin()) return sample_any_norm(draw);
  const std::vector<Index> shape = draw.nonempty_shape(0, 4);
  draw.tensor("self", shape);
  if (draw.coin() && !shape.empty()) {
    std::vector<Index> dims = draw.dims(std::ssize(shape), 1);
    if (dims.size() > 2) dims.resize(2);
    draw.set_ints("dim", dims);
  }
  draw_keepdim(draw);
}
void sample_any_norm_by_name(Draw& draw) {
  const std::vector<Index> shape = draw_matrix(draw, draw.coin() ? 2 : 4);
  draw.set_text("ord", "fro");
  if (shape.size() > 2 || draw.coin()) draw_two_dims(draw, std::ssize(shape));
  draw_keepdim(draw);
}

void sample_dist(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 3);
  std::vector<Index> other = shape;
  if (draw.one_in(3)) other.erase(other.begin(), other.begin() + draw.integer(0, std::ssize(other)));
  for (Index& size : other) size = draw.one_in(5) ? 1 : size;
  draw.tensor("self", shape);
  draw.tensor("other", other);
  constexpr std::array p{2.0, 1.0, infinity, 3.0, 2.5, -infinity, 1.5, 4.0};
  if (draw.coin()) draw_order(draw, "p", draw.pick(p));
}
void sample_renorm(Draw& draw) {
  constexpr std::array p{2.0, 1.0, infinity, 3.0};
  constexpr std::array most{1.0, 2.5, 0.5, 0.0, 4.0};
  const std::vector<Index> shape = draw.nonempty_shape(2, 4);
  draw.tensor("self", shape);
  draw_order(draw, "p", draw.pick(p));
  draw.set_int("dim", draw.dim(std::ssize(shape)));
  draw_order(draw, "maxnorm", draw.pick(most));
}
void sample_norm_except(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 4);
  draw.tensor("v", shape);
  if (draw.coin()) draw.set_int("pow", draw.integer(1, 3));
  if (draw.coin()) draw.set_int("dim", draw.coin() ? -1 : draw.coin() ? 0 : std::ssize(shape) - 1);
}

void sample_weight_norm(Draw& draw) {
  std::vector<Index> sizes = draw.nonempty_shape(1, 4);
  draw.tensor("v", sizes);
  // LibTorch takes the first dim, the last one, or all of them.
  const Index dim = draw.one_in(4) ? -1 : draw.coin() ? 0 : std::ssize(sizes) - 1;
  for (Index d = 0; d < std::ssize(sizes); ++d)
    sizes[static_cast<std::size_t>(d)] = d == dim ? sizes[static_cast<std::size_t>(d)] : 1;
  draw.tensor("g", dim == -1 ? std::vector<Index>{} : sizes);
  if (dim != 0 || draw.coin()) draw.set_int("dim", dim);
}

constexpr std::string_view source = "Jeannerod and Rump 2013 for the sum; IEEE 754 for the root, pow's budget";
constexpr std::string_view note = "at 0 the slope is taken to be 0";

void add_vector_norms(Registry& registry) {
  registry.composite(
      {.schema = "norm.Scalar(Tensor self, Scalar p=2) -> Tensor",
       .special = {{0, 0}},
       .ties_matter = true,
       .source = source,
       .note = note,
       .sample = sample_whole},
      [](const auto& call) { return vector_norm(call[0], call.arg(0), all_dims(call[0].ndim()), false); });
  registry.composite({.schema = "norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor",
                      .special = {{0, 0}},
                      .ties_matter = true,
                      .source = source,
                      .note = note,
                      .sample = sample_dim},
                     [](const auto& call) {
                       return vector_norm(call[0], call.arg(0), dims_or_all(call.arg(1), call[0].ndim()), call.flag(2));
                     });
  registry.composite(
      {.schema = "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, "
                 "ScalarType? dtype=None) -> Tensor",
       .special = {{0, 0}},
       .ties_matter = true,
       .source = source,
       .note = note,
       .sample = sample_vector_norm},
      [](const auto& call) {
        need_no_dtype(call.arg(3));
        return vector_norm(call[0], call.arg(0), dims_or_all(call.arg(1), call[0].ndim()), call.flag(2));
      });
  registry.composite({.schema = "frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
                      .special = {{0, 0}},
                      .source = source,
                      .note = note,
                      .sample = sample_frobenius},
                     [](const auto& call) {
                       return vector_norm(call[0], call.none(), dims_or_all(call.arg(0), call[0].ndim()), call.flag(1));
                     });
}

void add_matrix_norms(Registry& registry) {
  constexpr std::string_view by_sums =
      "Jeannerod and Rump 2013 for the sums; the nuclear and spectral norms are not here";
  registry.composite({.schema = "linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2,-1], bool keepdim=False, *, "
                                "ScalarType? dtype=None) -> Tensor",
                      .special = {{0, 0}},
                      .ties_matter = true,
                      .source = by_sums,
                      .sample = sample_matrix_norm},
                     [](const auto& call) {
                       need_no_dtype(call.arg(3));
                       const MatrixDims dims = matrix_dims(call.list(1), call[0].ndim());
                       return matrix_norm(call[0], call.arg(0).number, dims, call.flag(2));
                     });
  registry.composite({.schema = "linalg_matrix_norm.str_ord(Tensor self, str ord='fro', int[] dim=[-2,-1], "
                                "bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
                      .special = {{0, 0}},
                      .source = by_sums,
                      .note = note,
                      .sample = sample_matrix_norm_by_name},
                     [](const auto& call) {
                       need_no_dtype(call.arg(3));
                       const MatrixDims dims = matrix_dims(call.list(1), call[0].ndim());
                       return matrix_norm(call[0], call.text(0), dims, call.flag(2));
                     });
  registry.composite({.schema = "linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, "
                                "ScalarType? dtype=None) -> Tensor",
                      .special = {{0, 0}},
                      .ties_matter = true,
                      .source = by_sums,
                      .note = note,
                      .sample = sample_any_norm_drawn},
                     [](const auto& call) {
                       need_no_dtype(call.arg(3));
                       return any_norm(call);
                     });
  registry.composite({.schema = "linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, "
                                "ScalarType? dtype=None) -> Tensor",
                      .special = {{0, 0}},
                      .source = by_sums,
                      .note = note,
                      .sample = sample_any_norm_by_name},
                     [](const auto& call) {
                       need_no_dtype(call.arg(3));
                       const auto x = call[0];
                       const Sizes given = call.none(1) ? last_two(x) : call.list(1);
                       return matrix_norm(x, call.text(0), matrix_dims(given, x.ndim()), call.flag(2));
                     });
}

void add_made_of_norms(Registry& registry) {
  registry.composite({.schema = "dist(Tensor self, Tensor other, Scalar p=2) -> Tensor",
                      .ties_matter = true,
                      .source = source,
                      .note = "at 0 the slope is taken to be 0; p = 0 is not drawn, LibTorch has no gradient of it",
                      .sample = sample_dist},
                     [](const auto& call) {
                       const auto off = call_rule<Difference>(call.tape, {call[0], call[1]}, {});
                       return vector_norm(off, call.arg(0), all_dims(off.ndim()), false);
                     });
  // Each slice x becomes x · m/(|x| + 1e-7) where |x| > m.
  registry.composite({.schema = "renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor",
                      .source = "LibTorch 2.11, which adds 1e-7 to the norm",
                      .note = "a jump of height 1e-7 where a norm is maxnorm",
                      .sample = sample_renorm},
                     [](const auto& call) { return renormed(call); });
  registry.composite({.schema = "norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor",
                      .special = {{0, 0}},
                      .source = source,
                      .note = note,
                      .sample = sample_norm_except},
                     [](const auto& call) { return norm_except(call[0], call.arg(0), call.integer(1)); });
  // g v/|v|
  registry.composite({.schema = "_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor",
                      .source = source,
                      .sample = sample_weight_norm},
                     [](const auto& call) {
                       const auto norm = norm_except(call[0], call.of(Index{2}), call.integer(0));
                       if (!same_sizes(call[1].sizes(), norm.sizes()))
                         throw EngineError(GP_SHAPE, "g has another shape than the norms");
                       return call[0] * (call[1] / norm * known_off_zero(norm));
                     });
}

}  // namespace

void add_norms(Registry& registry) {
  add_vector_norms(registry);
  add_matrix_norms(registry);
  add_made_of_norms(registry);
}

}  // namespace gradproof
