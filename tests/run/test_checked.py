"""Comparisons that code can decide: vetoes by checks of hard principles, and judges measured against checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.run import RunResult
from amendment.verification import checks
from tests.rows import save
from tests.run.small_runs import QUICK, read_source, run_of, served

RULES = """\
id: house
version: 1.0.0
title: Ours
license: CC0-1.0
principles:
  - id: no-list
    statement: Answer without a list.
    hard: true
    compare: [Which answer has no list?]
    check: [{kind: no_list}]
  - id: kind
    statement: Be kind.
    compare: [Which is kinder?]
"""
RUN = """\
name: checked
constitution: ./rules.yaml
models:
  one: {FAR, model: one}
  two: {FAR, model: two}
  judge: {FAR, model: judge}
prompts: [{path: p.jsonl}]
candidates: [{model: one, per_prompt: 1}, {model: two, per_prompt: 1}]
judging: {judges: [{model: judge}]}
dataset: {test_share: 0.25}
"""


def likes_lists(first: str, second: str) -> str:
    """The verdict of a judge that likes lists, and otherwise the longer answer."""
    return "A" if ("- item" in first, len(first)) > ("- item" in second, len(second)) else "B"


def answer(body: dict[str, Any], judge: Callable[[str, str], str]) -> tuple[int, dict[str, Any]]:
    """One writes a list to odd prompts."""
    asked = body["messages"][-1]["content"]
    if body["model"] == "judge":
        first, second = (asked.split(f"<<answer_{name} ")[1].split("<<end")[0] for name in "ab")
        return 200, {"content": f"Verdict: {judge(first, second)}"}
    if "with a list" in str(body["messages"]):
        return 200, {"content": f"Well:\n- item {len(asked)}"}
    if "without a list" in str(body["messages"]):
        return 200, {"content": f"just words, {len(asked)}"}
    number = int(asked[-2:])
    if body["model"] == "one":
        return 200, {"content": f"Some:\n- item {number}" if number % 2 else f"plain words about it, {number}"}
    return 200, {"content": f"three words, {number}"}


def run(
    folder: Path, server: Any, rules: str, *, text: str = RUN, judge: Callable[[str, str], str] = likes_lists
) -> RunResult:
    server.answer = lambda body: answer(body, judge)
    rows = [{"prompt": f"question {number:02}"} for number in range(40)]
    save(folder / "p.jsonl", rows)
    (folder / "rules.yaml").write_text(rules)
    return run_of(folder, served(text, server.url), patience=QUICK)()


def test_a_check_of_a_hard_principle_decides_what_the_judge_gets_wrong(tmp_path: Path, server: Any) -> None:
    result = run(tmp_path, server, RULES)
    rows = read_source(result)
    by_check = [row for row in rows if row["decided_by"] == "verifier"]
    assert len(rows) == 40
    assert len(by_check) == 20  # those of odd prompts, where one of the two is a list
    assert all("- item" in row["rejected"][-1]["content"] for row in by_check)
    assert {(row["p_chosen"], *row["raters"], *row["principle_ids"]) for row in by_check} == {
        (1.0, "check", "house/no-list")
    }
    assert {row["decided_by"] for row in rows if row not in by_check} == {"judge"}
    kept = {figure.of["answers"]: figure.value for figure in result.results["candidates"].where("kept")}
    assert kept == {"answers of one": 20, "answers of two": 40}
    checks = json.loads((result.folder / "certificate.json").read_text())["checks"]
    assert (checks["comparisons"], checks["decided"]) == (20, 20)
    [agreement] = checks["judges"].values()
    assert (agreement["agrees"], agreement["n"], agreement["undecided"]) == (0, 20, 0)
    assert "agrees with the check on 0 of 20 pairs" in (result.folder / "certificate.md").read_text()


def test_a_check_of_another_principle_measures_the_judge_and_decides_nothing(tmp_path: Path, server: Any) -> None:
    result = run(tmp_path, server, RULES.replace("    hard: true\n", ""))
    assert {row["decided_by"] for row in read_source(result)} == {"judge"}
    checks = json.loads((result.folder / "certificate.json").read_text())["checks"]
    assert (checks["comparisons"], checks["decided"]) == (20, 0)
    assert next(iter(checks["judges"].values()))["agrees"] == 0


def test_a_judge_whose_orders_disagree_neither_agrees_with_the_check_nor_contradicts_it(
    tmp_path: Path, server: Any
) -> None:
    """Where one of the answers is a list, which code decides, the judge names what it sees first."""

    def judge(first: str, second: str) -> str:
        return "A" if "- item" in first + second else likes_lists(first, second)

    rules = RULES.replace("    hard: true\n", "")
    result = run(tmp_path, server, rules, judge=judge)
    [agreement] = json.loads((result.folder / "certificate.json").read_text())["checks"]["judges"].values()
    assert (agreement["agrees"], agreement["n"], agreement["undecided"]) == (0, 0, 0)
    assert agreement["orders disagree"] == {"n": 20, "mean agrees": 0}  # a mean of 1 and 0 is a tie
    assert [figure.value for figure in result.results["judging"].where("orders_disagree")] == [20]
    line = "its two orders disagree on all 20 pairs, so it could not be compared with the check"
    assert line in (result.folder / "certificate.md").read_text()


def test_an_answer_is_checked_once_by_a_stage_and_a_changed_function_makes_the_result_out_of_date(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def has_no_item(text: str) -> bool:
        asked.append(text)
        return "- item" not in text

    def has_no_word(text: str) -> bool:
        return "word" not in text

    monkeypatch.setitem(checks._FUNCTIONS, "ours", has_no_item)
    rules = RULES.replace("{kind: no_list}", "{kind: function, value: ours}")
    assert "judging" in run(tmp_path, server, rules).ran
    assert len(asked) == 2 * 80, "40 prompts, two candidates: counted as candidates, and compared"
    assert run(tmp_path, server, rules).ran == ()
    monkeypatch.setitem(checks._FUNCTIONS, "ours", has_no_word)
    again = run(tmp_path, server, rules)
    assert "judging" in again.ran
    assert again.sent == 0


def test_without_a_check_nothing_is_said_of_any(tmp_path: Path, server: Any) -> None:
    rules = "\n".join(line for line in RULES.splitlines() if "check:" not in line)
    result = run(tmp_path, server, rules)
    assert "checks" not in json.loads((result.folder / "certificate.json").read_text())
    assert {row["decided_by"] for row in read_source(result)} == {"judge"}
