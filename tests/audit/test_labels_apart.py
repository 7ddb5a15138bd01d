"""Agreement by annotator and by how sure people were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def shares(found: Certificate, by: str, rule: str = "strict") -> dict[tuple[str, str | None], tuple[float, int]]:
    return {(one.name, one.judge): (one.agreement[rule].value, one.labels) for one in found.labels if one.by == by}


def test_by_annotator_by_hand(said: Said, items: Items) -> None:
    # ann and bob agree on 3 of 4; the judge says what ann says except once, where she says tie
    votes = [*said("ann", "ABAt"), *said("bob", "ABBt"), *said("j", "ABAA", "model")]
    found = audit(items(4), votes, draws=20)
    assert shares(found, "annotator") == {
        ("ann", None): (0.75, 4),
        ("ann", "j"): (0.75, 4),
        ("bob", None): (0.75, 4),
        ("bob", "j"): (0.5, 4),
    }
    # a tie against a decision is a half; dropped where ties are
    assert shares(found, "annotator", "half")["ann", "j"] == (0.875, 4)
    assert shares(found, "annotator", "no_ties")["ann", "j"] == (1.0, 4)
    assert [one.agreement["no_ties"].n for one in found.labels] == [3, 3, 3, 3]


def test_by_confidence_by_hand(said: Said, items: Items) -> None:
    # sure on i0 and i1, where the judge is right; unsure on i2 and i3, where it is right once; i4 not told
    votes = [
        *said("ann", "AB", confidence=1.0),
        *said("ann", "..AB", confidence=1 / 3),
        *said("ann", "....A"),
        *said("j", "ABAAA", "model"),
    ]
    found = audit(items(5), votes, draws=20)
    assert shares(found, "confidence") == {
        ("unsure", "j"): (0.5, 2),
        ("sure", "j"): (1.0, 2),
        ("not told", "j"): (1, 1),
    }
    assert shares(found, "annotator") == {}  # one person: that is agreement with the majority
    lines = certificate_lines(found)
    assert any(line.startswith("| confidence | unsure ") for line in lines)


@pytest.mark.parametrize(
    ("confidence", "level"),
    [(0.0, "unsure"), (1 / 3, "unsure"), (0.34, "fairly sure"), (2 / 3, "fairly sure"), (0.67, "sure"), (1.0, "sure")],
)
def test_levels_of_confidence(said: Said, items: Items, confidence: float, level: str) -> None:
    votes = [*said("ann", "AB", confidence=confidence), *said("ann", "..AB"), *said("j", "ABAB", "model")]
    assert (level, "j") in shares(audit(items(4), votes, draws=20), "confidence")


def test_confidence_that_is_always_the_same_tells_nothing(said: Said, items: Items) -> None:
    votes = [*said("ann", "ABAB", confidence=1.0), *said("j", "ABAB", "model", confidence=0.2)]
    found = audit(items(4), votes, draws=20)
    assert found.labels == ()
    assert not any("by annotator and confidence" in line for line in certificate_lines(found))


def test_people_beside_each_other_by_confidence(said: Said, items: Items) -> None:
    # the label that is unsure is compared with the other people's, whatever their confidence
    votes = [*said("ann", "A", confidence=1 / 3), *said("ann", ".B", confidence=1), *said("bob", "BB", confidence=1)]
    assert shares(audit(items(2), votes, draws=20), "confidence") == {
        ("unsure", None): (0.0, 1),
        ("sure", None): (2 / 3, 3),
    }


def test_the_confidence_of_a_repeat_does_not_count(said: Said, items: Items) -> None:
    votes = [
        *said("ann", "A", confidence=1),
        *said("ann", "A", confidence=1 / 3, again=True),
        *said("ann", ".B", confidence=2 / 3),
        *said("j", "AB", "model"),
    ]
    assert list(shares(audit(items(2), votes, draws=20), "confidence")) == [("fairly sure", "j"), ("sure", "j")]


def test_a_crowd_is_not_listed(said: Said, items: Items) -> None:
    people = [vote for i in range(60) for vote in said(f"crowd {i:02}", "AB")]
    found = audit(items(2), [*people, *said("j", "AB", "model")], draws=20)
    assert len({one.name for one in found.labels}) == 50
    assert not any(line.startswith("| annotator") for line in certificate_lines(found))
