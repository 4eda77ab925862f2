// zero, fill, copy: results that do not depend on what was there. Written in place they give a buffer its contents.
#include "engine/not_drawn.h"
#include "engine/operators/families.h"
#include "engine/registry.h"

namespace gradproof {

void add_fills(Registry& registry) {
  registry.elementwise({.schema = "zero(Tensor self) -> Tensor", .source = "exact"},
                       value([](auto x) { return number(x, 0); }), vanishes);
  registry.elementwise({.schema = "fill.Scalar(Tensor self, Scalar value) -> Tensor", .source = "rounds the scalar"},
                       value([](auto, auto number) { return number; }), vanishes);
  registry.elementwise({.schema = "copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor",
                        .source = "rounds nothing",
                        .note = "LibTorch's own, out of place, has no derivative: not drawn",
                        .sample = not_drawn},
                       value([](auto, auto src) { return src; }), vanishes, passes);
}

}  // namespace gradproof
