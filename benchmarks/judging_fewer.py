"""Fewer comparisons: the best of eight answers by two ways of asking, and a cascade of a cheap and a strong judge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

from judging_world import Case, cases, drawn, looks, over_seeds, p_first, pools, right, seeded, table, utility

from amendment.preference import Compare, escalate, rank_adaptively
from amendment.records import Candidate, Comparison, Judgement, Message, Prompt, user
from amendment.simulator import Persona

SIZE = 8
BUDGETS = (8, 10, 12, 16, 20, 24)


async def _all_pairs(ids: Sequence[str], compare: Compare) -> tuple[str, int]:
    """The best by its mean P against all others, as `pairs: best_worst` takes it."""
    won = dict.fromkeys(ids, 0.0)
    for first, second in combinations(sorted(ids), 2):
        p = await compare(first, second) or 0.0
        won[first] += p
        won[second] += 1 - p
    return max(won, key=lambda name: won[name]), len(ids) * (len(ids) - 1) // 2


async def _adaptive(ids: Sequence[str], compare: Compare, calls: int) -> tuple[str, int]:
    ranked = await rank_adaptively(ids, compare, calls=calls, confidence=0.99)
    return str(ranked.best), len(ranked.comparisons)


Way = Callable[[Sequence[str], Compare], Awaitable[tuple[str, int]]]
"""The best, and how many comparisons it took."""
WAYS: dict[str, Way] = {
    "all pairs": _all_pairs,
    **{f"adaptive, {n} at most": partial(_adaptive, calls=n) for n in BUDGETS},
}
JUDGE = Persona()
MARGIN = 0.02
"""Accuracy, in shares, by which a cheaper way may be worse and still count as equal."""


def ranking(seeds: Sequence[int], count: int = 50) -> None:
    """The best of eight drafts: what each way of asking finds, and what it asks."""
    found = [asyncio.run(_ranked(JUDGE, seed, count)) for seed in seeds]
    rows = [
        [
            way,
            over_seeds([one[way].comparisons for one in found], 1),
            over_seeds([one[way].hit for one in found]),
            over_seeds([one[way].hit - one["all pairs"].hit for one in found]),
            over_seeds([one[way].lost for one in found], 4),
        ]
        for way in WAYS
    ]
    header = ("way", "comparisons", "best found", "difference to all pairs", "utility lost")
    table(f"The best of {SIZE}: both orders a comparison, {count} pools a seed", header, rows)
    _headline(found)


class _Found(NamedTuple):
    comparisons: float
    hit: float
    """Share of pools whose best answer was found."""
    lost: float
    """Mean utility below the best."""


def _headline(found: Sequence[dict[str, _Found]]) -> None:
    """The way that asks least among those that find the best as often as all pairs, by the mean over seeds."""
    least = fmean(one["all pairs"].hit for one in found) - MARGIN
    cost, way = min(
        (fmean(one[way].comparisons for one in found), way)
        for way in WAYS
        if fmean(one[way].hit for one in found) >= least
    )
    whole = fmean(one["all pairs"].comparisons for one in found)
    print(
        f"\nAs often as all pairs to within {MARGIN:.0%}: {way}, {cost:.1f} comparisons instead of {whole:.1f}, "
        f"a saving of {1 - cost / whole:.0%}."
    )


async def _ranked(persona: Persona, seed: int, count: int) -> dict[str, _Found]:
    results: dict[str, list[tuple[int, bool, float]]] = {way: [] for way in WAYS}
    for number, (prompt, drafts) in enumerate(pools(count, SIZE, seed)):
        worth = {f"{i}": utility(prompt, text) for i, text in enumerate(drafts)}
        compare = _judge(prompt, drafts, persona, f"{seed} {number}")
        for way, rank in WAYS.items():
            best, comparisons = await rank(list(worth), compare)
            lost = max(worth.values()) - worth[best]
            results[way].append((comparisons, lost < 1e-9, lost))
    return {way: _Found(*(fmean(column) for column in zip(*rows, strict=True))) for way, rows in results.items()}


def _judge(prompt: str, drafts: Sequence[str], persona: Persona, key: str) -> Compare:
    """The same question gets the same answer whoever asks it, as from a ledger."""

    async def compare(first: str, second: str) -> float:
        rng = seeded(f"{key} {first} {second}")
        a, b = drafts[int(first)], drafts[int(second)]
        p: float = (p_first(prompt, a, b, persona, rng) + 1 - p_first(prompt, b, a, persona, rng)) / 2
        return p

    return compare


CHEAP = Persona(gain=3.0, noise=1.5, biases={"position": 1.0})
STRONG = Persona(gain=8.0, noise=0.7, biases={"position": 0.3})
CONFIDENCES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
PRICE = 20
"""Of a call to the strong judge, in calls to the cheap one."""


def cascade(seeds: Sequence[int], count: int = 1000) -> None:
    """A cheap judge keeps what it is sure of, a strong one is asked about the rest."""
    found = [asyncio.run(_cascaded(seed, count)) for seed in seeds]
    rows = [
        [
            "strong alone" if confidence > 1 else f"{confidence:.1f}",
            over_seeds([one[confidence][0] for one in found]),
            over_seeds([one[confidence][1] for one in found]),
            over_seeds([one[confidence][0] - one[2.0][0] for one in found]),
            f"{fmean(4 * (one[confidence][1] * PRICE + (confidence <= 1)) for one in found):.1f}",
        ]
        for confidence in (*CONFIDENCES, 2.0)
    ]
    header = ("confidence", "accuracy", "share that goes on", "difference to strong alone", "cost of a pair")
    title = f"Cascade: both orders, 2 principles, {count} pairs a seed; a strong call costs {PRICE} cheap ones"
    table(title, header, rows)
    _cascade_headline(found)


def _cascade_headline(found: Sequence[dict[float, tuple[float, float]]]) -> None:
    def lost(confidence: float) -> float:
        return fmean(one[2.0][0] - one[confidence][0] for one in found)

    confidence = next(confidence for confidence in CONFIDENCES if lost(confidence) <= MARGIN)
    cost = fmean(one[confidence][1] + 1 / PRICE for one in found)
    print(
        f"\nAs accurate as the strong judge alone to within {MARGIN:.0%} from a confidence of {confidence:.1f}: "
        f"{cost:.0%} of its cost, a saving of {1 - cost:.0%}."
    )


async def _cascaded(seed: int, count: int) -> dict[float, tuple[float, float]]:
    """By confidence: accuracy and the share that the strong judge was asked about; 2 is the strong judge alone."""
    rng = seeded(f"cascade {seed}")
    said = [
        (case, *(looks(case, judge, rng, drawn(2, seed, i)).mean for judge in (CHEAP, STRONG)))
        for i, case in enumerate(cases(count, seed))
    ]
    found = {2.0: (fmean(right(strong, case.is_a) for case, _, strong in said), 1.0)}
    for confidence in CONFIDENCES:
        rested = [await escalate([_tier(case, cheap), _tier(case, strong)], confidence) for case, cheap, strong in said]
        labels = [right(_p_a(case, one.judgement), case.is_a) for (case, *_), one in zip(said, rested, strict=True)]
        found[confidence] = (fmean(labels), fmean(len(one.judgements) - 1 for one in rested))
    return found


def _tier(case: Case, p_a: float) -> Callable[[], Awaitable[Judgement]]:
    between, is_turned = _between(case)

    async def ask() -> Judgement:
        return Judgement(
            prompt_id=between.prompt_id, a=between.a, b=between.b, p_a=1 - p_a if is_turned else p_a, n_valid=2
        )

    return ask


def _p_a(case: Case, judgement: Judgement) -> float:
    p_a = judgement.p_a if judgement.p_a is not None else 0.5
    return 1 - p_a if _between(case)[1] else p_a


def _between(case: Case) -> tuple[Comparison, bool]:
    """The comparison in the order of its candidates' ids, and whether that turns `a` and `b`."""
    prompt = Prompt(messages=user(case.prompt))
    a, b = (
        Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=text),), kind="imported")
        for text in (case.a, case.b)
    )
    between = Comparison.between(a, b)
    return between, between.a != a.id
