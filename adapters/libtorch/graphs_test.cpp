// Graphs of unusual shapes, and graphs that several threads sweep.
#include "adapters/libtorch/libtorch_fixture.h"

namespace gradproof {
namespace {

class LibTorchGraphs : public LibTorch {
 protected:
  ValueId chain(ValueId x, int length) {
    for (int i = 0; i < length; ++i) x = unary("neg", x);
    return x;
  }
  void parallel(gp_parallel mark) { script_.parallel(mark); }
};

INSTANTIATE_TEST_SUITE_P(Versions, LibTorchGraphs, testing::ValuesIn(versions()), name_of_version);

TEST_P(LibTorchGraphs, AChainOfAMillion) {
  const ValueId x = leaf({1}, {3});
  backward({chain(x, 1000000)});
  const auto dx = read_grad(x);
  run();
  EXPECT_EQ(values(dx), std::vector<double>{1});
}

TEST_P(LibTorchGraphs, AFanOfAHundredThousand) {
  const ValueId x = leaf({1}, {3});
  constexpr int fan = 100000;
  std::vector<ValueId> all;
  all.reserve(fan);
  for (int i = 0; i < fan; ++i) all.push_back(unary("neg", x));
  backward({sum(call("cat", "", {script_.arg_values(all), script_.arg_int(0)}))});
  const auto dx = read_grad(x);
  run();
  EXPECT_EQ(values(dx), std::vector<double>{-100000});
}

TEST_P(LibTorchGraphs, AreDestroyedWithoutASweep) {
  const ValueId x = leaf({1}, {3});
  const ValueId y = chain(x, 1000000);
  const auto seen = script_.read(y);
  script_.drop(std::array{y});
  const auto dx = read_grad(x);
  run();
  EXPECT_EQ(values(seen), std::vector<double>{3});
  EXPECT_EQ(status(dx), GP_UNDEFINED_VALUE);
}

TEST_P(LibTorchGraphs, AreSweptByThreadsAtOnce) {
  const ValueId x = leaf({2}, {1, 2});
  const ValueId y = binary("mul", x, x);
  const ValueId seed = tensor({2}, {1, 1});
  constexpr int lanes = 8;
  for (int lane = 0; lane < lanes; ++lane) {
    parallel(lane == 0 ? GP_PARALLEL_BEGIN : GP_PARALLEL_NEXT);
    backward({y}, {seed}, GP_RETAIN_GRAPH);
    backward({unary("neg", x)}, {seed});
  }
  parallel(GP_PARALLEL_END);
  const auto dx = read_grad(x);
  run();
  EXPECT_EQ(values(dx), (std::vector<double>{lanes * (2 - 1), lanes * (4 - 1)}));
}

}  // namespace
}  // namespace gradproof
