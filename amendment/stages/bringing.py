"""The stage `inputs`: what the user brings, read and split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Any

from amendment.data.inputs import read_into
from amendment.data.shelves import StreamedInputs
from amendment.data.source_rows import FileFacts, facts_of
from amendment.data.workspace import Split
from amendment.records import Candidate, Judgement, Prompt, Verdict
from amendment.stages.contract import Context, Made
from amendment.stages.deciding import majorities

__all__ = ["make_inputs"]


def make_inputs(context: Context) -> Made:
    """Read what the user brings, and split the prompts, which are written as they are read."""
    workspace, config = context.workspace, context.config
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
    tables = ("prompts", "split", "candidates", "verdicts", "judgements")
    return Made(tuple(f"inputs/{name}" for name in tables), counts)


def _split(context: Context, inputs: StreamedInputs) -> int:
    """Write on which side each prompt stands; returns how many are held out."""
    held_out = 0
    with context.workspace.writing("inputs/split", Split) as add:
        for prompt, is_held_out in inputs.sides(context.config.dataset.test_share):
            add(Split(prompt_id=prompt, split="test" if is_held_out else "train"))
            held_out += is_held_out
    return held_out


def _sources(files: Sequence[FileFacts]) -> dict[str, dict[str, int | str]]:
    """What was read, by names that are each there once."""
    found: dict[str, dict[str, int | str]] = {}
    for facts in files:
        name = f"source {facts.name}"
        found[name if name not in found else f"{name} ({len(found) + 1})"] = facts.to_json()
    return found
