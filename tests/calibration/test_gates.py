"""Gates at their thresholds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.calibration import Item, Vote, audit

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def outcome(known: dict[str, Item], votes: list[Vote], check: str) -> str:
    found = audit(known, votes, draws=200)
    assert f"gate {check}" in found.how
    (gate,) = [gate for gate in found.gates if (gate.judge, gate.check) == ("j", check)]
    return gate.outcome


@pytest.mark.parametrize(
    ("same", "outcome_of_100"),
    [(100, "PASS"), (80, "PASS"), (79, "WARN"), (65, "WARN"), (64, "FAIL"), (0, "FAIL")],
)
def test_the_gate_of_order_at_its_thresholds(said: Said, items: Items, same: int, outcome_of_100: str) -> None:
    # A and B take turns, so that the rest flips to the first and to the second shown equally often
    first = "AB" * 50
    second = "".join(one if i < same else {"A": "B", "B": "A"}[one] for i, one in enumerate(first))
    votes = [*said("j", first, "model", "A"), *said("j", second, "model", "B")]
    assert outcome(items(100), votes, "order") == outcome_of_100


@pytest.mark.parametrize(("flips", "expected"), [(7, "PASS"), (8, "WARN"), (20, "WARN")])
def test_flips_to_one_side_alone_warn_from_p_below_one_percent(
    said: Said, items: Items, flips: int, expected: str
) -> None:
    # all flips go to the first shown: p = 2 / 2^7 = 0.0156 with seven, 0.0078 with eight
    votes = [*said("j", "A" * 100, "model", "A"), *said("j", "B" * flips + "A" * (100 - flips), "model", "B")]
    assert outcome(items(100), votes, "order") == expected


def test_the_gate_of_order_needs_thirty_pairs(said: Said, items: Items) -> None:
    votes = [*said("j", "AB" * 20, "model", "A"), *said("j", "AB" * 14 + "." * 12, "model", "B")]
    assert outcome(items(40), votes, "order") == "not measured"


@pytest.mark.parametrize(("unread", "expected"), [(2, "PASS"), (3, "WARN"), (10, "WARN"), (11, "FAIL")])
def test_the_gate_of_unread_votes_at_its_thresholds(said: Said, items: Items, unread: int, expected: str) -> None:
    assert outcome(items(100), said("j", "?" * unread + "A" * (100 - unread), "model"), "invalid") == expected


def test_the_gate_of_unread_votes_needs_thirty(said: Said, items: Items) -> None:
    assert outcome(items(29), said("j", "A" * 29, "model"), "invalid") == "not measured"


def people(said: Said, apart: int) -> list[Vote]:
    """Two people on two hundred items who differ on the last `apart`."""
    ann = "AB" * 100
    bob = ann[: 200 - apart] + ann[200 - apart :].translate(str.maketrans("AB", "BA"))
    return [*said("ann", ann), *said("bob", bob)]


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ("AB" * 100, "PASS"),  # says what ann says: with single people 0.95, two people 0.9
        ("BA" * 50 + "AB" * 50, "FAIL"),  # wrong on half
        ("B" + "AB" * 100, "FAIL"),  # wrong nearly everywhere
        ("BA" * 6 + "AB" * 94, "WARN"),  # 0.89 beside 0.9: the interval reaches below -0.05
    ],
)
def test_the_gate_of_the_ceiling(said: Said, items: Items, judge: str, expected: str) -> None:
    votes = [*people(said, 20), *said("j", judge[:200], "model")]
    assert outcome(items(200), votes, "ceiling") == expected


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ("AB" * 50, "PASS"),  # the same everywhere
        ("AB" * 35 + "BA" * 15, "PASS"),  # 70 of 100: kappa 0.4
        ("AABB" * 25, "WARN"),  # half: kappa 0
        ("BA" * 35 + "AB" * 15, "FAIL"),  # 30 of 100: kappa -0.4
    ],
)
def test_the_gate_of_chance_with_one_person(said: Said, items: Items, judge: str, expected: str) -> None:
    assert outcome(items(100), [*said("ann", "AB" * 50), *said("j", judge, "model")], "chance") == expected


def test_a_judge_that_never_differs_from_people_who_never_differ_is_at_the_ceiling(said: Said, items: Items) -> None:
    votes = [vote for name in ("ann", "bob") for vote in said(name, "AB" * 20)]
    assert outcome(items(40), [*votes, *said("j", "AB" * 20, "model")], "ceiling") == "PASS"


def test_the_ceiling_is_not_measured_with_one_person(said: Said, items: Items) -> None:
    assert outcome(items(100), [*said("ann", "AB" * 50), *said("j", "AB" * 50, "model")], "ceiling") == "not measured"
