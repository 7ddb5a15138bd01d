"""Strata are named by what they hold, and none is too small to be drawn from."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.calibration.strata import Exported, strata_of
from amendment.records import Comparison


def one(
    number: int, *, p: float = 0.9, consistent: bool | None = True, principle: str | None = "c/x", ratio: float = 1.0
) -> Exported:
    return Exported(Comparison(f"p{number}", f"a{number}", f"b{number}"), p, consistent, principle, ratio)


@pytest.mark.parametrize(
    ("p", "surety"),
    [(0.5, "unsure"), (0.74, "unsure"), (0.75, "fairly sure"), (0.11, "fairly sure"), (0.1, "sure"), (1.0, "sure")],
)
def test_surety_has_fixed_edges_at_three_quarters_and_nine_tenths(p: float, surety: str) -> None:
    # |2 * 0.75 - 1| = 0.5 and |2 * 0.1 - 1| = 0.8
    assert strata_of([one(0, p=p)], [1.0])[0].split(" / ")[1] == surety


def test_every_dimension_splits_where_there_is_enough() -> None:
    ratios = [1.0, 2.0, 3.0]
    population = [
        one(number, p=p, consistent=consistent, principle=principle, ratio=ratio)
        for number, (p, consistent, principle, ratio) in enumerate(
            (p, consistent, principle, ratio)
            for p in (0.5, 0.8, 0.95)
            for consistent in (True, False, None)
            for principle in ("c/x", "c/y")
            for ratio in ratios
        )
    ]
    names = strata_of(population, [2.0] * len(population))
    assert len(set(names)) == len(population) == 3 * 3 * 2 * 3
    assert names[0] == "c/x / unsure / orders agree / lengths alike"


def test_small_strata_are_put_together_over_lengths_first() -> None:
    # six of one kind, two for each third of the lengths, half an item expected of each: 1 + 1 + 1 = 3
    population = [one(number, ratio=1 + number // 2) for number in range(6)]
    assert set(strata_of(population, [0.5] * 6)) == {"c/x / sure / orders agree / any length"}


def test_a_small_stratum_takes_the_next_smallest_with_it_and_leaves_the_others() -> None:
    # expected by third of the lengths: 1, 2 and 3. The first is too small and takes the second along
    population = [one(number, ratio=[1.0, 2.0, 3.0][number // 2]) for number in range(6)]
    names = strata_of(population, [0.5, 0.5, 1, 1, 1.5, 1.5])
    assert names[:4] == ["c/x / sure / orders agree / lengths alike or lengths apart"] * 4
    assert names[4:] == ["c/x / sure / orders agree / lengths far apart"] * 2


def test_orders_are_put_together_before_principles() -> None:
    population = [
        one(0, consistent=False),
        *(one(n, consistent=True) for n in (1, 2)),
        *(one(n, principle="c/y") for n in (3, 4)),
    ]
    names = strata_of(population, [1.0] * 5)
    assert set(names[:3]) == {"c/x / sure / any order / lengths alike"}
    assert set(names[3:]) == {"c/y / sure / orders agree / lengths alike"}


def test_rare_principles_become_one_stratum() -> None:
    population = [*(one(n, principle=f"c/rare-{n}") for n in range(3)), *(one(n, principle="c/x") for n in range(3, 9))]
    names = strata_of(population, [1.0] * 9)
    assert {name.split(" / ")[0] for name in names[:3]} == {"other principles"}
    assert {name.split(" / ")[0] for name in names[3:]} == {"c/x"}


KINDS = st.tuples(
    st.sampled_from([0.5, 0.8, 0.95]),
    st.sampled_from([True, False, None]),
    st.sampled_from([None, "c/x", "c/y", "c/z"]),
    st.floats(1, 4),
    st.floats(0.01, 1),
)


@given(st.lists(KINDS, min_size=1, max_size=80))
def test_each_stratum_expects_two_where_two_are_expected_at_all(
    kinds: list[tuple[float, bool | None, str | None, float, float]],
) -> None:
    population = [
        one(number, p=p, consistent=consistent, principle=principle, ratio=ratio)
        for number, (p, consistent, principle, ratio, _) in enumerate(kinds)
    ]
    expected = [kind[-1] for kind in kinds]
    names = strata_of(population, expected)
    sizes: Counter[str] = Counter()
    for name, size in zip(names, expected, strict=True):
        sizes[name] += size  # type: ignore[assignment]
    assert all(size >= 2 - 1e-6 for size in sizes.values()) or len(sizes) == 1
    assert all(name.count(" / ") == 3 for name in names)
