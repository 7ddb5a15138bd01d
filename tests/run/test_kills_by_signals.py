"""Runs over HTTP that are told to stop: what is on the wire is received and kept, nothing else is sent."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.run import Result, Run
from tests.vendors.processes import ENVIRONMENT, SECONDS, command, started, wait_until
from tests.vendors.runs import CONCURRENCY, dataset_of, fixtures, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, always

Replies = Callable[..., int]
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


one_server, undisturbed, quick_server = fixtures()


@pytest.fixture
def server(quick_server: FaultServer) -> FaultServer:
    quick_server.latency = 0.5
    return quick_server


@pytest.mark.parametrize("number", CODES)
def test_a_signal_lets_what_is_on_the_wire_come_in_and_no_reply_is_paid_for_twice(
    server: FaultServer, undisturbed: Result, tmp_path: Path, number: signal.Signals, replies: Replies
) -> None:
    path = write_run(tmp_path, server)
    with started(command(path)) as process:
        wait_until(lambda: server.received.total() > CONCURRENCY and server.most_at_once == CONCURRENCY, process)
        sent = server.received.total()
        process.send_signal(number)
        _, said = process.communicate(timeout=SECONDS)
    server.settle()
    assert process.returncode == CODES[number]
    assert "Traceback" not in said
    assert f"Go on with: amendment run {path}" in said
    assert sent <= server.received.total() <= sent + CONCURRENCY < undisturbed.sent
    assert server.lost.total() == 0
    assert replies(tmp_path / "run") == server.paid.total() == server.received.total()

    server.latency = 0.0
    result = Run.from_file(path, folder=tmp_path / "run")()
    assert dataset_of(tmp_path / "run") == dataset_of(undisturbed.folder)
    assert server.paid.total() == server.received.total() == undisturbed.sent
    assert result.sent < undisturbed.sent


def test_a_second_signal_does_not_wait_for_the_wire(server: FaultServer, tmp_path: Path) -> None:
    server.plan = always(FAULTS["hang"])
    with started(command(write_run(tmp_path, server))) as process:
        wait_until(lambda: server.received.total() == CONCURRENCY, process)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        assert server.received.total() == CONCURRENCY, "nothing new is sent"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode in CODES.values()
    assert "Traceback" not in said


def test_a_second_run_in_the_folder_of_a_running_one_makes_no_call(server: FaultServer, tmp_path: Path) -> None:
    server.plan = always(FAULTS["hang"])
    path = write_run(tmp_path, server)
    with started(command(path)) as process:
        wait_until(lambda: server.received.total() == CONCURRENCY, process)
        second = ended(command(path))
        assert second.returncode == 1
        assert f"another process (pid {process.pid}" in second.stderr
        assert server.received.total() == CONCURRENCY


def ended(line: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
    """A process that has come to its end."""
    return subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=False, **how)


def test_a_folder_that_cannot_be_written_is_found_before_the_first_call(server: FaultServer, tmp_path: Path) -> None:
    line = command(write_run(tmp_path, server))
    line[line.index("--folder") + 1] = "/proc/a-run"  # where not even root may make one
    found = ended(line)
    assert found.returncode in (1, 2)
    assert "/proc/a-run" in found.stderr
    assert "Traceback" not in found.stderr
    assert server.received.total() == 0
