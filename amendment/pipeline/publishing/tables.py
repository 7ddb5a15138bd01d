"""What a finished run holds, read once for whatever is made of it: card, configs, exports.

Only stages that stand count. Of pairs that were mixed in, only what the dataset took is held: the rest of
somebody's file is not this run's to publish.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.pipeline.config import RunFile
from amendment.pipeline.context import Split
from amendment.pipeline.engine import Workspace
from amendment.pipeline.export import read_preferences
from amendment.pipeline.manifest import read_manifest
from amendment.pipeline.publishing.people import People, people_of
from amendment.records import Candidate, Critique, Preference, Prompt, Record, Verdict
from amendment.yamlfile import read_yaml, validate

__all__ = ["Tables"]

STAGES = ("inputs", "critique", "candidates", "judging", "mixing")
"""Stages whose tables are part of what is published, in this order."""
MIXING = "mixing"


@dataclass(frozen=True)
class Tables:
    """The tables of a run whose dataset stands."""

    folder: Path
    manifest: dict[str, Any]
    config: RunFile

    @classmethod
    def of_run(cls, folder: Path) -> Tables:
        """Read manifest and run file. Raises ConfigError when the folder has no dataset that is up to date."""
        manifest = read_manifest(folder)
        if "published" in manifest:
            raise ConfigError(f"{folder}: a copy of a published dataset; expected the run's folder, such as runs/NAME")
        if "dataset" not in manifest["stages"]:
            stale = "dataset" in manifest["out of date"]
            what = "its dataset is out of date" if stale else "it has no dataset yet"
            raise ConfigError(f"{folder}: {what}; run it again until the stage dataset: amendment run FILE")
        return cls(folder, manifest, validate(read_yaml(folder / "run.yaml"), RunFile))

    def _read(self, name: str, kind: type[Any]) -> list[Any]:
        return [record for stage in self.stages for record in self._of_stage(stage, name, kind)]

    def _of_stage(self, stage: str, name: str, kind: type[Any]) -> list[Any]:
        workspace = Workspace(self.folder)
        if not workspace.path(f"{stage}/{name}").is_file():
            return []
        records = workspace.read(f"{stage}/{name}", kind)
        return [record for record in records if stage != MIXING or self._is_taken(record)]

    def _is_taken(self, record: Record) -> bool:
        """Whether the dataset took what belongs to this record of the mixed-in files."""
        match record:
            case Candidate():
                return record.id in self._taken
            case Verdict():
                return set(record.shown) <= self._taken
            case Prompt():
                return record.id in self._taken
        return True

    @cached_property
    def _taken(self) -> set[str]:
        rows = [row for found in self.preferences.values() for row in found]
        return {name for row in rows for name in (row.prompt_id, row.chosen_id, row.rejected_id)}

    @property
    def stages(self) -> tuple[str, ...]:
        """The standing stages whose tables are published."""
        return tuple(name for name in STAGES if name in self.manifest["stages"])

    @cached_property
    def preferences(self) -> dict[str, list[Preference]]:
        """The rows of the dataset by split, with the names of people as they stand."""
        return read_preferences(self.folder)

    @cached_property
    def prompts(self) -> dict[str, Prompt]:
        """Prompts by id."""
        found: dict[str, Prompt] = {}
        for prompt in self._read("prompts", Prompt):
            found.setdefault(prompt.id, prompt)
        return found

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Every draft, revision, draw and import, in the order of the stages."""
        return self._read("candidates", Candidate)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Every verdict of a model or a person, with names as they stand."""
        return self._read("verdicts", Verdict)

    @cached_property
    def critiques(self) -> list[Critique]:
        """Every critique of the chain."""
        return self._read("critiques", Critique)

    @cached_property
    def people(self) -> People:
        """Pseudonyms of everybody who rated."""
        return people_of(self.verdicts, (row for found in self.preferences.values() for row in found))

    @cached_property
    def published_preferences(self) -> dict[str, list[Preference]]:
        """The rows of the dataset with pseudonyms; a split without rows is left out."""
        return {split: [self.people.in_row(row) for row in rows] for split, rows in self.preferences.items() if rows}

    @cached_property
    def sides(self) -> dict[str, str]:
        """`train` or `test` of each prompt."""
        sides = {row.prompt_id: row.split for row in self._splits()}
        return sides | {row.prompt_id: split for split, rows in self.preferences.items() for row in rows}

    def _splits(self) -> Iterator[Split]:
        path = Workspace(self.folder).path("inputs/split")
        yield from Workspace(self.folder).read("inputs/split", Split) if path.is_file() else ()
