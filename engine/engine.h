// An engine: whatever can execute a script and say what it saw.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "script/program.h"
#include "script/schema.h"

namespace gradproof {

// What a run saw, in the buffers the ABI fills (script/program.h says how the parts refer to each other).
struct Observations {
  std::vector<gp_observation> items;
  std::vector<std::uint8_t> data;
  std::vector<char> text;

  void clear() {
    items.clear();
    data.clear();
    text.clear();
  }
  // The observation of a step, or nullptr.
  const gp_observation* at(std::uint32_t step) const;
  std::string_view text_of(const gp_observation& item) const { return {text.data() + item.text, item.text_size}; }
  std::span<const std::uint8_t> bytes_of(const gp_observation& item) const;
  // An element as a double: exact for every dtype but i64 beyond 2^53.
  double element(const gp_observation& item, std::uint64_t index) const;
};

enum class SecondSweep { accumulate, overwrite, refuse, needs_zero };

// What an engine declares of itself; docs/engines.md explains each.
struct EngineInfo {
  std::string name;     // "libtorch"
  std::string version;  // "2.11.0"
  std::vector<gp_dtype> dtypes{GP_F32, GP_F64};
  std::vector<gp_device> devices{GP_CPU};
  SecondSweep second_sweep = SecondSweep::accumulate;
  bool frees_graph = true;     // a second sweep without retain_graph is refused where something was saved
  bool expands_seeds = false;  // a seed that the output's shape expands to is summed to that shape, not refused
  bool forward_mode = true;
  bool nested_forward_mode = false;  // forward over forward
  bool create_graph = true;
  bool hooks = false;    // GP_HOOK
  bool threads = false;  // lanes of GP_PARALLEL run at once
  bool deterministic = true;
  double budget_multiplier = 1;  // of every radius, for engines that promise less

  // From the JSON a module describes itself with; unknown keys are an error that names them.
  static EngineInfo from_json(std::string_view json);
  std::string to_json() const;
};

// A program made ready to run many times. Not thread safe.
class PreparedProgram {
 public:
  virtual ~PreparedProgram() = default;
  // `data` has the size of the program's own; `out` is cleared first.
  virtual void run(const std::uint8_t* data, Observations& out) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual const EngineInfo& info() const = 0;
  virtual const Schemas& schemas() const = 0;
  // The program must outlive what is prepared from it. Throws std::runtime_error with the reason.
  virtual std::unique_ptr<PreparedProgram> prepare(const gp_program& program) = 0;

  // --- memory nobody wrote ---
  // From the next run on it is filled with this byte, or with -1 again as the engine does. False where the engine
  // cannot.
  virtual bool set_fill(int /*byte*/) { return false; }
  // What runs since the last call wrote beyond their memory, as text; "" for nothing, or where the engine cannot tell.
  virtual std::string memory_fault() { return {}; }
};

}  // namespace gradproof
