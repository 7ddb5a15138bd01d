"""The spending of a run: a ledger written by hand, and every figure of it counted by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.provider import Meter
from amendment.llm.requests import Request, Usage
from amendment.records import Sampling, user
from amendment.run import Run
from amendment.run.spending import over_all_starts, spending_lines, write_spending

HOSTILE = "\x1b[2J<script>|\u202em"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as made:
        yield made


def asked(text: str, model: str) -> Request:
    return Request(provider="openai", host="h", model=model, messages=user(text), sampling=Sampling(max_tokens=10))


def answered(
    ledger: Ledger, number: int, *, stage: str, model: str, usage: tuple[int, int, int], usd: float | None, by: str
) -> None:
    """A reply to one question; `usage` is input, output and cached tokens, `by` the model that says it answered."""
    given, made, cached = usage
    meter = Meter(Usage(input_tokens=given, output_tokens=made, cached_tokens=cached), by)

    async def commit() -> None:
        request = asked(f"question {number}", model)
        attempt = await ledger.begin(request.id, request.body, host="h", model=model, stage=stage)
        await ledger.commit(attempt, b"{}", meter, usd=usd)

    asyncio.run(commit())


def killed(ledger: Ledger, *, stage: str, model: str) -> None:
    """A call of which nothing came back."""
    request = asked("lost", model)
    asyncio.run(_begin(ledger, request, stage))


async def _begin(ledger: Ledger, request: Request, stage: str) -> None:
    await ledger.begin(request.id, request.body, host="h", model=request.model, stage=stage)


def spending(ledger: Ledger, tmp_path: Path, pairs: int | None = None, possibly_paid: float = 0.0) -> dict[str, Any]:
    return write_spending(tmp_path, Calls(ledger), pairs=pairs, possibly_paid=possibly_paid)


def rows_of(found: Mapping[str, Any]) -> list[list[str]]:
    """The cells of the table, its head and its rule left out."""
    lines = [line for line in spending_lines(found) if line.startswith("|")]
    return [[text.strip() for text in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_table_holds_what_was_counted_by_hand(ledger: Ledger, tmp_path: Path) -> None:
    answered(ledger, 1, stage="critique", model="w", usage=(100, 10, 60), usd=0.5, by="w")
    answered(ledger, 2, stage="critique", model="w", usage=(50, 5, 0), usd=0.25, by="w")
    answered(ledger, 3, stage="judging", model="j", usage=(1000, 1, 0), usd=None, by="j")
    killed(ledger, stage="judging", model="j")
    found = spending(ledger, tmp_path)
    assert rows_of(found) == [
        ["critique", "w", "2", "150", "60", "15", "0.7500", "0"],
        ["judging", "j", "1", "1,000", "0", "1", "0.0000 and 1 calls unpriced", "1"],
        ["all", "", "3", "1,150", "60", "16", "0.7500 and 1 calls unpriced", "1"],
    ]
    assert any(line.startswith("- 1 calls without a reply may have been sent") for line in spending_lines(found))
    assert json.loads((tmp_path / "spending.json").read_text()) == found


def test_nothing_asked_is_no_table(ledger: Ledger, tmp_path: Path) -> None:
    assert spending_lines(spending(ledger, tmp_path, pairs=3)) == []


def test_each_kept_pair_has_its_share(ledger: Ledger, tmp_path: Path) -> None:
    for number in range(6):
        answered(ledger, number, stage="judging", model="j", usage=(90, 10, 0), usd=0.02, by="j")
    found = spending(ledger, tmp_path, pairs=4)
    # 6 calls, 600 tokens and 0.12 USD for 4 pairs
    assert found["for each kept pair"] == {"pairs": 4, "calls": 1.5, "tokens": 150.0, "usd": 0.03}
    assert "For each of 4 kept pairs: 1.5 calls, 150.0 tokens, 0.0300 USD." in spending_lines(found)
    assert "for each kept pair" not in spending(ledger, tmp_path)


def test_a_name_that_two_models_answer_to_is_named_and_one_with_an_alias_is_not(ledger: Ledger, tmp_path: Path) -> None:
    for number, by in enumerate(["w-1", "w-1", "w-2"]):
        answered(ledger, number, stage="critique", model="w", usage=(1, 1, 0), usd=0.0, by=by)
    answered(ledger, 9, stage="judging", model="j", usage=(1, 1, 0), usd=0.0, by="j-2030")
    found = spending(ledger, tmp_path)
    assert found["other models"] == [{"host": "h", "asked": "w", "answered": {"w-1": 2, "w-2": 1}}]
    assert [line for line in spending_lines(found) if "not one model" in line] == [
        "- w at h is not one model: w-1 (2), w-2 (1) answered."
    ]


def test_what_may_be_billed_is_told_on_the_page_and_notices_of_one_start_are_not(
    ledger: Ledger, tmp_path: Path
) -> None:
    answered(ledger, 1, stage="critique", model="w", usage=(1, 1, 0), usd=0.0, by="w")
    calls = Calls(ledger)
    calls.notice("the server has no probabilities")
    found = write_spending(tmp_path, calls, pairs=None, possibly_paid=0.0125)
    billed = "- Up to 0.0125 USD may be billed for calls whose reply never came."
    assert billed in spending_lines(over_all_starts(found))
    assert any("no probabilities (1 times)" in line for line in spending_lines(found))
    assert not any("no probabilities" in line for line in spending_lines(over_all_starts(found)))


def test_no_name_steers_the_page_or_the_terminal(ledger: Ledger, tmp_path: Path) -> None:
    for number, by in enumerate([HOSTILE, HOSTILE + "2"]):
        answered(ledger, number, stage=HOSTILE, model=HOSTILE, usage=(1, 1, 0), usd=0.0, by=by)
    calls = Calls(ledger)
    calls.notice(HOSTILE)
    lines = spending_lines(write_spending(tmp_path, calls, pairs=None, possibly_paid=0.0))
    assert all(line.isprintable() for line in lines)
    rows = [line for line in lines if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in rows}) == 1
    assert not any("<script" in line.replace(r"\<", "") for line in rows)


LOST = """\
name: lost
prompts: [{path: p.jsonl}]
models: {far: {provider: openai, base_url: URL, model: m, max_tokens: 50, price: {input: 0, output: 2000}}}
candidates: [{model: far, per_prompt: 1}]
"""


def test_calls_that_an_earlier_start_lost_stay_in_the_books_of_the_run(tmp_path: Path, server: Any) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "question"}\n')
    (tmp_path / "run.yaml").write_text(LOST.replace("URL", server.url))
    folder = tmp_path / "run"
    folder.mkdir()
    host = server.url.split("://")[1]
    request = asked("lost", "m").model_copy(update={"host": host, "sampling": Sampling(max_tokens=50)})
    with Ledger(folder / "ledger.sqlite") as ledger:
        asyncio.run(_lose(ledger, request))
    for _ in range(2):
        found = Run.from_file(tmp_path / "run.yaml", folder=folder)().spending
        # 50 tokens at 2000 USD a million
        assert found["possibly paid usd"] == pytest.approx(0.1)
        assert "Up to 0.1000 USD may be billed" in (folder / "summary.md").read_text()


async def _lose(ledger: Ledger, request: Request) -> None:
    await ledger.begin(request.id, request.body, host=request.host, model=request.model, stage="candidates")


def test_a_dataset_that_is_out_of_date_has_no_pairs_to_share_the_spending(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    whole = Run.from_file(small, folder=folder)()
    assert "for each kept pair" in whole.spending
    changed = Run.from_file(small, folder=folder, overrides=["dataset.test_share=0.5"])(until="judging")
    assert "dataset" not in changed.summary["stages"]
    assert "for each kept pair" not in changed.spending
