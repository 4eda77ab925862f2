#include "properties/program/trial.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/scalars/environment.h"

namespace gradproof::program {

namespace {

// Beside numbers of ordinary size, in double.
constexpr double noise = 0x1p-30;

// This thread's interpreter of a scalar.
template <class T>
Interpreter<T>& runner_of(const Registry& of) {
  thread_local const Registry* registry = nullptr;
  thread_local std::unique_ptr<Interpreter<T>> runner;
  if (registry != &of) {
    registry = &of;
    runner = std::make_unique<Interpreter<T>>(of, of.catalogue<T>(), EngineInfo{});
  }
  return *runner;
}

template <class T>
const std::vector<Seen<T>>& run(const Registry& registry, const Script& script) {
  Interpreter<T>& runner = runner_of<T>(registry);
  const gp_program program = script.view();
  runner.prepare(program);
  return runner.run(program.data);
}

template <class B>
bool leaves_none_open(const Registry& registry, const Script& script) {
  const FloatEnvironment environment;
  const auto& seen = run<B>(registry, script);
  return std::all_of(seen.begin(), seen.end(), [](const Seen<B>& one) {
    if (one.status == GP_ERROR) return false;
    if (one.status != GP_VALUE || one.value.kind != Kind::real) return true;
    const B* first = one.value.real();
    return std::none_of(first, first + one.value.numel, [](const B& ball) { return ball.is_anything(); });
  });
}

}  // namespace

const std::vector<Seen<Defined>>& trial(const Registry& registry, const Script& script) {
  return run<Defined>(registry, script);
}
const Seen<Defined>& seen_at(const Registry& registry, std::uint32_t step) {
  return *runner_of<Defined>(registry).at(step);
}

bool is_moderate(const std::vector<Seen<Defined>>& seen, double most) {
  return std::all_of(seen.begin(), seen.end(), [most](const Seen<Defined>& one) {
    if (one.status == GP_ERROR) return false;
    if (one.status != GP_VALUE || one.value.kind != Kind::real) return true;
    const Defined* first = one.value.real();
    return std::all_of(first, first + one.value.numel, [most](const Defined& x) {
      const double size = std::fabs(x.value);
      return size == 0 || (size >= noise && size <= most);
    });
  });
}

bool is_inside(const Registry& registry, gp_dtype dtype, const Script& script) {
  return dtype == GP_F64 ? leaves_none_open<Ball<double>>(registry, script)
                         : leaves_none_open<Ball<float>>(registry, script);
}

}  // namespace gradproof::program
