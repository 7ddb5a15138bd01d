"""Run a program that a model wrote, in bubblewrap, and read the values of expressions about it.

Covered: separate namespaces (no network, no other process, no file but Python and the system's libraries, read-only,
and a small `/tmp`), no capabilities, a filter of system calls, limits on time, memory, processes, files and output.
Under root, an unused user runs it. Values leave as JSON, and the caller compares them: an exit code, a file, or a
text that says PASS proves nothing, and the expected values are never inside. Without bubblewrap nothing is run.

Not covered: faults of the kernel. Memory is limited for each of `PROCESSES` processes, since a limit for all of them
together needs a cgroup, which most users may not create. Only Python's standard library can be imported.
"""

from __future__ import annotations

import errno
import json
import math
import os
import platform
import pwd
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, Any, NamedTuple

from amendment.errors import ConfigError
from amendment.text import plain

PROCESSES = 8
"""Processes and threads at a time, bubblewrap's own among them."""
MOST_OUTPUT = 1 << 20
"""Bytes of all values together."""
SPACE = 16 << 20
"""Bytes in the program's `/tmp`, which is memory."""
START_SECONDS = 30.0
"""Time for bubblewrap and Python to start, before the program's own time begins."""
UNUSED_UIDS = range(60578, 60706)
"""Users that no distribution gives to anybody (systemd's table of UIDs)."""
_READY = b"ready"

# Runs inside, before and around the program. What the program does to it changes only the program's own values.
_LAUNCHER = r"""
import json, os, resource, sys, types
task = json.load(sys.stdin)
for name, most in task["limits"].items():
    resource.setrlimit(getattr(resource, name), (most, most))
values, null = os.dup(1), os.open("/dev/null", os.O_RDWR)
for stream in (0, 1, 2):
    os.dup2(null, stream)
def say(line):
    line = line.encode() + b"\n"
    while line:
        line = line[os.write(values, line):]
def reason(fault):
    try:
        return f"{type(fault).__name__}: {fault}"[:1000]
    except BaseException:
        return type(fault).__name__
say("ready")
program = sys.modules["program"] = types.ModuleType("program")
broken = None
try:
    exec(compile(task["code"], "program.py", "exec"), program.__dict__)
except BaseException as fault:
    broken = reason(fault)
for call in task["calls"]:
    line = json.dumps([None, broken])
    if broken is None:
        try:
            line = json.dumps([eval(call, program.__dict__), ""], allow_nan=False)
        except BaseException as fault:
            line = json.dumps([None, reason(fault)])
    say(line)
os._exit(0)
"""


class Outcome(NamedTuple):
    """What an expression gave."""

    value: Any = None
    """As JSON holds it: a tuple is a list, the keys of a dictionary are texts."""
    error: str = ""
    """Why there is no value; empty if there is one."""

    def equals(self, expected: Any) -> bool:
        """Return True where there is a value, and it is the expected one: floats to nine digits, True is not 1."""
        return not self.error and _is_same(self.value, json.loads(json.dumps(expected)))


def run_python(code: str, calls: Sequence[str], *, seconds: float = 10.0, megabytes: int = 256) -> tuple[Outcome, ...]:
    """Return the value of each call, an expression such as `area(2, 3)`, after the program `code`, in one sandbox.

    The program is a module called `program`, so that what stands under `if __name__ == "__main__"` is not run. All
    calls together have `seconds` of wall time, each process `megabytes` of address space. What the program prints is
    lost. Where it ends early, is stopped, or says too much, each call that has no value yet has the reason as its
    error. It can be called from several threads. Raises ConfigError where there is no sandbox (`why_unavailable`) or
    where one does not start, which says nothing about the program.
    """
    python, missing = _find_python()
    if python is None:
        raise ConfigError(missing)
    return _run(python, code, calls, seconds, megabytes)


def why_unavailable() -> str | None:
    """Say why no program can be run here, and what to do; None if one can."""
    return _find_python()[1] or None


class _Python(NamedTuple):
    """An interpreter, and the folders outside of `/usr` that it needs."""

    executable: Path
    folders: tuple[Path, ...] = ()


@cache
def _find_python() -> tuple[_Python | None, str]:
    """Return the interpreter to run programs with, which has run one, or the reason why there is none.

    The one of this process is the first choice. Under root it may be in a home that the unused user cannot enter.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        machine = f"{platform.system()} on {platform.machine()}"
        return None, f"programs run in a sandbox on Linux alone (x86-64, ARM 64), found {machine}; use another machine"
    if not shutil.which("bwrap"):
        way = "for example with `apt-get install bubblewrap`"
        return None, f"programs need a sandbox: found no bwrap; install bubblewrap, {way}"
    prefix = Path(sys.base_prefix).resolve()
    own = _Python(prefix / f"bin/python3.{sys.version_info.minor}", (prefix / "bin", prefix / "lib"))
    reason = "found no Python"
    for python in (own, _Python(Path("/usr/bin/python3"))):
        try:
            if python.executable.exists() and _run(python, "", ["6 * 7"], 10.0, 256)[0].equals(42):
                return python, ""
        except (ConfigError, OSError, subprocess.SubprocessError) as fault:
            reason = plain(str(fault))
    return None, f"no sandbox can be started: {reason}; expected bubblewrap 0.8 or newer, and user namespaces"


def _run(python: _Python, code: str, calls: Sequence[str], seconds: float, megabytes: int) -> tuple[Outcome, ...]:
    limits = {
        "RLIMIT_AS": megabytes << 20,
        "RLIMIT_CPU": math.ceil(seconds) + 1,
        "RLIMIT_FSIZE": SPACE,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": PROCESSES,
        "RLIMIT_CORE": 0,
    }
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:  # a limit on processes does not hold for root
        unused = _unused_uid()
        identity = {"user": unused, "group": unused, "extra_groups": []}
    with TemporaryFile() as task, TemporaryFile() as complaints:
        task.write(json.dumps({"code": code, "calls": list(calls), "limits": limits}).encode())
        task.seek(0)
        reading, writing = os.pipe()
        try:
            os.write(writing, _build_filter())
            os.close(writing)
            process = subprocess.Popen(  # noqa: S603 - the sandbox
                _command(python, reading),
                stdin=task,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={},
                cwd="/",
                pass_fds=[reading],
                start_new_session=True,
                **identity,
            )
        finally:
            os.close(reading)
        with process:
            assert process.stdout
            try:
                lines, stopped = _read(process.stdout, 1 + len(calls), seconds)
                if not stopped:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(1)
            finally:
                _end(process)
        if lines[:1] != [_READY]:
            complaints.seek(0)
            complaint = plain(complaints.read(2000).decode(errors="replace").strip()) or stopped
            raise ConfigError(f"the sandbox did not start: {complaint}")
    outcomes = [_outcome(line) for line in lines[1:]]
    return (*outcomes, *[Outcome(error=stopped)] * (len(calls) - len(outcomes)))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the namespace by its first process, and with it all others; bubblewrap waits for that, and leaves no zombie.

    If bubblewrap does not end by itself then, it is killed, and the namespace dies with it.
    """
    with suppress(OSError, subprocess.TimeoutExpired):
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        process.wait(1)
    process.kill()


def _read(stream: IO[bytes], count: int, seconds: float) -> tuple[list[bytes], str]:
    """Return the first lines of a program's output, at most `count`, and why there are no more."""
    received, lines = bytearray(), list[bytes]()
    deadline = monotonic() + START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while len(lines) < count:
            if not selector.select(max(0.0, deadline - monotonic())):
                return lines, f"stopped after {seconds:g} s" if lines else f"no response for {START_SECONDS:g} s"
            chunk = os.read(stream.fileno(), 1 << 16)
            received += chunk
            if not chunk:
                return lines, "the program ended before it had a value"
            if len(received) > MOST_OUTPUT:
                return lines, f"stopped after {MOST_OUTPUT:,} bytes of values"
            if b"\n" in chunk:
                deadline = deadline if lines else monotonic() + seconds
                lines = bytes(received).split(b"\n")[:-1][:count]
    return lines, ""


def _outcome(line: bytes) -> Outcome:
    """Return the outcome on a line, which the program may have written itself."""
    try:
        match json.loads(line, parse_constant=_refuse):
            case [value, str(error)]:
                json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
                return Outcome(None, plain(error)) if error else Outcome(value)
    except (ValueError, RecursionError):
        pass
    return Outcome(error="the value is not JSON")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _is_same(value: Any, expected: Any) -> bool:
    if isinstance(expected, bool | str | None) or isinstance(value, bool):
        return type(value) is type(expected) and bool(value == expected)
    if isinstance(expected, int | float):
        if isinstance(value, int) and isinstance(expected, int):
            return value == expected
        try:
            return isinstance(value, int | float) and math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12)
        except OverflowError:  # an integer that no float can hold
            return False
    if isinstance(expected, dict):
        is_alike = isinstance(value, dict) and value.keys() == expected.keys()
        return is_alike and all(_is_same(value[key], expected[key]) for key in expected)
    is_alike = isinstance(value, list) and len(value) == len(expected)
    return is_alike and all(map(_is_same, value, expected))


def _unused_uid() -> int:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in UNUSED_UIDS if uid not in taken)


def _command(python: _Python, seccomp: int) -> list[str]:
    """Return bubblewrap's command line. The root is read-only at the end; `/tmp` alone can be written, and is small."""
    return [
        *(str(shutil.which("bwrap")), "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534"),
        *(
            "--disable-userns",
            "--as-pid-1",
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
            "--hostname",
            "sandbox",
        ),
        *("--clearenv", "--setenv", "PYTHONHASHSEED", "0", "--setenv", "PYTHONUTF8", "1"),
        *("--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
        *(word for folder in python.folders if folder.is_dir() for word in ("--ro-bind", str(folder), str(folder))),
        *(word for folder in ("/lib", "/lib64") for word in _library(Path(folder))),
        *("--dev-bind", "/dev/null", "/dev/null", "--size", str(SPACE), "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108
        *("--remount-ro", "/", "--seccomp", str(seccomp)),
        *("--", str(python.executable), "-s", "-S", "-B", "-c", _LAUNCHER),
    ]


def _library(folder: Path) -> Iterator[str]:
    if folder.is_symlink():
        yield from ("--symlink", str(folder.readlink()), str(folder))
    elif folder.is_dir():
        yield from ("--ro-bind", str(folder), str(folder))


# A filter of system calls, as a program of classic BPF (linux/filter.h, linux/seccomp.h): it loads the number of the
# call, compares it with those that are refused, and allows the rest. Python needs none of them.
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""The column of the tables below, and the kernel's name of the architecture (linux/audit.h)."""
_REFUSED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "unshare": (272, 97),
    "setns": (308, 268),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_setup": (206, 0),
    # memory that no limit counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
}
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)
_NEW_NAMESPACE = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET (linux/sched.h)."""
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Places in struct seccomp_data; of the argument the lower half, on machines that begin with it."""
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_FIRST_OTHER_ABI = 0x40000000
"""Calls of the x32 ABI have numbers from here."""


def _build_filter() -> bytes:
    """Return the filter for this machine, as an array of struct sock_filter."""
    column, architecture = _MACHINES[platform.machine()]

    def step(code: int, operand: int, then: int = 0, otherwise: int = 0) -> bytes:
        """Return one instruction; a comparison skips `then` instructions where it holds, and `otherwise` ones if
        not."""
        return struct.pack("=HBBI", code, then, otherwise, operand)

    refuse = step(_RETURN, _REFUSE | errno.EPERM)
    allow = step(_RETURN, _ALLOW)
    return b"".join(
        [
            step(_LOAD, _ARCHITECTURE),
            *(step(_IF_EQUAL, architecture, then=1), step(_RETURN, _KILL)),
            step(_LOAD, _NUMBER),
            *(step(_IF_AT_LEAST, _FIRST_OTHER_ABI, otherwise=1), refuse),
            *(step(_IF_EQUAL, numbers[column], otherwise=1) + refuse for numbers in _REFUSED.values()),
            # the C library falls back on clone, whose flags can be seen
            *(step(_IF_EQUAL, _CLONE3[column], otherwise=1), step(_RETURN, _REFUSE | errno.ENOSYS)),
            *(step(_IF_EQUAL, _CLONE[column], otherwise=4), step(_LOAD, _FIRST_ARGUMENT)),
            *(step(_IF_ANY_BIT, _NEW_NAMESPACE, otherwise=1), refuse, allow),
            # AF_VSOCK and others would leave the namespace
            *(step(_IF_EQUAL, _SOCKET[column], otherwise=4), step(_LOAD, _FIRST_ARGUMENT)),
            *(step(_IF_EQUAL, socket.AF_UNIX, then=1), refuse, allow),
            allow,
        ]
    )
