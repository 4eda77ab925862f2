// What only a CUDA device can show. Without one each test says that it is skipped, and why.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "adapters/libtorch/libtorch_fixture.h"

namespace gradproof {
namespace {

// Where the modules lie: the build may have been taken to another machine.
std::filesystem::path engine_folder() {
  const char* given = std::getenv("GRADPROOF_ENGINES");
  return given == nullptr ? GRADPROOF_ENGINE_DIR : given;
}

Engine* cuda_engine_of(const std::string& version) {
  static const std::string loaded = version;
  if (version != loaded) return nullptr;
  static const std::unique_ptr<Engine> engine = [&] {
    ModuleOptions options;
    options.device = GP_CUDA;
    return load_module(engine_folder() / ("libtorch-" + version + ".so"), options);
  }();
  return engine.get();
}

class LibTorchCuda : public LibTorch {
 protected:
  void SetUp() override {
    const auto file = engine_folder() / ("libtorch-" + GetParam() + ".so");
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "there is no " << file;
    engine_ = cuda_engine_of(GetParam());
    if (engine_ == nullptr) GTEST_SKIP() << "this process has loaded another LibTorch; CTest starts one for each test";
    const auto& devices = engine_->info().devices;
    if (std::find(devices.begin(), devices.end(), GP_CUDA) == devices.end()) GTEST_SKIP() << why_not();
  }
  void TearDown() override {
    if (engine_ != nullptr) engine_->set_fill(-1);
  }

  // As a step that asks for the device is told.
  std::string why_not() {
    Script script;
    TensorSpec spec;
    spec.shape = {1};
    spec.device = GP_CUDA;
    const ValueId x = script.tensor(spec);
    script.read(x);
    const auto prepared = engine_->prepare(script.view());
    Observations seen;
    prepared->run(script.data.data(), seen);
    return seen.items.empty() ? "nothing was seen" : std::string(seen.text_of(seen.items.front()));
  }

  ValueId on_cuda(std::vector<Index> shape, const std::vector<double>& values, gp_dtype dtype, bool leaf) {
    const ValueId made = tensor(std::move(shape), values, dtype, leaf);
    script_.tensor_of(made).device = GP_CUDA;
    return made;
  }
  ValueId cuda_leaf(std::vector<Index> shape, const std::vector<double>& values, gp_dtype dtype = GP_F64) {
    return on_cuda(std::move(shape), values, dtype, true);
  }
  ValueId moved(ValueId value, const char* device, bool non_blocking) {
    return call("_to_copy", "",
                {script_.arg(value), script_.arg_default(), script_.arg_default(), script_.arg_string(device),
                 script_.arg_default(), script_.arg_bool(non_blocking)});
  }
  ValueId unwritten(gp_device device, bool pinned, Index elements = 4) {
    TensorSpec spec;
    spec.dtype = GP_F32;
    spec.shape = {elements};
    spec.memory = GP_EMPTY;
    spec.device = device;
    spec.pinned = pinned;
    return script_.tensor(spec);
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, LibTorchCuda, testing::ValuesIn(versions()), name_of_version);

TEST_P(LibTorchCuda, DeclaresTheDeviceAndItsBudgets) {
  EXPECT_EQ(engine_->info().devices, (std::vector<gp_device>{GP_CPU, GP_CUDA}));
  EXPECT_EQ(engine_->info().budget_multiplier, std::getenv("GRADPROOF_CUDA_TF32") == nullptr ? 4.5 : 33000);
}

TEST_P(LibTorchCuda, GradientsOfTheFirstExample) {
  const ValueId a = cuda_leaf({3}, {1, 2, 3});
  const ValueId b = cuda_leaf({3}, {3, 4, 5});
  const ValueId c = cuda_leaf({3}, {6, 7, 8});
  const ValueId y = example(a, b, c);
  const ValueId seed = on_cuda({3}, {0.1, 1, 0.0001}, GP_F64, false);
  backward({y}, {seed}, GP_RETAIN_GRAPH);
  backward({y}, {seed});
  const auto da = read_grad(a);
  const auto db = read_grad(b);
  const auto dc = read_grad(c);
  const auto third = backward({y}, {seed});
  run();
  expect_near(da, {0.6, 6, 0.0006});
  expect_near(db, {2.4, 32, 0.004});
  expect_near(dc, {0.2 / 6, 2.0 / 7, 0.0002 / 8});
  EXPECT_EQ(error(third), "graph_freed");
}

TEST_P(LibTorchCuda, GradientsComeBackThroughNonBlockingCopies) {
  const std::size_t count = 1U << 16;
  std::vector<double> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<double>(i % 97);
  const ValueId x = leaf({static_cast<Index>(count)}, numbers, GP_F32);
  auto& flags = script_.tensor_of(x).flags;
  flags = static_cast<std::uint8_t>(flags | GP_PINNED);
  const ValueId there = moved(x, "cuda", true);
  const ValueId y = binary("mul", there, there);
  const ValueId back = moved(y, "cpu", true);
  backward({sum(y)});
  const auto seen = script_.read(back);
  const auto grad = read_grad(x);
  run();
  const auto values_seen = values(seen);
  const auto grads = values(grad);
  ASSERT_EQ(grads.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(values_seen[i], numbers[i] * numbers[i]) << i;
    ASSERT_EQ(grads[i], 2 * numbers[i]) << i;
  }
}

// Long enough that what does not wait reads what is not there yet.
TEST_P(LibTorchCuda, BackwardOnAnotherStreamThanForward) {
  const Index n = 512;
  const ValueId x = cuda_leaf({n, n}, std::vector<double>(static_cast<std::size_t>(n * n), 1.0 / 512), GP_F64);
  ValueId y = x;
  for (int i = 0; i < 20; ++i) y = call("mm", "", {script_.arg(y), script_.arg(x)});
  script_.stream(1);
  backward({sum(y)});
  const auto on_one = read_grad(x);
  script_.stream(2);
  const ValueId z = call("mm", "", {script_.arg(x), script_.arg(x)});
  script_.stream(0);
  backward({sum(z)});
  const auto both = read_grad(x);
  run();
  // y = x^21 of equal entries 1/n: sum is n, and each entry's gradient 21/n; z adds 2.
  for (const double value : values(on_one)) ASSERT_NEAR(value, 21, 1e-9);
  for (const double value : values(both)) ASSERT_NEAR(value, 23, 1e-9);
}

TEST_P(LibTorchCuda, ProductsOfMatricesKeepTheirBits) {
  if (std::getenv("GRADPROOF_CUDA_TF32") != nullptr) GTEST_SKIP() << "TF32 is on, as asked";
  // 1 + 2^-20 has more bits than TF32 keeps; all sums are exact.
  const Index n = 64;
  std::vector<double> identity(static_cast<std::size_t>(n * n));
  for (Index i = 0; i < n; ++i) identity[static_cast<std::size_t>(i * n + i)] = 1;
  const ValueId a = on_cuda({n, n}, std::vector<double>(static_cast<std::size_t>(n * n), 1 + 0x1p-20), GP_F32, false);
  const ValueId b = on_cuda({n, n}, identity, GP_F32, false);
  const auto seen = script_.read(call("mm", "", {script_.arg(a), script_.arg(b)}));
  run();
  for (const double value : values(seen)) ASSERT_EQ(value, 1 + 0x1p-20);
}

TEST_P(LibTorchCuda, WhatHasNoDeterministicImplementationSaysSo) {
  const ValueId x = cuda_leaf({1, 1, 8, 8}, std::vector<double>(64, 1), GP_F32);
  call("gradproof::deterministic", "", {script_.arg_bool(true)}, 0);
  const Index sizes[] = {3, 3};
  const ValueId y = call("_adaptive_avg_pool2d", "", {script_.arg(x), script_.arg_ints(sizes)});
  const auto swept = backward({sum(y)});
  call("gradproof::deterministic", "", {script_.arg_bool(false)}, 0);
  const auto swept_again = backward({sum(call("_adaptive_avg_pool2d", "", {script_.arg(x), script_.arg_ints(sizes)}))});
  run();
  ASSERT_NE(seen_.at(swept), nullptr) << "the sweep was not refused";
  EXPECT_NE(error_text(swept).find("deterministic implementation"), std::string::npos) << error_text(swept);
  EXPECT_EQ(error(swept_again), "ok");
}

TEST_P(LibTorchCuda, MemoryNobodyWroteIsTheFill) {
  for (const int byte : {0xff, 0x3f}) {
    script_.clear();
    ASSERT_TRUE(engine_->set_fill(byte));
    const auto device = script_.read(unwritten(GP_CUDA, false));
    const auto pinned = script_.read(unwritten(GP_CPU, true));
    const auto computed =
        script_.read(call("empty_like", "", {script_.arg(on_cuda({5}, {1, 2, 3, 4, 5}, GP_F32, false))}));
    const auto defined = script_.read(call("zeros_like", "", {script_.arg(unwritten(GP_CUDA, false))}));
    run();
    for (const auto step : {device, pinned, computed}) {
      for (const std::uint8_t got : seen_.bytes_of(*seen_.at(step))) EXPECT_EQ(got, byte) << "step " << step;
    }
    for (const double got : values(defined)) EXPECT_EQ(got, 0);
    EXPECT_EQ(engine_->memory_fault(), "");
  }
}

TEST_P(LibTorchCuda, GradientsDoNotDependOnTheFill) {
  std::vector<std::vector<double>> grads;
  for (const int byte : {0xff, 0x3f, 0x00}) {
    script_.clear();
    ASSERT_TRUE(engine_->set_fill(byte));
    const ValueId x = cuda_leaf({3, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    const ValueId y = call("softmax", "int",
                           {script_.arg(call("mm", "", {script_.arg(x), script_.arg(call("t", "", {script_.arg(x)}))})),
                            script_.arg_int(1)});
    backward({sum(binary("mul", y, y))});
    const auto grad = read_grad(x);
    run();
    grads.push_back(values(grad));
    EXPECT_EQ(engine_->memory_fault(), "");
  }
  EXPECT_EQ(grads[0], grads[1]);
  EXPECT_EQ(grads[0], grads[2]);
}

}  // namespace
}  // namespace gradproof
