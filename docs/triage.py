#!/usr/bin/env python3
"""docs/triage.py RESULTS.json…: which finding explains each failure of `gradproof check … --json RESULTS.json`.

docs/findings/causes.json says of each finding which failures it explains: regular expressions for the operator, the
property and the severity as wholes, and `says`, searched in the reason, the evidence and the script. The first that
fits is taken, of those that the tables of findings do not deny of the engine's version. Ends with 1 where failures are
left that none explains: theirs, not yet told, or ours.
"""

import argparse
import collections
import json
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).parent


VERSIONS = ("1.13.1", "2.11.0")


def denied_of(text: str, anchor: str) -> set[str]:
    """The versions that every row of a finding's table says `no` of."""
    row = rf"^\| \[.*\]\([\w.-]*#{re.escape(anchor)}\) \| [^|]* \| ([^|]*) \| ([^|]*) \|$"
    rows = re.findall(row, text, re.MULTILINE)
    return {version for i, version in enumerate(VERSIONS) if rows and all(row[i].strip() == "no" for row in rows)}


def causes_of(path: pathlib.Path) -> list[dict]:
    causes = json.loads(path.read_text(encoding="utf-8"))
    for cause in causes:
        unknown = set(cause) - {"finding", "operators", "properties", "severity", "says"}
        if unknown:
            sys.exit(f"{path}: {cause['finding']}: {', '.join(sorted(unknown))} is no part of a cause")
        for part in set(cause) - {"finding"}:
            try:
                re.compile(cause[part])
            except re.error as error:
                sys.exit(f"{path}: {cause['finding']}: {part}: {error}")
        page, _, anchor = cause["finding"].partition("#")
        text = ((DOCS if page == "findings.md" else DOCS / "findings") / page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        if anchor not in {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}:
            sys.exit(f"{path}: {page} has no heading for #{anchor}")
        cause["denied"] = denied_of(text, anchor)
    return causes


def version_of(results: dict) -> str:
    return results["engine"]["declares"]["version"]


def told(failure: dict) -> str:
    evidence = failure.get("evidence") or {}
    seen = f"{evidence.get('what')} expected {evidence.get('expected')} got {evidence.get('got')}"
    return "\n".join([failure["reason"], seen, failure.get("last_words") or "", failure["script"]])


def line_of(failure: dict) -> str:
    evidence = failure.get("evidence") or {}
    return (
        f"{failure['operator']} {failure['property']} {failure['dtype']}, {failure['severity'] or failure['outcome']}: "
        f"{failure['reason'][:60]}: {str(evidence.get('what'))[:60]} got {str(evidence.get('got'))[:100]}, "
        f"{failure['cases']} cases, {failure.get('file', '')}"
    )


def culprits(failure: dict) -> list[str]:
    """The operators at fault: a program names its first calls that went wrong; where it only raised, any may be it."""
    if failure["property"] != "program":
        return [failure["operator"]]
    named = re.search(r", first the (?:gradient from|result of) (.*)", failure["reason"])
    return re.split(r", ", named[1]) if named else re.findall(r"= ([\w.]+)\(", failure["script"])


def explains(cause: dict, failure: dict, version: str) -> bool:
    if version in cause["denied"]:
        return False
    # What may be any of many calls must say what it is.
    if failure["property"] == "program" and ", first the " not in failure["reason"] and "says" not in cause:
        return False
    if not any(re.fullmatch(cause.get("operators", ".*"), operator) for operator in culprits(failure)):
        return False
    wholes = {
        "properties": failure["property"],
        "severity": failure["severity"] or failure["outcome"],
    }
    if any(not re.fullmatch(cause.get(part, ".*"), of) for part, of in wholes.items()):
        return False
    return "says" not in cause or re.search(cause["says"], told(failure)) is not None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=pathlib.Path)
    parser.add_argument("--causes", type=pathlib.Path, default=DOCS / "findings" / "causes.json")
    options = parser.parse_args()
    causes = causes_of(options.causes)
    left = 0
    for path in options.results:
        results = json.loads(path.read_text(encoding="utf-8"))
        explained: collections.Counter[str] = collections.Counter()
        version = version_of(results)
        print(f"{path}: {results['engine']['name']}")
        for failure in results["failures"]:
            cause = next((cause for cause in causes if explains(cause, failure, version)), None)
            if cause:
                explained[cause["finding"]] += 1
                continue
            left += 1
            print(f"  unexplained: {line_of(failure)}")
        for finding, count in explained.most_common():
            print(f"  {count:5} {finding}")
    print(f"{left} failures that no finding explains")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
