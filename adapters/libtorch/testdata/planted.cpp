// Operators whose memory is handled wrongly, each beside a twin that does the same right: y = x², or the sum of x. For
// tests of whether wrong ones are told from right ones; loaded into LibTorch with --load.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class F>
void dispatch(const Tensor& x, F f) {
  if (x.scalar_type() == at::kFloat) return f(x.data_ptr<float>());
  TORCH_CHECK(x.scalar_type() == at::kDouble, "planted operators take f32 and f64");
  f(x.data_ptr<double>());
}
template <class T>
T* data_of(const Tensor& x, const T* /*like*/) {
  return x.data_ptr<T>();
}

// y[i] += x[i]² for the first `count` elements of x.
void add_squares(const Tensor& y, const Tensor& x, std::int64_t count) {
  dispatch(x, [&](const auto* from) {
    auto* to = data_of(y, from);
    for (std::int64_t i = 0; i < count; ++i) to[i] += from[i] * from[i];
  });
}

// into[i] = 2 x[i] g[i] for the elements i < count.
void set_slopes(const Tensor& into, const Tensor& x, const Tensor& g, std::int64_t count) {
  dispatch(x, [&](const auto* from) {
    auto* to = data_of(into, from);
    const auto* seed = data_of(g, from);
    for (std::int64_t i = 0; i < count; ++i) to[i] = 2 * from[i] * seed[i];
  });
}

Tensor squared(const Tensor& x) {
  Tensor y = at::zeros_like(x);
  add_squares(y, x, x.numel());
  return y;
}

// An operator that reads its output, which nobody wrote.
Tensor reads_output(const Tensor& x, bool faulty) {
  const Tensor from = x.contiguous();
  Tensor y = faulty ? at::empty_like(from) : at::zeros_like(from);
  add_squares(y, from, from.numel());
  return y;
}

// A sum of one element too many.
Tensor reads_past_the_end(const Tensor& x, bool faulty) {
  const Tensor from = x.contiguous();
  Tensor y = at::empty({}, from.options());
  dispatch(from, [&](const auto* at) {
    auto* to = data_of(y, at);
    *to = 0;
    for (std::int64_t i = 0; i < from.numel() + (faulty ? 1 : 0); ++i) *to += at[i];
  });
  return y;
}

// One element too many is written.
Tensor writes_past_the_end(const Tensor& x, bool faulty) {
  const Tensor from = x.contiguous();
  Tensor y = squared(from);
  dispatch(y, [&](auto* to) {
    if (faulty) to[y.numel()] = 1;
  });
  return y;
}

// A result that is written after it was freed.
Tensor writes_freed(const Tensor& x, bool faulty) {
  const Tensor from = x.contiguous();
  Tensor scratch = squared(from);
  dispatch(from, [&](const auto* at) {
    auto* to = data_of(scratch, at);
    if (faulty) scratch = Tensor();
    *to = 1;
  });
  return squared(from);
}

enum class Fault { none, skips_slice, writes_half, frees_early };

// y = x² with a backward of its own.
struct Square : torch::autograd::Function<Square> {
  static Tensor forward(AutogradContext* context, const Tensor& x, std::int64_t fault) {
    const Tensor from = x.contiguous();
    // What is kept for backward lies in memory of its own.
    const Tensor copy = from.clone();
    const bool early = static_cast<Fault>(fault) == Fault::frees_early;
    context->saved_data["fault"] = fault;
    context->saved_data["address"] = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(copy.data_ptr()));
    context->save_for_backward({early ? at::empty({0}, from.options()) : copy});
    return squared(from);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto fault = static_cast<Fault>(context->saved_data["fault"].toInt());
    const Tensor g = grads[0].contiguous();
    const Tensor x = fault == Fault::frees_early ? freed(*context, g) : context->get_saved_variables()[0];
    Tensor into = at::empty_like(g);
    const std::int64_t rows = g.dim() > 0 ? std::max<std::int64_t>(g.size(0), 1) : 1;
    std::int64_t count = g.numel();
    if (fault == Fault::skips_slice) count -= count / rows;
    if (fault == Fault::writes_half) count = (count + 1) / 2;
    set_slopes(into, x, g, count);
    return {into, Tensor()};
  }

  // What was kept, read where it lay.
  static Tensor freed(AutogradContext& context, const Tensor& g) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the fault itself
    const auto* address = reinterpret_cast<const char*>(context.saved_data["address"].toInt());
    Tensor x = at::empty_like(g);
    const auto bytes = static_cast<std::size_t>(g.numel()) * g.element_size();
    std::copy_n(address, bytes, static_cast<char*>(x.data_ptr()));
    return x;
  }
};

template <Fault fault>
Tensor square(const Tensor& x, bool faulty) {
  return Square::apply(x, static_cast<std::int64_t>(faulty ? fault : Fault::none));
}

}  // namespace

TORCH_LIBRARY(planted, library) {
  library.def("reads_output(Tensor x, bool faulty=True) -> Tensor", reads_output);
  library.def("reads_past_the_end(Tensor x, bool faulty=True) -> Tensor", reads_past_the_end);
  library.def("writes_past_the_end(Tensor x, bool faulty=True) -> Tensor", writes_past_the_end);
  library.def("writes_freed(Tensor x, bool faulty=True) -> Tensor", writes_freed);
  library.def("skips_slice(Tensor x, bool faulty=True) -> Tensor", square<Fault::skips_slice>);
  library.def("writes_half(Tensor x, bool faulty=True) -> Tensor", square<Fault::writes_half>);
  library.def("frees_early(Tensor x, bool faulty=True) -> Tensor", square<Fault::frees_early>);
}
