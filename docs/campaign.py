#!/usr/bin/env python3
"""docs/campaign.py [RESULTS.json…]: writes docs/campaign.md from docs/results/campaign.json.

With results of `gradproof check … --json RESULTS.json`, one of each engine, docs/results/campaign.json is made of them
first. ci/campaign runs both.
"""

import collections
import datetime
import json
import pathlib
import statistics
import sys

import triage

DOCS = pathlib.Path(__file__).resolve().parent
SUMMARY = DOCS / "results" / "campaign.json"
PAGE = DOCS / "campaign.md"
RESOLVED = ("value", "vjp", "jvp", "second-order")


def reasons_of(rows, which):
    counted = collections.Counter()
    for row in rows:
        for dtype in row["dtypes"].values():
            counted.update({reason: seen["cases"] for reason, seen in dtype[which].items()})
    return dict(counted.most_common())


def resolution_of(rows):
    """Of each operator, property and dtype: the median radius in units of u·|value|."""
    found = {}
    for row in rows:
        if row["property"] not in RESOLVED:
            continue
        for dtype, part in row["dtypes"].items():
            if isinstance(part["median_resolution_u"], (int, float)) and part["planted"] > 0:
                found.setdefault(row["operator"], {}).setdefault(dtype, {})[row["property"]] = float(
                    f"{part['median_resolution_u']:.3g}")
    return found


def summary_of(path, causes):
    results = json.loads(path.read_text(encoding="utf-8"))
    version = triage.version_of(results)
    findings = collections.Counter()
    unexplained = []
    for failure in results["failures"]:
        cause = next((cause for cause in causes if triage.explains(cause, failure, version)), None)
        if cause:
            findings[cause["finding"]] += failure["cases"]
        else:
            unexplained.append({part: failure[part] for part in (
                "operator", "property", "dtype", "outcome", "severity", "reason", "cases", "script")})
    coverage = results["coverage"]
    return {
        "engine": results["engine"]["name"],
        "date": datetime.date.fromtimestamp(path.stat().st_mtime).isoformat(),
        "gradproof": results["gradproof"],
        "device": results["device"],
        "dtypes": results["dtypes"],
        "seed": results["seed"],
        "cases_per_operator_and_property": results["cases_per_operator_and_property"],
        "seconds": round(results["timing"]["seconds"]),
        "operators": coverage["operators"],
        "pairs": coverage["pairs"],
        "pairs_possible": coverage["pairs_possible"],
        "operators_with_all_pairs": coverage["operators_with_all_pairs"],
        "summary": results["summary"],
        "findings": dict(findings.most_common()),
        "unexplained": unexplained,
        "inconclusive": reasons_of(results["rows"], "inconclusive_reasons"),
        "unsupported": reasons_of(results["rows"], "unsupported_reasons"),
        "resolution_u": resolution_of(results["rows"]),
    }


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return lines + ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows]


def share(part, whole):
    return f"{100 * part / whole:.2f} %" if whole else "–"


def overview(runs):
    def row(what, of):
        return [what, *(of(run) for run in runs)]

    def counted(name):
        return lambda run: f"{run['summary'][name]:,}"

    return table(["", *(run["engine"] for run in runs)], [
        row("gradproof", lambda run: f"{run['gradproof']['version']} ({run['gradproof']['commit']})"),
        row("date", lambda run: run["date"]),
        row("cases of each operator and property, seed",
            lambda run: f"{run['cases_per_operator_and_property']}, {run['seed']}"),
        row("operators", lambda run: run["operators"]),
        row("cases", counted("cases")),
        row("gradient entries", counted("entries")),
        row("wrong values planted", counted("planted")),
        row("of these caught", counted("planted_caught")),
        row("inconclusive", lambda run: share(run["summary"]["inconclusive"], run["summary"]["cases"])),
        row("unsupported", lambda run: share(run["summary"]["unsupported"], run["summary"]["cases"])),
        *(row(name.replace("_", " "), counted(name)) for name in (
            "wrong", "misbehaving", "inaccurate", "crash", "timeout", "waived", "internal_error")),
        row("pairs of classes met", lambda run: share(run["pairs"], run["pairs_possible"])),
        row("findings that explain the failures", lambda run: len(run["findings"])),
        row("**failures that none explains**", lambda run: len(run["unexplained"])),
    ])


def link_of(finding):
    page, _, anchor = finding.partition("#")
    return f"[{anchor.replace('-', ' ')}]({page if page == 'findings.md' else 'findings/' + page}#{anchor})"


def by_finding(runs):
    names = sorted({name for run in runs for name in run["findings"]},
                   key=lambda name: (-sum(run["findings"].get(name, 0) for run in runs), name))
    return table(["finding", *(run["engine"] for run in runs)],
                 [[link_of(name), *(run["findings"].get(name, "") for run in runs)] for name in names])


def by_reason(runs, which):
    names = sorted({name for run in runs for name in run[which]},
                   key=lambda name: (-sum(run[which].get(name, 0) for run in runs), name))
    return table(["reason", *(run["engine"] for run in runs)],
                 [[name, *(run[which].get(name, "") for run in runs)] for name in names[:20]])


def resolutions(run):
    dtypes = run["dtypes"]
    heads = ["operator", *(f"{prop} {dtype}" for dtype in dtypes for prop in RESOLVED)]
    rows = []
    for operator, found in sorted(run["resolution_u"].items()):
        cells = [found.get(dtype, {}).get(prop, "") for dtype in dtypes for prop in RESOLVED]
        rows.append([operator, *cells])
    medians = [statistics.median([row[i] for row in rows if row[i] != ""] or [0]) for i in range(1, len(heads))]
    return table(heads, [["*median*", *(f"{m:.3g}" for m in medians)], *rows])


def page(runs):
    left = [f"- {run['engine']}: {one['operator']}, {one['property']}, {one['dtype']}: {one['reason']}"
            for run in runs for one in run["unexplained"]]
    return "\n".join([
        "# Campaign", "",
        "Every operator and property against both LibTorchs on the CPU, by `ci/campaign`. Written by",
        "`docs/campaign.py` from docs/results/campaign.json.", "", *overview(runs), "",
        "A failure counts once for each case that shows it. `docs/triage.py` traces it to a finding by",
        "findings/causes.json; one that no finding explains is the engine's, not yet told, or ours.", "",
        *(["## Not explained", "", *left, ""] if left else []),
        "## Cases by finding", "", *by_finding(runs), "",
        "## Inconclusive", "", *by_reason(runs, "inconclusive"), "",
        "## Resolution", "",
        "The smallest relative error that is caught, in units of u (2⁻²⁴ in f32, 2⁻⁵³ in f64), median of the entries",
        f"that were decided, {runs[0]['engine']}: the radius of the enclosure over u·|value|. Wrong values planted",
        "just outside it are caught, every one (above).", "", *resolutions(runs[0]), ""])


def main():
    files = [pathlib.Path(name) for name in sys.argv[1:]]
    if files:
        causes = triage.causes_of(DOCS / "findings" / "causes.json")
        runs = [summary_of(path, causes) for path in files]
        SUMMARY.write_text(json.dumps(runs, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(SUMMARY.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
