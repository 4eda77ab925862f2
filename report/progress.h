// How far a run is: one line that changes on a terminal, a plain line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "campaign/campaign.h"
#include "report/text.h"

namespace gradproof {

// "1,234 of 36,600 cases · 2 failures · 812/s · 44 s left"
std::string progress_text(const CampaignProgress& progress);

class ProgressLine {
 public:
  explicit ProgressLine(std::FILE* to) : to_(to), style_(TextStyle::of(to)) {}
  void show(const CampaignProgress& progress);
  void clear();  // before other text

 private:
  std::FILE* to_;
  TextStyle style_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  bool shown_ = false;
};

}  // namespace gradproof
