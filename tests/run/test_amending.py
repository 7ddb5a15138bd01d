"""Learning from disagreement, on runs of the simulated world whose constitution lacks a principle."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from amendment.constitutions import load_constitution
from amendment.data.store import Workspace
from amendment.errors import ConfigError, DataError, Transient
from amendment.records import Verdict
from amendment.run import Run
from amendment.run.amending import Amended, amend_run
from tests.command_line import called

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "amending.py"


@pytest.fixture(scope="module")
def planting() -> Any:
    """The benchmark, whose smaller version these tests are."""
    spec = importlib.util.spec_from_file_location("amending_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planted")


@pytest.fixture(scope="module")
def amended(planting: Any, place: Path) -> Amended:
    """What comes of a run whose constitution says nothing of honesty, for which people care."""
    found: Amended = planting.planted(place, "honest", seed=1, labels=200)
    return found


@pytest.fixture
def here(amended: Amended, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that run's folder, beside its run file."""
    shutil.copytree(place, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return Path("runs/planted")


def bytes_of(folder: Path) -> bytes:
    return (folder / "evidence.json").read_bytes()


def test_the_evidence_is_given_for_each_rule(amended: Amended) -> None:
    document = amended.document
    assert document["simulated"]
    assert load_constitution("lilliput").principle("honest").statement in [
        rule["statement"] for rule in document["rules"]
    ]
    assert all(rule["reason"] for rule in document["rules"] if not rule["accepted"])
    assert {one["principle"] for one in document["principles"]} == {
        f"planted/{name}" for name in ("correct", "harmless", "helpful", "polite")
    }
    assert document["labels"]["comparisons"] == 200


def test_a_second_call_asks_nothing_and_sealed_labels_change_nothing(here: Path) -> None:
    before = bytes_of(here / "amend")
    again = amend_run(here)
    assert again is not None
    assert (again.sent, bytes_of(here / "amend")) == (0, before)
    workspace = Workspace(here)
    said = workspace.read("labels/open", Verdict)
    turned = [one.model_copy(update={"value": "B" if one.value == "A" else "A"}) for one in said]
    workspace.write("labels/sealed", Verdict, turned)
    amend_run(here)
    assert bytes_of(here / "amend") == before
    workspace.path("labels/sealed").unlink()
    amend_run(here)
    assert bytes_of(here / "amend") == before


def test_the_run_goes_on_as_if_nothing_had_been_asked(here: Path) -> None:
    result = Run.from_file("run.yaml")(until="labels")
    assert result.ran == ()
    by_stage = {row["stage"]: row["replies"] for row in result.spending["by stage and model"]}
    assert by_stage["amend"] > 0


def test_what_nothing_can_be_learned_from_is_refused(here: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model 'jugde' under models.*judge"):
        amend_run(here, model="jugde")
    with pytest.raises(ConfigError, match=r"not a run's folder"):
        amend_run(tmp_path)
    hosted = "{provider: openai, model: some, base_url: 'https://models.example/v1', api_key_env: null}"
    with pytest.raises(ConfigError, match=r"no known price for judge"):
        amend_run(here, overrides=[f"models.judge={hosted}"])
    workspace = Workspace(here)
    workspace.write("labels/open", Verdict, workspace.read("labels/open", Verdict)[:40])
    with pytest.raises(DataError, match=r"40 comparisons have open labels"):
        amend_run(here)
    (here / "labels" / "open.parquet").unlink()
    with pytest.raises(ConfigError, match=r"amendment label"):
        amend_run(here)


def test_the_command_prints_evidence(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called("amend", str(here), "--json") == 0
    evidence = json.loads((here / "amend" / "evidence.json").read_text())
    assert json.loads(capsys.readouterr().out) == evidence
    assert called("amend", str(here), "--proposals", "1") == 0
    printed = capsys.readouterr()
    assert "Nothing was applied." in printed.out
    assert "The wording of a rule, not the rule itself, may cause" in evidence["caution"]
    assert evidence["caution"] in printed.out
    assert "amend: " in printed.err
    assert called("amend", str(tmp_path)) == 2


def test_a_server_that_is_away_pauses_with_one_advice(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*arguments: object) -> None:
        raise Transient("the server is away", kind="server")

    monkeypatch.setattr("amendment.run.amending.propose", away)
    assert called("amend", str(here), "--proposals", "3") == 3
    said = capsys.readouterr().err
    assert said.endswith(f"Resume with: amendment amend {here} --proposals 3\n")
    assert (said.count("amendment amend"), said.lower().count("resume")) == (1, 1)
