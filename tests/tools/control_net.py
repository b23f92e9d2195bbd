#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""control_net.py KEYHOLD LIVE.wasm PYTHON.wasm - networks granted to programs that run behind
their walls, and taken from them; names that lead elsewhere the second time, asked for from
behind the broker's. TAP on stdout. KH_RUN: options of every run besides."""
import contextlib, json, os, re, shutil, socket, struct, subprocess, sys, threading

PUBLIC = "93.184.216.34"
METADATA = "169.254.169.254"
if os.environ.get("KH_NET") is None:  # a network of our own, in which a public address is ours
    who = [] if os.geteuid() == 0 else ["-r"]
    os.environ["KH_NET"] = "own" if shutil.which("ip") and subprocess.run(
        ["unshare", *who, "-n", "true"], capture_output=True).returncode == 0 else "none"
    if os.environ["KH_NET"] == "own":
        os.execvp("unshare", ["unshare", *who, "-n", sys.executable, *sys.argv])
OWN = os.environ["KH_NET"] == "own"
if OWN:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (PUBLIC, METADATA):
        subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)

import program, tap
from program import Line, ask, kh, replay
from tap import PATIENCE, ok, same, skip, until

LIVE, PYTHON = (os.path.realpath(a) for a in sys.argv[2:4])
WORK = tap.work_in_folder()


def key(name):
    return next((k for k in ask("keys")["keys"] if k["name"] == name), None)


def Program(*args, **how):
    return program.Program("--clock", "real", *args, **how)


class Peer:
    """Answers each piece with `says`; knows who came, where, and who has gone."""

    def __init__(self, says, family=socket.AF_INET, at=("127.0.0.1", 0)):
        self.says, self.came, self.gone, self.where = says, 0, 0, []
        self.socket = socket.socket(family)
        self.socket.bind(at)
        self.socket.listen(50)
        self.port = self.socket.getsockname()[1] if family != socket.AF_UNIX else None
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            conn = self.socket.accept()[0]
            self.came += 1
            self.where.append(conn.getsockname())
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with contextlib.suppress(OSError):
            while conn.recv(256):
                conn.sendall(self.says)
        conn.close()
        self.gone += 1


def cut_of(p, what):
    """A key that was cut: who talks over it hears, and the next open is answered no."""
    before = p.said()
    ok(f"{what}: its connection ends", until(lambda: re.search("talk: (Bad|Cap|Conn|well)", p.said())), before)
    ok(f"{what}: the next open is answered no", until(lambda: p.said().rstrip().endswith(
        "open: Capabilities insufficient")), p.said())


# --- addresses, granted and taken -----------------------------------------------------------
peer = Peer(b"one")
p = Program("--record", "t.khr", LIVE, "talk", "/net/api")
p.waits_for("open: No such file", "nothing is there")
status, out, err = kh("grant", "main", f"tcp:127.0.0.1:{peer.port}", "--as", "/net/api")
same("tcp: granted to one behind its walls", (status, out), (0, ""))
p.waits_for("heard: one", "tcp: the next open dials, and talks")
same("tcp: keys says what it is", (key("/net/api")["kind"], key("/net/api")["state"]), ("socket", "live"))
same("tcp: its name is taken", kh("grant", "main", f"tcp:127.0.0.1:{peer.port}", "--as", "/net/api")[0], 77)
same("tcp: revoked", kh("revoke", "main:/net/api")[0], 0)
cut_of(p, "tcp")
ok("tcp: the peer hears of it", until(lambda: peer.gone == peer.came), (peer.came, peer.gone))
came = peer.came
two = Peer(b"two")
same("tcp: given again, for a while", kh("grant", "main", f"tcp:127.0.0.1:{two.port}", "--as", "/net/api",
    "--for", "700ms")[0], 0)
p.waits_for("heard: two", "tcp: its place is taken")
ok("tcp: it ends by itself", until(lambda: key("/net/api")["state"] == "expired"), key("/net/api"))
ok("tcp: and its connections", until(lambda: two.gone == two.came), (two.came, two.gone))
same("tcp: nobody came to the first meanwhile", peer.came, came)
three = Peer(b"three")
same("tcp: for so many uses", kh("grant", "main", f"tcp:127.0.0.1:{three.port}", "--as", "/net/api",
    "--uses", "50")[0], 0)
p.waits_for("heard: three", "tcp: it is used")
ok("tcp: until it is used up", until(lambda: key("/net/api")["uses_left"] == 0), key("/net/api"))
same("tcp: and revoked", kh("revoke", "main:/net/api")[0], 0)
unix = Peer(b"four", socket.AF_UNIX, f"{WORK}/s")
same("unix: granted", kh("grant", "main", f"unix:{WORK}/s", "--as", "/net/api")[0], 0)
p.waits_for("heard: four", "unix: it talks")
same("unix: revoked", kh("revoke", "main:/net/api")[0], 0)
ok("unix: the peer hears of it", until(lambda: unix.gone == unix.came))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))


def mirror():
    while True:
        datagrams.sendto(b"five", datagrams.recvfrom(256)[1])


threading.Thread(target=mirror, daemon=True).start()
same("udp: granted", kh("grant", "main", f"udp:127.0.0.1:{datagrams.getsockname()[1]}", "--as", "/net/api")[0], 0)
p.waits_for("heard: five", "udp: it talks")
same("udp: revoked", kh("revoke", "main:/net/api")[0], 0)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def come(port, says):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        s.settimeout(PATIENCE)
        heard = s.recv(64)
        s.sendall(says)
        return heard


port = free_port()
same("listen: granted, by a socket of whoever asks", kh("grant", "main", f"listen:127.0.0.1:{port}", "--as",
    "/net/api")[0], 0)
ok("listen: who connects is heard", come(port, b"six").startswith(b"ping"))
p.waits_for("heard: six", "listen: and hears")
same("listen: revoked, while it waits for the next", kh("revoke", "main:/net/api")[0], 0)


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return False
    except ConnectionRefusedError:
        return True


ok("listen: nobody listens there any more", until(lambda: refused(port)))
ok("listen: the next open is answered no", until(lambda: p.said().rstrip().endswith("insufficient")), p.said())
same("resolve: granted", kh("grant", "main", "resolve:db.example.com", "--as", "/net/names")[0], 0)
same("resolve: is a key", (key("/net/names")["kind"], key("/net/names")["state"]), ("resolver", "live"))
same("resolve: revoked", kh("revoke", "main:/net/names")[0], 0)

# --- refusals ------------------------------------------------------------------------------------
with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    status, out, err = kh("grant", "main", f"listen:127.0.0.1:{taken.getsockname()[1]}", "--as", "/l")
    ok("a port that is taken", status == 66 and "the port is taken" in err, (status, err))
    status, out, err = kh("grant", "main", f"tcp:{METADATA}:80", "--as", "/m")
    ok("metadata is never granted", status and "metadata" in err, (status, err))

    def raw(text, *fds):
        with contextlib.closing(Line()) as line:
            return line.ask({"do": "grant", "domain": "main", "as": "/l", **text}, *fds)

    here = f"listen:127.0.0.1:{taken.getsockname()[1]}"
    same("a listener that is a pipe", raw({"spec": here, "fd": True}, os.pipe()[0])["error"]["code"], "cannot")
    same("one that listens elsewhere", raw({"spec": f"listen:127.0.0.1:{free_port()}", "fd": True},
        taken.fileno())["error"]["code"], "cannot")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        same("one that does not listen", raw({"spec": f"listen:127.0.0.1:{deaf.getsockname()[1]}", "fd": True},
            deaf.fileno())["error"]["code"], "cannot")
    same("an address with a descriptor", raw({"spec": "tcp:127.0.0.1:1", "fd": True}, taken.fileno())
        ["error"]["code"], "bad-spec")
    same("one that listens there", "ok" in raw({"spec": here, "fd": True}, taken.fileno()), True)
    ok("without a descriptor the broker listens", "ok" in raw({"spec": f"listen:127.0.0.1:{free_port()}",
        "as": "/own"}))
same("the run ends as it is told", p.end(), 137)
os.rename("out", "then")
again = replay("t.khr")
ok("all of that replays, without a network", again.returncode == 137 and again.stdout == open("then").read(),
    again.stderr)

# --- connections at once ---------------------------------------------------------------------------
feed, into = os.pipe()
p = Program(LIVE, "keep", "/net/api", stdin=feed)
ok("it is there", until(lambda: kh("ps")[0] == 0))
one = Peer(b"one")
same("conns=2 is granted", kh("grant", "main", f"tcp:127.0.0.1:{one.port},conns=2", "--as", "/net/api")[0], 0)
os.write(into, b"abc")
ok("two at once, and not a third", until(lambda: len(p.said()) == 6) and p.said() == ".!.!.x", p.said())
same("conns= is revoked", kh("revoke", "main:/net/api")[0], 0)
ok("both of them end", until(lambda: (one.came, one.gone) == (2, 2)), (one.came, one.gone))
same("and it is given again", kh("grant", "main", f"tcp:127.0.0.1:{one.port},conns=2", "--as", "/net/api")[0], 0)
os.write(into, b"abc")
ok("with room for two", until(lambda: len(p.said()) == 12) and p.said().endswith(".!.!.x"), p.said())
p.end()

# --- for= at the start: the broker's cut, behind all of its walls --------------------------------------
one = Peer(b"one")
p = Program("--key", f"tcp:127.0.0.1:{one.port},for=700ms,as=/net/api", LIVE, "talk", "/net/api", control=None)
p.waits_for("heard: one", "a key of the start is used")
p.waits_for("open: Capabilities insufficient", "and ends by itself")
ok("with its connections", until(lambda: (one.came, one.gone) == (1, 1)), (one.came, one.gone))
p.job.terminate()
same("and no wall ends the broker for that", p.job.wait(PATIENCE), 128 + 15)
p = Program("--key", f"tcp:127.0.0.1:{one.port},for=700ms,as=/net/api", LIVE, "talk", "/net/api")
ok("and under control keys says that it ended", until(lambda: key("/net/api")["state"] == "expired"), key("/net/api"))
p.end()

# --- names that lead elsewhere the second time ------------------------------------------------------
leads = {"A": [], "AAAA": []}
asked = []
dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
dns.bind(("127.0.0.1", 0))


def answer():
    while True:
        query, peer = dns.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        kind = {1: "A", 28: "AAAA"}.get(struct.unpack(">H", query[end - 4:end - 2])[0])
        asked.append(kind)
        reply = b""
        for address in leads.get(kind, []):
            data = socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, address)
            reply += struct.pack(">HHHIH", 0xc00c, 1 if kind == "A" else 28, 1, 0, len(data)) + data
        dns.sendto(query[:2] + b"\x81\x80\0\1" + struct.pack(">H", len(leads.get(kind, []))) + bytes(4) +
            query[12:end] + reply, peer)


threading.Thread(target=answer, daemon=True).start()
if OWN:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        port = probe.getsockname()[1]
    everywhere = Peer(b"seven", socket.AF_INET6, ("::", port))
    steps = [("A", PUBLIC, "!"), ("A", "127.0.0.1", "x"), ("A", METADATA, "x"), ("AAAA", "::ffff:127.0.0.1", "x"),
        ("AAAA", "::1", "x"), ("A", "10.0.0.1", "x"), ("A", PUBLIC, "!")]
    for control in (None, "c"):
        how = "with control" if control else "behind all of the broker's walls"
        feed, into = os.pipe()
        del everywhere.where[:]
        p = Program("--name-server", f"127.0.0.1:{dns.getsockname()[1]}", "--report", "r.json", "--key",
            f"tcp:rebind.example.com:{port},as=/net/api", LIVE, "hang", "/net/api", stdin=feed, control=control)
        os.close(feed)
        for i, (kind, address, want) in enumerate(steps):
            leads.update({"A": [], "AAAA": []})
            leads[kind] = [address]
            os.write(into, b"n")
            ok(f"{how}: {address} is {'reached' if want == '!' else 'not'}",
                until(lambda: len(p.said()) == 2 * i + 2) and p.said()[-1] == want, p.said() + open("err").read())
        socket.create_connection(("::1", port)).close()  # who came before is let in before
        until(lambda: len(everywhere.where) > 2 and everywhere.where[-1][0] == "::1")
        same(f"{how}: only the public address was connected to",
            [w[0] for w in everywhere.where], ["::ffff:" + PUBLIC] * 2 + ["::1"])
        if control:
            words = " ".join(w["why"] for w in ask("why")["broker"])
            ok("why has each in words", all(a in words for a in ("127.0.0.1", METADATA, "::1", "10.0.0.1")), words)
        os.close(into)
        same(f"{how}: it ends well", p.job.wait(PATIENCE), 0)
        walls = json.load(open("r.json"))
        ok(f"{how}: the report has its walls", '"seccomp"' in json.dumps(walls), list(walls))
    ok("the name server was asked each time", asked.count("A") >= 2 * len(steps), asked)
else:
    skip("names that lead elsewhere the second time", "no network of its own here (unshare -n, ip)")

# --- an unmodified Python ---------------------------------------------------------------------------
if os.path.exists(PYTHON):
    snake = Peer(b"snake")
    p = Program("--mem", "1G", PYTHON, "-c", """
import os, time
last = None
def say(now):
    global last
    if now != last:
        print(now, flush=True)
    last = now
while True:
    try:
        with open('/net/api', 'r+b', buffering=0) as api:
            while True:
                api.write(b'ping')
                say(api.read(64))
    except OSError as e:
        say(type(e).__name__ + ' ' + str(e.errno))
""")
    p.waits_for("FileNotFoundError", "python polls an address that is not there")
    same("it is granted", kh("grant", "main", f"tcp:127.0.0.1:{snake.port}", "--as", "/net/api")[0], 0)
    p.waits_for("snake", "python dials it, and talks")
    same("it is revoked", kh("revoke", "main:/net/api")[0], 0)
    ok("and python is cut", until(lambda: re.search(r"snake'\n(OSError \d+\n)?PermissionError 76", p.said())), p.said())
    p.end()
elif PYTHON != "/none": # else another run of this has it
    skip("an unmodified Python is granted an address and cut", "needs real-npm (tests/real/build python)")
tap.end()
