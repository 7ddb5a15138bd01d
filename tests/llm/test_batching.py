"""Requests in batches: what comes back and what is paid, whatever the vendor does."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest

from amendment.errors import AmendmentError, BudgetReached, CredentialsError, Rejected
from amendment.llm import batch_vendors
from amendment.llm.batch_vendors import BatchLimits
from amendment.llm.budget import Budget
from amendment.llm.prices import Price
from amendment.llm.requests import Reply
from tests.vendors.askers import ask_all, ask_batched, said
from tests.vendors.batches import BatchVendor, Ending
from tests.vendors.server import FaultServer
from tests.vendors.troubles import Fault, Plan, status
from tests.vendors.wire import Ask

QUESTIONS = [f"What is {number} and one?" for number in range(12)]
PROTOCOLS = pytest.mark.parametrize("protocol", ["chat", "messages"])


def texts(found: list[Reply | AmendmentError]) -> list[str]:
    return [said(one) for one in found]


@cache
def online(protocol: str) -> list[str]:
    """The replies of single calls to a server without faults."""
    with FaultServer() as undisturbed:
        return texts(ask_all(undisturbed, protocol, QUESTIONS))


def assert_paid_once(vendor: BatchVendor) -> None:
    assert list(vendor.paid.values()) == [1] * 12
    assert vendor.violations == []


def at_first(ending: Ending, *, of_three: int = 1) -> Callable[[str, int], Ending]:
    """So many of three requests end so when they come for the first time, told apart by their hashes."""
    return lambda key, nth: ending if nth == 1 and int(key[-4:], 16) % 3 < of_three else "done"


def on(path: str, fault: Fault, *, times: int = 1, method: str = "GET") -> Plan:
    """A fault for the first so many requests whose path ends so."""
    met: Counter[str] = Counter()

    def plan(ask: Ask) -> Fault | None:
        if ask.method != method or not ask.path.endswith(path):
            return None
        met[path] += 1
        return fault if met[path] <= times else None

    return plan


@PROTOCOLS
def test_answers_of_a_batch_are_those_of_single_calls(server: FaultServer, protocol: str) -> None:
    vendor = BatchVendor(server)
    asked = ask_batched(server, protocol, QUESTIONS)
    assert texts(asked.found) == online(protocol)
    assert [len(made.lines) for made in vendor.made.values()] == [12]
    assert_paid_once(vendor)
    assert (asked.sent, asked.left_open) == (12, 0)


def test_no_batch_is_larger_in_bytes_than_the_vendor_takes(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = BatchVendor(server)
    monkeypatch.setattr(batch_vendors.AnthropicBatches, "limits", BatchLimits(lines=100, bytes=600))
    long = "x" * 600
    asked = ask_batched(server, "messages", [*QUESTIONS, long])
    assert isinstance(asked.found[-1], Rejected)
    assert "longer than a whole batch" in str(asked.found[-1])
    assert texts(asked.found[:-1]) == online("messages")
    sizes = [len(ask.body) for ask in server.asks.values() if ask.path == "/v1/messages/batches" and ask.body]
    assert len(sizes) == len(vendor.made) > 1
    assert max(sizes) <= 600 + len('{"requests":[]}')


@pytest.mark.parametrize("word", ["expired", "cancelled", "failed"])
def test_paid_lines_of_an_openai_batch_that_did_not_complete_are_read(server: FaultServer, word: str) -> None:
    """One that failed for want of room has none, and is handed in again."""
    vendor = BatchVendor(server, behaviour=at_first("expired"), ends_as=(word, "completed"))
    asked = ask_batched(server, "chat", QUESTIONS)
    assert texts(asked.found) == online("chat")
    assert_paid_once(vendor)
    first, second = vendor.made.values()
    assert len(second.lines) == 12 - list(first.endings.values()).count("done") > 0


@PROTOCOLS
@pytest.mark.parametrize("ending", ["expired", "missing"])
def test_lines_that_failed_in_passing_go_into_the_next_batch(
    server: FaultServer, protocol: str, ending: Ending
) -> None:
    vendor = BatchVendor(server, behaviour=at_first(ending))
    asked = ask_batched(server, protocol, QUESTIONS)
    assert texts(asked.found) == online(protocol)
    assert_paid_once(vendor)
    assert max(vendor.asked.values()) == 2


@PROTOCOLS
@pytest.mark.parametrize("place", ["making", "polling", "reading"])
def test_faults_on_the_way_cost_nothing_twice(server: FaultServer, protocol: str, place: str) -> None:
    vendor = BatchVendor(server)
    paths = {"making": "/batches", "polling": "batch_0", "reading": "/content" if protocol == "chat" else "/results"}
    server.plan = on(
        paths[place], Fault("reset", on_wire="reset"), times=2, method="POST" if place == "making" else "GET"
    )
    asked = ask_batched(server, protocol, QUESTIONS)
    assert texts(asked.found) == online(protocol)
    assert_paid_once(vendor)
    assert asked.left_open == 0


@PROTOCOLS
def test_batches_of_one_size_are_told_apart_however_many_are_in_doubt(
    server: FaultServer, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OpenAIBatches", "AnthropicBatches"):
        monkeypatch.setattr(getattr(batch_vendors, name), "limits", BatchLimits(lines=2, bytes=10**6))
    luck = random.Random(1)
    troubles = [status(500), Fault("reset", on_wire="reset"), Fault("cut", on_wire="cut")]
    server.plan = lambda _: luck.choice(troubles) if luck.random() < 0.3 else None
    vendor = BatchVendor(server, seed=1, behaviour=at_first("expired"))
    asked = ask_batched(server, protocol, QUESTIONS, attempts=100)
    assert texts(asked.found) == online(protocol)
    assert_paid_once(vendor)


@PROTOCOLS
@pytest.mark.parametrize(
    ("ending", "error", "words"),
    [("invalid", Rejected, "no such field"), ("no credit", CredentialsError, "used up")],
    ids=["refused", "no credit"],
)
def test_a_line_that_failed_for_good_is_not_asked_again_and_paid_lines_are_stored(
    server: FaultServer, protocol: str, ending: Ending, error: type[AmendmentError], words: str
) -> None:
    vendor = BatchVendor(server, behaviour=at_first(ending))
    faults = [fault for fault in ask_batched(server, protocol, QUESTIONS).found if isinstance(fault, error)]
    assert len(faults) == 12 - len(vendor.paid) > 0
    assert words in str(faults[0])
    assert max(vendor.asked.values()) == 1


@PROTOCOLS
def test_a_server_without_batches_says_how_to_go_on(server: FaultServer, protocol: str) -> None:
    (found,) = ask_batched(server, protocol, ["Hello"]).found
    assert isinstance(found, CredentialsError)
    assert "no batch service at this address" in str(found)
    assert "mode: online" in str(found)


PRICE = Price(input=10.0, output=100.0, batch_discount=0.5)


def test_a_batch_that_could_cost_more_than_is_left_goes_out_in_parts_one_after_another(server: FaultServer) -> None:
    vendor = BatchVendor(server)
    # 12 answers of at most 50 tokens at 50 USD a million are 0.03 USD, their questions beside
    budget = Budget(0.03)
    asked = ask_batched(server, "chat", QUESTIONS, budget=budget, price=PRICE, max_tokens=50)
    assert texts(asked.found) == texts(ask_all(server, "chat", QUESTIONS, max_tokens=50))
    assert len(vendor.made) > 1
    assert set(vendor.paid.values()) == {1}
    assert 0 < asked.spent <= 0.03
    assert budget.reserved == 0


def test_a_line_that_could_cost_more_than_is_left_says_what_to_lower(server: FaultServer) -> None:
    vendor = BatchVendor(server)
    # a single answer of 50 tokens at 50 USD a million is 0.0025 USD
    asked = ask_batched(server, "chat", QUESTIONS, budget=Budget(0.002), price=PRICE, max_tokens=50)
    assert {type(one) for one in asked.found} == {BudgetReached}
    assert "lower max_tokens of the model" in str(asked.found[0])
    assert vendor.made == {}
    assert (asked.sent, asked.spent) == (0, 0.0)
