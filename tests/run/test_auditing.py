"""An audit from a user's place: a file, a run file or a run's folder in, a certificate out, and no model asked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.cli._people import audit_path
from amendment.errors import ConfigError, DataError, Paused
from amendment.run import Run
from tests.rows import save
from tests.run.spot_checked import label_all

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "audit_my_judge.yaml"
JUDGED: dict[str, Any] = {
    "name": "judged",
    "constitution": "lilliput",
    "models": {"sim": {"provider": "simulated"}},
    "judging": {"judges": [{"model": "sim", "protocol": "label-tokens"}], "judge_labelled": True},
}


def run_file(folder: Path, **parts: Any) -> Path:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({"name": "labels", **parts}), encoding="utf-8")
    return path


def test_an_arena_file_needs_no_run_file_but_is_told_who_are_people(tmp_path: Path) -> None:
    # The judge agrees with the person on 8 of 10 questions: 80 %.
    rows = []
    for number in range(10):
        human = "model_a" if number % 2 else "model_b"
        other = {"model_a": "model_b", "model_b": "model_a"}[human]
        for judge, winner in (("expert_1", human), ("gpt-x", human if number < 8 else other)):
            rows.append({"question_id": str(number), "model_a": "m", "model_b": "n", "judge": judge, "winner": winner})
    path = save(tmp_path / "votes.csv", rows)
    audited = audit_path(path, people=["expert_*"], folder=tmp_path / "out")
    assert audited.document["judges"][0]["one_call"]["by_rule"]["no_ties"]["value"] == pytest.approx(0.8)
    with pytest.raises(DataError, match=r"gpt-x.*expert_1|expert_1.*gpt-x"):
        audit_path(path, folder=tmp_path / "asked")
    assert not (tmp_path / "asked").exists()


def test_a_dataset_in_a_folder_is_named_by_the_hash_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "set" / "data").mkdir(parents=True)
    (tmp_path / "set" / ".cache").mkdir()
    for name, answer in (("train-0.jsonl", "a"), ("train-1.jsonl", "b")):
        row = {"prompt": name, "a": "x", "b": "y", "verdict": answer}
        (tmp_path / "set" / "data" / name).write_text(json.dumps(row) + "\n", encoding="utf-8")
    path = run_file(tmp_path, verdicts=[{"dataset": "./set", "kind": "person"}])
    printed = "".join(  # by sha256sum data/*
        f"{hashlib.sha256((tmp_path / 'set' / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("data/train-0.jsonl", "data/train-1.jsonl")
    )
    (file,) = audit_path(path, folder=tmp_path / "out").document["files"]
    assert (file["name"], file["sha256"]) == ("./set[train]", hashlib.sha256(printed.encode()).hexdigest())
    assert file["sha256"] in (tmp_path / "out" / "certificate.md").read_text(encoding="utf-8")
    (tmp_path / "set" / ".cache" / "x").write_text("nothing that is read")
    assert audit_path(path, folder=tmp_path / "out").document["files"] == [file]
    (tmp_path / "set" / "data" / "train-0.jsonl").write_text(json.dumps({**row, "prompt": "another"}) + "\n")
    assert audit_path(path, folder=tmp_path / "out").document["files"][0]["sha256"] != file["sha256"]


def labelled_pairs(folder: Path) -> list[dict[str, Any]]:
    """Six questions of Lilliput with two answers each, and a person's vote; column `bo` says the opposite."""
    from amendment.simulator import sample_prompts

    rows = [
        {"q": prompt.text, "x": f"the answer is {n}", "y": f"it is {n + 1} because of gravity", "ann": ann, "bo": bo}
        for n, (prompt, ann, bo) in enumerate(zip(sample_prompts(6, 1), "ababab", "bababa", strict=True))
    ]
    save(folder / "labels.csv", rows)
    return [{"path": "labels.csv", "kind": "person", "columns": {"prompt": "q", "a": "x", "b": "y", "votes": ["ann"]}}]


def test_a_runs_judge_is_measured_on_labelled_comparisons_while_people_decide_them(tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text('{"prompt": "Make 7 from 1 and 6.", "candidate": "1 + 6"}\n', encoding="utf-8")
    parts = {**JUDGED, "seed": 7, "verdicts": labelled_pairs(tmp_path), "prompts": [{"path": "more.jsonl"}]}
    run = Run.from_file(run_file(tmp_path, **parts), folder=tmp_path / "run")
    result = run()
    certificate = json.loads((tmp_path / "run" / "certificate.json").read_text(encoding="utf-8"))
    judge = certificate["judges"][0]
    assert judge["one_call"]["items"] == judge["position"]["pairs"] == 6
    rows = [row for split in result.dataset.values() for row in split]
    assert [row["decided_by"] for row in rows] == ["person"] * 6  # each comparison once, though two decided it
    (file,) = certificate["files"]
    digest = hashlib.sha256((tmp_path / "labels.csv").read_bytes()).hexdigest()
    assert (file["name"], file["rows"], file["sha256"]) == ("labels.csv", 6, digest)

    audit_path(tmp_path / "run", folder=tmp_path / "again")  # a second time, and the run is left as it is
    for name in ("certificate.json", "certificate.md"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    with pytest.raises(ConfigError, match="its stage audit makes"):
        audit_path(tmp_path / "run", folder=tmp_path / "run")
    assert run().ran == ()
    with pytest.raises(ConfigError, match="not a run's folder"):
        audit_path(tmp_path / "again")


def test_labels_that_are_the_truth_decide_pairs_and_nobody_learns_who_gave_them(tmp_path: Path) -> None:
    (people,) = labelled_pairs(tmp_path)
    truth = {**people, "kind": "truth", "columns": {**people["columns"], "votes": ["bo"]}}
    path = run_file(tmp_path, **JUDGED, verdicts=[people, truth], min_agreement=0.9)
    result = Run.from_file(path, folder=tmp_path / "run")()
    rows = [row for split in result.dataset.values() for row in split]
    assert [(row["decided_by"], row["raters"]) for row in rows] == [("truth", ["person-1"])] * 6
    own, published = (
        json.loads((tmp_path / "run" / name / "certificate.json").read_text(encoding="utf-8")) for name in ("", "audit")
    )
    assert [rater["name"] for rater in own["counts"]["raters"] if rater["kind"] == "truth"] == ["bo"]
    assert {"person-1", "person-2"} <= {rater["name"] for rater in published["counts"]["raters"]}
    again = Run.from_file(path, folder=tmp_path / "run", overrides=["min_agreement=0.8"])()
    assert (again.ran, again.sent) == (("audit",), 0)


def test_verdicts_of_a_judge_that_the_run_file_names_no_more_stay_out_of_the_certificate(tmp_path: Path) -> None:
    (log,) = labelled_pairs(tmp_path)
    log = {**log, "kind": "model"}
    folder, prompts = tmp_path / "run", [{"lilliput": 6}]
    drawn = {"prompts": prompts, "candidates": [{"model": "sim", "per_prompt": 2}]}
    Run.from_file(run_file(tmp_path, **JUDGED, **drawn), folder=folder)()
    checked = run_file(
        tmp_path, **{**JUDGED, "judging": None}, verdicts=[log], spot_check={"items": 6, "overlap": 0, "annotators": 1}
    )
    with pytest.raises(Paused):
        Run.from_file(checked, folder=folder)()
    label_all(folder, people=("Anna Berg",))
    Run.from_file(checked, folder=folder)()
    certificate = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    assert len(certificate["judges"]) == 1
    assert "cost" not in certificate


def test_options_that_would_be_passed_over_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--people is only for data files"):
        audit_path(EXAMPLE, people=["ann"], folder=tmp_path / "out")
    path = save(tmp_path / "votes.csv", [{"item": "1", "ann": "a"}])
    with pytest.raises(ConfigError, match="--set is only for a run file"):
        audit_path(path, overrides=["seed=1"], folder=tmp_path / "out")


def test_an_audit_stands_until_its_files_change(tmp_path: Path) -> None:
    sources = labelled_pairs(tmp_path)
    path = run_file(tmp_path, verdicts=sources)
    assert Run.from_file(path, folder=tmp_path / "run")().ran == ("inputs", "audit", "dataset")
    assert Run.from_file(path, folder=tmp_path / "run")().ran == ()
    text = (tmp_path / "labels.csv").read_text(encoding="utf-8")
    (tmp_path / "labels.csv").write_text(text.replace(",a\r\n", ",b\r\n"), encoding="utf-8", newline="")
    assert "audit" in Run.from_file(path, folder=tmp_path / "run")().ran


def test_the_example_read_with_the_wrong_coordinates_is_asked_about_them(tmp_path: Path) -> None:
    right = audit_path(EXAMPLE, folder=tmp_path / "right")
    config = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    for source in config["verdicts"]:
        source["path"] = str(EXAMPLE.parent / source["path"])
    config["verdicts"][1]["coordinates"] = "content"
    wrong = audit_path(run_file(tmp_path, **{**config, "name": "wrong"}), folder=tmp_path / "wrong")
    asked = [any("check coordinates and orders" in line.lower() for line in one.lines) for one in (right, wrong)]
    assert asked == [False, True]
