"""How much rows of unequal weight tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["UNEVEN", "effective_rows"]

UNEVEN = 0.3
"""Effective rows per row below which a warning is given: intervals of so few heavy rows are too narrow."""


def effective_rows(weights: ArrayLike) -> float:
    """sum(w) ** 2 / sum(w ** 2): as many rows of equal weight would tell as much (Kish 1965, section 11.7).

    0 without a row.
    """
    w = np.asarray(weights, np.float64)
    return float(w.sum() ** 2 / (w @ w)) if w.size else 0.0
