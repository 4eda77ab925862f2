// Changes to a script that make it simpler. Each returns a new script, or nothing where it does not apply;
// whether the result still means anything is for its runner to find out, its references are in order.
#pragma once

#include <optional>

#include "campaign/tensor_edit.h"
#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

// Without the step, and without the steps and list entries that need what it makes.
std::optional<Script> without_step(const Script& script, std::uint32_t step);
// Without `count` steps from `first` on, and without what needs them.
std::optional<Script> without_steps(const Script& script, std::uint32_t first, std::uint32_t count);
// A call, a detach or a dual replaced by one of its tensor arguments.
std::optional<Script> bypassed(const Script& script, std::uint32_t step, std::uint32_t argument);
// An argument that is a list, without one entry; of a sweep's roots the seed goes too.
std::optional<Script> without_entry(const Script& script, std::uint32_t step, std::uint32_t argument,
                                    std::uint32_t entry);

// A call of one result replaced by a leaf that holds it, which takes the place of `input` too (GP_NO_VALUE: of none),
// so that the gradient of one is read where that of the other was; what nobody needs any more goes.
std::optional<Script> with_leaf(const Script& script, std::uint32_t step, const TensorValue& value, ValueId input);
// An argument of a call left out, where the schema has a default.
std::optional<Script> with_default(const Script& script, std::uint32_t step, std::uint32_t argument,
                                   const Schemas& schemas);

}  // namespace gradproof
