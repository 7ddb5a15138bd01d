"""Make pairs of the judgements that are worth training on, oriented when everything is known.

Covered: ties, one by one and whole pools of them; best against worst; the rows of the dataset, split so that no prompt
stands on both sides. Not covered: what the answers say, see `degenerate`; who decides, see `deciding`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from pydantic import Field

from amendment.hashing import content_id
from amendment.records import Candidate, DecidedBy, Judgement, Pair, Part, Preference, Prompt, RaterKind
from amendment.statistics.sides import read_side

TIED_POOL = "all answers tied"
NOT_ENDS, LOST = "not best or worst", "best lost to worst"

DECIDED_BY: dict[RaterKind, DecidedBy] = {
    "model": "judge",
    "person": "person",
    "truth": "truth",
    "verifier": "verifier",
    "unknown": "unknown",
}


class PairSettings(Part):
    """The rules by which judged comparisons become pairs."""

    pairs: Literal["best_worst", "all"] = "all"
    """all: every comparison; best_worst: for each prompt the best against the worst by mean P over the pool."""
    min_margin: float = Field(default=0.0, ge=0, le=1)
    """The smallest |2P - 1| of a pair; comparisons below it count as ties."""
    ties: Literal["drop", "keep"] = "drop"
    """keep writes ties with P = 0.5; trainers on hard labels leave them out. If three or more answers to a prompt are
    all tied, no pair is made either way."""


Ends = tuple[str | None, str | None]
"""The ids of the best and the worst answer to a prompt, where they are known."""


class Paired(NamedTuple):
    """The pairs and what did not become one, by reason."""

    pairs: list[Pair]
    left_out: Counter[str]


def make_pairs(
    judgements: Iterable[Judgement], settings: PairSettings, ends: Mapping[str, Ends] | None = None
) -> Paired:
    """Return the pairs of judgements, prompt by prompt in order of first appearance.

    `ends` are best and worst where a ranking says who they are: means over the comparisons that it chose would mislead.
    """
    by_prompt: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_prompt[judgement.prompt_id].append(judgement)
    pairs: list[Pair] = []
    left_out = Counter({NOT_ENDS: 0, LOST: 0})  # shown first, whatever comes first
    for prompt_id in [*by_prompt]:
        judged = by_prompt.pop(prompt_id)  # pairs take their place in memory
        for judgement in _selected(judged, settings, (ends or {}).get(prompt_id), left_out):
            pair = _orient(judgement, settings)
            if pair is None:
                left_out["tie"] += 1
            else:
                pairs.append(pair)
    return Paired(pairs, left_out)


def _selected(
    judged: Sequence[Judgement], settings: PairSettings, ends: Ends | None, left_out: Counter[str]
) -> list[Judgement]:
    readable = [judgement for judgement in judged if judgement.p_a is not None]
    for judgement in judged:
        if judgement.p_a is None:
            left_out["orders disagree" if judgement.consistent is False else "invalid"] += 1
    if len(readable) > 1 and all(_is_tie(judgement, settings) for judgement in readable):
        left_out[TIED_POOL] += len(readable)
        return []
    if settings.pairs == "all" or not readable:
        return readable
    best, worst = ends or _ends_by_mean(readable)
    chosen = [judgement for judgement in readable if {judgement.a, judgement.b} == {best, worst}]
    left_out[NOT_ENDS] += len(readable) - len(chosen)
    if chosen and best and p_better(chosen[0], best) < 0.5:
        left_out[LOST] += 1
        return []
    return chosen


def _ends_by_mean(judged: Sequence[Judgement]) -> Ends:
    won: dict[str, list[float]] = defaultdict(list)
    for judgement in judged:
        for candidate in (judgement.a, judgement.b):
            won[candidate].append(p_better(judgement, candidate))
    ranked = sorted(won, key=lambda candidate: (fmean(won[candidate]), candidate))
    return ranked[-1], ranked[0]


def p_better(judgement: Judgement, candidate: str) -> float:
    """Return P(this candidate is better) of a judgement that could be read."""
    assert judgement.p_a is not None
    return judgement.p_a if judgement.a == candidate else 1 - judgement.p_a


def _is_tie(judgement: Judgement, settings: PairSettings) -> bool:
    assert judgement.p_a is not None
    return not read_side(judgement.p_a, settings.min_margin)


def _orient(judgement: Judgement, settings: PairSettings) -> Pair | None:
    assert judgement.p_a is not None
    p_chosen = max(judgement.p_a, 1 - judgement.p_a)
    is_tie = _is_tie(judgement, settings)
    if is_tie and settings.ties == "drop":
        return None
    a_is_chosen = judgement.p_a >= 0.5
    return Pair(
        prompt_id=judgement.prompt_id,
        chosen_id=judgement.a if a_is_chosen else judgement.b,
        rejected_id=judgement.b if a_is_chosen else judgement.a,
        p_chosen=0.5 if is_tie else p_chosen,
        p_chosen_raw=p_chosen,
        decided_by=DECIDED_BY[judgement.rater_kind],
        weight=1.0 if judgement.weight is None else judgement.weight,
        raters=judgement.raters,
        principle_ids=judgement.principle_ids,
        decisive=None if is_tie else judgement.decisive,
        orders_agree=judgement.consistent,
        first_id=judgement.first,
    )


def held_out(prompt_ids: Collection[str], share: float, *, seed: int) -> frozenset[str]:
    """Return the prompts of the test split: `share` of all, rounded, by a seeded hash, so that order does not count.

    At least one prompt is held out when share > 0 and there are two or more.
    """
    ranked = sorted(set(prompt_ids), key=lambda prompt: content_id(["split", seed, prompt]))
    count = round(share * len(ranked))
    return frozenset(ranked[: min(max(count, 1), len(ranked) - 1) if share > 0 and len(ranked) > 1 else count])


def kept_out(pairs: Sequence[Pair], test: Iterable[str], share: float) -> frozenset[str]:
    """Return the prompts of `test` that stay held out: all without pairs, and others until this share of the pairs, at
    most half, is held out."""
    counts = Counter(pair.prompt_id for pair in pairs)
    room = min(max(round(share * len(pairs)), 1), len(pairs) // 2)
    kept = set[str]()
    for prompt in sorted(test):
        if counts[prompt] <= room:
            room -= counts[prompt]
            kept.add(prompt)
    return frozenset(kept)


def count_cut(pairs: Iterable[tuple[Pair, Mapping[str, Candidate]]]) -> dict[str, int]:
    """Return how many chosen and how many rejected answers were cut at their limit, of pairs with answers by id."""
    cut: Counter[str] = Counter()
    for pair, answers in pairs:
        if answers[pair.chosen_id].is_truncated:
            cut["chosen"] += 1
        if answers[pair.rejected_id].is_truncated:
            cut["rejected"] += 1
    return dict(cut)


def preference_row(
    pair: Pair, prompts: Mapping[str, Prompt], candidates: Mapping[str, Candidate], references: Mapping[str, str]
) -> Preference:
    """Return the dataset's row of a pair; `references` are `id@version#hash` of constitutions by id."""
    cited = dict.fromkeys(name.split("/")[0] for name in pair.principle_ids)
    prompt = prompts[pair.prompt_id]
    chosen = candidates[pair.chosen_id]
    rejected = candidates[pair.rejected_id]
    return Preference(
        prompt=prompt.messages,
        chosen=chosen.messages,
        rejected=rejected.messages,
        tools=prompt.tools,
        chat_template_kwargs=prompt.chat_template_kwargs,
        p_chosen=pair.p_chosen,
        p_chosen_raw=pair.p_chosen_raw,
        p_chosen_calibrated=pair.p_chosen_calibrated,
        decided_by=pair.decided_by,
        weight=pair.weight,
        comparison_id=pair.comparison_id,
        prompt_id=pair.prompt_id,
        chosen_id=pair.chosen_id,
        rejected_id=pair.rejected_id,
        chosen_model=chosen.origin.model,
        rejected_model=rejected.origin.model,
        raters=pair.raters,
        principle_ids=pair.principle_ids,
        decisive=pair.decisive,
        orders_agree=pair.orders_agree if pair.decided_by == "judge" else None,
        first=None if pair.first_id is None else "chosen" if pair.first_id == pair.chosen_id else "rejected",
        constitutions=tuple(references[name] for name in cited),
        category=prompt.category,
        source=prompt.source,
        license=prompt.license,
    )
