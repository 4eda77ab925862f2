// Every scalar of the reference engine.
#pragma once

#include "engine/scalars/accumulator.h"
#include "engine/scalars/arb_ball.h"
#include "engine/scalars/ball.h"
#include "engine/scalars/ball_compare.h"
#include "engine/scalars/ball_functions.h"
#include "engine/scalars/defined.h"
#include "engine/scalars/environment.h"
#include "engine/scalars/native.h"
