// The properties, one file each, and what they ask of a subject.
#pragma once

#include "properties/property.h"

namespace gradproof {

const Property& value_property();
const Property& vjp_property();
const Property& jvp_property();
const Property& duality_property();
const Property& seed_weighting_property();
const Property& second_order_property();
const Property& third_order_property();
const Property& shared_inputs_property();
const Property& layout_property();
const Property& in_place_property();
const Property& special_values_property();
const Property& kinks_property();
const Property& modes_property();
const Property& accumulation_property();
const Property& graph_lifetime_property();
const Property& misuse_property();
const Property& refusal_property();
const Property& purity_property();
const Property& determinism_property();
const Property& definedness_property();
const Property& device_property();
const Property& threads_property();
const Property& program_property();
const Property& lifecycle_property();
const std::vector<const Property*>& lifecycle_rules();

struct Needs {
  bool derivatives = true;
  bool forward_mode = false;
  bool create_graph = false;
};
// Why a subject does not meet them; "" where it does.
std::string_view unmet(const Subject& subject, const Needs& needs);

}  // namespace gradproof
