// An argument of a call in one script as one of a call in another.
#pragma once

#include <vector>

#include "script/script.h"

namespace gradproof::program {

// of(value): what stands in `to` for a value of `from`.
template <class Of>
gp_arg copied(const Script& from, const gp_arg& arg, Script& to, Of of) {
  const auto first = static_cast<std::ptrdiff_t>(arg.u.index);
  switch (arg.kind) {
    case GP_ARG_VALUE: return to.arg(of(static_cast<ValueId>(arg.u.index)));
    case GP_ARG_VALUES: {
      std::vector<ValueId> list(from.ids.begin() + first, from.ids.begin() + first + arg.count);
      for (ValueId& one : list) one = one == GP_NO_VALUE ? one : of(one);
      return to.arg_values(list);
    }
    case GP_ARG_INTS: return to.arg_ints(std::span(from.ints).subspan(arg.u.index, arg.count));
    case GP_ARG_REALS: return to.arg_reals(std::span(from.reals).subspan(arg.u.index, arg.count));
    case GP_ARG_STRING: return to.arg_string({from.text.data() + arg.u.index, arg.count});
    default: return arg;
  }
}

}  // namespace gradproof::program
