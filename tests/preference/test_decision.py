"""Weights, tiers and vetoes of principles, and which of them decided."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.constitutions import Constitution, Principle
from amendment.preference import PairSettings, Standing, judge_together, make_pairs, standings_of
from amendment.records import Judgement, Verdict
from tests.preference.verdicts import A, B, both, says, score, verdict

KIND, BRIEF, SAFE, LEGAL = "c/kind", "c/brief", "c/safe", "c/legal"


def together(verdicts: list[Verdict], standings: dict[str, Standing] | None = None, **how: Any) -> Judgement:
    return judge_together(verdicts, **{"orders": "both", "disagreement": "mean", "standings": standings, **how})


def told(made: Judgement) -> tuple[float | None, str | None]:
    """P without the noise of its last digits, and what decided."""
    return (None if made.p_a is None else round(made.p_a, 9), made.decisive)


def test_principles_count_by_their_weight() -> None:
    # (3 * 0.9 + 1 * 0.3) / 4 = 0.75; without standings (0.9 + 0.3) / 2 = 0.6
    found = [*says(0.9, KIND), *says(0.3, BRIEF)]
    assert together(found, {KIND: Standing(weight=3)}).p_a == pytest.approx(0.75)
    assert together(found).p_a == pytest.approx(0.6)


def test_the_principle_that_decided_has_the_largest_weighted_part_on_the_winning_side() -> None:
    # parts of the departure: kind 1 * 0.4, brief 3 * 0.2, safe 1 * -0.45; brief has the most for a
    found = [*says(0.9, KIND), *says(0.7, BRIEF), *says(0.05, SAFE)]
    standings = {BRIEF: Standing(weight=3)}
    made = together(found, standings)
    assert made.p_a == pytest.approx(0.5 + (0.4 + 0.6 - 0.45) / 5)
    assert made.decisive == BRIEF
    assert together(found).decisive == KIND
    assert together([*says(0.9, KIND), *says(0.0, SAFE)]).decisive == SAFE  # b wins, by safe


def test_nothing_decided_a_tie_or_what_could_not_be_read() -> None:
    assert together([*says(0.9, KIND), *says(0.1, BRIEF)]).decisive is None
    assert together(both(0.9, 0.9, principle_id=KIND), disagreement="tie").decisive is None
    assert together(both(None, 0.9, principle_id=KIND)).decisive is None
    assert together(both(0.9, 0.1)).decisive is None  # no principle is on record


def test_a_half_that_rounding_has_moved_is_no_win() -> None:
    # (3 * 0.7 + 7 * 0.3 + 4 * 0.7) / 14 is one half, and 0.49999999999999994 for a computer that sums it up
    found = [*says(0.7, KIND), *says(0.3, BRIEF), *says(0.7, SAFE)]
    standings = {KIND: Standing(weight=3), BRIEF: Standing(weight=7), SAFE: Standing(weight=4)}
    made = together(found, standings)
    assert (made.p_a, made.decisive) == (0.5, None)
    pairs, left_out = make_pairs([made], PairSettings())
    assert (pairs, left_out) == ([], {"tie": 1})


def test_a_lower_tier_decides_and_a_tied_one_passes_on() -> None:
    standings = {KIND: Standing(tier=2, weight=9), BRIEF: Standing(tier=5)}
    first = together([*says(0.4, SAFE), *says(1.0, KIND)], standings, combine="tiers")
    assert told(first) == (0.4, SAFE)
    passed = together([*says(0.5, SAFE), *says(0.8, KIND), *says(0.0, BRIEF)], standings, combine="tiers")
    assert told(passed) == (0.8, KIND)
    tied = together([*says(0.5, SAFE), *says(0.5, BRIEF)], standings, combine="tiers")
    assert (tied.p_a, tied.decisive, tied.consistent) == (0.5, None, True)
    # all in one mean: (1 * 0.4 + 9 * 1.0) / 10
    assert together([*says(0.4, SAFE), *says(1.0, KIND)], standings).p_a == pytest.approx(0.94)


def test_a_tier_whose_orders_disagree_is_settled_before_the_next_one_speaks() -> None:
    # safe says 0.9 shown first and 1 - 0.7 = 0.3 shown second: 0.6 as a mean
    found = [*both(0.9, 0.7, principle_id=SAFE), *says(0.2, KIND)]
    standings = {KIND: Standing(tier=2)}
    made = {how: together(found, standings, combine="tiers", disagreement=how) for how in ("mean", "tie", "drop")}
    assert told(made["mean"]) == (0.6, SAFE)
    assert told(made["tie"]) == (0.2, KIND)
    assert (made["drop"].p_a, made["drop"].consistent) == (None, False)


def test_a_veto_decides_whatever_the_rest_says() -> None:
    standings = {SAFE: Standing(hard=True, weight=0.1, tier=9), KIND: Standing(weight=100)}
    found = [*says(0.1, SAFE), *says(1.0, KIND), *says(1.0, BRIEF)]
    for combine in ("mean", "tiers"):
        made = together(found, standings, combine=combine)
        assert (*told(made), made.conflict) == (0.1, SAFE, None)
        assert made.principle_ids == (BRIEF, KIND, SAFE)


@pytest.mark.parametrize(
    "unsure",
    [
        says(0.31, SAFE),  # 0.19 from one half: not beyond the margin of 0.2
        both(0.0, 0.5, principle_id=SAFE),  # clear in one order alone
        both(0.0, 0.0, principle_id=SAFE),  # whoever stands second
        [verdict((A, B), 0.0, principle_id=SAFE), verdict((B, A), principle_id=SAFE)],  # one order could not be read
    ],
)
def test_a_hard_principle_that_is_not_clear_in_both_orders_is_one_of_many(unsure: list[Verdict]) -> None:
    made = together([*unsure, *says(1.0, KIND)], {SAFE: Standing(hard=True)})
    assert made.p_a is not None
    assert made.p_a > 0.5
    assert made.decisive == KIND


def test_vetoes_that_contradict_each_other_are_a_tie_and_said() -> None:
    standings = {SAFE: Standing(hard=True, weight=50), LEGAL: Standing(hard=True)}
    made = together([*says(0.9, SAFE), *says(0.1, LEGAL), *says(1.0, KIND)], standings)
    assert (made.p_a, made.decisive, made.conflict) == (0.5, None, (LEGAL, SAFE))
    agreed = together([*says(0.9, SAFE), *says(0.8, LEGAL), *says(0.0, KIND)], standings)
    assert (agreed.decisive, agreed.conflict) == (SAFE, None)
    assert agreed.p_a == pytest.approx((50 * 0.9 + 0.8) / 51)


def test_a_veto_is_of_all_raters_together() -> None:
    # by safe x says 0.9 and y 0.3: 0.6 together, no veto; kind says 0 by both, so b wins
    found = [
        one
        for rater, safe in (("x", 0.9), ("y", 0.3))
        for one in [*says(safe, SAFE, rater=rater), *says(0.0, KIND, rater=rater)]
    ]
    made = together(found, {SAFE: Standing(hard=True)})
    assert made.p_a == pytest.approx(0.3)
    assert made.decisive == KIND


def test_grades_may_veto_too() -> None:
    found = [score(A, 2, principle_id=SAFE), score(B, 9, principle_id=SAFE), *says(1.0, KIND)]
    made = together(found, {SAFE: Standing(hard=True)})
    assert (made.p_a, made.decisive) == (0.0, SAFE)


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="a number above 0"):
        Standing(weight=weight)


@pytest.mark.parametrize("tier", [0, 10, -1])
def test_a_tier_that_is_none_is_refused(tier: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 9"):
        Standing(tier=tier)


def test_standings_are_those_of_the_constitutions() -> None:
    principles = (
        Principle(id="safe", statement="Be safe.", hard=True, tier=2),
        Principle(id="kind", statement="Be kind.", weight=3),
    )
    one = Constitution(id="c", version="1.0.0", title="t", license="CC0-1.0", principles=principles)
    assert standings_of([one]) == {SAFE: Standing(1.0, 2, True), KIND: Standing(3.0, 1, False)}
    assert standings_of([one], by_weight=False)[KIND] == Standing()


P = st.floats(0, 1)
STANDINGS = st.dictionaries(
    st.sampled_from([KIND, BRIEF, SAFE, LEGAL]),
    st.builds(Standing, weight=st.floats(0.01, 100), tier=st.integers(1, 9), hard=st.booleans()),
)
ASKED = st.lists(
    st.tuples(st.sampled_from([KIND, BRIEF, SAFE, LEGAL]), st.none() | P, P, st.sampled_from("xy")),
    min_size=1,
    max_size=5,
)
COMBINE = st.sampled_from(["mean", "tiers"])
DISAGREEMENT = st.sampled_from(["mean", "tie", "drop"])


def side(p: float | None) -> int:
    return 0 if p is None else (p > 0.5 + 1e-9) - (p < 0.5 - 1e-9)


def asked(found: list[tuple[str, float | None, float, str]]) -> list[Verdict]:
    return [one for name, p, q, rater in found for one in both(p, q, principle_id=name, rater=rater)]


@given(ASKED, STANDINGS, COMBINE, DISAGREEMENT, st.randoms())
def test_no_order_of_arrival_counts(
    found: list[tuple[str, float | None, float, str]], standings: dict[str, Standing], combine: str, how: str, rng: Any
) -> None:
    verdicts = asked(found)
    shuffled = list(verdicts)
    rng.shuffle(shuffled)
    made = [together(each, standings, combine=combine, disagreement=how) for each in (verdicts, shuffled)]
    assert made[0] == made[1]


@given(ASKED, STANDINGS, COMBINE, DISAGREEMENT)
def test_the_answers_swapped_mirror_p_and_the_same_principle_decides(
    found: list[tuple[str, float | None, float, str]], standings: dict[str, Standing], combine: str, how: str
) -> None:
    grid = [(name, None if p is None else round(p * 8) / 8, round(q * 8) / 8, rater) for name, p, q, rater in found]
    verdicts = asked(grid)
    swapped = [one.model_copy(update={"shown": one.shown[::-1]}) for one in verdicts]
    made, mirrored = (together(each, standings, combine=combine, disagreement=how) for each in (verdicts, swapped))
    assert mirrored.p_a == (None if made.p_a is None else pytest.approx(1 - made.p_a))
    assert (mirrored.consistent, mirrored.conflict) == (made.consistent, made.conflict)


@given(ASKED, STANDINGS, COMBINE, DISAGREEMENT)
def test_what_decided_was_asked_and_stands_on_the_winning_side(
    found: list[tuple[str, float | None, float, str]], standings: dict[str, Standing], combine: str, how: str
) -> None:
    made = together(asked(found), standings, combine=combine, disagreement=how)
    assert made.p_a is None or made.p_a == 0.5 or abs(made.p_a - 0.5) > 1e-9  # nearly a half is a half
    assert (made.decisive is None) == (made.p_a in (None, 0.5))
    if made.decisive is not None:
        assert made.p_a is not None
        own = together(
            [one for one in asked(found) if one.principle_id == made.decisive], disagreement="mean", orders="both"
        )
        assert own.p_a is not None
        raters = {rater for _, _, _, rater in found}
        assert len(raters) > 1 or (own.p_a - 0.5) * (made.p_a - 0.5) > 0


@given(ASKED, STANDINGS, COMBINE)
def test_a_rater_who_calls_a_tie_never_turns_the_side(
    found: list[tuple[str, float | None, float, str]], standings: dict[str, Standing], combine: str
) -> None:
    soft = {name: Standing(one.weight, one.tier) for name, one in standings.items()}
    names = sorted({name for name, _, _, _ in found})
    undecided = [one for name in names for one in both(0.5, 0.5, principle_id=name, rater="undecided")]
    before, after = (together(each, soft, combine=combine).p_a for each in (asked(found), asked(found) + undecided))
    assert after is not None
    assert side(before) * side(after) >= 0


@given(P, ASKED, STANDINGS)
def test_a_principle_that_calls_a_tie_never_turns_the_side_of_one_rater(
    p: float, found: list[tuple[str, float | None, float, str]], standings: dict[str, Standing]
) -> None:
    alone = asked([(name, p, q, "x") for name, p, q, _ in found])
    before, after = (
        together(each, standings).p_a for each in (alone, alone + both(0.5, 0.5, principle_id="c/new", rater="x"))
    )
    if before is not None:
        assert after is not None
        assert (before - 0.5) * (after - 0.5) >= 0


@given(st.floats(0.71, 1), ASKED, STANDINGS, COMBINE, DISAGREEMENT)
def test_a_veto_wins_against_any_weights_and_tiers(
    p: float,
    found: list[tuple[str, float | None, float, str]],
    standings: dict[str, Standing],
    combine: str,
    how: str,
) -> None:
    soft = {name: Standing(one.weight, one.tier) for name, one in standings.items()}
    soft["c/veto"] = Standing(weight=0.001, tier=9, hard=True)
    made = together(asked(found) + says(p, "c/veto"), soft, combine=combine, disagreement=how)
    assert told(made) == (round(p, 9), "c/veto")


@given(P, P)
def test_with_one_principle_tiers_and_weights_change_nothing(p: float, q: float) -> None:
    plain = together(both(p, q, principle_id=KIND))
    for combine in ("mean", "tiers"):
        made = together(both(p, q, principle_id=KIND), {KIND: Standing(weight=7, tier=4)}, combine=combine)
        assert made.p_a == pytest.approx(plain.p_a)
