// einsum: sums of products told by letters, contracted from left to right.
#include <algorithm>

#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/matrices.h"
#include "engine/operators/sources.h"
#include "engine/operators/sums.h"

namespace gradproof {

namespace {

// A letter, or from `first_ellipsis` on a dim that an ellipsis stands for, counted from the last.
using Label = int;
constexpr Label first_ellipsis = 256;
using Labels = std::vector<Label>;

[[noreturn]] void refuse(const char* what) { throw EngineError(GP_ARGUMENT, std::string("einsum: ") + what); }

bool holds(const Labels& labels, Label label) { return std::find(labels.begin(), labels.end(), label) != labels.end(); }
int place_of(const Labels& labels, Label label) {
  return static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin());
}

// "ab...c"; an ellipsis is left as -1.
Labels parsed(std::string_view term) {
  Labels labels;
  for (std::size_t i = 0; i < term.size(); ++i) {
    const char c = term[i];
    if (c == ' ') continue;
    if (c == '.') {
      if (term.substr(i, 3) != "..." || holds(labels, -1)) refuse("a dot that is no ellipsis");
      labels.push_back(-1);
      i += 2;
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      labels.push_back(c);
    } else {
      refuse("a label that is no letter");
    }
  }
  return labels;
}
Labels with_ellipsis(const Labels& labels, int dims) {
  Labels all;
  for (const Label label : labels) {
    if (label != -1) {
      all.push_back(label);
      continue;
    }
    for (int d = dims; d > 0; --d) all.push_back(first_ellipsis + d - 1);
  }
  return all;
}

struct Equation {
  std::vector<Labels> operands;
  Labels result;

  Equation(std::string_view text, const std::vector<int>& dims) {
    const std::size_t arrow = text.find("->");
    std::string_view left = text.substr(0, arrow);
    for (;;) {
      const std::size_t comma = left.find(',');
      operands.push_back(parsed(left.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      left.remove_prefix(comma + 1);
    }
    if (operands.size() != dims.size()) refuse("as many terms as tensors are needed");
    int most = 0;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      const bool open = holds(operands[i], -1);
      const int hidden = dims[i] - static_cast<int>(operands[i].size()) + (open ? 1 : 0);
      if (hidden < 0 || (hidden > 0 && !open)) refuse("a term and its tensor differ in dims");
      operands[i] = with_ellipsis(operands[i], hidden);
      if (open) most = std::max(most, hidden);
    }
    result = arrow == std::string_view::npos ? implied(most) : with_ellipsis(parsed(text.substr(arrow + 2)), most);
    for (const Label label : result) {
      if (std::count(result.begin(), result.end(), label) > 1) refuse("the result names a label twice");
      const bool known =
          std::any_of(operands.begin(), operands.end(), [&](const Labels& one) { return holds(one, label); });
      if (!known) refuse("the result names a label that no tensor has");
    }
  }
  // What an ellipsis hides, then the letters that occur once, in order.
  Labels implied(int hidden) const {
    Labels labels = with_ellipsis({-1}, hidden);
    for (Label label = 0; label < first_ellipsis; ++label) {
      std::ptrdiff_t count = 0;
      for (const Labels& one : operands) count += std::count(one.begin(), one.end(), label);
      if (count == 1) labels.push_back(label);
    }
    return labels;
  }
};

template <class T>
struct Labelled {
  Var<T> x;
  Labels labels;

  // A label that occurs twice is a diagonal.
  void take_diagonals() {
    for (std::size_t d = 0; d < labels.size(); ++d) {
      const auto other = std::find(labels.begin() + static_cast<std::ptrdiff_t>(d) + 1, labels.end(), labels[d]);
      if (other == labels.end()) continue;
      const auto e = static_cast<std::size_t>(other - labels.begin());
      if (x.sizes()[d] != x.sizes()[e]) throw EngineError(GP_SHAPE, "einsum: a diagonal of dims that differ");
      Shape order;
      Labels left;
      for (std::size_t k = 0; k < labels.size(); ++k) {
        if (k == d || k == e) continue;
        order.push(static_cast<Index>(k));
        left.push_back(labels[k]);
      }
      order.push(static_cast<Index>(d));
      order.push(static_cast<Index>(e));
      left.push_back(labels[d]);
      x = diagonal_of(permuted(x, order));
      labels = left;
      return take_diagonals();
    }
  }
  // Sums over what is not in `kept`.
  void sum_others(const Labels& kept) {
    DimSet dims = 0;
    Labels left;
    for (std::size_t d = 0; d < labels.size(); ++d) {
      if (holds(kept, labels[d])) {
        left.push_back(labels[d]);
      } else {
        dims |= DimSet{1} << d;
      }
    }
    if (dims != 0) x = sum_over(x, dims, false);
    labels = left;
  }
  Index size_of(Label label) const { return holds(labels, label) ? x.size(place_of(labels, label)) : 1; }
  // With dims of `order` alone, each of its common size.
  Var<T> arranged(const Labels& order, const Labelled& other) const {
    Shape dims;
    Shape full;
    for (const Label label : order) {
      dims.push(place_of(labels, label));
      const Index own = size_of(label);
      const Index common = own == 1 ? other.size_of(label) : own;
      full.push(common);
      if (holds(other.labels, label) && other.size_of(label) != common && other.size_of(label) != 1) {
        throw EngineError(GP_SHAPE, "einsum: a label of two sizes");
      }
    }
    return expand_to(permuted(x, dims), full);
  }
};

// Over what both have: a batch where it is still needed, contracted where it is not.
template <class T>
Labelled<T> pair_of(const Labelled<T>& a, const Labelled<T>& b, const Labels& needed) {
  Labels batch;
  Labels summed;
  Labels left;
  Labels right;
  for (const Label label : a.labels) {
    (!holds(b.labels, label) ? left : holds(needed, label) ? batch : summed).push_back(label);
  }
  for (const Label label : b.labels) {
    if (!holds(a.labels, label)) right.push_back(label);
  }
  const auto joined_labels = [](Labels first, const Labels& second, const Labels& third) {
    first.insert(first.end(), second.begin(), second.end());
    first.insert(first.end(), third.begin(), third.end());
    return first;
  };
  const Var<T> rows = a.arranged(joined_labels(batch, left, summed), b);
  const Var<T> cols = b.arranged(joined_labels(batch, summed, right), a);
  const auto product_of = [](Sizes sizes) { return count_elements(sizes); };
  const Sizes row_sizes = rows.sizes();
  const Sizes col_sizes = cols.sizes();
  const Index count = product_of(row_sizes.first(batch.size()));
  const Index height = product_of(row_sizes.subspan(batch.size(), left.size()));
  const Index inner = product_of(row_sizes.subspan(batch.size() + left.size()));
  const Index width = product_of(col_sizes.subspan(batch.size() + summed.size()));
  Shape sizes(row_sizes.first(batch.size() + left.size()));
  for (const Index size : col_sizes.subspan(batch.size() + summed.size())) sizes.push(size);
  const Var<T> product = matmul_of(reshape_to(rows, std::array<Index, 3>{count, height, inner}),
                                   reshape_to(cols, std::array<Index, 3>{count, inner, width}));
  return {reshape_to(product, sizes), joined_labels(batch, left, right)};
}

template <class T>
Var<T> einsum(const CompositeCall<T>& call) {
  if (!call.none(1)) throw EngineError(GP_UNSUPPORTED, "einsum along a path");
  std::vector<int> dims;
  for (std::size_t i = 0; i < call.tensors(); ++i) dims.push_back(call[i].ndim());
  const Equation equation(call.text(0), dims);
  const auto needed_after = [&](std::size_t i) {
    Labels needed = equation.result;
    for (std::size_t k = i + 1; k < dims.size(); ++k) {
      needed.insert(needed.end(), equation.operands[k].begin(), equation.operands[k].end());
    }
    return needed;
  };
  Labelled<T> all{call[0], equation.operands[0]};
  all.take_diagonals();
  all.sum_others(needed_after(0));
  for (std::size_t i = 1; i < dims.size(); ++i) {
    Labelled<T> next{call[i], equation.operands[i]};
    next.take_diagonals();
    const Labels needed = needed_after(i);
    Labels own = needed;
    own.insert(own.end(), all.labels.begin(), all.labels.end());
    next.sum_others(own);
    Labels kept = needed;
    kept.insert(kept.end(), next.labels.begin(), next.labels.end());
    all.sum_others(kept);
    all = pair_of(all, next, needed);
  }
  Shape order;
  for (const Label label : equation.result) order.push(place_of(all.labels, label));
  return permuted(all.x, order);
}

// --- drawing ---

struct Example {
  const char* equation;
  std::vector<const char*> terms;
};

void sample_einsum(Draw& draw) {
  // Of one operand that is only permuted, or whose diagonal is taken, engines return a view: not drawn.
  static const std::vector<Example> examples{{"ij,jk->ik", {"ij", "jk"}},
                                             {"ij,jk", {"ij", "jk"}},
                                             {"bij,bjk->bik", {"bij", "bjk"}},
                                             {"ii", {"ii"}},
                                             {"ij->", {"ij"}},
                                             {"ij->j", {"ij"}},
                                             {"i,j->ij", {"i", "j"}},
                                             {"i,i->", {"i", "i"}},
                                             {"ij,ij->i", {"ij", "ij"}},
                                             {"i,ijk,k->j", {"i", "ijk", "k"}},
                                             {"...ij,...jk->...ik", {"bij", "bjk"}},
                                             {"...i,i->...", {"abi", "i"}},
                                             {"ab,cd,bc->ad", {"ab", "cd", "bc"}},
                                             {"bhqd,bhkd->bhqk", {"bhqd", "bhkd"}},
                                             {"ijk,k->", {"ijk", "k"}},
                                             {"ij,k->ij", {"ij", "k"}}};
  const auto which = static_cast<std::size_t>(draw.integer(0, std::ssize(examples) - 1));
  std::array<Index, 128> sizes{};
  for (Index& size : sizes) size = draw.integer(1, 3);
  std::vector<std::vector<Index>> shapes;
  for (const char* term : examples[which].terms) {
    std::vector<Index>& shape = shapes.emplace_back();
    for (const char* c = term; *c != 0; ++c) shape.push_back(sizes.at(static_cast<std::size_t>(*c)));
  }
  draw.set_text("equation", examples[which].equation);
  draw.tensors("tensors", shapes);
}

}  // namespace

void add_einsum(Registry& registry) {
  registry.composite({.schema = "einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor",
                      .source = sources::products,
                      .note = "contracted from left to right",
                      .sample = sample_einsum},
                     [](const auto& call) { return einsum(call); });
}

}  // namespace gradproof
