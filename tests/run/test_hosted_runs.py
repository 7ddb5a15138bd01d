"""Runs against a server on loopback, through the real SDK: refused keys, lasting faults, recovery, what status says."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import AmendmentError, BudgetReached, CredentialsError
from amendment.llm.ledger import hold
from amendment.run import Patience, Run
from amendment.run.status import KILLED, read_status, status_lines, why_ended
from tests.command_line import called
from tests.rows import save
from tests.run.small_runs import QUICK, run_of

KEY = "canary-key-83b1"
Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
Hosted = Callable[..., Run]


@pytest.fixture
def hosted(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> Hosted:
    """A run that draws an answer to each of some questions from the server."""
    monkeypatch.setenv("OUR_SERVER_KEY", KEY)

    def make(*overrides: str, prompts: int = 20) -> Run:
        save(tmp_path / "p.jsonl", [{"prompt": f"question {i:02}"} for i in range(prompts)])
        entry = f"provider: openai, base_url: '{server.url}', model: m, api_key_env: OUR_SERVER_KEY, concurrency: 8"
        text = f"name: hosted\nprompts: [{{path: p.jsonl}}]\nmodels: {{far: {{{entry}}}}}\n"
        return run_of(tmp_path, text + "candidates: [{model: far, per_prompt: 1}]\n", *overrides, patience=QUICK)

    return make


def asked(server: Any) -> Counter[str]:
    return Counter(body["messages"][-1]["content"] for body in server.asked)


def failing(*words: str) -> Answer:
    """Answers all but the questions that hold one of these words, which get status 500."""

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        question = body["messages"][-1]["content"]
        is_failing = any(word in question for word in words)
        return 500 if is_failing else 200, {"role": "assistant", "content": f"about {question}"}

    return answer


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The exit code of a command, with a patience that tests can wait for."""
    monkeypatch.setattr(Patience.__new__, "__defaults__", tuple(QUICK))
    return called


def test_a_refused_key_ends_the_run_after_few_calls_with_code_6(
    hosted: Hosted, server: Any, tmp_path: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = lambda body: (401, {})
    run = hosted()
    many = ["--set", "candidates.0.per_prompt=10"]
    assert command("run", tmp_path / "run.yaml", "--folder", tmp_path / "run", *many) == 6
    said = capsys.readouterr().err
    assert "the key in OUR_SERVER_KEY was refused. Check the key" in said
    assert KEY not in said
    assert len(server.asked) < 40, "of 200: what was in flight, and what had begun before the first answer was read"
    with pytest.raises(CredentialsError):
        run()
    assert "401" in read_status(tmp_path / "run")["ended"]


def test_lasting_faults_pause_the_run_and_only_their_items_are_asked_again(
    hosted: Hosted, server: Any, tmp_path: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = failing("03", "11")
    run, file, folder = hosted(), tmp_path / "run.yaml", tmp_path / "run"
    assert command("run", file, "--folder", folder) == 3
    said = capsys.readouterr().err
    assert "candidates: 2 of 20 items are pending; run again to continue." in said
    assert "status 500" in said
    assert f"Resume with: amendment run {file} --folder {folder}" in said
    assert sorted(text for text, times in asked(server).items() if times == 2) == ["question 03", "question 11"]
    assert set(server.keys) == {f"Bearer {KEY}"}, "a key goes to its server, and into no file"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]

    server.asked.clear()
    server.answer = failing()
    result = run()
    assert asked(server) == {"question 03": 1, "question 11": 1}
    assert result.results["candidates"].totals["sampled answers"] == 20
    undisturbed = Run.from_file(file, folder=tmp_path / "other", patience=QUICK)()
    for name in ("candidates", "endings"):
        path = f"candidates/{name}.parquet"
        assert (result.folder / path).read_bytes() == (undisturbed.folder / path).read_bytes()


def test_all_refused_is_told_with_the_commonest_reason(hosted: Hosted, server: Any) -> None:
    server.answer = lambda body: (422, {})
    with pytest.raises(AmendmentError, match=r"no item was completed \(20 failed\).*Most often: .*status 422: not now"):
        hosted()()


def test_refusals_are_data_and_not_asked_again(hosted: Hosted, server: Any, tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        refuses = "question 0" in body["messages"][-1]["content"]
        said = {"content": None, "refusal": "no", "finish_reason": "content_filter"} if refuses else {"content": "yes"}
        return 200, {"role": "assistant", **said}

    server.answer = answer
    [funnel] = hosted()().results["candidates"].funnels
    assert (funnel.remained, funnel.left_out) == (10, {"refused": 10})
    for lost in ("candidates/candidates.parquet", "stages/candidates.json"):
        (tmp_path / "run" / lost).unlink()
        status = read_status(tmp_path / "run")
        assert (status["done"], status["out of date"]) == (["inputs"], ["candidates"])
        again = hosted()()
        assert (again.sent, again.ran) == (0, ("candidates",))


DEAR = ("models.far.price={input: 0, output: 1000000}", "models.far.max_tokens=10", "models.far.concurrency=1")


def test_after_a_stop_by_the_budget_status_says_what_was_paid_and_why_it_ended_until_the_next_start(
    hosted: Hosted, tmp_path: Path
) -> None:
    # without a usage an answer is booked at its most: 10 tokens at one dollar each, and the second would make 20
    with pytest.raises(BudgetReached):
        hosted(*DEAR, "budget.usd=15", prompts=2)()
    status = read_status(tmp_path / "run")
    assert status["paid"] == {"calls": 1, "unpriced": 0, "usd": 10.0}
    *_, paid, ended, following = status_lines(status)
    assert paid == "paid: 1 calls, 10.0000 USD"
    assert ended.startswith("the last start ended: the budget is reached: 10.0000 of 15 USD are spent")
    assert following == "next: candidates"
    with hosted(*DEAR, "budget.usd=25", prompts=2) as run:
        run()
        lines = status_lines(read_status(tmp_path / "run"))  # also while the ledger is in use
    assert "paid: 2 calls, 20.0000 USD" in lines
    assert not any("ended" in line for line in lines)


def test_status_names_kills_other_versions_and_calls_without_a_price_and_steers_no_terminal(
    hosted: Hosted, tmp_path: Path
) -> None:
    hosted(prompts=2)()
    folder = tmp_path / "run"
    status = read_status(folder)
    assert "paid: 2 calls, 0.0000 USD" in status_lines(status), "this machine's servers are free"
    unpriced = {**status, "paid": {"calls": 1200, "unpriced": 3, "usd": 0.5}}
    assert "paid: 1,200 calls, 3 of them without a price, 0.5000 USD" in status_lines(unpriced)
    hostile = {**status, "ended": "x\x1b[2J\u202e"}
    assert not any("\x1b" in line or "\u202e" in line for line in status_lines(hostile))

    note, file = folder / "stages" / "candidates.json", folder / "status.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "format": 1}))
    status = read_status(folder)
    assert (status["done"], status["of another version"]) == (["inputs", "candidates"], ["candidates"])
    file.write_text(json.dumps({**json.loads(file.read_text()), "running": "candidates"}))
    with hold(folder):
        assert read_status(folder)["running"] == "candidates"
    assert (folder / "run.lock").read_text() == f"pid {os.getpid()}\n"
    assert read_status(folder)["running"] is None, "the process lives, and holds the folder no more"
    (folder / "run.lock").write_text("pid 999999999")
    (folder / "ledger.sqlite").write_bytes(b"no ledger at all")
    status = read_status(folder)
    assert (status["ended"], status["paid"]) == (KILLED, None), (
        "a ledger that cannot be read is no matter of the status"
    )
    assert KILLED in status_lines(status)


def test_the_reason_of_an_end_is_one_line_without_keys() -> None:
    assert why_ended(AmendmentError("not my-secret-key\x1b[2J\nGo on"), ["my-secret-key"]) == "not [key]\x1b[2J"
    assert why_ended(KeyboardInterrupt(), []) == "interrupted"
