// The mode in which LibTorch promises equal bits, as a script switches it: properties/determinism.cpp.
#include <gtest/gtest.h>

#include "adapters/libtorch/libtorch_fixture.h"

namespace gradproof {
namespace {

class LibTorchDeterministic : public LibTorch {};
INSTANTIATE_TEST_SUITE_P(Versions, LibTorchDeterministic, testing::ValuesIn(versions()), name_of_version);

TEST_P(LibTorchDeterministic, WhatHasNoSuchImplementationSaysSoInTheModeAlone) {
  ASSERT_NE(engine_->schemas().find("gradproof::deterministic", ""), nullptr);
  const auto put = [&] {
    const ValueId x = tensor({3}, {1, 2, 3});
    call("put_", "", {script_.arg(x), script_.arg(tensor({1}, {1}, GP_I64)), script_.arg(tensor({1}, {5}))});
    return last_step();
  };
  call("gradproof::deterministic", "", {script_.arg_bool(true)}, 0);
  const auto refused = put();
  call("gradproof::deterministic", "", {script_.arg_bool(false)}, 0);
  const auto done = put();
  run();
  EXPECT_EQ(error(refused), "unsupported");
  ASSERT_NE(seen_.at(refused), nullptr);
  EXPECT_NE(error_text(refused).find("deterministic implementation"), std::string::npos) << error_text(refused);
  EXPECT_EQ(error(done), "ok");
}

TEST_P(LibTorchDeterministic, DevicesAreToldByTheirNames) {
  const ValueId x = leaf({2}, {1, 2});
  const auto copied = [&](const char* device) {
    const ValueId made = call("_to_copy", "",
                              {script_.arg(x), script_.arg_default(), script_.arg_default(), script_.arg_string(device),
                               script_.arg_default(), script_.arg_bool(true)});
    return std::pair(made, last_step());
  };
  const auto here = copied("cpu");
  const auto nowhere = copied("warp");
  backward({sum(here.first)});
  const auto grad = read_grad(x);
  run();
  EXPECT_EQ(values(grad), (std::vector<double>{1, 1}));
  EXPECT_EQ(error(nowhere.second), "argument");
  EXPECT_NE(error_text(nowhere.second).find("no device 'warp'"), std::string::npos);
}

}  // namespace
}  // namespace gradproof
