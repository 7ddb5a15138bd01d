"""Tasks with known answers: worked out by hand, the same for a seed, solvable, and without shortcuts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from amendment.constitutions import Check
from amendment.curation import Task, make_tasks
from amendment.data.inputs import read_inputs
from amendment.data.sources import TaskPrompts
from amendment.errors import DataError
from amendment.stages.contract import RunSettings
from amendment.verification.tasks import _KINDS
from tests.run.small_runs import complaints

MODEL = "models: {m: {provider: openai, model: m, base_url: 'http://127.0.0.1:9'}}\n"
FAMILIES = ("arithmetic", "algebra", "programs", "mechanics")


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def of(family: Any, words: str, count: int = 60) -> list[Task]:
    """The tasks of a family whose question has these words."""
    return [task for task in make_tasks(family, count, 3).kept if words in task.question]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_different_tasks_and_another_seed_gives_others(family: Any) -> None:
    first, again, other = (make_tasks(family, 30, seed) for seed in (1, 1, 2))
    assert first == again
    assert len({task.question for task in first.kept}) == 30
    assert first.kept != other.kept
    assert make_tasks(family, 10, 1).kept == first.kept[:10]


def test_known_answers_are_those_of_arithmetic_by_hand() -> None:
    for task in of("arithmetic", "boxes"):
        boxes, each, broken = numbers(task.question)
        assert float(task.answer) == boxes * each - broken
    for task in of("algebra", "add up to"):
        total, difference = numbers(task.question)
        assert float(task.answer) + (float(task.answer) - difference) == total


def test_known_answers_are_those_of_mechanics_by_hand() -> None:
    carts = of("mechanics", "What is their common speed in m/s?", 120)
    assert carts
    for task in carts:
        _, m, v, _, big, _, _, u = numbers(task.question)
        assert float(task.answer) == pytest.approx((m * v + big * u) / (m + big), rel=1e-3)
        assert (m * v + big * u) / (m * v) > 1.05, "a slow cart 2 would change nothing"
    thrown = of("mechanics", "It is known that the greatest height", 120)
    assert thrown
    for task in thrown:
        v, g, _, height = numbers(task.question)
        assert float(task.answer) == pytest.approx(height - v * v / (2 * g), rel=0.01)


def test_the_formula_of_every_symbolic_task_depends_on_each_of_its_symbols() -> None:
    latex2sympy = pytest.importorskip("latex2sympy2_extended").latex2sympy
    symbolic = [task for task in make_tasks("mechanics", 250, 3).kept if task.category == "mechanics-symbolic"]
    assert {task.answer for task in symbolic} == {kind.formula for kind in _KINDS["mechanics"]}
    for task in symbolic:
        formula = latex2sympy(task.answer)
        assert {str(symbol) for symbol in formula.free_symbols} == symbols_in(task.question), "no symbol is unused"


def symbols_in(question: str) -> set[str]:
    return set(re.findall(r"\$(\w)\$", question))


@pytest.mark.parametrize(("family", "kind"), [("arithmetic", "math"), ("algebra", "math"), ("mechanics", "number")])
def test_the_known_answer_passes_its_verifier_and_another_does_not(family: Any, kind: Any) -> None:
    for task in make_tasks(family, 12, 5).kept:
        check = Check(kind="math" if task.category == "mechanics-symbolic" else kind)
        assert check.run(f"So it is \\boxed{{{task.answer}}}.", task.answer).is_kept, task
        assert check.run("\\boxed{123456}", task.answer).is_kept is False


def test_shortcuts_are_counted() -> None:
    assert make_tasks("programs", 40, 11).shortcuts > 0


@pytest.mark.parametrize(("family", "there_are"), [("algebra", 9720), ("programs", 182)])
def test_more_tasks_than_there_are_is_an_error(family: Any, there_are: int) -> None:
    with pytest.raises(DataError, match=f"found {there_are} different tasks of {family}, expected 100000"):
        make_tasks(family, 100_000, 1)
    assert len(make_tasks(family, there_are, 1).kept) == there_are


def test_two_entries_of_the_same_tasks_are_an_error_of_the_run_file(tmp_path: Path) -> None:
    text = "name: r\nprompts:\n  - {tasks: algebra, take: 5}\n  - {tasks: algebra, take: 6}\n"
    [line] = complaints(tmp_path, text + "verify: [{kind: math}]\ncandidates: [{model: m, per_prompt: 1}]\n" + MODEL)
    assert line.startswith("run.yaml:4:")
    assert "write one entry with the count of both" in line


def test_tasks_are_a_source_of_prompts(tmp_path: Path) -> None:
    sources = (TaskPrompts(tasks="arithmetic", take=5), TaskPrompts(tasks="programs", take=4))
    inputs = read_inputs(RunSettings(name="r", prompts=sources, seed=4), tmp_path)
    prompts = [*inputs.prompts.values()]
    assert [prompt.category for prompt in prompts] == ["arithmetic"] * 5 + ["programs"] * 4
    assert all(prompt.answer for prompt in prompts)
    assert all(isinstance(json.loads(str(prompt.answer)), dict) for prompt in prompts[5:])
    assert inputs.counts["tasks with a shortcut dropped"] == sum(
        tasks.shortcuts for tasks in (make_tasks("arithmetic", 5, 4), make_tasks("programs", 4, 4))
    )
