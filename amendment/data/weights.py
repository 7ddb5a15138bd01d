"""How much a pair of the user's own counts in training: the column that says so, and what its cells say.

Not covered: what several rows about one comparison come to; see `deciding`.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from amendment.data.sources import PairFile, Source
from amendment.data.verdict_files import word_of
from amendment.errors import Problem
from amendment.tables import Row
from amendment.terminal import plain

__all__ = ["weight_column", "weight_in"]

WEIGHT = "weight"
"""The column that is read without being named, as our own exports call it."""


def weight_column(source: Source, columns: Collection[str]) -> str | None:
    """The column with the weights of a file of pairs: the one that the run file names, else `weight`, else none."""
    if not isinstance(source, PairFile):
        return None
    named = source.columns.weight if source.columns is not None else None
    return named or (WEIGHT if WEIGHT in columns else None)


def weight_in(row: Row, column: str | None, problems: list[Problem]) -> float | None:
    """The weight of a row; None where it says nothing of it. What is no weight is added to `problems`."""
    if column is None or not word_of(row.values[column]):
        return None
    value = row.values[column]
    try:
        weight = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError, OverflowError):
        weight = -1.0
    if weight >= 0 and math.isfinite(weight):
        return weight
    found = f"found {plain(str(value), longest=40)!r}, expected a weight: a number that is 0 or more"
    problems.append(row.problem(column, found))
    return None
