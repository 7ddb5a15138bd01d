"""The pairs of a run before they are rows: those that a judge decided, and those that it brought.

A spot check is a sample of the first kind, so both stages take them from here. The judge is the run's own; a run
without one can let people check a judge whose log stands under `verdicts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from amendment.preference import Paired, PairSettings
from amendment.records import Candidate, Judgement, Prompt
from amendment.stages.configs import RunFile
from amendment.stages.contract import Context
from amendment.stages.degenerates import paired_answers
from amendment.stages.judging import candidate_tables, decided_comparisons
from amendment.stages.ranked_ends import ends_of_rankings
from amendment.stages.revisions import CheckedRevisions

__all__ = ["Texts", "checked_ties", "imported_pairs", "judged_pairs", "judgements_table", "texts_of"]


class Texts(NamedTuple):
    """What was asked and answered, by id."""

    prompts: Mapping[str, Prompt]
    candidates: Mapping[str, Candidate]


def texts_of(context: Context) -> Texts:
    """Of the candidates that are one text by several writers the first is taken."""
    candidates: dict[str, Candidate] = {}
    for candidate in context.candidates(candidate_tables(context.config)):
        candidates.setdefault(candidate.id, candidate)
    return Texts(context.prompts(), candidates)


def judgements_table(config: RunFile) -> str:
    """The table that holds what the checked judge decided: the run's own, or one whose log the run brings."""
    return "judging/judgements" if config.judging else "inputs/judgements"


def checked_ties(config: RunFile) -> Literal["drop", "keep"]:
    """What becomes of ties among the judged pairs."""
    ties: Literal["drop", "keep"] = config.judging.ties if config.judging else config.dataset.ties
    return ties


def imported_pairs(context: Context, texts: Texts) -> Paired:
    """Pairs of the judgements that the user's own files give, without those of a judge that people check."""
    return _of_files(context, texts, judged=False)


def _of_files(context: Context, texts: Texts, *, judged: bool) -> Paired:
    config = context.config
    is_checked = config.spot_check is not None and config.judging is None
    found = context.workspace.read("inputs/judgements", Judgement)
    rows = [row for row in found if (is_checked and row.rater_kind == "model") == judged]
    return paired_answers(config, rows, PairSettings(ties=config.dataset.ties), *texts)


def judged_pairs(context: Context, texts: Texts, revisions: CheckedRevisions) -> Paired:
    """Pairs of what the run's judges decided, without the comparisons that the user's own verdicts have decided. Where
    the run has no judges, those of the imported log that people check."""
    stage = context.config.judging
    if stage is None:
        return _of_files(context, texts, judged=True)
    decided = decided_comparisons(context)
    found = context.workspace.read("judging/judgements", Judgement)
    judged, not_ends = ends_of_rankings(context, [one for one in found if one.comparison_id not in decided])
    paired = paired_answers(context.config, judged, stage, *texts, revisions=revisions.by_comparison)
    return Paired(paired.pairs, not_ends + paired.left_out)
