"""Revisions against their drafts: which comparisons these are, how they fared, and what becomes of the worse ones."""

from __future__ import annotations

from typing import Any

import pytest

from amendment.preference import PairSettings, RevisionSettings, chain_ends, count_revisions, make_pairs
from amendment.preference.pairs import ChainEnds
from amendment.records import Candidate, Judgement, Message, Pair


def chain(prompt: str, *texts: str) -> list[Candidate]:
    return [
        Candidate(
            prompt_id=prompt,
            messages=(Message(role="assistant", content=text),),
            kind="revision" if number else "draft",
        )
        for number, text in enumerate(texts)
    ]


def judged(ends: ChainEnds, p: float | None, **fields: Any) -> Judgement:
    """P(the revision is better)."""
    a, b = sorted((ends.draft, ends.revision))
    p_a = p if p is None or a == ends.revision else 1 - p
    return Judgement(prompt_id=ends.prompt_id, a=a, b=b, p_a=p_a, **{"raters": ("j",), **fields})


def ends_of(*chains: list[Candidate]) -> list[ChainEnds]:
    return chain_ends([one for found in chains for one in found])


def made(judgements: list[Judgement], ends: list[ChainEnds], worse: Any, **settings: Any) -> tuple[list[Pair], Any]:
    revisions = {one.comparison_id: one.revision for one in ends}
    chosen = PairSettings(revisions=RevisionSettings(worse=worse), **settings)
    paired = make_pairs(judgements, chosen, revisions=revisions)
    assert len(paired.pairs) + paired.left_out.total() == len(judgements)
    return paired.pairs, dict(+paired.left_out)


def test_the_ends_of_a_chain_are_its_draft_and_its_last_revision() -> None:
    draft, _, last = whole = chain("p", "x", "y", "z")
    (found,) = ends_of(whole, chain("q", "only a draft"))
    assert (found.draft, found.revision, found.is_unchanged) == (draft.id, last.id, False)
    (same,) = ends_of(chain("p", "x", "y", "x "))
    assert same.is_unchanged


def test_every_chain_is_counted_once_and_ties_are_half_a_win() -> None:
    ends = ends_of(*(chain(f"p{i}", f"draft {i}", f"revised {i}") for i in range(8)), chain("s", "x", "x\n"))
    p = [0.9, 0.8, 0.7, 0.5, 0.2, 0.45, None]
    judgements = [judged(one, value) for one, value in zip(ends, p, strict=False)]
    found = count_revisions(ends, judgements)
    counts = {"better": 3, "worse": 2, "tie": 1, "unread": 1, "unchanged": 1, "not compared": 1}
    assert dict(found.counts) == counts
    # (3 + 1/2) / 6 of what was read, prompt by prompt
    assert found.share["value"] == pytest.approx(3.5 / 6)
    assert (found.share["n"], found.share["clusters"]) == (6, 6)
    assert found.share["low"] < 3.5 / 6 < found.share["high"]
    # |2 * 0.45 - 1| = 0.1 is under a margin of 0.2: one worse becomes a tie, (3 + 2/2) / 6
    wide = count_revisions(ends, judgements, min_margin=0.2)
    assert (wide.counts["worse"], wide.counts["tie"]) == (1, 2)
    assert wide.share["value"] == pytest.approx(4 / 6)


WORSE = 0.2


@pytest.fixture
def ends() -> list[ChainEnds]:
    return ends_of(chain("p", "draft", "revised"), chain("q", "draft", "revised"))


def test_flip_lets_the_judge_decide(ends: list[ChainEnds]) -> None:
    pairs, left_out = made([judged(ends[0], WORSE), judged(ends[1], 0.9)], ends, "flip")
    assert [pair.chosen_id for pair in pairs] == [ends[0].draft, ends[1].revision]
    assert [pair.decided_by for pair in pairs] == ["judge", "judge"]
    assert left_out == {}


def test_drop_leaves_out_what_revising_made_worse(ends: list[ChainEnds]) -> None:
    pairs, left_out = made([judged(ends[0], WORSE), judged(ends[1], 0.9)], ends, "drop")
    assert [pair.chosen_id for pair in pairs] == [ends[1].revision]
    assert left_out == {"revision is worse than its draft": 1}
    assert made([judged(ends[0], 0.5)], ends, "drop") == ([], {"tie": 1})
    assert made([judged(ends[0], 0.45)], ends, "drop", min_margin=0.2) == ([], {"tie": 1})
    assert made([judged(ends[0], None)], ends, "drop") == ([], {"invalid": 1})


@pytest.mark.parametrize("p", [WORSE, 0.5, 0.9, None])
def test_keep_chooses_the_revision_and_says_that_no_judge_decided(ends: list[ChainEnds], p: float | None) -> None:
    ((pair,), left_out) = made([judged(ends[0], p)], ends, "keep")
    assert (pair.chosen_id, pair.rejected_id) == (ends[0].revision, ends[0].draft)
    assert (pair.decided_by, pair.raters, pair.p_chosen) == ("construction", (), 1.0)
    assert pair.p_chosen_raw == (1.0 if p is None else pytest.approx(p))  # what was judged is not overwritten
    assert left_out == {}
