"""What calibrated probabilities say of labels: which turn round, how many are wrong, and the clamp of 2022.

A calibrated probability stands beside the raw one and never in its place.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats
from amendment.statistics.sides import HALF

__all__ = ["FlipRow", "expected_flip_rate", "flip_rows", "turned"]

EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of confidence, for rows of flip rates."""


class FlipRow(NamedTuple):
    """Comparisons about which the raw judge was about as sure, and how many of its labels are expected to be wrong."""

    low: float
    high: float
    """Raw confidence max(p, 1 - p): from `low`, up to `high` and without it (1 belongs to the last row)."""
    n: int
    rate: float
    """Expected share of wrong labels, each being oriented by its calibrated probability."""
    turned: int
    """Comparisons that calibration turns round."""
    evened: int
    """Comparisons that had a side, and have none after calibration."""


def turned(p_raw: ArrayLike, p_calibrated: ArrayLike) -> NDArray[np.bool_]:
    """Where raw and calibrated probability lie on different sides of one half; on it, none of them has a side."""
    return _sides(p_raw) * _sides(p_calibrated) < 0


def expected_flip_rate(p: ArrayLike) -> float:
    """The share of wrong labels to expect where each is oriented by its calibrated P: the mean of min(p, 1 - p).

    What label smoothing of conservative DPO is to be. nan without a comparison.
    """
    found = np.asarray(p, np.float64)
    return float(np.minimum(found, 1 - found).mean()) if found.size else float("nan")


def flip_rows(p_raw: ArrayLike, p_calibrated: ArrayLike) -> tuple[FlipRow, ...]:
    """Expected flip rates by raw confidence; rows without a comparison are left out."""
    raw, p = np.asarray(p_raw, np.float64), np.asarray(p_calibrated, np.float64)
    place = np.minimum(np.digitize(np.maximum(raw, 1 - raw) + HALF, EDGES) - 1, len(EDGES) - 2)
    turns, evens = turned(raw, p), (_sides(raw) != 0) & (_sides(p) == 0)
    return tuple(
        FlipRow(low, high, int(inside.sum()), expected_flip_rate(p[inside]), *_counts(turns[inside], evens[inside]))
        for number, (low, high) in enumerate(pairwise(EDGES))
        if (inside := place == number).any()
    )


def _counts(turns: NDArray[np.bool_], evens: NDArray[np.bool_]) -> tuple[int, int]:
    return int(turns.sum()), int(evens.sum())


def _sides(p: ArrayLike) -> Floats:
    apart = np.asarray(p, np.float64) - 0.5
    return np.where(np.abs(apart) <= HALF, 0.0, np.sign(apart))
