# SPDX-License-Identifier: Apache-2.0
"""Counts what a `meson test` run really tested.

usage: tally.py --absent "NAME .." --totals FILE TITLE TESTLOG.json

A TAP program counts its subtests; one that prints `# assertions: N` counts N
for a pass instead. Any other program counts one. A test that skips itself says
"needs NAME", or in words of the table below; it is a failure unless NAME is
among the absent. FILE gets
"passed failed skipped"."""
import argparse
import json
import re
import sys

LINE = re.compile(r"^\s*(not )?ok\b(?:\s+\d+)?\s*(?:-\s*)?(.*)$")
SKIP = re.compile(r"#\s*SKIP\b:?\s*(.*)", re.I)
# What tests say when they skip themselves, and the NAME of what is then missing.
NEEDS = [(re.compile(pattern, re.I), name) for pattern, name in [
    (r"by design: |not in this tier|only root can lose it|only root can make", "by-design"),
    (r"WASI suite is not here", "wasi-suite"),
    (r"root needs no user namespace", "unprivileged"),
    (r"not root|only root|root without", "root"),
    (r"no user namespace", "userns"),
    (r"no landlock", "landlock"),
    (r"sanitizer", "plain-build"),
    (r"no fast executor", "musttail"),
    (r"wasi-libc|build for wasm32", "wasi-libc"),
    (r"gcc-aarch64", "cross-tools"),
    (r"32-bit calls", "ia32"),
    (r"file system in user space", "fuse"),
    (r"two file systems|machine has one", "second-filesystem"),
    (r"such a host cannot be made", "such-a-host"),
    (r"root passes it by a capability", "unprivileged"),
    (r"zsh is not here", "zsh"),
    (r"fish is not here", "fish"),
    (r"cannot be read by another user", "reachable-tree"),
]]
NAMED = re.compile(r"needs ([\w-]+)")
# Figures that a run is asked to print: of the core scripts, of stop-everywhere.
FIGURES = re.compile(r"^# +(\d+ run, \d+ failed: .*|.*commands run.*|.*\bstops\b.*)$", re.M)
ASSERTIONS = re.compile(r"^#\s*assertions:\s*(\d+)", re.M)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []
        self.figures = []
        self.missing = {}  # NAME: how many were skipped for it

    def skip(self, name, reason, absent):
        named = NAMED.search(reason)
        needs = named.group(1) if named else ""
        if needs not in absent:
            text = f"{name} {reason}"
            needs = next((n for pattern, n in NEEDS if pattern.search(text)), needs)
        if needs in absent:
            self.skipped += 1
            self.missing[needs] = self.missing.get(needs, 0) + 1
        else:
            self.failed += 1
            self.notes.append(f"FAIL  {name}: skipped though it could run ({reason or 'no reason given'})")


def tap(text):
    """Yields (passed, name, skip reason or None)."""
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            skip = SKIP.search(found.group(2))
            name = SKIP.sub("", found.group(2)).strip()
            yield not found.group(1), name, skip.group(1).strip() if skip else None


def take(count, test, absent):
    name, text = test["name"].split(" / ")[-1], test.get("stdout", "")
    failed_before = count.failed
    count.figures += [f"      {name}: {figure}" for figure in FIGURES.findall(text)]
    rows = list(tap(text))
    said = ASSERTIONS.findall(text)
    for passed, row, skip in rows:
        where = f"{name}: {row}"
        if skip is not None:
            count.skip(where, skip, absent)
        elif not passed:
            count.failed += 1
            count.notes.append(f"FAIL  {where}")
        elif not said:
            count.passed += 1
    count.passed += sum(int(n) for n in said)
    if not rows and not said:
        if test["result"] == "OK":
            count.passed += 1
        elif test["result"] == "SKIP":
            count.skip(name, text.strip().splitlines()[-1] if text.strip() else "", absent)
    if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and count.failed == failed_before:
        count.failed += 1
        count.notes.append(f"FAIL  {name}: {test['result']}, exit {test.get('returncode')}")
    if count.failed > failed_before:
        tail = (text + test.get("stderr", "")).strip().splitlines()
        wanted = [l for l in tail if not re.match(r"\s*ok\b", l)][-40:]
        count.notes += ["        " + line[:200] for line in wanted]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--absent", default="")
    parser.add_argument("--totals", required=True)
    parser.add_argument("title")
    parser.add_argument("log")
    args = parser.parse_args()
    absent = set(args.absent.split())

    count = Count()
    rooms = {}
    with open(args.log, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            before = (count.passed, count.failed, count.skipped)
            take(count, test, absent)
            room = test["name"].split(" / ")[0].split(":")[-1].split("+")[0]
            sums = rooms.setdefault(room, [0, 0, 0])
            for i, now in enumerate((count.passed, count.failed, count.skipped)):
                sums[i] += now - before[i]
    for room, (passed, failed, skipped) in sorted(rooms.items()):
        word = "FAIL " if failed else "ok   "
        print(f"{word} {args.title}: {room}: {passed} passed, {failed} failed, {skipped} skipped")
    for figure in count.figures:
        print(figure)
    for needs, many in sorted(count.missing.items()):
        print(f"skip  {args.title}: {many} for want of {needs}")
    for note in count.notes:
        print("      " + note)
    with open(args.totals, "w", encoding="utf-8") as out:
        print(count.passed, count.failed, count.skipped, file=out)
    return 1 if count.failed else 0


sys.exit(main())
