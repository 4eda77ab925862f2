#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "build_info.h"
#include "report/report.h"

namespace gradproof {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? Json("nan") : Json(value > 0 ? "inf" : "-inf");
}

Json counts_json(const Counts& counts) {
  Json json;
  json["cases"] = counts.cases();
  json["pass"] = counts.pass;
  json["fail"] = counts.fail();
  json["wrong"] = counts.wrong;
  json["misbehaving"] = counts.misbehaving;
  json["inaccurate"] = counts.inaccurate;
  json["inconclusive"] = counts.inconclusive;
  json["unsupported"] = counts.unsupported;
  json["crash"] = counts.crash;
  json["timeout"] = counts.timeout;
  json["waived"] = counts.waived;
  json["internal_error"] = counts.internal_error;
  json["entries"] = counts.entries;
  json["entries_outside"] = counts.entries_outside;
  json["entries_undecided"] = counts.entries_undecided;
  json["planted"] = counts.planted;
  json["planted_caught"] = counts.planted_caught;
  return json;
}

void add_resolution(Json& json, const Histogram& resolutions) {
  json["median_resolution_u"] = number(resolutions.median());
  json["worst_resolution_u"] = number(resolutions.worst());
}

// |error| over radius: of the cases' medians the median, of their greatest the 99th percentile.
void add_errors(Json& json, const Histogram& errors, const Histogram& worst) {
  json["median_error_radii"] = number(errors.median());
  json["p99_error_radii"] = number(worst.quantile(0.99));
}

Json reasons_json(const std::map<std::string, ReasonCount>& reasons) {
  Json json = Json::object();
  for (const auto& [reason, count] : reasons)
    json[reason] = {{"cases", count.count}, {"first_index", count.first_index}};
  return json;
}

Json dtype_json(const Row& row) {
  Json json = counts_json(row.counts);
  add_resolution(json, row.resolutions);
  add_errors(json, row.errors, row.worst_errors);
  json["inconclusive_reasons"] = reasons_json(row.inconclusive);
  json["unsupported_reasons"] = reasons_json(row.unsupported);
  return json;
}

Json rows_json(const Results& results) {
  std::map<std::pair<std::string, std::string>, std::vector<const Row*>> by_name;
  for (const Row& row : results.rows()) by_name[{row.operator_id, row.property}].push_back(&row);
  Json list = Json::array();
  for (const auto& [name, rows] : by_name) {
    Counts counts;
    Histogram resolutions;
    Histogram errors;
    Histogram worst_errors;
    Json dtypes = Json::object();
    for (const Row* row : rows) {
      counts += row->counts;
      resolutions.add(row->resolutions);
      errors.add(row->errors);
      worst_errors.add(row->worst_errors);
      dtypes[name_of(row->dtype)] = dtype_json(*row);
    }
    Json json{{"operator", name.first}, {"property", name.second}};
    json.update(counts_json(counts));
    add_resolution(json, resolutions);
    add_errors(json, errors, worst_errors);
    json["dtypes"] = std::move(dtypes);
    list.push_back(std::move(json));
  }
  return list;
}

Json failure_json(const Failure& failure, std::size_t cause) {
  const Verdict& verdict = failure.verdict;
  const Evidence& evidence = verdict.evidence;
  Json json;
  json["operator"] = failure.operator_id;
  json["property"] = failure.property;
  json["dtype"] = name_of(failure.which.dtype);
  json["index"] = failure.which.index;
  json["outcome"] = name_of(verdict.outcome);
  json["severity"] = verdict.outcome == Outcome::fail ? name_of(verdict.severity) : "";
  json["reason"] = verdict.reason;
  json["cause"] = cause;
  json["cases"] = failure.cases;
  json["entries"] = verdict.entries;
  json["entries_outside"] = verdict.entries_outside;
  json["evidence"] = {{"step", evidence.step},
                      {"what", evidence.what},
                      {"expected", evidence.expected},
                      {"got", evidence.got},
                      {"excess_radii", number(evidence.excess_radii)},
                      {"excess_u", number(evidence.excess_u)}};
  json["last_words"] = failure.last_words;
  json["script"] = failure.script;
  json["shrunk"] = failure.shrunk;
  json["file"] = failure.file;
  json["programs"] = Json::array();
  for (const WitnessProgram& program : failure.programs) {
    if (!program.file.empty()) json["programs"].push_back(program.file);
  }
  return json;
}

// Pairs that no case was of are named up to so many, for each operator.
constexpr std::size_t missing_named = 20;

Json failures_json(const Results& results) {
  Json list = Json::array();
  std::size_t number_of_cause = 0;
  for (const auto& cause : causes_of(results)) {
    ++number_of_cause;
    for (const Failure* failure : cause) list.push_back(failure_json(*failure, number_of_cause));
  }
  return list;
}

Json coverage_json(const Results& results) {
  const CoverageTotal total = results.coverage_total();
  Json json = {{"operators", total.operators},
               {"operators_with_all_pairs", total.all_pairs},
               {"pairs", total.pairs},
               {"pairs_possible", total.pairs_possible}};
  json["by_operator"] = Json::array();
  for (const auto& [id, coverage] : results.coverage()) {
    const Coverage::Counts counts = coverage.counts();
    json["by_operator"].push_back({{"operator", id},
                                   {"classes", counts.classes},
                                   {"pairs", counts.pairs},
                                   {"pairs_possible", counts.pairs_possible},
                                   {"missing", coverage.missing(missing_named)}});
  }
  return json;
}

Json waivers_json(const Waivers& waivers) {
  Json list = Json::array();
  for (const Waiver& waiver : waivers.all()) {
    list.push_back({{"operator", waiver.operators},
                    {"property", waiver.properties},
                    {"versions", waiver.versions},
                    {"severity", waiver.severity},
                    {"match", waiver.match},
                    {"reason", waiver.reason},
                    {"source", waiver.source},
                    {"cases", waiver.used},
                    {"unused", waiver.used == 0 && waivers.concerns(waiver)}});
  }
  return list;
}

}  // namespace

std::string json_text(const CheckReport& report) {
  const Plan& plan = *report.plan;
  Json json;
  json["gradproof"] = {{"version", build_info::version}, {"commit", build_info::commit}};
  json["engine"] = {{"name", plan.engine}};
  json["engine"]["declares"] = Json::parse(plan.info.to_json());
  json["device"] = plan.device == GP_CUDA ? "cuda" : "cpu";
  json["dtypes"] = Json::array();
  for (const gp_dtype dtype : plan.dtypes) json["dtypes"].push_back(name_of(dtype));
  json["seed"] = seed_text(report.seed);
  json["cases_per_operator_and_property"] = report.cases ? Json(*report.cases) : Json(nullptr);
  json["interrupted"] = report.interrupted;
  json["exit_code"] = report.exit_code;
  Json summary = counts_json(report.results->total());
  add_resolution(summary, report.results->resolutions());
  summary["causes"] = causes_of(*report.results).size();
  json["summary"] = std::move(summary);
  json["rows"] = rows_json(*report.results);
  json["coverage"] = coverage_json(*report.results);
  json["failures"] = failures_json(*report.results);
  json["waivers"] = waivers_json(*report.waivers);
  json["timing"] = {{"seconds", report.seconds},
                    {"time_limit_s", report.time_limit_s ? Json(*report.time_limit_s) : Json(nullptr)}};
  // An engine's own words may be of any encoding.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace gradproof
