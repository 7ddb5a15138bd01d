"""Counts, by hand."""

from __future__ import annotations

from collections.abc import Callable

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_a_small_table_by_hand(said: Said, items: Items) -> None:
    votes = [
        *said("ann", "AtxA?."),
        *said("bob", "A....."),
        *said("j", "ABt?..", "model", "A"),
        *said("j", "A?.A..", "model", "B"),
    ]
    counts = audit(items(6, per_prompt=2), votes).counts
    assert (counts.items, counts.prompts, counts.votes, counts.people, counts.judges) == (6, 3, 13, 2, 1)
    assert (counts.voted_items, counts.with_people, counts.with_two_people) == (4, 4, 1)
    ann, bob, judge = counts.raters
    assert (ann.votes, ann.items, ann.ties, ann.both_bad, ann.both_orders) == (5, 5, 1, 1, 0)
    assert ann.coverage == 5 / 6
    assert (ann.invalid.value, ann.invalid.n) == (0.2, 5)
    assert (ann.with_people, bob.with_people) == (1, 1)
    # j: seven votes on four items, three of them in both orders, one of these unread in one order and one in the other
    assert (judge.votes, judge.items, judge.both_orders) == (7, 4, 3)
    assert judge.invalid.value == 2 / 7
    assert judge.with_people == 2


def test_repeated_votes_and_contradictions_are_counted(said: Said, items: Items) -> None:
    # i0 three times the same: two beyond the first; i1 A and B: one beyond, a contradiction. Samples and principles
    # of their own are no repetition
    votes = [
        *said("ann", "AA"),
        *said("ann", "AB"),
        *said("ann", "A."),
        *said("j", "A", "model", sample=0),
        *said("j", "B", "model", sample=1),
        *said("j", "B", "model", principle="p"),
    ]
    counts = audit(items(2), votes).counts
    assert (counts.repeated_votes, counts.conflicting_votes) == (3, 1)


def test_a_contradiction_may_lie_in_the_probability_or_in_both_bad(said: Said, items: Items) -> None:
    votes = [
        *said("j", "A", "model", p_a=0.9),
        *said("j", "A", "model", p_a=0.8),
        *said("k", "t", "model"),
        *said("k", "x", "model"),
        *said("l", "?", "model"),
        *said("l", "?", "model"),
    ]
    counts = audit(items(1), votes).counts
    assert (counts.repeated_votes, counts.conflicting_votes) == (3, 2)
