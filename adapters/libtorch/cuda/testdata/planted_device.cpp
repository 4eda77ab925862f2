// Operators whose memory is handled wrongly, on whatever device their argument is: written in LibTorch's own operators,
// so that no compiler for a device is needed. With `faulty` false each does the same right: y = x², or x.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <utility>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// One element at that place, whoever owns it.
Tensor element_at(const Tensor& like, void* place) { return at::from_blob(place, {1}, like.options()); }

void* end_of(const Tensor& x) { return static_cast<char*>(x.data_ptr()) + x.nbytes(); }

// An operator that adds to an output nobody wrote.
Tensor reads_output(const Tensor& x, bool faulty) {
  Tensor y = faulty ? at::empty_like(x) : at::zeros_like(x);
  return y.add_(x.mul(x));
}

// One that takes in what lies one past the end.
Tensor reads_past_the_end(const Tensor& x, bool faulty) {
  const Tensor own = x.clone();
  return faulty ? own.add(element_at(own, end_of(own))) : own;
}

// One that writes there.
Tensor writes_past_the_end(const Tensor& x, bool faulty) {
  Tensor y = x.clone();
  if (faulty) element_at(y, end_of(y)).fill_(7);
  return y;
}

// One that keeps the address of what it gave back, and reads it.
Tensor reads_freed(const Tensor& x, bool faulty) {
  Tensor held = x.clone();
  void* place = held.data_ptr();
  const Tensor kept = faulty ? Tensor() : held;
  held.reset();
  return at::from_blob(place, x.sizes(), x.options()).clone();
}

// And one that writes there.
Tensor writes_freed(const Tensor& x, bool faulty) {
  Tensor held = x.clone();
  void* place = held.data_ptr();
  const Tensor kept = faulty ? Tensor() : held;
  held.reset();
  element_at(x, place).fill_(7);
  return x.clone();
}

// A backward that leaves the last slice of its gradient as it found it.
class SkipsASlice : public torch::autograd::Function<SkipsASlice> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, bool faulty) {
    context->save_for_backward({x});
    context->saved_data["faulty"] = faulty;
    return x.mul(x);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const Tensor x = context->get_saved_variables().front();
    const Tensor right = x.mul(grads.front()).mul(2);
    const Tensor into = at::empty_like(right);
    const auto rows = right.size(0) - (context->saved_data["faulty"].toBool() ? 1 : 0);
    into.narrow(0, 0, rows).copy_(right.narrow(0, 0, rows));
    return {into, Tensor()};
  }
};

Tensor skips_a_slice(const Tensor& x, bool faulty) { return SkipsASlice::apply(x, faulty); }

}  // namespace

TORCH_LIBRARY(planted_device, library) {
  library.def("reads_output(Tensor x, bool faulty) -> Tensor", &reads_output);
  library.def("reads_past_the_end(Tensor x, bool faulty) -> Tensor", &reads_past_the_end);
  library.def("writes_past_the_end(Tensor x, bool faulty) -> Tensor", &writes_past_the_end);
  library.def("reads_freed(Tensor x, bool faulty) -> Tensor", &reads_freed);
  library.def("writes_freed(Tensor x, bool faulty) -> Tensor", &writes_freed);
  library.def("skips_a_slice(Tensor x, bool faulty) -> Tensor", &skips_a_slice);
}
