"""A judge whose verdicts change with the order of the answers: what is trained on its labels, and what is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pyarrow import parquet

from amendment.audit.conclusion import ORDERS_AGREE, Conclusion
from amendment.data.store import Workspace
from amendment.errors import GateFailed
from amendment.people.gate import against_advice, write_gate
from amendment.records import Judgement
from amendment.run import Run
from tests.command_line import amendment
from tests.run.spot_checked import rows, run, told

JUDGED = """\
name: swayed
seed: 4
constitution: lilliput
models:
  writer: {provider: simulated}
  fair: {provider: simulated, noise: 0.1, biases: {position: 0.0}}
  swayed: {provider: simulated, noise: 0.1, biases: {position: 9.0}, gain: 0.5}
prompts: [{lilliput: 50}]
candidates: [{model: writer, per_prompt: 2}]
judging: {judges: [{model: swayed, protocol: label-tokens}]}
dataset: {test_share: 0.25}
"""
TINY = "base: {on: nothing, steps: 1, hidden: 16, vocab: 400}\n"
STAGES = {
    "reward_model": "reward_model: {base: base, steps: 1, batch_size: 2, max_length: 60}\n",
    "dpo": "dpo: {base: base, steps: 1, batch_size: 2, max_length: 60, guards: null}\n",
}
SWAYED = "swayed/label-tokens@2.1.0"


@pytest.fixture(scope="module")
def judged_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose judge chooses by position; nothing is trained yet."""
    folder = tmp_path_factory.mktemp("swayed")
    run(folder, JUDGED)
    return folder


@pytest.fixture
def judged(judged_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged_folder, tmp_path / "swayed"))


def trained(folder: Path, stage: str) -> bool:
    return (folder / "run" / "models" / stage / "config.json").is_file()


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_trained_on_a_judge_that_chooses_by_position_unless_the_run_file_says_so(
    stage: str, judged: Path
) -> None:
    assert json.loads((judged / "run/audit/gate.json").read_text()) == {"failed": [], "order": [SWAYED]}
    text = JUDGED + TINY + STAGES[stage]
    with pytest.raises(GateFailed, match="gate order") as stopped:
        run(judged, text)
    assert SWAYED in str(stopped.value)
    assert f"{stage}.despite: [order]" in str(stopped.value)
    assert not trained(judged, stage)
    again = run(judged, text, f"{stage}.despite=[order]")
    assert (again.ran[-1], again.sent, trained(judged, stage)) == (stage, 0, True)
    assert run(judged, text, f"{stage}.despite=[order]").ran == ()


def test_rows_say_whether_both_orders_agree_and_training_against_the_certificate_is_said(judged: Path) -> None:
    sometimes = JUDGED.replace("position: 9.0}, gain: 0.5", "position: 1.0}")
    run(judged, sometimes)
    place, made = Workspace(judged / "run"), rows(judged / "run")
    consistent = {row.comparison_id: row.consistent for row in place.read("judging/judgements", Judgement)}
    assert {name: row.orders_agree for name, row in made.items()} == {name: consistent[name] for name in made}
    flipped = sum(row.orders_agree is False for row in made.values())
    assert 0 < flipped < len(made)
    table = parquet.read_table(judged / "run/export/train.parquet").to_pylist()
    assert [row["orders_agree"] for row in table] == [made[row["comparison_id"]].orders_agree for row in table]
    assert f"drop would leave {len(made) - flipped}." in (judged / "run/report.html").read_text(encoding="utf-8")

    as_trained = [row.to_json() for row in made.values()]
    assert against_advice(place, as_trained) is None  # the gate has failed: nothing says to use it where orders agree
    conclusion = Conclusion(SWAYED, "use only where", "conditions", "", where=(ORDERS_AGREE,))
    write_gate(place, [], (), [conclusion])
    advice = against_advice(place, as_trained) or ""
    assert advice.startswith(f"{flipped} of {len(made)} pairs")
    assert f"disagreement: drop, which leaves {len(made) - flipped}" in advice

    run(judged, sometimes, "judging.disagreement=drop")
    assert {row.orders_agree for row in rows(judged / "run").values()} == {True}


def test_the_run_ends_with_the_exit_code_of_a_gate(judged: Path) -> None:
    (judged / "run.yaml").write_text(JUDGED + TINY + STAGES["reward_model"])
    ended = amendment("run", judged / "run.yaml", "--folder", judged / "run")
    assert ended.code == 5, ended.err
    assert "run/certificate.md has the figures" in " ".join(ended.err.split())


def test_a_judge_without_a_position_bias_is_trained_on(tmp_path: Path) -> None:
    run(tmp_path, JUDGED.replace("[{model: swayed", "[{model: fair") + TINY + STAGES["reward_model"])
    assert trained(tmp_path, "reward_model")


def test_a_jury_is_stopped_by_each_juror_who_decided_pairs(tmp_path: Path) -> None:
    judges = "[{model: fair, protocol: label-tokens}, {model: swayed, protocol: label-tokens}]"
    text = JUDGED.replace("[{model: swayed, protocol: label-tokens}]", judges) + TINY + STAGES["reward_model"]
    with pytest.raises(GateFailed, match=f"verdicts of {SWAYED}, which"):
        run(tmp_path, text)


def test_a_judge_that_decided_nothing_stops_nothing(tmp_path: Path) -> None:
    """People have decided every pair, and the judge is asked about these pairs to be measured."""
    rows = [
        {"prompt": f"say add {i} {i} thanks", "chosen": f"the answer is {2 * i}", "rejected": "i am not certain"}
        for i in range(1, 41)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = JUDGED.replace("prompts: [{lilliput: 50}]\ncandidates: [{model: writer, per_prompt: 2}]\n", "")
    text = text.replace("protocol: label-tokens}]", "protocol: label-tokens}], judge_labelled: true")
    run(tmp_path, text + "pairs: [{path: pairs.jsonl}]\n" + TINY + STAGES["reward_model"])
    assert told(tmp_path / "run", "audit/gate.json")["order"] == [SWAYED]
    assert trained(tmp_path, "reward_model")


def test_a_folder_of_an_earlier_version_is_audited_again_without_a_call(judged: Path) -> None:
    """Its certificate was made without a file for the gate, which trainings now read."""
    folder = judged / "run"
    note = json.loads((folder / "stages/audit.json").read_text())
    del note["artefacts"]["audit/gate.json"]
    (folder / "stages/audit.json").write_text(json.dumps({**note, "key": "s2:of-an-earlier-version"}))
    (folder / "audit/gate.json").unlink()
    result = Run.from_file(judged / "run.yaml", folder=folder)()
    assert (result.ran, result.sent) == (("audit",), 0)
    assert told(folder, "audit/gate.json")["order"] == [SWAYED]
