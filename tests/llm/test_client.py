"""The way out: nothing asked twice, passing faults retried, deadlines kept, askers free to leave."""

from __future__ import annotations

import asyncio
import gc
import re
import sqlite3
import weakref
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest

from amendment.errors import FaultKind, LedgerError, Paused, ProviderError, Rejected, Transient
from amendment.llm.budget import Budget
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.ledger_reading import Reader
from amendment.llm.limits import Endpoint, Limits
from amendment.llm.model import Model
from amendment.llm.prices import Price
from amendment.llm.provider import RawReply
from amendment.llm.requests import Request
from amendment.llm.transport import Online
from amendment.records import Message, Sampling, user
from tests.llm.scripted import Scripted, in_loop, until

Use = Callable[[Model, Scripted], Awaitable[Any]]


def run(use: Use, *script: ProviderError, path: Path | None = None, concurrency: int = 8, **settings: Any) -> Any:
    """Use a model over a scripted provider; any error that nobody collected fails the test."""
    uncollected: list[Any] = []

    async def main() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: uncollected.append(context))
        with Ledger(path) as ledger:
            calls = Calls(ledger, **{"longest_wait": 0.001, **settings})
            provider = Scripted(*script)
            model = Model(
                name="m", model="m", provider=provider, calls=calls, sampling=Sampling(seed=7), concurrency=concurrency
            )
            result = await use(model, provider)
            await calls.drain()
        gc.collect()
        await asyncio.sleep(0)
        return result

    result = asyncio.run(main())
    assert uncollected == []
    return result


def using(*script: ProviderError, **settings: Any) -> Callable[[Use], Callable[[], None]]:
    """A test that is what happens with a model over a scripted provider."""

    def decorate(use: Use) -> Callable[[], None]:
        def test() -> None:
            run(use, *script, **settings)

        return test

    return decorate


def begun(coroutine: Any) -> asyncio.Task[Any]:
    return asyncio.ensure_future(coroutine)


async def said(model: Model, text: str = "Hi") -> str:
    return str((await model.ask(user(text))).reply.messages[0].content)


async def left_on_the_wire(model: Model, provider: Scripted) -> None:
    """A call is on its way, held back by the gate, and its asker has left."""
    provider.gate.clear()
    asker = begun(said(model))
    await until(lambda: bool(provider.asked))
    asker.cancel()
    await asyncio.sleep(0)


def test_the_same_question_is_asked_once_in_a_run_and_over_runs(tmp_path: Path) -> None:
    async def use(model: Model, provider: Scripted) -> int:
        assert [await said(model), await said(model)] == ["Hi", "Hi"]
        return len(provider.asked)

    assert [run(use, path=tmp_path / "ledger.sqlite") for _ in range(2)] == [1, 0]


@using()
async def test_equal_questions_in_flight_share_one_call(model: Model, provider: Scripted) -> None:
    assert await asyncio.gather(*(said(model) for _ in range(5))) == ["Hi"] * 5
    assert len(provider.asked) == model.calls.sent == 1


@using(Transient("busy", retry_after=600.0), concurrency=1)
async def test_a_waiting_retry_holds_no_slot(model: Model, provider: Scripted) -> None:
    first = begun(said(model, "first"))
    await until(lambda: not provider.script)
    assert await said(model, "second") == "second"
    assert not first.done()
    first.cancel()


def test_an_unreadable_reply_is_kept_and_asked_for_again(tmp_path: Path) -> None:
    async def use(model: Model, provider: Scripted) -> int:
        provider.unreadable = 1
        assert await said(model) == "Hi"
        return len(model.calls.ledger)

    assert [run(use, path=tmp_path / "ledger.sqlite") for _ in range(2)] == [2, 3]  # at the restart, too


def test_a_reply_on_the_wire_is_kept_when_everybody_left(tmp_path: Path) -> None:
    async def leave(model: Model, provider: Scripted) -> None:
        await left_on_the_wire(model, provider)
        provider.gate.set()

    async def come_back(model: Model, provider: Scripted) -> int:
        assert await said(model) == "Hi"
        return len(provider.asked)

    run(leave, path=tmp_path / "ledger.sqlite")
    assert run(come_back, path=tmp_path / "ledger.sqlite") == 0


@using()
async def test_who_comes_back_while_the_reply_is_on_the_wire_does_not_ask_again(
    model: Model, provider: Scripted
) -> None:
    await left_on_the_wire(model, provider)
    second = begun(said(model))
    await asyncio.sleep(0)
    provider.gate.set()
    assert await second == "Hi"
    assert len(provider.asked) == 1


@using(Rejected("no"))
async def test_who_asks_at_the_moment_at_which_a_call_fails_is_answered(model: Model, provider: Scripted) -> None:
    again: list[asyncio.Task[str]] = []
    send = provider.send

    async def sending(request: Request) -> RawReply:
        try:
            return await send(request)
        finally:
            if not again:  # begins after the call has ended, and before its asker is told
                asyncio.get_running_loop().call_soon(lambda: again.append(begun(said(model))))

    provider.send = sending  # type: ignore[method-assign]
    with pytest.raises(Rejected):
        await said(model)
    assert await again[0] == "Hi"


@using()
async def test_an_outage_that_nobody_reports_fills_no_memory(model: Model, provider: Scripted) -> None:
    """An error holds the frames that it went through, and these hold the request."""
    provider.script += [Transient("here: away", kind="server") for _ in range(3)]
    kept = [weakref.ref(fault) for fault in provider.script]
    await said(model)
    gc.collect()
    assert [fault() for fault in kept] == [None] * 3
    assert model.calls.retries() == ["here: away; 3 calls are being retried, the furthest at attempt 4 of 8"]


@using(Transient("busy", retry_after=600.0))
async def test_when_everything_is_stopped_a_call_that_fails_then_does_not_wait_to_be_asked_again(
    model: Model, provider: Scripted
) -> None:
    provider.gate.clear()
    asker = begun(said(model))
    await until(lambda: bool(provider.asked))
    model.calls.stop(Paused("enough"))
    provider.gate.set()
    async with asyncio.timeout(20):
        with pytest.raises(Paused, match="enough"):
            await asker


def test_a_reply_that_cannot_be_stored_is_not_read(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"

    async def use(model: Model, provider: Scripted) -> None:
        with closing(sqlite3.connect(ledger)) as other:
            other.execute("CREATE TRIGGER full BEFORE INSERT ON reply BEGIN SELECT RAISE(ABORT, 'full'); END")
        with pytest.raises(LedgerError, match=f"{ledger}: the ledger cannot be written: full"):
            await said(model)
        refused.append("the reply")

    refused: list[str] = []
    with pytest.raises(LedgerError, match="cannot be written"):  # closing says again that the ledger is behind
        run(use, path=ledger)
    assert refused


def test_what_is_still_on_the_wire_at_the_end_is_broken_off_and_stays_open_in_the_ledger(tmp_path: Path) -> None:
    async def use(model: Model, provider: Scripted) -> None:
        assert await said(model, "paid") == "paid"
        provider.gate.clear()
        asker = begun(said(model, "late"))
        await until(lambda: len(provider.asked) == 2)
        await model.calls.drain(0.01)
        assert not asker.done()
        assert await model.calls.close() == 1
        with pytest.raises(asyncio.CancelledError):
            await asker
        with pytest.raises(LedgerError, match="closed"):
            await said(model, "new")
        provider.gate.set()

    run(use, path=tmp_path / "ledger.sqlite")
    with Reader(tmp_path / "ledger.sqlite") as found:
        assert (len(found.open_attempts()), len(found)) == (1, 1)


@in_loop
async def test_two_entries_of_one_endpoint_keep_to_the_stricter_of_each_limit() -> None:
    with Ledger() as ledger:
        calls = Calls(ledger)
        first = calls.endpoint("here", "m", Limits(concurrency=4, requests_per_minute=600))
        assert calls.endpoint("here", "m", Limits(concurrency=2, requests_per_minute=6000)) is first
        assert calls.endpoint("here", "other", Limits(concurrency=9)).window == 9
        assert calls.endpoint("here", "m", Limits()).window == 2


@using(*(Transient("busy", kind="rate", retry_after=wait) for wait in (3600.0, 60.0)), max_wait=900.0)
async def test_a_wait_that_a_server_asks_of_one_call_is_shown_and_does_not_end_the_run(
    model: Model, provider: Scripted
) -> None:
    with pytest.raises(Transient):
        await said(model)
    assert model.calls.troubles() == []
    waiting = begun(said(model, "another"))
    while not model.calls.troubles():
        await asyncio.sleep(0.01)
    assert re.search("waits (60|59) s", model.calls.troubles()[0])
    assert await said(model, "a third") == "a third"
    waiting.cancel()


@using(max_wait=900.0)
async def test_a_call_that_is_refused_for_what_it_is_holds_up_no_other(model: Model, provider: Scripted) -> None:
    """As a prompt that alone takes more tokens than the server allows in a minute."""
    provider.refused = "too large"
    doomed = begun(said(model, "too large"))
    while model.calls.sent < 8:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(20):
        assert len(await asyncio.gather(*(said(model, f"question {number}") for number in range(50)))) == 50
    assert not doomed.done()
    doomed.cancel()


async def paid_for(provider: Scripted, *, is_broken_off: bool = False) -> tuple[Budget, list[str]]:
    """What a call that fails has cost, and the requests that the ledger has as open."""
    with Ledger() as ledger:
        budget = Budget()
        transport = Online(provider, Endpoint(Limits(1)), ledger, budget, Price(input=1.0, output=1.0))
        sending = begun(transport.carry(ASKED))
        await until(lambda: bool(provider.asked))
        if is_broken_off:
            assert budget.reserved > 0
            sending.cancel()
        await asyncio.wait([sending])
        assert budget.reserved == 0
        return budget, [one.request for one in ledger.open_attempts()]


@in_loop
async def test_a_call_that_is_broken_off_on_the_wire_counts_as_paid_and_stays_open_in_the_ledger() -> None:
    provider = Scripted()
    provider.gate.clear()
    budget, left_open = await paid_for(provider, is_broken_off=True)
    assert budget.spent == budget.possibly_paid > 0
    assert left_open == [ASKED.id]


@pytest.mark.parametrize("kind", get_args(FaultKind))
@in_loop
async def test_a_fault_after_which_the_vendor_may_bill_counts_as_paid_and_no_other(kind: FaultKind) -> None:
    budget, _ = await paid_for(Scripted(Transient("no reply", kind=kind)))
    may_be_paid = kind in ("transport", "deadline", "unreadable", "empty")
    assert (budget.spent > 0, budget.possibly_paid > 0) == (may_be_paid, may_be_paid)


SYSTEM = Message(role="system", content="Be brief.")
ASKED = Request(provider="openai", host="127.0.0.1:8000/v1", model="m", messages=(SYSTEM, *user("Hi")))
OTHERS: dict[str, Any] = {
    "provider": "anthropic",
    "host": "127.0.0.1:8001/v1",
    "model": "n",
    "messages": user("Hi"),
    "tools": ({"name": "look"},),
    "chat_template_kwargs": {"enable_thinking": False},
    "sampling": Sampling(temperature=0.5),
    "choices": ("A", "B"),
    "prefill": "The better answer is",
    "scored": "Paris.",
    "answer_schema": {"type": "object"},
    "sample": 1,
}


@pytest.mark.parametrize("field", sorted(Request.model_fields.keys() - {"shared"}))
def test_whatever_changes_an_answer_names_another_question_and_a_hint_does_not(field: str) -> None:
    assert ASKED.model_copy(update={field: OTHERS[field]}).id != ASKED.id == ASKED.model_copy(update={"shared": 3}).id


@using(attempts=1, concurrency=1)
async def test_time_in_the_queue_is_no_part_of_a_calls_deadline(model: Model, provider: Scripted) -> None:
    provider.gate.clear()
    first = begun(said(model, "first"))
    await until(lambda: provider.at_once == 1)  # on the wire without a deadline, it holds the only slot
    provider.deadline = 0.02
    second = begun(said(model, "second"))
    await asyncio.sleep(0.1)  # five times as long as the second may take once it is sent
    assert len(provider.asked) == 1
    provider.gate.set()
    assert list(await asyncio.gather(first, second)) == ["first", "second"]
