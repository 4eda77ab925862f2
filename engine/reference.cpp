#include "engine/reference.h"

#include <cstring>

#include "engine/interpreter.h"

namespace gradproof {

namespace {

template <class T>
void append(const Seen<T>& seen, Observations& out) {
  gp_observation item{};
  item.step = seen.step;
  item.status = static_cast<std::uint8_t>(seen.status);
  item.error = static_cast<std::uint8_t>(seen.error);
  item.text = static_cast<std::uint32_t>(out.text.size());
  item.text_size = static_cast<std::uint32_t>(seen.text.size());
  out.text.insert(out.text.end(), seen.text.begin(), seen.text.end());
  if (seen.status == GP_VALUE) {
    const Tensor<T>& value = seen.value;
    item.ndim = value.ndim;
    std::copy_n(value.sizes_begin, value.ndim, item.shape);
    std::copy_n(seen.strides.begin(), value.ndim, item.strides);
    item.storage = seen.storage;
    item.version = seen.version;
    item.elements = static_cast<std::uint64_t>(value.numel);
    item.data = out.data.size();
    const void* from = value.data;
    std::size_t width = sizeof(T);
    item.dtype = sizeof(T) == sizeof(float) ? GP_F32 : GP_F64;
    if (value.kind == Kind::integer) {
      item.dtype = GP_I64;
      width = sizeof(Index);
    } else if (value.kind == Kind::boolean) {
      item.dtype = GP_BOOL;
      width = 1;
    }
    out.data.resize(out.data.size() + width * item.elements);
    if (item.elements > 0) std::memcpy(out.data.data() + item.data, from, width * item.elements);
    out.data.resize((out.data.size() + 7) / 8 * 8);
  }
  out.items.push_back(item);
}

template <class T>
class Prepared final : public PreparedProgram {
 public:
  Prepared(const Registry& registry, const Catalogue<T>& catalogue, const EngineInfo& info, const gp_program& program,
           const int& fill)
      : program_(program), interpreter_(registry, catalogue, info), fill_(&fill) {
    interpreter_.prepare(program_);
  }
  void run(const std::uint8_t* data, Observations& out) override {
    out.clear();
    interpreter_.fill = *fill_;
    for (const Seen<T>& seen : interpreter_.run(data)) append(seen, out);
  }

 private:
  gp_program program_;
  Interpreter<T> interpreter_;
  const int* fill_;  // the engine's
};

class Reference final : public Engine {
 public:
  Reference(const Registry& registry, EngineInfo info, ReferenceCatalogues catalogues)
      : registry_(&registry), info_(std::move(info)), catalogues_(catalogues) {
    if (catalogues_.f32 == nullptr) catalogues_.f32 = &registry.catalogue<float>();
    if (catalogues_.f64 == nullptr) catalogues_.f64 = &registry.catalogue<double>();
  }
  const EngineInfo& info() const override { return info_; }
  const Schemas& schemas() const override { return registry_->schemas(); }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    if (dtype_of(program) == GP_F64) {
      return std::make_unique<Prepared<double>>(*registry_, *catalogues_.f64, info_, program, fill_);
    }
    return std::make_unique<Prepared<float>>(*registry_, *catalogues_.f32, info_, program, fill_);
  }
  bool set_fill(int byte) override {
    fill_ = byte;
    return true;
  }

 private:
  const Registry* registry_;
  EngineInfo info_;
  ReferenceCatalogues catalogues_;
  int fill_ = -1;
};

}  // namespace

EngineInfo reference_info() {
  EngineInfo info;
  info.name = "reference";
  info.version = GRADPROOF_VERSION;
  info.expands_seeds = true;
  info.nested_forward_mode = true;
  info.hooks = true;
  return info;
}

std::unique_ptr<Engine> make_reference(const Registry& registry, const EngineInfo& info,
                                       ReferenceCatalogues catalogues) {
  return std::make_unique<Reference>(registry, info, catalogues);
}

}  // namespace gradproof
