#!/usr/bin/env python3
"""docs/operators.py BUILD [--measure VERSION…]: writes docs/operators.md.

Made of the records (gradproof operators --json) and of what checks of LibTorch found, docs/results/operators.json.
--measure runs those checks anew, all properties on all operators, for the versions named: minutes each.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs/results/operators.json"
CASES, SEED = 10, 1
SEQUENCES = "lifecycle"  # their properties share one column
MARKS = """\
✓ cases pass, and none fails · ✗ some fail ([findings.md](findings.md)) · w some fail, all of them waived · ? all are
inconclusive · u all are unsupported by that version"""


def gradproof(build, *arguments):
    command = [str(pathlib.Path(build) / "gradproof"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def column_of(prop):
    return SEQUENCES if prop.startswith(SEQUENCES) else prop


def mark_of(rows):
    total = {key: sum(row[key] for row in rows) for key in
             ("pass", "fail", "crash", "timeout", "waived", "inconclusive", "unsupported", "internal_error")}
    if total["fail"] + total["crash"] + total["timeout"] + total["internal_error"] > 0:
        return "✗"
    for key, mark in (("waived", "w"), ("pass", "✓"), ("inconclusive", "?")):
        if total[key] > 0:
            return mark
    return "u"


def condensed(report):
    """What is kept of a check: by operator, marks by column and dtype, and the tightness of values."""
    kept = {}
    for row in report["rows"]:
        entry = kept.setdefault(row["operator"], {"marks": {}, "tightness": {}})
        for dtype, counts in row["dtypes"].items():
            entry["marks"].setdefault(column_of(row["property"]), {}).setdefault(dtype, []).append(counts)
        if row["property"] in ("value", "vjp"):
            entry["tightness"][row["property"]] = [row["median_error_radii"], row["p99_error_radii"]]
    for entry in kept.values():
        entry["marks"] = {column: "".join(mark_of(dtypes[d]) for d in sorted(dtypes))
                          for column, dtypes in entry["marks"].items()}
    return kept


def measure(build, versions):
    results = {"cases": CASES, "seed": SEED, "versions": {}}
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "report.json"
            done = gradproof(build, "check", f"libtorch@{version}", "--seed", str(SEED), "--cases", str(CASES),
                             "--json", str(path), "--out", folder)
            if done.returncode not in (0, 1):
                sys.exit(done.stderr)
            results["versions"][version] = condensed(json.loads(path.read_text(encoding="utf-8")))
    text = json.dumps(results, ensure_ascii=False, indent=1, sort_keys=True)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ") or "–"


def landmarks(marks, ties=False):
    texts = [f"{m['at']:g}" + (f" (argument {m['argument'] + 1})" if m["argument"] > 0 else "") for m in marks]
    return ", ".join(texts + (["ties"] if ties else [])) or "–"


def tightness(results, operator):
    texts = []
    for prop in ("value", "vjp"):
        pairs = [v[operator]["tightness"][prop] for v in results["versions"].values()
                 if prop in v.get(operator, {}).get("tightness", {})]
        if pairs:
            texts.append(f"{prop} {max(p[0] for p in pairs):.2f}, {min(max(p[1] for p in pairs), 1):.2f}")
    return "; ".join(texts) or "–"


def records_table(operators, results):
    heads = ["operator", "schema", "domain", "kinks", "jumps", "error over radius", "source of formulas and budgets",
             "note"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for op in operators:
        cells = [op["id"], f"`{op['schema']}`", op["domain"], landmarks(op["kinks"], op["ties_matter"]),
                 landmarks(op["jumps"]), tightness(results, op["id"]), op["source"], op["note"]]
        lines.append("| " + " | ".join(cell(c) for c in cells) + " |")
    return lines


def marks_table(operators, results):
    tried = {column for v in results["versions"].values() for op in v.values() for column in op.get("marks", {})}
    untried = {column_of(prop) for op in operators for prop in op["properties"]} - tried  # newer than the checks
    columns = []
    for op in operators:
        for prop in list(op["properties"]) + list(op["not_applicable"]):
            if column_of(prop) not in columns and column_of(prop) not in untried:
                columns.append(column_of(prop))
    reasons = []
    lines = ["| operator | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for op in operators:
        cells = []
        for column in columns:
            marks = [v.get(op["id"], {}).get("marks", {}).get(column) for v in results["versions"].values()]
            if any(marks):
                texts = [m or "–" for m in marks]
                cells.append(texts[0] if len(set(texts)) == 1 else " / ".join(texts))
                continue
            why = [r for p, r in op["not_applicable"].items() if column_of(p) == column] or [op["note"] or "not drawn"]
            if why[0] not in reasons:
                reasons.append(why[0])
            cells.append(f"– {reasons.index(why[0]) + 1}")
        lines.append("| " + " | ".join([cell(op["id"]), *cells]) + " |")
    return lines, [f"{i}. {reason}" for i, reason in enumerate(reasons, 1)]


def page(build):
    operators = json.loads(gradproof(build, "operators", "--json").stdout)
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    versions = " / ".join(results["versions"])
    marks, reasons = marks_table([op for op in operators if not op["id"].startswith("_")], results)
    return "\n".join([
        "# Operators", "",
        "Made by `docs/operators.py` from the records in `engine/operators/` and from checks of LibTorch "
        f"{versions},", f"{results['cases']} cases of each property, operator and dtype.", "",
        "## Records", "",
        "Error over radius: |got − midpoint| over the enclosure's radius, of results and of gradients; the median of",
        "the cases' medians, and the 99th percentile of their greatest. 1 is the edge; far below it a budget is",
        "generous.", "",
        *records_table(operators, results), "",
        "## What was decided", "", MARKS, "",
        f"Two marks: f32 and f64. Where the versions differ: {versions}. `{SEQUENCES}` stands for it and all of its",
        "rules. – does not apply, and why:", "", *reasons, "", *marks, ""])


def main():
    build, rest = sys.argv[1], sys.argv[2:]
    if rest[:1] == ["--measure"]:
        measure(build, rest[1:])
    (ROOT / "docs/operators.md").write_text(page(build), encoding="utf-8")


if __name__ == "__main__":
    main()
