"""Marks of answers, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
NONE: dict[str, float] = {}
LIST: dict[str, float] = {"lists": 3}


def marked(*sides: tuple[dict[str, float] | None, dict[str, float] | None]) -> dict[str, Item]:
    return {f"i{i}": Item(f"p{i}", marks_a=a, marks_b=b) for i, (a, b) in enumerate(sides)}


def test_shares_and_asymmetry_by_hand(said: Said) -> None:
    # A has the list in four, B in two; people A A B B | A B, so for the list 2 of 4 and 1 of 2
    # judge A A A B | B B: for the list 3 of 4 and 2 of 2. People against it: i2, i3, i4, of which the judge takes the
    # list in i2, i4; people for it: i0, i1, i5, and the judge never against: 2/3 - 0
    # everything ten times, and two people who always agree, so that neither errs
    known = marked(*([(LIST, NONE)] * 4 + [(NONE, LIST)] * 2 + [(LIST, LIST), (LIST, None)]) * 10)
    people = [vote for name in ("ann", "bo") for vote in said(name, "AABBABAA" * 10)]
    votes = [*people, *said("j", "AAABBBAA" * 10, "model")]
    by_mark = audit(known, votes).judges[0].bias
    assert set(by_mark) == {"format", "lists"}
    for found in by_mark.values():
        assert found.people
        assert found.asymmetry
        assert (found.items, found.people.value) == (60, 0.5)
        assert found.judge.value == pytest.approx(5 / 6)
        assert found.asymmetry.value == pytest.approx(2 / 3, abs=1e-3)


def test_marks_of_format_are_also_counted_together(said: Said) -> None:
    # more of both sorts together: A has 3 against 1 though B has the bold
    known = marked((LIST, {"bold": 1}), ({"headers": 1}, {"bold": 1}))
    by_mark = audit(known, said("j", "AB", "model")).judges[0].bias
    assert (by_mark["format"].items, by_mark["format"].judge.value) == (1, 1.0)
    assert (by_mark["bold"].items, by_mark["bold"].judge.value) == (2, 0.5)
    assert by_mark["bold"].people is None


def test_any_name_may_be_a_mark_and_answers_without_texts_say_nothing(said: Said) -> None:
    known = marked(({"revised": 1}, NONE), (None, None))
    found = audit(known, said("j", "AA", "model")).judges[0].bias
    assert {name: row.items for name, row in found.items()} == {"revised": 1}
