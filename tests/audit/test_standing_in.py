"""The alternative annotator test as a certificate tells it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def section(lines: list[str]) -> list[str]:
    start = lines.index("## Alternative annotator test") + 2
    return lines[start : next(i for i in range(start, len(lines)) if lines[i].startswith("## "))]


def test_a_judge_like_people_wins_against_all_and_one_that_is_not_against_nobody(said: Said, items: Items) -> None:
    # people agree on all of 40; good says the same, d = 0 everywhere: p 0. bad never: d = 1, p 1
    people = [vote for name in ("ann", "bob", "eve") for vote in said(name, "AB" * 20)]
    votes = [*people, *said("good", "AB" * 20, "model"), *said("bad", "BA" * 20, "model")]
    bad, good = audit(items(40), votes, draws=20).judges
    assert good.alternative_annotator
    assert bad.alternative_annotator
    assert (good.alternative_annotator.advantage.value, bad.alternative_annotator.advantage.value) == (1, 0)
    assert good.alternative_annotator.winning_rate == dict.fromkeys(("0.1", "0.15", "0.2"), 1)
    assert bad.alternative_annotator.passes == dict.fromkeys(("0.1", "0.15", "0.2"), False)
    assert [one.p["0.2"] for one in good.alternative_annotator.people] == [0, 0, 0]
    assert [(one.person, one.items) for one in bad.alternative_annotator.people] == [
        (name, 40) for name in ("ann", "bob", "eve")
    ]


def test_it_is_printed_with_p_values_and_items_of_each_person(said: Said, items: Items) -> None:
    votes = [*said("ann", "AB" * 20), *said("bob", "AB" * 15), *said("eve", "AB" * 20), *said("j", "AB" * 20, "model")]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section(certificate_lines(audit(items(40), votes, draws=20)))
        if line.startswith("| j ")
    ]
    assert [row[1:3] for row in rows] == [["all 3", "40"], ["ann", "40"], ["bob", "30"], ["eve", "40"]]
    # 110 labels of 40 prompts: 110 / (1 + 0.1 * (110 / 40 - 1)) or so rows, low = n / (n + t^2)
    assert rows[0][3].startswith("rho 100.0 % (95.")
    assert rows[0][4:] == ["omega 1.00, passes"] * 3
    assert rows[1][4:] == ["p below 0.001, won"] * 3


def test_both_orders_are_put_together(said: Said, items: Items) -> None:
    # right in one order, wrong in the other: a tie, which no other person says
    people = [vote for name in ("ann", "bob", "eve") for vote in said(name, "AB" * 20)]
    votes = [*people, *said("j", "AB" * 20, "model", "A"), *said("j", "BA" * 20, "model", "B")]
    found = audit(items(40), votes, draws=20).judges[0].alternative_annotator
    assert found
    assert found.advantage.value == 0


def test_one_person_is_refused_and_told_why(said: Said, items: Items) -> None:
    found = audit(items(40), [*said("ann", "AB" * 20), *said("j", "AB" * 20, "model")], draws=20)
    assert found.judges[0].alternative_annotator is None
    (told,) = [line for line in section(certificate_lines(found)) if line]
    assert told == "- not measured: needs two people, found 1 (j)"


def test_two_people_are_tested_and_marked(said: Said, items: Items) -> None:
    votes = [*said("ann", "AB" * 20), *said("bob", "AB" * 20), *said("j", "AB" * 20, "model")]
    lines = section(certificate_lines(audit(items(40), votes, draws=20)))
    assert any("all 2 (two people: nothing tells a consensus)" in line for line in lines)


def test_a_person_with_few_items_is_named_as_not_measured(said: Said, items: Items) -> None:
    votes = [*said("ann", "AB" * 20), *said("bob", "AB" * 20), *said("eve", "ABAB"), *said("j", "AB" * 20, "model")]
    found = audit(items(40), votes, draws=20)
    test = found.judges[0].alternative_annotator
    assert test
    assert (test.tested, test.not_measured) == (2, {"eve": "4 of 30 items"})
    assert "- not measured: 4 of 30 items (eve, for j)" in section(certificate_lines(found))


def test_a_crowd_is_summed_up(said: Said, items: Items) -> None:
    people = [vote for i in range(60) for vote in said(f"crowd {i:02}", "AB" * 20)]
    found = audit(items(40), [*people, *said("j", "AB" * 20, "model")], draws=20)
    test = found.judges[0].alternative_annotator
    assert test
    assert (test.tested, len(test.people)) == (60, 50)
    assert sum(line.startswith("| j ") for line in section(certificate_lines(found))) == 1


@pytest.mark.parametrize("per_prompt", [1, 4])
def test_items_of_one_prompt_are_one_observation(said: Said, items: Items, per_prompt: int) -> None:
    # on every tenth block of four items the judge is worse than all people: d = 1, else 0
    letters = ("AAAA" + "BBBB" * 9) * 4
    people = [vote for name in ("ann", "bob", "eve") for vote in said(name, "BBBB" * 40)]
    found = audit(items(160, per_prompt=per_prompt), [*people, *said("j", letters, "model")], draws=20)
    test = found.judges[0].alternative_annotator
    assert test
    p = test.people[0].p["0.15"]
    # mean 0.1; by item se = sqrt(0.09 / 159) = 0.0238, t = -2.1; by prompt sqrt(0.09 / 39) = 0.048, t = -1.04
    assert p == pytest.approx({1: 0.0186, 4: 0.152}[per_prompt], abs=0.001)
