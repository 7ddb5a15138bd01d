"""How often 95 % intervals of shares hold the truth: near 0 and 1, in few rows, in rows that belong together.

Rows come in clusters of one size, of sizes drawn evenly up to it ("to 10"), or of very uneven sizes ("uneven"): the
largest cluster has a fifth of the rows, the second a tenth, the third a fifteenth. Within a cluster rows are right with
a probability of its own, beta distributed, so that two of them correlate by what the table says; with a correlation of
1 they are all alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from amendment.statistics import share
from amendment.statistics.intervals import Codes

SHARES = (0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
ROWS = (30, 60, 100, 300, 1_000)
SIZES = ("1", "2", "5", "10", "to 10", "uneven")
CORRELATIONS = (0.0, 0.05, 0.1, 1.0)


class Cell(NamedTuple):
    rows: int
    sizes: str
    correlation: float
    truth: float
    clusters: int
    coverage: float


def shares(draws: int, seed: int) -> None:
    """The grid, a line for each layout of rows; then its extremes."""
    cells = list(_cells(draws, np.random.default_rng(seed)))
    print(f"{draws} draws each; coverage in %\n")
    print(f"| rows | of a cluster | correlation | {' | '.join(map(str, SHARES))} |")
    print("|--:|--:|--:|" + "--:|" * len(SHARES))
    for start in range(0, len(cells), len(SHARES)):
        line = cells[start : start + len(SHARES)]
        shown = " | ".join(f"{100 * cell.coverage:.1f}" for cell in line)
        print(f"| {line[0].rows} | {line[0].sizes} | {line[0].correlation:g} | {shown} |")
    print(f"\nmean over {len(cells)} cells: {np.mean([cell.coverage for cell in cells]):.1%}")
    even = [cell for cell in cells if cell.sizes != "uneven" and cell.correlation < 1]
    _least("independent rows", [cell for cell in even if cell.sizes == "1"])
    _least("30 clusters or more", [cell for cell in even if cell.clusters >= 30])
    _least("10 to 29 clusters", [cell for cell in even if 10 <= cell.clusters < 30])
    _least("fewer than 10 clusters", [cell for cell in even if cell.clusters < 10])
    _least("rows of a cluster all alike", [cell for cell in cells if cell.sizes != "uneven" and cell.correlation == 1])
    _least("very uneven clusters", [cell for cell in cells if cell.sizes == "uneven" and cell.correlation < 1])
    _least("both", [cell for cell in cells if cell.sizes == "uneven" and cell.correlation == 1])


def _least(name: str, cells: list[Cell]) -> None:
    least = min(cells, key=lambda cell: cell.coverage)
    print(f"{name}: {len(cells)} cells, least {least.coverage:.1%} ({least.rows} rows, share {least.truth:g})")


def _cells(draws: int, random: np.random.Generator) -> Iterator[Cell]:
    for rows in ROWS:
        for name in SIZES:
            clusters = _sizes(name, rows, np.random.default_rng(0)).size
            if clusters < 5:  # no interval is given
                continue
            for correlation in CORRELATIONS if name != "1" else CORRELATIONS[:1]:
                for truth in SHARES:
                    held = [_is_held(truth, correlation, _sizes(name, rows, random), random) for _ in range(draws)]
                    yield Cell(rows, name, correlation, truth, clusters, float(np.mean(held)))


def _sizes(name: str, rows: int, random: np.random.Generator) -> Codes:
    """The number of rows of each cluster."""
    if name == "uneven":
        sizes = np.ceil(rows / 5 / np.arange(1, rows + 1)).astype(np.intp)
        return sizes[: int(np.searchsorted(sizes.cumsum(), rows)) + 1]
    if name == "to 10":
        return random.integers(1, 11, round(rows / 5.5))
    return np.full(round(rows / int(name)), int(name))


def _is_held(truth: float, correlation: float, sizes: Codes, random: np.random.Generator) -> bool:
    chances = np.full(sizes.size, truth)
    if correlation == 1:
        chances = (random.random(sizes.size) < truth).astype(np.float64)
    elif correlation:
        spread = (1 - correlation) / correlation
        chances = random.beta(truth * spread, (1 - truth) * spread, sizes.size)
    names = np.repeat(np.arange(sizes.size), sizes)
    found = share(random.random(names.size) < chances[names], names)
    return found.low <= truth <= found.high
