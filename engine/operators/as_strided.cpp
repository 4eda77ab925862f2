// as_strided: any strides on a tensor's memory; its copy, and writing through it.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/sources.h"
#include "engine/operators/writes.h"

namespace gradproof {

namespace {

constexpr std::string_view note =
    "of tensors in order at the start of their memory, within their elements; others are refused";

ViewLayout strided_layout(Index numel, Index elements, Sizes sizes, Sizes strides, const Arg<double>& offset) {
  if (sizes.size() != strides.size()) {
    throw EngineError(GP_ARGUMENT, "sizes " + to_text(sizes) + " and strides " + to_text(strides) + " do not match");
  }
  ViewLayout layout{Shape(sizes), Shape(strides), offset.is_none() ? 0 : offset.integer};
  if (layout.offset < 0) throw EngineError(GP_ARGUMENT, "a negative storage offset");
  if (count_elements(sizes) == 0) return layout;
  Index last = layout.offset;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (strides[d] < 0) throw EngineError(GP_ARGUMENT, "a negative stride in " + to_text(strides));
    const bool beyond = last >= elements || (sizes[d] > 1 && strides[d] > elements);
    if (!beyond) last += (sizes[d] - 1) * strides[d];
    // Nobody steps along one element, but loops add its stride all the same.
    if (sizes[d] == 1) layout.strides[d] = std::min(strides[d], elements);
    if (beyond || last >= elements) {
      throw EngineError(GP_ARGUMENT, "strides " + to_text(strides) + " beyond the memory");
    }
  }
  if (last >= elements) throw EngineError(GP_ARGUMENT, "an offset beyond the memory");
  if (last >= numel) throw EngineError(GP_UNSUPPORTED, "a view beyond the tensor's own elements");
  return layout;
}

template <class T>
void need_in_order(const Tensor<T>& x) {
  if (x.contiguous && x.data == x.storage->data) return;
  throw EngineError(GP_UNSUPPORTED, "as_strided of a tensor that is not in order, or not at the start of its memory");
}

struct AsStrided {
  static constexpr bool is_view = true;

  template <class T>
  static ViewLayout layout(Tape<T>& tape, const Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    need_in_order(x);
    const PlainArgs args = plain_args(tape, node);
    return strided_layout(x.numel, x.storage->elements, list(args[0]), list(args[1]), args[2]);
  }
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const ViewLayout view = layout(tape, node);
    const bool empty = count_elements(view.sizes) == 0;
    set_outputs(tape, node, {tape.view(node.in(0), view.sizes, view.strides, empty ? 0 : view.offset)});
  }
  template <class T>
  static Table positions(Tape<T>& tape, const Node<T>& node) {
    const ViewLayout view = layout(tape, node);
    return strided(view.sizes, view.strides, view.offset).from;
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = placed(grads[0], positions(tape, node), node.in(0).sizes());
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = picked(tangents[0], positions(tape, node), node.out().sizes());
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

// --- drawing ---

void draw_strided(Draw& draw, bool may_overlap) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  draw.tensor("self", shape);
  Index left = count_elements(shape) - 1;
  std::vector<Index> sizes(static_cast<std::size_t>(draw.integer(0, 3)));
  std::vector<Index> strides(sizes.size());
  // Each stride passes over all that the later dims reach, where nothing may overlap.
  Index reach = 0;
  for (std::size_t d = sizes.size(); d-- > 0;) {
    const Index least = may_overlap ? (draw.one_in(4) ? 0 : 1) : reach + 1;
    strides[d] = least + draw.integer(0, 1);
    const Index most = strides[d] == 0 ? 2 : std::min<Index>(left / strides[d], 2);
    sizes[d] = 1 + draw.integer(0, most);
    left -= (sizes[d] - 1) * strides[d];
    reach += (sizes[d] - 1) * strides[d];
  }
  draw.set_ints("size", sizes);
  draw.set_ints("stride", strides);
  if (draw.coin()) draw.set_int("storage_offset", draw.integer(0, left));
  if (!may_overlap) draw.tensor("src", sizes);
}
void sample_as_strided(Draw& draw) { draw_strided(draw, true); }
void sample_as_strided_scatter(Draw& draw) { draw_strided(draw, false); }

}  // namespace

void add_as_strided(Registry& registry) {
  registry.structural<AsStrided>({.schema = "as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? "
                                            "storage_offset=None) -> Tensor(a)",
                                  .source = sources::copies,
                                  .note = note,
                                  .sample = sample_as_strided});
  registry.composite(
      {.schema = "as_strided_copy(Tensor self, SymInt[] size, SymInt[] stride, SymInt? "
                 "storage_offset=None) -> Tensor",
       .source = sources::copies,
       .note = note,
       .sample = sample_as_strided},
      [](const auto& call) {
        return call("clone", call("as_strided", call[0], {call.arg(0), call.arg(1), call.arg(2)}), {call.none()});
      });
  registry.composite({.schema = "as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? "
                                "storage_offset=None) -> Tensor",
                      .source = sources::copies,
                      .note = note,
                      .sample = sample_as_strided_scatter},
                     [](const auto& call) {
                       need_in_order(call[0].value());
                       return written_through(call, [&](const auto& x) {
                         return call("as_strided", x, {call.arg(0), call.arg(1), call.arg(2)});
                       });
                     });
}

}  // namespace gradproof
