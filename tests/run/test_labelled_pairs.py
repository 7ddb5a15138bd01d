"""Pairs with calibrated probabilities and people's labels: what becomes of them, worked out by hand."""

from __future__ import annotations

import pytest

from amendment.records import Pair
from amendment.stages.dataset import Turned, calibrated_pairs, labelled_pairs

PAIR = Pair(
    prompt_id="x",
    chosen_id="b",
    rejected_id="a",
    p_chosen=0.9,
    p_chosen_raw=0.9,
    decided_by="judge",
    raters=("judge",),
    decisive="house/honest",
)
TIE = PAIR.model_copy(update={"p_chosen": 0.5, "p_chosen_raw": 0.55})
NAME = PAIR.comparison_id


def test_a_calibrated_probability_stands_beside_the_raw_one() -> None:
    # P(a) = 0.3 and b was chosen: P(chosen) = 0.7
    [found] = calibrated_pairs([PAIR], {NAME: 0.3}, is_used=False).pairs
    assert (found.p_chosen, found.p_chosen_raw) == (0.9, 0.9)
    assert found.p_chosen_calibrated == pytest.approx(0.7)


def test_where_it_is_used_training_sees_it_and_the_raw_one_stays() -> None:
    [found] = calibrated_pairs([PAIR], {NAME: 0.3}, is_used=True).pairs
    assert found.p_chosen == pytest.approx(0.7)
    assert found.p_chosen_raw == 0.9


def test_a_tie_stays_a_tie() -> None:
    [found] = calibrated_pairs([TIE], {NAME: 0.4}, is_used=True).pairs
    assert (found.p_chosen, found.p_chosen_calibrated) == (0.5, 0.6)


def test_a_pair_of_which_nothing_is_known_stays_as_it_is() -> None:
    assert calibrated_pairs([PAIR], {}, is_used=True).pairs == [PAIR]


@pytest.mark.parametrize(
    ("turned", "left"), [("keep", [("b", pytest.approx(0.4))]), ("turn", [("a", pytest.approx(0.6))]), ("drop", [])]
)
def test_a_pair_turns_round_only_by_a_named_policy_and_is_counted(
    turned: Turned, left: list[tuple[str, float]]
) -> None:
    found = calibrated_pairs([PAIR], {NAME: 0.6}, is_used=True, turned=turned)
    assert [(one.chosen_id, one.p_chosen) for one in found.pairs] == left
    assert found.counts == {f"turned by calibration: {turned}": 1}
    assert found.left_out.total() == (turned == "drop")


def test_a_turned_pair_turns_its_raw_probability_too() -> None:
    [found] = calibrated_pairs([PAIR], {NAME: 0.6}, is_used=False, turned="turn").pairs
    assert found.p_chosen_raw == pytest.approx(0.1)
    assert found.decisive is None  # that principle spoke for the other side


@pytest.mark.parametrize("turned", ["keep", "turn", "drop"])
def test_what_people_decided_no_calibration_undoes(turned: Turned) -> None:
    # people are with the judge, who chose b; calibration would have it the other way round: P(a) = 0.6
    decided = labelled_pairs([PAIR], {NAME: {"Anna": 0.0}}, ties="drop").pairs
    found = calibrated_pairs(decided, {NAME: 0.6}, is_used=True, turned=turned)
    [made] = found.pairs
    assert (made.chosen_id, made.p_chosen) == ("b", 1.0)
    assert made.p_chosen_calibrated == pytest.approx(0.4)
    assert not found.counts + found.left_out


def test_people_decide_the_comparisons_that_they_labelled() -> None:
    # two of three people say a, and the judge had chosen b
    found = labelled_pairs([PAIR], {NAME: {"Anna": 1.0, "Bert": 1.0, "Cleo": 0.0}}, ties="drop")
    [made] = found.pairs
    assert (made.chosen_id, made.decided_by, made.raters) == ("a", "person", ("Anna", "Bert", "Cleo"))
    assert made.p_chosen == pytest.approx(2 / 3)
    assert made.p_chosen_raw == pytest.approx(0.1)
    assert found.counts == {"decided by people": 1, "people disagree with the judge": 1}


def test_people_who_agree_with_the_judge_are_sure_of_it() -> None:
    found = labelled_pairs([PAIR], {NAME: {"Anna": 0.0}}, ties="drop")
    assert (found.pairs[0].chosen_id, found.pairs[0].p_chosen) == ("b", 1.0)
    assert found.counts["people disagree with the judge"] == 0


@pytest.mark.parametrize(("ties", "left"), [("drop", []), ("keep", [("b", 0.5)])])
@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ({"Anna": 1.0, "Bert": 0.0}, "people disagree with each other"),
        ({"Anna": 0.5, "Bert": 0.5}, "people call it a tie"),
    ],
)
def test_pairs_that_people_leave_undecided_are_ties(
    ties: str, left: list[tuple[str, float]], votes: dict[str, float], reason: str
) -> None:
    found = labelled_pairs([PAIR], {NAME: votes}, ties=ties)  # type: ignore[arg-type]
    assert [(one.chosen_id, one.p_chosen) for one in found.pairs] == left
    assert [one.decisive for one in found.pairs] == [None] * len(left)  # no principle decides a tie
    assert found.counts == {reason: 1}
    assert found.left_out.total() == (ties == "drop")


def test_pairs_without_a_label_stay() -> None:
    assert labelled_pairs([PAIR], {"other": {"Anna": 1.0}}, ties="drop").pairs == [PAIR]
