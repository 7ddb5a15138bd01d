"""Token sequences of like length in one batch, padded on the right: for scoring what was trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["PaddedBatch", "padded_batches"]


class PaddedBatch(NamedTuple):
    """Some of the sequences as a rectangle."""

    rows: list[int]
    """Which sequences, by position."""
    ids: NDArray[np.int64]
    """Shape (rows, longest)."""
    mask: NDArray[np.int64]
    """1 where a token stands, 0 for padding."""


def padded_batches(sequences: Sequence[Sequence[int]], *, pad: int, tokens: int = 8192) -> Iterator[PaddedBatch]:
    """All sequences once, short ones first, in batches of at most `tokens` tokens with padding (or one row)."""
    batch: list[int] = []
    for row in sorted(range(len(sequences)), key=lambda row: len(sequences[row])):
        if batch and (len(batch) + 1) * max(1, len(sequences[row])) > tokens:
            yield _padded(sequences, batch, pad)
            batch = []
        batch.append(row)
    if batch:
        yield _padded(sequences, batch, pad)


def _padded(sequences: Sequence[Sequence[int]], rows: list[int], pad: int) -> PaddedBatch:
    width = max(1, len(sequences[rows[-1]]))
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(sequences[row])] = sequences[row]
        mask[place, : len(sequences[row])] = 1
    return PaddedBatch(rows, ids, mask)
