"""The commands on a ledger, called as a user calls them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sqlite3
from pathlib import Path

import pytest

from amendment.llm.ledger_recording import Ledger
from tests.command_line import called
from tests.llm.ledger_calls import Meter, batch_call, begin, call, calls


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder; its server answers with marks that would steer a terminal."""

    async def fill(ledger: Ledger) -> None:
        await calls(ledger, (f"r{i}" for i in range(3)))
        await call(ledger, "rude", b"\x1b[31mred\nline", Meter(None, "judge\x1b[2J"), usd=0.5)
        ledger.fail(await begin(ledger, "failed"), "rate", status=429)
        await begin(ledger, "open", stage="draft")
        batch = await ledger.open_batch("s", [batch_call("b")])
        await ledger.name_batch(batch.number, "batch_1")

    with Ledger(tmp_path / "run" / "ledger.sqlite") as ledger:
        asyncio.run(fill(ledger))
    return tmp_path / "run"


def amendment(*arguments: object, code: int = 0) -> str:
    """What a command prints, called in this process; it must end with the code."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        ended = called("ledger", *arguments)
    assert ended == code, said.getvalue()
    return said.getvalue()


def damage(run: Path) -> None:
    with sqlite3.connect(run / "ledger.sqlite") as db:
        db.execute("UPDATE reply SET raw = x'00' WHERE attempt = 2")
    db.close()


def test_show_tells_what_was_spent_and_what_is_open(run: Path) -> None:
    told = amendment("show", run)
    assert "4 replies\n" in told
    assert (
        "preference judge-large api.example.test: 6 attempts, 4 replies, 0 tokens in (0 cached), 0 out, "
        "0.5000 USD and 3 replies without a price, 1 rate\n"
    ) in told
    assert "2 calls without a reply: they may have been sent" in told
    assert "batch 1 to judge-large: 1 requests since 20" in told
    assert "known there as batch_1" in told
    assert "judge-large at api.example.test answered as judge\\x1b[2J, 1 replies" in told


def test_show_takes_one_stage_and_speaks_json(run: Path) -> None:
    told = json.loads(amendment("show", run / "ledger.sqlite", "--stage", "draft", "--json"))
    assert [one["stage"] for one in told["spending"]] == ["draft"]
    assert [one["request"] for one in told["open_attempts"]] == ["open"]


def test_show_prints_one_request_in_plain_text(run: Path) -> None:
    told = amendment("show", run, "--request", "rude")
    assert "\x1b" not in told
    assert "\\x1b[31mred\\nline" in told
    assert json.loads(amendment("show", run, "--request", "rude", "--json"))["attempts"][0]["reply"]["usd"] == 0.5
    assert "no request absent" in amendment("show", run, "--request", "absent", code=1)


def test_verify_says_that_all_is_well_or_what_is_not(run: Path) -> None:
    assert amendment("verify", run).endswith("all is as it was written\n")
    damage(run)
    told = amendment("verify", run, code=1)
    assert "reply of attempt 2: the checksum differs\n1 places are damaged\n" in told
    assert json.loads(amendment("verify", run, "--json", code=1))["counts"]["reply"] == 3


def test_salvage_says_what_is_lost_and_where_everything_is(run: Path) -> None:
    damage(run)
    told = amendment("salvage", run)
    assert "lost: the reply to r1\n3 replies are in" in told
    assert f"the old file is kept as {run}/ledger.sqlite.bak\n" in told
    assert amendment("verify", run).endswith("all is as it was written\n")


def test_a_folder_without_a_ledger_is_told_so(tmp_path: Path) -> None:
    for command in ("show", "verify", "salvage"):
        assert "no ledger here" in amendment(command, tmp_path, code=1)
