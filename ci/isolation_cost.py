#!/usr/bin/env python3
"""isolation_cost.py GRADPROOF [ENGINE…]: what isolation costs, from runs of `gradproof check` with and without it.

A batch's cost is the growth of processor time from fewer to more cases, so that loading an engine is in neither
figure; rounds alternate between the modes, and of each the least disturbed counts. A case's cost of its own is the
growth of wall time from fewer to more cases with one process for each.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time

ROUNDS = 3


def seconds(gradproof, engine, mode, selection, cases):
    """Processor and wall seconds of one check and its children."""
    with tempfile.TemporaryDirectory() as folder:
        command = [gradproof, "check", engine, *selection, "--cases", str(cases), "--seed", "1", "--isolate", mode,
                   "--out", folder, "--fail-on", "none"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        wall = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} exits {done.returncode}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def batch_overhead(gradproof, engine, selection, cases):
    """Percent of processor time that batches add, and the seconds without them."""
    least = {}
    for _ in range(ROUNDS):
        for mode in ("off", "batch"):
            for count in (cases // 10, cases):
                taken = seconds(gradproof, engine, mode, selection, count)[0]
                least[mode, count] = min(taken, least.get((mode, count), taken))
    off, batch = (least[mode, cases] - least[mode, cases // 10] for mode in ("off", "batch"))
    return 100 * (batch / off - 1), off


def own_process_ms(gradproof, engine, selection):
    """Milliseconds of a case that has a process of its own."""
    few, many = 10, 110
    least = {count: min(seconds(gradproof, engine, "case", selection, count)[1] for _ in range(ROUNDS))
             for count in (few, many)}
    return 1000 * (least[many] - least[few]) / (many - few)


def engines_of(gradproof):
    listed = subprocess.run([gradproof, "engines"], capture_output=True, text=True, check=True).stdout.split()
    return ["reference", *[name for name in listed if name.startswith("libtorch@")]]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    gradproof = sys.argv[1]
    print("| engine | processor time of value, vjp and jvp over all operators, batches against none "
          "| one case in its own process (vjp of mul) |\n|---|---|---|")
    for engine in sys.argv[2:] or engines_of(gradproof):
        cases = 1000 if engine == "reference" else 400
        percent, base = batch_overhead(gradproof, engine, ["--properties", "value,vjp,jvp"], cases)
        own = own_process_ms(gradproof, engine, ["--operators", "mul.Tensor", "--properties", "vjp"])
        print(f"| `{engine}` | {percent:+.1f} % of {base:.1f} s | {own:.0f} ms |", flush=True)
    load = os.getloadavg()[0]
    print(f"\n{os.cpu_count()} cores, load {load:.1f}; the least of {ROUNDS} rounds each")


main()
