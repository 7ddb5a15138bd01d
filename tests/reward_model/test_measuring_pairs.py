"""Every pair counts once: answers worked out by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from amendment.reward_model import evaluate_pairs


def test_nine_pairs_of_which_eight_are_right_are_eight_ninths() -> None:
    # in batches of eight and one, a mean of batch means would say (8/8 + 0/1) / 2 = 0.5
    chosen, rejected = [1.0] * 8 + [0.0], [0.0] * 8 + [1.0]
    result = evaluate_pairs(chosen, rejected, range(9))
    assert result.accuracy.value == pytest.approx(8 / 9)
    assert (result.accuracy.n, result.accuracy.clusters) == (9, 9)
    # eight times ln(1 + e^-1), once ln(1 + e)
    expected = (8 * math.log1p(math.exp(-1)) + math.log1p(math.e)) / 9
    assert result.log_loss.value == pytest.approx(expected)


def test_ties_count_half() -> None:
    assert evaluate_pairs([1, 2], [1, 1], ["a", "b"]).accuracy.value == 0.75


def test_categories_and_their_plain_mean() -> None:
    # a: 1 of 2, b: 1 of 1; macro 3/4, plain 2/3
    result = evaluate_pairs([1, 0, 1], [0, 1, 0], [1, 2, 3], categories=["a", "a", None])
    assert {name: estimate.value for name, estimate in result.by_category.items()} == {"": 1.0, "a": 0.5}
    assert result.macro is not None
    assert result.macro.value == 0.75
    assert result.accuracy.value == pytest.approx(2 / 3)


def test_a_judge_of_length_is_wrong_wherever_the_shorter_answer_was_chosen() -> None:
    chosen_lengths, rejected_lengths = [5, 9, 9, 4], [7, 3, 3, 4]
    result = evaluate_pairs(
        chosen_lengths, rejected_lengths, range(4), chosen_lengths=chosen_lengths, rejected_lengths=rejected_lengths
    )
    assert result.chosen_shorter is not None
    assert result.chosen_longer is not None
    assert (result.chosen_shorter.value, result.chosen_shorter.n) == (0.0, 1)
    assert (result.chosen_longer.value, result.chosen_longer.n) == (1.0, 2)


def test_pairs_without_a_score_are_left_out_and_counted() -> None:
    result = evaluate_pairs([1, np.nan, 2], [0, 0, np.inf], ["p", "q", "r"], categories=["a", "b", "c"])
    assert (result.accuracy.value, result.accuracy.n, result.unscored) == (1.0, 1, 2)
    assert list(result.by_category) == ["a"]


def test_pairs_of_one_prompt_are_one_cluster() -> None:
    result = evaluate_pairs([1, 1, 0], [0, 0, 1], ["p", "p", "q"])
    assert result.accuracy.clusters == 2


def test_an_empty_evaluation_is_json_without_nan() -> None:
    text = json.dumps(evaluate_pairs([], [], []).to_json(), allow_nan=False)
    accuracy = json.loads(text)["accuracy"]
    assert [accuracy[key] for key in ("value", "low", "high", "n", "clusters")] == [None, None, None, 0, 0]


def test_margins_of_a_policy_are_scores_against_zero() -> None:
    assert evaluate_pairs([0.2, -0.1, 0.3, 0.4], [0.0] * 4, range(4)).accuracy.value == 0.75
