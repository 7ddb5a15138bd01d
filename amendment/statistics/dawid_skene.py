"""The true classes of items, and how each rater errs, from raters' votes alone.

Covered: the EM algorithm of Dawid and Skene (1979, "Maximum likelihood estimation of observer error-rates using the EM
algorithm"), in log space; raters who voted on some items only; items on which nobody voted; label switching. Not
covered: raters who err together. The method takes errors for independent of each other once the true class is known,
and where they are not it is surer than it should be; see `errors_together`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats

__all__ = ["Consensus", "dawid_skene"]

SMOOTHING = 0.01
"""Added to every count (a Dirichlet prior), so that what was never seen is unlikely and not impossible."""
CHANGE = 1e-8
"""The largest change of a probability at which a round is the last."""
ROUNDS = 1000


class Consensus(NamedTuple):
    """What votes say of items and of raters."""

    posteriors: Floats
    """P(class) of each item, a row each; the prior where nobody voted."""
    has_votes: NDArray[np.bool_]
    """By item."""
    prior: Floats
    """P(class) before any vote."""
    confusions: Floats
    """By rater, true class and vote: P(vote | true class)."""
    rounds: int
    converged: bool


def dawid_skene(votes: ArrayLike, *, classes: int) -> Consensus:
    """Dawid and Skene's estimate from `votes`, a row per item and a column per rater: a class from 0, or -1 for none.

    Begins with each item's shares of votes; every count is raised by 0.01; ends when no probability changes by more
    than 1e-8, or after 1000 rounds. Which class is which cannot be told from votes: classes are named so that they
    agree with the majority as often as they can. Does not depend on the order of the items. Raises ValueError for
    votes that are no classes.
    """
    patterns, which, counts = _patterns(votes, classes)
    said = (patterns[:, :, None] == np.arange(classes)).astype(np.float64)  # pattern, rater, class
    has_votes = said.any(axis=(1, 2))
    shares = _shares(said)
    found, rounds, change = shares, 0, np.inf
    weights = counts * has_votes
    while change > CHANGE and rounds < ROUNDS:
        prior, confusions = _rates(found, said, weights)
        renewed = _posteriors(prior, confusions, said)
        change = float(np.abs(renewed - found)[has_votes].max(initial=0.0))
        found, rounds = renewed, rounds + 1
    names = _named_by_majority(found, shares, weights)
    found = found[:, names]
    prior, confusions = _rates(found, said, weights)
    found[~has_votes] = prior
    return Consensus(found[which], has_votes[which], prior, confusions, rounds, change <= CHANGE)


def _patterns(votes: ArrayLike, classes: int) -> tuple[NDArray[np.int64], NDArray[np.intp], Floats]:
    """The different rows of votes, which of them each item has, and how many items have each."""
    given = np.asarray(votes)
    if given.ndim != 2 or (given.size and (given.dtype.kind not in "iu" or given.min() < -1 or given.max() >= classes)):
        raise ValueError(f"expected a row per item and a column per rater, whole numbers from -1 to {classes - 1}")
    # A row becomes one number while it fits, since numbers are sorted many times faster than rows.
    base = classes + 1
    if given.shape[1] * np.log2(base) < 62:
        powers = base ** np.arange(given.shape[1], dtype=np.int64)
        codes, which, counts = np.unique((given + 1) @ powers, return_inverse=True, return_counts=True)
        patterns = codes[:, None] // powers % base - 1
    else:
        patterns, which, counts = np.unique(given, axis=0, return_inverse=True, return_counts=True)
    return patterns.astype(np.int64), which.reshape(-1), counts.astype(np.float64)


def _shares(said: Floats) -> Floats:
    """Each item's shares of votes; alike where there are none."""
    sums = said.sum(1)
    totals = sums.sum(1, keepdims=True)
    shares: Floats = np.where(totals > 0, sums / np.maximum(totals, 1), 1 / sums.shape[1])
    return shares


def _rates(found: Floats, said: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The M step: the prior, and P(vote | true class) of each rater (Dawid and Skene 1979, equations 2.3 and 2.4)."""
    weighted = found * weights[:, None]
    prior = weighted.sum(0) + SMOOTHING
    confusions = np.einsum("ik,ijl->jkl", weighted, said) + SMOOTHING
    return prior / prior.sum(), confusions / confusions.sum(2, keepdims=True)


def _posteriors(prior: Floats, confusions: Floats, said: Floats) -> Floats:
    """The E step: P(class) given the votes (Dawid and Skene 1979, equation 2.5)."""
    logs = np.log(prior) + np.einsum("ijl,jkl->ik", said, np.log(confusions))
    odds: Floats = np.exp(logs - logs.max(axis=1, keepdims=True))
    posteriors: Floats = odds / odds.sum(axis=1, keepdims=True)
    return posteriors


def _named_by_majority(found: Floats, shares: Floats, weights: Floats) -> NDArray[np.intp]:
    """Which estimated class stands for each class of votes, so that both agree in most items."""
    from scipy.optimize import linear_sum_assignment

    top = shares.max(1, keepdims=True)
    winners = np.isclose(shares, top)
    clear = np.where(winners.sum(1, keepdims=True) == 1, winners, 0.0)
    together = (clear * weights[:, None]).T @ found
    together += np.eye(len(together)) * 1e-9 * (1 + together.sum())  # as they are, where nothing speaks for a change
    names: NDArray[np.intp] = linear_sum_assignment(together, maximize=True)[1]
    return names
