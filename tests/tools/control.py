#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""control.py KEYHOLD SOURCE LIVE.wasm PYTHON.wasm - programs that run are looked at and
told what to do. TAP on stdout. KH_GOLDEN=write renews tests/golden/control.txt; KH_RUN: options of
every run besides."""
import contextlib, fcntl, json, os, pty, re, select, signal, struct, subprocess, sys, termios

import tap
from program import KH, Line, Program, ask, kh, replay
from tap import PATIENCE, begin, ok, run, same, skip, until

SOURCE, LIVE, PYTHON = (os.path.realpath(a) for a in sys.argv[2:5])
WORK = tap.work_in_folder()
os.chmod(WORK, 0o755)
golden = []


def refused(name, status, *args, control="c"):
    """Its words are in the golden file."""
    got, out, err = kh(*args, control=control)
    err = re.sub(r"holds [0-9]+ bytes", "holds N bytes", err.replace(WORK, "WORK"))
    golden.append(f"$ keyhold {' '.join(args)} --control {control}\n{err}= {got}\n")
    ok(name, got == status and err.startswith("keyhold: ") and not out, f"{got} {out} {err}")


def code(answer):
    return answer["error"]["code"] if answer and "error" in answer else answer


# --- a directory, granted to a program behind its walls -------------------------------
os.mkdir("srv")
open("srv/x", "w").write("one")
p = Program("--record", "t.khr", "--report", "r.json", LIVE, "poll", "/data/x")
p.waits_for("open: No such file")
same("the socket is ours alone", oct(os.stat("c").st_mode & 0o777), "0o600")
status, out, err = kh("grant", "main", "dir:srv,ro", "--as", "/data")
same("a directory is granted", (status, out), (0, ""))
ok("and says so", "granted main:/data" in err, err)
p.waits_for("read: one", "the next open finds it")
keys = {k["key"]: k for k in ask("keys")["keys"]}
ok("keys counts what was read", keys["main:/data"]["read"] > 0 and keys["main:/data"]["state"] == "live", keys)
refused("a name that is taken", 77, "grant", "main", "file:srv/x,ro", "--as", "/data")
status, out, err = kh("revoke", "main:/data")
same("it is revoked", (status, out), (0, ""))
p.waits_for("open: Capabilities insufficient", "the next open does not")
why = ask("why")["why"]
ok("why names key, cause, what was seen and how to allow it", any(w["key"] == "/data" and
    w["why"] == "the key was revoked" and w["saw"] == "ENOTCAPABLE (76)" and
    w["allow"] == "grant anew: dir:srv,ro,as=/data" and w["count"] >= 1 for w in why), why)
ok("and what was missing before", any(w["missing"] and "data/x" in w["what"] for w in why), why)
keys = {k["key"]: k for k in ask("keys")["keys"]}
same("keys says that it is revoked", keys["main:/data"]["state"], "revoked")
refused("a key that is revoked already", 66, "revoke", "main:/data")
open("srv/x", "w").write("two")
same("granted anew, for a while", kh("grant", "main", "dir:srv,ro", "--as", "/data", "--for", "900ms")[0], 0)
p.waits_for("read: two", "its place is taken")
ok("it ends by itself", until(lambda: {k["key"]: k for k in ask("keys")["keys"]}
    ["main:/data"]["state"] == "expired"))
ok("and the guest sees that", until(lambda: p.said().count("Capabilities insufficient") >= 2), p.said())
open("srv/x", "w").write("three")
same("granted for so many uses", kh("grant", "main", "dir:srv,ro", "--as", "/data", "--uses", "400")[0], 0)
p.waits_for("read: three")
ok("used up, it answers no more", until(lambda: p.said().count("Capabilities insufficient") >= 3), p.said())
same("freeze", kh("freeze", "main")[0], 0)
one, two = ask("ps"), ask("ps")
same("nothing is used while it is frozen", one, two)
same("and ps says so", one["domains"][0]["state"], "frozen")
same("thaw", kh("thaw", "main")[0], 0)
ok("it goes on", until(lambda: ask("ps")["domains"][0]["gas"]["used"] > one["domains"][0]["gas"]["used"]))
same("a limit of storage", kh("limit", "main", "mem=64M")[0], 0)
same("is told", ask("ps")["domains"][0]["storage"]["limit"], 64 << 20)
same("a limit of gas, and more", (kh("limit", "main", "gas=900T")[0], kh("limit", "main", "gas=+1G")[0]), (0, 0))
left = ask("ps")["domains"][0]["gas"]["left"]
ok("is told", 800e12 < left < 901e12, left)
same("an image of it, while it runs", kh("snapshot", "main", "s.khi")[0], 0)
same("which is whole", run(KH, "inspect", "s.khi").returncode, 0)
ok("it still runs", p.job.poll() is None)
status, out, err = kh("ps")
ok("ps is a table", status == 0 and re.match(r"DOMAIN +STATE +GAS", out) and "main" in out, out)
status, out, err = kh("top")
ok("top is one, once, where there is no terminal", status == 0 and out.count("DOMAIN") == 1, out)
here, there = pty.openpty()
before = termios.tcgetattr(there)
job = begin(KH, "top", "--control", "c", stdin=there, stdout=there, stderr=there)
seen = b""
while b"q quits" not in seen and select.select([here], [], [], PATIENCE)[0]:
    seen += os.read(here, 4096)
ok("on a terminal it stays", b"GAS/S" in seen and b"main" in seen and job.poll() is None, seen)
seen = b""
while b"q quits" not in seen and select.select([here], [], [], PATIENCE)[0]:
    seen += os.read(here, 4096)
ok("and renews itself", b"q quits" in seen, seen)
os.write(here, b"q")
same("until q, which ends it", job.wait(PATIENCE), 0)
same("and the terminal is as it was", termios.tcgetattr(there), before)
os.close(there)
os.close(here)
for words in (["freeze", "main"], ["thaw", "main"], ["limit", "main", "mem=64M"], ["snapshot", "main", "j.khi"],
        ["tree"], ["top"], ["why", "main"]):
    got = ask(*words)
    ok(f"{words[0]} --json", got["v"] == 1 and len(got) > 1, got)
status, out, err = kh("tree")
ok("tree begins with main", status == 0 and out.startswith("main "), out)
status, out, err = kh("why", "main")
ok("why is for people, too", status == 0 and "  allow " in out, out)

# --- refusals, each in its words ---------------------------------------------------------
refused("no such domain", 66, "grant", "main/no", "dir:srv,ro")
refused("no such domain to freeze", 66, "freeze", "other")
refused("no such domain to end", 66, "end", "main/no")
refused("no such key", 66, "revoke", "main:/nothing")
refused("a spec that is none", 64, "grant", "main", "dir")
refused("a directory that is none", 66, "grant", "main", "dir:srv/no")
refused("a file that is a directory", 66, "grant", "main", "file:srv")
refused("a clock has no name", 64, "grant", "main", "clock:real")
refused("a time without a unit", 64, "grant", "main", "dir:srv,ro", "--as", "/e", "--for", "5")
refused("no uses", 64, "grant", "main", "dir:srv,ro", "--as", "/e", "--uses", "0")
refused("a path that climbs", 64, "grant", "main", "dir:srv,ro,as=/../e")
refused("a limit below what is held", 64, "limit", "main", "mem=1K")
refused("a limit of nothing known", 64, "limit", "main", "cpu=3")
refused("a limit in no unit", 64, "limit", "main", "gas=3X")
refused("a snapshot in no folder", 66, "snapshot", "main", "no/such")
refused("an image that is none", 64, "restore", "srv/x")
refused("an image that is not there", 66, "restore", "no.khi")
refused("grant without a key", 64, "grant", "main")
refused("ps with an operand", 64, "ps", "main")
refused("nobody listens there", 66, "ps", control="nowhere")
refused("it is no socket", 66, "ps", control="srv/x")
got = run(KH, "ps")
golden.append(f"$ keyhold ps\n{got.stderr}= {got.returncode}\n")
same("without --control", got.returncode, 64)
got = run(KH, "run", "--control", "c", LIVE)
golden.append(f"$ keyhold run --control c live.wasm\n{got.stderr}= {got.returncode}\n")
same("two programs at one socket", got.returncode, 66)
got = run(KH, "run", "--control", "srv/x", LIVE)
golden.append(f"$ keyhold run --control srv/x live.wasm\n{got.stderr}= {got.returncode}\n")
ok("a file there is left alone", got.returncode == 66 and open("srv/x").read() == "three", got)
os.mkdir("open")
os.chmod("open", 0o777)
got = run(KH, "run", "--control", "open/c", LIVE)
golden.append(f"$ keyhold run --control open/c live.wasm\n{got.stderr}= {got.returncode}\n")
same("a folder that others may write", got.returncode, 66)
got = run(KH, "run", "--control", "x" * 120, LIVE)
same("a name that is too long for a socket", got.returncode, 66)


def held():
    """Descriptors of the broker; None: that is not told to us."""
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{p.job.pid}/fd"))


# --- the protocol ---------------------------------------------------------------------------
line = Line()
hello = line.ask({"id": 7, "do": "hello"})
ok("hello", hello["id"] == 7 and hello["ok"]["version"] == 1 and hello["ok"]["world"] == "run", hello)
same("the id comes back whatever it is", line.ask({"id": {"a": [1]}, "do": "hello"})["id"], {"a": [1]})
for name, text, want in [
        ("no JSON", b"{nonsense\n", "bad-json"), ("no object", b"[1]\n", "bad-json"),
        ("an empty line", b"\n", "bad-json"), ("no UTF-8", b'{"do":"\xff"}\n', "bad-json"),
        ("a field twice", b'{"do":"ps","do":"ps"}\n', "bad-json"),
        ("nothing to do", {"id": 1}, "no-such"), ("nothing known", {"do": "dance"}, "no-such"),
        ("a field too many", {"do": "ps", "colour": 1}, "bad-field"),
        ("a field too few", {"do": "revoke"}, "bad-field"),
        ("a text that is a number", {"do": "revoke", "key": 1}, "bad-field"),
        ("a zero byte in a text", {"do": "revoke", "key": "a\0b"}, "bad-json"),
        ("a text as long as it may be", {"do": "revoke", "key": "k" * 4096}, "no-key"),
        ("a text that is too long", {"do": "revoke", "key": "k" * 4097}, "bad-field"),
        ("another version", {"v": 2, "do": "ps"}, "version"),
        ("another world", {"do": "ps", "world": "mars"}, "no-world"),
        ("a descriptor that did not come", {"do": "grant", "domain": "main", "spec": "dir:/x", "fd": True},
            "no-descriptor"),
        ("a directory without a descriptor", {"do": "grant", "domain": "main", "spec": "dir:/x"}, "no-descriptor"),
        ("a snapshot without one", {"do": "snapshot", "domain": "main"}, "no-descriptor"),
        ("a restored domain of a bad name", {"do": "restore", "name": "a/b"}, "bad-field"),
        ("one of 31 bytes", {"do": "restore", "name": "n" * 31}, "no-descriptor"),
        ("one of 32", {"do": "restore", "name": "n" * 32}, "bad-field"),
        ("deep nesting", b'{"id":' + b"[" * 30000 + b"\n", "bad-json")]:
    same(f"{name}: {want}", code(line.ask(text)), want)
same("all on one connection, which goes on", line.ask({"do": "ps", "world": "run"})["ok"]["domains"][0]["path"], "main")
with open("srv/x") as f:
    same("a file's descriptor is no directory", code(line.ask(
        {"do": "grant", "domain": "main", "spec": "dir:/x", "as": "/y", "fd": True}, f.fileno())), "bad-spec")
    same("nor is it for writing", code(line.ask(
        {"do": "grant", "domain": "main", "spec": "file:/x,rw", "as": "/y", "fd": True}, f.fileno())), "cannot")
    line.ask({"do": "hello"}, *[f.fileno()] * 4)
    many = held()
    same("descriptors that nobody wanted are not kept for ever",
        (code(line.ask({"do": "hello"}, *[f.fileno()] * 3))["ok"]["version"], held()), (1, many))
two = Line()
two.say({"id": 1, "do": "ps"})
line.say({"id": 2, "do": "keys"})
ok("two at once", line.hear()["id"] == 2 and two.hear()["id"] == 1)
two.say(b'{"do":"hello"}\n' * 50)
ok("fifty lines in one go", all("ok" in two.hear() for _ in range(50)))
long = Line()
same("a line of 64 KiB", code(long.ask(b'{"do":"ps"}'.ljust(65535) + b"\n"))["ok"]["domains"][0]["path"], "main")
with contextlib.suppress(BrokenPipeError):
    long.say(b'{"do":"ps"}'.ljust(65536) + b"\n")
same("one byte more is too long", code(long.hear()), "too-long")
same("ends its connection", long.hear(), None)
hung = [Line() for _ in range(20)]
ok("clients that say nothing hold up nobody", kh("ps")[0] == 0)
for h in hung:
    h.close()


def unheard(one):
    """Bytes of it that the broker has not read (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(one.socket, termios.TIOCOUTQ, bytes(4)))[0]


full = []
for _ in range(16):
    full.append(Line())
    full[-1].ask({"do": "hello"})
one_more = Line()
ok("a seventeenth has a place", "ok" in one_more.ask({"do": "hello"}))
ok("of the one that was silent longest", full[0].hear() is None and "ok" in full[1].ask({"do": "hello"}))
full[0] = one_more
worker = int(open(f"/proc/{p.job.pid}/task/{p.job.pid}/children").read())
os.kill(worker, signal.SIGSTOP)
for i, one in enumerate(full):
    one.say({"id": i, "do": "ps"})
heard = until(lambda: not any(unheard(one) for one in full))
answer = Line().hear()
status, out, err = kh("ps")
os.kill(worker, signal.SIGCONT)
ok("where all sixteen wait for an answer there is none", heard and code(answer) == "too-many" and status == 74 and
    "wait for an answer" in err, (heard, answer, status, err))
same("one order after the other, each has its own", [one.hear()["id"] for one in full], list(range(16)))
for one in full:
    one.close()
slow = Line()
for _ in range(4000):
    try:
        slow.socket.settimeout(0.02)
        slow.say({"do": "keys"})
    except (TimeoutError, OSError):
        break
ok("nor does one that does not listen", kh("ps")[0] == 0)
slow.close()
half = Line()
half.say(b'{"do":')
half.close()
ok("nor one that goes in the middle of a line", kh("ps")[0] == 0)
if os.geteuid() == 0:
    os.chmod("c", 0o666)
    answer = subprocess.run([sys.executable, "-c", "import os,socket,sys\nos.setgid(65534);os.setuid(65534)\n"
        "s=socket.socket(socket.AF_UNIX);s.connect('c');sys.stdout.write(s.recv(4096).decode())"],
        capture_output=True, text=True).stdout
    ok("another user is told no", "not-yours" in answer and "user 65534" in answer, answer)
else:
    skip("another user is told no", "by design: the run as root has it")
same("it is ended", p.end(), 137)
ok("and says who did", "was ended through its control" in open("err").read(), open("err").read())
ok("its socket is gone", not os.path.exists("c"))
report = json.load(open("r.json"))
ok("the report has the keys that came while it ran", any(k["name"] == "/data" for k in report["keys"]), report["keys"])
refused("a program that ended", 66, "ps")

# --- had again --------------------------------------------------------------------------------
os.rename("out", "then")
again = replay("t.khr", "--report", "again.json")
same("with grants, cuts, limits, a freeze and a snapshot it replays", again.returncode, 137)
ok("to the bit", again.stdout == open("then").read() and "the same end" in again.stderr, again.stderr)
r, a = json.load(open("r.json")), json.load(open("again.json"))
same("the same gas and keys", (r["gas"], r["keys"]), (a["gas"], a["keys"]))

# --- a tree ---------------------------------------------------------------------------------------
subprocess.run(["wat2wasm", f"{SOURCE}/tests/tools/guests/spin.wat", "-o", "spin.wasm"], check=True)
p = Program("--record", "u.khr", "--key", "file:spin.wasm,ro,as=/kid", LIVE, "kid", "/kid", "plug")
p.waits_for("runs plug")
ok("it is in the tree", until(lambda: [d["path"] for d in ask("ps")["domains"]] == ["main", "main/plug"]), ask("ps"))
out = kh("tree")[1]
ok("below main", re.search(r"^main .*\n  plug ", out), out)
same("a freeze of the child alone", kh("freeze", "main/plug")[0], 0)
same("is of the child alone", [d["frozen"] for d in ask("ps")["domains"]], [False, True])
got = ask("grant", "main/plug", "plug=dir:srv,ro", "--as", "/data")
ok("a directory for the child, which is none of WASI's, goes to a slot", isinstance(got["slot"], int), got)
ok("is a key of the child's", any(k["key"] == "main/plug:plug" for k in ask("keys")["keys"]))
same("an image of the child, frozen", kh("snapshot", "main/plug", "plug.khi")[0], 0)
same("comes back beside it", kh("restore", "plug.khi", "--as", "copy")[0], 0)
ok("as one more child, which runs", until(lambda: [(d["path"], d["frozen"]) for d in ask("ps")["domains"]] ==
    [("main", False), ("main/plug", True), ("main/copy", False)]), ask("ps"))
same("and below it", kh("restore", "plug.khi", "--under", "main/copy", "--as", "deep")[0], 0)
ok("at any depth", until(lambda: "main/copy/deep" in [d["path"] for d in ask("ps")["domains"]]), ask("ps"))
refused("no such place to restore", 66, "restore", "plug.khi", "--under", "main/no")
same("a limit of one that nobody runs", kh("limit", "main/copy/deep", "gas=1M")[0], 0)
ok("it stops there", until(lambda: "out of gas" in [d["stop"] for d in ask("ps")["domains"]]), ask("ps"))
kh("limit", "main/copy/deep", "gas=900T")
same("and is sent on", kh("thaw", "main/copy/deep")[0], 0)
ok("and runs", until(lambda: "out of gas" not in [d["stop"] for d in ask("ps")["domains"]]), ask("ps"))
same("a limit of the child's", kh("limit", "main/plug", "gas=1M")[0], 0)
same("end one, and what is below it", kh("end", "main/copy")[0], 0)
same("is gone", [d["path"] for d in ask("ps")["domains"]], ["main", "main/plug"])
same("thaw the child", kh("thaw", "main/plug")[0], 0)
p.waits_for("rc 0, reason 3", "its limit ends its run, and main goes on")
same("main ends by itself", p.job.wait(PATIENCE), 0)
os.rename("out", "then")
again = replay("u.khr")
ok("all that replays", again.returncode == 0 and again.stdout == open("then").read(), again.stderr)
got = replay("u.khr", "--only", "main/plug")
ok("the child alone does not, and that is said", got.returncode != 0 and "control" in got.stderr, got.stderr)
p = Program("--key", "file:spin.wasm,ro,as=/kid", LIVE, "kid", "/kid", "plug")
p.waits_for("runs plug")
same("the child is ended under its parent", kh("end", "main/plug")[0], 0)
ok("who hears of it", until(lambda: "rc " in p.said()), p.said())
p.end()

# --- what waits ------------------------------------------------------------------------------------
os.mkfifo("fifo")
hold = os.open("fifo", os.O_RDWR)
p = Program("--record", "w.khr", LIVE, "read", "/in")
p.waits_for("open: No such file")
same("a pipe is granted", kh("grant", "main", "file:fifo,ro", "--as", "/in")[0], 0)
p.waits_for("open: well")
os.write(hold, b"first".ljust(64))  # a stream fills a buffer
p.waits_for("read: first")
same("revoked with a read in flight", kh("revoke", "main:/in")[0], 0)
ok("it ends with an error", until(lambda: "read: Bad file" in p.said() or "read: Capab" in p.said()), p.said())
os.write(hold, b"canary")
used = ask("ps")["domains"][0]["gas"]["used"]
ok("it goes on", until(lambda: ask("ps")["domains"][0]["gas"]["used"] > used + 1000000))
same("what came later is not taken", ("canary" in p.said(), os.read(hold, 64)), (False, b"canary"))
p.end()
os.rename("out", "then")
again = replay("w.khr")
ok("a cut with a read in flight replays", again.returncode == 137 and again.stdout == open("then").read(), again.stderr)
p = Program("--snapshot-on", "signal=end.khi", LIVE, "poll", "/data/x")
p.waits_for("open: No such file")
p.job.kill()
p.job.wait()
ok("a socket left behind", os.path.exists("c"))
# As a test does that is killed: what it began ends with it.
killed = begin(sys.executable, "-c", "import sys; from program import *; p = Program(*sys.argv[2:], control='k');"
    "print(p.job.pid, flush=True); p.job.wait()", KH, LIVE, "poll", "/data/x", stdout=subprocess.PIPE,
    env={**os.environ, "PYTHONPATH": os.path.dirname(tap.__file__)})
broker = killed.stdout.readline().decode().strip()
children = f"/proc/{broker}/task/{broker}/children"
until(lambda: open(children).read().strip())
worker = open(children).read().strip()
killed.kill()
killed.wait()


def ended(pid):
    with contextlib.suppress(OSError):
        return open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1][0] in "ZX"
    return True


ok("a test that is killed leaves nobody behind", worker and until(lambda: ended(broker) and ended(worker)),
    (broker, worker))
p = Program("--snapshot-on", "signal=end.khi", LIVE, "poll", "/data/x")
p.waits_for("open: No such file", "is taken over")
same("an image is kept when it is ended", (p.end(), os.path.exists("end.khi")), (137, True))
p = Program("end.khi", verb="resume")
ok("and goes on under control", until(lambda: os.path.exists("c") and kh("ps")[0] == 0))
open("srv/x", "w").write("end")
kh("grant", "main", "dir:srv,ro", "--as", "/data")
same("to its own end", p.job.wait(PATIENCE), 0)
p = Program("--no-root", LIVE, "poll", "/data/x")
ok("--no-root", until(lambda: kh("ps")[0] == 0))
refused("it would not find the key", 64, "grant", "main", "dir:srv,ro", "--as", "/data")
p.end()
p = Program("--dir", "srv::/data", LIVE, "poll", "/data/x")
ok("a key of the start", until(lambda: p.job.poll() is not None))

# --- an unmodified Python ------------------------------------------------------------------------------
if os.path.exists(PYTHON):
    open("srv/x", "w").write("snake")
    p = Program("--mem", "1G", PYTHON, "-c", """
import sys
last = None
while True:
    try:
        now = open('/data/x').read()
    except OSError as e:
        now = type(e).__name__ + ' ' + str(e.errno)
    if now != last:
        print(now, flush=True)
        last = now
""")
    p.waits_for("FileNotFoundError", "python polls a file that is not there")
    same("grant", kh("grant", "main", "dir:srv,ro", "--as", "/data")[0], 0)
    p.waits_for("snake", "reads it")
    same("revoke", kh("revoke", "main:/data")[0], 0)
    ok("and is cut", until(lambda: re.search(r"snake\n(OSError 8\n)?PermissionError 76", p.said())), p.said())
    p.end()
elif PYTHON != "/none": # else another run of this has it
    skip("an unmodified Python is granted a directory and cut", "needs real-npm (tests/real/build python)")

# --- words ---------------------------------------------------------------------------------------------
text = "".join(golden)
path = f"{SOURCE}/tests/golden/control.txt"
if os.environ.get("KH_GOLDEN") == "write":
    open(path, "w").write(text)
have = open(path).read() if os.path.exists(path) else ""
if text != have:
    open("golden", "w").write(text)
diff = "" if text == have else subprocess.run(["diff", "-u", path, "golden"], capture_output=True, text=True).stdout
ok("refusals in their words (tests/golden/control.txt)", text == have, diff)
tap.end()
