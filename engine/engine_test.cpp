#include "engine/engine.h"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace gradproof {
namespace {

std::string failure_of(const char* json) {
  try {
    EngineInfo::from_json(json);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

bool tells(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(EngineInfo, SurvivesJson) {
  EngineInfo info;
  info.name = "other";
  info.version = "3";
  info.dtypes = {GP_BF16, GP_F64};
  info.devices = {GP_CPU, GP_CUDA};
  info.second_sweep = SecondSweep::needs_zero;
  info.frees_graph = false;
  info.expands_seeds = true;
  info.budget_multiplier = 1.5;
  const EngineInfo again = EngineInfo::from_json(info.to_json());
  EXPECT_EQ(again.to_json(), info.to_json());
  EXPECT_EQ(again.dtypes, info.dtypes);
  EXPECT_EQ(again.second_sweep, info.second_sweep);
  EXPECT_FALSE(again.frees_graph);
  EXPECT_TRUE(again.expands_seeds);
}

TEST(EngineInfo, NamesTheKeyThatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"dtypes": ["f31"]})", "f31"},
      {R"({"dtypes": 3})", "dtypes"},
      {R"({"second_sweep": "perhaps"})", "perhaps"},
      {R"({"forward_mode": "yes"})", "forward_mode"},
      {R"({"budget_multiplier": 0.5})", "budget_multiplier"},
      {"{\"dtypes\": [", "description of itself is not valid"},
      {R"({"colour": 1})", "colour"},
      {R"([1])", "no JSON object"},
      {R"({"devices": ["tpu"]})", "tpu"},
  };
  for (const auto& [json, told] : cases) {
    const std::string text = failure_of(json);
    EXPECT_TRUE(tells(text, told)) << json << ": " << text;
  }
}

template <class T>
gp_observation add(Observations& seen, std::uint32_t step, gp_dtype dtype, T first, T second) {
  gp_observation item{};
  item.step = step;
  item.dtype = static_cast<std::uint8_t>(dtype);
  item.elements = 2;
  item.data = seen.data.size();
  const T values[] = {first, second};
  seen.data.resize(seen.data.size() + sizeof values);
  std::memcpy(seen.data.data() + item.data, values, sizeof values);
  seen.items.push_back(item);
  return item;
}

TEST(Observations, GiveElementsOfEveryDtype) {
  Observations seen;
  add<std::uint16_t>(seen, 1, GP_F16, 0x3c00, 0xc100);   // 1, -2.5
  add<std::uint16_t>(seen, 3, GP_BF16, 0x3f80, 0xc020);  // 1, -2.5
  add<float>(seen, 4, GP_F32, 1, -2.5F);
  add<double>(seen, 6, GP_F64, 1, -2.5);
  add<std::int64_t>(seen, 7, GP_I64, 1, -3);
  add<std::uint8_t>(seen, 9, GP_BOOL, 1, 0);
  const double second[] = {-2.5, -2.5, -2.5, -2.5, -3, 0};
  for (std::size_t i = 0; i < seen.items.size(); ++i) {
    EXPECT_EQ(seen.element(seen.items[i], 0), 1);
    EXPECT_EQ(seen.element(seen.items[i], 1), second[i]);
  }
  EXPECT_EQ(seen.bytes_of(seen.items[3]).size(), 16U);
  EXPECT_EQ(seen.at(6), &seen.items[3]);
  for (const std::uint32_t step : {0U, 2U, 5U, 8U, 10U}) EXPECT_EQ(seen.at(step), nullptr);
}

}  // namespace
}  // namespace gradproof
