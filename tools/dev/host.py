# SPDX-License-Identifier: Apache-2.0
"""Prints the names of kernel features that are not to be had here: what a test
may skip itself for. Asked of the kernel itself, not of the program under test."""
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
IO_URING_SETUP, LANDLOCK_CREATE_RULESET = 425, 444  # the same on x86-64 and arm64

lacks = []
params = ctypes.create_string_buffer(256)
if libc.syscall(IO_URING_SETUP, 1, params) < 0:
    lacks.append("io_uring")
if libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) < 1:
    lacks.append("landlock")
print(" ".join(lacks))
