# SPDX-License-Identifier: Apache-2.0
"""Counts what a `meson test` run really tested.

usage: tally.py --absent "NAME .." --totals FILE TITLE TESTLOG.json

A TAP program counts its subtests; one that prints `# assertions: N` counts N
for a pass instead. Any other program counts one. A test that skips itself says
"needs NAME"; it is a failure unless NAME is among the absent. FILE gets
"passed failed skipped"."""
import argparse
import json
import re
import sys

LINE = re.compile(r"^\s*(not )?ok\b(?:\s+\d+)?\s*(?:-\s*)?(.*)$")
SKIP = re.compile(r"#\s*SKIP\b:?\s*(.*)", re.I)
NEEDS = re.compile(r"needs ([\w-]+)")
ASSERTIONS = re.compile(r"^#\s*assertions:\s*(\d+)", re.M)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []

    def skip(self, name, reason, absent):
        needs = NEEDS.search(reason)
        if needs and needs.group(1) in absent:
            self.skipped += 1
            self.notes.append(f"skip  {name}: needs {needs.group(1)}")
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
            suite = test.get("suite") or ["?"]
            room = suite[0].split(":")[-1].split("+")[0] if suite else "?"
            sums = rooms.setdefault(room, [0, 0, 0])
            for i, now in enumerate((count.passed, count.failed, count.skipped)):
                sums[i] += now - before[i]
    for room, (passed, failed, skipped) in sorted(rooms.items()):
        word = "FAIL " if failed else "ok   "
        print(f"{word} {args.title}: {room}: {passed} passed, {failed} failed, {skipped} skipped")
    for note in count.notes:
        print("      " + note)
    with open(args.totals, "w", encoding="utf-8") as out:
        print(count.passed, count.failed, count.skipped, file=out)
    return 1 if count.failed else 0


sys.exit(main())
