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

import pytest

from amendment.errors import LedgerError
from amendment.run import Result, Run
from amendment.run.status import read_status

PASS = "critique, candidates, judging"
JUDGED = '%"choices":["A","B"]%'
SECONDS = 60

Replies = Callable[..., int]


@pytest.fixture(scope="module")
def long_text(small_text: str) -> str:
    """The small run with so many prompts that its judging has a middle."""
    return small_text.replace("lilliput: 12", "lilliput: 60")


@pytest.fixture
def file(run_file: Callable[[str], Path], long_text: str) -> Path:
    return run_file(long_text)


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory: pytest.TempPathFactory, long_text: str) -> Result:
    folder = tmp_path_factory.mktemp("never_stopped")
    (folder / "run.yaml").write_text(long_text, encoding="utf-8")
    return Run.from_file(folder / "run.yaml", folder=folder / "run")()


@contextmanager
def judging(file: Path, folder: Path, replies: Replies) -> Iterator[subprocess.Popen[str]]:
    """A process that stands still in the middle of judging: some verdicts are in the ledger, many are not.

    With one call in flight only a few comparisons are judged at once. The process is held by SIGSTOP until a
    test lets it go on or ends it.
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
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


@pytest.fixture
def go_on(
    file: Path, never_stopped: Result, replies: Replies, bytes_of_dataset: Callable[[Path], dict[str, bytes]]
) -> Callable[[Path], None]:
    """The run goes on, asks only what is not in the ledger, and ends with the dataset of a run never stopped."""

    def going_on(folder: Path) -> None:
        committed = replies(folder)
        assert committed < never_stopped.sent
        result = Run.from_file(file, folder=folder)()
        assert bytes_of_dataset(folder) == bytes_of_dataset(never_stopped.folder)
        assert result.sent == never_stopped.sent - committed
        assert replies(folder) == never_stopped.sent
        assert result.summary == never_stopped.summary

    return going_on


def test_a_killed_run_resumes_to_the_same_bytes_without_a_second_call(
    file: Path, tmp_path: Path, replies: Replies, go_on: Callable[[Path], None]
) -> None:
    folder = tmp_path / "run"
    with judging(file, folder, replies) as process:
        assert read_status(folder)["running"] == PASS
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert json.loads((folder / "status.json").read_text())["running"] == PASS
    status = read_status(folder)
    assert status["running"] is None, "the process is gone, whatever its last note says"
    assert status["done"] == ["inputs"], "the stages of a pass are finished when it is"
    go_on(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_in_order_and_says_how_to_go_on(
    number: signal.Signals, file: Path, tmp_path: Path, replies: Replies, go_on: Callable[[Path], None]
) -> None:
    folder = tmp_path / "run"
    with judging(file, folder, replies) as process:
        with pytest.raises(LedgerError, match=rf"another process \(pid {process.pid}[^)]*\) is working here"):
            Run.from_file(file, folder=folder)()
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert read_status(folder)["ended"] == "interrupted"
    assert "Traceback" not in said
    last = said.strip().split("\n")[-1]
    assert last == (
        f"interrupted. Go on with: amendment run {file} --folder {folder} --set models.second.concurrency=1"
    )
    go_on(folder)
