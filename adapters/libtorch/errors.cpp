#include "adapters/libtorch/errors.h"

#include <algorithm>
#include <cctype>

namespace gradproof::libtorch {
namespace {

struct Phrase {
  std::string_view text;  // in lower case
  gp_error_kind kind;
};

// The first that occurs decides: from what only one fault can say to what many say.
constexpr Phrase phrases[] = {
    // An assertion of the engine's own is nobody's bad argument.
    {"internal assert failed", GP_OTHER},
    {"backward through the graph a second time", GP_GRAPH_FREED},
    {"after they have already been freed", GP_GRAPH_FREED},
    {"modified by an inplace operation", GP_SAVED_MODIFIED},
    {"a leaf variable that requires grad", GP_LEAF_MODIFIED},
    {"a view of a leaf variable", GP_LEAF_MODIFIED},
    // A node that returns such a gradient is the engine's own fault and no seed's.
    {"returned an invalid gradient", GP_OTHER},
    {"invalid gradient at index", GP_SEED_SHAPE},
    {"mismatch in shape: grad_output", GP_SEED_SHAPE},
    {"grad can be implicitly created only for", GP_NO_SEED_FOR_NON_SCALAR},
    {"does not require grad", GP_NO_GRAD_REQUIRED},
    {"that has requires_grad=false", GP_NO_GRAD_REQUIRED},
    {"not have been used in the graph", GP_UNUSED_INPUT},
    {"allocate memory", GP_OUT_OF_MEMORY},
    {"out of memory", GP_OUT_OF_MEMORY},
    {"not enough memory", GP_OUT_OF_MEMORY},
    {"undefined tensor", GP_UNDEFINED},
    {"undefined variable", GP_UNDEFINED},
    {"singular", GP_DOMAIN},
    {"positive-definite", GP_DOMAIN},
    {"positive definite", GP_DOMAIN},
    {"converge", GP_DOMAIN},
    {"invertible", GP_DOMAIN},
    {"zerodivision", GP_DOMAIN},
    {"division by zero", GP_DOMAIN},
    {"a different size than that of the original", GP_SHAPE},
    {"deterministic implementation", GP_UNSUPPORTED},
    {"not implemented", GP_UNSUPPORTED},
    {"not yet implemented", GP_UNSUPPORTED},
    {"not supported", GP_UNSUPPORTED},
    {"is unsupported", GP_UNSUPPORTED},
    {"does not support", GP_UNSUPPORTED},
    {"low precision dtypes", GP_UNSUPPORTED},
    {"doesn't handle types other than", GP_UNSUPPORTED},
    {"of float, double, cfloat or cdouble types", GP_UNSUPPORTED},
    {"could not run", GP_UNSUPPORTED},
    {"derivative for", GP_UNSUPPORTED},
    {"trying to use forward ad with", GP_UNSUPPORTED},
    {"out of range", GP_INDEX},
    {"out of bounds", GP_INDEX},
    {"tensor has no dimensions", GP_INDEX},
    {"exceeds dimension size", GP_INDEX},
    {"dtype", GP_DTYPE},
    {"scalar type", GP_DTYPE},
    {"data type", GP_DTYPE},
    {"can't be cast", GP_DTYPE},
    {"cannot be cast", GP_DTYPE},
    {"floating point", GP_DTYPE},
    {"floating-point", GP_DTYPE},
    {"integral", GP_DTYPE},
    {"must match", GP_SHAPE},
    {"shape", GP_SHAPE},
    {"size", GP_SHAPE},
    {"dimension", GP_SHAPE},
    {"broadcast", GP_SHAPE},
    {"1d tensor", GP_SHAPE},
    {"1-d", GP_SHAPE},
    {"2-d", GP_SHAPE},
    {"3-d", GP_SHAPE},
    {"3d tensor", GP_SHAPE},
    {"matrix", GP_SHAPE},
    {"matrices", GP_SHAPE},
    {"vector", GP_SHAPE},
};

}  // namespace

std::string_view first_line(std::string_view message) {
  constexpr std::size_t most = 500;
  return message.substr(0, std::min(message.find('\n'), most));
}

gp_error_kind kind_of_message(std::string_view message, gp_error_kind otherwise) {
  // The whole text: some messages name the fault on a line of their own.
  std::string lower(message.substr(0, 4096));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const Phrase& phrase : phrases) {
    if (lower.find(phrase.text) != std::string::npos) return phrase.kind;
  }
  return otherwise;
}

}  // namespace gradproof::libtorch
