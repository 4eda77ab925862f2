#include "properties/property.h"

#include <rapidcheck/Random.h>

#include <algorithm>
#include <array>

#include "properties/all.h"
#include "properties/call.h"

namespace gradproof {

namespace {

// FNV-1a, 64 bits: stable for ever, for it names cases.
class NameHash {
 public:
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<std::uint8_t>(c));
    add_byte(0);
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) add_byte(static_cast<std::uint8_t>(number >> (8 * i)));
  }
  // Mixed once more (splitmix64), so that neighbouring cases share no bits.
  std::uint64_t value(std::uint64_t salt) const {
    std::uint64_t z = hash_ + 0x9e3779b97f4a7c15U * (salt + 1);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

 private:
  void add_byte(std::uint8_t byte) {
    hash_ ^= byte;
    hash_ *= 0x100000001b3U;
  }
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace

const Observations& Session::observe(const Script& script) {
  prepared_.reset();
  program_ = script.view();
  prepared_ = engine_->prepare(program_);
  prepared_->run(program_.data, observations_);
  return observations_;
}

void Session::observe_again(const Script& script, Observations& out) { prepared_->run(script.data.data(), out); }

Verdict Property::judge(Session& session, const Script& script) const {
  const Observations& seen = session.observe(script);
  return session.judge().judge(script, seen);
}

std::string_view unmet(const Subject& subject, const Needs& needs) {
  if (!can_draw(*subject.entry)) return "calls of it are not drawn";
  const bool differentiable = is_differentiable(subject);
  if (needs.derivatives && !differentiable) return "not differentiable";
  if (needs.forward_mode && subject.engine != nullptr && !subject.engine->forward_mode) return "no forward mode";
  if (needs.create_graph && subject.engine != nullptr && !subject.engine->create_graph)
    return "no derivatives of derivatives";
  return "";
}

const std::vector<const Property*>& all_properties() {
  static const std::vector<const Property*> all = [] {
    std::vector<const Property*> made{&value_property(),
                                      &vjp_property(),
                                      &jvp_property(),
                                      &duality_property(),
                                      &seed_weighting_property(),
                                      &second_order_property(),
                                      &third_order_property(),
                                      &shared_inputs_property(),
                                      &layout_property(),
                                      &in_place_property(),
                                      &special_values_property(),
                                      &kinks_property(),
                                      &modes_property(),
                                      &accumulation_property(),
                                      &graph_lifetime_property(),
                                      &misuse_property(),
                                      &refusal_property(),
                                      &purity_property(),
                                      &determinism_property(),
                                      &definedness_property(),
                                      &device_property(),
                                      &threads_property(),
                                      &program_property(),
                                      &lifecycle_property()};
    const std::vector<const Property*>& rules = lifecycle_rules();
    made.insert(made.end(), rules.begin(), rules.end());
    return made;
  }();
  return all;
}

const Property* find_property(std::string_view id) {
  const auto& all = all_properties();
  const auto found =
      std::find_if(all.begin(), all.end(), [id](const Property* property) { return property->id() == id; });
  return found == all.end() ? nullptr : *found;
}

namespace {

// Half of the cases go through pairs of classes, each property from a place of its own, so that all together have soon
// been through them; the others come as they come. Dtypes take turns by the index, so both halves see each.
Wanted wanted_of(const CaseName& name, const NameHash& operator_hash, std::uint64_t start) {
  if ((name.index & 2U) == 0) return {};
  const std::uint64_t number = name.index / 4 * 2 + (name.index & 1U);
  const std::uint64_t block = number / rows_of_pairs;
  return wanted_of_row(block * rows_of_pairs + (number + start) % rows_of_pairs, operator_hash.value(0));
}

}  // namespace

Met generate_case(const CaseName& name, const Property& property, const Subject& subject, Script& script) {
  NameHash hash;
  hash.add(name.seed);
  hash.add(name.engine);
  hash.add(name.operator_id);
  const NameHash operator_hash = hash;
  hash.add(name.property);
  const std::uint64_t start = hash.value(0);
  hash.add(static_cast<std::uint64_t>(name.dtype));
  hash.add(name.index);
  const rc::Random random(rc::Random::Key{hash.value(0), hash.value(1), hash.value(2), hash.value(3)});
  // The first cases are small and plain: what fails there is easiest to read.
  const int size = static_cast<int>(std::min<std::uint64_t>(10 + 10 * name.index, 100));
  script.clear();
  script.comments = {"property: " + std::string(property.id()), "operator: " + subject.entry->id()};
  RandomDraw draw(random, size, wanted_of(name, operator_hash, start));
  draw.allow_overlaps(property.takes_overlaps());
  property.generate(subject, draw, script);
  // A property of the CPU's is one of the device's once its tensors lie there; one compares the two itself.
  if (subject.device == GP_CPU || &property == &device_property()) return draw.met();
  for (gp_tensor& tensor : script.tensors) tensor.device = static_cast<std::uint8_t>(subject.device);
  return draw.met();
}

}  // namespace gradproof
