"""Which items wins connect: against a search written here."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.statistics.comparison_graph import components, rows_of

ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([0.0, 0.3, 0.5, 1.0])).filter(
        lambda row: row[0] != row[1]
    ),
    min_size=1,
    max_size=14,
)


def reached(start: str, arrows: set[tuple[str, str]]) -> set[str]:
    """All that a walk along arrows comes to, by closing the set again and again."""
    seen = {start}
    while more := {head for tail, head in arrows if tail in seen} - seen:
        seen |= more
    return seen


@settings(max_examples=80, deadline=None)
@given(rows=ROWS)
def test_components_are_who_can_be_reached_there_and_back(rows: list[tuple[int, int, float]]) -> None:
    first, second, y = [f"i{row[0]}" for row in rows], [f"i{row[1]}" for row in rows], [row[2] for row in rows]
    arrows = {(a, b) for a, b, p in zip(first, second, y, strict=True) if p > 0}
    arrows |= {(b, a) for a, b, p in zip(first, second, y, strict=True) if p < 1}
    names = {*first, *second}
    strong = {tuple(sorted(b for b in names if b in reached(a, arrows) and a in reached(b, arrows))) for a in names}
    anyhow = arrows | {(b, a) for a, b in arrows}
    found = components(rows_of(first, second, y))
    assert set(found.strong) == strong
    assert set(found.weak) == {tuple(sorted(reached(a, anyhow))) for a in names}
    assert found.is_connected == (len(strong) == 1)


def test_a_row_without_weight_connects_nothing() -> None:
    first, second, y = ["a", "b", "b", "c"], ["b", "a", "c", "b"], [1, 1, 1, 1]
    assert components(rows_of(first, second, y)).is_connected
    found = components(rows_of(first, second, y, [1, 1, 1, 0]))
    assert found.strong == (("a", "b"), ("c",))
    assert found.weak == (("a", "b", "c"),)
