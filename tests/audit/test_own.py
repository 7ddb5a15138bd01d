"""A judge and its own answers, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_equal_opportunity_by_hand(said: Said, items: Items) -> None:
    # own answer is A in all six. People A A A A B B; judge A A A B A B
    # P(own | people own) = 3/4, P(other | people other) = 1/2: +1/4; own in 4 of 6
    # everything ten times, and two people who always agree, so that neither errs
    known = items(60, model_a=["m"] * 60, model_b=["x"] * 60)
    people = [vote for name in ("ann", "bo") for vote in said(name, "AAAABB" * 10)]
    certificate = audit(known, [*people, *said("j", "AAABAB" * 10, "model")], models={"j": "m"})
    found = certificate.judges[0].bias["self"]
    assert found.items == 60
    assert found.asymmetry
    assert found.asymmetry.value == pytest.approx(1 / 4, abs=1e-3)
    assert found.judge.value == pytest.approx(4 / 6)


def test_the_own_answer_may_stand_second_and_a_judge_may_be_named_like_its_model(said: Said, items: Items) -> None:
    known = items(3, model_a=["x", "j", "j"], model_b=["j", "x", "j"])  # the third has two of its own: no part
    found = audit(known, said("j", "BAA", "model")).judges[0].bias["self"]
    assert (found.items, found.judge.value, found.asymmetry) == (2, 1.0, None)


def test_a_judge_without_answers_of_its_own_has_no_figure(said: Said, items: Items) -> None:
    assert audit(items(2, model_a=["x", "x"], model_b=["y", "y"]), said("j", "AB", "model")).judges[0].bias == {}
