"""Files of people and judges that never meet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]


def certified(said: Said, people: int = 12, *judges: list[Vote]) -> Certificate:
    """One person on items i0, i1, ... and judges on what they voted on."""
    votes = [*said("ann", "AB" * (people // 2)), *(vote for own in judges for vote in own)]
    return audit({vote.item: Item(vote.item) for vote in votes}, votes, draws=20)


def elsewhere(said: Said, rater: str, letters: str, prefix: str = "j") -> list[Vote]:
    return [vote._replace(item=f"{prefix}{vote.item[1:]}") for vote in said(rater, letters, "model")]


def rows_gate(certificate: Certificate, judge: str) -> str:
    return next(gate.outcome for gate in certificate.gates if (gate.judge, gate.check) == (judge, "rows"))


def test_a_judge_that_shares_no_item_with_people_is_told_first_with_a_key_of_each_side(said: Said) -> None:
    found = certified(said, 12, elsewhere(said, "m", "AB" * 5), said("k", "AB" * 6, "model"))
    told = "Judge m shares no item with people. Check the item keys: 'j0' against 'i0'"
    lines = certificate_lines(found)
    assert lines[4] == f"- {told}. Ignore this if they saw different items."
    assert lines[6].startswith("| judge ")
    assert (rows_gate(found, "m"), rows_gate(found, "k")) == ("WARN", "not measured")
    assert "shares no item with any person" in found.glossary["gate rows"]
    (one,) = found.to_json()["unmatched"]
    assert (one["judge_items"], one["people_items"]) == (10, 12)


@pytest.mark.parametrize(("people", "letters"), [(8, "A" * 12), (12, "A" * 9)])
def test_fewer_than_ten_items_of_either_side_say_nothing(said: Said, people: int, letters: str) -> None:
    found = certified(said, people, elsewhere(said, "m", letters))
    assert found.unmatched == ()
    assert rows_gate(found, "m") == "not measured"


def test_one_shared_item_is_a_join_that_worked_even_where_it_could_not_be_read(said: Said) -> None:
    assert certified(said, 12, [*elsewhere(said, "m", "." + "A" * 20), *said("m", "?", "model")]).unmatched == ()


def test_many_such_judges_are_counted_and_hostile_keys_are_harmless(said: Said) -> None:
    judges = [elsewhere(said, f"m{i}", "A" * 10, "<b>|\x1b[31m") for i in range(7)]
    lines = certificate_lines(certified(said, 12, *judges))
    assert sum(line.startswith("- Judge m") for line in lines) == 5
    assert "- 2 more judges share no item with people." in lines
    assert "'\\<b\\>\\|\\x1b\\[31m0' against 'i0'" in lines[4]
