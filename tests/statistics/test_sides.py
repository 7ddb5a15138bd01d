"""Which side a probability is on, with and without a margin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amendment.statistics.sides import side_of

P = st.floats(0, 1)
MARGIN = st.floats(0, 1)


def test_one_half_is_a_tie_whatever_rounding_made_of_it() -> None:
    assert [side_of(p) for p in (0.0, 0.4, 0.5, 0.6, 1.0)] == [-1, -1, 0, 1, 1]
    assert side_of(0.5 + 1e-12) == side_of(0.5 - 1e-12) == 0


def test_a_margin_is_the_least_lead_and_includes_itself() -> None:
    assert 2 * 0.6 - 1 < 0.2  # for a computer, and not for whoever wrote min_margin: 0.2
    assert [side_of(p, 0.2) for p in (0.39, 0.4, 0.41, 0.59, 0.6, 0.61)] == [-1, -1, 0, 0, 1, 1]
    assert [side_of(p, 1.0) for p in (0.0, 0.01, 0.99, 1.0)] == [-1, 0, 0, 1]


@given(P, MARGIN)
def test_naming_the_answers_the_other_way_round_turns_the_side(p: float, margin: float) -> None:
    assert side_of(1 - p, margin) == -side_of(p, margin)
    assert side_of(p, margin) in (0, side_of(p))  # a margin only makes ties
