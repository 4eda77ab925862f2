#include "campaign/verdict_codec.h"

#include <bit>
#include <cstring>

#include "campaign/isolation/shared_state.h"

namespace gradproof {

std::string_view ByteReader::take(std::uint64_t size) {
  if (size > bytes_.size()) throw BadRecord("a worker's record ends too early");
  const std::string_view taken = bytes_.substr(0, static_cast<std::size_t>(size));
  bytes_.remove_prefix(taken.size());
  return taken;
}

// Seven bits a byte, the lowest first: most counts are small.
std::uint64_t ByteReader::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1)[0]);
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  throw BadRecord("a worker's record has a number without an end");
}

double ByteReader::real() {
  std::uint64_t bits = 0;
  std::memcpy(&bits, take(sizeof bits).data(), sizeof bits);
  return std::bit_cast<double>(bits);
}

std::string ByteReader::text() { return std::string(take(number())); }

void append_number(std::string& to, std::uint64_t value) {
  while (value >= 0x80U) {
    to += static_cast<char>(value | 0x80U);
    value >>= 7U;
  }
  to += static_cast<char>(value);
}

void append_real(std::string& to, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  to.append(reinterpret_cast<const char*>(&bits), sizeof bits);
}

void append_text(std::string& to, std::string_view text) {
  append_number(to, text.size());
  to += text;
}

void append_verdict(std::string& to, const Verdict& verdict) {
  append_number(to, static_cast<std::uint64_t>(verdict.outcome));
  append_number(to, static_cast<std::uint64_t>(verdict.severity));
  for (const std::uint64_t count :
       {verdict.entries, verdict.entries_outside, verdict.entries_undecided, verdict.planted, verdict.planted_caught}) {
    append_number(to, count);
  }
  for (const double real : {verdict.resolution_u, verdict.error_radii, verdict.worst_error_radii})
    append_real(to, real);
  append_text(to, verdict.reason);
  if (verdict.outcome == Outcome::pass) return;
  const Evidence& evidence = verdict.evidence;
  append_number(to, evidence.step);
  append_text(to, evidence.what);
  append_text(to, evidence.expected);
  append_text(to, evidence.got);
  append_real(to, evidence.excess_radii);
  append_real(to, evidence.excess_u);
}

Verdict read_verdict(ByteReader& from) {
  Verdict verdict;
  const std::uint64_t outcome = from.number();
  const std::uint64_t severity = from.number();
  if (outcome > static_cast<std::uint64_t>(Outcome::internal_error) ||
      severity > static_cast<std::uint64_t>(Severity::wrong)) {
    throw BadRecord("a worker's record holds an unknown verdict");
  }
  verdict.outcome = static_cast<Outcome>(outcome);
  verdict.severity = static_cast<Severity>(severity);
  for (std::uint64_t* count : {&verdict.entries, &verdict.entries_outside, &verdict.entries_undecided, &verdict.planted,
                               &verdict.planted_caught}) {
    *count = from.number();
  }
  for (double* real : {&verdict.resolution_u, &verdict.error_radii, &verdict.worst_error_radii}) *real = from.real();
  verdict.reason = from.text();
  if (verdict.outcome == Outcome::pass) return verdict;
  verdict.evidence.step = static_cast<std::uint32_t>(from.number());
  verdict.evidence.what = from.text();
  verdict.evidence.expected = from.text();
  verdict.evidence.got = from.text();
  verdict.evidence.excess_radii = from.real();
  verdict.evidence.excess_u = from.real();
  return verdict;
}

void append_met(std::string& to, const Met& met) {
  for (const std::uint16_t classes : met.classes) append_number(to, classes);
}

Met read_met(ByteReader& from) {
  Met met;
  for (std::size_t axis = 0; axis < axis_count; ++axis) {
    const std::uint64_t classes = from.number();
    if (classes >> class_count(static_cast<Axis>(axis)) != 0)
      throw BadRecord("a worker's record holds an unknown class");
    met.classes.at(axis) = static_cast<std::uint16_t>(classes);
  }
  return met;
}

}  // namespace gradproof
