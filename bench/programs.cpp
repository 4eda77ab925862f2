#include "bench/programs.h"

#include <array>
#include <cmath>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "script/parse.h"

namespace gradproof {

namespace {

using Random = std::mt19937_64;

double uniform(Random& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random() >> 11U) * 0x1p-53;
}

ValueId leaf(Script& script, Random& random, const TensorSpec& spec, double low, double high, std::string_view name) {
  const ValueId value = script.tensor(spec, name);
  const gp_tensor& tensor = script.tensor_of(value);
  for (std::size_t i = 0; i < tensor.buffer_elements; ++i) script.set_element(tensor, i, uniform(random, low, high));
  return value;
}

ValueId unary(Script& script, std::string_view op, ValueId x) {
  return script.call(script.op(op, ""), std::array{script.arg(x)});
}

ValueId binary(Script& script, std::string_view op, ValueId x, ValueId y) {
  return script.call(script.op(op, "Tensor"), std::array{script.arg(x), script.arg(y)});
}

void backward_and_read(Script& script, ValueId root, ValueId seed, std::initializer_list<ValueId> leaves) {
  script.read(root);
  script.backward({&root, 1}, {&seed, 1});
  for (const ValueId of : leaves) script.read(script.grad_of(of));
}

// A value and bounds of its elements, so that nothing is drawn outside a domain.
struct Bounded {
  ValueId value = 0;
  double low = 0;
  double high = 0;
};

class RandomProgram {
 public:
  RandomProgram(std::uint64_t seed, gp_dtype dtype, Index elements)
      : random_(seed), spec_{.dtype = dtype, .shape = {elements}, .requires_grad = true} {}

  Script build() {
    for (const char* name : {"a", "b"}) values_.push_back({leaf(script_, random_, spec_, 0.5, 2, name), 0.5, 2});
    const std::size_t length = 1 + random_() % 12;
    for (std::size_t made = 0; made < length;) made += grow() ? 1 : 0;
    spec_.requires_grad = false;
    const ValueId seed = leaf(script_, random_, spec_, -1, 1, "u");
    backward_and_read(script_, values_.back().value, seed, {values_[0].value, values_[1].value});
    return std::move(script_);
  }

 private:
  // One operator more, unless the one drawn has no business with the values drawn.
  bool grow() {
    // The latest value takes part, so that most of what is made matters.
    const Bounded x = values_.back();
    const Bounded y = values_[random_() % values_.size()];
    const double most = std::max(std::fabs(x.low), std::fabs(x.high));
    const double product = most * std::max(std::fabs(y.low), std::fabs(y.high));
    switch (random_() % 11) {
      case 0: return push(binary(script_, "add", x.value, y.value), x.low + y.low, x.high + y.high);
      case 1: return push(binary(script_, "sub", x.value, y.value), x.low - y.high, x.high - y.low);
      case 2: return product < 1e4 && push(binary(script_, "mul", x.value, y.value), -product, product);
      case 3: return y.low > 0.1 && push(binary(script_, "div", x.value, y.value), -most / y.low, most / y.low);
      case 4: return x.high < 5 && push(unary(script_, "exp", x.value), std::exp(x.low), std::exp(x.high));
      case 5: return x.low > 0.1 && push(unary(script_, "log", x.value), std::log(x.low), std::log(x.high));
      case 6: return x.low > 0.1 && push(unary(script_, "sqrt", x.value), std::sqrt(x.low), std::sqrt(x.high));
      case 7: return push(unary(script_, "sin", x.value), -1, 1);
      case 8: return push(unary(script_, "cos", x.value), -1, 1);
      case 9: return push(unary(script_, "tanh", x.value), -1, 1);
      default: return push(unary(script_, "sigmoid", x.value), 1 / (1 + std::exp(-x.low)), 1 / (1 + std::exp(-x.high)));
    }
  }
  bool push(ValueId value, double low, double high) {
    values_.push_back({value, low, high});
    return true;
  }

  Random random_;
  TensorSpec spec_;
  Script script_{};
  std::vector<Bounded> values_{};
};

}  // namespace

Script example(const std::filesystem::path& file, const Schemas& schemas) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(file.string() + ": cannot be read");
  std::string text;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("expect")) text += line + "\n";
  }
  return parse(text, schemas, file.string());
}

Script tanh_chain(gp_dtype dtype, std::size_t length, Sweep sweep) {
  Script script;
  Random random(1);
  TensorSpec spec{.dtype = dtype, .shape = {1}, .requires_grad = sweep != Sweep::none};
  const ValueId x = leaf(script, random, spec, 0.5, 1, "x");
  ValueId y = x;
  for (std::size_t i = 0; i < length; ++i) y = unary(script, "tanh", y);
  if (sweep != Sweep::backward) {
    script.read(y);
    return script;
  }
  spec.requires_grad = false;
  backward_and_read(script, y, leaf(script, random, spec, 0.5, 1, "u"), {x});
  return script;
}

Script square_product(gp_dtype dtype, Index size, Sweep sweep) {
  Script script;
  Random random(2);
  TensorSpec spec{.dtype = dtype, .shape = {size, size}, .requires_grad = sweep != Sweep::none};
  const ValueId a = leaf(script, random, spec, -1, 1, "a");
  const ValueId b = leaf(script, random, spec, -1, 1, "b");
  const ValueId y = script.call(script.op("matmul", ""), std::array{script.arg(a), script.arg(b)});
  if (sweep != Sweep::backward) {
    script.read(y);
    return script;
  }
  spec.requires_grad = false;
  backward_and_read(script, y, leaf(script, random, spec, -1, 1, "u"), {a, b});
  return script;
}

Script random_program(std::uint64_t seed, gp_dtype dtype, Index elements) {
  return RandomProgram(seed, dtype, elements).build();
}

std::vector<Script> small_random_programs(gp_dtype dtype, std::size_t count) {
  std::vector<Script> made;
  for (std::size_t i = 0; i < count; ++i) made.push_back(random_program(i, dtype, 1 + static_cast<Index>(i % 16)));
  return made;
}

}  // namespace gradproof
