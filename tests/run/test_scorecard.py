"""The scorecard of an evaluation: shares by checks and judges, what is not measured, topic, and what CI makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.errors import ConfigError
from amendment.evaluation.scorecard import is_near
from amendment.results import Result as Found
from amendment.run import Run, RunResult
from tests.command_line import amendment
from tests.rows import save
from tests.run.small_runs import QUICK, served

RULES = """\
id: house
version: 1.0.0
title: Ours
license: CC0-1.0
principles:
  - id: no-list
    statement: Answer without a list.
    compare: [Which answer has no list?]
    check: [{kind: no_list}]
  - id: short
    statement: Be brief.
    compare: [Which is briefer?]
    check: [{kind: max_words, value: 4}]
  - id: kind
    statement: Be kind.
    compare: [Which is kinder?]
"""
RUN = """\
name: measured
constitution: ./rules.yaml
models:
  one: {FAR, model: one}
  two: {FAR, model: two}
  watcher: {FAR, model: watcher}
prompts: [{path: p.jsonl}]
dataset: {test_share: 0.5}
evaluate: {policies: [one, two]}
"""


def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """One answers with a list in three of four prompts; two with four words, and every fifth copies its prompt. The
    watcher calls lists unkind."""
    asked = body["messages"][-1]["content"]
    if body["model"] == "watcher":
        return 200, {"content": f"Verdict: {'A' if 'answer_b' in asked else 'yes' if 'item' in asked else 'no'}"}
    number = int(asked[-2:])
    if body["model"] == "one":
        cut = {} if number % 4 else {"finish_reason": "length"}
        return 200, {
            **cut,
            "content": f"Some:\n- item {number}" if number % 4 else f"plain words about the number {number}",
        }
    return 200, {"content": asked if number % 5 == 0 else f"three words, {number}"}


@pytest.fixture
def ours(tmp_path: Path, server: Any) -> Path:
    server.answer = answer
    rows = [{"prompt": f"please tell me about the number {number:02}"} for number in range(80)]
    save(tmp_path / "p.jsonl", rows)
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "run.yaml").write_text(served(RUN, server.url))
    return tmp_path / "run.yaml"


def measured(path: Path, *overrides: str) -> RunResult:
    return Run.from_file(path, folder=path.parent / "run", overrides=overrides, patience=QUICK)()


def numbers_held_out(result: RunResult) -> list[int]:
    from amendment.data.store import Workspace
    from amendment.records import Candidate, last_text

    texts = [last_text(row.messages) for row in Workspace(result.folder).read("evaluate/answers", Candidate)]
    numbers = {int(text.rsplit(" ", 1)[-1]) for text in texts}
    assert len(numbers) == 40
    return sorted(numbers)


def test_without_a_judge_checks_say_which_principles_answers_keep(ours: Path) -> None:
    result = measured(ours)
    found, numbers = result.results["evaluate"], numbers_held_out(result)
    plain, copies = (sum(number % n == 0 for number in numbers) / 40 for n in (4, 5))
    listless, short = by_check("house/no-list"), by_check("house/short")
    assert values_of(found, "kept", **listless) == [pytest.approx(plain), 1]
    change = found.estimate("kept", **listless, policy="two", less="one")
    assert change
    assert change.value == pytest.approx(1 - plain)
    assert change.low > 0
    # "Some item 7" has three words and "plain words about the number 8" six; a copy of the prompt has seven
    assert values_of(found, "kept", **short) == pytest.approx([1 - plain, 1 - copies])
    assert values_of(found, "words")[1] == pytest.approx(3 * (1 - copies) + 7 * copies)
    assert values_of(found, "copies_of_the_prompt") == pytest.approx([0, copies])
    assert values_of(found, "cut_at_max_tokens") == pytest.approx([plain, 0])
    assert "no judge of violations" in why_not(found, "kept", principle="house/kind")
    assert "no log-probability" in why_not(found, "nats_per_token")
    assert "evaluate.embeddings" in why_not(found, "on_topic")
    page = (result.folder / "summary.md").read_text()
    assert f"| house/no-list | check | {100 * plain:.1f} %" in " ".join(page.split())
    assert "| house/kind | not measured: " in " ".join(page.split())


def by_check(principle: str) -> dict[str, str]:
    return {"principle": principle, "checked_by": "check"}


def values_of(found: Found, name: str, **of: str) -> list[float]:
    """Of the two policies."""
    estimates = [found.estimate(name, **of, policy=policy) for policy in ("one", "two")]
    return [estimate.value for estimate in estimates if estimate]


def why_not(found: Found, name: str, **of: str) -> str:
    """Why the figure was not measured."""
    figure = found.figure(name, **of)
    assert figure
    assert found.estimate(name, **of) is None
    return str(figure.value)


def test_without_a_check_a_judge_of_violations_says_it_unless_it_made_the_labels(ours: Path) -> None:
    found = measured(ours, "evaluate.violations={model: watcher}").results["evaluate"]
    plain, _ = values_of(found, "kept", **by_check("house/no-list"))  # the watcher calls lists unkind
    assert values_of(found, "kept", principle="house/kind", checked_by="judge watcher") == [pytest.approx(plain), 1]
    judged = (
        "judging={judges: [{model: watcher}], ties: keep}",
        "candidates=[{model: one, per_prompt: 2}, {model: two}]",
        "evaluate.violations={model: watcher}",
    )
    path = ours.parent / "again"
    path.mkdir()
    for name in ("p.jsonl", "rules.yaml", "run.yaml"):
        (path / name).write_text((ours.parent / name).read_text())
    found = measured(path / "run.yaml", *judged).results["evaluate"]
    assert "no check, and no judge but the run's own" in why_not(found, "kept", principle="house/kind")
    assert values_of(found, "kept", **by_check("house/short"))


def test_ci_fails_where_a_policy_keeps_a_principle_too_rarely_or_nobody_measured_it(ours: Path) -> None:
    result = measured(ours)
    folder = str(result.folder)
    plain = sum(number % 4 == 0 for number in numbers_held_out(result)) / 40

    def code(*conditions: str) -> int:
        options = [option for condition in conditions for option in ("--fail-if", condition)]
        return amendment("evaluate", folder, *options).code

    assert code("no-list<0.8") == 0  # two, the last policy, writes no list
    assert code("one.no-list<0.8") == 1
    assert code(f"one.house/no-list < {plain}") == 0  # at least: the share itself passes
    assert code("no-list<0.8", "one.no-list<0.8") == 1
    assert code("kind<0.1") == 1  # nobody measured it
    for wrong in ("no-list>0.8", "no-list<80", "no-list", "no-lists<0.8", "three.no-list<0.8"):
        assert code(wrong) == 2
    shown = amendment("evaluate", folder, "--fail-if", "one.no-list<0.8", "--fail-if", "kind<0.1").out
    assert f"FAIL one.house/no-list: {100 * plain:.1f} %" in shown
    assert "FAIL two.house/kind: not measured" in shown
    assert "house/no-list | check" in amendment("evaluate", folder).out
    assert amendment("evaluate", str(ours.parent), "--fail-if", "no-list<0.8").code == 2  # no run's folder
    assert amendment("evaluate", folder, "p.jsonl").code == 2
    summary = result.folder / "summary.json"
    content = json.loads(summary.read_text())
    content["stages"]["evaluate"]["figures"] = 5
    summary.write_text(json.dumps(content))
    assert code("no-list<0.8") == 2, "edited by hand"


def test_fluency_is_the_cross_entropy_under_the_first_policy(ours: Path, base: Path, server: Any) -> None:
    long = "much more than the tiny model can hold " * 100

    def lengthy(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, message = answer(body)
        is_copy = message["content"].startswith("please")
        return status, {"content": long} if is_copy else message

    server.answer = lengthy
    from amendment.data.store import Workspace
    from amendment.records import Candidate, Prompt, last_text

    local = f"models.one={{provider: local, model: '{base}', max_tokens: 8, temperature: 1.0}}"
    result = measured(ours, local)
    place = Workspace(result.folder)
    prompts = {row.id: row for row in place.read("inputs/prompts", Prompt)}
    expected: dict[str, list[float]] = {"one": [], "two": []}
    for row in place.read("evaluate/answers", Candidate):
        policy = "two" if row.origin.provider == "openai" else "one"
        if last_text(row.messages).startswith("much more"):
            continue
        expected[policy].append(
            cross_entropy(base, last_text(prompts[row.prompt_id].messages), last_text(row.messages))
        )
    found = result.results["evaluate"]
    assert "nats per token are those under one" in found.notes
    assert found.count("answers_without_nats_per_token") == 40 - len(expected["two"]) > 0
    for policy, values in expected.items():
        fluency = found.estimate("nats_per_token", policy=policy)
        assert fluency
        assert fluency.n == len(values)
        assert fluency.value == pytest.approx(float(np.mean(values)), abs=1e-3)


def cross_entropy(folder: Path, asked: str, said: str) -> float:
    """By transformers alone: the mean over the tokens of the answer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": asked}]
    before = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    start = len(tokenizer(before, add_special_tokens=False)["input_ids"])
    ids = torch.tensor([tokenizer(before + said, add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids).logits
    return float(torch.nn.functional.cross_entropy(logits[0, start - 1 : -1], ids[0, start:]))


def test_an_evaluation_that_measures_nothing_is_refused(ours: Path) -> None:
    rules = ours.parent / "rules.yaml"
    rules.write_text("\n".join(line for line in RULES.splitlines() if "check:" not in line))
    with pytest.raises(ConfigError, match=r"evaluate: measures nothing: .*a `check` that code can run"):
        Run.from_file(ours, folder=ours.parent / "run").check()


def test_the_nearest_tenth_by_hand() -> None:
    # twenty prompts on a half circle, nine degrees apart: a tenth are two
    angles = np.deg2rad(np.arange(20) * 9.0)
    prompts = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    answers = prompts[[0, 7]] @ np.array([[np.cos(0.01), np.sin(0.01)], [-np.sin(0.01), np.cos(0.01)]])
    near = is_near(answers, prompts)
    assert [np.flatnonzero(row).tolist() for row in near] == [[0, 1], [7, 8]]
