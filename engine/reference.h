// The reference tape as an engine: f32 and f64.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "engine/registry.h"

namespace gradproof {

// Catalogues other than the registry's own make mutants; they must outlive the engine.
struct ReferenceCatalogues {
  const Catalogue<float>* f32 = nullptr;
  const Catalogue<double>* f64 = nullptr;
};

EngineInfo reference_info();
std::unique_ptr<Engine> make_reference(const Registry& registry, const EngineInfo& info = reference_info(),
                                       ReferenceCatalogues catalogues = {});

}  // namespace gradproof
