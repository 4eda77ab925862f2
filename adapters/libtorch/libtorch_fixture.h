// What the tests of the LibTorch modules share: a script under construction, its run, and what was seen.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>

#include "adapters/module.h"
#include "script/script.h"

namespace gradproof {
inline constexpr int fill = 0x3f;

inline std::vector<std::string> versions() {
  std::istringstream words(GRADPROOF_LIBTORCH_VERSIONS);
  std::vector<std::string> all;
  for (std::string word; words >> word;) all.push_back(word);
  return all;
}

// Two LibTorchs cannot share a process: the first version asked for is this process's.
inline Engine* engine_of(const std::string& version) {
  static const std::string loaded = version;
  if (version != loaded) return nullptr;
  static const std::unique_ptr<Engine> engine = [&] {
    ModuleOptions options;
    options.fill = fill;
    options.libraries = {GRADPROOF_BUILD_DIR "/tests/planted-" + version + ".so"};
    return load_module(std::filesystem::path(GRADPROOF_ENGINE_DIR) / ("libtorch-" + version + ".so"), options);
  }();
  return engine.get();
}

class LibTorch : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    engine_ = engine_of(GetParam());
    if (engine_ == nullptr) GTEST_SKIP() << "this process has loaded another LibTorch; CTest starts one for each test";
  }

  ValueId tensor(std::vector<Index> shape, const std::vector<double>& values, gp_dtype dtype = GP_F64,
                 bool leaf = false) {
    TensorSpec spec;
    spec.dtype = dtype;
    spec.shape = std::move(shape);
    spec.requires_grad = leaf;
    return fill_in(script_.tensor(spec), values);
  }
  ValueId leaf(std::vector<Index> shape, const std::vector<double>& values, gp_dtype dtype = GP_F64) {
    return tensor(std::move(shape), values, dtype, true);
  }
  ValueId fill_in(ValueId value, const std::vector<double>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) script_.set_element(script_.tensor_of(value), i, values[i]);
    return value;
  }
  ValueId call(const char* name, const char* overload, const std::vector<gp_arg>& args, std::uint32_t results = 1) {
    return script_.call(script_.op(name, overload), args, results);
  }
  ValueId unary(const char* name, ValueId x) { return call(name, "", {script_.arg(x)}); }
  ValueId binary(const char* name, ValueId x, ValueId y) {
    return call(name, "Tensor", {script_.arg(x), script_.arg(y)});
  }
  ValueId scaled(ValueId x, double factor) { return call("mul", "Scalar", {script_.arg(x), script_.arg_real(factor)}); }
  ValueId sum(ValueId x) { return unary("sum", x); }
  // 3a + 2b² + log c
  ValueId example(ValueId a, ValueId b, ValueId c) {
    return binary("add", binary("add", scaled(a, 3), scaled(binary("mul", b, b), 2)), unary("log", c));
  }
  std::uint32_t backward(std::vector<ValueId> roots, std::vector<ValueId> seeds = {}, unsigned flags = 0) {
    return script_.backward(roots, seeds, {}, flags);
  }
  std::uint32_t read_grad(ValueId leaf) { return script_.read(script_.grad_of(leaf)); }

  void run() {
    ASSERT_EQ(fault_in(script_.view()), std::nullopt);
    const auto prepared = engine_->prepare(script_.view());
    prepared->run(script_.data.data(), seen_);
    // Nothing of one run is left in the next.
    Observations again;
    prepared->run(script_.data.data(), again);
    ASSERT_EQ(again.items.size(), seen_.items.size());
    ASSERT_EQ(again.data, seen_.data);
    ASSERT_EQ(again.text, seen_.text);
  }

  std::vector<double> values(std::uint32_t step) {
    const gp_observation* item = seen_.at(step);
    if (item == nullptr || item->status != GP_VALUE) {
      ADD_FAILURE() << "no value at step " << step << ": " << (item == nullptr ? "" : seen_.text_of(*item));
      return {};
    }
    std::vector<double> all;
    for (std::uint64_t i = 0; i < item->elements; ++i) all.push_back(seen_.element(*item, i));
    return all;
  }
  std::vector<Index> shape(std::uint32_t step) {
    const gp_observation* item = seen_.at(step);
    return item == nullptr ? std::vector<Index>{-1} : std::vector<Index>(item->shape, item->shape + item->ndim);
  }
  void expect_near(std::uint32_t step, const std::vector<double>& wanted, double bound = 1e-14) {
    const auto got = values(step);
    ASSERT_EQ(got.size(), wanted.size()) << "step " << step;
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_LE(std::abs(got[i] - wanted[i]), bound * std::abs(wanted[i])) << "step " << step << ", element " << i;
    }
  }
  std::optional<gp_status> status(std::uint32_t step) {
    const gp_observation* item = seen_.at(step);
    if (item == nullptr) return std::nullopt;
    return static_cast<gp_status>(item->status);
  }
  // The kind of error a step failed with; GP_OK where it did not.
  std::string error(std::uint32_t step) {
    const gp_observation* item = seen_.at(step);
    if (item == nullptr || item->status != GP_ERROR) return name_of(GP_OK);
    EXPECT_GT(item->text_size, 0U);
    EXPECT_LE(item->text_size, 500U);
    EXPECT_EQ(seen_.text_of(*item).find('\n'), std::string_view::npos);
    return name_of(static_cast<gp_error_kind>(item->error));
  }
  std::string error_text(std::uint32_t step) { return std::string(seen_.text_of(*seen_.at(step))); }
  std::uint32_t last_step() const { return static_cast<std::uint32_t>(script_.steps.size() - 1); }

  Engine* engine_ = nullptr;
  Script script_;
  Observations seen_;
};

// "v2_11_0"
inline std::string name_of_version(const testing::TestParamInfo<std::string>& info) {
  std::string name = "v" + info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

}  // namespace gradproof
