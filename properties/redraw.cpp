#include "properties/redraw.h"

#include <algorithm>

namespace gradproof {

void put_in_place(Script& script, Call& call, std::size_t tensor, ValueId instead) {
  const ValueId before = call.tensors[tensor];
  const auto replaced = [&](ValueId value) { return value == before ? instead : value; };
  for (gp_arg& arg : call.args) {
    if (arg.kind == GP_ARG_VALUE) arg.u.index = replaced(static_cast<ValueId>(arg.u.index));
    if (arg.kind != GP_ARG_VALUES) continue;
    std::vector<ValueId> list;
    for (std::uint32_t i = 0; i < arg.count; ++i) list.push_back(replaced(script.ids[arg.u.index + i]));
    arg = script.arg_values(list);
  }
  for (Call::Prepared& prepared : call.prepared) prepared.tensor = replaced(prepared.tensor);
  call.tensors[tensor] = instead;
  std::erase(call.leaves, before);
  gp_tensor& left = script.tensor_of(before);
  left.flags = static_cast<std::uint8_t>(left.flags & ~unsigned{GP_REQUIRES_GRAD});
}

}  // namespace gradproof
