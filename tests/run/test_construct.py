"""Pairs by construction: no judge, the user's own prompts, each answer drawn once, and the label as good as it is."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from amendment.data.store import Workspace
from amendment.people.samples import SampledItem
from amendment.records import Judgement, Prompt, last_text
from amendment.run import Run, RunResult
from amendment.text import words
from tests.rows import save
from tests.run.small_runs import complaints, made, pairs_of, run_of

MODELS = """\
name: built
seed: 3
models:
  good: {provider: simulated, writer: helpful-only}
  bad: {provider: simulated, writer: careless}
  worst: {provider: simulated, writer: evasive}
"""
BUILT = f"""{MODELS}prompts: [{{lilliput: 40}}]
construct:
  - {{kind: strong_weak, strong: good, weak: bad, per_prompt: 2}}
  - {{kind: strong_weak, strong: good, weak: worst, p: 0.9}}
dataset: {{test_share: 0.25}}
base: {{on: nothing, steps: 1, hidden: 16, vocab: 400}}
dpo: {{base: base, steps: 2, batch_size: 8, max_length: 90, labels: soft, guards: null}}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return made(tmp_path_factory.mktemp("built"), BUILT)


def test_a_run_without_a_judge_trains_on_pairs_that_are_marked_as_constructed(built: RunResult) -> None:
    assert built.ran == ("inputs", "construct", "dataset", "base", "dpo")
    rows, prompts = pairs_of(built.folder), Workspace(built.folder).read("inputs/prompts", Prompt)
    assert built.results["dataset"].count("constructed") == len(rows)
    assert built.results["dpo"].count("steps") == 2
    messages = {prompt.id: prompt.messages for prompt in prompts}
    for row in rows:
        assert row.prompt == messages[row.prompt_id], "no instruction is in it"
        assert (row.decided_by, row.raters, row.principle_ids) == ("construction", (), ())
    counts = Counter(row.p_chosen for row in rows)
    assert set(counts) == {0.9, 1.0} == {row.p_chosen_raw for row in rows}
    assert counts[1.0] > 60
    assert counts[0.9] > 25


def test_a_plan_counts_the_calls_and_a_second_run_asks_nothing(built: RunResult, tmp_path: Path) -> None:
    plan = run_of(tmp_path, BUILT).plan()
    assert plan.total.calls == built.sent == 40 * 6  # two pairs of two models, and one of two others
    assert {row.model: row.calls for row in plan.asks} == {"good": 120, "bad": 80, "worst": 40}
    surer = BUILT.replace("p: 0.9", "p: 0.8")
    path = built.folder.parent / "surer.yaml"
    path.write_text(surer)
    again = Run.from_file(path, folder=built.folder)(until="dataset")
    assert (again.sent, again.ran) == (0, ("construct", "dataset"))
    assert {row.p_chosen for row in pairs_of(again.folder)} == {1.0, 0.8}


def test_constructed_pairs_stand_beside_judged_ones_of_other_answers(tmp_path: Path) -> None:
    text = f"""{MODELS}constitution: lilliput
prompts: [{{lilliput: 20}}]
candidates: [{{model: good, per_prompt: 2}}, {{model: bad, per_prompt: 1}}]
judging: {{judges: [{{model: bad, protocol: label-tokens}}]}}
construct: [{{kind: strong_weak, strong: good, weak: bad}}]
dataset: {{test_share: 0.25}}
"""
    result = made(tmp_path, text)
    rows = pairs_of(result.folder)
    assert {row.decided_by for row in rows} == {"judge", "construction"}
    assert len({row.comparison_id for row in rows}) == len(rows)
    with sqlite3.connect(result.folder / "ledger.sqlite") as db:
        assert result.sent == db.execute("SELECT count(*) FROM reply").fetchone()[0], "no answer was asked for twice"


def test_judges_are_measured_on_constructed_pairs_and_change_none_of_them(tmp_path: Path) -> None:
    rules = "id: short\nversion: 1.0.0\ntitle: Short\nlicense: CC0-1.0\nsource: {kind: original}\n"
    rules += "principles: [{id: few, statement: Few words., check: [{kind: max_words, value: 6}]}]\n"
    (tmp_path / "short.yaml").write_text(rules)
    text = f"""{MODELS}constitution: [lilliput, ./short.yaml]
prompts: [{{lilliput: 20}}]
construct: [{{kind: strong_weak, strong: good, weak: bad}}]
judging: {{judges: [{{model: bad, protocol: label-tokens}}], judge_labelled: 12}}
dataset: {{test_share: 0.25}}
"""
    run = run_of(tmp_path, text)
    plan = run.plan()
    result = run()
    rows, place = pairs_of(result.folder), Workspace(result.folder)
    assert {(row.decided_by, row.raters, row.p_chosen) for row in rows} == {("construction", (), 1.0)}
    first = {prompt.id for prompt in place.read("inputs/prompts", Prompt)[:12]}
    judged = place.read("judging/judgements", Judgement)
    assert {row.comparison_id for row in judged} == {row.comparison_id for row in rows if row.prompt_id in first}
    assert any(row.p_a != 0.5 for row in judged)
    agrees, flipped = list[bool](), list[bool]()
    for row in rows:
        passes = [len(words(last_text(messages))) <= 6 for messages in (row.chosen, row.rejected)]
        own = next((each for each in judged if each.comparison_id == row.comparison_id), None)
        if own and own.p_a is not None and passes[0] != passes[1]:
            is_chosen = (own.p_a > 0.5) == (row.chosen_id < row.rejected_id)
            (flipped if own.consistent is False else agrees).append(is_chosen == passes[0])
    certificate = json.loads((result.folder / "certificate.json").read_text())
    [agreement] = certificate["checks"]["judges"].values()
    assert (agreement["agrees"], agreement["n"]) == (sum(agrees), len(agrees))
    assert agreement["orders disagree"] == {"n": len(flipped), "mean agrees": sum(flipped)}
    assert len(flipped) > 0
    assert plan.total.calls >= result.sent
    assert run_of(tmp_path, text)().sent == 0
    run_of(tmp_path, f"{text}spot_check: {{items: 12, annotators: 1}}\n")(until="spot_check")
    sample = place.read("spot_check/sample", SampledItem)
    assert {item.comparison_id for item in sample} == {row.comparison_id for row in judged}, "people are asked too"


def test_what_makes_no_pair_is_counted_by_its_reason(tmp_path: Path, server: Any) -> None:
    """A server that says for each prompt what its number tells."""

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        number = int(body["messages"][-1]["content"].split()[1])
        if body["model"] == "m":
            return 200, {"role": "assistant", "content": f"The answer is {number}."}
        ends: list[dict[str, Any]] = [
            {"content": "I will not.", "finish_reason": "content_filter"},
            {"content": "The answer", "finish_reason": "length"},
            {"content": f"The  answer is {number}."},
            {"content": "No idea."},
        ]
        return 200, {"role": "assistant", **ends[number]}

    server.answer = answer
    save(tmp_path / "p.csv", [{"prompt": f"question {number}"} for number in range(4)])
    result = made(
        tmp_path,
        f"""name: told
models:
  m: {{provider: openai, base_url: '{server.url}', model: m, api_key_env: null}}
  n: {{provider: openai, base_url: '{server.url}', model: n, api_key_env: null}}
prompts: [{{path: p.csv}}]
construct: [{{kind: strong_weak, strong: m, weak: n}}]
dataset: {{test_share: 0.25}}
""",
    )
    calls, tried = result.results["construct"].funnels
    assert (calls.remained, calls.left_out, tried.remained) == (7, {"refused": 1}, 1)
    assert tried.left_out == {"an answer is missing": 1, "an answer is cut off": 1, "equal texts": 1}
    [row] = pairs_of(result.folder, ["train"])
    note = "- note: no test prompt has a pair, so export/ has no test file; take more prompts\n"
    assert note in (result.folder / "summary.md").read_text()
    assert [file.name for file in (result.folder / "export").iterdir()] == ["train.parquet"]
    texts = [last_text(messages) for messages in (row.prompt, row.chosen, row.rejected)]
    assert texts == ["question 3", "The answer is 3.", "No idea."]
    assert [message.role for message in row.prompt] == ["user"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("weak: bad", "weak: good", "strong and weak are both good"),
        ("careless}", "helpful-only}", "are the same model under two names"),
        ("p: 0.9", "p: 0.5", "expected more than 0.5"),
        ("strong: good", "strong: goood", "construct[0].strong: no model 'goood' under models"),
        ("strong: good, weak: bad,", "model: good,", "construct[0]"),
    ],
)
def test_what_could_not_be_constructed_is_refused(old: str, new: str, expected: str, tmp_path: Path) -> None:
    lines = complaints(tmp_path, BUILT.replace(old, new, 1))
    assert any(expected in line for line in lines), lines
