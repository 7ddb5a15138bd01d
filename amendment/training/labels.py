"""What the labels of pairs say to a trainer: a target and a weight for each pair.

Promised: a value that is no probability or no weight is refused with its row, never guessed.
Not covered: where `p_chosen` comes from (see `calibration` and the dataset's card).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.errors import DataError, Problem
from amendment.training.settings import PairTrainerSettings

Row = Mapping[str, Any]
Floats = NDArray[np.float32]


class PairLabels(NamedTuple):
    """One entry per pair."""

    targets: Floats
    """P(chosen is better) that the loss aims at."""
    weights: Floats
    """With mean 1."""


def pair_labels(rows: Sequence[Row], settings: PairTrainerSettings) -> PairLabels:
    """Targets and weights of rows with `p_chosen` and `weight`; both may be absent where labels are hard.

    Raises DataError naming each row (from 1) whose values cannot be read.
    """
    is_soft = settings.labels == "soft"
    p = _column(rows, "p_chosen", None if is_soft else 1.0, lambda value: 0 <= value <= 1, "a probability")
    given = _column(rows, "weight", 1.0, lambda value: value >= 0, "a weight of 0 or more")
    smoothing = settings.label_smoothing
    certain = p if is_soft else np.ones_like(p)
    targets = certain * (1 - smoothing) + (1 - certain) * smoothing
    given = np.ldexp(given, -math.frexp(given.max(initial=0.0))[1])  # exact; the sum of huge ones is still a number
    mean = float(given.mean()) if len(given) else 1.0
    return PairLabels(targets.astype(np.float32), (given / (mean or 1.0)).astype(np.float32))


def without_label(row: Row, settings: PairTrainerSettings) -> str | None:
    """Why a trainer has nothing to learn from the label of a row, or None: a tie, or a weight of 0."""
    if row.get("weight") == 0:
        return "weight_zero"
    return "tie" if settings.labels != "soft" and row.get("p_chosen") == 0.5 else None


def _column(
    rows: Sequence[Row], name: str, absent: float | None, fits: Callable[[float], bool], expected: str
) -> NDArray[np.float64]:
    values, problems = np.ones(len(rows)), list[Problem]()
    for i, row in enumerate(rows):
        value = row.get(name)
        value = absent if value is None else value
        if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value) and fits(value):
            values[i] = value
        else:
            shown = "none" if value is None else repr(value)
            problems.append(Problem(f"row {i + 1}: {name}", f"expected {expected}, found {shown}"))
    if problems:
        raise DataError(problems)
    return values


def _is_finite(value: float) -> bool:
    """A number that a float can hold: JSON has whole numbers of any size."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
