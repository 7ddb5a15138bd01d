"""What goes into the ledger comes out of it, in this process and the next; nothing paid is lost or changed."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amendment.errors import LedgerError
from amendment.llm.ledger_reading import OpenAttempt, ReadOnly
from amendment.llm.ledger_recording import Ledger
from tests.llm.ledger_calls import HOST, MODEL, NOTHING, STAGE, Meter, Usage, batch_call, begin, call, calls, raw_of


def test_what_was_committed_is_found_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ledger.sqlite"
    with Ledger(path) as ledger:
        asyncio.run(calls(ledger, (f"r{i}" for i in range(500))))
    with Ledger(path) as ledger:
        assert len(ledger) == 500
        assert all(ledger.find(f"r{i}") == raw_of(f"r{i}") for i in range(500))
        assert ledger.find("absent") is None


def test_a_ledger_without_a_path_leaves_nothing_behind() -> None:
    with Ledger() as ledger:
        asyncio.run(calls(ledger, ("a", "b")))
        assert len(ledger) == 2
        folder = ledger.path.parent
        assert folder.is_dir()
    assert not folder.exists()


def test_a_ledger_without_a_path_that_nobody_closes_goes_with_its_object() -> None:
    ledger = Ledger()
    folder = ledger.path.parent
    del ledger
    gc.collect()
    assert not folder.exists()


def test_several_loops_in_turn_may_use_one_ledger_even_when_one_ended_in_the_midst() -> None:
    async def leave_early(ledger: Ledger) -> None:
        waiting = asyncio.ensure_future(begin(ledger, "early"))
        await asyncio.sleep(0)
        waiting.cancel()

    with Ledger() as ledger:
        asyncio.run(leave_early(ledger))
        asyncio.run(asyncio.wait_for(calls(ledger, ("late",)), 20))
        assert ledger.find("late") == raw_of("late")


def test_the_attempt_is_on_disk_before_begin_returns(tmp_path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        attempt = await begin(ledger, "r")
        with ReadOnly(ledger.path) as other:
            assert other.open_attempts() == [OpenAttempt(attempt, "r", 11, HOST, MODEL, STAGE, None)]  # {"ask":"r"}

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(scenario(ledger))


def test_attempts_keep_counting_over_processes(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        first = asyncio.run(begin(ledger, "r"))
        ledger.fail(first, "deadline")
    with Ledger(tmp_path / "l") as ledger:
        assert asyncio.run(begin(ledger, "r")) == first + 1


def test_the_newest_reply_is_found_and_the_older_one_is_kept(tmp_path: Path) -> None:
    async def twice(ledger: Ledger) -> None:
        await call(ledger, "r", b"first")
        await call(ledger, "r", b"second")

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(twice(ledger))
        assert len(ledger) == 2
        assert ledger.find("r") == b"second"
        found = ledger.request("r")
    assert found is not None
    assert [one["reply"]["raw"] for one in found["attempts"]] == ["first", "second"]


def test_a_second_reply_to_one_attempt_is_passed_over(tmp_path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        attempt = await call(ledger, "r", b"paid", usd=1.0)
        await ledger.commit(attempt, b"read again", NOTHING, usd=1.0)
        assert ledger.find("r") == b"paid"
        assert ledger.spending()[0].usd == 1.0

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(scenario(ledger))


def test_a_reply_that_comes_after_all_is_kept(tmp_path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        attempt = await begin(ledger, "r")
        ledger.fail(attempt, "deadline")
        await ledger.commit(attempt, b"late", NOTHING)
        assert ledger.find("r") == b"late"

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(scenario(ledger))


def test_a_reply_to_an_attempt_of_an_earlier_process_is_taken(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        attempt = asyncio.run(begin(ledger, "r"))
    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(ledger.commit(attempt, b"after all", NOTHING))
        assert ledger.find("r") == b"after all"
        assert ledger.open_attempts() == []


def test_a_reply_to_an_attempt_that_nobody_began_is_refused() -> None:
    with Ledger() as ledger, pytest.raises(LedgerError, match="attempt 7 was not begun here"):
        asyncio.run(ledger.commit(7, b"x", NOTHING))


def test_who_is_cancelled_before_sending_leaves_an_attempt_that_says_so(tmp_path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        waiting = asyncio.ensure_future(begin(ledger, "r"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(scenario(ledger))
    with ReadOnly(tmp_path / "l") as found:
        assert found.open_attempts() == []
        assert found.spending()[0].faults == {"unsent": 1}


def test_closing_writes_what_waits_although_its_asker_left(tmp_path: Path) -> None:
    async def leave_early(ledger: Ledger) -> None:
        attempt = await begin(ledger, "r")
        waiting = asyncio.ensure_future(ledger.commit(attempt, b"paid", NOTHING))
        await asyncio.sleep(0)
        waiting.cancel()

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(leave_early(ledger))
    with Ledger(tmp_path / "l") as ledger:
        assert ledger.find("r") == b"paid"


def test_a_closed_ledger_is_not_asked() -> None:
    ledger = Ledger()
    ledger.close()
    with pytest.raises(LedgerError, match="was closed"):
        ledger.find("r")
    with pytest.raises(LedgerError, match="was closed"):
        asyncio.run(begin(ledger, "r"))


def test_replies_that_come_together_share_a_commit(tmp_path: Path) -> None:
    """Counted in the journal's own frames: each transaction ends in one frame that says so (its page count is set)."""

    async def scenario(ledger: Ledger) -> None:
        attempts = [await begin(ledger, f"r{i}") for i in range(3)]
        before = commits(ledger.path)
        await asyncio.gather(*(ledger.commit(attempt, b"x", NOTHING) for attempt in attempts))
        assert commits(ledger.path) == before + 1

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(scenario(ledger))


def commits(path: Path) -> int:
    journal = path.with_name(path.name + "-wal").read_bytes()[32:]
    frames = [journal[start : start + 24] for start in range(0, len(journal), 24 + 4096)]
    return sum(frame[4:8] != b"\0\0\0\0" for frame in frames)


def test_batches_are_known_until_they_are_closed(tmp_path: Path) -> None:
    async def submit(ledger: Ledger) -> int:
        batch = await ledger.open_batch("shard-1", [batch_call("a"), batch_call("b")])
        (intent,) = ledger.batches(HOST, MODEL)
        assert batch == intent
        assert (intent.remote, intent.shard, list(intent.attempts)) == (None, "shard-1", ["a", "b"])
        await ledger.name_batch(batch.number, "batch_77")
        return batch.number

    async def read(ledger: Ledger) -> None:
        (found,) = ledger.batches(HOST, MODEL)
        assert found.remote == "batch_77"
        assert ledger.batches("elsewhere", MODEL) == []
        await ledger.commit(found.attempts["b"], b"reply", NOTHING)
        ledger.fail(found.attempts["a"], "server", status=500)
        await ledger.close_batch(found.number, "completed")
        assert ledger.batches(HOST, MODEL) == []

    with Ledger(tmp_path / "l") as ledger:
        batch = asyncio.run(submit(ledger))
    with Ledger(tmp_path / "l") as ledger:
        assert [one.number for one in ledger.batches()] == [batch]
        asyncio.run(read(ledger))
        assert ledger.find("b") == b"reply"
        assert ledger.open_attempts() == []


hostile_text = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(["\ud800", "a\0b", ""])


@settings(max_examples=30, deadline=None)
@example(raw=b"", model=None, server=None, tokens=0, usd=-0.0)
@given(
    raw=st.binary(max_size=5000),
    model=st.none() | hostile_text,
    server=st.none() | hostile_text,
    tokens=st.integers(-(2**70), 2**70),
    usd=st.none() | st.floats(),
)
def test_whatever_a_server_says_its_reply_is_stored_as_it_came(
    raw: bytes, model: str | None, server: str | None, tokens: int, usd: float | None
) -> None:
    async def scenario(ledger: Ledger) -> None:
        attempt = await begin(ledger, "r")
        await ledger.commit(attempt, raw, Meter(Usage(tokens, 1), model), server_id=server, usd=usd)
        assert ledger.find("r") == raw
        assert len(ledger.spending()) == 1

    with Ledger() as ledger:
        asyncio.run(scenario(ledger))


def test_nothing_that_was_written_is_ever_updated_or_deleted(tmp_path: Path) -> None:
    """Triggers that forbid it are laid over every table, and a run does all that a run can do."""
    Ledger(tmp_path / "l").close()
    with sqlite3.connect(tmp_path / "l") as db:
        for table in ("request", "attempt", "fault", "reply", "batch", "step", "meta"):
            for verb in ("UPDATE", "DELETE"):
                db.execute(
                    f"CREATE TRIGGER no_{verb}_{table} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
    db.close()

    async def everything(ledger: Ledger) -> None:
        attempt = await call(ledger, "r", b"x")
        await ledger.commit(attempt, b"y", NOTHING)
        ledger.fail(await begin(ledger, "r"), "rate")
        batch = (await ledger.open_batch("s", [batch_call("a")])).number
        await ledger.name_batch(batch, "one")
        await ledger.name_batch(batch, "two")
        await ledger.close_batch(batch, "completed")

    for _ in range(2):
        with Ledger(tmp_path / "l") as ledger:
            asyncio.run(everything(ledger))


def test_a_reply_that_comes_after_closing_is_said_to_be_lost(tmp_path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        attempt = await begin(ledger, "r")
        ledger.close()
        with pytest.raises(LedgerError, match=r"1 replies that were paid for could not be stored"):
            await ledger.commit(attempt, b"paid", NOTHING)

    asyncio.run(scenario(Ledger(tmp_path / "l")))
