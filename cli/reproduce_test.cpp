#include "cli/shell.h"

namespace gradproof {
namespace {

class Reproduce : public ShellTest {};

TEST_F(Reproduce, AFailureIsWrittenAsProgramsToo) {
  expect("gradproof check mutant:tanh-factor --operators tanh --properties vjp --cases 4 --seed 1 --dtype f32 --json r",
         1, "also as  out/tanh-vjp-f32.cpp  out/tanh-vjp-f32.py");
  const std::string cpp = text_of(folder_ / "out/tanh-vjp-f32.cpp");
  const std::string python = text_of(folder_ / "out/tanh-vjp-f32.py");
  for (const std::string& text : {cpp, python}) {
    EXPECT_NE(text.find("vjp of tanh (f32) is wrong: outside its enclosure\n"), std::string::npos) << text;
    EXPECT_NE(text.find("x.grad: expected 1 exactly, got 2\n"), std::string::npos) << text;
    EXPECT_NE(text.find("in mutant:tanh-factor\n"), std::string::npos) << text;
  }
  EXPECT_NE(cpp.find("  auto x = torch::tensor(0.0, torch::dtype(torch::kFloat32).requires_grad(true));\n"
                     "  auto y = at::tanh(x);\n  y.backward();\n  show(\"x.grad\", \"1 exactly\", x.grad());\n}\n"),
            std::string::npos)
      << cpp;
  EXPECT_NE(python.find("\nx = torch.tensor(0.0, dtype=torch.float32, requires_grad=True)\n"
                        "y = torch.ops.aten.tanh.default(x)\ny.backward()\nshow(\"x.grad\", \"1 exactly\", x.grad)\n"),
            std::string::npos)
      << python;
  EXPECT_EQ(json("r")["failures"][0]["programs"], nlohmann::json({"out/tanh-vjp-f32.cpp", "out/tanh-vjp-f32.py"}));
}

TEST_F(Reproduce, WhatIsExpectedIsSaidWithItsRadius) {
  write("a.tape",
        "x = leaf f64[2] 0.5 3\ny = tanh(x)\nbackward y seed f64[2] 1 1\nread x.grad\nexpect y = 0.462 0.995\n");
  // 1 - tanh²(0.5) = 0.78644773296592741…
  expect("gradproof reproduce a.tape --as python", 0, "\"[0.786447732965927");
  expect("gradproof reproduce a.tape --as python", 0, " ± ");
  expect("gradproof reproduce a.tape --as cpp", 0, R"(show("y", "[0.462, 0.995]", y);)");
}

TEST_F(Reproduce, WhatCannotBeSaidIsRefusedWithItsLine) {
  write("seed.tape", "x = leaf f32[1] 3\ny = mul(x, x)\nbackward y seed f32[3] 1 2 3\nread x.grad\n");
  expect("gradproof reproduce seed.tape --as cpp", 0, "y.backward(seed);");
  expect("gradproof reproduce seed.tape --as python", 2,
         "seed.tape: not as python: line 3: the seed is larger than its output");
  write("number.tape", "x = tensor f32[1] 3\ny = maximum(x, 2)\nread y\n");
  expect("gradproof reproduce number.tape --as cpp", 2, "line 2: a number stands for the tensor 'other' of maximum");
  write("stream.tape", "x = tensor f32[1] device cuda 3\nstream 1\ny = exp(x)\nread y\n");
  expect("gradproof reproduce stream.tape --as python", 2, "line 2: CUDA streams");
  write("unknown.tape", "x = leaf f32[] 1\ny = sni(x)\n");
  expect("gradproof reproduce unknown.tape --as cpp", 2, "unknown.tape:2:");
  expect("gradproof reproduce missing.tape --as cpp", 2, "missing.tape");
  expect("gradproof reproduce seed.tape", 2, "--as");
  expect("gradproof reproduce seed.tape --as fortran", 2, "fortran");
}

TEST_F(Reproduce, OperatorsOfAnEngineAloneAreCalledByName) {
  if (!std::filesystem::exists(GRADPROOF_ENGINE_DIR "/libtorch-2.11.0.so")) GTEST_SKIP() << "no LibTorch";
  write("own.tape", "x = leaf f32[3] 1 2 3\ny = _test_ambiguous_defaults(x, 2)\nread y\n");
  expect("gradproof reproduce own.tape --as python", 2, "expected an operator");
  expect("gradproof reproduce own.tape --as python --engine libtorch", 0,
         "y = torch.ops.aten._test_ambiguous_defaults.a(x, 2)");
}

}  // namespace
}  // namespace gradproof
