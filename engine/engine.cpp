#include "engine/engine.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "engine/interpreter.h"
#include "script/number.h"
#include "script/script.h"

namespace gradproof {
namespace {

using Json = nlohmann::ordered_json;

struct SweepName {
  SecondSweep sweep;
  const char* name;
};
constexpr SweepName sweep_names[] = {{SecondSweep::accumulate, "accumulate"},
                                     {SecondSweep::overwrite, "overwrite"},
                                     {SecondSweep::refuse, "refuse"},
                                     {SecondSweep::needs_zero, "needs_zero"}};

SecondSweep sweep_named(const std::string& name) {
  for (const SweepName& row : sweep_names) {
    if (name == row.name) return row.sweep;
  }
  throw std::runtime_error("second_sweep is \"" + name + "\"; known: accumulate, overwrite, refuse, needs_zero");
}

const char* sweep_name(SecondSweep sweep) {
  for (const SweepName& row : sweep_names) {
    if (sweep == row.sweep) return row.name;
  }
  return "accumulate";
}

gp_dtype dtype_in(const Json& value) {
  const auto name = value.get<std::string>();
  const auto dtype = dtype_named(name);
  if (!dtype) throw std::runtime_error("dtype \"" + name + "\" is not known");
  return *dtype;
}

gp_device device_in(const Json& value) {
  const auto name = value.get<std::string>();
  if (name == "cpu") return GP_CPU;
  if (name == "cuda") return GP_CUDA;
  throw std::runtime_error("device \"" + name + "\" is not known");
}

void read_key(EngineInfo& info, const std::string& key, const Json& value) {
  const auto flag = [&](bool& target) { target = value.get<bool>(); };
  if (key == "name") {
    info.name = value.get<std::string>();
  } else if (key == "version") {
    info.version = value.get<std::string>();
  } else if (key == "dtypes") {
    info.dtypes.clear();
    for (const Json& item : value) info.dtypes.push_back(dtype_in(item));
  } else if (key == "devices") {
    info.devices.clear();
    for (const Json& item : value) info.devices.push_back(device_in(item));
  } else if (key == "second_sweep") {
    info.second_sweep = sweep_named(value.get<std::string>());
  } else if (key == "frees_graph") {
    flag(info.frees_graph);
  } else if (key == "expands_seeds") {
    flag(info.expands_seeds);
  } else if (key == "forward_mode") {
    flag(info.forward_mode);
  } else if (key == "nested_forward_mode") {
    flag(info.nested_forward_mode);
  } else if (key == "create_graph") {
    flag(info.create_graph);
  } else if (key == "hooks") {
    flag(info.hooks);
  } else if (key == "threads") {
    flag(info.threads);
  } else if (key == "deterministic") {
    flag(info.deterministic);
  } else if (key == "budget_multiplier") {
    info.budget_multiplier = value.get<double>();
    if (!(info.budget_multiplier >= 1)) throw std::runtime_error("budget_multiplier must be at least 1");
  } else {
    throw std::runtime_error("the key \"" + key + "\" is not known");
  }
}

}  // namespace

const gp_observation* Observations::at(std::uint32_t step) const {
  const auto found =
      std::lower_bound(items.begin(), items.end(), step,
                       [](const gp_observation& item, std::uint32_t wanted) { return item.step < wanted; });
  return found != items.end() && found->step == step ? &*found : nullptr;
}

std::span<const std::uint8_t> Observations::bytes_of(const gp_observation& item) const {
  return {data.data() + item.data, item.elements * size_of(static_cast<gp_dtype>(item.dtype))};
}

double Observations::element(const gp_observation& item, std::uint64_t index) const {
  const auto dtype = static_cast<gp_dtype>(item.dtype);
  return load_number(dtype, data.data() + item.data + index * size_of(dtype));
}

EngineInfo EngineInfo::from_json(std::string_view json) {
  EngineInfo info;
  try {
    const Json object = Json::parse(json);
    if (!object.is_object()) throw std::runtime_error("it is no JSON object");
    for (const auto& [key, value] : object.items()) {
      try {
        read_key(info, key, value);
      } catch (const Json::exception&) {
        throw std::runtime_error("the key \"" + key + "\" has a value of the wrong type");
      }
    }
  } catch (const std::exception& fault) {
    throw std::runtime_error(std::string("the engine's description of itself is not valid: ") + fault.what());
  }
  return info;
}

std::string EngineInfo::to_json() const {
  Json object;
  object["name"] = name;
  object["version"] = version;
  object["dtypes"] = Json::array();
  for (const gp_dtype dtype : dtypes) object["dtypes"].push_back(name_of(dtype));
  object["devices"] = Json::array();
  for (const gp_device device : devices) object["devices"].push_back(device == GP_CUDA ? "cuda" : "cpu");
  object["second_sweep"] = sweep_name(second_sweep);
  object["frees_graph"] = frees_graph;
  object["expands_seeds"] = expands_seeds;
  object["forward_mode"] = forward_mode;
  object["nested_forward_mode"] = nested_forward_mode;
  object["create_graph"] = create_graph;
  object["hooks"] = hooks;
  object["threads"] = threads;
  object["deterministic"] = deterministic;
  object["budget_multiplier"] = budget_multiplier;
  return object.dump();
}

std::optional<gp_dtype> dtype_of(const gp_program& program) {
  std::optional<gp_dtype> found;
  for (std::uint64_t i = 0; i < program.tensor_count; ++i) {
    const auto dtype = static_cast<gp_dtype>(program.tensors[i].dtype);
    if (!is_floating(dtype)) continue;
    if (found && *found != dtype) return std::nullopt;
    found = dtype;
  }
  return found.value_or(GP_F32);
}

}  // namespace gradproof
