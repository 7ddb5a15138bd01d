"""What the ledger tells about money, tokens, faults, time and models, with sums done by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_reading import OpenAttempt, ReadOnly, ReturnedModel, Spending, utc
from amendment.llm.ledger_recording import Ledger
from tests.llm.ledger_calls import HOST, MODEL, NOTHING, Meter, Usage, batch_call, begin


async def spend(ledger: Ledger) -> None:
    """Two stages; in `draft` one reply is free of numbers, one attempt failed and one is still open."""
    for tokens, usd in (((100, 10, 40), 0.25), ((50, 5, 0), 0.125)):
        await ledger.commit(
            await begin(ledger, f"r{usd}", stage="draft"), b"x", Meter(Usage(*tokens), "judge-large-2026"), usd=usd
        )
    await ledger.commit(await begin(ledger, "silent", stage="draft"), b"x", NOTHING)
    ledger.fail(await begin(ledger, "failed", stage="draft"), "rate", status=429)
    await begin(ledger, "open", stage="draft")
    await ledger.commit(await begin(ledger, "j", stage="judge"), b"x", Meter(Usage(7, 1), MODEL), usd=1.0)


@pytest.fixture
def spent(tmp_path: Path) -> Path:
    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(spend(ledger))
    return tmp_path / "l"


def test_spending_adds_up_by_stage_host_and_model(spent: Path) -> None:
    with ReadOnly(spent) as ledger:
        # draft: 100 + 50 in, 40 + 0 of them cached, 10 + 5 out, 0.25 + 0.125 USD, one reply of three told nothing
        draft = Spending("draft", HOST, MODEL, 5, 3, 150, 40, 15, 0.375, 1, 1, {"rate": 1})
        assert ledger.spending() == [draft, Spending("judge", HOST, MODEL, 1, 1, 7, 0, 1, 1.0, 0, 0, {})]


def test_an_attempt_without_an_end_is_named(spent: Path) -> None:
    with ReadOnly(spent) as ledger:
        assert ledger.open_attempts() == [OpenAttempt(5, "open", 14, HOST, MODEL, "draft", None)]  # {"ask":"open"}


def test_a_name_that_is_answered_under_several_names_shows(spent: Path) -> None:
    with ReadOnly(spent) as ledger:
        assert ledger.models() == [
            ReturnedModel(HOST, MODEL, None, 1),
            ReturnedModel(HOST, MODEL, "judge-large", 1),
            ReturnedModel(HOST, MODEL, "judge-large-2026", 2),
        ]


def test_times_are_of_replies_and_not_of_batches(tmp_path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        batch = (await ledger.open_batch("s", [batch_call("b")])).number
        await ledger.commit(ledger.batches()[0].attempts["b"], b"x", NOTHING)
        await ledger.close_batch(batch, "completed")
        assert ledger.times() == []
        attempt = await begin(ledger, "r")
        await asyncio.sleep(0.05)
        await ledger.commit(attempt, b"x", NOTHING)
        (time,) = ledger.times()
        assert (time.stage, time.host, time.model, time.replies) == ("preference", HOST, MODEL, 1)
        assert 0.05 <= time.seconds < 20

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(scenario(ledger))


def test_a_request_is_shown_with_all_its_attempts(spent: Path) -> None:
    with ReadOnly(spent) as ledger:
        found = ledger.request("failed")
        assert ledger.request("absent") is None
    assert found is not None
    assert found["body"] == '{"ask":"failed"}'
    (attempt,) = found["attempts"]
    assert (attempt["number"], attempt["fault"], attempt["status"], attempt["reply"]) == (4, "rate", 429, None)


def test_a_reader_that_was_closed_says_so(spent: Path) -> None:
    with ReadOnly(spent) as ledger:
        pass
    with pytest.raises(LedgerError, match="was closed"):
        ledger.spending()


def test_a_time_that_no_calendar_has_is_no_error() -> None:
    assert utc(0.0) == "1970-01-01 00:00:00"
    assert utc(1e300) == "at an unknown time"
    assert utc(float("inf")) == "at an unknown time"
