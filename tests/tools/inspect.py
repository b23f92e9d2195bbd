# SPDX-License-Identifier: Apache-2.0
"""inspect.py FILE..: is each what `keyhold inspect --json` promises of a module or
an image (docs/inspect.md)? Prints what is wrong, one fault a line."""
import json
import sys

from schema import COUNT, LIMIT, TEXT, TRUTH, check

PATH = (TEXT, None)   # of a domain, or null
NUMBER = LIMIT        # of an object, or null
MODULE = {
    "name": TEXT, "bytes": COUNT, "hash": TEXT, "functions": COUNT, "code_bytes": COUNT, "start": TRUTH,
    "memories": [{"imported": TRUTH, "min_bytes": COUNT, "max_bytes": LIMIT}],
    "imports": [{"module": TEXT, "name": TEXT, "kind": TEXT, "type": TEXT, "served": TRUTH}],
    "exports": [{"name": TEXT, "kind": TEXT, "type": TEXT}],
}
LINE = {"gas_left": LIMIT, "gas_used": COUNT, "gas_reserve": COUNT, "gas_rent": COUNT,
        "line_above": PATH, "line_above_object": NUMBER}
BANK = {"storage": COUNT, "storage_own": COUNT, "storage_peak": COUNT, "storage_limit": LIMIT,
        "bank_above": PATH, "bank_above_object": NUMBER}
GRANT = {"grant": COUNT, "grant_depth": COUNT, "cut": TRUTH, "uses_left": LIMIT, "bytes_left": LIMIT,
         "expires": LIMIT}
KEY = {"slot": COUNT, "kind": TEXT, "rights": TEXT, "badge": LIMIT, "sense": TRUTH, "domain": PATH,
       "object": NUMBER, "name": TEXT, "spec": TEXT, "path": TEXT, "hole": TRUTH}
DOMAIN = {
    "path": TEXT, "name": TEXT, "depth": COUNT, "parent": PATH, "state": TEXT, "wait": TEXT, "stop": TEXT,
    "code": COUNT, "need": COUNT, "gas_guest": COUNT, "gas_host": COUNT, **LINE, **BANK,
    "runs": PATH, "runner": PATH, "callee": PATH, "keeper": TEXT, "keeper_domain": PATH, "held": TRUTH,
    "stack": [{"func": TEXT, "index": COUNT, "offset": COUNT}], "keys": None, "modules": [TEXT],
}
OBJECT = {"number": COUNT, "keys": None, "kind": TEXT, "part": TRUTH, "payer": PATH, "bytes": COUNT}
OF_KIND = {
    "meter": {**LINE, "owner": PATH, "keeper": TEXT},
    "bank": {**BANK, "owner": PATH},
    "purse": {"balance": COUNT, "above_object": NUMBER},
    "module": {"module": TEXT},
    "segment": {"segment_bytes": COUNT},
    "image": {"image_bytes": COUNT, "image_domains": COUNT},
    "factory": {"sealed": TRUTH, "holes": COUNT},
    "box": {"brand": COUNT}, "sealer": {"brand": COUNT}, "unsealer": {"brand": COUNT},
}
ALL = {
    "v": COUNT, "file": TEXT, "command": TEXT, "modules": [MODULE], "domains": None, "objects": None,
    "domains_left_out": COUNT, "objects_left_out": COUNT, "keys_left_out": COUNT,
    "wants": [{"key": TEXT, "option": (TEXT, None), "what": TEXT}],
}


def faults(seen):
    yield from check("inspect", ALL, seen)
    paths = [domain.get("path") for domain in seen["domains"]]
    numbers = {one.get("number") for one in seen["objects"]}
    hashes = {module.get("hash") for module in seen["modules"]}
    for i, domain in enumerate(seen["domains"]):
        yield from check(f"domains[{i}]", DOMAIN, domain)
        if domain["parent"] is not None and domain["parent"] not in paths[:i]:
            yield f"domains[{i}]: its parent does not come before it"
        if not set(domain["modules"]) <= hashes:
            yield f"domains[{i}]: a module that is not listed"
    for holder in seen["domains"] + seen["objects"]:
        for j, key in enumerate(holder["keys"]):
            where = f"{holder.get('path', holder.get('number'))}.keys[{j}]"
            want = {**KEY, **GRANT} if "grant" in key else KEY
            yield from check(where, want, key)
            if key["object"] is not None and key["object"] not in numbers:
                yield f"{where}: an object that is not listed"
            if key["domain"] is not None and key["domain"] not in paths:
                yield f"{where}: a domain that is not listed"
    for i, one in enumerate(seen["objects"]):
        kind = GRANT if one["kind"] == "grant" and "grant" in one else OF_KIND.get(one["kind"], {})
        yield from check(f"objects[{i}]", {**OBJECT, **kind}, one)


if __name__ == "__main__":
    bad = False
    for file in sys.argv[1:]:
        with open(file) as text:
            for fault in faults(json.load(text)):
                print(f"{file}: {fault}")
                bad = True
    sys.exit(bad)
