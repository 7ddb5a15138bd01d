"""The best against the worst where a ranking says who they are: means over the comparisons that it asked would mislead,
since its results have chosen what to ask. Where all that it asked are ties there is neither a best nor a worst."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from amendment.preference import TIED_POOL, PairSettings, is_tied_pool
from amendment.records import Judgement
from amendment.stages.contract import Context
from amendment.stages.schedules import Ranking

__all__ = ["ends_of_rankings"]

LOST = "best lost to worst"


def ends_of_rankings(context: Context, judged: Sequence[Judgement]) -> tuple[list[Judgement], Counter[str]]:
    """Of each prompt the judgement of its ranking's best and worst, and what is left out, by reason; all judgements
    where every two candidates were compared, or every comparison shall be a pair."""
    stage = context.config.judging
    if stage is None or stage.ranking == "all_pairs" or stage.pairs == "all":
        return list(judged), Counter()
    rankings = {one.prompt_id: one for one in context.workspace.rows("judging/rankings", Ranking)}
    tied = _tied_pools(judged, stage)
    kept: list[Judgement] = []
    left_out: Counter[str] = Counter()
    for judgement in judged:
        if judgement.prompt_id in tied:
            reason = None if judgement.p_a is None else TIED_POOL
        else:
            reason = _reason(judgement, rankings.get(judgement.prompt_id))
        if reason:
            left_out[reason] += 1
        else:
            kept.append(judgement)
    return kept, left_out


def _tied_pools(judged: Sequence[Judgement], settings: PairSettings) -> set[str]:
    """The prompts of which all comparisons are ties, seen before any of them is left out."""
    by_prompt: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judged:
        by_prompt[judgement.prompt_id].append(judgement)
    return {prompt for prompt, found in by_prompt.items() if is_tied_pool(found, settings)}


def _reason(judgement: Judgement, ranking: Ranking | None) -> str | None:
    if ranking is not None and ranking.possible == 1:
        return None  # two answers, whose tie is a tie like any other
    if ranking is None or {judgement.a, judgement.b} != {ranking.best, ranking.worst}:
        return "not best or worst"
    if judgement.p_a is None:
        return None
    p_best = judgement.p_a if judgement.a == ranking.best else 1 - judgement.p_a
    return LOST if p_best < 0.5 else None
