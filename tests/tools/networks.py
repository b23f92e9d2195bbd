#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""networks.py KEYHOLD SOURCE - a guest dials by the names of its keys, end to end:
broker and worker behind their walls."""
import os
import socket
import subprocess
import sys
import tempfile
import threading

KEYHOLD, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
WORK = tempfile.mkdtemp(prefix="keyhold-networks.")
GUEST = os.path.join(WORK, "dial.wasm")
subprocess.run(["wat2wasm", os.path.join(SOURCE, "tests/tools/guests/dial.wat"), "-o", GUEST], check=True)
count = bad = came = 0
held = []
keep = False


def check(name, good, more=""):
    global count, bad
    count += 1
    bad += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}" + ("" if good else f"\n# {more}"), flush=True)


def serve(listener):
    global came
    while True:
        peer, _ = listener.accept()
        came += 1
        peer.sendall(b"hello")
        if keep:
            held.append(peer)
        else:
            peer.close()


listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
threading.Thread(target=serve, args=(listener,), daemon=True).start()


def run(name, *options):
    done = subprocess.run([KEYHOLD, "run", *options, GUEST, name], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    return done.returncode, done.stderr


def is_status(name, wanted, got, connections):
    status, words = got
    check(name, status == wanted and came == connections, f"{status}, {came} came: {words}")


here = f"127.0.0.1:{port}"
is_status("--connect is a name in the tree", 0, run(f"tcp:{here}", "--connect", here), 1)
is_status("as= gives it another", 0, run("net/api", "--key", f"tcp:{here},as=/net/api"), 2)
is_status("several keys have names of their own", 0,
          run(f"tcp:{here}", "--connect", here, "--connect", "192.0.2.1:80"), 3)
is_status("localhost is this machine", 0, run("x", "--key", f"tcp:localhost:{port},as=/x"), 4)
is_status("a name that is pinned", 0, run("x", "--key", f"tcp:db.example.com:{port},as=/x",
                                          "--resolve", "db.example.com=127.0.0.1"), 5)
is_status("without the key there is no such name (ENOENT)", 44, run(f"tcp:{here}"), 5)
check("a port that is taken is told at the start",
      run("x", "--listen", here)[0] == 77 and "the port is taken" in run("x", "--listen", here)[1])
keep = True
is_status("for=400ms ends a connection that is open, and not the broker", 42,
          run("x", "--key", f"tcp:{here},as=/x,for=400ms"), 6)
check("the peer hears of it", held[0].recv(10) == b"")
is_status("bytes=3 are three bytes of five", 42, run("x", "--key", f"tcp:{here},as=/x,bytes=3"), 7)
subprocess.run(["rm", "-rf", WORK], check=True)
print(f"1..{count}")
sys.exit(bad != 0)
