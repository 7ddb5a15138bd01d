"""Verifiers of a run: pairs that proof decides, vetoes, judges measured against proof, and what a check says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from amendment.run import RunResult
from tests.rows import save
from tests.run.small_runs import QUICK, complaints, read_source, run_of, served

RUN = """\
name: verified
models:
  one: {FAR, model: one}
  two: {FAR, model: two}
  judge: {FAR, model: judge}
prompts: [{path: p.jsonl, columns: {answer: sum, category: kind}}]
candidates: [{model: one, per_prompt: 2}, {model: two, per_prompt: 1}]
verify: [{kind: math, applies_when: {categories: [sum]}}]
dataset: {test_share: 0.25}
"""
JUDGING = "constitution: helpful-honest\njudging: {judges: [{model: judge}], principles_per_pair: 1, pairs: all}\n"
SUMS, CHATS = 24, 8


def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Two is right about even sums, one about odd ones, and the judge likes the answer that is wrong."""
    asked = body["messages"][-1]["content"]
    if body["model"] == "judge":
        first, second = (asked.split(f"<<answer_{name} ")[1].split("<<end")[0] for name in "ab")
        return 200, {"content": f"Verdict: {'A' if ('wrong' in first, first) > ('wrong' in second, second) else 'B'}"}
    number = int(asked.split()[-1])
    if "talk" in asked:
        return 200, {"content": f"{body['model']} talks about {number}"}
    is_right = (body["model"] == "two") == (number % 2 == 0)
    return 200, {"content": f"It is {number + number}." if is_right else f"wrong? {number + number + 1}"}


def made(folder: Path, server: Any, text: str = RUN) -> RunResult:
    server.answer = answer
    rows: list[dict[str, Any]] = [
        {"prompt": f"twice the number {number}", "sum": 2 * number, "kind": "sum"} for number in range(10, 10 + SUMS)
    ]
    rows += [{"prompt": f"talk about {number}", "sum": None, "kind": "chat"} for number in range(CHATS)]
    folder.mkdir(exist_ok=True)
    save(folder / "p.jsonl", rows)
    return run_of(folder, served(text, server.url), patience=QUICK)()


def test_without_judges_an_answer_that_passes_is_chosen_before_one_that_fails(tmp_path: Path, server: Any) -> None:
    result = made(tmp_path, server)
    rows = read_source(result)
    assert len(rows) == SUMS, "one pair of each sum, and none of a chat, which no verifier applies to"
    for row in rows:
        number = int(row["prompt"][-1]["content"].split()[-1])
        assert row["chosen"][-1]["content"] == f"It is {2 * number}."
        assert row["rejected"][-1]["content"].startswith("wrong")
    kinds = {(row["decided_by"], row["p_chosen"], *row["raters"], *row["principle_ids"]) for row in rows}
    assert kinds == {("verifier", 1.0, "check", "verify/math")}
    [reference] = {name for row in rows for name in row["constitutions"]}
    assert reference.startswith("verify@1.0.0#")
    table = parquet.read_table(result.folder / "verify/answers.parquet").to_pylist()
    assert len(table) == 2 * SUMS, "different answers to sums"
    assert sum(row["passes"] for row in table) == SUMS
    verified = result.results["verify"]
    kept = {figure.of["answers"]: figure.value for figure in verified.where("kept")}
    assert kept == {"answers of one": 24, "answers of two": 12}
    [solved] = verified.where("pass_at_k", model="one", k="1")
    assert getattr(solved.value, "value", None) == 0.5
    assert verified.where("pass_at_k", model="two") == [], "of one answer pass@1 is the share that passes"


@pytest.mark.parametrize("known", ["assert f(1) == 2", json.dumps({"assert f(1) == 2": True})])
def test_known_answers_that_cannot_be_read_are_an_error_before_any_call(
    known: str, tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amendment.stages.verify.why_unavailable", lambda: None)
    rows = [{"prompt": f"write f, {number}", "sum": known, "kind": "sum"} for number in range(3)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = RUN.replace("FAR", f"provider: openai, base_url: '{server.url}'").replace("kind: math", "kind: tests")
    assert any("no known answer can be read" in line and "verify[0]" in line for line in complaints(tmp_path, text))
    rows[0]["sum"] = json.dumps({"f(1)": 2})
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    warnings = run_of(tmp_path, text).check()
    assert any("2 of the first 3 known answers cannot be read" in line for line in warnings)
    assert not server.asked


def test_tests_without_a_sandbox_stop_the_run_before_any_call_so_that_installing_it_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amendment.stages.verify.why_unavailable", lambda: "found no bwrap; install bubblewrap")
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "write f", "sum": '{"f(1)": 2}', "kind": "sum"}) + "\n")
    text = RUN.replace("FAR", "provider: openai, base_url: 'http://127.0.0.1:9'").replace("kind: math", "kind: tests")
    assert any("verify[0]: no program can be checked: found no bwrap" in line for line in complaints(tmp_path, text))


def test_a_deciding_verifier_overrules_the_judge_and_the_certificate_says_how_often_the_judge_was_wrong(
    tmp_path: Path, server: Any
) -> None:
    result = made(tmp_path, server, RUN + JUDGING)
    by = {row["category"]: row["decided_by"] for row in read_source(result)}
    assert by == {"sum": "verifier", "chat": "judge"}
    assert not any("wrong" in row["chosen"][-1]["content"] for row in read_source(result))
    checks = json.loads((result.folder / "certificate.json").read_text())["checks"]
    [agreement] = checks["judges"].values()
    assert (checks["comparisons"], checks["decided"], agreement["agrees"], agreement["n"]) == (SUMS, SUMS, 0, SUMS)


def test_a_veto_leaves_out_pairs_whose_chosen_answer_fails_and_record_changes_no_label(
    tmp_path: Path, server: Any
) -> None:
    result = made(tmp_path, server, RUN.replace("kind: math", "kind: math, effect: veto") + JUDGING)
    assert {row["category"] for row in read_source(result)} == {"chat"}, "the judge chose the wrong answer of every sum"
    left_out = result.results["dataset"].funnels[0].left_out
    assert left_out["the chosen answer fails a verifier"] == SUMS
    veto = "verify: [{kind: forbids, value: 'It is 2[0-9]', effect: veto}, "
    alone = made(tmp_path / "alone", server, RUN.replace("verify: [", veto))
    vetoed = sum(f"It is {2 * number}."[:7] == "It is 2" for number in range(10, 10 + SUMS))
    assert 0 < vetoed < SUMS
    assert len(read_source(alone)) == SUMS - vetoed
    assert alone.results["dataset"].funnels[0].left_out["the chosen answer fails a verifier"] == vetoed
    recorded = made(tmp_path / "other", server, RUN.replace("kind: math", "kind: math, effect: record") + JUDGING)
    assert {row["decided_by"] for row in read_source(recorded)} == {"judge"}
    assert sum("wrong" in row["chosen"][-1]["content"] for row in read_source(recorded)) == SUMS
    assert json.loads((recorded.folder / "certificate.json").read_text())["checks"]["comparisons"] == SUMS


def test_policies_are_measured_by_the_verifiers_on_prompts_with_known_answers(tmp_path: Path, server: Any) -> None:
    result = made(tmp_path, server, RUN + "evaluate: {policies: [one, two], prompts: 8}\n")
    found, about = result.results["evaluate"], {"principle": "verify/math", "checked_by": "check"}
    prompts = parquet.read_table(result.folder / "inputs/prompts.parquet").to_pylist()
    split = parquet.read_table(result.folder / "inputs/split.parquet").to_pylist()
    test = {row["prompt_id"] for row in split if row["split"] == "test"}
    numbers = [int(row["answer"]) // 2 for row, side in zip(prompts, split, strict=True)
               if side["prompt_id"] in test and row["category"] == "sum"]  # fmt: skip
    by_two = sum(number % 2 == 0 for number in numbers) / len(numbers)
    shares = [found.estimate("kept", **about, policy=name) for name in ("one", "two")]
    assert [share and share.value for share in shares] == pytest.approx([1 - by_two, by_two])
    in_sums = found.estimate("kept", **about, category="sum", policy="two")
    assert in_sums
    assert in_sums.value == pytest.approx(by_two)
    assert in_sums.n == len(numbers)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("answer: sum, ", "", "name the column with it as columns.answer"),
        ("candidates: [{model: one, per_prompt: 2}, {model: two, per_prompt: 1}]\n", "", "no answers to check"),
        ("kind: math", "kind: maths", "math"),
        ("answer: sum", "answer: total", "total"),
    ],
)
def test_a_verifier_without_a_known_answer_or_an_answer_is_an_error(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "2+2", "sum": 4, "kind": "sum"}])
    assert any(message in line for line in complaints(tmp_path, served(RUN.replace(old, new))))


def test_a_verifier_that_no_prompt_selects_is_named_before_the_run(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "twice two", "sum": 4, "kind": "sum"}])
    warnings = run_of(tmp_path, served(RUN.replace("[sum]", "[summ]"))).check()
    expected = "verify[0]: checks no answer: it applies only to category summ (did you mean 'sum'?)"
    assert any(expected in line for line in warnings)
