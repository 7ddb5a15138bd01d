"""Rankings and scores as votes on pairs, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from amendment.preference import aggregate_verdicts, as_pair_verdicts
from amendment.records import Verdict


def verdict(**fields: Any) -> Verdict:
    return Verdict(**{"prompt_id": "q", "rater": "r", "principle_id": "c/p", **fields})


def test_a_verdict_on_a_pair_stays_as_it_is() -> None:
    pair = verdict(scale="pair", shown=("b", "a"), value="A", distribution={"A": 0.8, "B": 0.2})
    assert list(as_pair_verdicts([pair])) == [pair]


def test_a_ranking_of_three_is_three_votes_in_the_order_in_which_it_saw_them() -> None:
    # Shown c, a, b and ranked 2, then 1 and, as good as that, 3: a is the best, b and c are equal.
    ranking = verdict(scale="ranking", shown=("c", "a", "b"), value=(2, 1, -3))
    found = {vote.shown: vote.value for vote in as_pair_verdicts([ranking])}
    assert found == {("a", "b"): "A", ("c", "a"): "B", ("c", "b"): "tie"}


def test_two_scores_are_one_vote_of_no_displayed_order() -> None:
    scores = [verdict(scale="score", shown=(name,), value=value) for name, value in (("a", 3.0), ("b", 7.0))]
    [vote] = as_pair_verdicts(scores)
    assert (vote.shown, vote.value, vote.order) == (("a", "b"), "B", "unknown")


def test_what_could_not_be_read_is_an_invalid_vote() -> None:
    scores = [
        verdict(scale="score", shown=("a",), value=3.0),
        verdict(scale="score", shown=("b",), invalid="no score"),
        verdict(scale="ranking", shown=("a", "b"), invalid="no ranking", rater="s"),
    ]
    found = {vote.rater: vote for vote in as_pair_verdicts(scores)}
    assert found["r"].value is found["s"].value is None
    assert found["r"].invalid


def test_votes_come_to_what_the_verdicts_came_to() -> None:
    rankings = [
        verdict(scale="ranking", shown=("a", "b"), value=(1, 2)),
        verdict(scale="ranking", shown=("b", "a"), value=(1, 2)),
        verdict(scale="ranking", shown=("a", "b"), value=(2, 1), principle_id="c/q"),
        verdict(scale="ranking", shown=("b", "a"), value=(1, 2), principle_id="c/q"),
    ]
    ours = aggregate_verdicts(list(as_pair_verdicts(rankings)), orders="both", disagreement="mean")
    # By p the orders disagree: 1/2. By q both say b: 0. Mean 1/4.
    assert ours.p_a == aggregate_verdicts(rankings, orders="both", disagreement="mean").p_a == pytest.approx(0.25)
