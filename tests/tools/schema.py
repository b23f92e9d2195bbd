# SPDX-License-Identifier: Apache-2.0
"""schema.py END FILE..: is each a report that says END, with every name and type
that docs/report.md promises? Prints what is wrong, one fault a line."""
import json
import sys

COUNT = "count"  # a whole number, not negative
LIMIT = "limit"  # a count, or null
ENDS = "exit trap gas storage time killed revoked denied waiting refused until diverged".split()
TEXT, TRUTH = str, bool
KEY = {"name": TEXT, "spec": TEXT, "read": COUNT, "written": COUNT, "denied": COUNT, "missing": COUNT,
       "expired": TRUTH, "conns": ({"made": COUNT, "now": COUNT, "most": COUNT, "refused": COUNT}, None)}
FRAME = {"func": TEXT, "index": COUNT, "offset": COUNT}
WHY = {"what": TEXT, "key": TEXT, "why": TEXT, "saw": TEXT, "allow": TEXT, "count": COUNT,
       "missing": TRUTH}
REPORT = {
    "v": COUNT, "end": TEXT, "code": COUNT,
    "gas": {"guest": COUNT, "host": COUNT, "left": LIMIT, "need": COUNT},
    "run": {"gas": COUNT},
    "storage_peak": COUNT, "storage_limit": LIMIT,
    "keys": [KEY],
    "walls": None,
    "broker": {"no_new_privs": TRUTH, "few_caps": TRUTH, "landlock": TRUTH, "not_dumpable": TRUTH,
               "seccomp": TRUTH, "directories_live": TRUTH},
    "where": ({"module": TEXT, "func": TEXT, "offset": COUNT, "depth": COUNT, "stack": [FRAME]}, None),
    "clock": (TEXT, None), "random": (TEXT, None),
    "image": ({"when": TEXT, "file": TEXT, "bytes": COUNT, "written": TRUTH}, None),
    "holes": [{"name": TEXT, "spec": TEXT}],
    "why": [WHY],
    "refused": [{"key": TEXT, "what": TEXT, "path": TEXT, "why": TEXT, "missing": TRUTH, "count": COUNT}],
}
OPTIONAL = {"trap", "error", "signal"}


def check(where, want, got):
    if isinstance(want, tuple):
        if got is not None:
            yield from check(where, want[0], got)
    elif want is COUNT or want is LIMIT:
        if want is LIMIT and got is None:
            return
        if isinstance(got, bool) or not isinstance(got, int) or got < 0:
            yield f"{where} is {got!r}, not a count"
    elif isinstance(want, dict):
        if not isinstance(got, dict):
            yield f"{where} is {got!r}, not an object"
            return
        for name in want:
            if name not in got:
                yield f"{where}.{name} is missing"
            else:
                yield from check(f"{where}.{name}", want[name], got[name])
        for name in set(got) - set(want) - (OPTIONAL if where == "report" else set()):
            yield f"{where}.{name} is not promised"
    elif isinstance(want, list):
        if not isinstance(got, list):
            yield f"{where} is {got!r}, not a list"
            return
        for i, one in enumerate(got):
            yield from check(f"{where}[{i}]", want[0], one)
    elif want is not None and not isinstance(got, want):
        yield f"{where} is {got!r}, not {want.__name__}"


def faults(end, report):
    yield from check("report", REPORT, report)
    if report.get("v") != 1 or report.get("end") not in ENDS:
        yield f"v {report.get('v')}, end {report.get('end')}"
    if report.get("end") != end:
        yield f"end is {report.get('end')}, not {end}"
    walls = report.get("walls", {})
    if walls.get("tier") not in ("T0", "T1", "T2") or walls.get("seccomp") is not True:
        yield f"walls are {walls}"
    for name, up in walls.items():
        if name not in ("tier", "landlock_abi") and not isinstance(up, bool):
            yield f"wall {name} is {up!r}"
    if (end == "trap") != ("trap" in report) or (end == "refused") != ("error" in report):
        yield "trap and error stand in reports of that end, and only there"
    if end in ("trap", "gas") and not report.get("where"):
        yield "it says nothing of where"
    gas = report["gas"]
    if report["run"]["gas"] > gas["guest"] + gas["host"]:
        yield "this run used more than the whole life"


if __name__ == "__main__":
    bad = False
    for file in sys.argv[2:]:
        with open(file) as text:
            for fault in faults(sys.argv[1], json.load(text)):
                print(f"{file}: {fault}")
                bad = True
    sys.exit(bad)
