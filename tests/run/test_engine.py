"""Stages find each other by reference, run once, and again only when something that they read has changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.data.store import Split
from amendment.errors import ConfigError, LedgerError
from amendment.run.engine import RunFolder, RunStage, in_order
from amendment.stages.contract import Context, Stage, StageResult


class Making(Stage):
    """Any stage: what it reads and writes, and what it does."""

    def __init__(self, name: str, reads: tuple[str, ...], make: Callable[[], StageResult]) -> None:
        self.name = self.title = name
        self.reads, self.writes, self.does = reads, (f"{name}/out",), make

    def make(self, context: Context) -> StageResult:
        return self.does()


def of_run(stage: Stage, **settings: Any) -> RunStage:
    """The stage with its settings; a stage that asks no models needs nothing of its run."""
    context: Any = None
    return RunStage(stage, context, settings)


class Bench:
    """Three stages in a row, each of which copies what it reads; `text` is what the first one finds outside."""

    def __init__(self, folder: Path) -> None:
        self.workspace = RunFolder(folder)
        self.text = "a"
        self.ran: list[str] = []

    def stages(self) -> list[RunStage]:
        return [
            of_run(self._stage("first", (), lambda: self.text), text=self.text),
            of_run(self._stage("second", ("first/out",), lambda: self._read("first").lower())),
            of_run(self._stage("third", ("second/out",), lambda: self._read("second") * 2), by=1),
        ]

    def run(self, stages: Sequence[RunStage] | None = None) -> list[str]:
        """What a run does; gives the names of the stages that had to be run."""
        self.ran = []
        for stage in stages or self.stages():
            if not self.workspace.is_up_to_date(stage):
                self.workspace.close(stage, stage.run())
        return self.ran

    def _stage(self, name: str, reads: tuple[str, ...], text: Callable[[], str]) -> Stage:
        def make() -> StageResult:
            self.ran.append(name)
            rows = [Split(prompt_id=text(), split="train")]
            return StageResult((self.workspace.write(f"{name}/out", Split, rows),))

        return Making(name, reads, make)

    def _read(self, name: str) -> str:
        return self.workspace.read(f"{name}/out", Split)[0].prompt_id


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_stages_run_once_and_then_stand_also_for_a_new_process(bench: Bench, tmp_path: Path) -> None:
    assert bench.run() == ["first", "second", "third"]
    assert bench.run() == []
    assert Bench(tmp_path).run() == []
    assert bench.workspace.read("third/out", Split)[0].prompt_id == "aa"


def test_a_setting_of_the_last_stage_reruns_nothing_before_it(bench: Bench) -> None:
    bench.run()
    *others, last = bench.stages()
    changed = [*others, of_run(last.stage, by=2)]
    assert bench.run(changed) == ["third"]
    assert bench.run(changed) == []


def noted(text: str) -> Callable[[Bench, Path], object]:
    return lambda _, folder: (folder / "stages" / "second.json").write_text(text)


CHANGED: dict[str, tuple[Callable[[Bench, Path], object], list[str]]] = {
    "a setting": (lambda bench, _: setattr(bench, "text", "b"), ["first", "second", "third"]),
    "a setting, and the second writes the same bytes": (
        lambda bench, _: setattr(bench, "text", "A"),
        ["first", "second"],
    ),
    "an artefact is deleted": (lambda bench, _: bench.workspace.path("second/out").unlink(), ["second"]),
    "an artefact is touched": (lambda bench, _: bench.workspace.path("second/out").write_bytes(b"?"), ["second"]),
    **{
        f"a damaged note: {text}": (noted(text), ["second"])
        for text in ("", "{", "[]", '{"key": 1, "artefacts": {"a": 1}, "counts": {}}', '{"key": 1}')
    },
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_changed_reruns_its_stage_and_what_reads_other_bytes_from_it(
    case: str, bench: Bench, tmp_path: Path
) -> None:
    change, expected = CHANGED[case]
    bench.run()
    before = bench.workspace.path("second/out").read_bytes()
    change(bench, tmp_path)
    assert bench.run() == expected
    assert (bench.workspace.path("second/out").read_bytes() == before) == ("third" not in expected)
    assert bench.run() == []


@pytest.mark.parametrize("lost", ["first", "second", "third"])
def test_a_lost_note_makes_its_stage_again_and_stops_nobody(bench: Bench, lost: str, tmp_path: Path) -> None:
    bench.run()
    (tmp_path / "stages" / f"{lost}.json").unlink()
    assert not any(bench.workspace.is_up_to_date(stage) for stage in bench.stages() if stage.name == lost)
    for stage in bench.stages():  # also those that read what it wrote are looked at before it is made
        bench.workspace.key_matches(stage)
    assert bench.run() == [lost]
    assert bench.run() == []


def test_a_stage_whose_source_changes_under_it_is_not_done(bench: Bench) -> None:
    first, second, third = bench.stages()
    bench.run([first])
    made = second.run()
    bench.workspace.write("first/out", Split, [Split(prompt_id="z", split="train")])
    with pytest.raises(LedgerError, match=r"first/out\.parquet: gone, or changed since the run wrote it"):
        bench.workspace.close(second, made)
    assert bench.run([first, second, third]) == ["first", "second", "third"]
    assert bench.workspace.read("third/out", Split)[0].prompt_id == "aa"


def test_a_stage_that_fails_is_not_done(bench: Bench) -> None:
    stages = bench.stages()

    def fails() -> StageResult:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        bench.run([stages[0], of_run(Making("second", ("first/out",), fails)), stages[2]])
    assert bench.workspace.note("second") is None
    assert bench.run() == ["second", "third"]


def test_what_nobody_made_is_named(bench: Bench) -> None:
    with pytest.raises(LedgerError, match="second/out is missing"):
        bench.workspace.digest("second/out")


def test_a_folder_of_files_is_one_artefact(bench: Bench) -> None:
    folder = bench.workspace.path("models/base")

    def run() -> StageResult:
        (folder / "inner").mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
        (folder / "inner" / "weights").write_text("1 2 3")
        return StageResult(("models/base",))

    stage = of_run(Making("base", (), run))
    bench.workspace.close(stage, run())
    assert bench.workspace.is_up_to_date(stage)
    first = bench.workspace.digest("models/base")
    (folder / "inner" / "weights").write_text("1 2 4")
    assert not bench.workspace.is_up_to_date(stage)
    bench.workspace.close(stage, run())
    assert bench.workspace.digest("models/base") == first


@pytest.mark.parametrize("seed", range(5))
def test_the_order_comes_from_references_and_not_from_the_list(bench: Bench, seed: int) -> None:
    stages = [stage.stage for stage in bench.stages()]
    random.Random(seed).shuffle(stages)
    assert [stage.name for stage in in_order(stages)] == ["first", "second", "third"]


def test_a_cycle_is_named(bench: Bench) -> None:
    _, second, third = (stage.stage for stage in bench.stages())
    first = Making("first", ("third/out",), lambda: StageResult(()))
    with pytest.raises(ConfigError, match="first -> third -> second -> first"):
        in_order([first, second, third])


def test_a_model_is_its_weights_and_not_how_it_came_about(bench: Bench) -> None:
    """Otherwise a training that ends with the same weights would have every later answer asked for, and paid, again."""
    folder = bench.workspace.path("models/dpo")
    folder.mkdir(parents=True)
    digests = []
    for weights, history in (("w", "short"), ("w", "long"), ("v", "long")):
        (folder / "model.safetensors").write_text(weights)
        (folder / "history.json").write_text(history)
        stage = of_run(Making("dpo", (), lambda: StageResult(())))
        bench.workspace.close(stage, StageResult(("models/dpo",)))
        digests.append(bench.workspace.digest("models/dpo"))
    assert digests[0] == digests[1] != digests[2]
