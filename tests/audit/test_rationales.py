"""Reasoning beside verdicts, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]
Side = Literal["A", "B"] | None


def reasoned(said: Said, letters: str, argued: str, first: Side = None) -> list[Vote]:
    sides: dict[str, Side] = {"A": "A", "B": "B", ".": None}
    votes = said("j", letters, "model", first)
    return [vote._replace(argues=sides[letter]) for vote, letter in zip(votes, argued, strict=True)]


def test_verdicts_for_the_other_answer_are_counted_and_named(said: Said, items: Items) -> None:
    # compared: i0, i1, i2, i3; i4 is a tie, i5 unread, i6 says nothing. Against their verdict: i1 and i3
    found = audit(items(7), reasoned(said, "AABBt?A", "ABBAAA.")).judges[0].rationales
    assert found
    assert (found.contradicting, found.share.n, found.share.value) == (2, 4, 0.5)
    assert found.items == ("i1", "i3")


def test_an_item_in_both_orders_is_named_once(said: Said, items: Items) -> None:
    votes = [*reasoned(said, "A", "B", "A"), *reasoned(said, "A", "B", "B")]
    found = audit(items(1), votes).judges[0].rationales
    assert found
    assert (found.contradicting, found.items) == (2, ("i0",))


def test_without_reasoning_nothing_is_said(said: Said, items: Items) -> None:
    assert audit(items(2), said("j", "AB", "model")).judges[0].rationales is None


def test_the_certificate_lists_them_and_the_gate_fails(said: Said, items: Items) -> None:
    votes = reasoned(said, "A" * 40, "B" * 5 + "A" * 35)  # 12.5 %
    certificate = audit(items(40), votes)
    text = "\n".join(certificate_lines(certificate))
    assert "## Reasoning and verdict" in text
    assert "i0, i1, i2, i3, i4" in text
    assert "FAIL rationale" in certificate.outcome("j")
