"""What earlier starts of a run have spent, counted by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import TypeAdapter

from amendment.calls import Price, Request
from amendment.ledger import BatchCall, Ledger
from amendment.pipeline.funds import open_budget, spent_before
from amendment.providers import ModelSpec
from amendment.records import Sampling, user

HOST = "shop.example/v1"
FAR: ModelSpec = TypeAdapter(ModelSpec).validate_python(
    {"provider": "openai", "model": "m", "base_url": f"https://{HOST}", "api_key_env": None}
)
PRICE = Price(input=0, output=2)


def asked(text: str, *, model: str = "m") -> Request:
    sampling = Sampling(max_tokens=50)
    return Request(provider="openai", host=HOST, model=model, messages=user(text), sampling=sampling)


def test_calls_that_may_have_been_paid_for_count_at_their_worst_and_others_not(tmp_path: Path) -> None:
    async def lose(ledger: Ledger) -> None:
        ends = {"killed": None, "late": "deadline", "busy": "rate", "never left": "unsent", "no price": None}
        for text, fault in ends.items():
            request = asked(text, model="other" if text == "no price" else "m")
            number = await ledger.begin(request.id, request.body, host=HOST, model=request.model, stage="critique")
            if fault:
                ledger.fail(number, fault)

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        asyncio.run(lose(ledger))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        # the killed one and the late one: 2 x 50 tokens at 2 USD a million
        assert spent_before(ledger, {"far": FAR}, {"far": PRICE}) == 2 * 50 * 2 / 1_000_000
        assert spent_before(ledger, {"far": FAR}, {"far": None}) == 0


HALF = Price(input=0, output=2, batch_discount=0.5)


def test_lines_of_batches_count_at_the_price_of_a_batch_and_those_still_out_for_the_budget_alone(
    tmp_path: Path,
) -> None:
    async def lose(ledger: Ledger) -> None:
        for shard, is_done in (("gone", True), ("out", False)):
            calls = [
                BatchCall(one.id, one.body, HOST, "m", "critique") for one in (asked(f"{shard} {i}") for i in range(3))
            ]
            batch = await ledger.open_batch(shard, calls)
            first, *_ = batch.attempts.values()
            ledger.fail(first, "server")  # which nobody pays
            if is_done:
                await ledger.close_batch(batch.number, "gone")

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        asyncio.run(lose(ledger))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        # two lines that are lost: 2 x 50 tokens at 1 USD a million; and two that are out
        assert spent_before(ledger, {"far": FAR}, {"far": HALF}) == 2 * 50 * 1 / 1_000_000
        assert open_budget(None, ledger, {"far": FAR}, {"far": HALF}).spent == 4 * 50 * 1 / 1_000_000
