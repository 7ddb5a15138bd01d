"""Rankings and scores as votes on pairs, worked out by hand."""

from __future__ import annotations

from typing import Any

from amendment.preference import as_pair_verdicts
from amendment.records import Verdict


def verdict(**fields: Any) -> Verdict:
    return Verdict(**{"prompt_id": "q", "rater": "r", "principle_id": "c/p", **fields})


def test_a_verdict_on_a_pair_stays_as_it_is() -> None:
    pair = verdict(scale="pair", shown=("b", "a"), value="A", distribution={"A": 0.8, "B": 0.2})
    assert list(as_pair_verdicts([pair])) == [pair]


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
