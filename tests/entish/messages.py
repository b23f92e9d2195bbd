#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""messages.py SOURCES GOLDEN..: every message and hint that stands in the compiler's
sources is said by some golden file. One that no program can cause is in NEVER, with
why."""
import re
import sys
from pathlib import Path

CALLS = re.compile(r"\b(source_complain|parse_want|parse_wrong|token_wrong|complain|check_want|"
                   r"check_fit|words =|hint =)\b")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"(?:\s*"((?:[^"\\]|\\.)*)")*')
ESCAPE = re.compile(r"\\(.)")
ONE = re.compile(r'"((?:[^"\\]|\\.)*)"')
NEVER = {
    "the prelude has no %s": "it has all that is asked for",
    "$%s takes %zu arguments": "only in our own library",
    "this is no function": "only in our own library",
    "$funcname(f)": "only in our own library",
    "the first": "a literal beside a float always fits",
    "this program is too large": "what is only formatted is no more than a source",
}


def literals(text):
    """The texts of each call that complains; those side by side are one."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    for call in CALLS.finditer(text):
        end, depth = call.end(), 0
        while end < len(text) and (depth or text[end] != ";"):
            if text[end] == '"':
                end = ONE.match(text, end).end()
                continue
            depth += (text[end] == "(") - (text[end] == ")")
            if depth < 0 or text[end] in "{}" and not depth:
                break
            end += 1
        body = re.sub(r"(strn?cmp|strstr)\([^()]*(\([^()]*\))?[^()]*\)", "", text[call.end():end])
        for group in LITERAL.finditer(body):
            yield ESCAPE.sub(lambda m: "" if m.group(1) == "n" else m.group(1), "".join(ONE.findall(group.group(0))))


def pattern(message):
    parts = re.split(r"%(?:\.?[\d*]*z?[sdu]|%)", message)
    return ".*".join(re.escape(p) for p in parts)


def main():
    sources, goldens = Path(sys.argv[1]), [Path(g) for g in sys.argv[2:]]
    said = "\n".join(f.read_text(errors="replace") for g in goldens for f in sorted(g.glob("*.txt")))
    missing, count = [], 0
    for source in sorted(sources.glob("*.c")):
        for message in dict.fromkeys(literals(source.read_text())):
            if len(message) < 3 or message in NEVER:
                continue
            count += 1
            if not re.search(pattern(message), said):
                missing.append(f"{source.name}: {message}")
    print("1..1")
    for m in missing:
        print("# no golden says it:", m)
    print("not ok" if missing or count < 100 else "ok", f"1 - {count} messages and hints have golden files")
    return bool(missing)


sys.exit(main())
