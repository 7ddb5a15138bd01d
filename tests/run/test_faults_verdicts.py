"""Verdicts of a judge over HTTP that cannot be read, and a model that is another one behind the same name."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.data.store import read_records
from amendment.errors import AmendmentError
from amendment.records import Verdict
from amendment.run import Run, RunResult
from tests.vendors.runs import fixtures, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS
from tests.vendors.wire import Ask

JUDGING = {"judges": [{"model": "reader", "protocol": "verdict"}], "orders": "both", "principles_per_pair": 1}


one_server, undisturbed, server = fixtures(judging=JUDGING)


def verdicts_in(folder: Path) -> list[Verdict]:
    return read_records(folder / "judging/verdicts.parquet", Verdict)


def is_judged(ask: Ask) -> bool:
    """Whether the reader is asked, for the first time."""
    return ask.is_anthropic and len(ask.json["messages"]) == 1


def test_a_reply_with_two_verdicts_is_asked_about_once_and_never_counted_as_one(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    server.plan = lambda ask: FAULTS["two verdicts"] if ask.is_anthropic else None
    with pytest.raises(AmendmentError, match="2 verdict lines"):
        Run.from_file(write_run(tmp_path, server, judging=JUDGING), folder=tmp_path / "run")()
    asked = [ask for ask in server.asks.values() if ask.is_anthropic]
    n_verdicts = len(verdicts_in(undisturbed.folder))
    assert sum(map(is_judged, asked)) == n_verdicts
    assert len(asked) == 2 * n_verdicts
    assert max(server.received.values()) == 1
    assert not (tmp_path / "run/dataset").exists()
