"""Several judges made one: the mean, the majority, Dawid and Skene's estimate, or judges weighed on people's verdicts.

Covered: each rater is put together by itself first, over its orders and principles, so that a jury is of raters and
not of calls; who could not be read abstains; an even split is a tie; P stays a probability. Not covered: whether the
jury is right, and what its members have in common, which no way of counting them makes good; see `Panel.errors`.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.errors import ConfigError
from amendment.preference.aggregate import Vote, majority_of
from amendment.records import Judgement, Verdict
from amendment.statistics.dawid_skene import dawid_skene
from amendment.statistics.errors_together import ErrorsTogether, errors_together
from amendment.statistics.intervals import Floats
from amendment.statistics.sides import HALF, side_of
from amendment.statistics.stacking import log_odds, stack

__all__ = [
    "FEWEST_LABELS",
    "Heard",
    "JuryKind",
    "Panel",
    "hear",
    "refuse_few_labels",
    "spoken",
]

JuryKind = Literal["mean", "majority", "dawid-skene", "stacked"]
FEWEST_LABELS = 30
"""Comparisons that people and judges decided, without which judges are not weighed."""
A, B, TIE, NOBODY = 0, 1, 2, -1

OVER_ALL: tuple[JuryKind, ...] = ("dawid-skene", "stacked")
"""Those that speak only when all comparisons have been judged."""

Together = Callable[[Sequence[Verdict]], Judgement]
"""Puts verdicts of one comparison together, over principles and orders."""


class Heard(NamedTuple):
    """A comparison as a jury hears it."""

    judgement: Judgement
    """By the mean of all verdicts, or by the majority of raters."""
    apart: dict[str, Judgement]
    """Of each rater that was asked, by its verdicts alone."""

    @property
    def own(self) -> dict[str, float | None]:
        """P(a) of each rater that was asked; None where it abstains."""
        return {rater: judgement.p_a for rater, judgement in self.apart.items()}


def hear(verdicts: Sequence[Verdict], together: Together, kind: JuryKind) -> Heard:
    """One comparison's verdicts by a jury. One that needs all comparisons has the mean here, until `Panel` speaks.

    Raises ValueError for verdicts of different comparisons.
    """
    judgement = together(verdicts)
    by_rater = _by_rater(verdicts)
    if len(by_rater) == 1:
        return Heard(judgement, dict.fromkeys(by_rater, judgement))
    heard = Heard(judgement, {rater: together(said) for rater, said in by_rater.items()})
    if kind == "majority":
        return heard._replace(judgement=spoken(judgement, majority_of(Vote.of(p) for p in heard.own.values() if p is not None), heard.own))
    return heard


def spoken(judgement: Judgement, p_a: float | None, own: Mapping[str, float | None]) -> Judgement:
    """The judgement with the jury's P in place of the mean, named after the raters that did not abstain.

    A principle decided it only where the jury stands on the side of the mean, which is that principle's.
    """
    is_same_side = p_a is not None and judgement.p_a is not None and side_of(p_a) == side_of(judgement.p_a) != 0
    raters = tuple(sorted(rater for rater, p in own.items() if p is not None))
    decisive = judgement.decisive if is_same_side else None
    return judgement.model_copy(update={"p_a": p_a, "raters": raters, "decisive": decisive})


class Panel:
    """What each rater made of each comparison of a run: a number each, and nothing else is kept."""

    def __init__(self, raters: Sequence[str]) -> None:
        self.raters = tuple(raters)
        self._p, self._labels, self._prompts = array("d"), array("d"), array("q")
        self._codes: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        """Comparisons by rater."""
        self.abstained: Counter[str] = Counter()
        """Comparisons by rater, of those that it was asked about, for which it could not be read."""
        self.trust: dict[str, float] = {}
        """By rater, once a jury that speaks over all comparisons has decided: stacked, its weight; dawid-skene, how
        often it is right about two answers that differ, as all votes together tell it."""

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, prompt_id: str, own: Mapping[str, float | None], label: float | None = None) -> None:
        """Keep a comparison: P(a) by rater as in `Heard`, and people's P(a) where they have decided it."""
        for rater in self.raters:
            p = own.get(rater)
            self.asked[rater] += rater in own
            self.abstained[rater] += rater in own and p is None
            self._p.append(math.nan if p is None else p)
        self._labels.append(math.nan if label is None else label)
        self._prompts.append(self._codes.setdefault(prompt_id, len(self._codes)))

    @property
    def p(self) -> Floats:
        """P(a), a row per comparison and a column per rater; nan where a rater was not asked or abstained."""
        return np.asarray(self._p).reshape(-1, len(self.raters))

    def owns(self) -> Iterator[dict[str, float | None]]:
        """P(a) by rater of one comparison after another; None where a rater was not asked or abstained."""
        for row in self.p.tolist():
            yield {rater: None if math.isnan(p) else p for rater, p in zip(self.raters, row, strict=True)}

    @property
    def votes(self) -> NDArray[np.int8]:
        """The same as classes: 0 for a, 1 for b, 2 for a tie, -1 for none."""
        return _classes(self.p)

    @property
    def n_labelled(self) -> int:
        """Comparisons that people decided and at least one rater voted on."""
        return int(self._known.sum())

    @property
    def _known(self) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = ~np.isnan(self._people) & (self.votes != NOBODY).any(1)
        return known

    @property
    def _people(self) -> Floats:
        return np.asarray(self._labels)

    def decide(self, kind: JuryKind) -> list[float | None]:
        """P(a) of each comparison, in the order in which they came; None where every rater abstained.

        Raises ConfigError where judges shall be weighed and people have decided too few of the comparisons.
        """
        p = self._stacked() if kind == "stacked" else self._dawid_skene()
        has_votes = (self.votes != NOBODY).any(1).tolist()
        return [value if is_judged else None for value, is_judged in zip(p.tolist(), has_votes, strict=True)]

    def _dawid_skene(self) -> Floats:
        """Every comparison is entered in both directions, since which answer is called a is chance."""
        votes = self.votes
        turned = np.select([votes == A, votes == B], [B, A], votes).astype(np.int8)
        found = dawid_skene(np.concatenate([votes, turned]), classes=3)
        self.trust = dict(zip(self.raters, found.confusions[:, A, A].tolist(), strict=True))
        posteriors = found.posteriors[: len(votes)]
        return np.clip(posteriors[:, A] + posteriors[:, TIE] / 2, 0, 1)

    def _stacked(self) -> Floats:
        known = self._known
        prompts = np.asarray(self._prompts)
        refuse_few_labels(int(known.sum()), prompts=len(set(prompts[known].tolist())))
        found = stack(log_odds(self.p), np.where(known, self._people, np.nan), prompts.tolist())
        self.trust = dict(zip(self.raters, found.weights.tolist(), strict=True))
        return found.p

    def errors(self) -> ErrorsTogether:
        """How far raters err together: against people where they decided enough, else against the other raters."""
        labels = _classes(self._people)
        enough = self.n_labelled >= FEWEST_LABELS
        return errors_together(self.votes, labels if enough else None)

    def agreement(self) -> dict[tuple[str, str], tuple[float, int]]:
        """By two raters, the share of comparisons on which they say the same, and of how many: those on which both
        voted. Two that never met are left out."""
        votes, found = self.votes, {}
        for one, other in combinations(range(len(self.raters)), 2):
            both = (votes[:, one] != NOBODY) & (votes[:, other] != NOBODY)
            if both.any():
                share = float((votes[both, one] == votes[both, other]).mean())
                found[self.raters[one], self.raters[other]] = (share, int(both.sum()))
        return found

    def unanimous(self) -> tuple[int, int]:
        """Comparisons on which all who voted say the same, and comparisons with two votes at least. A single vote
        agrees with nobody."""
        votes = self.votes
        given = votes != NOBODY
        several = given.sum(1) >= 2
        low = np.where(given, votes, TIE + 1).min(1)
        high = np.where(given, votes, NOBODY).max(1)
        return int((several & (low == high)).sum()), int(several.sum())


def refuse_few_labels(labelled: int, *, prompts: int) -> None:
    """Raises ConfigError where judges cannot be weighed on so few comparisons that people have decided."""
    if labelled >= FEWEST_LABELS and prompts >= 2:
        return
    raise ConfigError(
        f"jury: stacked learns from comparisons that people have decided and the judges have judged; found {labelled} "
        f"of {prompts} prompts, expected {FEWEST_LABELS} at least, of two prompts or more: label more under verdicts, "
        "with judging.labelled: judge, or take jury: mean"
    )


def _classes(p: Floats) -> NDArray[np.int8]:
    found = np.select([np.isnan(p), p > 0.5 + HALF, p < 0.5 - HALF], [NOBODY, A, B], TIE)
    return found.astype(np.int8)


def _by_rater(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[verdict.rater].append(verdict)
    return dict(sorted(found.items()))
