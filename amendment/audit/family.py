"""The tests of a judge's biases as one family, so that looking for many does not find one by chance.

Position needs both displayed orders: on each prompt the P of the answer shown first, in one order and the other, is
above or below one in sum; an exact sign test over prompts asks whether either is commoner. All others need people:
the judge's P(A), mean of both orders, is explained by people's votes, by length and by every mark of the answers at
once, and a test asks whether a mark does anything beyond the rest (see `_regression`). Corrected as in Holm (1979).

Not covered: what only an experiment tells. A judge that values what people do not, such as brevity by its principles,
fails the test of whatever goes along with it. One strong bias can raise alarms of other tests: a bias for length that
does not follow the curve by which length is entered here, or counts words where lengths are characters, is shared out
to format and citations, which lengthen an answer (0.3 log-odds a word, planted in ten simulated judges of 600 items,
raised twelve such alarms). Edited answers (probes) do not have that doubt, and their p-values can be given to
join the family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Panel, panel_of
from amendment.audit._regression import PeopleSaid, effects
from amendment.audit._table import INVALID, A, B, Numbers, table_of
from amendment.audit.favour import favoured_marks, more_of
from amendment.audit.marks import FORMAT
from amendment.audit.own import own_side
from amendment.audit.votes import Item, Vote
from amendment.errors import ConfigError
from amendment.statistics import Estimate, binomial_p, cautioned, clustered_mean, quotient
from amendment.statistics.families import holm

__all__ = ["LEVEL", "Family", "Tested", "family", "family_of_tests", "mean_p"]

LEVEL = 0.01
"""Of the family as a whole."""
SAME = 1e-9
"""Sums of probabilities this near to one lean nowhere."""


@dataclass(frozen=True)
class Tested:
    """One bias that was looked for."""

    name: str
    """position, length, format, citations, self, or another mark of the answers."""
    effect: Estimate
    """By how much P rises: of position for an answer shown first over shown second, -1 to 1; of all others from
    carrying less of it (shorter, another's answer) to carrying more, twice the slope of a straight line, so that a
    strong one may lie beyond -1 or 1."""
    p: float
    """nan where it could not be tested; the note of the effect says why."""
    adjusted: float
    rejected: bool
    """Whether the family as a whole rejects that there is no such bias."""


@dataclass(frozen=True)
class Family:
    """All tests of one judge."""

    level: float
    tests: tuple[Tested, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """Names of what was rejected, with the sign of its effect: "+position"."""
        return tuple(f"{'-' if one.effect.value < 0 else '+'}{one.name}" for one in self.tests if one.rejected)

    def of(self, name: str) -> Tested | None:
        """The test of that name."""
        return next((one for one in self.tests if one.name == name), None)


def family_of_tests(
    items: Mapping[str, Item],
    votes: Iterable[Vote],
    *,
    judge: str | None = None,
    models: Mapping[str, str] | None = None,
    probed: Mapping[str, tuple[Estimate, float]] | None = None,
    level: float = LEVEL,
) -> Family:
    """The family of one judge, from the same items and votes as `audit`.

    `judge` may be left out where there is one; `models` names judges' models as the writers of items are named;
    `probed` brings effects and p-values of experiments into the family, by name. Raises ConfigError where the judge is
    not among the raters or is not named among several, DataError for votes that cannot be used.
    """
    panel = panel_of(table_of(items, votes))
    found = [(number, rater.name) for number, rater in panel.judges if judge in (None, rater.name)]
    if len(found) != 1:
        known = ", ".join(rater.name for _, rater in panel.judges) or "none"
        raise ConfigError(f"judge: expected the name of one of the judges ({known}), found {judge!r}")
    return family(panel, *found[0], models=models or {}, probed=probed or {}, level=level)


def family(
    panel: Panel,
    number: int,
    judge: str,
    *,
    models: Mapping[str, str],
    probed: Mapping[str, tuple[Estimate, float]] | None = None,
    level: float = LEVEL,
    width: float = 0.95,
) -> Family:
    """`family_of_tests` for one rater of a panel; `width` is the level of the intervals."""
    first, second = _by_order(panel, number)
    found = {}
    if (~np.isnan(first) & ~np.isnan(second)).any():
        found["position"] = _position(panel, first, second, width)
    found |= _beside_people(panel, _over_orders(first, second, panel, number), judge, models, width)
    found |= dict(probed or {})
    corrected = holm({name: p for name, (_, p) in found.items()}, level)
    tests = (Tested(name, effect, *corrected[name]) for name, (effect, _) in found.items())
    return Family(level, tuple(tests))


def _by_order(panel: Panel, number: int) -> tuple[Numbers, Numbers]:
    """The judge's mean P(A) on each item with A shown first and with B shown first; nan where nothing was read."""
    first, second = (mean_p(panel, number, order) for order in (0, 1))
    return first, second


def mean_p(panel: Panel, number: int, order: int | None = None) -> Numbers:
    """A rater's mean P(A is better) on each item over its votes, of one order or all; nan where nothing was read."""
    votes = panel.table.votes
    own = slice(*np.searchsorted(votes.rater, [number, number + 1]))
    known = votes.value[own] < INVALID
    if order is not None:
        known &= votes.order[own] == order
    item, items = votes.item[own][known], len(panel.table.items)
    n = np.bincount(item, minlength=items)
    total = np.bincount(item, votes.p[own][known], items)
    return quotient(total.astype(np.float64), n.astype(np.float64))


def _over_orders(first: Numbers, second: Numbers, panel: Panel, number: int) -> Numbers:
    """Items read in both orders where there are any, for one order alone carries its bias; else what there is."""
    both = (first + second) / 2
    return mean_p(panel, number) if np.isnan(both).all() else both


def _position(panel: Panel, first: Numbers, second: Numbers, width: float) -> tuple[Estimate, float]:
    """P(first shown) - P(second shown), and the sign test over prompts."""
    item = np.flatnonzero(~np.isnan(first) & ~np.isnan(second))
    lean, prompts = first[item] - second[item], panel.prompts(item)
    sums = np.bincount(np.unique(prompts, return_inverse=True)[1], lean)
    up, down = int((sums > SAME).sum()), int((sums < -SAME).sum())
    mean = cautioned(clustered_mean(lean, prompts, width)._replace(method="clustered t"))
    return mean, binomial_p(up, up + down) if up + down else 1.0


def _beside_people(
    panel: Panel, y: Numbers, judge: str, models: Mapping[str, str], width: float
) -> dict[str, tuple[Estimate, float]]:
    marks = {name: column for name, column in _columns(panel, judge, models).items() if column.any()}
    if not marks or not panel.persons:
        return {}
    found = effects(y, _people_said(panel), marks, panel.table.prompt, width)
    return {name: (one.change, one.p) for name, one in found.items()}


def _people_said(panel: Panel) -> PeopleSaid:
    """Each person once per item, with the mean of what they said."""
    votes, items = panel.table.votes, len(panel.table.items)
    known = (votes.rater < len(panel.persons)) & (votes.value < INVALID)  # people stand first among raters
    keys, code = np.unique(votes.rater[known] * items + votes.item[known], return_inverse=True)
    return PeopleSaid(keys % items, np.bincount(code, votes.p[known]) / np.bincount(code))


def _columns(panel: Panel, judge: str, models: Mapping[str, str]) -> dict[str, Numbers]:
    """What may sway a judge, from -1 to 1 per item; those of format as one."""
    side = own_side(panel, judge, models)
    apart = np.nan_to_num(panel.table.apart)
    spread = float(apart.std())
    marks = {name: more_of(column) for name, column in favoured_marks(panel).items() if name not in FORMAT}
    length = np.tanh(apart / spread) if spread > 0 else np.sign(apart)
    return {"self": (side == A) - 1.0 * (side == B), "length": length, **marks}
