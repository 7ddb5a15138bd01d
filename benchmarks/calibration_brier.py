"""What calibration is worth by number of labels, in the simulated world: Brier before and after, three methods.

    python benchmarks/calibration.py brier

Labels are votes of one simulated person. Calibrators are fitted to so many of them, and measured on 1,000 other
comparisons labelled by the same person. Isotonic is fitted below its minimum of 500 labels too, which the library
refuses, so that the table says why it does; a fit that is refused for another reason leaves probabilities raw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from judging_world import Case, cases, drawn, looks, over_seeds, seeded, table
from numpy.typing import NDArray

from amendment.simulator import Persona, banner, panel
from amendment.statistics.calibrators import Method, fit_calibrator, refusal

Floats = NDArray[np.float64]
LABELS = (25, 50, 100, 200, 400, 800)
METHODS: tuple[Method, ...] = ("temperature", "platt", "isotonic")
FRESH = 1000
DRAWS_A_SEED = 200
"""Of the draws that the other parts take: 4,000 of them are 20 seeds here."""


class Judge(NamedTuple):
    """A simulated judge, and how many principles it is asked by, in both orders; 0: by one that says it all."""

    persona: Persona
    principles: int


JUDGES = {
    "good, less sure than right": Judge(Persona(), 3),
    "good, surer than right": Judge(Persona(sharpness=4.0), 0),
    "weak, surer than right, its errors as sure as the rest": Judge(Persona(pair_noise=3.0, sharpness=4.0), 3),
}


class World(NamedTuple):
    """Labelled comparisons of one seed, by one judge and one person: those to fit to first, then the fresh ones."""

    p: Floats
    y: Floats


def brier(draws: int, seed: int) -> None:
    """Change of the Brier score on fresh comparisons by number of labels and method; below 0 is better."""
    seeds = range(seed, seed + max(2, draws // DRAWS_A_SEED))
    print(f"> {banner('all prompts, answers and labels')}")
    for name, judge in JUDGES.items():
        worlds = [_world(judge, one) for one in seeds]
        _table(name, worlds)


def _table(name: str, worlds: Sequence[World]) -> None:
    rows: list[list[object]] = []
    for n in LABELS:
        rows.append([n, *(_message_and_code([_gain(one, method, n) for one in worlds]) for method in METHODS)])
    raw = over_seeds([_brier(one.p[-FRESH:], one.y[-FRESH:]) for one in worlds])
    right = over_seeds([float(((one.p > 0.5) == one.y).mean()) for one in worlds])
    sure = over_seeds([float(np.maximum(one.p, 1 - one.p).mean()) for one in worlds])
    title = f"Brier on {FRESH} fresh comparisons, {len(worlds)} seeds. Judge: {name}; right {right}, confidence {sure}"
    table(title, (f"labels (raw: {raw})", *(f"{method}: change (seeds worse)" for method in METHODS)), rows)


def _message_and_code(gains: Sequence[float]) -> str:
    return f"{over_seeds(gains, digits=4)} ({sum(gain > 0 for gain in gains)})"


def _world(judge: Judge, seed: int) -> World:
    rng, p = seeded(f"brier {seed}"), []
    asked = cases(LABELS[-1] + FRESH, seed)
    for i, case in enumerate(asked):
        chosen = drawn(judge.principles, seed, i) if judge.principles else ("everything at once",)
        p.append(looks(case, judge.persona, rng, chosen).mean)
    return World(np.array(p), np.array([_vote(case, seed) for case in asked]))


def _vote(case: Case, seed: int) -> float:
    return float(panel(case.prompt, case.a, case.b, seed=seed, raters=1) == ("A",))


def _gain(world: World, method: Method, n: int) -> float:
    """Brier after calibration on the first `n` labels minus Brier before."""
    p, y, fresh = world.p[:n], world.y[:n], world.p[-FRESH:]
    if refusal(method, p, y, fewest=1):
        return 0.0
    after = fit_calibrator(method, p, y, fewest=1).apply(fresh)
    return _brier(after, world.y[-FRESH:]) - _brier(fresh, world.y[-FRESH:])


def _brier(p: Floats, y: Floats) -> float:
    return float(((p - y) ** 2).mean())
