"""The way out: nothing asked twice, passing faults retried, deadlines kept, askers free to leave."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.calls import Calls, Model, Reply, Request, flow
from amendment.errors import CredentialsError, LedgerError, ProviderError, Rejected, Transient
from amendment.ledger import Ledger
from amendment.records import Message, Sampling, user


class Scripted:
    """A provider that echoes the question, after the faults that stand in `script`; it can be held back."""

    kind = "simulated"
    host = "here"
    shows_choices = False
    deadline: float | None = None

    def __init__(self, *script: ProviderError | None) -> None:
        self.script = list(script)
        self.asked: list[Request] = []
        self.unreadable = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_once = self.most_at_once = 0

    async def send(self, request: Request) -> bytes:
        self.asked.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        fault = self.script.pop(0) if self.script else None
        if fault:
            raise fault
        return str(request.messages[0].content).encode()

    def read(self, raw: bytes, request: Request) -> Reply:
        if self.unreadable:
            self.unreadable -= 1
            raise Transient("cut")
        return Reply(messages=(Message(role="assistant", content=raw.decode()),))

    async def close(self) -> None: ...


def run(
    use: Callable[[Model, Scripted], Awaitable[Any]],
    *script: ProviderError | None,
    path: Path | None = None,
    concurrency: int = 8,
    **settings: Any,
) -> Any:
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


async def said(model: Model, text: str = "Hi", **fields: Any) -> str:
    return str((await model.ask(user(text), **fields)).reply.messages[0].content)


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0)


def test_the_same_question_is_asked_once_in_a_run_and_over_runs(tmp_path: Path) -> None:
    async def use(model: Model, provider: Scripted) -> int:
        assert [await said(model), await said(model)] == ["Hi", "Hi"]
        return len(provider.asked)

    assert run(use, path=tmp_path / "ledger.sqlite") == 1
    assert run(use, path=tmp_path / "ledger.sqlite") == 0


def test_equal_questions_in_flight_share_one_call() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        assert await asyncio.gather(*(said(model) for _ in range(5))) == ["Hi"] * 5
        assert len(provider.asked) == 1
        assert model.calls.sent == 1

    run(use)


def test_repeated_draws_and_other_settings_are_other_questions() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        await said(model)
        await said(model, sample=1)
        await said(model, sampling={"temperature": 0.5})
        await said(model, choices=("A", "B"))
        assert len({request.id for request in provider.asked}) == 4

    run(use)


def test_an_overriding_setting_is_checked_and_named_like_one_of_the_models_own() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        await said(model, sampling={"temperature": 0, "stop": ["\n"]})
        assert provider.asked[0].sampling == Sampling(temperature=0.0, stop=("\n",), seed=7)
        await said(model, sampling={"temperature": 0.0, "stop": ("\n",)})
        assert len(provider.asked) == 1
        with pytest.raises(ValueError, match="temperature"):
            await said(model, sampling={"temperature": -1})

    run(use)


def test_an_answer_says_where_it_came_from() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        origin = (await model.ask(user("Hi"))).origin
        assert (origin.model, origin.host, origin.request) == ("m", "here", provider.asked[0].id)

    run(use)


def test_passing_faults_are_retried() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        assert await said(model) == "Hi"
        assert len(provider.asked) == 3

    run(use, Transient("busy"), Transient("busy", retry_after=0.001))


def test_retries_end_and_the_last_fault_is_raised() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        with pytest.raises(Transient, match="third"):
            await said(model)
        assert len(provider.asked) == 3

    run(use, Transient("first"), Transient("second"), Transient("third"), attempts=3)


@pytest.mark.parametrize("fault", [Rejected("too long"), CredentialsError("no key")])
def test_final_faults_are_raised_at_once(fault: ProviderError) -> None:
    async def use(model: Model, provider: Scripted) -> None:
        with pytest.raises(type(fault)):
            await said(model)
        assert len(provider.asked) == 1

    run(use, fault)


def test_a_waiting_retry_holds_no_slot() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        first = asyncio.ensure_future(said(model, "first"))
        await until(lambda: not provider.script)
        assert await said(model, "second") == "second"
        assert not first.done()
        first.cancel()

    run(use, Transient("busy", retry_after=600.0), concurrency=1)


def test_no_more_calls_are_on_the_wire_than_there_are_slots() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        provider.gate.clear()
        askers = [asyncio.ensure_future(said(model, f"{i}")) for i in range(20)]
        await until(lambda: provider.at_once == 3)
        provider.gate.set()
        await asyncio.gather(*askers)
        assert provider.most_at_once == 3

    run(use, concurrency=3)


def test_a_call_past_its_deadline_is_a_passing_fault() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        provider.deadline = 0.01
        provider.gate.clear()
        with pytest.raises(Transient, match=r"here: no reply within 0\.01 s"):
            await said(model)
        provider.gate.set()
        provider.deadline = None
        assert await said(model) == "Hi"  # and its slot is free again

    run(use, attempts=2, concurrency=1)


def test_an_unreadable_reply_is_kept_and_asked_for_again(tmp_path: Path) -> None:
    async def use(model: Model, provider: Scripted) -> int:
        provider.unreadable = 1
        assert await said(model) == "Hi"
        return len(model.calls.ledger)

    assert run(use, path=tmp_path / "ledger.sqlite") == 2
    assert run(use, path=tmp_path / "ledger.sqlite") == 3  # at the restart, too


def test_an_asker_who_leaves_does_no_harm_to_the_other() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        provider.gate.clear()
        leaving, staying = (asyncio.ensure_future(said(model)) for _ in range(2))
        await until(lambda: bool(provider.asked))
        leaving.cancel()
        await asyncio.sleep(0)
        provider.gate.set()
        assert await staying == "Hi"
        assert leaving.cancelled()
        assert len(provider.asked) == 1

    run(use)


def test_a_fault_that_nobody_waits_for_any_more_is_silent() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        provider.gate.clear()
        asker = asyncio.ensure_future(said(model))
        await until(lambda: bool(provider.asked))
        asker.cancel()
        await asyncio.sleep(0)
        provider.gate.set()

    run(use, CredentialsError("no key"))


def test_a_reply_on_the_wire_is_kept_when_everybody_left(tmp_path: Path) -> None:
    async def leave(model: Model, provider: Scripted) -> None:
        provider.gate.clear()
        asker = asyncio.ensure_future(said(model))
        await until(lambda: bool(provider.asked))
        asker.cancel()
        await asyncio.sleep(0)
        provider.gate.set()

    async def come_back(model: Model, provider: Scripted) -> int:
        assert await said(model) == "Hi"
        return len(provider.asked)

    run(leave, path=tmp_path / "ledger.sqlite")
    assert run(come_back, path=tmp_path / "ledger.sqlite") == 0


def test_who_comes_back_while_the_reply_is_on_the_wire_does_not_ask_again() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        provider.gate.clear()
        first = asyncio.ensure_future(said(model))
        await until(lambda: bool(provider.asked))
        first.cancel()
        await asyncio.sleep(0)
        second = asyncio.ensure_future(said(model))
        await asyncio.sleep(0)
        provider.gate.set()
        assert await second == "Hi"
        assert len(provider.asked) == 1

    run(use)


def test_when_everybody_left_nothing_new_is_sent() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        provider.gate.clear()
        askers = [asyncio.ensure_future(said(model, f"{i}")) for i in range(5)]
        await until(lambda: bool(provider.asked))
        for asker in askers:
            asker.cancel()
        await asyncio.gather(*askers, return_exceptions=True)
        provider.gate.set()
        await model.calls.drain()
        assert len(provider.asked) == 1
        assert await said(model, "later") == "later"  # and the slot is free

    run(use, concurrency=1)


def test_a_reply_that_cannot_be_stored_is_not_read() -> None:
    async def use(model: Model, provider: Scripted) -> None:
        database = model.calls.ledger._db
        database.execute("CREATE TRIGGER full BEFORE INSERT ON reply BEGIN SELECT RAISE(ABORT, 'full'); END")
        with pytest.raises(LedgerError, match="cannot be written"):
            await said(model)
        model.calls.ledger._waiting.clear()

    run(use)


def test_a_flow_keeps_the_order_and_the_window() -> None:
    begun: list[int] = []
    finished: list[int] = []

    async def work(item: int) -> int:
        begun.append(item)
        assert len(begun) - len(finished) <= 3
        for _ in range((7 * item) % 5):
            await asyncio.sleep(0)
        finished.append(item)
        return item * item

    assert asyncio.run(flow(range(20), work, window=3)) == [item * item for item in range(20)]
    assert finished != sorted(finished)


def test_a_flow_of_nothing_is_nothing() -> None:
    async def work(item: int) -> int:
        return item

    assert asyncio.run(flow([], work, window=4)) == []


def test_the_first_error_of_a_flow_stops_the_rest() -> None:
    begun: list[int] = []

    async def work(item: int) -> None:
        begun.append(item)
        await asyncio.sleep(0)
        if item == 2:
            raise CredentialsError("no key")

    with pytest.raises(CredentialsError):
        asyncio.run(flow(range(1000), work, window=3))
    assert len(begun) < 20
