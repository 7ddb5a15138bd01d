"""What ratings say: strengths with their covariance, intervals of one and of the difference of two, and ranks.

An interval for a difference takes what two strengths have in common into account; whether the intervals of two
strengths overlap does not tell whether they differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from amendment.statistics.intervals import Estimate, Floats, cautioned

__all__ = ["RankRange", "Ratings"]


class RankRange(NamedTuple):
    """Ranks that the data leave open; 1 is the best."""

    low: int
    high: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratings:
    """Strengths of items, in log-odds."""

    names: tuple[str, ...]
    """Sorted; the order of `theta` and `covariance`."""
    theta: Floats
    """Strengths with the sum 0: theta_a - theta_b is the log-odds of a against b (under Davidson: of a decided one)."""
    covariance: Floats
    """Of `theta`; its rows sum to 0."""
    nu: float | None
    """Davidson's: two equals tie with P = nu / (2 + nu). None under Bradley-Terry, infinite where all are ties."""
    n: int
    """Comparisons."""
    n_clusters: int
    """What the covariance is based on: clusters, or comparisons where it is not clustered."""
    method: str
    warnings: tuple[str, ...]
    """What a reader must know: a prior, few clusters, ties that the model does not know."""
    components: tuple[tuple[str, ...], ...]
    """Groups within which wins connect both ways; more than one: strengths between them rest on a prior."""

    def of(self, name: str, level: float = 0.95) -> Estimate:
        """One strength, against the mean of all."""
        contrast = np.zeros(len(self.names))
        contrast[self._place(name)] = 1
        return self._estimate(contrast, level)

    def difference(self, a: str, b: str, level: float = 0.95) -> Estimate:
        """theta_a - theta_b: above 0 where a is better."""
        contrast = np.zeros(len(self.names))
        contrast[self._place(a)] += 1
        contrast[self._place(b)] -= 1
        return self._estimate(contrast, level)

    def ranks(self, level: float = 0.95) -> dict[str, RankRange]:
        """By name, best first: 1 + those that are surely better, to all but those that are surely worse.

        Sure is a difference whose own interval lies beyond 0; several of them are not corrected for being several.
        """
        lead = self.theta[:, None] - self.theta[None, :]
        spread = np.diag(self.covariance)
        error = np.sqrt(np.maximum(spread[:, None] + spread[None, :] - 2 * self.covariance, 0))
        is_better = lead > self._quantile(level) * error + 1e-12  # nan is never sure
        above, below = is_better.sum(0), is_better.sum(1)
        return {
            self.names[i]: RankRange(1 + int(above[i]), len(self.names) - int(below[i])) for i in self._best_first()
        }

    def to_json(self) -> dict[str, Any]:
        """As JSON, best first; what is nan or infinite becomes null."""
        ranks = self.ranks()
        order = self._best_first()
        told = {
            "ratings": [
                {"name": name, **self.of(name).to_json(), "rank": list(ranks[name])}
                for name in (self.names[i] for i in order)
            ],
            "covariance": [[_finite(value) for value in row] for row in self.covariance[np.ix_(order, order)].tolist()],
            "n": self.n,
            "n_clusters": self.n_clusters,
            "method": self.method,
            "warnings": list(self.warnings),
            "components": [list(group) for group in self.components],
        }
        return told if self.nu is None else {**told, "nu": _finite(self.nu)}

    def _best_first(self) -> list[int]:
        return sorted(range(len(self.names)), key=lambda i: (-self.theta[i], self.names[i]))

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"{name!r} is not among the {len(self.names)} rated")
        return self.names.index(name)

    def _estimate(self, contrast: Floats, level: float) -> Estimate:
        value, variance = float(contrast @ self.theta), float(contrast @ self.covariance @ contrast)
        half = self._quantile(level) * math.sqrt(max(variance, 0.0)) if variance > 1e-24 else math.nan
        return cautioned(Estimate(value, value - half, value + half, self.n, self.n_clusters, self.method))

    def _quantile(self, level: float) -> float:
        if not 0 < level < 1:
            raise ValueError(f"a level lies between 0 and 1, found {level}")
        from scipy.special import stdtrit

        return float(stdtrit(max(self.n_clusters - 1, 1), 0.5 + level / 2))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
