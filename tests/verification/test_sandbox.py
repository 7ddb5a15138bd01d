"""Programs that attack their sandbox, run by root and by a normal user: none gets out, and none is believed."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.verification import sandbox
from amendment.verification.sandbox import PROCESSES, SPACE, UNUSED_UIDS, Outcome, run_python, why_unavailable

pytestmark = pytest.mark.sandbox
NORMAL_USER = UNUSED_UIDS[-1]
IS_INSIDE = re.compile(r"^State:\t[^ZX].*^NSpid:\t\d+\t\d", re.MULTILINE | re.DOTALL)
"""Matches the status of a living process in a namespace of its own."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter and write, unlike pytest's."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture(params=["root", "normal user"], autouse=True)
def who(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Root steps down for the test: what it starts meanwhile has no way back, since a new program has one user only."""
    if os.geteuid() != 0:
        if request.param == "root":
            pytest.skip("the tests run as a normal user")
        yield request.param
        return
    groups = os.getgroups()
    if request.param == "normal user":
        os.setgroups([])
        os.setresgid(NORMAL_USER, NORMAL_USER, 0)
        os.setresuid(NORMAL_USER, NORMAL_USER, 0)
    yield request.param
    os.setresuid(0, 0, 0)
    os.setresgid(0, 0, 0)
    os.setgroups(groups)


def one(code: str, call: str, **limits: Any) -> Outcome:
    [outcome] = run_python(code, [call], **limits)
    return outcome


def survivors() -> set[int]:
    """Processes of the users that programs run as."""
    users = {*UNUSED_UIDS} if os.getuid() in {0, NORMAL_USER} else {os.getuid()}
    found = set[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid in users and IS_INSIDE.search((folder / "status").read_text()):
                found.add(int(folder.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def all_die(pids: set[int], within: float = 20.0) -> bool:
    deadline = time.monotonic() + within
    while pids and time.monotonic() < deadline:
        time.sleep(0.01)
        pids &= survivors()
    return not pids


FORKS = """
import os, time
def forks(count, work=lambda: None):
    started = 0
    for _ in range(count):
        try:
            if os.fork() == 0:
                try:
                    work()
                finally:
                    time.sleep(600)
            started += 1
        except OSError:
            break
    return started
"""


def test_a_fork_bomb_is_stopped_and_nothing_of_it_is_left() -> None:
    outcome = one(FORKS, "forks(300)")
    assert 0 < outcome.value < PROCESSES
    assert all_die(survivors())


def test_memory_is_limited_for_each_process_and_in_number_for_several() -> None:
    code = FORKS + "def fill():\n    global kept\n    kept = bytearray(100 << 20)\n"
    alone, several = run_python(code, ["len(bytearray(2 << 30))", "forks(30, fill)"], megabytes=200)
    assert alone.error.startswith("MemoryError")
    assert 0 < several.value < PROCESSES
    assert all_die(survivors())


def test_memory_that_no_limit_counts_cannot_be_had() -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def shared():
    return [libc.shmget(0, 1 << 20, 0o1600), libc.msgget(0, 0o1600), libc.mq_open(b"/x", 66, 0o600, None)]
def unnamed():
    try:
        return os.memfd_create("x")
    except OSError as fault:
        return fault.errno
"""
    shared, unnamed, device = run_python(code, ["shared()", "unnamed()", "os.path.exists('/dev/shm')"])
    assert shared.value == [-1, -1, -1]
    assert unnamed.value == 1
    assert device.value is False


@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, "
        "signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); time.sleep(600)",
    ],
)
def test_a_program_without_end_is_stopped_and_its_earlier_values_stay(loop: str) -> None:
    begun = time.monotonic()
    before, during, after = run_python(f"def ends():\n    {loop}", ["6 * 7", "ends()", "1"], seconds=0.5)
    assert time.monotonic() - begun < 20
    assert before == (42, "")
    assert during.error == after.error == "stopped after 0.5 s"


def test_deep_recursion_ends_the_program_alone() -> None:
    code = "import sys\ndef down(n):\n    return sorted([n], key=down)\n"
    polite, rude, after = run_python(code, ["down(0)", "sys.setrecursionlimit(1 << 30) or down(0)", "1"])
    assert polite.error.startswith("RecursionError")
    assert rude.error
    assert after.error


def test_secrets_of_the_home_and_the_environment_are_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = folder / "secret"
    secret.write_text("sesame")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sesame")
    places = [str(secret), "/etc/passwd", "/proc/1/environ", f"/proc/{os.getpid()}/environ", str(Path.home())]
    calls = ["dict(os.environ)", *(f"os.path.exists({place!r})" for place in places), "sorted(os.listdir('/'))"]
    environment, *exist, root = run_python("import os", calls)
    assert set(environment.value) <= {"PWD", "PYTHONHASHSEED", "PYTHONUTF8", "LC_CTYPE"}
    assert [outcome.value for outcome in exist] == [False] * len(places)
    assert {"home", "root", "proc", "sys", "run", "var"}.isdisjoint(root.value)


def test_no_network_and_no_socket_of_another_namespace_is_reached() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0amendment-{os.getpid()}")
        abstract.listen()
        for server in (tcp, abstract):
            server.setblocking(False)
        code = """
import socket
def reach(family, address):
    try:
        with socket.socket(family) as client:
            client.connect(address)
    except OSError as fault:
        return fault.errno
"""
        reached = run_python(
            code,
            [
                f"reach(socket.AF_INET, ('127.0.0.1', {tcp.getsockname()[1]}))",
                f"reach(socket.AF_UNIX, '\\0amendment-{os.getpid()}')",
                "reach(40, (2, 22))",  # AF_VSOCK: the host of a virtual machine
                "reach(socket.AF_NETLINK, (0, 0))",
            ],
        )
        assert [outcome.value for outcome in reached] == [1, 111, 1, 1]  # EPERM, ECONNREFUSED
        for server in (tcp, abstract):
            with pytest.raises(BlockingIOError):
                server.accept()


def test_files_are_written_in_its_own_small_folder_alone(folder: Path) -> None:
    code = """
import os
def write(folder):
    try:
        os.makedirs(folder, exist_ok=True)
        with open(folder + "/mark", "w") as file:
            file.write("x")
    except OSError:
        return False
    return True
def fill(size):
    written = 0
    try:
        for number in range(10 ** 6):
            with open(f"/tmp/{number}", "wb", buffering=0) as file:
                while True:
                    written += file.write(bytes(size)) or 1 / 0
                    if file.tell() > size * 8:
                        break
    except OSError:
        return written
"""
    places = ["/", "/usr", "/usr/lib", "/dev", "/dev/shm", "/etc", "/lib", "/home", "/root", "/var", "/srv"]
    *outside, inside, filled = run_python(
        code, [*(f"write({place!r})" for place in [*places, str(folder)]), "fill(65536)"]
    )
    assert [outcome.value for outcome in outside] == [False] * len(places)
    assert inside.value is True
    assert 0 < filled.value <= SPACE
    assert not (folder / "mark").exists()


def test_a_link_as_output_leads_nowhere_and_nothing_reads_it(folder: Path) -> None:
    target = folder / "precious"
    target.write_text("as it was")
    target.chmod(0o666)
    code = f"""
import os
os.symlink({str(target)!r}, "/tmp/out")
def write():
    with open("/tmp/out", "w") as file:
        file.write("PASS")
"""
    assert one(code, "write()").error.startswith("FileNotFoundError")
    assert target.read_text() == "as it was"


def test_signals_reach_no_process_outside() -> None:
    code = """
import os, signal
def send(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as fault:
        return type(fault).__name__
"""
    parent, _, still_here = run_python(code, [f"send({os.getpid()})", "send(1)", "1"])
    assert parent.value in {"ProcessLookupError", "PermissionError"}
    assert still_here.value == 1


def test_a_daemon_does_not_outlive_its_program() -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
"""
    assert one(code, "1").value == 1
    assert all_die(survivors())


def test_endless_output_is_cut() -> None:
    code = """
import os
def flood():
    while True:
        for stream in range(64):
            try:
                os.write(stream, b"PASS" * 10000)
            except OSError:
                pass
"""
    assert one(code, "flood()").error in {"stopped after 1,048,576 bytes of values", "the value is not JSON"}
    assert one(code, "[0] * 1000000").error == "stopped after 1,048,576 bytes of values"


def test_system_calls_of_the_refused_kind_fail() -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    return [libc.syscall(*map(ctypes.c_long, arguments)), ctypes.get_errno()]
def threads():
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(len, ["a", "bc"]))
"""
    column, _ = sandbox._MACHINES[os.uname().machine]
    refused = [
        *(f"call({numbers[column]}, 0, 0, 0, 0, 0)" for numbers in sandbox._REFUSED.values()),
        f"call({sandbox._CLONE[column]}, 0x10000000 | 17, 0, 0, 0, 0)",  # a new user namespace
    ]
    *outcomes, clone3, threads = run_python(code, [*refused, f"call({sandbox._CLONE3[column]}, 0, 0)", "threads()"])
    assert [outcome.value for outcome in outcomes] == [[-1, 1]] * len(refused)  # EPERM
    assert clone3.value == [-1, 38]  # ENOSYS
    assert threads.value == [1, 2]


@pytest.mark.parametrize(
    "code",
    [
        "import os\nprint('PASS')\nos._exit(0)",
        "import sys\nprint('PASS')\nsys.exit(0)",
        "class Same:\n    def __eq__(self, other):\n        return True\ndef area(*_):\n    return Same()",
        "class Same(int):\n    def __eq__(self, other):\n        return True\ndef area(*_):\n    return Same(5)",
        "import builtins, json, math\njson.dumps = lambda *_, **__: 'true'\nmath.isclose = builtins.all = "
        "lambda *_, **__: True\ndef area(*_):\n    return 5",
        "import os\nfor stream in range(3, 64):\n    try:\n        os.write(stream, b'true\\nPASS\\n[6]\\n')\n"
        "    except OSError:\n        pass\ndef area(*_):\n    return 5",
        "def area(*_):\n    raise SystemExit(0)",
        "def area(*_):\n    return float('nan')",
        "def area(a, b) return a * b",
        "",
        "\0",
        "\ud800",
    ],
)
def test_what_a_program_says_of_itself_proves_nothing(code: str) -> None:
    outcomes = run_python(code, ["area(2, 3)", "area(2, 4)"])
    assert len(outcomes) == 2
    assert not any(outcome.equals(6) or outcome.equals(True) for outcome in outcomes)


def test_the_expected_values_are_not_inside() -> None:
    expected = os.urandom(8).hex()
    code = """
import gc, hashlib, os, re, sys
def sees(digest):
    frame, texts = sys._getframe(), [*sys.argv, *os.environ.values()]
    while frame := frame.f_back:
        texts.append(repr(frame.f_globals) + repr(frame.f_locals))
    texts += [repr(thing) for thing in gc.get_objects() if isinstance(thing, (dict, list, tuple))]
    words = {word for text in texts for word in re.findall("[0-9a-f]{16}", text)}
    return [len(words) > 0, any(hashlib.sha256(word.encode()).hexdigest() == digest for word in words)]
mark = "0123456789abcdef"
"""
    outcome = one(code, f"sees({sha256(expected.encode()).hexdigest()!r})")
    assert outcome.equals([True, False])


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, '["\\ud800", ""]', "[NaN, 0]", "[1" + "0" * 5000 + ', ""]', "{}", "[]", '"ab"', "\x00\xff", ""],
)
def test_a_forged_line_is_no_value(line: str) -> None:
    code = f"import os\nfor stream in range(3, 64):\n    try:\n        os.write(stream, {line!r}.encode() + b'\\n')\n"
    assert one(code + "    except OSError:\n        pass", "1").error == "the value is not JSON"


def test_an_error_cannot_steer_a_terminal() -> None:
    error = one("", "1 / 0 if 0 else exec('raise ValueError(\"\\x1b]0;owned\\x07\\u202e\")')").error
    assert error.startswith("ValueError: ")
    assert error.isprintable()


def test_programs_in_several_threads_do_not_mix() -> None:
    def square(number: int) -> Any:
        return one(f"import time\ntime.sleep(0.1)\nnumber = {number}", "number ** 2").value

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(square, range(8))) == [number**2 for number in range(8)]


def test_values_are_compared_outside() -> None:
    values = run_python("", ["(1, 2.0)", "{1: 'a'}", "0.1 + 0.2", "True", "None", "10 ** 400", "{2}"])
    pair, table, third, yes, nothing, large, no_json = values
    assert pair.equals((1, 2))
    assert not pair.equals((1, 2, 3))
    assert table.equals({"1": "a"})
    assert third.equals(0.3)
    assert not yes.equals(1)
    assert nothing.equals(None)
    assert not nothing.equals(False)
    assert large.equals(10**400)
    assert not large.equals(0.5)
    assert no_json.error == "TypeError: Object of type set is not JSON serializable"
    assert not no_json.equals(None)


@pytest.fixture
def another_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PATH", str(folder))
    sandbox._find_python.cache_clear()
    yield folder
    sandbox._find_python.cache_clear()


def test_without_bubblewrap_nothing_is_run_and_the_reason_is_said(another_path: Path) -> None:
    assert "install bubblewrap" in (why_unavailable() or "")
    with pytest.raises(ConfigError, match="found no bwrap"):
        run_python(f"open({str(another_path / 'ran')!r}, 'w')", ["1"])
    assert not (another_path / "ran").exists()


def test_a_bubblewrap_that_refuses_is_quoted(another_path: Path) -> None:
    refusing = another_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    refusing.chmod(0o755)
    assert "setting up uid map: Permission denied" in (why_unavailable() or "")
    with pytest.raises(ConfigError, match="Permission denied"):
        run_python("", ["1"])
