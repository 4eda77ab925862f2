#include "engine/tape.h"

#include "engine/registry.h"
#include "engine/sweep_impl.h"
#include "engine/view_writes_impl.h"

namespace gradproof {

#define GRADPROOF_INSTANTIATE(T) \
  template class Tape<T>;        \
  template void refresh_view(Tape<T>&, VarImpl<T>&);
GRADPROOF_FOR_EACH_SCALAR(GRADPROOF_INSTANTIATE)
#undef GRADPROOF_INSTANTIATE

}  // namespace gradproof
