"""Probes in a run: a bias that was planted is found at its sign, a judge without one passes, and a run goes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest

from amendment.audit.probes import PARAPHRASE, PROBES, ProbeAnswers
from amendment.constitutions import DrawnPrinciple
from amendment.errors import ConfigError, Paused, Transient
from amendment.preference import Judge
from amendment.records import Candidate, Judgement, Prompt, Verdict, last_text
from amendment.run import Run, RunResult
from amendment.run.engine import RunFolder
from amendment.stages.probes import ProbeName

PROBED = """\
name: probed
seed: 5
constitution: lilliput
models:
  writer: {provider: simulated, writer: helpful-only}
  judge: {provider: simulated, noise: 0.2, biases: {position: 0.2}}
prompts: [{lilliput: 50}]
candidates: [{model: writer, per_prompt: 2}]
judging: {judges: [{model: judge, protocol: label-tokens}], principles_per_pair: 2}
probes:
  pairs: 40
  which: [authority]
  attack_by: [lilliput/correct, lilliput/helpful, lilliput/frank]
"""
PLANTED = {
    "filler": "verbosity",
    "authority": "authority",
    "format": "format",
    "injection": "injection",
    "bandwagon": "bandwagon",
    "sycophancy": "sycophancy",
    "revision": "revision",
}
"""A bias of a persona, and the probe that looks for it."""
NULL = "null-answer"
SMALL = ("prompts=[{lilliput: 20}]", "probes.pairs=12")
ALL = "probes.which=all"


class Found:
    """A run that was made up to its probes."""

    def __init__(self, result: RunResult) -> None:
        self.result, self.folder = result, result.folder
        document = json.loads((self.folder / "probes" / "figures.json").read_text())
        self.of: dict[str, Any] = {one["probe"]: one for one in document["probes"]}

    @property
    def answers(self) -> list[ProbeAnswers]:
        return RunFolder(self.folder).read("probes/answers", ProbeAnswers)


def written(folder: Path) -> Path:
    path = folder / "run.yaml"
    path.write_text(PROBED)
    return path


def probed(folder: Path, *overrides: str) -> Found:
    """The run of `PROBED` with these overrides, made up to its probes."""
    return Found(Run.from_file(written(folder), folder=folder / "run", overrides=overrides)(until="probes"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A judge without a bias."""
    return probed(tmp_path_factory.mktemp("sound"), ALL)


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A judge with every bias that can be planted."""
    planted = [f"models.judge.biases.{name}=3" for name in PLANTED]
    return probed(tmp_path_factory.mktemp("biased"), ALL, "models.judge.biases.garbage=12", *planted)


def test_planted_biases_are_found_at_their_sign_and_a_judge_without_one_fails_no_edit(
    biased: Found, sound: Found
) -> None:
    for probe in PLANTED.values():
        assert biased.of[probe]["gate"] == "FAIL", probe
        assert biased.of[probe]["direction"]["low"] > 0, probe
    assert list(sound.of) == [name for name in PROBES if name != PARAPHRASE]
    edits = [row for name, row in sound.of.items() if name != NULL]
    assert {row["gate"] for row in edits} <= {"PASS", "WARN"}
    assert all(abs(row["direction"]["value"]) < 0.2 for row in edits)


def test_a_judge_that_likes_null_answers_is_found_and_a_sound_one_lets_none_win(biased: Found, sound: Found) -> None:
    found = biased.of[NULL]
    assert found["gate"] == "FAIL"
    assert found["wins"] == found["prompts"] == sum(found["won_by"].values())
    assert sound.of[NULL]["wins"] == 0 < sound.of[NULL]["prompts"]


def test_a_probe_asks_by_one_principle_of_the_judgement_and_in_both_orders(sound: Found) -> None:
    rows = [row for row in sound.answers if row.probe == "authority"]
    assert Counter(row.place for row in rows) == {0: 40, 1: 40}
    assert all(row.sides("before", "edited", "control") for row in rows)
    judged = {one.comparison_id: one for one in RunFolder(sound.folder).read("judging/judgements", Judgement)}
    assert all(row.principle in judged[row.comparison_id].principle_ids for row in rows)
    assert len({(row.comparison_id, row.principle) for row in rows}) == 40


def test_a_run_that_was_broken_off_in_its_probes_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    whole = probed(tmp_path / "whole", *SMALL)
    verdicts = Judge.verdicts
    asked = Counter[str]()

    async def failing(
        self: Judge, prompt: Prompt, first: Candidate, second: Candidate, *, by: DrawnPrinciple | None = None
    ) -> list[Verdict]:
        asked["edited"] += "Harrow" in last_text(first.messages) + last_text(second.messages)
        if asked["edited"] > 20:  # of 48
            raise Transient("h: no reply", kind="transport")
        return await verdicts(self, prompt, first, second, by=by)

    with monkeypatch.context() as broken:
        broken.setattr(Judge, "verdicts", failing)
        with pytest.raises(Paused, match=r"probes: .* pending"):
            probed(tmp_path, *SMALL)
    assert not (tmp_path / "run" / "probes" / "figures.json").exists()
    again = probed(tmp_path, *SMALL)
    assert 0 < again.result.sent < whole.result.sent
    assert again.of == whole.of
    assert probed(tmp_path, *SMALL).result.sent == 0


def test_judges_of_one_answer_are_probed_in_the_words_that_they_read(tmp_path: Path) -> None:
    judges = "judging.judges=[{model: judge, protocol: score}]"
    found = probed(
        tmp_path, judges, *SMALL, "models.judge.biases.injection=8", "probes.which=[injection, bandwagon]"
    ).of
    assert found["bandwagon"]["found"] == "not asked: it sees one answer"
    assert found["injection"]["asked"] == 12
    assert found["injection"]["direction"]["low"] > 0


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("probes.attack_by=[lilliput/corect]", "lilliput/correct"),
        ("probes.which=[verbosty]", "probes.which"),
        ("probes.pairs=0", "probes.pairs"),
        ("probes.which=[]", r"run\.yaml:\d+:\d+: probes\.which: "),
        ("probes.clear=1", "probes.clear"),
    ],
)
def test_what_the_part_names_wrongly_is_told_before_anything_is_asked(override: str, told: str, tmp_path: Path) -> None:
    assert get_args(ProbeName) == ("all", *PROBES)
    with pytest.raises(ConfigError, match=told):
        Run.from_file(written(tmp_path), folder=tmp_path / "run", overrides=[override]).check()
    assert not (tmp_path / "run").exists()
