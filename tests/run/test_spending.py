"""The spending of a run: a ledger written by hand, and every figure of it counted by hand, over all starts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from amendment.llm.client import Calls
from amendment.llm.concurrency import Tally
from amendment.llm.ledger import BatchCall, Ledger
from amendment.llm.prices import Price, PriceTable
from amendment.llm.provider import Meter
from amendment.llm.requests import Request, Usage
from amendment.llm.specs import ModelSpec
from amendment.records import Sampling, user
from amendment.run import Run
from amendment.run.money import open_budget, spent_before
from amendment.run.summary import over_all_starts, spending_lines, write_spending
from tests.rows import save
from tests.run.small_runs import Said, made

HOSTILE = "\x1b[2J<script>|\u202em"
HOST = "shop.example/v1"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def asked(text: str, model: str = "m", host: str = HOST) -> Request:
    sampling = Sampling(max_tokens=50)
    return Request(provider="openai", host=host, model=model, messages=user(text), sampling=sampling)


def lost(ledger: Ledger, request: Request, *, stage: str = "critique", fault: str | None = None) -> None:
    """A call without a reply: of a process that was killed, or with a fault."""

    async def send() -> None:
        number = await ledger.begin(request.id, request.body, host=request.host, model=request.model, stage=stage)
        if fault:
            ledger.fail(number, fault)

    asyncio.run(send())


def answered(
    ledger: Ledger, text: str, *, stage: str, model: str, usage: tuple[int, int, int], usd: float | None, by: str = ""
) -> None:
    """A reply to one question; `usage` is input, output and cached tokens, `by` the model that says it answered."""
    given, written, cached = usage
    meter = Meter(Usage(input_tokens=given, output_tokens=written, cached_tokens=cached), by or model)

    async def commit() -> None:
        request = asked(text, model)
        attempt = await ledger.begin(request.id, request.body, host="h", model=model, stage=stage)
        await ledger.commit(attempt, b"{}", meter, usd=usd)

    asyncio.run(commit())


def spending(ledger: Ledger, folder: Path, pairs: int | None = None) -> dict[str, Any]:
    return write_spending(folder, Calls(ledger), pairs=pairs, possibly_paid=0.0)


def test_the_table_holds_what_was_counted_by_hand(ledger: Ledger, tmp_path: Path) -> None:
    assert spending_lines(spending(ledger, tmp_path, pairs=3)) == [], "nothing asked is no table"
    answered(ledger, "1", stage="critique", model="w", usage=(100, 10, 60), usd=0.5)
    answered(ledger, "2", stage="critique", model="w", usage=(50, 5, 0), usd=0.25)
    answered(ledger, "3", stage="judging", model="j", usage=(1000, 1, 0), usd=None)
    lost(ledger, asked("lost", "j", "h"), stage="judging")
    found = spending(ledger, tmp_path, pairs=4)
    lines = spending_lines(found)
    rows = [[text.strip() for text in line.strip("|").split(" | ")] for line in lines if line.startswith("|")]
    assert rows[2:] == [
        ["critique", "w", "2", "150", "60", "15", "0.7500", "0"],
        ["judging", "j", "1", "1,000", "0", "1", "0.0000 and 1 calls unpriced", "1"],
        ["all", "", "3", "1,150", "60", "16", "0.7500 and 1 calls unpriced", "1"],
    ]
    assert any(line.startswith("- 1 calls without a reply may have been sent") for line in lines)
    # 3 calls, 1166 tokens and 0.75 USD for 4 pairs
    assert found["for each kept pair"] == {"pairs": 4, "calls": 0.75, "tokens": 291.5, "usd": 0.1875}
    assert any(line.startswith("For each of 4 kept pairs: 0.75 calls, 291.5 tokens, 0.1875 USD") for line in lines)
    assert json.loads((tmp_path / "spending.json").read_text()) == found
    assert "for each kept pair" not in spending(ledger, tmp_path)


def test_a_name_that_two_models_answer_to_is_named_and_one_with_an_alias_is_not(ledger: Ledger, tmp_path: Path) -> None:
    for number, by in enumerate(["w-1", "w-1", "w-2"]):
        answered(ledger, str(number), stage="critique", model="w", usage=(1, 1, 0), usd=0.0, by=by)
    answered(ledger, "9", stage="judging", model="j", usage=(1, 1, 0), usd=0.0, by="j-2030")
    found = spending(ledger, tmp_path)
    assert found["other models"] == [{"host": "h", "asked": "w", "answered": {"w-1": 2, "w-2": 1}}]
    drifts = [line for line in spending_lines(found) if "not one model" in line]
    assert drifts == ["- w at h is not one model: w-1 (2), w-2 (1) answered."]


def test_no_name_steers_the_page_and_notices_of_one_start_are_not_of_all(ledger: Ledger, tmp_path: Path) -> None:
    for number, by in enumerate([HOSTILE, HOSTILE + "2"]):
        answered(ledger, str(number), stage=HOSTILE, model=HOSTILE, usage=(1, 1, 0), usd=0.0, by=by)
    calls = Calls(ledger)
    calls.notice(HOSTILE)
    calls.notice("the server has no probabilities")
    found = write_spending(tmp_path, calls, pairs=None, possibly_paid=0.0125)
    lines = spending_lines(found)
    assert all(line.isprintable() for line in lines)
    rows = [line for line in lines if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in rows}) == 1
    assert not any("<script" in line.replace(r"\<", "") for line in rows)
    of_all = spending_lines(over_all_starts(found))
    assert "- Up to 0.0125 USD may be billed for calls whose reply never came." in of_all
    assert [any("no probabilities (1 times)" in line for line in some) for some in (lines, of_all)] == [True, False]


def test_calls_that_an_earlier_start_lost_stay_in_the_books_of_the_run(tmp_path: Path, server: Any) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "question"}])
    price = "max_tokens: 50, price: {input: 0, output: 2000}"
    models = f"models: {{far: {{provider: openai, base_url: '{server.url}', model: m, {price}}}}}\n"
    text = f"name: lost\nprompts: [{{path: p.jsonl}}]\n{models}candidates: [{{model: far, per_prompt: 1}}]\n"
    (tmp_path / "run").mkdir()
    with Ledger(tmp_path / "run" / "ledger.sqlite") as ledger:
        lost(ledger, asked("lost", host=server.url.split("://")[1]), stage="candidates")
    for _ in range(2):
        found = made(tmp_path, text).spending
        # 50 tokens at 2000 USD a million
        assert found["possibly paid usd"] == pytest.approx(0.1)
        assert "Up to 0.1000 USD may be billed" in (tmp_path / "run/summary.md").read_text()


def test_a_dataset_that_is_out_of_date_has_no_pairs_to_share_the_spending(small: Path, chain: Path) -> None:
    assert "for each kept pair" in Run.from_file(small, folder=chain)().spending
    changed = Run.from_file(small, folder=chain, overrides=["dataset.test_share=0.5"])(until="judging")
    assert "dataset" not in changed.summary["stages"]
    assert "for each kept pair" not in changed.spending


def spec(model: str) -> ModelSpec:
    entry = {"provider": "openai", "model": model, "base_url": f"https://{HOST}", "api_key_env": None}
    return TypeAdapter(ModelSpec).validate_python(entry)


FAR = {"far": spec("m")}
NO_TABLE = PriceTable()


def usd(tokens: int, price: float) -> float:
    """A price is in USD for a million."""
    return tokens * price / 1_000_000


def test_calls_that_may_have_been_paid_for_count_at_their_worst_and_others_not(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        for text, fault in {"killed": None, "late": "deadline", "busy": "rate", "never left": "unsent"}.items():
            lost(ledger, asked(text), fault=fault)
        lost(ledger, asked("in this process", host="local"))
    with Ledger(path) as ledger:
        for price, expected in ((Price(input=0, output=2), usd(2 * 50, 2)), (None, 0)):  # the killed and the late one
            assert spent_before(ledger, FAR, {"far": price}, NO_TABLE) == expected


def test_lost_calls_to_a_model_that_has_left_the_run_file_count_at_the_tables_price_or_else_the_dearest(
    tmp_path: Path,
) -> None:
    (tmp_path / "prices.yaml").write_text(f"prices: [{{host: {HOST}, models: {{gone: {{input: 0, output: 7}}}}}}]\n")
    table = PriceTable.read(tmp_path / "prices.yaml")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        lost(ledger, asked("one", model="gone"))
    models = {**FAR, "dear": spec("n")}
    prices: dict[str, Price | None] = {"far": Price(input=0, output=2), "dear": Price(input=0, output=30)}
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert spent_before(ledger, models, prices, table) == usd(50, 7)
        assert spent_before(ledger, models, prices, NO_TABLE) == usd(50, 30)
        assert spent_before(ledger, models, dict.fromkeys(prices), NO_TABLE) == 0


def test_of_two_entries_that_name_one_model_the_dearer_counts(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        lost(ledger, asked("one"))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for first, second in ((2, 5), (5, 2)):
            prices = {"far": Price(input=0, output=first), "again": Price(input=0, output=second)}
            assert spent_before(ledger, {**FAR, "again": spec("m")}, prices, NO_TABLE) == usd(50, 5)


def test_lines_of_batches_count_at_the_price_of_a_batch_and_those_still_out_for_the_budget_alone(
    tmp_path: Path,
) -> None:
    async def lose(ledger: Ledger) -> None:
        for shard, is_done in (("gone", True), ("out", False)):
            requests = [asked(f"{shard} {i}") for i in range(3)]
            batch = await ledger.open_batch(shard, [BatchCall(r.id, r.body, HOST, "m", "critique") for r in requests])
            first, *_ = batch.attempts.values()
            ledger.fail(first, "server")  # which nobody pays
            if is_done:
                await ledger.close_batch(batch.number, "gone")

    half = {"far": Price(input=0, output=2, batch_discount=0.5)}
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        asyncio.run(lose(ledger))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        # two lines that are lost: 2 x 50 tokens at 1 USD a million; and two that are out
        assert spent_before(ledger, FAR, half, NO_TABLE) == usd(2 * 50, 1)
        assert open_budget(None, ledger, FAR, half, NO_TABLE).spent == usd(4 * 50, 1)


class Interrupted(Said):
    """Presses Ctrl-C as soon as a call is in flight."""

    @contextmanager
    def watch(self, tallies: Sequence[Tally], calls: Calls) -> Iterator[Callable[[], None]]:
        def show() -> None:
            if calls.in_flight:
                raise KeyboardInterrupt

        yield show


def test_nobody_bills_the_calls_of_models_in_this_process(ledger: Ledger, tmp_path: Path, base: Path) -> None:
    answered(ledger, "1", stage="critique", model="w", usage=(1, 1, 0), usd=0.0)
    for host in ("local:0123/cpu/float32", "lilliput"):
        lost(ledger, asked("lost", "w", host))
    assert not [line for line in spending_lines(spending(ledger, tmp_path)) if "billed" in line]
    save(tmp_path / "p.csv", [{"prompt": f"ask {number}"} for number in range(60)])
    text = f"""name: stopped
models: {{m: {{provider: local, model: '{base}', max_tokens: 200, temperature: 1.0}}}}
prompts: [{{path: p.csv}}]
candidates: [{{model: m, per_prompt: 1}}]
"""
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, text, progress=(told := Interrupted()))
    [line] = [line for line in told.lines if "in flight" in line]
    assert line.endswith(" calls in flight (up to 60 s). Press Ctrl-C again to abandon them.")
    assert not [line for line in told.lines if "billed" in line or "paid" in line]
