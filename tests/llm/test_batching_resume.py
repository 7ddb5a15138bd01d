"""Batches that outlive the process that handed them in."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter

from amendment.errors import CredentialsError
from amendment.llm import batching
from amendment.llm.budget import Budget
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.prices import Price, PriceTable
from amendment.llm.specs import OpenAISpec
from amendment.records import user
from amendment.run.money import open_budget
from tests.llm import killed_batches
from tests.llm.scripted import in_loop
from tests.vendors.askers import Asked, ask_batched, batched_model, entry, said
from tests.vendors.batches import BatchVendor
from tests.vendors.server import FaultServer
from tests.vendors.troubles import never, status

QUESTIONS = [f"What is {number} and one?" for number in range(6)]
PROTOCOLS = pytest.mark.parametrize("protocol", ["chat", "messages"])
DAY = 86400.0


def leave(
    server: FaultServer, protocol: str, ledger: Path, until: Callable[[], bool], *, questions: list[str] = QUESTIONS
) -> list[str]:
    """Hand questions in, and stop asking as soon as something holds; what is out, and the notices."""

    async def main() -> list[str]:
        with Ledger(ledger) as held:
            calls = Calls(held, longest_wait=0.01)
            model, transport = batched_model(server, protocol, calls)
            asking = [asyncio.ensure_future(model.ask(user(text))) for text in questions]
            async with asyncio.timeout(20):
                while not until():
                    await asyncio.sleep(0.005)
            long_waits = transport.long_waits
            for task in asking:
                task.cancel()
            await calls.drain()
            await model.provider.close()
            return [*long_waits, *calls.notices]

    return asyncio.run(main())


def left(server: FaultServer, protocol: str, folder: Path) -> tuple[BatchVendor, Path]:
    """A batch of all questions that is out and left, at a vendor who never ends it; the vendor and the ledger."""
    vendor = BatchVendor(server)
    vendor.polls_to_end = 10**9
    leave(server, protocol, folder / "ledger.sqlite", vendor.is_polled)
    return vendor, folder / "ledger.sqlite"


def assert_home(vendor: BatchVendor, asked: Asked) -> None:
    """All replies are in, each was paid once, and nothing is left open."""
    assert all(said(found) for found in asked.found)
    assert list(vendor.paid.values()) == [1] * len(asked.found)
    assert vendor.violations == []
    assert asked.left_open == 0


@PROTOCOLS
def test_a_batch_that_was_left_is_picked_up_by_the_next_process(
    server: FaultServer, protocol: str, tmp_path: Path
) -> None:
    vendor = BatchVendor(server)
    vendor.polls_to_end = 10**9
    notices = leave(server, protocol, tmp_path / "ledger.sqlite", vendor.is_polled)
    assert [notice.endswith("0 of 6 requests are done") for notice in notices] == [True, False]
    assert "with 6 requests is still being worked on" in notices[1]
    assert "run again to pick it up" in notices[1]
    vendor.polls_to_end = 1
    asked = ask_batched(server, protocol, QUESTIONS, ledger=tmp_path / "ledger.sqlite")
    assert_home(vendor, asked)
    assert len(vendor.made) == 1
    assert asked.sent == 0


@PROTOCOLS
def test_leaving_while_a_batch_is_handed_in_waits_for_its_name(
    server: FaultServer, protocol: str, tmp_path: Path
) -> None:
    vendor = BatchVendor(server)
    server.latency = 0.2
    leave(
        server,
        protocol,
        tmp_path / "ledger.sqlite",
        lambda: any(ask.method == "POST" for ask in list(server.asks.values())),
    )
    with Ledger(tmp_path / "ledger.sqlite") as held:
        assert [batch.remote for batch in held.batches()] == list(vendor.made)
    server.latency = 0.0
    assert_home(vendor, ask_batched(server, protocol, QUESTIONS, ledger=tmp_path / "ledger.sqlite"))


@PROTOCOLS
def test_a_batch_of_another_key_is_never_asked_anew(server: FaultServer, protocol: str, tmp_path: Path) -> None:
    vendor, ledger = left(server, protocol, tmp_path)
    vendor.made.clear()
    found = ask_batched(server, protocol, QUESTIONS, ledger=ledger)
    assert all(isinstance(one, CredentialsError) for one in found.found)
    assert "Use the same key as then" in str(found.found[0])
    assert vendor.made == {}
    assert found.left_open == 1


def test_results_that_are_gone_after_a_month_are_asked_anew_and_said_aloud(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, ledger = left(server, "messages", tmp_path)
    vendor.made.clear()
    vendor.polls_to_end = 1
    monkeypatch.setattr(batching, "time", SimpleNamespace(time=lambda: time.time() + 29 * DAY))
    asked = ask_batched(server, "messages", QUESTIONS, ledger=ledger)
    assert_home(vendor, asked)
    assert any("6 requests that may be paid are asked again" in notice for notice in asked.notices)


def test_two_entries_of_one_model_never_have_one_request_in_two_batches(server: FaultServer, tmp_path: Path) -> None:
    vendor, ledger = left(server, "chat", tmp_path)

    async def main() -> list[str]:
        with Ledger(ledger) as held:
            calls = Calls(held, longest_wait=0.01)
            first, _ = batched_model(server, "chat", calls)
            second, _ = batched_model(server, "chat", calls)
            new = asyncio.ensure_future(first.ask(user("new")))
            while len(vendor.made) < 2:  # the first model has taken up what was left, and handed in its own
                await asyncio.sleep(0.005)
            old = [second.ask(user(text)) for text in (*QUESTIONS, "new")]
            vendor.polls_to_end = 1
            answers = await asyncio.gather(new, *old)
            await calls.drain()
            await first.provider.close()
            await second.provider.close()
            assert held.batches() == []
            return [said(answer.reply) for answer in answers]

    assert len(asyncio.run(main())) == 8
    assert [len(made.lines) for made in vendor.made.values()] == [6, 1]
    assert set(vendor.paid.values()) == {1}
    assert vendor.violations == []


PRICE = Price(input=10.0, output=100.0, batch_discount=0.5, max_output=50)


def opened(server: FaultServer, ledger: Path, usd: float | None = None) -> Budget:
    """The budget of the next start."""
    spec = TypeAdapter(OpenAISpec).validate_python(entry(server, "chat"))
    with Ledger(ledger) as held:
        return open_budget(usd, held, {"m": spec}, {"m": PRICE}, PriceTable())


def test_a_batch_that_is_out_is_read_however_little_money_is_left(server: FaultServer, tmp_path: Path) -> None:
    vendor, ledger = left(server, "chat", tmp_path)
    vendor.polls_to_end = 1
    budget = opened(server, ledger, 1e-6)
    asked = ask_batched(server, "chat", [*QUESTIONS, *QUESTIONS], ledger=ledger, budget=budget, price=PRICE)
    assert all(said(found) for found in asked.found)
    assert set(vendor.paid.values()) == {1}
    assert len(vendor.made) == 1


@in_loop
async def test_who_asks_again_after_a_refused_key_gets_the_reply_of_the_batch_that_is_out(server: FaultServer) -> None:
    vendor = BatchVendor(server)
    server.plan = lambda ask: status(401) if ask.method == "GET" else None
    with Ledger() as held:
        calls = Calls(held, budget=Budget(1.0))
        model, _ = batched_model(server, "chat", calls, price=PRICE, max_tokens=50)
        with pytest.raises(CredentialsError):
            await model.ask(user("Hello"))
        server.plan = never
        assert said((await model.ask(user("Hello"))).reply)
        assert calls.budget.reserved == 0
        assert calls.budget.spent == pytest.approx(sum(row.usd for row in held.spending()))
        await calls.drain()
        await model.provider.close()
    assert set(vendor.paid.values()) == {1}
    assert len(vendor.made) == 1


FEW = ["before it is made", "made", "half read"]
"""The most telling places; all others are for the long tests."""


@pytest.mark.parametrize(
    "steps", [FEW, pytest.param([step for step in killed_batches.STEPS if step not in FEW], marks=pytest.mark.long)]
)
def test_after_a_kill_every_reply_comes_in_and_none_is_paid_twice(tmp_path: Path, steps: list[str]) -> None:
    with FaultServer() as server:
        vendor = BatchVendor(server)
        command = [sys.executable, "-m", "tests.llm.killed_batches", server.origin, str(tmp_path), *steps]
        dying = subprocess.run(
            command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False
        )
        assert (dying.returncode, dying.stdout, dying.stderr) == (0, "", "")
        for protocol in killed_batches.PROTOCOLS:
            for step in steps:
                ledger = tmp_path / f"{protocol} {step}" / "ledger.sqlite"
                asked = ask_batched(server, protocol, killed_batches.questions_of(protocol, step), ledger=ledger)
                assert all(said(found) for found in asked.found), step
                # where all replies are in, nobody looks at the batch again before there is something to ask
                assert asked.left_open == (step == "read"), step
        assert len(vendor.paid) == len(killed_batches.PROTOCOLS) * len(steps) * 5
        assert set(vendor.paid.values()) == {1}
        assert set(vendor.asked.values()) == {1}
        assert vendor.violations == []
