#!/usr/bin/env python3
"""docs/kill_matrix.py [--measure BUILD [JOBS]]: writes docs/kill-matrix.md from docs/results/kill-matrix.json.

--measure runs the whole matrix anew first: every mutant that rules derive from the records, minutes.
"""

import datetime
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs/results/kill-matrix.json"
PAGE = ROOT / "docs/kill-matrix.md"
SEED = 1
COMMAND = "build/release/gradproof mutants --derived --seed {seed} --jobs {jobs} --json {file}"
SEQUENCES = "lifecycle-"


def measure(build, jobs):
    file = RESULTS.relative_to(ROOT)
    command = COMMAND.format(seed=SEED, jobs=jobs, file=file).split()
    command[0] = str(pathlib.Path(build) / "gradproof")
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode not in (0, 1, 4):
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    results = {"date": datetime.date.today().isoformat(), **results}
    RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ") or "–"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return lines + ["| " + " | ".join(cell(c) for c in row) + " |" for row in rows]


def totals(rules):
    rows = []
    for rule in rules:
        equivalent, survived = len(rule["equivalent"]), len(rule["survived"])
        rows.append([rule["kind"], f"`{rule['rule']}`", rule["what"], rule["mutants"], rule["killed"],
                     rule["only_inaccurate"] or "", rule["died"] or "", equivalent or "", survived or "",
                     rule["median_cases_to_kill"]])
    summed = [sum(row[i] or 0 for row in rows) for i in range(3, 9)]
    rows.append(["", "", "all", *summed, ""])
    heads = ["kind", "rule", "what is wrong", "mutants", "killed", "of these only *inaccurate*", "of these died",
             "equivalent", "survived", "cases to the kill (median)"]
    return table(heads, rows)


def by_property(rules, properties):
    """Of the mutants that showed in a property's cases, how many it killed."""
    rows = []
    for rule in rules:
        cells = []
        for prop in properties:
            shown, killed = rule["shown_to"].get(prop, 0), rule["killed_by"].get(prop, 0)
            cells.append("" if shown == 0 and killed == 0 else f"{killed}/{max(shown, killed)}")
        if any(cells):
            rows.append([f"`{rule['rule']}`", *cells])
    return table(["rule", *(p.removeprefix(SEQUENCES) for p in properties)], rows)


def survivors(rules):
    rows = []
    for rule in rules:
        for one in rule["survived"]:
            judged = one["shown"] - one["undecided"]
            deviation = one["deviation_u"] if judged else ""
            rows.append([one["mutant"], one["shown"], judged,
                         f"{deviation:.3g}" if isinstance(deviation, float) else deviation,
                         one["why_undecided"] or "–"])
    return table(["mutant", "cases that show it", "of these judged right", "largest deviation judged right, u",
                  "why the others were not judged (the first)"], rows)


def page(results):
    rules = results["rules"]
    used = {prop for rule in rules for key in ("shown_to", "killed_by") for prop in rule[key]}
    plain = [p for p in results["properties"] if p in used and not p.startswith(SEQUENCES)]
    sequences = [p for p in results["properties"] if p in used and p.startswith(SEQUENCES)]
    command = COMMAND.format(seed=results["seed"], jobs=results["jobs"], file="FILE")
    errors = [f"- {one['mutant']}: {one['what']}" for one in results["internal_errors"]]
    deaths = [f"- {one['mutant']}: {one['what']}" for one in results["deaths"]]
    equivalent_cases = sum(rule["equivalent_cases"] for rule in rules)
    equivalent = sum(len(rule["equivalent"]) for rule in rules)
    return "\n".join([
        "# Kill matrix", "",
        "Made by `docs/kill_matrix.py` from docs/results/kill-matrix.json. What the mutants are, and how to read this:",
        "[mutants.md](mutants.md).", "", "```bash", command, "```", "",
        f"{results['date']}, gradproof {results['gradproof']['version']} ({results['gradproof']['commit']}),",
        f"{results['seconds']} s on {results['jobs']} cores shared with others; up to {results['cases']} cases of each",
        f"property, {results['table_cases']} where the mutant is dead already.", "",
        "## By rule", "", *totals(rules), "",
        "*Died*: crashed or hung.", "",
        f"The {equivalent} equivalent ones showed in none of {equivalent_cases:,} cases.", "",
        "## By property", "",
        "Killed, of those that showed in a case of the property at all.", "", *by_property(rules, plain), "",
        f"The rules of sequences (`{SEQUENCES}*`):", "", *by_property(rules, sequences), "",
        "## Survivors", "", *survivors(rules), "",
        *(["## Crashes and hangs", "", *deaths, ""] if deaths else []),
        *(["## Errors of gradproof's own", "", *errors, ""] if errors else [])])


def main():
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "2")
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
