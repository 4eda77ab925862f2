#!/usr/bin/env python3
"""docs/docs_test.py BUILD_FOLDER: what README and docs say is held against the build.

Runs every command of a fenced block marked `console` in a folder that looks like the source tree with this
build in build/release. A command is a line that begins with "$ "; it must exit 0, or with what a following
"$ echo $?" shows. The lines below it are its output: words must agree, numbers may differ (they are of a
machine, a day), "…" stands for any text, and a line of its own for any lines. Blocks of any other
language are not run. Commands that need a LibTorch this build has not are left out, and counted.

Besides: every path named exists, every `gradproof …` in a sentence has the command and the options it names,
docs/operators.md is what the records say, and README's table of properties is that of the program.
"""

import glob
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import campaign
import kill_matrix
import operators

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMAND_SECONDS = 120
# First parts of paths that are made by a build or a run, or belong to somebody else's tree.
ELSEWHERE = {"build", "engines", "out", "..", ".deps", "PREFIX", "include", "lib", "torch", "ATen", "gtest", "flint"}


class Command:
    def __init__(self, place, line):
        self.place = place
        self.line = line
        self.shown = []
        self.status = 0


def fenced_blocks(text):
    """(language, number of the first line within, lines) of each."""
    blocks, opened = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("```"):
            if opened is not None:
                opened[2].append(line)
        elif opened is None:
            opened = (line[3:].strip(), number + 1, [])
        else:
            blocks.append(opened)
            opened = None
    if opened is not None:
        raise ValueError(f"line {opened[1] - 1}: a block that is never closed")
    return blocks


def commands_in(document, first_line, lines):
    commands, status_wanted = [], False
    for number, line in enumerate(lines, first_line):
        if status_wanted:
            commands[-1].status = int(line)
            status_wanted = False
        elif line == "$ echo $?":
            status_wanted = True
        elif line.startswith("$ "):
            commands.append(Command(f"{document}:{number}", line[2:]))
        elif commands and commands[-1].line.endswith("\\"):
            commands[-1].line = commands[-1].line[:-1] + line.strip()
        elif commands:
            commands[-1].shown.append(line)
        else:
            raise ValueError(f"{document}:{number}: output before any command")
    return commands


def plain(line):
    """A line with its numbers and spaces made equal."""
    line = re.sub(r"0x[0-9a-f.]+(p[-+]?\d+)?|\d+(,\d{3})*(\.\d+)?(e[-+]?\d+)?|\binf\b", "#", line)
    return re.sub(r"\s+", " ", line.replace("-#", "#")).strip()


def line_agrees(shown, got):
    pattern = ".*".join(re.escape(part) for part in plain(shown).split("…"))
    return re.fullmatch(pattern, plain(got)) is not None


def agrees(shown, got):
    """Whether lines of output are those shown; empty lines do not count."""
    if not shown:
        return not got
    if shown[0].strip() == "…":
        return any(agrees(shown[1:], got[start:]) for start in range(len(got) + 1))
    return bool(got) and line_agrees(shown[0], got[0]) and agrees(shown[1:], got[1:])


def full(lines):
    return [line for line in lines if line.strip()]


def versions_in(text):
    return set(re.findall(r"libtorch@[\d.]*\d", text))


def gradproof(build, *arguments):
    return subprocess.run([build / "gradproof", *arguments], capture_output=True, text=True, timeout=COMMAND_SECONDS,
                          check=True).stdout


class Documents:
    def __init__(self, build):
        self.build = build
        self.engines = set(gradproof(build, "engines").split())
        self.options = {"": self.options_of()}
        for name in re.findall(r"^  ([a-z]+)  ", gradproof(build, "--help").partition("Subcommands:")[2], flags=re.M):
            self.options[name] = self.options_of(name)
        self.faults = []
        self.counts = {"commands run": 0, "commands without their LibTorch": 0, "outputs of another LibTorch": 0,
                       "blocks of commands not run": 0, "paths": 0, "mentions of gradproof": 0}

    def options_of(self, *subcommand):
        return set(re.findall(r"--[a-z-]+", gradproof(self.build, *subcommand, "--help")))

    def fault(self, place, what):
        self.faults.append(f"{place}: {what}")

    def is_possible(self, line):
        named = re.findall(r"libtorch(?:@[\d.]*\d)?", line)
        have = self.engines | {"libtorch" for engine in self.engines if engine.startswith("libtorch@")}
        return all(name in have for name in named)

    def run(self, command, folder):
        if not self.is_possible(command.line):
            self.counts["commands without their LibTorch"] += 1
            return
        self.counts["commands run"] += 1
        if " check " in command.line and not re.search("--seed|--resume", command.line) and "--cases" in command.line:
            self.fault(command.place, f"draws other cases each time: give it a --seed: {command.line}")
        try:
            done = subprocess.run(["bash", "-c", command.line], cwd=folder, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=COMMAND_SECONDS,
                                  env={**os.environ, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"})
        except subprocess.TimeoutExpired:
            self.fault(command.place, f"still runs after {COMMAND_SECONDS} s: {command.line}")
            return
        got = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode != command.status:
            self.fault(command.place, f"exits {done.returncode}, not {command.status}: {command.line}\n{got}")
        elif versions_in("\n".join(command.shown)) - versions_in(got) and versions_in(got):
            self.counts["outputs of another LibTorch"] += 1
        elif not agrees(full(command.shown), full(got.splitlines())):
            self.fault(command.place, f"prints something else now: {command.line}\n{got}")

    def run_blocks(self, name, text, folder):
        for language, line, lines in fenced_blocks(text):
            if language == "console":
                for command in commands_in(name, line, lines):
                    self.run(command, folder)
            elif language in ("bash", "sh"):
                self.counts["blocks of commands not run"] += 1
                for script in re.findall(r"\bci/\w+", "\n".join(lines)):
                    self.check_path(name, script)

    def check_path(self, name, path):
        self.counts["paths"] += 1
        pattern = re.sub(r"<[^>]*>|\bNAME\b", "*", path)
        # A folder alone may be one of the part that is spoken of: `scalars/` in engine/.
        places = [ROOT, (ROOT / name).parent, *([ROOT / "*"] if path.count("/") == 1 and path.endswith("/") else [])]
        if not any(glob.glob(str(place / pattern)) for place in places):
            self.fault(name, f"names {path}, which does not exist")

    def check_mention(self, name, mention):
        """`gradproof check libtorch --operators log1p` in a sentence."""
        self.counts["mentions of gradproof"] += 1
        words = mention.split()
        subcommand = words[1] if len(words) > 1 and words[1].isalpha() else ""
        if subcommand not in self.options:
            self.fault(name, f"names a command that does not exist: {mention}")
            return
        for option in set(re.findall(r"--[a-z-]+", mention)) - self.options[subcommand]:
            self.fault(name, f"names an option that does not exist: {option} in {mention}")

    def check_sentences(self, name, text):
        sentences = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#\s]+)", sentences):
            if not re.match(r"[a-z]+:", target):
                self.check_path(name, target)
        for span in re.findall(r"`([^`]+)`", re.sub(r"\s+", " ", sentences)):
            if re.match(r"gradproof( |$)", span) or span.startswith("build/release/gradproof "):
                self.check_mention(name, span)
            elif re.match(r"--[a-z]", span):
                if not any(span.split()[0] in options for options in self.options.values()):
                    self.fault(name, f"names an option that no command has: {span}")
            elif re.fullmatch(r"[\w.-]+(/[\w.*<>-]+)+/?|[a-z]+/", span):
                if span.split("/")[0] not in ELSEWHERE:
                    self.check_path(name, span)

    def check_operators(self):
        if (ROOT / "docs/operators.md").read_text() != operators.page(self.build):
            self.fault("docs/operators.md", "is not what the records say; docs/operators.py BUILD makes it anew")

    def check_campaign(self):
        runs = json.loads(campaign.SUMMARY.read_text(encoding="utf-8"))
        if campaign.PAGE.read_text(encoding="utf-8") != campaign.page(runs):
            self.fault("docs/campaign.md", "is not what its results say; docs/campaign.py makes it anew")
        campaign.triage.causes_of(campaign.DOCS / "findings" / "causes.json")

    def check_kill_matrix(self):
        results = json.loads(kill_matrix.RESULTS.read_text(encoding="utf-8"))
        if kill_matrix.PAGE.read_text(encoding="utf-8") != kill_matrix.page(results):
            self.fault("docs/kill-matrix.md", "is not what its results say; docs/kill_matrix.py makes it anew")

    def check_properties(self, text):
        told = re.findall(r"^\| `([a-z-]+)` \|", text, flags=re.M)
        known = [line.split()[0] for line in gradproof(self.build, "properties").splitlines()]
        for name in set(told) ^ set(known):
            self.fault("README.md", f"{'tells of no' if name in known else 'tells of an unknown'} property {name}")


def tree_of_links(build, folder):
    """The source tree by links, so that what commands write stays out of it, and this build as build/release."""
    for entry in ROOT.iterdir():
        if not re.fullmatch(r"\.git|\.deps|\.cache|build.*|out", entry.name):
            (folder / entry.name).symlink_to(entry)
    (folder / "build").mkdir()
    (folder / "build/release").symlink_to(build)
    return folder


def check_itself():
    assert agrees(["sum 0x1p-3, 4", "…", "end"], ["sum  2, 5,000.5", "x", "y", "end"])
    assert agrees(["a … b"], ["a 1 2 b"])
    assert not agrees(["3 pass"], ["3 fail"])
    assert not agrees(["a", "…"], ["b"])
    assert not agrees([], ["more"])
    first, second = commands_in("x.md", 1, ["$ false", "$ echo $?", "1", "$ a \\", "  b", "out"])
    assert (first.line, first.status, first.shown) == ("false", 1, [])
    assert (second.line, second.status, second.shown, second.place) == ("a b", 0, ["out"], "x.md:4")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    check_itself()
    build = pathlib.Path(sys.argv[1]).resolve()
    if not os.access(build / "gradproof", os.X_OK):
        sys.exit(f"{build / 'gradproof'} is not there, or cannot be run: build it first")
    documents = Documents(build)
    names = [path.relative_to(ROOT).as_posix() for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])]
    for name in names:
        text = (ROOT / name).read_text()
        with tempfile.TemporaryDirectory() as folder:
            documents.run_blocks(name, text, tree_of_links(documents.build, pathlib.Path(folder)))
        documents.check_sentences(name, text)
    documents.check_campaign()
    documents.check_kill_matrix()
    documents.check_operators()
    documents.check_properties((ROOT / "README.md").read_text())
    for fault in documents.faults:
        print(f"✗ {fault}")
    for what, count in documents.counts.items():
        print(f"{count:5} {what}")
    print(f"{len(names)} documents, {len(documents.faults)} faults")
    sys.exit(1 if documents.faults else 0)


main()
