"""A rate corrected for the mistakes of who counted, where the labels come from elsewhere.

A judge calls a share p of n items positive. How often it finds positives (sensitivity q1) and negatives (specificity
q0) is known from m1 and m0 items that people labelled, of another sample: an older run, other systems. Then
theta = (p + q0 - 1) / (q0 + q1 - 1) (Rogan and Gladen 1978), with the interval of Lang and Reiczigel (2014).

Promised: a judge who hardly tells positives from negatives gets no estimate. Where the lower limit of Youden's
q0 + q1 - 1 is 0.1 or less, the answer is a refusal: the corrected rate would be mostly noise.
Not covered: q1 and q0 that differ between the labelled sample and the one at hand. They often do, by system and by
length of answers; `homogeneity` tests it where labels of several systems are there. Where the labels are a random
sample of the items at hand, `prediction_powered` needs no such assumption and is narrower. Items are independent here;
ties become an answer to a yes-or-no question first, such as "was the first one strictly better?".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from amendment.statistics.intervals import Estimate
from amendment.statistics.shares import wilson

__all__ = ["Corrected", "Homogeneity", "homogeneity", "rogan_gladen"]

LEAST_YOUDEN = 0.1
FEW_EXPECTED = 5
"""Expected counts below which the chi-square distribution is a poor guide (Cochran 1954)."""


class Corrected(NamedTuple):
    """A corrected rate, or why there is none."""

    estimate: Estimate
    """nan throughout where refused."""
    youden: Estimate
    """Sensitivity + specificity - 1, -1 to 1: 0 is a judge who guesses."""
    refused: str = ""


class Homogeneity(NamedTuple):
    """Whether a share is the same in several groups."""

    chi_square: float
    freedom: int
    p: float
    """nan where fewer than two groups have rows; 1 where all rows are alike."""
    note: str = ""


def rogan_gladen(
    *,
    judged_positive: int,
    judged_n: int,
    hits: int,
    positives: int,
    correct_rejections: int,
    negatives: int,
    level: float = 0.95,
) -> Corrected:
    """The true share of positives among `judged_n` items, of which the judge called `judged_positive` positive.

    Of `positives` items that people called positive the judge found `hits`; of `negatives` it rejected
    `correct_rejections`. Raises ValueError where a part is larger than its whole.
    """
    judged, found, rejected = (judged_positive, judged_n), (hits, positives), (correct_rejections, negatives)
    if not all(0 <= part <= whole for part, whole in (judged, found, rejected)):
        raise ValueError(f"expected three parts and their wholes, found {judged}, {found} and {rejected}")
    told = Estimate(math.nan, math.nan, math.nan, judged_n, judged_n, "Rogan-Gladen, Lang-Reiczigel")
    youden = _youden(found, rejected, level)
    refused = _refusal(judged_n, positives, negatives, youden)
    if refused:
        return Corrected(told._replace(note=refused), youden, refused)
    value = (judged_positive / judged_n + correct_rejections / negatives - 1) / youden.value
    low, high = _lang_reiczigel(judged, found, rejected, level)
    return Corrected(told._replace(value=_held(value), low=_held(low), high=_held(high)), youden)


def _refusal(judged_n: int, positives: int, negatives: int, youden: Estimate) -> str:
    if not (judged_n and positives and negatives):
        found = f"{judged_n} judged items and labels of {positives} positives and {negatives} negatives"
        return f"found {found}: each is needed"
    if youden.low <= LEAST_YOUDEN:
        return (
            f"the judge hardly tells positives from negatives: sensitivity + specificity - 1 is {youden.value:.2f}, "
            f"and its lower limit {youden.low:.2f} is not above {LEAST_YOUDEN}"
        )
    return ""


def _youden(found: tuple[int, int], rejected: tuple[int, int], level: float) -> Estimate:
    """Two independent shares put together: each goes as far as Wilson's interval does (Newcombe 1998, method 10)."""
    n = found[1] + rejected[1]
    if not (found[1] and rejected[1]):
        return Estimate(math.nan, math.nan, math.nan, n, n, "Newcombe", "no positives or no negatives")
    one, zero = wilson(*found, level), wilson(*rejected, level)
    value = one.value + zero.value - 1
    low = value - math.hypot(one.value - one.low, zero.value - zero.low)
    high = value + math.hypot(one.high - one.value, zero.high - zero.value)
    return Estimate(value, low, high, n, n, "Newcombe")


def _lang_reiczigel(
    judged: tuple[int, int], found: tuple[int, int], rejected: tuple[int, int], level: float
) -> tuple[float, float]:
    """Lang and Reiczigel 2014 (Preventive Veterinary Medicine 113), with their added successes and failures."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    n, m1, m0 = judged[1] + z * z, found[1] + 2, rejected[1] + 2
    p, q1, q0 = (judged[0] + z * z / 2) / n, (found[0] + 1) / m1, (rejected[0] + 1) / m0
    youden = q0 + q1 - 1
    theta = (p + q0 - 1) / youden
    one, zero = q1 * (1 - q1) / m1, q0 * (1 - q0) / m0
    shift = 2 * z * z * (theta * one - (1 - theta) * zero)
    error = math.sqrt(p * (1 - p) / n + (1 - theta) ** 2 * zero + theta**2 * one) / abs(youden)
    return theta + shift - z * error, theta + shift + z * error


def _held(rate: float) -> float:
    return min(max(rate, 0.0), 1.0)


def homogeneity(shares: Mapping[Any, tuple[int, int]]) -> Homogeneity:
    """Pearson's chi-square test that hits / rows is one share in all groups: sensitivity by system, say."""
    if any(not 0 <= hits <= rows for hits, rows in shares.values()):
        raise ValueError("expected (hits, rows) by group, with no more hits than rows")
    counted = [(hits, rows) for hits, rows in shares.values() if rows]
    if len(counted) < 2:
        return Homogeneity(math.nan, 0, math.nan, "fewer than two groups have rows")
    total = sum(rows for _, rows in counted)
    share = sum(hits for hits, _ in counted) / total
    if share in (0.0, 1.0):
        return Homogeneity(0.0, len(counted) - 1, 1.0)
    from scipy.special import chdtrc

    chi = sum((hits - rows * share) ** 2 / (rows * share * (1 - share)) for hits, rows in counted)
    least = min(rows for _, rows in counted) * min(share, 1 - share)
    note = f"the smallest expected count is {least:.1f}: p is rough" if least < FEW_EXPECTED else ""
    return Homogeneity(chi, len(counted) - 1, float(chdtrc(len(counted) - 1, chi)), note)
