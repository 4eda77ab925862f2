// Drawing one valid call of an operator: what a record's `sample` function speaks to.
//
//   void sample_narrow(Draw& draw) {
//     const std::vector<Index> shape = draw.shape(1, 4);
//     const Index dim = draw.integer(0, std::ssize(shape) - 1);
//     draw.tensor("self", shape);
//     draw.set_int("dim", draw.maybe_negative(dim, std::ssize(shape)));
//     …
//   }
//
// A sample function names each argument of its schema at most once; what it does not name is left out, so
// that the operator's default applies. It draws calls that must succeed: shapes that fit, dims and indices in
// range, values in the operator's domain. Wrong calls are another property's business.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/record.h"
#include "engine/tensor.h"

namespace gradproof {

// One of a list of index tensors: positions, a mask of 0 and 1, or none.
struct IndexTensor {
  enum class Kind { none, integers, mask };
  Kind kind = Kind::none;
  std::vector<Index> sizes{};
  std::vector<Index> values{};
};

// What a matrix is like beside its size: gradients go wrong where it is not generic.
enum class MatrixClass : std::uint8_t {
  generic,
  singular,  // by one
  low_rank,  // by more
  repeated,  // eigenvalues, or singular values
  clustered,
  defective,  // without a basis of eigenvectors
  orthogonal,
  ill_conditioned,
  graded,  // rows of very different sizes
  count_
};

class Draw {
 public:
  Draw() = default;
  Draw(const Draw&) = delete;
  Draw& operator=(const Draw&) = delete;
  virtual ~Draw() = default;

  // --- randomness ---
  // From low to high, both included.
  virtual Index integer(Index low, Index high) = 0;

  // --- the call: arguments by their name in the schema ---
  // A floating tensor whose elements lie in the domain. How it lies in memory is not the operator's business.
  virtual void tensor(std::string_view arg, Sizes sizes, const Domain& domain = all_reals) = 0;
  // An i64 tensor of elements from low to high, both included.
  virtual void indices(std::string_view arg, Sizes sizes, Index low, Index high) = 0;
  // An i64 tensor of these elements.
  virtual void integers(std::string_view arg, Sizes sizes, std::span<const Index> values) = 0;
  virtual void index_tensors(std::string_view arg, std::span<const IndexTensor> list) = 0;
  // A bool tensor.
  virtual void mask(std::string_view arg, Sizes sizes) = 0;
  virtual void tensors(std::string_view arg, std::span<const std::vector<Index>> shapes) = 0;
  // Floating tensors with respect to which there is no derivative: batch_norm's running_mean.
  virtual void constant(std::string_view arg, Sizes sizes, const Domain& domain = all_reals) = 0;
  virtual void constants(std::string_view arg, std::span<const std::vector<Index>> shapes) = 0;
  // A floating tensor of these elements, numbers of few bits, in row-major order.
  virtual void given(std::string_view arg, Sizes sizes, std::span<const double> values) = 0;
  // The operator takes x + xᵀ in the place of x: what engines read of one triangle, and where they put its gradient,
  // does not matter then.
  virtual void given_symmetric(std::string_view arg, Sizes sizes, std::span<const double> values) = 0;
  // It takes one triangle of x, the rest zero.
  virtual void given_triangular(std::string_view arg, Sizes sizes, std::span<const double> values, bool upper) = 0;
  // The operator takes log_softmax(x) along the last dim in the place of x.
  virtual void log_probabilities(std::string_view arg, Sizes sizes) = 0;
  virtual void set_int(std::string_view arg, Index value) = 0;
  virtual void set_ints(std::string_view arg, Sizes values) = 0;
  virtual void set_reals(std::string_view arg, std::span<const double> values) = 0;
  virtual void set_bool(std::string_view arg, bool value) = 0;
  virtual void set_real(std::string_view arg, double value) = 0;
  virtual void set_text(std::string_view arg, std::string_view value) = 0;
  virtual void set_none(std::string_view arg) = 0;

  // --- made of the above ---
  bool coin() { return integer(0, 1) == 1; }
  bool one_in(Index n) { return integer(1, n) == 1; }
  template <class Values>
  auto pick(const Values& values) {
    return values[static_cast<std::size_t>(integer(0, static_cast<Index>(std::size(values)) - 1))];
  }
  // 1 to 4, sometimes 0.
  Index size() { return one_in(24) ? 0 : integer(1, 4); }
  Index nonempty_size() { return integer(1, 4); }
  // Empty tensors are rare, and so are those of many elements.
  std::vector<Index> shape(Index min_dims, Index max_dims) {
    const std::optional<std::vector<Index>> asked = asked_shape(min_dims, max_dims, true);
    return asked ? *asked : shape_of(min_dims, max_dims, one_in(16));
  }
  std::vector<Index> nonempty_shape(Index min_dims, Index max_dims) {
    const std::optional<std::vector<Index>> asked = asked_shape(min_dims, max_dims, false);
    return asked ? *asked : shape_of(min_dims, max_dims, false);
  }
  // Which of these the next matrix shall be.
  virtual MatrixClass matrix_class(std::span<const MatrixClass> possible) {
    return coin() ? possible.front() : pick(possible);
  }
  // The same dim, at times counted from the end.
  Index maybe_negative(Index dim, Index ndim) { return one_in(3) ? dim - (ndim == 0 ? 1 : ndim) : dim; }
  // Any dim of a tensor; a 0-d one has 0 and -1.
  Index dim(Index ndim) { return maybe_negative(integer(0, ndim == 0 ? 0 : ndim - 1), ndim); }
  // Different dims, at least `least`, in any order.
  std::vector<Index> dims(Index ndim, Index least) {
    std::vector<Index> all(static_cast<std::size_t>(ndim));
    for (Index d = 0; d < ndim; ++d) all[static_cast<std::size_t>(d)] = d;
    for (std::size_t d = all.size(); d > 1; --d) {
      std::swap(all[d - 1], all[static_cast<std::size_t>(integer(0, static_cast<Index>(d) - 1))]);
    }
    all.resize(static_cast<std::size_t>(integer(least < ndim ? least : ndim, ndim)));
    for (Index& d : all) d = maybe_negative(d, ndim);
    return all;
  }

 protected:
  // A shape of the class that whoever draws wants one of, where there is one of so many dims.
  virtual std::optional<std::vector<Index>> asked_shape(Index /*min_dims*/, Index /*max_dims*/, bool /*may_be_empty*/) {
    return std::nullopt;
  }

 private:
  std::vector<Index> shape_of(Index min_dims, Index max_dims, bool empty) {
    std::vector<Index> sizes(static_cast<std::size_t>(integer(min_dims, max_dims)));
    const Index most = sizes.size() > 2 ? 3 : 4;
    for (Index& size : sizes) size = integer(1, most);
    if (empty && !sizes.empty()) sizes[static_cast<std::size_t>(integer(0, std::ssize(sizes) - 1))] = 0;
    return sizes;
  }
};

}  // namespace gradproof
