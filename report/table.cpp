#include <algorithm>
#include <map>
#include <set>

#include "build_info.h"
#include "report/report.h"

namespace gradproof {
namespace {

struct Cell {
  Counts counts{};
};

struct OperatorRow {
  std::string id{};
  std::map<std::string, Cell> cells{};
  Histogram resolutions{};
  std::uint64_t cases = 0;
};

struct Mark {
  const char* text;
  Paint paint;
};

Mark mark_of(const Counts& counts) {
  if (counts.internal_error > 0) return {"!", Paint::bad};
  if (counts.wrong + counts.misbehaving + counts.crash + counts.timeout > 0) return {"✗", Paint::bad};
  if (counts.inaccurate > 0) return {"~", Paint::doubtful};
  if (counts.pass > 0) return {"✓", Paint::good};
  if (counts.waived > 0) return {"w", Paint::doubtful};
  if (counts.inconclusive > 0) return {"?", Paint::doubtful};
  if (counts.unsupported > 0) return {"–", Paint::faint};
  return {" ", Paint::none};
}

// ": no CUDA device" where nothing else was found.
std::string why_nothing_ran(const Results& results) {
  std::set<std::string> reasons;
  for (const Row& row : results.rows()) {
    if (row.counts.unsupported != row.counts.cases()) return "";
    for (const auto& [reason, count] : row.unsupported) reasons.insert(reason);
  }
  return reasons.size() == 1 ? ": " + *reasons.begin() : "";
}

std::vector<OperatorRow> operator_rows(const Results& results) {
  std::vector<OperatorRow> rows;
  std::map<std::string, std::size_t> at;
  for (const Row& row : results.rows()) {
    const auto [found, fresh] = at.try_emplace(row.operator_id, rows.size());
    if (fresh) rows.push_back({row.operator_id, {}, {}, 0});
    OperatorRow& line = rows[found->second];
    line.cells[row.property].counts += row.counts;
    line.resolutions.add(row.resolutions);
    line.cases += row.counts.cases();
  }
  std::sort(rows.begin(), rows.end(), [](const OperatorRow& a, const OperatorRow& b) { return a.id < b.id; });
  return rows;
}

// In the order of the properties, which is that of the rows of any one operator.
std::vector<std::string> columns(const Results& results) {
  std::vector<std::string> ids;
  for (const Property* property : all_properties()) ids.emplace_back(property->id());
  std::vector<std::string> used;
  for (const Row& row : results.rows()) {
    if (std::find(used.begin(), used.end(), row.property) == used.end()) used.push_back(row.property);
  }
  std::stable_sort(used.begin(), used.end(), [&](const std::string& a, const std::string& b) {
    return std::find(ids.begin(), ids.end(), a) < std::find(ids.begin(), ids.end(), b);
  });
  return used;
}

std::size_t column_width(const std::vector<std::string>& ids, std::size_t operators, const TextStyle& style) {
  std::size_t widest = 3;
  for (const std::string& id : ids) widest = std::max(widest, id.size());
  constexpr std::size_t rest = 24;  // resolution and cases
  if (style.width == 0 || ids.empty()) return widest;
  const std::size_t room = style.width > operators + rest ? (style.width - operators - rest) / ids.size() : 0;
  return std::clamp<std::size_t>(room > 2 ? room - 2 : 0, 4, widest);
}

}  // namespace

std::string seed_text(std::uint64_t seed) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), digits[static_cast<std::size_t>(seed & 15U)]);
    seed >>= 4U;
  } while (seed != 0);
  return "0x" + text;
}

std::string heading(const Plan& plan, std::uint64_t seed, const TextStyle& style) {
  std::string text = "gradproof " + std::string(build_info::version) + " (" + build_info::commit + ") · " +
                     plan.engine + " · " + (plan.device == GP_CUDA ? "cuda" : "cpu") + " ·";
  for (const gp_dtype dtype : plan.dtypes) text += std::string(" ") + name_of(dtype);
  return painted(text + " · seed " + seed_text(seed), Paint::bold, style) + "\n";
}

std::string table_text(const CheckReport& report, const TextStyle& style) {
  const std::vector<OperatorRow> rows = operator_rows(*report.results);
  if (rows.empty()) return "";
  const std::vector<std::string> ids = columns(*report.results);
  std::size_t first = 8;
  for (const OperatorRow& row : rows) first = std::max(first, row.id.size());
  const std::size_t limit = column_width(ids, first, style);
  const auto width = [&](const std::string& id) { return std::min(id.size(), limit); };
  std::string text = painted(padded("operator", first), Paint::bold, style);
  for (const std::string& id : ids) text += "  " + painted(id.substr(0, width(id)), Paint::bold, style);
  text += painted("  resolution    cases", Paint::bold, style) + "\n";
  for (const OperatorRow& row : rows) {
    text += padded(row.id, first);
    for (const std::string& id : ids) {
      const auto cell = row.cells.find(id);
      const Mark mark = cell == row.cells.end() ? Mark{" ", Paint::none} : mark_of(cell->second.counts);
      const std::size_t columns = width(id);
      text += "  " + std::string((columns - 1) / 2, ' ') + painted(mark.text, mark.paint, style) +
              std::string(columns - 1 - (columns - 1) / 2, ' ');
    }
    const double median = row.resolutions.median();
    const std::string resolution = median > 0 ? short_number(median) + " u" : "–";
    const std::string cases = grouped(row.cases);
    text += "  " + std::string(10 - std::min<std::size_t>(10, columns_of(resolution)), ' ') + resolution;
    text += "  " + std::string(7 - std::min<std::size_t>(7, cases.size()), ' ') + cases + "\n";
  }
  return text +
         painted(
             "✓ pass  ✗ wrong, misbehaving, crash or timeout  ~ inaccurate  ? inconclusive  – unsupported  w waived",
             Paint::faint, style) +
         "\n";
}

std::string summary_text(const CheckReport& report, const TextStyle& style) {
  const Counts total = report.results->total();
  const std::size_t operators = operator_rows(*report.results).size();
  std::string text = plural(operators, "operator") + " · " + plural(total.cases(), "case") + " · " +
                     plural(total.entries, "gradient entry", "gradient entries") + " · " +
                     percent(total.inconclusive, total.cases() - total.unsupported) + " inconclusive · planted " +
                     grouped(total.planted) + ", caught " + grouped(total.planted_caught) + "\n";
  text += painted(grouped(total.pass) + " pass", Paint::good, style);
  struct Part {
    std::uint64_t count;
    const char* name;
    Paint paint;
  };
  for (const Part& part :
       {Part{total.wrong, "wrong", Paint::bad}, Part{total.misbehaving, "misbehaving", Paint::bad},
        Part{total.inaccurate, "inaccurate", Paint::doubtful}, Part{total.crash, "crash", Paint::bad},
        Part{total.timeout, "timeout", Paint::bad}, Part{total.inconclusive, "inconclusive", Paint::doubtful},
        Part{total.unsupported, "unsupported", Paint::faint}, Part{total.waived, "waived", Paint::doubtful},
        Part{total.internal_error, "internal error", Paint::bad}}) {
    if (part.count > 0) text += " · " + painted(grouped(part.count) + " " + part.name, part.paint, style);
  }
  text += why_nothing_ran(*report.results);
  const CoverageTotal coverage = report.results->coverage_total();
  if (coverage.pairs_possible > 0) {
    text += "\n" + percent(coverage.pairs, coverage.pairs_possible) + " of pairs of classes met, all of them in " +
            grouped(coverage.all_pairs) + " of " + plural(coverage.operators, "operator");
  }
  text += "\n";
  const std::uint64_t failing = total.fail() + total.crash + total.timeout;
  text += plural(failing, "failure");
  if (failing > 0) text += ", " + plural(causes_of(*report.results).size(), "cause");
  text += " · " + duration_text(report.seconds);
  if (report.interrupted) text += " · interrupted";
  if (!report.files.empty()) {
    text += " · details in";
    for (std::size_t i = 0; i < report.files.size(); ++i) text += (i > 0 ? ", " : " ") + report.files[i];
  }
  return text + "\n";
}

}  // namespace gradproof
