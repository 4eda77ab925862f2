#include "script/parse.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>

#include "script/arbitrary.h"
#include "script/print.h"

namespace gradproof {
namespace {

const Schemas& schemas() { return schemas_for_tests(); }
Script parsed(std::string_view text) { return parse(text, schemas(), "t"); }

std::string flat(std::string_view text) {
  const Script script = parsed(text);
  return print(script, &schemas());
}

std::string error_of(std::string_view text) {
  try {
    parsed(text);
  } catch (const ParseError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Parse, TheExampleOfTheDesign) {
  EXPECT_EQ(flat("# gradients accumulate until they are zeroed\n"
                 "a = leaf f32[] 1\n"
                 "b = leaf f32[] 1   # the second\n"
                 "y = add(mul(a, 3), log(b))\n"
                 "backward y retain_graph\n"
                 "backward y\n"
                 "expect a.grad = 6\n"
                 "backward y\n"
                 "expect error graph_freed\n"),
            "# gradients accumulate until they are zeroed\n"
            "a = leaf f32[] 1\n"
            "b = leaf f32[] 1\n"
            "%2 = mul(a, 3)\n"
            "%3 = log(b)\n"
            "y = add(%2, %3)\n"
            "backward y retain_graph\n"
            "backward y\n"
            "expect a.grad = 6\n"
            "backward y\n"
            "expect error graph_freed\n");
}

TEST(Parse, TensorsSayShapeStridesBufferMemoryAndDevice) {
  const std::string text =
      "a = leaf f32[3] 1 2 3\n"
      "b = leaf f64[2, 3] strides [1, 2] offset 1 buffer [0 1 2 3 4 5 6]\n"
      "m = leaf f32[1] pinned empty\n"
      "z = tensor bf16[2] device cuda zeros\n"
      "w = tensor f32[2] strides [0] zeros buffer 9\n"
      "i = tensor i64[2] 9223372036854775807 -9223372036854775808\n"
      "k = tensor bool[2] true false\n"
      "e = tensor f32[0, 4]\n"
      "s = tensor f64[] -0\n"
      "n = tensor f16[5] nan inf -inf 0x1.8p-1 0x1p-24\n";
  EXPECT_EQ(flat(text), text);
  Script script = parsed(text);
  const gp_tensor& b = script.tensor_of(1);
  EXPECT_EQ(b.offset, 1);
  EXPECT_EQ(b.buffer_elements, 7u);
  EXPECT_EQ(script.element(b, 6), 6);
  EXPECT_TRUE(std::signbit(script.element(script.tensor_of(8), 0)));
  EXPECT_EQ(script.element(script.tensor_of(9), 4), 0x1p-24);
  EXPECT_EQ(flat("b = leaf f64[2] strides [2] buffer [1\n  2 # in the gap\n 3]\n"),
            "b = leaf f64[2] strides [2] buffer [1 2 3]\n");
}

TEST(Parse, EveryStatementHasItsStep) {
  const std::string text =
      "x = leaf f32[2] 1 2\n"
      "t = tensor f32[2] 3 4\n"
      "d = dual x t\n"
      "dy = jvp d\n"
      "w = detach d\n"
      "require_grad w\n"
      "require_grad w false\n"
      "retain_grad d\n"
      "no_grad\n"
      "end no_grad\n"
      "hook x -0.5\n"
      "parallel\n"
      "and\n"
      "end parallel\n"
      "stream 3\n"
      "v, i = max(x, 1)\n"
      "p, q = split(x, 1)\n"
      "add_(t, x)\n"
      "%10 = maximum(x, 2.0)\n"
      "backward [v, w] inputs [x] seed [t, none] retain_graph create_graph\n"
      "gx, gt = grad v wrt [x, t] seed t create_graph allow_unused\n"
      "g = x.grad\n"
      "x.grad = g\n"
      "x.grad = none\n"
      "zero x.grad\n"
      "read x\n"
      "read x.grad\n"
      "expect x == 0x1.8p+1 4\n"
      "expect x = f32[2] 2.0 3.50\n"
      "expect x = [2] 2.0 3.50\n"
      "expect x enclosed\n"
      "expect x.grad undefined\n"
      "expect x unwritten\n"
      "expect x written\n"
      "expect x shares x\n"
      "expect t separate x\n";
  const Script script = parsed(text);
  const std::string printed = print(script, &schemas());
  EXPECT_TRUE(parsed(printed) == script) << printed;
  EXPECT_NE(printed.find("backward [v, w] inputs [x] seed [t, none] retain_graph create_graph\n"), std::string::npos)
      << printed;
  EXPECT_NE(printed.find("expect x = f32[2] 2.0 3.50\nexpect x = [2] 2.0 3.50\nexpect x enclosed\n"), std::string::npos)
      << printed;
  EXPECT_NE(printed.find("max(x, 1)"), std::string::npos) << printed;
}

TEST(Parse, ExpectationsShareOneRead) {
  const Script script = parsed(
      "x = leaf f32[] 1\nexpect x = 1\nexpect x enclosed\nexpect x.grad undefined\nexpect x.grad written\nexpect x "
      "written\n");
  ASSERT_EQ(script.steps.size(), 5u);  // leaf, read, grad_of, read, read
  EXPECT_EQ(script.expectations[0].step, 1u);
  EXPECT_EQ(script.expectations[1].step, 1u);
  EXPECT_EQ(script.expectations[2].step, 3u);
  EXPECT_EQ(script.expectations[3].step, 3u);
  EXPECT_EQ(script.expectations[4].step, 4u);
  EXPECT_EQ(script.expectations[4].line, 6u);
  EXPECT_EQ(script.steps[4].line, 6u);
}

TEST(Parse, SeedsMayBeWrittenInPlace) {
  EXPECT_EQ(flat("y = leaf f32[3] 1 2 3\nbackward y seed f32[3] 0.5 1 2 retain_graph\ny.grad = f32[3] zeros\n"),
            "y = leaf f32[3] 1 2 3\n"
            "%1 = tensor f32[3] 0x1p-1 1 2\n"
            "backward y seed %1 retain_graph\n"
            "%2 = tensor f32[3] zeros\n"
            "y.grad = %2\n");
}

TEST(Parse, ErrorsSayWhereAndWhatWasExpected) {
  const std::string leaf = "alpha = leaf f32[2] 1 2\n";
  EXPECT_EQ(error_of("a = leaf f32[2] 1\n"), "t:1:17: expected 2 numbers (there are 1), 'zeros' or 'empty', found '1'");
  EXPECT_EQ(error_of(leaf + "y = log(alpa)\n"), "t:2:9: expected a value made before (near: alpha), found 'alpa'");
  EXPECT_EQ(error_of(leaf + "y = lug(alpha)\n"), "t:2:5: expected an operator (near: log), found 'lug'");
  EXPECT_EQ(error_of(leaf + "alpha = log(alpha)\n"),
            "t:2:1: expected a new name (this one is of line 1), found 'alpha'");
  EXPECT_EQ(error_of(leaf + "y = log(alpha\n"),
            "t:3:1: expected ',' or ')' to close '(' of line 2, found the end of the file");
  EXPECT_EQ(error_of(leaf + "y = log(alpha, 2)\n"),
            "t:2:5: expected arguments of aten::log(Tensor self) -> Tensor, which takes 1 arguments by position, found "
            "'log'");
  EXPECT_EQ(error_of(leaf + "expect error graph_fred\n"),
            "t:2:14: expected a kind of error (near: graph_freed), found 'graph_fred'");
  EXPECT_EQ(error_of(leaf + "drop alpha\nread alpha\n"),
            "t:3:6: expected a value still held (this one was dropped in line 2), found 'alpha'");
  EXPECT_EQ(error_of(leaf + "parallel\nb = detach alpha\nand\nc = detach b\nend parallel\n"),
            "t:5:12: expected a value that no sister lane makes, found 'b'");
  EXPECT_EQ(error_of(leaf + "parallel\nread alpha\nend parallel\n"),
            "t:3:11: expected no reading within a lane: read after 'end parallel', found the end of the line");
  EXPECT_EQ(error_of(leaf + "and\n"), "t:2:1: expected 'parallel' before, found 'and'");
  EXPECT_EQ(error_of(leaf + "parallel\nno_grad\n"),
            "t:3:1: expected recording as it was within a lane, found 'no_grad'");
  EXPECT_EQ(error_of(leaf + "backword alpha\n"),
            "t:2:1: expected a statement, 'name = ...' or 'operator(...)' (near: backward), found 'backword'");
  EXPECT_EQ(error_of(leaf + "expect alpha = 0x1p0\n"),
            "t:2:16: expected a decimal ('==' compares with hexadecimal ones), found '0x1p0'");
  EXPECT_EQ(error_of(leaf + "backward alpha seed [alpha, alpha]\n"),
            "t:2:16: expected 1 seeds, one for each root (there are 2), found 'seed'");
  EXPECT_EQ(error_of("a = leaf i64[1] 1\n"),
            "t:1:10: expected a dtype that has gradients: f16, bf16, f32 or f64, found 'i64'");
  EXPECT_EQ(error_of("a = tensor f32[1] 1e39\n"), "t:1:19: expected a number that f32 can hold, found '1e39'");
  EXPECT_EQ(error_of("a = tensor f32[1] 1e-60\n"), "t:1:19: expected a number that f32 can hold, found '1e-60'");
  EXPECT_EQ(error_of("a = tensor f32[99999999999] zeros\n").substr(0, 6), "t:1:12");
  EXPECT_EQ(error_of("a = tensor f32[4096,4097] zeros\n").substr(0, 6), "t:1:12");
  EXPECT_EQ(error_of("a = tensor f32[4096,4096] zeros\nb = tensor f32[1] 1\n"),
            "t:2:12: expected at most 16777216 elements in all, found 'f32'");
  EXPECT_EQ(error_of("a = tensor f32[2] strides [-1] buffer [1 2]\n").substr(0, 6), "t:1:12");
  EXPECT_EQ(error_of("a = tensor f32[2] strides [2] buffer [1 2]\n"),
            "t:1:38: expected a buffer of at least 3 numbers, found '['");
  EXPECT_EQ(error_of("a = tensor f32[1,1,1,1,1,1,1,1,1] 1\n"), "t:1:15: expected at most 8 dimensions, found '['");
  EXPECT_EQ(error_of(std::string("a\0b", 3)),
            "t:1:1: expected a statement, 'name = ...' or 'operator(...)', found 'a'");
  EXPECT_EQ(error_of("\x80\n"), "t:1:1: expected a statement, found '\\x80'");
  EXPECT_EQ(error_of("expect error shape\n"), "t:1:14: expected a step before it that could fail, found 'shape'");
  EXPECT_EQ(error_of(leaf + "y = gelu(alpha, approximate='ta\n"), "t:2:29: expected an argument, found ''ta'");
}

TEST(Parse, CallsNestToALimit) {
  const auto nested = [](int depth) {
    std::string text = "a = leaf f32[] 1\ny = ";
    for (int i = 0; i < depth; ++i) text += "log(";
    text += "a" + std::string(static_cast<std::size_t>(depth), ')') + "\n";
    return text;
  };
  EXPECT_EQ(parsed(nested(200)).steps.size(), 201u);
  EXPECT_EQ(error_of(nested(201)), "t:2:805: expected at most 200 calls within each other, found 'log'");
  EXPECT_NE(error_of(nested(100000)), "no error");
  EXPECT_NE(error_of("a = cat(" + std::string(1000000, '[')), "no error");
}

TEST(Parse, LargeScriptsAreReadFast) {
  std::string numbers = "a = leaf f32[1000000]";
  for (int i = 0; i < 1000000; ++i) numbers += i % 2 == 0 ? " 0.1234567" : " 0x1.2345p-3";
  std::string steps = "x0 = leaf f32[] 1\n";
  for (int i = 1; i <= 100000; ++i) steps += "x" + std::to_string(i) + " = mul(x" + std::to_string(i - 1) + ", 2)\n";
  for (const std::string& text : {numbers, steps}) {
    const auto start = std::chrono::steady_clock::now();
    const Script script = parsed(text);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_GE(script.data.size() + script.steps.size(), 100000u);
    RecordProperty("milliseconds", static_cast<int>(seconds * 1e3));
    EXPECT_LT(seconds, 5.0);  // about 0.1 when nothing else runs
  }
}

TEST(ParseFile, RefusesWhatIsNoScript) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "gradproof_parse_test";
  std::filesystem::create_directories(folder);
  const auto error = [&](const std::filesystem::path& path) {
    try {
      parse_file(path, schemas());
    } catch (const ParseError& e) {
      return std::string(e.what()).substr(path.string().size());
    }
    return std::string("no error");
  };
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder / name, std::ios::binary) << text;
    return folder / name;
  };
  EXPECT_EQ(error(folder / "none.tape"), ":0:0: expected a script, found no such file");
  EXPECT_EQ(error(folder), ":0:0: expected a script, found no regular file");
  EXPECT_EQ(error(write("binary.tape", std::string("\x7f"
                                                   "ELF\0\0",
                                                   6))),
            ":0:0: expected text, found a binary file");
  EXPECT_EQ(error(write("cut.tape", "a = leaf f32[3] 1 2")),
            ":1:17: expected 3 numbers (there are 2), 'zeros' or 'empty', found '1'");
  const auto large = write("large.tape", "");
  std::filesystem::resize_file(large, std::uintmax_t{1} << 30);  // sparse
  EXPECT_EQ(error(large), ":0:0: expected at most 16777216 bytes, found 1073741824 bytes");
  EXPECT_TRUE(parse_file(write("empty.tape", ""), schemas()).steps.empty());
  EXPECT_EQ(parse_file(write("windows.tape", "a = leaf f32[] 1\r\nread a\r\n"), schemas()).steps.size(), 2u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace gradproof
