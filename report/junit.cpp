#include <map>

#include "report/report.h"

namespace gradproof {
namespace {

// XML 1.0 has no way to write most control characters.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\n': out += "&#10;"; break;
      case '\t': out += "&#9;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

struct TestCase {
  Counts counts{};
  std::map<std::string, ReasonCount> reasons{};
  std::vector<const Failure*> failures{};
};

std::string attribute(const char* name, std::string_view value) {
  return std::string(" ") + name + "=\"" + escaped(value) + "\"";
}

std::string failure_element(const Failure& failure, const std::string& engine) {
  const bool error = failure.verdict.outcome != Outcome::fail;
  const Evidence& evidence = failure.verdict.evidence;
  const char* element = error ? "error" : "failure";
  std::string body =
      failure.script + "\n" + evidence.what + " expected " + evidence.expected + ", got " + evidence.got + "\n";
  if (!failure.last_words.empty()) body += failure.last_words + "\n";
  if (!failure.file.empty()) body += "replay: gradproof run " + failure.file + " --engine " + engine + "\n";
  return std::string("      <") + element + attribute("type", kind_of(failure.verdict)) +
         attribute("message", failure.verdict.reason) + ">" + escaped(body) + "</" + element + ">\n";
}

bool failed(const TestCase& test) { return test.counts.fail() > 0; }
bool broke(const TestCase& test) {
  return !failed(test) && test.counts.crash + test.counts.timeout + test.counts.internal_error > 0;
}
bool skipped(const TestCase& test) { return !failed(test) && !broke(test) && test.counts.pass == 0; }

// One element for each case of the viewers: failure, error or skipped.
std::string test_element(const CheckReport& report, const std::string& operator_id, const std::string& property,
                         const TestCase& test) {
  std::string text = "    <testcase" + attribute("classname", report.plan->engine + "." + operator_id) +
                     attribute("name", property) + " time=\"0\"";
  if (!failed(test) && !broke(test) && !skipped(test)) return text + "/>\n";
  text += ">\n";
  if (skipped(test)) {
    std::string why = test.counts.waived > 0 ? "waived" : test.counts.cases() == 0 ? "not reached" : "";
    for (const auto& [reason, count] : test.reasons) why += (why.empty() ? "" : "; ") + reason;
    text += "      <skipped" + attribute("message", why) + "/>\n";
  }
  for (const Failure* failure : test.failures) text += failure_element(*failure, report.plan->engine);
  return text + "    </testcase>\n";
}

}  // namespace

std::string junit_text(const CheckReport& report) {
  std::map<std::string, std::map<std::string, TestCase>> suites;
  for (const Row& row : report.results->rows()) {
    TestCase& test = suites[row.operator_id][row.property];
    test.counts += row.counts;
    for (const auto* reasons : {&row.inconclusive, &row.unsupported})
      test.reasons.insert(reasons->begin(), reasons->end());
  }
  for (const Failure* failure : report.results->failures()) {
    suites[failure->operator_id][failure->property].failures.push_back(failure);
  }
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" +
                     attribute("name", "gradproof " + report.plan->engine) + ">\n";
  for (const auto& [operator_id, tests] : suites) {
    std::size_t counts[3] = {};
    std::string body;
    for (const auto& [property, test] : tests) {
      counts[0] += failed(test) ? 1 : 0;
      counts[1] += broke(test) ? 1 : 0;
      counts[2] += skipped(test) ? 1 : 0;
      body += test_element(report, operator_id, property, test);
    }
    text += "  <testsuite" + attribute("name", operator_id) + attribute("tests", std::to_string(tests.size())) +
            attribute("failures", std::to_string(counts[0])) + attribute("errors", std::to_string(counts[1])) +
            attribute("skipped", std::to_string(counts[2])) + " time=\"0\">\n" + body + "  </testsuite>\n";
  }
  return text + "</testsuites>\n";
}

}  // namespace gradproof
