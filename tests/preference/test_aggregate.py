"""The rule from votes to a label: means for judges, one vote each for people, the same for runs, imports and audits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.preference import aggregate_verdicts, decide, majority
from amendment.preference.aggregate import Weighting
from amendment.records import Judgement, Verdict
from tests.preference.verdicts import A, B, both, says, score, verdict

KIND, BRIEF, SAFE, LEGAL = "c/kind", "c/brief", "c/safe", "c/legal"


def together(verdicts: list[Verdict], weightings: dict[str, Weighting] | None = None, **how: Any) -> Judgement:
    return aggregate_verdicts(verdicts, weightings=weightings, **how)


def told(judgement: Judgement) -> tuple[float | None, str | None]:
    return None if judgement.p_a is None else round(judgement.p_a, 9), judgement.decisive


def vote(rater: str, value: str | None, shown: tuple[str, str] = (A, B), **fields: Any) -> Verdict:
    reason = None if value else "no answer"
    return verdict(shown, **{"value": value, "invalid": reason, "rater": rater, "rater_kind": "person", **fields})


# Judges: orders, samples, raters


@pytest.mark.parametrize(
    ("p_ab", "p_ba", "how", "p_a", "consistent"),
    [
        (0.9, 0.3, "mean", 0.8, True),  # 0.9 shown first, 1 - 0.3 shown second
        (0.9, 0.3, "tie", 0.8, True),
        (0.9, 0.9, "mean", 0.5, False),  # whoever stands first
        (0.9, 0.6, "mean", 0.65, False),
        (0.9, 0.6, "tie", 0.5, False),
        (0.9, 0.6, "drop", None, False),
        (0.5, 0.5, "mean", 0.5, True),
        (0.5, 0.1, "mean", 0.7, False),  # a tie and a preference
        (0.9, None, "mean", None, None),  # one order alone carries the position bias
        (None, None, "mean", None, None),
    ],
)
def test_two_orders_come_to_their_mean(
    p_ab: float | None, p_ba: float | None, how: Any, p_a: float | None, consistent: bool | None
) -> None:
    judgement = together(both(p_ab, p_ba), disagreement=how)
    assert (told(judgement)[0], judgement.consistent) == (p_a, consistent)
    assert judgement.n_invalid == (p_ab is None) + (p_ba is None)
    assert judgement.n_valid + judgement.n_invalid == len(judgement.verdict_ids) == 2


def test_raters_and_principles_weigh_alike_however_much_they_said() -> None:
    many = [one for sample in range(3) for one in both(1.0, 0.0, rater="eager", sample=sample)]
    judgement = together(many + both(0.4, 0.6, rater="terse"))
    assert (told(judgement)[0], judgement.raters) == (0.7, ("eager", "terse"))
    asked = [one for sample in range(2) for one in both(1.0, 0.0, principle_id=KIND, sample=sample)]
    judgement = together([*asked, *both(0.4, 0.6, principle_id=BRIEF)])
    assert (told(judgement)[0], judgement.principle_ids) == (0.7, (BRIEF, KIND))


def test_a_rater_read_in_one_order_only_does_not_bring_its_bias_in_and_is_not_named() -> None:
    half_read = [verdict((A, B), 1.0, rater="other"), verdict((B, A), rater="other")]
    judgement = together(both(0.6, 0.4) + half_read)
    assert (told(judgement)[0], judgement.raters, judgement.n_invalid) == (0.6, ("judge",), 1)
    of_principle = [verdict((B, A), 1.0, principle_id=KIND), verdict((A, B), principle_id=KIND)]
    assert together(both(0.6, 0.4) + of_principle).p_a == pytest.approx(0.6)
    assert together([half_read[0], of_principle[0]]).p_a is None  # two halves make no whole


def test_scores_are_whole_without_a_second_order() -> None:
    judgement = together([score(A, 8), score(B, 3)])
    assert (judgement.p_a, judgement.consistent, judgement.raters) == (1.0, None, ("judge",))
    assert together([score(A, 8), score(B, None)]).p_a is None
    # the grader says 0 (2 under 6); the judge (0.9 + 1 - 0.3) / 2 = 0.8
    mixed = [*both(0.9, 0.3), score(A, 2, rater="grader"), score(B, 6, rater="grader")]
    assert told(together(mixed))[0] == 0.4
    assert together(mixed).consistent is True
    assert majority(mixed).p_a == 0.5  # one for a, one for b


# Judges: weights, tiers, vetoes


def test_the_principle_that_decided_has_the_largest_weighted_part_on_the_winning_side() -> None:
    # parts of the departure: kind 1 * 0.4, brief 3 * 0.2, safe 1 * -0.45; brief has the most for a
    verdicts = [*says(0.9, KIND), *says(0.7, BRIEF), *says(0.05, SAFE)]
    assert told(together(verdicts, {BRIEF: Weighting(weight=3)})) == (0.5 + (0.4 + 0.6 - 0.45) / 5, BRIEF)
    assert together(verdicts).decisive == KIND
    assert together([*says(0.9, KIND), *says(0.0, SAFE)]).decisive == SAFE  # b wins, by safe


def test_a_lower_tier_decides_and_a_tied_one_passes_on() -> None:
    weightings = {KIND: Weighting(tier=2, weight=9), BRIEF: Weighting(tier=5)}
    first = together([*says(0.4, SAFE), *says(1.0, KIND)], weightings, combine="tiers")
    assert told(first) == (0.4, SAFE)
    passed = together([*says(0.5, SAFE), *says(0.8, KIND), *says(0.0, BRIEF)], weightings, combine="tiers")
    assert told(passed) == (0.8, KIND)
    # safe says 0.9 shown first and 1 - 0.7 = 0.3 shown second: 0.6 as a mean
    torn = [*both(0.9, 0.7, principle_id=SAFE), *says(0.2, KIND)]
    outcomes = [together(torn, weightings, combine="tiers", disagreement=how) for how in ("mean", "tie", "drop")]
    assert [told(outcome) for outcome in outcomes] == [(0.6, SAFE), (0.2, KIND), (None, None)]


@pytest.mark.parametrize("combine", ["mean", "tiers"])
def test_a_veto_decides_whatever_the_rest_says(combine: Any) -> None:
    weightings = {SAFE: Weighting(hard=True, weight=0.1, tier=9), KIND: Weighting(weight=100)}
    judgement = together([*says(0.1, SAFE), *says(1.0, KIND), *says(1.0, BRIEF)], weightings, combine=combine)
    assert (*told(judgement), judgement.conflict) == (0.1, SAFE, None)
    graded = [score(A, 2, principle_id=SAFE), score(B, 9, principle_id=SAFE), *says(1.0, KIND)]
    assert told(together(graded, weightings, combine=combine)) == (0.0, SAFE)


@pytest.mark.parametrize(
    "unsure",
    [
        says(0.31, SAFE),  # 0.19 from one half: not beyond the margin of 0.2
        both(0.0, 0.5, principle_id=SAFE),  # clear in one order alone
        both(0.0, 0.0, principle_id=SAFE),  # whoever stands second
        [*says(0.9, SAFE, rater="x"), *says(0.3, SAFE, rater="y")],  # 0.6 by both raters
    ],
)
def test_a_hard_principle_that_is_not_clear_is_one_of_many(unsure: list[Verdict]) -> None:
    kind = [one for rater in {verdict.rater for verdict in unsure} for one in says(1.0, KIND, rater=rater)]
    assert together([*unsure, *kind], {SAFE: Weighting(hard=True)}).decisive == KIND


def test_vetoes_that_contradict_each_other_are_a_tie_and_named() -> None:
    weightings = {SAFE: Weighting(hard=True, weight=50), LEGAL: Weighting(hard=True)}
    judgement = together([*says(0.9, SAFE), *says(0.1, LEGAL), *says(1.0, KIND)], weightings)
    assert (*told(judgement), judgement.conflict) == (0.5, None, (LEGAL, SAFE))
    agreed = together([*says(0.9, SAFE), *says(0.8, LEGAL), *says(0.0, KIND)], weightings)
    assert told(agreed) == (round((50 * 0.9 + 0.8) / 51, 9), SAFE)


NAMES = st.sampled_from([KIND, BRIEF, SAFE, LEGAL])
STANDINGS = st.dictionaries(
    NAMES, st.builds(Weighting, weight=st.floats(0.01, 100), tier=st.integers(1, 9), hard=st.booleans())
)
ASKED = st.lists(
    st.builds(
        verdict,
        shown=st.sampled_from([(A, B), (B, A)]),
        p_first=st.none() | st.integers(0, 8).map(lambda eighths: eighths / 8),
        rater=st.sampled_from("xy"),
        principle_id=NAMES,
        sample=st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
)
HOW = st.fixed_dictionaries(
    {
        "orders": st.sampled_from(["both", "random", "first", "asked"]),
        "combine": st.sampled_from(["mean", "tiers"]),
        "disagreement": st.sampled_from(["mean", "tie", "drop"]),
    }
)


@given(ASKED, STANDINGS, HOW, st.randoms())
def test_neither_the_order_of_arrival_nor_the_names_of_the_answers_count(
    verdicts: list[Verdict], weightings: dict[str, Weighting], how: Any, random: Any
) -> None:
    judgement, shuffled = together(verdicts, weightings, **how), list(verdicts)
    random.shuffle(shuffled)
    assert together(shuffled, weightings, **how) == judgement
    assert majority(shuffled) == majority(verdicts)
    mirrored = together([one.model_copy(update={"shown": one.shown[::-1]}) for one in verdicts], weightings, **how)
    assert mirrored.p_a == (None if judgement.p_a is None else pytest.approx(1 - judgement.p_a))
    assert (mirrored.consistent, mirrored.conflict) == (judgement.consistent, judgement.conflict)
    assert (judgement.decisive is None) == (judgement.p_a in (None, 0.5))
    assert (judgement.p_a is not None) <= bool(judgement.raters)


# One vote each


@pytest.mark.parametrize(
    ("votes", "p_a"),
    [
        (["A"], 1.0),
        (["A", "A", "B"], 2 / 3),
        (["A", "B"], 0.5),
        (["tie"], 0.5),
        (["both_bad", "both_bad"], 0.5),
        (["A", "tie"], 0.5),
        (["A", "tie", "tie"], 0.5),
        (["A", "A", "tie"], 5 / 6),
        (["A", "A", "B", "B", "tie"], 0.5),
        (["A", None], 1.0),
        ([None], None),
    ],
)
def test_the_most_frequent_vote_decides_and_a_draw_is_a_tie(votes: list[str | None], p_a: float | None) -> None:
    judgement = majority([vote(f"person-{i}", value) for i, value in enumerate(votes)])
    assert judgement.p_a == (None if p_a is None else pytest.approx(p_a))
    assert (judgement.rater_kind, judgement.consistent) == ("person", None)
    assert len(judgement.raters) == sum(value is not None for value in votes)


# Imported verdicts, spot checks and audits


def test_people_decide_first_then_verifiers_then_unknown_raters_then_models() -> None:
    model, unknown = verdict((A, B), value="B"), vote("file", "A", rater_kind="unknown")
    verifier, person = vote("tests", "B", rater_kind="verifier"), vote("u", "A")
    assert [decide(verdicts).p_a for verdicts in ([model], [model, unknown], [model, unknown, verifier])] == [0, 1, 0]
    decided = decide([model, unknown, verifier, person])
    assert (decided.p_a, decided.rater_kind, decided.raters) == (1.0, "person", ("u",))
    assert decide([model, vote("u", None)]).raters == ("judge",)  # nobody could be read: models
    assert majority([model, person]).rater_kind == "model"  # where a model took part no person is named for it
