// Random life cycles: commands drawn among those that the state of the model admits.
#pragma once

#include "properties/lifecycle/draw.h"

namespace gradproof::lifecycle {

// So many commands, each a few steps of the script, and readings between them.
void draw_commands(Stage& stage, Index count);

}  // namespace gradproof::lifecycle
