// Derivatives of derivatives: the modes in each other, and what an engine may refuse there.
#pragma once

#include "properties/steps.h"

namespace gradproof {

enum class Mode { reverse, forward };

// `order` modes, the innermost first, as far as the engine nests them.
std::vector<Mode> draw_modes(const Subject& subject, RandomDraw& draw, std::size_t order);

// The call, differentiated in these modes one after the other; every derivative on the way is read. Seeds and tangents
// of an inner derivative take part in the outer ones: they require gradients, and at times carry tangents. Then a first
// derivative has a graph even where the operator is linear, and their own derivatives test its other factor.
void differentiate(Build& build, std::span<const Mode> modes);

// Observes and judges it. A derivative that vanishes may have a graph or none: to refuse to differentiate it further
// and to find zeros say the same.
Verdict judge_nested(Session& session, const Script& script);

}  // namespace gradproof
