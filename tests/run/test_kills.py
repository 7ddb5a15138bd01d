"""A small run over HTTP, killed at its commits by SIGKILL and gone on with by another process."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from amendment.run import Run, RunResult
from amendment.run.status import read_status
from tests.vendors.processes import ENVIRONMENT, SECONDS, command
from tests.vendors.runs import CONCURRENCY, dataset_of, fixtures, write_run
from tests.vendors.server import FaultServer

LATENCY = 0.02


one_server, undisturbed, server = fixtures(latency=LATENCY)


def killed_at(number: int, moment: str, path: Path) -> int:
    """Make the run in a process that kills itself at a commit; its return code."""
    line = command(path, by=("tests.vendors.killing", moment, str(number), str(path.parent)))
    ended = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode


class Kept(NamedTuple):
    """What a ledger holds after a kill."""

    replies: set[tuple[Any, ...]]
    questions: set[str]
    """Ids of the requests that have a reply."""
    open: int
    """Attempts that were begun, and of which nobody wrote down how they ended."""


def kept_in(folder: Path) -> Kept:
    path = folder / "ledger.sqlite"
    if not path.is_file():
        return Kept(set(), set(), 0)
    db = sqlite3.connect(path)
    try:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempt'").fetchone():
            return Kept(set(), set(), 0)
        replies = set(db.execute("SELECT * FROM reply"))
        questions = {
            str(row[0]) for row in db.execute("SELECT a.request FROM reply r JOIN attempt a ON a.number = r.attempt")
        }
        ended = "SELECT attempt FROM reply UNION SELECT attempt FROM fault"
        (n_open,) = db.execute(f"SELECT count(*) FROM attempt WHERE number NOT IN ({ended})").fetchone()
        return Kept(replies, questions, n_open)
    finally:
        db.close()


def check_resumed(server: FaultServer, undisturbed: RunResult, path: Path) -> None:
    """The run goes on: nothing that is on disk changes or is asked again, and the dataset is the undisturbed one."""
    folder = path.parent / "run"
    server.settle()
    sent_before = server.received.total()
    kept = kept_in(folder)
    assert len(kept.questions) == len(kept.replies) <= sent_before
    result = Run.from_file(path, folder=folder)()
    assert dataset_of(folder) == dataset_of(undisturbed.folder)
    assert result.sent == undisturbed.sent - len(kept.questions)
    after = kept_in(folder)
    assert after.replies >= kept.replies
    assert len(after.questions) == len(after.replies) == undisturbed.sent
    twice = server.paid.total() - undisturbed.sent
    assert twice == sent_before - len(kept.questions) <= kept.open
    assert kept.open <= 3 * CONCURRENCY, "what was in flight, at each of the three models"


def folder_for(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("number", "moment"), [(7, "before"), (13, "after")])
def test_a_run_killed_at_a_commit_pays_again_for_no_more_than_was_on_its_way(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path, number: int, moment: str
) -> None:
    path = write_run(tmp_path, server)
    assert killed_at(number, moment, path) == -signal.SIGKILL
    assert json.loads((tmp_path / "run/status.json").read_text())["running"] == "critique, candidates, judging"
    status = read_status(tmp_path / "run")
    assert status["running"] is None, "the process is gone, whatever its last note says"
    assert status["done"] == ["inputs"], "the stages of a pass are finished when it is"
    check_resumed(server, undisturbed, path)


@pytest.mark.long
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_may_be_killed_at_every_one_of_its_commits(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path, moment: str
) -> None:
    number, code = 0, -signal.SIGKILL
    while code:
        number += 1
        server.forget()
        path = write_run(folder_for(tmp_path, f"{number}"), server)
        code = killed_at(number, moment, path)
        if code:
            check_resumed(server, undisturbed, path)
    assert 14 < int((path.parent / "commits").read_text()) < number, "no later commit was there to be killed at"


@pytest.mark.long
def test_a_run_killed_at_every_fifth_commit_comes_to_its_end(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    path = write_run(tmp_path, server)
    kills = 0
    while killed_at(5, "after", path):
        kills += 1
        assert kills < 40, "each process gets some way"
    assert kills > 2
    assert dataset_of(tmp_path / "run") == dataset_of(undisturbed.folder)
    assert server.paid.total() <= undisturbed.sent + kills * 4 * CONCURRENCY
