// print and parse against each other, on random scripts; and parse and fault_in on damaged ones.
#include <chrono>

#include "script/arbitrary.h"
#include "script/parse.h"
#include "script/print.h"

namespace gradproof {
namespace {

const Schemas& schemas() { return schemas_for_tests(); }

RC_GTEST_PROP(RoundTrip, GeneratedScriptsAreSound, ()) {
  const Script script = draw_script();
  RC_ASSERT(fault_in(script.view()).value_or("") == "");
}

RC_GTEST_PROP(RoundTrip, ParseUndoesPrint, ()) {
  const Script script = draw_script();
  const std::string text = print(script, &schemas());
  const Script again = parse(text, schemas());
  if (!(again == script)) RC_FAIL(text + "\nreads back as\n" + print(again, &schemas()));
  RC_ASSERT(again.comments == script.comments);
  RC_ASSERT(print(again, &schemas()) == text);
}

RC_GTEST_PROP(RoundTrip, ParseUndoesPrintWithoutSchemas, ()) {
  const Script script = draw_script();
  const std::string text = print(script);
  if (!(parse(text, schemas()) == script)) RC_FAIL(text);
}

TEST(RoundTrip, ParseUndoesPrintOfLongScripts) {
  std::mt19937_64 random(11);
  std::vector<int> kinds(GP_STREAM + 1);
  Script before;
  for (int i = 0; i < 3000; ++i) {
    const Script script = ScriptMaker(random()).make(static_cast<int>(random() % 100));
    for (const gp_step& step : script.steps) ++kinds[step.kind];
    const std::string text = print(script, &schemas());
    ASSERT_TRUE(parse(text, schemas()) == script) << text;
    ASSERT_FALSE(script == before);
    before = script;
  }
  for (int kind = 0; kind <= GP_STREAM; ++kind) EXPECT_GT(kinds[static_cast<std::size_t>(kind)], 100) << kind;
}

// Deletes, doubles, replaces and moves bytes and words.
std::string damaged(std::string text, std::mt19937_64& random) {
  static const std::vector<std::string> words{"[",
                                              "]",
                                              "(",
                                              ")",
                                              "=",
                                              "==",
                                              ",",
                                              "'",
                                              "\n",
                                              "\\",
                                              "#",
                                              "%1",
                                              ".grad",
                                              "grad",
                                              "leaf",
                                              "f32[2]",
                                              "expect",
                                              "error",
                                              "nan",
                                              "-inf",
                                              "0x",
                                              "1e999",
                                              "99999999999999999999",
                                              "-1",
                                              "none",
                                              "_",
                                              "add(",
                                              "seed",
                                              "buffer",
                                              "strides",
                                              "[4611686018427387904,4]",
                                              "\xc3\xa9",
                                              std::string(1, '\0')};
  const auto below = [&](std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
  };
  for (std::size_t i = 1 + below(3); i > 0; --i) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t size = std::min(1 + below(8), text.size() - at);
    switch (below(6)) {
      case 0: text.erase(at, size); break;
      case 1: text.insert(at, text.substr(at, size)); break;
      case 2: text.insert(at, words[below(words.size())]); break;
      case 3: text.replace(at, size, words[below(words.size())]); break;
      case 4:
        if (at < text.size()) text[at] = static_cast<char>(random() & 0xff);
        break;
      default: text.insert(at, text.substr(below(text.size() + 1), below(60))); break;
    }
  }
  return text;
}

TEST(RoundTrip, DamagedTextIsReadOrRefused) {
  std::mt19937_64 random(20240607);
  int read = 0;
  int refused = 0;
  for (int i = 0; i < 6000; ++i) {
    const std::string text =
        damaged(print(ScriptMaker(random()).make(static_cast<int>(random() % 12)), &schemas()), random);
    const auto start = std::chrono::steady_clock::now();
    try {
      const Script script = parse(text, schemas(), "damaged");
      ++read;
      ASSERT_EQ(fault_in(script.view()).value_or(""), "") << text;
      ASSERT_TRUE(parse(print(script, &schemas()), schemas()) == script) << text << "\n---\n"
                                                                         << print(script, &schemas());
    } catch (const ParseError& error) {
      ++refused;
      ASSERT_GT(error.line, 0) << error.what() << "\n" << text;
      ASSERT_GT(error.column, 0) << error.what() << "\n" << text;
      ASSERT_FALSE(error.expected.empty());
      ASSERT_TRUE(std::string(error.what())
                      .starts_with("damaged:" + std::to_string(error.line) + ":" + std::to_string(error.column) +
                                   ": expected "));
    }
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2)) << text;
  }
  EXPECT_GT(read, 300);
  EXPECT_GT(refused, 2000);
}

// Flat programs with words overwritten: refused, or still sound enough to be printed (which follows every index).
TEST(RoundTrip, DamagedProgramsAreRefusedOrSound) {
  std::mt19937_64 random(7);
  const auto below = [&](std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
  };
  const auto hit = [&](auto& pool) {
    if (pool.empty()) return;
    using T = typename std::decay_t<decltype(pool)>::value_type;
    auto* bytes = reinterpret_cast<std::uint8_t*>(&pool[below(pool.size())]);
    static const std::vector<std::uint64_t> words{
        0, 1, 2, 7, 9, 255, 65535, 1u << 24, 0xffffffffu, 0xfffffffeu, ~0ull, 1ull << 63, 1ull << 40};
    const std::uint64_t word = words[below(words.size())];
    const std::size_t size = std::min<std::size_t>(sizeof(T), std::size_t{1} << below(4));
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&word), size, bytes + below(sizeof(T) / size) * size);
  };
  int refused = 0;
  int sound = 0;
  for (int i = 0; i < 20000; ++i) {
    Script script = ScriptMaker(random()).make(static_cast<int>(random() % 12));
    script.expectations.clear();
    for (std::size_t hits = 1 + below(2); hits > 0; --hits) {
      switch (below(8)) {
        case 0:
        case 1: hit(script.steps); break;
        case 2:
        case 3: hit(script.args); break;
        case 4: hit(script.tensors); break;
        case 5: hit(script.ids); break;
        case 6: hit(script.ints); break;
        default: hit(script.ops); break;
      }
    }
    if (fault_in(script.view())) {
      ++refused;
      continue;
    }
    ++sound;
    EXPECT_FALSE(print(script).empty());
    EXPECT_FALSE(print(script, &schemas()).empty());
  }
  EXPECT_GT(refused, 5000);
  EXPECT_GT(sound, 1000);
}

}  // namespace
}  // namespace gradproof
