#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""numbers.py SOURCE: each number of the corpus has tests, and each test named in
numbers.txt is there. TAP."""
import pathlib
import sys

source = pathlib.Path(sys.argv[1])
clauses = {n: [] for n in range(1, 26)}
for line in (source / "tests/corpus/numbers.txt").read_text().splitlines():
    if not line or line.startswith("#"):
        continue
    number, clause, tests = (part.strip() for part in line.split("|", 2))
    clauses[int(number)].append((clause, [t.strip() for t in tests.split("; ")]))
print(f"1..{len(clauses)}")
failed = False
for number, rows in clauses.items():
    missing = []
    for clause, tests in rows:
        for test in tests:
            file, name = test.split(": ", 1)
            path = source / file
            if not path.is_file() or name not in path.read_text():
                missing.append(f"{clause}: {test}")
    bad = not rows or missing
    failed |= bool(bad)
    print(f"{'not ' if bad else ''}ok {number} - corpus: {number} has its tests")
    for row in missing or (["no row"] if not rows else []):
        print(f"# {row}")
sys.exit(failed)
