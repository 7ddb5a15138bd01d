"""Rows of comparisons, and who can be rated against whom: the graph of wins.

Strengths have finite maximum-likelihood values only where the items cannot be split in two groups of which one never
won anything from the other (Ford 1957): the graph with an arrow from i to j wherever i took something from j must be
strongly connected. What is not connected at all was never compared; what is connected in one direction only always won.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import compress
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats, codes_of

__all__ = ["Components", "Rows", "components", "rows_of"]

Codes = NDArray[np.intp]
Groups = tuple[tuple[str, ...], ...]
CERTAIN = 1e-6
"""A probability this near to 0 or 1 is taken for it: 14 in log-odds is more than a judge can know."""


class Rows(NamedTuple):
    """Comparisons by number: `first` and `second` are places in `names`."""

    names: tuple[str, ...]
    """Sorted."""
    first: Codes
    second: Codes
    y: Floats
    """P(first is better), or what came of it: 1, 0, and 0.5 for a tie."""
    weights: Floats
    """Above 0; rows without weight are left out."""
    clusters: Codes
    """What belongs together: the prompt. Without clusters each row is one of its own."""


class Components(NamedTuple):
    """Groups of items, by name in sorted order."""

    strong: Groups
    """Within a group everybody has won something, along some path, from everybody else."""
    weak: Groups
    """Between groups there is no comparison at all."""

    @property
    def is_connected(self) -> bool:
        """Whether all items can be rated on one scale without a prior."""
        return len(self.strong) == 1


def rows_of(
    first: Sequence[str],
    second: Sequence[str],
    y: ArrayLike,
    weights: ArrayLike | None = None,
    clusters: Iterable[Hashable] | None = None,
) -> Rows:
    """Comparisons checked and numbered. ValueError for unequal lengths, no rows, an item compared with itself,
    `y` outside of 0 to 1 and weights that are negative or not finite."""
    outcome, n = np.asarray(y, np.float64), len(first)
    weight = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    cluster = np.arange(n) if clusters is None else codes_of(clusters)[0]
    if not len(second) == n == cluster.size or outcome.shape != (n,) or weight.shape != (n,):
        found = f"{n}, {len(second)}, {outcome.shape}, {weight.shape} and {cluster.size}"
        raise ValueError(f"comparisons need as many first, second, y, weights and clusters, found {found}")
    if not ((outcome >= 0) & (outcome <= 1)).all() or not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("expected y from 0 to 1 and finite weights from 0; leave unreadable comparisons out")
    counts = weight > 0
    if not counts.any():
        raise ValueError("there is no comparison to rate by")
    kept_first, kept_second = list(compress(first, counts)), list(compress(second, counts))
    names = tuple(sorted({*kept_first, *kept_second}))
    place = {name: i for i, name in enumerate(names)}
    one, other = (np.fromiter(map(place.__getitem__, kept), np.intp) for kept in (kept_first, kept_second))
    if (one == other).any():
        raise ValueError(f"{names[one[one == other][0]]!r} is compared with itself; leave such rows out")
    together = np.unique(cluster[counts], return_inverse=True)[1]
    return Rows(names, one, other, _snapped(outcome[counts]), weight[counts], together)


def _snapped(outcome: Floats) -> Floats:
    return np.where(outcome < CERTAIN, 0.0, np.where(outcome > 1 - CERTAIN, 1.0, outcome))


def components(rows: Rows, *, is_decided: NDArray[np.bool_] | None = None) -> Components:
    """The components of the win graph; a tie, or a P strictly between 0 and 1, counts for both sides.

    With `is_decided`, one truth value per row, only those rows draw arrows.
    """
    seen = np.ones(rows.y.size, bool) if is_decided is None else is_decided
    took, gave = seen & (rows.y > 0), seen & (rows.y < 1)
    winners = np.concatenate([rows.first[took], rows.second[gave]])
    losers = np.concatenate([rows.second[took], rows.first[gave]])
    everyone = np.concatenate([rows.first, rows.second]), np.concatenate([rows.second, rows.first])
    return Components(
        _groups(rows.names, winners, losers, "strong"),
        _groups(rows.names, *everyone, "weak"),
    )


def _groups(
    names: tuple[str, ...], tails: Codes, heads: Codes, connection: Literal["strong", "weak"]
) -> tuple[tuple[str, ...], ...]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    k = len(names)
    graph = coo_array((np.ones(tails.size), (tails, heads)), shape=(k, k)).tocsr()
    count, labels = connected_components(graph, directed=True, connection=connection)
    groups: list[list[str]] = [[] for _ in range(count)]
    for name, label in zip(names, labels, strict=True):
        groups[label].append(name)
    return tuple(sorted(map(tuple, groups)))
