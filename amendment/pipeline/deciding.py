"""What verdicts that exist already come to: people decide where there are any, then verifiers, then models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from amendment.preference import judge_together, majority
from amendment.records import Judgement, Verdict

__all__ = ["decide"]


def decide(verdicts: Sequence[Verdict]) -> Judgement:
    """The judgement of one comparison. Raises ValueError for verdicts of different comparisons.

    People and verifiers decide by majority. Of models the two orders are put together where some judge was asked in
    both; where all saw one order their mean counts, and where each saw a different one, their majority. Principles
    that a file names stay with its verdicts: they are those of no constitution that is on record.
    """
    return _decide(verdicts).model_copy(update={"principle_ids": ()})


def _decide(verdicts: Sequence[Verdict]) -> Judgement:
    for kind in ("person", "verifier"):
        own = [verdict for verdict in verdicts if verdict.rater_kind == kind]
        if any(verdict.invalid is None for verdict in own):
            return majority(own)
    verdicts = [verdict for verdict in verdicts if verdict.rater_kind == "model"] or verdicts
    orders: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for verdict in verdicts:
        orders[verdict.rater, verdict.principle_id].add(verdict.shown[0])
    if any(len(shown) == 2 for shown in orders.values()):
        return judge_together(verdicts, orders="both", disagreement="mean")
    if len(set.union(*orders.values())) == 1:
        return judge_together(verdicts, orders="first", disagreement="mean")
    return majority(verdicts)
