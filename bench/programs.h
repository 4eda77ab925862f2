// The programs that are measured.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

// The value alone, of leaves without a gradient; the value and its graph; and the gradients too.
enum class Sweep { none, recorded, backward };

// A script from a file, without its expectations: nothing is read.
Script example(const std::filesystem::path& file, const Schemas& schemas);

// `length` tanh one after the other on a tensor of one element; value and gradient are read.
Script tanh_chain(gp_dtype dtype, std::size_t length, Sweep sweep = Sweep::backward);

// A product of two square matrices, a seed, both gradients read.
Script square_product(gp_dtype dtype, Index size, Sweep sweep = Sweep::backward);

// 1 to 12 operators of 11 kinds on two leaves, a seed, the gradients read; a function of its arguments alone.
Script random_program(std::uint64_t seed, gp_dtype dtype, Index elements);

// `count` of them, on 1 to 16 elements.
std::vector<Script> small_random_programs(gp_dtype dtype, std::size_t count);

}  // namespace gradproof
