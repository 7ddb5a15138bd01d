"""How often 95 % intervals of a mean from few labels hold the truth, and how wide they are beside people alone.

Worlds of 1,000 comparisons, alone or three to a prompt. A person's label is 1, 0 or (one in ten) a tie, 0.5. Judges,
by their probability that the first answer is better: `good` (correlation with the labels 0.74), `weak` (0.28),
`useless` (0), and `lenient`: right except that 15 % of what is bad passes, one row in twenty. The truth is the mean of
the world that the comparisons come from, found in a sample of millions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.statistics import Estimate, wilson
from amendment.statistics.sampling import PowerTuned, prediction_powered, weighted_mean

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ROWS = 1_000
BLOCK = 250
LOWEST, HIGHEST, WIDEST = 0.94, 0.97, 1.02
LABELS = (50, 100, 200, 400)
JUDGES = ("good", "weak", "useless", "lenient")
TRUTH = 10
"""Samples of 300,000 comparisons that the truth is found in."""
WORKERS = 2


class World(NamedTuple):
    """Rows of many worlds: draws x comparisons."""

    y: Floats
    f: Floats
    prompts: Integers | None


class Found(NamedTuple):
    estimate: Estimate
    alone: float
    """Width of people alone, nan where that is what is estimated."""


class Row(NamedTuple):
    """An estimator, and for how many labels it is asked."""

    name: str
    labels: tuple[int, ...]
    ask: Callable[[World, int, int, np.random.Generator], Found]
    target: Callable[[World], Floats]


class Line(NamedTuple):
    """One line of the table: coverage and relative width by labels."""

    name: str
    judge: str
    prompts: int
    """Comparisons of a prompt."""
    cells: dict[int, tuple[Estimate, float]]


def plain(world: World, draw: int, n: int, _: np.random.Generator) -> Found:
    y, f = world.y[draw], world.f[draw]
    prompts, others = _split(world.prompts, n)
    return _powered(prediction_powered(y[:n], f[:n], f[n:], clusters=prompts, unlabelled_clusters=others))


def of_agreement(world: World, draw: int, n: int, _: np.random.Generator) -> Found:
    """How often people agree with the judge, foretold by its confidence."""
    y, f = agreement(world.y[draw], world.f[draw]), np.maximum(world.f[draw], 1 - world.f[draw])
    prompts, others = _split(world.prompts, n)
    return _powered(prediction_powered(y[:n], f[:n], f[n:], clusters=prompts, unlabelled_clusters=others))


def weighted(share: float) -> Callable[[World, int, int, np.random.Generator], Found]:
    """Agreement of judge and person on rows drawn by a mixture of evenly (`share`) and by uncertainty."""

    def ask(world: World, draw: int, n: int, random: np.random.Generator) -> Found:
        chance = _chances(world.f[draw], n, share)
        seen = random.random(ROWS) < chance
        agree = agreement(world.y[draw][seen], world.f[draw][seen])
        prompts = None if world.prompts is None else world.prompts[seen]
        return Found(weighted_mean(agree, chance[seen], prompts), math.nan)

    return ask


def weighted_powered(share: float) -> Callable[[World, int, int, np.random.Generator], Found]:
    def ask(world: World, draw: int, n: int, random: np.random.Generator) -> Found:
        y, f = world.y[draw], world.f[draw]
        chance = _chances(f, n, share)
        seen = random.random(ROWS) < chance
        order = np.argsort(~seen, kind="stable")
        asked = int(seen.sum())
        prompts, others = _split(world.prompts, asked, order)
        return _powered(
            prediction_powered(
                y[seen],
                f[seen],
                f[~seen],
                weights=1 / chance[seen],
                clusters=prompts,
                unlabelled_clusters=others,
            )
        )

    return ask


def agreement(y: Floats, f: Floats) -> Floats:
    """1 where judge and person name the same answer, a tie half."""
    return np.where(y == 0.5, 0.5, (f > 0.5) == (y > 0.5))


def _powered(found: PowerTuned) -> Found:
    return Found(found.estimate, found.people_alone.high - found.people_alone.low)


def _split(
    prompts: Integers | None, n: int, order: Integers | None = None
) -> tuple[Integers, Integers] | tuple[None, None]:
    """Prompts of the labelled rows and of the others, in `order`."""
    if prompts is None:
        return None, None
    ordered = prompts if order is None else prompts[order]
    return ordered[:n], ordered[n:]


def _chances(f: Floats, n: int, share: float) -> Floats:
    unsure = np.sqrt(f * (1 - f))
    chances: Floats = np.clip(n / f.size * ((1 - share) * unsure / unsure.mean() + share), 0, 1)
    return chances


def worlds(random: np.random.Generator, draws: int, judge: str, per_prompt: int, rows: int = ROWS) -> World:
    prompts = random.permutation(rows) // per_prompt
    shape = (draws, rows)
    ease = random.normal(0, 1, shape)
    if per_prompt > 1:
        ease = 0.6 * random.normal(0, 1, (draws, rows // per_prompt + 1))[:, prompts] + 0.8 * ease
    y = _labels(random, ease, judge)
    return World(y, _judged(random, ease, y, judge), prompts if per_prompt > 1 else None)


def _labels(random: np.random.Generator, ease: Floats, judge: str) -> Floats:
    if judge == "lenient":
        return (ease > -0.5).astype(np.float64)
    said = (random.random(ease.shape) < 1 / (1 + np.exp(-0.6 - 2.5 * ease))).astype(np.float64)
    return np.where(random.random(ease.shape) < 0.1, 0.5, said)


def _judged(random: np.random.Generator, ease: Floats, y: Floats, judge: str) -> Floats:
    if judge == "lenient":
        return np.where((y == 0) & (random.random(ease.shape) < 0.15), 1.0, y)
    skill, noise = {"good": (2.25, 0.45), "weak": (0.6, 1.5), "useless": (0.0, 1.5)}[judge]
    return np.asarray(1 / (1 + np.exp(-skill * ease - noise * random.normal(0, 1, ease.shape))), np.float64)


def mean_label(world: World) -> Floats:
    return world.y


def mean_agreement(world: World) -> Floats:
    return agreement(world.y, world.f)


def table(judge: str) -> Iterator[Row]:
    """What is asked of a judge."""
    yield Row("PPI++", LABELS, plain, mean_label)
    if judge in ("lenient", "useless"):
        return
    yield Row("PPI++ of agreement", LABELS[:3], of_agreement, mean_agreement)
    for share in (0.8, 0.5):
        yield Row(f"PPI++, weighted, uniform {share}", LABELS[:3], weighted_powered(share), mean_label)
        yield Row(f"weighted agreement, uniform {share}", LABELS[:3], weighted(share), mean_agreement)


def coverage(draws: int, seed: int) -> None:
    with ProcessPoolExecutor(WORKERS) as pool:
        parts = [(judge, prompts, draws, seed) for prompts in (1, 3) for judge in JUDGES]
        found = [line for lines in pool.map(_lines, parts) for line in lines]
    print(f"{draws} draws each; coverage in % with its own 95 % interval; width beside people alone = 1\n")
    print(f"| estimator | judge | of a prompt | {' | '.join(f'n = {n} | width' for n in LABELS)} |")
    print("|---|---|--:|" + "--:|" * 2 * len(LABELS))
    for line in sorted(found, key=lambda line: line.name):
        cells = " | ".join(_shown(line.cells.get(n)) for n in LABELS)
        print(f"| {line.name} | {line.judge} | {line.prompts} | {cells} |")
    _judge_all(found)


def _judge_all(found: Sequence[Line]) -> None:
    cells = [(line, n, *cell) for line in found for n, cell in line.cells.items()]
    wrong = [one for one in cells if not LOWEST <= one[2].value <= HIGHEST or one[3] > WIDEST]
    lowest, highest = (pick(one[2].value for one in cells) for pick in (min, max))
    widest = max(one[3] for one in cells if not math.isnan(one[3]))
    print(
        f"\n{len(cells)} settings: coverage {lowest:.1%} to {highest:.1%}, width at most {widest:.3f} of people alone;"
    )
    print(f"{len(wrong)} outside {LOWEST:.0%} to {HIGHEST:.0%}, or wider than {WIDEST}")
    for line, n, held, width in wrong:
        print(f"- {line.name}, {line.judge}, {line.prompts} of a prompt, n = {n}: {held.value:.2%}, width {width:.3f}")


def _shown(cell: tuple[Estimate, float] | None) -> str:
    if cell is None:
        return " | "
    held, width = cell
    told = "" if math.isnan(width) else f"{width:.3f}"
    return f"{100 * held.value:.1f} [{100 * held.low:.1f}, {100 * held.high:.1f}] | {told}"


def _lines(part: tuple[str, int, int, int]) -> list[Line]:
    """All that is asked of one judge: every estimator sees the same worlds."""
    judge, per_prompt, draws, seed = part
    random = np.random.default_rng([seed, JUDGES.index(judge), per_prompt])
    rows = list(table(judge))
    truths = _truths(judge, per_prompt, rows)
    counts = {(row.name, n): np.zeros(3) for row in rows for n in row.labels}
    for start in range(0, draws, BLOCK):
        block = min(BLOCK, draws - start)
        world = worlds(random, block, judge, per_prompt)
        for row in rows:
            for n in row.labels:
                found = (row.ask(world, draw, n, random) for draw in range(block))
                counts[row.name, n] += sum(_counted(one, truths[row.target.__name__]) for one in found)
    return [
        Line(row.name, judge, per_prompt, {n: _cell(counts[row.name, n], draws) for n in row.labels}) for row in rows
    ]


def _counted(found: Found, truth: float) -> Floats:
    low, high = found.estimate.low, found.estimate.high
    return np.array([low <= truth <= high, high - low, found.alone])


def _cell(counts: Floats, draws: int) -> tuple[Estimate, float]:
    return wilson(int(counts[0]), draws), float(counts[1] / counts[2])


def _truths(judge: str, per_prompt: int, rows: Sequence[Row]) -> dict[str, float]:
    random = np.random.default_rng([99, per_prompt])
    targets = {row.target.__name__: row.target for row in rows}
    sums = dict.fromkeys(targets, 0.0)
    for _ in range(TRUTH):
        world = worlds(random, 10, judge, per_prompt, 30_000)
        for name, target in targets.items():
            sums[name] += float(target(world).mean()) / TRUTH
    return sums
