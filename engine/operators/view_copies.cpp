// The copies of views: diagonal_copy is clone(diagonal), and so on. Their calls are drawn as those of the views.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/rules.h"
#include "engine/operators/sources.h"

namespace gradproof {

namespace {

template <std::size_t N>
struct Name {
  std::array<char, N> text{};
  constexpr Name(const char (&literal)[N]) { std::copy_n(literal, N, text.begin()); }  // NOLINT: it is one
  constexpr std::string_view view() const { return {text.data(), N - 1}; }
};

// clone(view(self, arguments)), of as many arguments that are no tensors.
template <Name View, std::size_t... Args>
auto copied_view(const auto& call, std::index_sequence<Args...>) {
  return call("clone", call(View.view(), call[0], {call.arg(Args)...}), {call.none()});
}

void (*sampler_of(const Registry& registry, std::string_view id))(Draw&) {
  const std::size_t dot = std::min(id.find('.'), id.size());
  const auto& numbers = registry.find(id.substr(0, dot), dot == id.size() ? "" : id.substr(dot + 1));
  return registry.entries()[numbers.at(0)].record.sample;
}

template <Name View, std::size_t Args, Name Drawn = View>
void add(Registry& registry, std::string_view schema) {
  registry.composite({.schema = schema, .source = sources::copies, .sample = sampler_of(registry, Drawn.view())},
                     [](const auto& call) { return copied_view<View>(call, std::make_index_sequence<Args>{}); });
}

}  // namespace

void add_view_copies(Registry& registry) {
  add<"diagonal", 3>(registry, "diagonal_copy(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor");
  add<"unfold", 3>(registry, "unfold_copy(Tensor self, int dimension, int size, int step) -> Tensor");
  add<"expand", 2>(registry, "expand_copy(Tensor self, SymInt[] size, *, bool implicit=False) -> Tensor");
  add<"permute", 1>(registry, "permute_copy(Tensor self, int[] dims) -> Tensor");
  add<"select.int", 2>(registry, "select_copy.int(Tensor self, int dim, SymInt index) -> Tensor");
  add<"slice.Tensor", 4>(registry,
                         "slice_copy.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt "
                         "step=1) -> Tensor");
  add<"narrow", 3>(registry, "narrow_copy(Tensor self, int dim, SymInt start, SymInt length) -> Tensor");
  add<"squeeze", 0>(registry, "squeeze_copy(Tensor self) -> Tensor");
  add<"squeeze.dim", 1>(registry, "squeeze_copy.dim(Tensor self, int dim) -> Tensor");
  add<"squeeze.dims", 1>(registry, "squeeze_copy.dims(Tensor self, int[] dim) -> Tensor");
  add<"t", 0>(registry, "t_copy(Tensor self) -> Tensor");
  add<"transpose.int", 2>(registry, "transpose_copy.int(Tensor self, int dim0, int dim1) -> Tensor");
  add<"unsqueeze", 1>(registry, "unsqueeze_copy(Tensor self, int dim) -> Tensor");
  // It takes what has no view of that shape, too.
  add<"reshape", 1, "view">(registry, "view_copy(Tensor self, SymInt[] size) -> Tensor");
}

}  // namespace gradproof
