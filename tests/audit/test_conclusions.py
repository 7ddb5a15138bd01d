"""What a certificate says in plain words, and what it leaves open."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def other(letters: str) -> str:
    return letters.translate(str.maketrans("AB", "BA"))


def told(known: dict[str, Item], votes: list[Vote], judge: str = "j") -> str:
    """The sentences about a judge, which stand before the first section."""
    lines = certificate_lines(audit(known, votes, draws=300))
    (line,) = [line for line in lines[: lines.index("## Gates")] if line.startswith(f"- {judge}: ")]
    return line.removeprefix(f"- {judge}: ")


def test_a_judge_that_picks_the_first_shown_should_be_asked_twice_and_is_trusted_where_it_agrees(
    said: Said, items: Items
) -> None:
    # 100 items: on 29 it picks whatever is shown first; on the other 71 it is right but for 2
    truth = "AB" * 50
    steady = other(truth[29:31]) + truth[31:]
    votes = [
        *said("ann", truth),
        *said("j", "A" * 29 + steady, "model", "A"),
        *said("j", "B" * 29 + steady, "model", "B"),
    ]
    sentences = told(items(100), votes)
    assert sentences.startswith("Ask it in both orders: in 29 % of comparisons it picks whatever is shown first.")
    assert "When it and the majority of people both choose, they choose the same answer in 97 % (" in sentences
    assert "; both choose in 71 of 100 items." in sentences


def test_the_second_shown_and_changes_without_a_side_are_told_apart(said: Said, items: Items) -> None:
    late = [*said("j", "B" * 100, "model", "A"), *said("j", "A" * 40 + "B" * 60, "model", "B")]
    assert "in 40 % of comparisons it picks whatever is shown second" in told(items(100), late)
    both = [*said("j", "AB" * 50, "model", "A"), *said("j", "BA" * 20 + "AB" * 30, "model", "B")]
    assert told(items(100), both).startswith("Ask it in both orders: in 40 % of comparisons its verdict changes with")


@pytest.mark.parametrize(
    ("pairs", "turned", "beginning"),
    [
        (100, 4, "The displayed order changes little: it says the same in both in 96 % ("),
        (40, 8, "These data do not show how much the displayed order sways it (the same in 80 % ("),
        (20, 0, "Position bias is not known (20 items read in both orders): ask it in both."),
    ],
)
def test_what_the_interval_leaves_open_is_left_open(
    said: Said, items: Items, pairs: int, turned: int, beginning: str
) -> None:
    first = "AB" * (pairs // 2)
    second = other(first[:turned]) + first[turned:]
    votes = [*said("j", first, "model", "A"), *said("j", second, "model", "B")]
    assert told(items(pairs), votes).startswith(beginning)


def people(said: Said, apart: int) -> list[Vote]:
    """Two people on two hundred items who differ on the last `apart`."""
    ann = "AB" * 100
    return [*said("ann", ann), *said("bob", ann[: 200 - apart] + other(ann[200 - apart :]))]


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        # two people agree on 0.9; the judge with each of them on average
        ("BA" * 25 + "AB" * 75, "It agrees with a person less than another person does, by 20.0 points ("),  # 0.70
        ("AB" * 100, "It agrees with a person more than another person does, by 5.0 points ("),  # 0.95
        (
            "BA" * 6 + "AB" * 94,
            "These data do not show whether it is worse than a person (-1.0 points, -",
        ),  # .89
        ("BA" * 100, "It agrees with people no better than chance (kappa -"),
        ("AABB" * 50, "These data do not show whether it agrees with people better than chance (kappa"),
    ],
)
def test_beside_people_it_is_worse_or_better_or_nobody_knows(said: Said, items: Items, judge: str, words: str) -> None:
    assert words in told(items(200), [*people(said, 20), *said("j", judge, "model")])


def test_with_one_person_there_is_agreement_alone_and_with_none_nothing_is_known(said: Said, items: Items) -> None:
    # 80 of 100 as ann says
    votes = [*said("ann", "AB" * 50), *said("j", "BA" * 10 + "AB" * 40, "model")]
    assert "both choose, they choose the same answer in 80 % (" in told(items(100), votes)
    alone = told(items(100), votes[100:])
    assert "Agreement with people is not measured: it has 0 of the 30 required items" in alone


def test_length_and_unread_votes_are_told_where_something_is_wrong(said: Said, items: Items) -> None:
    # the first answer is longer; where both people prefer the shorter, it errs in 40 of 100, and never the other way
    known = items(200, length_a=[9] * 200, length_b=[1] * 200)
    judge = "A" * 40 + "B" * 60 + "A" * 100
    people = [vote for name in ("ann", "bo") for vote in said(name, "B" * 100 + "A" * 100)]
    sentences = told(known, [*people, *said("j", judge, "model")])
    assert "It errs towards the longer answer more often than towards the shorter, by 40.0 points (" in sentences
    unread = [*people, *said("j", "B" * 100 + "A" * 90 + "?" * 10, "model")]
    sentences = told(known, unread)
    assert "Too many of its votes could not be read: 5.0 % of 200 verdicts, above 2 %." in sentences
    assert "errs towards" not in sentences


def test_where_orders_look_misread_nothing_else_is_said(said: Said, items: Items) -> None:
    # a judge that is always right, its displayed words read as content: the second order is turned
    truth = "AB" * 50
    votes = [*said("ann", truth), *said("j", truth, "model", "A"), *said("j", other(truth), "model", "B")]
    sentences = told(items(100), votes)
    assert sentences.startswith("Its orders may be read the wrong way round: in 100 % of comparisons it changes sides")
    assert "(kappa -1.00)" in sentences
    assert sentences.endswith("Check coordinates and orders of its file before you believe any figure here.")
    assert "people" not in sentences


def test_a_bias_of_a_rare_size_is_told_under_a_condition(said: Said, items: Items) -> None:
    votes = [*said("j", "A" * 100, "model", "A"), *said("j", "B" * 80 + "A" * 20, "model", "B")]
    assert told(items(100), votes).startswith(
        "Ask it in both orders: in 80 % of comparisons it picks whatever is shown first, if its orders are read "
        "correctly: check coordinates and orders first."
    )


def test_labels_that_look_shuffled_come_first(said: Said, items: Items) -> None:
    ann, judge = "AABt" * 50, "BBAt" * 50
    sentences = told(items(200), [*said("ann", ann), *said("j", judge, "model")])
    assert sentences.startswith("Check the join first: if one's sides are exchanged")


def test_at_most_ten_judges_have_three_sentences_each(said: Said, items: Items) -> None:
    votes = [vote for i in range(12) for vote in said(f"j{i:02}", "?" * 20 + "A" * 80, "model")]
    known = items(100, length_a=[9] * 100, length_b=[1] * 100)
    lines = certificate_lines(audit(known, [*said("ann", "AB" * 50), *votes], draws=20))
    said_of = [line for line in lines[: lines.index("## Gates")] if line.startswith("- j")]
    assert len(said_of) == 10
    assert all(line.count(". ") == 2 for line in said_of)
    assert "- 2 more judges are in the tables only." in lines
