"""Gates at their thresholds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def outcome(known: dict[str, Item], votes: list[Vote], check: str) -> str:
    found = audit(known, votes, draws=200)
    assert f"gate {check}" in found.glossary
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


def found_by(known: dict[str, Item], votes: list[Vote], check: str) -> str:
    return next(gate.found for gate in audit(known, votes, draws=200).gates if (gate.judge, gate.check) == ("j", check))


def other(letters: str) -> str:
    return letters.translate(str.maketrans("AB", "BA"))


@pytest.mark.parametrize(
    ("first", "turned", "asks"),
    [
        ("AB" * 50, 71, True),  # changes sides both ways in 71 of 100: read the other way it would agree in 71
        ("A" * 100, 80, True),  # always one way, kappa 0: such a bias, or every A was the better answer
        ("AB" * 50, 62, True),  # kappa -0.24 between the orders
        ("A" * 60 + "AB" * 20, 60, False),  # kappa 0.20, a strong bias: the rest is steady
        ("AB" * 50, 52, False),  # a coin
        ("AB" * 50, 10, False),  # steady as it is
    ],
)
def test_a_judge_that_mostly_changes_sides_is_asked_about_its_orders(
    said: Said, items: Items, first: str, turned: int, asks: bool
) -> None:
    second = other(first[:turned]) + first[turned:]
    found = found_by(items(100), [*said("j", first, "model", "A"), *said("j", second, "model", "B")], "order")
    assert ("check coordinates and orders first" in found) == asks
    assert (f"it changes sides in {turned} %" in found) == asks


def test_fewer_than_thirty_pairs_ask_nothing(said: Said, items: Items) -> None:
    votes = [*said("j", "AB" * 14, "model", "A"), *said("j", "BA" * 14, "model", "B")]
    assert found_by(items(28), votes, "order") == "28 items read in both orders, 0 items decided in one order alone"


def test_a_warning_says_whether_it_is_bad_or_open(said: Said, items: Items) -> None:
    half = [*said("ann", "AB" * 50), *said("j", "AABB" * 25, "model")]  # right on half: kappa 0
    assert found_by(items(100), half, "chance").endswith("the data cannot tell")
    votes = [*said("j", "AB" * 50, "model", "A"), *said("j", "BA" * 14 + "AB" * 36, "model", "B")]
    assert found_by(items(100), votes, "order") == "consistency 0.720, below 0.80"  # 28 of 100 change
    lean = [*said("j", "A" * 100, "model", "A"), *said("j", "B" * 9 + "A" * 91, "model", "B")]
    assert found_by(items(100), lean, "order").endswith("it leans to the first shown")
    assert found_by(items(100), said("j", "?" * 3 + "A" * 97, "model"), "invalid") == "3.0 % of 100 verdicts, above 2 %"
    assert found_by(items(100), said("j", "?" * 20 + "A" * 80, "model"), "invalid").endswith("above 10 %")


@pytest.mark.parametrize(("unread", "expected"), [(2, "PASS"), (3, "WARN"), (12, "WARN"), (20, "FAIL")])
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


@pytest.mark.parametrize(("per_prompt", "expected"), [(12, "WARN"), (3, "PASS"), (60, "not measured")])
def test_agreement_everywhere_on_few_prompts_is_no_pass(
    said: Said, items: Items, per_prompt: int, expected: str
) -> None:
    # 60 items of 5, 20 and 1 prompts, on which everybody always agrees: no draw of prompts can say anything else
    votes = [*said("ann", "AB" * 30), *said("bob", "AB" * 30), *said("j", "AB" * 30, "model")]
    known = items(60, per_prompt=per_prompt)
    assert outcome(known, votes, "chance") == expected
    assert outcome(known, votes, "ceiling") == expected
    if expected == "WARN":
        assert found_by(known, votes, "chance") == "1.00 in all of only 5 prompts: the data cannot tell"
    assert (
        "decides with 20 prompts or more, and warns with fewer" in audit(known, votes, draws=20).glossary["gate chance"]
    )


def test_people_who_always_oppose_each_other_are_no_ceiling(said: Said, items: Items) -> None:
    # two people never agree, and whatever the judge says one of them agrees: 0.5 - 0 = +0.5
    votes = [*said("ann", "AB" * 50), *said("bob", "BA" * 50), *said("j", "AABB" * 25, "model")]
    assert outcome(items(100), votes, "ceiling") == "WARN"
    # alpha: 100 units disagree wholly, classes 100 and 100 of 200: 1 - 199 * 200 / (200^2 - 2 * 100^2) = -0.99
    found = found_by(items(100), votes, "ceiling")
    assert found == "+0.500; people agree no better than chance (alpha -0.99)"


def test_people_whose_agreement_is_open_are_no_ceiling_either(said: Said, items: Items) -> None:
    # ann and bob agree on half, as coins do; the judge says what ann says: 0.75 - 0.5
    votes = [*said("ann", "AB" * 50), *said("bob", "AABB" * 25), *said("j", "AB" * 50, "model")]
    assert outcome(items(100), votes, "ceiling") == "WARN"
    assert found_by(items(100), votes, "ceiling").endswith(
        "whether people agree better than chance the data cannot tell"
    )


@pytest.mark.parametrize(
    ("person", "judge", "expected"),
    [
        ("AB" * 50, "t" * 21 + "A" * 79, "WARN"),  # 21 % of its verdicts, none of people's
        ("AB" * 50, "t" * 20 + "A" * 80, "PASS"),  # up to 20 %
        ("t" * 15 + "A" * 85, "t" * 30 + "A" * 70, "PASS"),  # twice as often as people
        ("t" * 15 + "A" * 85, "t" * 31 + "A" * 69, "WARN"),
        ("AB" * 50, "?" * 21 + "A" * 79, "PASS"),  # unreadable is no tie
        ("A" * 29 + "." * 71, "t" * 100, "not measured"),
    ],
)
def test_the_gate_of_ties_at_its_thresholds(said: Said, items: Items, person: str, judge: str, expected: str) -> None:
    assert outcome(items(100), [*said("ann", person), *said("j", judge, "model")], "ties") == expected


def test_the_gate_of_ties_counts_single_people_and_not_draws_of_their_votes(said: Said, items: Items) -> None:
    # where ann and bob differ their majority is a draw, and neither of them said tie
    votes = [*said("ann", "A" * 100), *said("bob", "B" * 50 + "A" * 50), *said("j", "t" * 50 + "A" * 50, "model")]
    assert outcome(items(100), votes, "ties") == "WARN"
    found = found_by(items(100), votes, "ties")
    assert found == "50.0 % of its 100 verdicts on items with people are ties; of people's, 0.0 %"
