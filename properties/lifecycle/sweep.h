// A reverse sweep as the model sees it; of sweeps.cpp and sweep_effects.cpp alone.
#pragma once

#include <algorithm>

#include "properties/lifecycle/model.h"

namespace gradproof::lifecycle {

struct Model::Sweep {
  bool backward = true;  // into .grad
  bool create_graph = false;
  bool retain = false;
  bool allow_unused = false;
  bool with_inputs = false;
  std::vector<Id> roots{};
  std::vector<Id> seeds{};  // nobody: none
  std::vector<Id> inputs{};
  std::vector<Id> root_histories{};
  std::vector<Tri> seed_requires{};
  bool blurred = false;  // the graph is not known
};

// What a sweep is asked for: parts, each a history and the number of the receiver whose gradient it is part of.
struct Model::Wanted {
  std::vector<std::pair<Id, std::size_t>> parts{};
  std::vector<Id> receivers{};

  void add(Id history, Id receiver) {
    const auto at = std::find(receivers.begin(), receivers.end(), receiver) - receivers.begin();
    if (at == std::ssize(receivers)) receivers.push_back(receiver);
    parts.emplace_back(history, static_cast<std::size_t>(at));
  }
};

}  // namespace gradproof::lifecycle
