"""Read verdicts of any scale as statements about two answers: P(a) by rater, principle and displayed order.

Covered: verdicts on a pair; scores of either answer alone, compared by their distributions where both have one; log-
odds of either answer alone, of which the difference is the log-odds of P(a) (Wang et al. 2025, RLBFF, arXiv 2509.21319,
for yes or no); criteria where they are not summed up in a score of the same rater and principle. Verdicts speak of what
was displayed; readings speak of the comparison's a and b.

Not covered: criteria whose labels are words, which have no order that is on record; they are read by the score that
their rubric makes of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, groupby
from statistics import fmean
from typing import Literal, NamedTuple

from amendment.records import Comparison, Verdict
from amendment.statistics.sides import read_side

Seen = Literal["a", "b", "alone", "unknown"]
"""The answer displayed first; alone: each was judged without the other; unknown: it is not on record."""

_LEAST = 1e-300
"""In place of a probability of 0, whose logarithm is no number."""
_ALONE = ("score", "log_odds", "ordinal", "binary")


class VerdictReading(NamedTuple):
    """A rater's statement about a comparison, from one verdict or several."""

    rater: str
    principle: str
    """Reference of the principle; empty where there is none."""
    seen: Seen
    sample: int
    p_a: float | None
    """P(a is better); None where the answer could not be read."""
    side: int
    """The stated side: 1 for a, -1 for b, 0 for neither. A distribution may lean elsewhere."""


def find_comparison(verdicts: Iterable[Verdict]) -> Comparison:
    """Return the one comparison that these verdicts speak of. Raises ValueError where it is not one."""
    shown = {(verdict.prompt_id, frozenset(verdict.shown)) for verdict in verdicts}
    prompts = {prompt_id for prompt_id, _ in shown}
    candidates = sorted(frozenset[str]().union(*(answers for _, answers in shown)))
    if len(prompts) != 1 or len(candidates) != 2:
        raise ValueError(
            f"expected verdicts of one comparison, found {len(prompts)} prompts and {len(candidates)} answers; "
            "name the comparison where more than two answers were judged"
        )
    return Comparison(prompts.pop(), *candidates)


def by_comparison(verdicts: Iterable[Verdict]) -> dict[Comparison, list[Verdict]]:
    """Verdicts by every comparison that they say something about; a score stands in several.

    Answers that were judged alone are compared with all others of their prompt that the same rater judged alone.
    """
    about: dict[Comparison, list[Verdict]] = defaultdict(list)
    alone: dict[tuple[str, str], dict[str, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    for verdict in verdicts:
        if len(verdict.shown) == 1:
            alone[verdict.prompt_id, verdict.rater][verdict.shown[0]].append(verdict)
        for a, b in combinations(sorted(verdict.shown), 2):
            about[Comparison(verdict.prompt_id, a, b)].append(verdict)
    for (prompt_id, _), candidates in alone.items():
        for a, b in combinations(sorted(candidates), 2):
            about[Comparison(prompt_id, a, b)] += [*candidates[a], *candidates[b]]
    return dict(about)


def make_readings(verdicts: Iterable[Verdict], comparison: Comparison) -> list[VerdictReading]:
    """Return the readings of a comparison from these verdicts; those about other answers are left out.

    A verdict on a pair gives a reading. What a rater says by one principle about either answer alone
    gives one reading together, over all samples.
    """
    readings: list[VerdictReading] = []
    alone: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.prompt_id != comparison.prompt_id:
            continue
        if len(verdict.shown) == 1:
            if verdict.shown[0] in comparison[1:]:
                alone[verdict.rater, verdict.principle_id or ""].append(verdict)
        elif comparison.a in verdict.shown and comparison.b in verdict.shown:
            readings.append(_together(verdict, comparison))
    readings += [_alone(key, of_rater, comparison) for key, of_rater in alone.items()]
    return readings


def _together(verdict: Verdict, comparison: Comparison) -> VerdictReading:
    """Return the reading of a verdict on both answers together."""
    p_a = _read_p(verdict, comparison)
    side = read_side(p_a) if p_a is not None else 0
    if verdict.scale == "pair" and p_a is not None:
        side = {"A": 1, "B": -1}.get(str(verdict.value), 0) * (1 if verdict.shown[0] == comparison.a else -1)
    return VerdictReading(
        verdict.rater, verdict.principle_id or "", _seen(verdict, comparison), verdict.sample, p_a, side
    )


def _seen(verdict: Verdict, comparison: Comparison) -> Seen:
    if verdict.order == "unknown":
        return "unknown"
    return "a" if verdict.shown.index(comparison.a) < verdict.shown.index(comparison.b) else "b"


def _read_p(verdict: Verdict, comparison: Comparison) -> float | None:
    p_first = verdict.p_first()
    if p_first is None:
        return None
    return p_first if verdict.shown[0] == comparison.a else 1 - p_first


def _alone(key: tuple[str, str], verdicts: Sequence[Verdict], comparison: Comparison) -> VerdictReading:
    """Return the reading of all verdicts of one rater by one principle on single answers: the mean over criteria."""
    criteria: dict[str | None, list[Verdict]] = defaultdict(list)
    for verdict in _that_count(verdicts):
        criteria[verdict.criterion].append(verdict)
    names = sorted(criteria, key=lambda name: name or "")
    by_criterion = [_p_over_samples(criteria[name], comparison) for name in names]
    read = [p for p in by_criterion if p is not None]
    p_a = fmean(read) if read and len(read) == len(by_criterion) else None
    return VerdictReading(*key, "alone", 0, p_a, 0 if p_a is None else read_side(p_a))


def _that_count(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the scores where there are any, which sum up the criteria."""
    scores = [verdict for verdict in verdicts if verdict.scale == "score"]
    whole = [verdict for verdict in scores if verdict.criterion is None]
    return whole or scores or [verdict for verdict in verdicts if verdict.scale in _ALONE]


def _p_over_samples(verdicts: Sequence[Verdict], comparison: Comparison) -> float | None:
    """Return the mean over every grade of a against every grade of b; None where one of them has none."""
    grades = [
        [grade for verdict in verdicts if verdict.shown[0] == answer and (grade := _grade(verdict)) is not None]
        for answer in comparison[1:]
    ]
    if not all(grades):
        return None
    return fmean(sorted(_p_above(first, second) for first in grades[0] for second in grades[1]))


class _Grade(NamedTuple):
    """The grade of an answer; more is better."""

    value: float
    chances: Mapping[float, float] | None
    """The probability of each grade, where the rater gives one."""
    log_odds: float | None
    """How much the rater is for the answer in natural logs, where it says that: then nothing else counts."""


def _grade(verdict: Verdict) -> _Grade | None:
    """Return None where the verdict is invalid, or names a grade that is no number."""
    value = _number(verdict.value)
    if verdict.invalid is not None or value is None:
        return None
    chances = dict(_chances(verdict)) if verdict.scale == "score" else {}
    return _Grade(value, chances if chances and sum(chances.values()) > 0 else None, read_log_odds(verdict))


def read_log_odds(verdict: Verdict) -> float | None:
    """Return a verdict's log-odds, or those of a yes by the probabilities of yes and no; None where it has neither."""
    if verdict.invalid is not None:
        return None
    if verdict.scale == "log_odds":
        return _number(verdict.value)
    if verdict.scale != "binary" or not verdict.distribution:
        return None
    yes, no = (max(verdict.distribution.get(word, 0.0), _LEAST) for word in ("yes", "no"))
    return math.log(yes) - math.log(no)


def _chances(verdict: Verdict) -> Iterator[tuple[float, float]]:
    for label, chance in (verdict.distribution or {}).items():
        number = _number(label)
        if number is not None:
            yield number, chance


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, bool | int | float | str) else None
    except ValueError:
        return None


def _p_above(first: _Grade, second: _Grade) -> float:
    """sigmoid of the difference of log-odds; else P(one > other) + P(equal) / 2 of two independent grades; by their
    values where one has no distribution."""
    if first.log_odds is not None and second.log_odds is not None:
        return sigmoid(first.log_odds - second.log_odds)
    if first.chances is None or second.chances is None:
        return 0.5 + 0.5 * ((first.value > second.value) - (first.value < second.value))
    above = [
        p * q * (0.5 + 0.5 * ((grade > against) - (grade < against)))
        for grade, p in first.chances.items()
        for against, q in second.chances.items()
    ]
    return min(sum(above) / (sum(first.chances.values()) * sum(second.chances.values())), 1.0)


def sigmoid(log_odds: float) -> float:
    """1 / (1 + exp(-log_odds))."""
    return 0.5 + 0.5 * math.tanh(log_odds / 2)


_VALUES = {1: "A", -1: "B", 0: "tie"}


def as_pair_verdicts(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Verdicts on pairs as they are, all others as what they say about pairs, for whoever counts votes; criteria that a
    score sums up are left out. Verdicts of a prompt stand together.

    Scores of two answers make one vote of no displayed order, over all samples.
    """
    for _, of_prompt in groupby(verdicts, key=lambda verdict: verdict.prompt_id):
        others: list[Verdict] = []
        for verdict in of_prompt:
            if verdict.scale == "pair":
                yield verdict
            else:
                others.append(verdict)
        for comparison, about in by_comparison(others).items():
            first = {verdict.rater: verdict for verdict in reversed(about)}
            for reading in make_readings(about, comparison):
                yield _pair(reading, comparison, first[reading.rater])


def _pair(reading: VerdictReading, comparison: Comparison, verdict: Verdict) -> Verdict:
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
        rater_kind=verdict.rater_kind,
        sample=reading.sample,
        invalid="no preference could be read" if p is None else None,
        origin=verdict.origin,
    )
