#include "adapters/libtorch/cuda_probe.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

namespace gradproof::libtorch {
namespace {

constexpr const char* fake_driver = GRADPROOF_BUILD_DIR "/tests/fake_driver.so";

std::string told_by(const char* order, std::chrono::milliseconds limit = std::chrono::milliseconds(20'000)) {
  setenv("FAKE_DRIVER", order, 1);
  return why_no_cuda(fake_driver, limit);
}

TEST(CudaProbe, ADeviceIsFound) {
  EXPECT_EQ(told_by("d1"), "");
  EXPECT_EQ(told_by("d8"), "");
}

TEST(CudaProbe, EveryOtherAnswerIsAReason) {
  EXPECT_EQ(told_by("d0"), "no CUDA device: the driver sees none");
  EXPECT_EQ(told_by("e100"), "no CUDA device: the driver sees none");
  EXPECT_EQ(told_by("e35"), "no CUDA device: the driver does not start: its error 35");
  EXPECT_EQ(told_by("e999"), "no CUDA device: the driver does not start");
  EXPECT_EQ(told_by("e-1"), "no CUDA device: the driver does not start");
  EXPECT_EQ(told_by("c3"), "no CUDA device: the driver does not start: its error 3");
}

TEST(CudaProbe, ADriverThatDiesOrHangsHarmsNobody) {
  EXPECT_EQ(told_by("k11"), "no CUDA device: the driver's start ended with signal 11");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(told_by("h", std::chrono::milliseconds(100)), "no CUDA device: the driver did not answer");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  // No child is left.
  errno = 0;
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(CudaProbe, OtherQuestionsAreAskedInAChildToo) {
  EXPECT_EQ(why_not_in_child([] { return true; }, "no"), "");
  EXPECT_EQ(why_not_in_child([] { return false; }, "no"), "no CUDA device: no");
  EXPECT_EQ(why_not_in_child([]() -> bool { throw std::runtime_error("it"); }, "no"), "no CUDA device: no");
  EXPECT_NE(why_not_in_child([]() -> bool { std::abort(); }, "no").find("signal 6"), std::string::npos);
  EXPECT_NE(why_not_in_child([]() -> bool { _exit(1); }, "no").find("status 1"), std::string::npos);
}

TEST(CudaProbe, WhatIsNoDriver) {
  EXPECT_EQ(why_no_cuda("libno-such-driver.so.1"), "no CUDA device: no driver (libno-such-driver.so.1)");
  EXPECT_EQ(why_no_cuda(GRADPROOF_BUILD_DIR "/tests/no_module.so"),
            "no CUDA device: what is installed as the driver is none");
}

}  // namespace
}  // namespace gradproof::libtorch
