"""Batches hold every sequence once, whole, and little padding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amendment.training import padded_batches

SEQUENCES = st.lists(st.lists(st.integers(1, 9), max_size=30), max_size=30)


@given(SEQUENCES, st.integers(1, 100))
def test_every_sequence_comes_back_once(sequences: list[list[int]], tokens: int) -> None:
    found: dict[int, list[int]] = {}
    for rows, ids, mask in padded_batches(sequences, pad=0, tokens=tokens):
        assert ids.size <= max(tokens, ids.shape[1])
        for row, numbers, marks in zip(rows, ids.tolist(), mask.tolist(), strict=True):
            assert row not in found
            found[row] = numbers[: sum(marks)]
            assert not any(numbers[sum(marks) :])
    assert found == dict(enumerate(sequences))


def test_like_lengths_share_a_batch() -> None:
    batches = list(padded_batches([[1] * 9, [2], [3] * 9, [4]], pad=0, tokens=18))
    assert [batch.rows for batch in batches] == [[1, 3], [0, 2]]
