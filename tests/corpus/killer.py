#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""killer.py KEYHOLD KILLER: number 24. A run that keeps an image over an older one is
killed at every system call of its broker, which is where the file is made, written
(in T2 the broker writes it; else the worker, through its ring), named and forgotten.
Under its name lies the old image or the new one, whole. TAP."""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tools"))
import tap

PROGRAM = """(module (memory 3) (func (export "_start") (local i32)
  (loop (i32.store (i32.and (local.get 0) (i32.const 0x1fffc)) (local.get 0))
        (local.set 0 (i32.add (local.get 0) (i32.const 4099))) (br 0))))"""


def main():
    keyhold, killer = map(os.path.abspath, sys.argv[1:3])
    print("1..6")
    failed = False
    with tempfile.TemporaryDirectory(prefix="keyhold-killer-") as where:
        os.chdir(where)
        pathlib.Path("x.wat").write_text(PROGRAM)
        subprocess.run(["wat2wasm", "x.wat", "-o", "x.wasm"], check=True)

        def command(tier, gas):
            return [keyhold, "run", "--quiet", "--tier", tier, "--gas", str(gas),
                    "--snapshot-on", "gas=image", "x.wasm"]

        def run(args):
            return tap.run(*args)

        count = 0
        for tier in "T0", "T1", "T2":
            image = pathlib.Path("image")
            got = run(command(tier, 100000))
            if got.returncode != 152 and "T0" in got.stderr:
                for _ in range(2):
                    count += 1
                    print(f"ok {count} - corpus: 24 {tier} # SKIP needs namespaces")
                continue
            old = image.read_bytes()
            total = int(run([killer, "0", *command(tier, 200000)]).stdout.split()[-1])
            new = image.read_bytes()
            results, bad = {"old": 0, "new": 0}, []
            for n in range(1, total + 1):
                image.write_bytes(old)
                run([killer, str(n), *command(tier, 200000)])
                is_now = image.read_bytes() if image.exists() else b""
                if is_now == old:
                    results["old"] += 1
                elif is_now == new:
                    results["new"] += 1
                else:
                    bad.append(f"killed at call {n}: {len(is_now)} bytes that are neither")
                for left in pathlib.Path(".").iterdir():
                    if left.name not in ("image", "x.wat", "x.wasm"):
                        left.unlink()
            if old == new or not results["old"] or not results["new"]:
                bad.append(f"nothing was tried: {results}")
            count += 1
            failed |= bool(bad)
            print(f"{'not ' if bad else ''}ok {count} - corpus: 24 {tier} killed at each of {total} calls: "
                  f"{results['old']} old, {results['new']} new")
            image.write_bytes(new)
            goes_on = run([keyhold, "resume", "--quiet", "--tier", tier, "--gas", "+1000", "image"])
            count += 1
            good = goes_on.returncode == 152
            failed |= not good
            print(f"{'' if good else 'not '}ok {count} - corpus: 24 {tier} and it goes on")
            for line in bad[:20] + ([] if good else [goes_on.stderr]):
                print(f"# {line}")
            sys.stdout.flush()
    return 1 if failed else 0


sys.exit(main())
