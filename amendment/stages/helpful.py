"""Helpful answers that are learned beside revisions: how many the share allows, drawn by a seeded hash.

Promised: no answer twice, none to a held-out prompt of the run, and no other row is given up for the share.
Not covered: prompts that only files under `dataset.mix` have, some of which are held out when the dataset is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from amendment.data.inputs import Inputs, read_inputs
from amendment.errors import TrainingError
from amendment.hashing import content_id
from amendment.records import Candidate, Prompt
from amendment.stages.config_helpful import WithHelpful
from amendment.stages.configs import RunFile
from amendment.stages.contract import Context, RunSettings

__all__ = ["HelpfulRow", "HelpfulRows", "helpful_rows", "read_helpful", "wanted_rows"]


class HelpfulRow(NamedTuple):
    """An answer and what it answers."""

    prompt: Prompt
    answer: Candidate


class HelpfulRows(NamedTuple):
    """What was drawn, and what is told of it."""

    rows: list[HelpfulRow]
    counts: dict[str, Any]
    notes: list[str]


def wanted_rows(share: float, others: int) -> int:
    """How many helpful rows make up `share` of all beside so many others: h / (h + others) = share; one at least."""
    return max(1, round(share / (1 - share) * others))


def read_helpful(config: RunFile, base: Path, *, glimpse: bool = False) -> Inputs:
    """Everything in the files under `sft.helpful`. Raises DataError with the problems of all of them.

    `glimpse` reads only the first rows of datasets on the Hub, for a check.
    """
    bare = RunSettings(name=config.name, seed=config.seed)
    return read_inputs(bare.model_copy(update={"candidates": config.helpful_files}), base, glimpse=glimpse)


def helpful_rows(context: Context, stage: WithHelpful, *, others: int) -> HelpfulRows:
    """What the stage asks for beside so many other rows. Raises TrainingError where there is no helpful answer."""
    if stage.helpful is None or not others:  # what has nothing else to learn from fails as it does without a share
        return HelpfulRows([], {}, [])
    found = {row.answer.id: row for row in _found(context, stage)}
    wanted = wanted_rows(stage.helpful_share, others)
    if not found:
        raise TrainingError(
            f"sft: helpful_share is {stage.helpful_share:g}, and there is no helpful answer to a prompt that is not "
            "held out: name other files or categories under sft.helpful, or leave both out"
        )
    seed = context.config.seed
    rows = [found[name] for name in sorted(found, key=lambda name: content_id(["helpful", seed, name]))[:wanted]]
    reached = len(rows) / (len(rows) + others)
    counts = {"asked": stage.helpful_share, "got": round(reached, 4), "rows": len(rows), "of": len(found)}
    few = f"Of the rows {reached:.1%} are helpful answers, not {stage.helpful_share:.1%}: there are only {len(found)}."
    return HelpfulRows(rows, {"helpful": counts}, [few] if len(rows) < wanted else [])


def _found(context: Context, stage: WithHelpful) -> Iterator[HelpfulRow]:
    """All helpful answers to prompts that are not held out."""
    test = context.held_out()
    prompts, answers = _brought(context) if stage.helpful and stage.helpful.files else _drafts(context, stage)
    for answer in answers:
        if answer.prompt_id not in test and not answer.is_truncated:
            yield HelpfulRow(prompts[answer.prompt_id], answer)


def _brought(context: Context) -> tuple[Mapping[str, Prompt], list[Candidate]]:
    found = read_helpful(context.config, context.base)
    return found.prompts, [*found.candidates.values()]


def _drafts(context: Context, stage: WithHelpful) -> tuple[Mapping[str, Prompt], list[Candidate]]:
    assert stage.helpful is not None
    prompts, categories = context.prompts(), stage.helpful.drafts_of
    drafts = [one for one in context.workspace.rows("critique/candidates", Candidate) if one.kind == "draft"]
    return prompts, [one for one in drafts if prompts[one.prompt_id].category in categories]
