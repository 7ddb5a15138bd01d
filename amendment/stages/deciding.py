"""What verdicts that exist already come to: people decide where there are any, then verifiers, then models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from amendment.preference import decide
from amendment.records import Judgement, Verdict

__all__ = ["majorities"]


def majorities(
    verdicts: Iterable[Verdict], weights: Mapping[str, Sequence[float]], firsts: Mapping[str, str]
) -> list[Judgement]:
    """One judgement of each comparison that imported verdicts speak of; see `decide`.

    `weights` are those of rows by comparison, for the few that say one; their mean is the judgement's. `firsts` are the
    candidates that stand first in their file, by comparison.
    """
    grouped: dict[tuple[str, ...], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        grouped[(verdict.prompt_id, *sorted(verdict.shown))].append(verdict)
    return [_of_file(decide(votes), weights, firsts) for votes in grouped.values()]


def _of_file(judgement: Judgement, weights: Mapping[str, Sequence[float]], firsts: Mapping[str, str]) -> Judgement:
    if not (weights or firsts):
        return judgement
    name = judgement.comparison_id
    weight, first = weights.get(name), firsts.get(name)
    known = {"weight": fmean(weight) if weight else None, "first": first}
    return judgement.model_copy(update={field: value for field, value in known.items() if value is not None})
