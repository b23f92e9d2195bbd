#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py - the WASI organisation's own preview 1 programs, as a TAP test.

usage: run.py KEYHOLD SUITE [NAME..]

SUITE is a checkout of WebAssembly/wasi-testsuite, branch prod/testsuite-base
(it has the programs built), kept outside this tree. Without one the test is
skipped by name. Each program gets what its JSON says and nothing else: its
arguments, its environment, and a copy of its directory as "/".
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

EXPECTED = 72  # programs; fewer means that the checkout is not the whole suite
SECONDS = 60


def programs(suite):
    return sorted(suite.glob("tests/*/testsuite/wasm32-wasip1/*.wasm"))


def specification(program):
    path = program.with_suffix(".json")
    spec = {"args": [], "env": {}, "root": None, "exit_code": 0, "stdout": None, "stderr": None}
    if path.exists():
        spec.update(json.loads(path.read_text(encoding="utf-8")))
    return spec


def run(keyhold, program, spec, scratch):
    """What went wrong, or None."""
    command = [keyhold, "run"]
    for name, value in spec["env"].items():
        command += ["--env", f"{name}={value}"]
    if spec["root"]:
        root = pathlib.Path(scratch) / "root"
        shutil.copytree(program.parent / spec["root"], root, symlinks=True)
        command += ["--dir", f"{root}::/"]
    command += [str(program)] + spec["args"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"still running after {SECONDS} s"
    said = done.stderr.decode(errors="replace")
    if done.returncode != spec["exit_code"]:
        return f"exit code {done.returncode}, not {spec['exit_code']}\n{said}"
    for stream, got in (("stdout", done.stdout), ("stderr", done.stderr)):
        if spec[stream] is not None and got != spec[stream].encode():
            return f"{stream} is {got!r}, not {spec[stream]!r}\n{said}"
    return None


def main():
    keyhold = os.path.abspath(sys.argv[1])
    where = sys.argv[2] if len(sys.argv) > 2 else ""
    where = where or os.environ.get("KEYHOLD_WASI_SUITE", "")
    if not where or not programs(pathlib.Path(where)):
        print("1..0 # SKIP the WASI suite is not here: set KEYHOLD_WASI_SUITE to a checkout of "
              "WebAssembly/wasi-testsuite, branch prod/testsuite-base")
        return 0
    found = programs(pathlib.Path(where))
    wanted = [p for p in found if not sys.argv[3:] or p.stem in sys.argv[3:]]
    print(f"1..{len(wanted) + 1}")
    failed = len(found) < EXPECTED
    print(f"{'not ' if failed else ''}ok 1 - the suite has {len(found)} programs of {EXPECTED}")
    for number, program in enumerate(wanted, 2):
        with tempfile.TemporaryDirectory() as scratch:
            why = run(keyhold, program, specification(program), scratch)
        failed = failed or why is not None
        print(f"{'not ' if why else ''}ok {number} - {program.parts[-4]}/{program.stem}")
        for line in (why or "").splitlines():
            print(f"# {line}")
        sys.stdout.flush()
    return 1 if failed else 0


sys.exit(main())
