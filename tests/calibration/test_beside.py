"""A judge beside people, worked out by hand."""

from __future__ import annotations

import math

import pytest

from amendment.calibration.beside import agreement_with_people, beside_people
from amendment.calibration.samples import SampledItem
from amendment.calibration.votes_of_labels import HeardItem, heard_items
from amendment.preference import person_votes
from amendment.records import Comparison, Verdict


def item(prompt: str, p_a: float, *, inclusion: float | None = 0.5) -> SampledItem:
    return SampledItem(prompt_id=prompt, a="a", b="b", p_a=p_a, stratum="all", inclusion=inclusion)


def label(rater: str, first: str, value: str, *, sample: int = 0) -> Verdict:
    shown = ("a", "b") if first == "a" else ("b", "a")
    return Verdict(
        scale="pair", prompt_id="x", shown=shown, value=value, rater=rater, rater_kind="person", sample=sample
    )


def test_labels_are_read_in_content_coordinates_and_of_a_repeat_the_first() -> None:
    said = [
        label("Anna", "b", "A"),  # the first shown is b
        label("Bert", "a", "tie"),
        label("Anna", "a", "A", sample=1),  # the hidden repeat says the opposite
    ]
    assert person_votes(said) == {Comparison("x", "a", "b").id: {"Anna": 0.0, "Bert": 0.5}}


def test_items_without_a_label_are_left_out() -> None:
    known = item("x", 0.9)
    assert heard_items([known, item("y", 0.9)], {known.comparison_id: {"Anna": 1.0}}) == [HeardItem(known, (1.0,))]


def test_agreement_weighs_items_by_their_probability() -> None:
    # inclusion 0.5 weighs 2, inclusion 0.25 weighs 4: (2 * 1 + 4 * 0) / (2 + 4) = 1/3; the tie takes no part
    items = [
        HeardItem(item("x", 0.9), (1.0,)),
        HeardItem(item("y", 0.9, inclusion=0.25), (0.0,)),
        HeardItem(item("z", 0.9), (0.5,)),
    ]
    found = agreement_with_people(items)
    assert found.value == pytest.approx(1 / 3)
    assert found.n == 2


def test_perfect_agreement_on_few_items_is_not_taken_for_certain() -> None:
    # 30 of 30 prompts: Wilson's lower limit is n / (n + z^2)
    found = agreement_with_people([HeardItem(item(f"p{number}", 0.9), (1.0,)) for number in range(30)])
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(30 / (30 + 1.959964**2))


def test_the_judge_stands_beside_two_people() -> None:
    # x: judge A; Anna A, Bert A: judge 1, people 1.  y: judge A; Anna A, Bert B: judge 1/2, people 0
    # z: only one of two is decided, so people cannot be compared; w: the judge is undecided
    items = [
        HeardItem(item("x", 0.9), (1.0, 1.0)),
        HeardItem(item("y", 0.9), (1.0, 0.0)),
        HeardItem(item("z", 0.9), (1.0, 0.5)),
        HeardItem(item("w", 0.5), (1.0, 1.0)),
    ]
    found = beside_people(items)
    assert (found.items, found.judge, found.people.value) == (2, 0.75, 0.5)
    assert found.difference.value == pytest.approx(0.25)


def test_nothing_beside_people_is_no_figure() -> None:
    found = beside_people([HeardItem(item("x", 0.9), (1.0,))])
    assert found.items == 0
    assert math.isnan(found.difference.value)
