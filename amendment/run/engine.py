"""Stages that find each other by reference, run once, and stand until something that they read has changed.

A stage reads artefacts (`inputs/prompts`, `models/sft`) and makes artefacts. Its key is the hash of its
slice of the configuration and of the content of all that it reads; a stage with the same key whose
artefacts are in place is not run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amendment.data.store import Workspace
from amendment.errors import ConfigError, LedgerError
from amendment.files import file_hash, write_json
from amendment.hashing import content_id
from amendment.plugins import source_key
from amendment.run.chain import list_stages
from amendment.stages.contract import Context, Stage, StageResult
from amendment.stages.passes import one_pass
from amendment.yamlfile import did_you_mean

HISTORY = "history.json"
"""The file in a model's folder that no later stage reads."""
STAGE_FORMAT = 10
"""Raised when what stages write changes, so that older artefacts are made again."""


@dataclass(frozen=True)
class RunStage:
    """A stage of one run, with its key as it is now."""

    stage: Stage
    context: Context
    settings: Mapping[str, Any]
    """Its slice of the configuration, as JSON values."""

    @property
    def name(self) -> str:
        return self.stage.name

    def run(self, *, at_most: bool = False) -> StageResult:
        """Run the stage on its own, in no shared pass; `at_most` has it ask all that it can have to ask."""
        if not self.stage.is_streamed:
            return self.stage.most(self.context) if at_most else self.stage.make(self.context)
        [made] = one_pass(self.context, [self.stage.begin(self.context)], at_most=at_most)
        return made


def assemble(context: Context) -> list[RunStage]:
    """Return the stages of a run in an order in which each finds what it reads. Raises DependencyCycle where there is
    none.

    Looks at every file that the run file names: once for a run, not once for a question about it.
    """
    stages = in_order(list_stages(context.config))
    return [
        RunStage(stage, context, {"seed": context.config.seed, **stage.key(context), **source_key(type(stage))})
        for stage in stages
    ]


class RunFolder(Workspace):
    """A run's folder as the engine sees it: which stages are up to date there."""

    def key(self, stage: RunStage) -> str:
        """Return the hash of the stage's settings and of the content of what it reads."""
        read = {name: self.digest(name) for name in stage.stage.reads}
        return content_id([STAGE_FORMAT, stage.name, dict(stage.settings), read])

    def key_matches(self, stage: RunStage) -> bool:
        """Return whether the stage last ran with its current key, whatever happened to its outputs since."""
        note = self.note(stage.name)
        return note is not None and self._has_key(stage, note)

    def is_up_to_date(self, stage: RunStage) -> bool:
        """Return whether the stage last ran with its current key, and its outputs are untouched."""
        note = self.note(stage.name)
        if note is None or any(self._stamp(name) is None for name in stage.stage.reads):
            return False
        return self.outputs_untouched(stage.name) and self._has_key(stage, note)

    def outputs_untouched(self, stage: str) -> bool:
        """Return whether all files that a finished stage wrote are still there and unchanged."""
        note = self.note(stage)
        return note is not None and all(self._stamp(name) == stamp for name, (stamp, _) in note["artefacts"].items())

    def _has_key(self, stage: RunStage, note: Mapping[str, Any]) -> bool:
        try:
            return bool(note["key"] == self.key(stage))
        except LedgerError:  # a source whose own note is gone is made again, and this stage after it
            return False

    def up_to_date(self, stages: Sequence[RunStage]) -> list[str]:
        """Return the names of the stages that are up to date, as are their sources; `stages` are in order."""
        maker = {artefact: stage.name for stage in stages for artefact in stage.stage.writes}
        names: list[str] = []
        for stage in stages:
            sources = {maker[name] for name in stage.stage.reads if name in maker}
            if sources <= set(names) and self.is_up_to_date(stage):
                names.append(stage.name)
        return names

    def has_current_format(self, stage: str) -> bool:
        """Return whether a finished stage wrote its files in the current format."""
        note = self.note(stage)
        return note is None or note.get("format") == STAGE_FORMAT

    def check_inputs(self, stage: RunStage) -> None:
        """Raise LedgerError where something that the stage reads is not as it was written: the note would not tell."""
        notes = [note for path in (self.folder / "stages").glob("*.json") if (note := self.note(path.stem))]
        for name in stage.stage.reads:
            written = [note["artefacts"][name][0] for note in notes if name in note["artefacts"]]
            if self._stamp(name) not in written:
                raise LedgerError(
                    f"{self.path(name)}: gone, or changed since the run wrote it; run again to rebuild it"
                )

    def close(self, stage: RunStage, made: StageResult) -> None:
        """Write the note that lets the next run skip this stage; `format` is for readers without a key to compare.

        Raises LedgerError as `check_inputs`.
        """
        self.check_inputs(stage)
        artefacts = {name: [self._stamp(name), self._content(name)] for name in made.artefacts}
        result = made.result.to_json()
        note = {"format": STAGE_FORMAT, "key": self.key(stage), "artefacts": artefacts, "result": result}
        write_json(self.folder / "stages" / f"{stage.name}.json", note)

    def _files(self, artefact: str) -> list[Path]:
        path = self.path(artefact)
        return sorted(child for child in path.rglob("*") if child.is_file()) if path.is_dir() else [path]

    def _stamp(self, artefact: str) -> list[Any] | None:
        """Sizes and times of an artefact's files: enough to see that nobody touched them, in no time."""
        try:
            return [
                [str(file.relative_to(self.folder)), file.stat().st_size, file.stat().st_mtime_ns]
                for file in self._files(artefact)
            ] or None
        except OSError:
            return None

    def _content(self, artefact: str) -> str:
        """Return the content of an artefact. A model's folder also records how it was made, which is left out here."""
        files = [file for file in self._files(artefact) if file.name != HISTORY]
        return content_id([[str(file.relative_to(self.folder)), file_hash(file)] for file in files])


class DependencyCycle(ConfigError):
    """Stages of which each reads what the next makes, the last of them being the first."""

    def __init__(self, stages: Sequence[str]) -> None:
        super().__init__(f"stages form a cycle: {' -> '.join(stages)}")
        self.stages = tuple(stages)


def in_order(stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages so that each comes after those that make what it reads. Raises DependencyCycle where there is
    one."""
    maker = {artefact: stage for stage in stages for artefact in stage.writes}
    done: list[Stage] = []
    path: list[str] = []

    def visit(stage: Stage) -> None:
        if stage in done:
            return
        if stage.name in path:
            raise DependencyCycle([*path[path.index(stage.name) :], stage.name])
        path.append(stage.name)
        for name in stage.reads:
            if name in maker:
                visit(maker[name])
        path.pop()
        done.append(stage)

    for stage in stages:
        visit(stage)
    return done


def up_to(stages: list[RunStage], until: str | None) -> list[RunStage]:
    """Return the stages up to the one of this name; all without a name. Raises ConfigError for a name that no stage
    has."""
    if until is None:
        return stages
    names = [stage.name for stage in stages]
    if until not in names:
        raise ConfigError(f"no stage {until!r} in this run{did_you_mean(until, names)}; there are {', '.join(names)}")
    return stages[: names.index(until) + 1]
