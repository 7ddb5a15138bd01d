"""People and judges among themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_two_people_by_hand(said: Said, items: Items) -> None:
    # A=A, A/B, B=B, t/A: strict 2/4, no ties 2/3, half 2.5/4
    # kappa: p_o = 2/4; A 2 B 1 t 1 and A 2 B 2: p_e = (4 + 2) / 16; (8/16 - 6/16) / (10/16)
    found = audit(items(5), [*said("ann", "AABtA"), *said("bob", "ABBA.")]).people
    assert found
    assert found.among
    (pair,) = found.among.pairs
    assert (pair.a, pair.b, pair.items) == ("ann", "bob", 4)
    shares = {name: one.value for name, one in pair.agreement.items()}
    assert shares == pytest.approx({"strict": 0.5, "no_ties": 2 / 3, "half": 0.625})
    assert pair.kappa.value == pytest.approx(0.2)
    assert {name: one.value for name, one in found.among.agreement.items()} == pytest.approx(shares)
    assert found.majority == {"A": 2, "tie": 2, "B": 1}


def test_each_item_counts_once_however_many_people_rated_it(said: Said, items: Items) -> None:
    # i0: three pairs agree; i1: of one pair none does. By items (1 + 0) / 2, where by pairs it would be 3/4
    votes = [*said("ann", "AA"), *said("bob", "AB"), *said("eve", "A.")]
    found = audit(items(2), votes).people
    assert found
    assert found.among
    assert found.among.agreement["strict"].value == 0.5


def test_alpha_of_people_by_hand(said: Said, items: Items) -> None:
    # AA, AB, BB, A alone: 4/9, as worked out in the tests of alpha
    found = audit(items(4), [*said("ann", "AABA"), *said("bob", "ABB.")]).people
    assert found
    assert found.among
    assert found.among.alpha.value == pytest.approx(4 / 9)


def test_the_pairs_of_many_people_are_not_listed(said: Said, items: Items) -> None:
    crowd = [vote for i in range(9) for vote in said(f"person {i}", "AB" * 15)]
    found = audit(items(30), crowd).people
    assert found
    assert found.among
    assert (found.among.raters, found.among.pairs) == (9, ())
    assert found.among.agreement["strict"].value == found.among.alpha.value == 1.0


def test_judges_are_compared_with_each_other_by_what_they_say_over_both_orders(said: Said, items: Items) -> None:
    # j says A, tie, B over both orders; k says A, A, B
    votes = [*said("j", "AAB", "model", "A"), *said("j", "ABB", "model", "B"), *said("k", "AAB", "verifier")]
    found = audit(items(3), votes).between_judges
    assert found
    (pair,) = found.pairs
    assert pair.agreement["strict"].value == pytest.approx(2 / 3)


def test_a_single_judge_has_nobody_to_be_compared_with(said: Said, items: Items) -> None:
    assert audit(items(1), said("j", "A", "model")).between_judges is None
