#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""networks.py KEYHOLD SOURCE - a guest dials by the names of its keys, end to end:
broker and worker behind their walls."""
import json, os, socket, subprocess, sys, threading, time

import schema, tap
from program import KH, replay
from tap import begin, ok, until

SOURCE, WORK = os.path.abspath(sys.argv[2]), tap.work_in_folder()
subprocess.run(["wat2wasm", SOURCE + "/tests/tools/guests/dial.wat", "-o", "dial.wasm"], check=True)
came = 0
held = []
keep = False


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
    done = tap.run(KH, "run", *options, "dial.wasm", name)
    return done.returncode, done.stderr


def is_status(name, wanted, got, connections):
    status, words = got
    ok(name, status == wanted and came == connections, f"{status}, {came} came: {words}")


here = f"127.0.0.1:{port}"
is_status("--connect is a name in the tree", 0, run(f"tcp:{here}", "--connect", here), 1)
is_status("as= gives it another", 0, run("net/api", "--key", f"tcp:{here},as=/net/api"), 2)
is_status("several keys have names of their own", 0,
          run(f"tcp:{here}", "--connect", here, "--connect", "192.0.2.1:80"), 3)
is_status("localhost is this machine", 0, run("x", "--key", f"tcp:localhost:{port},as=/x"), 4)
is_status("a name that is pinned", 0, run("x", "--key", f"tcp:db.example.com:{port},as=/x",
                                          "--resolve", "db.example.com=127.0.0.1"), 5)
pinned = run("x", "--key", "tcp:db.example.com:80,as=/x", "--resolve", "db.example.com=169.254.169.254")
ok("no pin leads to metadata", pinned[0] == 64 and "which no key opens" in pinned[1], pinned)
is_status("without the key there is no such name (ENOENT)", 44, run(f"tcp:{here}"), 5)
ok("a port that is taken is told at the start",
   run("x", "--listen", here)[0] == 77 and "the port is taken" in run("x", "--listen", here)[1])


# --- what only the broker knows ---------------------------------------------------------
def answer_names(server):
    """Says to every question that it is this machine: 127.0.0.1, and no IPv6."""
    while True:
        ask, peer = server.recvfrom(512)
        end = ask.index(b"\0", 12) + 5
        a = ask[end - 4:end - 2] == b"\0\1"
        server.sendto(ask[:2] + b"\x81\x80\0\1" + (b"\0\1" if a else b"\0\0") + b"\0\0\0\0" + ask[12:end] +
                      (b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if a else b""), peer)


def reported(name, *options):
    file = os.path.join(WORK, "report.json")
    status, words = run(name, "--report", file, *options)
    with open(file) as text:
        told = json.load(text)
    for fault in schema.faults(told["end"], told):
        ok("a report as promised", False, fault)
    return status, words, told, {key["name"]: key for key in told["keys"]}


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
threading.Thread(target=answer_names, args=(server,), daemon=True).start()
names = f"127.0.0.1:{server.getsockname()[1]}"
status, words, told, keys = reported("x", "--key", f"api=tcp:api.example.com:{port},as=/x",
                                     "--name-server", names)
ok("a name that leads to this machine is refused", status == 76 and came == 5, f"{status}: {words}")
cause = f"it resolves to 127.0.0.1, which is loopback; name it itself: tcp:127.0.0.1:{port}"
ok("the last words say where it led", "key api: connect" in words and cause in words, words)
ok("and so does the report", [(one["key"], one["what"], one["why"], one["count"], one["missing"])
      for one in told["refused"]] == [("api", "connect", cause, 1, False)], told["refused"])
ok("its path is what was asked for", told["refused"][0]["path"] == f"api.example.com:{port}", told["refused"])
ok("refused is counted at the key", keys["api"]["conns"] == {"made": 0, "now": 0, "most": 0, "refused": 1},
      keys["api"])
status, words, told, keys = reported("x", "--key", f"api=tcp:{here},as=/x")
ok("what was made is counted, too", status == 0 and came == 6 and
      keys["api"]["conns"] == {"made": 1, "now": 1, "most": 1, "refused": 0}, keys)
ok("other keys have none", keys["stdin"]["conns"] is None and not keys["stdin"]["expired"] and
      not told["refused"], told)
keep = True


def recorded(file, *attributes):
    """It dials, then waits for its input to end; its cut in the journal names the key,
    and so does the why of its end."""
    held.clear()
    went = begin(KH, "run", "--record", file, "--report", file + ".json", "--key",
                 ",".join([f"shortlived=tcp:{here}", "as=/x", *attributes]), "dial.wasm", "x", "wait",
                 stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: held)
    if attributes:
        ok("the peer hears of its cut", held[0].recv(1) == b"")
        time.sleep(1)  # the world hears of it in the broker's next turn, and nothing outside shows that
    else:
        held.pop().close()  # the peer's end: else it would read for ever
    words = went.communicate()[1]
    with open(file + ".json") as text, open(file, "rb") as bytes_:
        return went.returncode, words, json.load(text), bytes_.read().count(b"shortlived")


TAPE = os.path.join(WORK, "cut.khr")
status, words, told, before = recorded(TAPE + "0")
ok("without for= there is no cut", status == 0 and came == 7 and
      not any(key["expired"] for key in told["keys"]), f"{status} {words}")
status, words, told, named = recorded(TAPE, "for=300ms")
key = [key for key in told["keys"] if key["name"] == "shortlived"][0]
ok("a key whose time was over is said to be", status == 42 and key["expired"] and came == 8 and
      "key shortlived was cut while it ran" in words, f"{status}: {words} {key}")
ok("the world's cut follows the broker's, in the journal", named == before + 2, f"{before}, {named}")
again = replay(TAPE)
ok("a replay has it at its step", again.returncode == status and came == 8 and "the same end" in again.stderr,
      again.stderr)
held.clear()
came = 5
is_status("for=400ms ends a connection that is open, and not the broker", 42,
          run("x", "--key", f"tcp:{here},as=/x,for=400ms"), 6)
ok("the peer hears of it", held[0].recv(10) == b"")
is_status("bytes=3 are three bytes of five", 42, run("x", "--key", f"tcp:{here},as=/x,bytes=3"), 7)
tap.end()
