#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""same.py - what a run is attached to does not change it, as a TAP test.

usage: same.py KEYHOLD SOURCE_ROOT

One program tells all it can learn of its streams and its directory. Its streams
are then a file, a slow pipe, a terminal, /dev/null; its directory is on another
file system, made in another order, at other times. Gas and output stay equal.
"""

import json
import os
import pathlib
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
import time

INPUT = bytes(range(256)) * 13
failures = 0
count = 0


def check(good, name, why=""):
    global failures, count
    count += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    for line in [] if good else str(why).splitlines():
        print(f"# {line}")


class Runs:
    def __init__(self, keyhold, program, scratch):
        self.keyhold, self.program, self.scratch = keyhold, program, pathlib.Path(scratch)

    def run(self, directory, stdin, stdout, stderr=subprocess.DEVNULL, options=()):
        """Gas of the run, and what it came to."""
        report = self.scratch / "report.json"
        command = [self.keyhold, "run", "--report", str(report), "--dir", f"{directory}::/data",
                   *options, self.program]
        subprocess.run(command, stdin=stdin, stdout=stdout, stderr=stderr, check=False, timeout=120)
        told = json.loads(report.read_text())
        return (told["end"], told["code"], told["gas"]["guest"], told["gas"]["host"])


def make_directory(where, backwards):
    """The same directory, made in one order or the other."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=where))
    names = ["b", "a", "C", "long-" + "x" * 100, "sub/old", "sub/new", "kept"]
    (directory / "sub").mkdir()
    for name in reversed(names) if backwards else names:
        (directory / name).write_text("text of " + name)
        if backwards:
            os.utime(directory / name, (1, 1))
    (directory / "link").symlink_to("sub/old")
    return directory


def slow_pipe():
    reader, writer = os.pipe()

    def feed():
        with os.fdopen(writer, "wb", buffering=0) as pipe:
            for at in range(0, len(INPUT), 333):
                pipe.write(INPUT[at:at + 333])
                time.sleep(0.001)

    threading.Thread(target=feed, daemon=True).start()
    return reader


def terminal_output():
    """A terminal, and a list that fills with what is written to it."""
    ours, theirs = pty.openpty()
    said = []

    def drain():
        try:
            while data := os.read(ours, 65536):
                said.append(data)
        except OSError:
            pass

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    return theirs, said, thread


def streams(runs, where):
    def fresh():
        return make_directory(where, False)

    text = runs.scratch / "input"
    text.write_bytes(INPUT)
    out = runs.scratch / "output"
    with open(text, "rb") as stdin, open(out, "wb") as stdout:
        first = runs.run(fresh(), stdin, stdout)
    expected = out.read_bytes()
    check(first[0] == "exit" and len(expected) > 2000,
          "the program runs", f"{first}\n{expected[-300:]!r}")

    reader = slow_pipe()
    with open(out, "wb") as stdout:
        told = runs.run(fresh(), reader, stdout)
    os.close(reader)
    check((told, out.read_bytes()) == (first, expected), "its input is a slow pipe", f"{told} {first}")

    theirs, said, thread = terminal_output()
    with open(text, "rb") as stdin:
        told = runs.run(fresh(), stdin, theirs)
    os.close(theirs)
    thread.join(10)
    check((told, b"".join(said).replace(b"\r\n", b"\n")) == (first, expected),
          "its output is a terminal", f"{told} {first}")

    with open(text, "rb") as stdin:
        told = runs.run(fresh(), stdin, subprocess.DEVNULL, stderr=None)
    check(told == first, "its output is /dev/null", f"{told} {first}")

    with open(text, "rb") as stdin, open(out, "wb") as stdout:
        told = runs.run(fresh(), stdin, stdout, stderr=stdout)
    check((told, out.read_bytes()) == (first, expected), "its errors go where its output goes",
          f"{told} {first}")

    inputs(runs, fresh, text, out)


def inputs(runs, fresh, text, out):
    def told_by(stdin):
        with open(out, "wb") as stdout:
            return runs.run(fresh(), stdin, stdout), out.read_bytes()

    text.write_bytes(b"")
    with open(os.devnull, "rb") as nothing, open(text, "rb") as empty:
        null, file = told_by(nothing), told_by(empty)
    check(null == file, "/dev/null is an empty file", f"{null[0]} {file[0]}")

    lines = b"a line that somebody types\n" * 60
    text.write_bytes(lines)
    with open(text, "rb") as stdin:
        file = told_by(stdin)
    ours, theirs = pty.openpty()
    os.write(ours, lines + b"\x04")
    terminal = told_by(theirs)
    os.close(theirs)
    os.close(ours)
    check(terminal == file, "its input is a terminal", f"{terminal[0]} {file[0]}")


def file_systems(runs):
    out = runs.scratch / "output"
    told = {}
    for where in ("/dev/shm", "/var/tmp", "/tmp"):
        for backwards in (False, True):
            if not os.access(where, os.W_OK):
                continue
            directory = make_directory(where, backwards)
            with open(out, "wb") as stdout:
                gas = runs.run(directory, subprocess.DEVNULL, stdout)
            told[f"{where} {'backwards' if backwards else 'forwards'}"] = (gas, out.read_bytes())
            shutil.rmtree(directory)
    kinds = {os.stat(where.split()[0]).st_dev for where in told}
    first = next(iter(told.values()))
    for where, what in told.items():
        check(what == first, f"its directory is in {where}", f"{what[0]} {first[0]}")
    if len(kinds) < 2:
        check(True, "two file systems # SKIP this machine has one that can be written")


def main():
    keyhold, source = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    if not shutil.which("clang"):
        print("1..0 # SKIP clang with wasi-libc is not here")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        program = os.path.join(scratch, "look.wasm")
        built = subprocess.run(["clang", "--target=wasm32-wasi", "-O1", "-o", program,
                                str(source / "tests/wasi/guests/look.c")],
                               capture_output=True, check=False)
        if built.returncode:
            print("1..0 # SKIP clang does not build for wasm32-wasi here: wasi-libc, lld and "
                  "libclang-rt-dev-wasm32 are needed")
            return 0
        runs = Runs(keyhold, program, scratch)
        streams(runs, scratch)
        file_systems(runs)
    print(f"1..{count}")
    return failures != 0


sys.exit(main())
