"""Is the length-controlled win rate nearer to the truth than the raw one? In worlds where the truth is known.

    python benchmarks/length_control.py             # 20 worlds a row, a few minutes on one core
    python benchmarks/length_control.py --worlds 4

Systems are compared with one opponent by a judge that likes longer answers:

    logit P(win) = theta + psi difficulty + phi tanh((length - opponent's length) / s)

phi is about 1.5 and psi about 0.95, as Dubois et al. (2024, arXiv 2404.04475) find for a GPT-4 judge; the judge's P is
drawn around that and mostly near 0 or 1. Truth is the mean over prompts without the length term. `hard where long` is
the correlation between a prompt's difficulty for all systems and the length of the opponent's answer. In the worlds
`longer is better` what makes an answer longer than the system's others also makes it better, which no method can tell
from the judge's taste. With fewer than 20 systems the figure has no difficulty term.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from amendment.statistics import Resampling
from amendment.statistics.length_control import FEWEST_SYSTEMS, length_controlled, length_difficulty

Floats = NDArray[np.float64]


class Setting(NamedTuple):
    systems: int
    prompts: int
    hard_where_long: float
    longer_is_better: float = 0.0


SETTINGS = [
    *(Setting(systems, 805, hard) for systems in (57, 20, 10) for hard in (0.0, 0.5, 0.8)),
    *(Setting(systems, 200, hard) for systems in (57, 10) for hard in (0.0, 0.5, 0.8)),
    *(Setting(systems, 805, 0.5, 0.5) for systems in (57, 10)),
]


class World(NamedTuple):
    p: Floats
    """By system and prompt, as are the lengths."""
    longer: Floats
    truth: Floats


def world(setting: Setting, seed: int) -> World:
    random = np.random.default_rng([seed, setting.systems, setting.prompts])
    size = (setting.systems, setting.prompts)
    long = random.normal(size=setting.prompts)
    hard = setting.hard_where_long * long + np.sqrt(1 - setting.hard_where_long**2) * random.normal(
        size=setting.prompts
    )
    theta = random.normal(-2, 1.3, setting.systems)
    words = np.exp(random.normal(7.1, 0.35, setting.systems) + 0.1 * (theta + 2))
    phi, psi = random.normal(1.55, 0.3, setting.systems), random.normal(0.95, 0.15, setting.systems)
    follows, apart = random.uniform(0.25, 0.5, setting.systems), random.normal(size=size)
    longer = words[:, None] * np.exp(follows[:, None] * long + 0.35 * apart) - np.exp(7.45 + 0.6 * long)
    worth = theta[:, None] - 1.5 * psi[:, None] * hard + setting.longer_is_better * apart
    mean = sigmoid(worth + phi[:, None] * np.tanh(longer / longer.std(1, keepdims=True)))
    p = random.beta(np.maximum(mean / 2, 1e-3), np.maximum((1 - mean) / 2, 1e-3))
    return World(p, longer, sigmoid(worth).mean(1))


def sigmoid(x: Floats) -> Floats:
    found: Floats = 0.5 * (1 + np.tanh(x / 2))
    return found


def controlled(made: World) -> Floats:
    """As the certificate does it."""
    systems, prompts = made.p.shape
    nothing, names = np.zeros(prompts), np.arange(prompts)
    fitted = None
    if systems >= FEWEST_SYSTEMS:
        numbers = np.repeat(np.arange(systems), prompts)
        fitted = length_difficulty(made.p.ravel(), made.longer.ravel(), numbers, np.tile(names, systems))
    found = [
        length_controlled(
            p,
            longer,
            nothing,
            names,
            difficulty=None if fitted is None else fitted.difficulty[:prompts],
            slope=0.0 if fitted is None else fitted.slope,
            resampling=Resampling(draws=1),
        )
        for p, longer in zip(made.p, made.longer, strict=True)
    ]
    return np.array([one.controlled.value for one in found])


def compared(found: Floats, truth: Floats) -> tuple[float, float]:
    """Spearman's correlation, and the mean error in points."""
    return float(spearmanr(found, truth).statistic), 100 * float(np.abs(found - truth).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=20)
    worlds = parser.parse_args().worlds
    print(f"{worlds} worlds a row")
    print()
    print("| systems | prompts | hard where long | longer is better | raw: Spearman, error | controlled: the same |")
    print("|---|---|---|---|---|---|")
    for setting in SETTINGS:
        rows = []
        for seed in range(worlds):
            made = world(setting, seed)
            rows.append([*compared(made.p.mean(1), made.truth), *compared(controlled(made), made.truth)])
        raw, raw_error, found, error = np.mean(rows, axis=0)
        print(
            f"| {setting.systems} | {setting.prompts} | {setting.hard_where_long} | {setting.longer_is_better or '-'} "
            f"| {raw:.3f}, {raw_error:.1f} | {found:.3f}, {error:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
