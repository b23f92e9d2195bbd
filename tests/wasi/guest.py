#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""guest.py - caps/guest.h from C by clang, as a TAP test.

usage: guest.py KEYHOLD SOURCE_ROOT
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

EXPECTED = """returned 0 7
thrown, here
inner 1
outer 0
inner 1
outer 1
yielded 0
"""


def main():
    keyhold, source = os.path.abspath(sys.argv[1]), sys.argv[2]
    if not shutil.which("clang"):
        print("1..0 # SKIP clang with wasi-libc is not here")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        good = True
        print("1..2")
        for number, level in enumerate(("-O0", "-O2"), 1):
            program, report = os.path.join(scratch, "guest.wasm"), os.path.join(scratch, "report")
            built = subprocess.run(["clang", "--target=wasm32-wasi", level, "-I", source, "-o",
                                    program, os.path.join(source, "tests/wasi/guests/guest.c")],
                                   capture_output=True, check=False)
            if built.returncode:
                print(f"ok {number} - {level} # SKIP clang does not build for wasm32-wasi here")
                continue
            done = subprocess.run([keyhold, "run", "--report", report, program],
                                  capture_output=True, timeout=60, check=False)
            told = json.loads(open(report, encoding="utf-8").read())
            fine = (done.stdout.decode() == EXPECTED and done.returncode == 134 and
                    told["end"] == "trap")
            good = good and fine
            print(f"{'' if fine else 'not '}ok {number} - {level}: the last throw has no try")
            for line in [] if fine else (done.stdout + done.stderr).decode().splitlines():
                print(f"# {line}")
    return not good


sys.exit(main())
