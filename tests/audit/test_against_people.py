"""A judge against the majority and against single people, by hand and by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_three_rules_of_ties_with_invalid_left_out_and_counted_wrong(said: Said, items: Items) -> None:
    # people A A B t A, judge A t A t ?
    #   strict   A=A yes, t/A no, A/B no, t=t yes       2/4; wrong 2/5
    #   no ties  A=A yes, A/B no                        1/2; wrong 1/3: the unread one stands against a decision
    #   half     1, 0.5, 0, 1                           2.5/4; wrong 2.5/5
    (judge,) = audit(items(5), [*said("ann", "AABtA"), *said("j", "AtAt?", "model")]).judges
    assert judge.one_call
    assert {name: (one.value, one.n) for name, one in judge.one_call.by_rule.items()} == {
        "strict": (0.5, 4),
        "no_ties": (0.5, 2),
        "half": (0.625, 4),
    }
    wrong = {name: one.value for name, one in judge.one_call.invalid_wrong.items()}
    assert wrong == pytest.approx({"strict": 0.4, "no_ties": 1 / 3, "half": 0.5})
    # kappa of the four: p_o = 2/4; people A 2, t 1, B 1; judge A 2, t 2: p_e = (2*2 + 1*2) / 16 = 3/8; (1/8) / (5/8)
    assert judge.one_call.kappa.value == pytest.approx(0.2)
    assert judge.one_call.items == 4


def test_an_unread_verdict_is_not_wrong_where_people_say_tie_and_ties_are_dropped(said: Said, items: Items) -> None:
    (judge,) = audit(items(2), [*said("ann", "tA"), *said("j", "?A", "model")]).judges
    assert judge.one_call
    assert judge.one_call.invalid_wrong["no_ties"].value == 1.0
    assert judge.one_call.invalid_wrong["strict"].value == 0.5


def test_both_bad_counts_as_a_tie(said: Said, items: Items) -> None:
    (judge,) = audit(items(2), [*said("ann", "xA"), *said("j", "tx", "model")]).judges
    assert judge.one_call
    assert judge.one_call.by_rule["strict"].value == 0.5


def test_one_call_and_the_label_of_a_judge_that_leans(said: Said, items: Items) -> None:
    # people A A B B. A first: A A A B, 3 of 4 right; B first: A B B B, 3 of 4 right: one call 6/8.
    # both: A, tie, tie, B: no ties 2/2, strict 2/4, half 3/4
    votes = [*said("ann", "AABB"), *said("j", "AAAB", "model", "A"), *said("j", "ABBB", "model", "B")]
    (judge,) = audit(items(4), votes).judges
    assert judge.one_call
    assert judge.label
    assert judge.headline == judge.label.by_rule["no_ties"]
    assert (judge.label.items, judge.label.left_out.ties, judge.label.left_out.unreadable) == (4, 2, 0)
    assert (judge.one_call.by_rule["strict"].value, judge.one_call.by_rule["strict"].n) == (0.75, 8)
    assert {name: one.value for name, one in judge.label.by_rule.items()} == {
        "strict": 0.5,
        "no_ties": 1.0,
        "half": 0.75,
    }


def test_the_label_takes_items_of_one_order_too_and_none_with_an_unreadable_order(said: Said, items: Items) -> None:
    # labels A, A, B and unreadable; people A, A, A, A
    votes = [*said("ann", "AAAA"), *said("j", "AABA", "model", "A"), *said("j", "A..?", "model", "B")]
    (judge,) = audit(items(4), votes).judges
    assert judge.label
    assert judge.label.by_rule["no_ties"].value == pytest.approx(2 / 3)
    assert (judge.label.items, judge.label.left_out.unreadable) == (3, 1)


def test_a_judge_asked_in_one_order_has_the_same_figures_by_call(said: Said, items: Items) -> None:
    (judge,) = audit(items(2), [*said("ann", "AB"), *said("j", "AB", "model", "A")]).judges
    assert judge.label == judge.one_call
    assert not judge.counts_orders_apart


THREE = ("AAA", "AAt", "ABB")
"""What ann, bob and eve say of three items: AAA, AAB, AtB."""


def ceilings(said: Said, items: Items, times: int, judge: str = "ABt") -> Certificate:
    people = [
        vote for name, letters in zip(("ann", "bob", "eve"), THREE, strict=True) for vote in said(name, letters * times)
    ]
    return audit(items(3 * times, per_prompt=2), [*people, *said("j", judge * times, "model")])


def test_the_ceiling_and_the_judge_beside_it_by_hand(said: Said, items: Items) -> None:
    # item AAA, judge A: with a person 1, two people 1
    # item AAB, judge B: 1/3; of three pairs one agrees: 1/3
    # item AtB, judge t: strict 1/3, half (1/2 + 1 + 1/2) / 3 = 2/3; pairs strict 0, half (1/2 + 0 + 1/2) / 3 = 1/3;
    #                    no ties: the judge did not decide, the item is dropped
    found = ceilings(said, items, 15).judges[0].ceiling
    assert {name: one.items for name, one in found.items()} == {"strict": 45, "no_ties": 30, "half": 45}
    judge, people = ({name: getattr(one, side).value for name, one in found.items()} for side in ("judge", "people"))
    assert judge == pytest.approx({"strict": 5 / 9, "no_ties": 2 / 3, "half": 2 / 3})
    assert people == pytest.approx({"strict": 4 / 9, "no_ties": 2 / 3, "half": 5 / 9})
    assert found["strict"].difference.value == pytest.approx(1 / 9)
    assert found["strict"].difference.low < 1 / 9 < found["strict"].difference.high


def test_the_ceiling_needs_thirty_shared_items_and_says_so(said: Said, items: Items) -> None:
    (judge,) = ceilings(said, items, 9).judges
    assert judge.ceiling == {}
    assert judge.ceiling_note == "needs two people on at least 30 items that the judge was read on, found 27"


def test_a_rule_with_too_few_items_of_its_own_is_left_out(said: Said, items: Items) -> None:
    # 36 items, of which the judge decides 24
    assert set(ceilings(said, items, 12).judges[0].ceiling) == {"strict", "half"}


def test_one_person_is_no_ceiling(said: Said, items: Items) -> None:
    found = audit(items(40), [*said("ann", "AB" * 20), *said("j", "AB" * 20, "model")])
    assert found.judges[0].ceiling == {}
    assert found.people
    assert found.people.among is None


def test_where_everybody_rated_everything_the_ceiling_is_the_mean_over_pairs(said: Said, items: Items) -> None:
    found = ceilings(said, items, 12).people
    assert found
    assert found.among
    pairs = [pair.agreement["strict"].value for pair in found.among.pairs]
    assert found.among.agreement["strict"].value == pytest.approx(sum(pairs) / 3)


def test_a_judge_like_another_person_lies_at_the_ceiling_as_often_as_the_level_says() -> None:
    # four raters keep the truth with the same chance; the fourth is called a judge. Binomial noise: about 0.028
    random, values = np.random.default_rng(0), ("A", "tie", "B")
    inside = 0
    for seed in range(60):
        truth = random.integers(0, 3, 90)
        rows = np.where(random.random((4, 90)) < 0.7, truth, random.integers(0, 3, (4, 90)))
        votes = [
            Vote(f"i{i}", f"rater {rater}", "person" if rater < 3 else "model", values[rows[rater, i]])  # type: ignore[arg-type]
            for rater in range(4)
            for i in range(90)
        ]
        known = {f"i{i}": Item(f"p{i // 2}") for i in range(90)}
        difference = audit(known, votes, seed=seed, draws=300).judges[0].ceiling["strict"].difference
        inside += difference.low <= 0 <= difference.high
    assert inside >= 52


def test_a_judge_of_chance_lies_below_the_ceiling(said: Said, items: Items) -> None:
    random = np.random.default_rng(3)
    letters = "".join(random.choice(list("AB"), 200))
    noise = "".join(random.choice(list("AB"), 200))
    votes = [*said("ann", letters), *said("bob", letters), *said("j", noise, "model")]
    (judge,) = audit(items(200), votes).judges
    assert judge.ceiling["strict"].difference.high < -0.3
    assert judge.ceiling["strict"].people.value == 1.0


def test_without_people_nothing_is_said_about_agreement_with_them(said: Said, items: Items) -> None:
    (judge,) = audit(items(3), said("j", "ABA", "model", "A")).judges
    assert judge.one_call is None
    assert judge.ceiling == {}


def test_undefined_kappa_is_nan_and_null(said: Said, items: Items) -> None:
    found = audit(items(3), [*said("ann", "AAA"), *said("j", "AAA", "model")])
    assert found.judges[0].one_call
    assert math.isnan(found.judges[0].one_call.kappa.value)
    assert found.to_json()["judges"][0]["one_call"]["kappa"]["value"] is None
