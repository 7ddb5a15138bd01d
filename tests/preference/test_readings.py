"""Verdicts of every scale read as P(a): numbers worked out by hand, and what mirrors what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.preference.readings import VerdictReading, as_pair_verdicts, by_comparison, make_readings
from amendment.records import Comparison, Verdict
from tests.preference.verdicts import AB, A, B, C, score, verdict

AC = Comparison("p", A, C)


def p_a(*verdicts: Verdict, comparison: Comparison = AB) -> float | None:
    (reading,) = make_readings(verdicts, comparison)
    return reading.p_a


def test_a_verdict_on_a_pair_is_read_in_the_coordinates_of_the_comparison() -> None:
    # B was shown first and is better with 0.8, so a is with 0.2
    (reading,) = make_readings([verdict((B, A), 0.8, principle_id="c/kind", sample=3)], AB)
    assert reading.p_a == pytest.approx(0.2)
    assert reading == VerdictReading("judge", "c/kind", "b", 3, reading.p_a, -1)


@pytest.mark.parametrize(("a", "b", "p"), [(7, 4, 1.0), (4, 7, 0.0), (5, 5, 0.5), (6.5, 6.25, 1.0)])
def test_scores_without_probabilities_say_better_worse_or_equal(a: float, b: float, p: float) -> None:
    (reading,) = make_readings([score(A, a), score(B, b)], AB)
    assert (reading.p_a, reading.seen) == (p, "alone")
    assert reading.side == (a > b) - (a < b)


def test_scores_with_probabilities_are_compared_as_independent_draws() -> None:
    # P(a > b) = 0.6 (9 against 5 or 3) + 0.4 * 0.2 (5 against 3) = 0.68; P(equal) = 0.4 * 0.8 = 0.32; 0.68 + 0.16
    one = score(A, 7.4, distribution={"9": 0.6, "5": 0.4})
    other = score(B, 4.6, distribution={"5": 0.8, "3": 0.2})
    assert p_a(one, other) == pytest.approx(0.84)
    assert p_a(score(A, 7.4), other) == 1.0  # where one has no probabilities, by value


def test_criteria_do_not_count_beside_the_score_that_sums_them_up() -> None:
    criteria = [score(A, False, scale="binary", criterion="polite"), score(B, True, scale="binary", criterion="polite")]
    labels = [
        score(A, "poor", scale="ordinal", criterion="clear"),
        score(B, "good", scale="ordinal", criterion="clear"),
    ]
    assert p_a(score(A, 7), score(B, 3), *criteria, *labels) == 1.0
    assert p_a(*criteria) == 0.0
    assert p_a(*labels) is None  # nobody has put on record that good is more than poor
    of_another_rater = [score(A, 7, rater="other"), score(B, 3, rater="other")]
    assert [one.p_a for one in make_readings([*criteria, *of_another_rater], AB)] == [0.0, 1.0]


def test_verdicts_stand_under_every_comparison_that_they_speak_of() -> None:
    pair = verdict((B, A), 0.9)
    alone = [score(A, 1, rater="grader"), score(C, 2, rater="grader")]
    other = verdict((A, B), 0.9, prompt_id="q")
    found = by_comparison([pair, *alone, other])
    assert found == {AB: [pair], AC: alone, Comparison("q", A, B): [other]}


GRADES = st.dictionaries(st.integers(1, 10).map(str), st.floats(0.01, 1), max_size=3)


@st.composite
def _verdicts(draw: st.DrawFn) -> Verdict:
    who: dict[str, Any] = {"rater": draw(st.sampled_from("xy")), "sample": draw(st.integers(0, 2))}
    match draw(st.sampled_from(["pair", "score"])):
        case "pair":
            return verdict(draw(st.sampled_from([(A, B), (B, A)])), draw(st.none() | st.floats(0, 1)), **who)
        case _:
            grade = draw(st.none() | st.integers(1, 10).map(float))
            chances = draw(GRADES) if grade is not None else {}
            return score(draw(st.sampled_from([A, B])), grade, distribution=chances or None, **who)


VERDICTS = st.lists(_verdicts(), min_size=1, max_size=6)


@given(VERDICTS)
def test_readings_are_probabilities_and_their_sides_are_those_of_what_was_said(verdicts: list[Verdict]) -> None:
    for reading in make_readings(verdicts, AB):
        assert reading.p_a is None or 0 <= reading.p_a <= 1
        assert reading.p_a is not None or reading.side == 0


@given(VERDICTS)
def test_with_the_names_of_the_answers_swapped_every_p_is_mirrored(verdicts: list[Verdict]) -> None:
    names = {A: B, B: A, C: C}
    swapped = [one.model_copy(update={"shown": tuple(names[shown] for shown in one.shown)}) for one in verdicts]
    seen = {"a": "b", "b": "a"}
    for reading, mirrored in zip(make_readings(verdicts, AB), make_readings(swapped, AB), strict=True):
        assert mirrored.seen == seen.get(reading.seen, reading.seen)
        assert mirrored.side == -reading.side
        assert mirrored.p_a == (None if reading.p_a is None else pytest.approx(1 - reading.p_a))


def test_scores_are_votes_on_pairs_of_no_displayed_order() -> None:
    pair = verdict((B, A), 0.8)
    assert list(as_pair_verdicts([pair])) == [pair]
    [vote] = as_pair_verdicts([score(A, 3.0), score(B, 7.0)])
    assert (vote.shown, vote.value, vote.order) == ((A, B), "B", "unknown")
    [vote] = as_pair_verdicts([score(A, 3.0), score(B, None)])
    assert vote.value is None
    assert vote.invalid
