// Planted memory faults and their right twins: on CUDA where there is a device, on the CPU otherwise.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "adapters/libtorch/libtorch_fixture.h"

namespace gradproof {
namespace {

std::filesystem::path engine_folder() {
  const char* given = std::getenv("GRADPROOF_ENGINES");
  return given == nullptr ? GRADPROOF_ENGINE_DIR : given;
}

Engine* engine_with_faults(const std::string& version) {
  static const std::string loaded = version;
  if (version != loaded) return nullptr;
  static const std::unique_ptr<Engine> engine = [&] {
    ModuleOptions options;
    options.device = GP_CUDA;
    options.libraries = {(engine_folder().parent_path() / "tests" / ("planted_device-" + version + ".so")).string()};
    return load_module(engine_folder() / ("libtorch-" + version + ".so"), options);
  }();
  return engine.get();
}

// What two runs under two fills saw.
struct Seen {
  bool same_bits = true;
  std::string fault{};
};

class LibTorchPlanted : public LibTorch {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(engine_folder() / ("libtorch-" + GetParam() + ".so"))) {
      GTEST_SKIP() << "there is no module of this version";
    }
    engine_ = engine_with_faults(GetParam());
    if (engine_ == nullptr) GTEST_SKIP() << "this process has loaded another LibTorch; CTest starts one for each test";
    const auto& devices = engine_->info().devices;
    cuda_ = std::find(devices.begin(), devices.end(), GP_CUDA) != devices.end();
    RecordProperty("device", cuda_ ? "cuda" : "cpu");
  }
  void TearDown() override {
    if (engine_ != nullptr) engine_->set_fill(-1);
  }

  Seen seen_with(const char* name, bool faulty) {
    script_.clear();
    const ValueId x = leaf({3, 2}, {1, 2, 3, 4, 5, 6}, GP_F32);
    if (cuda_) script_.tensor_of(x).device = GP_CUDA;
    const ValueId y =
        call((std::string("planted_device::") + name).c_str(), "", {script_.arg(x), script_.arg_bool(faulty)});
    script_.read(y);
    if (std::string_view(name) == "skips_a_slice") {
      backward({sum(y)});
      read_grad(x);
    }
    const auto prepared = engine_->prepare(script_.view());
    std::vector<Observations> runs(2);
    Seen seen;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      EXPECT_TRUE(engine_->set_fill(i == 0 ? 0xff : 0x3f));
      prepared->run(script_.data.data(), runs[i]);
      seen.fault += engine_->memory_fault();
      for (const gp_observation& item : runs[i].items) {
        EXPECT_EQ(item.status, GP_VALUE) << name << ": " << runs[i].text_of(item);
      }
    }
    seen.same_bits = runs[0].data == runs[1].data;
    return seen;
  }

  bool cuda_ = false;
};

INSTANTIATE_TEST_SUITE_P(Versions, LibTorchPlanted, testing::ValuesIn(versions()), name_of_version);

TEST_P(LibTorchPlanted, ReadsOfMemoryNobodyWroteGiveOtherBits) {
  for (const char* name : {"reads_output", "reads_past_the_end", "reads_freed", "skips_a_slice"}) {
    const Seen faulty = seen_with(name, true);
    EXPECT_FALSE(faulty.same_bits) << name;
    EXPECT_EQ(faulty.fault, "") << name;
  }
}

TEST_P(LibTorchPlanted, WritesWhereNoneMayGoAreTold) {
  EXPECT_NE(seen_with("writes_past_the_end", true).fault.find("past its end"), std::string::npos);
  EXPECT_NE(seen_with("writes_freed", true).fault.find("after it was freed"), std::string::npos);
}

TEST_P(LibTorchPlanted, TheirTwinsAreNotFlagged) {
  for (const char* name :
       {"reads_output", "reads_past_the_end", "writes_past_the_end", "reads_freed", "writes_freed", "skips_a_slice"}) {
    const Seen right = seen_with(name, false);
    EXPECT_TRUE(right.same_bits) << name;
    EXPECT_EQ(right.fault, "") << name;
  }
}

}  // namespace
}  // namespace gradproof
