"""Verdicts put together: orders, raters, principles and samples, whatever the order they arrive in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.preference import judge_together, majority, raters_together
from amendment.records import Comparison, Judgement, Verdict
from tests.preference.verdicts import AB, A, B, C, both, ranking, score, verdict


def together(verdicts: list[Verdict], orders: Any = "both", disagreement: Any = "mean") -> Judgement:
    return judge_together(verdicts, orders=orders, disagreement=disagreement)


def test_the_mean_over_both_orders_takes_out_the_position_bias() -> None:
    # a is liked with 0.9 when shown first, and with 1 - 0.3 = 0.7 when shown second
    made = together(both(0.9, 0.3))
    assert made.p_a == pytest.approx(0.8)
    assert made.consistent is True
    assert (made.a, made.b, made.n_valid, made.n_invalid) == (A, B, 2, 0)


def test_a_judge_that_always_takes_the_first_says_nothing() -> None:
    made = together(both(0.9, 0.9))
    assert made.p_a == pytest.approx(0.5)
    assert made.consistent is False


@pytest.mark.parametrize(("disagreement", "p_a"), [("mean", 0.65), ("tie", 0.5), ("drop", None)])
def test_what_becomes_of_orders_that_disagree(disagreement: str, p_a: float | None) -> None:
    # 0.9 shown first, 1 - 0.6 = 0.4 shown second
    made = together(both(0.9, 0.6), disagreement=disagreement)
    assert made.p_a == (None if p_a is None else pytest.approx(p_a))
    assert made.consistent is False
    assert made.n_valid == 2


@pytest.mark.parametrize("disagreement", ["mean", "tie", "drop"])
def test_orders_that_agree_are_left_alone(disagreement: str) -> None:
    assert together(both(0.9, 0.3), disagreement=disagreement).p_a == pytest.approx(0.8)


def test_two_ties_agree_and_a_tie_and_a_preference_do_not() -> None:
    assert together(both(0.5, 0.5)).consistent is True
    assert together(both(0.5, 0.1)).consistent is False


@pytest.mark.parametrize("verdicts", [both(0.9, None), both(None, 0.2)])
def test_one_order_alone_has_no_probability_where_both_were_asked(verdicts: list[Verdict]) -> None:
    made = together(verdicts)
    assert (made.p_a, made.consistent) == (None, None)
    assert (made.n_valid, made.n_invalid) == (1, 1)


@pytest.mark.parametrize("orders", ["first", "random"])
def test_one_order_is_enough_where_one_was_asked(orders: str) -> None:
    assert together([verdict((B, A), 0.9)], orders).p_a == pytest.approx(0.1)
    assert together([verdict((B, A), 0.9)], orders).consistent is None
    assert together([verdict((B, A))], orders).p_a is None


def test_nothing_readable_is_no_tie() -> None:
    made = together(both(None, None))
    assert (made.p_a, made.n_invalid) == (None, 2)


def test_written_verdicts_count_one_zero_and_a_half() -> None:
    samples = [verdict((A, B), value=value, sample=i) for i, value in enumerate(("A", "A", "tie", "B"))]
    others = [verdict((B, A), value=value, sample=i) for i, value in enumerate(("B", "B", "B", "A"))]
    # shown first: (1 + 1 + 0.5 + 0) / 4 = 0.625; shown second: (1 + 1 + 1 + 0) / 4 = 0.75
    assert together(samples + others).p_a == pytest.approx(0.6875)


def test_a_sample_that_cannot_be_read_is_left_out_and_counted() -> None:
    made = together([*both(0.9, 0.3), verdict((A, B), sample=1)])
    assert made.p_a == pytest.approx(0.8)
    assert (made.n_valid, made.n_invalid) == (2, 1)


def test_raters_weigh_alike_however_many_verdicts_they_gave() -> None:
    many = [one for i in range(3) for one in both(1.0, 0.0, rater="eager", sample=i)]
    few = both(0.4, 0.6, rater="terse")
    made = together(many + few)
    assert made.p_a == pytest.approx((1.0 + 0.4) / 2)
    assert made.raters == ("eager", "terse")


def test_principles_weigh_alike_however_many_samples_could_be_read() -> None:
    verdicts = [
        *both(1.0, 0.0, principle_id="c/kind", sample=0),
        *both(1.0, 0.0, principle_id="c/kind", sample=1),
        *both(0.4, 0.6, principle_id="c/brief"),
    ]
    made = together(verdicts)
    assert made.p_a == pytest.approx(0.7)
    assert made.principle_ids == ("c/brief", "c/kind")


def test_a_rater_read_in_one_order_only_does_not_bring_its_bias_in() -> None:
    half_read = [verdict((A, B), 1.0, rater="other"), verdict((B, A), rater="other")]
    assert together(both(0.6, 0.4) + half_read).p_a == pytest.approx(0.6)
    of_another_principle = [verdict((B, A), 1.0, principle_id="c/kind"), verdict((A, B), principle_id="c/kind")]
    assert together(both(0.6, 0.4) + of_another_principle).p_a == pytest.approx(0.6)
    assert together([half_read[0], of_another_principle[0]]).p_a is None  # two halves make no whole


def test_verdicts_of_two_comparisons_and_of_none_are_refused() -> None:
    for others in ([verdict((A, C), 0.5)], [score(C, 3)]):
        with pytest.raises(ValueError, match="verdicts of one comparison, found 1 prompts and 3 answers"):
            together([verdict((A, B), 0.5), *others])
    with pytest.raises(ValueError, match="verdicts of one comparison, found 2 prompts and 2 answers"):
        together([verdict((A, B), 0.5), verdict((A, B), 0.5, prompt_id="q")])
    with pytest.raises(ValueError, match="verdicts of one comparison, found 0"):
        together([])
    with pytest.raises(ValueError, match="name the comparison where more than two answers were shown"):
        together([ranking((A, B, C), (1, 2, 3))])


VERDICTS = st.lists(
    st.builds(
        verdict,
        shown=st.sampled_from([(A, B), (B, A)]),
        p_first=st.none() | st.floats(0, 1),
        rater=st.sampled_from(["x", "y"]),
        principle_id=st.sampled_from([None, "c/kind", "c/brief"]),
        sample=st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
)
ORDERS = st.sampled_from(["both", "random", "first"])
DISAGREEMENTS = st.sampled_from(["mean", "tie", "drop"])


@given(VERDICTS, ORDERS, DISAGREEMENTS, st.randoms())
def test_the_order_of_arrival_counts_for_nothing(verdicts: list[Verdict], orders: str, how: str, rng: Any) -> None:
    shuffled = list(verdicts)
    rng.shuffle(shuffled)
    assert together(shuffled, orders, how) == together(verdicts, orders, how)
    assert majority(shuffled) == majority(verdicts)


@given(VERDICTS, ORDERS, DISAGREEMENTS)
def test_every_verdict_is_counted_and_p_is_a_probability(verdicts: list[Verdict], orders: str, how: str) -> None:
    made = together(verdicts, orders, how)
    assert made.n_valid + made.n_invalid == len(verdicts) == len(made.verdict_ids)
    assert made.p_a is None or 0 <= made.p_a <= 1
    assert made.n_valid or made.p_a is None


@given(VERDICTS, ORDERS)
def test_a_judge_that_swaps_its_labels_swaps_the_result(verdicts: list[Verdict], orders: str) -> None:
    def swapped(one: Verdict) -> Verdict:
        return verdict((one.shown[1], one.shown[0]), one.p_first(), **one.model_dump(include={"rater", "principle_id"}))

    p, q = (together(found, orders).p_a for found in (verdicts, [swapped(one) for one in verdicts]))
    assert (p is None) == (q is None)
    if p is not None and q is not None:
        assert p == pytest.approx(1 - q)


def test_one_vote_is_no_agreement() -> None:
    # one voice, one order, one reading of scores: nothing is there for it to agree with
    assert together([verdict((A, B), value="A")], "first").consistent is None
    assert together([verdict((A, B), value="A")], "both").consistent is None
    assert together([score(A, 8), score(B, 3)]).consistent is None
    assert raters_together([verdict((A, B), value="A")]).consistent is None
    assert majority([vote("x", "A")]).consistent is None


@pytest.mark.parametrize("orders", ["both", "random", "first"])
def test_scores_are_whole_without_a_second_order(orders: str) -> None:
    made = together([score(A, 8), score(B, 3)], orders)
    assert (made.p_a, made.consistent, made.raters) == (1.0, None, ("judge",))
    assert (made.n_valid, made.a, made.b) == (2, A, B)
    half_read = together([score(A, 8), score(B, None)], orders)
    assert (half_read.p_a, half_read.raters, half_read.n_invalid) == (None, (), 1)


def test_a_grader_and_a_judge_of_pairs_weigh_alike() -> None:
    # the grader says 0 (2 under 6); the judge (0.9 + 1 - 0.3) / 2 = 0.8; its orders alone tell of consistency
    found = [*both(0.9, 0.3), score(A, 2, rater="grader"), score(B, 6, rater="grader")]
    made = together(found)
    assert made.p_a == pytest.approx(0.4)
    assert made.consistent is True
    assert made.raters == ("grader", "judge")
    assert raters_together(found).p_a == pytest.approx(0.4)
    assert majority(found).p_a == 0.5  # one for a, one for b


def test_equal_grades_are_half_a_vote_and_no_win() -> None:
    made = together([score(A, 5), score(B, 5)])
    assert (made.p_a, made.decisive) == (0.5, None)
    assert majority([score(A, 5), score(B, 5)]).p_a == 0.5


def test_a_ranking_of_many_is_put_together_for_every_two_of_them() -> None:
    # given order A B C: A > C > B; reversed order C B A: A = B > C
    found = [ranking((A, B, C), (1, 3, 2)), ranking((C, B, A), (3, -2, 1))]
    one = {
        other: judge_together(
            found, orders="both", disagreement="mean", comparison=Comparison("p", *sorted(("s2:aaa", other)))
        )
        for other in (B, C)
    }
    assert (one[B].p_a, one[B].consistent) == (0.75, False)  # 1 and a tie
    assert (one[C].p_a, one[C].consistent) == (1.0, True)
    between = judge_together(found, orders="both", disagreement="tie", comparison=Comparison("p", B, C))
    assert (between.p_a, between.consistent) == (0.5, False)  # 0 and 1: the orders contradict each other
    half = judge_together([found[0], ranking((C, B, A), None)], orders="both", disagreement="mean", comparison=AB)
    assert half.p_a is None


def test_people_may_rank_and_grade() -> None:
    graded = [score(A, 8, rater="x", rater_kind="person"), score(B, 3, rater="x", rater_kind="person")]
    ranked = [ranking((B, A), (2, 1), rater="y", rater_kind="person")]
    made = majority([*graded, *ranked, vote("z", "B")])
    assert made.p_a == pytest.approx(2 / 3)
    assert made.raters == ("x", "y", "z")


def vote(rater: str, value: str | None, shown: tuple[str, str] = (A, B)) -> Verdict:
    reason = None if value else "no answer"
    return verdict(shown, value=value, invalid=reason, rater=rater, rater_kind="person")


@pytest.mark.parametrize(
    ("votes", "p_a"),
    [
        (["A"], 1.0),
        (["A", "A", "B"], 2 / 3),
        (["A", "B"], 0.5),
        (["tie"], 0.5),
        (["A", "tie"], 0.5),
        (["A", "tie", "tie"], 0.5),
        (["A", "A", "tie"], 5 / 6),
        (["A", "A", "B", "B", "tie"], 0.5),
        (["A", None], 1.0),
        ([None], None),
    ],
)
def test_people_are_put_together_by_majority_and_a_draw_is_a_tie(votes: list[str | None], p_a: float | None) -> None:
    made = majority([vote(f"person-{i}", value) for i, value in enumerate(votes)])
    assert made.p_a == (None if p_a is None else pytest.approx(p_a))
    assert made.rater_kind == "person"
    assert made.consistent is None


def test_people_may_see_different_orders() -> None:
    assert majority([vote("x", "A", (A, B)), vote("y", "B", (B, A))]).p_a == 1.0


def test_where_a_model_took_part_no_person_is_named_for_it() -> None:
    model = verdict((A, B), value="A")
    for mixed in ([model, vote("x", "A")], [vote("x", "A"), model]):
        assert majority(mixed).rater_kind == "model"


def test_only_raters_that_count_are_named() -> None:
    half_read = [verdict((A, B), 1.0, rater="half"), verdict((B, A), rater="half")]
    made = together([*both(0.6, 0.4, rater="whole"), *half_read])
    assert made.p_a == pytest.approx(0.6)
    assert (made.raters, made.n_invalid) == (("whole",), 1)
    assert majority([vote("x", "A"), vote("y", None)]).raters == ("x",)
    assert together(both(None, None)).raters == ()


def test_raters_asked_in_one_order_and_in_both_weigh_alike() -> None:
    # x: mean of 0.9 and 1 - 0.6 = 0.4 is 0.65, y was shown b first: 1 - 0.2, z cannot say: (0.65 + 0.8) / 2
    asked = [*both(0.9, 0.6, rater="x"), verdict((B, A), 0.2, rater="y"), verdict(rater="z")]
    made = raters_together(asked)
    assert made.p_a == pytest.approx(0.725)
    assert (made.raters, made.consistent, made.n_invalid) == (("x", "y"), False, 1)
    assert raters_together(asked[2:]).consistent is None


def test_an_order_that_is_not_on_record_is_no_second_order() -> None:
    made = raters_together([verdict((A, B), 0.9, order="unknown"), verdict((A, B), 0.7)])
    assert made.p_a == pytest.approx(0.8)
    assert made.consistent is None
    made = raters_together([verdict((A, B), 0.9, order="unknown"), verdict((B, A), 0.3)])
    assert made.consistent is None


@given(VERDICTS, st.randoms())
def test_raters_together_is_a_probability_whatever_the_order_of_arrival(verdicts: list[Verdict], rng: Any) -> None:
    shuffled = list(verdicts)
    rng.shuffle(shuffled)
    made = raters_together(verdicts)
    assert raters_together(shuffled) == made
    assert made.p_a is None or 0 <= made.p_a <= 1
    assert (made.p_a is None) == (made.raters == ())
