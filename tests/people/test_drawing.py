"""A sample has the size that was asked for, keeps its probabilities, and changes little where little changes."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.people.drawing import (
    UNIFORM,
    DatasetComparison,
    DrawnSample,
    draw_sample,
    inclusion_probabilities,
    name_strata,
)
from amendment.people.samples import SpotCheckSettings
from amendment.records import Comparison


def population(size: int, *, per_prompt: int = 2) -> list[DatasetComparison]:
    dice = random.Random(0)
    return [
        DatasetComparison(
            Comparison(f"p{number // per_prompt}", f"a{number}", f"b{number}"),
            dice.betavariate(0.6, 0.6),
            dice.choice([True, True, False, None]),
            dice.choice(["c/x", "c/y", "c/z"]),
            1 + dice.expovariate(1),
        )
        for number in range(size)
    ]


def drawn(size: int = 600, *, seed: int = 4, per_prompt: int = 2, **settings: float) -> DrawnSample:
    return draw_sample(population(size, per_prompt=per_prompt), SpotCheckSettings.model_validate(settings), seed=seed)


def ids(sample: DrawnSample) -> set[str]:
    return {item.comparison_id for item in sample.items}


@given(st.integers(0, 90), st.integers(1, 60), st.integers(0, 40), st.integers(0, 10_000))
def test_exactly_so_many_items_are_drawn(size: int, items: int, overlap: int, seed: int) -> None:
    sample = drawn(size, items=items, overlap=overlap, repeats=0.25, seed=seed)
    count = min(size, items)
    assert len(ids(sample)) == len(sample.items) == count
    assert sum(item.in_overlap for item in sample.items) == min(overlap, count)
    assert sum(item.is_repeated for item in sample.items) == round(0.25 * count)
    assert sample.population == size
    assert sample.is_all is (count == size)


def test_each_comparison_is_drawn_as_often_as_its_item_says() -> None:
    # 1,000 samples of 12 of 36: a frequency has the standard error sqrt(q (1 - q) / 1000) of 0.016 at most, and 36 of
    # them stay within four but for one time in 400; 1 % of q for what Pareto sampling leaves over in strata of two
    exported = population(36, per_prompt=1)
    settings, samples = SpotCheckSettings(items=12, overlap=0), 1000
    hits: Counter[str] = Counter()
    for seed in range(samples):
        hits.update(ids(draw_sample(exported, settings, seed=seed)))
    aimed = inclusion_probabilities([one.p_a for one in exported], 12, uniform=UNIFORM)
    frequencies = np.array([hits[one.comparison.id] for one in exported]) / samples
    assert (np.abs(frequencies - aimed) <= 4 * np.sqrt(aimed * (1 - aimed) / samples) + 0.01 * aimed).all()


def test_after_a_few_comparisons_are_judged_anew_nearly_the_same_are_drawn_and_seals_hold() -> None:
    exported, settings = population(400), SpotCheckSettings(items=100)
    anew = [one._replace(p_a=1 - one.p_a / 2, consistent=not one.consistent) for one in exported[:8]] + exported[8:]
    before, after = (draw_sample(take, settings, seed=3) for take in (exported, anew))
    assert draw_sample(exported[::-1], settings, seed=3) == before
    assert len(ids(before) & ids(after)) >= 85  # independent samples would share 25
    sealed: dict[str, bool] = {}
    for take in (exported, exported[40:], exported[:-40], [one._replace(p_a=0.5) for one in exported]):
        for item in draw_sample(take, settings, seed=3).items:
            assert sealed.setdefault(item.prompt_id, item.is_sealed) is item.is_sealed


def test_prompts_are_sealed_as_a_whole_and_marks_are_shared_out() -> None:
    sample = drawn(per_prompt=3, items=300, repeats=0.25)
    sides = {item.prompt_id: item.is_sealed for item in sample.items}
    assert all(item.is_sealed is sides[item.prompt_id] for item in sample.items)
    assert abs(np.mean([*sides.values()]) - 0.5) < 4 * np.sqrt(0.25 / len(sides))
    # repeats on both sides in proportion
    again = [item.is_sealed for item in sample.items if item.is_repeated]
    assert len(again) == 75
    assert abs(sum(again) - sum(item.is_sealed for item in sample.items) / 4) <= 0.5
    # the overlap behind the seal, as far as there is room
    few, many = (drawn(items=200, overlap=overlap).items for overlap in (50, 150))
    assert all(item.is_sealed for item in few if item.in_overlap)
    assert all(item.in_overlap for item in many if item.is_sealed)


def test_the_overlap_and_the_first_half_are_random_parts_of_the_sample() -> None:
    # whoever stops half way has said nothing of how sure the judge was: 100 samples of 40 of 100, 10 in the overlap;
    # of about 2,000 unsure and 2,000 other items a share of 1/4 has a standard error of 0.01
    overlap: dict[bool, list[bool]] = {True: [], False: []}
    halves = [0, 0]
    for seed in range(100):
        for place, item in enumerate(drawn(100, items=40, overlap=10, seed=seed).items):
            is_unsure = abs(item.p_a - 0.5) < 0.3
            overlap[is_unsure].append(item.in_overlap)
            halves[place // 20] += is_unsure
    assert [sum(marks) / len(marks) for marks in overlap.values()] == pytest.approx([0.25, 0.25], abs=0.04)
    assert abs(halves[0] - halves[1]) < 4 * math.sqrt(sum(halves))


def test_inclusion_by_hand() -> None:
    # u = sqrt(p (1 - p)) = 0.5, 0.3, 0.4, 0: mean 0.3; sizes 0.8 + 0.2 u / 0.3 = 17/15, 1, 16/15, 0.8, with the sum 4;
    # two of four items: each probability is half its size
    found = inclusion_probabilities([0.5, 0.1, 0.2, 1.0], 2, uniform=0.8)
    assert found == pytest.approx([17 / 30, 1 / 2, 16 / 30, 0.4])
    # u = 0.5, 0, 0, 0: mean 0.125; sizes 0.5 + 0.5 u / 0.125 = 2.5, 0.5, 0.5, 0.5. Two of four would be 1.25, 0.25, ...
    # The first is cut to 1, and the others share one item
    assert inclusion_probabilities([0.5, 0, 1, 0], 2, uniform=0.5) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
    assert inclusion_probabilities([0, 1, 1, 0, 1], 2, uniform=0.5) == pytest.approx([0.4] * 5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 80), st.floats(0.5, 1))
def test_probabilities_add_up_and_leave_no_item_out(p: list[float], items: int, uniform: float) -> None:
    found = inclusion_probabilities(p, items, uniform=uniform)
    assert float(found.sum()) == pytest.approx(min(items, len(p)))
    assert found.max() <= 1
    assert found.min() >= min(1.0, uniform * items / len(p)) - 1e-9


def test_strata_split_by_every_dimension_and_the_small_ones_are_put_together() -> None:
    kinds = [
        (p, consistent, principle, ratio)
        for p in (0.5, 0.8, 0.1)  # |2P - 1| has fixed edges at 0.5 and 0.8
        for consistent in (True, False, None)
        for principle in ("c/x", "c/y")
        for ratio in (1.0, 2.0, 3.0)
    ]
    every = [DatasetComparison(Comparison(f"p{n}", f"a{n}", f"b{n}"), *kind) for n, kind in enumerate(kinds)]
    names = name_strata(every, [2.0] * len(every))
    assert len(set(names)) == len(every) == 3 * 3 * 2 * 3
    assert names[0] == "c/x / unsure / orders agree / lengths alike"
    # half an item expected of each: over lengths first, then over orders
    halved = name_strata(every, [0.5] * len(every))
    assert min(Counter(halved).values()) >= 4
    assert all(name.endswith("any length") for name in halved)
