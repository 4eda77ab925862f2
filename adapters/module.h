// Engines that are loadable modules (adapters/engine.h), seen as any other engine.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace gradproof {

struct ModuleOptions {
  gp_device device = GP_CPU;
  int fill = -1;                       // byte that fills memory nobody wrote, or -1: as the engine does
  std::vector<std::string> libraries;  // loaded before the engine starts: a third party's operators
};

// Loads a module into this process, for as long as the process lives, and starts it. What a module hands
// back is checked before anybody sees it: broken bounds are an error that names the module.
// Throws std::runtime_error: no such file, no module, another version of the interface, failed to start.
std::unique_ptr<Engine> load_module(const std::filesystem::path& path, const ModuleOptions& options = {});

struct ModuleFile {
  std::string name;     // "libtorch"
  std::string version;  // "2.11.0"
  std::filesystem::path path;
};

// The files NAME-VERSION.so in these folders, by name and then from the newest version to the oldest. Of two
// with one name and version the folder named first wins. A folder that cannot be read holds nothing.
std::vector<ModuleFile> find_modules(std::span<const std::filesystem::path> folders);

}  // namespace gradproof
