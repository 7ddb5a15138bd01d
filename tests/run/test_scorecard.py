"""The scorecard of an evaluation: shares by checks and judges, what is not measured, topic, and what CI makes of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.errors import ConfigError
from amendment.run import Result, Run
from amendment.stages.scorecard import is_near
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


def measured(path: Path, *overrides: str) -> Result:
    return Run.from_file(path, folder=path.parent / "run", overrides=overrides, patience=QUICK)()


def numbers_held_out(result: Result) -> list[int]:
    from amendment.data.store import Workspace
    from amendment.records import Candidate, text_of

    texts = [text_of(row.messages) for row in Workspace(result.folder).read("evaluate/answers", Candidate)]
    numbers = {int(text.rsplit(" ", 1)[-1]) for text in texts}
    assert len(numbers) == 40
    return sorted(numbers)


def test_without_a_judge_checks_say_which_principles_answers_keep(ours: Path) -> None:
    result = measured(ours)
    card = result.summary["stages"]["evaluate"]["scorecard"]
    numbers = numbers_held_out(result)
    plain, copies = (sum(number % n == 0 for number in numbers) / 40 for n in (4, 5))
    listless, short = card["principles"]["house/no-list"], card["principles"]["house/short"]
    assert listless["policies"]["one"]["value"] == pytest.approx(plain)
    assert listless["policies"]["two"]["value"] == 1
    assert listless["differences"]["two - one"]["value"] == pytest.approx(1 - plain)
    assert listless["differences"]["two - one"]["low"] > 0
    # "Some item 7" has three words and "plain words about the number 8" six; a copy of the prompt has seven
    assert short["policies"]["one"]["value"] == pytest.approx(1 - plain)
    assert short["policies"]["two"]["value"] == pytest.approx(1 - copies)
    assert card["words"]["policies"]["two"]["value"] == pytest.approx(3 * (1 - copies) + 7 * copies)
    assert [card["copies"]["policies"][name]["value"] for name in ("one", "two")] == pytest.approx([0, copies])
    assert [card["cut"]["policies"][name]["value"] for name in ("one", "two")] == pytest.approx([plain, 0])
    assert "no judge of violations" in card["principles"]["house/kind"]["not measured"]
    assert "no log-probability" in card["fluency"]["not measured"]
    assert "evaluate.embeddings" in card["on topic"]["not measured"]
    page = (result.folder / "summary.md").read_text()
    assert f"| keeps house/no-list, by check | {plain:.3f}" in " ".join(page.split())
    assert "keeps house/kind: not measured" in page


def test_without_a_check_a_judge_of_violations_says_it_unless_it_made_the_labels(ours: Path) -> None:
    card = measured(ours, "evaluate.violations={model: watcher}").summary["stages"]["evaluate"]["scorecard"]
    kind = card["principles"]["house/kind"]
    assert kind["by"] == "judge watcher"
    plain = card["principles"]["house/no-list"]["policies"]["one"]["value"]  # the watcher calls lists unkind
    assert [kind["policies"][name]["value"] for name in ("one", "two")] == [pytest.approx(plain), 1]
    judged = (
        "judging={judges: [{model: watcher}], ties: keep}",
        "candidates=[{model: one, per_prompt: 2}, {model: two}]",
        "evaluate.violations={model: watcher}",
    )
    path = ours.parent / "again"
    path.mkdir()
    for name in ("p.jsonl", "rules.yaml", "run.yaml"):
        (path / name).write_text((ours.parent / name).read_text())
    card = measured(path / "run.yaml", *judged).summary["stages"]["evaluate"]["scorecard"]
    assert card["principles"]["house/kind"] == {"not measured": "no check, and no judge but the run's own"}
    assert card["principles"]["house/short"]["by"] == "check"


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
    assert f"FAIL one.house/no-list: {plain:.3f}" in shown
    assert "FAIL two.house/kind: not measured" in shown
    assert "keeps house/no-list, by check" in amendment("evaluate", folder).out
    assert amendment("evaluate", str(ours.parent), "--fail-if", "no-list<0.8").code == 2  # no run's folder
    assert amendment("evaluate", folder, "p.jsonl").code == 2
    summary = result.folder / "summary.json"
    counts = json.loads(summary.read_text())
    counts["stages"]["evaluate"]["scorecard"]["principles"]["house/no-list"]["policies"]["two"]["value"] = math.nan
    summary.write_text(json.dumps(counts))
    assert code("no-list<0.8") == 1
    counts["stages"]["evaluate"]["scorecard"] = 5
    summary.write_text(json.dumps(counts))
    assert code("no-list<0.8") == 2, "edited by hand"


def test_fluency_is_the_cross_entropy_under_the_first_policy(ours: Path, base: Path, server: Any) -> None:
    long = "much more than the tiny model can hold " * 100

    def lengthy(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, message = answer(body)
        is_copy = message["content"].startswith("please")
        return status, {"content": long} if is_copy else message

    server.answer = lengthy
    from amendment.data.store import Workspace
    from amendment.records import Candidate, Prompt, text_of

    local = f"models.one={{provider: local, model: '{base}', max_tokens: 8, temperature: 1.0}}"
    result = measured(ours, local)
    place = Workspace(result.folder)
    prompts = {row.id: row for row in place.read("inputs/prompts", Prompt)}
    expected: dict[str, list[float]] = {"one": [], "two": []}
    for row in place.read("evaluate/answers", Candidate):
        policy = "two" if row.origin.provider == "openai" else "one"
        if text_of(row.messages).startswith("much more"):
            continue
        expected[policy].append(cross_entropy(base, text_of(prompts[row.prompt_id].messages), text_of(row.messages)))
    fluency = result.summary["stages"]["evaluate"]["scorecard"]["fluency"]
    assert fluency["under"] == "one"
    assert fluency["left out"] == 40 - len(expected["two"]) > 0
    for policy, values in expected.items():
        assert fluency["policies"][policy]["n"] == len(values)
        assert fluency["policies"][policy]["value"] == pytest.approx(np.mean(values), abs=1e-3)


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
