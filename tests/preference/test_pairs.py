"""Pairs of judgements: the comparisons chosen, their orientation, those left out, and revisions against drafts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.preference import PairSettings, make_pairs
from amendment.preference.revisions import compare_revisions
from amendment.records import Candidate, Judgement, Message, Pair


def judged(a: str, b: str, p_a: float | None, prompt: str = "p", **fields: Any) -> Judgement:
    """P(a is better), in either order of the names."""
    if a > b:
        a, b, p_a = b, a, None if p_a is None else 1 - p_a
    return Judgement(**{"prompt_id": prompt, "a": a, "b": b, "p_a": p_a, **fields})


def pairs(*judgements: Judgement, **settings: Any) -> list[Pair]:
    return make_pairs(judgements, PairSettings(**settings)).pairs


def won(*judgements: Judgement, **settings: Any) -> list[tuple[str, str]]:
    return [(pair.chosen_id, pair.rejected_id) for pair in pairs(*judgements, **settings)]


def left_out(*judgements: Judgement, **settings: Any) -> dict[str, int]:
    return dict(+make_pairs(judgements, PairSettings(**settings)).left_out)


def test_every_judged_comparison_becomes_a_pair_the_right_way_round() -> None:
    found = pairs(judged("x", "y", 0.8), judged("y", "z", 0.1))
    assert [(pair.chosen_id, pair.rejected_id) for pair in found] == [("x", "y"), ("z", "y")]
    assert [pair.p_chosen for pair in found] == pytest.approx([0.8, 0.9])
    assert [pair.p_chosen_raw for pair in found] == pytest.approx([0.8, 0.9])


def test_a_tie_is_dropped_or_kept_with_one_half() -> None:
    tie = judged("x", "y", 0.5)
    assert left_out(tie) == {"tie": 1}
    (kept,) = pairs(tie, ties="keep")
    assert (kept.p_chosen, kept.p_chosen_raw) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("p", "margin", "is_tie"),
    [(0.6, 0.2, False), (0.4, 0.2, False), (0.59, 0.2, True), (0.9, 0.8, False), (0.51, 0.0, False), (1.0, 1.0, False)],
)
def test_the_margin_is_a_least_one_and_includes_itself(p: float, margin: float, is_tie: bool) -> None:
    assert (left_out(judged("x", "y", p), min_margin=margin) == {"tie": 1}) is is_tie
    (kept,) = pairs(judged("x", "y", p), min_margin=margin, ties="keep")
    assert kept.p_chosen == (0.5 if is_tie else pytest.approx(max(p, 1 - p)))
    assert kept.p_chosen_raw == pytest.approx(max(p, 1 - p))  # what was judged is not overwritten


def test_the_best_is_paired_with_the_worst_by_mean_over_the_pool() -> None:
    # means: x (0.9 + 0.6) / 2 = 0.75, y (0.4 + 0.8) / 2 = 0.6, z (0.1 + 0.2) / 2 = 0.15
    pool = [judged("x", "y", 0.6), judged("x", "z", 0.9), judged("y", "z", 0.8)]
    assert won(*pool, pairs="best_worst") == [("x", "z")]
    assert left_out(*pool, pairs="best_worst") == {"not best or worst": 2}


def test_a_best_that_lost_to_the_worst_gives_no_pair() -> None:
    # means: x (0.45 + 1 + 1) / 3 = 0.82, z (0.55 + 0 + 0) / 3 = 0.18; yet z won against x
    pool = [
        judged("x", "z", 0.45),
        judged("x", "u", 1.0),
        judged("x", "v", 1.0),
        judged("z", "u", 0.0),
        judged("z", "v", 0.0),
        judged("u", "v", 0.5),
    ]
    assert won(*pool, pairs="best_worst") == []
    assert left_out(*pool, pairs="best_worst") == {"not best or worst": 5, "best lost to worst": 1}


POOLS = st.dictionaries(
    st.sets(st.sampled_from("stuvw"), min_size=2, max_size=2).map(lambda names: tuple(sorted(names))),
    st.none() | st.floats(0, 1),
    max_size=10,
)
SETTINGS = st.builds(
    PairSettings,
    pairs=st.sampled_from(["all", "best_worst"]),
    min_margin=st.floats(0, 1),
    ties=st.sampled_from(["drop", "keep"]),
)


@given(POOLS, SETTINGS, st.randoms())
def test_every_comparison_is_a_pair_or_left_out_in_any_order_of_arrival(
    pool: dict[tuple[str, str], float | None], settings: PairSettings, rng: Any
) -> None:
    judgements = [judged(a, b, p) for (a, b), p in pool.items()]
    made = make_pairs(judgements, settings)
    assert len(made.pairs) + made.left_out.total() == len(judgements)
    for pair in made.pairs:
        p = pool[min(pair.chosen_id, pair.rejected_id), max(pair.chosen_id, pair.rejected_id)]
        assert p is not None
        assert pair.p_chosen_raw == (p if pair.chosen_id < pair.rejected_id else 1 - p)
        assert pair.p_chosen >= 0.5
    rng.shuffle(judgements)
    again = make_pairs(judgements, settings)
    assert sorted(again.pairs, key=str) == sorted(made.pairs, key=str)
    assert +again.left_out == +made.left_out


def test_a_pool_in_which_all_answers_tie_gives_no_pair_even_where_ties_are_kept() -> None:
    tied = [judged("x", "y", 0.5), judged("y", "z", 0.5), judged("x", "z", 0.5)]
    for how in ("all", "best_worst"):
        assert won(*tied, pairs=how, ties="keep") == []
        assert left_out(*tied, pairs=how, ties="keep") == {"all answers tied": 3}
    # within the margin they are ties, too: |2 * 0.55 - 1| = 0.1
    assert left_out(*tied[:2], judged("x", "z", 0.55), min_margin=0.2) == {"all answers tied": 3}


def chain(prompt: str, *texts: str) -> list[Candidate]:
    return [
        Candidate(
            prompt_id=prompt,
            messages=(Message(role="assistant", content=text),),
            kind="revision" if number else "draft",
        )
        for number, text in enumerate(texts)
    ]


def test_every_chain_is_counted_once_and_ties_are_half_a_win() -> None:
    chains = [chain(f"p{i}", f"draft {i}", "in between", f"revised {i}") for i in range(8)]
    p = [0.9, 0.8, 0.7, 0.5, 0.2, 0.45, None]  # of the last revision
    judgements = [judged(last.id, draft.id, p, draft.prompt_id) for (draft, _, last), p in zip(chains, p, strict=False)]
    candidates = [one for one_chain in chains for one in one_chain] + chain("s", "x", "x\n") + chain("t", "a draft")
    found = compare_revisions(candidates, judgements)
    counts = [figure.value for figure in found.where("revisions")]
    assert counts == [3, 2, 1, 1, 1, 1], "better, worse, tie, unread, unchanged, not compared"
    share = found.estimate("better_revisions")
    assert share
    # (3 + 1/2) / 6 of what was read, prompt by prompt
    assert share.value == pytest.approx(3.5 / 6)
    assert (share.n, share.clusters) == (6, 6)
    assert share.low < 3.5 / 6 < share.high
    # |2 * 0.45 - 1| = 0.1 is under a margin of 0.2: one worse becomes a tie, (3 + 2/2) / 6
    wide = compare_revisions(candidates, judgements, min_margin=0.2)
    half = wide.estimate("better_revisions")
    assert half
    assert [figure.value for figure in wide.where("revisions")][1:3] == [1, 2]
    assert half.value == pytest.approx(4 / 6)
