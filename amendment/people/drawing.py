"""The sample of a spot check: which comparisons people see, each with the probability of being drawn.

Covered: stratified samples of fixed size; the block that every annotator sees; hidden repeats; the sealed part. All
follow from the seed and from names that are hashes of content: where a few comparisons are judged again, the others
keep their places, and labels that people have given stay useful. Not covered: who sees what next; joint inclusion
probabilities.

Inclusion probabilities follow the judge's uncertainty with a uniform share (Zrnic and Candes 2024, arXiv 2403.03208).
Items are drawn with permanent random numbers, one for each item for good, by Pareto sampling (Rosen 1997, "On sampling
with probability proportional to size", Journal of Statistical Planning and Inference 62) with the adjustment of
Bondesson, Traat and Lundqvist (2006, "Pareto sampling versus Sampford and conditional Poisson sampling", Scandinavian
Journal of Statistics 33): realised probabilities are those aimed at but for 1 % of their value in samples of two, and
less in larger ones. Strata are principle x how sure the judge is x its two orders x thirds of the length ratio; edges
of surety are fixed, so that names mean the same in every run; those too small to be drawn from are put together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import AmendmentError
from amendment.hashing import HASH_PREFIX, content_id
from amendment.people.samples import SampledItem, SpotCheckSettings
from amendment.preference.deciding import CHECKED, Construction, RunPairs, decide_pairs, reasons_shown
from amendment.records import Comparison, last_text
from amendment.statistics.intervals import Floats

NEAR = 1e-9
UNIFORM = 0.8
"""Share of the probability that is the same for all; the rest follows the judge's uncertainty. Below one half rare
items weigh so much that intervals no longer hold (60 % coverage of 95 % at a share of 0.1)."""


class DrawnSample(NamedTuple):
    """A drawn sample of comparisons for people to label."""

    items: list[SampledItem]
    """In random order: an annotator who stops half way has labelled a random half."""
    population: int
    """Comparisons that it was drawn from."""
    strata: int
    """Also those of which nothing was drawn."""

    @property
    def is_all(self) -> bool:
        """Return whether every comparison was taken."""
        return len(self.items) == self.population


def draw_sample(population: Sequence[DatasetComparison], settings: SpotCheckSettings, *, seed: int) -> DrawnSample:
    """Draw the items of a spot check. The order of the population does not count.

    Inclusion probabilities (`inclusion_probabilities`), strata that expect two items or more, a whole number of items
    for each that is the expected one on average, and Pareto sampling inside.
    """
    ordered = sorted(population, key=lambda row: row.comparison.id)
    chance = inclusion_probabilities([row.p_a for row in ordered], settings.items, uniform=UNIFORM)
    names = name_strata(ordered, chance.tolist())
    drawn = _stratified(ordered, names, chance, seed)
    items = [
        SampledItem(
            **ordered[place].comparison._asdict(),
            p_a=ordered[place].p_a,
            consistent=ordered[place].consistent,
            stratum=names[place],
            inclusion=float(chance[place]),
        )
        for place in drawn
    ]
    items.sort(key=lambda item: _number("place", seed, item.comparison_id))
    return DrawnSample(_marked(items, settings, seed), len(ordered), len(set(names)))


def _stratified(ordered: Sequence[DatasetComparison], names: Sequence[str], chance: Floats, seed: int) -> list[int]:
    by_stratum: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        by_stratum[name].append(place)
    strata = [np.array(by_stratum[name]) for name in sorted(by_stratum)]
    numbers = np.array([_number("spot check", seed, row.comparison.id) for row in ordered])
    counts = whole_counts([chance[places].sum() for places in strata], _number("rounding", seed, ""))
    drawn: list[int] = []
    for places, count in zip(strata, counts.tolist(), strict=True):
        inside = conditional_inclusion(chance[places], count)
        drawn += places[pareto_sample(inside, numbers[places], count)].tolist()
    return drawn


def _marked(items: Sequence[SampledItem], settings: SpotCheckSettings, seed: int) -> list[SampledItem]:
    """Mark overlap, repeats and sealed items. Overlap items are sealed as far as there is room: only the certificate
    needs to know how far people agree. Repeats are marked on both sides in proportion."""
    sealed = _sealed({item.prompt_id for item in items}, settings, seed)
    sides = [[item.comparison_id for item in items if (item.prompt_id in sealed) is side] for side in (True, False)]
    behind, before = (_least(side, len(side), "overlap", seed) for side in sides)
    shared = {*[*behind, *before][: settings.overlap]}
    count = round(settings.repeats * len(items))
    of_sealed = round(count * len(sides[0]) / len(items)) if items else 0
    again = {*_least(sides[0], of_sealed, "repeat", seed), *_least(sides[1], count - of_sealed, "repeat", seed)}
    marks = (
        {
            "in_overlap": item.comparison_id in shared,
            "is_repeated": item.comparison_id in again,
            "is_sealed": item.prompt_id in sealed,
        }
        for item in items
    )
    return [item.model_copy(update=mark) for item, mark in zip(items, marks, strict=True)]


def _sealed(prompts: Collection[str], settings: SpotCheckSettings, seed: int) -> set[str]:
    """Choose the prompts to seal. Each is sealed by its permanent number, so that a label that was looked at is never
    sealed when comparisons are judged again. Of two or more prompts each side has at least one."""
    ranked = sorted((_number("seal", seed, prompt), prompt) for prompt in prompts)
    count = sum(number < settings.sealed for number, _ in ranked)
    if len(ranked) > 1 and 0 < settings.sealed < 1:
        count = min(max(count, 1), len(ranked) - 1)
    return {prompt for _, prompt in ranked[:count]}


def _least(names: Sequence[str], count: int, what: str, seed: int) -> list[str]:
    return sorted(names, key=lambda name: _number(what, seed, name))[:count]


def _number(what: str, seed: int, name: str) -> float:
    """Return a permanent random number strictly between 0 and 1."""
    digits = content_id([what, seed, name]).removeprefix(HASH_PREFIX)
    return (int(digits[:12], 16) + 0.5) / 2**48


def inclusion_probabilities(p: ArrayLike, items: int, *, uniform: float) -> Floats:
    """Return the probability with which each comparison is drawn. They add up to `items`, or are all 1 where there are
    fewer.

    `p` is the judge's P(a is better). With u = sqrt(p (1 - p)) an item's size is uniform + (1 - uniform) u / mean(u),
    and its probability items * size / N, at most 1; what is cut off goes to the others in proportion.
    """
    judged = np.asarray(p, np.float64)
    if items >= judged.size:
        return np.ones(judged.size)
    doubt = np.sqrt(judged * (1 - judged))
    mean = float(doubt.mean())
    size = uniform + (1 - uniform) * doubt / mean if mean > 0 else np.ones(judged.size)
    return _filled(size, np.ones(judged.size), items)


def whole_counts(expected: ArrayLike, start: float) -> NDArray[np.intp]:
    """Round each expected count up or down so that the total (rounded) is kept.

    `start` is random, from 0 to below 1; over it the mean of each number is the expected one (systematic rounding: how
    many of start, start + 1, start + 2, ... fall into each stretch).
    """
    ends = np.concatenate([[0.0], np.cumsum(np.asarray(expected, np.float64))]).round(9)
    return np.diff(np.floor(ends + start)).astype(np.intp)


def conditional_inclusion(inclusion: Floats, count: int) -> Floats:
    """Scale the probabilities so that they add up to `count`, the whole number next to the total of `inclusion`.

    With the total m + f, where m + 1 is drawn with probability f and m otherwise, the mean over both is `inclusion`:
    inclusion + (1 - f) d above and inclusion - f d below, where d is proportional to `inclusion` as far as no
    probability passes 1, and adds up to 1.
    """
    total = float(inclusion.sum())
    below = int(np.floor(total + NEAR))
    rest = total - below
    if rest <= NEAR:
        return inclusion
    moved = _filled(inclusion, (1 - inclusion) / (1 - rest), 1.0)
    return np.clip(inclusion + (1 - rest) * moved if count > below else inclusion - rest * moved, 0.0, 1.0)


def pareto_sample(inclusion: Floats, numbers: Floats, count: int) -> NDArray[np.intp]:
    """Return the positions of `count` items: those with the least odds(number) / odds(inclusion), adjusted.

    `numbers` are uniform between 0 and 1, one per item. The adjustment is exp(v (inclusion - 1/2) / d^2) with
    v = inclusion (1 - inclusion) and d the sum of v. An item with inclusion 1 is always among them.
    """
    chance = np.clip(inclusion, NEAR, 1.0)
    spread = chance * (1 - chance)
    adjusted = np.exp(spread * (chance - 0.5) / max(float(spread.sum()), NEAR) ** 2) if spread.sum() > NEAR else 1.0
    rank = numbers / (1 - numbers) * (1 - chance) / chance * adjusted
    rank[inclusion >= 1 - NEAR] = 0.0
    return np.argsort(rank, kind="stable")[:count]


def _filled(weight: Floats, cap: Floats, total: float) -> Floats:
    """Return min(c * weight, cap) with the c that makes it add up to `total`; the caps where they do not reach it."""
    full = np.zeros(weight.size, np.bool_)
    while not full.all():
        scale = (total - float(cap[full].sum())) / float(weight[~full].sum())
        over = ~full & (scale * weight >= cap)
        if not over.any():
            return np.where(full, cap, scale * weight)
        full |= over
    return cap.copy()


LEAST = 2.0
"""Expected items of a stratum: two are needed for a variance."""
SURE = (0.5, 0.8)
"""Edges of |2P - 1|."""
SURETY = ("unsure", "fairly sure", "sure")
ORDERS = {True: "orders agree", False: "orders disagree", None: "one order"}
LENGTHS = ("lengths alike", "lengths apart", "lengths far apart")
ANY = ("any principle", "any surety", "any order", "any length")
WORDS: tuple[tuple[str, ...], ...] = ((), SURETY, tuple(ORDERS.values()), LENGTHS)


class DatasetComparison(NamedTuple):
    """A comparison that the dataset would export, as a judge decided it."""

    comparison: Comparison
    p_a: float
    """P(a is better), raw."""
    consistent: bool | None
    """Whether both displayed orders preferred the same answer; None where only one was read."""
    principle: str | None
    """The one that decided, or the only or first one that was asked by."""
    length_ratio: float
    """The longer answer's length over the shorter one's, at least 1."""


def exported_comparisons(run: RunPairs) -> list[DatasetComparison]:
    """Return the comparisons that the dataset exports because judges decided them, on both sides of the split, and
    those constructed pairs that judges were asked about too. Raises AmendmentError where there is none."""
    judging = run.rules.judging
    asked = (Construction(),) if judging and judging.judge_labelled else ()
    decided = decide_pairs(run, (*CHECKED, *asked))
    pairs = {pair.comparison_id: pair for pair in decided.pairs}
    exported: dict[str, DatasetComparison] = {}
    for row in run.checked_judgements:
        if row.p_a is None or row.rater_kind == "verifier" or row.comparison_id not in pairs:
            continue
        shorter, longer = sorted(len(last_text(run.texts.candidates[name].messages)) for name in (row.a, row.b))
        exported[row.comparison_id] = DatasetComparison(
            Comparison(row.prompt_id, row.a, row.b),
            row.p_a,
            row.consistent,
            pairs[row.comparison_id].decisive or next(iter(row.principle_ids), None),
            (longer + 1) / (shorter + 1),
        )
    if not exported:
        where = "see the summary of judging"
        if judging is None:
            where = "people check model verdicts that have texts and that no person decided"
        raise AmendmentError(
            f"no judged comparison becomes a pair, so there is nothing that people could look at "
            f"({reasons_shown(decided.left_out)}); {where}"
        )
    return list(exported.values())


class _Stratum(NamedTuple):
    places: list[int]
    size: float


def name_strata(population: Sequence[DatasetComparison], expected: Sequence[float]) -> list[str]:
    """Name each comparison's stratum, such as `rules/kind / unsure / orders agree / lengths alike`.

    `expected` is how many times each is drawn on average. Each stratum expects two or more, as far as there are.
    """
    keys = _keys(population)
    names = [""] * len(keys)
    for stratum in _split(list(range(len(keys))), keys, expected, depth=0):
        name = _name([keys[place] for place in stratum.places], keys)
        for place in stratum.places:
            names[place] = name
    return names


def _keys(population: Sequence[DatasetComparison]) -> list[tuple[str, ...]]:
    ratios = np.array([row.length_ratio for row in population])
    edges = np.quantile(ratios, [1 / 3, 2 / 3]) if population else ratios
    thirds = np.searchsorted(edges, ratios, side="left")
    surety = np.searchsorted(SURE, [abs(2 * row.p_a - 1) + NEAR for row in population], side="right")
    return [
        (row.principle or "no principle", SURETY[sure], ORDERS[row.consistent], LENGTHS[third])
        for row, sure, third in zip(population, surety, thirds, strict=True)
    ]


def _split(
    places: list[int], keys: Sequence[tuple[str, ...]], expected: Sequence[float], *, depth: int
) -> list[_Stratum]:
    if depth == len(WORDS):
        return [_Stratum(places, sum(expected[place] for place in places))]
    by_value: dict[str, list[int]] = defaultdict(list)
    for place in places:
        by_value[keys[place][depth]].append(place)
    return list(_pooled([_split(by_value[name], keys, expected, depth=depth + 1) for name in sorted(by_value)]))


def _pooled(children: Sequence[list[_Stratum]]) -> Iterator[_Stratum]:
    """Join the strata of all children. Those that are too small become one, with the next smallest if needed."""
    sizes = [sum(stratum.size for stratum in child) for child in children]
    ranked = sorted(range(len(children)), key=lambda index: (sizes[index], index))
    pool = _Stratum([], 0.0)
    rest: list[int] = []
    for index in ranked:
        is_taken = sizes[index] < LEAST - NEAR or (pool.places and pool.size < LEAST - NEAR)
        if is_taken:
            pool = _Stratum(
                [*pool.places, *(place for stratum in children[index] for place in stratum.places)],
                pool.size + sizes[index],
            )
        else:
            rest.append(index)
    for index in sorted(rest):
        yield from children[index]
    if pool.places:
        yield pool


def _name(own: Sequence[tuple[str, ...]], keys: Sequence[tuple[str, ...]]) -> str:
    return " / ".join(
        _value({key[depth] for key in own}, {key[depth] for key in keys}, depth) for depth in range(len(WORDS))
    )


def _value(own: set[str], all_values: set[str], depth: int) -> str:
    """Return the one value, several in their order, or "any"."""
    if len(own) == 1:
        return next(iter(own))
    if own == all_values:
        return ANY[depth]
    return " or ".join(word for word in WORDS[depth] if word in own) or "other principles"
