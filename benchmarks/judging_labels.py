"""Labels of one judge and of juries: orders, principles, ways to put judges together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
from judging_world import Case, Looks, cases, drawn, looks, over_seeds, right, seeded, table
from numpy.typing import NDArray

from amendment.preference import RaterVote, take_majority
from amendment.simulator import Persona, panel
from amendment.statistics.logistic import stack

BIASES = (0.0, 0.8, 1.6)
PRINCIPLES = (1, 3, 6, 8)
LABELS = (50, 200, 800)
Floats = NDArray[np.float64]


def orders(seeds: Sequence[int], count: int = 1000) -> None:
    """One order, the mean of both, and consistent pairs only, at three strengths of position bias."""
    rows = []
    for bias in BIASES:
        found = [_by_order(seed, count, Persona(biases={"position": bias})) for seed in seeds]
        rows.append([bias, *(over_seeds(column) for column in zip(*found, strict=True))])
    header = (
        "position bias",
        "one order",
        "mean of both",
        "consistent only",
        "share kept",
        "the same pairs by the mean",
    )
    table(f"Orders: label accuracy, 3 principles a pair, {count} pairs a seed", header, rows)
    print("\nThe last column is the accuracy on as many pairs as `consistent only` keeps, those of the largest margin.")


def _by_order(seed: int, count: int, persona: Persona) -> tuple[float, float, float, float, float]:
    rng = seeded(f"orders {seed}")
    found = [(case, looks(case, persona, rng, drawn(3, seed, i))) for i, case in enumerate(cases(count, seed))]
    kept = [(case, seen) for case, seen in found if seen.is_consistent]
    surest = sorted(found, key=lambda one: -abs(one[1].mean - 0.5))[: len(kept)]
    return (
        fmean(right(seen.a_first, case.is_a) for case, seen in found),
        _accuracy(found),
        _accuracy(kept),
        len(kept) / len(found),
        _accuracy(surest),
    )


def _accuracy(found: Sequence[tuple[Case, Looks]]) -> float:
    return fmean(right(seen.mean, case.is_a) for case, seen in found)


def principles(seeds: Sequence[int], count: int = 1000) -> None:
    """More principles a pair: the constitution of the world has eight."""
    rows = []
    for number in PRINCIPLES:
        one, both = zip(*(_by_principles(seed, count, number) for seed in seeds), strict=True)
        rows.append([number, 2 * number, over_seeds(one), over_seeds(both)])
    mixed = [_by_principles(seed, count, 0) for seed in seeds]
    rows.append(["one that says it all", 2, *(over_seeds(column) for column in zip(*mixed, strict=True))])
    header = ("principles a pair", "calls", "one order", "mean of both")
    table(f"Principles: label accuracy, position bias 0.5, {count} pairs a seed", header, rows)


def _by_principles(seed: int, count: int, number: int) -> tuple[float, float]:
    rng = seeded(f"principles {seed}")
    found = []
    for i, case in enumerate(cases(count, seed)):
        chosen = drawn(number, seed, i) if number else ("everything at once",)
        found.append((case, looks(case, Persona(), rng, chosen)))
    return fmean(right(seen.a_first, case.is_a) for case, seen in found), _accuracy(found)


class Jury(NamedTuple):
    name: str
    judges: tuple[Persona, ...]


def _jury(name: str, sources: Sequence[str], lengths: Sequence[float]) -> Jury:
    noises = (1.0, 1.0, 1.5, 2.0, 2.5)
    return Jury(
        name,
        tuple(
            Persona(pair_noise=noise, pair_noise_source=source, biases={"length": length}, gain=4.0)
            for noise, source, length in zip(noises, sources, lengths, strict=True)
        ),
    )


JURIES = (
    _jury("independent", ("1", "2", "3", "4", "5"), (0.0, 0.0, 0.0, 0.0, 0.0)),
    _jury("two of one mind", ("1", "2", "3", "x", "x"), (0.0, 0.0, 0.0, 0.6, 0.6)),
    _jury("three of one mind", ("1", "2", "x", "x", "x"), (0.0, 0.0, 0.6, 0.6, 0.6)),
)
"""Five judges from the best to the worst; those of one mind share an error source and a liking for length."""


def juries(seeds: Sequence[int], count: int = 1500) -> None:
    """Ways to put five judges together, for independent and for correlated ones."""
    names = ("best single", "worst single", "majority", "mean of P", *(f"weighted, {n}" for n in LABELS))
    columns = [[_of_jury(jury, seed, count) for seed in seeds] for jury in JURIES]
    rows: list[list[object]] = [
        [name, *(over_seeds([found[name] for found in column]) for column in columns)] for name in names
    ]
    title = f"Juries: label accuracy of five judges, both orders, 3 principles, {count} pairs a seed"
    table(title, ("way", *(jury.name for jury in JURIES)), rows)


def _of_jury(jury: Jury, seed: int, count: int) -> dict[str, float]:
    asked = cases(count, seed)
    p = np.array([_looked(persona, asked, seed, str(i)) for i, persona in enumerate(jury.judges)]).T
    is_a = np.array([case.is_a for case in asked])
    majority = np.array([value for row in p if (value := take_majority(map(RaterVote.of, row.tolist()))) is not None])
    singles = [_share(p[:, i], is_a) for i in range(len(jury.judges))]
    return {
        "best single": max(singles),
        "worst single": min(singles),
        "majority": _share(majority, is_a),
        "mean of P": _share(p.mean(1), is_a),
        **{f"weighted, {n}": _weighted(p, asked, is_a, n, seed) for n in LABELS},
    }


def _looked(persona: Persona, asked: Sequence[Case], seed: int, name: str) -> list[float]:
    rng = seeded(f"jury {seed} {name}")
    return [looks(case, persona, rng, drawn(3, seed, i)).mean for i, case in enumerate(asked)]


def _share(p: Floats, is_a: NDArray[np.bool_]) -> float:
    return float(np.where(p == 0.5, 0.5, (p > 0.5) == is_a).mean())


def _weighted(p: Floats, asked: Sequence[Case], is_a: NDArray[np.bool_], number: int, seed: int) -> float:
    """Weights learned on the first so many pairs, as the majority of three people labels them; accuracy on the rest."""
    labels = np.full(len(asked), math.nan)
    for i, case in enumerate(asked[:number]):
        labels[i] = panel(case.prompt, case.a, case.b, seed=seed).count("A") >= 2
    groups = [case.prompt for case in asked]
    return _share(stack(p, labels, groups).p[number:], is_a[number:])
