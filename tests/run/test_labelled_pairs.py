"""Pairs with calibrated probabilities and people's labels: what becomes of them, worked out by hand."""

from __future__ import annotations

import pytest

from amendment.records import Pair
from amendment.stages.dataset import calibrated_pairs, labelled_pairs

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


@pytest.mark.parametrize(
    ("pair", "p_a", "is_used", "p_chosen", "p_calibrated"),
    [
        (PAIR, 0.3, False, 0.9, 0.7),  # P(a) = 0.3 and b was chosen: P(chosen) = 0.7
        (PAIR, 0.3, True, 0.7, 0.7),
        (PAIR, 0.6, True, 0.4, 0.4),  # calibration says the opposite: chosen stays chosen
        (TIE, 0.4, True, 0.5, 0.6),  # a tie stays a tie
    ],
)
def test_a_calibrated_probability_stands_beside_the_raw_one(
    pair: Pair, p_a: float, is_used: bool, p_chosen: float, p_calibrated: float
) -> None:
    found = calibrated_pairs([pair], {NAME: p_a}, is_used=is_used)
    [made] = found.pairs
    assert (made.chosen_id, made.p_chosen_raw) == ("b", pair.p_chosen_raw)
    assert (made.p_chosen, made.p_chosen_calibrated) == pytest.approx((p_chosen, p_calibrated))
    assert found.counts == ({"calibration says the opposite": 1} if p_calibrated < 0.5 else {})


def test_a_pair_of_which_nothing_is_known_stays_as_it_is() -> None:
    assert calibrated_pairs([PAIR], {}, is_used=True).pairs == [PAIR]
    assert labelled_pairs([PAIR], {"other": {"Anna": 1.0}}, ties="drop").pairs == [PAIR]


def test_what_people_decided_no_calibration_undoes() -> None:
    # people are with the judge, who chose b; calibration would have it the other way round: P(a) = 0.6
    decided = labelled_pairs([PAIR], {NAME: {"Anna": 0.0}}, ties="drop").pairs
    found = calibrated_pairs(decided, {NAME: 0.6}, is_used=True)
    [made] = found.pairs
    assert made.chosen_id == "b"
    assert (made.p_chosen, made.p_chosen_calibrated) == pytest.approx((1.0, 0.4))
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
