// Words close to one that was not found, for error messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gradproof {

// Insertions, deletions, replacements and swaps of neighbours that turn a into b; `most` + 1 where more are needed.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t most);

// Collects the words nearest to a query.
class NearWords {
 public:
  explicit NearWords(std::string_view query);
  void offer(std::string_view word);
  // The nearest first, equally near ones in the order of the alphabet.
  std::vector<std::string> best(std::size_t most = 3) const;

 private:
  struct Found {
    std::size_t distance;
    std::string word;
  };
  std::string query_;
  std::size_t most_;
  std::vector<Found> found_;
};

// " (near: a, b)", or nothing.
std::string near_text(const std::vector<std::string>& words);

}  // namespace gradproof
