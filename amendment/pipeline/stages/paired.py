"""The pairs of a run before they are rows: those of judgements that it brought, and those that its own judges decided.

Of the second kind a spot check is a sample, so both stages take them from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from amendment.pipeline.context import Context
from amendment.pipeline.stages.degenerates import paired_answers
from amendment.pipeline.stages.judging import candidate_tables, decided_comparisons
from amendment.pipeline.stages.ranked_ends import ends_of_rankings
from amendment.pipeline.stages.revisions import CheckedRevisions
from amendment.preference import Paired, PairSettings
from amendment.records import Candidate, Judgement, Prompt

__all__ = ["Texts", "imported_pairs", "judged_pairs", "texts_of"]


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


def imported_pairs(context: Context, texts: Texts) -> Paired:
    """Pairs of the judgements that the user's own files give."""
    settings = PairSettings(ties=context.config.dataset.ties)
    return paired_answers(context.config, context.workspace.read("inputs/judgements", Judgement), settings, *texts)


def judged_pairs(context: Context, texts: Texts, revisions: CheckedRevisions) -> Paired:
    """Pairs of what the run's judges decided, without the comparisons that the user's own verdicts have decided; none
    where the run has no judges."""
    stage = context.config.judging
    if stage is None:
        return Paired([], Counter())
    decided = decided_comparisons(context)
    found = context.workspace.read("judging/judgements", Judgement)
    judged, not_ends = ends_of_rankings(context, [one for one in found if one.comparison_id not in decided])
    paired = paired_answers(context.config, judged, stage, *texts, revisions=revisions.by_comparison)
    return Paired(paired.pairs, not_ends + paired.left_out)
