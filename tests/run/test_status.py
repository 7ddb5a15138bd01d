"""What a run's folder tells after a stop: what was paid for, and why the start ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import AmendmentError, BudgetReached, CredentialsError
from amendment.run import Run
from amendment.run.status import KILLED, read_status, status_lines, why_ended

DRAWS = """\
name: draws
prompts: [{path: p.jsonl}]
models: {far: {provider: openai, model: m, base_url: URL, max_tokens: 10, concurrency: 1, PRICE}}
candidates: [{model: far, per_prompt: 1}]
"""


@pytest.fixture
def drawing(run_file: Callable[[str], Path], tmp_path: Path, server: Any) -> Callable[..., Run]:
    """A run of two prompts with this price."""

    def make(price: str = "price: {input: 0, output: 1000000}", **more: Any) -> Run:
        rows = (json.dumps({"prompt": f"question {number}"}) for number in range(2))
        (tmp_path / "p.jsonl").write_text("\n".join(rows) + "\n")
        path = run_file(DRAWS.replace("URL", f"'{server.url}'").replace("PRICE", price))
        return Run.from_file(path, folder=tmp_path / "run", **more)

    return make


def answer_with_usage(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"role": "assistant", "content": "an answer"}


def test_after_a_stop_by_the_budget_status_says_what_was_paid_and_why_it_ended_until_the_next_start(
    drawing: Callable[..., Run], tmp_path: Path
) -> None:
    # without a usage an answer is booked at its most: 10 tokens at one dollar each, and the second would make 20
    with pytest.raises(BudgetReached):
        drawing(overrides=["budget.usd=15"])()
    status = read_status(tmp_path / "run")
    assert status["paid"] == {"calls": 1, "unpriced": 0, "usd": 10.0}
    *_, paid, ended, following = status_lines(status)
    assert paid == "paid: 1 calls, 10.0000 USD"
    assert ended.startswith("the last start ended: the budget is reached: 10.0000 of 15 USD are spent")
    assert following == "next: candidates"
    drawing(overrides=["budget.usd=25"])()
    lines = status_lines(read_status(tmp_path / "run"))
    assert "paid: 2 calls, 20.0000 USD" in lines
    assert not any("ended" in line for line in lines)


def test_what_another_version_made_is_done_and_named(drawing: Callable[..., Run], tmp_path: Path) -> None:
    drawing(overrides=["budget.usd=25"])()
    assert read_status(tmp_path / "run")["of another version"] == []
    note = tmp_path / "run" / "stages" / "candidates.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "format": 1}))
    status = read_status(tmp_path / "run")
    assert (status["done"], status["of another version"]) == (["inputs", "candidates"], ["candidates"])
    assert status_lines(status)[-1].startswith("made by another version of the toolkit: candidates; ")


def test_status_can_be_asked_while_the_ledger_is_in_use(drawing: Callable[..., Run], tmp_path: Path) -> None:
    with drawing() as run:
        _ = run.models["far"]
        run(until="candidates")
        assert read_status(tmp_path / "run")["paid"]["calls"] == 2


def test_calls_without_a_price_are_counted_as_such(drawing: Callable[..., Run], tmp_path: Path) -> None:
    drawing("price: null")()
    folder = tmp_path / "run"
    assert "paid: 2 calls, 0.0000 USD" in status_lines(read_status(folder))  # this machine's servers are free
    told = {**read_status(folder), "paid": {"calls": 1200, "unpriced": 3, "usd": 0.5}}
    assert "paid: 1,200 calls, 3 of them without a price, 0.5000 USD" in status_lines(told)


def test_a_kill_is_named_and_a_ledger_that_cannot_be_read_is_no_matter_of_the_status(
    drawing: Callable[..., Run], tmp_path: Path
) -> None:
    drawing()()
    folder = tmp_path / "run"
    file = folder / "status.json"
    (folder / "run.lock").write_text("pid 999999999")
    file.write_text(json.dumps({**json.loads(file.read_text()), "running": "candidates"}))
    (folder / "ledger.sqlite").write_bytes(b"no ledger at all")
    status = read_status(folder)
    assert (status["ended"], status["paid"]) == (KILLED, None)
    assert f"the last start ended: {KILLED}" in status_lines(status)


def test_the_reason_is_one_line_without_keys_and_does_not_steer_the_terminal(
    drawing: Callable[..., Run], tmp_path: Path
) -> None:
    assert why_ended(AmendmentError("not my-secret-key\x1b[2J\nGo on"), ["my-secret-key"]) == "not [key]\x1b[2J"
    assert why_ended(KeyboardInterrupt(), []) == "interrupted"
    drawing()()
    hostile = {**read_status(tmp_path / "run"), "ended": "x\x1b[2J\u202e"}
    assert not any("\x1b" in line or "\u202e" in line for line in status_lines(hostile))


def test_a_key_that_is_refused_is_the_reason(drawing: Callable[..., Run], tmp_path: Path, server: Any) -> None:
    server.answer = lambda body: (401, {})
    with pytest.raises(CredentialsError):
        drawing()()
    assert "401" in read_status(tmp_path / "run")["ended"]
