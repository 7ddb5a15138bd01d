"""The ledger against a plain dictionary, over any order of calls, batches, crashes and reopenings."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from amendment.llm.ledger import Ledger
from tests.llm.ledger_calls import HOST, MODEL, NOTHING, batch_call, begin

names = st.sampled_from([f"r{i}" for i in range(6)])


class LedgerMachine(RuleBasedStateMachine):
    """`asked`, `replies` and `faults` are what every ledger must say, by attempt; `shards` are the open batches."""

    attempts = Bundle("attempts")
    batches = Bundle("batches")

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folders = [Path(tempfile.mkdtemp())]
        self.ledger = Ledger(self.path)
        self.asked: dict[int, str] = {}
        self.replies: dict[int, bytes] = {}
        self.faults: dict[int, str] = {}
        self.shards: dict[int, tuple[str, str | None]] = {}

    @property
    def path(self) -> Path:
        return self.folders[-1] / "ledger.sqlite"

    @rule(target=attempts, name=names)
    def begin(self, name: str) -> int:
        number = self.loop.run_until_complete(begin(self.ledger, name))
        assert number not in self.asked
        self.asked[number] = name
        return number

    @rule(attempt=attempts, raw=st.binary(max_size=50))
    def commit(self, attempt: int, raw: bytes) -> None:
        self.loop.run_until_complete(self.ledger.commit(attempt, raw, NOTHING))
        self.replies.setdefault(attempt, raw)

    @rule(attempt=attempts, fault=st.sampled_from(["rate", "server", "unsent"]))
    def fail(self, attempt: int, fault: str) -> None:
        self.ledger.fail(attempt, fault)
        self.faults.setdefault(attempt, fault)
        self.loop.run_until_complete(begin(self.ledger, "after"))  # on disk with the next group
        self.asked[max([0, *self.asked]) + 1] = "after"

    @rule(target=batches, some=st.lists(names, min_size=1, unique=True))
    def open_batch(self, some: list[str]) -> int:
        shard = f"shard{len(self.asked)}"
        batch = self.loop.run_until_complete(self.ledger.open_batch(shard, [batch_call(name) for name in some]))
        number = batch.number
        first = max([0, *self.asked]) + 1
        self.asked |= {first + i: name for i, name in enumerate(some)}
        self.shards[number] = (shard, None)
        return number

    @rule(batch=batches)
    def name_batch(self, batch: int) -> None:
        self.loop.run_until_complete(self.ledger.name_batch(batch, f"remote{batch}"))
        if batch in self.shards:
            self.shards[batch] = (self.shards[batch][0], f"remote{batch}")

    @rule(batch=consumes(batches))
    def close_batch(self, batch: int) -> None:
        self.loop.run_until_complete(self.ledger.close_batch(batch, "completed"))
        self.shards.pop(batch, None)

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.path)

    @rule()
    def crash(self) -> None:
        """The files as they lie on disk at this moment, in another folder, as after a kill."""
        self.folders.append(Path(tempfile.mkdtemp()))
        for file in self.ledger.path.parent.glob("ledger.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, self.folders[-1])
        self.ledger.close()
        self.ledger = Ledger(self.path)

    @invariant()
    def it_says_what_the_dictionary_says(self) -> None:
        assert len(self.ledger) == len(self.replies)
        for name in {*self.asked.values(), "absent"}:
            replied = [number for number, asked in self.asked.items() if asked == name and number in self.replies]
            assert self.ledger.find(name) == (self.replies[max(replied)] if replied else None)
        assert [one.number for one in self.ledger.open_attempts()] == [
            number for number in sorted(self.asked) if number not in self.replies and number not in self.faults
        ]
        assert {one.number: (one.shard, one.remote) for one in self.ledger.batches(HOST, MODEL)} == self.shards
        assert sum(spent.attempts for spent in self.ledger.spending()) == len(self.asked)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            assert self.ledger.damage() == []
            self.ledger.close()
            self.loop.close()
            for folder in self.folders:
                shutil.rmtree(folder)


class LongLedgerMachine(LedgerMachine):
    """The same, for hours of a run."""


TestAnyOrder = LedgerMachine.TestCase
TestAnyOrder.settings = settings(max_examples=10, stateful_step_count=20)
TestVeryManyOrders = pytest.mark.long(LongLedgerMachine.TestCase)
TestVeryManyOrders.settings = settings(max_examples=600, stateful_step_count=50)
