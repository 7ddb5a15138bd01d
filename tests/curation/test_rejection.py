"""Rejection sampling: pass@k by hand, clusters, hints, and what training gets."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from amendment.curation import choose_by_behaviour, pass_at_k
from amendment.curation.rejection import pass_at_each_k
from amendment.preference.draws import hinted
from amendment.records import Prompt, last_text, user
from amendment.run import load_run_file
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.stages.sft import verified_rows
from tests.rows import save
from tests.run.small_runs import QUICK, complaints, run_of, served

RUN = """\
name: sampled
models: {one: {FAR, model: one}}
prompts: [{path: p.jsonl, columns: {answer: known}}]
candidates: [{model: one, per_prompt: 3, hint: true}]
verify: [{kind: math}]
dataset: {test_share: 0.25}
"""


def test_pass_at_k_by_hand_and_by_counting_draws() -> None:
    # of 4 answers 1 passes; of the 6 ways to draw 2, 3 hold it: 1 - C(3, 2) / C(4, 2) = 1 - 3/6
    assert pass_at_k(4, 1, 2) == 0.5
    assert (pass_at_k(5, 0, 3), pass_at_k(5, 3, 3), pass_at_k(5, 5, 1)) == (0.0, 1.0, 1.0)  # 3 of 5 never miss all 3
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    draws = list(combinations([True, True, False, False, False, False], 4))
    assert pass_at_k(6, 2, 4) == pytest.approx(sum(map(any, draws)) / len(draws))
    for wrong in ((3, 4, 1), (3, 1, 0), (3, 1, 4), (3, -1, 1)):
        with pytest.raises(ValueError, match="expected 1 <= k <= n"):
            pass_at_k(*wrong)


def test_pass_at_each_k_is_the_mean_over_prompts_up_to_the_fewest_answers() -> None:
    outcomes = {"p": [True, False, False, False], "q": [False] * 5, "r": [True] * 4}
    estimates = pass_at_each_k(outcomes)
    assert list(estimates) == [1, 2, 4]
    means = [estimate.value for estimate in estimates.values()]
    assert means == pytest.approx([(0.25 + 0 + 1) / 3, (0.5 + 0 + 1) / 3, 2 / 3])
    assert pass_at_each_k({}) == {}


def test_one_answer_of_each_behaviour_the_commonest_first() -> None:
    behaviours = {"a": (1, 2), "b": (0, 0), "c": (0, 0), "d": (3, 3), "e": (0, 0)}
    assert choose_by_behaviour(behaviours) == ["b", "a", "d"]


def test_a_hint_stands_behind_the_question_and_braces_in_it_stay() -> None:
    prompt = Prompt(messages=user("How much?"), answer="\\frac{1}{2}")
    asked = last_text(hinted(prompt).messages)
    assert asked.startswith("How much?\n\nThe correct result is: \\frac{1}{2}\n")
    with pytest.raises(ValueError, match="known answer"):
        hinted(Prompt(messages=user("How much?")))


class Writer:
    """It never finds odd sums without a hint, and even ones in two of three samples."""

    def __init__(self) -> None:
        self.asked = Counter[int]()

    def __call__(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked = body["messages"][-1]["content"]
        number = int(asked.split("\n")[0].split()[-1])
        if "correct result" in asked:
            return 200, {"content": f"As one can see, it is {2 * number}."}
        nth = self.asked[number]
        self.asked[number] += 1
        is_right = number % 2 == 0 and nth > 0
        return 200, {"content": f"It is {2 * number}{'!' * nth}" if is_right else f"Or {2 * number + 1 + nth}?"}


def test_a_hint_is_given_where_no_answer_passes_and_training_never_sees_it(tmp_path: Path, server: Any) -> None:
    server.answer = Writer()
    save(tmp_path / "p.jsonl", [{"prompt": f"twice {number}", "known": 2 * number} for number in range(10, 26)])
    result = run_of(tmp_path, served(RUN, server.url), patience=QUICK)()
    assert result.sent == 16 * 3 + 8 * 3, "hints for the eight odd numbers alone"
    verify = result.results["verify"]
    by_kind = [{figure.of["answers"]: figure.value for figure in verify.where(name)} for name in ("kept", "broken")]
    assert by_kind == [{"answers of one": 16, "answers of one with a hint": 24}, {"answers of one": 32}]
    shares = [verify.estimate("pass_at_k", model="one", k=k) for k in ("1", "2")]
    assert [share and share.value for share in shares] == [pytest.approx(1 / 3), 0.5]  # 2 of 3 for half of the prompts
    loaded = load_run_file(tmp_path / "run.yaml")
    context = RunContext(loaded.config, tmp_path, RunFolder(result.folder), QuietProgress())
    rows = verified_rows(context, ["candidates/candidates", "inputs/candidates"])
    train = set(context.prompts()) - context.held_out()
    n_even = sum(int(last_text(context.prompts()[name].messages).split()[-1]) % 2 == 0 for name in train)
    assert len(rows) == 2 * n_even + (12 - n_even), "different answers that pass"
    assert not any("correct result" in json.dumps(row["prompt"]) for row in rows)
    assert b"correct result" not in (result.folder / "dataset/train.parquet").read_bytes()


PROGRAMS = """\
name: programs
models: {one: {FAR, model: one}}
prompts: [{path: p.jsonl, columns: {answer: known}}]
candidates: [{model: one, per_prompt: 6}]
verify: [{kind: tests}]
dataset: {test_share: 0}
"""


@pytest.mark.sandbox
def test_programs_that_fail_alike_make_one_pair(tmp_path: Path, server: Any) -> None:
    bodies = ["a * b", "b * a", "a * b * 1", "a + b", "b + a", "a - b"]
    drawn = iter(bodies)

    def programs(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {"content": f"```python\ndef area(a, b):\n    return {next(drawn)}\n```"}

    server.answer = programs
    row = {"prompt": "Write area(a, b).", "known": {"area(2, 3)": 6, "area(4, 1)": 4}}
    save(tmp_path / "p.jsonl", [row])
    result = run_of(tmp_path, served(PROGRAMS, server.url))(until="verify")
    verify = result.results["verify"]
    assert verify.count("pairs") == 2, "of the sums only one, and the difference"
    outcomes = [verify.count(name, principle="verify/tests", answers="answers of one") for name in ("kept", "broken")]
    assert outcomes == [3, 3]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("verify: [{kind: math}]\n", "", "add verify:"),
        ("verify: [{kind: math}]\n", "sft: {base: x, on: verified}\n", "nothing verifies answers"),
    ],
)
def test_hints_and_training_on_verified_answers_need_verifiers(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "twice 2", "known": 4}])
    assert any(message in line for line in complaints(tmp_path, served(RUN.replace(old, new))))
