# SPDX-License-Identifier: Apache-2.0
"""program.py - a program that runs with --control, and who speaks to it. The test's first
argument is keyhold; KH_RUN: options of every run besides."""
import array, contextlib, json, os, socket, subprocess, sys

from tap import PATIENCE, begin, ok, run, until

KH = os.path.realpath(sys.argv[1])
RUN = os.environ.get("KH_RUN", "").split()


def kh(*args, control="c"):
    """A command on the program at `control`: (status, output, errors)."""
    done = run(KH, *args, "--control", control)
    return done.returncode, done.stdout, done.stderr


def ask(*args, control="c"):
    status, out, err = kh(*args, "--json", control=control)
    if status:
        raise RuntimeError(f"{args}: {status} {err}")
    return json.loads(out)


def replay(file, *options):
    """What became of a recording, had again."""
    return run(KH, "replay", *options, file)


class Program:
    """keyhold run .. in the background. Control None: it has none."""

    def __init__(self, *args, control="c", stdin=subprocess.DEVNULL, verb="run"):
        self.out, self.err = open("out", "w+"), open("err", "w+")
        under = ["--control", control] if control else []
        self.job = begin(KH, verb, *RUN, *under, *args, stdin=stdin, stdout=self.out, stderr=self.err)
        self.control = control
        until(lambda: not control or os.path.exists(control) or self.job.poll() is not None)

    def said(self):
        return open("out").read()

    def waits_for(self, text, name=None):
        good = until(lambda: text in self.said())
        ok(name or f"it says {text!r}", good, self.said() + open("err").read())

    def end(self):
        """Its status; ended if it still runs."""
        if self.job.poll() is None:
            kh("end", "main", control=self.control)
        try:
            return self.job.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.job.kill()
            return self.job.wait()


class Line:
    """A client that speaks for itself."""

    def __init__(self, path="c"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.left = b""
        until(lambda: self.reaches(path))

    def reaches(self, path):
        with contextlib.suppress(OSError):
            self.socket.connect(path)
            return True
        return False

    def say(self, text, *fds):
        data = text if isinstance(text, bytes) else (json.dumps(text) + "\n").encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], rights)

    def hear(self):
        while b"\n" not in self.left:
            try:
                got = self.socket.recv(65536)
            except ConnectionResetError:  # it had not heard all of us
                got = b""
            if not got:
                return None
            self.left += got
        line, self.left = self.left.split(b"\n", 1)
        return json.loads(line)

    def ask(self, text, *fds):
        self.say(text, *fds)
        return self.hear()

    def close(self):
        self.socket.close()
