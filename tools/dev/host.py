# SPDX-License-Identifier: Apache-2.0
"""Prints the names of kernel features that are not to be had here: what a test
may skip itself for. Asked of the kernel itself, not of the program under test."""
import ctypes
import os
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
IO_URING_SETUP, LANDLOCK_CREATE_RULESET = 425, 444  # the same on x86-64 and arm64

lacks = []
params = ctypes.create_string_buffer(256)
if libc.syscall(IO_URING_SETUP, 1, params) < 0:
    lacks.append("io_uring")
if libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) < 1:
    lacks.append("landlock")
if not os.path.exists("/dev/fuse"):
    lacks.append("fuse")
try:
    if os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev or not os.access("/dev/shm", os.W_OK):
        lacks.append("second-filesystem")
except OSError:
    lacks.append("second-filesystem")
# The test itself is the probe of these: Linux tells them to nobody else.
lacks += ["ia32", "such-a-host"]
print(" ".join(lacks))
