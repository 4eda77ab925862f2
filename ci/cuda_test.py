#!/usr/bin/env python3
"""Runs ci/cuda where there is no device: against stand-ins for the build, for LibTorch and for the driver's tools."""

import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent / "cuda"

COUNTS = {"cases": 4, "pass": 2, "fail": 1, "wrong": 1, "misbehaving": 0, "inaccurate": 0, "inconclusive": 0,
          "unsupported": 1, "crash": 0, "timeout": 0, "waived": 0, "internal_error": 0}
REPORT = {
    "summary": {**COUNTS, "cases": 8, "pass": 4},
    "rows": [{"operator": "tanh", "property": "vjp", **COUNTS}, {"operator": "exp", "property": "vjp", **COUNTS}],
    "failures": [{"operator": "tanh", "property": "vjp", "dtype": "f32", "severity": "wrong", "outcome": "fail",
                  "cases": 1, "reason": "outside its enclosure",
                  "evidence": {"what": "x.grad", "expected": "1 | 2", "got": "3"}}]}

GRADPROOF = """#!/usr/bin/env python3
import os, pathlib, sys
words = sys.argv[1:]
with open(os.environ["DIARY"], "a") as diary:
    diary.write(" ".join(words) + " LD=" + os.environ["LD_LIBRARY_PATH"] + "\\n")
if words[0] == "check":
    pathlib.Path(words[words.index("--json") + 1]).write_text(os.environ["REPORT"])
    sys.exit(int(os.environ.get("CHECK_EXIT", "0")))
print("gradproof 0.1.0 (abc)" if words[0] == "--version" else "7 scripts on libtorch@2.11.0 · 7 pass")
"""

TESTS = """#!/bin/sh
case "$*" in
  *--gtest_list_tests*)
    printf 'Versions/LibTorchCuda.\\n  First/v2_11_0  # GetParam() = "2.11.0"\\n'
    printf '  Second/v2_11_0\\n  Third/v2_11_0\\n' ;;
  *First*) echo '[       OK ]' ;;
  *Second*) printf 'device_test.cpp:9: Skipped\\nno CUDA device: none\\n\\n[  SKIPPED ] 1 test\\n' ;;
  *) echo 'it is broken'; exit ${THIRD_EXIT:-0} ;;
esac
"""

SMI = "#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 580.1, 81559 MiB, 9.0'\n"
SANITIZER = "#!/bin/sh\necho '========= ERROR SUMMARY: 0 errors'\n"


class CudaScript(unittest.TestCase):
    def setUp(self):
        self.held = tempfile.TemporaryDirectory()
        self.addCleanup(self.held.cleanup)
        self.folder = pathlib.Path(self.held.name)
        self.program("build/gradproof", GRADPROOF)
        self.program("build/tests/libtorch_cuda_test", TESTS)
        self.program("bin/nvidia-smi", SMI)
        self.program("bin/compute-sanitizer", SANITIZER)
        for file in ("build/engines/libtorch-2.11.0.so", "build/engines/cuda/libtorch-2.11.0.so",
                     "torch/lib/libtorch_cuda.so"):
            self.write(file, "")
        self.write("torch/version.py", "__version__ = '2.11.0+cu130'\ncuda: Optional[str] = '13.0'\n")

    def write(self, name, text):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def program(self, name, text):
        file = self.write(name, text)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def cuda(self, *words, torch=True, **environment):
        command = [sys.executable, SCRIPT, "--build", self.folder / "build", "--out", self.folder / "results", *words]
        if torch:
            command += ["--libtorch", self.folder / "torch"]
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "REPORT": json.dumps(REPORT),
                       "DIARY": str(self.folder / "diary"), "GRADPROOF_LIBTORCH": "", **environment}
        return subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True,
                              timeout=120, check=False)

    def result(self):
        files = list((self.folder / "results").glob("*"))
        self.assertEqual(len(files), 1)
        self.assertRegex(files[0].name, r"^cuda-\d{4}-\d\d-\d\d-nvidia-h100-80gb-hbm3\.md$")
        return files[0].read_text()

    def test_one_file_tells_everything(self):
        done = self.cuda()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        text = self.result()
        for said in ("| card | NVIDIA H100 80GB HBM3, 81559 MiB, compute capability 9.0 |", "| driver | 580.1 |",
                     "| LibTorch | 2.11.0+cu130 |", "| CUDA | 13.0 |", "gradproof 0.1.0 (abc)",
                     "2 pass, 0 fail, 1 skipped", "7 scripts on libtorch@2.11.0 · 7 pass",
                     "| check | check libtorch@2.11.0 --device cuda --cases 20 --seed 1 --jobs 2 |",
                     "| memcheck | 0 errors, exit 0 |", "| initcheck | 0 errors, exit 0 |",
                     "| vjp | 8 | 4 | 2 | 0 | 0 | 0 | 2 | 0 | 0 | 0 | 0 |",
                     "| all | 8 | 4 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | 0 | 0 |",
                     "x.grad: expected 1 \\| 2, got 3", "no CUDA device: none"):
            self.assertIn(said, text)
        diary = (self.folder / "diary").read_text()
        self.assertIn("check libtorch@2.11.0 --device cuda --cases 20 --seed 1 --jobs 2 ", diary)
        self.assertIn(f"LD={(self.folder / 'torch').resolve() / 'lib'}:", diary)

    def test_time_takes_the_place_of_cases(self):
        self.cuda("--time", "4m")
        self.assertIn("--device cuda --time 4m", (self.folder / "diary").read_text())

    def test_failures_are_exit_1_and_still_told(self):
        for environment in ({"CHECK_EXIT": "1"}, {"THIRD_EXIT": "1"}):
            done = self.cuda(**environment)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.result()

    def test_a_test_that_fails_is_named(self):
        self.cuda(THIRD_EXIT="1")
        self.assertIn("| Versions/LibTorchCuda.Third/v2_11_0 | it is broken |", self.result())

    def test_without_a_device_nothing_runs(self):
        self.program("bin/nvidia-smi", "#!/bin/sh\necho 'no devices were found'\nexit 6\n")
        done = self.cuda()
        self.assertEqual(done.returncode, 3)
        self.assertIn("no CUDA device, nothing ran: nvidia-smi: no devices were found", done.stderr)
        self.assertFalse((self.folder / "results").exists())

    def test_what_is_missing_is_named(self):
        self.write("torch/version.py", "__version__ = '2.9.0'\n")
        done = self.cuda()
        self.assertEqual(done.returncode, 2)
        self.assertIn("no LibTorch 2.11.0 with CUDA", done.stderr)
        self.assertIn("2.9.0", done.stderr)
        (self.folder / "build/gradproof").unlink()
        done = self.cuda()
        self.assertEqual(done.returncode, 2)
        self.assertIn("gradproof is not there", done.stderr)

    def test_a_check_that_dies_leaves_a_result(self):
        self.program("build/gradproof", "#!/bin/sh\nexit 4\n")
        done = self.cuda()
        self.assertEqual(done.returncode, 1)
        self.assertIn("wrote no report (exit 4)", self.result())

    def test_packing_takes_what_runs_elsewhere(self):
        done = self.cuda("--pack", self.folder / "packed", torch=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        packed = {path.relative_to(self.folder / "packed").as_posix() for path in (self.folder / "packed").rglob("*.*")}
        self.assertEqual(packed, {"engines/libtorch-2.11.0.so", "engines/cuda/libtorch-2.11.0.so"})
        self.assertTrue(os.access(self.folder / "packed/gradproof", os.X_OK))


if __name__ == "__main__":
    unittest.main()
