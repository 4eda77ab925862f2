// Tensors of their own with the same elements: clone, and a copy to another device.
#include "engine/operators/families.h"
#include "engine/operators/rules.h"

namespace gradproof {

namespace {

struct Clone : LinearRules {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    if (!node.args[0].is_none()) throw EngineError(GP_UNSUPPORTED, "a memory_format other than None");
    set_outputs(tape, node, {copied(tape, node.in(0))});
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>&, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = grads[0];
  }
};

// A copy to another device, of which the reference has one.
struct ToCopy : Clone {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    need_no_dtype(node.args[0]);
    set_outputs(tape, node, {copied(tape, real_input(node, 0))});
  }
};

// --- drawing ---

void sample_clone(Draw& draw) {
  draw.tensor("self", draw.shape(0, 4));
  if (draw.one_in(4)) draw.set_none("memory_format");
}

}  // namespace

void add_copies(Registry& registry) {
  registry.structural<Clone>(
      {.schema = "clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", .sample = sample_clone});
  registry.structural<ToCopy>(
      {.schema = "_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
                 "bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
       .note = "internal"});
}

}  // namespace gradproof
