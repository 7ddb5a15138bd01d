"""Many questions under seeded faults that pass: what a run must never lose, change or pay for twice.

The fault-free answers come from the same server; replies that a vendor bills and that never reached us are the only
ones that may be paid for again.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import BudgetReached
from amendment.llm.budget import Budget
from amendment.llm.prices import Price
from amendment.llm.requests import Reply
from amendment.simulator import sample_prompts
from tests.vendors.askers import PROTOCOLS, ask_all, said
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, Fault, passing, seeded
from tests.vendors.wire import Ask

ATTEMPTS = 8
TIMES = 3
"""A fault passes after a question has met it so often."""
QUESTIONS = [prompt.text for prompt in sample_prompts(80, 3)]


def replies_in(path: Path) -> list[tuple[Any, ...]]:
    """Every reply of a ledger, whole."""
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT * FROM reply ORDER BY attempt").fetchall()
    finally:
        db.close()


def n_open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def whole_answers(server: FaultServer) -> dict[str, int]:
    """The number of billed answers that arrived intact, by question."""
    server.settle()
    return {key: server.paid[key] - server.lost[key] for key in server.received}


SCHEDULES = [
    *((seed, protocol) for seed, protocol in enumerate(PROTOCOLS)),
    *(pytest.param(seed, protocol, marks=pytest.mark.long) for seed in range(3, 33) for protocol in PROTOCOLS),
]
"""Seeds of faults, and the protocol that they meet."""


@pytest.mark.parametrize(("seed", "protocol"), SCHEDULES)
def test_no_schedule_of_passing_faults_loses_changes_or_doubles_an_answer(
    server: FaultServer, protocol: str, seed: int, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite"
    undisturbed = [said(reply) for reply in ask_all(server, protocol, QUESTIONS)]
    assert len(set(undisturbed)) > 60, "answers that tell questions apart"
    server.forget()
    server.plan = seeded(seed, passing(0.2), times=TIMES)
    before = n_open_files()
    replies = ask_all(server, protocol, QUESTIONS, ledger=path, attempts=ATTEMPTS)
    assert [said(reply) for reply in replies] == undisturbed
    assert set(whole_answers(server).values()) == {1}
    assert len(server.received) == len(QUESTIONS)
    assert server.received.total() > len(QUESTIONS) + 3, "there were faults"
    assert max(server.received.values()) <= TIMES + 1
    assert server.most_at_once <= 64
    assert n_open_files() <= before + 2, "connections and ledger are closed"

    kept = replies_in(path)
    server.forget()
    again = ask_all(server, protocol, QUESTIONS, ledger=path)
    assert [said(reply) for reply in again] == undisturbed
    assert server.received.total() == 0
    assert replies_in(path) == kept


@pytest.mark.parametrize(("seed", "protocol"), SCHEDULES)
def test_what_is_spent_and_reserved_is_within_the_budget_at_every_moment(
    server: FaultServer, protocol: str, seed: int, tmp_path: Path
) -> None:
    """Some 320 millionths of a dollar are set aside for a call, of which some 15 are spent, or all if it was lost."""
    price = Price(input=1.0, output=2.0)
    budget = Budget(0.0013)
    seen: list[float] = []
    faults = seeded(seed, {**passing(0.1), FAULTS["no usage"]: 0.05}, times=TIMES)

    def watched(ask: Ask) -> Fault | None:
        seen.append(budget.committed)
        return faults(ask)

    server.plan = watched
    path = tmp_path / "ledger.sqlite"
    found = ask_all(server, protocol, QUESTIONS, ledger=path, budget=budget, price=price, max_tokens=50)
    server.settle()
    assert all(isinstance(one, Reply | BudgetReached) for one in found)
    replies = [one for one in found if isinstance(one, Reply)]
    assert 0 < len(replies) < len(QUESTIONS), "the money was not enough for all, and was used"
    assert max(*seen, budget.committed) <= 0.0013
    assert budget.reserved == 0
    assert billed(server, price) <= budget.spent + 1e-12, "what the server bills for lost replies is counted, too"
    assert len(replies) == sum(whole_answers(server).values())


def billed(server: FaultServer, price: Price) -> float:
    """USD by the server's own count of tokens."""
    total = 0.0
    for key, times in server.paid.items():
        ask = server.asks[key]
        usage = server.world.by_path(ask.path)(ask.json)["usage"]
        given = usage.get("prompt_tokens", usage.get("input_tokens"))
        made = usage.get("completion_tokens", usage.get("output_tokens"))
        total += times * (given * price.input + made * price.output) / 1e6
    return total
