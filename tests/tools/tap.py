# SPDX-License-Identifier: Apache-2.0
"""tap.py - what the tests in Python share: a TAP line a check, waiting for a state, and
processes and a folder that do not outlive the test, whatever ends it."""
import atexit, ctypes, os, shutil, signal, subprocess, sys, tempfile, time

PATIENCE = 30.0  # the machine may be busy with other things
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)
count = bad = 0


def ok(name, good, about=""):
    global count, bad
    count += 1
    bad += not good
    print(f"{'' if good else 'not '}ok {count} - {name}")
    for line in [] if good else str(about).splitlines()[:40]:
        print(f"# {line}")
    sys.stdout.flush()


def same(name, got, want):
    ok(name, got == want, f"wanted {want!r}\ngot    {got!r}")


def skip(name, why):
    global count
    count += 1
    print(f"ok {count} - {name} # SKIP {why}", flush=True)


def until(good):
    """Is it so, now or in a while?"""
    end = time.monotonic() + PATIENCE
    while not good():
        if time.monotonic() >= end:
            return False
        time.sleep(0.01)
    return True


def end():
    """The last line; nobody waits for threads."""
    print(f"1..{count}", flush=True)
    forget_folder()
    os._exit(bad != 0)


# --- processes ------------------------------------------------------------------------


def die_with_test():
    """In a child, before it becomes another program; after it became another user."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def begin(*command, **how):
    """A process in the background."""
    return subprocess.Popen(command, preexec_fn=die_with_test, **how)


def run(*command, **how):
    """One that is waited for: .returncode, .stdout, .stderr."""
    how = {"stdin": subprocess.DEVNULL, "timeout": 120, **how}
    return subprocess.run(command, preexec_fn=die_with_test, capture_output=True, text=True, **how)


# --- the folder -------------------------------------------------------------------------
folder = None


def work_in_folder():
    """A new one, which is where the test then is; gone after it."""
    global folder
    folder = tempfile.mkdtemp(prefix="keyhold-test.")
    os.chdir(folder)
    atexit.register(forget_folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return folder


def forget_folder():
    if folder:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
