"""From judgements to pairs: which comparisons are worth training on, oriented when everything is known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from amendment.records import Judgement, Pair

__all__ = ["PairSettings", "Paired", "make_pairs"]

ROUNDING = 1e-9
"""2 x 0.6 - 1 is a little under 0.2 for a computer, and not for whoever wrote `min_margin: 0.2`."""
_DECIDED_BY: dict[str, Literal["judge", "person", "verifier"]] = {
    "model": "judge",
    "person": "person",
    "verifier": "verifier",
}


class PairSettings(BaseModel):
    """Which judged comparisons become pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pairs: Literal["best_worst", "all"] = "all"
    """all: every comparison; best_worst: of each prompt the best against the worst by mean P over the pool."""
    min_margin: float = Field(default=0.0, ge=0, le=1)
    """Least |2P - 1|; comparisons under it count as ties."""
    ties: Literal["drop", "keep"] = "drop"
    """keep writes ties with P = 0.5; trainers on hard labels leave them out."""


class Paired(NamedTuple):
    """The pairs and what did not become one, by reason."""

    pairs: list[Pair]
    left_out: Counter[str]


def make_pairs(judgements: Iterable[Judgement], settings: PairSettings) -> Paired:
    """Pairs of the judgements, prompt by prompt in order of first appearance."""
    by_prompt: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_prompt[judgement.prompt_id].append(judgement)
    pairs: list[Pair] = []
    left_out: Counter[str] = Counter()
    for judged in by_prompt.values():
        for judgement in _selected(judged, settings, left_out):
            pair = _orient(judgement, settings)
            if pair is None:
                left_out["tie"] += 1
            else:
                pairs.append(pair)
    return Paired(pairs, left_out)


def _selected(judged: Sequence[Judgement], settings: PairSettings, left_out: Counter[str]) -> list[Judgement]:
    readable = [judgement for judgement in judged if judgement.p_a is not None]
    for judgement in judged:
        if judgement.p_a is None:
            left_out["orders disagree" if judgement.consistent is False else "invalid"] += 1
    if settings.pairs == "all" or not readable:
        return readable
    return _best_against_worst(readable, left_out)


def _best_against_worst(judged: Sequence[Judgement], left_out: Counter[str]) -> list[Judgement]:
    """The comparison of the best with the worst, unless it says the opposite of the pool's means."""
    won: dict[str, list[float]] = defaultdict(list)
    for judgement in judged:
        assert judgement.p_a is not None
        won[judgement.a].append(judgement.p_a)
        won[judgement.b].append(1 - judgement.p_a)
    ranked = sorted(won, key=lambda candidate: (fmean(won[candidate]), candidate))
    worst, best = ranked[0], ranked[-1]
    chosen = [judgement for judgement in judged if {judgement.a, judgement.b} == {worst, best}]
    left_out["not best or worst"] += len(judged) - len(chosen)
    if chosen and _p_of(chosen[0], best) < 0.5:
        left_out["best lost to worst"] += 1
        return []
    return chosen


def _p_of(judgement: Judgement, candidate: str) -> float:
    assert judgement.p_a is not None
    return judgement.p_a if judgement.a == candidate else 1 - judgement.p_a


def _orient(judgement: Judgement, settings: PairSettings) -> Pair | None:
    assert judgement.p_a is not None
    p_chosen = max(judgement.p_a, 1 - judgement.p_a)
    is_tie = p_chosen == 0.5 or 2 * p_chosen - 1 < settings.min_margin - ROUNDING
    if is_tie and settings.ties == "drop":
        return None
    a_is_chosen = judgement.p_a >= 0.5
    return Pair(
        prompt_id=judgement.prompt_id,
        chosen_id=judgement.a if a_is_chosen else judgement.b,
        rejected_id=judgement.b if a_is_chosen else judgement.a,
        p_chosen=0.5 if is_tie else p_chosen,
        p_chosen_raw=p_chosen,
        decided_by=_DECIDED_BY[judgement.rater_kind],
        raters=judgement.raters,
        principle_ids=judgement.principle_ids,
    )
