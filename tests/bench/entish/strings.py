# SPDX-License-Identifier: Apache-2.0
import sys


def build(n):
    parts = []
    for i in range(n):
        parts.append("item " + str(i) + ";")
    all = "".join(parts)
    s = ""
    for i in range(n // 100):
        s += "x" + str(i % 10)
    return len(all) + len(s)


print(build(int(sys.argv[1])))
