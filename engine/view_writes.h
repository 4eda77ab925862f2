// Writes in place where a view is recorded: what is written through a view becomes part of its base's graph, and
// every other view of the base sees it. A view and its base agree as long as the view was recorded after the base's
// last operation; otherwise the view is read from the base anew before it is used.
#pragma once

#include "engine/tape.h"

namespace gradproof {

// Before a view is used: its place in the graph, where its base was written to since.
template <class T>
void refresh_view(Tape<T>& tape, VarImpl<T>& var);

// After `result` was written into the memory of the view `self`: the base and the view follow.
template <class T>
void write_through_view(Tape<T>& tape, VarImpl<T>& self, VarImpl<T>& result);

}  // namespace gradproof
