"""ECE of judges whose calibration is known: what it shows, what a perfect one would show, and whether intervals hold.

    python benchmarks/calibration.py ece

Confidences are uniform from one half to 1; a judge that is twice too sure is right as often as half its log-odds say.
The truth is the ECE of endless labels on the same comparisons and bins.
"""

from __future__ import annotations

from statistics import fmean
from typing import NamedTuple

import numpy as np

from amendment.statistics import wilson
from amendment.statistics.calibration_errors import calibration_report

SIZES = (100, 300, 1000)
TOO_SURE = (1.0, 1.5, 3.0)
DRAWS_A_SET = 20
"""Of the draws that the other parts take: 4,000 of them are 200 sets of labels here."""


class Found(NamedTuple):
    truth: float
    shown: float
    perfect: float
    held: bool
    alarm: bool


def ece(draws: int, seed: int) -> None:
    """ECE, the value of a perfect judge, coverage of its 95 % interval, and how often it is called miscalibrated."""
    sets = max(2, draws // DRAWS_A_SET)
    print(f"\n### ECE over ten bins, {sets} sets of labels each\n")
    print("| labels | too sure by | true ECE | ECE shown | of a perfect judge | interval holds the truth | called |")
    print("|---|---|---|---|---|---|---|")
    for n in SIZES:
        for too_sure in TOO_SURE:
            rows = [_one(n, too_sure, [seed, n, number]) for number in range(sets)]
            held = wilson(sum(row.held for row in rows), sets)
            means = [fmean(column) for column in zip(*(row[:3] for row in rows), strict=True)]
            told = " | ".join(f"{mean:.3f}" for mean in means)
            called = fmean(row.alarm for row in rows)
            print(
                f"| {n} | {too_sure:g} | {told} | {held.value:.3f} ({held.low:.3f} to {held.high:.3f}) | {called:.2f} |"
            )


def _one(n: int, too_sure: float, key: list[int]) -> Found:
    dice = np.random.default_rng(key)
    p = np.sort(dice.uniform(0.5, 1, n))
    right = 1 / (1 + ((1 - p) / p) ** (1 / too_sure))
    y = (dice.random(n) < right).astype(float)
    found = calibration_report(p, y, clusters=range(n), draws=500, simulated=300, seed=key[-1])
    ends = np.cumsum([row.n for row in found.bins])[:-1]
    truth = sum(abs(float(part.sum())) for part in np.split(right - p, ends)) / n
    held = found.ece.low - 1e-9 <= truth <= found.ece.high
    return Found(float(truth), found.ece.value, found.ece_if_perfect.mean, held, found.shows_miscalibration)
