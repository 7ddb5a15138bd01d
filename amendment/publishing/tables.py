"""What a finished run holds, read once for whatever is made of it: card, configs, exports.

Only stages that stand count, and all is as others may see it: people under pseudonyms, paths cut. Of pairs that were
mixed in, only what the dataset took is held: the rest of somebody's file is not this run's to publish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from amendment.data.workspace import Split, Workspace
from amendment.errors import ConfigError
from amendment.publishing.dataset_files import read_preferences
from amendment.publishing.manifest import read_manifest
from amendment.publishing.outgoing import Outgoing
from amendment.publishing.people import MAYBE_PEOPLE, People, people_of_certificate, raters_named
from amendment.records import Candidate, Critique, Judgement, Preference, Prompt, Record, Verdict
from amendment.run.runfile.config import RunFile
from amendment.run.wiring import wire
from amendment.yamlfile import read_yaml, validate

__all__ = ["Tables", "shown_preferences"]

R = TypeVar("R", bound=Record)
CERTIFICATE = "certificate.json"
"""The run's own certificate, with names as they are."""
STAGES = ("inputs", "critique", "candidates", "construct", "judging", "mixing")
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

    def _read(self, name: str, kind: type[R], shown: Callable[[R], R]) -> list[R]:
        return [shown(record) for stage in self.stages for record in self._of_stage(stage, name, kind)]

    def _of_stage(self, stage: str, name: str, kind: type[R]) -> list[R]:
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
        rows = [row for found in self._rows.values() for row in found]
        return {name for row in rows for name in (row.prompt_id, row.chosen_id, row.rejected_id)}

    @property
    def stages(self) -> tuple[str, ...]:
        """The standing stages whose tables are published."""
        return tuple(name for name in STAGES if name in self.manifest["stages"])

    @cached_property
    def shown_stages(self) -> dict[str, Any]:
        """Keys and counts of the standing stages."""
        return self.outgoing.stages(self.manifest["stages"])

    def counts(self, stage: str) -> dict[str, Any]:
        """The counts of a stage; none where it does not stand."""
        return dict(self.shown_stages.get(stage, {}).get("counts", {}))

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The resolved run file as JSON values."""
        return self.outgoing.configuration()

    @cached_property
    def _rows(self) -> dict[str, list[Preference]]:
        return read_preferences(self.folder)

    @cached_property
    def people(self) -> People:
        """Pseudonyms of everybody who rated."""
        audited = people_of_certificate(self.folder / CERTIFICATE) if "audit" in self.manifest["stages"] else []
        rows = [row for found in self._rows.values() for row in found if row.decided_by in MAYBE_PEOPLE]
        cast = (*self._given, *self._labels("open"))  # whoever gave sealed labels was audited
        others = [*raters_named(self.config), *(one.rater for one in cast if one.rater_kind in MAYBE_PEOPLE)]
        return People(audited, [*others, *(name for row in rows for name in row.raters)])

    @cached_property
    def outgoing(self) -> Outgoing:
        """How everything is shown to others."""
        return Outgoing(self.config, self.people)

    @cached_property
    def preferences(self) -> dict[str, list[Preference]]:
        """The rows of the dataset by split; a split without rows is left out."""
        return {split: [self.outgoing.row(row) for row in rows] for split, rows in self._rows.items() if rows}

    @cached_property
    def prompts(self) -> dict[str, Prompt]:
        """Prompts by id."""
        found: dict[str, Prompt] = {}
        for prompt in self._read("prompts", Prompt, self.outgoing.prompt):
            found.setdefault(prompt.id, prompt)
        return found

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Every draft, revision, draw and import, in the order of the stages."""
        return self._read("candidates", Candidate, self.outgoing.written)

    @property
    def sealed_count(self) -> int:
        """How many of people's sealed labels are among the verdicts: none, unless `publish.sealed` opens the seal."""
        return len(self._labels("sealed")) if self.config.publish and self.config.publish.sealed else 0

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Every verdict of a model or a person, those of a spot check among them; sealed ones where the run file
        publishes them."""
        return [*self.unsealed, *(self.outgoing.verdict(one) for one in self._labels("sealed") if self.sealed_count)]

    @cached_property
    def unsealed(self) -> list[Verdict]:
        """The same without people's sealed labels, which certify and from which nothing is learned."""
        return [self.outgoing.verdict(verdict) for verdict in (*self._given, *self._labels("open"))]

    @cached_property
    def _given(self) -> list[Verdict]:
        return [one for stage in self.stages for one in self._of_stage(stage, "verdicts", Verdict)]

    def _labels(self, side: str) -> list[Verdict]:
        """What people said of the run's spot check, on one side of the seal."""
        return self._of_stage("labels", side, Verdict) if "labels" in self.manifest["stages"] else []

    @cached_property
    def critiques(self) -> list[Critique]:
        """Every critique of the chain."""
        return self._read("critiques", Critique, self.outgoing.written)

    @cached_property
    def judgements(self) -> list[Judgement]:
        """What the run's own judges came to, comparison by comparison."""
        return self._of_stage("judging", "judgements", Judgement) if "judging" in self.stages else []

    @cached_property
    def judged(self) -> list[Verdict]:
        """The verdicts of the run's own judges."""
        return self._of_stage("judging", "verdicts", Verdict) if "judging" in self.stages else []

    @cached_property
    def sides(self) -> dict[str, str]:
        """`train` or `test` of each prompt."""
        sides = {row.prompt_id: row.split for row in self._splits()}
        return sides | {row.prompt_id: split for split, rows in self._rows.items() for row in rows}

    def _splits(self) -> Iterator[Split]:
        path = Workspace(self.folder).path("inputs/split")
        yield from Workspace(self.folder).read("inputs/split", Split) if path.is_file() else ()


def shown_preferences(folder: Path, config: RunFile) -> dict[str, list[Preference]]:
    """The rows of the dataset that the stage of this name has just written, as others may see them: by the names and
    numbers that everything has which leaves the run. `people.json` says when these change."""
    stages = {wiring.name for wiring in wire(config)} - {"dataset"}
    rows = Tables(folder, {"stages": dict.fromkeys(stages)}, config).preferences
    return {"train": [], "test": [], **rows}
