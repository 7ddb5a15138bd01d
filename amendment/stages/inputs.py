"""The stage `inputs`: what the user brings, read and split."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any

from amendment.data.inputs import read_into
from amendment.data.shelves import StreamedInputs
from amendment.data.source_rows import FileFacts, facts_of, source_state
from amendment.data.sources import FileSource, Source
from amendment.data.workspace import Split, Workspace
from amendment.preference import majorities
from amendment.records import Candidate, Judgement, Prompt, Verdict
from amendment.stages.contract import Context, Made, RunSettings, Stage, dump
from amendment.stages.pairs import DatasetConfig

__all__ = ["Bringing", "files_read"]

SOURCE = "source "
"""Begins the counts that tell what was read."""
_NUMBERED = re.compile(r" \(\d+\)$")


class Bringing(Stage):
    """Read what the user brings, and split the prompts."""

    name = "inputs"
    title = "read what you brought"
    writes = tuple(f"inputs/{name}" for name in ("prompts", "split", "candidates", "verdicts", "judgements"))

    @classmethod
    def of(cls, settings: RunSettings) -> Iterable[Stage]:
        """Always."""
        return [cls(settings)]

    def key(self, context: Context) -> Mapping[str, Any]:
        """What the run file says of its files, and the files' state."""
        settings = self.settings
        files = [source for source in settings.candidates if isinstance(source, FileSource)]
        sources = [*(one for one in settings.prompts if isinstance(one, Source)), *files, *settings.pairs]
        return {
            "prompts": [dump(source) for source in settings.prompts],
            "candidates": [dump(source) for source in files],
            "pairs": [dump(source) for source in settings.pairs],
            "verdicts": [dump(source) for source in settings.verdicts],
            "test_share": settings.need(DatasetConfig).test_share,
            "files": [source_state(source, context.base) for source in (*sources, *settings.verdicts)],
        }

    def make(self, context: Context) -> Made:
        """Prompts are written as they are read."""
        workspace, config = context.workspace, self.settings
        with ExitStack() as reading:
            add: Callable[[Prompt], None] = reading.enter_context(workspace.writing("inputs/prompts", Prompt))
            inputs = reading.enter_context(closing(StreamedInputs(add, seed=config.seed)))
            read_into(inputs, config, context.base)
            held_out = _split(context, inputs)
            judgements = majorities(inputs.verdicts, inputs.weights, inputs.firsts)
            answers = sorted(inputs.candidates.values(), key=lambda one: inputs.place(one.prompt_id))
            workspace.write("inputs/candidates", Candidate, answers)
            workspace.write("inputs/verdicts", Verdict, inputs.verdicts)
            workspace.write("inputs/judgements", Judgement, judgements)
            counts: dict[str, Any] = {"prompts": inputs.count(), "held-out prompts": held_out, **inputs.counts}
            if judgements:
                counts |= {"comparisons": len(judgements), "verdicts": len(inputs.verdicts)}
            counts |= inputs.other_licenses()
            counts |= _sources(facts_of(inputs.files, context.base))
        return Made(self.writes, counts)


def _split(context: Context, inputs: StreamedInputs) -> int:
    """Write on which side each prompt stands; returns how many are held out."""
    held_out = 0
    with context.workspace.writing("inputs/split", Split) as add:
        for prompt, is_held_out in inputs.sides(context.config.need(DatasetConfig).test_share):
            add(Split(prompt_id=prompt, split="test" if is_held_out else "train"))
            held_out += is_held_out
    return held_out


def _sources(files: Sequence[FileFacts]) -> dict[str, dict[str, int | str]]:
    """What was read, by names that are each there once."""
    found: dict[str, dict[str, int | str]] = {}
    for facts in files:
        name = f"{SOURCE}{facts.name}"
        found[name if name not in found else f"{name} ({len(found) + 1})"] = facts.to_json()
    return found


def files_read(workspace: Workspace) -> list[FileFacts]:
    """The facts of all files that the stage has read; of a name that stands there twice the second is numbered."""
    note = workspace.note("inputs")
    counts = note["counts"] if note else {}
    facts = {key.removeprefix(SOURCE): value for key, value in counts.items() if key.startswith(SOURCE)}
    return [
        FileFacts(_NUMBERED.sub("", name), one["rows"], one.get("sha256"), one.get("commit"), one.get("license"))
        for name, one in facts.items()
    ]
