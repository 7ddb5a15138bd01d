"""Evaluation of reward models on pairs and pools: accuracy, people, baselines, and how it is told."""

from __future__ import annotations

import math
from typing import Any

import pytest

from amendment.errors import DataError
from amendment.reward_model import (
    evaluate_reward,
    length_baseline,
    people_share,
)


def by_number(rows: Any) -> list[float]:
    """A model whose score is the first word of the answer; `long` has none."""
    words = [row["completion"][0]["content"].split()[0] for row in rows]
    return [math.nan if word == "long" else float(word) for word in words]


def pair(prompt: str, chosen: str, rejected: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


PAIRS = [
    pair("q", "2 yes", "1 certainly not", category="a", first="chosen"),
    pair("q", "1 yes", "2", category="a", first="rejected"),
    pair("r", "1 well then", "1 no", category="b", first="chosen"),
    pair("s", "long", "1 no", category="b"),
]


def test_pairs_by_hand() -> None:
    found = evaluate_reward(by_number, PAIRS)
    pairs = found.pairs
    assert pairs
    assert pairs.accuracy.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert (pairs.accuracy.n, pairs.accuracy.clusters, pairs.unscored) == (3, 2, 1)
    # category a: 1 of 2; category b: the tie counts half
    assert pairs.macro
    assert pairs.macro.value == pytest.approx((0.5 + 0.5) / 2)
    # the first is right and shorter; the second is longer and lost, the third longer and even
    assert pairs.chosen_shorter
    assert pairs.chosen_longer
    assert (pairs.chosen_shorter.value, pairs.chosen_longer.value) == (1.0, 0.25)
    assert found.always_first
    assert found.always_first.value == pytest.approx(2 / 3)
    assert (found.people, found.rows, found.undecided) == (None, {"pairs": 4}, 0)


def test_messages_and_texts_are_scored_alike() -> None:
    messages = {
        "prompt": [{"role": "user", "content": "q"}],
        "chosen": [{"role": "assistant", "content": "2 yes"}],
        "rejected": [{"role": "assistant", "content": "1 certainly not"}],
    }
    asked: list[Any] = []

    def seen(rows: Any) -> list[float]:
        asked.append(rows)
        return by_number(rows)

    for one in (messages, pair("q", "2 yes", "1 certainly not")):
        assert evaluate_reward(seen, [one]).pairs
    assert asked[0] == asked[1]


def test_against_people_by_hand() -> None:
    # P = 1 / (1 + e^-d): gaps ln 4 and 0 give 0.8 and 0.5, people say 2/3 and 1/2
    rows = [pair("q", str(math.log(4)), "0", p_people=2 / 3), pair("r", "1", "1", p_people=0.5), pair("s", "1", "0")]
    found = evaluate_reward(by_number, rows)
    report = found.people
    assert report
    assert (report.n, report.ties) == (2, 1)
    assert report.brier.value == pytest.approx(((0.8 - 2 / 3) ** 2 + 0) / 2)
    first = -(2 / 3 * math.log(0.8) + 1 / 3 * math.log(0.2))
    assert report.log_loss.value == pytest.approx((first + math.log(2)) / 2)
    # the tie of people has no better answer, and no accuracy counts it
    assert found.undecided == 1
    assert found.pairs
    assert found.pairs.accuracy.n == 2


@pytest.mark.parametrize(
    ("row", "share"),
    [
        ({"decided_by": "person", "p_chosen": 0.75}, 0.75),
        ({"decided_by": "judge", "p_chosen": 0.75}, math.nan),
        ({"decided_by": "person"}, 1.0),
        ({"p_people": 0.6, "decided_by": "judge"}, 0.6),
    ],
)
def test_what_people_said_of_a_row(row: dict[str, Any], share: float) -> None:
    assert people_share(row) == pytest.approx(share, nan_ok=True)


def test_the_baseline_by_length_is_the_better_of_longer_and_shorter() -> None:
    long, short = "a long answer", "short"
    often_shorter = [pair(f"q{i}", long if i == 0 else short, short if i == 0 else long) for i in range(4)]
    ((name, found),) = length_baseline(often_shorter).items()
    assert found.pairs
    assert (name, found.pairs.accuracy.value) == ("the shorter answer", 0.75)
    pool = {"prompt": "z", "candidates": [long, short], "best": 1}
    assert list(length_baseline([pool])) == ["the shorter answer"]
    assert list(length_baseline([{**pool, "best": 0}])) == ["the longer answer"]


def test_a_score_that_is_no_number_for_each_answer_is_refused() -> None:
    with pytest.raises(DataError, match="expected one number for each of 2 answers"):
        evaluate_reward(lambda rows: [1.0], PAIRS[:1])
    with pytest.raises(DataError, match="no row to evaluate on"):
        evaluate_reward(by_number, [])
