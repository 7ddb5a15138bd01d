"""Answers one by one: scores, choices and rankings follow the same look as verdicts on pairs."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, stdev

import pytest

from amendment.simulator import (
    SCORES,
    Persona,
    choice_of,
    grade,
    prefer,
    rank,
    score_logprobs,
    truth,
    word_ranking,
    word_score,
)
from amendment.simulator.dice import dice_for

EXACT = Persona(noise=0, position_bias=0, leak=0, unreadable=0, explains=0)
RIGHT, WRONG, RUDE = "the answer is 11 because sum", "the answer is 12", "the answer is 11 because sum you fool"


def graded(answer: str, persona: Persona = EXACT, *principles: str, seed: int = 0) -> float:
    return grade("add 3 8", answer, principles=principles, persona=persona, rng=dice_for(seed))


def test_a_grade_is_the_worth_above_one_half() -> None:
    assert graded(RIGHT, EXACT, "correct") == pytest.approx(EXACT.gain * 0.5)
    assert graded(WRONG, EXACT, "correct") == pytest.approx(-EXACT.gain * 0.5)
    assert graded(WRONG) == pytest.approx(EXACT.gain * (truth("add 3 8", WRONG).utility - 0.5))


def test_without_noise_two_grades_differ_as_the_verdict_on_the_pair_says() -> None:
    pair = prefer("add 3 8", RIGHT, RUDE, principles=("polite",), persona=EXACT, rng=dice_for(0))
    assert graded(RIGHT, EXACT, "polite") - graded(RUDE, EXACT, "polite") == pytest.approx(pair)


def test_two_noisy_grades_err_together_as_one_verdict_does() -> None:
    noisy = EXACT.model_copy(update={"noise": 1.0})
    gaps = [graded(RIGHT, noisy, seed=seed) - graded(RUDE, noisy, seed=-seed - 1) for seed in range(2000)]
    # two independent errors of variance 1/2 each; the standard error of a deviation from 2,000 draws is .016
    assert stdev(gaps) == pytest.approx(1.0, abs=0.06)
    assert fmean(gaps) == pytest.approx(graded(RIGHT) - graded(RUDE), abs=0.1)


def test_the_error_of_an_answer_stays_and_is_shared_by_source() -> None:
    one = EXACT.model_copy(update={"pair_noise": 2.0, "pair_noise_source": "blind spot"})
    assert graded(RIGHT, one, seed=1) == graded(RIGHT, one, seed=2) != graded(RIGHT)
    assert graded(RIGHT, one.model_copy(update={"pair_noise_source": "other"})) != graded(RIGHT, one)


def test_outside_the_world_an_answer_is_middling() -> None:
    assert grade("who are you", "a toy", persona=EXACT, rng=dice_for(0)) == 0


def test_score_probabilities_have_their_mean_where_the_grade_is() -> None:
    for odds in (-2.0, 0.0, 1.0):
        found = {int(score): math.exp(log) for score, log in score_logprobs(odds).items()}
        assert tuple(map(str, found)) == SCORES
        total = sum(found.values())
        assert total == pytest.approx(0.999)
        mean = sum(score * p for score, p in found.items()) / total
        # 1 + 9 / (1 + e^-odds): 2.07, 5.5 and 7.58; the ends of the scale cut the bell a little
        assert mean == pytest.approx(1 + 9 / (1 + math.exp(-odds)), abs=0.25)
    means = [max(score_logprobs(odds), key=score_logprobs(odds).__getitem__) for odds in (-9.0, -1.0, 1.0, 9.0)]
    assert [int(score) for score in means] == [1, 3, 8, 10]


@pytest.mark.parametrize("odds", [-1e9, 1e9])
def test_extreme_grades_stay_finite(odds: float) -> None:
    assert all(map(math.isfinite, score_logprobs(odds).values()))
    assert choice_of(odds, ["no", "yes"], temperature=0, rng=dice_for(0)) == ("yes" if odds > 0 else "no")


def test_a_cold_score_in_words_is_the_likeliest_and_a_warm_one_is_drawn() -> None:
    cold = {word_score(0.0, temperature=0, persona=EXACT, rng=dice_for(seed)) for seed in range(5)}
    assert len(cold) == 1
    warm = [word_score(0.0, temperature=1, persona=EXACT, rng=dice_for(seed)) for seed in range(400)]
    assert fmean(int(text.removeprefix("Score: ")) for text in warm) == pytest.approx(5.5, abs=0.2)
    told = word_score(0.0, temperature=0, persona=EXACT, rng=dice_for(0), reasons=True)
    assert len(told.splitlines()) == 2
    lost = [word_score(0.0, temperature=1, persona=Persona(unreadable=1), rng=dice_for(seed)) for seed in range(9)]
    assert all(text.count("Score: ") != 1 for text in lost)


def test_better_grades_choose_higher_choices() -> None:
    choices = ["no", "partly", "yes"]
    chosen = [choice_of(odds, choices, temperature=0, rng=dice_for(0)) for odds in (-2.0, 0.0, 2.0)]
    assert chosen == choices


def test_a_ranking_puts_the_better_first_and_equals_together() -> None:
    assert rank("add 3 8", [WRONG, RIGHT, RUDE, RIGHT], persona=EXACT, rng=dice_for(0)) == [[2, 4], [3], [1]]
    assert rank("add 3 8", [], persona=EXACT, rng=dice_for(0)) == []
    groups = [[2], [1, 3]]
    assert word_ranking(groups, persona=EXACT, rng=dice_for(0)) == "Ranking: 2 > 1 = 3"


def test_position_bias_falls_from_the_first_shown_to_the_last() -> None:
    biased = EXACT.model_copy(update={"position_bias": 1.5})
    assert rank("add 3 8", [RIGHT] * 4, persona=biased, rng=dice_for(0)) == [[1], [2], [3], [4]]
    backwards = EXACT.model_copy(update={"position_bias": -1.5})
    assert rank("add 3 8", [RIGHT] * 4, persona=backwards, rng=dice_for(0)) == [[4], [3], [2], [1]]


def test_longer_noise_makes_rankings_of_one_pool_differ() -> None:
    noisy = EXACT.model_copy(update={"noise": 3.0, "tie_width": 0.0})
    orders = [rank("add 3 8", [RIGHT, WRONG, RUDE], persona=noisy, rng=dice_for(seed)) for seed in range(30)]
    assert any(one != other for one, other in pairwise(orders))
