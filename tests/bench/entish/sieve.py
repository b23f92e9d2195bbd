# SPDX-License-Identifier: Apache-2.0
import sys


def sieve(n):
    there = [True] * (n + 1)
    count = 0
    i = 2
    while i <= n:
        if there[i]:
            count += 1
            j = i + i
            while j <= n:
                there[j] = False
                j += i
        i += 1
    return count


print(sieve(int(sys.argv[1])))
