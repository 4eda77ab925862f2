#include "engine/tape.h"

#include "engine/registry.h"
#include "engine/sweep_impl.h"

namespace gradproof {

#define GRADPROOF_INSTANTIATE(T) template class Tape<T>;
GRADPROOF_FOR_EACH_SCALAR(GRADPROOF_INSTANTIATE)
#undef GRADPROOF_INSTANTIATE

}  // namespace gradproof
