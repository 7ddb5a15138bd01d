"""People label the evaluation's own comparisons: what they are asked, and what their labels make of a win rate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from amendment import cli
from amendment.calibration.label import Label
from amendment.calibration.label_files import export_labels, export_questions, import_labels
from amendment.calibration.labelling import EVALUATION, open_sample
from amendment.calibration.samples import LabelQuestion
from amendment.calibration.store import Labels
from amendment.data.workspace import Workspace
from amendment.errors import ConfigError, DataError, Paused
from amendment.publishing.publication import Publication, prepare
from amendment.records import Candidate, Verdict
from amendment.run import Result, Run
from amendment.stages.evaluation_people import EvaluationItem, corrected_win_rates, draw_items
from amendment.stages.policies import PolicyComparison

MEASURED = """\
name: measured
seed: 5
constitution: lilliput
models:
  quillfeather: {provider: simulated, writer: careless}
  inkwell: {provider: simulated, writer: verbose}
  gavelmouth: {provider: simulated, noise: 0.5}
prompts: [{lilliput: 60}]
dataset: {test_share: 0.9}
evaluate:
  policies: [quillfeather, inkwell]
  judge: {model: gavelmouth, protocol: label-tokens}
  people: {items: 24, annotators: 2, overlap: 6, repeats: 0.25, people: simulated}
"""
RATE = "inkwell against quillfeather"
PAGE = "evaluate.people.people=page"


def run_of(folder: Path, *overrides: str, text: str = MEASURED) -> Run:
    path = folder / "run.yaml"
    path.write_text(text)
    return Run.from_file(path, folder=folder / "run", overrides=overrides)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_of(tmp_path_factory.mktemp("measured"))()


def compared(policy: str, number: int, p: float, *, prompt: str = "") -> PolicyComparison:
    """Of even numbers the policy's answer is the first by id, of odd ones the second."""
    ids = ("a", "b") if number % 2 == 0 else ("b", "a")
    one = {"policy": policy, "against": "base", "prompt_id": prompt or f"prompt {number:02}", "sample": 0, "p": p}
    return PolicyComparison.model_validate({**one, "answer": ids[0], "other": ids[1]})


def drawn(one: PolicyComparison) -> EvaluationItem:
    name = one.comparison.id
    return EvaluationItem(
        policy=one.policy,
        against=one.against,
        comparison_id=name,
        prompt_id=one.prompt_id,
        inclusion=0.5,
        is_asked=one.answer != one.other,
    )


def votes(said: dict[PolicyComparison, float]) -> dict[str, float]:
    """P(the policy's answer is better), as P(a is better)."""
    return {one.comparison.id: p if one.comparison.a == one.answer else 1 - p for one, p in said.items()}


def test_a_corrected_win_rate_by_hand() -> None:
    # 20 labelled: the judge says 1 of ten and 0 of ten; people agree on eight of each ten, so they say 1 of 8 + 2 = 10.
    # 20 others: the judge says 1 of 15.
    judge = [1.0] * 10 + [0.0] * 10 + [1.0] * 15 + [0.0] * 5
    rows = [compared("ours", number, p) for number, p in enumerate(judge)]
    people = [1.0] * 8 + [0.0] * 2 + [1.0] * 2 + [0.0] * 8
    said = votes(dict(zip(rows[:20], people, strict=True)))
    found = corrected_win_rates(rows, [drawn(one) for one in rows[:20]], said)["ours against base"]
    # people alone 10/20; judge alone 25/40
    assert found["people alone"]["value"] == pytest.approx(0.5)
    assert found["judge alone"]["value"] == pytest.approx(0.625)
    # Cov(y, f) = 8/20 - 1/2 * 1/2 = 0.15; Var(F) = 25/40 * 15/40 = 0.234375; lambda = 0.15 / ((1 + 20/20) 0.234375)
    assert found["lambda"] == pytest.approx(0.32)
    # 0.5 + 0.32 * (15/20 - 10/20)
    assert found["corrected"]["value"] == pytest.approx(0.58)
    assert (found["labelled"], found["of comparisons"]) == (20, 40)
    assert found["labels saved"] == pytest.approx(
        (_width(found["people alone"]) / _width(found["corrected"])) ** 2, rel=1e-3
    )


def _width(rate: dict[str, Any]) -> float:
    return float(rate["high"] - rate["low"])


def test_equal_answers_are_ties_and_what_nobody_could_say_is_no_label() -> None:
    tie = compared("ours", 0, 0.5).model_copy(update={"other": "a"})
    rows = [tie, *(compared("ours", number, 0.9) for number in range(1, 6))]
    said = votes({rows[1]: 1.0, rows[2]: 1.0})  # the third was skipped
    found = corrected_win_rates(rows, [drawn(one) for one in rows[:4]], said)["ours against base"]
    assert found["labelled"] == 3
    assert found["people alone"]["value"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["lambda"] == 0  # from three labels nothing is learned of a judge
    assert found["corrected"]["value"] == found["people alone"]["value"]


def test_labels_that_are_no_sample_of_the_evaluation_are_refused() -> None:
    rows = [compared("ours", number, 0.97 if number < 40 else 0.03) for number in range(200)]
    with pytest.raises(DataError, match=r"evaluate_labels: ours against base: .*not of one population"):
        corrected_win_rates(rows, [drawn(one) for one in rows[:40]], votes(dict.fromkeys(rows[:40], 1.0)))


def test_a_sample_is_drawn_of_each_policy_in_proportion_and_a_larger_one_keeps_it() -> None:
    rows = [compared("many", number, 0.5) for number in range(90)]
    rows += [compared("few", number, 0.5) for number in range(100, 130)]
    items = draw_items(rows, 40, seed=3)
    by_policy = {name: [one for one in items if one.policy == name] for name in ("many", "few")}
    assert {name: len(found) for name, found in by_policy.items()} == {"many": 30, "few": 10}
    assert {one.inclusion for one in items} == {1 / 3}
    assert draw_items(rows[::-1], 40, seed=3) != items  # policies in their own order, and
    assert set(draw_items(rows[::-1], 40, seed=3)) == set(items)  # the order of rows does not count
    assert {one.comparison_id for one in items} < {one.comparison_id for one in draw_items(rows, 80, seed=3)}
    assert {one.comparison_id for one in draw_items(rows, 40, seed=4)} != {one.comparison_id for one in items}
    assert len(draw_items(rows, 9999, seed=3)) == 120
    assert {one.inclusion for one in draw_items(rows, 9999, seed=3)} == {1}


def test_simulated_people_correct_the_win_rate_of_a_run(measured: Result) -> None:
    place = Workspace(measured.folder)
    counts = measured.summary["stages"]["evaluate_labels"]
    document = json.loads((measured.folder / "evaluate/people.json").read_text())
    assert document == counts
    questions = place.read("evaluate_sample/questions", LabelQuestion)
    assert (len(questions), sum(one.in_overlap for one in questions)) == (24, 6)
    assert sum(one.is_repeated for one in questions) == 6
    both_saw = sum((1 + one.is_repeated) * (1 + one.in_overlap) for one in questions)
    assert (counts["labels"], counts["people"]) == (both_saw, 2)
    found = document["win rates by people"][RATE]
    verdicts = place.read("evaluate_labels/verdicts", Verdict)
    assert {one.rater_kind for one in verdicts} == {"person"}
    rows = place.read("evaluate/comparisons", PolicyComparison)
    judged = measured.summary["stages"]["evaluate"]["win rates"][RATE]
    assert found["judge alone"] == {name: judged[name] for name in found["judge alone"]}
    assert judged["value"] == pytest.approx(sum(one.p for one in rows) / len(rows))
    assert found["labelled"] == 24
    assert found["corrected"]["low"] < found["corrected"]["value"] < found["corrected"]["high"]
    page = (measured.folder / "summary.md").read_text()
    assert page.index(f"judged win rate of {RATE}") < page.index(f"win rate of {RATE}, corrected by people's labels of")


def test_people_see_neither_policies_nor_verdicts(measured: Result) -> None:
    place = Workspace(measured.folder)
    questions = place.read("evaluate_sample/questions", LabelQuestion)
    texts = {one.id: one.messages for one in place.read("evaluate/answers", Candidate)}
    assert [(one.a, one.b) for one in questions] == [(texts[one.a_id], texts[one.b_id]) for one in questions]
    assert all(one.principles for one in questions)
    path = place.path("evaluate_sample/questions")
    table = parquet.read_table(path)
    held = path.read_bytes() + repr(table.to_pylist()).encode() + repr(table.schema).encode()
    for hidden in ("quillfeather", "inkwell", "gavelmouth", "persona", "policy", "inclusion", "evaluate"):
        assert hidden.encode() not in held


def test_a_second_run_does_nothing_and_settings_make_anew_what_depends_on_them(tmp_path: Path) -> None:
    def ran(*overrides: str) -> tuple[str, ...]:
        return run_of(tmp_path, *overrides)().ran

    assert ran("evaluate.people=null") == ("inputs", "evaluate")
    assert ran() == ("evaluate_sample", "evaluate_labels")  # the evaluation itself stands
    assert ran() == ()
    assert ran("evaluate.people.annotators=3") == ("evaluate_labels",)
    assert ran("evaluate.people.items=20") == ("evaluate_sample", "evaluate_labels")


def label(one: LabelQuestion, annotator: str, choice: Any, name: str = "") -> Label:
    return Label(
        uuid=f"{name or annotator}-{one.comparison_id[-12:]}",
        comparison_id=one.comparison_id,
        prompt_id=one.prompt_id,
        shown=(one.a_id, one.b_id),
        annotator=annotator,
        choice=choice,
        at="2026-04-01T09:00:00+00:00",
    )


def test_a_run_waits_for_its_page_and_goes_on_with_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [PAGE, "evaluate.people.annotators=1"]
    folder = tmp_path / "run"
    with pytest.raises(Paused, match=rf"evaluate_labels: 24 labels are missing.*amendment label {folder} --stage eval"):
        run_of(tmp_path, *own)()
    asked = open_sample(folder, EVALUATION)
    assert (asked.missing(), asked.annotators, asked.labels.name) == (24, 1, "labels-evaluate.sqlite")
    with Labels(asked.labels) as labels:
        for one in asked.questions[:23]:
            labels.add(label(one, "Ann", "A"))
    changed = [part for override in own for part in ("--set", override)]
    arguments = ["amendment", "run", str(tmp_path / "run.yaml"), "--folder", str(folder), *changed]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert "1 label is missing" in capsys.readouterr().err
    with Labels(asked.labels) as labels:
        labels.add(label(asked.questions[23], "Ann", "tie"))
    result = run_of(tmp_path, *own)()
    assert result.ran == ("evaluate_labels",)
    rows = {one.comparison.id: one for one in Workspace(folder).read("evaluate/comparisons", PolicyComparison)}
    first = [rows[one.comparison_id].answer == one.a_id for one in asked.questions[:23]]
    found = result.summary["stages"]["evaluate_labels"]["win rates by people"][RATE]
    assert found["people alone"]["value"] == pytest.approx((sum(first) + 0.5) / 24)

    with Labels(asked.labels) as labels:  # a change of mind
        labels.add(label(asked.questions[0], "Ann", "B", "again"))
    result = run_of(tmp_path, *own)()
    assert result.ran == ("evaluate_labels",)
    found = result.summary["stages"]["evaluate_labels"]["win rates by people"][RATE]
    assert found["people alone"]["value"] == pytest.approx((sum(first[1:]) + (not first[0]) + 0.5) / 24)


CHECKED = MEASURED.replace("people: simulated}", "people: page}") + (
    "candidates: [{model: quillfeather, per_prompt: 3}]\n"
    "judging: {judges: [{model: gavelmouth, protocol: label-tokens}], min_margin: 0.1}\n"
    "spot_check: {items: 20, annotators: 1, overlap: 0, repeats: 0, sealed: 0, gate: {on_fail: go_on}}\n"
)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A run that has drawn both samples; people have labelled the spot check."""
    folder = tmp_path / "run"
    with pytest.raises(Paused, match=f"amendment label {folder}$"):
        run_of(tmp_path, text=CHECKED)()
    asked = open_sample(folder)
    with Labels(asked.labels) as labels:
        for one in asked.questions:
            labels.add(label(one, "Ann Example", "A"))
    with pytest.raises(Paused, match="--stage evaluate"):
        run_of(tmp_path, text=CHECKED)()
    return folder


def test_labels_of_training_comparisons_are_refused(both: Path, tmp_path: Path) -> None:
    export_labels(both, tmp_path / "x.csv")
    with pytest.raises(
        DataError, match=r"item: found .*, no item of this spot check; is the file .* of another --stage"
    ):
        import_labels(both, tmp_path / "x.csv", sample=EVALUATION)
    assert open_sample(both, EVALUATION).missing() == 24 + 6
    assert import_labels(both, tmp_path / "x.csv", raters=["person-1=Ann Example"]).new == 0


def test_the_samples_go_out_and_come_in_apart_and_people_have_one_number(both: Path, tmp_path: Path) -> None:
    asked = open_sample(both, EVALUATION)
    with Labels(asked.labels) as labels:
        for one in asked.questions:
            labels.add(label(one, "Ann Example", "B"))
            labels.add(label(one, "Zoe Sample", "A"))
    result = run_of(tmp_path, text=CHECKED)()
    assert result.summary["stages"]["evaluate_labels"]["people"] == 2
    for name in ("evaluate/people.json", "summary.json", "summary.md", "manifest.json", "run.yaml"):
        assert "Ann Example" not in (both / name).read_text()
        assert "Zoe Sample" not in (both / name).read_text()

    sent = export_labels(both, tmp_path / "own.jsonl", sample=EVALUATION)
    assert (sent.labels, sent.people, sent.with_sealed) == (2 * len(asked.questions), 2, False)
    rows = [json.loads(line) for line in (tmp_path / "own.jsonl").read_text().splitlines()]
    export_labels(both, tmp_path / "check.jsonl")
    [checker] = {json.loads(line)["annotator"] for line in (tmp_path / "check.jsonl").read_text().splitlines()}
    assert {one["annotator"] for one in rows} == {"person-1", "person-2"}
    assert {one["annotator"] for one in rows if one["choice"] == "B"} == {checker}
    ready = prepare(both, repo="org/name", license="cc-by-4.0", environ={})
    assert f"win rate of {RATE}, corrected by people's labels" in ready.body
    leaving = [ready.body, *ready.files.values(), *(repr(config.to_dict()) for config in _tables(ready))]
    assert not any(name in text for text in leaving for name in ("Ann Example", "Zoe Sample"))
    questions = export_questions(both, tmp_path / "asked.csv", sample=EVALUATION)
    assert questions.items == len(asked.questions) + sum(one.is_repeated for one in asked.questions)


def _tables(ready: Publication) -> list[Any]:
    return [table for config in ready.configs.values() for table in config.values()]


REFUSED = {
    "evaluate.judge=null": r"evaluate\.people: label what a judge compared.*add evaluate\.judge",
    "evaluate.people.overlap=25": r"evaluate\.people\.overlap: found 25, expected 24 at most",
    "evaluate.people.sealed=0.5": r"sealed",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_people_cannot_be_asked_is_refused(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=REFUSED[override]):
        run_of(tmp_path, override).check()


def test_simulated_people_know_the_simulated_world_alone(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "why?"}\n')
    with pytest.raises(ConfigError, match=r"evaluate\.people\.people: .*amendment label --stage evaluate"):
        run_of(tmp_path, text=MEASURED.replace("{lilliput: 60}", "{path: p.jsonl}")).check()


def test_an_unknown_stage_and_a_sample_that_is_not_there_say_what_to_do(
    measured: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["amendment", "label", str(measured.folder), "--stage", "evaluation"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    told = "--stage: found 'evaluation', expected spot_check or evaluate (did you mean 'evaluate'?)"
    assert told in capsys.readouterr().err
    with pytest.raises(ConfigError, match="its run file has no `spot_check:`"):
        open_sample(measured.folder)
    run_of(tmp_path)(until="evaluate")
    with pytest.raises(ConfigError, match="amendment run FILE --until evaluate_sample"):
        open_sample(tmp_path / "run", EVALUATION)
