#include "campaign/isolation/shared_state.h"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <cstring>

namespace gradproof {
namespace {

using Records = std::vector<std::pair<std::uint64_t, std::string>>;

Records taken(RecordReader& reader, SharedState& shared) {
  Records records;
  reader.take(shared, [&](std::uint64_t number, std::string_view record) { records.emplace_back(number, record); });
  return records;
}

RC_GTEST_PROP(SharedState, ConfirmedRecordsComeBackInOrder, (const std::vector<std::string>& texts)) {
  const SharedMemory shared = make_shared_memory();
  RecordReader reader;
  Records sent;
  Records got;
  for (const std::string& text : texts) {
    sent.emplace_back(sent.size(), text);
    RC_ASSERT(has_room(*shared, text));
    const bool confirms = sent.size() % 3 == 0;
    send_record(*shared, sent.back().first, text, confirms ? Sent::confirmed : Sent::unconfirmed);
    for (auto& record : taken(reader, *shared)) got.push_back(std::move(record));
    RC_ASSERT(got.size() == sent.size() - sent.size() % 3);
  }
  RC_ASSERT(std::equal(got.begin(), got.end(), sent.begin()));
}

// Whatever an engine writes over it: no crash, no endless loop, and no record that nobody sent.
RC_GTEST_PROP(SharedState, GarbageIsABadRecordOrChangesNothing,
              (const std::vector<std::uint8_t>& garbage, std::uint32_t where)) {
  const SharedMemory shared = make_shared_memory();
  RecordReader reader;
  for (std::uint64_t n = 0; n < 20; ++n) {
    send_record(*shared, n, "record " + std::to_string(n), n < 19 ? Sent::unconfirmed : Sent::confirmed);
  }
  const std::size_t reach = sizeof(SharedState) - ring_bytes + 1000;
  const std::size_t at = where % reach;
  const std::size_t size = std::min(garbage.size(), reach - at);
  if (size > 0) std::memcpy(reinterpret_cast<char*>(shared.get()) + at, garbage.data(), size);
  try {
    for (const auto& [number, record] : taken(reader, *shared)) {
      RC_ASSERT(number < 20U);
      RC_ASSERT(record == "record " + std::to_string(number));
    }
    RC_SUCCEED("unharmed");
  } catch (const BadRecord&) {
    RC_SUCCEED("seen");
  }
}

TEST(SharedState, EveryMarkIsLookedAt) {
  for (int which = 0; which < 3; ++which) {
    const SharedMemory shared = make_shared_memory();
    RecordReader reader;
    EXPECT_NO_THROW(taken(reader, *shared));
    (which == 0 ? shared->first_mark : which == 1 ? shared->middle_mark : shared->last_mark) = 0;
    EXPECT_THROW(taken(reader, *shared), BadRecord);
  }
}

TEST(SharedState, TextsAreMadeFitToShow) {
  EXPECT_EQ(printable("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(printable("\x1b[2J\x7f"), "?[2J?");
  EXPECT_EQ(printable("½ ✓ 𝄞"), "½ ✓ 𝄞");
  EXPECT_EQ(printable("\xff\xc0\x80\xe2\x9c"), "?????");
  EXPECT_EQ(printable(""), "");
}

}  // namespace
}  // namespace gradproof
