"""Verdicts of every scale as verdicts on pairs, for whoever counts votes: what a ranking, or scores of single answers,
say about every two of them. Criteria that a score sums up do not stand beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from amendment.preference.readings import Reading, by_comparison, readings_of
from amendment.records import Comparison, Verdict

__all__ = ["as_pair_verdicts"]

_VALUES = {1: "A", -1: "B", 0: "tie"}


def as_pair_verdicts(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Verdicts on pairs as they are, all others as what they say about pairs; verdicts of a prompt stand together.

    Scores of two answers make one vote of no displayed order, over all samples.
    """
    for _, found in groupby(verdicts, key=lambda verdict: verdict.prompt_id):
        others: list[Verdict] = []
        for verdict in found:
            if verdict.scale == "pair":
                yield verdict
            else:
                others.append(verdict)
        for comparison, said in by_comparison(others).items():
            first = {verdict.rater: verdict for verdict in reversed(said)}
            for reading in readings_of(said, comparison):
                yield _pair(reading, comparison, first[reading.rater])


def _pair(reading: Reading, comparison: Comparison, said: Verdict) -> Verdict:
    is_turned = reading.seen == "b"
    p = None if reading.p_a is None else 1 - reading.p_a if is_turned else reading.p_a
    return Verdict(
        scale="pair",
        prompt_id=comparison.prompt_id,
        shown=(comparison.b, comparison.a) if is_turned else (comparison.a, comparison.b),
        order=None if reading.seen in ("a", "b") else "unknown",
        value=None if p is None else _VALUES[-reading.side if is_turned else reading.side],
        distribution={"A": p, "B": 1 - p} if p is not None and 0 < p < 1 and p != 0.5 else None,
        principle_id=reading.principle or None,
        rater=reading.rater,
        rater_kind=said.rater_kind,
        sample=reading.sample,
        invalid="no preference could be read" if p is None else None,
        origin=said.origin,
    )
