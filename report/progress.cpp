#include "report/progress.h"

#include <algorithm>

namespace gradproof {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds between_frames{100};
constexpr milliseconds between_lines{10'000};

double seconds(milliseconds time) { return static_cast<double>(time.count()) / 1000; }

}  // namespace

std::string progress_text(const CampaignProgress& progress) {
  const double elapsed = seconds(progress.elapsed);
  const bool checking = progress.phase == CampaignProgress::Phase::checking;
  std::string text = checking ? grouped(progress.done) : "shrinking failures: " + grouped(progress.done);
  if (progress.total > 0) text += " of " + grouped(progress.total);
  if (!checking) return text;
  text += " cases";
  if (progress.failures > 0) text += " · " + plural(progress.failures, "failure");
  if (elapsed < 0.2 || progress.done == 0) return text;
  const double rate = static_cast<double>(progress.done) / elapsed;
  text += " · " + grouped(static_cast<std::uint64_t>(rate)) + "/s";
  double left = -1;
  if (progress.total > 0) left = static_cast<double>(progress.total - progress.done) / rate;
  if (progress.time) {
    const double of_time = std::max(0.0, seconds(*progress.time) - elapsed);
    left = left < 0 ? of_time : std::min(left, of_time);
  }
  if (left >= 0) text += " · " + duration_text(left) + " left";
  return text;
}

void ProgressLine::show(const CampaignProgress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < (style_.terminal ? between_frames : between_lines)) return;
  last_ = now;
  std::string text = progress_text(progress);
  if (!style_.terminal) {
    std::fputs((text + "\n").c_str(), to_);
    return;
  }
  std::fputs(("\r\x1b[K" + text).c_str(), to_);
  std::fflush(to_);
  shown_ = true;
}

void ProgressLine::clear() {
  if (shown_) std::fputs("\r\x1b[K", to_);
  std::fflush(to_);
  shown_ = false;
}

}  // namespace gradproof
