# SPDX-License-Identifier: Apache-2.0
import sys


def loop(n):
    x = 1
    s = 0
    i = 0
    while i < n:
        x = x * 1103515245 + 12345 & 0x7FFFFFFF
        if x % 3 == 0:
            s += x
        i += 1
    return s


print(loop(int(sys.argv[1])))
