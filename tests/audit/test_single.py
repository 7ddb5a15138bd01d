"""Labels of single answers: classes and scores, people and judges, without a pair anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from amendment.cli._people import audit_path
from amendment.data.inputs import read_inputs
from amendment.data.verdict_files import VerdictFile
from amendment.errors import ConfigError, DataError
from amendment.report.document import Written
from amendment.run import RunFile
from tests.rows import save


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def certified(*sources: dict[str, Any]) -> dict[str, Any]:
    Path("study.yaml").write_text(json.dumps({"name": "t", "verdicts": list(sources)}), encoding="utf-8")
    audited = audit_path(Path("study.yaml"))
    assert audited.lines[:3] == ["# Certificate: t", "", "Labels of single answers."]
    return audited.document


def scores() -> tuple[dict[str, Any], dict[str, Any]]:
    """40 answers that two people score 2, 3, 4, 5 in turn, bo one higher than ann on the even ones; the judge in its
    reply two higher than ann everywhere, and without a score on the last."""
    rows = [{"id": n, "prompt": f"Why {n}?", "ann": 2 + n % 4, "bo": 2 + n % 4 + (n % 2 == 0)} for n in range(40)]
    log = [{"id": n, "reply": f"Clear. Score: {4 + n % 4}/10" if n < 39 else "Fine."} for n in range(40)]
    save(Path("people.csv"), rows), save(Path("judge.jsonl"), log)
    people = {
        "path": "people.csv",
        "kind": "person",
        "columns": {"item": "id", "prompt": "prompt", "votes": ["ann", "bo"]},
    }
    judge = {"path": "judge.jsonl", "kind": "model", "rater": "j", "columns": {"item": "id", "verdict": "reply"}}
    return {**people, "scale": "interval"}, {**judge, "scale": "interval", "pattern": r"Score: (\d+)"}


def test_scores_are_compared_with_those_of_two_people() -> None:
    document = certified(*scores())
    [judge] = document["judges"]
    # on the 20 even items of 39 people's mean is 1.5 lower, on the 19 odd ones 2
    assert judge["higher"]["value"] == pytest.approx((20 * 1.5 + 19 * 2) / 39)
    assert (judge["items"], judge["invalid"]["value"]) == (40, 1 / 40)
    # ann's score is two lower everywhere, and no number is compared with people's mean
    assert judge["equal"]["value"] == 0
    assert document["people"]["raters"] == ["ann", "bo"]
    with pytest.raises(ConfigError, match=r"labels of single answers have no report; read its certificate\.md"):
        Written("audits/t")


WORDS = ["poor", "fair", "good"]


def classes(scale: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """30 answers on which both people agree; the judge too on the first 20, and one step off on the others."""
    rows = [{"id": n, "who": who, "label": WORDS[n % 2]} for n in range(30) for who in ("ann", "bo")]
    log = [{"id": n, "label": WORDS[n % 2 + (n >= 20)]} for n in range(30)]
    save(Path("people.csv"), rows), save(Path("judge.csv"), log)
    shared = {"scale": WORDS if scale == "ordinal" else scale}
    people = {"path": "people.csv", "kind": "person", "columns": {"item": "id", "rater": "who", "verdict": "label"}}
    judge = {"path": "judge.csv", "kind": "model", "columns": {"item": "id", "verdict": "label"}}
    return {**people, **shared}, {**judge, **shared}


@pytest.mark.parametrize("scale", ["nominal", "ordinal"])
def test_classes_are_counted_and_those_of_an_order_have_steps(scale: str) -> None:
    document = certified(*classes(scale))
    [judge] = document["judges"]
    assert judge["equal"]["value"] == pytest.approx(20 / 30)
    assert document["people"]["alpha"]["value"] == 1
    assert document["classes"] == (WORDS if scale == "ordinal" else sorted(WORDS))
    if scale == "ordinal":
        assert judge["higher"]["value"] == pytest.approx(10 / 30)
    else:
        assert judge["higher"]["value"] is None
    oracle = pytest.importorskip("krippendorff", reason="krippendorff comes with the dev extra")
    people = [n % 2 for n in range(30)]
    pairs = [people, [label + (n >= 20) for n, label in enumerate(people)]]
    assert judge["alpha"]["value"] == pytest.approx(oracle.alpha(pairs, level_of_measurement=scale))


def test_words_that_are_no_class_are_named_and_a_run_refuses_single_labels() -> None:
    people, judge = classes("ordinal")
    with pytest.raises(DataError, match=r"found 'poor' .*expected a number; words of an order are listed as `scale: "):
        certified({**people, "scale": "ordinal"})
    with pytest.raises(DataError, match=r"found 'good' .*expected one of poor, fair; see `scale`"):
        certified({**judge, "scale": WORDS[:2]})
    with pytest.raises(ConfigError, match="one scale with the same classes in all files"):
        certified(people, {**judge, "scale": "nominal"})
    with pytest.raises(DataError, match="labels of single answers make no pairs; amendment audit measures them"):
        read_inputs(RunFile.model_validate({"name": "t", "verdicts": [people]}), Path())


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": "nominal"},
        {"scale": ["good"], "columns": {"item": "i", "verdict": "v"}},
        {"scale": "ordinal", "columns": {"prompt": "q", "a": "x", "b": "y", "verdict": "v"}},
        {"scale": "interval", "columns": {"item": "i", "verdict": "v"}, "pattern": "scores"},
        {"columns": {"item": "i", "answer": "x", "verdict": "v"}},
    ],
)
def test_settings_that_contradict_a_scale_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VerdictFile.model_validate({"path": "v.csv", "kind": "model", **wrong})


def test_a_file_of_one_answer_a_row_is_asked_for_its_scale() -> None:
    rows = [
        {"prompt": f"Why {n}?", "response": f"So {n}.", "rating": n % 5, "annotator": ("ann", "bo")[n % 2]}
        for n in range(20)
    ]
    save(Path("ratings.csv"), rows)
    with pytest.raises(DataError, match="written to study"):
        audit_path(Path("ratings.csv"), people=["ann"], written=Path("study.yaml"))
    study = yaml.safe_load(Path("study.yaml").read_text(encoding="utf-8"))
    [source] = study["verdicts"]
    assert source["columns"] == {"prompt": "prompt", "answer": "response", "verdict": "rating", "rater": "annotator"}
    assert (source["scale"], source["people"]) == ("?", "ann")
    source["scale"] = "ordinal"
    Path("study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    assert audit_path(Path("study.yaml")).document["classes"] == ["0", "1", "2", "3", "4"]


def test_few_prompts_allow_no_conclusion() -> None:
    people, judge = scores()
    rows = [{"id": n, "prompt": f"Why {n % 4}?", "ann": 2 + n % 4, "bo": 3 + n % 2} for n in range(40)]
    save(Path("people.csv"), rows)
    document = certified(people, judge)
    assert document["conclusion"][0]["form"] == "no conclusion"
