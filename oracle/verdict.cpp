#include "oracle/verdict.h"

#include <algorithm>

namespace gradproof {

const char* name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass: return "pass";
    case Outcome::fail: return "fail";
    case Outcome::inconclusive: return "inconclusive";
    case Outcome::unsupported: return "unsupported";
    case Outcome::crash: return "crash";
    case Outcome::timeout: return "timeout";
    case Outcome::waived: return "waived";
    case Outcome::internal_error: return "internal error";
  }
  return "";
}

const char* name_of(Severity severity) {
  switch (severity) {
    case Severity::none: return "none";
    case Severity::inaccurate: return "inaccurate";
    case Severity::misbehaving: return "misbehaving";
    case Severity::wrong: return "wrong";
  }
  return "";
}

namespace {

// The higher decides: an error of ours taints everything, then failures by severity, then doubts.
int weight(const Verdict& verdict) {
  switch (verdict.outcome) {
    case Outcome::internal_error: return 9;
    case Outcome::crash: return 8;
    case Outcome::timeout: return 7;
    case Outcome::fail: return 3 + static_cast<int>(verdict.severity);
    case Outcome::unsupported: return 3;
    case Outcome::inconclusive: return 2;
    case Outcome::waived: return 1;
    case Outcome::pass: return 0;
  }
  return 0;
}

}  // namespace

Verdict combine(const Verdict& a, const Verdict& b) {
  Verdict joint = weight(b) > weight(a) ? b : a;
  joint.entries = a.entries + b.entries;
  joint.entries_outside = a.entries_outside + b.entries_outside;
  joint.entries_undecided = a.entries_undecided + b.entries_undecided;
  joint.planted = a.planted + b.planted;
  joint.planted_caught = a.planted_caught + b.planted_caught;
  if (joint.error_radii < 0) joint.error_radii = std::max(a.error_radii, b.error_radii);
  joint.worst_error_radii = std::max(a.worst_error_radii, b.worst_error_radii);
  if (joint.resolution_u == 0) joint.resolution_u = a.resolution_u != 0 ? a.resolution_u : b.resolution_u;
  return joint;
}

}  // namespace gradproof
