"""Tasks that a model solves without their key fact: dropped, counted, planned, and asked once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from amendment.data.store import read_records
from amendment.data.tasks import Family, make_tasks
from amendment.errors import BudgetReached
from amendment.records import ItemEnding, Prompt, text_of
from tests.run.small_runs import complaints, made, run_of

RUN = """\
name: hard
seed: 5
models: {small: {provider: function, model: guesser}}
prompts: [{tasks: arithmetic, count: 40, shortcut_model: small}]
candidates: [{model: small, per_prompt: 1}]
verify: [{kind: math}]
"""


class Guesser:
    """Knows the answers that it is given, and keeps what it was asked."""

    def __init__(self, answers: Mapping[str, str] = {}) -> None:
        self.answers, self.asked = answers, list[str]()

    def __call__(self, messages: list[dict[str, Any]]) -> str:
        text = messages[-1]["content"]
        self.asked.append(text)
        return f"\\boxed{{{self.answers.get(text, -7)}}}"


@pytest.mark.parametrize("family", ["arithmetic", "mechanics"])
def test_tasks_that_the_model_solves_without_their_key_fact_are_dropped_and_counted(
    tmp_path: Path, family: Family
) -> None:
    tasks, text = make_tasks(family, 40, 5), RUN.replace("arithmetic", family)
    guesser = Guesser({task.without_key_fact: task.answer for task in tasks.kept[:12]})
    result = made(tmp_path, text, until="inputs", models={"small": guesser})
    assert sorted(guesser.asked) == sorted({task.without_key_fact for task in tasks.kept}), (
        "each once, without its fact"
    )
    kept = [text_of(row.messages) for row in read_records(result.folder / "inputs/prompts.parquet", Prompt)]
    solved = [task.question for task in tasks.kept if guesser.answers.get(task.without_key_fact) == task.answer]
    assert kept == [task.question for task in tasks.kept if task.question not in solved]
    stages = result.summary["stages"]
    dropped = stages["shortcuts"][f"tasks of {family} dropped: small solves them without their key fact"]
    assert dropped == len(solved) >= 12
    assert stages["shortcuts"]["tasks with a shortcut dropped"] == tasks.shortcuts
    assert result.results["inputs"].totals["prompts"] == len(kept)
    again = Guesser()
    made(tmp_path, text, until="inputs", models={"small": again})
    assert again.asked == []


def test_a_task_without_a_readable_reply_stays_and_says_why(tmp_path: Path) -> None:
    def silent(messages: list[dict[str, Any]]) -> str:
        return "" if "bus" in messages[-1]["content"] else "\\boxed{-7}"

    result = made(tmp_path, RUN, until="inputs", models={"small": silent})
    assert result.results["inputs"].totals["prompts"] == 40
    endings = read_records(result.folder / "shortcuts/endings.parquet", ItemEnding)
    buses = sum("bus" in task.question for task in make_tasks("arithmetic", 40, 5).kept)
    assert [row.outcome for row in endings].count("invalid") == buses > 0


def test_a_plan_counts_its_calls_and_the_budget_stops_them(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = f"provider: openai, model: m, base_url: '{server.url}', max_tokens: 99, api_key_env: OUR_KEY"
    text = RUN.replace("provider: function, model: guesser", far) + "prices: prices.yaml\nbudget: {usd: 1}\n"
    (tmp_path / "prices.yaml").write_text("prices: [{host: '*', models: {m: {input: 7, output: 1000000}}}]\n")
    plan = run_of(tmp_path, text).plan()
    assert {row.stage: row.calls for row in plan.asks} == {"shortcuts": 40, "candidates": 40}
    monkeypatch.setenv("OUR_KEY", "k")
    with pytest.raises(BudgetReached):
        made(tmp_path, text)
    assert server.asked == []


def test_a_mistake_in_the_name_of_its_model_is_placed(tmp_path: Path) -> None:
    misspelt = RUN.replace("shortcut_model: small", "shortcut_model: smal").replace("function", "local")
    found = [line for line in complaints(tmp_path, misspelt) if "shortcut_model" in line]
    assert ["no model 'smal' under models (did you mean 'small'?)" in line for line in found] == [True]
    policy = RUN.replace("shortcut_model: small", "shortcut_model: base").replace("function", "local")
    assert any("a policy is trained after the prompts are there" in line for line in complaints(tmp_path, policy))
