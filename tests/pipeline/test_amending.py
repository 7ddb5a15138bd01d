"""Learning from disagreement, on runs of the simulated world whose constitution lacks a principle."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from amendment.calibration import Gathered, Rule, SampledItem
from amendment.calibration.people.amending.gains import Ruling
from amendment.cli import main
from amendment.constitutions import lint, load_constitution
from amendment.errors import ConfigError, DataError
from amendment.pipeline import Run, amending
from amendment.pipeline.amending import Amended, amend_run
from amendment.pipeline.engine import Workspace
from amendment.records import Verdict

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "amending.py"
WRITTEN = ("constitution.yaml", "evidence.json", "evidence.md")


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
    found: Amended = planting.planted(place, "honest", seed=1, labels=300)
    return found


@pytest.fixture
def here(amended: Amended, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that run's folder, beside its run file."""
    shutil.copytree(place, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return Path("runs/planted")


def bytes_of(folder: Path) -> dict[str, bytes]:
    """But for the line that names the schema by where the file lies."""
    return {name: (folder / name).read_bytes().split(b"\n\n", int(name == WRITTEN[0]))[-1] for name in WRITTEN}


def test_the_missing_principle_is_recovered(planting: Any, amended: Amended, tmp_path: Path) -> None:
    found = [planting.found(amended, "honest")]
    found.append(planting.found(planting.planted(tmp_path, "honest", seed=2, labels=300), "honest"))
    assert all(one.accepted or one.first for one in found)
    assert found[0].accepted
    assert found[0].wrongly == ()


def test_the_new_version_is_the_old_one_and_what_was_accepted(amended: Amended, place: Path) -> None:
    old = load_constitution("./planted.yaml", base=place)
    new = load_constitution("./constitution.yaml", base=place / amended.folder)
    assert (old.version, new.version) == ("1.0.0", "1.1.0")
    assert new.principles[: len(old.principles)] == old.principles
    [added] = new.principles[len(old.principles) :]
    assert added.statement == load_constitution("lilliput").principle("honest").statement
    assert "others it agrees with people in" in str(added.rationale)
    assert lint(new) == []


def test_nothing_is_applied(amended: Amended, place: Path) -> None:
    assert "honest" not in (place / "planted.yaml").read_text()
    folder = place / "runs" / "planted"
    assert [path.name for path in (folder / "constitutions").iterdir()] == ["planted.json"]
    assert "amend" not in (folder / "run.yaml").read_text().replace("# resolved by amendment", "")


def test_the_evidence_stands_beside_each_change_and_each_refusal(amended: Amended) -> None:
    text, document = "\n".join(amended.lines), amended.document
    assert "Simulated: " in text
    assert "## Proposed: version 1.1.0 (now 1.0.0)" in text
    assert "weight beside the constitution and the other candidates: +" in text
    accepted = [one for one in document["candidates"] if one["accepted"]]
    rejected = [one for one in document["candidates"] if not one["accepted"]]
    assert len(accepted) == 1
    assert accepted[0]["weight"]["low"] > 0
    assert all(one["id"] in text and one["reason"] for one in rejected)
    assert {one["principle"] for one in document["principles"]} == {
        f"planted/{name}" for name in ("correct", "harmless", "helpful", "polite")
    }
    assert document["labels"]["comparisons"] == 300


def test_a_second_call_asks_nothing_and_writes_the_same(here: Path) -> None:
    before = bytes_of(here / "amend")
    told: list[str] = []
    assert amend_run(here, tell=told.append).sent == 0
    assert told == ["amend: every reply is in the ledger; nothing is asked"]
    assert bytes_of(here / "amend") == before


def test_sealed_labels_change_nothing(here: Path) -> None:
    before = bytes_of(here / "amend")
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


def test_without_an_accepted_rule_no_constitution_is_left_from_before(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (here / "amend" / "constitution.yaml").is_file()
    monkeypatch.setattr(amending, "rule", lambda tried, found: {name: Ruling(False, 1.0, "no") for name in found})
    found = amend_run(here)
    assert found.evidence.new is None
    assert not (here / "amend" / "constitution.yaml").exists()
    assert "## No change is proposed" in "\n".join(found.lines)


STANDING = (Rule("Be polite to whoever asks.", "Which?"), "polite")


@pytest.mark.parametrize(
    ("found", "headline"),
    [
        (
            Gathered((), (), Counter({"replies refused": 2, "replies without a rule": 1, "fewer than 3 words": 1})),
            "No usable rule was proposed (3 replies could not be read, 1 rule could not be used).",
        ),
        (
            Gathered((), (STANDING,), Counter()),
            "No candidate was left to test: 1 proposal says what principles say already.",
        ),
    ],
)
def test_where_nothing_was_tested_the_evidence_says_so_and_why(
    here: Path, monkeypatch: pytest.MonkeyPatch, found: Gathered, headline: str
) -> None:
    monkeypatch.setattr(amending, "gathered", lambda reads, known, most: found)
    text = "\n".join(amend_run(here).lines)
    assert f"## No change is proposed\n\n{headline}\n" in text
    assert "; none was tested. Sealed labels" in text
    assert "tested on the other" not in text
    assert "surely adds" not in text


def test_too_few_labels_say_how_many_are_needed(here: Path) -> None:
    workspace = Workspace(here)
    workspace.write("labels/open", Verdict, workspace.read("labels/open", Verdict)[:40])
    with pytest.raises(DataError, match=r"40 comparisons are labelled .* About \d+ are needed: raise spot_check.items"):
        amend_run(here)


def test_a_debug_sample_is_refused(here: Path) -> None:
    workspace = Workspace(here)
    drawn = workspace.read("spot_check/sample", SampledItem)
    doubtful = [one.model_copy(update={"purpose": "debug", "inclusion": None}) for one in drawn]
    workspace.write("spot_check/sample", SampledItem, doubtful)
    with pytest.raises(DataError, match="debug sample"):
        amend_run(here)


HOSTED = "models.judge={provider: openai, model: some, base_url: 'http://127.0.0.1:1/v1', api_key_env: null}"


def test_a_model_without_a_price_is_refused_before_anything_is_asked(here: Path) -> None:
    hosted = HOSTED.replace("http://127.0.0.1:1/v1", "https://models.example/v1")
    with pytest.raises(ConfigError, match=r"no price is known of judge"):
        amend_run(here, overrides=[hosted])


def test_what_it_costs_is_told_before_it_is_asked(here: Path) -> None:
    class Enough(Exception):
        pass

    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        raise Enough

    priced = HOSTED.replace("api_key_env: null", "max_tokens: 500, price: {input: 10, output: 30}")
    with pytest.raises(Enough):
        amend_run(here, overrides=[priced], proposals=2, tell=tell)
    # every reply is new to this model: 2 rules on each comparison to test on, in two orders
    testing = json.loads((here / "amend" / "evidence.json").read_text())["labels"]["to test on"]
    assert f"{2 * 2 * testing:,} to judge (test)" in told[0]
    assert "cost about $" in told[0]
    assert "at most without faults" in told[0]


def test_mistakes_are_named(here: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model 'jugde' under models.*judge"):
        amend_run(here, model="jugde")
    with pytest.raises(ConfigError, match=r"not a run's folder"):
        amend_run(tmp_path)
    with pytest.raises(ConfigError, match=r"no `spot_check:`"):
        amend_run(here, overrides=["spot_check="])
    (here / "labels" / "open.parquet").unlink()
    with pytest.raises(ConfigError, match=r"amendment label"):
        amend_run(here)


def test_the_command_prints_evidence_and_writes_where_it_is_told(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(monkeypatch, ["amend", str(here), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "out" / "evidence.json").read_text())
    assert command(monkeypatch, ["amend", str(here), "--proposals", "1"]) == 0
    printed = capsys.readouterr()
    assert "Nothing was applied." in printed.out
    assert "amend: " in printed.err
    assert command(monkeypatch, ["amend", str(tmp_path)]) == 2


def command(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["amendment", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)
