"""The command line in a process of its own, beside a server of the test's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120
"""The longest that a test waits for anything."""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def amendment(*words: str) -> subprocess.CompletedProcess[str]:
    """What came of a command; it may fail, and not with a traceback."""
    line = [sys.executable, "-m", "amendment", *words]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def command(path: Path, *arguments: str, by: Sequence[str] = ("amendment",)) -> list[str]:
    """`amendment run FILE`, in a folder beside the file. `by`: the module that is run, and its own arguments first."""
    return [sys.executable, "-m", *by, "run", str(path), "--folder", str(path.parent / "run"), *arguments]


@contextmanager
def started(line: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block. `options`: of Popen, where they differ."""
    usual: dict[str, Any] = {"env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, **usual | options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(claim: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something to come true while a process is running."""
    ends = time.monotonic() + SECONDS
    while not claim():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "it did not come true"
        time.sleep(0.002)
