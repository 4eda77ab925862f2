#include "script/near.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace gradproof {
namespace {

// Longer words are compared by their beginning: an error message must not cost more than the parse.
constexpr std::size_t longest = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t most) {
  a = a.substr(0, longest);
  b = b.substr(0, longest);
  const std::size_t gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (gap > most) return most + 1;
  std::array<std::array<std::size_t, longest + 1>, 3> rows{};
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    const auto& two_above = rows[(i + 1) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_above[j - 2] + 1);
    }
  }
  return std::min(rows[a.size() % 3][b.size()], most + 1);
}

NearWords::NearWords(std::string_view query)
    : query_(query.substr(0, longest)), most_(std::max<std::size_t>(1, std::min<std::size_t>(3, query_.size() / 2))) {}

void NearWords::offer(std::string_view word) {
  const std::size_t distance = edit_distance(query_, word, most_);
  if (distance <= most_) found_.push_back({distance, std::string(word)});
}

std::vector<std::string> NearWords::best(std::size_t most) const {
  std::vector<Found> sorted = found_;
  std::sort(sorted.begin(), sorted.end(), [](const Found& a, const Found& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.word < b.word;
  });
  std::vector<std::string> words;
  for (const Found& found : sorted) {
    if (words.size() == most) break;
    if (std::find(words.begin(), words.end(), found.word) == words.end()) words.push_back(found.word);
  }
  return words;
}

std::string near_text(const std::vector<std::string>& words) {
  if (words.empty()) return {};
  std::string text = " (near: ";
  for (std::size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : ", ") + words[i];
  return text + ")";
}

}  // namespace gradproof
