"""What earlier starts of a run have spent, counted by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import TypeAdapter

from amendment.llm.ledger import BatchCall, Ledger
from amendment.llm.prices import Price, PriceTable
from amendment.llm.requests import Request
from amendment.llm.specs import ModelSpec
from amendment.records import Sampling, user
from amendment.run.funds import open_budget, spent_before

HOST = "shop.example/v1"
FAR: ModelSpec = TypeAdapter(ModelSpec).validate_python(
    {"provider": "openai", "model": "m", "base_url": f"https://{HOST}", "api_key_env": None}
)
NEXT: ModelSpec = TypeAdapter(ModelSpec).validate_python(
    {"provider": "openai", "model": "n", "base_url": f"https://{HOST}", "api_key_env": None}
)
PRICE = Price(input=0, output=2)
NO_TABLE = PriceTable()


def asked(text: str, *, model: str = "m") -> Request:
    sampling = Sampling(max_tokens=50)
    return Request(provider="openai", host=HOST, model=model, messages=user(text), sampling=sampling)


def test_calls_that_may_have_been_paid_for_count_at_their_worst_and_others_not(tmp_path: Path) -> None:
    async def lose(ledger: Ledger) -> None:
        ends = {"killed": None, "late": "deadline", "busy": "rate", "never left": "unsent"}
        for text, fault in ends.items():
            request = asked(text)
            number = await ledger.begin(request.id, request.body, host=HOST, model=request.model, stage="critique")
            if fault:
                ledger.fail(number, fault)

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        asyncio.run(lose(ledger))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        # the killed one and the late one: 2 x 50 tokens at 2 USD a million
        assert spent_before(ledger, {"far": FAR}, {"far": PRICE}, NO_TABLE) == 2 * 50 * 2 / 1_000_000
        assert spent_before(ledger, {"far": FAR}, {"far": None}, NO_TABLE) == 0


def killed(folder: Path, request: Request) -> Ledger:
    """A ledger in which one call was under way when its process was killed."""
    with Ledger(folder / "ledger.sqlite") as ledger:
        asyncio.run(ledger.begin(request.id, request.body, host=request.host, model=request.model, stage="critique"))
    return Ledger(folder / "ledger.sqlite")


def test_lost_calls_to_a_model_that_has_left_the_run_file_count_at_the_tables_price_or_else_the_dearest(
    tmp_path: Path,
) -> None:
    (tmp_path / "prices.yaml").write_text(f"prices: [{{host: {HOST}, models: {{gone: {{input: 0, output: 7}}}}}}]\n")
    models, prices = {"far": FAR, "dear": NEXT}, {"far": PRICE, "dear": Price(input=0, output=30)}
    with killed(tmp_path, asked("one", model="gone")) as ledger:
        # 50 tokens at 7 USD a million
        known = PriceTable.read(tmp_path / "prices.yaml")
        assert spent_before(ledger, models, prices, known) == 50 * 7 / 1_000_000
        # at 30, which is more than 2
        assert spent_before(ledger, models, prices, NO_TABLE) == 50 * 30 / 1_000_000
        # nobody knows any price
        assert spent_before(ledger, models, {"far": None, "dear": None}, NO_TABLE) == 0


def test_lost_calls_inside_this_process_cost_nothing(tmp_path: Path) -> None:
    request = asked("one").model_copy(update={"host": "local"})
    with killed(tmp_path, request) as ledger:
        assert spent_before(ledger, {"far": FAR}, {"far": PRICE}, NO_TABLE) == 0


def test_of_two_entries_that_name_one_model_the_dearer_counts(tmp_path: Path) -> None:
    with killed(tmp_path, asked("one")) as ledger:
        for first, second in ((2, 5), (5, 2)):
            prices = {"far": Price(input=0, output=first), "again": Price(input=0, output=second)}
            assert spent_before(ledger, {"far": FAR, "again": FAR}, prices, NO_TABLE) == 50 * 5 / 1_000_000


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
        assert spent_before(ledger, {"far": FAR}, {"far": HALF}, NO_TABLE) == 2 * 50 * 1 / 1_000_000
        assert open_budget(None, ledger, {"far": FAR}, {"far": HALF}, NO_TABLE).spent == 4 * 50 * 1 / 1_000_000
