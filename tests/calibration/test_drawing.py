"""A sample has the size that was asked for, keeps its probabilities, and changes little where little changes."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.calibration.drawing import Sample, SampleSettings, draw_sample
from amendment.calibration.inclusion import inclusion_probabilities
from amendment.calibration.samples import Purpose
from amendment.calibration.strata import Exported
from amendment.records import Comparison


def population(size: int, *, per_prompt: int = 2, seed: int = 0) -> list[Exported]:
    drawn = random.Random(seed)
    return [
        Exported(
            Comparison(f"p{number // per_prompt}", f"a{number}", f"b{number}"),
            drawn.betavariate(0.6, 0.6),
            drawn.choice([True, True, False, None]),
            drawn.choice(["c/x", "c/y", "c/z"]),
            1 + drawn.expovariate(1),
        )
        for number in range(size)
    ]


def ids(sample: Sample) -> set[str]:
    return {item.comparison_id for item in sample.items}


@given(st.integers(1, 90), st.integers(1, 60), st.integers(0, 40), st.integers(0, 10_000))
def test_exactly_so_many_items_are_drawn(size: int, items: int, overlap: int, seed: int) -> None:
    settings = SampleSettings(items=items, overlap=overlap, repeats=0.25)
    sample = draw_sample(population(size), settings, seed=seed)
    drawn = min(size, items)
    assert len(ids(sample)) == len(sample.items) == drawn
    assert sum(item.in_overlap for item in sample.items) == min(overlap, drawn)
    assert sum(item.is_repeated for item in sample.items) == round(0.25 * drawn)
    assert sum(stratum.drawn for stratum in sample.strata.values()) == drawn
    assert sum(stratum.population for stratum in sample.strata.values()) == sample.population == size


def test_each_comparison_is_drawn_as_often_as_its_item_says() -> None:
    # 1,500 samples of 12 of 36: a frequency has the standard error sqrt(q (1 - q) / 1500) of 0.013 at most, and 36 of
    # them stay within four but for one time in 400; 1 % of q for what Pareto sampling leaves over in strata of two
    found = population(36, per_prompt=1)
    settings, samples = SampleSettings(items=12, overlap=0, uniform=0.5), 1500
    hits: Counter[str] = Counter()
    for seed in range(samples):
        hits.update(ids(draw_sample(found, settings, seed=seed)))
    aimed = inclusion_probabilities([one.p_a for one in found], 12, uniform=0.5)
    frequencies = np.array([hits[one.comparison.id] for one in found]) / samples
    assert (np.abs(frequencies - aimed) <= 4 * np.sqrt(aimed * (1 - aimed) / samples) + 0.01 * aimed).all()


def test_weights_add_up_to_all_comparisons_on_average() -> None:
    # Horvitz and Thompson: the sum of 1 / inclusion has the mean N
    found = population(200)
    totals = [
        sum(1 / (item.inclusion or 0) for item in draw_sample(found, SampleSettings(items=50), seed=seed).items)
        for seed in range(60)
    ]
    error = np.std(totals) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - 200) < 4 * error
    assert np.std(totals) < 0.05 * 200  # sizes differ little


def test_the_order_of_the_comparisons_does_not_count_and_the_seed_does() -> None:
    found = population(120)
    settings = SampleSettings(items=40, overlap=10)
    assert draw_sample(found, settings, seed=1) == draw_sample(found[::-1], settings, seed=1)
    assert ids(draw_sample(found, settings, seed=1)) != ids(draw_sample(found, settings, seed=2))


def test_after_a_few_comparisons_are_judged_anew_nearly_the_same_are_drawn() -> None:
    found = population(400)
    anew = [one._replace(p_a=1 - one.p_a / 2, consistent=not one.consistent) for one in found[:8]] + found[8:]
    settings = SampleSettings(items=100)
    shared = [
        len(ids(draw_sample(found, settings, seed=seed)) & ids(draw_sample(anew, settings, seed=seed)))
        for seed in range(10)
    ]
    assert np.mean(shared) >= 90  # independent samples would share 25


def test_a_prompt_that_was_open_is_never_sealed_by_another_draw() -> None:
    found = population(400)
    settings = SampleSettings(items=100)
    sealed: dict[str, bool] = {}
    for take in (found, found[40:], found[:-40], [one._replace(p_a=0.5) for one in found]):
        for item in draw_sample(take, settings, seed=3).items:
            assert sealed.setdefault(item.prompt_id, item.is_sealed) is item.is_sealed


def test_a_prompt_is_sealed_as_a_whole_and_half_of_them_are() -> None:
    sample = draw_sample(population(600, per_prompt=3), SampleSettings(items=300), seed=2)
    sides = {item.prompt_id: item.is_sealed for item in sample.items}
    assert all(item.is_sealed is sides[item.prompt_id] for item in sample.items)
    share = sum(sides.values()) / len(sides)
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / len(sides))


def test_repeats_stand_on_both_sides_of_the_seal_in_proportion() -> None:
    items = draw_sample(population(600), SampleSettings(items=200, repeats=0.25), seed=4).items
    marked = [item for item in items if item.is_repeated]
    assert len(marked) == 50
    sealed = sum(item.is_sealed for item in items)
    assert abs(sum(item.is_sealed for item in marked) - sealed / 4) <= 0.5


def test_the_block_lies_behind_the_seal_as_far_as_there_is_room() -> None:
    few, many = (draw_sample(population(600), SampleSettings(items=200, overlap=n), seed=4).items for n in (50, 150))
    assert sum(item.in_overlap for item in few) == 50
    assert all(item.is_sealed for item in few if item.in_overlap)
    assert all(item.in_overlap for item in many if item.is_sealed)
    assert sum(item.in_overlap for item in many) == 150


def test_the_block_is_a_random_part_of_the_sample() -> None:
    # 200 samples of 40 with 10 in the block: each item of the sample is in it with probability 1/4, whatever the judge
    # thought; of about 4,000 unsure and 4,000 other items the shares have a standard error of 0.007 each
    by_surety: dict[bool, list[bool]] = {True: [], False: []}
    for seed in range(200):
        for item in draw_sample(population(100), SampleSettings(items=40, overlap=10), seed=seed).items:
            by_surety[abs(item.p_a - 0.5) < 0.3].append(item.in_overlap)
    shares = [sum(found) / len(found) for found in by_surety.values()]
    assert shares == pytest.approx([0.25, 0.25], abs=0.03)


def test_half_of_the_items_is_a_random_half() -> None:
    # where people stop half way, what they have done says nothing about how sure the judge was
    unsure = [
        sum(abs(item.p_a - 0.5) < 0.3 for item in part)
        for seed in range(100)
        for items in [draw_sample(population(200), SampleSettings(items=100), seed=seed).items]
        for part in (items[:50], items[50:])
    ]
    first, second = np.mean(unsure[::2]), np.mean(unsure[1::2])
    assert abs(first - second) < 2


def test_more_items_than_comparisons_take_all_of_them_with_certainty() -> None:
    sample = draw_sample(population(30), SampleSettings(items=200), seed=0)
    assert sample.is_all
    assert {item.inclusion for item in sample.items} == {1.0}


def test_debugging_takes_the_most_uncertain_without_a_probability() -> None:
    kinds = [(0.9, True), (0.52, True), (0.6, False), (0.9, False), (0.5, None), (0.99, True)]
    found = [
        Exported(Comparison(f"p{n}", f"a{n}", f"b{n}"), p, consistent, None, 1.0)
        for n, (p, consistent) in enumerate(kinds)
    ]
    sample = draw_sample(found, SampleSettings(items=4, overlap=2, purpose="debug"), seed=0)
    # orders that disagree first, then by how near P lies to one half
    assert {item.prompt_id for item in sample.items} == {"p2", "p3", "p4", "p1"}
    assert {(item.inclusion, item.purpose, item.is_sealed) for item in sample.items} == {(None, "debug", False)}


@pytest.mark.parametrize("purpose", ["estimate", "debug"])
def test_of_nothing_nothing_is_drawn(purpose: Purpose) -> None:
    assert draw_sample([], SampleSettings(purpose=purpose), seed=0).items == []


@pytest.mark.parametrize(
    "wrong", [{"items": 0}, {"overlap": -1}, {"uniform": 0.49}, {"uniform": 1.1}, {"repeats": 2.0}, {"sealed": -0.1}]
)
def test_settings_that_could_not_be_kept_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        SampleSettings(**wrong)  # type: ignore[arg-type]
