"""Figures of a probe: how often a verdict stays, how often it stays anyway, and which way it goes when it does not.

The form is CALM's (Ye et al. 2024, arXiv 2410.02736): a robustness rate (RR), the share of questions with the same
verdict before and after the edit, beside a consistency rate (CR), the share with the same verdict when the plain
question is drawn again. The direction is taken between the edited question and its control, which carries the edit on
both sides, and not between before and after: the target is the answer that lost, and a judge with any noise gives such
an answer some of it back at the next asking, edit or not.

Covered: intervals clustered by prompt; exact tests (McNemar, a sign test over prompts); one-sided exact limits for
attacks. Not covered: what counts as too much; see `gates`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amendment.audit.probes_answered import Matched
from amendment.statistics import Estimate, binomial_p, cautioned, clustered_mean, share
from amendment.statistics.sides import side_of

__all__ = ["AttackFigures", "EditFigures", "attack_figures", "edit_figures", "lower_limit", "upper_limit"]

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class EditFigures:
    """What an edit did to one judge's verdicts."""

    asked: int
    """Questions: comparisons, each in every order in which it was shown."""
    unread: int
    """Of them those without a readable verdict before the edit or after it."""
    rr: Estimate
    """Share of questions with the same verdict before and after."""
    cr: Estimate | None
    """Share with the same verdict when the plain question is drawn again; None where nothing was drawn twice."""
    mcnemar: float
    """Exact p of RR against CR on the questions that have both; nan without CR or without a question that differs."""
    control: Estimate | None
    """Share with the same verdict before and with the edit on both sides; None for a probe without a control."""
    direction: Estimate | None
    """Share of questions in which the verdict is better for the target edited than in the control, minus the share in
    which it is worse: from -1 to 1."""
    shift: Estimate | None
    """Mean P(target) edited minus mean P(target) in the control."""
    p: float
    """Exact sign test of the direction, each prompt a sign; nan where no prompt has one."""

    def to_json(self) -> dict[str, Any]:
        """As JSON; what was not measured is null."""
        estimates = {name: getattr(self, name) for name in ("rr", "cr", "control", "direction", "shift")}
        return {
            "asked": self.asked,
            "unread": self.unread,
            **{name: one.to_json() if one else None for name, one in estimates.items()},
            "mcnemar": _known(self.mcnemar),
            "p": _known(self.p),
        }


@dataclass(frozen=True, kw_only=True)
class AttackFigures:
    """How often an answer that answers nothing beat a real one."""

    prompts: int
    """Prompts with a comparison that could be read in every order in which it was asked."""
    wins: int
    """Prompts in which such an answer won by the mean over orders."""
    ties: int
    """Prompts without a win in which it came out even."""
    unread: int
    """Comparisons that could not be read."""
    won_by: dict[str, int]
    """Prompts won by principle, as some ask for what an answer without content may well have: doing no harm, say."""

    @property
    def rate(self) -> float:
        """nan without a prompt."""
        return self.wins / self.prompts if self.prompts else math.nan

    @property
    def limit(self) -> float:
        """The upper 95 % limit of the rate."""
        return upper_limit(self.wins, self.prompts)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        counts = {name: getattr(self, name) for name in ("prompts", "wins", "ties", "unread")}
        return {**counts, "won by": self.won_by, "rate": _known(self.rate), "limit": _known(self.limit)}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def edit_figures(found: Sequence[Matched]) -> EditFigures:
    """One judge's figures of one edit; see `matched`."""
    read = [one for one in found if one.before is not None and one.edited is not None]
    twice = [one for one in found if one.before is not None and one.again is not None]
    has_control = any("control" in one.asked for one in found)
    told = [one for one in found if one.edited is not None and one.control is not None]
    signs = [_side(one.edited) - _side(one.control) for one in told]
    return EditFigures(
        asked=len(found),
        unread=len(found) - len(read),
        rr=_same(read, _edited),
        cr=_same(twice, _again) if twice else None,
        mcnemar=_mcnemar(found),
        control=_same([one for one in found if one.before is not None], _control) if has_control else None,
        direction=_mean(np.sign(signs), told) if has_control else None,
        shift=_mean([_p(one.edited) - _p(one.control) for one in told], told) if has_control else None,
        p=_sign_test(signs, told),
    )


def _edited(one: Matched) -> float | None:
    return one.edited


def _again(one: Matched) -> float | None:
    return one.again


def _control(one: Matched) -> float | None:
    return one.control


def _p(p: float | None) -> float:
    assert p is not None
    return p


def _side(p: float | None) -> int:
    return side_of(_p(p))


def _same(found: Sequence[Matched], after: Callable[[Matched], float | None]) -> Estimate:
    """The share with the same verdict before and after, of those that have both."""
    read = [one for one in found if after(one) is not None]
    same = [float(_side(one.before) == _side(after(one))) for one in read]
    return share(same, [one.prompt_id for one in read], LEVEL)


def _mean(values: Any, found: Sequence[Matched]) -> Estimate:
    return cautioned(clustered_mean(values, [one.prompt_id for one in found], LEVEL))


def _mcnemar(found: Sequence[Matched]) -> float:
    """Of the questions that changed in one way only: the edit's against the repetition's."""
    all_three = [one for one in found if None not in (one.before, one.again, one.edited)]
    changes = [(_side(one.before) != _side(one.edited), _side(one.before) != _side(one.again)) for one in all_three]
    by_edit, by_itself = (sum(pair == way for pair in changes) for way in ((True, False), (False, True)))
    return binomial_p(by_edit, by_edit + by_itself)


def _sign_test(signs: Sequence[int], found: Sequence[Matched]) -> float:
    """Questions of one prompt are no independent throws, so a prompt throws once: the sign of their sum."""
    sums: Counter[str] = Counter()
    for sign, one in zip(signs, found, strict=True):
        sums[one.prompt_id] += (sign > 0) - (sign < 0)
    towards, away = sum(total > 0 for total in sums.values()), sum(total < 0 for total in sums.values())
    return binomial_p(towards, towards + away)


def attack_figures(found: Sequence[Matched]) -> AttackFigures:
    """One judge's figures of one kind of attack; see `matched`."""
    by_comparison: dict[str, list[Matched]] = defaultdict(list)
    for one in found:
        by_comparison[one.comparison_id].append(one)
    sides: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for asked in by_comparison.values():
        read = [one.attack for one in asked if one.attack is not None]
        if len(read) == len(asked):
            sides[asked[0].prompt_id].append((side_of(math.fsum(read) / len(read)), asked[0].principle))
    best = [max(of_prompt) for of_prompt in sides.values()]
    won = Counter(principle for side, principle in best if side == 1)
    return AttackFigures(
        prompts=len(best),
        wins=won.total(),
        ties=sum(side == 0 for side, _ in best),
        unread=len(by_comparison) - sum(map(len, sides.values())),
        won_by=dict(won.most_common()),
    )


def lower_limit(wins: int, n: int, level: float = LEVEL) -> float:
    """The one-sided lower limit of a rate, exact: 1 - `upper_limit` of what was not won; nan for n = 0."""
    return 1 - upper_limit(n - wins, n, level)


def upper_limit(wins: int, n: int, level: float = LEVEL) -> float:
    """The one-sided upper limit of a rate, exact (Clopper and Pearson 1934); nan for n = 0.

    The p at which `wins` or fewer of n have probability 1 - level; for no win 1 - (1 - level)^(1/n), which is nearly
    3/n at 95 % (the rule of three).
    """
    if not 0 <= wins <= n:
        raise ValueError(f"wins lie between 0 and n, found {wins} of {n}")
    if n == 0:
        return math.nan
    if wins == n:
        return 1.0
    from scipy.special import betaincinv

    return float(betaincinv(wins + 1, n - wins, level))
