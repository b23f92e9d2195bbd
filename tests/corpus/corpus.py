#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""corpus.py HOSTILE RENAMER TIER root|user all|quick [NAME..]

Every row of hostile.def, tried from inside by the hostile worker behind the walls of
TIER; judged from outside: how it ended, what the broker said, what descriptors the
worker had, what came to listeners, what became of what was not granted. TAP."""

import array
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tools"))
import tap

NOBODY = 65534
LIMIT = 256 << 20
# What is worth doing at every commit, in a tier and as a user that have all walls.
SLOW = {"renames while it opens", "random messages", "every opcode, fixed and plain, every flag",
        "completions never reaped", "heads and tails written over"}


def rows():
    text = pathlib.Path(__file__).with_name("hostile.def").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    call = re.compile(r'^CALL\((\d+), "([^"]+)", (\w+), ', re.M)
    code = re.compile(r'^DO\((\d+), "([^"]+)", (\w+), \w+, ([^)]*)\)', re.M)
    for n, name, end in call.findall(text):
        yield int(n), name, end, set(), "call:" + name
    for n, name, end, needs in code.findall(text):
        yield int(n), name, end, set(needs.replace("|", " ").split()) - {"0"}, name


class Skip(Exception):
    pass


class Stage:
    """What lies round one run: beneath the grants, beside them, and who listens."""

    def __init__(self, hostile, renamer, tier, user, root):
        self.hostile, self.renamer, self.tier, self.user = hostile, renamer, tier, user
        self.root = root
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="keyhold-corpus-"))
        self.closing, self.after, self.on = [], [], {}
        self.stdin = self.stdout = subprocess.DEVNULL
        self.options, self.argument, self.limits = [], "", []
        self.mounted = self.racer = None
        os.chmod(self.work, 0o755)
        (self.work / "x.wasm").write_bytes(b"\0asm\1\0\0\0")
        (self.work / "secret").write_text("SECRET")

    # --- before ---------------------------------------------------------------

    def lay(self, needs):
        box = self.work / "box"
        (box / "d").mkdir(parents=True)
        (box / "f").write_text("text")
        (box / "d" / "g").write_text("inner")
        for name, to in {"out": "../secret", "abs": "/etc/passwd", "up": "..", "loop": "loop",
                         "host-self-mem": "/proc/self/mem", "host-self-root": "/proc/self/root",
                         "host-self-fd": "/proc/self/fd/3", "host-self-exe": "/proc/self/exe"}.items():
            os.symlink(to, box / name)
        os.mkfifo(box / "fifo")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(box / "socket"))
        try:
            os.mknod(box / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pass
        ro = self.work / "ro"
        (ro / "d").mkdir(parents=True)
        (ro / "f").write_text("text")
        if needs & {"DIRECTORY", "RING", "RACE"}:
            self.options += ["--dir", f"{box}::/box:rw"]
        if "READ_ONLY" in needs:
            self.options += ["--dir", f"{ro}::/ro:ro"]
        for need in sorted(needs):
            getattr(self, need.lower(), lambda: None)()
        if self.user is not None:
            for path in [self.work, *self.work.rglob("*")]:
                if not path.is_symlink() and path.name != "secret":
                    os.chown(path, self.user, self.user)
        self.own(ro)

    def own(self, ro):
        def seen():
            found = {}
            for path in [self.work / "secret", ro, *sorted(ro.rglob("*"))]:
                s = path.lstat()
                found[str(path)] = (s.st_ino, s.st_mode, s.st_size, s.st_mtime_ns, s.st_nlink)
            return found
        self.seen, self.before = seen, seen()

    def listener(self):
        own, victim = socket.socket(), socket.socket()
        for s in own, victim:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.closing.append(s)
        self.stdin, self.argument = own.fileno(), str(victim.getsockname()[1])

        def nobody_came():
            victim.settimeout(0.1)
            try:
                victim.accept()
                return "somebody connected to the other listener"
            except TimeoutError:
                return None
        self.after.append(nobody_came)

    def datagrams(self):
        peer, other, own = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
        for s in peer, other:
            s.bind(("127.0.0.1", 0))
            s.settimeout(0.1)
        own.connect(peer.getsockname())
        self.closing += [peer, other, own]
        self.stdin, self.argument = own.fileno(), str(other.getsockname()[1])

        def only_its_peer():
            if peer.recv(100) != b"mine":
                return "its own peer got something else"
            try:
                return f"another got {other.recv(100)!r}"
            except TimeoutError:
                return None
        self.after.append(only_its_peer)

    def socketpair(self):
        ours, theirs = socket.socketpair()
        self.closing += [ours, theirs]
        with open(self.work / "secret") as secret:
            ours.sendmsg([b"here"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                      array.array("i", [secret.fileno()]))])
        self.stdin = theirs.fileno()

        def only_bytes():
            data, passed, _, _ = ours.recvmsg(100, 100)
            return None if data == b"back" and not passed else f"{data!r} and {passed!r} came"
        self.after.append(only_bytes)

    def race(self):
        race = self.work / "box" / "race"
        (race / "a" / "b" / "c").mkdir(parents=True)
        (race / "a" / "secret").write_text("inside")
        os.symlink("../..", race / "l")
        self.argument = "1x" if os.environ.get("KEYHOLD_CORPUS_LONG", "1") == "1" else "2"
        self.racer = [self.renamer, str(race)]

    def moved(self):
        sub = self.work / "box" / "away" / "sub"
        (sub / "y").mkdir(parents=True)
        (sub / "x").write_text("text")

        def move():
            os.rename(sub, self.work / "sub")
            (self.work / "box" / "go").write_text("")
            os.chmod(self.work / "box" / "go", 0o644)
        self.on["MOVE"] = move

    def root_grant(self):
        self.options += ["--dir", "/::/host:ro"]

    def small_disk(self):
        small = self.work / "small"
        small.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=777", "none", small],
                              capture_output=True)
        if made.returncode:
            raise Skip("only root can mount a small disk")
        self.mounted = small
        self.options += ["--dir", f"{small}::/small:rw"]

    def hung_up(self):
        master, slave = pty.openpty()
        os.set_blocking(master, False)
        if self.user is not None:
            os.fchown(slave, self.user, self.user)
        self.stdout = slave
        self.options += ["--dir", f"{self.work / 'box'}::/box:rw"]

        def hang_up():
            os.close(master)
            (self.work / "box" / "go").write_text("")
        self.on["HANGUP"] = hang_up

    def pipes(self):
        reader, writer = os.pipe()
        os.write(writer, b"abc")
        self.stdin = reader
        self.closing.append(open(writer, "wb", buffering=0))

    def fsize(self):
        self.limits.append((resource.RLIMIT_FSIZE, LIMIT))

    def few_fds(self):
        def lower():
            subprocess.run(["prlimit", f"--pid={self.process.pid}", "--nofile=24:24"], check=True,
                           preexec_fn=self.become)
        self.on["LOWER"] = lower

    def broken_pipe(self):
        reader, self.stdout = os.pipe()
        os.close(reader)

    def full_pipe(self):
        reader, self.stdout = os.pipe()
        self.closing.append(open(reader, "rb", buffering=0))

    # --- the run ----------------------------------------------------------------

    def become(self):
        for what, most in self.limits:
            resource.setrlimit(what, (most, most))
        if self.user is not None:
            os.setgroups([])
            os.setresgid(self.user, self.user, self.user)
            os.setresuid(self.user, self.user, self.user)
        tap.die_with_test()

    def worker(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(w) for w in pathlib.Path(path).read_text().split()]

    def look(self):
        """While it waits: its descriptors. None: as it should be."""
        why = None
        if os.geteuid() == 0:
            for pid in self.worker():
                fds = sorted(os.listdir(f"/proc/{pid}/fd"))
                if fds != ["3"]:
                    why = f"the worker has descriptors {' '.join(fds)}"
        self.looked = True
        self.process.send_signal(signal.SIGTERM)
        return why

    def run(self, payload):
        command = [self.hostile, "run", "--tier", self.tier, "--timeout", "40s", "--report",
                   str(self.work / "report.json"), *self.options, str(self.work / "x.wasm"), payload,
                   self.argument]
        racer = subprocess.Popen(self.racer, preexec_fn=self.become) if self.racer else None
        why, said, self.looked = None, [], False
        self.process = subprocess.Popen(command, stdin=self.stdin, stdout=self.stdout,
                                        stderr=subprocess.PIPE, preexec_fn=self.become,
                                        cwd=self.work, pass_fds=())
        if isinstance(self.stdout, int) and self.stdout >= 0:
            os.close(self.stdout)
        for line in self.process.stderr:
            line = line.decode(errors="replace").strip()
            if len(said) < 200:
                said.append(line)
            word = line.rsplit(": ", 1)[-1]
            if word == "SEEN":
                why = why or self.look()
            elif word in self.on:
                self.on.pop(word)()
        status = self.process.wait()
        if racer:
            racer.kill()
            racer.wait()
        return status, said, why

    def judge(self, end, status, said, why, needs):
        text = "\n".join(said)
        ends = {"SIGSYS": "the worker fell (Bad system call)",
                "SIGSEGV": "the worker fell (Segmentation fault)",
                "PROTOCOL": "the worker broke the protocol", "DEAD": "the worker ended without a word"}
        came = next((e for e, words in ends.items() if words in text), None)
        if came is None and status == 0 and "WRONG" not in text:
            came = "LIVE"
        if came is None and self.looked and status in (0, 143) and "WRONG" not in text:
            came = "LIVE"
        if end == "DEAD" and came is None and status == 70 and "record" in text:
            came = "DEAD"
        accepted = {"BADCALL": {"SIGSYS", "SIGSEGV"}, "FUZZ": {"LIVE", "PROTOCOL", "DEAD"}}
        if came not in accepted.get(end, {end}) and not (self.looked and came == "DEAD"):
            return f"it should have ended {end}, and ended {came} ({status}): {text}"
        if why:
            return why
        try:
            json.loads((self.work / "report.json").read_text())
        except (OSError, ValueError) as error:
            return f"the broker wrote no report: {error}; {text}"
        if self.seen() != self.before:
            return "what was not granted has changed"
        beside = {p.name for p in self.work.iterdir()}
        strange = beside - {"box", "ro", "secret", "x.wasm", "report.json", "small", "sub"}
        if strange:
            return f"made beside the grant: {strange}"
        for check in self.after:
            why = check()
            if why:
                return why
        for word in self.on:
            return f"it never said {word}: {text}"
        return None

    def clear(self):
        for thing in self.closing:
            thing.close()
        if self.mounted:
            subprocess.run(["umount", self.mounted])
        shutil.rmtree(self.work, ignore_errors=True)


def main():
    hostile, renamer, tier, who, how = sys.argv[1:6]
    if who == "root" and os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    if "WALLS_SANITIZED" in os.environ:
        print("1..0 # SKIP by design: the sanitizers' own calls are allowed too")
        return 0
    user = NOBODY if who == "user" and os.geteuid() == 0 else None
    # The tree may lie where nobody can go.
    bin_dir = tempfile.mkdtemp(prefix="keyhold-corpus-bin-")
    os.chmod(bin_dir, 0o755)
    hostile = shutil.copy(hostile, bin_dir)
    renamer = shutil.copy(renamer, bin_dir)
    begun = time.monotonic()
    for number, name, end, needs, payload in rows():
        if sys.argv[6:] and name not in sys.argv[6:]:
            continue
        if how == "quick" and name in SLOW:
            continue
        # Fuzzing and renaming go on for long in one place only.
        long = tier == "T0" and who == "root" or bool(sys.argv[6:])
        rounds = 1 if end != "FUZZ" else 400 if long else 20
        stage, why, skip = None, None, None
        if tier == "T2" and "RING" in needs:
            skip = "by design: T2 has no ring"
        else:
            seed, until = 1, time.monotonic() + (25 if long else 3)
            while seed <= rounds and not why and time.monotonic() < until:
                stage = Stage(hostile, renamer, tier, user, os.geteuid() == 0)
                try:
                    os.environ["KEYHOLD_CORPUS_LONG"] = "1" if long else "0"
                    stage.lay(needs)
                    if end == "FUZZ":
                        stage.argument = str(seed)
                    status, said, seen = stage.run(payload)
                    why = stage.judge(end, status, said, seen, needs)
                    if why and end == "FUZZ":
                        why = f"seed {seed}: {why}"
                    if "tier T0 was demanded" in "\n".join(said):
                        why, skip = None, "needs namespaces"
                except Skip as reason:
                    skip = str(reason)
                    seed = rounds
                finally:
                    stage.clear()
                seed += 1
        if skip:
            tap.skip(f"corpus: {number} {name}", skip)
        else:
            tap.ok(f"corpus: {number} {name}", not why, why)
    if how != "quick" and not sys.argv[6:]:
        for number, name, reason in [
                (20, "no descriptor left in the whole system (ENFILE)", "by design: it would starve the host"),
                (21, "the host's clock jumps", "by design: a test does not set the host's clock")]:
            tap.skip(f"corpus: {number} {name}", reason)
    print(f"# {time.monotonic() - begun:.1f} s")
    shutil.rmtree(bin_dir)
    tap.end()


sys.exit(main())
