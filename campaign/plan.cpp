#include "campaign/plan.h"

#include <algorithm>
#include <set>

#include "campaign/glob.h"
#include "campaign/usage_error.h"
#include "script/near.h"

namespace gradproof {
namespace {

// Of `items`, in their order, what any of the globs matches.
template <class Item, class Matches, class OfferNames>
std::vector<const Item*> selected(const std::vector<const Item*>& items, const std::vector<std::string>& given,
                                  const char* what, const char* listed_by, Matches matches, OfferNames offer) {
  const std::vector<std::string> globs = split_globs(given);
  if (given.empty()) return items;
  if (globs.empty()) throw UsageError(std::string("an empty list of ") + what + " names");
  std::set<const Item*> chosen;
  for (const std::string& glob : globs) {
    bool any = false;
    for (const Item* item : items) {
      if (!matches(glob, *item)) continue;
      chosen.insert(item);
      any = true;
    }
    if (any) continue;
    NearWords near(glob);
    for (const Item* item : items) offer(near, *item);
    throw UsageError(std::string("no ") + what + " matches '" + glob + "'" + near_text(near.best()) + "; " + listed_by +
                     " lists them");
  }
  std::vector<const Item*> in_order;
  std::copy_if(items.begin(), items.end(), std::back_inserter(in_order),
               [&](const Item* item) { return chosen.contains(item); });
  return in_order;
}

std::set<std::string> names_of_schemas(const std::vector<std::string>& lines) {
  std::set<std::string> names;
  for (const std::string& line : lines) {
    std::string name = line.substr(0, line.find('('));
    if (const std::size_t colons = name.find("::"); colons != std::string::npos) name.erase(0, colons + 2);
    names.insert(std::move(name));
  }
  return names;
}

bool holds(const std::vector<gp_dtype>& dtypes, gp_dtype dtype) {
  return std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
}

std::vector<gp_dtype> default_dtypes(const EngineInfo& info) {
  std::vector<gp_dtype> dtypes;
  for (const gp_dtype dtype : checked_unasked) {
    if (holds(info.dtypes, dtype)) dtypes.push_back(dtype);
  }
  return dtypes;
}

}  // namespace

bool names_operator(std::string_view glob, const Entry& entry) {
  return glob_matches(glob, entry.id()) || glob_matches(glob, entry.schema.full_name()) ||
         glob_matches(glob, entry.schema.name);
}

std::vector<const Entry*> select_operators(const Registry& registry, const std::vector<std::string>& globs) {
  std::vector<const Entry*> all;
  for (const Entry& entry : registry.entries()) {
    // What the reference uses inside itself is no operator of anybody's; of ATen's private ones calls are drawn.
    const bool internal = entry.schema.name.starts_with('_') && entry.record.sample == nullptr;
    if (!internal) all.push_back(&entry);
  }
  return selected(all, globs, "operator", "gradproof operators", names_operator,
                  [](NearWords& near, const Entry& entry) {
                    near.offer(entry.schema.name);
                    near.offer(entry.id());
                  });
}

std::vector<const Property*> select_properties(std::span<const Property* const> all,
                                               const std::vector<std::string>& globs) {
  const std::vector<const Property*> items(all.begin(), all.end());
  return selected(
      items, globs, "property", "gradproof operators --properties",
      [](std::string_view glob, const Property& property) { return glob_matches(glob, property.id()); },
      [](NearWords& near, const Property& property) { near.offer(property.id()); });
}

Plan make_plan(const Registry& registry, const std::string& engine, const EngineFacts& facts,
               const Selection& selection, std::span<const Property* const> properties) {
  Plan plan;
  plan.registry = &registry;
  plan.engine = engine;
  plan.info = facts.info;
  plan.device = selection.device;
  const auto& devices = plan.info.devices;
  const bool has_device = std::find(devices.begin(), devices.end(), selection.device) != devices.end();
  plan.dtypes = selection.dtypes.empty() ? default_dtypes(plan.info) : selection.dtypes;
  plan.operators = names_of_schemas(facts.schemas);
  const auto why_not = [&](const Property& property, const Subject& subject) -> std::string {
    // What a machine lacks is no bad usage: the same command serves machines with a device and without.
    if (!has_device) return selection.device == GP_CUDA ? "no CUDA device" : "the engine does not run on the CPU";
    if (!holds(plan.info.dtypes, subject.dtype)) return std::string("the engine has no ") + name_of(subject.dtype);
    if (!plan.operators.contains(subject.entry->schema.full_name())) return "the engine has no such operator";
    return std::string(property.not_applicable(subject));
  };
  for (const Entry* entry : select_operators(registry, selection.operators)) {
    for (const Property* property : select_properties(properties, selection.properties)) {
      Pair pair{entry, property, {}};
      for (const gp_dtype dtype : plan.dtypes) {
        std::string reason = why_not(*property, {&registry, entry, dtype, plan.device, &plan.info, &plan.operators});
        if (reason.empty()) {
          pair.dtypes.push_back(dtype);
        } else {
          plan.skipped.push_back({entry, property, dtype, std::move(reason)});
        }
      }
      if (!pair.dtypes.empty()) plan.pairs.push_back(std::move(pair));
    }
  }
  return plan;
}

}  // namespace gradproof
