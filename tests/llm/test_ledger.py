"""The ledger returns its entries, in this process and the next; nothing paid is lost or changed."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amendment.errors import LedgerError
from amendment.llm.ledger import Ledger
from amendment.llm.ledger_reading import OpenAttempt, Reader
from amendment.llm.provider import Meter
from amendment.llm.requests import Usage
from tests.command_line import called
from tests.llm.ledger_calls import HOST, MODEL, NOTHING, STAGE, batch_call, begin, call
from tests.llm.scripted import in_loop


def test_the_attempt_is_on_disk_before_begin_returns_and_counts_on_in_the_next_process(tmp_path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        attempt = await begin(ledger, "r")
        with Reader(ledger.path) as other:
            assert other.open_attempts() == [OpenAttempt(attempt, "r", HOST, MODEL, STAGE, None)]
        ledger.fail(attempt, "deadline")

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(scenario(ledger))
    with Ledger(tmp_path / "l") as ledger:
        assert ledger.open_attempts() == []
        assert [lost.number for lost in ledger.open_attempts(["deadline", "server"])] == [1]
        assert asyncio.run(begin(ledger, "r")) == 2


@in_loop
async def test_who_is_cancelled_before_sending_leaves_an_attempt_that_says_so(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        waiting = asyncio.ensure_future(begin(ledger, "r"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    with Reader(tmp_path / "l") as found:
        assert found.open_attempts() == []
        assert found.spending()[0].faults == {"unsent": 1}


def test_closing_writes_what_waits_although_its_asker_left_and_ends_the_ledger(tmp_path: Path) -> None:
    async def leave_early(ledger: Ledger) -> None:
        attempt = await begin(ledger, "r")
        waiting = asyncio.ensure_future(ledger.commit(attempt, b"paid", NOTHING))
        await asyncio.sleep(0)
        waiting.cancel()

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(leave_early(ledger))
    for use in (lambda: ledger.find("r"), lambda: asyncio.run(begin(ledger, "r"))):
        with pytest.raises(LedgerError, match="was closed"):
            use()
    with Reader(tmp_path / "l") as found:
        assert found.find("r") == b"paid"


hostile_text = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(["\ud800", "a\0b", ""])


@settings(max_examples=30)
@example(raw=b"", model=None, server=None, tokens=0, usd=-0.0)
@given(
    raw=st.binary(max_size=5000),
    model=st.none() | hostile_text,
    server=st.none() | hostile_text,
    tokens=st.integers(-(2**70), 2**70),
    usd=st.none() | st.floats(),
)
@in_loop
async def test_whatever_a_server_says_its_reply_is_stored_as_it_came(
    raw: bytes, model: str | None, server: str | None, tokens: int, usd: float | None
) -> None:
    with Ledger() as ledger:
        attempt = await begin(ledger, "r")
        usage = Usage.model_construct(input_tokens=tokens, output_tokens=1, cached_tokens=0)
        await ledger.commit(attempt, raw, Meter(usage, model), server_id=server, usd=usd)
        assert ledger.find("r") == raw
        assert len(ledger.spending()) == 1


def test_nothing_that_was_written_is_ever_updated_or_deleted(tmp_path: Path) -> None:
    """Triggers that forbid it are laid over every table, and a run does all that a run can do."""
    Ledger(tmp_path / "l").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "l")) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for verb in ("UPDATE", "DELETE"):
                db.execute(
                    f"CREATE TRIGGER no_{verb}_{table} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
                )

    async def everything(ledger: Ledger) -> None:
        attempt = await call(ledger, "r", b"x")
        await ledger.commit(attempt, b"y", NOTHING)
        ledger.fail(await begin(ledger, "r"), "rate")
        batch = (await ledger.open_batch("s", [batch_call("a")])).number
        await ledger.name_batch(batch, "one")
        await ledger.name_batch(batch, "two")
        assert ledger.batches()[0].remote == "two"
        await ledger.close_batch(batch, "completed")

    for _ in range(2):
        with Ledger(tmp_path / "l") as ledger:
            asyncio.run(everything(ledger))


def amendment(*arguments: object, code: int = 0) -> str:
    """The output of a command on the ledger, called in this process; it must end with the code."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        ended = called("ledger", *arguments)
    assert ended == code, printed.getvalue()
    return printed.getvalue()


def test_show_prints_one_request_in_plain_text(tmp_path: Path) -> None:
    async def spend(ledger: Ledger) -> None:
        await call(ledger, "hostile", b"\x1b[31mred\nline", Meter(None, "judge\x1b[2J"))
        await begin(ledger, "open")

    with Ledger(tmp_path / "run" / "ledger.sqlite") as ledger:
        asyncio.run(spend(ledger))
    text = amendment("show", tmp_path / "run", "--request", "hostile")
    assert "\x1b" not in text
    assert "\\x1b[31mred\\nline" in text
    assert json.loads(amendment("show", tmp_path / "run", "--request", "open", "--json"))["reply"] is None
    assert "no request absent" in amendment("show", tmp_path / "run", "--request", "absent", code=1)
    for options in ((), ("--verify",)):
        assert "no ledger here" in amendment("show", tmp_path, *options, code=1)
