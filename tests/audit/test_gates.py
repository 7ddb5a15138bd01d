"""Gates at their thresholds, and faults planted in a file of labels."""

from __future__ import annotations

import numpy as np
import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import ComparisonInfo, Vote
from tests.audit.letters import items, said


def other(letters: str) -> str:
    return letters.translate(str.maketrans("AB", "BA"))


def ruling(check: str, votes: list[Vote], known: dict[str, ComparisonInfo] | None = None) -> tuple[str, str]:
    """What a gate says of judge j, by default on a hundred items."""
    found = audit(known or items(100), votes, draws=200)
    assert f"gate {check}" in found.glossary
    return next((gate.outcome, gate.found) for gate in found.gates if (gate.judge, gate.check) == ("j", check))


def in_both_orders(first: str, turned: int) -> list[Vote]:
    """Judge j in both orders, changing its verdict on the first `turned` items."""
    second = other(first[:turned]) + first[turned:]
    return [*said("j", first, "model", "A"), *said("j", second, "model", "B")]


def beside(judge: str, *people: str) -> list[Vote]:
    """Judge j and people."""
    return [vote for i, letters in enumerate(people) for vote in said(f"p{i}", letters)] + said("j", judge, "model")


TWO = "AB" * 50, "AB" * 45 + "BA" * 5
"""Two people who agree on 0.9."""


@pytest.mark.parametrize(
    ("check", "votes", "expected"),
    [
        # as many flip to the first as to the second shown; the interval of 55 of 100 ends at 0.645, that of 56 at 0.655
        *(
            ("order", in_both_orders("AB" * 50, turned), expected)
            for turned, expected in ((0, "PASS"), (20, "PASS"), (21, "WARN"), (44, "WARN"), (45, "FAIL"), (100, "FAIL"))
        ),
        # all flips go to the first shown: p = 2 / 2^7 = 0.0156 with seven, 0.0078 with eight
        *(("order", in_both_orders("A" * 100, turned), "WARN" if turned > 7 else "PASS") for turned in (7, 8, 20)),
        *(
            ("invalid", beside("?" * unread + "A" * (100 - unread)), expected)
            for unread, expected in ((2, "PASS"), (3, "WARN"), (12, "WARN"), (20, "FAIL"))
        ),
        ("chance", beside("AB" * 50, "AB" * 50), "PASS"),
        ("chance", beside("AB" * 40 + "BA" * 10, "AB" * 50), "PASS"),  # 80 of 100: kappa 0.6
        ("chance", beside("AB" * 35 + "BA" * 15, "AB" * 50), "WARN"),  # 70 of 100: kappa 0.4, not shown above 0.2
        ("chance", beside("AABB" * 25, "AB" * 50), "WARN"),  # half: kappa 0, below 0.2 at 0.03, not at 0.05 / 2 tests
        ("chance", beside("BA" * 35 + "AB" * 15, "AB" * 50), "FAIL"),  # 30 of 100: kappa -0.4
        ("ceiling", beside("AB" * 50, *TWO), "PASS"),  # with single people 0.95, and they 0.90
        ("ceiling", beside("BA" * 25 + "AB" * 25, *TWO), "FAIL"),  # wrong on half
        ("ceiling", beside("BA" * 3 + "AB" * 47, *TWO), "WARN"),  # 0.89: the interval reaches below -0.05
        ("ties", beside("t" * 21 + "A" * 79, "AB" * 50), "WARN"),  # 21 % of its verdicts, none of people's
        ("ties", beside("t" * 20 + "A" * 80, "AB" * 50), "PASS"),  # up to 20 %
        ("ties", beside("t" * 30 + "A" * 70, "t" * 15 + "A" * 85), "PASS"),  # twice as often as people
        ("ties", beside("t" * 31 + "A" * 69, "t" * 15 + "A" * 85), "WARN"),
        ("ties", beside("?" * 21 + "A" * 79, "AB" * 50), "PASS"),  # unreadable is no tie
        ("ties", beside("t" * 100, "A" * 29 + "." * 71), "not measured"),
    ],
)
def test_gates_at_their_thresholds(check: str, votes: list[Vote], expected: str) -> None:
    assert ruling(check, votes)[0] == expected


@pytest.mark.parametrize(
    ("first", "turned", "asks"),
    [
        ("AB" * 50, 71, True),  # changes sides both ways in 71 of 100: read the other way it would agree in 71
        ("A" * 100, 80, True),  # always one way, kappa 0: such a bias, or every A was the better answer
        ("AB" * 50, 62, True),  # kappa -0.24 between the orders
        ("A" * 60 + "AB" * 20, 60, False),  # kappa 0.20, a strong bias: the rest is steady
        ("AB" * 50, 52, False),  # a coin
    ],
)
def test_a_judge_that_mostly_changes_sides_is_asked_about_its_orders(first: str, turned: int, asks: bool) -> None:
    found = ruling("order", in_both_orders(first, turned))[1]
    assert ("check coordinates and orders first" in found) == asks
    assert (f"it changes sides in {turned} %" in found) == asks


@pytest.mark.parametrize(("per_prompt", "expected"), [(12, "WARN"), (3, "WARN"), (60, "WARN")])
def test_agreement_everywhere_on_few_prompts_is_no_pass(per_prompt: int, expected: str) -> None:
    # 60 items of 5, 20 and 1 prompts, on which everybody always agrees: no draw of prompts can say anything else
    votes, known = beside("AB" * 30, "AB" * 30, "AB" * 30), items(60, per_prompt=per_prompt)
    assert ruling("ceiling", votes, known)[0] == expected
    assert ruling("chance", votes, known)[0] == ("PASS" if per_prompt == 3 else "WARN")


def test_the_gate_of_ties_counts_single_people_and_not_draws_of_their_votes() -> None:
    # where they differ their majority is a draw, and neither of them said tie
    found = "50.0 % of its 100 verdicts on items with people are ties; of people's, 0.0 %"
    votes = beside("t" * 50 + "A" * 50, "A" * 100, "B" * 50 + "A" * 50)
    assert ruling("ties", votes) == ("WARN", found)


def letters(seed: int, n: int = 200) -> str:
    return "".join(np.random.default_rng(seed).choice(list("AABt"), n))


def noisy(truth: str, seed: int) -> str:
    """The truth with every tenth label drawn anew."""
    random = np.random.default_rng(seed)
    return "".join(one if random.random() > 0.1 else str(random.choice(list("AABt"))) for one in truth)


def with_ties(truth: str) -> str:
    random = np.random.default_rng(11)
    return "".join("t" if random.random() < 0.25 else one for one in truth)


def rows_gate(certificate: Certificate, judge: str) -> str:
    (found,) = [gate.outcome for gate in certificate.gates if (gate.judge, gate.check) == (judge, "rows")]
    return found


TRUTH, TAIL = letters(0), noisy(letters(0), 3)
SIDES = letters(0).replace("t", "B")


@pytest.mark.parametrize(
    ("truth", "judge", "hint"),
    [
        (TRUTH, "".join(np.random.default_rng(5).permutation(list(TRUTH))), "a rater at chance looks the same"),
        (TRUTH, TAIL[1:] + TAIL[:1], "its rows look shifted"),
        (TRUTH, TAIL[-1:] + TAIL[:-1], "its rows look shifted"),
        (TRUTH, other(TAIL), "A and B are swapped, or it prefers the opposite"),
        (SIDES, with_ties(SIDES[1:] + SIDES[:1]), "its rows look shifted"),  # though people never say tie
    ],
)
def test_labels_that_were_joined_wrongly_are_found_with_what_they_look_like(truth: str, judge: str, hint: str) -> None:
    people = [*said("ann", truth), *said("bob", noisy(truth, 1))]
    found = audit(items(200), [*people, *said("j", judge, "model")])
    (alarm,) = found.alarms.found
    assert alarm.rater == "j"
    assert alarm.kappa.value < 0.15
    assert alarm.hint.endswith(hint)
    assert rows_gate(found, "j") == "WARN"


@pytest.mark.parametrize(
    ("truth", "judge", "gate"),
    [
        (TRUTH, [noisy(TRUTH, 2)], "PASS"),
        (TRUTH, ["A" * 90 + "B" * 10 + "A" * 100], "PASS"),  # kappa near 0 by other words: no sign of a wrong join
        (letters(1, 99), [letters(2, 99)], "not measured"),  # fewer than a hundred items
        (TRUTH, [letters(3), letters(4)], "not measured"),  # it does not agree with itself: noise
    ],
)
def test_where_nothing_speaks_for_a_wrong_join_there_is_no_alarm(truth: str, judge: list[str], gate: str) -> None:
    votes = [vote for letters, first in zip(judge, "AB", strict=False) for vote in said("j", letters, "model", first)]  # type: ignore[arg-type]
    found = audit(items(200), [*said("ann", truth), *votes])
    assert found.alarms.found == ()
    assert rows_gate(found, "j") == gate


def elsewhere(rater: str, letters: str, prefix: str = "j") -> list[Vote]:
    return [vote._replace(item=f"{prefix}{vote.item[1:]}") for vote in said(rater, letters, "model")]


def certified(people: int, *judges: list[Vote]) -> Certificate:
    """One person on items i0, i1, ... and judges on what they voted on."""
    votes = [*said("ann", "AB" * (people // 2)), *(vote for own in judges for vote in own)]
    return audit({vote.item: ComparisonInfo(vote.item) for vote in votes}, votes, draws=20)


def test_a_judge_that_shares_no_item_with_people_is_told_first_with_a_key_of_each_side() -> None:
    found = certified(12, elsewhere("m", "AB" * 5), said("k", "AB" * 6, "model"))
    lines = certificate_lines(found)
    (warning,) = [line for line in lines[: lines.index("## What else to know about k")] if "item keys: '" in line]
    assert warning.startswith("- Judge m shares no item with people. Check the item keys: 'j0' against 'i0'.")
    assert (rows_gate(found, "m"), rows_gate(found, "k")) == ("WARN", "not measured")


@pytest.mark.parametrize(("people", "letters"), [(8, "A" * 12), (12, "A" * 9)])
def test_fewer_than_ten_items_of_either_side_say_nothing(people: int, letters: str) -> None:
    found = certified(people, elsewhere("m", letters))
    assert (found.unmatched, rows_gate(found, "m")) == ((), "not measured")
