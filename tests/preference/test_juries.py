"""Juries and cascades: who counts, what a split is, what weights from labels make of raters, who is asked next."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial

import numpy as np
import pytest

from amendment.errors import ConfigError
from amendment.llm.model import Ending
from amendment.preference import RaterVote, aggregate_verdicts, take_majority
from amendment.preference.panel import (
    FEWEST_LABELS,
    Escalation,
    JudgedComparison,
    PanelCounts,
    Unweighed,
    Weighed,
    escalate,
    jury_result,
    weigh,
)
from amendment.records import Comparison, Judgement, Verdict
from tests.preference.verdicts import A, B, verdict

RATERS = ("one", "two", "three")
aggregate = partial(aggregate_verdicts, orders="both", disagreement="mean")


def jury(*raters: tuple[float | None, float | None]) -> list[Verdict]:
    """Each rater's verdicts in both orders, as P(a); None for one that could not be read."""
    return [
        verdict(shown, None if p is None else p if shown[0] == A else 1 - p, rater=name, principle_id="c/p")
        for name, by_order in zip(RATERS, raters, strict=False)
        for p, shown in zip(by_order, ((A, B), (B, A)), strict=True)
    ]


def test_each_rater_is_aggregated_over_its_orders_before_it_votes() -> None:
    # 0.9 and 0.2: mean 0.55, a vote for a. 0.7 and 0.4: 0.55, for a. 0.1 and 0.1: for b. Two of three say a; the mean
    # of the three, (0.55 + 0.55 + 0.1) / 3 = 0.4, says b, so that P is the share of votes: 2/3.
    verdicts = jury((0.9, 0.2), (0.7, 0.4), (0.1, 0.1))
    result = jury_result(verdicts, aggregate, "majority")
    assert [result.by_rater[name].p_a for name in RATERS] == pytest.approx([0.55, 0.55, 0.1])
    assert result.judgement.p_a == pytest.approx(2 / 3)
    assert result.judgement.decisive is None  # the principle stands on the side of the mean
    assert jury_result(verdicts, aggregate, "mean").judgement.p_a == pytest.approx(0.4)
    for names in itertools.permutations(RATERS):
        reordered = [one for name in names for one in verdicts if one.rater == name]
        assert jury_result(reordered, aggregate, "majority") == result


def test_people_agree_with_a_tier_of_judges_by_its_own_decision_and_not_by_that_of_a_check() -> None:
    judges = Judgement(prompt_id="p", a="a", b="b", p_a=0.9)
    checked = judges.model_copy(update={"p_a": 0.0, "rater_kind": "verifier"})
    comparison = Comparison("p", "a", "b")
    counts = PanelCounts(["cheap"])
    counts.add(
        [JudgedComparison(comparison, [], Ending("done"), checked, {}, Escalation(judges, 0, False, (judges,)))],
        [],
        {comparison.id: 0.0},
    )
    assert counts.tiers()["first judges"]["people agree"]["value"] == 0


Rows = list[tuple[float | None, ...]]
Labels = list[float | None]


def weighed(rows: Rows, labels: Labels) -> Weighed:
    """Comparison i belongs to prompt i // 2."""
    judgements = [Judgement(prompt_id=f"q{i // 2}", a=f"a{i}", b=f"b{i}", p_a=0.5) for i in range(len(rows))]
    jury = [Unweighed(one, dict(zip(RATERS, row, strict=True))) for one, row in zip(judgements, rows, strict=True)]
    people = {one.comparison_id: p for one, p in zip(judgements, labels, strict=True) if p is not None}
    return weigh(jury, people, RATERS)


def p_better(weighed: Weighed) -> Labels:
    return [judgement.p_a for judgement in weighed.judgements]


def planted(right: list[float], *, items: int, seed: int) -> tuple[list[bool], Rows]:
    """Independent raters that are right with these probabilities, each of them as sure as it deserves or surer."""
    random = np.random.default_rng(seed)
    truth = random.random(items) < 0.5
    is_right = random.random((items, len(right))) < right
    rows = np.where(is_right == truth[:, None], 0.9, 0.1)
    return truth.tolist(), [tuple(row) for row in rows.tolist()]


def right_share(found: Labels, truth: list[bool]) -> float:
    return float(np.mean([(p or 0) > 0.5 if is_a else (p or 0) < 0.5 for p, is_a in zip(found, truth, strict=True)]))


def test_labels_tell_which_rater_to_trust() -> None:
    truth, rows = planted([0.95, 0.65, 0.6], items=1500, seed=7)
    labels: Labels = [float(is_a) if index < 200 else None for index, is_a in enumerate(truth)]
    by_majority = [take_majority(RaterVote.of(p) for p in row if p is not None) for row in rows]
    found = weighed(rows, labels)
    assert right_share(p_better(found), truth) > right_share(by_majority, truth) + 0.05
    assert max(found.weights, key=lambda rater: found.weights[rater]) == "one"


def test_a_comparison_without_a_vote_stays_undecided() -> None:
    _, rows = planted([0.9, 0.8, 0.6], items=60, seed=4)
    labels: Labels = [1.0, 0.0] * 30
    more = p_better(weighed([*rows, (None, None, None)], [*labels, 1.0]))
    assert more == [*(pytest.approx(p) for p in p_better(weighed(rows, labels))), None]


@pytest.mark.parametrize("labelled", [0, 1, 29])
def test_too_few_labels_are_counted_and_refused(labelled: int) -> None:
    _, rows = planted([0.9, 0.8, 0.6], items=60, seed=4)
    labels: Labels = [1.0 if index < labelled else None for index in range(60)]
    with pytest.raises(ConfigError, match=f"found {labelled} .*expected {FEWEST_LABELS} at least"):
        weighed([*rows, (None, None, None)], [*labels, 1.0])  # a label without a vote teaches nothing


@pytest.mark.parametrize(
    ("tiers", "confidence", "rests_on", "p_a", "is_unsure", "asked"),
    [
        ([0.95, 0.1], 0.8, 0, 0.95, False, 1),
        ([0.8, 0.1], 0.8, 1, 0.1, False, 2),
        ([0.9, 0.1], 0.8, 0, 0.9, False, 1),  # |2 * 0.9 - 1| is 0.8, but for rounding
        ([0.5, 0.6], 0.8, 1, 0.6, True, 2),
        ([None, 0.95], 0.8, 1, 0.95, False, 2),
        ([0.6, None], 0.8, 0, 0.6, True, 2),  # the last that could be read
        ([None, None], 0.8, 1, None, True, 2),
        ([0.5, 0.9], 0.0, 0, 0.5, False, 1),
        ([None], 0.0, 0, None, True, 1),
    ],
)
def test_a_cascade_rests_on_the_first_confident_tier(
    *, tiers: Labels, confidence: float, rests_on: int, p_a: float | None, is_unsure: bool, asked: int
) -> None:
    async def ask(p: float | None) -> Judgement:
        return Judgement(prompt_id="p", a=A, b=B, p_a=p)

    found = asyncio.run(escalate([partial(ask, p) for p in tiers], confidence))
    assert (found.tier, found.judgement.p_a, found.is_unsure) == (rests_on, p_a, is_unsure)
    assert len(found.judgements) == asked
