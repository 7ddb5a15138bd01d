"""A finished run's folder, read once for whatever is made of it: exports, configs, cards.

Only what stands counts, and all is as others may see it: people under pseudonyms, paths cut. Of pairs that were mixed
in, only what the dataset took is held: the rest of somebody's file is not this run's to publish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import yaml

from amendment.data.pseudonyms import Outgoing, Pseudonyms, run_pseudonyms
from amendment.data.store import Split, Workspace
from amendment.errors import ConfigError
from amendment.publishing.manifest import read_manifest
from amendment.records import Candidate, Critique, Preference, Prompt, Record, Verdict
from amendment.report.render import markdown
from amendment.results import Result, Summary, read_summary

R = TypeVar("R", bound=Record)
STAGES = ("inputs", "critique", "candidates", "construct", "judging", "mixing")
"""Stages whose tables are published, in this order. A list by name, for privacy: tables of other stages hold sealed
labels and answers to held-out prompts, and those of a new stage leave this machine only once it is named here."""


class FinishedRun:
    """A run whose dataset stands. Raises ConfigError where the folder has none that is up to date."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        if "published" in self.manifest:
            raise ConfigError(f"{folder}: a copy of a published dataset; expected the run's folder, such as runs/NAME")
        if "dataset" not in self.manifest["stages"]:
            stale = "dataset" in self.manifest["out of date"]
            what = "its dataset is out of date" if stale else "it has no dataset yet"
            raise ConfigError(f"{folder}: {what}; run it up to and including the stage dataset: amendment run FILE")
        self.settings = _parsed(folder / "run.yaml", yaml.safe_load)
        """The run file with all its defaults, as it is at home."""
        self.stages = tuple(name for name in STAGES if name in self.manifest["stages"])
        """The standing stages whose tables are published."""
        self._workspace = Workspace(folder)

    @cached_property
    def _rows(self) -> dict[str, list[Preference]]:
        return {side: self._workspace.read(f"dataset/{side}", Preference) for side in ("train", "test")}

    @cached_property
    def people(self) -> Pseudonyms:
        """Return pseudonyms of everybody who rated."""
        return run_pseudonyms(self.folder, self.settings, [*chain(*self._rows.values())])

    @cached_property
    def outgoing(self) -> Outgoing:
        """Return the view that others get: pseudonyms for people, portable paths."""
        return Outgoing(self.settings, self.people)

    def result(self, stage: str) -> Result:
        """Return the result of a stage that is up to date, under pseudonyms; an empty result of any other."""
        stages = self.manifest["stages"]
        return Result.from_json(self.outgoing.counts(stages[stage]["counts"])) if stage in stages else Result()

    @cached_property
    def rows(self) -> dict[str, list[Preference]]:
        """Return the rows of the dataset by split; a split without rows is left out."""
        return {side: [self.outgoing.row(row) for row in rows] for side, rows in self._rows.items() if rows}

    @property
    def every_row(self) -> list[Preference]:
        return [*chain(*self.rows.values())]

    @cached_property
    def prompts(self) -> dict[str, Prompt]:
        shown = [self.outgoing.prompt(prompt) for prompt in self._read("prompts", Prompt)]
        return {prompt.id: prompt for prompt in reversed(shown)}

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Return every draft, revision, draw and import, in the order of the stages."""
        return [self.outgoing.written(candidate) for candidate in self._read("candidates", Candidate)]

    @cached_property
    def critiques(self) -> list[Critique]:
        return [self.outgoing.written(critique) for critique in self._read("critiques", Critique)]

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Return every verdict of a model or a person, with people's labels of a spot check. Sealed labels, which
        certify and from which nothing is learned, are left out."""
        verdicts = [*self._read("verdicts", Verdict), *self._table("labels", "open", Verdict)]
        return [self.outgoing.verdict(verdict) for verdict in verdicts]

    @cached_property
    def judged(self) -> list[Verdict]:
        """Return the verdicts of the run's own judges."""
        return self._table("judging", "verdicts", Verdict)

    @cached_property
    def sides(self) -> dict[str, str]:
        """Return `train` or `test` for each prompt."""
        sides = {row.prompt_id: row.split for row in self._table("inputs", "split", Split)}
        return sides | {row.prompt_id: side for side, rows in self._rows.items() for row in rows}

    @cached_property
    def _summary(self) -> Summary:
        return read_summary(self.folder)

    @cached_property
    def summaries(self) -> dict[str, str]:
        """Return the result of each stage that is up to date, in words, without texts of models."""
        lines = {name: markdown(result.published()) for name, result in self._summary.stages.items()}
        return {name: self.outgoing.report("\n".join(of_stage)) for name, of_stage in lines.items()}

    @property
    def figures(self) -> str:
        """Return figures of the trained models on held-out prompts; empty without any."""
        return "\n\n".join(f"{name}\n\n{self.summaries[name]}" for name in self._summary.on_card)

    @property
    def models(self) -> dict[str, str]:
        """Return a title for each trained model, by its name, without the small model of the stage `base`."""
        return self._summary.models

    def _read(self, name: str, kind: type[R]) -> Iterator[R]:
        for stage in self.stages:
            yield from (
                record for record in self._table(stage, name, kind) if stage != "mixing" or self._is_taken(record)
            )

    def _table(self, stage: str, name: str, kind: type[R]) -> list[R]:
        """Read a table of a stage that is up to date; empty if there is none."""
        artefact = f"{stage}/{name}"
        is_there = stage in self.manifest["stages"] and self._workspace.path(artefact).is_file()
        return self._workspace.read(artefact, kind) if is_there else []

    def _is_taken(self, record: Record) -> bool:
        """Return whether the dataset took the pair that this record of the mixed-in files belongs to."""
        match record:
            case Candidate() | Prompt():
                return record.id in self._taken
            case Verdict():
                return set(record.shown) <= self._taken
        return True

    @cached_property
    def _taken(self) -> set[str]:
        rows = chain(*self._rows.values())
        return {name for row in rows for name in (row.prompt_id, row.chosen_id, row.rejected_id)}


def _parsed(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as fault:
        raise ConfigError(f"{path}: not as the run wrote it ({fault}); run again to replace it") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not as the run wrote it; run again to replace it")
    return content
