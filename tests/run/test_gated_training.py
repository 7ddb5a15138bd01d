"""The gate between judge and training: people who say the opposite keep a run from training on what the judge says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from amendment.errors import ConfigError, GateFailed, Paused
from amendment.results import read_summary
from amendment.run import Run, RunResult, load_run_file
from amendment.run.chain import list_stages
from tests.command_line import amendment
from tests.run.spot_checked import PAGED, contents, label_all, opposing, run, say_anew, told

TRAINED = f"""{PAGED}
base: {{on: nothing, steps: 1, hidden: 16, vocab: 400}}
reward_model: {{base: base, despite: [order], steps: 1, batch_size: 2, max_length: 60}}
"""
GO_ON = "reward_model.despite=[order, people]"


@pytest.fixture(scope="module")
def failed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose judge people contradict; nothing is trained yet."""
    folder = tmp_path_factory.mktemp("failed")
    with pytest.raises(Paused):
        run(folder, PAGED)
    label_all(folder / "run", opposing)
    run(folder, PAGED)
    return folder


@pytest.fixture
def failed(failed_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(failed_folder, tmp_path / "failed"))


def test_people_who_say_the_opposite_fail_the_judge(failed: Path) -> None:
    gate = told(failed / "run", "certificate.json")["gate"]
    assert gate["outcome"] == "FAIL"
    assert {"judge": "the judge's labels", "check": "people", "outcome": "FAIL"} in gate["checks"]
    assert "FAIL" in (failed / "run" / "certificate.md").read_text().split("## Gate before training\n")[1]
    assert read_summary(failed / "run").of("audit").totals["gate"] == "FAIL"


@pytest.mark.slow
def test_nothing_is_trained_on_a_judge_that_failed_unless_the_run_file_says_so(failed: Path) -> None:
    (failed / "run.yaml").write_text(TRAINED)
    ended = amendment("run", failed / "run.yaml", "--folder", failed / "run")
    said = " ".join(ended.err.split())
    assert ended.code == 5, said
    assert "did not pass its gate (people, for the judge's labels)" in said
    assert "run/certificate.md says what was found" in said
    assert "reward_model.despite: [people]" in said
    assert not (failed / "run" / "models" / "reward_model").exists()
    audit = contents(failed / "run", "certificate.json", "stages/audit.json", "stages/dataset.json")

    result = run(failed, TRAINED, GO_ON)
    assert result.ran == ("reward_model",)
    assert (failed / "run" / "models" / "reward_model" / "config.json").is_file()
    assert contents(failed / "run", "certificate.json", "stages/audit.json", "stages/dataset.json") == audit
    assert run(failed, TRAINED, GO_ON).ran == ()

    # a sealed label moves a figure, and not the outcome: nothing is trained again
    say_anew(failed / "run", is_sealed=True)
    assert run(failed, TRAINED, GO_ON).ran == ("labels", "audit")
    # an open one is in the dataset
    say_anew(failed / "run", is_sealed=False, count=2)
    assert run(failed, TRAINED, GO_ON).ran == ("labels", "calibration", "audit", "dataset", "base", "reward_model")


def test_the_margin_is_part_of_the_certificate_and_excuses_no_judge_below_one_half(failed: Path) -> None:
    again = run(failed, PAGED, "spot_check.gate.max_gap_to_human=0.49")
    assert (again.ran, again.sent) == (("audit",), 0)
    assert told(failed / "run", "certificate.json")["gate"]["outcome"] == "FAIL"


def written(folder: Path) -> Path:
    (folder / "run.yaml").write_text(TRAINED)
    return folder / "run.yaml"


STARTS = {
    "reward_model": "reward_model: {base: base, steps: 1}",
    "dpo": "dpo: {base: base, steps: 1}",
    "sft": "sft: {base: base, on: chosen, steps: 1}",
}
NO_TRAINING = TRAINED[: TRAINED.index("reward_model:")]


@pytest.mark.parametrize("stage", [*STARTS, "base"])
def test_every_training_on_what_the_judge_chose_waits_for_the_gate(stage: str, failed: Path) -> None:
    text = NO_TRAINING.replace("on: nothing", "on: chosen") if stage == "base" else STARTS[stage] + "\n" + NO_TRAINING
    with pytest.raises(GateFailed, match="people, for the judge's labels"):
        run(failed, text)
    assert not (failed / "run" / "models" / stage).exists()


def test_a_training_on_revisions_owes_nothing_to_the_judge(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        NO_TRAINING.replace("on: nothing", "on: drafts") + "critique: {model: writer}\nsft: {base: base}\n"
    )
    needs = {one.name: one.reads for one in list_stages(load_run_file(tmp_path / "run.yaml").config)}
    assert "audit/gate.json" not in (*needs["base"], *needs["sft"])


def test_a_gate_that_warns_or_could_not_be_measured_stops_nobody(tmp_path: Path) -> None:
    from amendment.audit.gates import Gate
    from amendment.people.gate import refuse_failed_gate, write_gate
    from amendment.run.engine import RunFolder

    place = RunFolder(tmp_path)
    place.path("audit/gate.json").parent.mkdir()
    texts = set()
    for outcome in ("PASS", "WARN", "not measured"):
        write_gate(place, [Gate("the judge's labels", "people", outcome, "")])
        refuse_failed_gate(place, "dpo")
        texts.add(place.path("audit/gate.json").read_bytes())
    assert len(texts) == 1  # and what passes instead of warning makes no training run again


def test_one_annotator_gives_no_ceiling_and_only_a_judge_worse_than_a_coin_fails(tmp_path: Path) -> None:
    alone = "spot_check={items: 80, annotators: 1}"
    for says, outcome in ((None, "WARN"), (opposing, "FAIL")):
        folder = tmp_path / outcome
        folder.mkdir()
        with pytest.raises(Paused):
            run(folder, PAGED, alone)
        label_all(folder / "run", *([says] if says else []), people=["Anna Berg"])
        result: RunResult = run(folder, PAGED, alone)
        gates = {one["check"]: one["outcome"] for one in told(folder / "run", "certificate.json")["gate"]["checks"]}
        assert gates["people"] == outcome
        assert result.results["labels"].count("people") == 1


@pytest.mark.parametrize("setting", ["max_gap_to_human=-0.1", "max_gap_to_human=0.6", "unreadable=2"])
def test_a_gate_that_makes_no_sense_is_refused(setting: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"spot_check\.gate"):
        Run.from_file(written(tmp_path), overrides=[f"spot_check.gate.{setting}"])
