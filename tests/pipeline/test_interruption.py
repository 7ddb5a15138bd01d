"""Real processes, stopped in the middle of judging by real signals, and the run that goes on after them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import LedgerError
from amendment.pipeline import Run
from amendment.pipeline.status import read_status

JUDGED = '%"role":"judge"%'
SECONDS = 60

Replies = Callable[..., int]


@contextmanager
def judging(file: Path, folder: Path, replies: Replies) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the middle of judging: some verdicts are in the ledger, many are not.

    With one call in flight every verdict waits for a commit of its own, so that there is a middle.
    """
    command = [sys.executable, "-c", "from amendment.cli import main; main()"]
    command += ["run", str(file), "--folder", str(folder), "--set", "models.second.concurrency=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            ends = time.monotonic() + SECONDS
            while replies(folder, like=JUDGED) < 5:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < ends, "judging did not begin"
                time.sleep(0.002)
            yield process
        finally:
            process.kill()


@pytest.fixture
def go_on(
    small: Path, undisturbed: Any, replies: Replies, bytes_of_dataset: Callable[[Path], dict[str, bytes]]
) -> Callable[[Path], None]:
    """The run goes on, asks only what is not in the ledger, and ends with the dataset of a run never stopped."""

    def going_on(folder: Path) -> None:
        committed = replies(folder)
        assert committed < undisturbed.replies
        result = Run.from_file(small, folder=folder)()
        assert bytes_of_dataset(folder) == undisturbed.dataset
        assert result.sent == undisturbed.replies - committed
        assert replies(folder) == undisturbed.replies
        assert result.summary == undisturbed.result.summary

    return going_on


def test_a_killed_run_resumes_to_the_same_bytes_without_a_second_call(
    small: Path, tmp_path: Path, replies: Replies, go_on: Callable[[Path], None]
) -> None:
    folder = tmp_path / "run"
    with judging(small, folder, replies) as process:
        assert read_status(folder)["running"] == "judging"
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert json.loads((folder / "status.json").read_text())["running"] == "judging"
    status = read_status(folder)
    assert status["running"] is None, "the process is gone, whatever its last note says"
    assert status["done"] == ["inputs", "critique", "candidates"]
    go_on(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_in_order_and_says_how_to_go_on(
    number: signal.Signals, small: Path, tmp_path: Path, replies: Replies, go_on: Callable[[Path], None]
) -> None:
    folder = tmp_path / "run"
    with judging(small, folder, replies) as process:
        with pytest.raises(LedgerError, match=rf"another process \(pid {process.pid}\) is working here"):
            Run.from_file(small, folder=folder)()
        process.send_signal(number)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert "Traceback" not in said
    last = said.strip().split("\n")[-1]
    assert last == (
        f"interrupted. Go on with: amendment run {small} --folder {folder} --set models.second.concurrency=1"
    )
    go_on(folder)
