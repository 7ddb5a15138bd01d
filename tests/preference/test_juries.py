"""Juries: who counts, what a split is, and what run-wide ways of counting make of raters whose errors are known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import ConfigError
from amendment.preference import Vote, aggregate_verdicts
from amendment.preference.aggregate import majority_of as majority_of_votes
from amendment.preference.juries import FEWEST_LABELS, JuryKind, Panel, hear
from amendment.records import Judgement, Verdict

RATERS = ("one", "two", "three")

def majority_of(votes: Sequence[float | None]) -> float | None:
    return majority_of_votes(Vote.of(p) for p in votes if p is not None)


together = partial(aggregate_verdicts, orders="both", disagreement="mean")


def said(rater: str, by_order: tuple[float | None, float | None], principle: str = "p") -> list[Verdict]:
    """A rater's verdicts in both orders, as P(a); None for one that could not be read."""
    return [
        Verdict(
            scale="pair",
            prompt_id="q",
            shown=shown,
            value=None if p is None else ("A" if (p if shown[0] == "a" else 1 - p) >= 0.5 else "B"),
            distribution=None
            if p is None
            else {"A": p if shown[0] == "a" else 1 - p, "B": 1 - p if shown[0] == "a" else p},
            invalid="no verdict" if p is None else None,
            principle_id=principle,
            rater=rater,
        )
        for p, shown in zip(by_order, (("a", "b"), ("b", "a")), strict=True)
    ]


def jury(*raters: tuple[float | None, float | None]) -> list[Verdict]:
    return [verdict for name, p in zip(RATERS, raters, strict=False) for verdict in said(name, p)]


def test_each_rater_is_put_together_over_its_orders_before_it_votes() -> None:
    # 0.9 and 0.2: mean 0.55, a vote for a. 0.7 and 0.4: 0.55, for a. 0.1 and 0.1: for b. Two of three say a; the mean
    # of the three, (0.55 + 0.55 + 0.1) / 3 = 0.4, says b, so that P is the share of votes: 2/3.
    heard = hear(jury((0.9, 0.2), (0.7, 0.4), (0.1, 0.1)), together, "majority")
    assert heard.own == {"one": pytest.approx(0.55), "two": pytest.approx(0.55), "three": pytest.approx(0.1)}
    assert heard.judgement.p_a == pytest.approx(2 / 3)
    assert hear(jury((0.9, 0.2), (0.7, 0.4), (0.1, 0.1)), together, "mean").judgement.p_a == pytest.approx(0.4)


def test_a_rater_of_which_one_order_could_not_be_read_abstains_and_is_not_named() -> None:
    heard = hear(jury((0.9, 0.9), (0.2, None), (0.8, 0.8)), together, "majority")
    assert heard.own["two"] is None
    assert heard.judgement.raters == ("one", "three")
    assert heard.judgement.p_a == pytest.approx(0.85)
    assert (heard.judgement.n_valid, heard.judgement.n_invalid) == (5, 1)


def test_an_even_split_is_a_tie_and_silence_is_no_verdict() -> None:
    assert hear(jury((0.9, 0.9), (0.2, 0.2)), together, "majority").judgement.p_a == 0.5
    nobody = hear(jury((None, None), (None, 0.9)), together, "majority")
    assert nobody.judgement.p_a is None
    assert nobody.judgement.raters == ()


def test_a_jury_of_one_is_that_judge_whatever_the_jury() -> None:
    alone = jury((0.9, 0.2))
    for kind in ("mean", "majority", "dawid-skene", "stacked"):
        heard = hear(alone, together, kind)
        assert heard.judgement == together(alone)
        assert heard.own == {"one": pytest.approx(0.55)}


def test_the_principle_that_decided_is_named_only_where_the_majority_follows_it() -> None:
    with_mean = hear(jury((0.9, 0.9), (0.8, 0.8), (0.3, 0.3)), together, "majority").judgement
    assert with_mean.decisive == "p"
    against = hear(jury((0.55, 0.55), (0.55, 0.55), (0.1, 0.1)), together, "majority").judgement
    assert against.p_a == pytest.approx(2 / 3)
    assert against.decisive is None


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=7))
def test_a_majority_turns_round_with_the_answers_and_lies_between_its_votes(votes: list[float | None]) -> None:
    p = majority_of(votes)
    turned = majority_of([None if vote is None else 1 - vote for vote in votes])
    if p is None:
        assert turned is None
        assert not any(vote is not None for vote in votes)
        return
    assert turned == pytest.approx(1 - p)
    sides = [np.sign(round(vote - 0.5, 9)) for vote in votes if vote is not None]
    most = max((-1, 0, 1), key=sides.count)
    if sides.count(most) * 2 > len(sides):
        assert np.sign(round(p - 0.5, 9)) == most


def panel_of(rows: list[tuple[float | None, ...]], labels: list[float | None] | None = None) -> Panel:
    panel = Panel(RATERS[: len(rows[0])] if len(rows[0]) <= 3 else [str(j) for j in range(len(rows[0]))])
    for index, row in enumerate(rows):
        own = dict(zip(panel.raters, row, strict=True))
        panel.add(f"q{index // 2}", own, labels[index] if labels else None)
    return panel


def planted(right: list[float], *, items: int, seed: int) -> tuple[list[bool], list[tuple[float | None, ...]]]:
    """Independent raters that are right with these probabilities, each of them as sure as it deserves or surer."""
    dice = np.random.default_rng(seed)
    truth = dice.random(items) < 0.5
    is_right = dice.random((items, len(right))) < right
    rows = np.where(is_right == truth[:, None], 0.9, 0.1)
    return truth.tolist(), [tuple(row) for row in rows.tolist()]


def right_share(found: list[float | None], truth: list[bool]) -> float:
    return float(np.mean([(p or 0) > 0.5 if is_a else (p or 0) < 0.5 for p, is_a in zip(found, truth, strict=True)]))


def test_dawid_and_skene_know_the_good_rater_and_people_know_it_too() -> None:
    truth, rows = planted([0.95, 0.65, 0.6], items=1500, seed=7)
    labels: list[float | None] = [float(is_a) if index < 200 else None for index, is_a in enumerate(truth)]
    by_votes = right_share([majority_of(row) for row in rows], truth)
    by_labels = right_share(panel_of(rows, labels).decide("stacked"), truth)
    truth, rows = planted([0.95, 0.65, 0.6, 0.6], items=1500, seed=8)
    assert by_labels > by_votes + 0.05
    assert right_share(panel_of(rows).decide("dawid-skene"), truth) > by_votes + 0.05


@pytest.mark.parametrize("kind", ["dawid-skene", "stacked"])
def test_answers_named_the_other_way_round_turn_the_jury_round(kind: JuryKind) -> None:
    truth, rows = planted([0.9, 0.8, 0.6], items=100, seed=3)
    labels: list[float | None] = [float(is_a) for is_a in truth]
    turned = [index % 3 == 0 for index in range(100)]
    flip = [tuple(1 - p for p in row if p is not None) if turn else row for row, turn in zip(rows, turned, strict=True)]
    flipped: list[float | None] = [1 - (y or 0) if turn else y for y, turn in zip(labels, turned, strict=True)]
    found = panel_of(rows, labels).decide(kind)
    other = panel_of(flip, flipped).decide(kind)
    for p, q, turn in zip(found, other, turned, strict=True):
        assert q == pytest.approx(1 - (p or 0) if turn else p, abs=1e-6)


def test_a_comparison_without_a_vote_stays_undecided_and_harms_no_other() -> None:
    _, rows = planted([0.9, 0.8, 0.7], items=60, seed=2)
    for kind in ("dawid-skene", "stacked"):
        labels: list[float | None] = [1.0, 0.0] * 30
        whole = panel_of(rows, labels).decide(kind)
        more = panel_of([*rows, (None, None, None)], [*labels, 1.0]).decide(kind)
        assert more[-1] is None
        assert more[:-1] == pytest.approx(whole)


def test_no_comparison_is_decided_by_its_own_label() -> None:
    _, rows = planted([0.9, 0.8, 0.6], items=60, seed=4)
    labels: list[float | None] = [1.0, 0.0] * 30
    before = panel_of(rows, labels).decide("stacked")
    for index in (0, 17, 59):
        changed = [*labels]
        changed[index] = 1 - (labels[index] or 0)
        after = panel_of(rows, changed).decide("stacked")
        assert after[index] == before[index]
        assert after != before


@pytest.mark.parametrize("labelled", [0, 1, 29])
def test_too_few_labels_are_counted_and_refused(labelled: int) -> None:
    _, rows = planted([0.9, 0.8, 0.6], items=60, seed=4)
    labels = [1.0 if index < labelled else None for index in range(60)]
    panel = panel_of(rows, labels)
    with pytest.raises(ConfigError, match=f"found {labelled} .*expected {FEWEST_LABELS} at least"):
        panel.decide("stacked")


def test_a_label_where_no_judge_could_be_read_teaches_nothing() -> None:
    _, rows = planted([0.9, 0.8, 0.6], items=29, seed=4)
    panel = panel_of([*rows, (None, None, None)], [1.0] * 30)
    assert panel.n_labelled == 29
    with pytest.raises(ConfigError, match="found 29 "):
        panel.decide("stacked")


def test_a_single_vote_is_never_full_agreement() -> None:
    panel = panel_of([(0.9, None, None), (0.9, 0.8, None), (0.9, 0.2, 0.9), (None, None, None)])
    assert panel.unanimous() == (1, 2)
    assert panel.agreement() == {
        ("one", "two"): (0.5, 2),
        ("one", "three"): (1.0, 1),
        ("two", "three"): (0.0, 1),
    }
    only_single = panel_of([(0.9, None, None)] * 5)
    assert only_single.unanimous() == (0, 0)
    assert only_single.agreement() == {}


def test_abstentions_are_counted_for_raters_that_were_asked() -> None:
    panel = Panel(RATERS)
    panel.add("q", {"one": 0.9, "two": None})
    panel.add("q", {"one": 0.9, "two": 0.3, "three": None})
    assert dict(panel.asked) == {"one": 2, "two": 2, "three": 1}
    assert dict(panel.abstained) == {"one": 0, "two": 1, "three": 1}


def test_errors_are_measured_against_people_where_they_have_decided_enough() -> None:
    truth, rows = planted([0.8, 0.8, 0.8, 0.8], items=200, seed=6)
    copied = [(*row[:3], row[0]) for row in rows]
    labels: list[float | None] = [float(is_a) for is_a in truth]
    assert panel_of(copied, labels).errors().phi[0, 3] == pytest.approx(1)
    assert panel_of(copied, labels).errors().against == "labels"
    few = [label if index < 29 else None for index, label in enumerate(labels)]
    assert panel_of(copied, few).errors().against == "majority of the others"


def test_a_jury_does_not_depend_on_the_order_of_its_members() -> None:
    verdicts = jury((0.9, 0.2), (0.3, 0.3), (0.8, 0.6))
    found = {
        hear([v for name in names for v in verdicts if v.rater == name], together, kind).judgement
        for names in itertools.permutations(RATERS)
        for kind in ("majority",)
    }
    assert len(found) == 1
    assert isinstance(found.pop(), Judgement)
